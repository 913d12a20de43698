//! `AnyOf`.

use super::parts::{Measured, Parts, Whole, listed, named};
use crate::{EvalCx, Metric, Result, Score};

/// Measures whether at least one of several metrics meets its bar, as the largest *standing* of them.
///
/// A part's standing is its score, moved in two straight lines so that the part's own bar lies at 0.5, as in
/// [`AllOf`](crate::AllOf). So the bar of the whole, at least 0.5, is met exactly when some part meets its own. Parts
/// that are Errored, Skipped or only reported count as in `AllOf`: an Errored part makes the whole Errored even where
/// another part meets its bar, because the same case must not pass or not by chance.
///
/// ```
/// use llmtest_metrics::{AnyOf, Contains, FakeJudge, TestCase, measure_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let dated = AnyOf::new("dated").or(Contains::new("30 days")).or(Contains::new("one month"));
/// let case = TestCase::new("Refund?", "Within one month.");
/// assert_eq!(measure_with(&case, &dated, FakeJudge::new()).await.unwrap().value, 1.0);
/// # }
/// ```
#[derive(Clone)]
pub struct AnyOf {
    name: String,
    parts: Parts,
}

impl AnyOf {
    /// A metric of this name: the key in reports and baselines. Panics on an empty name.
    #[track_caller]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: named(name, "AnyOf", "dated"),
            parts: Parts::default(),
        }
    }

    /// Adds a metric.
    #[must_use]
    pub fn or(mut self, metric: impl Metric + 'static) -> Self {
        self.parts.push(metric, 1.0);
        self
    }
}

impl Metric for AnyOf {
    fn name(&self) -> &str {
        &self.name
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        let whole = Whole {
            kind: "AnyOf",
            name: &self.name,
            add: ".or(metric)",
        };
        let (parts, details) = self.parts.measure(cx, &whole).await?;
        Ok(score(&parts).detail("parts", details))
    }
}

/// The largest standing of the parts that count; there is at least one.
fn score(parts: &[Measured]) -> Score {
    let counted: Vec<&Measured> = parts.iter().filter(|part| !part.report_only).collect();
    let met: Vec<&Measured> = counted
        .iter()
        .copied()
        .filter(|part| part.bar.is_met_by(part.score.value))
        .collect();
    let largest = counted
        .iter()
        .map(|part| part.standing())
        .fold(0.0, f64::max);
    let all = counted.len();
    Score::new(largest).because(if met.is_empty() {
        format!("none of {all} parts meets its bar: {}", listed(&counted))
    } else {
        format!(
            "{} of {all} parts meet their bars: {}",
            met.len(),
            listed(&met)
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

    #[tokio::test]
    async fn one_part_that_meets_its_bar_is_enough() {
        let metric = AnyOf::new("x")
            .or(fixed("a", 0.2))
            .or(fixed("b", 0.9).at_least(0.8));
        let score = of(&metric).await.unwrap();
        assert_eq!(score.value, 0.75);
        assert!(
            score
                .reason
                .unwrap()
                .starts_with("1 of 2 parts meet their bars: `b` has 0.90")
        );
        let metric = AnyOf::new("x").or(fixed("a", 0.2)).or(fixed("b", 0.4));
        let score = of(&metric).await.unwrap();
        assert_eq!(score.value, 0.4);
        assert!(
            score
                .reason
                .unwrap()
                .starts_with("none of 2 parts meets its bar: `a` has 0.20")
        );
    }

    #[tokio::test]
    async fn an_errored_part_is_an_error_even_beside_one_that_meets_its_bar() {
        let error = of(&AnyOf::new("x").or(fixed("a", 1.0)).or(broken("b")))
            .await
            .unwrap_err();
        assert_eq!(error.to_string(), "the server is down");
        let error = of(&AnyOf::new("x").or(absent("a")).or(absent("b")))
            .await
            .unwrap_err();
        assert!(error.is::<NotApplicable>());
        let error = of(&AnyOf::new("x")).await.unwrap_err();
        assert!(
            error
                .to_string()
                .contains("hint: add them with `.or(metric)`")
        );
    }

    fn of_any(parts: &[(f64, Bar)]) -> f64 {
        let any = parts.iter().fold(AnyOf::new("any"), |any, (value, bar)| {
            let part = fixed("part", *value);
            any.or(match *bar {
                Bar::AtLeast(min) => part.at_least(min),
                Bar::AtMost(max) => part.at_most(max),
            })
        });
        at_once(&any).unwrap().value
    }

    proptest! {
        #![proptest_config(proptesting::config())]

        #[test]
        fn it_is_at_least_every_standing_and_met_exactly_when_one_is(
            mut parts in prop::collection::vec((0.0_f64..=1.0, bars()), 1..5),
        ) {
            let value = of_any(&parts);
            prop_assert!(parts.iter().all(|(part, bar)| value >= standing(*part, *bar)));
            prop_assert_eq!(value >= 0.5, parts.iter().any(|(part, bar)| bar.is_met_by(*part)));
            parts.reverse();
            prop_assert_eq!(of_any(&parts), value);
        }
    }
}
