//! A threshold and a scale for the probabilities of a judge, from cases whose right verdict is known.

use serde::{Deserialize, Serialize};

/// The bins of the expected calibration error.
const BINS: usize = 10;

/// How a judge's probability of `yes` relates to the truth: the threshold that separates best, and how far its
/// probabilities can be believed.
///
/// A weak judge may rank cases well and still say `yes` too often; then its threshold is elsewhere than at 0.5.
///
/// ```
/// use llmtest_metrics::probability::Calibration;
///
/// let pairs = [(0.9, true), (0.7, true), (0.65, true), (0.6, false), (0.55, false), (0.2, false)];
/// let calibration = Calibration::fit(&pairs).unwrap();
/// assert_eq!(calibration.threshold, 0.625);
/// assert_eq!(calibration.balanced_accuracy, 1.0);
/// assert!(calibration.left_out <= 1.0);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Calibration {
    /// `yes` from this probability on.
    pub threshold: f64,
    /// The mean of sensitivity and specificity at the threshold, on the pairs that it was chosen from: an optimist's figure.
    pub balanced_accuracy: f64,
    /// The same where every pair is judged by the threshold that the other pairs give (leave-one-out).
    pub left_out: f64,
    /// The same at 0.5: what there is without calibration.
    pub uncalibrated: f64,
    /// The mean squared distance of probability and truth (Brier 1950), in `0.0..=1.0`; 0 is best.
    pub brier: f64,
    /// The expected calibration error over 10 equal bins (Naeini et al. 2015), in `0.0..=1.0`; 0 is best.
    pub calibration_error: f64,
    /// The logistic map from these probabilities to calibrated ones (Platt 1999).
    pub platt: Platt,
    /// How many pairs there were.
    pub pairs: usize,
}

impl Calibration {
    /// From probabilities of `yes`, each with whether `yes` is right. Ties between thresholds go to the one nearest to 0.5.
    /// The error says what is missing: both answers are needed, and probabilities in `0.0..=1.0`.
    pub fn fit(pairs: &[(f64, bool)]) -> Result<Self, String> {
        Self::fit_at_cost(pairs, 1.0)
    }

    /// As [`fit`](Self::fit), where a false `yes` costs `false_yes` times as much as a false `no`. Both rates are taken
    /// within their class, so that how common `yes` is does not matter.
    pub fn fit_at_cost(pairs: &[(f64, bool)], false_yes: f64) -> Result<Self, String> {
        if let Some((p, _)) = pairs.iter().find(|(p, _)| !(0.0..=1.0).contains(p)) {
            return Err(format!("{p} is no probability"));
        }
        if !(false_yes.is_finite() && false_yes > 0.0) {
            return Err(format!("a cost must be above 0, but it is {false_yes}"));
        }
        let yes = pairs.iter().filter(|(_, yes)| *yes).count();
        if yes == 0 || yes == pairs.len() {
            return Err("a calibration needs cases of both answers\nhint: add labelled cases whose right answer is the other one".to_string());
        }
        let mut sorted = pairs.to_vec();
        sorted.sort_by(|one, two| one.0.total_cmp(&two.0));
        let threshold = best_threshold(&sorted, None, false_yes);
        let left_out = sorted
            .iter()
            .enumerate()
            .map(|(at, (p, yes))| (*p >= best_threshold(&sorted, Some(at), false_yes), *yes));
        let left_out: Vec<(bool, bool)> = left_out.collect();
        let at = |threshold: f64| {
            let said: Vec<_> = pairs
                .iter()
                .map(|(p, yes)| (*p >= threshold, *yes))
                .collect();
            balanced(&said)
        };
        Ok(Self {
            threshold,
            balanced_accuracy: at(threshold),
            left_out: balanced(&left_out),
            uncalibrated: at(0.5),
            brier: brier(pairs),
            calibration_error: calibration_error(pairs),
            platt: Platt::fit(pairs),
            pairs: pairs.len(),
        })
    }
}

