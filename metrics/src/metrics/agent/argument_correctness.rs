//! `ArgumentCorrectness`.

use crate::options::{Options, knobs, options};
use crate::verdicts::{self, Ballot, Verdict, Vote, Wording};
use crate::{Bar, EvalCx, Field, Metric, Result, Score, trace_text};

/// Measures whether tools were called with the arguments that the input asks for: the share of calls whose arguments are
/// right.
///
/// The judge gives each call a verdict: yes or no. The score is passing calls / calls, in `0.0..=1.0`; an agent that
/// called no tool scores 1. Whether these were the right tools is not asked; see `ToolCorrectness`. Needs `input` and
/// `tools`. Default bar: at least 0.5. Formula as DeepEval 4.3.1.
///
/// ```
/// use llmtest_metrics::{ArgumentCorrectness, FakeJudge, TestCase, ToolCall, measure_with};
/// use serde_json::json;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let judge = FakeJudge::new()
///     .reply(r#"{"verdicts": {"1": {"reason": "Lyon was asked for.", "verdict": "no"}}}"#);
/// let case = TestCase::new("Weather in Lyon?", "Sunny.").tools([ToolCall::new("weather").arguments(json!({"city": "Rome"}))]);
/// let score = measure_with(&case, &ArgumentCorrectness::new(), judge).await.unwrap();
/// assert_eq!(score.value, 0.0);
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ArgumentCorrectness {
    options: Options,
}

impl ArgumentCorrectness {
    /// With default options.
    pub fn new() -> Self {
        Self {
            options: options!("argument_correctness": "verdicts"),
        }
    }
}

knobs!(ArgumentCorrectness, default);

impl Metric for ArgumentCorrectness {
    fn name(&self) -> &'static str {
        "argument_correctness"
    }

    fn bar(&self) -> Bar {
        self.options.bar()
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        let input = cx.need(self, Field::Input)?;
        cx.need(self, Field::Tools)?;
        let calls = trace_text::calls(&cx.case.tools);
        if calls.is_empty() {
            return Ok(score(&[]));
        }
        let ask = |lines| {
            self.options
                .template("verdicts")
                .fenced("input", "input", &input)
                .fenced("calls", "tool calls", lines)
        };
        let ballot = Ballot(&[Vote::Yes, Vote::No]);
        let verdicts = ballot.verdicts(cx, &calls, ask).await?;
        Ok(self.options.clamp(score(&verdicts)))
    }
}

fn score(verdicts: &[Verdict]) -> Score {
    let wording = Wording {
        noun: "tool call",
        passes: "made with the right arguments",
        fails: "made with wrong arguments",
        empty: (1.0, "no tool was called"),
    };
    verdicts::share(verdicts, &[Vote::Yes], &wording)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FakeJudge, JudgeError, MissingField, TestCase, ToolCall, measure_with};
    use proptest::prelude::*;
    use serde_json::json;

    fn case() -> TestCase {
        let call = |city: &str| ToolCall::new("weather").arguments(json!({"city": city}));
        TestCase::new("Weather in Lyon and Oslo?", "Sunny.").tools([call("Lyon"), call("Rome")])
    }

    #[tokio::test]
    async fn every_call_gets_a_verdict() {
        let judge = FakeJudge::new().reply(
            r#"{"verdicts": {"1": {"reason": "", "verdict": "yes"}, "2": {"reason": "Oslo was asked for.", "verdict": "no"}}}"#,
        );
        let score = measure_with(&case(), &ArgumentCorrectness::new(), judge.clone())
            .await
            .unwrap();
        assert_eq!(score.value, 0.5);
        assert_eq!(
            score.reason.as_deref(),
            Some(
                "1 of 2 tool calls is made with wrong arguments: \"weather({'city':'Rome'})\" (Oslo was asked for)"
            )
        );
        let prompt = judge.prompts()[0].text();
        assert!(prompt.contains("2. weather({\"city\":\"Rome\"})\n</data"));
    }

    #[tokio::test]
    async fn a_call_without_a_verdict_is_asked_for_again_and_never_left_out() {
        let judge = FakeJudge::new()
            .reply(r#"{"verdicts": {"1": {"reason": "", "verdict": "yes"}}}"#)
            .reply(r#"{"verdicts": {"2": {"reason": "", "verdict": "no"}}}"#);
        let strict = ArgumentCorrectness::new().strict();
        let score = measure_with(&case(), &strict, judge).await.unwrap();
        assert_eq!(score.value, 0.0);
        let judge = FakeJudge::new().when(
            "",
            r#"{"verdicts": {"1": {"reason": "", "verdict": "maybe"}}}"#,
        );
        let error = measure_with(&case(), &ArgumentCorrectness::new(), judge)
            .await
            .unwrap_err();
        assert!(error.is::<JudgeError>(), "{error}");
    }

    #[tokio::test]
    async fn no_call_is_no_fault_and_unknown_calls_a_missing_field() {
        let none = TestCase::new("Say hi.", "Hi.").tools([]);
        let score = measure_with(&none, &ArgumentCorrectness::new(), FakeJudge::new())
            .await
            .unwrap();
        assert_eq!(
            (score.value, score.reason.as_deref()),
            (1.0, Some("no tool was called"))
        );
        let unknown = TestCase::new("Say hi.", "Hi.");
        let error = measure_with(&unknown, &ArgumentCorrectness::new(), FakeJudge::new())
            .await
            .unwrap_err();
        assert_eq!(error.downcast_ref::<MissingField>().unwrap().field, "tools");
    }

    fn verdicts(votes: &[bool]) -> Vec<Verdict> {
        let verdict = |yes: &bool| Verdict {
            statement: "call()".to_string(),
            vote: if *yes { Vote::Yes } else { Vote::No },
            reason: String::new(),
            passage: None,
            odds: None,
        };
        votes.iter().map(verdict).collect()
    }

    proptest! {
        #![proptest_config(crate::proptesting::config())]

        #[test]
        fn one_more_right_call_never_lowers_the_score(
            votes in prop::collection::vec(any::<bool>(), 1..20),
            at in any::<prop::sample::Index>(),
        ) {
            let before = score(&verdicts(&votes)).value;
            prop_assert!((0.0..=1.0).contains(&before));
            let mut reversed = votes.clone();
            reversed.reverse();
            prop_assert_eq!(score(&verdicts(&reversed)).value, before);
            let mut righted = votes.clone();
            righted[at.index(votes.len())] = true;
            prop_assert!(score(&verdicts(&righted)).value >= before);
        }
    }
}
