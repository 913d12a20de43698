//! Agreement beyond chance: Cohen's kappa, Fleiss' kappa, Krippendorff's alpha.

use super::Figure;
use super::agreement::wald;
use crate::stats::{Interval, bootstrap, wilson_share};

/// How much two ordered categories that differ still agree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Weights {
    /// Not at all: categories without an order.
    #[default]
    None,
    /// `1 - |i - j| / (k - 1)`.
    Linear,
    /// `1 - (i - j)² / (k - 1)²`.
    Quadratic,
}

/// What the distance of two values means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Level {
    /// Values are equal or not.
    #[default]
    Nominal,
    /// Values have an order.
    Ordinal,
    /// Values have distances.
    Interval,
}

/// Cohen's kappa of two raters, `(po - pe) / (1 - pe)`, of pairs of categories in `0..categories`; undefined where both
/// always say the same one thing.
///
/// The interval is of the large-sample variance (Fleiss, Cohen and Everitt, Psychological Bulletin 72, 1969). Where
/// that has no width, as for raters that agree always, it is Wilson's of the agreement, with the chance agreement as it
/// is. (Cohen, Educational and Psychological Measurement 20, 1960; weighted: Psychological Bulletin 70, 1968.)
///
/// ```
/// use llmtest::trust::{Weights, cohen};
///
/// let kappa = cohen(&[(0, 0), (1, 1), (1, 0), (0, 0)], 2, Weights::None);
/// assert_eq!(kappa.value, Some(0.5));
/// ```
pub fn cohen(pairs: &[(usize, usize)], categories: usize, weights: Weights) -> Figure {
    let mut table = vec![vec![0.0; categories]; categories];
    for (first, second) in pairs {
        if let Some(cell) = table.get_mut(*first).and_then(|row| row.get_mut(*second)) {
            *cell += 1.0;
        }
    }
    of_table(&table, weights, 1.0)
}

/// Kappa of a square table of counts, where `effect` items tell as much as one.
pub(super) fn of_table(table: &[Vec<f64>], weights: Weights, effect: f64) -> Figure {
    let k = table.len();
    let n: f64 = table.iter().flatten().sum();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a sum of counts"
    )]
    let items = n as usize;
    let weight = |i: usize, j: usize| {
        let apart = i.abs_diff(j) as f64 / (k.max(2) - 1) as f64;
        match weights {
            Weights::None => f64::from(u8::from(i == j)),
            Weights::Linear => 1.0 - apart,
            Weights::Quadratic => 1.0 - apart * apart,
        }
    };
    let rows: Vec<f64> = table
        .iter()
        .map(|row| row.iter().sum::<f64>() / n)
        .collect();
    let columns: Vec<f64> = (0..k)
        .map(|j| table.iter().map(|row| row[j]).sum::<f64>() / n)
        .collect();
    let sum = |cell: &dyn Fn(usize, usize) -> f64| -> f64 {
        (0..k)
            .flat_map(|i| (0..k).map(move |j| (i, j)))
            .map(|(i, j)| cell(i, j))
            .sum()
    };
    let observed = sum(&|i, j| weight(i, j) * table[i][j] / n);
    let expected = sum(&|i, j| weight(i, j) * rows[i] * columns[j]);
    if n == 0.0 || 1.0 - expected < 1e-12 {
        return Figure::undefined(items);
    }
    let kappa = (observed - expected) / (1.0 - expected);
    let of_row = |i: usize| (0..k).map(|j| weight(i, j) * columns[j]).sum::<f64>();
    let of_column = |j: usize| (0..k).map(|i| weight(i, j) * rows[i]).sum::<f64>();
    let spread = sum(&|i, j| {
        let term = weight(i, j) - (of_row(i) + of_column(j)) * (1.0 - kappa);
        table[i][j] / n * term * term
    });
    let variance = (spread - (kappa - expected * (1.0 - kappa)).powi(2))
        / (n / effect * (1.0 - expected).powi(2));
    let interval = if variance > 1e-12 {
        wald(kappa, variance.sqrt())
    } else {
        let Interval { low, high } = wilson_share(observed.clamp(0.0, 1.0), n / effect);
        let scale = |share: f64| ((share - expected) / (1.0 - expected)).clamp(-1.0, 1.0);
        Interval {
            low: scale(low),
            high: scale(high),
        }
    };
    Figure {
        value: Some(kappa),
        interval: Some(interval),
        n: items,
    }
}

