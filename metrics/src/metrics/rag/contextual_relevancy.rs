//! `ContextualRelevancy`.

use crate::options::{Options, knobs, options};
use crate::sentences::sentences;
use crate::verdicts::{self, Ballot, Verdict, Vote, Wording};
use crate::{Bar, BoxFuture, EvalCx, Field, Metric, Result, Score, join};

/// Measures whether what was retrieved is about the input: the share of the passages' sentences that help to answer it.
///
/// One call of the judge a passage, all at once: it says of each sentence whether it is relevant, yes or no. The verdicts of all passages count alike; an empty passage counts as one that is not relevant. Where the
/// retriever found nothing, the score is 0. Needs `input` and `retrieved`; of a component, these are its arguments and its
/// result. Default bar: at least 0.5. Formula as DeepEval 4.3.1.
///
/// ```
/// use llmtest_metrics::{ContextualRelevancy, FakeJudge, TestCase, measure_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let judge = FakeJudge::new()
///     .when("30 days", r#"{"verdicts": {"1": {"reason": "It is the limit.", "verdict": "yes"}}}"#)
///     .when("hats", r#"{"verdicts": {"1": {"reason": "Hats are off topic.", "verdict": "no"}}}"#);
/// let case = TestCase::new("How long may I return shoes?", "30 days.").retrieved(["Returns take 30 days.", "We sell hats."]);
/// assert_eq!(measure_with(&case, &ContextualRelevancy::new(), judge).await.unwrap().value, 0.5);
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ContextualRelevancy {
    options: Options,
}

impl ContextualRelevancy {
    /// With default options.
    pub fn new() -> Self {
        Self {
            options: options!("contextual_relevancy": "verdicts"),
        }
    }

    async fn passage(
        &self,
        cx: &EvalCx<'_>,
        input: &str,
        number: usize,
        passage: &str,
    ) -> Result<Vec<Verdict>> {
        let sentences = sentences(passage);
        if sentences.is_empty() {
            let (statement, reason) = (String::new(), format!("passage {number} is empty"));
            return Ok(vec![Verdict {
                statement,
                vote: Vote::No,
                reason,
                passage: Some(number),
                odds: None,
            }]);
        }
        let ask = |lines| {
            self.options
                .template("verdicts")
                .fenced("input", "input", input)
                .fenced("passage", "passage", lines)
        };
        let mut verdicts = Ballot(&[Vote::Yes, Vote::No])
            .verdicts(cx, &sentences, ask)
            .await?;
        for verdict in &mut verdicts {
            verdict.passage = Some(number);
        }
        Ok(verdicts)
    }
}

knobs!(ContextualRelevancy, default);

impl Metric for ContextualRelevancy {
    fn name(&self) -> &'static str {
        "contextual_relevancy"
    }

    fn bar(&self) -> Bar {
        self.options.bar()
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        let input = cx.need(self, Field::Input)?;
        let passages = &cx.case.retrieved;
        cx.need(self, Field::Retrieved)?;
        let input = input.as_str();
        let calls = passages
            .iter()
            .enumerate()
            .map(|(i, passage)| -> BoxFuture<'_, _> {
                Box::pin(self.passage(cx, input, i + 1, passage))
            });
        let verdicts: Vec<Verdict> = join::all(calls.collect())
            .await?
            .into_iter()
            .flatten()
            .collect();
        Ok(self.options.clamp(score(&verdicts)))
    }
}

fn score(verdicts: &[Verdict]) -> Score {
    let wording = Wording {
        noun: "retrieved sentence",
        passes: "relevant to the input",
        fails: "not relevant to the input",
        empty: (0.0, "the retriever found nothing that states anything"),
    };
    verdicts::share(verdicts, &[Vote::Yes], &wording)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FakeJudge, MissingField, TestCase, measure_with};
    use serde_json::json;

    fn case(passages: &[&str]) -> TestCase {
        TestCase::new("How long may I return shoes?", "").retrieved(passages.iter().copied())
    }

    fn judge() -> FakeJudge {
        FakeJudge::new()
            .when(
                "days",
                r#"{"verdicts": {"1": {"reason": "", "verdict": "yes"}, "2": {"reason": "The year is no limit.", "verdict": "no"}}}"#,
            )
            .when("hats", r#"{"verdicts": {"1": {"reason": "", "verdict": "no"}, "2": {"reason": "", "verdict": "yes"}}}"#)
    }

    #[tokio::test]
    async fn the_verdicts_of_all_passages_are_pooled() {
        let fake = judge();
        let score = measure_with(
            &case(&["30 days. Since 1987.", "We sell hats.\n\nShoes.", " --- "]),
            &ContextualRelevancy::new(),
            fake.clone(),
        )
        .await
        .unwrap();
        assert!((score.value - 2.0 / 5.0).abs() < 1e-12);
        let reason = score.reason.unwrap();
        assert!(reason.starts_with(r#"3 of 5 retrieved sentences are not relevant to the input: "Since 1987." (the year is no limit); "We sell hats.""#), "{reason}");
        assert!(reason.ends_with("(passage 3 is empty)"), "{reason}");
        assert_eq!(
            score.details[0].1[2],
            json!({"statement": "We sell hats.", "verdict": "no", "reason": "", "passage": 2})
        );
        assert_eq!(fake.prompts().len(), 2);
        assert!(
            fake.prompts()
                .iter()
                .all(|prompt| prompt.text().contains("passage:\n<data ")
                    && prompt.text().len() < 1500)
        );
    }

    #[tokio::test]
    async fn a_sentence_that_the_judge_leaves_out_is_asked_again_and_counts() {
        let fake = FakeJudge::new()
            .reply(r#"{"verdicts": {"1": {"reason": "", "verdict": "yes"}}}"#)
            .reply(r#"{"verdicts": {"2": {"reason": "", "verdict": "no"}}}"#);
        let score = measure_with(
            &case(&["30 days. Since 1987."]),
            &ContextualRelevancy::new(),
            fake.clone(),
        )
        .await
        .unwrap();
        assert_eq!((score.value, fake.prompts().len()), (0.5, 2));
    }

    #[tokio::test]
    async fn a_borderline_verdict_is_not_offered() {
        let fake = FakeJudge::new()
            .reply(r#"{"verdicts": {"1": {"reason": "", "verdict": "borderline"}}}"#)
            .reply(r#"{"verdicts": {"1": {"reason": "", "verdict": "yes"}}}"#);
        let score = measure_with(
            &case(&["30 days"]),
            &ContextualRelevancy::new().strict(),
            fake.clone(),
        )
        .await
        .unwrap();
        assert_eq!(score.value, 1.0);
        assert!(
            fake.prompts()[1]
                .text()
                .contains(r#"must be one of "yes", "no""#)
        );
    }

    #[tokio::test]
    async fn nothing_found_scores_zero_and_no_passages_are_a_missing_field() {
        for passages in [&[" "][..], &[]] {
            let score = measure_with(&case(passages), &ContextualRelevancy::new(), judge())
                .await
                .unwrap();
            assert_eq!(score.value, 0.0);
        }
        let untold = TestCase::new("How long may I return shoes?", "");
        let error = measure_with(&untold, &ContextualRelevancy::new(), judge())
            .await
            .unwrap_err();
        assert_eq!(
            error.downcast_ref::<MissingField>().unwrap().field,
            "retrieved"
        );
    }
}
