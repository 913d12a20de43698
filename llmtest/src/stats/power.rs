//! How many cases a question needs, and what a number of cases can see.

use super::normal_quantile;

/// The number of cases that this many are at least.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates, and is not negative"
)]
pub(super) fn whole(cases: f64) -> usize {
    cases.max(0.0).ceil() as usize
}

/// Both points of the normal distribution that a plan needs. `None` outside of `0.0..0.5` and `0.5..1.0`.
fn points(alpha: f64, power: f64) -> Option<(f64, f64)> {
    let valid = alpha > 0.0 && alpha < 0.5 && (0.5..1.0).contains(&power);
    valid.then(|| (normal_quantile(1.0 - alpha), normal_quantile(power)))
}

/// How many paired cases of pass and fail show a drop of `delta` in the pass rate with probability `power`, where a share
/// `psi` of the cases changes its outcome between runs; one-sided at `alpha`. `None` where `delta` is not above 0 and at
/// most `psi`, `psi` not at most 1, `alpha` not in `0.0..0.5` or `power` not in `0.5..1.0`. (Connor, Biometrics 43, 1987.)
///
/// ```
/// use llmtest::stats::paired_cases;
///
/// assert_eq!(paired_cases(0.2, 0.05, 0.05, 0.8), Some(493));
/// assert_eq!(paired_cases(0.2, 0.10, 0.05, 0.8), Some(122));
/// ```
pub fn paired_cases(psi: f64, delta: f64, alpha: f64, power: f64) -> Option<usize> {
    let (a, b) = points(alpha, power)?;
    let valid = delta > 0.0 && delta <= psi && psi <= 1.0;
    valid.then(|| {
        let root = a * psi.sqrt() + b * (psi - delta * delta).sqrt();
        whole(root * root / (delta * delta))
    })
}

/// The smallest difference of means that `n` paired cases whose differences have the standard deviation `sd` show with
/// probability `power`; one-sided at `alpha`. `None` for no case, an `sd` below 0 or not finite, and the limits of
/// [`paired_cases`].
///
/// ```
/// let seen = llmtest::stats::detectable_difference(0.45, 100, 0.05, 0.8).unwrap();
/// assert!((seen - 0.112).abs() < 0.001);
/// ```
pub fn detectable_difference(sd: f64, n: usize, alpha: f64, power: f64) -> Option<f64> {
    let (a, b) = points(alpha, power)?;
    let valid = n > 0 && sd >= 0.0 && sd.is_finite();
    valid.then_some((a + b) * sd / (n as f64).sqrt())
}

/// How many cases show a difference `delta` of means, where the differences have the standard deviation `sd`: the
/// inverse of [`detectable_difference`]. `None` for a `delta` that is not above 0, and the limits of that.
///
/// ```
/// assert_eq!(llmtest::stats::score_cases(0.45, 0.1, 0.05, 0.8), Some(126));
/// ```
pub fn score_cases(sd: f64, delta: f64, alpha: f64, power: f64) -> Option<usize> {
    let (a, b) = points(alpha, power)?;
    let valid = delta > 0.0 && sd >= 0.0 && sd.is_finite();
    valid.then(|| whole(((a + b) * sd / delta).powi(2)).max(1))
}

/// The variance of a mean grows by this where `n` cases come in groups of `size` with the correlation `icc` within a
/// group: `1 + (size - 1) icc`, at least 1. From data: [`design_effect`](super::design_effect). (Kish, Survey Sampling,
/// 1965.)
///
/// ```
/// assert!((llmtest::stats::planned_design_effect(10.0, 0.3) - 3.7).abs() < 1e-12);
/// ```
pub fn planned_design_effect(size: f64, icc: f64) -> f64 {
    (1.0 + (size - 1.0) * icc).max(1.0)
}

/// A judge below this tells too little to gate by.
const LEAST_YOUDEN: f64 = 0.2;

/// How many cases without error tell as much of a difference as `n` cases that a judge with the given sensitivity and
/// specificity looked at: `n J²`, with Youden's `J = sensitivity + specificity - 1`, by which the judge shrinks every
/// true difference. `None` for shares outside of `0.0..=1.0`, and for `J` up to 0.2: such a judge should not gate.
/// (Youden, Cancer 3, 1950.)
///
/// ```
/// use llmtest::stats::effective_cases;
///
/// assert!((effective_cases(100, 0.9, 0.9).unwrap() - 64.0).abs() < 1e-9);
/// assert_eq!(effective_cases(100, 0.6, 0.55), None);
/// ```
pub fn effective_cases(n: usize, sensitivity: f64, specificity: f64) -> Option<f64> {
    let share = 0.0..=1.0;
    let youden = sensitivity + specificity - 1.0;
    let valid = share.contains(&sensitivity) && share.contains(&specificity);
    (valid && youden > LEAST_YOUDEN).then_some(n as f64 * youden * youden)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sample_sizes_are_the_known_ones() {
        let n = |psi, delta| paired_cases(psi, delta, 0.05, 0.8);
        assert_eq!(
            [n(0.2, 0.05), n(0.2, 0.1), n(0.3, 0.05)],
            [Some(493), Some(122), Some(740)]
        );
    }

    #[test]
    fn what_cannot_be_planned_is_none() {
        assert_eq!(paired_cases(0.1, 0.2, 0.05, 0.8), None);
        assert_eq!(paired_cases(0.2, 0.0, 0.05, 0.8), None);
        assert_eq!(paired_cases(0.2, 0.1, 0.7, 0.8), None);
        assert_eq!(detectable_difference(0.4, 0, 0.05, 0.8), None);
        assert_eq!(detectable_difference(f64::NAN, 9, 0.05, 0.8), None);
        assert_eq!(score_cases(0.4, 0.1, 0.05, 1.0), None);
        assert_eq!(effective_cases(10, 1.2, 0.9), None);
    }

    #[test]
    fn the_cases_for_a_difference_can_see_it() {
        for delta in [0.02, 0.1, 0.3] {
            let n = score_cases(0.45, delta, 0.05, 0.8).unwrap();
            assert!(detectable_difference(0.45, n, 0.05, 0.8).unwrap() <= delta);
            assert!(detectable_difference(0.45, n - 1, 0.05, 0.8).unwrap() > delta);
        }
    }

    #[test]
    fn groups_of_one_have_no_effect() {
        assert!((planned_design_effect(1.0, 0.9) - 1.0).abs() < 1e-12);
        assert!((planned_design_effect(5.0, -0.5) - 1.0).abs() < 1e-12);
    }
}
