//! `Rouge`.

use super::{MOST_CELLS, comparable, f1, ngrams, porter_stem, texts};
use crate::{EvalCx, Metric, Result, Score};
use std::collections::{BTreeSet, HashMap};

/// Measures how much of a reference summary the output repeats: ROUGE (Lin 2004), the F-measure of shared n-grams or of the
/// longest common subsequence. Needs no judge.
///
/// `F = 2·P·R / (P + R)` with precision against the output and recall against the reference. Words are runs of the
/// letters a to z and digits, in lower case; other scripts have none, and their score is 0. Of several references the
/// one with the best F counts. As rouge-score 0.1.2 to eight digits.
///
/// Needs `output` and `expected`; more references come from the metadata `references`, a list of texts. Default bar: at
/// least 0.5.
///
/// ```
/// use llmtest_metrics::{FakeJudge, Rouge, TestCase, measure_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let case = TestCase::new("Summarise: …", "police killed the gunman").expected("police ended the gunman");
/// let score = measure_with(&case, &Rouge::longest(), FakeJudge::new()).await.unwrap();
/// assert_eq!(score.value, 0.75);
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Rouge {
    kind: RougeKind,
    stem: bool,
    part: Part,
}

/// Which ROUGE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RougeKind {
    /// ROUGE-N: n-grams of this many words.
    Ngrams(usize),
    /// ROUGE-L: the longest common subsequence of the whole texts.
    Longest,
    /// ROUGE-Lsum: the union of the longest common subsequences of sentences, each a line.
    LongestOfLines,
}

/// Precision, recall and their harmonic mean.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct RougeScore {
    /// The share of the output that stands in the reference.
    pub precision: f64,
    /// The share of the reference that stands in the output.
    pub recall: f64,
    /// The harmonic mean of both.
    pub f: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    F,
    Precision,
    Recall,
}

impl Default for Rouge {
    fn default() -> Self {
        Self::longest()
    }
}

impl Rouge {
    /// This kind of ROUGE. Panics on n-grams of no word.
    #[track_caller]
    pub fn new(kind: RougeKind) -> Self {
        assert!(
            kind != RougeKind::Ngrams(0),
            "`Rouge` needs n-grams of at least one word; write `Rouge::ngrams(1)`"
        );
        Self {
            kind,
            stem: false,
            part: Part::F,
        }
    }

    /// ROUGE-N, such as ROUGE-1 and ROUGE-2. Panics on 0.
    #[track_caller]
    pub fn ngrams(n: usize) -> Self {
        Self::new(RougeKind::Ngrams(n))
    }

    /// ROUGE-L.
    pub fn longest() -> Self {
        Self::new(RougeKind::Longest)
    }

    /// ROUGE-Lsum: sentences are lines.
    pub fn longest_of_lines() -> Self {
        Self::new(RougeKind::LongestOfLines)
    }

    /// Compares the stems of English words of more than three letters.
    pub fn stem(mut self) -> Self {
        self.stem = true;
        self
    }

    /// Scores recall in place of F: how much of the reference is covered.
    pub fn recall(mut self) -> Self {
        self.part = Part::Recall;
        self
    }

    /// Scores precision in place of F: how much of the output is covered.
    pub fn precision(mut self) -> Self {
        self.part = Part::Precision;
        self
    }

    /// Precision, recall and F of an output against the reference with the best F.
    ///
    /// ```
    /// use llmtest_metrics::Rouge;
    ///
    /// let score = Rouge::ngrams(1).value("a b c", &["a b x y", "z"]);
    /// assert_eq!((score.recall, score.precision), (0.5, 2.0 / 3.0));
    /// ```
    pub fn value(&self, output: &str, references: &[impl AsRef<str>]) -> RougeScore {
        let mut best: Option<RougeScore> = None;
        for reference in references {
            let score = self.against(output, reference.as_ref());
            if best.is_none_or(|best| score.f > best.f) {
                best = Some(score);
            }
        }
        best.unwrap_or_default()
    }

    fn against(&self, output: &str, reference: &str) -> RougeScore {
        match self.kind {
            RougeKind::Ngrams(n) => {
                let (output, reference) = (self.words(output), self.words(reference));
                let (output, reference) = (ngrams(&output, n), ngrams(&reference, n));
                let hits = output
                    .iter()
                    .map(|(gram, count)| *count.min(reference.get(gram).unwrap_or(&0)))
                    .sum();
                RougeScore::new(hits, output.values().sum(), reference.values().sum())
            }
            RougeKind::Longest => {
                let (output, reference) = (self.words(output), self.words(reference));
                let hits = Table::new(&reference, &output).longest();
                RougeScore::new(hits, output.len(), reference.len())
            }
            RougeKind::LongestOfLines => {
                let lines = |text: &str| -> Vec<_> {
                    text.split('\n').map(|line| self.words(line)).collect()
                };
                of_lines(&lines(output), &lines(reference))
            }
        }
    }

