//! Intervals, tests and plans for shares, differences and means. Pure functions; everything random has a fixed seed.
//!
//! All intervals are two-sided, of 95 %, except the bounds of [`non_inferiority`]. STATISTICS.md says which figure
//! stands where and what it means.
//!
//! ```
//! use llmtest::stats;
//!
//! let share = stats::wilson(45, 50).unwrap();
//! assert!((share.low - 0.786).abs() < 0.001 && (share.high - 0.957).abs() < 0.001);
//! ```

mod bootstrap;
mod clusters;
mod counts;
mod flips;
mod moments;
mod multiple;
mod non_inferiority;
mod paired;
mod power;
mod quantile;
mod sequential;
mod trials;
mod variance;

pub use bootstrap::{Rng, bca, bootstrap};
pub use clusters::{clustered_error, clustered_share, design_effect, t_interval};
pub use counts::{Fisher, McNemar, fisher_exact, mcnemar};
pub use moments::Moments;
pub use multiple::{benjamini_hochberg, holm};
pub use non_inferiority::{Finding, NonInferiority, non_inferiority, non_inferiority_among};
pub use paired::{PairedT, SignFlip, Wilcoxon, paired_t, sign_flip, wilcoxon};
pub use power::{
    detectable_difference, effective_cases, paired_cases, planned_design_effect, score_cases,
};
pub use quantile::{normal_quantile, normal_share, t_quantile, t_share};
pub use sequential::{Look, Sprt, confidence_sequence, curtail, precise_enough, running_interval};
pub use trials::{Stability, flip_interval, flip_rate, pass_at_k, pass_hat_k, stability};
pub use variance::{StandardErrors, Variance, standard_errors};

use serde::{Deserialize, Serialize};

/// The 97.5 % point of the normal distribution.
pub const Z: f64 = 1.959_963_984_540_054;

/// Where a value lies, in its own unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Interval {
    /// Whether the value lies in it, ends included.
    pub fn contains(self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}

/// Wilson's score interval of the share `successes / n`, within `0.0..=1.0`. `None` for `n` = 0 or more successes than
/// `n`. (Wilson, JASA 22, 1927.)
pub fn wilson(successes: u64, n: u64) -> Option<Interval> {
    (n > 0 && successes <= n).then(|| wilson_share(successes as f64 / n as f64, n as f64))
}

/// Wilson's interval of a share seen in `n` independent cases, where `n` need not be whole.
pub(crate) fn wilson_share(share: f64, n: f64) -> Interval {
    wilson_at(share, n, Z)
}

/// The same with another quantile than [`Z`].
pub(crate) fn wilson_at(share: f64, n: f64, z: f64) -> Interval {
    let square = z * z / n;
    let centre = (share + square / 2.0) / (1.0 + square);
    let half = z / (1.0 + square) * (share * (1.0 - share) / n + square / (4.0 * n)).sqrt();
    // Rounding must not keep 0 and 1 out.
    Interval {
        low: if share <= 0.0 {
            0.0
        } else {
            (centre - half).max(0.0)
        },
        high: if share >= 1.0 {
            1.0
        } else {
            (centre + half).min(1.0)
        },
    }
}

/// Newcombe's interval of the difference `first - second` of two independent shares, each given as successes and cases;
/// within `-1.0..=1.0`. Made of both Wilson intervals. `None` where one of them is. (Newcombe, Statistics in Medicine 17,
/// 1998, method 10.)
///
/// ```
/// // The example of the paper: 56 of 70 against 48 of 80.
/// let difference = llmtest::stats::newcombe((56, 70), (48, 80)).unwrap();
/// assert!((difference.low - 0.0524).abs() < 0.0001 && (difference.high - 0.3339).abs() < 0.0001);
/// ```
pub fn newcombe(first: (u64, u64), second: (u64, u64)) -> Option<Interval> {
    let share = |(successes, n): (u64, u64)| successes as f64 / n as f64;
    let (a, b) = (wilson(first.0, first.1)?, wilson(second.0, second.1)?);
    Some(difference((share(first), a), (share(second), b)))
}

