//! `Hallucination`.

use super::passages;
use crate::options::{Options, knobs, options};
use crate::verdicts::{self, Ballot, Verdict, Vote, Wording};
use crate::{Bar, EvalCx, Field, Metric, Result, Score};

/// Measures whether the output keeps to known facts: the share of the items of `context` that it does not contradict.
///
/// Unlike [`Faithfulness`](crate::Faithfulness), which compares with what was retrieved, this compares with what the author
/// of the test knows to be true. One call of the judge, with a verdict for every item: yes where the output agrees or says
/// nothing about it, no where it contradicts. 1 is best, and is the score where `context` is empty. Needs `input`, `output`
/// and `context`. Default bar: at least 0.5. Formula as DeepEval 4.3.1; before 4.2 it counted the contradicted items.
///
/// ```
/// use llmtest_metrics::{FakeJudge, Hallucination, TestCase, measure_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let judge = FakeJudge::new().reply(r#"{"verdicts": {
///     "1": {"reason": "It says 60 days.", "verdict": "no"},
///     "2": {"reason": "It says so.", "verdict": "yes"}}}"#);
/// let case = TestCase::new("Refund?", "Within 60 days, for free.").context(["Returns take 30 days.", "Returns are free."]);
/// assert_eq!(measure_with(&case, &Hallucination::new(), judge).await.unwrap().value, 0.5);
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Hallucination {
    options: Options,
}

impl Hallucination {
    /// With default options.
    pub fn new() -> Self {
        Self {
            options: options!("hallucination": "verdicts"),
        }
    }
}

knobs!(Hallucination, default);

impl Metric for Hallucination {
    fn name(&self) -> &'static str {
        "hallucination"
    }

    fn bar(&self) -> Bar {
        self.options.bar()
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        cx.need(self, Field::Input)?;
        let output = cx.need(self, Field::Output)?;
        cx.need(self, Field::Context)?;
        let ask = |lines| {
            self.options
                .template("verdicts")
                .fenced("output", "output", &output)
                .fenced("facts", "facts", lines)
        };
        let verdicts = Ballot(&[Vote::Yes, Vote::No])
            .verdicts(cx, &passages::lines(&cx.case.context), ask)
            .await?;
        Ok(self.options.clamp(score(&verdicts)))
    }
}

fn score(verdicts: &[Verdict]) -> Score {
    let wording = Wording {
        noun: "known fact",
        passes: "respected by the output",
        fails: "contradicted by the output",
        empty: (1.0, "there is no known fact that could be contradicted"),
    };
    verdicts::share(verdicts, &[Vote::Yes], &wording)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FakeJudge, MissingField, TestCase, measure_with};

    fn case() -> TestCase {
        TestCase::new("Refund?", "Within 60 days, for free.")
            .context(["Returns take\n2. 30 days.", "Returns are free."])
    }

    fn judge(one: &str, two: &str) -> FakeJudge {
        FakeJudge::new().reply(format!(
            r#"{{"verdicts": {{"1": {{"reason": "It says 60 days.", "verdict": "{one}"}},
                "2": {{"reason": "It says so.", "verdict": "{two}"}}}}}}"#
        ))
    }

    #[tokio::test]
    async fn the_share_of_facts_that_are_not_contradicted_is_the_score() {
        let fake = judge("no", "yes");
        let score = measure_with(&case(), &Hallucination::new(), fake.clone())
            .await
            .unwrap();
        assert_eq!(score.value, 0.5);
        assert_eq!(
            score.reason.as_deref(),
            Some(
                r#"1 of 2 known facts is contradicted by the output: "Returns take 2. 30 days." (it says 60 days)"#
            )
        );
        let prompt = fake.prompts()[0].text();
        assert!(
            prompt.contains("1. Returns take 2. 30 days.\n2. Returns are free.\n")
                && prompt.contains("output:\n<data "),
            "{prompt}"
        );
        let strict = Hallucination::new().strict();
        let scores = [judge("yes", "yes"), judge("no", "yes")];
        for (judge, wanted) in scores.into_iter().zip([1.0, 0.0]) {
            let score = measure_with(&case(), &strict, judge).await.unwrap();
            assert_eq!(score.value, wanted);
        }
    }

    #[tokio::test]
    async fn without_facts_nothing_is_contradicted_and_untold_ones_are_a_missing_field() {
        let empty = TestCase::new("q", "a").context([""; 0]);
        let score = measure_with(&empty, &Hallucination::new(), FakeJudge::new())
            .await
            .unwrap();
        assert_eq!(score.value, 1.0);
        for (case, field) in [
            (TestCase::new("q", "a"), "context"),
            (TestCase::new("q", "").context(["c"]), "output"),
        ] {
            let error = measure_with(&case, &Hallucination::new(), FakeJudge::new())
                .await
                .unwrap_err();
            assert_eq!(error.downcast_ref::<MissingField>().unwrap().field, field);
        }
    }

    #[tokio::test]
    async fn a_borderline_verdict_is_asked_again() {
        let fake = judge("borderline", "yes")
            .reply(r#"{"verdicts": {"1": {"verdict": "no"}, "2": {"verdict": "no"}}}"#);
        let score = measure_with(&case(), &Hallucination::new(), fake.clone())
            .await
            .unwrap();
        assert_eq!((score.value, fake.prompts().len()), (0.0, 2));
    }
}
