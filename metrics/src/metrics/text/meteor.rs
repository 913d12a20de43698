//! `Meteor`.

use super::{porter_stem, texts, words};
use crate::{EvalCx, Metric, Result, Score};
use std::collections::HashMap;

/// Measures how well the words of the output can be laid over those of a reference: METEOR (Lavie and Agarwal 2007) with its
/// exact and its stem stage. Needs no judge.
///
/// Words in lower case, split at white space, are matched one to one: first equal ones, then those with equal stems
/// ([`porter_stem`](crate::porter_stem)). With precision `P`, recall `R` and the `m` matches in `c` chunks of neighbours,
/// the score is `P·R / (0.9·P + 0.1·R) · (1 - 0.5·(c / m)³)`. It stays below 1 also for equal texts, by the penalty for one
/// chunk: one word against itself scores 0.5. Of several references the best counts.
///
/// As NLTK 3.10.4 without its third stage: synonyms of WordNet do not match here, so the score differs where NLTK
/// matches one. Punctuation belongs to its word, as in NLTK's own examples.
///
/// Needs `output` and `expected`; more references come from the metadata `references`, a list of texts. Default bar: at
/// least 0.5.
///
/// ```
/// use llmtest_metrics::{FakeJudge, Meteor, TestCase, measure_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let case = TestCase::new("Summarise: …", "the dogs ran home").expected("the dog ran home quickly");
/// let score = measure_with(&case, &Meteor::new(), FakeJudge::new()).await.unwrap();
/// assert_eq!(format!("{:.4}", score.value), "0.8099");
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Meteor {
    alpha: f64,
    beta: f64,
    gamma: f64,
    stems: bool,
}

impl Default for Meteor {
    fn default() -> Self {
        Self::new()
    }
}

impl Meteor {
    /// With the weights of the paper: α = 0.9, β = 3, γ = 0.5.
    pub fn new() -> Self {
        Self {
            alpha: 0.9,
            beta: 3.0,
            gamma: 0.5,
            stems: true,
        }
    }

    /// Other weights: `alpha` of precision against recall, `beta` and `gamma` of the penalty for broken order. Panics
    /// unless `alpha` and `gamma` lie in `0.0..=1.0` and `beta` is not negative.
    #[track_caller]
    pub fn weights(mut self, alpha: f64, beta: f64, gamma: f64) -> Self {
        let unit = 0.0..=1.0;
        assert!(
            unit.contains(&alpha) && unit.contains(&gamma) && beta.is_finite() && beta >= 0.0,
            "`Meteor` needs alpha and gamma in 0.0..=1.0 and beta of at least 0, not {alpha}, {beta}, {gamma}"
        );
        (self.alpha, self.beta, self.gamma) = (alpha, beta, gamma);
        self
    }

    /// Matches equal words only, for texts that are not English.
    pub fn exact(mut self) -> Self {
        self.stems = false;
        self
    }

    /// The score, in `0.0..=1.0`, of an output against the best of the references.
    ///
    /// ```
    /// use llmtest_metrics::Meteor;
    ///
    /// assert_eq!(Meteor::new().value("cat", &["cat"]), 0.5);
    /// ```
    pub fn value(&self, output: &str, references: &[impl AsRef<str>]) -> f64 {
        references
            .iter()
            .map(|reference| self.matched(output, reference.as_ref()).0)
            .fold(0.0, f64::max)
    }

    /// The score against one reference, the number of matches and that of chunks.
    fn matched(&self, output: &str, reference: &str) -> (f64, usize, usize) {
        let (output, reference) = (output.to_lowercase(), reference.to_lowercase());
        let (output, reference) = (words(&output), words(&reference));
        let pairs = self.align(&output, &reference);
        if pairs.is_empty() {
            return (0.0, 0, 0);
        }
        let matched = pairs.len() as f64;
        let precision = matched / output.len() as f64;
        let recall = matched / reference.len() as f64;
        let mean = precision * recall / (self.alpha * precision + (1.0 - self.alpha) * recall);
        let breaks = pairs
            .windows(2)
            .filter(|pair| pair[1] != (pair[0].0 + 1, pair[0].1 + 1))
            .count();
        let fragmentation = (breaks + 1) as f64 / matched;
        let penalty = self.gamma * fragmentation.powf(self.beta);
        (((1.0 - penalty) * mean).min(1.0), pairs.len(), breaks + 1)
    }

    /// Which word of the output stands for which of the reference, in the order of the output.
    fn align(&self, output: &[&str], reference: &[&str]) -> Vec<(usize, usize)> {
        let mut output: Vec<_> = output.iter().map(ToString::to_string).enumerate().collect();
        let mut reference: Vec<_> = reference
            .iter()
            .map(ToString::to_string)
            .enumerate()
            .collect();
        let mut pairs = pair_equal(&mut output, &mut reference);
        if self.stems {
            for (_, word) in output.iter_mut().chain(&mut reference) {
                *word = porter_stem(word);
            }
            pairs.extend(pair_equal(&mut output, &mut reference));
        }
        pairs.sort_unstable();
        pairs
    }
}

