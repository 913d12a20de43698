//! `StepEfficiency`.

use super::steps::{need_steps, texts};
use crate::grade::grade;
use crate::options::{Options, knobs, options};
use crate::{Bar, EvalCx, Field, Metric, Result, Score};

/// Measures whether an agent took no more steps than its task needs.
///
/// The judge says what the task was, then grades how few of the steps are superfluous: repeated, without use for the
/// task, or longer than needed. The grade is the score, in `0.0..=1.0`; one outside of it is asked again. The steps are
/// the trace; without one, the tool calls. Whether the task was done is not asked; see [`TaskCompletion`](crate::TaskCompletion).
/// Needs `input`, `output`, and a trace or `tools`; without both it is an error, as nothing says what the agent did.
/// Default bar: at least 0.5. Calls as DeepEval 4.3.1.
///
/// ```
/// use llmtest_metrics::{FakeJudge, StepEfficiency, TestCase, ToolCall, measure_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let judge = FakeJudge::new()
///     .when("step_efficiency/task", r#"{"task": "Find the weather in Lyon."}"#)
///     .when("step_efficiency/score", r#"{"reason": "The second call repeats the first.", "score": 0.5}"#);
/// let case = TestCase::new("Weather in Lyon?", "Sunny.").tools([ToolCall::new("weather"), ToolCall::new("weather")]);
/// let score = measure_with(&case, &StepEfficiency::new(), judge).await.unwrap();
/// assert_eq!(score.reason.as_deref(), Some("the second call repeats the first"));
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct StepEfficiency {
    options: Options,
}

impl StepEfficiency {
    /// With default options.
    pub fn new() -> Self {
        Self {
            options: options!("step_efficiency": "task", "score"),
        }
    }
}

knobs!(StepEfficiency, default);

impl Metric for StepEfficiency {
    fn name(&self) -> &'static str {
        "step_efficiency"
    }

    fn bar(&self) -> Bar {
        self.options.bar()
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        let input = cx.need(self, Field::Input)?;
        cx.need(self, Field::Output)?;
        let steps = need_steps(cx, self)?;
        let template = self
            .options
            .template("task")
            .fenced("input", "input", input)
            .fenced("steps", "steps", &steps);
        let [task] = texts(cx, template, ["task"]).await?;
        let template = self
            .options
            .template("score")
            .fenced("task", "task", &task)
            .fenced("steps", "steps", steps);
        let score = grade(cx, template).await?.into_score();
        Ok(self.options.clamp(score.detail("task", task)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FakeJudge, JudgeError, MissingField, TestCase, ToolCall, measure_with};

    fn case() -> TestCase {
        TestCase::new("Weather in Lyon?", "Sunny.")
            .tools([ToolCall::new("weather"), ToolCall::new("mail")])
    }

    fn judge(score: &str) -> FakeJudge {
        FakeJudge::new()
            .reply(r#"{"task": "Find the weather."}"#)
            .when("score", score)
    }

    #[tokio::test]
    async fn the_steps_are_graded_against_the_task() {
        let fake = judge(r#"{"reason": "The mail is superfluous.", "score": 0.5}"#);
        let score = measure_with(&case(), &StepEfficiency::new(), fake.clone())
            .await
            .unwrap();
        assert_eq!(
            (score.value, score.reason.as_deref()),
            (0.5, Some("the mail is superfluous"))
        );
        let prompts = fake.prompts();
        assert!(
            prompts
                .iter()
                .all(|prompt| prompt.text().contains("2. mail()\n</data "))
        );
        assert!(prompts[1].text().contains("\nFind the weather.\n"));
        let strict = StepEfficiency::new().strict();
        let score = measure_with(&case(), &strict, judge(r#"{"reason": "", "score": 0.5}"#))
            .await
            .unwrap();
        assert_eq!(score.value, 0.0);
    }

    #[tokio::test]
    async fn a_grade_out_of_range_is_an_error() {
        let fake = judge(r#"{"reason": "", "score": 1.5}"#);
        let error = measure_with(&case(), &StepEfficiency::new(), fake.clone())
            .await
            .unwrap_err();
        assert!(error.is::<JudgeError>(), "{error}");
        assert_eq!(fake.prompts().len(), 4);
    }

    #[tokio::test]
    async fn what_nobody_observed_is_missing_and_the_error_says_how_to_observe() {
        let error = measure_with(
            &TestCase::new("q", "a"),
            &StepEfficiency::new(),
            FakeJudge::new(),
        )
        .await
        .unwrap_err();
        assert_eq!(error.downcast_ref::<MissingField>().unwrap().field, "trace");
        assert!(error.to_string().contains("#[llmtest::observe]"), "{error}");
    }
}
