//! Pass rates that a judge found, corrected for its errors.
//!
//! Rogan and Gladen (American Journal of Epidemiology 107, 1978) need the judge's error rates to hold for what was
//! judged; prediction-powered inference needs the labelled items to be a random sample of it, and is narrower.

use super::{Confusion, Figure};
use crate::stats::{Interval, Z};
use serde::{Deserialize, Serialize};

/// Below this J the judge says too little to be corrected.
const LEAST_YOUDEN: f64 = 0.2;
/// Below this many expected items of the rarer label, PPI++ covers too seldom.
const FEW: f64 = 10.0;

/// Labels beside verdicts, as counts: what [`Confusion`] has.
pub type Labelled = Confusion;

/// Where a corrected rate comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Estimator {
    /// Rogan and Gladen, adjusted for small samples.
    RoganGladen,
    /// PPI++.
    Ppi,
    /// The labels alone.
    Labels,
}

/// A pass rate, corrected in every way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Correction {
    /// What the judge said.
    pub raw: Figure,
    /// Rogan and Gladen; none where the judge is refused.
    pub rogan_gladen: Option<Figure>,
    /// The same, adjusted for small samples.
    pub rogan_gladen_adjusted: Option<Figure>,
    /// PPI++.
    pub ppi: Option<Figure>,
    /// The weight λ of the judge in PPI++: 0 is labels alone.
    pub lambda: Option<f64>,
    /// The labels alone, with Wilson's interval.
    pub labels: Figure,
    /// Which of them to use.
    pub use_this: Estimator,
    /// Why.
    pub because: String,
}

impl Correction {
    /// The figure to use.
    pub fn figure(&self) -> Figure {
        match self.use_this {
            Estimator::RoganGladen => self.rogan_gladen_adjusted.unwrap_or(self.labels),
            Estimator::Ppi => self.ppi.unwrap_or(self.labels),
            Estimator::Labels => self.labels,
        }
    }
}

/// The pass rate by Rogan and Gladen, `(p + q0 - 1) / J`, with the interval of the delta method; both within
/// `0.0..=1.0`. `passed` of `n` unlabelled items passed.
///
/// # Errors
///
/// Fails for a J of 0.2 or less, or without labels of both kinds or without verdicts.
///
/// ```
/// use llmtest::trust::{Confusion, rogan_gladen};
///
/// let judge = Confusion { true_pass: 63, false_fail: 7, false_pass: 6, true_fail: 24, ..Confusion::default() };
/// let rate = rogan_gladen(&judge, 288, 400).unwrap();
/// assert!((rate.value.unwrap() - 0.742_857).abs() < 1e-6);
/// ```
pub fn rogan_gladen(judge: &Labelled, passed: u64, n: u64) -> Result<Figure, String> {
    usable(judge, passed, n)?;
    let share = |part: u64, whole: u64| (part as f64 / whole as f64, whole as f64);
    let said = share(passed, n);
    let effect = judge.effect.max(1.0);
    let right = fewer(share(judge.true_pass, judge.good()), effect);
    let failed = fewer(share(judge.true_fail, judge.bad()), effect);
    Ok(invert(said, right, failed, n))
}

/// [`rogan_gladen`] with shares drawn to the middle: `(n p + z² / 2) / (n + z²)` for the pass rate and
/// `(h + 1) / (m + 2)` for the judge's rates, which keeps an interval for a judge that made no error. (Lang and
/// Reiczigel, Preventive Veterinary Medicine 113, 2014.)
///
/// # Errors
///
/// As [`rogan_gladen`].
pub fn rogan_gladen_adjusted(judge: &Labelled, passed: u64, n: u64) -> Result<Figure, String> {
    usable(judge, passed, n)?;
    let square = Z * Z;
    let weight = n as f64 + square;
    let said = ((passed as f64 + square / 2.0) / weight, weight);
    let drawn = |part: u64, whole: u64| {
        let weight = whole as f64 + 2.0;
        ((part as f64 + 1.0) / weight, weight)
    };
    let right = drawn(judge.true_pass, judge.good());
    let failed = drawn(judge.true_fail, judge.bad());
    if right.0 + failed.0 - 1.0 <= LEAST_YOUDEN {
        return Err(refusal(right.0 + failed.0 - 1.0));
    }
    let effect = judge.effect.max(1.0);
    Ok(invert(said, fewer(right, effect), fewer(failed, effect), n))
}

