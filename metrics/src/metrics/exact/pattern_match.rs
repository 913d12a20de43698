//! `PatternMatch`.

use crate::{Bar, EvalCx, Field, Metric, Result, Score, reason};
use regex::{Regex, RegexBuilder};

/// Measures whether the whole output matches a regular expression: 1 or 0. White space around output and pattern does not
/// count. Needs no judge.
///
/// The syntax is that of the [`regex`](https://docs.rs/regex#syntax) crate; write `.*` at the ends to search inside the
/// output. Needs `output`. Default bar: at least 1. As DeepEval 4.3.1, but for Python's look-around and back-references.
///
/// ```
/// use llmtest_metrics::{FakeJudge, PatternMatch, TestCase, measure_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let case = TestCase::new("When may I return them?", "Within 30 days");
/// let days = PatternMatch::new(r"within \d+ days").ignore_case();
/// assert_eq!(measure_with(&case, &days, FakeJudge::new()).await.unwrap().value, 1.0);
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct PatternMatch {
    pattern: String,
    whole: Regex,
}

impl PatternMatch {
    /// Matches against this pattern. Panics on a pattern that is no regular expression.
    #[track_caller]
    pub fn new(pattern: impl AsRef<str>) -> Self {
        let pattern = pattern.as_ref().trim().to_string();
        let whole = compile(&pattern, false);
        Self { pattern, whole }
    }

    /// Takes upper and lower case as equal.
    #[track_caller]
    pub fn ignore_case(mut self) -> Self {
        self.whole = compile(&self.pattern, true);
        self
    }
}

#[track_caller]
fn compile(pattern: &str, ignore_case: bool) -> Regex {
    // The pattern alone first: `a)(b` is an error that its wrapping would hide.
    let compiled = Regex::new(pattern).and_then(|_| {
        let build = |whole: String| {
            RegexBuilder::new(&whole)
                .case_insensitive(ignore_case)
                .build()
        };
        // A comment at the end of a verbose pattern ends at the line's end.
        build(format!(r"\A(?:{pattern})\z")).or_else(|_| build(format!("\\A(?:{pattern}\n)\\z")))
    });
    match compiled {
        Ok(whole) => whole,
        Err(error) => {
            panic!("`PatternMatch` needs a regular expression, and `{pattern}` is none: {error}")
        }
    }
}

impl Metric for PatternMatch {
    fn name(&self) -> &'static str {
        "pattern_match"
    }

    fn bar(&self) -> Bar {
        Bar::AtLeast(1.0)
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        let output = cx.need(self, Field::Output)?;
        Ok(score(&self.whole, &self.pattern, output.trim()))
    }
}

fn score(whole: &Regex, pattern: &str, output: &str) -> Score {
    if whole.is_match(output) {
        return Score::new(1.0).because(format!("the output matches `{pattern}`"));
    }
    Score::new(0.0).because(format!(
        "the output {:?} does not match `{pattern}` as a whole",
        reason::cut(output, 120)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FakeJudge, TestCase, measure_with};

    async fn value(metric: &PatternMatch, output: &str) -> f64 {
        measure_with(&TestCase::new("q", output), metric, FakeJudge::new())
            .await
            .unwrap()
            .value
    }

    #[tokio::test]
    async fn the_whole_output_must_match() {
        let digits = PatternMatch::new(r"\d+|\d+ days");
        assert_eq!(value(&digits, " 30 days\n").await, 1.0);
        assert_eq!(value(&digits, "about 30 days").await, 0.0);
        assert_eq!(value(&PatternMatch::new("a.c"), "a\nc").await, 0.0);
    }

    #[tokio::test]
    async fn case_counts_unless_told_otherwise() {
        assert_eq!(value(&PatternMatch::new("yes"), "YES").await, 0.0);
        assert_eq!(
            value(&PatternMatch::new("yes").ignore_case(), "YES").await,
            1.0
        );
    }

    #[tokio::test]
    async fn a_verbose_pattern_may_end_with_a_comment() {
        let verbose = PatternMatch::new("(?x) a b c # three letters");
        assert_eq!(value(&verbose, "abc").await, 1.0);
        assert_eq!(value(&verbose, "abcd").await, 0.0);
    }

    #[test]
    #[should_panic(expected = "`a)(b` is none")]
    fn a_bad_pattern_is_found_when_the_test_is_built() {
        let _ = PatternMatch::new("a)(b");
    }
}