/// The interval of a difference, made of two values with theirs.
pub(crate) fn difference(first: (f64, Interval), second: (f64, Interval)) -> Interval {
    let ((p, a), (q, b)) = (first, second);
    Interval {
        low: p - q - (p - a.low).hypot(b.high - q),
        high: p - q + (a.high - p).hypot(q - b.low),
    }
}

/// The exact interval of Clopper and Pearson of the share `successes / n`: never covers less than 95 %, and is wider
/// than [`wilson`]'s. `None` for `n` = 0 or more successes than `n`. (Biometrika 26, 1934.)
///
/// ```
/// let none_of_20 = llmtest::stats::clopper_pearson(0, 20).unwrap();
/// assert!(none_of_20.low == 0.0 && (none_of_20.high - 0.168433).abs() < 1e-6);
/// ```
pub fn clopper_pearson(successes: u64, n: u64) -> Option<Interval> {
    if n == 0 || successes > n {
        return None;
    }
    let mut logs = vec![0.0_f64];
    let mut sum = 0.0;
    for k in 1..=n {
        sum += (k as f64).ln();
        logs.push(sum);
    }
    let at = |k: u64| logs.get(usize::try_from(k).unwrap_or(usize::MAX)).copied();
    let ways = |k: u64| Some(at(n)? - at(k)? - at(n - k)?);
    // P(first..=last successes | share).
    let mass = |first: u64, last: u64, share: f64| -> f64 {
        (first..=last)
            .filter_map(|k| {
                let terms = k as f64 * share.ln() + (n - k) as f64 * (1.0 - share).ln();
                Some((ways(k)? + terms).exp())
            })
            .sum()
    };
    // The share at which a rising function reaches 2.5 %.
    let solve = |rising: &dyn Fn(f64) -> f64| {
        let (mut low, mut high) = (0.0_f64, 1.0_f64);
        for _ in 0..60 {
            let middle = f64::midpoint(low, high);
            if rising(middle) < 0.025 {
                low = middle;
            } else {
                high = middle;
            }
        }
        f64::midpoint(low, high)
    };
    let low = match successes {
        0 => 0.0,
        k => solve(&|share| mass(k, n, share)),
    };
    let high = match successes {
        k if k == n => 1.0,
        k => 1.0 - solve(&|rest| mass(0, k, 1.0 - rest)),
    };
    Some(Interval { low, high })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(interval: Option<Interval>, low: f64, high: f64) {
        let found = interval.unwrap();
        assert!(
            (found.low - low).abs() < 1e-6 && (found.high - high).abs() < 1e-6,
            "{found:?} is not [{low}, {high}]"
        );
    }

    #[test]
    fn wilson_gives_the_known_values() {
        near(wilson(45, 50), 0.786_398, 0.956_524);
        near(wilson(18, 20), 0.698_966, 0.972_134);
        near(wilson(0, 20), 0.0, 0.161_125);
        near(wilson(20, 20), 1.0 - 0.161_125, 1.0);
        assert_eq!((wilson(0, 0), wilson(2, 1)), (None, None));
    }

    #[test]
    fn clopper_and_pearson_give_the_known_values() {
        near(clopper_pearson(45, 50), 0.781_865, 0.966_725);
        near(clopper_pearson(0, 20), 0.0, 0.168_433);
        near(clopper_pearson(20, 20), 1.0 - 0.168_433, 1.0);
        assert_eq!(clopper_pearson(0, 0), None);
    }

    #[test]
    fn newcombe_gives_the_values_of_the_paper() {
        let rounded = |first, second| {
            let Interval { low, high } = newcombe(first, second).unwrap();
            [low, high].map(|end| format!("{end:.4}"))
        };
        assert_eq!(rounded((56, 70), (48, 80)), ["0.0524", "0.3339"]);
        assert_eq!(rounded((9, 10), (3, 10)), ["0.1705", "0.8090"]);
        assert_eq!(rounded((10, 10), (0, 10)), ["0.6075", "1.0000"]);
        assert_eq!(newcombe((1, 2), (0, 0)), None);
    }
}
