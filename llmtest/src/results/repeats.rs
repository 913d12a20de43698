//! Cases that ran more than once: how often they pass, and whether their trials are of one mind.

use super::Outcome;
use crate::stats::{Stability, flip_rate, pass_at_k, pass_hat_k, stability};
use std::collections::BTreeMap;

/// How many flaky cases are kept by name.
const NAMED: usize = 20;

/// What trials say of the cases of a run. A case is added and then forgotten, but for the names of the flakiest.
///
/// A case is *flaky* when some of its trials passed and some failed. Trials that are Errored say nothing of that.
///
/// ```
/// use llmtest::{Outcome::{Failed, Passed}, runs::Repeats};
///
/// let mut repeats = Repeats::default();
/// repeats.add("refunds::late", [Passed, Passed, Failed, Passed]);
/// repeats.add("refunds::early", [Passed; 4]);
/// let rates = repeats.rates(4).unwrap();
/// assert_eq!((rates.pass_at_1, rates.pass_at_k, rates.pass_hat_k), (0.875, 1.0, 0.5));
/// assert_eq!(repeats.flaky().next(), Some(("refunds::late", 3, 4)));
/// ```
#[derive(Debug, Clone, Default)]
pub struct Repeats {
    /// Cases by trials that ended and trials that passed.
    cases: BTreeMap<(u64, u64), u64>,
    stabilities: Stabilities,
    /// The flakiest: name, passed, trials.
    flaky: Vec<(String, u64, u64)>,
}

/// Means over cases, each in `0.0..=1.0`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RepeatRates {
    /// How many trials the rates are about.
    pub k: u64,
    /// How many cases they are means over: those with at least `k` trials that ended.
    pub cases: u64,
    /// The share of trials that passed.
    pub pass_at_1: f64,
    /// How likely at least one of `k` trials passes. (Chen et al., Evaluating Large Language Models Trained on Code, 2021.)
    pub pass_at_k: f64,
    /// How likely all of `k` trials pass. (Yao et al., tau-bench, 2024.)
    pub pass_hat_k: f64,
    /// The share of trials that do not end as most of their case do.
    pub flip_rate: f64,
}

/// Cases by what their trials say together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stabilities {
    /// Every trial passed.
    pub stable_pass: u64,
    /// Some passed, some failed.
    pub flaky: u64,
    /// Every trial failed.
    pub stable_fail: u64,
    /// Some trials were Errored, and the others agree.
    pub error: u64,
}

impl Repeats {
    /// Adds the trials of a case; one that ran once says nothing, and is left out.
    pub fn add(&mut self, name: &str, trials: impl IntoIterator<Item = Outcome>) {
        let (mut passed, mut failed, mut errored) = (0, 0, 0);
        for outcome in trials {
            match outcome {
                Outcome::Passed => passed += 1,
                Outcome::Failed => failed += 1,
                Outcome::Errored => errored += 1,
                Outcome::Skipped => {}
            }
        }
        let all = passed + failed;
        if all + errored < 2 {
            return;
        }
        let known = &mut self.stabilities;
        match stability(passed, failed, errored) {
            Some(Stability::StablePass) => known.stable_pass += 1,
            Some(Stability::StableFail) => known.stable_fail += 1,
            Some(Stability::Error) => known.error += 1,
            Some(Stability::Flaky) => {
                known.flaky += 1;
                self.name(name, passed, all);
            }
            None => {}
        }
        if errored == 0 {
            *self.cases.entry((all, passed)).or_default() += 1;
        }
    }

    fn name(&mut self, name: &str, passed: u64, all: u64) {
        let share = |passed: u64, all: u64| passed.min(all - passed) as f64 / all as f64;
        let at = self
            .flaky
            .partition_point(|(_, p, n)| share(*p, *n) >= share(passed, all));
        if at < NAMED {
            self.flaky.insert(at, (name.to_string(), passed, all));
            self.flaky.truncate(NAMED);
        }
    }

