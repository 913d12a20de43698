//! `TurnRelevancy`.

use super::window::{WINDOW, checked};
use crate::options::{Options, knobs, options};
use crate::trace_text;
use crate::verdicts::{self, Ballot, Verdict, Vote, Wording};
use crate::windows::windows;
use crate::{Bar, BoxFuture, EvalCx, Field, Metric, NotApplicable, Result, Score, join};
use std::ops::Range;

/// Measures whether the assistant's answers are about what the user said: the share of exchanges whose answer is relevant.
///
/// The judge gives each exchange one verdict, with the exchanges before it in view, ten in all unless
/// [`window`](Self::window) says otherwise. A conversation without a complete exchange is Skipped. Needs `turns`. Default
/// bar: at least 0.5. Formula as DeepEval 4.3.1, which scores 1 where there is no exchange.
///
/// ```
/// use llmtest_metrics::{FakeJudge, TestCase, TurnRelevancy, Turn, measure_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let judge = FakeJudge::new()
///     .reply(r#"{"reason": "It greets back.", "verdict": "yes"}"#)
///     .reply(r#"{"reason": "Hats were not asked about.", "verdict": "no"}"#);
/// let case = TestCase::default().turns([
///     Turn::user("Hello"),
///     Turn::assistant("Hi!"),
///     Turn::user("How long may I return shoes?"),
///     Turn::assistant("We sell hats."),
/// ]);
/// assert_eq!(measure_with(&case, &TurnRelevancy::new(), judge).await.unwrap().value, 0.5);
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct TurnRelevancy {
    window: usize,
    options: Options,
}

impl TurnRelevancy {
    /// With windows of ten exchanges.
    pub fn new() -> Self {
        Self {
            window: WINDOW,
            options: options!("turn_relevancy": "verdict"),
        }
    }

    /// Shows the judge each exchange together with the exchanges before it, this many in all. Panics on 0.
    #[track_caller]
    pub fn window(mut self, exchanges: usize) -> Self {
        self.window = checked("TurnRelevancy", exchanges);
        self
    }

    async fn verdict(&self, cx: &EvalCx<'_>, window: Range<usize>) -> Result<Option<Verdict>> {
        let turns = &cx.case.turns;
        let statement = turns[window.end - 1].content.clone();
        let template = self
            .options
            .template("verdict")
            .text("last", window.end.to_string())
            .fenced("turns", "conversation", trace_text::turns(turns, window));
        Ballot(&[Vote::Yes, Vote::No])
            .one(cx, template, &statement)
            .await
    }
}

knobs!(TurnRelevancy, default);

impl Metric for TurnRelevancy {
    fn name(&self) -> &'static str {
        "turn_relevancy"
    }

    fn bar(&self) -> Bar {
        self.options.bar()
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        cx.need(self, Field::Turns)?;
        let windows = windows(&cx.case.turns, self.window);
        if windows.is_empty() {
            return Err(NotApplicable::because("the conversation has no complete exchange").into());
        }
        let calls = windows
            .into_iter()
            .map(|window| -> BoxFuture<'_, _> { Box::pin(self.verdict(cx, window)) });
        let verdicts = join::all(calls.collect()).await?;
        let verdicts: Vec<Verdict> = verdicts.into_iter().flatten().collect();
        Ok(self.options.clamp(score(&verdicts)))
    }
}

fn score(verdicts: &[Verdict]) -> Score {
    let wording = Wording {
        noun: "answer",
        passes: "relevant to what the user said",
        fails: "not relevant to what the user said",
        empty: (1.0, "no answer was judged"),
    };
    verdicts::share(verdicts, &[Vote::Yes], &wording)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FakeJudge, MissingField, TestCase, Turn, measure_with};

    fn case() -> TestCase {
        TestCase::default().turns([
            Turn::user("Hello"),
            Turn::assistant("Hi!"),
            Turn::user("Returns?"),
            Turn::assistant("We sell hats."),
        ])
    }

    fn judge(second: &str) -> FakeJudge {
        FakeJudge::new()
            .reply(r#"{"reason": "", "verdict": "yes"}"#)
            .reply(format!(
                r#"{{"reason": "Hats are off topic.", "verdict": "{second}"}}"#
            ))
    }

    #[tokio::test]
    async fn each_exchange_is_judged_with_those_before_it() {
        let fake = judge("no");
        let score = measure_with(&case(), &TurnRelevancy::new(), fake.clone())
            .await
            .unwrap();
        assert_eq!(
            (score.value, score.reason.as_deref()),
            (
                0.5,
                Some(
                    r#"1 of 2 answers is not relevant to what the user said: "We sell hats." (Hats are off topic)"#
                )
            )
        );
        let prompts = fake.prompts();
        assert!(!prompts[0].text().contains("Returns?"));
        assert!(
            prompts[1].text().contains("1. user: Hello")
                && prompts[1].text().contains("Turn 4 is the assistant's")
        );
        let alone = judge("yes");
        measure_with(&case(), &TurnRelevancy::new().window(1), alone.clone())
            .await
            .unwrap();
        assert!(!alone.prompts()[1].text().contains("Hello"));
    }

    #[tokio::test]
    async fn strict_takes_all_and_a_verdict_that_is_none_is_asked_again() {
        let strict = TurnRelevancy::new().strict();
        let value = |score: Score| score.value;
        assert_eq!(
            measure_with(&case(), &strict, judge("yes"))
                .await
                .map(value)
                .unwrap(),
            1.0
        );
        assert_eq!(
            measure_with(&case(), &strict, judge("no"))
                .await
                .map(value)
                .unwrap(),
            0.0
        );
        let fake = judge("borderline").reply(r#"{"reason": "", "verdict": "yes"}"#);
        assert_eq!(
            measure_with(&case(), &strict, fake)
                .await
                .map(value)
                .unwrap(),
            1.0
        );
    }

    #[tokio::test]
    async fn without_an_exchange_it_does_not_apply_and_without_turns_a_field_is_missing() {
        let unanswered = TestCase::default().turns([Turn::user("Hello")]);
        let error = measure_with(&unanswered, &TurnRelevancy::new(), FakeJudge::new())
            .await
            .unwrap_err();
        assert!(error.is::<NotApplicable>(), "{error}");
        let error = measure_with(
            &TestCase::new("q", "a"),
            &TurnRelevancy::new(),
            FakeJudge::new(),
        )
        .await
        .unwrap_err();
        assert_eq!(error.downcast_ref::<MissingField>().unwrap().field, "turns");
    }
}
