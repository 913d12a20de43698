//! Verdicts of more than two kinds.

use super::Figure;
use super::kappa::{Weights, cohen};
use crate::stats::bootstrap;

/// Labels and verdicts of several classes, numbered from zero.
///
/// ```
/// use llmtest::trust::Classes;
///
/// // 0 is a tie; one verdict could not be read.
/// let judged = Classes::new(3, vec![(1, Some(1)), (2, Some(2)), (0, Some(2)), (1, None)]);
/// assert_eq!((judged.accuracy().n, judged.missing()), (3, 1));
/// assert_eq!(judged.accuracy_of_all().value, Some(0.5));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Classes {
    classes: usize,
    pairs: Vec<(usize, Option<usize>)>,
}

impl Classes {
    /// Of pairs of label and verdict, none where there is no verdict.
    pub fn new(classes: usize, pairs: Vec<(usize, Option<usize>)>) -> Self {
        Self { classes, pairs }
    }

    /// How many have no verdict.
    pub fn missing(&self) -> usize {
        self.pairs
            .iter()
            .filter(|(_, verdict)| verdict.is_none())
            .count()
    }

    /// The share of the verdicts that are right.
    pub fn accuracy(&self) -> Figure {
        Figure::share(self.right(), (self.pairs.len() - self.missing()) as u64)
    }

    /// The share of the items with a right verdict: as benchmarks count, for which a missing verdict is a wrong one.
    pub fn accuracy_of_all(&self) -> Figure {
        Figure::share(self.right(), self.pairs.len() as u64)
    }

    /// Cohen's kappa of the items with a verdict.
    pub fn kappa(&self) -> Figure {
        let given: Vec<(usize, usize)> = self
            .pairs
            .iter()
            .filter_map(|(label, verdict)| Some((*label, (*verdict)?)))
            .collect();
        cohen(&given, self.classes, Weights::None)
    }

    /// Cohen's kappa of all items, a missing verdict being a class of its own.
    pub fn kappa_of_all(&self) -> Figure {
        let all: Vec<(usize, usize)> = self
            .pairs
            .iter()
            .map(|(label, verdict)| (*label, verdict.unwrap_or(self.classes)))
            .collect();
        cohen(&all, self.classes + 1, Weights::None)
    }

    /// The mean over classes of the share of a class's verdicts that are right; 0 of a class without verdicts.
    pub fn precision(&self) -> Figure {
        self.mean_over_classes(|[right, _, said]| ratio(right, said))
    }

    /// The mean over classes of the share of a class's items, those without verdict among them, whose verdict is right.
    pub fn recall(&self) -> Figure {
        self.mean_over_classes(|[right, is, _]| ratio(right, is))
    }

    /// The mean over classes of F1, a missing verdict being a wrong one.
    pub fn f1(&self) -> Figure {
        self.mean_over_classes(|[right, is, said]| ratio(2.0 * right, is + said))
    }

    fn right(&self) -> u64 {
        let right = |(label, verdict): &&(usize, Option<usize>)| *verdict == Some(*label);
        self.pairs.iter().filter(right).count() as u64
    }

    fn mean_over_classes(&self, of_class: impl Fn([f64; 3]) -> f64) -> Figure {
        let statistic = |drawn: &[&(usize, Option<usize>)]| {
            // Of every class: right verdicts, labels, verdicts.
            let mut counts = vec![[0.0; 3]; self.classes];
            for (label, verdict) in drawn {
                if let Some(count) = counts.get_mut(*label) {
                    count[1] += 1.0;
                    count[0] += f64::from(u8::from(*verdict == Some(*label)));
                }
                if let Some(count) = verdict.and_then(|class| counts.get_mut(class)) {
                    count[2] += 1.0;
                }
            }
            let sum: f64 = counts.into_iter().map(&of_class).sum();
            (self.classes > 0 && !drawn.is_empty()).then(|| sum / self.classes as f64)
        };
        Figure {
            value: statistic(&self.pairs.iter().collect::<Vec<_>>()),
            interval: bootstrap(&self.pairs, statistic),
            n: self.pairs.len(),
        }
    }
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged() -> Classes {
        let said = [
            (0, Some(0)),
            (0, Some(1)),
            (1, Some(1)),
            (1, None),
            (2, Some(2)),
            (2, Some(2)),
        ];
        Classes::new(3, said.to_vec())
    }

    #[test]
    fn means_over_classes_are_what_their_formulas_say() {
        let near = |figure: Figure, value: f64| {
            assert!((figure.value.unwrap() - value).abs() < 1e-12, "{figure:?}");
        };
        near(judged().precision(), (1.0 + 0.5 + 1.0) / 3.0);
        near(judged().recall(), (0.5 + 0.5 + 1.0) / 3.0);
        near(judged().f1(), (2.0 / 3.0 + 0.5 + 1.0) / 3.0);
        near(judged().accuracy(), 0.8);
        near(judged().accuracy_of_all(), 4.0 / 6.0);
    }

    #[test]
    fn a_missing_verdict_lowers_kappa_only_where_it_is_a_class() {
        assert!(judged().kappa_of_all().value < judged().kappa().value);
        assert_eq!((judged().kappa().n, judged().kappa_of_all().n), (5, 6));
    }
}
