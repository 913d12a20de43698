//! Amounts of money.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign};

/// How many of our units a dollar has. A token of the cheapest models costs a few thousand of them, and the largest
/// amount is 18 million dollars.
const UNITS: f64 = 1e12;

/// US dollars.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Money(u64);

impl Money {
    pub(crate) const fn units(units: u64) -> Self {
        Self(units)
    }

    pub(crate) fn as_units(self) -> u64 {
        self.0
    }

    /// So many dollars; `None` for what is negative, no number, or more than a run could cost.
    pub(crate) fn dollars(dollars: f64) -> Option<Self> {
        let units = (dollars * UNITS).round();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "in range, by the check"
        )]
        let money = (0.0..1e19).contains(&units).then_some(Self(units as u64));
        money
    }

    pub(crate) fn as_dollars(self) -> f64 {
        self.0 as f64 / UNITS
    }

    /// This for every one of so many tokens.
    pub(super) fn times(self, tokens: u64) -> Self {
        Self(self.0.saturating_mul(tokens))
    }
}

impl Add for Money {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Money {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::default(), Add::add)
    }
}

/// `$0`, `$0.0000012`, `$0.0123`, `$2.00`: cents from a dollar on, else as many digits as say something.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dollars = self.as_dollars();
        let digits = match dollars {
            0.0 => 0,
            1.0.. => 2,
            0.001.. => 4,
            0.000_01.. => 6,
            _ => 9,
        };
        write!(f, "${dollars:.digits$}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_amounts_keep_their_digits() {
        for (dollars, shown) in [
            (0.0, "$0"),
            (0.000_000_12, "$0.000000120"),
            (0.000_012, "$0.000012"),
            (0.0123, "$0.0123"),
            (0.5, "$0.5000"),
            (2.0, "$2.00"),
            (1234.567, "$1234.57"),
        ] {
            let money = Money::dollars(dollars).unwrap();
            assert_eq!(money.to_string(), shown);
            assert!((money.as_dollars() - dollars).abs() < 1e-12);
        }
    }

    #[test]
    fn what_is_no_amount_is_none() {
        for dollars in [-1.0, f64::NAN, f64::INFINITY, 1e9] {
            assert_eq!(Money::dollars(dollars), None, "{dollars}");
        }
    }
}
