//! `ContextualRecall`.

use crate::options::{Options, knobs, options};
use crate::sentences::sentences;
use crate::verdicts::{self, Ballot, Verdict, Vote, Wording};
use crate::{Bar, EvalCx, Field, Metric, Result, Score};

/// Measures whether the retriever found all that the answer needs: the share of the sentences of the expected output that
/// the passages state.
///
/// One call of the judge, with a verdict for every sentence (by the rules of Unicode, so that the number of items does not
/// depend on the judge). Where the retriever found nothing, the score is 0. Needs `input`, `expected` and `retrieved`.
/// Default bar: at least 0.5. Formula as DeepEval 4.3.1, which has the judge split the expected output.
///
/// ```
/// use llmtest_metrics::{ContextualRecall, FakeJudge, TestCase, measure_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let judge = FakeJudge::new().reply(r#"{"verdicts": {
///     "1": {"reason": "Passage 1 states it.", "verdict": "yes"},
///     "2": {"reason": "No passage is about receipts.", "verdict": "no"}}}"#);
/// let case = TestCase::new("How long may I return shoes?", "30 days.")
///     .expected("For 30 days. Keep the receipt.")
///     .retrieved(["Returns take 30 days."]);
/// assert_eq!(measure_with(&case, &ContextualRecall::new(), judge).await.unwrap().value, 0.5);
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ContextualRecall {
    options: Options,
}

impl ContextualRecall {
    /// With default options.
    pub fn new() -> Self {
        Self {
            options: options!("contextual_recall": "verdicts"),
        }
    }
}

knobs!(ContextualRecall, default);

impl Metric for ContextualRecall {
    fn name(&self) -> &'static str {
        "contextual_recall"
    }

    fn bar(&self) -> Bar {
        self.options.bar()
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        cx.need(self, Field::Input)?;
        let expected = cx.need(self, Field::Expected)?;
        let passages = cx.need(self, Field::Retrieved)?;
        if passages.is_empty() {
            return Ok(Score::new(0.0).because("the retriever found nothing"));
        }
        let ask = |lines| {
            self.options
                .template("verdicts")
                .fenced("passages", "passages", &passages)
                .fenced("sentences", "sentences", lines)
        };
        let verdicts = Ballot(&[Vote::Yes, Vote::No])
            .verdicts(cx, &sentences(&expected), ask)
            .await?;
        Ok(self.options.clamp(score(&verdicts)))
    }
}

fn score(verdicts: &[Verdict]) -> Score {
    let wording = Wording {
        noun: "expected sentence",
        passes: "stated by the passages",
        fails: "not stated by the passages",
        empty: (
            0.0,
            "the expected output has no sentence that could be found",
        ),
    };
    verdicts::share(verdicts, &[Vote::Yes], &wording)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FakeJudge, MissingField, TestCase, measure_with};
    use proptest::prelude::*;

    fn case() -> TestCase {
        TestCase::new("How long may I return shoes?", "")
            .expected("For 30 days.\n\nKeep the\treceipt! Send them back unworn")
            .retrieved(["Returns take 30 days.", "Unworn shoes only."])
    }

    fn judge() -> FakeJudge {
        FakeJudge::new().reply(
            r#"{"verdicts": {"1": {"reason": "", "verdict": "yes"},
                "2": {"reason": "Receipts are not mentioned.", "verdict": "no"},
                "3": {"reason": "", "verdict": "yes"}}}"#,
        )
    }

    #[tokio::test]
    async fn every_sentence_of_the_expected_output_counts_once() {
        let fake = judge();
        let score = measure_with(&case(), &ContextualRecall::new(), fake.clone())
            .await
            .unwrap();
        assert!((score.value - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!(
            score.reason.as_deref(),
            Some(
                r#"1 of 3 expected sentences is not stated by the passages: "Keep the receipt!" (Receipts are not mentioned)"#
            )
        );
        let prompt = fake.prompts()[0].text();
        assert!(
            prompt.contains("1. For 30 days.\n2. Keep the receipt!\n3. Send them back unworn\n")
                && prompt.contains("1. Returns take 30 days.\n2. Unworn shoes only.\n"),
            "{prompt}"
        );
        let strict = ContextualRecall::new().strict();
        let score = measure_with(&case(), &strict, judge()).await.unwrap();
        assert_eq!(score.value, 0.0);
    }

    #[tokio::test]
    async fn nothing_found_scores_zero_without_a_judge_and_a_missing_field_is_an_error() {
        let nothing = TestCase::new("q", "").expected("e.").retrieved([""; 0]);
        let metric = ContextualRecall::new();
        let score = measure_with(&nothing, &metric, FakeJudge::new())
            .await
            .unwrap();
        assert_eq!(
            (score.value, score.reason.as_deref()),
            (0.0, Some("the retriever found nothing"))
        );
        for (case, field) in [
            (TestCase::new("q", "").retrieved(["p"]), "expected"),
            (TestCase::new("q", "").expected("e"), "retrieved"),
        ] {
            let error = measure_with(&case, &metric, FakeJudge::new())
                .await
                .unwrap_err();
            assert_eq!(error.downcast_ref::<MissingField>().unwrap().field, field);
        }
    }

    #[tokio::test]
    async fn a_malformed_reply_is_asked_again() {
        let fake = FakeJudge::new().reply("All of it.").reply(
            r#"{"verdicts": [{"number": 1, "verdict": "yes"}, {"number": 2, "verdict": "yes"}, {"number": 3, "verdict": "yes"}]}"#,
        );
        let score = measure_with(&case(), &ContextualRecall::new(), fake.clone())
            .await
            .unwrap();
        assert_eq!((score.value, fake.prompts().len()), (1.0, 2));
    }

    fn verdicts(votes: &[bool]) -> Vec<Verdict> {
        let verdict = |yes: &bool| Verdict {
            statement: "s".to_string(),
            vote: if *yes { Vote::Yes } else { Vote::No },
            reason: String::new(),
            passage: None,
            odds: None,
        };
        votes.iter().map(verdict).collect()
    }

    proptest! {
        #![proptest_config(crate::proptesting::config())]

        #[test]
        fn the_share_is_in_range_grows_with_what_is_found_and_does_not_see_the_order(
            votes in prop::collection::vec(any::<bool>(), 1..12),
            at in any::<prop::sample::Index>(),
        ) {
            let value = score(&verdicts(&votes)).value;
            prop_assert!((0.0..=1.0).contains(&value));
            let mut turned = votes.clone();
            turned.rotate_left(at.index(votes.len()));
            prop_assert_eq!(score(&verdicts(&turned)).value, value);
            turned[0] = true;
            prop_assert!(score(&verdicts(&turned)).value >= value);
        }
    }
}
