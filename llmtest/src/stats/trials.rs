//! What several trials of one case say together.

use super::{Interval, wilson};
use serde::{Deserialize, Serialize};

/// The share of the ways to draw `k` of `n` trials, of which `passed` passed, for which `which` holds of (drawn from,
/// of those): the product of (a - i) / (n - i).
fn all_drawn_from(n: u64, among: u64, k: u64) -> Option<f64> {
    if k == 0 || k > n || among > n {
        return None;
    }
    if among < k {
        return Some(0.0);
    }
    Some(
        (0..k)
            .map(|i| (among - i) as f64 / (n - i) as f64)
            .product(),
    )
}

/// The probability that at least one of `k` trials passes, from `n` trials of which `passed` did:
/// `1 - C(n - passed, k) / C(n, k)`, which is unbiased. `None` unless `1 <= k <= n` and `passed <= n`. (Chen et al.,
/// Evaluating Large Language Models Trained on Code, 2021.)
///
/// ```
/// assert!((llmtest::stats::pass_at_k(10, 3, 5).unwrap() - 0.916_667).abs() < 1e-6);
/// ```
pub fn pass_at_k(n: u64, passed: u64, k: u64) -> Option<f64> {
    let failed = n.checked_sub(passed)?;
    all_drawn_from(n, failed, k).map(|none| 1.0 - none)
}

/// The probability that all of `k` trials pass, from `n` trials of which `passed` did: `C(passed, k) / C(n, k)`. `None`
/// unless `1 <= k <= n` and `passed <= n`. (Yao et al., τ-bench, 2024.)
///
/// ```
/// assert!((llmtest::stats::pass_hat_k(10, 8, 3).unwrap() - 0.466_667).abs() < 1e-6);
/// ```
pub fn pass_hat_k(n: u64, passed: u64, k: u64) -> Option<f64> {
    all_drawn_from(n, passed, k)
}

/// The share of `n` trials that do not end as most of them do: 0 where all agree, at most a half. `None` for no trial and
/// for more passed than trials.
///
/// ```
/// assert_eq!(llmtest::stats::flip_rate(5, 4), Some(0.2));
/// ```
pub fn flip_rate(n: u64, passed: u64) -> Option<f64> {
    let failed = n.checked_sub(passed).filter(|_| n > 0)?;
    Some(passed.min(failed) as f64 / n as f64)
}

/// Where the flip rate lies: Wilson's interval of the share of the rarer outcome. Its lower end is the evidence that a
/// quarantine needs. `None` as [`flip_rate`].
///
/// ```
/// use llmtest::stats::flip_interval;
///
/// assert!(flip_interval(5, 4).unwrap().low < 0.1); // one flip of five is no evidence yet
/// assert!(flip_interval(20, 14).unwrap().low > 0.1);
/// ```
pub fn flip_interval(n: u64, passed: u64) -> Option<Interval> {
    wilson(passed.min(n.checked_sub(passed)?), n)
}

/// How the trials of a case agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Stability {
    /// All passed.
    StablePass,
    /// Some passed, and some failed.
    Flaky,
    /// All failed.
    StableFail,
    /// Some could not be judged, and those that were agree.
    Error,
}

/// What trials of one case come to; `None` for no trial. A trial that could not be judged is neither a pass nor a fail:
/// trials that disagree are flaky whatever else happened, and otherwise one error makes it an error.
///
/// ```
/// use llmtest::stats::{Stability, stability};
///
/// assert_eq!(stability(3, 0, 0), Some(Stability::StablePass));
/// assert_eq!(stability(2, 1, 0), Some(Stability::Flaky));
/// assert_eq!(stability(2, 0, 1), Some(Stability::Error));
/// ```
pub fn stability(passed: u64, failed: u64, errored: u64) -> Option<Stability> {
    match (passed > 0, failed > 0, errored > 0) {
        (false, false, false) => None,
        (true, true, _) => Some(Stability::Flaky),
        (_, _, true) => Some(Stability::Error),
        (true, false, false) => Some(Stability::StablePass),
        (false, true, false) => Some(Stability::StableFail),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_give_the_known_values() {
        assert!((pass_at_k(10, 3, 5).unwrap() - 0.916_667).abs() < 1e-6);
        assert!((pass_hat_k(10, 8, 3).unwrap() - 0.466_667).abs() < 1e-6);
    }

    #[test]
    fn one_trial_of_k_is_the_pass_rate() {
        for passed in 0..=7 {
            let rate = passed as f64 / 7.0;
            assert!((pass_at_k(7, passed, 1).unwrap() - rate).abs() < 1e-12);
            assert!((pass_hat_k(7, passed, 1).unwrap() - rate).abs() < 1e-12);
        }
        assert_eq!(
            (pass_at_k(4, 1, 4), pass_hat_k(4, 3, 4)),
            (Some(1.0), Some(0.0))
        );
    }

    #[test]
    fn what_was_not_tried_has_no_rate() {
        assert_eq!(
            (pass_at_k(3, 2, 4), pass_at_k(3, 2, 0), pass_at_k(3, 4, 1)),
            (None, None, None)
        );
        assert_eq!((pass_hat_k(3, 2, 4), pass_hat_k(3, 4, 1)), (None, None));
        assert_eq!(
            (flip_rate(0, 0), flip_rate(2, 3), flip_interval(0, 0)),
            (None, None, None)
        );
    }

    #[test]
    fn the_flip_rate_is_that_of_the_rarer_outcome() {
        assert_eq!(
            [flip_rate(4, 1), flip_rate(4, 3), flip_rate(4, 4)],
            [Some(0.25), Some(0.25), Some(0.0)]
        );
        assert_eq!(flip_interval(4, 1), flip_interval(4, 3));
    }

    #[test]
    fn trials_that_disagree_are_flaky_even_beside_an_error() {
        assert_eq!(stability(1, 1, 1), Some(Stability::Flaky));
        assert_eq!(stability(0, 2, 1), Some(Stability::Error));
        assert_eq!(stability(0, 2, 0), Some(Stability::StableFail));
        assert_eq!(
            (stability(0, 0, 2), stability(0, 0, 0)),
            (Some(Stability::Error), None)
        );
    }
}