/// The shares of right answers among those that should be yes and no; one without cases does not count.
fn rates(said: &[(bool, bool)]) -> (f64, f64) {
    let share = |wanted: bool| {
        let all = said.iter().filter(|(_, yes)| *yes == wanted).count();
        let right = said
            .iter()
            .filter(|pair| **pair == (wanted, wanted))
            .count();
        if all == 0 {
            1.0
        } else {
            right as f64 / all as f64
        }
    };
    (share(true), share(false))
}

fn balanced(said: &[(bool, bool)]) -> f64 {
    let (sensitivity, specificity) = rates(said);
    f64::midpoint(sensitivity, specificity)
}

/// The threshold of least cost, `(1 − sensitivity) + cost · (1 − specificity)`, among 0.5 and the midpoints between
/// neighbouring probabilities, and beyond both ends. `sorted` is by probability, and the pair at `without` does not count.
fn best_threshold(sorted: &[(f64, bool)], without: Option<usize>, false_yes: f64) -> f64 {
    let pairs = || {
        let all = sorted.iter().enumerate();
        all.filter(move |(at, _)| Some(*at) != without)
            .map(|(_, pair)| *pair)
    };
    let all_yes = pairs().filter(|(_, yes)| *yes).count();
    let all_no = pairs().count() - all_yes;
    let share = |right: usize, all: usize| match all {
        0 => 1.0,
        all => right as f64 / all as f64,
    };
    // Of so many pairs of each kind below the threshold.
    let cost = |yes: usize, no: usize| {
        (1.0 - share(all_yes - yes, all_yes)) + false_yes * (1.0 - share(no, all_no))
    };
    let mut best: Option<(f64, f64, f64)> = None;
    let mut consider = |threshold: f64, yes: usize, no: usize| {
        let one = (cost(yes, no), (threshold - 0.5).abs(), threshold);
        // A float's sum may miss an equal one by its last digits.
        let better = best.is_none_or(|two| {
            if (one.0 - two.0).abs() < 1e-12 {
                one.1
                    .total_cmp(&two.1)
                    .then(one.2.total_cmp(&two.2))
                    .is_lt()
            } else {
                one.0 < two.0
            }
        });
        if better {
            best = Some(one);
        }
    };
    for threshold in [0.5, 0.0, 1.0] {
        let below = pairs().take_while(|(p, _)| *p < threshold);
        let (yes, no) = below.fold((0, 0), |(yes, no), (_, is_yes)| {
            (yes + usize::from(is_yes), no + usize::from(!is_yes))
        });
        consider(threshold, yes, no);
    }
    let (mut yes, mut no, mut before) = (0, 0, None);
    for (p, is_yes) in pairs() {
        if let Some(before) = before.filter(|before| *before < p) {
            let middle = f64::midpoint(before, p);
            // Between two neighbours among floats there is nothing, and the middle is the lower one.
            if middle > before {
                consider(middle, yes, no);
            }
        }
        (yes, no) = (yes + usize::from(is_yes), no + usize::from(!is_yes));
        before = Some(p);
    }
    best.map_or(0.5, |(_, _, threshold)| threshold)
}

fn truth(yes: bool) -> f64 {
    f64::from(u8::from(yes))
}

/// The Brier score: `Σ (p − y)² / n`.
fn brier(pairs: &[(f64, bool)]) -> f64 {
    let squares = pairs.iter().map(|(p, yes)| (p - truth(*yes)).powi(2));
    squares.sum::<f64>() / pairs.len() as f64
}

/// `Σ (n_b / n) · |mean p − mean y|` over the bins.
fn calibration_error(pairs: &[(f64, bool)]) -> f64 {
    let mut bins = [0.0; BINS];
    for (p, yes) in pairs {
        let bin = (1..BINS)
            .filter(|edge| *p >= *edge as f64 / BINS as f64)
            .count();
        bins[bin] += p - truth(*yes);
    }
    bins.iter().map(|gap: &f64| gap.abs()).sum::<f64>() / pairs.len() as f64
}

