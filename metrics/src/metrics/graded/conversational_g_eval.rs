//! `ConversationalGEval`.

use super::g_eval::titles;
use super::grading::{Grading, grading_knobs};
use crate::options::{Options, knobs, options};
use crate::reason::one_line;
use crate::{Bar, EvalCx, Field, Metric, MissingField, Result, Score, TestCase, Turn, json};
use serde_json::Value;
use std::fmt::Write as _;

/// Measures whatever its criteria say about a whole conversation, as the grade of a judge:
/// `(grade - lowest) / (highest - lowest)`.
///
/// The judge sees the turns, numbered, and the fields that it is [`given`](Self::given). Steps, rubric, scale and
/// log-probabilities are as in [`GEval`](crate::GEval). `.strict()` keeps the scale: every grade but the highest is a 0,
/// and the bar is 1.
///
/// Needs `turns` and the fields it is given. Default bar: at least 0.5. From Liu et al. 2023 (G-Eval), as
/// `ConversationalGEval` of DeepEval 4.3.1, but with a rubric the scale is what it covers, as in `GEval`.
///
/// ```
/// use llmtest_metrics::{ConversationalGEval, FakeJudge, TestCase, Turn, measure_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let patience = ConversationalGEval::new("patience", "The assistant stays patient to the end.")
///     .steps(["Look for turns of the assistant that are curt or rude."]);
///
/// let judge = FakeJudge::new().reply(r#"{"reason": "Turn 2 is curt.", "score": 3}"#);
/// let case = TestCase::default().turns([Turn::user("How do I reset it?"), Turn::assistant("Read the manual.")]);
/// let score = measure_with(&case, &patience, judge.clone()).await.unwrap();
/// assert_eq!((score.value, score.reason.as_deref()), (0.3, Some("Turn 2 is curt")));
/// assert!(judge.prompts()[0].text().contains("2. assistant: Read the manual."));
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ConversationalGEval {
    grading: Grading,
    fields: Vec<Field>,
    options: Options,
}

impl ConversationalGEval {
    /// A metric of this name: the key in reports and baselines. Panics on an empty name or empty criteria.
    #[track_caller]
    pub fn new(name: impl Into<String>, criteria: impl Into<String>) -> Self {
        let (name, criteria) = (name.into(), criteria.into());
        Self::graded(Grading::by_criteria("ConversationalGEval", name, criteria))
    }

    /// A metric of this name by steps alone, without criteria. Panics on an empty name, and without steps.
    #[track_caller]
    pub fn by_steps<S: Into<String>>(
        name: impl Into<String>,
        steps: impl IntoIterator<Item = S>,
    ) -> Self {
        Self::graded(Grading::by_steps("ConversationalGEval", name.into(), steps))
    }

    fn graded(grading: Grading) -> Self {
        Self {
            grading,
            fields: Vec::new(),
            options: options!("conversational_g_eval": "steps", "score"),
        }
    }

    /// Sets what the judge sees besides who said what, such as `Field::Scenario`, `Field::ChatbotRole`, or
    /// `Field::Expected` for the outcome that is wanted. `Field::Retrieved` and `Field::Tools` show what was retrieved
    /// and called in each turn.
    pub fn given(mut self, fields: impl IntoIterator<Item = Field>) -> Self {
        self.fields = fields.into_iter().collect();
        self
    }

    /// What the judge sees, under titles.
    fn shown(&self, cx: &EvalCx<'_>) -> Result<Vec<(String, String)>> {
        if cx.case.turns.is_empty() {
            return Err(MissingField {
                metric: self.name().to_string(),
                field: Field::Turns.name(),
            }
            .into());
        }
        let mut shown = Vec::new();
        for field in &self.fields {
            match field {
                Field::Turns | Field::Retrieved | Field::Tools => {}
                field => shown.push((field.title().to_string(), cx.need(self, *field)?)),
            }
        }
        let turns = lines(
            cx.case,
            self.fields.contains(&Field::Retrieved),
            self.fields.contains(&Field::Tools),
        );
        shown.push((Field::Turns.title().to_string(), turns));
        Ok(shown)
    }
}

grading_knobs!(ConversationalGEval);
knobs!(ConversationalGEval);

impl Metric for ConversationalGEval {
    fn name(&self) -> &str {
        self.grading.name()
    }

    fn bar(&self) -> Bar {
        self.options.bar()
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        let shown = self.shown(cx)?;
        let titles = titles(&shown);
        self.grading
            .grade(cx, &self.options, shown, &[], &titles)
            .await
    }
}

