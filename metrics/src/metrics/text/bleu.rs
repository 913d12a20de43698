//! `Bleu`.

use super::{BleuTokens, ngrams, texts};
use crate::{EvalCx, Metric, Result, Score};
use std::collections::HashMap;

/// Measures how many n-grams of the output stand in a reference text: BLEU of one sentence (Papineni et al. 2002), over
/// 100. Needs no judge.
///
/// `brevity · exp(mean of ln pₙ)` for n from 1 to 4, where `pₙ` is the share of the output's n-grams that a reference has,
/// each counted at most as often as in the reference that has it most, and `brevity` is `exp(1 - r / c)` for an output
/// of `c` tokens that is shorter than the nearest reference of `r`. As sacrebleu 2.6.0 to eight digits, with its
/// defaults for sentences: tokens of `13a`, exponential smoothing, and only the orders that the output has (effective
/// order). The quantity is BLEU from 0 to 100. For other languages than those written with Latin letters choose
/// [`tokens`](Self::tokens).
///
/// Needs `output` and `expected`; more references come from the metadata `references`, a list of texts. Default bar: at
/// least 0.5.
///
/// ```
/// use llmtest_metrics::{Bleu, FakeJudge, TestCase, measure_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let case = TestCase::new("Übersetze: …", "The cat sat on a mat.").expected("The cat sat on the mat.");
/// let score = measure_with(&case, &Bleu::new(), FakeJudge::new()).await.unwrap();
/// assert_eq!(format!("{:.4}", score.value), "0.4889");
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Bleu {
    tokens: BleuTokens,
    smoothing: Smoothing,
    ignore_case: bool,
    effective_order: bool,
    max_order: usize,
    nltk: bool,
}

/// What BLEU takes for the share of an order of n-grams of which none matches.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Smoothing {
    /// 0, so that the whole score is 0.
    None,
    /// This many matches instead of 0; sacrebleu's default is 0.1. NLTK's method 1.
    Floor(f64),
    /// Adds this to matches and n-grams of every order above 1; sacrebleu's default is 1. NLTK's method 2 is 1.
    AddK(f64),
    /// A half, a quarter, an eighth of a match and so on. NLTK's method 3.
    Exp,
    /// `ln(tokens of the output) / k` times as many as [`Exp`](Self::Exp); NLTK's method 4, whose default is 5.
    Length(f64),
}

impl Default for Bleu {
    fn default() -> Self {
        Self::new()
    }
}

impl Bleu {
    /// As sacrebleu's `sentence_bleu`.
    pub fn new() -> Self {
        Self {
            tokens: BleuTokens::Wmt13a,
            smoothing: Smoothing::Exp,
            ignore_case: false,
            effective_order: true,
            max_order: 4,
            nltk: false,
        }
    }

    /// As NLTK 3.10.4's `sentence_bleu` of words in lower case: split at white space, no smoothing, and an order that the
    /// output is too short for counts as one n-gram that does not match.
    pub fn nltk() -> Self {
        Self {
            tokens: BleuTokens::Spaces,
            smoothing: Smoothing::None,
            ignore_case: true,
            effective_order: false,
            nltk: true,
            ..Self::new()
        }
    }

    /// Splits texts in this way.
    pub fn tokens(mut self, tokens: BleuTokens) -> Self {
        self.tokens = tokens;
        self
    }

    /// What an order without a match counts. Panics on an amount that is not a positive number.
    #[track_caller]
    pub fn smoothing(mut self, smoothing: Smoothing) -> Self {
        if let Smoothing::Floor(amount) | Smoothing::AddK(amount) | Smoothing::Length(amount) =
            smoothing
        {
            assert!(
                amount.is_finite() && amount > 0.0,
                "the smoothing of `Bleu` needs a positive number, not {amount}; write `Smoothing::None` for none"
            );
        }
        self.smoothing = smoothing;
        self
    }

    /// Takes upper and lower case as equal.
    pub fn ignore_case(mut self) -> Self {
        self.ignore_case = true;
        self
    }

    /// Counts all orders, also those that the output is too short for, which makes the score of a short output 0.
    pub fn all_orders(mut self) -> Self {
        self.effective_order = false;
        self
    }

