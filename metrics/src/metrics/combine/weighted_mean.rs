//! `WeightedMean`.

use super::parts::{Measured, Parts, Whole, named};
use crate::{Bar, EvalCx, Metric, Result, Score};

/// Measures the mean of several metrics, each with its weight: `Σ weight · score / Σ weight`.
///
/// A part under a bar of `at_most` is better the lower it is, and counts as `1 - score`. The bars of the parts are shown and
/// decide nothing: the mean has a bar of its own, at least 0.5 by default. A part that is Errored makes the whole Errored.
/// A part that is Skipped leaves the mean with its weight; all Skipped is Skipped. A part that is `.report_only()` is shown
/// and does not count.
///
/// ```
/// use llmtest_metrics::{Contains, FakeJudge, TestCase, WeightedMean, measure_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let quality = WeightedMean::new("quality").part(3.0, Contains::new("30 days")).part(1.0, Contains::new("by post"));
/// let case = TestCase::new("Refund?", "Within 30 days.");
/// assert_eq!(measure_with(&case, &quality, FakeJudge::new()).await.unwrap().value, 0.75);
/// # }
/// ```
#[derive(Clone)]
pub struct WeightedMean {
    name: String,
    parts: Parts,
}

impl WeightedMean {
    /// A metric of this name: the key in reports and baselines. Panics on an empty name.
    #[track_caller]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: named(name, "WeightedMean", "quality"),
            parts: Parts::default(),
        }
    }

    /// Adds a metric. Panics on a weight that is not above 0.
    #[must_use]
    #[track_caller]
    pub fn part(mut self, weight: f64, metric: impl Metric + 'static) -> Self {
        assert!(
            weight > 0.0 && weight.is_finite(),
            "a weight of `WeightedMean` `{}` must be above 0, but it is {weight}; leave out the part, or make it `.report_only()`",
            self.name
        );
        self.parts.push(metric, weight);
        self
    }
}

impl Metric for WeightedMean {
    fn name(&self) -> &str {
        &self.name
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        let whole = Whole {
            kind: "WeightedMean",
            name: &self.name,
            add: ".part(weight, metric)",
        };
        let (parts, details) = self.parts.measure(cx, &whole).await?;
        Ok(score(&parts).detail("parts", details))
    }
}

/// The mean of the parts that count; there is at least one.
fn score(parts: &[Measured]) -> Score {
    let counted: Vec<&Measured> = parts.iter().filter(|part| !part.report_only).collect();
    let pairs: Vec<(f64, f64)> = counted
        .iter()
        .map(|part| (part.weight, goodness(part.score.value, part.bar)))
        .collect();
    let told: Vec<String> = counted
        .iter()
        .map(|part| {
            format!(
                "`{}` has {:.2} and weighs {}",
                part.name, part.score.value, part.weight
            )
        })
        .collect();
    Score::new(mean(&pairs)).because(told.join("; "))
}

/// How good a score is, from 0 to 1.
fn goodness(value: f64, bar: Bar) -> f64 {
    match bar {
        Bar::AtLeast(_) => value,
        Bar::AtMost(_) => 1.0 - value,
    }
}

/// The mean of values in `0.0..=1.0` with their weights; the last digit of a sum does not leave the range.
fn mean(pairs: &[(f64, f64)]) -> f64 {
    let weights: f64 = pairs.iter().map(|(weight, _)| weight).sum();
    let shares = pairs.iter().map(|(weight, value)| weight / weights * value);
    shares.sum::<f64>().clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::super::parts::tests::{absent, broken, fixed, of};
    use super::*;
    use crate::{NotApplicable, proptesting};
    use proptest::prelude::*;

    #[tokio::test]
    async fn what_is_skipped_leaves_with_its_weight_and_lower_may_be_better() {
        let metric = WeightedMean::new("x")
            .part(1.0, fixed("a", 0.8))
            .part(3.0, fixed("harm", 0.1).at_most(0.3))
            .part(9.0, absent("b"))
            .part(9.0, fixed("c", 0.0).report_only());
        let score = of(&metric).await.unwrap();
        assert!((score.value - (0.8 + 3.0 * 0.9) / 4.0).abs() < 1e-12);
        assert_eq!(
            score.reason.as_deref(),
            Some("`a` has 0.80 and weighs 1; `harm` has 0.10 and weighs 3")
        );
        assert_eq!(score.details[0].1.as_array().unwrap().len(), 4);
    }

    #[tokio::test]
    async fn an_errored_part_is_an_error_and_nothing_to_measure_is_skipped() {
        let metric = WeightedMean::new("x")
            .part(1.0, fixed("a", 0.8))
            .part(1.0, broken("b"));
        assert_eq!(
            of(&metric).await.unwrap_err().to_string(),
            "the server is down"
        );
        let metric = WeightedMean::new("x").part(1.0, absent("a"));
        assert!(of(&metric).await.unwrap_err().is::<NotApplicable>());
        let error = of(&WeightedMean::new("x")).await.unwrap_err();
        assert!(error.to_string().contains("`.part(weight, metric)`"));
    }

    #[test]
    #[should_panic(expected = "must be above 0, but it is 0")]
    fn a_part_without_weight_is_a_mistake() {
        let _ = WeightedMean::new("x").part(0.0, fixed("a", 0.8));
    }

    proptest! {
        #![proptest_config(proptesting::config())]

        #[test]
        fn the_mean_lies_between_the_scores_whatever_their_order(
            mut pairs in prop::collection::vec((0.01_f64..100.0, 0.0_f64..=1.0), 1..6),
        ) {
            let value = mean(&pairs);
            let low = pairs.iter().map(|pair| pair.1).fold(1.0, f64::min);
            let high = pairs.iter().map(|pair| pair.1).fold(0.0, f64::max);
            prop_assert!(value >= low - 1e-9 && value <= high + 1e-9);
            pairs.reverse();
            prop_assert!((mean(&pairs) - value).abs() < 1e-9);
        }

        #[test]
        fn a_better_part_never_lowers_the_mean(
            pairs in prop::collection::vec((0.01_f64..100.0, 0.0_f64..=1.0), 1..6), better in 0.0_f64..=1.0,
        ) {
            let mut raised = pairs.clone();
            raised[0].1 = raised[0].1.max(better);
            prop_assert!(mean(&raised) >= mean(&pairs) - 1e-12);
        }
    }
}
