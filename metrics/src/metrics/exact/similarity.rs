//! `Similarity`.

use crate::metrics::text::MOST_CELLS;
use crate::{EvalCx, Field, Metric, Result, Score};
use similar::{ChangeTag, TextDiff};

/// The most lines of a diff that are shown.
const MOST_LINES: usize = 40;

/// Measures how near the output is to the expected output, by letters: `1 - edits / length of the longer`, where an edit
/// inserts, deletes or replaces a character (Levenshtein 1966). Needs no judge.
///
/// A score below 1 shows a diff of both texts. The time grows with the product of the lengths, after what both texts begin
/// and end with is set aside; texts of which more than 5,000 characters each remain are an error. Needs `output` and
/// `expected`. Default bar: at least 0.5.
///
/// ```
/// use llmtest_metrics::{FakeJudge, Similarity, TestCase, measure_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let case = TestCase::new("Refund?", "within 40 days").expected("within 30 days");
/// let score = measure_with(&case, &Similarity::new(), FakeJudge::new()).await.unwrap();
/// assert_eq!(score.exhibit.as_deref(), Some("- within [-30-] days\n+ within {+40+} days"));
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct Similarity {}

impl Similarity {
    /// Compares output and expected output.
    pub fn new() -> Self {
        Self {}
    }
}

impl Metric for Similarity {
    fn name(&self) -> &'static str {
        "similarity"
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        score(
            &cx.need(self, Field::Output)?,
            &cx.need(self, Field::Expected)?,
        )
    }
}

fn score(output: &str, expected: &str) -> Result<Score> {
    let longer = output.chars().count().max(expected.chars().count());
    if output == expected {
        return Ok(Score::new(1.0).because("the output is the expected output"));
    }
    let edits = edits(output, expected)?;
    let s = if edits == 1 { "" } else { "s" };
    Ok(Score::new(1.0 - edits as f64 / longer as f64)
        .because(format!("it takes {edits} edit{s} on {longer} characters to get from the expected output to the output"))
        .exhibit(diff(expected, output)))
}

/// The edit distance in characters.
fn edits(a: &str, b: &str) -> Result<usize> {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let start = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let (a, b) = (&a[start..], &b[start..]);
    let end = a
        .iter()
        .rev()
        .zip(b.iter().rev())
        .take_while(|(x, y)| x == y)
        .count();
    let (a, b) = (&a[..a.len() - end], &b[..b.len() - end]);
    if a.len().saturating_mul(b.len()) > MOST_CELLS {
        return Err(format!(
            "the texts are too long to compare letter by letter: {} and {} characters differ\n\
             hint: compare a part of them, or let a judge compare them with `GEval`",
            a.len(),
            b.len()
        )
        .into());
    }
    Ok(strsim::generic_levenshtein(&a.to_vec(), &b.to_vec()))
}

/// A diff from the expected text to the output: by words where both are one line, else by lines.
fn diff(expected: &str, output: &str) -> String {
    if expected.lines().count() > 1 || output.lines().count() > 1 {
        by_lines(expected, output)
    } else {
        by_words(expected, output)
    }
}

/// Two lines, with `[-…-]` around what is only expected and `{+…+}` around what is only in the output.
fn by_words(expected: &str, output: &str) -> String {
    let diff = TextDiff::from_words(expected, output);
    let (mut old, mut new) = (Side::new("- ", "[-", "-]"), Side::new("+ ", "{+", "+}"));
    for change in diff.iter_all_changes() {
        match change.tag() {
            ChangeTag::Equal => {
                old.push(change.value(), false);
                new.push(change.value(), false);
            }
            ChangeTag::Delete => old.push(change.value(), true),
            ChangeTag::Insert => new.push(change.value(), true),
        }
    }
    format!("{}\n{}", old.finish(), new.finish())
}

/// One side of a word diff: neighbouring marked words share one pair of marks.
struct Side {
    text: String,
    open: &'static str,
    close: &'static str,
    marked: bool,
}

impl Side {
    fn new(prefix: &str, open: &'static str, close: &'static str) -> Self {
        Self {
            text: prefix.to_string(),
            open,
            close,
            marked: false,
        }
    }

    fn push(&mut self, word: &str, mark: bool) {
        if mark != self.marked {
            self.text
                .push_str(if mark { self.open } else { self.close });
            self.marked = mark;
        }
        self.text.push_str(word);
    }