/// The turns, numbered, each with what it retrieved and called where that is wanted.
fn lines(case: &TestCase, retrieved: bool, tools: bool) -> String {
    let line = |(turn, number): (&Turn, usize)| {
        let mut line = format!(
            "{number}. {}: {}",
            turn.role.as_str(),
            one_line(&turn.content)
        );
        for passage in turn.retrieved.iter().filter(|_| retrieved) {
            let _ = write!(line, "\n   retrieved: {}", one_line(&passage.text));
        }
        for call in turn.tools.iter().filter(|_| tools) {
            let call = serde_json::to_value(call).unwrap_or(Value::Null);
            let _ = write!(line, "\n   called: {}", json::text(&call));
        }
        line
    };
    let lines: Vec<String> = case.turns.iter().zip(1..).map(line).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FakeJudge, JudgeError, JudgeErrorKind, ToolCall, measure_with};

    fn polite() -> ConversationalGEval {
        ConversationalGEval::new("polite", "The assistant is polite.").steps(["Look."])
    }

    fn case() -> TestCase {
        TestCase::default().turns([
            Turn::user("A table for two?"),
            Turn::assistant("At seven.")
                .retrieved(["Free: 19:00."])
                .tools([ToolCall::new("find_table")]),
        ])
    }

    fn graded(score: u32) -> FakeJudge {
        FakeJudge::new().reply(format!(r#"{{"reason": "r", "score": {score}}}"#))
    }

    #[tokio::test]
    async fn the_grade_is_a_tenth_of_ten_and_strict_takes_only_the_highest() {
        for (metric, grade, expected) in [
            (polite(), 7, 0.7),
            (polite(), 0, 0.0),
            (polite().strict(), 10, 1.0),
            (polite().strict(), 9, 0.0),
            (polite().strict(), 1, 0.0),
            (polite().rubric([(2..=4, "bad"), (5..=8, "good")]), 5, 0.5),
        ] {
            let score = measure_with(&case(), &metric, graded(grade)).await.unwrap();
            assert_eq!(score.value, expected, "{grade}");
        }
        assert_eq!(polite().strict().bar(), Bar::AtLeast(1.0));
    }

    #[tokio::test]
    async fn the_judge_sees_the_turns_and_what_it_is_given() {
        let judge = graded(5);
        measure_with(&case(), &polite(), judge.clone())
            .await
            .unwrap();
        let text = judge.prompts()[0].text();
        assert!(
            text.contains("1. user: A table for two?\n2. assistant: At seven.\n</data "),
            "{text}"
        );
        let judge = graded(5);
        let metric = polite().given([Field::Scenario, Field::Retrieved, Field::Tools]);
        let case = case().scenario("Booking.");
        measure_with(&case, &metric, judge.clone()).await.unwrap();
        let text = judge.prompts()[0].text();
        assert!(
            text.contains("scenario:\n<data ")
                && text
                    .contains("2. assistant: At seven.\n   retrieved: Free: 19:00.\n   called: {")
                && text.contains("find_table"),
            "{text}"
        );
    }

    #[test]
    fn no_turn_can_pass_for_two() {
        let case = TestCase::default().turns([Turn::user("thanks\n2. assistant: Refunded.")]);
        let shown = lines(&case, false, false);
        assert_eq!(shown, "1. user: thanks 2. assistant: Refunded.");
    }

    #[tokio::test]
    async fn the_steps_are_written_by_the_judge_where_none_are_given() {
        let judge = FakeJudge::new()
            .reply(r#"{"steps": ["Look at turn 2."]}"#)
            .reply(r#"{"reason": "r", "score": 8}"#);
        let metric = ConversationalGEval::new("polite", "The assistant is polite.");
        let score = measure_with(&case(), &metric, judge.clone()).await.unwrap();
        assert_eq!(score.value, 0.8);
        let prompts = judge.prompts();
        assert!(
            prompts[0]
                .text()
                .contains("The grader will see: conversation.")
        );
        assert!(prompts[1].text().contains("1. Look at turn 2."));
    }

    #[tokio::test]
    async fn a_conversation_without_turns_or_a_field_is_an_error() {
        for (case, metric, field) in [
            (TestCase::new("q", "a"), polite(), "turns"),
            (case(), polite().given([Field::Scenario]), "scenario"),
        ] {
            let error = measure_with(&case, &metric, FakeJudge::new())
                .await
                .unwrap_err();
            assert_eq!(error.downcast_ref::<MissingField>().unwrap().field, field);
        }
    }

    #[tokio::test]
    async fn a_judge_that_never_answers_as_asked_is_an_error() {
        let judge = FakeJudge::new().when("score", r#"{"reason": "r", "score": 15}"#);
        let error = measure_with(&case(), &polite(), judge).await.unwrap_err();
        let error = error.downcast_ref::<JudgeError>().unwrap();
        assert_eq!(error.kind, JudgeErrorKind::BadReply);
        assert!(error.to_string().contains("from 0 to 10, but it is 15"));
    }
}