/// A logistic map of the log-odds: `1 / (1 + exp(−(slope · ln(p / (1 − p)) + intercept)))`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Platt {
    /// Above 1 the judge is too shy, below 1 too sure.
    pub slope: f64,
    /// Above 0 the judge says `yes` too seldom.
    pub intercept: f64,
}

impl Platt {
    /// Newton's method on the targets of Platt (1999), `(n₊ + 1) / (n₊ + 2)` and `1 / (n₋ + 2)`, with a ridge of 0.001 so
    /// that pairs which separate perfectly give a finite slope.
    fn fit(pairs: &[(f64, bool)]) -> Self {
        const RIDGE: f64 = 1e-3;
        let yes = pairs.iter().filter(|(_, yes)| *yes).count() as f64;
        let no = pairs.len() as f64 - yes;
        let data: Vec<(f64, f64)> = pairs
            .iter()
            .map(|(p, is_yes)| {
                let target = if *is_yes {
                    (yes + 1.0) / (yes + 2.0)
                } else {
                    1.0 / (no + 2.0)
                };
                (log_odds(*p), target)
            })
            .collect();
        let loss = |map: Self| -> f64 {
            let each = data.iter().map(|(x, target)| {
                let p = map.at(*x).clamp(1e-12, 1.0 - 1e-12);
                -(target * p.ln() + (1.0 - target) * (1.0 - p).ln())
            });
            each.sum::<f64>() + RIDGE / 2.0 * ((map.slope - 1.0).powi(2) + map.intercept.powi(2))
        };
        let mut map = Self {
            slope: 1.0,
            intercept: 0.0,
        };
        for _ in 0..100 {
            let (mut gs, mut gi) = (RIDGE * (map.slope - 1.0), RIDGE * map.intercept);
            let (mut ss, mut si, mut ii) = (RIDGE, 0.0, RIDGE);
            for (x, target) in &data {
                let p = map.at(*x);
                let (error, w) = (p - target, p * (1.0 - p));
                gs += error * x;
                gi += error;
                ss += w * x * x;
                si += w * x;
                ii += w;
            }
            let determinant = ss * ii - si * si;
            let (ds, di) = (
                (ii * gs - si * gi) / determinant,
                (ss * gi - si * gs) / determinant,
            );
            let (before, mut step) = (loss(map), 1.0);
            let next = loop {
                let next = Self {
                    slope: map.slope - step * ds,
                    intercept: map.intercept - step * di,
                };
                if loss(next) <= before || step < 1e-9 {
                    break next;
                }
                step /= 2.0;
            };
            let moved = (next.slope - map.slope).abs() + (next.intercept - map.intercept).abs();
            map = next;
            if moved < 1e-10 {
                break;
            }
        }
        map
    }

    fn at(self, log_odds: f64) -> f64 {
        1.0 / (1.0 + (-(self.slope * log_odds + self.intercept)).exp())
    }

    /// The calibrated probability.
    pub fn apply(self, p: f64) -> f64 {
        self.at(log_odds(p))
    }
}

