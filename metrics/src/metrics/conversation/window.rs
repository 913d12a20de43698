//! Metrics of an answer, measured over windows of a conversation.

use crate::windows::windows;
use crate::{
    BoxFuture, EvalCx, Metric, MissingField, NotApplicable, Passage, Result, Role, Score, TestCase,
    join,
};
use serde_json::{Value, json};
use std::ops::Range;

/// How many exchanges a window holds when nothing else is said, as in DeepEval 4.3.1.
pub(super) const WINDOW: usize = 10;

/// How many windows a reason quotes.
const QUOTED: usize = 3;

/// Panics on a window without an exchange.
#[track_caller]
pub(super) fn checked(metric: &str, size: usize) -> usize {
    assert!(
        size > 0,
        "`{metric}` needs windows of at least one exchange; write `.window(1)` to judge each exchange alone"
    );
    size
}

/// What is measured of one window.
pub(super) struct Windowed<'a, M> {
    /// The metric of the whole conversation.
    pub(super) name: &'a str,
    /// The metric of each window's case.
    pub(super) each: &'a M,
    /// How many exchanges a window holds.
    pub(super) size: usize,
    /// Whether a window for which nothing was retrieved scores 1 without being judged.
    pub(super) skips_without_passages: bool,
}

impl<M: Metric> Windowed<'_, M> {
    /// The mean over the windows. A strict metric clamps each window, and its bar does the rest.
    pub(super) async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        let turns = &cx.case.turns;
        let windows = windows(turns, self.size);
        if windows.is_empty() {
            return Err(NotApplicable::because("the conversation has no complete exchange").into());
        }
        let calls = windows
            .iter()
            .map(|window| -> BoxFuture<'_, _> { Box::pin(self.window(cx, window.clone())) });
        let scores = join::all(calls.collect()).await?;
        if self.skips_without_passages && turns.iter().all(|turn| turn.retrieved.is_empty()) {
            cx.note(format!(
                "`{}` judged nothing: no turn has `retrieved`; if passages were retrieved, set them with `Turn::retrieved`",
                self.name
            ));
        }
        Ok(mean(&windows, scores))
    }

    async fn window(&self, cx: &EvalCx<'_>, window: Range<usize>) -> Result<Score> {
        let case = window_case(cx.case, window.clone());
        if self.skips_without_passages && case.retrieved.is_empty() {
            return Ok(Score::new(1.0).because("nothing was retrieved here"));
        }
        let measured = self.each.measure(&cx.with_case(&case)).await;
        let missing = measured
            .as_ref()
            .err()
            .and_then(|error| error.downcast_ref::<MissingField>());
        match missing.map(|missing| missing.field) {
            // An answer may be nothing but tool calls.
            Some("output") => Ok(Score::new(1.0).because("the assistant said nothing here")),
            Some(field) => Err(format!(
                "`{}` cannot judge {}: they have no text for `{field}`\nhint: give the turns of the user and of the assistant their `content`",
                self.name,
                turns(&window)
            )
            .into()),
            None => measured,
        }
    }
}

/// The case of a window: what the user said, what the assistant said, and all that was retrieved, in order.
fn window_case(case: &TestCase, window: Range<usize>) -> TestCase {
    let turns = &case.turns[window];
    let said = |role: Role| {
        let turns = turns.iter().filter(|turn| turn.role == role);
        let texts = turns.map(|turn| turn.content.as_str());
        let texts: Vec<&str> = texts.filter(|text| !text.trim().is_empty()).collect();
        texts.join("\n")
    };
    let passages: Vec<Passage> = turns
        .iter()
        .flat_map(|turn| turn.retrieved.iter().cloned())
        .collect();
    let mut of_window = TestCase::new(said(Role::User), said(Role::Assistant)).retrieved(passages);
    of_window.expected.clone_from(&case.expected);
    of_window
}

/// The turns of a window, counted from one.
fn turns(window: &Range<usize>) -> String {
    format!("turns {} to {}", window.start + 1, window.end)
}

/// The mean of the windows' scores, with the reasons of those below 1.
fn mean(windows: &[Range<usize>], scores: Vec<Score>) -> Score {
    let count = scores.len();
    let value = scores.iter().map(|score| score.value).sum::<f64>() / count as f64;
    let low: Vec<_> = windows
        .iter()
        .zip(&scores)
        .filter(|(_, score)| score.value < 1.0)
        .collect();
    let quoted = low.iter().take(QUOTED).map(|(window, score)| {
        let why = score.reason.as_deref().unwrap_or("it missed");
        format!("{}: {why}", turns(window))
    });
    let mut quoted: Vec<String> = quoted.collect();
    if low.len() > QUOTED {
        quoted.push(format!("and {} more", low.len() - QUOTED));
    }
    let plural = if count == 1 { "" } else { "s" };
    let reason = if low.is_empty() {
        format!("nothing is amiss in {count} window{plural} of the conversation")
    } else {
        format!(
            "{} of {count} window{plural} fell short: {}",
            low.len(),
            quoted.join("; ")
        )
    };
    let detail = |(window, score): (&Range<usize>, Score)| {
        let details: serde_json::Map<String, Value> = score.details.into_iter().collect();
        json!({"turns": [window.start + 1, window.end], "score": score.value, "reason": score.reason, "details": details})
    };
    let details: Vec<Value> = windows.iter().zip(scores).map(detail).collect();
    Score::new(value).because(reason).detail("windows", details)
}

