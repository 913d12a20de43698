//! `Chrf`.

use super::{is_space, ngrams, texts, words};
use crate::{EvalCx, Metric, Result, Score};
use std::hash::Hash;

/// Measures how many character n-grams output and reference share: chrF (Popović 2015), over 100, and with
/// [`words`](Self::words) chrF++ (Popović 2017). Needs no judge.
///
/// Precision and recall of the n-grams of 1 to 6 characters, averaged over the orders that both texts have, make
/// `(1 + β²) · P · R / (β² · P + R)` with β = 2: recall counts twice as much. White space does not count. Of several
/// references the best counts. Good for languages with rich endings, where whole words rarely match. As sacrebleu 2.6.0
/// to eight digits; the quantity is chrF from 0 to 100.
///
/// Needs `output` and `expected`; more references come from the metadata `references`, a list of texts. Default bar: at
/// least 0.5.
///
/// ```
/// use llmtest_metrics::{Chrf, FakeJudge, TestCase, measure_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let case = TestCase::new("Translate: …", "Die Katze sitzt").expected("Die Katzen sitzen");
/// let score = measure_with(&case, &Chrf::new(), FakeJudge::new()).await.unwrap();
/// assert_eq!(format!("{:.4}", score.value), "0.5666");
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Chrf {
    characters: usize,
    words: usize,
    beta: f64,
    ignore_case: bool,
    white_space: bool,
}

impl Default for Chrf {
    fn default() -> Self {
        Self::new()
    }
}

impl Chrf {
    /// chrF: n-grams of up to 6 characters, β = 2.
    pub fn new() -> Self {
        Self {
            characters: 6,
            words: 0,
            beta: 2.0,
            ignore_case: false,
            white_space: false,
        }
    }

    /// chrF++: n-grams of up to two words count as well.
    pub fn plus_plus() -> Self {
        Self::new().words(2)
    }

    /// The longest n-grams of characters. Panics on 0.
    #[track_caller]
    pub fn characters(mut self, n: usize) -> Self {
        assert!(
            n > 0,
            "`Chrf` needs n-grams of at least one character; write `.characters(1)`"
        );
        self.characters = n;
        self
    }

    /// The longest n-grams of words; 0 unless told otherwise.
    pub fn words(mut self, n: usize) -> Self {
        self.words = n;
        self
    }

    /// How much more recall counts than precision. Panics unless it is a positive number.
    #[track_caller]
    pub fn beta(mut self, beta: f64) -> Self {
        assert!(
            beta.is_finite() && beta > 0.0,
            "β of `Chrf` must be a positive number, not {beta}; 1 weighs precision and recall alike"
        );
        self.beta = beta;
        self
    }

    /// Takes upper and lower case as equal.
    pub fn ignore_case(mut self) -> Self {
        self.ignore_case = true;
        self
    }

    /// Counts white space as characters.
    pub fn white_space(mut self) -> Self {
        self.white_space = true;
        self
    }

    /// The score, in `0.0..=1.0`, of an output against the best of the references.
    ///
    /// ```
    /// use llmtest_metrics::Chrf;
    ///
    /// let (typo, other) = ("the cats sat", "a dog ran");
    /// assert!(Chrf::new().value(typo, &["the cat sat"]) > Chrf::new().value(other, &["the cat sat"]));
    /// ```
    pub fn value(&self, output: &str, references: &[impl AsRef<str>]) -> f64 {
        let output = Text::new(self, output);
        references
            .iter()
            .map(|reference| self.against(&output, &Text::new(self, reference.as_ref())))
            .fold(0.0, f64::max)
    }

    fn against(&self, output: &Text, reference: &Text) -> f64 {
        let (mut precision, mut recall, mut orders) = (0.0, 0.0, 0_u32);
        let characters =
            (1..=self.characters).map(|n| overlap(&output.characters, &reference.characters, n));
        let words = (1..=self.words).map(|n| overlap(&output.words, &reference.words, n));
        for (matched, of_output, of_reference) in characters.chain(words) {
            if of_output > 0 && of_reference > 0 {
                precision += matched as f64 / of_output as f64;
                recall += matched as f64 / of_reference as f64;
                orders += 1;
            }
        }
        if precision + recall == 0.0 {
            return 0.0;
        }
        let (precision, recall) = (precision / f64::from(orders), recall / f64::from(orders));
        let factor = self.beta * self.beta;
        ((1.0 + factor) * precision * recall / (factor * precision + recall)).min(1.0)
    }
}

/// A text as characters and words.
struct Text {
    characters: Vec<char>,
    words: Vec<String>,
}

