//! Whether a METEOR of NLTK can come from more matches than ours: what its synonym stage can do, and all that it can do.

use crate::Pair;

/// The reference values have eight decimals.
const ROUNDED: f64 = 1e-8;

/// Whether some number of matches in some number of chunks gives this score against a reference.
pub(crate) fn more_matches_give(pair: &Pair, score: f64) -> bool {
    let ours = pair.output.split_whitespace().count();
    pair.references.iter().any(|reference| {
        let theirs = reference.split_whitespace().count();
        let mut counts = (1..=ours.min(theirs))
            .flat_map(|matched| (1..=matched).map(move |chunks| (matched, chunks)));
        counts.any(|(matched, chunks)| {
            let matched = matched as f64;
            let (precision, recall) = (matched / ours as f64, matched / theirs as f64);
            let mean = precision * recall / (0.9 * precision + 0.1 * recall);
            let penalty = 0.5 * (chunks as f64 / matched).powi(3);
            (mean * (1.0 - penalty) - score).abs() <= ROUNDED
        })
    })
}
