//! `Ter`.

use super::{comparable, is_space, ter_shifts, texts, words};
use crate::{EvalCx, Metric, Result, Score};
use regex::Regex;
use std::sync::LazyLock;

/// The largest product of two lengths that is compared. A thousand moves are tried at most: seconds without optimisation.
const MOST_CELLS: usize = 4_000_000;

/// Measures how many edits a person would need to turn the output into the reference: `1 - TER`, and 0 where the rate is
/// above 1. Needs no judge.
///
/// The translation edit rate (Snover et al. 2006) is the number of words inserted, deleted or replaced and of runs of words
/// moved, over the length of the reference. Of several references the one with the fewest edits counts, over their mean
/// length. Lower case and split at white space unless told otherwise. As sacrebleu 2.6.0 to eight digits; the quantity
/// is TER in percent, which can exceed 100.
///
/// Needs `output` and `expected`; more references come from the metadata `references`, a list of texts. Default bar: at
/// least 0.5.
///
/// ```
/// use llmtest_metrics::{FakeJudge, Ter, TestCase, measure_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let case = TestCase::new("Translate: …", "on the mat sat the cat").expected("the cat sat on the mat");
/// let score = measure_with(&case, &Ter::new(), FakeJudge::new()).await.unwrap();
/// assert_eq!(format!("{:.4}", score.value), "0.6667");
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Ter {
    case: bool,
    normalized: bool,
    no_punctuation: bool,
}

impl Ter {
    /// With sacrebleu's defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes upper and lower case as different.
    pub fn case_sensitive(mut self) -> Self {
        self.case = true;
        self
    }

    /// Splits off ASCII punctuation and reads the escapes of XML, as Tercom's normaliser.
    pub fn normalized(mut self) -> Self {
        self.normalized = true;
        self
    }

    /// Leaves `. , ? : ; ! " ( )` out.
    pub fn no_punctuation(mut self) -> Self {
        self.no_punctuation = true;
        self
    }

    /// The rate of an output against one or several references; 0 is perfect, and it can exceed 1.
    ///
    /// ```
    /// use llmtest_metrics::Ter;
    ///
    /// assert_eq!(Ter::new().rate("d e f a b c", &["a b c d e f"]), 1.0 / 6.0);
    /// ```
    pub fn rate(&self, output: &str, references: &[impl AsRef<str>]) -> f64 {
        let output = self.prepared(output);
        let output = words(&output);
        let (mut fewest, mut length) = (usize::MAX, 0);
        for reference in references {
            // Twice, as sacrebleu does: it matters where normalising uncovers an escape.
            let reference = self.prepared(&self.prepared(reference.as_ref()));
            let reference = words(&reference);
            fewest = fewest.min(ter_shifts::edits(&output, &reference));
            length += reference.len();
        }
        if length == 0 {
            return f64::from(u8::from(!output.is_empty()));
        }
        fewest as f64 * references.len() as f64 / length as f64
    }

    fn prepared(self, text: &str) -> String {
        let text = text.trim_end_matches(is_space);
        let mut text = if self.case {
            text.to_string()
        } else {
            text.to_lowercase()
        };
        if self.normalized && !text.is_empty() {
            text = normalized(&text);
        }
        if self.no_punctuation {
            text.retain(|c| !matches!(c, '.' | ',' | '?' | ':' | ';' | '!' | '"' | '(' | ')'));
        }
        text
    }
}

/// What Tercom's normaliser does to Western text.
fn normalized(text: &str) -> String {
    static RULES: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
        [
            (r"([{-~\[-` -&(-+:-@/])", " $1 "),
            (r"'s ", " 's "),
            (r"'s$", " 's"),
            (r"([^0-9])([.,])", "$1 $2 "),
            (r"([.,])([^0-9])", " $1 $2"),
            (r"([0-9])(-)", "$1 $2 "),
        ]
        .map(|(pattern, with)| (Regex::new(pattern).expect("a pattern of this file"), with))
        .into()
    });
    let text = text
        .replace("\n-", "")
        .replace('\n', " ")
        .replace("&quot;", "\"")
        .replace("&amp;", "&")
        .replace("&lt;", "<")
        .replace("&gt;", ">");
    let mut text = format!(" {text} ");
    for (pattern, with) in RULES.iter() {
        text = pattern.replace_all(&text, *with).into_owned();
    }
    text
}

impl Metric for Ter {
    fn name(&self) -> &'static str {
        "ter"
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        let (output, references) = texts(cx, self)?;
        let length = words(&self.prepared(&output)).len();
        for reference in &references {
            let of_reference = words(&self.prepared(reference)).len();
            comparable(self, (length, of_reference), "words", MOST_CELLS)?;
        }
        let rate = self.rate(&output, &references);
        Ok(Score::new((1.0 - rate).max(0.0))
            .because(format!(
                "it takes {:.0} edits a hundred words of the reference to get there",
                rate * 100.0
            ))
            .quantity(rate * 100.0, "TER"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proptesting;
    use crate::{FakeJudge, TestCase, measure_with};
    use proptest::prelude::*;

    #[test]
    fn case_and_punctuation_count_as_told() {
        let rate = |ter: Ter| ter.rate("The cat's here, (now)", &["the cat 's here now"]);
        assert_eq!(rate(Ter::new()), 4.0 / 5.0);
        assert_eq!(rate(Ter::new().normalized()), 3.0 / 5.0);
        assert_eq!(rate(Ter::new().normalized().no_punctuation()), 0.0);
        assert_eq!(
            rate(Ter::new().normalized().no_punctuation().case_sensitive()),
            1.0 / 5.0
        );
    }

    #[test]
    fn the_fewest_edits_count_over_the_mean_length() {
        assert_eq!(Ter::new().rate("a b", &["a b c", "x y z u v"]), 0.25);
        assert_eq!(
            (Ter::new().rate("", &[""]), Ter::new().rate("a b", &[""])),
            (0.0, 1.0)
        );
    }

    #[tokio::test]
    async fn a_rate_above_1_scores_0_and_stays_in_the_quantity() {
        let case = TestCase::new("q", "a b c").expected("x");
        let score = measure_with(&case, &Ter::new(), FakeJudge::new())
            .await
            .unwrap();
        assert_eq!((score.value, score.quantity.unwrap().value), (0.0, 300.0));
        assert_eq!(
            score.reason.unwrap(),
            "it takes 300 edits a hundred words of the reference to get there"
        );
        let long = "a ".repeat(2_100);
        let case = TestCase::new("q", &long).expected(&long);
        let error = measure_with(&case, &Ter::new(), FakeJudge::new())
            .await
            .unwrap_err();
        assert!(
            error.to_string().contains("2100 and 2100 words\nhint: "),
            "{error}"
        );
    }

    proptest! {
        #![proptest_config(proptesting::config())]

        #[test]
        fn the_rate_is_finite_and_0_for_the_same_text(a in "[ab ,.]{0,12}|\\PC{0,9}", b in "[ab ,.]{0,12}") {
            let ter = Ter::new().normalized();
            for rate in [ter.rate(&a, &[&b]), Ter::new().rate(&a, &[&b])] {
                prop_assert!(rate >= 0.0 && rate.is_finite(), "{rate}");
            }
            prop_assert_eq!(Ter::new().rate(&a, &[&a]), 0.0);
        }

        #[test]
        fn the_order_of_references_does_not_count(a in "[ab ]{0,12}", b in "[ab ]{0,12}", c in "[ab ]{0,12}") {
            prop_assert_eq!(Ter::new().rate(&a, &[&b, &c]), Ter::new().rate(&a, &[&c, &b]));
        }
    }
}