    /// The longest n-grams that count; 4 unless told otherwise. Panics on 0.
    #[track_caller]
    pub fn max_order(mut self, n: usize) -> Self {
        assert!(
            n > 0,
            "`Bleu` needs n-grams of at least one token; write `.max_order(1)`"
        );
        self.max_order = n;
        self
    }

    /// The score, in `0.0..=1.0`, of an output against one or several references.
    ///
    /// ```
    /// use llmtest_metrics::Bleu;
    ///
    /// assert_eq!(Bleu::new().value("a b c d", &["e f g h", "a b c d"]), 1.0);
    /// ```
    pub fn value(&self, output: &str, references: &[impl AsRef<str>]) -> f64 {
        let output = self.split(output);
        let references: Vec<_> = references
            .iter()
            .map(|reference| self.split(reference.as_ref()))
            .collect();
        self.of_tokens(&output, &references)
    }

    fn split(&self, text: &str) -> Vec<String> {
        if self.ignore_case {
            self.tokens.split(&text.to_lowercase())
        } else {
            self.tokens.split(text)
        }
    }

    fn of_tokens(&self, output: &[String], references: &[Vec<String>]) -> f64 {
        let length = output.len();
        let nearest = references
            .iter()
            .map(Vec::len)
            .min_by_key(|&reference| (reference.abs_diff(length), reference));
        let Some(nearest) = nearest.filter(|_| length > 0) else {
            return 0.0;
        };
        let brevity = (1.0 - nearest as f64 / length as f64).min(0.0).exp();
        let counts: Vec<_> = (1..=self.max_order)
            .map(|n| matches(output, references, n))
            .collect();
        if counts.iter().all(|(matched, _)| *matched == 0) {
            return 0.0;
        }
        brevity * self.mean_precision(&counts, length)
    }

    /// The geometric mean of the shares of the orders, smoothed.
    fn mean_precision(&self, counts: &[(usize, usize)], length: usize) -> f64 {
        let (mut halvings, mut logs, mut orders) = (0, 0.0, 0);
        for (n, &(matched, total)) in counts.iter().enumerate() {
            let (mut matched, mut total) = (matched as f64, total as f64);
            if self.nltk {
                total = total.max(1.0);
            }
            if let (Smoothing::AddK(k), 1..) = (self.smoothing, n) {
                matched += k;
                total += k;
            }
            if total == 0.0 {
                // The output is too short for this order.
                if self.effective_order {
                    break;
                }
                return 0.0;
            }
            if matched == 0.0 {
                halvings += 1;
                let share = 0.5_f64.powi(halvings);
                matched = match self.smoothing {
                    Smoothing::None | Smoothing::AddK(_) => return 0.0,
                    Smoothing::Floor(amount) => amount,
                    Smoothing::Exp => share,
                    // NLTK leaves an order out where the logarithm would be 0.
                    Smoothing::Length(_) if length == 1 => {
                        orders += 1;
                        continue;
                    }
                    Smoothing::Length(k) => share * (length as f64).ln() / k,
                };
            }
            logs += (matched / total).min(1.0).ln();
            orders += 1;
        }
        if orders == 0 {
            0.0
        } else {
            (logs / f64::from(orders)).exp()
        }
    }
}

/// How many n-grams of the output a reference has, and how many there are.
fn matches(output: &[String], references: &[Vec<String>], n: usize) -> (usize, usize) {
    let mut most: HashMap<&[String], usize> = HashMap::new();
    for reference in references {
        for (gram, count) in ngrams(reference, n) {
            let known = most.entry(gram).or_default();
            *known = count.max(*known);
        }
    }
    let grams = ngrams(output, n);
    let matched = grams
        .iter()
        .map(|(gram, count)| *count.min(most.get(gram).unwrap_or(&0)))
        .sum();
    (matched, grams.values().sum())
}

