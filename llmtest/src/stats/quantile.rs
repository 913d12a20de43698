//! Points of the normal distribution and of Student's.

use special::{Beta, Error};
use std::f64::consts::SQRT_2;

/// The share of the standard normal distribution below `z`.
///
/// ```
/// assert!((llmtest::stats::normal_share(1.959_963_984_540_054) - 0.975).abs() < 1e-9);
/// ```
pub fn normal_share(z: f64) -> f64 {
    0.5 * (-z / SQRT_2).compl_error()
}

/// The point of the standard normal distribution that the share `share` lies below; infinite for 0 and 1, not a number
/// outside of `0.0..=1.0`.
///
/// ```
/// assert!((llmtest::stats::normal_quantile(0.975) - llmtest::stats::Z).abs() < 1e-9);
/// ```
pub fn normal_quantile(share: f64) -> f64 {
    if !(0.0..=1.0).contains(&share) {
        f64::NAN
    } else if share <= 0.0 {
        f64::NEG_INFINITY
    } else if share >= 1.0 {
        f64::INFINITY
    } else {
        (2.0 * share - 1.0).inv_error() * SQRT_2
    }
}

/// The point of Student's distribution with `freedom` degrees of freedom that the share `share` lies below; not a number
/// for a share outside of `0.0..=1.0` or no degree of freedom.
///
/// ```
/// assert!((llmtest::stats::t_quantile(0.975, 3.0) - 3.182_446_305_283_707_8).abs() < 1e-9);
/// ```
pub fn t_quantile(share: f64, freedom: f64) -> f64 {
    if !(0.0..=1.0).contains(&share) || freedom.is_nan() || freedom <= 0.0 {
        return f64::NAN;
    }
    // The share beyond |t| on both sides is the incomplete beta function at freedom / (freedom + t²).
    let tails = 2.0 * share.min(1.0 - share);
    let half = freedom / 2.0;
    let x = tails.inv_inc_beta(half, 0.5, half.ln_beta(0.5));
    let t = (freedom * (1.0 - x) / x).sqrt();
    if share < 0.5 { -t } else { t }
}

/// The share of Student's distribution with `freedom` degrees of freedom below `t`; not a number for no degree of
/// freedom.
///
/// ```
/// assert!((llmtest::stats::t_share(-2.908_375, 9.0) * 2.0 - 0.017_357).abs() < 1e-6);
/// ```
pub fn t_share(t: f64, freedom: f64) -> f64 {
    if t.is_nan() || freedom.is_nan() || freedom <= 0.0 {
        return f64::NAN;
    }
    let half = freedom / 2.0;
    let x = freedom / (freedom + t * t);
    let tail = x.inc_beta(half, 0.5, half.ln_beta(0.5)) / 2.0;
    if t < 0.0 { tail } else { 1.0 - tail }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quantiles_are_scipys() {
        // scipy 1.17.1: norm.ppf and t.ppf.
        for (share, z) in [
            (0.975, 1.959_963_984_540_054),
            (0.5, 0.0),
            (0.01, -2.326_347_874_040_841),
        ] {
            assert!((normal_quantile(share) - z).abs() < 1e-10, "{share}");
            assert!((normal_share(z) - share).abs() < 1e-10, "{z}");
        }
        for (freedom, t) in [
            (1.0, 12.706_204_736_174_694),
            (3.0, 3.182_446_305_283_707_8),
            (34.0, 2.032_244_509_317_718_6),
            (400.0, 1.965_912_343_229_462_7),
        ] {
            assert!((t_quantile(0.975, freedom) - t).abs() < 1e-9, "{freedom}");
            assert!((t_quantile(0.025, freedom) + t).abs() < 1e-9, "{freedom}");
        }
    }

    #[test]
    fn the_share_below_a_quantile_is_its_own() {
        for freedom in [0.4, 1.35, 3.0, 50.0, 1000.0] {
            for share in [0.001, 0.05, 0.5, 0.8, 0.975] {
                let found = t_share(t_quantile(share, freedom), freedom);
                assert!((found - share).abs() < 1e-7, "{freedom} {share}: {found}");
            }
        }
        assert!(t_share(f64::NEG_INFINITY, 3.0) < 1e-12 && t_share(0.0, 0.0).is_nan());
    }

    #[test]
    fn what_is_no_share_has_no_quantile() {
        assert!(normal_quantile(1.1).is_nan() && t_quantile(-0.1, 3.0).is_nan());
        assert!(t_quantile(0.9, 0.0).is_nan());
        assert!(normal_quantile(1.0).is_infinite());
    }
}
