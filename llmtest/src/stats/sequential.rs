//! Looking at results while they come in. An ordinary interval that is looked at after each case is wrong far more often
//! than it says; what is here may be looked at any time. The order of the cases has to be random.

use super::{Interval, Moments};

/// What a look comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Look {
    /// More cases may change it.
    Continue,
    /// It passes.
    Pass,
    /// It fails.
    Fail,
    /// The cap is reached without an answer.
    Inconclusive,
}

/// Wald's test of "the pass rate is at least `good`" against "at most `bad`", case by case. (Wald, Annals of
/// Mathematical Statistics 16, 1945.)
///
/// ```
/// use llmtest::stats::{Look, Sprt};
///
/// let mut test = Sprt::new(0.8, 0.7, 0.05, 0.1).unwrap();
/// let mut looks = (0..).map(|_| test.step(true));
/// assert_eq!(looks.position(|look| look == Look::Pass), Some(16)); // seventeen passes settle it
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sprt {
    passed: f64,
    failed: f64,
    lower: f64,
    upper: f64,
    cap: Option<usize>,
    sum: f64,
    n: usize,
    settled: Look,
}

impl Sprt {
    /// Fails a rate of `good` with probability `alpha`, and passes one of `bad` with probability `beta`, both nearly.
    /// `None` unless `0 < bad < good < 1` and both probabilities are in `0.0..0.5`.
    pub fn new(good: f64, bad: f64, alpha: f64, beta: f64) -> Option<Self> {
        let error = |p: f64| p > 0.0 && p < 0.5;
        let valid = 0.0 < bad && bad < good && good < 1.0 && error(alpha) && error(beta);
        valid.then(|| Self {
            passed: (bad / good).ln(),
            failed: ((1.0 - bad) / (1.0 - good)).ln(),
            lower: (beta / (1.0 - alpha)).ln(),
            upper: ((1.0 - beta) / alpha).ln(),
            cap: None,
            sum: 0.0,
            n: 0,
            settled: Look::Continue,
        })
    }

    /// Ends as inconclusive after `cases` cases.
    #[must_use]
    pub fn cap(self, cases: usize) -> Self {
        Self {
            cap: Some(cases),
            ..self
        }
    }

    /// Below the first it passes, above the second it fails.
    pub fn bounds(&self) -> (f64, f64) {
        (self.lower, self.upper)
    }

    /// What a passed and a failed case add.
    pub fn steps(&self) -> (f64, f64) {
        (self.passed, self.failed)
    }

    /// Adds a case. What is settled stays so.
    pub fn step(&mut self, passed: bool) -> Look {
        if self.settled != Look::Continue {
            return self.settled;
        }
        self.n += 1;
        self.sum += if passed { self.passed } else { self.failed };
        self.settled = if self.sum <= self.lower {
            Look::Pass
        } else if self.sum >= self.upper {
            Look::Fail
        } else if self.cap.is_some_and(|cap| self.n >= cap) {
            Look::Inconclusive
        } else {
            Look::Continue
        };
        self.settled
    }

    /// How many cases it took.
    pub fn cases(&self) -> usize {
        self.n
    }
}

/// Half the width of the asymptotic confidence sequence of a mean after `n` values with the given variance: the mean is
/// within it at all times together, with confidence `1 - alpha`, once there are some dozens of values. It is narrowest
/// at about `tuned` values (100 is usual). `None` for no value, a variance below 0, `tuned` = 0 and an `alpha` outside of
/// `0.0..1.0`. (Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, Annals of Statistics 52, 2024.)
///
/// ```
/// let half = llmtest::stats::confidence_sequence(100, 0.16, 0.05, 100).unwrap();
/// assert!((half - 0.137_158).abs() < 1e-6);
/// ```
pub fn confidence_sequence(n: usize, variance: f64, alpha: f64, tuned: usize) -> Option<f64> {
    let valid =
        n > 0 && tuned > 0 && alpha > 0.0 && alpha < 1.0 && variance >= 0.0 && variance.is_finite();
    valid.then(|| {
        let wide = -2.0 * alpha.ln();
        let square = (wide + wide.ln() + 1.0) / tuned as f64;
        let n = n as f64;
        let grown = n * variance * square + 1.0;
        (grown / (n * n * square) * (grown / (alpha * alpha)).ln()).sqrt()
    })
}

/// The same as an interval of the mean of values in `0.0..=1.0` so far. Values that are all equal do not show how
/// others would vary: the variance is at least that of one more value in the other half of the range. `None` for fewer
/// than two values.
///
/// ```
/// use llmtest::stats::{Moments, running_interval};
///
/// let all_passed: Moments = std::iter::repeat_n(1.0, 100).collect();
/// let interval = running_interval(&all_passed, 0.05).unwrap();
/// assert!(interval.low < 0.95 && interval.high == 1.0);
/// ```
pub fn running_interval(values: &Moments, alpha: f64) -> Option<Interval> {
    let (n, mean) = (values.count(), values.mean()?);
    if n < 2 {
        return None;
    }
    let least = 1.0 / n as f64 * (1.0 - 1.0 / n as f64);
    let half = confidence_sequence(n, values.variance()?.max(least), alpha, TUNED)?;
    Some(Interval {
        low: (mean - half).max(0.0),
        high: (mean + half).min(1.0),
    })
}

const TUNED: usize = 100;
const LEAST_FOR_PRECISION: usize = 20;

