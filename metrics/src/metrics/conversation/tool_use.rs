//! `ToolUse`.

use crate::grades::{self, Aspect, Grades, grades};
use crate::options::{Options, knobs, options};
use crate::windows::exchanges;
use crate::{Bar, EvalCx, Field, Metric, NotApplicable, Result, Score, ToolSpec, trace_text};
use std::ops::Range;

/// Measures whether an assistant called the right tools in a conversation, with the right arguments.
///
/// The judge grades the choice of tools in every exchange, and the arguments in those that called a tool. The score is the
/// lower of the two means, in `0.0..=1.0`. A grade outside the range is asked again. Where no tool was called there is no
/// argument that was right, and the score is 0: measure conversations that need tools. A conversation without an answered
/// exchange is Skipped. Needs `turns`, with the calls as [`Turn::tools`](crate::Turn::tools). Default bar: at least 0.5.
/// Formula as DeepEval 4.3.1, which scores 0 also where nothing was answered.
///
/// ```
/// use llmtest_metrics::{FakeJudge, TestCase, ToolCall, ToolUse, Turn, measure_with};
/// use serde_json::json;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let judge = FakeJudge::new()
///     .when("tool_use/tool_selection", r#"{"reason": "It had to search.", "score": 1.0}"#)
///     .when("tool_use/argument_correctness", r#"{"reason": "It searched for hats.", "score": 0.0}"#);
/// let search = ToolCall::new("search").arguments(json!({"query": "hats"}));
/// let case = TestCase::default().turns([Turn::user("Have you got shoes?"), Turn::assistant("No.").tools([search])]);
/// let score = measure_with(&case, &ToolUse::new(["search", "book"]), judge).await.unwrap();
/// assert_eq!(score.value, 0.0);
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ToolUse {
    available: Vec<ToolSpec>,
    options: Options,
}

impl ToolUse {
    /// With the tools that the assistant could call: names, or [`ToolSpec`]s with descriptions. Panics on an empty list.
    #[track_caller]
    pub fn new<T: Into<ToolSpec>>(available: impl IntoIterator<Item = T>) -> Self {
        let available: Vec<ToolSpec> = available.into_iter().map(Into::into).collect();
        assert!(
            !available.is_empty(),
            "`ToolUse` needs the tools that the assistant could call, such as `ToolUse::new([\"search\", \"book\"])`"
        );
        Self {
            available,
            options: options!("tool_use": "tool_selection", "argument_correctness"),
        }
    }
}

knobs!(ToolUse);

impl Metric for ToolUse {
    fn name(&self) -> &'static str {
        "tool_use"
    }

    fn bar(&self) -> Bar {
        self.options.bar()
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        cx.need(self, Field::Turns)?;
        let turns = &cx.case.turns;
        let tools = trace_text::tools(&self.available);
        let question = |step, number, range: Range<usize>| {
            let template = self.options.template(step);
            let template = template.fenced("tools", "tools", &tools);
            let template = trace_text::exchange(template, turns, &range);
            (number, template)
        };
        let exchanges: Vec<(usize, Range<usize>)> = (1..).zip(exchanges(turns)).collect();
        let calls = |range: &Range<usize>| {
            turns[range.clone()]
                .iter()
                .any(|turn| !turn.tools.is_empty())
        };
        let selection = exchanges.iter().cloned();
        let arguments = exchanges.iter().filter(|(_, range)| calls(range)).cloned();
        let aspects = [
            Aspect {
                name: "choice of tools",
                questions: selection
                    .map(|(number, range)| question("tool_selection", number, range))
                    .collect(),
            },
            Aspect {
                name: "arguments",
                questions: arguments
                    .map(|(number, range)| question("argument_correctness", number, range))
                    .collect(),
            },
        ];
        let grades = grades(cx, aspects).await?;
        let Some(value) = value(&grades) else {
            let why = "no exchange of the conversation was answered";
            return Err(NotApplicable::because(why).into());
        };
        Ok(self.options.clamp(score(value, &grades)))
    }
}

/// The lower of the two means; that of the arguments is 0 where no tool was called. `None` where nothing was answered.
fn value([selection, arguments]: &[Grades; 2]) -> Option<f64> {
    Some(selection.mean()?.min(arguments.mean().unwrap_or(0.0)))
}

