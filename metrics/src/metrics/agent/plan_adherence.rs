//! `PlanAdherence`.

use super::steps::grade_plan;
use crate::options::{Options, knobs, options};
use crate::{Bar, EvalCx, Metric, Result, Score};

/// Measures whether an agent kept to the plan that it made: every step done, in order, and nothing else.
///
/// The judge says what the task was, lists the steps that the agent planned, wherever the run shows them, and grades how
/// far what was done is what was planned. The grade is the score, in `0.0..=1.0`; one outside of it is asked again. A run
/// that shows no plan scores 1. Whether the plan is a good one is not judged; see [`PlanQuality`](crate::PlanQuality).
/// Needs `input`, `output`, and a trace or `tools`. Default bar: at least 0.5. Calls as DeepEval 4.3.1.
///
/// ```
/// use llmtest_metrics::{FakeJudge, PlanAdherence, TestCase, ToolCall, measure_with};
/// use serde_json::json;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let judge = FakeJudge::new()
///     .when("plan_adherence/task", r#"{"task": "Book and pay a table."}"#)
///     .when("plan_adherence/plan", r#"{"plan": ["Search a table.", "Book it."]}"#)
///     .when("plan_adherence/score", r#"{"reason": "The booking was never made.", "score": 0.5}"#);
/// let plan = ToolCall::new("plan").output(json!(["Search a table.", "Book it."]));
/// let case = TestCase::new("Book and pay a table.", "Done.").tools([plan, ToolCall::new("search")]);
/// let score = measure_with(&case, &PlanAdherence::new(), judge).await.unwrap();
/// assert_eq!(score.reason.as_deref(), Some("the booking was never made"));
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct PlanAdherence {
    options: Options,
}

impl PlanAdherence {
    /// With default options.
    pub fn new() -> Self {
        Self {
            options: options!("plan_adherence": "task", "plan", "score"),
        }
    }
}

knobs!(PlanAdherence, default);

impl Metric for PlanAdherence {
    fn name(&self) -> &'static str {
        "plan_adherence"
    }

    fn bar(&self) -> Bar {
        self.options.bar()
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        grade_plan(cx, self, &self.options, true).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FakeJudge, JudgeError, MissingField, TestCase, ToolCall, measure_with};

    fn case() -> TestCase {
        TestCase::new("Book a table.", "Done.")
            .tools([ToolCall::new("plan").output("search, book")])
    }

    fn judge(plan: &str) -> FakeJudge {
        FakeJudge::new()
            .reply(r#"{"task": "Book a table."}"#)
            .reply(plan)
    }

    #[tokio::test]
    async fn the_plan_is_graded() {
        let fake = judge(r#"{"plan": ["search", "book"]}"#)
            .reply(r#"{"reason": "The booking was never made.", "score": 0.5}"#);
        let score = measure_with(&case(), &PlanAdherence::new(), fake.clone())
            .await
            .unwrap();
        assert_eq!(
            (score.value, score.reason.as_deref()),
            (0.5, Some("the booking was never made"))
        );
        let prompts = fake.prompts();
        assert!(
            prompts[0]
                .text()
                .contains("1. plan() -> \"search, book\"\n</data ")
        );
        assert!(prompts[2].text().contains("1. search\n2. book\n</data "));
        assert!(prompts[2].text().contains("steps:\n<data "));
        let details: Vec<&str> = score
            .details
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(details, ["task", "plan"]);
    }

    #[tokio::test]
    async fn no_plan_is_no_fault_and_nothing_is_graded() {
        let fake = judge(r#"{"plan": [" "]}"#);
        let score = measure_with(&case(), &PlanAdherence::new().strict(), fake.clone())
            .await
            .unwrap();
        assert_eq!(
            (score.value, score.reason.as_deref()),
            (1.0, Some("the run shows no plan"))
        );
        assert_eq!(fake.prompts().len(), 2);
    }

    #[tokio::test]
    async fn strict_takes_nothing_below_a_perfect_grade() {
        let fake = judge(r#"{"plan": ["search"]}"#).reply(r#"{"reason": "", "score": 0.99}"#);
        let score = measure_with(&case(), &PlanAdherence::new().strict(), fake)
            .await
            .unwrap();
        assert_eq!(score.value, 0.0);
    }

    #[tokio::test]
    async fn what_is_no_plan_or_no_grade_is_an_error() {
        let fake = FakeJudge::new()
            .reply(r#"{"task": "Book a table."}"#)
            .when("plan_adherence", r#"{"plan": "search"}"#);
        let error = measure_with(&case(), &PlanAdherence::new(), fake)
            .await
            .unwrap_err();
        assert!(
            error.is::<JudgeError>() && error.to_string().contains("list of texts"),
            "{error}"
        );
        let fake = judge(r#"{"plan": ["search"]}"#)
            .when("plan_adherence", r#"{"reason": "", "score": -0.25}"#);
        let error = measure_with(&case(), &PlanAdherence::new(), fake)
            .await
            .unwrap_err();
        assert!(error.is::<JudgeError>(), "{error}");
        let unseen = TestCase::new("q", "a");
        let error = measure_with(&unseen, &PlanAdherence::new(), FakeJudge::new())
            .await
            .unwrap_err();
        assert_eq!(error.downcast_ref::<MissingField>().unwrap().field, "trace");
    }
}
