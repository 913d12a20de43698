//! What the combinators share: measuring parts, and telling of them.

use crate::metric::DynMetric;
use crate::{Bar, BoxError, BoxFuture, EvalCx, JudgeChoice, NotApplicable, Result, Score, join};
use serde_json::{Value, json};
use std::sync::Arc;

/// A metric that another one is made of, its type erased.
#[derive(Clone)]
pub(super) struct Part(Arc<dyn DynMetric>);

impl Part {
    pub(super) fn new(metric: impl crate::Metric + 'static) -> Self {
        Self(Arc::new(metric))
    }

    pub(super) fn name(&self) -> &str {
        self.0.name()
    }

    pub(super) fn bar(&self) -> Bar {
        self.0.bar()
    }

    /// The judge that its adjustments name.
    pub(super) fn judge(&self) -> Option<JudgeChoice> {
        self.0.adjustments().judge
    }

    /// Measures it as one of several samples, asked at this temperature.
    pub(super) async fn sample(
        &self,
        cx: &EvalCx<'_>,
        nth: u32,
        temperature: f64,
    ) -> Result<Score> {
        let asker = cx.asker_of_sample(self.judge().as_ref(), nth, temperature);
        self.0.measure(&cx.asking(&asker)).await?.checked()
    }

    /// Measures it as an expectation of its own, with the judge that its adjustments name, if they do.
    pub(super) async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        let asker = cx.asker_of_part(self.judge().as_ref());
        self.0.measure(&cx.asking(&asker)).await?.checked()
    }

    /// As [`measure`](Self::measure), with this judge instead; `None` is that of the whole. Equal judges with another
    /// `nth` give answers of their own.
    pub(super) async fn measure_with(
        &self,
        cx: &EvalCx<'_>,
        judge: Option<&JudgeChoice>,
        nth: u32,
    ) -> Result<Score> {
        let asker = cx.asker_of_seat(judge, nth);
        self.0.measure(&cx.asking(&asker)).await?.checked()
    }
}

/// The metrics that a combinator is made of, with their weights.
#[derive(Clone, Default)]
pub(super) struct Parts(Vec<(Part, f64)>);

/// The combinator that has the parts, for its errors.
pub(super) struct Whole<'a> {
    pub(super) kind: &'static str,
    pub(super) name: &'a str,
    /// How a part is added.
    pub(super) add: &'static str,
}

/// The name of a combinator. Panics when it is blank.
#[track_caller]
pub(super) fn named(name: impl Into<String>, kind: &str, example: &str) -> String {
    let name = name.into();
    assert!(
        !name.trim().is_empty(),
        "`{kind}` needs a name, such as `{example}`"
    );
    name
}

/// What came of a part.
pub(super) struct Measured {
    /// The part's label, else its name.
    pub(super) name: String,
    pub(super) bar: Bar,
    pub(super) weight: f64,
    /// Whether it is shown only.
    pub(super) report_only: bool,
    pub(super) score: Score,
}

impl Parts {
    pub(super) fn push(&mut self, metric: impl crate::Metric + 'static, weight: f64) {
        self.0.push((Part::new(metric), weight));
    }

    /// Measures the parts of this combinator at once; none is an error that says how to add one. The first part that is Errored, in the order given, is the error, unless it is only
    /// reported; all Skipped is Skipped. The parts that have a score come with the details on all.
    pub(super) async fn measure(
        &self,
        cx: &EvalCx<'_>,
        whole: &Whole<'_>,
    ) -> Result<(Vec<Measured>, Vec<Value>)> {
        if self.0.is_empty() {
            let Whole { kind, name, add } = whole;
            return Err(
                format!("`{kind}` `{name}` has no parts\nhint: add them with `{add}`").into(),
            );
        }
        let measure = |(part, _): &'_ (Part, f64)| -> BoxFuture<'_, Result<Result<Score>>> {
            let part = part.clone();
            Box::pin(async move { Ok(part.measure(cx).await) })
        };
        let scores = join::all(self.0.iter().map(measure).collect()).await?;
        let mut measured = Vec::new();
        let mut details = Vec::new();
        let mut skipped = Vec::new();
        for ((part, weight), score) in self.0.iter().zip(scores) {
            let adjustments = part.0.adjustments();
            let name = adjustments.label.unwrap_or_else(|| part.name().to_string());
            let (bar, report_only) = (part.bar(), adjustments.report_only);
            match score {
                Ok(score) => {
                    details.push(detail(&name, bar, &score));
                    measured.push(Measured {
                        name,
                        bar,
                        weight: *weight,
                        report_only,
                        score,
                    });
                }
                Err(error) => match error.downcast_ref::<NotApplicable>() {
                    Some(why) => {
                        details.push(json!({"name": name, "skipped": why.reason()}));
                        skipped.push(format!("`{name}`: {}", why.reason()));
                    }
                    None if report_only => {
                        details.push(json!({"name": name, "error": error.to_string()}));
                    }
                    None => return Err(in_part(cx, &name, error)),
                },
            }
        }
        if measured.iter().all(|part| part.report_only) {
            let why = match skipped.as_slice() {
                [] => "all parts are only reported".to_string(),
                skipped => format!("no part applies ({})", skipped.join("; ")),
            };
            return Err(NotApplicable::because(why).into());
        }
        Ok((measured, details))
    }
}

/// The error of a part: as it is, so that its kind stays known; a note says where it happened.
fn in_part(cx: &EvalCx<'_>, name: &str, error: BoxError) -> BoxError {
    cx.note(format!("the part `{name}` could not be measured"));
    error
}

