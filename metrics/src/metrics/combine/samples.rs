//! `Samples`.

use super::panel::{PanelRule, of};
use super::parts::Part;
use crate::{Bar, BoxFuture, EvalCx, Metric, NotApplicable, Result, Score, join};
use serde_json::{Value, json};

/// The 97.5 % points of Student's distribution for 1 to 30 degrees of freedom.
const T: [f64; 30] = [
    12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281, 2.2010,
    2.1788, 2.1604, 2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860, 2.0796, 2.0739, 2.0687,
    2.0639, 2.0595, 2.0555, 2.0518, 2.0484, 2.0452, 2.0423,
];

/// Measures one metric with several answers of the same judge, makes one score of theirs by a stated rule, and shows how far
/// they lie apart.
///
/// Each sample is measured on its own, at a [temperature](Self::temperature) of 1 unless told otherwise (as the sampling of
/// G-Eval, Liu et al. 2023, section 3) and with a seed and a recording of its own; only what is made once for a run, such as
/// the steps that a G-Eval has a judge write, is shared. The record keeps every sample's score and reason, and of all of
/// them `mean`, `sd` (with n − 1), `lowest`, `highest`, `interval` (of the mean, 95 %, Student's t, within 0 to 1) and
/// `flip_rate`: the share of samples on the other side of the metric's bar than most, from 0 to 0.5.
///
/// A sample that fails makes the whole Errored. Samples to which the metric does not apply have no score; where that is so
/// for all, the whole is Skipped.
///
/// Its name is the name of the metric and `_samples`. Default bar: that of the metric; at least 1 for
/// [`SampleRule::Majority`], which counts the samples whose score meets the metric's bar.
///
/// ```
/// use llmtest_metrics::{FakeJudge, GEval, SampleRule, Samples, TestCase, measure_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut judge = FakeJudge::new();
/// for score in [8, 9, 4] {
///     judge = judge.reply(format!(r#"{{"reason": "so it is", "score": {score}}}"#));
/// }
/// let polite = GEval::by_steps("polite", ["Look for rude words."]);
/// let polite = Samples::new(polite, 3).rule(SampleRule::Majority);
///
/// let score = measure_with(&TestCase::new("hi", "hello"), &polite, judge).await.unwrap();
/// assert_eq!(score.value, 1.0);
/// # }
/// ```
#[derive(Clone)]
pub struct Samples {
    name: String,
    metric: Part,
    count: u32,
    rule: SampleRule,
    temperature: f64,
    early: bool,
}

/// How [`Samples`] make one score.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SampleRule {
    /// Their mean.
    #[default]
    Mean,
    /// The one in the middle; of two in the middle, their mean.
    Median,
    /// The one that is furthest from meeting the bar: the lowest under a bar of `at_least`, the highest under `at_most`.
    Worst,
    /// 1 if more than half of them meet the metric's bar, else 0.
    Majority,
    /// The end of the mean's 95 % interval that is further from meeting the bar: the lower under `at_least`. A judge that
    /// gives a high score once and a low one the next time does not pass.
    Bound,
}

impl Samples {
    /// So many samples of this metric. Panics when there are fewer than two.
    #[track_caller]
    pub fn new(metric: impl Metric + 'static, count: u32) -> Self {
        let name = format!("{}_samples", metric.name());
        assert!(
            count >= 2,
            "`{name}` needs at least 2 samples, but has {count}"
        );
        Self {
            name,
            metric: Part::new(metric),
            count,
            rule: SampleRule::default(),
            temperature: 1.0,
            early: false,
        }
    }

    /// Sets the rule; [`SampleRule::Mean`] where nothing is said.
    pub fn rule(mut self, rule: SampleRule) -> Self {
        self.rule = rule;
        self
    }

    /// Sets how freely the judge chooses its words, in `0.0..=2.0`; at 0 most judges give the same answer each time. Panics
    /// outside of that.
    #[track_caller]
    pub fn temperature(mut self, temperature: f64) -> Self {
        assert!(
            (0.0..=2.0).contains(&temperature),
            "the temperature of `{}` must lie in 0.0..=2.0, but it is {temperature}",
            self.name
        );
        self.temperature = temperature;
        self
    }

    /// Asks for one sample after the other, and no more once the majority is certain: three agreeing samples decide five.
    /// The other rules need all samples, and ask for them at once in any case.
    pub fn stop_early(mut self) -> Self {
        self.early = true;
        self
    }

    /// Whether so many scores make the majority certain, whatever the rest says.
    fn is_certain(&self, met: usize, all: usize) -> bool {
        let (count, missed) = (self.count as usize, all - met);
        2 * met > count || 2 * missed >= count
    }

