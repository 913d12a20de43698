//! `TurnContextualPrecision`.

use super::window::{WINDOW, Windowed, windowed_knobs};
use crate::{Bar, ContextualPrecision, EvalCx, Field, Metric, Result, Score};

/// Measures whether, over a whole conversation, useful passages stand before useless ones.
///
/// For every exchange a window of it and the exchanges before it, ten in all unless [`window`](Self::window) says otherwise,
/// is measured as [`ContextualPrecision`] measures one answer: the input is what the user said in it, the output what the assistant
/// said, the passages all that its turns retrieved. The score is the mean over the windows, in `0.0..=1.0`.
/// A window that retrieved nothing scores 1. A conversation without a complete exchange is Skipped. Strictness applies to each window.
/// Needs `turns`, with `retrieved` on those for which something was, and `expected`, the outcome that is wanted. Default bar: at least 0.5. Formula as DeepEval 4.3.1, which scores 1 where there is no exchange.
///
/// ```
/// use llmtest_metrics::{FakeJudge, TestCase, TurnContextualPrecision, Turn, measure_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let judge = FakeJudge::new()
///     .reply(r#"{"verdicts": {"1": {"reason": "It gives the limit.", "verdict": "yes"}}}"#);
/// let case = TestCase::default().expected("The user knows that it is 30 days.").turns([
///     Turn::user("How long may I return shoes?"),
///     Turn::assistant("For 60 days.").retrieved(["Shoes can be returned for 30 days."]),
/// ]);
/// let score = measure_with(&case, &TurnContextualPrecision::new(), judge).await.unwrap();
/// assert_eq!(score.value, 1.0);
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct TurnContextualPrecision {
    window: usize,
    each: ContextualPrecision,
}

impl TurnContextualPrecision {
    /// With windows of ten exchanges.
    pub fn new() -> Self {
        Self {
            window: WINDOW,
            each: ContextualPrecision::new(),
        }
    }
}

windowed_knobs!(TurnContextualPrecision, "TurnContextualPrecision");

impl Metric for TurnContextualPrecision {
    fn name(&self) -> &'static str {
        "turn_contextual_precision"
    }

    fn bar(&self) -> Bar {
        self.each.bar()
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        cx.need(self, Field::Turns)?;
        cx.need(self, Field::Expected)?;
        let windowed = Windowed {
            name: self.name(),
            each: &self.each,
            size: self.window,
            skips_without_passages: true,
        };
        windowed.measure(cx).await
    }
}
