//! Correlation of scores with scores, over a data set and within its groups.

use super::Figure;
use crate::stats::{Interval, Z, bootstrap, t_interval};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// Which correlation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Correlation {
    /// Of the values.
    Pearson,
    /// Of their ranks.
    Spearman,
    /// Of the order of pairs: tau-b.
    Kendall,
}

impl Correlation {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Pearson, Self::Spearman, Self::Kendall];

    /// The word in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pearson => "Pearson",
            Self::Spearman => "Spearman",
            Self::Kendall => "Kendall",
        }
    }

    /// The coefficient of pairs; none where one side is constant or there are fewer than two pairs.
    pub fn of(self, pairs: &[(f64, f64)]) -> Option<f64> {
        let (x, y): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
        match self {
            Self::Pearson => pearson(&x, &y),
            Self::Spearman => spearman(&x, &y),
            Self::Kendall => kendall(&x, &y),
        }
    }

    /// The coefficient with its interval, of independent pairs: of Fisher's z with the variance `1 / (n - 3)` for
    /// Pearson's, `(1 + r² / 2) / (n - 3)` for Spearman's (Bonett and Wright, Psychometrika 65, 2000) and
    /// `0.437 / (n - 4)` for Kendall's (Fieller, Hartley and Pearson, Biometrika 44, 1957).
    pub fn figure(self, pairs: &[(f64, f64)]) -> Figure {
        let value = self.of(pairs);
        let n = pairs.len() as f64;
        let variance = |r: f64| match self {
            Self::Pearson => 1.0 / (n - 3.0),
            Self::Spearman => (1.0 + r * r / 2.0) / (n - 3.0),
            Self::Kendall => 0.437 / (n - 4.0),
        };
        let interval = value.filter(|r| n > 4.0 && r.abs() < 1.0 - 1e-12).map(|r| {
            let half = Z * variance(r).sqrt();
            Interval {
                low: (r.atanh() - half).tanh(),
                high: (r.atanh() + half).tanh(),
            }
        });
        Figure {
            value,
            interval,
            n: pairs.len(),
        }
    }

    /// The coefficient of all pairs, with a bootstrap interval that draws groups whole.
    pub fn clustered(self, groups: &[Vec<(f64, f64)>]) -> Figure {
        let pairs: Vec<(f64, f64)> = groups.iter().flatten().copied().collect();
        Figure {
            value: self.of(&pairs),
            interval: bootstrap(groups, |drawn| {
                self.of(&drawn.iter().copied().flatten().copied().collect::<Vec<_>>())
            }),
            n: pairs.len(),
        }
    }

    /// The mean of the groups' coefficients, of those groups in which it is defined.
    pub fn within(self, groups: &[Vec<(f64, f64)>]) -> Grouped {
        let found: Vec<f64> = groups.iter().filter_map(|group| self.of(group)).collect();
        let mean = found.iter().sum::<f64>() / found.len() as f64;
        Grouped {
            figure: Figure {
                value: (!found.is_empty()).then_some(mean),
                interval: t_interval(&found).map(|Interval { low, high }| Interval {
                    low: low.max(-1.0),
                    high: high.min(1.0),
                }),
                n: found.len(),
            },
            undefined: groups.len() - found.len(),
        }
    }
}

/// A mean over groups.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grouped {
    /// The mean, with its t interval; `n` is the number of groups that count.
    pub figure: Figure,
    /// Groups that do not count, since a side is constant in them or they hold fewer than two pairs.
    pub undefined: usize,
}

/// Sorts pairs into their groups.
///
/// ```
/// let groups = llmtest::trust::by_group([("a", (1.0, 2.0)), ("b", (3.0, 4.0)), ("a", (5.0, 6.0))]);
/// assert_eq!(groups.len(), 2);
/// ```
pub fn by_group<K: Ord, T>(rows: impl IntoIterator<Item = (K, T)>) -> Vec<Vec<T>> {
    let mut groups: BTreeMap<K, Vec<T>> = BTreeMap::new();
    for (group, row) in rows {
        groups.entry(group).or_default().push(row);
    }
    groups.into_values().collect()
}

/// Pearson's correlation; none where a side is constant, for fewer than two values, or for sides of unequal length.
///
/// ```
/// let r = llmtest::trust::pearson(&[1.0, 2.0, 3.0], &[2.0, 4.0, 6.0]).unwrap();
/// assert!((r - 1.0).abs() < 1e-12);
/// assert_eq!(llmtest::trust::pearson(&[1.0, 2.0], &[2.0, 2.0]), None);
/// ```
pub fn pearson(x: &[f64], y: &[f64]) -> Option<f64> {
    if x.len() != y.len() || constant(x) || constant(y) {
        return None;
    }
    let n = x.len() as f64;
    let centred = |values: &[f64]| -> Vec<f64> {
        let mean = values.iter().sum::<f64>() / n;
        values.iter().map(|value| value - mean).collect()
    };
    let (x, y) = (centred(x), centred(y));
    let norm = |values: &[f64]| values.iter().map(|v| v * v).sum::<f64>().sqrt();
    let (across, along) = (norm(&x), norm(&y));
    let r: f64 = x
        .iter()
        .zip(&y)
        .map(|(a, b)| (a / across) * (b / along))
        .sum();
    r.is_finite().then(|| r.clamp(-1.0, 1.0))
}

