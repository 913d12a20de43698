//! `ConversationCompleteness`.

use crate::options::{Options, knobs, options};
use crate::trace_text;
use crate::verdicts::{self, Ballot, Verdict, Vote, Wording};
use crate::{Bar, BoxFuture, EvalCx, Field, Metric, Result, Score, join};

/// Measures whether the user got what they came for: the share of their intentions that the assistant met.
///
/// The judge lists the intentions of the whole conversation, then gives each a verdict of its own, yes or no. A conversation
/// without intentions scores 1. Needs `turns`. Default bar: at least 0.5. Steps and formula as DeepEval 4.3.1.
///
/// ```
/// use llmtest_metrics::{ConversationCompleteness, FakeJudge, TestCase, Turn, measure_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let judge = FakeJudge::new()
///     .reply(r#"{"intentions": ["Learn the return period.", "Order a hat."]}"#)
///     .reply(r#"{"reason": "It was told.", "verdict": "yes"}"#)
///     .reply(r#"{"reason": "No hat was ordered.", "verdict": "no"}"#);
/// let case = TestCase::default().turns([
///     Turn::user("How long may I return shoes? And I want a hat."),
///     Turn::assistant("For 30 days."),
/// ]);
/// assert_eq!(measure_with(&case, &ConversationCompleteness::new(), judge).await.unwrap().value, 0.5);
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ConversationCompleteness {
    options: Options,
}

impl ConversationCompleteness {
    /// With default options.
    pub fn new() -> Self {
        Self {
            options: options!("conversation_completeness": "intentions", "verdict"),
        }
    }
}

knobs!(ConversationCompleteness, default);

impl Metric for ConversationCompleteness {
    fn name(&self) -> &'static str {
        "conversation_completeness"
    }

    fn bar(&self) -> Bar {
        self.options.bar()
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        cx.need(self, Field::Turns)?;
        let turns = &cx.case.turns;
        let text = trace_text::turns(turns, 0..turns.len());
        let template = self.options.template("intentions");
        let template = template.fenced("turns", "conversation", &text);
        let intentions = verdicts::list(cx, template, "intentions", text.len()).await?;
        let calls = intentions.iter().map(|intention| -> BoxFuture<'_, _> {
            let template = self
                .options
                .template("verdict")
                .fenced("turns", "conversation", &text)
                .fenced("intention", "intention of the user", intention);
            Box::pin(async move {
                Ballot(&[Vote::Yes, Vote::No])
                    .one(cx, template, intention)
                    .await
            })
        });
        let verdicts = join::all(calls.collect()).await?;
        let verdicts: Vec<Verdict> = verdicts.into_iter().flatten().collect();
        Ok(self.options.clamp(score(&verdicts)))
    }
}

fn score(verdicts: &[Verdict]) -> Score {
    let wording = Wording {
        noun: "intention",
        passes: "met",
        fails: "not met",
        empty: (1.0, "the user wanted nothing"),
    };
    verdicts::share(verdicts, &[Vote::Yes], &wording)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FakeJudge, JudgeError, JudgeErrorKind, TestCase, Turn, measure_with};

    fn case() -> TestCase {
        TestCase::default().turns([
            Turn::user("How long may I return shoes? And I want a hat."),
            Turn::assistant("For 30 days."),
        ])
    }

    #[tokio::test]
    async fn every_intention_is_asked_about_once() {
        let fake = FakeJudge::new()
            .reply(r#"{"intentions": ["Learn the period.", "Order a hat."]}"#)
            .reply(r#"{"reason": "", "verdict": "yes"}"#)
            .reply(r#"{"reason": "No hat was ordered.", "verdict": "no"}"#);
        let score = measure_with(&case(), &ConversationCompleteness::new(), fake.clone())
            .await
            .unwrap();
        assert_eq!(
            (score.value, score.reason.as_deref()),
            (
                0.5,
                Some(r#"1 of 2 intentions is not met: "Order a hat." (no hat was ordered)"#)
            )
        );
        let prompts = fake.prompts();
        assert_eq!(prompts.len(), 3);
        assert!(
            prompts[2].text().contains("Order a hat.")
                && !prompts[2].text().contains("Learn the period")
        );
    }

    #[tokio::test]
    async fn no_intention_is_no_fault_and_a_reply_without_a_list_is_an_error() {
        let fake = FakeJudge::new().reply(r#"{"intentions": []}"#);
        let score = measure_with(&case(), &ConversationCompleteness::new().strict(), fake)
            .await
            .unwrap();
        assert_eq!(score.value, 1.0);
        let fake = FakeJudge::new().when("intentions", r#"{"goals": []}"#);
        let error = measure_with(&case(), &ConversationCompleteness::new(), fake)
            .await
            .unwrap_err();
        let error = error.downcast_ref::<JudgeError>().unwrap();
        assert_eq!(error.kind, JudgeErrorKind::BadReply);
    }
}