/// Fleiss' kappa of units that were each rated equally often; a unit holds the category of each rating. With a bootstrap
/// interval over units. Undefined where units were rated unequally often, less than twice, or always the same.
/// (Psychological Bulletin 76, 1971.)
///
/// ```
/// let kappa = llmtest::trust::fleiss(&[vec![0, 0, 0], vec![1, 1, 1], vec![0, 1, 1]], 2);
/// assert!((kappa.value.unwrap() - 0.55).abs() < 1e-12);
/// ```
pub fn fleiss(units: &[Vec<usize>], categories: usize) -> Figure {
    let raters = units.first().map_or(0, Vec::len);
    if raters < 2 || units.iter().any(|unit| unit.len() != raters) {
        return Figure::undefined(units.len());
    }
    let counts: Vec<Vec<f64>> = units.iter().map(|unit| counted(unit, categories)).collect();
    let statistic = |drawn: &[&Vec<f64>]| {
        let (n, r) = (drawn.len() as f64, raters as f64);
        let agreement = |unit: &&Vec<f64>| {
            unit.iter().map(|count| count * (count - 1.0)).sum::<f64>() / (r * (r - 1.0))
        };
        let observed = drawn.iter().map(agreement).sum::<f64>() / n;
        let share = |c: usize| drawn.iter().map(|unit| unit[c]).sum::<f64>() / (n * r);
        let expected: f64 = (0..categories).map(|c| share(c).powi(2)).sum();
        (1.0 - expected > 1e-12).then(|| (observed - expected) / (1.0 - expected))
    };
    Figure {
        value: statistic(&counts.iter().collect::<Vec<_>>()),
        interval: bootstrap(&counts, statistic),
        n: units.len(),
    }
}

fn counted(unit: &[usize], categories: usize) -> Vec<f64> {
    let mut counts = vec![0.0; categories];
    for category in unit {
        if let Some(count) = counts.get_mut(*category) {
            *count += 1.0;
        }
    }
    counts
}

/// Krippendorff's alpha, `1 - Do / De`, of units with any number of ratings; units with fewer than two do not count, and
/// `n` is the number of those that do. With a bootstrap interval over units. Undefined where every rating is the same.
/// (Krippendorff, Content Analysis, 4th edition, 12.3.)
///
/// ```
/// use llmtest::trust::{Level, alpha};
///
/// let units = [vec![1.0, 1.0], vec![2.0, 2.0], vec![3.0, 3.0], vec![3.0]];
/// assert_eq!(alpha(&units, Level::Interval).value, Some(1.0));
/// ```
pub fn alpha(units: &[Vec<f64>], level: Level) -> Figure {
    let units: Vec<&Vec<f64>> = units.iter().filter(|unit| unit.len() > 1).collect();
    let mut values: Vec<f64> = units.iter().copied().flatten().copied().collect();
    values.sort_by(f64::total_cmp);
    values.dedup();
    let place = |value: &f64| values.binary_search_by(|known| known.total_cmp(value)).ok();
    let counts: Vec<Vec<f64>> = units
        .iter()
        .map(|unit| {
            counted(
                &unit.iter().filter_map(place).collect::<Vec<_>>(),
                values.len(),
            )
        })
        .collect();
    let statistic = |drawn: &[&Vec<f64>]| alpha_of(drawn, &values, level);
    Figure {
        value: statistic(&counts.iter().collect::<Vec<_>>()),
        interval: bootstrap(&counts, statistic),
        n: counts.len(),
    }
}

/// Alpha of units given as how often each of the sorted values was said.
fn alpha_of(units: &[&Vec<f64>], values: &[f64], level: Level) -> Option<f64> {
    let k = values.len();
    let totals: Vec<f64> = (0..k)
        .map(|c| units.iter().map(|unit| unit[c]).sum())
        .collect();
    let n: f64 = totals.iter().sum();
    let distance = |c: usize, d: usize| match level {
        Level::Nominal => 1.0,
        Level::Ordinal => {
            let between: f64 = totals[c..=d].iter().sum();
            (between - f64::midpoint(totals[c], totals[d])).powi(2)
        }
        Level::Interval => (values[c] - values[d]).powi(2),
    };
    let (mut observed, mut expected) = (0.0, 0.0);
    for c in 0..k {
        for d in c + 1..k {
            let together: f64 = units
                .iter()
                .filter(|unit| unit[c] > 0.0 && unit[d] > 0.0)
                .map(|unit| unit[c] * unit[d] / (unit.iter().sum::<f64>() - 1.0))
                .sum();
            let apart = distance(c, d);
            observed += together * apart;
            expected += totals[c] * totals[d] * apart;
        }
    }
    (expected > 0.0).then(|| 1.0 - (n - 1.0) * observed / expected)
}

#[cfg(test)]
#[path = "kappa_tests.rs"]
mod tests;
