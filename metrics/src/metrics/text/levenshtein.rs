//! `Levenshtein`.

use super::{MOST_CELLS, comparable, texts};
use crate::{EvalCx, Metric, Result, Score};

/// Measures how alike output and reference are by their characters: `1 - edits / length of the longer` (Levenshtein 1966),
/// or another similarity of [`Edits`]. Needs no judge.
///
/// Of several references the nearest counts. As rapidfuzz 3.14.6 to eight digits; the quantity is the number of edits.
/// [`Similarity`](crate::Similarity) gives the same score against one text and shows a diff; texts of which the product of
/// the lengths exceeds 25 million are an error.
///
/// Needs `output` and `expected`; more references come from the metadata `references`, a list of texts. Default bar: at
/// least 0.5.
///
/// ```
/// use llmtest_metrics::{Edits, FakeJudge, Levenshtein, TestCase, measure_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let case = TestCase::new("Which country?", "Germny").expected("Germany");
/// let typos = Levenshtein::new().by(Edits::Indel);
/// assert_eq!(measure_with(&case, &typos, FakeJudge::new()).await.unwrap().value, 1.0 - 1.0 / 13.0);
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Levenshtein {
    by: Edits,
    ignore_case: bool,
}

/// What makes two texts alike.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Edits {
    /// Insertions, deletions and replacements, against the length of the longer text.
    #[default]
    Levenshtein,
    /// Insertions and deletions, against the length of both texts; rapidfuzz's `ratio`, over 100.
    Indel,
    /// Jaro's similarity: characters in common near each other. For names.
    Jaro,
    /// Jaro's similarity, raised for equal beginnings of up to four characters where it is above 0.7 (Winkler 1990).
    JaroWinkler,
}

impl Edits {
    /// How alike two texts are, in `0.0..=1.0`.
    ///
    /// ```
    /// use llmtest_metrics::Edits;
    ///
    /// assert_eq!(Edits::Levenshtein.similarity("kitten", "sitting"), 1.0 - 3.0 / 7.0);
    /// ```
    pub fn similarity(self, a: &str, b: &str) -> f64 {
        let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
        let whole = match self {
            Self::Levenshtein => a.len().max(b.len()),
            Self::Indel => a.len() + b.len(),
            Self::Jaro => return strsim::generic_jaro(&a, &b),
            Self::JaroWinkler => return strsim::generic_jaro_winkler(&a, &b),
        };
        if whole == 0 {
            return 1.0;
        }
        1.0 - self.count(&a, &b) as f64 / whole as f64
    }

    /// How many edits lead from one text to the other; `None` for the similarities that count none.
    ///
    /// ```
    /// use llmtest_metrics::Edits;
    ///
    /// assert_eq!(Edits::Levenshtein.distance("kitten", "sitting"), Some(3));
    /// assert_eq!(Edits::Indel.distance("kitten", "sitting"), Some(5));
    /// ```
    pub fn distance(self, a: &str, b: &str) -> Option<usize> {
        let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
        matches!(self, Self::Levenshtein | Self::Indel).then(|| self.count(&a, &b))
    }

    fn count(self, a: &Vec<char>, b: &Vec<char>) -> usize {
        if self == Self::Levenshtein {
            return strsim::generic_levenshtein(a, b);
        }
        // Without replacements, everything outside of the longest common subsequence is an edit.
        let mut row: Vec<usize> = (0..=b.len()).collect();
        for (i, x) in a.iter().enumerate() {
            let mut diagonal = row[0];
            row[0] = i + 1;
            for (j, y) in b.iter().enumerate() {
                let replaced = diagonal + if x == y { 0 } else { 2 };
                diagonal = row[j + 1];
                row[j + 1] = replaced.min(row[j] + 1).min(row[j + 1] + 1);
            }
        }
        row[b.len()]
    }
}

impl Levenshtein {
    /// By insertions, deletions and replacements.
    pub fn new() -> Self {
        Self::default()
    }

    /// By another similarity.
    pub fn by(mut self, by: Edits) -> Self {
        self.by = by;
        self
    }

    /// Takes upper and lower case as equal.
    pub fn ignore_case(mut self) -> Self {
        self.ignore_case = true;
        self
    }

