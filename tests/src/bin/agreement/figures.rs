//! How well verdicts agree with labels.

use llmtest::probability::Calibration;
use llmtest::trust::Confusion;

/// A verdict, the probability of yes where it is known, and what people say.
#[derive(Clone, Copy)]
pub(crate) struct Judged {
    pub(crate) verdict: bool,
    pub(crate) yes: Option<f64>,
    pub(crate) label: bool,
}

/// The counts of verdicts by label.
pub(crate) fn confusion(rows: &[Judged]) -> Confusion {
    rows.iter().map(|row| (row.label, row.verdict)).collect()
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
