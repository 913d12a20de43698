//! The seam to embedding models: texts go out, vectors come back.

use crate::{BoxFuture, JudgeError, JudgeErrorKind, Result};
use std::future::Future;
use std::sync::Arc;

/// A model that turns texts into vectors, so that texts of like meaning have vectors of like direction.
///
/// ```
/// use llmtest_metrics::{Embedder, Result};
///
/// struct Letters;
///
/// impl Embedder for Letters {
///     fn model(&self) -> &str {
///         "letters"
///     }
///     async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>> {
///         let count = |text: &String, letter: char| text.matches(letter).count() as f32;
///         Ok(texts.iter().map(|text| ('a'..='z').map(|letter| count(text, letter)).collect()).collect())
///     }
/// }
/// ```
pub trait Embedder: Send + Sync {
    /// The model's name; part of the key of its recordings.
    fn model(&self) -> &str;
    /// One vector for every text, in their order, all of one length.
    fn embed(&self, texts: &[String]) -> impl Future<Output = Result<Vec<Vec<f32>>>> + Send;
}

trait DynEmbedder: Send + Sync {
    fn model(&self) -> &str;
    fn embed<'a>(&'a self, texts: &'a [String]) -> BoxFuture<'a, Result<Vec<Vec<f32>>>>;
}

impl<E: Embedder> DynEmbedder for E {
    fn model(&self) -> &str {
        Embedder::model(self)
    }

    fn embed<'a>(&'a self, texts: &'a [String]) -> BoxFuture<'a, Result<Vec<Vec<f32>>>> {
        Box::pin(Embedder::embed(self, texts))
    }
}

/// Any embedder, its type erased; cheap to clone.
#[derive(Clone)]
pub struct AnyEmbedder(Arc<dyn DynEmbedder>);

impl AnyEmbedder {
    /// The model's name.
    pub fn model(&self) -> &str {
        self.0.model()
    }

    /// One vector for every text. An error where the embedder gives another number of vectors, vectors of several
    /// lengths, or something that is not a number.
    pub async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>> {
        let vectors = self.0.embed(texts).await?;
        match wrong(&vectors, texts.len()) {
            None => Ok(vectors),
            Some(why) => Err(JudgeError::new(
                JudgeErrorKind::BadResponse,
                format!("the embedder `{}` {why}\nhint: look into its server's log, or use another model", self.model()),
            )
            .into()),
        }
    }
}

impl<E: Embedder + 'static> From<E> for AnyEmbedder {
    fn from(embedder: E) -> Self {
        Self(Arc::new(embedder))
    }
}

impl std::fmt::Debug for AnyEmbedder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AnyEmbedder({})", self.model())
    }
}

/// What is wrong with the vectors of so many texts.
fn wrong(vectors: &[Vec<f32>], texts: usize) -> Option<String> {
    if vectors.len() != texts {
        return Some(format!("gave {} vectors for {texts} texts", vectors.len()));
    }
    let length = vectors.first().map_or(1, Vec::len);
    if length == 0 {
        return Some("gave an empty vector".to_string());
    }
    if let Some(other) = vectors.iter().find(|vector| vector.len() != length) {
        let other = other.len();
        return Some(format!("gave vectors of {length} and of {other} numbers"));
    }
    let numbers = vectors.iter().flatten().all(|number| number.is_finite());
    (!numbers).then(|| "gave a vector with something that is not a number".to_string())
}

/// The cosine of the angle between two vectors of one length, in `-1.0..=1.0`; `None` where one of them is zero.
pub(crate) fn cosine(one: &[f32], two: &[f32]) -> Option<f64> {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        let products = a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b));
        products.sum()
    };
    // One root of the product, so that a vector and itself give exactly 1.
    let product = (dot(one, one) * dot(two, two)).sqrt();
    (product > 0.0).then(|| (dot(one, two) / product).clamp(-1.0, 1.0))
}

/// The embedder of a run, or why there is none.
pub(crate) type EmbedderSlot = std::result::Result<AnyEmbedder, JudgeError>;

/// The error of a metric that needs an embedder where none was given.
pub(crate) fn no_embedder() -> JudgeError {
    JudgeError::new(
        JudgeErrorKind::Config,
        "this metric compares embeddings, and no embedder is configured\nhint: pass one with `.embedder(…)`, such as `FakeEmbedder::new()`",
    )
}