impl Text {
    fn new(chrf: &Chrf, text: &str) -> Self {
        let text = if chrf.ignore_case {
            text.to_lowercase()
        } else {
            text.to_string()
        };
        Self {
            characters: text
                .chars()
                .filter(|c| chrf.white_space || !is_space(*c))
                .collect(),
            words: if chrf.words > 0 {
                split(&text)
            } else {
                Vec::new()
            },
        }
    }
}

/// The words, with one sign of ASCII punctuation split off at the end, or else at the start.
fn split(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    for word in words(text) {
        let mut inner = word.chars();
        match (inner.next(), inner.next_back()) {
            (Some(_), Some(last)) if last.is_ascii_punctuation() => {
                tokens.push(word[..word.len() - 1].to_string());
                tokens.push(last.to_string());
            }
            (Some(first), Some(_)) if first.is_ascii_punctuation() => {
                tokens.push(first.to_string());
                tokens.push(word[1..].to_string());
            }
            _ => tokens.push(word.to_string()),
        }
    }
    tokens
}

/// How many n-grams both have, and how many each has.
fn overlap<T: Eq + Hash>(output: &[T], reference: &[T], n: usize) -> (usize, usize, usize) {
    let (output, reference) = (ngrams(output, n), ngrams(reference, n));
    let matched = output
        .iter()
        .map(|(gram, count)| *count.min(reference.get(gram).unwrap_or(&0)))
        .sum();
    (matched, output.values().sum(), reference.values().sum())
}

impl Metric for Chrf {
    fn name(&self) -> &'static str {
        "chrf"
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        let (output, references) = texts(cx, self)?;
        let value = self.value(&output, &references);
        let unit = match self.words {
            0 => "chrF",
            1 => "chrF+",
            _ => "chrF++",
        };
        Ok(Score::new(value)
            .because(format!(
                "the output shares character n-grams with the reference to a {unit} of {:.2}",
                value * 100.0
            ))
            .quantity(value * 100.0, unit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proptesting;
    use proptest::prelude::*;

    #[test]
    fn precision_and_recall_are_averaged_over_the_orders_that_both_have() {
        // Of one character: 2 of 2 and 2 of 3; of two: 1 of 1 and 1 of 2; of three the output has none.
        let (precision, recall) = (1.0, f64::midpoint(2.0 / 3.0, 0.5));
        let expected = 5.0 * precision * recall / (4.0 * precision + recall);
        assert!((Chrf::new().value("ab", &["abc"]) - expected).abs() < 1e-12);
        assert_eq!(Chrf::new().value("", &[""]), 0.0);
    }

    #[test]
    fn words_lose_one_sign_of_punctuation() {
        assert_eq!(
            split("(hi) «hi» ( a. \"b"),
            ["(hi", ")", "«hi»", "(", "a", ".", "\"", "b"]
        );
    }

    #[test]
    fn case_and_white_space_count_when_told() {
        let value = |chrf: Chrf| chrf.value("A b", &["ab"]);
        assert_eq!(value(Chrf::new().ignore_case()), 1.0);
        assert!(value(Chrf::new()) < 1.0);
        assert!(value(Chrf::new().ignore_case().white_space()) < 1.0);
    }

    proptest! {
        #![proptest_config(proptesting::config())]

        #[test]
        fn the_score_is_in_range(output in "\\PC{0,12}", one in "[ab ,.]{0,12}", white in any::<bool>(), words in 0_usize..3) {
            let chrf = Chrf::new().words(words);
            let chrf = if white { chrf.white_space() } else { chrf };
            let value = chrf.value(&output, &[one]);
            prop_assert!((0.0..=1.0).contains(&value), "{value}");
        }

        #[test]
        fn a_text_is_like_itself(text in "[a-c][a-c ]{0,20}") {
            prop_assert!((Chrf::plus_plus().value(&text, &[&text]) - 1.0).abs() < 1e-12);
        }

        #[test]
        fn with_beta_1_both_sides_are_alike(a in "[ab ]{0,12}", b in "[ab ]{0,12}") {
            let chrf = Chrf::plus_plus().beta(1.0);
            prop_assert!((chrf.value(&a, &[&b]) - chrf.value(&b, &[&a])).abs() < 1e-12);
        }

        #[test]
        fn another_reference_never_lowers_the_score(output in "[ab ]{0,12}", one in "[ab ]{0,12}", other in "[ab ]{0,12}") {
            prop_assert!(Chrf::new().value(&output, &[&one, &other]) >= Chrf::new().value(&output, &[&one]));
        }
    }
}
