//! `McpTaskCompletion`.

use super::calls::{NO_TASK, tasks};
use crate::grades::{self, Aspect, grades};
use crate::options::{Options, knobs, options};
use crate::{Bar, EvalCx, Field, Metric, Result, Score, trace_text};

/// Measures how far a conversation with MCP servers at hand did what the user asked for.
///
/// Looked at are the exchanges that call a server, and those of more than two turns. The judge grades each; the score is
/// the mean, in `0.0..=1.0`. A grade outside of it is asked again. A conversation without such an exchange scores 0: no
/// task was done. Needs `turns` (with the calls as [`Turn::tools`](crate::Turn::tools)) and `mcp_servers`. Default bar: at least 0.5.
/// Formula as DeepEval 4.3.1, which looks only at exchanges of more than two turns and scores 0 where there is none.
///
/// ```
/// use llmtest_metrics::{FakeJudge, McpServer, McpTaskCompletion, TestCase, ToolCall, ToolKind, Turn, measure_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let judge = FakeJudge::new().reply(r#"{"reason": "The table is booked.", "score": 1.0}"#);
/// let book = ToolCall::new("book").kind(ToolKind::Mcp).output("ok");
/// let case = TestCase::default()
///     .mcp_servers([McpServer::new("bookings").tools(["book".into()])])
///     .turns([Turn::user("A table for four."), Turn::assistant("Booked.").tools([book])]);
/// let score = measure_with(&case, &McpTaskCompletion::new(), judge).await.unwrap();
/// assert_eq!(score.value, 1.0);
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct McpTaskCompletion {
    options: Options,
}

impl McpTaskCompletion {
    /// With default options.
    pub fn new() -> Self {
        Self {
            options: options!("mcp_task_completion": "task_score"),
        }
    }
}

knobs!(McpTaskCompletion, default);

impl Metric for McpTaskCompletion {
    fn name(&self) -> &'static str {
        "mcp_task_completion"
    }

    fn bar(&self) -> Bar {
        self.options.bar()
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        cx.need(self, Field::Turns)?;
        cx.need(self, Field::McpServers)?;
        let turns = &cx.case.turns;
        let servers = trace_text::servers(&cx.case.mcp_servers);
        let question = |(number, range)| {
            let template = self.options.template("task_score");
            let template = template.fenced("servers", "servers", &servers);
            let template = trace_text::exchange(template, turns, &range);
            (number, template)
        };
        let aspect = Aspect {
            name: "completion",
            questions: tasks(turns).into_iter().map(question).collect(),
        };
        let grades = grades(cx, [aspect]).await?;
        match grades[0].mean() {
            Some(mean) => Ok(self.options.clamp(grades::score(mean, &grades))),
            None => Ok(Score::new(0.0).because(NO_TASK)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FakeJudge, JudgeError, McpServer, MissingField, TestCase, Turn, measure_with};

    fn case() -> TestCase {
        TestCase::default()
            .mcp_servers([McpServer::new("bookings").tools(["book".into()])])
            .turns([
                Turn::user("A table."),
                Turn::assistant("One moment."),
                Turn::assistant("Done."),
                Turn::user("And a cab."),
                Turn::assistant("One moment."),
                Turn::assistant("No."),
            ])
    }

    #[tokio::test]
    async fn the_mean_of_the_exchanges_counts() {
        let judge = || {
            FakeJudge::new()
                .reply(r#"{"reason": "It is booked.", "score": 1}"#)
                .reply(r#"{"reason": "There is no cab.", "score": 0.5}"#)
        };
        let score = measure_with(&case(), &McpTaskCompletion::new(), judge())
            .await
            .unwrap();
        assert_eq!(score.value, 0.75);
        assert_eq!(
            score.reason.as_deref(),
            Some("completion 0.75 over 2 exchanges, lowest in exchange 2 (there is no cab)")
        );
        let strict = McpTaskCompletion::new().strict();
        assert_eq!(
            measure_with(&case(), &strict, judge()).await.unwrap().value,
            0.0
        );
    }

    #[tokio::test]
    async fn no_task_scores_0_and_a_wrong_grade_or_no_server_is_an_error() {
        let unanswered = case().turns([Turn::user("A table."), Turn::user("Hello?")]);
        let score = measure_with(&unanswered, &McpTaskCompletion::new(), FakeJudge::new())
            .await
            .unwrap();
        assert_eq!((score.value, score.reason.as_deref()), (0.0, Some(NO_TASK)));
        let judge = FakeJudge::new().when("", r#"{"reason": "", "score": 2}"#);
        let error = measure_with(&case(), &McpTaskCompletion::new(), judge)
            .await
            .unwrap_err();
        assert!(error.is::<JudgeError>(), "{error}");
        let without = case().mcp_servers([]);
        let error = measure_with(&without, &McpTaskCompletion::new(), FakeJudge::new())
            .await
            .unwrap_err();
        assert_eq!(
            error.downcast_ref::<MissingField>().unwrap().field,
            "mcp_servers"
        );
    }
}
