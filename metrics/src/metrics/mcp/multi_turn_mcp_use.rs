//! `MultiTurnMcpUse`.

use super::calls::{NO_TASK, tasks};
use crate::grades::{self, Aspect, Grades, grades};
use crate::options::{Options, knobs, options};
use crate::{Bar, EvalCx, Field, Metric, NotApplicable, Result, Score, trace_text};

/// Measures whether MCP servers were used well in a conversation: the right tools, resources and prompts, with the right
/// arguments.
///
/// Looked at are the exchanges that call a server, and those of more than two turns. The judge grades the choice and the
/// arguments in each; the score is the lower of the two means, in `0.0..=1.0`. A grade outside of it is asked again. A
/// conversation without such an exchange is Skipped. Needs `turns` (with the calls as [`Turn::tools`](crate::Turn::tools))
/// and `mcp_servers`. Default bar: at least 0.5. Formula as DeepEval 4.3.1, which looks only at exchanges of more than
/// two turns and scores 0 where there is none.
///
/// ```
/// use llmtest_metrics::{FakeJudge, McpServer, MultiTurnMcpUse, TestCase, ToolCall, ToolKind, Turn, measure_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let judge = FakeJudge::new()
///     .when("primitives_score", r#"{"reason": "It had to book.", "score": 1.0}"#)
///     .when("args_score", r#"{"reason": "The number of people is missing.", "score": 0.5}"#);
/// let book = ToolCall::new("book").kind(ToolKind::Mcp);
/// let case = TestCase::default()
///     .mcp_servers([McpServer::new("bookings").tools(["book".into()])])
///     .turns([Turn::user("A table for four."), Turn::assistant("Booked.").tools([book])]);
/// let score = measure_with(&case, &MultiTurnMcpUse::new(), judge).await.unwrap();
/// assert_eq!(score.value, 0.5);
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct MultiTurnMcpUse {
    options: Options,
}

impl MultiTurnMcpUse {
    /// With default options.
    pub fn new() -> Self {
        Self {
            options: options!("multi_turn_mcp_use": "primitives_score", "args_score"),
        }
    }
}

knobs!(MultiTurnMcpUse, default);

impl Metric for MultiTurnMcpUse {
    fn name(&self) -> &'static str {
        "multi_turn_mcp_use"
    }

    fn bar(&self) -> Bar {
        self.options.bar()
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        cx.need(self, Field::Turns)?;
        cx.need(self, Field::McpServers)?;
        let turns = &cx.case.turns;
        let tasks = tasks(turns);
        let servers = trace_text::servers(&cx.case.mcp_servers);
        let aspect = |name, step| {
            let question = |(number, range): &(usize, std::ops::Range<usize>)| {
                let template = self.options.template(step);
                let template = template.fenced("servers", "servers", &servers);
                let template = trace_text::exchange(template, turns, range);
                (*number, template)
            };
            Aspect {
                name,
                questions: tasks.iter().map(question).collect(),
            }
        };
        let aspects = [
            aspect("choice", "primitives_score"),
            aspect("arguments", "args_score"),
        ];
        match score(&grades(cx, aspects).await?) {
            Some(score) => Ok(self.options.clamp(score)),
            None => Err(NotApplicable::because(NO_TASK).into()),
        }
    }
}

/// The lower of the two means; `None` where nothing was graded.
fn score(grades: &[Grades; 2]) -> Option<Score> {
    let lower = grades[0].mean()?.min(grades[1].mean()?);
    Some(grades::score(lower, grades))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        FakeJudge, McpServer, MissingField, TestCase, ToolCall, ToolKind, Turn, measure_with,
    };
    use proptest::prelude::*;

    fn case() -> TestCase {
        let book = ToolCall::new("book").kind(ToolKind::Mcp);
        TestCase::default()
            .mcp_servers([McpServer::new("bookings").tools(["book".into()])])
            .turns([
                Turn::user("Hi."),
                Turn::assistant("Hi."),
                Turn::user("A table."),
                Turn::assistant("").tools([book]),
                Turn::assistant("Done."),
                Turn::user("And a cab."),
                Turn::assistant("Let me see."),
                Turn::assistant("No."),
            ])
    }

    fn graded(scores: [f64; 4]) -> FakeJudge {
        scores.iter().fold(FakeJudge::new(), |judge, score| {
            judge.reply(format!(
                r#"{{"reason": "It is {score}.", "score": {score}}}"#
            ))
        })
    }

    #[tokio::test]
    async fn the_lower_mean_counts_and_small_talk_does_not() {
        let fake = graded([1.0, 0.5, 0.2, 0.8]);
        let score = measure_with(&case(), &MultiTurnMcpUse::new(), fake.clone())
            .await
            .unwrap();
        assert_eq!(score.value, 0.5);
        assert_eq!(
            score.reason.as_deref(),
            Some(
                "choice 0.75 over 2 exchanges, lowest in exchange 3 (it is 0.5); \
                 arguments 0.50 over 2 exchanges, lowest in exchange 2 (it is 0.2)"
            )
        );
        let prompts = fake.prompts();
        let purposes: Vec<&str> = prompts
            .iter()
            .map(|prompt| prompt.purpose.as_str())
            .collect();
        assert_eq!(
            purposes,
            [
                "multi_turn_mcp_use/primitives_score",
                "multi_turn_mcp_use/primitives_score",
                "multi_turn_mcp_use/args_score",
                "multi_turn_mcp_use/args_score"
            ]
        );
        let text = prompts[0].text();
        assert!(
            text.contains(
                "4. assistant: \n   called: MCP tool book()\n5. assistant: Done.\n</data "
            ),
            "{text}"
        );
        assert!(text.contains("turns 3 to 5 of this conversation"), "{text}");
        assert!(
            text.contains("1. user: Hi.\n") && !text.contains("cab"),
            "{text}"
        );
    }

    #[tokio::test]
    async fn strict_and_nothing_to_grade() {
        let strict = MultiTurnMcpUse::new().strict();
        let score = measure_with(&case(), &strict, graded([1.0, 1.0, 1.0, 0.9]))
            .await
            .unwrap();
        assert_eq!(score.value, 0.0);
        let small_talk = case().turns([Turn::user("Hi."), Turn::assistant("Hi.")]);
        let error = measure_with(&small_talk, &MultiTurnMcpUse::new(), FakeJudge::new())
            .await
            .unwrap_err();
        assert!(error.is::<NotApplicable>(), "{error}");
        let without = case().mcp_servers([]);
        let error = measure_with(&without, &MultiTurnMcpUse::new(), FakeJudge::new())
            .await
            .unwrap_err();
        assert_eq!(
            error.downcast_ref::<MissingField>().unwrap().field,
            "mcp_servers"
        );
    }

    proptest! {
        #![proptest_config(crate::proptesting::config())]

        #[test]
        fn the_score_is_in_range_and_no_better_grade_lowers_it(
            one in prop::collection::vec(0.0..=1.0, 1..8),
            two in prop::collection::vec(0.0..=1.0, 1..8),
            at in any::<prop::sample::Index>(),
        ) {
            let of = |one: &[f64], two: &[f64]| score(&[Grades::of("one", one), Grades::of("two", two)]).unwrap().value;
            let before = of(&one, &two);
            prop_assert!((0.0..=1.0).contains(&before));
            let mut raised = one.clone();
            raised[at.index(one.len())] = 1.0;
            prop_assert!(of(&raised, &two) >= before - 1e-12);
            prop_assert_eq!(of(&two, &one), before);
        }
    }
}
