//! `TokenF1`.

use super::{f1, texts, words};
use crate::{EvalCx, Metric, Result, Score};
use regex::Regex;
use std::collections::HashMap;
use std::sync::LazyLock;

/// Measures how many words output and expected answer share: the F-measure of question answering (SQuAD, Rajpurkar et al.
/// 2016). Needs no judge.
///
/// `2·P·R / (P + R)`, where `P` is the share of the output's words that the expected answer has and `R` the share of the
/// expected answer's that the output has, each word as often as both have it. Before, both become lower case and lose
/// ASCII punctuation and the words a, an and the, as in SQuAD's own script. Of several answers the best counts. Two texts
/// of which nothing remains score 1, one of them 0.
///
/// Needs `output` and `expected`; more answers come from the metadata `references`, a list of texts. Default bar: at
/// least 0.5.
///
/// ```
/// use llmtest_metrics::{FakeJudge, TestCase, TokenF1, measure_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let case = TestCase::new("Where is the tower?", "In Paris, France.").expected("Paris, France");
/// assert_eq!(measure_with(&case, &TokenF1::new(), FakeJudge::new()).await.unwrap().value, 0.8);
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct TokenF1 {}

/// Articles are left out where they are words.
static ARTICLES: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\b(a|an|the)\b").expect("a pattern of this file"));

impl TokenF1 {
    /// With SQuAD's normalisation.
    pub fn new() -> Self {
        Self {}
    }

    /// The score, in `0.0..=1.0`, of an output against the best of the references.
    ///
    /// ```
    /// use llmtest_metrics::TokenF1;
    ///
    /// assert_eq!(TokenF1::new().value("The cat!", &["a cat"]), 1.0);
    /// ```
    pub fn value(&self, output: &str, references: &[impl AsRef<str>]) -> f64 {
        let output = normal(output);
        references
            .iter()
            .map(|reference| of_words(&words(&output), &words(&normal(reference.as_ref()))))
            .fold(0.0, f64::max)
    }
}

fn normal(text: &str) -> String {
    let letters: String = text
        .to_lowercase()
        .chars()
        .filter(|c| !c.is_ascii_punctuation())
        .collect();
    ARTICLES.replace_all(&letters, " ").into_owned()
}

fn of_words(output: &[&str], reference: &[&str]) -> f64 {
    if output.is_empty() || reference.is_empty() {
        return f64::from(u8::from(output.is_empty() && reference.is_empty()));
    }
    let mut left: HashMap<&str, usize> = HashMap::new();
    for word in reference {
        *left.entry(word).or_default() += 1;
    }
    let mut shared = 0;
    for word in output {
        if let Some(count @ 1..) = left.get_mut(word) {
            *count -= 1;
            shared += 1;
        }
    }
    let shared = f64::from(shared);
    f1(
        shared / output.len() as f64,
        shared / reference.len() as f64,
    )
}

impl Metric for TokenF1 {
    fn name(&self) -> &'static str {
        "token_f1"
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        let (output, references) = texts(cx, self)?;
        let value = self.value(&output, &references);
        let reason = if value == 0.0 {
            "the output shares no word with the expected output".to_string()
        } else {
            format!(
                "the output shares words with the expected output to an F-measure of {value:.2}"
            )
        };
        Ok(Score::new(value).because(reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proptesting;
    use proptest::prelude::*;

    #[test]
    fn articles_punctuation_and_case_do_not_count() {
        let value = |output: &str, reference: &str| TokenF1::new().value(output, &[reference]);
        assert_eq!(value("An apple-tree", "the Appletree."), 1.0);
        assert_eq!(value("theory", "ory"), 0.0);
        assert_eq!(value("a b", "b b c"), 0.5);
        assert_eq!((value("the", "an"), value("the", "x")), (1.0, 0.0));
    }

    proptest! {
        #![proptest_config(proptesting::config())]

        #[test]
        fn the_score_is_in_range_and_symmetric(a in "[b-d ,]{0,12}|\\PC{0,9}", b in "[b-d ]{0,12}") {
            let value = TokenF1::new().value(&a, &[&b]);
            prop_assert!((0.0..=1.0).contains(&value), "{value}");
            prop_assert!((value - TokenF1::new().value(&b, &[&a])).abs() < 1e-12);
        }

        #[test]
        fn a_text_is_like_itself_in_any_order_of_words(words in prop::collection::vec("[b-d]{1,2}", 0..9)) {
            let back = words.iter().rev().cloned().collect::<Vec<_>>().join(" ");
            prop_assert_eq!(TokenF1::new().value(&words.join(" "), &[back]), 1.0);
        }

        #[test]
        fn a_wrong_word_never_raises_the_score(a in "[b-d ]{0,12}", b in "[b-d ]{0,12}") {
            let value = |text: &str| TokenF1::new().value(text, &[&b]);
            let worse = format!("{a} zz");
            prop_assert!(value(&worse) <= value(&a));
        }
    }
}
