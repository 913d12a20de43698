//! The interval of the difference of two shares that were seen in the same cases.

use llmtest::stats::{Interval, wilson};

/// How two yes/no outcomes fell on the same cases.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Paired {
    /// Cases with both.
    pub both: u64,
    /// Cases with the first only.
    pub first: u64,
    /// Cases with the second only.
    pub second: u64,
    /// Cases with neither.
    pub neither: u64,
}

impl Paired {
    /// Adds a case.
    pub fn add(&mut self, first: bool, second: bool) {
        *match (first, second) {
            (true, true) => &mut self.both,
            (true, false) => &mut self.first,
            (false, true) => &mut self.second,
            (false, false) => &mut self.neither,
        } += 1;
    }

    /// The number of cases.
    pub fn n(self) -> u64 {
        self.both + self.first + self.second + self.neither
    }

    /// The share of the first less that of the second, and its interval of 95 %, both within `-1.0..=1.0`; `None` without
    /// cases. (Newcombe, Statistics in Medicine 17, 1998, pages 2635 to 2650, method 10.)
    pub fn difference(self) -> Option<(f64, Interval)> {
        let cases = self.n();
        let (first, second) = (self.both + self.first, self.both + self.second);
        let (one, two) = (wilson(first, cases)?, wilson(second, cases)?);
        let share = |count: u64| count as f64 / cases as f64;
        let (p, q) = (share(first), share(second));
        let product = |counts: [u64; 4]| counts.map(|count| count as f64).iter().product::<f64>();
        let margins = product([first, second, cases - first, cases - second]);
        let excess =
            self.both as f64 * self.neither as f64 - self.first as f64 * self.second as f64;
        let phi = match excess {
            _ if margins == 0.0 => 0.0,
            excess if excess < 0.0 => excess / margins.sqrt(),
            excess => (excess - cases as f64 / 2.0).max(0.0) / margins.sqrt(),
        };
        let reach = |one: f64, two: f64| {
            (one * one - 2.0 * phi * one * two + two * two)
                .max(0.0)
                .sqrt()
        };
        let difference = p - q;
        let interval = Interval {
            low: difference - reach(p - one.low, two.high - q),
            high: difference + reach(one.high - p, q - two.low),
        };
        Some((difference, interval))
    }
}