    /// Whether no case ran more than once.
    pub fn is_empty(&self) -> bool {
        self.stabilities == Stabilities::default()
    }

    /// The smallest number of trials of a case, of those that ended well or badly.
    pub fn trials(&self) -> Option<u64> {
        self.cases.keys().map(|(all, _)| *all).min()
    }

    /// The rates for `k` trials; none where no case has so many.
    pub fn rates(&self, k: u64) -> Option<RepeatRates> {
        let mut sums = (0_u64, [0.0_f64; 4]);
        for (&(all, passed), &cases) in self.cases.iter().filter(|((all, _), _)| *all >= k) {
            let each = [
                pass_at_k(all, passed, 1)?,
                pass_at_k(all, passed, k)?,
                pass_hat_k(all, passed, k)?,
                flip_rate(all, passed)?,
            ];
            sums.0 += cases;
            for (sum, value) in sums.1.iter_mut().zip(each) {
                *sum += value * cases as f64;
            }
        }
        let (cases, sums) = sums;
        let [pass_at_1, pass_at_k, pass_hat_k, flip_rate] = sums.map(|sum| sum / cases as f64);
        (cases > 0).then_some(RepeatRates {
            k,
            cases,
            pass_at_1,
            pass_at_k,
            pass_hat_k,
            flip_rate,
        })
    }

    /// The cases by what their trials say together.
    pub fn stabilities(&self) -> Stabilities {
        self.stabilities
    }

    /// Flaky cases, those nearest to half and half first: name, trials that passed, trials. At most 20.
    pub fn flaky(&self) -> impl Iterator<Item = (&str, u64, u64)> {
        self.flaky
            .iter()
            .map(|(name, passed, all)| (name.as_str(), *passed, *all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Outcome::{Errored, Failed, Passed};

    #[test]
    fn a_case_that_ran_once_says_nothing() {
        let mut repeats = Repeats::default();
        repeats.add("one", [Failed]);
        repeats.add("broken", [Errored]);
        assert!(repeats.is_empty());
        assert_eq!(repeats.rates(1), None);
    }

    #[test]
    fn a_case_with_an_errored_trial_is_in_no_rate() {
        let mut repeats = Repeats::default();
        repeats.add("a", [Passed, Failed, Errored]);
        repeats.add("b", [Passed, Passed]);
        let rates = repeats.rates(2).unwrap();
        assert_eq!(
            (rates.cases, rates.pass_hat_k, rates.flip_rate),
            (1, 1.0, 0.0)
        );
        let stabilities = repeats.stabilities();
        assert_eq!((stabilities.stable_pass, stabilities.flaky), (1, 1));
        // That it is of two minds is known all the same.
        assert_eq!(repeats.flaky().collect::<Vec<_>>(), [("a", 1, 2)]);
    }

    #[test]
    fn the_flakiest_cases_are_named_first_and_only_so_many() {
        let mut repeats = Repeats::default();
        for at in 0..30 {
            repeats.add(&format!("rare{at}"), [Passed, Passed, Passed, Failed]);
        }
        repeats.add("even", [Passed, Failed, Passed, Failed]);
        let named: Vec<_> = repeats.flaky().collect();
        assert_eq!((named.len(), named[0]), (NAMED, ("even", 2, 4)));
        assert_eq!(repeats.stabilities().flaky, 31);
    }

    #[test]
    fn rates_are_means_over_cases_that_have_so_many_trials() {
        let mut repeats = Repeats::default();
        repeats.add("ten", [[Passed; 3].as_slice(), &[Failed; 7]].concat());
        repeats.add("two", [Passed, Passed]);
        assert_eq!(repeats.trials(), Some(2));
        let rates = repeats.rates(5).unwrap();
        assert!((rates.pass_at_k - 0.916_667).abs() < 1e-6);
        assert_eq!((rates.cases, rates.k), (1, 5));
    }
}
