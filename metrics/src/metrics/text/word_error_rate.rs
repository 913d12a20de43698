//! `WordErrorRate`.

use super::{MOST_CELLS, comparable, is_space, texts};
use crate::{EvalCx, Metric, Result, Score};

/// Measures how many words would have to be changed to get from the reference to the output: `1 - rate`, and 0 where the
/// rate is above 1. Needs no judge.
///
/// With `S` words replaced, `D` deleted, `I` inserted and `H` kept by the shortest edit, the word error rate is
/// `(S + D + I) / (H + S + D)`; [`rate`](Self::rate) chooses others. The quantity is the rate itself. Words are split at
/// spaces, case and punctuation count: normalise both texts where they should not. Of several references the nearest
/// counts. As jiwer 4.0.0 to eight digits, quirks included: a single line end does not split words.
///
/// Needs `output` and `expected`; more references come from the metadata `references`, a list of texts. Default bar: at
/// least 0.5.
///
/// ```
/// use llmtest_metrics::{FakeJudge, TestCase, WordErrorRate, measure_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let case = TestCase::new("(audio)", "turn of the light now").expected("turn off the light");
/// let score = measure_with(&case, &WordErrorRate::new(), FakeJudge::new()).await.unwrap();
/// assert_eq!((score.value, score.quantity.unwrap().value), (0.5, 0.5));
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct WordErrorRate {
    rate: ErrorRate,
}

/// Which error rate of transcripts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorRate {
    /// WER, `(S + D + I) / (H + S + D)`: errors a word of the reference; can exceed 1.
    #[default]
    Words,
    /// MER, `(S + D + I) / (H + S + D + I)`: the share of alignments that are errors.
    Matches,
    /// WIL, `1 - H² / (words of the reference · words of the output)`: word information lost (Morris et al. 2004).
    Information,
    /// CER: as WER, of characters.
    Characters,
}

impl ErrorRate {
    /// The rate of an output against a reference; 0 is perfect.
    ///
    /// ```
    /// use llmtest_metrics::ErrorRate;
    ///
    /// assert_eq!(ErrorRate::Words.of("a b c", "a"), 2.0);
    /// assert_eq!(ErrorRate::Matches.of("a b c", "a"), 2.0 / 3.0);
    /// ```
    pub fn of(self, output: &str, reference: &str) -> f64 {
        let (output, reference) = (self.tokens(output), self.tokens(reference));
        let (of_output, of_reference) = (output.len() as f64, reference.len() as f64);
        let Counts { hits, errors } = edits(&reference, &output);
        let (hits, errors) = (hits as f64, errors as f64);
        if reference.is_empty() {
            return match self {
                Self::Words | Self::Characters => errors,
                Self::Matches | Self::Information => f64::from(u8::from(!output.is_empty())),
            };
        }
        match self {
            Self::Words | Self::Characters => errors / of_reference,
            // Every word of the reference is kept, replaced or deleted; what the output has more is inserted.
            Self::Matches => errors / (errors + hits),
            Self::Information if output.is_empty() => 1.0,
            Self::Information => 1.0 - (hits / of_reference) * (hits / of_output),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Words => "word error rate",
            Self::Matches => "match error rate",
            Self::Information => "word information lost",
            Self::Characters => "character error rate",
        }
    }

    fn unit(self) -> &'static str {
        match self {
            Self::Words => "WER",
            Self::Matches => "MER",
            Self::Information => "WIL",
            Self::Characters => "CER",
        }
    }

    fn tokens(self, text: &str) -> Vec<String> {
        match self {
            Self::Characters => text
                .trim_matches(is_space)
                .chars()
                .map(String::from)
                .collect(),
            _ => split(text),
        }
    }
}

/// Splits at spaces, after runs of two or more white spaces have become one space.
fn split(text: &str) -> Vec<String> {
    let mut folded = String::with_capacity(text.len());
    let mut chars = text.trim_matches(is_space).chars().peekable();
    while let Some(c) = chars.next() {
        if is_space(c) && chars.next_if(|c| is_space(*c)).is_some() {
            while chars.next_if(|c| is_space(*c)).is_some() {}
            folded.push(' ');
        } else {
            folded.push(c);
        }
    }
    folded
        .split(' ')
        .filter(|word| !word.is_empty())
        .map(str::to_string)
        .collect()
}