    /// The words of a text, stemmed when asked.
    fn words(self, text: &str) -> Vec<String> {
        text.to_lowercase()
            .split(|c: char| !matches!(c, 'a'..='z' | '0'..='9'))
            .filter(|word| !word.is_empty())
            .map(|word| {
                if self.stem && word.len() > 3 {
                    porter_stem(word)
                } else {
                    word.to_string()
                }
            })
            .filter(|word| !word.is_empty())
            .collect()
    }

    fn title(self) -> String {
        match self.kind {
            RougeKind::Ngrams(n) => format!("ROUGE-{n}"),
            RougeKind::Longest => "ROUGE-L".to_string(),
            RougeKind::LongestOfLines => "ROUGE-Lsum".to_string(),
        }
    }
}

impl RougeScore {
    fn new(hits: usize, output: usize, reference: usize) -> Self {
        let precision = hits as f64 / output.max(1) as f64;
        let recall = hits as f64 / reference.max(1) as f64;
        Self {
            precision,
            recall,
            f: f1(precision, recall),
        }
    }
}

/// ROUGE-Lsum: for every sentence of the reference, the union of what it has in common with each of the output's; a word
/// counts at most as often as either text has it.
fn of_lines(output: &[Vec<String>], reference: &[Vec<String>]) -> RougeScore {
    let (mut ours, mut theirs) = (counts(output), counts(reference));
    let mut hits = 0;
    for sentence in reference {
        let union: BTreeSet<usize> = output
            .iter()
            .flat_map(|line| Table::new(sentence, line).places())
            .collect();
        for place in union {
            let word = sentence[place].as_str();
            if let (Some(a @ 1..), Some(b @ 1..)) = (ours.get_mut(word), theirs.get_mut(word)) {
                hits += 1;
                *a -= 1;
                *b -= 1;
            }
        }
    }
    let length = |lines: &[Vec<String>]| lines.iter().map(Vec::len).sum();
    RougeScore::new(hits, length(output), length(reference))
}

fn counts(lines: &[Vec<String>]) -> HashMap<&str, usize> {
    let mut counts = HashMap::new();
    for word in lines.iter().flatten() {
        *counts.entry(word.as_str()).or_default() += 1;
    }
    counts
}

/// The lengths of the longest common subsequences of all beginnings of two texts.
struct Table<'a> {
    reference: &'a [String],
    output: &'a [String],
    lengths: Vec<u32>,
}

impl<'a> Table<'a> {
    fn new(reference: &'a [String], output: &'a [String]) -> Self {
        let width = output.len() + 1;
        let mut lengths = vec![0; (reference.len() + 1) * width];
        for (i, a) in reference.iter().enumerate() {
            for (j, b) in output.iter().enumerate() {
                lengths[(i + 1) * width + j + 1] = if a == b {
                    lengths[i * width + j] + 1
                } else {
                    lengths[i * width + j + 1].max(lengths[(i + 1) * width + j])
                };
            }
        }
        Self {
            reference,
            output,
            lengths,
        }
    }

    fn at(&self, i: usize, j: usize) -> u32 {
        self.lengths[i * (self.output.len() + 1) + j]
    }

    fn longest(&self) -> usize {
        self.at(self.reference.len(), self.output.len()) as usize
    }

    /// The places in the reference of one longest common subsequence: the one that is found from the end, where an equal
    /// choice steps back in the reference.
    fn places(&self) -> Vec<usize> {
        let (mut i, mut j) = (self.reference.len(), self.output.len());
        let mut places = Vec::new();
        while i > 0 && j > 0 {
            if self.reference[i - 1] == self.output[j - 1] {
                (i, j) = (i - 1, j - 1);
                places.push(i);
            } else if self.at(i, j - 1) > self.at(i - 1, j) {
                j -= 1;
            } else {
                i -= 1;
            }
        }
        places
    }
}

impl Metric for Rouge {
    fn name(&self) -> &'static str {
        "rouge"
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        let (output, references) = texts(cx, self)?;
        if !matches!(self.kind, RougeKind::Ngrams(_)) {
            let words = self.words(&output).len();
            for reference in &references {
                let of_reference = self.words(reference).len();
                comparable(self, (words, of_reference), "words", MOST_CELLS)?;
            }
        }
        let score = self.value(&output, &references);
        let value = match self.part {
            Part::F => score.f,
            Part::Precision => score.precision,
            Part::Recall => score.recall,
        };
        let RougeScore {
            precision,
            recall,
            f,
        } = score;
        Ok(Score::new(value)
            .because(format!(
                "{} has precision {precision:.2}, recall {recall:.2} and F {f:.2}",
                self.title()
            ))
            .detail("precision", precision)
            .detail("recall", recall)
            .detail("f", f))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proptesting;
    use crate::{FakeJudge, TestCase, measure_with};
    use proptest::prelude::*;

