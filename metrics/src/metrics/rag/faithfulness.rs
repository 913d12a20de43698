//! `Faithfulness`.

use crate::options::{Options, knobs, options};
use crate::verdicts::{self, Ballot, Verdict, Vote, Wording};
use crate::{Bar, BoxFuture, EvalCx, Field, Metric, Result, Score, join};
use serde_json::Value;

/// Measures whether the output stays with what was retrieved: the share of its claims that the passages do not
/// contradict.
///
/// The judge lists the truths of the passages and the claims of the output, then gives each claim a verdict: yes, no, or
/// borderline where the truths decide nothing. A borderline claim passes unless
/// [`penalize_ambiguous`](Self::penalize_ambiguous) is set; so it is where the retriever found nothing. An output without
/// claims scores 1. Needs `input`, `output` and `retrieved`. Default bar: at least 0.5. Steps and formula as DeepEval 4.3.1.
///
/// ```
/// use llmtest_metrics::{FakeJudge, Faithfulness, TestCase, measure_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let judge = FakeJudge::new()
///     .when("faithfulness/truths", r#"{"truths": ["Shoes can be returned for 30 days."]}"#)
///     .when("faithfulness/claims", r#"{"claims": ["Shoes can be returned for 60 days."]}"#)
///     .when("faithfulness/verdicts", r#"{"verdicts": {"1": {"reason": "It is 30 days.", "verdict": "no"}}}"#);
/// let case = TestCase::new("Refund?", "Within 60 days.").retrieved(["Shoes can be returned for 30 days."]);
/// assert_eq!(measure_with(&case, &Faithfulness::new(), judge).await.unwrap().value, 0.0);
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Faithfulness {
    penalize_ambiguous: bool,
    truths_limit: Option<usize>,
    options: Options,
}

impl Faithfulness {
    /// With default options.
    pub fn new() -> Self {
        Self {
            penalize_ambiguous: false,
            truths_limit: None,
            options: options!("faithfulness": "truths", "claims", "verdicts"),
        }
    }

    /// Fails the claims about which the passages say nothing.
    pub fn penalize_ambiguous(mut self) -> Self {
        self.penalize_ambiguous = true;
        self
    }

    /// Takes only the most important truths of the passages, at most this many. Panics on zero.
    #[track_caller]
    pub fn truths_limit(mut self, limit: usize) -> Self {
        assert!(
            limit > 0,
            "`Faithfulness` cannot compare claims with 0 truths; leave `truths_limit` out to take all"
        );
        self.truths_limit = Some(limit);
        self
    }

    async fn truths(&self, cx: &EvalCx<'_>, passages: String) -> Result<Vec<String>> {
        if passages.is_empty() {
            return Ok(Vec::new());
        }
        let limit = self
            .truths_limit
            .map(|limit| format!(" At most {limit}, the most important ones."))
            .unwrap_or_default();
        let length = passages.len();
        let template = self
            .options
            .template("truths")
            .text("limit", limit)
            .fenced("passages", "passages", passages);
        let mut truths = verdicts::list(cx, template, "truths", length).await?;
        truths.truncate(self.truths_limit.unwrap_or(usize::MAX));
        Ok(truths)
    }

    async fn claims(&self, cx: &EvalCx<'_>, output: String) -> Result<Vec<String>> {
        let length = output.len();
        verdicts::list(
            cx,
            self.options
                .template("claims")
                .fenced("output", "output", output),
            "claims",
            length,
        )
        .await
    }
}

knobs!(Faithfulness, default);

impl Metric for Faithfulness {
    fn name(&self) -> &'static str {
        "faithfulness"
    }

    fn bar(&self) -> Bar {
        self.options.bar()
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        cx.need(self, Field::Input)?;
        let output = cx.need(self, Field::Output)?;
        let passages = cx.need(self, Field::Retrieved)?;
        let lists: Vec<BoxFuture<'_, _>> = vec![
            Box::pin(self.truths(cx, passages)),
            Box::pin(self.claims(cx, output)),
        ];
        let [truths, claims]: [Vec<String>; 2] = join::all(lists)
            .await?
            .try_into()
            .map_err(|_| "two lists were asked for")?;
        if claims.is_empty() {
            return Ok(score(&[], self.penalize_ambiguous));
        }
        let facts = if truths.is_empty() {
            "(none)".to_string()
        } else {
            truths.join("\n")
        };
        let ask = |lines| {
            self.options
                .template("verdicts")
                .fenced("truths", "facts", &facts)
                .fenced("claims", "claims", lines)
        };
        let verdicts = Ballot(&[Vote::Yes, Vote::No, Vote::Borderline])
            .verdicts(cx, &claims, ask)
            .await?;
        let score = score(&verdicts, self.penalize_ambiguous).detail(
            "truths",
            truths.into_iter().map(Value::from).collect::<Vec<_>>(),
        );
        Ok(self.options.clamp(score))
    }
}