fn detail(name: &str, bar: Bar, score: &Score) -> Value {
    let mut detail = json!({
        "name": name,
        "score": score.value,
        "bar": bar.to_string(),
        "met": bar.is_met_by(score.value),
    });
    if let Some(reason) = &score.reason {
        detail["reason"] = reason.as_str().into();
    }
    for (key, value) in &score.details {
        detail["details"][key] = value.clone();
    }
    detail
}

impl Measured {
    /// `name 0.40, at least 0.80 (because …)`.
    pub(super) fn told(&self) -> String {
        let (name, value, bar) = (&self.name, self.score.value, self.bar);
        let because = match &self.score.reason {
            Some(reason) if !reason.is_empty() => format!(" (because {reason})"),
            _ => String::new(),
        };
        format!("`{name}` has {value:.2}, {bar}{because}")
    }

    /// The score on a scale where every bar lies at 0.5.
    pub(super) fn standing(&self) -> f64 {
        standing(self.score.value, self.bar)
    }
}

/// Moves a score so that its bar lies at 0.5, in two straight lines: the bar is met exactly when the result is at least
/// 0.5. A score under a bar of at least 0.5 stays as it is, and so do 0 and 1 under a bar of at least 1.
pub(super) fn standing(value: f64, bar: Bar) -> f64 {
    // How much of the way above the bar, and of the way up to it.
    let (above, below) = match bar {
        Bar::AtLeast(min) => ((value - min) / (1.0 - min), value / min),
        Bar::AtMost(max) => ((max - value) / max, (1.0 - value) / (1.0 - max)),
    };
    match bar.is_met_by(value) {
        // There is no way above a bar of 1.
        true if above.is_nan() => 1.0,
        true => 0.5 + 0.5 * above,
        false => (0.5 * below).min(0.5_f64.next_down()),
    }
}

/// The text of the scores, in the order given.
pub(super) fn listed(parts: &[&Measured]) -> String {
    let told: Vec<String> = parts.iter().map(|part| part.told()).collect();
    told.join("; ")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::{FakeJudge, measure_with, proptesting};
    use crate::{Metric, TestCase, metric};
    use proptest::prelude::*;

    /// A metric with this score.
    pub(in crate::metrics::combine) fn fixed(
        name: &'static str,
        value: f64,
    ) -> impl Metric + 'static {
        metric(name, move |_: &TestCase| {
            Score::new(value).because("it is fixed")
        })
    }

    /// A metric that does not apply.
    pub(in crate::metrics::combine) fn absent(name: &'static str) -> impl Metric + 'static {
        metric(name, |_: &TestCase| -> Result<Score> {
            Err(NotApplicable::because("nothing is there").into())
        })
    }

    /// A metric that cannot be measured.
    pub(in crate::metrics::combine) fn broken(name: &'static str) -> impl Metric + 'static {
        metric(name, |_: &TestCase| -> Result<Score> {
            Err("the server is down".into())
        })
    }

    /// What a metric makes of a case that does not matter.
    pub(in crate::metrics::combine) async fn of(metric: &impl Metric) -> Result<Score> {
        measure_with(&TestCase::new("q", "a"), metric, FakeJudge::new()).await
    }

    /// As [`of`], for property tests, which are not async. Nothing here waits.
    pub(in crate::metrics::combine) fn at_once(metric: &impl Metric) -> Result<Score> {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(of(metric))
    }

    pub(in crate::metrics::combine) fn bars() -> impl Strategy<Value = Bar> {
        (any::<bool>(), 0.0_f64..=1.0).prop_map(|(at_least, bound)| {
            if at_least {
                Bar::AtLeast(bound)
            } else {
                Bar::AtMost(bound)
            }
        })
    }

    #[test]
    fn a_standing_has_every_bar_at_one_half() {
        for (value, bar, expected) in [
            (0.3, Bar::AtLeast(0.5), 0.3),
            (0.9, Bar::AtLeast(0.5), 0.9),
            (0.0, Bar::AtLeast(1.0), 0.0),
            (1.0, Bar::AtLeast(1.0), 1.0),
            (0.4, Bar::AtLeast(0.8), 0.25),
            (0.8, Bar::AtLeast(0.8), 0.5),
            (0.0, Bar::AtLeast(0.0), 0.5),
            (0.0, Bar::AtMost(0.2), 1.0),
            (0.2, Bar::AtMost(0.2), 0.5),
            (0.6, Bar::AtMost(0.2), 0.25),
            (0.0, Bar::AtMost(0.0), 1.0),
            (1.0, Bar::AtMost(1.0), 0.5),
        ] {
            let standing = standing(value, bar);
            assert!(
                (standing - expected).abs() < 1e-12,
                "{value} {bar}: {standing}"
            );
        }
        assert!(standing(0.3_f64.next_up(), Bar::AtMost(0.3)) < 0.5);
        assert!(standing(0.7_f64.next_down(), Bar::AtLeast(0.7)) < 0.5);
    }

    proptest! {
        #![proptest_config(proptesting::config())]

        #[test]
        fn a_standing_is_in_range_and_says_whether_the_bar_is_met(value in 0.0_f64..=1.0, bar in bars()) {
            let standing = standing(value, bar);
            prop_assert!((0.0..=1.0).contains(&standing));
            prop_assert_eq!(standing >= 0.5, bar.is_met_by(value));
        }

        #[test]
        fn a_standing_follows_the_score_in_the_direction_of_the_bar(one in 0.0_f64..=1.0, two in 0.0_f64..=1.0, bar in bars()) {
            let (low, high) = (standing(one.min(two), bar), standing(one.max(two), bar));
            match bar {
                Bar::AtLeast(_) => prop_assert!(low <= high),
                Bar::AtMost(_) => prop_assert!(low >= high),
            }
        }
    }
}
