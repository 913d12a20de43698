//! How often a contestant wins, over many cases.

use super::comparison::Comparison;
use std::fmt;

/// The 0.975 quantile of the normal distribution, for intervals of 95 %.
const Z: f64 = 1.959_963_984_540_054;

/// Counts the winners of many comparisons.
///
/// A case that several contestants win is shared equally among them, so that the rates of all add up to 1 where each took
/// part in every case.
///
/// ```
/// use llmtest_metrics::{ArenaGEval, Contestant, FakeJudge, TestCase, WinRates};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> llmtest_metrics::Result<()> {
/// let arena = ArenaGEval::by_steps("clearer", ["Choose the answer that is easier to follow."]);
/// let mut rates = WinRates::default();
/// for question in ["Refund?", "Shipping?"] {
///     let contestants = [
///         Contestant::new("old", TestCase::new(question, "See our terms.")),
///         Contestant::new("new", TestCase::new(question, "Within 30 days, by post.")),
///     ];
///     // "new" stands second, then first.
///     let judge = FakeJudge::new()
///         .reply(r#"{"reason": "Answer B is concrete.", "winner": "B"}"#)
///         .reply(r#"{"reason": "Answer A is concrete.", "winner": "A"}"#);
///     rates.add(&arena.compare_with(&contestants, judge).await?);
/// }
/// assert_eq!(rates.of("new").unwrap().to_string(), "new wins 1.00 of 2 cases (95% interval 0.34 to 1.00)");
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WinRates {
    /// Name, cases and won cases, in the order of first appearance.
    tallies: Vec<(String, u32, f64)>,
}

/// How often one contestant wins.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct WinRate {
    /// The contestant.
    pub name: String,
    /// The cases that it took part in.
    pub cases: u32,
    /// The cases that it won; a shared one counts in part.
    pub won: f64,
    /// `won / cases`.
    pub rate: f64,
    /// The lower end of the 95 % Wilson interval.
    pub low: f64,
    /// The upper end of the 95 % Wilson interval.
    pub high: f64,
}

impl WinRates {
    /// Counts a case.
    pub fn add(&mut self, comparison: &Comparison) {
        let share = 1.0 / comparison.winners.len() as f64;
        for standing in &comparison.standings {
            let name = &standing.name;
            let won = if comparison.winners.contains(name) {
                share
            } else {
                0.0
            };
            match self.tallies.iter_mut().find(|(known, ..)| known == name) {
                Some((_, cases, wins)) => {
                    *cases += 1;
                    *wins += won;
                }
                None => self.tallies.push((name.clone(), 1, won)),
            }
        }
    }

    /// The win rate of a contestant, if it took part.
    pub fn of(&self, name: &str) -> Option<WinRate> {
        self.all().into_iter().find(|rate| rate.name == name)
    }

    /// The win rates of all, in the order in which they appeared.
    ///
    /// The interval is that of Wilson (1927) at 95 %: with `n` cases, the share `p` of won ones and `z = 1.96`, it is
    /// `(p + z²/2n ± z·√(p(1-p)/n + z²/4n²)) / (1 + z²/n)`. A case that is won in part varies less than one that is won or
    /// lost, so the interval is then too wide rather than too narrow.
    pub fn all(&self) -> Vec<WinRate> {
        let rate = |(name, cases, won): &(String, u32, f64)| {
            let (low, high) = wilson(*won, *cases);
            WinRate {
                name: name.clone(),
                cases: *cases,
                won: *won,
                rate: won / f64::from(*cases),
                low,
                high,
            }
        };
        self.tallies.iter().map(rate).collect()
    }
}

impl<'a> FromIterator<&'a Comparison> for WinRates {
    fn from_iter<I: IntoIterator<Item = &'a Comparison>>(comparisons: I) -> Self {
        let mut rates = Self::default();
        for comparison in comparisons {
            rates.add(comparison);
        }
        rates
    }
}

