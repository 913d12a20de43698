//! Tests of differences between two runs of the same cases.

use super::flips::{Units, tails};
use super::{clustered_error, normal_share, t_share};
use std::collections::BTreeMap;

/// What [`sign_flip`] finds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SignFlip {
    /// Of a mean at least as far from 0.
    pub p_two_sided: f64,
    /// Of a mean at least as low: small where the differences are below 0.
    pub p_less: f64,
    /// Of a mean at least as high: small where the differences are above 0.
    pub p_greater: f64,
    /// Whether every combination of signs was counted; otherwise 10,000 were drawn.
    pub exact: bool,
}

/// How often the mean of `differences` would be as far from 0 if the sign of each were a coin toss: the test of "nothing
/// changed" that assumes no distribution, for any metric. With `clusters`, a label for each difference, the differences
/// of a cluster change sign together.
///
/// Exact for up to 14 differences (or clusters) other than 0, and where all of these have one size; otherwise from
/// 10,000 draws with a fixed seed. `None` for no differences, one that is not finite, and labels that are not one a
/// difference. (Fisher, The Design of Experiments, 1935.)
///
/// ```
/// let base = [0.9, 0.8, 0.7, 0.95, 0.6, 0.85, 0.75, 0.9, 0.65, 0.8];
/// let now = [0.85, 0.82, 0.6, 0.9, 0.62, 0.7, 0.7, 0.88, 0.55, 0.78];
/// let differences: Vec<f64> = now.iter().zip(base).map(|(now, base)| now - base).collect();
/// let found = llmtest::stats::sign_flip(&differences, None).unwrap();
/// assert!(found.exact && (found.p_two_sided - 0.021_484).abs() < 1e-6);
/// ```
pub fn sign_flip(differences: &[f64], clusters: Option<&[usize]>) -> Option<SignFlip> {
    let tails = tails(&Units::new(differences, clusters)?.sums);
    Some(SignFlip {
        p_two_sided: tails.as_far,
        p_less: tails.low(false),
        p_greater: tails.high(),
        exact: tails.exact,
    })
}

/// What [`paired_t`] finds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairedT {
    /// The mean difference.
    pub mean: f64,
    /// The standard deviation of the differences.
    pub sd: f64,
    /// The standard error of the mean; that of [`clustered_error`] for clusters.
    pub error: f64,
    /// The mean in standard errors.
    pub t: f64,
    /// Degrees of freedom: one fewer than differences, or than clusters.
    pub freedom: f64,
    /// Of a mean at least as far from 0.
    pub p_two_sided: f64,
    /// Of a mean at least as low.
    pub p_less: f64,
    /// Of a mean at least as high.
    pub p_greater: f64,
}

/// Student's test of the mean of `differences`, with the labels of `clusters` where cases vary together. `None` for
/// fewer than two differences or clusters, one that is not finite, labels that are not one a difference, and differences
/// that do not vary. (Student, Biometrika 6, 1908.)
///
/// ```
/// let found = llmtest::stats::paired_t(&[-0.1, -0.2, 0.05, -0.15], None).unwrap();
/// assert!(found.t < -1.8 && found.freedom == 3.0 && found.p_less < found.p_two_sided);
/// ```
pub fn paired_t(differences: &[f64], clusters: Option<&[usize]>) -> Option<PairedT> {
    let labelled = clusters.is_none_or(|labels| labels.len() == differences.len());
    if differences.len() < 2 || !labelled || differences.iter().any(|d| !d.is_finite()) {
        return None;
    }
    let n = differences.len() as f64;
    let mean = differences.iter().sum::<f64>() / n;
    let squares: f64 = differences.iter().map(|d| (d - mean).powi(2)).sum();
    let sd = (squares / (n - 1.0)).sqrt();
    let (error, freedom) = match clusters {
        None => (sd / n.sqrt(), n - 1.0),
        Some(labels) => {
            let mut groups: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
            for (label, difference) in labels.iter().zip(differences) {
                groups.entry(*label).or_default().push(*difference);
            }
            let groups: Vec<Vec<f64>> = groups.into_values().collect();
            (clustered_error(&groups)?, groups.len() as f64 - 1.0)
        }
    };
    if error <= 1e-12 * (1.0 + mean.abs()) {
        return None;
    }
    let t = mean / error;
    let (p_less, p_greater) = (t_share(t, freedom), t_share(-t, freedom));
    Some(PairedT {
        mean,
        sd,
        error,
        t,
        freedom,
        p_two_sided: (2.0 * p_less.min(p_greater)).min(1.0),
        p_less,
        p_greater,
    })
}

