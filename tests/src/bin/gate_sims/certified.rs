//! A judge that errs, and a certificate that says how often.

use crate::counted::{Rates, beta};
use llmtest::gate::certified_non_inferiority;
use llmtest::stats::{Finding, Rng, non_inferiority};
use llmtest::trust::Confusion;

/// How often it passes what is good, and fails what is bad.
pub(crate) const JUDGES: [(f64, f64); 3] = [(0.95, 0.9), (0.85, 0.8), (0.75, 0.7)];
/// Labels of a certificate: good, bad.
pub(crate) const LABELS: (u32, u32) = (160, 40);

/// What two gates said of pairs of one kind: one that knows of the judge's errors, and one that takes its word.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Both {
    pub certified: Rates,
    pub as_judged: Rates,
}

/// What was said of changes that change nothing, of drops of the margin, and of drops of 10 points.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Said {
    pub no_op: Both,
    pub at_margin: Both,
    pub drop: Both,
}

/// `runs` suites of `n` cases, each with a certificate of its own, whose rates err as those of few labels do.
pub(crate) fn simulate(
    judge: (f64, f64),
    n: usize,
    runs: u32,
    margin: f64,
    alpha: f64,
    drop: f64,
) -> Said {
    let mut rng = Rng::new(0x6a75_6467 + n as u64);
    let mut said = Said::default();
    for _ in 0..runs {
        let labels = labelled(&mut rng, judge);
        let rates: Vec<f64> = (0..n).map(|_| beta(&mut rng)).collect();
        let base = verdicts(&mut rng, judge, &rates, 0.0);
        for (both, less) in [
            (&mut said.no_op, 0.0),
            (&mut said.at_margin, margin),
            (&mut said.drop, drop),
        ] {
            let now = verdicts(&mut rng, judge, &rates, less);
            let differences: Vec<f64> = now.iter().zip(&base).map(|(a, b)| a - b).collect();
            let or_not = |found: Option<Finding>| found.unwrap_or(Finding::Inconclusive);
            let certified = certified_non_inferiority(&differences, &labels, margin, alpha);
            let certified = certified.ok().flatten();
            both.certified.add(or_not(certified.map(|f| f.finding)));
            let raw = non_inferiority(&differences, None, margin, alpha);
            both.as_judged.add(or_not(raw.map(|f| f.finding)));
        }
    }
    said
}

fn labelled(rng: &mut Rng, (right, failed): (f64, f64)) -> Confusion {
    let mut of = |n: u32, rate: f64| (0..n).filter(|_| rng.unit() < rate).count() as u64;
    let (true_pass, true_fail) = (of(LABELS.0, right), of(LABELS.1, failed));
    Confusion {
        true_pass,
        false_fail: u64::from(LABELS.0) - true_pass,
        false_pass: u64::from(LABELS.1) - true_fail,
        true_fail,
        ..Confusion::default()
    }
}

/// What the judge says of cases that pass at these rates, less `less`.
fn verdicts(rng: &mut Rng, (right, failed): (f64, f64), rates: &[f64], less: f64) -> Vec<f64> {
    let verdict = |rate: &f64| {
        let good = rng.unit() < rate - less;
        let passed = if good { right } else { 1.0 - failed };
        f64::from(u8::from(rng.unit() < passed))
    };
    rates.iter().map(verdict).collect()
}
