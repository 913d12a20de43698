//! `GoalAccuracy`.

use crate::grades::{self, Aspect, Grades, grades};
use crate::options::{Options, knobs, options};
use crate::windows::exchanges;
use crate::{Bar, EvalCx, Field, Metric, NotApplicable, Result, Score, trace_text};

/// Measures whether users got what they wanted in a conversation, and whether the assistant went about it well.
///
/// The judge grades two things in every exchange: how far the goal was reached, and the way that was taken. The score is
/// (mean of the goal grades + mean of the way grades) / 2, in `0.0..=1.0`. A grade outside of it is asked again. A
/// conversation without an answered exchange is Skipped. Needs `turns`; tool calls are shown where turns have them.
/// Default bar: at least 0.5. Formula as DeepEval 4.3.1, which scores 0 where nothing was answered.
///
/// ```
/// use llmtest_metrics::{FakeJudge, GoalAccuracy, TestCase, Turn, measure_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let judge = FakeJudge::new()
///     .when("goal_accuracy/goal_score", r#"{"reason": "The table is booked.", "score": 1.0}"#)
///     .when("goal_accuracy/plan_score", r#"{"reason": "It booked without asking for the hour.", "score": 0.5}"#);
/// let case = TestCase::default().turns([Turn::user("A table for four."), Turn::assistant("Booked.")]);
/// let score = measure_with(&case, &GoalAccuracy::new(), judge).await.unwrap();
/// assert_eq!(score.value, 0.75);
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct GoalAccuracy {
    options: Options,
}

impl GoalAccuracy {
    /// With default options.
    pub fn new() -> Self {
        Self {
            options: options!("goal_accuracy": "goal_score", "plan_score"),
        }
    }
}

knobs!(GoalAccuracy, default);

impl Metric for GoalAccuracy {
    fn name(&self) -> &'static str {
        "goal_accuracy"
    }

    fn bar(&self) -> Bar {
        self.options.bar()
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        cx.need(self, Field::Turns)?;
        let turns = &cx.case.turns;
        let aspect = |name, step| {
            let template = |range| trace_text::exchange(self.options.template(step), turns, &range);
            let exchanges = exchanges(turns).into_iter();
            Aspect {
                name,
                questions: (1..).zip(exchanges.map(template)).collect(),
            }
        };
        let aspects = [aspect("goal", "goal_score"), aspect("way", "plan_score")];
        let grades = grades(cx, aspects).await?;
        let Some(value) = value(&grades) else {
            let why = "no exchange of the conversation was answered";
            return Err(NotApplicable::because(why).into());
        };
        Ok(self.options.clamp(grades::score(value, &grades)))
    }
}

/// The mean of the two means.
fn value([goal, plan]: &[Grades; 2]) -> Option<f64> {
    Some(f64::midpoint(goal.mean()?, plan.mean()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FakeJudge, JudgeError, TestCase, ToolCall, Turn, measure_with};
    use proptest::prelude::*;

    fn case() -> TestCase {
        TestCase::default().turns([
            Turn::user("A table."),
            Turn::assistant("Booked.").tools([ToolCall::new("book")]),
            Turn::user("A cab."),
            Turn::assistant("No."),
        ])
    }

    fn judge(scores: [f64; 4]) -> FakeJudge {
        scores.iter().fold(FakeJudge::new(), |judge, score| {
            judge.reply(format!(
                r#"{{"reason": "It is {score}.", "score": {score}}}"#
            ))
        })
    }

    #[tokio::test]
    async fn the_score_is_the_mean_of_both_means_and_each_exchange_is_judged_with_those_before() {
        let fake = judge([1.0, 0.0, 1.0, 0.5]);
        let score = measure_with(&case(), &GoalAccuracy::new(), fake.clone())
            .await
            .unwrap();
        assert_eq!(score.value, 0.625);
        assert_eq!(
            score.reason.as_deref(),
            Some(
                "goal 0.50 over 2 exchanges, lowest in exchange 2 (it is 0); \
                 way 0.75 over 2 exchanges, lowest in exchange 2 (it is 0.5)"
            )
        );
        let prompts = fake.prompts();
        assert!(prompts[0].text().contains("   called: book()\n</data "));
        assert!(
            prompts[1]
                .text()
                .contains("   called: book()\n3. user: A cab.")
                && prompts[1].text().contains("turns 3 to 4 of")
        );
        assert_eq!(prompts[2].purpose, "goal_accuracy/plan_score");
        let strict = GoalAccuracy::new().strict();
        let score = measure_with(&case(), &strict, judge([1.0, 1.0, 1.0, 0.9]))
            .await
            .unwrap();
        assert_eq!(score.value, 0.0);
    }

    #[tokio::test]
    async fn an_unanswered_conversation_is_skipped_and_a_wrong_grade_an_error() {
        let unanswered = TestCase::default().turns([Turn::user("A table.")]);
        let error = measure_with(&unanswered, &GoalAccuracy::new(), FakeJudge::new())
            .await
            .unwrap_err();
        assert!(error.is::<NotApplicable>(), "{error}");
        let judge = FakeJudge::new().when("", r#"{"reason": "", "score": -1}"#);
        let error = measure_with(&case(), &GoalAccuracy::new(), judge)
            .await
            .unwrap_err();
        assert!(error.is::<JudgeError>(), "{error}");
    }

    proptest! {
        #![proptest_config(crate::proptesting::config())]

        #[test]
        fn the_score_is_in_range_and_rises_with_each_grade(
            one in prop::collection::vec(0.0..=1.0, 1..8),
            two in prop::collection::vec(0.0..=1.0, 1..8),
            at in any::<prop::sample::Index>(),
        ) {
            let of = |one: &[f64], two: &[f64]| value(&[Grades::of("one", one), Grades::of("two", two)]).unwrap();
            let before = of(&one, &two);
            prop_assert!((0.0..=1.0).contains(&before));
            let mut raised = one.clone();
            raised[at.index(one.len())] = 1.0;
            prop_assert!(of(&raised, &two) >= before - 1e-12);
            prop_assert!((of(&two, &one) - before).abs() < 1e-12);
        }
    }
}
