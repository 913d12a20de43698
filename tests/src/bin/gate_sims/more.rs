//! `on-inconclusive = "more-trials"`: looks again after more trials of what is undecided.

use crate::counted::{Counted, beta};
use llmtest::gate::looks;
use llmtest::stats::{Finding, Rng, non_inferiority};

/// How many times as many trials there may be: the default of `max-trials`.
pub(crate) const MAX: u32 = 5;

/// What comes of `runs` pairs of runs, where the new one gets more trials until it is decided; and how many trials a
/// case had on average, where nothing changed.
pub(crate) fn simulate(n: usize, runs: u32, margin: f64, alpha: f64, drop: f64) -> (Counted, f64) {
    let mut rng = Rng::new(0x6d6f_7265 + n as u64);
    let mut found = Counted::default();
    let mut trials = 0_u64;
    for _ in 0..runs {
        let rates: Vec<f64> = (0..n).map(|_| beta(&mut rng)).collect();
        let base: Vec<f64> = rates.iter().map(|rate| passed(&mut rng, *rate)).collect();
        let (same, needed) = settle(&mut rng, &rates, &base, margin, alpha);
        found.no_op.add(same);
        trials += u64::from(needed);
        let lower: Vec<f64> = rates.iter().map(|rate| rate - drop).collect();
        found
            .drop
            .add(settle(&mut rng, &lower, &base, margin, alpha).0);
    }
    (found, trials as f64 / f64::from(runs))
}

fn passed(rng: &mut Rng, rate: f64) -> f64 {
    f64::from(u8::from(rng.unit() < rate))
}

fn settle(rng: &mut Rng, rates: &[f64], base: &[f64], margin: f64, alpha: f64) -> (Finding, u32) {
    let looks = looks(MAX);
    let share = alpha / looks.len() as f64;
    let mut sums = vec![0.0; rates.len()];
    let mut ran = 0;
    for look in looks {
        for _ in ran..look {
            for (sum, rate) in sums.iter_mut().zip(rates) {
                *sum += passed(rng, *rate);
            }
        }
        ran = look;
        let means = sums.iter().map(|sum| sum / f64::from(ran));
        let differences: Vec<f64> = means.zip(base).map(|(now, before)| now - before).collect();
        let found = non_inferiority(&differences, None, margin, share);
        match found.map(|found| found.finding) {
            None | Some(Finding::Inconclusive) => {}
            Some(decided) => return (decided, ran),
        }
    }
    (Finding::Inconclusive, ran)
}
