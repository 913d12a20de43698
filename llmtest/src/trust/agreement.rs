//! Verdicts of yes and no against labels of yes and no.

use super::Figure;
use super::kappa::{Weights, of_table};
use crate::stats::{Interval, Z, difference, wilson_share};
use serde::{Deserialize, Serialize};

/// How often a judge passed and failed what people would pass and fail.
///
/// ```
/// use llmtest::trust::Confusion;
///
/// let pairs = [(true, true), (true, false), (false, false)]; // label, verdict
/// let judge: Confusion = pairs.into_iter().collect();
/// assert_eq!((judge.true_pass, judge.false_fail, judge.true_fail), (1, 1, 1));
/// assert_eq!(judge.sensitivity().value, Some(0.5));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Confusion {
    /// Good, and passed.
    pub true_pass: u64,
    /// Good, and failed.
    pub false_fail: u64,
    /// Bad, and passed.
    pub false_pass: u64,
    /// Bad, and failed.
    pub true_fail: u64,
    /// How many items tell as much as one independent item, at least 1: [`design_effect`](crate::stats::design_effect).
    pub effect: f64,
}

impl Default for Confusion {
    fn default() -> Self {
        Self {
            true_pass: 0,
            false_fail: 0,
            false_pass: 0,
            true_fail: 0,
            effect: 1.0,
        }
    }
}

impl FromIterator<(bool, bool)> for Confusion {
    fn from_iter<I: IntoIterator<Item = (bool, bool)>>(pairs: I) -> Self {
        let mut counts = Self::default();
        for (label, verdict) in pairs {
            match (label, verdict) {
                (true, true) => counts.true_pass += 1,
                (true, false) => counts.false_fail += 1,
                (false, true) => counts.false_pass += 1,
                (false, false) => counts.true_fail += 1,
            }
        }
        counts
    }
}

impl Confusion {
    /// With intervals as wide as `effect` items of which each tells as much as one of them alone, at least 1.
    pub fn design_effect(mut self, effect: f64) -> Self {
        self.effect = effect.max(1.0);
        self
    }

    /// How many items were judged.
    pub fn n(&self) -> u64 {
        self.good() + self.bad()
    }

    /// How many people would pass.
    pub fn good(&self) -> u64 {
        self.true_pass + self.false_fail
    }

    /// How many people would fail.
    pub fn bad(&self) -> u64 {
        self.false_pass + self.true_fail
    }

    /// The share of verdicts that are right.
    pub fn accuracy(&self) -> Figure {
        self.share(self.true_pass + self.true_fail, self.n())
    }

    /// q1: the share of the good that passes.
    pub fn sensitivity(&self) -> Figure {
        self.share(self.true_pass, self.good())
    }

    /// q0: the share of the bad that fails.
    pub fn specificity(&self) -> Figure {
        self.share(self.true_fail, self.bad())
    }

    /// The share of the passed that is good.
    pub fn precision(&self) -> Figure {
        self.share(self.true_pass, self.true_pass + self.false_pass)
    }

    /// `2 TP / (2 TP + FP + FN)`. Its interval is Wilson's of the share `TP / (TP + FP + FN)`, of which F1 is a rising
    /// function: `2 j / (1 + j)`.
    pub fn f1(&self) -> Figure {
        let share = self.share(
            self.true_pass,
            self.true_pass + self.false_pass + self.false_fail,
        );
        let raise = |j: f64| 2.0 * j / (1.0 + j);
        Figure {
            value: share.value.map(raise),
            interval: share.interval.map(|Interval { low, high }| Interval {
                low: raise(low),
                high: raise(high),
            }),
            n: share.n,
        }
    }

    /// Youden's J, `q1 + q0 - 1`: 1 for a judge without error, 0 for one that does not look, with Newcombe's interval of
    /// the difference `q1 - (1 - q0)`.
    pub fn youden(&self) -> Figure {
        let n = usize::try_from(self.n()).unwrap_or(usize::MAX);
        let passed = self.share(self.false_pass, self.bad());
        let right = self.sensitivity();
        let parts = right
            .value
            .zip(right.interval)
            .zip(passed.value.zip(passed.interval));
        parts.map_or(Figure::undefined(n), |(first, second)| Figure {
            value: Some(first.0 - second.0),
            interval: Some(difference(first, second)),
            n,
        })
    }

