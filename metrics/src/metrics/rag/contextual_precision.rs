//! `ContextualPrecision`.

use super::passages;
use crate::options::{Options, knobs, options};
use crate::verdicts::{self, Ballot, Verdict, Vote};
use crate::{Bar, EvalCx, Field, Metric, Result, Score};

/// Measures whether the retriever ranks what is useful before what is not: the average precision of its ranking.
///
/// The judge says of every passage whether it helps to get from the input to the expected output. The score is the mean,
/// over the ranks `k` of useful passages, of the share of useful ones among the first `k`; in `0..=1`, and 0 where none is
/// useful. Passages with the same [`source`](crate::Passage::source) are judged as one, at the rank of the first. Needs
/// `input`, `expected` and `retrieved`. Default bar: at least 0.5. Formula as DeepEval 4.3.1.
///
/// ```
/// use llmtest_metrics::{ContextualPrecision, FakeJudge, TestCase, measure_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let judge = FakeJudge::new().reply(r#"{"verdicts": {
///     "1": {"reason": "Hats were not asked about.", "verdict": "no"},
///     "2": {"reason": "It is the limit.", "verdict": "yes"}}}"#);
/// let case = TestCase::new("How long may I return shoes?", "30 days.")
///     .expected("For 30 days.")
///     .retrieved(["We sell hats.", "Returns take 30 days."]);
/// assert_eq!(measure_with(&case, &ContextualPrecision::new(), judge).await.unwrap().value, 0.5);
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ContextualPrecision {
    options: Options,
}

impl ContextualPrecision {
    /// With default options.
    pub fn new() -> Self {
        Self {
            options: options!("contextual_precision": "verdicts"),
        }
    }
}

knobs!(ContextualPrecision, default);

impl Metric for ContextualPrecision {
    fn name(&self) -> &'static str {
        "contextual_precision"
    }

    fn bar(&self) -> Bar {
        self.options.bar()
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        let (input, expected) = (
            cx.need(self, Field::Input)?,
            cx.need(self, Field::Expected)?,
        );
        cx.need(self, Field::Retrieved)?;
        let ask = |lines| {
            self.options
                .template("verdicts")
                .fenced("input", "input", &input)
                .fenced("expected", "expected answer", &expected)
                .fenced("passages", "passages", lines)
        };
        let verdicts = Ballot(&[Vote::Yes, Vote::No])
            .verdicts(cx, &passages::by_source(&cx.case.retrieved), ask)
            .await?;
        Ok(self.options.clamp(score(&verdicts)))
    }
}

