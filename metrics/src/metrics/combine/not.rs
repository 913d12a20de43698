//! `Not`.

use super::parts::Part;
use crate::{Bar, EvalCx, Metric, Result, Score};

/// Measures whether a metric misses its bar: 1 if it does, 0 if it meets it.
///
/// Its name is `not_` and the name of the metric. Default bar: at least 1. What is Errored stays Errored, and what is Skipped
/// stays Skipped: nothing is known about the opposite either.
///
/// ```
/// use llmtest_metrics::{Contains, FakeJudge, Metric, Not, TestCase, measure_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let discreet = Not::new(Contains::new("password"));
/// let score = measure_with(&TestCase::new("hi", "hello"), &discreet, FakeJudge::new()).await.unwrap();
/// assert_eq!((discreet.name(), score.value), ("not_contains", 1.0));
/// # }
/// ```
#[derive(Clone)]
pub struct Not {
    name: String,
    metric: Part,
}

impl Not {
    /// The opposite of this metric.
    pub fn new(metric: impl Metric + 'static) -> Self {
        Self {
            name: format!("not_{}", metric.name()),
            metric: Part::new(metric),
        }
    }
}

impl Metric for Not {
    fn name(&self) -> &str {
        &self.name
    }

    fn bar(&self) -> Bar {
        Bar::AtLeast(1.0)
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        let score = self.metric.measure(cx).await?;
        let (name, bar) = (self.metric.name(), self.metric.bar());
        let met = bar.is_met_by(score.value);
        let because = match &score.reason {
            Some(reason) if !reason.is_empty() => format!(" (because {reason})"),
            _ => String::new(),
        };
        let verb = if met { "meets" } else { "misses" };
        let mut not = Score::from(!met)
            .because(format!(
                "`{name}` has {:.2} and {verb} its bar, {bar}{because}",
                score.value
            ))
            .detail("score", score.value)
            .detail("bar", bar.to_string());
        not.details.extend(score.details);
        Ok(not)
    }
}

#[cfg(test)]
mod tests {
    use super::super::parts::tests::{absent, at_once, bars, broken, fixed, of};
    use super::*;
    use crate::{NotApplicable, proptesting};
    use proptest::prelude::*;

    #[tokio::test]
    async fn what_meets_its_bar_does_not_meet_the_opposite() {
        let score = of(&Not::new(fixed("a", 0.8).at_least(0.9))).await.unwrap();
        assert_eq!(score.value, 1.0);
        assert_eq!(
            score.reason.as_deref(),
            Some("`a` has 0.80 and misses its bar, at least 0.90 (because it is fixed)")
        );
        assert_eq!(
            of(&Not::new(fixed("a", 0.8).at_least(0.8)))
                .await
                .unwrap()
                .value,
            0.0
        );
    }

    #[tokio::test]
    async fn errors_and_what_does_not_apply_stay_what_they_are() {
        let error = of(&Not::new(broken("a"))).await.unwrap_err();
        assert_eq!(error.to_string(), "the server is down");
        assert!(
            of(&Not::new(absent("a")))
                .await
                .unwrap_err()
                .is::<NotApplicable>()
        );
    }

    proptest! {
        #![proptest_config(proptesting::config())]

        #[test]
        fn twice_not_is_the_verdict_itself(value in 0.0_f64..=1.0, bar in bars()) {
            let part = || match bar {
                Bar::AtLeast(min) => fixed("a", value).at_least(min),
                Bar::AtMost(max) => fixed("a", value).at_most(max),
            };
            let met = |metric: &dyn Fn() -> (Bar, f64)| { let (bar, value) = metric(); bar.is_met_by(value) };
            let once = met(&|| { let not = Not::new(part()); (not.bar(), at_once(&not).unwrap().value) });
            let twice = met(&|| { let not = Not::new(Not::new(part())); (not.bar(), at_once(&not).unwrap().value) });
            prop_assert_eq!(once, !bar.is_met_by(value));
            prop_assert_eq!(twice, bar.is_met_by(value));
        }
    }
}
