//! `TurnContextualRelevancy`.

use super::window::{WINDOW, Windowed, windowed_knobs};
use crate::{Bar, ContextualRelevancy, EvalCx, Field, Metric, Result, Score};

/// Measures whether, over a whole conversation, what was retrieved is about what the user said.
///
/// For every exchange a window of it and the exchanges before it, ten in all unless [`window`](Self::window) says otherwise,
/// is measured as [`ContextualRelevancy`] measures one answer: the input is what the user said in it, the output what the assistant
/// said, the passages all that its turns retrieved. The score is the mean over the windows, in `0.0..=1.0`.
/// A window that retrieved nothing scores 1. A conversation without a complete exchange is Skipped. Strictness applies to each window.
/// Needs `turns`, with `retrieved` on those for which something was. Default bar: at least 0.5. Formula as DeepEval 4.3.1, which scores 1 where there is no exchange.
///
/// ```
/// use llmtest_metrics::{FakeJudge, TestCase, TurnContextualRelevancy, Turn, measure_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let judge = FakeJudge::new()
///     .reply(r#"{"verdicts": {"1": {"reason": "It is the limit.", "verdict": "yes"}}}"#);
/// let case = TestCase::default().turns([
///     Turn::user("How long may I return shoes?"),
///     Turn::assistant("For 60 days.").retrieved(["Shoes can be returned for 30 days."]),
/// ]);
/// let score = measure_with(&case, &TurnContextualRelevancy::new(), judge).await.unwrap();
/// assert_eq!(score.value, 1.0);
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct TurnContextualRelevancy {
    window: usize,
    each: ContextualRelevancy,
}

impl TurnContextualRelevancy {
    /// With windows of ten exchanges.
    pub fn new() -> Self {
        Self {
            window: WINDOW,
            each: ContextualRelevancy::new(),
        }
    }
}

windowed_knobs!(TurnContextualRelevancy, "TurnContextualRelevancy");

impl Metric for TurnContextualRelevancy {
    fn name(&self) -> &'static str {
        "turn_contextual_relevancy"
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
            skips_without_passages: true,
        };
        windowed.measure(cx).await
    }
}