fn score(verdicts: &[Verdict], penalize_ambiguous: bool) -> Score {
    if penalize_ambiguous {
        let wording = Wording {
            noun: "claim",
            passes: "supported by the passages",
            fails: "not supported by the passages",
            empty: (1.0, "the output makes no claim"),
        };
        return verdicts::share(verdicts, &[Vote::Yes], &wording);
    }
    let wording = Wording {
        noun: "claim",
        passes: "consistent with the passages",
        fails: "contradicted by the passages",
        empty: (1.0, "the output makes no claim"),
    };
    verdicts::share(verdicts, &[Vote::Yes, Vote::Borderline], &wording)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FakeJudge, MissingField, TestCase, measure_with};

    fn case() -> TestCase {
        TestCase::new("Refund?", "Within 60 days, by post.")
            .retrieved(["Returns within 30 days.", "We ship abroad."])
    }

    fn judge() -> FakeJudge {
        FakeJudge::new()
            .when("faithfulness/truths", r#"{"truths": ["Returns within 30 days.", "They ship abroad."]}"#)
            .when("faithfulness/claims", r#"{"claims": ["Returns within 60 days.", "Returns go by post.", "There are returns."]}"#)
            .when(
                "faithfulness/verdicts",
                r#"{"verdicts": {"1": {"reason": "The limit is 30 days.", "verdict": "no"},
                "2": {"reason": "Post is not mentioned.", "verdict": "borderline"}, "3": {"reason": "", "verdict": "yes"}}}"#,
            )
    }

    #[tokio::test]
    async fn a_claim_passes_unless_it_is_contradicted() {
        let fake = judge();
        let score = measure_with(&case(), &Faithfulness::new(), fake.clone())
            .await
            .unwrap();
        assert!((score.value - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!(
            score.reason.as_deref(),
            Some(
                r#"1 of 3 claims is contradicted by the passages: "Returns within 60 days." (the limit is 30 days)"#
            )
        );
        assert_eq!(
            score
                .details
                .iter()
                .map(|(name, _)| name.as_str())
                .collect::<Vec<_>>(),
            ["verdicts", "truths"]
        );
        let prompts = fake.prompts();
        let purposes: Vec<&str> = prompts
            .iter()
            .map(|prompt| prompt.purpose.as_str())
            .collect();
        assert_eq!(
            purposes,
            [
                "faithfulness/truths",
                "faithfulness/claims",
                "faithfulness/verdicts"
            ]
        );
        assert!(
            prompts[0]
                .text()
                .contains("1. Returns within 30 days.\n2. We ship abroad.\n</data ")
        );
        assert!(
            prompts[2].text().contains("facts:\n<data ")
                && prompts[2].text().contains("1. Returns within 60 days.")
        );
        assert!(prompts.iter().all(|prompt| prompt.text().len() < 1500));
    }

    #[tokio::test]
    async fn ambiguous_claims_can_be_penalized() {
        let score = measure_with(&case(), &Faithfulness::new().penalize_ambiguous(), judge())
            .await
            .unwrap();
        assert!((score.value - 1.0 / 3.0).abs() < 1e-12);
        assert!(score.reason.unwrap().contains("Post is not mentioned"));
        let strict = measure_with(&case(), &Faithfulness::new().strict(), judge())
            .await
            .unwrap();
        assert_eq!(strict.value, 0.0);
    }

    #[tokio::test]
    async fn the_limit_is_told_to_the_judge_and_kept() {
        let fake = judge();
        measure_with(&case(), &Faithfulness::new().truths_limit(1), fake.clone())
            .await
            .unwrap();
        assert!(
            fake.prompts()[0]
                .text()
                .contains("At most 1, the most important ones.")
        );
        assert!(!fake.prompts()[2].text().contains("They ship abroad"));
    }

    #[tokio::test]
    async fn where_the_retriever_found_nothing_no_truths_are_asked_for() {
        let fake = judge();
        let case = TestCase::new("Refund?", "Within 60 days, by post.").retrieved([""; 0]);
        measure_with(&case, &Faithfulness::new(), fake.clone())
            .await
            .unwrap();
        assert_eq!(fake.prompts().len(), 2);
        assert!(fake.prompts()[1].text().contains("\n(none)\n"));
    }

    #[tokio::test]
    async fn no_claims_is_no_fault_and_no_passages_a_missing_field() {
        let fake = FakeJudge::new()
            .when("truths", r#"{"truths": []}"#)
            .when("claims", r#"{"claims": []}"#);
        let score = measure_with(&case(), &Faithfulness::new(), fake)
            .await
            .unwrap();
        assert_eq!(
            (score.value, score.reason.as_deref()),
            (1.0, Some("the output makes no claim"))
        );
        let error = measure_with(
            &TestCase::new("q", "a"),
            &Faithfulness::new(),
            FakeJudge::new(),
        )
        .await
        .unwrap_err();
        assert_eq!(
            error.downcast_ref::<MissingField>().unwrap().field,
            "retrieved"
        );
    }
}