/// Takes equal words out of both lists, from the end: each word of the output takes the last of the reference that is left.
fn pair_equal(
    output: &mut Vec<(usize, String)>,
    reference: &mut Vec<(usize, String)>,
) -> Vec<(usize, usize)> {
    let mut places: HashMap<&str, Vec<usize>> = HashMap::new();
    for (place, word) in reference.iter() {
        places.entry(word).or_default().push(*place);
    }
    let pairs: Vec<(usize, usize)> = output
        .iter()
        .rev()
        .filter_map(|(place, word)| Some((*place, places.get_mut(word.as_str())?.pop()?)))
        .collect();
    let (ours, theirs): (Vec<_>, Vec<_>) = pairs.iter().copied().unzip();
    let (ours, theirs) = (sorted(ours), sorted(theirs));
    output.retain(|(place, _)| ours.binary_search(place).is_err());
    reference.retain(|(place, _)| theirs.binary_search(place).is_err());
    pairs
}

fn sorted(mut places: Vec<usize>) -> Vec<usize> {
    places.sort_unstable();
    places
}

impl Metric for Meteor {
    fn name(&self) -> &'static str {
        "meteor"
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        let (output, references) = texts(cx, self)?;
        let best = references
            .iter()
            .map(|reference| self.matched(&output, reference))
            .fold(
                (0.0, 0, 0),
                |best, next| if next.0 > best.0 { next } else { best },
            );
        let (value, matched, chunks) = best;
        let reason = if matched == 0 {
            "no word of the output stands in a reference".to_string()
        } else {
            let of = words(&output).len();
            let s = if chunks == 1 { "" } else { "s" };
            format!(
                "{matched} of {of} words of the output stand in a reference, in {chunks} chunk{s}"
            )
        };
        Ok(Score::new(value).because(reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proptesting;
    use crate::{FakeJudge, TestCase, measure_with};
    use proptest::prelude::*;

    #[test]
    fn stems_match_after_words_and_broken_order_costs() {
        let meteor = Meteor::new();
        assert_eq!(
            meteor.align(&["cats", "cat"], &["cat", "cats"]),
            [(0, 1), (1, 0)]
        );
        let one = |chunks: i32, matched: i32| {
            1.0 - 0.5 * f64::from(chunks).powi(3) / f64::from(matched).powi(3)
        };
        assert!((meteor.value("a b", &["a b"]) - one(1, 2)).abs() < 1e-12);
        assert!((meteor.value("b a", &["a b"]) - one(2, 2)).abs() < 1e-12);
        assert!((meteor.value("running dogs", &["run dog"]) - one(1, 2)).abs() < 1e-12);
        assert_eq!(meteor.exact().value("running dogs", &["run dog"]), 0.0);
        assert_eq!(meteor.value("", &[""]), 0.0);
    }

    #[test]
    fn a_repeated_word_takes_the_last_place_that_is_left() {
        assert_eq!(
            Meteor::new().align(&["a", "a"], &["a", "b", "a", "a"]),
            [(0, 2), (1, 3)]
        );
    }

    #[tokio::test]
    async fn the_best_reference_explains_the_score() {
        let case = TestCase::new("q", "b a")
            .expected("x")
            .metadata("references", vec!["a b c"]);
        let score = measure_with(&case, &Meteor::new(), FakeJudge::new())
            .await
            .unwrap();
        assert_eq!(
            score.reason.unwrap(),
            "2 of 2 words of the output stand in a reference, in 2 chunks"
        );
        let score = measure_with(
            &TestCase::new("q", "b").expected("x"),
            &Meteor::new(),
            FakeJudge::new(),
        )
        .await
        .unwrap();
        assert_eq!(
            (score.value, score.reason.unwrap().as_str()),
            (0.0, "no word of the output stands in a reference")
        );
    }

    #[test]
    #[should_panic(expected = "needs alpha and gamma in 0.0..=1.0")]
    fn weights_out_of_range_are_refused() {
        let _ = Meteor::new().weights(1.5, 3.0, 0.5);
    }

    proptest! {
        #![proptest_config(proptesting::config())]

        #[test]
        fn the_score_is_in_range(output in "\\PC{0,12}", one in "[ab ,.]{0,12}", alpha in 0.0..=1.0, beta in 0.0..9.0, gamma in 0.0..=1.0) {
            let meteor = Meteor::new().weights(alpha, beta, gamma);
            for value in [meteor.value(&output, &[&one]), meteor.value(&one, &[&one])] {
                prop_assert!((0.0..=1.0).contains(&value), "{value}");
            }
        }

        #[test]
        fn distinct_words_against_themselves_lose_only_the_penalty_for_one_chunk(n in 1_u32..20) {
            let text = (0..n).map(|i| format!("w{i}x")).collect::<Vec<_>>().join(" ");
            let expected = 1.0 - 0.5 / f64::from(n).powi(3);
            prop_assert!((Meteor::new().value(&text, &[&text]) - expected).abs() < 1e-12);
        }

        #[test]
        fn a_wrong_word_at_the_end_never_raises_the_score(words in "[ab ]{0,12}", one in "[ab ]{0,12}") {
            let meteor = Meteor::new();
            let worse = format!("{words} zz");
            prop_assert!(meteor.value(&worse, &[&one]) <= meteor.value(&words, &[&one]) + 1e-12);
        }

        #[test]
        fn another_reference_never_lowers_the_score(output in "[ab ]{0,12}", one in "[ab ]{0,12}", other in "[ab ]{0,12}") {
            prop_assert!(Meteor::new().value(&output, &[&one, &other]) >= Meteor::new().value(&output, &[&one]));
        }
    }
}