/// A share of labels that tell as much as so many fewer independent ones.
fn fewer((share, n): (f64, f64), effect: f64) -> (f64, f64) {
    (share, n / effect)
}

fn usable(judge: &Labelled, passed: u64, n: u64) -> Result<(), String> {
    if n == 0 || passed > n {
        return Err(format!("{passed} of {n} is no share of verdicts"));
    }
    let Some(youden) = judge.youden().value else {
        return Err("the labels are all of one kind, which shows only one of the judge's two error rates\nhint: label items that the judge decided the other way".to_string());
    };
    if youden <= LEAST_YOUDEN {
        return Err(refusal(youden));
    }
    Ok(())
}

/// Why a judge with this J is not corrected for, where that is so.
pub(crate) fn refused(youden: f64) -> Option<String> {
    (youden <= LEAST_YOUDEN).then(|| refusal(youden))
}

fn refusal(youden: f64) -> String {
    format!(
        "the judge's J is {youden:.2}, and at {LEAST_YOUDEN} or less its verdicts say too little to be corrected\n\
         hint: use the labels alone, or another judge"
    )
}

/// Shares with the number of items behind each.
fn invert(said: (f64, f64), right: (f64, f64), failed: (f64, f64), n: u64) -> Figure {
    let youden = right.0 + failed.0 - 1.0;
    let rate = ((said.0 + failed.0 - 1.0) / youden).clamp(0.0, 1.0);
    let variance = |(share, n): (f64, f64)| share * (1.0 - share) / n;
    let sum =
        variance(said) + (1.0 - rate).powi(2) * variance(failed) + rate.powi(2) * variance(right);
    around(rate, sum.sqrt() / youden, n)
}

fn around(rate: f64, error: f64, n: u64) -> Figure {
    Figure {
        value: Some(rate),
        interval: Some(Interval {
            low: (rate - Z * error).max(0.0),
            high: (rate + Z * error).min(1.0),
        }),
        n: usize::try_from(n).unwrap_or(usize::MAX),
    }
}

