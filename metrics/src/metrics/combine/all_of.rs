//! `AllOf`.

use super::parts::{Measured, Parts, Whole, listed, named};
use crate::{EvalCx, Metric, Result, Score};

/// Measures whether all of several metrics meet their bars, as the smallest *standing* of them.
///
/// A part's standing is its score, moved in two straight lines so that the part's own bar lies at 0.5: with a bar of at
/// least 0.5 it is the score. So the bar of the whole, at least 0.5, is met exactly when every part meets its own, whatever
/// the bars and their directions are, and a part near its bar shows. The record keeps the score, reason and bar of each part.
///
/// Parts have bars, judges and labels as expectations have (`.at_least(…)`, `.judged_by(…)`, `.named(…)`); a part that is
/// `.report_only()` is shown and does not count. A part that is Errored makes the whole Errored. A part that is Skipped
/// leaves; all Skipped is Skipped.
///
/// ```
/// use llmtest_metrics::{AllOf, Contains, Metric, TestCase, FakeJudge, measure_with, metric};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let short = metric("short", |case: &TestCase| 1.0 - case.output.len() as f64 / 100.0);
/// let answer = AllOf::new("answer").and(Contains::new("30 days")).and(short.at_least(0.8));
///
/// let case = TestCase::new("Refund?", "Of course: within 30 days, by post, at our cost.");
/// let score = measure_with(&case, &answer, FakeJudge::new()).await.unwrap();
/// assert_eq!(score.reason.unwrap(), "1 of 2 parts misses its bar: `short` has 0.52, at least 0.80");
/// assert!(!answer.bar().is_met_by(score.value));
/// # }
/// ```
#[derive(Clone)]
pub struct AllOf {
    name: String,
    parts: Parts,
}

impl AllOf {
    /// A metric of this name: the key in reports and baselines. Panics on an empty name.
    #[track_caller]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: named(name, "AllOf", "answer"),
            parts: Parts::default(),
        }
    }

    /// Adds a metric.
    #[must_use]
    pub fn and(mut self, metric: impl Metric + 'static) -> Self {
        self.parts.push(metric, 1.0);
        self
    }
}

impl Metric for AllOf {
    fn name(&self) -> &str {
        &self.name
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        let whole = Whole {
            kind: "AllOf",
            name: &self.name,
            add: ".and(metric)",
        };
        let (parts, details) = self.parts.measure(cx, &whole).await?;
        Ok(score(&parts).detail("parts", details))
    }
}

/// The smallest standing of the parts that count; there is at least one.
fn score(parts: &[Measured]) -> Score {
    let counted: Vec<&Measured> = parts.iter().filter(|part| !part.report_only).collect();
    let missed: Vec<&Measured> = counted
        .iter()
        .copied()
        .filter(|part| !part.bar.is_met_by(part.score.value))
        .collect();
    let smallest = counted
        .iter()
        .map(|part| part.standing())
        .fold(1.0, f64::min);
    let (all, verb) = (
        counted.len(),
        if missed.len() == 1 {
            "misses its bar"
        } else {
            "miss their bars"
        },
    );
    Score::new(smallest).because(if missed.is_empty() {
        format!("all {all} parts meet their bars: {}", listed(&counted))
    } else {
        format!(
            "{} of {all} parts {verb}: {}",
            missed.len(),
            listed(&missed)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::parts::standing;
    use super::super::parts::tests::{absent, at_once, bars, broken, fixed, of};
    use super::*;
    use crate::{Bar, NotApplicable, proptesting};
    use proptest::prelude::*;
    use serde_json::json;

    #[tokio::test]
    async fn all_parts_must_meet_their_own_bars() {
        let good = AllOf::new("good")
            .and(fixed("a", 0.9).at_least(0.8))
            .and(fixed("b", 0.1).at_most(0.2).named("harm"));
        let score = of(&good).await.unwrap();
        assert_eq!(score.value, 0.75);
        assert_eq!(
            score.reason.as_deref(),
            Some(
                "all 2 parts meet their bars: `a` has 0.90, at least 0.80 (because it is fixed); `harm` has 0.10, at most 0.20 (because it is fixed)"
            )
        );
        assert_eq!(
            score.details[0].1[1],
            json!({"name": "harm", "score": 0.1, "bar": "at most 0.20", "met": true, "reason": "it is fixed"})
        );
        let score = of(&good.and(fixed("c", 0.4))).await.unwrap();
        assert_eq!(score.value, 0.4);
        assert!(
            score
                .reason
                .unwrap()
                .starts_with("1 of 3 parts misses its bar: `c` has 0.40")
        );
    }

    #[tokio::test]
    async fn an_errored_part_is_an_error_and_a_skipped_one_leaves() {
        let error = of(&AllOf::new("x").and(fixed("a", 0.1)).and(broken("b")))
            .await
            .unwrap_err();
        assert_eq!(error.to_string(), "the server is down");
        let score = of(&AllOf::new("x").and(absent("a")).and(fixed("b", 0.7)))
            .await
            .unwrap();
        assert!((score.value - 0.7).abs() < 1e-12);
        assert_eq!(
            score.details[0].1[0],
            json!({"name": "a", "skipped": "nothing is there"})
        );
        let error = of(&AllOf::new("x").and(absent("a"))).await.unwrap_err();
        let skipped = error.downcast_ref::<NotApplicable>().unwrap();
        assert_eq!(skipped.reason(), "no part applies (`a`: nothing is there)");
        let error = of(&AllOf::new("x")).await.unwrap_err();
        assert!(
            error
                .to_string()
                .contains("hint: add them with `.and(metric)`")
        );
    }

    #[tokio::test]
    async fn a_part_that_is_only_reported_does_not_count() {
        let metric = AllOf::new("x")
            .and(fixed("a", 0.1).report_only())
            .and(broken("b").report_only())
            .and(fixed("c", 0.8));
        let score = of(&metric).await.unwrap();
        assert!((score.value - 0.8).abs() < 1e-12);
        assert_eq!(
            score.details[0].1[1],
            json!({"name": "b", "error": "the server is down"})
        );
        let error = of(&AllOf::new("x").and(fixed("a", 0.1).report_only()))
            .await
            .unwrap_err();
        assert!(error.is::<NotApplicable>());
    }

    fn of_all(parts: &[(f64, Bar)]) -> f64 {
        let all = parts.iter().fold(AllOf::new("all"), |all, (value, bar)| {
            let part = fixed("part", *value);
            all.and(match *bar {
                Bar::AtLeast(min) => part.at_least(min),
                Bar::AtMost(max) => part.at_most(max),
            })
        });
        at_once(&all).unwrap().value
    }

    proptest! {
        #![proptest_config(proptesting::config())]

        #[test]
        fn it_is_at_most_every_standing_and_met_exactly_when_all_are(
            mut parts in prop::collection::vec((0.0_f64..=1.0, bars()), 1..5),
        ) {
            let value = of_all(&parts);
            prop_assert!(parts.iter().all(|(part, bar)| value <= standing(*part, *bar)));
            prop_assert_eq!(value >= 0.5, parts.iter().all(|(part, bar)| bar.is_met_by(*part)));
            parts.reverse();
            prop_assert_eq!(of_all(&parts), value);
        }
    }
}