impl Metric for Bleu {
    fn name(&self) -> &'static str {
        "bleu"
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        let (output, references) = texts(cx, self)?;
        let value = self.value(&output, &references);
        let nearest = if references.len() == 1 {
            "the reference"
        } else {
            "the references"
        };
        Ok(Score::new(value)
            .because(format!(
                "the output shares n-grams of up to {} tokens with {nearest} to a BLEU of {:.2}",
                self.max_order,
                value * 100.0
            ))
            .quantity(value * 100.0, "BLEU"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proptesting;
    use proptest::prelude::*;

    #[test]
    fn the_paper_counts_a_word_at_most_as_often_as_the_reference_has_it() {
        let value = Bleu::new().max_order(1).value(
            "the the the the the the the",
            &["the cat is on the mat", "there is a cat on the mat"],
        );
        assert!((value - 2.0 / 7.0).abs() < 1e-12, "{value}");
    }

    #[test]
    fn a_short_output_is_penalised_and_only_its_orders_count() {
        let value = Bleu::new().value("a b", &["a b c d"]);
        assert!((value - (-1.0_f64).exp()).abs() < 1e-12, "{value}");
        assert_eq!(Bleu::new().all_orders().value("a b", &["a b"]), 0.0);
        assert_eq!(Bleu::new().value("", &["a"]), 0.0);
    }

    #[test]
    fn smoothing_decides_what_an_order_without_a_match_counts() {
        let value = |smoothing| Bleu::new().smoothing(smoothing).value("a b x", &["a b c"]);
        let expected = |thirds: f64| ((2.0 / 3.0_f64).ln() + 0.5_f64.ln() + thirds.ln()) / 3.0;
        assert_eq!(value(Smoothing::None), 0.0);
        assert!((value(Smoothing::Exp).ln() - expected(0.5)).abs() < 1e-12);
        assert!((value(Smoothing::Floor(0.1)).ln() - expected(0.1)).abs() < 1e-12);
    }

    #[test]
    #[should_panic(expected = "needs a positive number, not 0")]
    fn smoothing_by_nothing_is_refused() {
        let _ = Bleu::new().smoothing(Smoothing::Floor(0.0));
    }

    fn any_bleu() -> impl Strategy<Value = Bleu> {
        let tokens = prop::sample::select(vec![
            BleuTokens::Wmt13a,
            BleuTokens::International,
            BleuTokens::Characters,
            BleuTokens::Chinese,
            BleuTokens::Spaces,
        ]);
        let smoothing = prop::sample::select(vec![
            Smoothing::None,
            Smoothing::Floor(0.1),
            Smoothing::AddK(1.0),
            Smoothing::Exp,
            Smoothing::Length(5.0),
        ]);
        (tokens, smoothing, any::<bool>(), any::<bool>()).prop_map(
            |(tokens, smoothing, all, nltk)| {
                let bleu = if nltk { Bleu::nltk() } else { Bleu::new() };
                let bleu = bleu.tokens(tokens).smoothing(smoothing);
                if all { bleu.all_orders() } else { bleu }
            },
        )
    }

    proptest! {
        #![proptest_config(proptesting::config())]

        #[test]
        fn the_score_is_in_range(bleu in any_bleu(), output in "[ab ,.1]{0,12}", one in "[ab ,.1]{0,12}", other in "\\PC{0,6}") {
            let value = bleu.value(&output, &[one, other]);
            prop_assert!((0.0..=1.0).contains(&value), "{value}");
        }

        #[test]
        fn a_text_is_like_itself(words in prop::collection::vec("[a-c]", 4..9)) {
            let text = words.join(" ");
            prop_assert_eq!(Bleu::new().value(&text, &[&text]), 1.0);
            prop_assert_eq!(Bleu::nltk().value(&text, &[&text]), 1.0);
        }

        #[test]
        fn the_order_of_references_does_not_count(output in "[ab ]{0,12}", one in "[ab ]{0,12}", other in "[ab ]{0,12}") {
            let bleu = Bleu::new();
            prop_assert_eq!(bleu.value(&output, &[&one, &other]), bleu.value(&output, &[&other, &one]));
        }

        #[test]
        fn a_wrong_word_at_the_end_of_a_long_output_never_raises_the_score(words in prop::collection::vec("[a-c]", 4..9)) {
            // Not true of shorter outputs: the word can save them from the brevity penalty.
            let text = words.join(" ");
            let bleu = Bleu::new().smoothing(Smoothing::None);
            let worse = format!("{text} z");
            prop_assert!(bleu.value(&worse, &[&text]) <= bleu.value(&text, &[&text]));
        }
    }
}
