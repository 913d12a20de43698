//! `RoleAdherence`.

use crate::options::{Options, knobs, options};
use crate::trace_text;
use crate::verdicts::{self, Ballot, Verdict, Vote};
use crate::{Bar, EvalCx, Field, Metric, Result, Role, Score};

/// Measures whether the assistant stays in its role: the share of its turns that are in character.
///
/// The judge gives every turn of the assistant a verdict by number, yes where it is in character. A conversation without a
/// turn of the assistant scores 1. Needs `turns` and `chatbot_role`. Default bar: at least 0.5. Formula as DeepEval 4.3.1,
/// `(A − out of character) / A` with `A` turns of the assistant; it has the judge list the turns that are out of character.
///
/// ```
/// use llmtest_metrics::{FakeJudge, RoleAdherence, TestCase, Turn, measure_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let judge = FakeJudge::new()
///     .reply(r#"{"verdicts": {"1": {"reason": "It is curt.", "verdict": "no"}, "2": {"reason": "It is kind.", "verdict": "yes"}}}"#);
/// let case = TestCase::default()
///     .chatbot_role("a patient librarian")
///     .turns([Turn::user("Hello"), Turn::assistant("What?"), Turn::user("A book, please."), Turn::assistant("Gladly!")]);
/// assert_eq!(measure_with(&case, &RoleAdherence::new(), judge).await.unwrap().value, 0.5);
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct RoleAdherence {
    options: Options,
}

impl RoleAdherence {
    /// With default options.
    pub fn new() -> Self {
        Self {
            options: options!("role_adherence": "verdicts"),
        }
    }
}

knobs!(RoleAdherence, default);

impl Metric for RoleAdherence {
    fn name(&self) -> &'static str {
        "role_adherence"
    }

    fn bar(&self) -> Bar {
        self.options.bar()
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        cx.need(self, Field::Turns)?;
        let role = cx.need(self, Field::ChatbotRole)?;
        let turns = &cx.case.turns;
        let spoken = turns.iter().filter(|turn| turn.role == Role::Assistant);
        let spoken: Vec<String> = spoken
            .map(|turn| {
                turn.content
                    .split_whitespace()
                    .collect::<Vec<_>>()
                    .join(" ")
            })
            .collect();
        let ask = |lines| {
            self.options
                .template("verdicts")
                .fenced("role", "role", &role)
                .fenced(
                    "turns",
                    "conversation",
                    trace_text::turns(turns, 0..turns.len()),
                )
                .fenced("answers", "turns of the assistant", lines)
        };
        let verdicts = Ballot(&[Vote::Yes, Vote::No])
            .verdicts(cx, &spoken, ask)
            .await?;
        Ok(self.options.clamp(score(&verdicts, spoken.len())))
    }
}

/// `(spoken − out of character) / spoken`, and 1 where nothing was spoken.
fn score(verdicts: &[Verdict], spoken: usize) -> Score {
    let out: Vec<&Verdict> = verdicts
        .iter()
        .filter(|verdict| verdict.vote == Vote::No)
        .collect();
    let details = serde_json::to_value(verdicts).unwrap_or_default();
    if spoken == 0 {
        return Score::new(1.0).because("the assistant said nothing");
    }
    let kept = spoken - out.len().min(spoken);
    let quoted: Vec<String> = out
        .iter()
        .take(3)
        .map(|verdict| verdicts::quote(verdict))
        .collect();
    let reason = if out.is_empty() {
        format!("the assistant stays in its role, {spoken} turns in all")
    } else {
        let more = out.len().saturating_sub(quoted.len());
        let more = if more > 0 {
            format!("; and {more} more")
        } else {
            String::new()
        };
        format!(
            "{} of {spoken} turns are out of character: {}{more}",
            out.len(),
            quoted.join("; ")
        )
    };
    Score::ratio(kept, spoken)
        .because(reason)
        .detail("verdicts", details)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FakeJudge, MissingField, TestCase, Turn, measure_with, proptesting};
    use proptest::prelude::*;

    fn case() -> TestCase {
        TestCase::default()
            .chatbot_role("a patient librarian")
            .turns([
                Turn::user("Hello"),
                Turn::assistant("What?"),
                Turn::user("A book."),
                Turn::assistant("Gladly,\n2. of course!"),
            ])
    }

    #[tokio::test]
    async fn every_turn_of_the_assistant_is_judged_by_number() {
        let fake = FakeJudge::new()
            .reply(r#"{"verdicts": {"1": {"reason": "It is curt.", "verdict": "no"}}}"#)
            .reply(r#"{"verdicts": {"2": {"reason": "", "verdict": "yes"}}}"#);
        let score = measure_with(&case(), &RoleAdherence::new(), fake.clone())
            .await
            .unwrap();
        assert_eq!(
            (score.value, score.reason.as_deref()),
            (
                0.5,
                Some(r#"1 of 2 turns are out of character: "What?" (it is curt)"#)
            )
        );
        let prompts = fake.prompts();
        assert!(
            prompts[0]
                .text()
                .contains("1. What?\n2. Gladly, 2. of course!")
        );
        assert!(!prompts[1].text().contains("1. What?\n2. Gladly"));
    }

    #[tokio::test]
    async fn the_role_is_needed_and_strict_takes_no_slip() {
        let nobody = TestCase::default().turns([Turn::user("Hi"), Turn::assistant("Hi")]);
        let error = measure_with(&nobody, &RoleAdherence::new(), FakeJudge::new())
            .await
            .unwrap_err();
        assert_eq!(
            error.downcast_ref::<MissingField>().unwrap().field,
            "chatbot_role"
        );
        let fake = FakeJudge::new().reply(
            r#"{"verdicts": {"1": {"reason": "", "verdict": "no"}, "2": {"reason": "", "verdict": "yes"}}}"#,
        );
        let score = measure_with(&case(), &RoleAdherence::new().strict(), fake)
            .await
            .unwrap();
        assert_eq!(score.value, 0.0);
    }

    proptest! {
        #![proptest_config(proptesting::config())]

        #[test]
        fn one_more_slip_never_raises_the_share(spoken in 0..20_usize, out in 0..25_usize) {
            let verdict = Verdict { statement: String::new(), vote: Vote::No, reason: String::new(), passage: None, odds: None };
            let of = |out: usize| score(&vec![verdict.clone(); out], spoken).value;
            prop_assert!((0.0..=1.0).contains(&of(out)));
            prop_assert!(of(out + 1) <= of(out));
        }
    }
}