    fn finish(mut self) -> String {
        if self.marked {
            self.text.push_str(self.close);
        }
        self.text
    }
}

fn by_lines(expected: &str, output: &str) -> String {
    let diff = TextDiff::from_lines(expected, output);
    let mut lines = Vec::new();
    for (i, group) in diff.grouped_ops(2).iter().enumerate() {
        if i > 0 {
            lines.push("  …".to_string());
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let sign = match change.tag() {
                ChangeTag::Equal => ' ',
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
            };
            lines.push(
                format!("{sign} {}", change.value().trim_end_matches(['\n', '\r']))
                    .trim_end()
                    .to_string(),
            );
        }
    }
    if lines.len() > MOST_LINES {
        let more = lines.len() - MOST_LINES;
        lines.truncate(MOST_LINES);
        lines.push(format!("… {more} more lines"));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FakeJudge, MissingField, TestCase, measure_with, proptesting};
    use proptest::prelude::*;

    fn value(a: &str, b: &str) -> f64 {
        score(a, b).unwrap().value
    }

    #[test]
    fn edits_count_against_the_longer_text() {
        assert!((value("kitten", "sitting") - (1.0 - 3.0 / 7.0)).abs() < 1e-12);
        assert_eq!(
            (value("", ""), value("", "ab"), value("ab", "cd")),
            (1.0, 0.0, 0.0)
        );
        assert!((value("größe", "grösse") - (1.0 - 2.0 / 6.0)).abs() < 1e-12);
        assert_eq!(edits("aaa", "aa").unwrap(), 1);
        assert_eq!(
            score("ab", "ab ").unwrap().reason.unwrap(),
            "it takes 1 edit on 3 characters to get from the expected output to the output"
        );
    }

    #[test]
    fn long_texts_are_compared_where_little_differs_and_refused_where_much_does() {
        let long = "a sentence. ".repeat(10_000);
        assert!(value(&format!("{long}x{long}"), &format!("{long}y{long}")) > 0.99);
        let error = score(&"a".repeat(6_000), &"b".repeat(6_000))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("6000 and 6000 characters differ\nhint: "),
            "{error}"
        );
    }

    #[test]
    fn the_diff_is_readable_without_colour() {
        assert_eq!(
            diff("send it back soon", "send it on"),
            "- send it [-back soon-]\n+ send it {+on+}"
        );
        let (old, new) = ("a\nb\nc\nd\ne\nf\ng\nh\ni", "a\nB\nc\nd\ne\nf\ng\nh\nI");
        assert_eq!(
            diff(old, new),
            "  a\n- b\n+ B\n  c\n  d\n  …\n  g\n  h\n- i\n+ I"
        );
        let many = "line\n".repeat(100);
        assert!(diff(&many, "one\ntwo\n").ends_with("\n… 62 more lines"));
        assert_eq!(score("a", "a").unwrap().exhibit, None);
    }

    #[tokio::test]
    async fn without_an_expected_output_it_is_an_error() {
        let error = measure_with(
            &TestCase::new("q", "a"),
            &Similarity::new(),
            FakeJudge::new(),
        )
        .await
        .unwrap_err();
        assert_eq!(
            error.downcast_ref::<MissingField>().unwrap().field,
            "expected"
        );
    }

    proptest! {
        #![proptest_config(proptesting::config())]

        #[test]
        fn the_score_is_in_range_symmetric_and_1_for_equals_alone(a in "[abä ]{0,8}|\\PC{0,8}", b in "[abä ]{0,8}|\\PC{0,8}") {
            let score = value(&a, &b);
            prop_assert!((0.0..=1.0).contains(&score), "{score}");
            prop_assert_eq!(score, value(&b, &a));
            prop_assert_eq!(value(&a, &a), 1.0);
            prop_assert_eq!(score == 1.0, a == b);
        }

        #[test]
        fn what_both_texts_begin_with_never_lowers_the_score(a in "[ab]{0,6}", b in "[ab]{0,6}", start in "[abc]{0,6}") {
            let with = |end: &str| format!("{start}{end}");
            let longer = value(&with(&a), &with(&b));
            prop_assert!(longer >= value(&a, &b));
        }
    }
}
