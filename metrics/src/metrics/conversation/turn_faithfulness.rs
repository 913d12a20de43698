//! `TurnFaithfulness`.

use super::window::{WINDOW, Windowed, windowed_knobs};
use crate::{Bar, EvalCx, Faithfulness, Field, Metric, Result, Score};

/// Measures whether the assistant's answers stay with what was retrieved for them, over a whole conversation.
///
/// For every exchange a window of it and the exchanges before it, ten in all unless [`window`](Self::window) says otherwise,
/// is measured as [`Faithfulness`] measures one answer: the input is what the user said in it, the output what the assistant
/// said, the passages all that its turns retrieved. The score is the mean over the windows, in `0.0..=1.0`.
/// Where a window retrieved nothing, its claims are judged against no facts; where the assistant only called tools, it scores 1. A conversation without a complete exchange is Skipped. Strictness applies to each window.
/// Needs `turns`, with `retrieved` on those for which something was. Default bar: at least 0.5. Formula as DeepEval 4.3.1, which scores 1 where there is no exchange.
///
/// ```
/// use llmtest_metrics::{FakeJudge, TestCase, TurnFaithfulness, Turn, measure_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let judge = FakeJudge::new()
///     .when("faithfulness/truths", r#"{"truths": ["Shoes can be returned for 30 days."]}"#)
///     .when("faithfulness/claims", r#"{"claims": ["Shoes can be returned for 60 days."]}"#)
///     .when("faithfulness/verdicts", r#"{"verdicts": {"1": {"reason": "It is 30 days.", "verdict": "no"}}}"#);
/// let case = TestCase::default().turns([
///     Turn::user("How long may I return shoes?"),
///     Turn::assistant("For 60 days.").retrieved(["Shoes can be returned for 30 days."]),
/// ]);
/// let score = measure_with(&case, &TurnFaithfulness::new(), judge).await.unwrap();
/// assert_eq!(score.value, 0.0);
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct TurnFaithfulness {
    window: usize,
    each: Faithfulness,
}

impl TurnFaithfulness {
    /// With windows of ten exchanges.
    pub fn new() -> Self {
        Self {
            window: WINDOW,
            each: Faithfulness::new(),
        }
    }

    /// Fails the claims about which the passages say nothing.
    pub fn penalize_ambiguous(mut self) -> Self {
        self.each = self.each.penalize_ambiguous();
        self
    }

    /// Takes only the most important truths of a window's passages, at most this many. Panics on zero.
    #[track_caller]
    pub fn truths_limit(mut self, limit: usize) -> Self {
        self.each = self.each.truths_limit(limit);
        self
    }
}

windowed_knobs!(TurnFaithfulness, "TurnFaithfulness");

impl Metric for TurnFaithfulness {
    fn name(&self) -> &'static str {
        "turn_faithfulness"
    }

    fn bar(&self) -> Bar {
        self.each.bar()
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        cx.need(self, Field::Turns)?;
        let windowed = Windowed {
            name: self.name(),
            each: &self.each,
            size: self.window,
            skips_without_passages: false,
        };
        windowed.measure(cx).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FakeJudge, MissingField, TestCase, ToolCall, Turn, measure_with};

    #[tokio::test]
    async fn an_answer_that_only_calls_tools_makes_no_claim() {
        let case = TestCase::default().turns([
            Turn::user("Book it."),
            Turn::assistant("").tools([ToolCall::new("book")]),
            Turn::user("Thanks."),
            Turn::assistant("It is booked for nine.").retrieved(["It is booked for eight."]),
        ]);
        let fake = FakeJudge::new()
            .when("/truths", r#"{"truths": ["It is booked for eight."]}"#)
            .when("/claims", r#"{"claims": ["It is booked for nine."]}"#)
            .when(
                "/verdicts",
                r#"{"verdicts": {"1": {"reason": "It is eight.", "verdict": "no"}}}"#,
            );
        let metric = TurnFaithfulness::new().window(1);
        let score = measure_with(&case, &metric, fake.clone()).await.unwrap();
        assert_eq!(score.value, 0.5);
        assert_eq!(
            score.reason.as_deref(),
            Some(
                r#"1 of 2 windows fell short: turns 3 to 4: 1 of 1 claim is contradicted by the passages: "It is booked for nine." (it is eight)"#
            )
        );
        assert_eq!(fake.prompts().len(), 3);
    }

    #[tokio::test]
    async fn without_turns_the_missing_field_is_theirs() {
        let case = TestCase::new("q", "a");
        let error = measure_with(&case, &TurnFaithfulness::new(), FakeJudge::new())
            .await
            .unwrap_err();
        let missing = error.downcast_ref::<MissingField>().unwrap();
        assert_eq!(
            (missing.metric.as_str(), missing.field),
            ("turn_faithfulness", "turns")
        );
    }
}