    #[test]
    fn the_paper_prefers_words_in_order() {
        let reference = ["police killed the gunman"];
        let value = |rouge: Rouge, output: &str| rouge.value(output, &reference).f;
        assert_eq!(value(Rouge::ngrams(2), "police kill the gunman"), 1.0 / 3.0);
        assert_eq!(value(Rouge::ngrams(2), "the gunman kill police"), 1.0 / 3.0);
        assert_eq!(value(Rouge::longest(), "police kill the gunman"), 0.75);
        assert_eq!(value(Rouge::longest(), "the gunman kill police"), 0.5);
    }

    #[test]
    fn lines_are_compared_each_with_each() {
        // The example of section 3.2 of the paper: the union of `w1 w2` and `w1 w3 w5` is four of the reference's five.
        let score =
            Rouge::longest_of_lines().value("w1 w2 w6 w7 w8\nw1 w3 w8 w9 w5", &["w1 w2 w3 w4 w5"]);
        assert_eq!((score.recall, score.precision), (0.8, 0.4));
    }

    #[test]
    fn stems_are_compared_when_asked() {
        let value = |rouge: Rouge| rouge.value("Running dogs!", &["run dog"]).f;
        assert_eq!(
            (value(Rouge::ngrams(1)), value(Rouge::ngrams(1).stem())),
            (0.0, 1.0)
        );
    }

    #[test]
    fn of_several_references_the_one_with_the_best_f_counts() {
        let score = Rouge::ngrams(1).value("a b", &["c", "a b c d", "a"]);
        assert_eq!((score.precision, score.recall), (1.0, 0.5));
    }

    #[tokio::test]
    async fn recall_or_precision_are_scored_when_asked_and_all_three_recorded() {
        let case = TestCase::new("q", "a b c").expected("a b x y");
        let rouge = Rouge::ngrams(1);
        for (rouge, value) in [
            (rouge.recall(), 0.5),
            (rouge.precision(), 2.0 / 3.0),
            (rouge, 4.0 / 7.0),
        ] {
            let score = measure_with(&case, &rouge, FakeJudge::new()).await.unwrap();
            assert!((score.value - value).abs() < 1e-12, "{rouge:?}");
            assert_eq!(
                score.reason.unwrap(),
                "ROUGE-1 has precision 0.67, recall 0.50 and F 0.57"
            );
            assert_eq!(score.details[1], ("recall".to_string(), 0.5.into()));
        }
    }

    #[test]
    #[should_panic(expected = "write `Rouge::ngrams(1)`")]
    fn n_grams_of_nothing_are_refused() {
        let _ = Rouge::ngrams(0);
    }

    fn any_rouge() -> impl Strategy<Value = Rouge> {
        let kinds = vec![
            Rouge::ngrams(1),
            Rouge::ngrams(2),
            Rouge::longest(),
            Rouge::longest_of_lines(),
            Rouge::longest().stem(),
        ];
        prop::sample::select(kinds)
    }

    proptest! {
        #![proptest_config(proptesting::config())]

        #[test]
        fn all_three_are_in_range(rouge in any_rouge(), output in "[ab\n ]{0,12}", one in "\\PC{0,12}|[ab\n ]{0,12}") {
            let score = rouge.value(&output, &[one]);
            for value in [score.precision, score.recall, score.f] {
                prop_assert!((0.0..=1.0).contains(&value), "{score:?}");
            }
        }

        #[test]
        fn a_text_is_like_itself(rouge in any_rouge(), words in prop::collection::vec("[a-c]", 2..9)) {
            let text = words.join(" ");
            prop_assert_eq!(rouge.value(&text, &[&text]).f, 1.0);
        }

        #[test]
        fn precision_is_the_recall_of_the_other_side(a in "[ab ]{0,12}", b in "[ab ]{0,12}", n in 1_usize..3) {
            for rouge in [Rouge::ngrams(n), Rouge::longest()] {
                let (one, other) = (rouge.value(&a, &[&b]), rouge.value(&b, &[&a]));
                prop_assert_eq!((one.precision, one.f), (other.recall, other.f));
            }
        }

        #[test]
        fn a_wrong_word_never_raises_and_the_order_never_counts_for_single_words(a in prop::collection::vec("[ab]", 0..8), b in "[ab ]{0,12}") {
            let (rouge, text) = (Rouge::ngrams(1), a.join(" "));
            let score = rouge.value(&text, &[&b]);
            let worse = format!("{text} z");
            prop_assert!(rouge.value(&worse, &[&b]).f <= score.f);
            let back = a.into_iter().rev().collect::<Vec<_>>().join(" ");
            prop_assert_eq!(rouge.value(&back, &[&b]), score);
        }
    }
}