    /// The samples' scores in order, or why one has none.
    async fn ask(&self, cx: &EvalCx<'_>) -> Result<Vec<Result<Score>>> {
        if self.rule != SampleRule::Majority || !self.early {
            let asked = (0..self.count).map(|nth| -> BoxFuture<'_, Result<Result<Score>>> {
                Box::pin(async move { Ok(self.metric.sample(cx, nth, self.temperature).await) })
            });
            return join::all(asked.collect()).await;
        }
        let (mut answers, mut met, mut scored) = (Vec::new(), 0, 0);
        for nth in 0..self.count {
            let answer = self.metric.sample(cx, nth, self.temperature).await;
            if let Ok(score) = &answer {
                scored += 1;
                met += usize::from(self.metric.bar().is_met_by(score.value));
            }
            answers.push(answer);
            if self.is_certain(met, scored) {
                break;
            }
        }
        Ok(answers)
    }
}

impl Metric for Samples {
    fn name(&self) -> &str {
        &self.name
    }

    fn bar(&self) -> Bar {
        match self.rule {
            SampleRule::Majority => Bar::AtLeast(1.0),
            _ => self.metric.bar(),
        }
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        let (mut scores, mut details) = (Vec::new(), Vec::new());
        for answer in self.ask(cx).await? {
            match answer {
                Ok(score) => {
                    details.push(json!({"score": score.value, "reason": score.reason}));
                    scores.push(score);
                }
                Err(error) => match error.downcast_ref::<NotApplicable>() {
                    Some(why) => details.push(json!({"skipped": why.reason()})),
                    None => return Err(error),
                },
            }
        }
        if scores.is_empty() {
            let why = format!("none of the {} samples had anything to judge", self.count);
            return Err(NotApplicable::because(why).into());
        }
        Ok(whole(self.rule, self.metric.bar(), &scores, details))
    }
}

/// One score of several; there is at least one.
fn whole(rule: SampleRule, bar: Bar, scores: &[Score], details: Vec<Value>) -> Score {
    let values: Vec<f64> = scores.iter().map(|score| score.value).collect();
    let n = values.len();
    let met = values.iter().filter(|value| bar.is_met_by(**value)).count();
    let mean = of(PanelRule::Mean, bar, &values);
    let sd = deviation(&values, mean);
    let (low, high) = interval(mean, sd, n);
    let (lowest, highest) = (
        values.iter().copied().fold(1.0, f64::min),
        values.iter().copied().fold(0.0, f64::max),
    );
    let (value, counts) = match (rule, bar) {
        (SampleRule::Mean, _) => (mean, "the mean"),
        (SampleRule::Median, _) => (of(PanelRule::Median, bar, &values), "the median"),
        (SampleRule::Worst, _) => (of(PanelRule::Worst, bar, &values), "the worst"),
        (SampleRule::Majority, _) => (of(PanelRule::Majority, bar, &values), "the majority"),
        (SampleRule::Bound, Bar::AtLeast(_)) => (low, "the lower bound of the mean"),
        (SampleRule::Bound, Bar::AtMost(_)) => (high, "the upper bound of the mean"),
    };
    let mut reason = format!(
        "{counts} of {n} samples counts: {met} of {n} say {bar}, from {lowest:.2} to {highest:.2} with a mean of {mean:.2}"
    );
    // The sample that lies nearest speaks for all.
    let near = |score: &&Score| {
        let of_majority = rule == SampleRule::Majority;
        !of_majority || bar.is_met_by(score.value) == (value >= 1.0)
    };
    let aim = if rule == SampleRule::Majority {
        mean
    } else {
        value
    };
    let distance = |score: &&Score| (score.value - aim).abs();
    let nearest = scores
        .iter()
        .filter(near)
        .min_by(|a, b| distance(a).total_cmp(&distance(b)));
    if let Some(why) = nearest.and_then(|score| score.reason.as_deref())
        && !why.is_empty()
    {
        reason = format!("{reason} ({why})");
    }
    Score::new(value)
        .because(reason)
        .detail("samples", details)
        .detail("mean", mean)
        .detail("sd", sd)
        .detail("lowest", lowest)
        .detail("highest", highest)
        .detail("interval", json!([low, high]))
        .detail("flip_rate", 1.0 - met.max(n - met) as f64 / n as f64)
}

/// The standard deviation, with n − 1; 0 for a single value.
fn deviation(values: &[f64], mean: f64) -> f64 {
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (squares / values.len().saturating_sub(1).max(1) as f64).sqrt()
}

/// The 95 % interval of a mean, within 0 to 1; of a single value, all of it.
fn interval(mean: f64, sd: f64, n: usize) -> (f64, f64) {
    let Some(freedom) = n.checked_sub(2) else {
        return (0.0, 1.0);
    };
    // Beyond the table the error is below 0.1 % (Cornish and Fisher).
    let z: f64 = 1.959_964;
    let t = T
        .get(freedom)
        .copied()
        .unwrap_or_else(|| z + (z.powi(3) + z) / (4.0 * (n - 1) as f64));
    let half = t * sd / (n as f64).sqrt();
    ((mean - half).max(0.0), (mean + half).min(1.0))
}

#[cfg(test)]
#[path = "samples_tests.rs"]
mod tests;
