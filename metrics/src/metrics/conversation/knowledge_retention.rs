//! `KnowledgeRetention`.

use crate::options::{Options, knobs, options};
use crate::trace_text;
use crate::verdicts::{self, Ballot, Verdict, Vote, Wording};
use crate::{Bar, BoxFuture, EvalCx, Field, Metric, Result, Role, Score, join};

/// How many earlier turns help to understand what a turn tells.
const EARLIER: usize = 4;

/// Measures whether the assistant remembers what the user told it: the share of its turns that forget nothing.
///
/// The judge lists the facts that each turn of the user gives, then says of each turn of the assistant whether it forgot one
/// of the facts given before it: asked for it again, or contradicted it. Turns before the first fact are not judged; where
/// no turn is, the score is 1. Needs `turns`. Default bar: at least 0.5. Formula as DeepEval 4.3.1.
///
/// ```
/// use llmtest_metrics::{FakeJudge, KnowledgeRetention, TestCase, Turn, measure_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let judge = FakeJudge::new()
///     .reply(r#"{"facts": ["The user's name is Maria."]}"#)
///     .reply(r#"{"reason": "It asks for the name again.", "verdict": "yes"}"#);
/// let case = TestCase::default().turns([Turn::user("I am Maria."), Turn::assistant("Hello! What is your name?")]);
/// assert_eq!(measure_with(&case, &KnowledgeRetention::new(), judge).await.unwrap().value, 0.0);
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct KnowledgeRetention {
    options: Options,
}

impl KnowledgeRetention {
    /// With default options.
    pub fn new() -> Self {
        Self {
            options: options!("knowledge_retention": "knowledge", "verdict"),
        }
    }

    /// The facts of one turn of the user; none for the assistant's.
    async fn facts(&self, cx: &EvalCx<'_>, at: usize) -> Result<Vec<String>> {
        let turns = &cx.case.turns;
        if turns[at].role == Role::Assistant {
            return Ok(Vec::new());
        }
        // What is told is understood from the turns just before; all of them would make the text grow with its square.
        let from = at.saturating_sub(EARLIER);
        let template = self
            .options
            .template("knowledge")
            .text("last", (at + 1).to_string())
            .fenced(
                "turns",
                "conversation",
                trace_text::turns(turns, from..at + 1),
            );
        verdicts::list(cx, template, "facts", turns[at].content.len()).await
    }

    async fn verdict(&self, cx: &EvalCx<'_>, at: usize, facts: String) -> Result<Option<Verdict>> {
        let turns = &cx.case.turns;
        let template = self
            .options
            .template("verdict")
            .fenced("facts", "facts", facts)
            .fenced("turn", "turn of the assistant", &turns[at].content);
        Ballot(&[Vote::Yes, Vote::No])
            .one(cx, template, &turns[at].content)
            .await
    }
}

knobs!(KnowledgeRetention, default);

impl Metric for KnowledgeRetention {
    fn name(&self) -> &'static str {
        "knowledge_retention"
    }

    fn bar(&self) -> Bar {
        self.options.bar()
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        cx.need(self, Field::Turns)?;
        let turns = &cx.case.turns;
        let lists = (0..turns.len()).map(|at| -> BoxFuture<'_, _> { Box::pin(self.facts(cx, at)) });
        let facts = join::all(lists.collect()).await?;
        let mut calls: Vec<BoxFuture<'_, _>> = Vec::new();
        for (at, turn) in turns.iter().enumerate() {
            let known = facts[..at].concat();
            if turn.role == Role::Assistant && !known.is_empty() {
                let known = verdicts::numbered(&known);
                calls.push(Box::pin(self.verdict(cx, at, known)));
            }
        }
        let verdicts = join::all(calls).await?;
        let verdicts: Vec<Verdict> = verdicts.into_iter().flatten().collect();
        let score = score(&verdicts).detail("facts", facts.concat());
        Ok(self.options.clamp(score))
    }
}

fn score(verdicts: &[Verdict]) -> Score {
    let wording = Wording {
        noun: "turn",
        passes: "in keeping with what the user told before",
        fails: "forgetful of what the user told before",
        empty: (1.0, "the user told nothing that could be forgotten"),
    };
    verdicts::share(verdicts, &[Vote::No], &wording)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FakeJudge, TestCase, Turn, measure_with};

    fn case() -> TestCase {
        TestCase::default().turns([
            Turn::assistant("Welcome!"),
            Turn::user("I am Maria."),
            Turn::assistant("Hello Maria."),
            Turn::user("I eat no nuts."),
            Turn::assistant("Who are you?"),
        ])
    }

    #[tokio::test]
    async fn a_turn_is_judged_by_the_facts_before_it() {
        let fake = FakeJudge::new()
            .reply(r#"{"facts": ["The name is Maria."]}"#)
            .reply(r#"{"facts": ["No nuts."]}"#)
            .reply(r#"{"reason": "", "verdict": "no"}"#)
            .reply(r#"{"reason": "It asks for the name.", "verdict": "yes"}"#);
        let score = measure_with(&case(), &KnowledgeRetention::new(), fake.clone())
            .await
            .unwrap();
        assert_eq!(
            (score.value, score.reason.as_deref()),
            (
                0.5,
                Some(
                    r#"1 of 2 turns is forgetful of what the user told before: "Who are you?" (it asks for the name)"#
                )
            )
        );
        let prompts = fake.prompts();
        assert_eq!(prompts.len(), 4);
        assert!(!prompts[2].text().contains("No nuts."));
        assert!(
            prompts[3]
                .text()
                .contains("1. The name is Maria.\n2. No nuts.")
        );
    }

    #[tokio::test]
    async fn where_nothing_is_told_nothing_is_forgotten() {
        let fake = FakeJudge::new().when("knowledge", r#"{"facts": []}"#);
        let score = measure_with(&case(), &KnowledgeRetention::new().strict(), fake.clone())
            .await
            .unwrap();
        assert_eq!(score.value, 1.0);
        assert_eq!(fake.prompts().len(), 2);
    }

    #[tokio::test]
    async fn a_reply_that_is_none_is_asked_again_and_old_turns_are_left_out() {
        let fake = FakeJudge::new()
            .reply("no facts")
            .when("knowledge_retention/knowledge", r#"{"facts": []}"#);
        let talk = (0..8).map(|n| Turn::user(format!("Message {n}.")));
        let case = TestCase::default().turns(talk);
        measure_with(&case, &KnowledgeRetention::new(), fake.clone())
            .await
            .unwrap();
        let prompts = fake.prompts();
        assert_eq!(prompts.len(), 9);
        let last = prompts[8].text();
        assert!(
            last.contains("8. user: Message 7.") && !last.contains("Message 2."),
            "{last}"
        );
    }
}
