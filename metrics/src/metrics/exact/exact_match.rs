//! `ExactMatch`.

use crate::{Bar, EvalCx, Field, Metric, Result, Score, reason};

/// Measures whether the output equals the expected output: 1 or 0. White space at both ends does not count, case does
/// unless told otherwise. Needs no judge.
///
/// Needs `output` and `expected`. Default bar: at least 1. As DeepEval 4.3.1.
///
/// ```
/// use llmtest_metrics::{ExactMatch, FakeJudge, TestCase, measure_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let case = TestCase::new("The capital of France?", "Paris\n").expected("Paris");
/// assert_eq!(measure_with(&case, &ExactMatch::new(), FakeJudge::new()).await.unwrap().value, 1.0);
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct ExactMatch {
    ignore_case: bool,
}

impl ExactMatch {
    /// Compares output and expected output.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes upper and lower case as equal.
    pub fn ignore_case(mut self) -> Self {
        self.ignore_case = true;
        self
    }
}

impl Metric for ExactMatch {
    fn name(&self) -> &'static str {
        "exact_match"
    }

    fn bar(&self) -> Bar {
        Bar::AtLeast(1.0)
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        Ok(score(
            &cx.need(self, Field::Output)?,
            &cx.need(self, Field::Expected)?,
            self.ignore_case,
        ))
    }
}

fn score(output: &str, expected: &str, ignore_case: bool) -> Score {
    let (output, expected) = (output.trim(), expected.trim());
    let alike = output.to_lowercase() == expected.to_lowercase();
    if output == expected || (ignore_case && alike) {
        return Score::new(1.0).because("the output is the expected output");
    }
    let only = if alike {
        " (only upper and lower case differ)"
    } else {
        ""
    };
    let (output, expected) = (reason::cut(output, 120), reason::cut(expected, 120));
    Score::new(0.0).because(format!("the output is {output:?}, not {expected:?}{only}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FakeJudge, TestCase, measure_with};

    #[test]
    fn only_the_ends_may_differ() {
        assert_eq!(score(" a b\n", "a b", false).value, 1.0);
        for other in ["a  b", "A b", "a b."] {
            assert_eq!(score("a b", other, false).value, 0.0, "{other}");
        }
        assert_eq!(
            score("a", "A", false).reason.unwrap(),
            r#"the output is "a", not "A" (only upper and lower case differ)"#
        );
        assert_eq!(score("a", "A", true).value, 1.0);
        assert_eq!(score("a", "B", true).value, 0.0);
    }

    #[tokio::test]
    async fn a_missing_field_is_an_error_and_not_a_score() {
        for (case, field) in [
            (TestCase::new("q", "a"), "expected"),
            (TestCase::new("q", "").expected("a"), "output"),
        ] {
            let error = measure_with(&case, &ExactMatch::new(), FakeJudge::new())
                .await
                .unwrap_err();
            assert!(
                error.to_string().contains(&format!("needs `{field}`")),
                "{error}"
            );
        }
    }
}