/// The mean by PPI++ with its weight λ: `λ mean(unlabelled) + mean(y - λ f)`, where `labelled` holds pairs of label and
/// the judge's value and `unlabelled` the judge's values elsewhere. λ is what makes the variance least,
/// `Cov(y, f) / ((1 + m / n) Var(f))`, within `0.0..=1.0`; `lambda` sets another, and 0 is labels alone. Values may be
/// any numbers: for shares 0 and 1. `None` for fewer than two items on a side, or where the interval would have no width.
/// (Angelopoulos, Duchi and Zrnic, 2023.)
///
/// ```
/// let labelled = [(1.0, 0.9), (0.0, 0.3), (1.0, 0.7), (0.0, 0.1)];
/// let (mean, lambda) = llmtest::trust::ppi(&labelled, &[0.8, 0.6, 0.9, 0.2, 0.7], None).unwrap();
/// assert!(lambda > 0.0 && mean.value.unwrap() > 0.5);
/// ```
pub fn ppi(
    labelled: &[(f64, f64)],
    unlabelled: &[f64],
    lambda: Option<f64>,
) -> Option<(Figure, f64)> {
    let (m, n) = (labelled.len() as f64, unlabelled.len() as f64);
    if labelled.len() < 2 || unlabelled.len() < 2 {
        return None;
    }
    let judged: Vec<f64> = labelled.iter().map(|(_, f)| *f).collect();
    let labels: Vec<f64> = labelled.iter().map(|(y, _)| *y).collect();
    let lambda = lambda.unwrap_or_else(|| {
        let (mean_y, mean_f) = (mean(&labels), mean(&judged));
        let products = labelled.iter().map(|(y, f)| (y - mean_y) * (f - mean_f));
        let covariance = products.sum::<f64>() / (m - 1.0);
        let all: Vec<f64> = judged.iter().chain(unlabelled).copied().collect();
        let spread = (1.0 + m / n) * variance(&all);
        if spread > 0.0 {
            (covariance / spread).clamp(0.0, 1.0)
        } else {
            0.0
        }
    });
    let rest: Vec<f64> = labelled.iter().map(|(y, f)| y - lambda * f).collect();
    let value = lambda * mean(unlabelled) + mean(&rest);
    let error = (lambda * lambda * variance(unlabelled) / n + variance(&rest) / m).sqrt();
    let figure = Figure {
        value: Some(value),
        interval: Some(Interval {
            low: value - Z * error,
            high: value + Z * error,
        }),
        n: unlabelled.len(),
    };
    (error > 0.0).then_some((figure, lambda))
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn variance(values: &[f64]) -> f64 {
    let mean = mean(values);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    squares / (values.len() as f64 - 1.0)
}

/// The share of the labelled that is good, without the judge.
pub fn labels_alone(judge: &Labelled) -> Figure {
    Figure::share(judge.good(), judge.n())
}

/// Corrects a pass rate in every way, and says which to use: PPI++; where fewer than 10 items of the rarer label are
/// expected, Rogan and Gladen's, adjusted; where the judge is refused, the labels alone.
///
/// # Errors
///
/// Fails without labels, or for `passed` above `n`.
///
/// ```
/// use llmtest::trust::{Confusion, Estimator, correct};
///
/// let judge = Confusion { true_pass: 63, false_fail: 7, false_pass: 6, true_fail: 24, ..Confusion::default() };
/// let rate = correct(&judge, 288, 400).unwrap();
/// assert_eq!(rate.use_this, Estimator::Ppi);
/// assert!((rate.figure().value.unwrap() - 0.717_416).abs() < 1e-6);
/// ```
pub fn correct(judge: &Labelled, passed: u64, n: u64) -> Result<Correction, String> {
    let labels = labels_alone(judge);
    let (Some(good), false) = (labels.value, n == 0 || passed > n) else {
        return Err(format!(
            "{passed} of {n} verdicts and {} labels give no pass rate",
            labels.n
        ));
    };
    let pairs = [
        ((1.0, 1.0), judge.true_pass),
        ((1.0, 0.0), judge.false_fail),
        ((0.0, 1.0), judge.false_pass),
        ((0.0, 0.0), judge.true_fail),
    ];
    let times = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    let labelled: Vec<(f64, f64)> = pairs
        .iter()
        .flat_map(|(pair, count)| std::iter::repeat_n(*pair, times(*count)))
        .collect();
    let mut unlabelled = vec![1.0; times(passed)];
    unlabelled.resize(times(n), 0.0);
    let ppi = ppi(&labelled, &unlabelled, None).map(|(figure, lambda)| {
        let interval = figure.interval.map(|i| Interval {
            low: i.low.max(0.0),
            high: i.high.min(1.0),
        });
        let value = figure.value.map(|value| value.clamp(0.0, 1.0));
        (
            Figure {
                value,
                interval,
                ..figure
            },
            lambda,
        )
    });
    let adjusted = rogan_gladen_adjusted(judge, passed, n);
    let rate = ppi.and_then(|(figure, _)| figure.value).unwrap_or(good);
    let rarer = labels.n as f64 * rate.min(1.0 - rate);
    let (use_this, because) = match (&ppi, &adjusted) {
        (Some(_), _) if rarer >= FEW => (
            Estimator::Ppi,
            "PPI++ is the narrowest where the labelled items are a random sample of what was judged".to_string(),
        ),
        (_, Ok(_)) => (
            Estimator::RoganGladen,
            format!("{rarer:.1} labelled items of the rarer kind are expected, and PPI++ needs {FEW:.0}"),
        ),
        (_, Err(refused)) => (Estimator::Labels, refused.lines().next().unwrap_or_default().to_string()),
    };
    Ok(Correction {
        raw: Figure::share(passed, n),
        rogan_gladen: rogan_gladen(judge, passed, n).ok(),
        rogan_gladen_adjusted: adjusted.ok(),
        ppi: ppi.map(|(figure, _)| figure),
        lambda: ppi.map(|(_, lambda)| lambda),
        labels,
        use_this,
        because,
    })
}

/// How many cases of a comparison `n` cases with this judge are worth: `J² n`, since a judge shrinks true differences by
/// J: `1 / J²` times as many are needed as with labels.
///
/// ```
/// assert_eq!(llmtest::trust::effective_n(400, 0.5), 100.0);
/// ```
pub fn effective_n(n: u64, youden: f64) -> f64 {
    n as f64 * youden.clamp(0.0, 1.0).powi(2)
}

#[cfg(test)]
#[path = "correction_tests.rs"]
mod tests;