/// What an edit keeps, and what it changes.
struct Counts {
    hits: usize,
    errors: usize,
}

/// The shortest edit from the reference to the output. Of several, the one that jiwer finds, since they may keep different
/// numbers of words: read from the end, deleting before inserting before replacing.
fn edits(reference: &[String], output: &[String]) -> Counts {
    let start = reference
        .iter()
        .zip(output)
        .take_while(|(a, b)| a == b)
        .count();
    let (reference, output) = (&reference[start..], &output[start..]);
    let end = reference
        .iter()
        .rev()
        .zip(output.iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    let (reference, output) = (
        &reference[..reference.len() - end],
        &output[..output.len() - end],
    );
    let steps = Steps::new(reference, output);
    let (mut i, mut j) = (reference.len(), output.len());
    let (mut kept, mut errors) = (start + end, 0);
    while i > 0 && j > 0 {
        if steps.down(i, j) == 1 {
            i -= 1;
            errors += 1;
        } else if j > 1 && steps.down(i, j - 1) == -1 {
            j -= 1;
            errors += 1;
        } else {
            (i, j) = (i - 1, j - 1);
            if reference[i] == output[j] {
                kept += 1;
            } else {
                errors += 1;
            }
        }
    }
    Counts {
        hits: kept,
        errors: errors + i + j,
    }
}

/// By how much the edit distance of two beginnings changes with one more word of the reference: 1, 0 or -1.
struct Steps {
    down: Vec<i8>,
    width: usize,
}

impl Steps {
    fn new(reference: &[String], output: &[String]) -> Self {
        let width = reference.len();
        let mut down = Vec::with_capacity(width * output.len());
        let mut row: Vec<usize> = (0..=width).collect();
        for (j, word) in output.iter().enumerate() {
            let mut diagonal = row[0];
            row[0] = j + 1;
            for i in 1..=width {
                let replaced = diagonal + usize::from(reference[i - 1] != *word);
                diagonal = row[i];
                row[i] = replaced.min(row[i] + 1).min(row[i - 1] + 1);
                down.push(match row[i].cmp(&row[i - 1]) {
                    std::cmp::Ordering::Greater => 1,
                    std::cmp::Ordering::Equal => 0,
                    std::cmp::Ordering::Less => -1,
                });
            }
        }
        Self { down, width }
    }

    fn down(&self, reference: usize, output: usize) -> i8 {
        self.down[(output - 1) * self.width + reference - 1]
    }
}

impl WordErrorRate {
    /// The word error rate.
    pub fn new() -> Self {
        Self::default()
    }

    /// Another rate: of matches, of information lost, of characters.
    pub fn rate(mut self, rate: ErrorRate) -> Self {
        self.rate = rate;
        self
    }

    /// The lowest rate of an output against any of the references.
    ///
    /// ```
    /// use llmtest_metrics::WordErrorRate;
    ///
    /// assert_eq!(WordErrorRate::new().value("a c", &["a b", "a c d"]), 1.0 / 3.0);
    /// ```
    pub fn value(&self, output: &str, references: &[impl AsRef<str>]) -> f64 {
        references
            .iter()
            .map(|reference| self.rate.of(output, reference.as_ref()))
            .fold(f64::INFINITY, f64::min)
    }
}

impl Metric for WordErrorRate {
    fn name(&self) -> &'static str {
        "word_error_rate"
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        let (output, references) = texts(cx, self)?;
        let tokens = self.rate.tokens(&output).len();
        let unit = if self.rate == ErrorRate::Characters {
            "characters"
        } else {
            "words"
        };
        for reference in &references {
            let of_reference = self.rate.tokens(reference).len();
            comparable(self, (tokens, of_reference), unit, MOST_CELLS)?;
        }
        let rate = self.value(&output, &references);
        Ok(Score::new((1.0 - rate).max(0.0))
            .because(format!(
                "the {} against the reference is {rate:.2}",
                self.rate.name()
            ))
            .quantity(rate, self.rate.unit()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proptesting;
    use crate::{FakeJudge, TestCase, measure_with};
    use proptest::prelude::*;

    const ALL: [ErrorRate; 4] = [
        ErrorRate::Words,
        ErrorRate::Matches,
        ErrorRate::Information,
        ErrorRate::Characters,
    ];

    #[test]
    fn each_rate_follows_its_formula() {
        let rates = |output, reference| ALL.map(|rate| rate.of(output, reference));
        // Two kept, one replaced, one inserted.
        assert_eq!(
            rates("a x c d", "a b c")[..3],
            [2.0 / 3.0, 0.5, 1.0 - (2.0 / 3.0) * 0.5]
        );
        assert_eq!(ErrorRate::Characters.of("kitten", "sitting"), 3.0 / 7.0);
        assert_eq!(rates("", ""), [0.0; 4]);
        assert_eq!(rates("", "a b"), [1.0; 4]);
        assert_eq!(rates("a b", ""), [2.0, 1.0, 1.0, 3.0]);
    }

    #[test]
    fn of_equal_edits_the_one_of_jiwer_counts_what_it_keeps() {
        // Both replaced, or one moved: two errors either way.
        let words = |text: &str| split(text);
        let counts = edits(&words("a b"), &words("b a"));
        assert_eq!((counts.errors, counts.hits), (2, 1));
    }

    #[test]
    fn only_spaces_and_runs_of_white_space_split_words() {
        assert_eq!(split("  a\nb  c \n d\t"), ["a\nb", "c", "d"]);
    }

    #[tokio::test]
    async fn a_rate_above_1_scores_0_and_stays_in_the_quantity() {
        let case = TestCase::new("q", "a b c").expected("x");
        let score = measure_with(&case, &WordErrorRate::new(), FakeJudge::new())
            .await
            .unwrap();
        assert_eq!((score.value, score.quantity.unwrap().value), (0.0, 3.0));
        assert_eq!(
            score.reason.unwrap(),
            "the word error rate against the reference is 3.00"
        );
        let long = "a b ".repeat(6_000);
        let case = TestCase::new("q", &long).expected(&long);
        let error = measure_with(&case, &WordErrorRate::new(), FakeJudge::new())
            .await
            .unwrap_err();
        assert!(
            error.to_string().contains("12000 and 12000 words\nhint: "),
            "{error}"
        );
    }

    proptest! {
        #![proptest_config(proptesting::config())]

        #[test]
        fn shares_are_in_range_and_rates_are_not_negative(output in "[ab ]{0,12}", one in "[abc \n]{0,12}") {
            for rate in ALL {
                let value = rate.of(&output, &one);
                prop_assert!(value >= 0.0 && value.is_finite());
                if matches!(rate, ErrorRate::Matches | ErrorRate::Information) {
                    prop_assert!(value <= 1.0, "{value}");
                }
            }
        }

        #[test]
        fn a_text_has_no_errors_against_itself(text in "\\PC{0,12}") {
            for rate in ALL {
                prop_assert_eq!(rate.of(&text, &text), 0.0);
            }
        }

        #[test]
        fn a_wrong_word_at_the_end_never_lowers_the_rate(output in "[ab ]{0,12}", one in "[ab ]{1,12}") {
            let after = ErrorRate::Words.of(&format!("{output} zz"), &one);
            prop_assert!(after >= ErrorRate::Words.of(&output, &one));
        }

        #[test]
        fn errors_are_the_edit_distance(a in prop::collection::vec("[ab]", 0..9), b in prop::collection::vec("[ab]", 0..9)) {
            let counts = edits(&a, &b);
            prop_assert_eq!(counts.errors, strsim::generic_levenshtein(&a, &b));
            prop_assert!(counts.hits <= a.len().min(b.len()));
        }
    }
}