fn score(verdicts: &[Verdict]) -> Score {
    let useful: Vec<bool> = verdicts.iter().map(|v| v.vote == Vote::Yes).collect();
    let value = verdicts::average_precision(&useful);
    let count = useful.iter().filter(|useful| **useful).count();
    let all = useful.len();
    let first_miss = useful.iter().position(|useful| !useful);
    let reason = if all == 0 {
        "the retriever found nothing".to_string()
    } else if count == 0 {
        format!("none of the passages found ({all}) is useful for the expected output")
    } else if let Some(at) = first_miss.filter(|at| *at < count) {
        let passage = verdicts::quote(&verdicts[at]);
        let rank = at + 1;
        format!(
            "what is useful ({count} of {all} passages) does not stand first; rank {rank} is not useful: {passage}"
        )
    } else if count == all {
        format!("all passages found ({all}) are useful")
    } else {
        format!("what is useful stands first: {count} of {all} passages")
    };
    let details = serde_json::to_value(verdicts).unwrap_or_default();
    Score::new(value)
        .because(reason)
        .detail("verdicts", details)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdicts::average_precision;
    use crate::{FakeJudge, MissingField, Passage, TestCase, measure_with};
    use proptest::prelude::*;

    fn case() -> TestCase {
        TestCase::new("How long may I return shoes?", "")
            .expected("For 30 days.")
            .retrieved([
                Passage::from_source("terms.md", "Shoes are returned by post."),
                Passage::from("We sell hats."),
                Passage::from_source("terms.md", "Returns take 30 days."),
                Passage::from("30 days."),
            ])
    }

    fn judge(verdicts: [&str; 3]) -> FakeJudge {
        let [one, two, three] = verdicts;
        FakeJudge::new().reply(format!(
            r#"{{"verdicts": {{"1": {{"reason": "", "verdict": "{one}"}},
                "2": {{"reason": "Hats were not asked about.", "verdict": "{two}"}},
                "3": {{"reason": "", "verdict": "{three}"}}}}}}"#
        ))
    }

    async fn measured(metric: &ContextualPrecision, verdicts: [&str; 3]) -> Score {
        measure_with(&case(), metric, judge(verdicts))
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn passages_of_one_source_are_one_and_a_useless_one_before_a_useful_one_costs() {
        let fake = judge(["yes", "no", "yes"]);
        let score = measure_with(&case(), &ContextualPrecision::new(), fake.clone())
            .await
            .unwrap();
        assert!((score.value - f64::midpoint(1.0, 2.0 / 3.0)).abs() < 1e-12);
        assert_eq!(
            score.reason.as_deref(),
            Some(
                r#"what is useful (2 of 3 passages) does not stand first; rank 2 is not useful: "We sell hats." (Hats were not asked about)"#
            )
        );
        let prompt = fake.prompts()[0].text();
        assert!(
            prompt.contains("1. terms.md: Shoes are returned by post. […] Returns take 30 days.\n2. We sell hats.\n3. 30 days.")
                && prompt.contains("expected answer:\n<data "),
            "{prompt}"
        );
        assert!(prompt.len() < 1700, "{}", prompt.len());
    }

    #[tokio::test]
    async fn what_is_useful_first_is_enough_also_when_strict() {
        let metric = ContextualPrecision::new();
        let first = measured(&metric, ["yes", "no", "no"]).await;
        assert_eq!(
            (first.value, first.reason.as_deref()),
            (1.0, Some("what is useful stands first: 1 of 3 passages"))
        );
        let none = measured(&metric, ["no"; 3]).await;
        assert_eq!(none.value, 0.0);
        assert!(none.reason.unwrap().starts_with("none of the passages"));
        let strict = metric.strict();
        assert_eq!(measured(&strict, ["yes", "yes", "no"]).await.value, 1.0);
        assert_eq!(measured(&strict, ["yes", "no", "yes"]).await.value, 0.0);
    }

    #[tokio::test]
    async fn nothing_found_scores_zero_and_a_verdict_left_out_is_asked_for() {
        let nothing = TestCase::new("q", "").expected("e").retrieved([""; 0]);
        let score = measure_with(&nothing, &ContextualPrecision::new(), FakeJudge::new())
            .await
            .unwrap();
        assert_eq!(score.value, 0.0);
        let fake = FakeJudge::new()
            .reply(r#"{"verdicts": {"1": {"verdict": "yes"}, "2": {"verdict": "maybe"}}}"#)
            .reply(r#"{"verdicts": {"1": {"verdict": "yes"}, "2": {"verdict": "no"}}}"#)
            .reply(r#"{"verdicts": {"3": {"verdict": "no"}}}"#);
        let score = measure_with(&case(), &ContextualPrecision::new(), fake)
            .await
            .unwrap();
        assert_eq!(score.value, 1.0);
        let error = measure_with(
            &TestCase::new("q", "a").retrieved(["p"]),
            &ContextualPrecision::new(),
            FakeJudge::new(),
        )
        .await
        .unwrap_err();
        assert_eq!(
            error.downcast_ref::<MissingField>().unwrap().field,
            "expected"
        );
    }

    proptest! {
        #![proptest_config(crate::proptesting::config())]

        #[test]
        fn average_precision_is_a_share_and_one_just_where_nothing_useless_comes_first(
            ranking in prop::collection::vec(any::<bool>(), 0..12)
        ) {
            let value = average_precision(&ranking);
            prop_assert!((0.0..=1.0).contains(&value));
            let sorted = ranking.windows(2).all(|pair| pair[0] >= pair[1]);
            let useful = ranking.contains(&true);
            prop_assert_eq!(value == 1.0, sorted && useful);
            prop_assert_eq!(value == 0.0, !useful);
        }

        #[test]
        fn a_useful_passage_that_moves_up_never_lowers_average_precision(
            ranking in prop::collection::vec(any::<bool>(), 2..12),
            at in any::<prop::sample::Index>(),
        ) {
            let at = at.index(ranking.len() - 1);
            let mut better = ranking.clone();
            better[at..=at + 1].sort_by(|a, b| b.cmp(a));
            prop_assert!(average_precision(&better) >= average_precision(&ranking));
        }

        #[test]
        fn what_comes_after_the_last_useful_passage_does_not_count(
            ranking in prop::collection::vec(any::<bool>(), 0..12),
            more in 0..5_usize,
        ) {
            let mut longer = ranking.clone();
            longer.extend(vec![false; more]);
            prop_assert_eq!(average_precision(&longer), average_precision(&ranking));
        }
    }
}
