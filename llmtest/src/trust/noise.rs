//! How much a judge disagrees with itself.

use super::Figure;
use crate::stats::{Interval, t_interval};
use serde::{Deserialize, Serialize};

/// The noise of a judge that was asked the same several times. Items with fewer than two verdicts do not count.
///
/// ```
/// use llmtest::trust::Noise;
///
/// let asked = [vec![true, true, true], vec![true, false, true], vec![false, false]];
/// let noise = Noise::of(&asked).unwrap();
/// assert_eq!((noise.items, noise.repeats, noise.flipping.value), (3, 3, Some(1.0 / 3.0)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Noise {
    /// Items with two verdicts or more.
    pub items: usize,
    /// The most verdicts of an item.
    pub repeats: usize,
    /// The share of items whose verdict changes.
    pub flipping: Figure,
    /// The mean over items of the share of verdicts that are not the item's most frequent one.
    pub flip_rate: Figure,
    /// The mean over items of the share of pairs of verdicts that differ: how often a second asking would say something
    /// else. For values 0 and 1 it is twice the mean variance of a verdict.
    pub disagreement: Figure,
    /// The mean over items of the variance of the verdicts, or of the scores where there are scores.
    pub variance: Option<f64>,
    /// How often the majority of as many verdicts would be off, were verdicts off independently at `flip_rate`.
    pub majority_error: Option<f64>,
}

/// Below this many items the noise itself is noise.
pub(super) const ENOUGH_ITEMS: usize = 30;

impl Noise {
    /// Of the verdicts of every item, in any form that can be compared. `None` if no item has two.
    pub fn of<T: PartialEq>(items: &[Vec<T>]) -> Option<Self> {
        let several: Vec<&Vec<T>> = items.iter().filter(|item| item.len() > 1).collect();
        let repeats = several.iter().map(|item| item.len()).max()?;
        let (mut flips, mut pairs) = (Vec::new(), Vec::new());
        let mut flipping = 0;
        for item in &several {
            let r = item.len() as f64;
            let same = |one: &T| item.iter().filter(|other| *other == one).count();
            let most = item.iter().map(same).max().unwrap_or(0);
            flipping += u64::from(most < item.len());
            flips.push(1.0 - most as f64 / r);
            let agreeing: f64 = item.iter().map(|one| same(one) as f64 - 1.0).sum();
            pairs.push(1.0 - agreeing / (r * (r - 1.0)));
        }
        let flip_rate = mean(&flips);
        let disagreement = mean(&pairs);
        Some(Self {
            items: several.len(),
            repeats,
            flipping: Figure::share(flipping, several.len() as u64),
            flip_rate,
            disagreement,
            variance: disagreement.value.map(|share| share / 2.0),
            majority_error: flip_rate.value.and_then(|e| majority_error(repeats, e)),
        })
    }

    /// With the variance of scores in the place of that of verdicts.
    pub fn with_scores(mut self, items: &[Vec<f64>]) -> Self {
        let variances: Vec<f64> = items
            .iter()
            .filter(|item| item.len() > 1)
            .map(|item| {
                let n = item.len() as f64;
                let mean = item.iter().sum::<f64>() / n;
                item.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0)
            })
            .collect();
        if !variances.is_empty() {
            self.variance = mean(&variances).value;
        }
        self
    }
}

/// A mean of shares, with its t interval.
fn mean(values: &[f64]) -> Figure {
    Figure {
        value: (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64),
        interval: t_interval(values).map(|Interval { low, high }| Interval {
            low: low.max(0.0),
            high: high.min(1.0),
        }),
        n: values.len(),
    }
}

/// What most of the verdicts say; none for a draw or none at all.
///
/// ```
/// assert_eq!(llmtest::trust::majority(&[true, false, true]), Some(&true));
/// assert_eq!(llmtest::trust::majority(&[true, false]), None);
/// ```
pub fn majority<T: PartialEq>(verdicts: &[T]) -> Option<&T> {
    let count = |one: &T| verdicts.iter().filter(|other| *other == one).count();
    let most = verdicts.iter().max_by_key(|one| count(one))?;
    let rivals = |one: &&T| *one != most && count(one) == count(most);
    (!verdicts.iter().any(|one| rivals(&one))).then_some(most)
}

/// How often the majority of `r` verdicts is off if each is off with probability `error`, independently: biases of
/// position or length are not. `None` for an even `r`, which may have no majority, and for what is no probability.
///
/// ```
/// let error = llmtest::trust::majority_error(3, 0.136).unwrap();
/// assert!((error - 0.050).abs() < 0.001);
/// ```
pub fn majority_error(r: usize, error: f64) -> Option<f64> {
    if r.is_multiple_of(2) || !(0.0..=1.0).contains(&error) {
        return None;
    }
    // C(r, i), from the left.
    let mut ways = 1.0;
    let mut sum = 0.0;
    for i in 0..=r {
        if i > r / 2 {
            let (off, on) = (i as f64, (r - i) as f64);
            sum += ways * error.powf(off) * (1.0 - error).powf(on);
        }
        ways = ways * (r - i) as f64 / (i + 1) as f64;
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_majority_of_several_is_off_less_often() {
        let near =
            |r, value: f64| assert!((majority_error(r, 0.136).unwrap() - value).abs() < 5e-4);
        near(1, 0.136);
        near(3, 0.050);
        near(5, 0.020);
        assert_eq!(
            (majority_error(2, 0.1), majority_error(3, 1.5)),
            (None, None)
        );
    }

    #[test]
    fn a_draw_has_no_majority() {
        assert_eq!(majority(&["a", "b", "b", "a"]), None);
        assert_eq!(majority(&["a", "b", "c", "b"]), Some(&"b"));
        assert_eq!(majority::<u8>(&[]), None);
    }

    #[test]
    fn noise_counts_only_what_was_asked_again() {
        assert_eq!(Noise::of(&[vec![1], vec![]]), None);
        let noise = Noise::of(&[vec![1, 1, 2, 1], vec![2]]).unwrap();
        assert_eq!((noise.items, noise.repeats), (1, 4));
        assert_eq!(noise.flip_rate.value, Some(0.25));
        assert_eq!(noise.disagreement.value, Some(0.5));
        assert_eq!(noise.majority_error, None);
    }

    #[test]
    fn scores_have_a_variance_of_their_own() {
        let noise = Noise::of(&[vec![true, true]]).unwrap();
        assert_eq!(noise.variance, Some(0.0));
        assert_eq!(noise.with_scores(&[vec![0.0, 1.0]]).variance, Some(0.5));
    }
}
