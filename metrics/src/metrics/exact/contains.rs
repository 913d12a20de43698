//! `Contains`.

use crate::{Bar, EvalCx, Field, Metric, Result, Score, reason};

/// Measures whether texts stand in the output: 1 or 0. Case counts unless told otherwise. Needs no judge.
///
/// Looks for one text ([`new`](Self::new)), for each of several ([`all`](Self::all)) or for at least one of them
/// ([`any`](Self::any)). Needs `output`. Default bar: at least 1.
///
/// ```
/// use llmtest_metrics::{Contains, FakeJudge, TestCase, measure_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let case = TestCase::new("Refund?", "Within 30 days, with the receipt.");
/// let terms = Contains::all(["30 days", "receipt"]);
/// assert_eq!(measure_with(&case, &terms, FakeJudge::new()).await.unwrap().value, 1.0);
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Contains {
    needles: Vec<String>,
    every: bool,
    ignore_case: bool,
}

impl Contains {
    /// Looks for this text. Panics on an empty text, which every output contains.
    #[track_caller]
    pub fn new(needle: impl Into<String>) -> Self {
        Self::all([needle])
    }

    /// Looks for each of these texts. Panics when there is none or when one is empty.
    #[track_caller]
    pub fn all<S: Into<String>>(needles: impl IntoIterator<Item = S>) -> Self {
        let needles: Vec<String> = needles.into_iter().map(Into::into).collect();
        assert!(
            !needles.is_empty() && needles.iter().all(|needle| !needle.is_empty()),
            "`Contains` needs a text to look for; every output contains the empty one"
        );
        Self {
            needles,
            every: true,
            ignore_case: false,
        }
    }

    /// Looks for at least one of these texts. Panics when there is none or when one is empty.
    #[track_caller]
    pub fn any<S: Into<String>>(needles: impl IntoIterator<Item = S>) -> Self {
        Self {
            every: false,
            ..Self::all(needles)
        }
    }

    /// Takes upper and lower case as equal.
    pub fn ignore_case(mut self) -> Self {
        self.ignore_case = true;
        self
    }

    fn score(&self, output: &str) -> Score {
        let folded = |text: &str| {
            if self.ignore_case {
                text.to_lowercase()
            } else {
                text.to_string()
            }
        };
        let text = folded(output);
        let (found, missing): (Vec<_>, Vec<_>) = self
            .needles
            .iter()
            .partition(|needle| text.contains(&folded(needle)));
        let passed = if self.every {
            missing.is_empty()
        } else {
            !found.is_empty()
        };
        let told = match (passed, self.every) {
            (true, true) | (false, false) => &self.needles.iter().collect(),
            (true, false) => &found,
            (false, true) => &missing,
        };
        let are = if told.len() == 1 { "is" } else { "are" };
        let not = if passed { "" } else { "not " };
        Score::from(passed).because(format!("{} {are} {not}in the output", list(told)))
    }
}

/// The texts in quotes, the last after "and".
fn list(needles: &[&String]) -> String {
    let mut quoted: Vec<String> = needles
        .iter()
        .map(|needle| format!("{:?}", reason::cut(needle, 80)))
        .collect();
    match quoted.pop() {
        Some(last) if !quoted.is_empty() => format!("{} and {last}", quoted.join(", ")),
        last => last.unwrap_or_default(),
    }
}

impl Metric for Contains {
    fn name(&self) -> &'static str {
        "contains"
    }

    fn bar(&self) -> Bar {
        Bar::AtLeast(1.0)
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        Ok(self.score(&cx.need(self, Field::Output)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FakeJudge, MissingField, TestCase, measure_with};

    #[test]
    fn one_all_or_any_must_stand_in_the_output() {
        let table = [
            (Contains::new("b"), 1.0, r#""b" is in the output"#),
            (Contains::new("B"), 0.0, r#""B" is not in the output"#),
            (
                Contains::new("B").ignore_case(),
                1.0,
                r#""B" is in the output"#,
            ),
            (
                Contains::all(["a", "c"]),
                1.0,
                r#""a" and "c" are in the output"#,
            ),
            (
                Contains::all(["a", "x", "y"]),
                0.0,
                r#""x" and "y" are not in the output"#,
            ),
            (Contains::any(["x", "c"]), 1.0, r#""c" is in the output"#),
            (
                Contains::any(["x", "y", "z"]),
                0.0,
                r#""x", "y" and "z" are not in the output"#,
            ),
        ];
        for (metric, value, reason) in table {
            let score = metric.score("a b c");
            assert_eq!(
                (score.value, score.reason.as_deref()),
                (value, Some(reason))
            );
        }
    }

    #[test]
    #[should_panic(expected = "every output contains the empty one")]
    fn looking_for_nothing_is_refused() {
        let _ = Contains::any(["a", ""]);
    }

    #[tokio::test]
    async fn an_empty_output_is_a_missing_field() {
        let case = TestCase::new("q", "");
        let error = measure_with(&case, &Contains::new("a"), FakeJudge::new())
            .await
            .unwrap_err();
        assert_eq!(
            error.downcast_ref::<MissingField>().unwrap().field,
            "output"
        );
    }
}