/// Whether the mean is known to within `half`, at 95 %: 20 values at least, and half the width of their interval at most
/// that. For ending an *estimation* early, which keeps its coverage; never for a test against a bar, which would not
/// keep its error.
///
/// ```
/// use llmtest::stats::{Moments, precise_enough};
///
/// let half_passed = |n: usize| (0..n).map(|k| (k % 2) as f64).collect::<Moments>();
/// assert!(!precise_enough(&half_passed(50), 0.1) && precise_enough(&half_passed(100), 0.1));
/// ```
pub fn precise_enough(values: &Moments, half: f64) -> bool {
    let narrow = |interval: Interval| (interval.high - interval.low) / 2.0 <= half;
    values.count() >= LEAST_FOR_PRECISION && values.interval().is_some_and(narrow)
}

/// Whether `needed` passes of `total` cases can still be missed, or reached, after `done` of which `passed` did: the only
/// early end that never changes the verdict. Counts above `total` are taken as that.
///
/// ```
/// use llmtest::stats::{Look, curtail};
///
/// assert_eq!(curtail(5, 16, 20, 10), Look::Fail); // nine at most
/// assert_eq!(curtail(10, 12, 20, 10), Look::Pass);
/// assert_eq!(curtail(6, 12, 20, 10), Look::Continue);
/// ```
pub fn curtail(passed: usize, done: usize, total: usize, needed: usize) -> Look {
    let left = total.saturating_sub(done);
    if passed >= needed {
        Look::Pass
    } else if passed.saturating_add(left) < needed {
        Look::Fail
    } else {
        Look::Continue
    }
}

#[cfg(test)]
mod tests {
    use super::super::Rng;
    use super::*;

    #[test]
    fn walds_bounds_and_steps_are_the_known_ones() {
        let test = Sprt::new(0.8, 0.7, 0.05, 0.1).unwrap();
        let ((lower, upper), (passed, failed)) = (test.bounds(), test.steps());
        assert!((lower + 2.251).abs() < 1e-3 && (upper - 2.890).abs() < 1e-3);
        assert!((passed + 0.1335).abs() < 1e-4 && (failed - 0.4055).abs() < 1e-4);
    }

    #[test]
    fn walds_test_errs_as_rarely_and_ends_as_early_as_it_should() {
        let mut rng = Rng::new(17);
        let mut rate = |p: f64| {
            let (mut failed, mut cases) = (0, 0);
            for _ in 0..4000 {
                let mut test = Sprt::new(0.8, 0.7, 0.05, 0.1).unwrap();
                let mut look = Look::Continue;
                while look == Look::Continue {
                    look = test.step(rng.unit() < p);
                }
                failed += usize::from(look == Look::Fail);
                cases += test.cases();
            }
            (failed as f64 / 4000.0, cases as f64 / 4000.0)
        };
        let (good, bad) = (rate(0.8), rate(0.7));
        assert!(good.0 < 0.06 && (good.1 - 81.0).abs() < 6.0, "{good:?}");
        assert!(1.0 - bad.0 < 0.105 && (bad.1 - 90.0).abs() < 6.0, "{bad:?}");
    }

    #[test]
    fn a_cap_ends_it_and_what_is_settled_stays() {
        let mut test = Sprt::new(0.8, 0.7, 0.05, 0.1).unwrap().cap(3);
        let looks = [true, false, true, true].map(|passed| test.step(passed));
        assert_eq!(
            looks[1..],
            [Look::Continue, Look::Inconclusive, Look::Inconclusive]
        );
        assert_eq!(test.cases(), 3);
        assert!(
            Sprt::new(0.7, 0.8, 0.05, 0.1).is_none() && Sprt::new(0.8, 0.7, 0.0, 0.1).is_none()
        );
    }

    #[test]
    fn the_confidence_sequence_gives_the_known_values() {
        let half = |n| confidence_sequence(n, 0.16, 0.05, 100).unwrap();
        assert!((half(100) - 0.137_158).abs() < 1e-6 && (half(400) - 0.060_939).abs() < 1e-6);
        assert_eq!(confidence_sequence(0, 0.16, 0.05, 100), None);
        assert_eq!(confidence_sequence(9, -1.0, 0.05, 100), None);
    }

    #[test]
    fn the_running_interval_holds_at_all_times_together() {
        let mut rng = Rng::new(23);
        let mut missed = 0;
        for _ in 0..500 {
            let mut values = Moments::default();
            let mut out = false;
            for n in 1..=400 {
                values.add(f64::from(u8::from(rng.unit() < 0.8)));
                out |= n >= 20 && !running_interval(&values, 0.05).unwrap().contains(0.8);
            }
            missed += usize::from(out);
        }
        assert!(missed <= 25, "{missed} of 500");
    }

    #[test]
    fn curtailment_waits_as_long_as_the_verdict_is_open() {
        assert_eq!(curtail(0, 0, 5, 5), Look::Continue);
        assert_eq!(curtail(3, 4, 5, 5), Look::Fail);
        assert_eq!(curtail(0, 0, 5, 0), Look::Pass);
    }

    #[test]
    fn twenty_values_are_the_least_for_precision() {
        let few: Moments = std::iter::repeat_n(1.0, 19).collect();
        let enough: Moments = std::iter::repeat_n(1.0, 20).collect();
        assert!(!precise_enough(&few, 0.2) && precise_enough(&enough, 0.2));
    }
}