impl fmt::Display for WinRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            cases,
            rate,
            low,
            high,
            ..
        } = self;
        write!(
            f,
            "{name} wins {rate:.2} of {cases} cases (95% interval {low:.2} to {high:.2})"
        )
    }
}

/// The Wilson interval of 95 % for `won` of `cases`; everything is possible where there are none.
fn wilson(won: f64, cases: u32) -> (f64, f64) {
    if cases == 0 {
        return (0.0, 1.0);
    }
    let n = f64::from(cases);
    let p = (won / n).clamp(0.0, 1.0);
    let whole = 1.0 + Z * Z / n;
    let middle = (p + Z * Z / (2.0 * n)) / whole;
    let half = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt() / whole;
    // At 0 and 1 the interval ends there; a float misses it by its last digit.
    ((middle - half).clamp(0.0, p), (middle + half).clamp(p, 1.0))
}

#[cfg(test)]
mod tests {
    use super::super::comparison::tests::comparison;
    use super::*;
    use crate::proptesting;
    use proptest::prelude::*;

    #[test]
    fn the_interval_is_wilsons() {
        // The last one is an example of Newcombe (1998), who gives four digits.
        for (won, cases, low, high) in [
            (0.0, 0, 0.0, 1.0),
            (0.0, 10, 0.0, 0.2775),
            (5.0, 10, 0.2366, 0.7634),
            (10.0, 10, 0.7225, 1.0),
            (81.0, 263, 0.2553, 0.3662),
        ] {
            let interval = wilson(won, cases);
            let near = |one: f64, two: f64| (one - two).abs() < 5e-5;
            assert!(
                near(interval.0, low) && near(interval.1, high),
                "{won}/{cases}: {interval:?}"
            );
        }
    }

    #[test]
    fn a_case_with_several_winners_is_shared() {
        let rates: WinRates = [
            &comparison(&["a", "b", "c"], &["a"]),
            &comparison(&["a", "b", "c"], &["a", "b"]),
        ]
        .into_iter()
        .collect();
        let won: Vec<f64> = rates.all().iter().map(|rate| rate.won).collect();
        assert_eq!(won, [1.5, 0.5, 0.0]);
        assert_eq!(rates.of("a").unwrap().rate, 0.75);
        assert_eq!(rates.of("d"), None);
    }

    proptest! {
        #![proptest_config(proptesting::config())]

        #[test]
        fn the_interval_holds_the_rate_and_narrows_with_the_cases(won in 0_u32..50, more in 0_u32..50, times in 2_u32..20) {
            let cases = (won + more).max(1);
            let (low, high) = wilson(f64::from(won), cases);
            let rate = f64::from(won) / f64::from(cases);
            prop_assert!(0.0 <= low && low <= rate && rate <= high && high <= 1.0);
            let (more_low, more_high) = wilson(f64::from(won * times), cases * times);
            prop_assert!(more_high - more_low < high - low);
        }

        #[test]
        fn the_interval_rises_with_what_is_won(cases in 1_u32..60, one in 0.0_f64..=1.0, two in 0.0_f64..=1.0) {
            let won = |share: f64| share * f64::from(cases);
            let (less, more) = (wilson(won(one.min(two)), cases), wilson(won(one.max(two)), cases));
            prop_assert!(less.0 <= more.0 + 1e-12 && less.1 <= more.1 + 1e-12);
        }

        #[test]
        fn the_rates_add_up_to_one_whatever_the_order_of_the_cases(
            winners in prop::collection::vec(prop::sample::subsequence(vec!["a", "b", "c"], 1..=3), 1..12),
        ) {
            let mut cases: Vec<Comparison> = winners.iter().map(|won| comparison(&["a", "b", "c"], won)).collect();
            let rates: WinRates = cases.iter().collect();
            prop_assert!((rates.all().iter().map(|rate| rate.rate).sum::<f64>() - 1.0).abs() < 1e-9);
            cases.reverse();
            let reversed: WinRates = cases.iter().collect();
            for (one, two) in rates.all().iter().zip(reversed.all()) {
                prop_assert!((one.rate - two.rate).abs() < 1e-9);
            }
        }
    }
}
