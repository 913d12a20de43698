//! `TaskCompletion`.

use super::steps::{steps, texts};
use crate::grade::grade;
use crate::options::{Options, knobs, options};
use crate::{Bar, EvalCx, Field, Metric, Result, Score};

/// Measures how far an agent did what it was asked to do.
///
/// The judge says from the input, the output and the steps what the task was and what came of it; then it grades how far
/// the outcome does the task, in `0.0..=1.0`. The steps are the trace; without one, the tool calls. The task can be given
/// with [`task`](Self::task). A grade outside the range is asked again, never clamped. Needs `input` and `output`.
/// Default bar: at least 0.5. Calls as DeepEval 4.3.1.
///
/// ```
/// use llmtest_metrics::{FakeJudge, TaskCompletion, TestCase, measure_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let judge = FakeJudge::new()
///     .when("task_and_outcome", r#"{"task": "Book a table for four.", "outcome": "A table for two was booked."}"#)
///     .when("task_completion/verdict", r#"{"reason": "It is for two only.", "score": 0.4}"#);
/// let case = TestCase::new("A table for four, please.", "I booked a table for two.");
/// let score = measure_with(&case, &TaskCompletion::new(), judge).await.unwrap();
/// assert_eq!(score.value, 0.4);
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct TaskCompletion {
    task: Option<String>,
    options: Options,
}

impl TaskCompletion {
    /// With default options.
    pub fn new() -> Self {
        Self {
            task: None,
            options: options!("task_completion": "task_and_outcome", "verdict"),
        }
    }

    /// Says what the task is, instead of what the judge reads from the input. Panics on an empty text.
    #[track_caller]
    pub fn task(mut self, task: impl Into<String>) -> Self {
        let task = task.into();
        assert!(
            !task.trim().is_empty(),
            "`TaskCompletion` needs a task, such as `.task(\"Book the table that the user asks for\")`; leave it out and \
             the judge reads it from the input"
        );
        self.task = Some(task);
        self
    }
}

knobs!(TaskCompletion, default);

impl Metric for TaskCompletion {
    fn name(&self) -> &'static str {
        "task_completion"
    }

    fn bar(&self) -> Bar {
        self.options.bar()
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        let input = cx.need(self, Field::Input)?;
        let output = cx.need(self, Field::Output)?;
        let seen = [
            ("input", Some(input)),
            ("steps", steps(cx)),
            ("output", Some(output)),
        ];
        let seen = seen
            .into_iter()
            .filter_map(|(title, text)| Some((title.to_string(), text?)));
        let given = self
            .task
            .as_ref()
            .map(|task| format!("\n\nThe task is known: {task}"));
        let template = self
            .options
            .template("task_and_outcome")
            .text("task", given.unwrap_or_default())
            .fenced_list("run", seen);
        let [found, outcome] = texts(cx, template, ["task", "outcome"]).await?;
        let task = self.task.as_ref().unwrap_or(&found);
        let template = self
            .options
            .template("verdict")
            .fenced("task", "task", task)
            .fenced("outcome", "outcome", &outcome);
        let score = grade(cx, template).await?.into_score();
        let score = score
            .detail("task", task.as_str())
            .detail("outcome", outcome);
        Ok(self.options.clamp(score))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Asker, FakeJudge, JudgeError, MissingField, Span, TestCase, ToolCall, Trace, measure_with,
    };

    fn case() -> TestCase {
        TestCase::new("A table for four.", "Booked for two.").tools([ToolCall::new("book")])
    }

    fn judge() -> FakeJudge {
        FakeJudge::new().reply(r#"{"task": "Book for four.", "outcome": "Booked for two."}"#)
    }

    #[tokio::test]
    async fn the_outcome_is_graded_against_the_task() {
        let fake = judge().reply(r#"{"reason": "It is for two.", "score": 0.4}"#);
        let score = measure_with(&case(), &TaskCompletion::new(), fake.clone())
            .await
            .unwrap();
        assert_eq!(
            (score.value, score.reason.as_deref()),
            (0.4, Some("it is for two"))
        );
        let prompts = fake.prompts();
        assert!(
            prompts[0].text().contains("steps:\n<data ") && prompts[0].text().contains("1. book()")
        );
        assert!(prompts[1].text().contains("\nBook for four.\n"));
        let strict = judge().reply(r#"{"reason": "", "score": 0.9}"#);
        let score = measure_with(&case(), &TaskCompletion::new().strict(), strict)
            .await
            .unwrap();
        assert_eq!(score.value, 0.0);
    }

    #[tokio::test]
    async fn a_given_task_replaces_the_one_that_was_read() {
        let fake = judge().reply(r#"{"reason": "", "score": 1}"#);
        let metric = TaskCompletion::new().task("Book any table");
        measure_with(&case(), &metric, fake.clone()).await.unwrap();
        let prompts = fake.prompts();
        assert!(
            prompts[0]
                .text()
                .contains("The task is known: Book any table")
        );
        assert!(prompts[1].text().contains("\nBook any table\n"));
        assert!(!prompts[1].text().contains("Book for four."));
    }

    #[tokio::test]
    async fn the_trace_is_shown_where_there_is_one() {
        let fake = judge().reply(r#"{"reason": "", "score": 1}"#);
        let asker = Asker::standalone(Some(fake.clone().into()));
        let trace = Trace {
            spans: vec![Span::new("plan", "llm")],
        };
        let case = case();
        let cx = EvalCx::new(&case, &trace, None, &asker);
        TaskCompletion::new().measure(&cx).await.unwrap();
        let prompt = fake.prompts()[0].text();
        assert!(
            prompt.contains("1. llm `plan`") && !prompt.contains("book()"),
            "{prompt}"
        );
    }

    #[tokio::test]
    async fn a_grade_out_of_range_is_asked_again_and_then_an_error() {
        let fake = judge()
            .reply(r#"{"reason": "", "score": 8}"#)
            .reply(r#"{"reason": "", "score": 0.8}"#);
        let score = measure_with(&case(), &TaskCompletion::new(), fake)
            .await
            .unwrap();
        assert_eq!(score.value, 0.8);
        let fake = judge().when("verdict", r#"{"reason": "", "score": 8}"#);
        let error = measure_with(&case(), &TaskCompletion::new(), fake)
            .await
            .unwrap_err();
        assert!(error.is::<JudgeError>(), "{error}");
        let error = measure_with(
            &TestCase::new("q", ""),
            &TaskCompletion::new(),
            FakeJudge::new(),
        )
        .await
        .unwrap_err();
        assert_eq!(
            error.downcast_ref::<MissingField>().unwrap().field,
            "output"
        );
    }

    #[test]
    #[should_panic(expected = "`TaskCompletion` needs a task")]
    fn a_task_is_not_empty() {
        let _ = TaskCompletion::new().task(" ");
    }
}
