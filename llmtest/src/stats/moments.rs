//! The mean of values in `0.0..=1.0`, without keeping them.

use super::{Interval, wilson_share};

/// A case is never counted as more than this many independent ones, however alike their values are.
const MOST: f64 = 4.0;

/// Count, sum and sum of squares of values in `0.0..=1.0`: enough for a mean with its interval.
///
/// One value a case: where a case ran several times, their mean. That is what makes the interval right for repeated
/// trials, which are not independent of each other.
///
/// ```
/// use llmtest::stats::{Moments, wilson};
///
/// let passed: Moments = [1.0, 1.0, 0.0, 1.0].into_iter().collect();
/// assert_eq!(passed.mean(), Some(0.75));
/// assert_eq!(passed.interval(), wilson(3, 4));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Moments {
    n: usize,
    sum: f64,
    squares: f64,
}

impl Moments {
    /// Adds a value in `0.0..=1.0`.
    pub fn add(&mut self, value: f64) {
        self.n += 1;
        self.sum += value;
        self.squares += value * value;
    }

    /// How many values there are.
    pub fn count(&self) -> usize {
        self.n
    }

    /// As if zeros had been added until there are `n` values.
    pub(crate) fn with_zeros_to(self, n: usize) -> Self {
        Self {
            n: n.max(self.n),
            ..self
        }
    }

    /// The mean; none of nothing.
    pub fn mean(&self) -> Option<f64> {
        (self.n > 0).then(|| (self.sum / self.n as f64).clamp(0.0, 1.0))
    }

    /// The variance of the values around their mean; none of fewer than two.
    pub fn variance(&self) -> Option<f64> {
        let n = self.n as f64;
        (self.n > 1).then(|| ((self.squares - self.sum * self.sum / n) / (n - 1.0)).max(0.0))
    }

    /// Wilson's interval of the mean for the number of yes-or-no cases that would vary as much as the values do: for
    /// values 0 and 1 it is Wilson's own, and it never has no width.
    ///
    /// That number is n · m(1 − m) / s², with the mean m and the variance s² of the values, and at most 4 n.
    pub fn interval(&self) -> Option<Interval> {
        let (mean, n) = (self.mean()?, self.n as f64);
        let spread = mean * (1.0 - mean);
        let variance = (self.squares / n - mean * mean).max(0.0);
        // For values of 0 and 1 both are equal but for rounding.
        let ratio = if (spread - variance).abs() < 1e-12 {
            1.0
        } else {
            (spread / variance.max(spread / MOST)).max(1.0)
        };
        Some(wilson_share(mean, n * ratio))
    }
}

impl FromIterator<f64> for Moments {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        let mut moments = Self::default();
        values.into_iter().for_each(|value| moments.add(value));
        moments
    }
}

#[cfg(test)]
mod tests {
    use super::super::wilson;
    use super::*;

    fn width(values: &[f64]) -> f64 {
        let Interval { low, high } = values
            .iter()
            .copied()
            .collect::<Moments>()
            .interval()
            .unwrap();
        high - low
    }

    #[test]
    fn values_of_yes_and_no_have_wilsons_interval() {
        for passed in 0..=20_u64 {
            let values = (0..20).map(|n| f64::from(u8::from(n < passed)));
            assert_eq!(values.collect::<Moments>().interval(), wilson(passed, 20));
        }
    }

    #[test]
    fn values_that_vary_less_have_a_narrower_interval_with_a_width() {
        let (halves, extremes) = (width(&[0.5; 20]), width(&[0.0, 1.0].repeat(10)));
        assert!(0.1 < halves && halves < extremes, "{halves} {extremes}");
        assert!(width(&[1.0; 20]) > 0.1);
        assert_eq!(Moments::default().interval(), None);
    }
}