/// What [`wilcoxon`] finds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wilcoxon {
    /// The sum of the ranks of the differences above 0.
    pub rank_sum: f64,
    /// How many differences are not 0.
    pub n: usize,
    /// Of a rank sum at least as far from its middle.
    pub p_two_sided: f64,
    /// Of a rank sum at least as low.
    pub p_less: f64,
    /// Of a rank sum at least as high.
    pub p_greater: f64,
    /// Whether every combination of signs was counted.
    pub exact: bool,
}

/// Wilcoxon's signed-rank test of `differences`. Differences of 0 are dropped; equal sizes share the mean of their ranks,
/// where sizes that differ by rounding only are equal.
///
/// Exact for up to 50 differences other than 0, ties included (the distribution is that of the shared ranks, where
/// other tools take that of the ranks without ties); above, by the normal distribution without correction for
/// continuity. `None` where no difference is left, and where one is not finite. (Wilcoxon, Biometrics Bulletin 1, 1945.)
///
/// ```
/// let found = llmtest::stats::wilcoxon(&[-0.3, -0.1, 0.2, -0.5, -0.4, -0.6]).unwrap();
/// assert_eq!((found.rank_sum, found.n), (2.0, 6));
/// // Of the 64 combinations, {}, {1} and {2} come to 2 at most.
/// assert!((found.p_less - 3.0 / 64.0).abs() < 1e-12);
/// ```
pub fn wilcoxon(differences: &[f64]) -> Option<Wilcoxon> {
    if differences.iter().any(|d| !d.is_finite()) {
        return None;
    }
    let largest = differences
        .iter()
        .fold(0.0_f64, |most, d| most.max(d.abs()));
    let near = 1e-9 * largest;
    let mut sorted: Vec<f64> = differences.to_vec();
    sorted.retain(|d| d.abs() > near);
    sorted.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
    if sorted.is_empty() {
        return None;
    }
    // Twice the ranks, which are whole.
    let mut ranks: Vec<usize> = Vec::with_capacity(sorted.len());
    while ranks.len() < sorted.len() {
        let first = ranks.len();
        let tied = sorted[first..].iter();
        let count = tied
            .take_while(|d| d.abs() - sorted[first].abs() <= near)
            .count();
        // The mean of first + 1 ..= first + count, twice.
        ranks.extend(std::iter::repeat_n(2 * first + 1 + count, count));
    }
    let up = ranks.iter().zip(&sorted).filter(|(_, d)| **d > 0.0);
    let seen: usize = up.map(|(rank, _)| rank).sum();
    let exact = sorted.len() <= 50;
    let (p_less, p_greater) = if exact {
        counted_ranks(&ranks, seen)
    } else {
        let middle = ranks.iter().sum::<usize>() as f64 / 2.0;
        let variance: f64 = ranks.iter().map(|rank| (*rank as f64).powi(2)).sum();
        let z = (seen as f64 - middle) / (variance.sqrt() / 2.0);
        (normal_share(z), normal_share(-z))
    };
    Some(Wilcoxon {
        rank_sum: seen as f64 / 2.0,
        n: sorted.len(),
        p_two_sided: (2.0 * p_less.min(p_greater)).min(1.0),
        p_less,
        p_greater,
        exact,
    })
}

/// How likely a sum of ranks with random signs is at most, and at least, `seen`.
fn counted_ranks(ranks: &[usize], seen: usize) -> (f64, f64) {
    let total: usize = ranks.iter().sum();
    let mut shares = vec![0.0_f64; total + 1];
    shares[0] = 1.0;
    let mut reached = 0;
    for rank in ranks {
        for sum in (0..=reached).rev() {
            let half = shares[sum] / 2.0;
            shares[sum] = half;
            shares[sum + rank] += half;
        }
        reached += rank;
    }
    let sum = |part: &[f64]| part.iter().sum::<f64>().min(1.0);
    (sum(&shares[..=seen]), sum(&shares[seen..]))
}

#[cfg(test)]
mod tests {
    use super::super::Rng;
    use super::*;

    fn example() -> Vec<f64> {
        let base = [0.9, 0.8, 0.7, 0.95, 0.6, 0.85, 0.75, 0.9, 0.65, 0.8];
        let now = [0.85, 0.82, 0.6, 0.9, 0.62, 0.7, 0.7, 0.88, 0.55, 0.78];
        now.iter().zip(base).map(|(now, base)| now - base).collect()
    }

    #[test]
    fn students_test_gives_the_known_values() {
        let found = paired_t(&example(), None).unwrap();
        assert!((found.mean + 0.05).abs() < 1e-12 && (found.sd - 0.054_365).abs() < 1e-6);
        assert!((found.t + 2.908_375).abs() < 1e-6 && (found.p_two_sided - 0.017_357).abs() < 1e-6);
        assert!((found.p_less + found.p_greater - 1.0).abs() < 1e-12);
    }