    fn folded(self, text: &str) -> String {
        if self.ignore_case {
            text.to_lowercase()
        } else {
            text.to_string()
        }
    }
}

impl Metric for Levenshtein {
    fn name(&self) -> &'static str {
        "levenshtein"
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        let (output, references) = texts(cx, self)?;
        let output = self.folded(&output);
        let mut best: Option<(f64, String)> = None;
        for reference in &references {
            let reference = self.folded(reference);
            let lengths = (output.chars().count(), reference.chars().count());
            comparable(self, lengths, "characters", MOST_CELLS)?;
            let similarity = self.by.similarity(&output, &reference);
            if best.as_ref().is_none_or(|(best, _)| similarity > *best) {
                best = Some((similarity, reference));
            }
        }
        let (value, reference) = best.unwrap_or_default();
        let score = Score::new(value);
        Ok(match self.by.distance(&output, &reference) {
            Some(edits) => {
                let s = if edits == 1 { "" } else { "s" };
                score
                    .because(format!(
                        "{edits} edit{s} lead from the reference to the output"
                    ))
                    .quantity(edits as f64, "edits")
            }
            None => score.because(format!("the output is like the reference to {value:.2}")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proptesting;
    use crate::{FakeJudge, TestCase, measure_with};
    use proptest::prelude::*;

    const ALL: [Edits; 4] = [
        Edits::Levenshtein,
        Edits::Indel,
        Edits::Jaro,
        Edits::JaroWinkler,
    ];

    #[test]
    fn known_names_have_the_published_similarities() {
        let near = |edits: Edits, a, b, expected: f64| {
            let value = edits.similarity(a, b);
            assert!(
                (value - expected).abs() < 5e-4,
                "{edits:?} {a} {b}: {value}"
            );
        };
        near(Edits::Jaro, "MARTHA", "MARHTA", 0.944);
        near(Edits::Jaro, "DWAYNE", "DUANE", 0.822);
        near(Edits::JaroWinkler, "MARTHA", "MARHTA", 0.961);
        near(Edits::JaroWinkler, "DIXON", "DICKSONX", 0.813);
        near(Edits::Levenshtein, "größe", "grösse", 1.0 - 2.0 / 6.0);
        near(Edits::Indel, "this is a test", "this is a test!", 0.9655);
    }

    #[tokio::test]
    async fn of_several_references_the_nearest_counts() {
        let case = TestCase::new("q", "Germny")
            .expected("France")
            .metadata("references", vec!["GERMANY"]);
        let score = measure_with(&case, &Levenshtein::new().ignore_case(), FakeJudge::new())
            .await
            .unwrap();
        assert_eq!(
            score.reason.unwrap(),
            "1 edit lead from the reference to the output"
        );
        assert_eq!(score.value, 1.0 - 1.0 / 7.0);
    }

    proptest! {
        #![proptest_config(proptesting::config())]

        #[test]
        fn similarities_are_in_range_symmetric_and_1_only_for_equal_texts(a in "[abc]{0,9}", b in "[abc]{0,9}|\\PC{0,6}") {
            for edits in ALL {
                let value = edits.similarity(&a, &b);
                prop_assert!((0.0..=1.0).contains(&value), "{value}");
                prop_assert_eq!(value == 1.0, a == b, "{:?}", edits);
                prop_assert!((value - edits.similarity(&b, &a)).abs() < 1e-12);
            }
        }

        #[test]
        fn distances_obey_the_triangle(a in "[ab]{0,9}", b in "[ab]{0,9}", c in "[ab]{0,9}") {
            for edits in [Edits::Levenshtein, Edits::Indel] {
                let d = |x: &str, y: &str| edits.distance(x, y).unwrap();
                prop_assert!(d(&a, &c) <= d(&a, &b) + d(&b, &c));
            }
            prop_assert_eq!(Edits::Levenshtein.distance(&a, &b), Some(strsim::levenshtein(&a, &b)));
        }

        #[test]
        fn a_wrong_letter_at_the_end_never_lowers_the_distance(a in "[ab]{0,9}", b in "[ab]{0,9}") {
            for edits in [Edits::Levenshtein, Edits::Indel] {
                let worse = format!("{a}z");
                prop_assert!(edits.distance(&worse, &b) >= edits.distance(&a, &b));
            }
        }
    }
}