/// An embedder that answers from a script, with which users test their metrics.
///
/// ```
/// use llmtest_metrics::{AnyEmbedder, FakeEmbedder};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let embedder = AnyEmbedder::from(FakeEmbedder::new().when("cat", [1.0, 0.0]).when("dog", [0.8, 0.6]));
/// let vectors = embedder.embed(&["a dog".to_string(), "a cat".to_string()]).await.unwrap();
/// assert_eq!(vectors, [[0.8, 0.6], [1.0, 0.0]]);
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct FakeEmbedder {
    rules: Vec<(String, Vec<f32>)>,
}

impl FakeEmbedder {
    /// An embedder that knows no text: every call is an error.
    pub fn new() -> Self {
        Self::default()
    }

    /// Embeds every text that contains `needle`, and none of the needles before it, as this vector.
    pub fn when(
        mut self,
        needle: impl Into<String>,
        vector: impl IntoIterator<Item = f32>,
    ) -> Self {
        self.rules
            .push((needle.into(), vector.into_iter().collect()));
        self
    }
}

impl Embedder for FakeEmbedder {
    fn model(&self) -> &'static str {
        "fake"
    }

    async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>> {
        let vector = |text: &String| {
            let rule = self.rules.iter().find(|(needle, _)| text.contains(needle));
            let message = || format!("the fake embedder has no vector for {text:?}");
            rule.map(|(_, vector)| vector.clone())
                .ok_or_else(|| JudgeError::new(JudgeErrorKind::Config, message()).into())
        };
        texts.iter().map(vector).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Broken(Vec<Vec<f32>>);

    impl Embedder for Broken {
        fn model(&self) -> &'static str {
            "broken"
        }

        async fn embed(&self, _texts: &[String]) -> Result<Vec<Vec<f32>>> {
            Ok(self.0.clone())
        }
    }

    #[tokio::test]
    async fn what_an_embedder_gives_is_checked() {
        let texts = ["a".to_string(), "b".to_string()];
        for (vectors, why) in [
            (vec![vec![1.0]], "gave 1 vectors for 2 texts"),
            (vec![vec![], vec![]], "an empty vector"),
            (vec![vec![1.0], vec![1.0, 2.0]], "of 1 and of 2 numbers"),
            (vec![vec![1.0], vec![f32::INFINITY]], "not a number"),
        ] {
            let error = AnyEmbedder::from(Broken(vectors))
                .embed(&texts)
                .await
                .unwrap_err();
            assert!(
                error.to_string().contains(why) && error.to_string().contains("`broken`"),
                "{error}"
            );
        }
        let good = AnyEmbedder::from(Broken(vec![vec![1.0], vec![2.0]]));
        assert_eq!(good.embed(&texts).await.unwrap().len(), 2);
    }

    #[tokio::test]
    async fn a_fake_without_a_rule_names_the_text() {
        let error = AnyEmbedder::from(FakeEmbedder::new().when("x", [1.0]))
            .embed(&["abc".to_string()])
            .await
            .unwrap_err();
        assert!(error.to_string().contains("\"abc\""), "{error}");
    }

    #[test]
    fn a_vector_and_itself_have_a_cosine_of_exactly_1() {
        for vector in [
            &[1.0, 1.0][..],
            &[0.1, 0.7, 0.3],
            &[f32::MAX; 4],
            &[1e-45, 0.0],
        ] {
            assert_eq!(cosine(vector, vector), Some(1.0), "{vector:?}");
        }
        assert_eq!(cosine(&[0.0, 0.0], &[1.0, 1.0]), None);
    }

    proptest! {
        #![proptest_config(crate::proptesting::config())]

        #[test]
        fn the_cosine_is_symmetric_in_range_and_blind_to_length(
            pairs in prop::collection::vec((-1e3..1e3_f32, -1e3..1e3_f32), 1..20),
            scale in 0.01..100.0_f32,
        ) {
            let (one, two): (Vec<f32>, Vec<f32>) = pairs.into_iter().unzip();
            let value = cosine(&one, &two);
            prop_assert_eq!(value, cosine(&two, &one));
            if let Some(value) = value {
                prop_assert!((-1.0..=1.0).contains(&value));
                let longer: Vec<f32> = one.iter().map(|number| number * scale).collect();
                prop_assert!((cosine(&longer, &two).unwrap_or(9.0) - value).abs() < 1e-4);
                prop_assert_eq!(cosine(&one, &one), Some(1.0));
                let opposite: Vec<f32> = two.iter().map(|number| -number).collect();
                prop_assert!((cosine(&one, &opposite).unwrap_or(9.0) + value).abs() < 1e-12);
            }
        }
    }
}