    /// `(q1 + q0) / 2`, with the interval that follows from [`youden`](Self::youden)'s.
    pub fn balanced_accuracy(&self) -> Figure {
        let youden = self.youden();
        let half = |j: f64| f64::midpoint(j, 1.0);
        Figure {
            value: youden.value.map(half),
            interval: youden.interval.map(|Interval { low, high }| Interval {
                low: half(low),
                high: half(high),
            }),
            ..youden
        }
    }

    /// Cohen's kappa between labels and verdicts; see [`cohen`](super::cohen).
    pub fn kappa(&self) -> Figure {
        let table = [
            vec![self.true_fail as f64, self.false_pass as f64],
            vec![self.false_fail as f64, self.true_pass as f64],
        ];
        of_table(&table, Weights::None, self.effect)
    }

    fn share(&self, successes: u64, n: u64) -> Figure {
        let share = successes as f64 / n as f64;
        Figure {
            value: (n > 0).then_some(share),
            interval: (n > 0).then(|| wilson_share(share, n as f64 / self.effect)),
            n: usize::try_from(n).unwrap_or(usize::MAX),
        }
    }
}

/// The interval of a figure with a standard error, within `-1.0..=1.0`.
pub(super) fn wald(value: f64, error: f64) -> Interval {
    Interval {
        low: (value - Z * error).max(-1.0),
        high: (value + Z * error).min(1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 70 good and 30 bad.
    const JUDGE: Confusion = Confusion {
        true_pass: 63,
        false_fail: 7,
        false_pass: 6,
        true_fail: 24,
        effect: 1.0,
    };

    fn near(value: Option<f64>, expected: f64) {
        assert!(
            (value.unwrap() - expected).abs() < 1e-6,
            "{value:?}, not {expected}"
        );
    }

    #[test]
    fn the_figures_are_what_their_formulas_say() {
        near(JUDGE.accuracy().value, 0.87);
        near(JUDGE.precision().value, 63.0 / 69.0);
        near(JUDGE.f1().value, 126.0 / 139.0);
        near(JUDGE.youden().value, 0.7);
        near(JUDGE.balanced_accuracy().value, 0.85);
        near(JUDGE.kappa().value, 0.693_396);
    }

    #[test]
    fn every_interval_holds_its_figure() {
        for figure in [
            JUDGE.accuracy(),
            JUDGE.sensitivity(),
            JUDGE.specificity(),
            JUDGE.f1(),
            JUDGE.youden(),
            JUDGE.balanced_accuracy(),
            JUDGE.kappa(),
        ] {
            let interval = figure.interval.unwrap();
            assert!(interval.contains(figure.value.unwrap()), "{figure:?}");
        }
    }

    #[test]
    fn items_that_belong_together_widen_every_interval() {
        let width = |figure: Figure| figure.interval.map(|i| i.high - i.low).unwrap();
        let wide = JUDGE.design_effect(3.0);
        for figure in [Confusion::accuracy, Confusion::youden, Confusion::kappa] {
            assert!(width(figure(&wide)) > 1.3 * width(figure(&JUDGE)));
        }
    }

    #[test]
    fn without_bad_items_there_is_no_specificity() {
        let judge: Confusion = [(true, true), (true, false)].into_iter().collect();
        assert_eq!(judge.specificity(), Figure::undefined(0));
        assert_eq!(judge.youden().value, None);
        assert_eq!(Confusion::default().accuracy().value, None);
    }

    #[test]
    fn a_judge_without_error_has_an_interval_with_a_width() {
        let judge: Confusion = [(true, true), (false, false)]
            .repeat(10)
            .into_iter()
            .collect();
        let kappa = judge.kappa();
        assert_eq!(kappa.value, Some(1.0));
        assert!(kappa.interval.unwrap().low < 0.8);
    }
}
