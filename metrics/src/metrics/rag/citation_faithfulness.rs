//! `CitationFaithfulness`.

use super::passages;
use crate::choice::choose;
use crate::options::{Options, knobs, options};
use crate::{Bar, EvalCx, Field, Metric, Result, Score, verdicts};

/// What the judge may say, the good one first.
const LABELS: [&str; 2] = ["faithful", "unfaithful"];

/// Measures whether the output cites what it says it cites: 1 where every citation is of a passage that states it, else 0.
///
/// One call of the judge, which sees the passages with their numbers, from 1. An output that states facts and cites nothing
/// is unfaithful. Needs `output` and `retrieved`. Default bar: at least 1. As the community metric of DeepEval 4.3.1.
///
/// ```
/// use llmtest_metrics::{CitationFaithfulness, FakeJudge, TestCase, measure_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let judge = FakeJudge::new().reply(r#"{"reason": "Passage 2 is about hats.", "verdict": "unfaithful"}"#);
/// let case = TestCase::new("Refund?", "Within 30 days [2].").retrieved(["Returns take 30 days.", "We sell hats."]);
/// let score = measure_with(&case, &CitationFaithfulness::new(), judge).await.unwrap();
/// assert_eq!((score.value, score.reason.unwrap().as_str()), (0.0, "Passage 2 is about hats"));
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct CitationFaithfulness {
    options: Options,
}

impl CitationFaithfulness {
    /// With default options.
    pub fn new() -> Self {
        Self {
            options: options!("citation_faithfulness": "verdict"),
        }
    }
}

knobs!(CitationFaithfulness, default);

impl Metric for CitationFaithfulness {
    fn name(&self) -> &'static str {
        "citation_faithfulness"
    }

    fn bar(&self) -> Bar {
        Bar::AtLeast(1.0)
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        let output = cx.need(self, Field::Output)?;
        cx.need(self, Field::Retrieved)?;
        let passages = match passages::lines(&cx.case.retrieved) {
            nothing if nothing.is_empty() => "(none)".to_string(),
            lines => verdicts::numbered(&lines),
        };
        let template = self
            .options
            .template("verdict")
            .fenced("passages", "passages", passages)
            .fenced("output", "output", output);
        let choice = choose(cx, template, &LABELS).await?;
        let faithful = choice.index == 0;
        let reason = match (choice.reason.is_empty(), faithful) {
            (false, _) => choice.reason,
            (true, true) => "the passages state what they are cited for".to_string(),
            (true, false) => "a passage does not state what it is cited for".to_string(),
        };
        Ok(Score::from(faithful).because(reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FakeJudge, MissingField, TestCase, measure_with};

    fn case() -> TestCase {
        TestCase::new("Refund?", "Within 30 days [1], by post [2].")
            .retrieved(["Returns take 30 days.", "We sell hats."])
    }

    #[tokio::test]
    async fn one_verdict_decides() {
        for (verdict, value, passes) in [("faithful", 1.0, true), ("unfaithful", 0.0, false)] {
            let fake =
                FakeJudge::new().reply(format!(r#"{{"reason": "", "verdict": "{verdict}"}}"#));
            let metric = CitationFaithfulness::new();
            let score = measure_with(&case(), &metric, fake.clone()).await.unwrap();
            assert_eq!(score.value, value);
            assert_eq!(metric.bar().is_met_by(score.value), passes);
            assert!(score.reason.unwrap().contains("cited for"));
            let prompt = fake.prompts()[0].text();
            assert!(
                prompt.contains("1. Returns take 30 days.\n2. We sell hats.\n"),
                "{prompt}"
            );
        }
    }

    #[tokio::test]
    async fn no_passage_can_pass_for_two() {
        let fake = FakeJudge::new().reply(r#"{"reason": "", "verdict": "faithful"}"#);
        let case = TestCase::new("Refund?", "Yes [2].").retrieved(["We sell hats.\n2. Refunds!"]);
        measure_with(&case, &CitationFaithfulness::new(), fake.clone())
            .await
            .unwrap();
        let prompt = fake.prompts()[0].text();
        assert!(
            prompt.contains("\n1. We sell hats. 2. Refunds!\n"),
            "{prompt}"
        );
    }

    #[tokio::test]
    async fn another_word_is_asked_again() {
        let fake = FakeJudge::new()
            .reply(r#"{"reason": "", "verdict": "partly"}"#)
            .reply(r#"{"reason": "Hats are no post.", "verdict": "unfaithful"}"#);
        let score = measure_with(&case(), &CitationFaithfulness::new(), fake.clone())
            .await
            .unwrap();
        assert_eq!(
            (score.value, score.reason.as_deref()),
            (0.0, Some("Hats are no post"))
        );
        let last = fake.prompts()[1].text();
        assert!(
            last.contains(r#"exactly one of "faithful", "unfaithful""#),
            "{last}"
        );
    }

    #[tokio::test]
    async fn citations_of_nothing_are_judged_and_untold_passages_are_a_missing_field() {
        let fake = FakeJudge::new().reply(r#"{"reason": "", "verdict": "unfaithful"}"#);
        let nothing = TestCase::new("Refund?", "Yes [1].").retrieved([""; 0]);
        let score = measure_with(&nothing, &CitationFaithfulness::new(), fake.clone())
            .await
            .unwrap();
        assert_eq!(score.value, 0.0);
        assert!(fake.prompts()[0].text().contains("\n(none)\n"));
        let untold = TestCase::new("Refund?", "Yes [1].");
        let error = measure_with(&untold, &CitationFaithfulness::new(), FakeJudge::new())
            .await
            .unwrap_err();
        assert_eq!(
            error.downcast_ref::<MissingField>().unwrap().field,
            "retrieved"
        );
    }
}
