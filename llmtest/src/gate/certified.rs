//! Differences of what a judge says, corrected for its errors.

use super::policy::Policy;
use crate::runs::{Basis, MeasurementKey};
use crate::stats::{Finding, NonInferiority, non_inferiority, normal_quantile};
use crate::trust::{Confusion, refused};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Whether the certificate is of what judged this.
pub(super) fn is_certified(
    policy: &Policy,
    key: &MeasurementKey,
    bases: &BTreeSet<Arc<Basis>>,
) -> bool {
    policy.certificate.as_ref().is_some_and(|certificate| {
        bases.iter().all(|basis| {
            basis.judge.as_ref() == Some(&certificate.model)
                && certificate.metric.as_ref().is_none_or(|m| *m == key.metric)
                && certificate
                    .prompts
                    .iter()
                    .all(|(purpose, version)| basis.prompts.get(purpose) == Some(version))
        })
    })
}

/// Youden's J with its variance, of rates drawn to the middle as those of `rogan_gladen_adjusted` are.
pub(super) fn youden(judge: &Confusion) -> Result<(f64, f64), String> {
    let (good, bad) = (judge.good(), judge.bad());
    if good == 0 || bad == 0 {
        return Err("the labels of the certificate are all of one kind, which shows only one of the judge's two error rates".to_string());
    }
    let rate = |right: u64, all: u64| {
        let weight = all as f64 + 2.0;
        let rate = (right as f64 + 1.0) / weight;
        // Labels that vary together count as fewer.
        (rate, rate * (1.0 - rate) / weight * judge.effect.max(1.0))
    };
    let (right, failed) = (rate(judge.true_pass, good), rate(judge.true_fail, bad));
    let youden = right.0 + failed.0 - 1.0;
    refused(youden).map_or(Ok((youden, right.1 + failed.1)), Err)
}

/// Whether what a judge that errs calls worse is worse: [`non_inferiority`] of the differences of its verdicts, 1 for passed,
/// corrected for its errors on the labels of a certificate. `margin` and the bounds are of the true pass rates, in 0..=1. As
/// the gate compares a metric with a `certificate`; none for no differences.
///
/// # Errors
///
/// Fails where the labels do not show both error rates, or show that the verdicts say too little (a J of 0.2 or less).
///
/// ```
/// use llmtest::trust::Confusion;
///
/// let judge = Confusion { true_pass: 63, false_fail: 7, false_pass: 6, true_fail: 24, ..Confusion::default() };
/// let lost = [[-1.0; 7].as_slice(), &[0.0; 93]].concat();
/// let found = llmtest::gate::certified_non_inferiority(&lost, &judge, 0.05, 0.05).unwrap().unwrap();
/// // The judge shows 0.07 of a drop of 0.10.
/// assert!((found.mean + 0.104).abs() < 0.001);
/// ```
pub fn certified_non_inferiority(
    differences: &[f64],
    judge: &Confusion,
    margin: f64,
    alpha: f64,
) -> Result<Option<NonInferiority>, String> {
    let among = |margin| non_inferiority(differences, None, margin, alpha);
    Ok(compared(among, youden(judge)?, margin, alpha))
}

/// What `among` says of the verdicts, held against the margin as the judge shows it, corrected for its errors.
pub(super) fn compared(
    among: impl FnOnce(f64) -> Option<NonInferiority>,
    judge: (f64, f64),
    margin: f64,
    alpha: f64,
) -> Option<NonInferiority> {
    among(margin * judge.0).map(|raw| corrected(raw, judge, margin, alpha))
}

/// A difference of two pass rates as a judge found them, whose errors are the same in both runs: each true difference shows
/// `J` times as large, so that it is divided by `J` (Rogan and Gladen). The bounds add what is not known of `J` to what is not
/// known of the difference, by the delta method: `hypot(bound of d / J, z |d| sd(J) / J²)`.
///
/// Whether there is a regression does not depend on `J`, which is above 0: its p value stays.
fn corrected(
    raw: NonInferiority,
    (youden, variance): (f64, f64),
    margin: f64,
    alpha: f64,
) -> NonInferiority {
    let z = normal_quantile(1.0 - alpha);
    let mean = raw.mean / youden;
    let scale = z * raw.mean.abs() * variance.sqrt() / (youden * youden);
    let mut low = mean - ((raw.mean - raw.low) / youden).hypot(scale);
    let mut high = mean + ((raw.high - raw.mean) / youden).hypot(scale);
    // J is at most 1: what is surely above or below 0 is so by no less than the judge shows.
    if raw.low > 0.0 {
        low = low.max(raw.low);
    }
    if raw.high < 0.0 {
        high = high.min(raw.high);
    }
    let finding = if low > -margin {
        Finding::Pass
    } else if raw.p_regression < alpha {
        Finding::Fail
    } else {
        Finding::Inconclusive
    };
    NonInferiority {
        finding,
        mean: mean.clamp(-1.0, 1.0),
        low: low.clamp(-1.0, 1.0),
        high: high.clamp(-1.0, 1.0),
        detectable: raw
            .detectable
            .map(|drop| drop / youden)
            .filter(|drop| *drop < 1.0),
        settled_by: raw.settled_by.filter(|_| finding == Finding::Inconclusive),
        ..raw
    }
}