/// `ln(p / (1 − p))`, with p kept within one in a million of both ends.
fn log_odds(p: f64) -> f64 {
    let p = p.clamp(1e-6, 1.0 - 1e-6);
    (p / (1.0 - p)).ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proptesting;
    use proptest::prelude::*;

    /// A judge that says `yes` too often, but ranks.
    const EAGER: [(f64, bool); 6] = [
        (0.99, true),
        (0.95, true),
        (0.9, true),
        (0.8, false),
        (0.75, false),
        (0.7, false),
    ];

    #[test]
    fn a_judge_that_ranks_well_gets_its_threshold() {
        let fit = Calibration::fit(&EAGER).unwrap();
        assert!((fit.threshold - 0.85).abs() < 1e-12);
        assert_eq!((fit.balanced_accuracy, fit.uncalibrated), (1.0, 0.5));
        assert!(
            fit.platt.intercept < 0.0 && fit.platt.apply(0.75) < 0.5 && fit.platt.apply(0.95) > 0.5
        );
        let copy: Calibration =
            serde_json::from_str(&serde_json::to_string(&fit).unwrap()).unwrap();
        assert!((copy.threshold - fit.threshold).abs() < 1e-12);
    }

    #[test]
    fn what_is_left_out_is_judged_by_the_others() {
        // Alternating: whatever is chosen fits only the pairs that it was chosen from.
        let pairs = [
            (0.1, true),
            (0.2, false),
            (0.3, true),
            (0.4, false),
            (0.6, true),
            (0.7, false),
        ];
        let fit = Calibration::fit(&pairs).unwrap();
        assert!(fit.left_out < fit.balanced_accuracy, "{fit:?}");
    }

    #[test]
    fn equal_thresholds_are_broken_towards_one_half() {
        assert_eq!(
            Calibration::fit(&[(0.9, true), (0.1, false)])
                .unwrap()
                .threshold,
            0.5
        );
        assert_eq!(
            Calibration::fit(&[(0.4, true), (0.1, false)])
                .unwrap()
                .threshold,
            0.25
        );
    }

    #[test]
    fn thousands_of_labels_are_no_trouble() {
        // Among 4,000 pairs a threshold looks at each once for each that is left out, and not once more for each candidate.
        let pairs: Vec<_> = (0..4000)
            .map(|n| (f64::from(n) / 4000.0, n * 7919 % 4000 < n))
            .collect();
        let started = std::time::Instant::now();
        let fit = Calibration::fit(&pairs).unwrap();
        assert!(
            (fit.left_out - fit.balanced_accuracy).abs() < 0.02,
            "{fit:?}"
        );
        assert!(started.elapsed() < std::time::Duration::from_secs(60));
    }

    #[test]
    fn a_dear_false_yes_raises_the_threshold() {
        let pairs = [
            (0.3, true),
            (0.6, false),
            (0.65, true),
            (0.9, true),
            (0.1, false),
            (0.2, false),
        ];
        let cheap = Calibration::fit_at_cost(&pairs, 0.1).unwrap().threshold;
        let dear = Calibration::fit_at_cost(&pairs, 10.0).unwrap().threshold;
        assert!(cheap < 0.3 && dear > 0.6, "{cheap} {dear}");
    }

    #[test]
    fn brier_and_calibration_error_are_those_of_their_formulas() {
        let pairs = [(0.8, true), (0.8, true), (0.8, false), (0.25, false)];
        assert!((brier(&pairs) - (0.04 + 0.04 + 0.64 + 0.0625) / 4.0).abs() < 1e-12);
        assert!((calibration_error(&pairs) - (0.4 + 0.25) / 4.0).abs() < 1e-12);
    }

    #[test]
    fn one_answer_alone_or_no_probability_calibrates_nothing() {
        assert!(
            Calibration::fit(&[(0.9, true)])
                .unwrap_err()
                .contains("both answers")
        );
        assert!(
            Calibration::fit(&[(1.2, true), (0.1, false)])
                .unwrap_err()
                .contains("1.2")
        );
    }

    proptest! {
        #![proptest_config(proptesting::config())]

        #[test]
        fn the_threshold_is_never_worse_than_one_half_and_the_map_keeps_the_order(
            mut pairs in prop::collection::vec((0.0_f64..=1.0, any::<bool>()), 2..20),
        ) {
            pairs[0].1 = true;
            pairs[1].1 = false;
            let fit = Calibration::fit(&pairs).unwrap();
            prop_assert!(fit.balanced_accuracy >= fit.uncalibrated - 1e-12);
            let at = |threshold: f64| balanced(&pairs.iter().map(|(p, yes)| (*p >= threshold, *yes)).collect::<Vec<_>>());
            for (p, _) in &pairs {
                prop_assert!(fit.balanced_accuracy >= at(*p) - 1e-12);
            }
            prop_assert!((0.0..=1.0).contains(&fit.threshold) && (0.0..=1.0).contains(&fit.calibration_error));
            let p = fit.platt.apply(0.3);
            prop_assert!((0.0..=1.0).contains(&p));
            prop_assert_eq!(fit.platt.apply(0.7) >= p, fit.platt.slope >= 0.0);
        }
    }
}
