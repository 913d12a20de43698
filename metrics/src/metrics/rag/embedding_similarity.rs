//! `EmbeddingSimilarity`.

use crate::embed::cosine;
use crate::{AnyEmbedder, Bar, EvalCx, Field, Metric, Result, Score};

/// Measures how near the output is to the expected output in meaning: the cosine of their embeddings. Needs an embedder
/// and no judge.
///
/// The cosine lies in `-1..=1`; a negative one, which says no more than that the texts have nothing in common, scores 0. What
/// a good value is depends on the model, so take the bar from pairs that you know: with small models, a paraphrase scores
/// about 0.7 to 0.9 and another topic below 0.3. Embeddings hardly see a negation or a wrong number; for facts, use
/// [`AnswerCorrectness`](crate::AnswerCorrectness).
///
/// The embedder is the one of the configuration (`[embedder]` in llmtest.toml), whose vectors are recorded, or the one that
/// is given. Needs `output` and `expected`. Default bar: at least 0.7. As `SemanticSimilarity` of ragas 0.4.
///
/// ```
/// use llmtest_metrics::{EmbeddingSimilarity, FakeEmbedder, FakeJudge, TestCase, measure_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let embedder = FakeEmbedder::new().when("month", [3.0, 4.0]).when("30 days", [4.0, 3.0]);
/// let metric = EmbeddingSimilarity::new().embedder(embedder);
/// let case = TestCase::new("Refund?", "Within a month.").expected("Within 30 days.");
/// let score = measure_with(&case, &metric, FakeJudge::new()).await.unwrap();
/// assert!((score.value - 0.96).abs() < 1e-9);
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct EmbeddingSimilarity {
    embedder: Option<AnyEmbedder>,
}

impl EmbeddingSimilarity {
    /// With the embedder of the configuration.
    pub fn new() -> Self {
        Self::default()
    }

    /// Embeds with this embedder, as it is: not recorded, not retried.
    pub fn embedder(mut self, embedder: impl Into<AnyEmbedder>) -> Self {
        self.embedder = Some(embedder.into());
        self
    }
}

impl Metric for EmbeddingSimilarity {
    fn name(&self) -> &'static str {
        "embedding_similarity"
    }

    fn bar(&self) -> Bar {
        Bar::AtLeast(0.7)
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        let output = cx.need(self, Field::Output)?;
        let expected = cx.need(self, Field::Expected)?;
        let (value, model) = measured(cx, self.embedder.as_ref(), &output, &expected).await?;
        let reason = format!(
            "the cosine of output and expected output is {value:.2}, embedded by `{model}`"
        );
        Ok(Score::new(value).because(reason).detail("embedder", model))
    }
}

/// The similarity of two texts in `0.0..=1.0`, and the model that it is by.
pub(super) async fn measured(
    cx: &EvalCx<'_>,
    embedder: Option<&AnyEmbedder>,
    one: &str,
    two: &str,
) -> Result<(f64, String)> {
    let embedder = match embedder {
        Some(embedder) => embedder,
        None => cx.embedder()?,
    };
    let vectors = embedder.embed(&[one.to_string(), two.to_string()]).await?;
    let model = embedder.model().to_string();
    let [one, two] = vectors.as_slice() else {
        return Err("two texts were embedded".into());
    };
    match cosine(one, two) {
        Some(cosine) => Ok((cosine.clamp(0.0, 1.0), model)),
        None => Err(format!(
            "the embedder `{model}` gave a vector of zeros, which has no direction\nhint: use another model; set `model` under `[embedder]` in llmtest.toml"
        )
        .into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FakeEmbedder, FakeJudge, JudgeError, JudgeErrorKind, TestCase, measure_with};

    fn case() -> TestCase {
        TestCase::new("Refund?", "Within a month.").expected("Within 30 days.")
    }

    async fn between(one: &[f32], two: &[f32]) -> Result<Score> {
        let embedder = FakeEmbedder::new()
            .when("month", one.iter().copied())
            .when("days", two.iter().copied());
        let metric = EmbeddingSimilarity::new().embedder(embedder);
        measure_with(&case(), &metric, FakeJudge::new()).await
    }

    #[tokio::test]
    async fn the_cosine_is_the_score_and_a_negative_one_is_zero() {
        for (one, two, wanted) in [
            ([1.0, 0.0], [1.0, 0.0], 1.0),
            ([1.0, 0.0], [0.0, 2.0], 0.0),
            ([1.0, 0.0], [-1.0, 0.1], 0.0),
            ([1.0, 1.0], [2.0, 0.0], 0.5_f64.sqrt()),
        ] {
            let score = between(&one, &two).await.unwrap();
            assert!((score.value - wanted).abs() < 1e-9, "{}", score.value);
        }
        let score = between(&[4.0, 3.0], &[3.0, 4.0]).await.unwrap();
        assert_eq!(
            score.reason.as_deref(),
            Some("the cosine of output and expected output is 0.96, embedded by `fake`")
        );
    }

    #[tokio::test]
    async fn vectors_that_cannot_be_compared_are_errors() {
        let zero = between(&[0.0, 0.0], &[1.0, 0.0]).await.unwrap_err();
        assert!(zero.to_string().contains("vector of zeros"), "{zero}");
        let short = between(&[1.0], &[1.0, 0.0]).await.unwrap_err();
        assert!(
            short.to_string().contains("of 1 and of 2 numbers"),
            "{short}"
        );
        let nan = between(&[f32::NAN, 0.0], &[1.0, 0.0]).await.unwrap_err();
        assert!(nan.to_string().contains("not a number"), "{nan}");
    }

    #[tokio::test]
    async fn without_an_embedder_the_error_says_where_to_set_one() {
        let error = measure_with(&case(), &EmbeddingSimilarity::new(), FakeJudge::new())
            .await
            .unwrap_err();
        let error = error.downcast_ref::<JudgeError>().unwrap();
        assert_eq!(error.kind, JudgeErrorKind::Config);
        assert!(error.to_string().contains("`.embedder(…)`"), "{error}");
    }
}
