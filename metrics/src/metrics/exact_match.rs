//! `ExactMatch`.

use crate::{Bar, EvalCx, Field, Metric, Result, Score, reason};

/// Measures whether the output equals the expected output: 1 or 0. White space at both ends does not count, case does.
/// Needs no judge.
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
#[non_exhaustive]
pub struct ExactMatch {}

impl ExactMatch {
    /// Compares output and expected output.
    pub fn new() -> Self {
        Self {}
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
        ))
    }
}

fn score(output: &str, expected: &str) -> Score {
    let (output, expected) = (output.trim(), expected.trim());
    if output == expected {
        return Score::new(1.0).because("the output is the expected output");
    }
    let only = if output.to_lowercase() == expected.to_lowercase() {
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
        assert_eq!(score(" a b\n", "a b").value, 1.0);
        for other in ["a  b", "A b", "a b."] {
            assert_eq!(score("a b", other).value, 0.0, "{other}");
        }
        assert_eq!(
            score("a", "A").reason.unwrap(),
            r#"the output is "a", not "A" (only upper and lower case differ)"#
        );
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