/// Spearman's correlation: Pearson's of the ranks, equal values sharing the mean of theirs.
///
/// ```
/// let r = llmtest::trust::spearman(&[1.0, 2.0, 9.0], &[2.0, 40.0, 600.0]).unwrap();
/// assert!((r - 1.0).abs() < 1e-12);
/// ```
pub fn spearman(x: &[f64], y: &[f64]) -> Option<f64> {
    pearson(&ranks(x), &ranks(y))
}

/// Kendall's tau-b, as scipy 1.17.1: pairs of pairs that have the same order less those that have not, by the square
/// root of the product of those that are not tied on either side.
///
/// ```
/// let tau = llmtest::trust::kendall(&[1.0, 2.0, 3.0, 4.0], &[1.0, 2.0, 4.0, 3.0]).unwrap();
/// assert!((tau - 4.0 / 6.0).abs() < 1e-12);
/// ```
pub fn kendall(x: &[f64], y: &[f64]) -> Option<f64> {
    if x.len() != y.len() || constant(x) || constant(y) {
        return None;
    }
    let (mut balance, mut free_x, mut free_y) = (0_i64, 0_u64, 0_u64);
    for i in 0..x.len() {
        for j in 0..i {
            let (a, b) = (order(x[i], x[j]), order(y[i], y[j]));
            balance += a * b;
            free_x += a.unsigned_abs();
            free_y += b.unsigned_abs();
        }
    }
    let tau = balance as f64 / (free_x as f64).sqrt() / (free_y as f64).sqrt();
    Some(tau.clamp(-1.0, 1.0))
}

fn order(a: f64, b: f64) -> i64 {
    match a.partial_cmp(&b) {
        Some(Ordering::Less) => -1,
        Some(Ordering::Greater) => 1,
        _ => 0,
    }
}

#[expect(clippy::float_cmp, reason = "constant means exactly equal")]
fn constant(values: &[f64]) -> bool {
    values.len() < 2 || values.iter().all(|value| *value == values[0])
}

fn ranks(values: &[f64]) -> Vec<f64> {
    let mut places: Vec<usize> = (0..values.len()).collect();
    places.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for tied in places.chunk_by(|a, b| order(values[*a], values[*b]) == 0) {
        let rank = before as f64 + f64::midpoint(1.0, tied.len() as f64);
        for place in tied {
            ranks[*place] = rank;
        }
        before += tied.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    const X: [f64; 8] = [12., 2., 1., 12., 2., 7., 7., 3.];
    const Y: [f64; 8] = [1., 4., 7., 1., 0., 3., 2., 2.];

    #[test]
    fn the_coefficients_are_scipys() {
        let near = |found: Option<f64>, value: f64| {
            assert!((found.unwrap() - value).abs() < 1e-12, "{found:?}");
        };
        near(pearson(&X, &Y), PEARSON);
        near(spearman(&X, &Y), SPEARMAN);
        near(kendall(&X, &Y), KENDALL);
    }

    // scipy 1.17.1 on X and Y.
    const PEARSON: f64 = -0.508_207_982_180_537_4;
    const SPEARMAN: f64 = -0.509_212_036_900_681_3;
    const KENDALL: f64 = -0.470_678_724_331_641_7;

    #[test]
    fn a_constant_side_leaves_every_coefficient_undefined() {
        let pairs = [(1.0, 2.0), (2.0, 2.0), (3.0, 2.0)];
        for kind in Correlation::ALL {
            assert_eq!(kind.of(&pairs), None);
            assert_eq!(kind.of(&pairs[..1]), None);
            let grouped = kind.within(&[pairs.to_vec(), vec![(1.0, 1.0), (2.0, 2.0)], vec![]]);
            assert_eq!((grouped.figure.n, grouped.undefined), (1, 2));
            assert_eq!(grouped.figure.value.map(|r| (r * 1e9).round()), Some(1e9));
        }
    }

    #[test]
    fn groups_widen_the_interval_of_the_data_set() {
        let group = |base: f64| {
            (0..6)
                .map(|n| (base + f64::from(n % 2), base - f64::from(n % 3)))
                .collect()
        };
        let groups: Vec<Vec<(f64, f64)>> = [0.0, 1.0, 2.5, 4.0, 0.5, 3.0].map(group).into();
        let pairs: Vec<(f64, f64)> = groups.iter().flatten().copied().collect();
        let width = |figure: Figure| figure.interval.map(|i| i.high - i.low).unwrap();
        let kind = Correlation::Pearson;
        assert!(width(kind.clustered(&groups)) > width(kind.figure(&pairs)));
    }
}