/// The shared knobs of a metric over windows, whose options are those of the metric of each window.
macro_rules! windowed_knobs {
    ($metric:ident, $name:literal) => {
        impl Default for $metric {
            fn default() -> Self {
                Self::new()
            }
        }

        impl $metric {
            /// Judges each exchange together with the exchanges before it, this many in all; 10 unless set. Panics on 0.
            #[track_caller]
            pub fn window(mut self, exchanges: usize) -> Self {
                self.window = super::window::checked($name, exchanges);
                self
            }

            /// Makes every window's score below 1 a 0, and sets the bar to 1.
            pub fn strict(mut self) -> Self {
                self.each = self.each.strict();
                self
            }

            /// Has the judge write in this language, such as `German`. Panics on an empty name.
            #[track_caller]
            pub fn language(mut self, language: impl Into<String>) -> Self {
                self.each = self.each.language(language);
                self
            }

            /// Replaces a prompt; the steps are those of the metric of one answer. Panics on another step.
            #[track_caller]
            pub fn prompt(mut self, step: &str, text: impl Into<String>) -> Self {
                self.each = self.each.prompt(step, text);
                self
            }
        }
    };
}
pub(super) use windowed_knobs;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Turn, metric, proptesting};
    use proptest::prelude::*;

    fn conversation() -> TestCase {
        TestCase::default().expected("e").turns([
            Turn::user("one"),
            Turn::assistant("two").retrieved(["a", "b"]),
            Turn::user("three"),
            Turn::assistant("four").retrieved(["c"]),
        ])
    }

    #[test]
    fn the_case_of_a_window_holds_all_that_was_said_and_found_in_it() {
        let case = window_case(&conversation(), 0..4);
        assert_eq!(
            (case.input.as_str(), case.output.as_str()),
            ("one\nthree", "two\nfour")
        );
        assert_eq!(case.retrieved, ["a", "b", "c"]);
        assert_eq!(case.expected.as_deref(), Some("e"));
        assert_eq!(window_case(&conversation(), 2..4).retrieved, ["c"]);
    }

    #[tokio::test]
    async fn the_score_is_the_mean_and_the_reason_names_the_turns() {
        let each = metric("short", |case: &TestCase| case.output.len() < 5);
        let windowed = Windowed {
            name: "short",
            each: &each,
            size: 10,
            skips_without_passages: true,
        };
        let (case, trace) = (conversation(), crate::Trace::default());
        let asker = crate::Asker::standalone(None);
        let score = windowed
            .measure(&EvalCx::new(&case, &trace, None, &asker))
            .await
            .unwrap();
        assert_eq!(score.value, 0.5);
        let reason = score.reason.unwrap();
        assert!(
            reason.starts_with("1 of 2 windows fell short: turns 1 to 4: "),
            "{reason}"
        );
    }

    #[tokio::test]
    async fn a_window_in_which_only_tools_were_called_makes_no_claim() {
        let case = TestCase::default().turns([
            Turn::user("Search."),
            Turn::assistant("").tools([crate::ToolCall::new("search")]),
        ]);
        let judge = crate::FakeJudge::new();
        let score = crate::measure_with(&case, &crate::TurnFaithfulness::new(), judge.clone())
            .await
            .unwrap();
        assert_eq!((score.value, judge.prompts().len()), (1.0, 0));
    }

    proptest! {
        #![proptest_config(proptesting::config())]

        #[test]
        fn the_mean_is_a_share_that_a_worse_window_never_raises(
            scores in prop::collection::vec(0.0..=1.0_f64, 1..8),
            at in any::<prop::sample::Index>(),
            less in 0.0..=1.0_f64,
        ) {
            let windows: Vec<Range<usize>> = (0..scores.len()).map(|at| 2 * at..2 * at + 2).collect();
            let of = |scores: &[f64]| mean(&windows, scores.iter().map(|score| Score::new(*score)).collect()).value;
            let before = of(&scores);
            prop_assert!((0.0..=1.0).contains(&before));
            let mut worse = scores.clone();
            worse[at.index(scores.len())] *= less;
            prop_assert!(of(&worse) <= before);
        }
    }
}
