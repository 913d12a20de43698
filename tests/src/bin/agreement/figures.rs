//! How well verdicts agree with labels.

use llmtest::probability::Calibration;
use llmtest::stats::{self, Interval, Rng};

/// A verdict, the probability of yes where it is known, and what people say.
#[derive(Clone, Copy)]
pub(crate) struct Judged {
    pub(crate) verdict: bool,
    pub(crate) yes: Option<f64>,
    pub(crate) label: bool,
}

/// The share of verdicts that equal the label, with Wilson's interval.
pub(crate) fn agreement(rows: &[Judged]) -> Option<(f64, Interval)> {
    let right = rows.iter().filter(|row| row.verdict == row.label).count();
    let interval = stats::wilson(right as u64, rows.len() as u64)?;
    Some((right as f64 / rows.len() as f64, interval))
}

/// Cohen's kappa, with a percentile interval over 2,000 resamples; resamples in which it is undefined count as 0.
pub(crate) fn kappa(rows: &[Judged]) -> Option<(f64, Interval)> {
    let value = kappa_of(rows.iter())?;
    let mut rng = Rng::new(7);
    let n = rows.len();
    let mut drawn: Vec<f64> = (0..2000)
        .map(|_| {
            let sample: Vec<&Judged> = (0..n)
                .map(|_| &rows[usize::try_from(rng.below(n as u64)).unwrap_or_default()])
                .collect();
            kappa_of(sample.into_iter()).unwrap_or_default()
        })
        .collect();
    drawn.sort_by(f64::total_cmp);
    let interval = Interval {
        low: drawn[49],
        high: drawn[1949],
    };
    Some((value, interval))
}

/// `(po - pe) / (1 - pe)`.
fn kappa_of<'a>(rows: impl Iterator<Item = &'a Judged>) -> Option<f64> {
    let (mut n, mut equal, mut said, mut labelled) = (0.0, 0.0, 0.0, 0.0);
    for row in rows {
        let one = |yes: bool| f64::from(u8::from(yes));
        n += 1.0;
        equal += one(row.verdict == row.label);
        said += one(row.verdict);
        labelled += one(row.label);
    }
    let (said, labelled) = (said / n, labelled / n);
    let chance: f64 = said * labelled + (1.0 - said) * (1.0 - labelled);
    (n > 0.0 && chance < 1.0).then(|| (equal / n - chance) / (1.0 - chance))
}

/// How often a good row has a higher probability of yes than a bad one; equal ones count half.
pub(crate) fn auc(rows: &[Judged]) -> Option<f64> {
    let of = |label: bool| {
        let rows = rows.iter().filter(move |row| row.label == label);
        rows.filter_map(|row| row.yes).collect::<Vec<f64>>()
    };
    let (good, bad) = (of(true), of(false));
    let mut won = 0.0;
    for one in &good {
        for other in &bad {
            won += if one > other {
                1.0
            } else if one < other {
                0.0
            } else {
                0.5
            };
        }
    }
    (!good.is_empty() && !bad.is_empty()).then(|| won / (good.len() * bad.len()) as f64)
}

/// The rows with verdicts by a threshold that the other rows give, in ten parts; the first of them has rows 0, 10, 20, …
pub(crate) fn calibrated(rows: &[Judged]) -> Option<Vec<Judged>> {
    const PARTS: usize = 10;
    let known: Vec<(f64, Judged)> = rows
        .iter()
        .filter_map(|row| Some((row.yes?, *row)))
        .collect();
    let mut judged = Vec::with_capacity(known.len());
    for (at, (yes, row)) in known.iter().enumerate() {
        let others: Vec<(f64, bool)> = known
            .iter()
            .enumerate()
            .filter(|(other, _)| other % PARTS != at % PARTS)
            .map(|(_, (yes, row))| (*yes, row.label))
            .collect();
        let threshold = Calibration::fit(&others).ok()?.threshold;
        judged.push(Judged {
            verdict: *yes >= threshold,
            ..*row
        });
    }
    (!judged.is_empty()).then_some(judged)
}