    #[test]
    fn students_test_of_clusters_has_their_error() {
        let differences = [1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0];
        let labels = [0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3, 3];
        let clustered = paired_t(&differences, Some(&labels)).unwrap();
        assert!((clustered.error - 0.181_444).abs() < 1e-6 && clustered.freedom < 3.5);
        let alone = paired_t(&differences, None).unwrap();
        assert!((alone.error - 0.142_134).abs() < 1e-6);
    }

    #[test]
    fn differences_that_do_not_vary_have_no_t() {
        assert!(paired_t(&[0.1; 5], None).is_none() && paired_t(&[0.1], None).is_none());
        assert!(paired_t(&[0.1, f64::NAN], None).is_none());
        assert!(paired_t(&[0.1, 0.2], Some(&[1])).is_none());
    }

    #[test]
    fn sign_flips_give_the_known_values() {
        let found = sign_flip(&example(), None).unwrap();
        assert!(found.exact && (found.p_two_sided - 0.021_484).abs() < 1e-6);
        assert!((found.p_less - 0.021_484 / 2.0).abs() < 1e-6 && found.p_greater > 0.98);
    }

    #[test]
    fn sign_flips_of_passes_and_fails_are_exact_at_any_size() {
        let mut differences = vec![-1.0; 20];
        differences.extend([1.0; 8]);
        differences.extend([0.0; 1000]);
        let found = sign_flip(&differences, None).unwrap();
        assert!(found.exact && (found.p_two_sided - 0.035_698).abs() < 1e-6);
    }

    #[test]
    fn drawn_sign_flips_are_near_the_t_test_and_always_the_same() {
        let mut rng = Rng::new(11);
        let differences: Vec<f64> = (0..60).map(|_| rng.unit() - 0.56).collect();
        let found = sign_flip(&differences, None).unwrap();
        let t = paired_t(&differences, None).unwrap();
        assert!(
            !found.exact && (found.p_less - t.p_less).abs() < 0.01,
            "{found:?} {t:?}"
        );
        assert_eq!(sign_flip(&differences, None), Some(found));
        assert!(found.p_less > 0.0);
    }

    #[test]
    fn clusters_change_sign_as_a_whole() {
        let differences = [-1.0; 12];
        let labels: Vec<usize> = (0..12).map(|n| n / 3).collect();
        let found = sign_flip(&differences, Some(&labels)).unwrap();
        assert!((found.p_less - 1.0 / 16.0).abs() < 1e-12, "{found:?}");
        let alone = sign_flip(&differences, None).unwrap();
        assert!((alone.p_less - 1.0 / 4096.0).abs() < 1e-12);
    }

    #[test]
    fn no_difference_at_all_is_no_evidence() {
        let found = sign_flip(&[0.0; 30], None).unwrap();
        assert!((found.p_two_sided - 1.0).abs() < 1e-12 && (found.p_less - 1.0).abs() < 1e-12);
        assert!(wilcoxon(&[0.0; 30]).is_none() && sign_flip(&[], None).is_none());
    }

    #[test]
    fn wilcoxon_gives_the_known_value_of_untied_ranks() {
        // The differences of the example as scipy 1.17.1 ranks them, whose ties rounding breaks: 4 of 55.
        let untied = [-5.0, 1.9, -10.0, -4.9, 2.1, -15.0, -5.1, -2.0, -10.1, -2.2];
        let found = wilcoxon(&untied).unwrap();
        assert!((found.rank_sum - 4.0).abs() < 1e-12 && found.exact);
        assert!((found.p_two_sided - 0.013_672).abs() < 1e-6);
    }

    #[test]
    fn wilcoxon_counts_ties_with_shared_ranks() {
        // Four ranks of 2.5: 11 of 1,024 combinations come to 5 at most.
        let found = wilcoxon(&example()).unwrap();
        assert!((found.rank_sum - 5.0).abs() < 1e-12 && found.n == 10);
        assert!((found.p_two_sided - 22.0 / 1024.0).abs() < 1e-12);
    }

    #[test]
    fn wilcoxon_of_many_is_near_the_exact_one() {
        let is_up = |rank: &usize| rank % 5 < 2;
        let signed = |rank| {
            if is_up(&rank) {
                rank as f64
            } else {
                -(rank as f64)
            }
        };
        let differences: Vec<f64> = (1..=51).map(signed).collect();
        let normal = wilcoxon(&differences).unwrap();
        let ranks: Vec<usize> = (1..=51).map(|rank| 2 * rank).collect();
        let seen = 2 * (1..=51).filter(is_up).sum::<usize>();
        let (exact, _) = counted_ranks(&ranks, seen);
        assert!(
            !normal.exact && (exact - normal.p_less).abs() < 0.005,
            "{exact} {normal:?}"
        );
    }
}