fn score(value: f64, grades: &[Grades; 2]) -> Score {
    let mut score = grades::score(value, grades);
    if grades[1].mean().is_none() {
        let choice = score.reason.take().unwrap_or_default();
        score = score.because(format!("no tool was called; {choice}"));
    }
    score
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FakeJudge, JudgeError, MissingField, TestCase, ToolCall, Turn, measure_with};
    use proptest::prelude::*;

    fn turns() -> Vec<Turn> {
        vec![
            Turn::user("Shoes?"),
            Turn::assistant("None.").tools([ToolCall::new("search")]),
            Turn::user("Thanks."),
            Turn::assistant("Bye."),
        ]
    }

    fn metric() -> ToolUse {
        ToolUse::new([ToolSpec::new("search").description("Finds things.")])
    }

    fn judge() -> FakeJudge {
        FakeJudge::new()
            .reply(r#"{"reason": "It had to search.", "score": 0.5}"#)
            .reply(r#"{"reason": "No tool was needed.", "score": 1}"#)
            .reply(r#"{"reason": "It searched for nothing.", "score": 0.4}"#)
    }

    #[tokio::test]
    async fn the_lower_mean_counts_and_arguments_only_where_tools_were_called() {
        let fake = judge();
        let case = TestCase::default().turns(turns());
        let score = measure_with(&case, &metric(), fake.clone()).await.unwrap();
        assert_eq!(score.value, 0.4);
        assert_eq!(
            score.reason.as_deref(),
            Some(
                "choice of tools 0.75 over 2 exchanges, lowest in exchange 1 (it had to search); \
                 arguments 0.40 (it searched for nothing)"
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
                "tool_use/tool_selection",
                "tool_use/tool_selection",
                "tool_use/argument_correctness"
            ]
        );
        assert!(
            prompts[2]
                .text()
                .contains("2. assistant: None.\n   called: search()\n</data ")
        );
        assert!(prompts[0].text().contains("\nsearch: Finds things.\n"));
        assert!(
            prompts[1]
                .text()
                .contains("\n1. user: Shoes?\n2. assistant: None.\n")
        );
        assert!(
            prompts[1]
                .text()
                .contains("turns 3 to 4 of this conversation")
        );
        let strict = measure_with(&case, &metric().strict(), judge())
            .await
            .unwrap();
        assert_eq!(strict.value, 0.0);
    }

    #[tokio::test]
    async fn where_no_tool_was_called_the_score_is_0() {
        let case = TestCase::default().turns(turns().split_off(2));
        let judge = FakeJudge::new().reply(r#"{"reason": "", "score": 0.9}"#);
        let score = measure_with(&case, &metric(), judge).await.unwrap();
        assert_eq!(
            (score.value, score.reason.as_deref()),
            (0.0, Some("no tool was called; choice of tools 0.90"))
        );
    }

    #[tokio::test]
    async fn an_unanswered_conversation_is_skipped_and_a_wrong_grade_an_error() {
        let case = TestCase::default().turns([Turn::user("Shoes?"), Turn::user("Hello?")]);
        let error = measure_with(&case, &metric(), FakeJudge::new())
            .await
            .unwrap_err();
        assert!(error.is::<NotApplicable>(), "{error}");
        let error = measure_with(&TestCase::new("q", "a"), &metric(), FakeJudge::new())
            .await
            .unwrap_err();
        assert_eq!(error.downcast_ref::<MissingField>().unwrap().field, "turns");
        let judge = FakeJudge::new().when("", r#"{"reason": "", "score": "high"}"#);
        let case = TestCase::default().turns(turns());
        let error = measure_with(&case, &metric(), judge).await.unwrap_err();
        assert!(error.is::<JudgeError>(), "{error}");
    }

    #[test]
    #[should_panic(expected = "`ToolUse` needs the tools")]
    fn tools_are_needed() {
        let _ = ToolUse::new([""; 0]);
    }

    proptest! {
        #![proptest_config(crate::proptesting::config())]

        #[test]
        fn the_score_is_in_range_and_no_better_grade_lowers_it(
            one in prop::collection::vec(0.0..=1.0, 1..8),
            two in prop::collection::vec(0.0..=1.0, 0..8),
            at in any::<prop::sample::Index>(),
        ) {
            let of = |one: &[f64], two: &[f64]| value(&[Grades::of("one", one), Grades::of("two", two)]).unwrap();
            let before = of(&one, &two);
            prop_assert!((0.0..=1.0).contains(&before));
            let mut raised = one.clone();
            raised[at.index(one.len())] = 1.0;
            prop_assert!(of(&raised, &two) >= before - 1e-12);
            prop_assert!(before >= of(&one, &[]));
        }
    }
}
