//! The test behind the gate of a pull request: is the candidate no more than a margin worse than its baseline?

use super::flips::{Units, quick_tails};
use super::power::whole;
use super::{normal_quantile, t_quantile, t_share};

/// Of fewer changed scores than this, the largest says nothing of how large a change may be.
const FEW_CHANGES: usize = 5;
/// Of fewer units than this, the sum itself counts whole in the test of a regression.
const FEW_UNITS: usize = 20;
/// A suite is said to detect the drop that it fails in this share of runs.
const POWER: f64 = 0.8;
/// No number of cases above this is named.
const MOST_CASES: usize = 10_000_000;

impl NonInferiority {
    /// The number of cases at which the p value of a regression would be below `alpha`, if the mean and the spread stayed
    /// as they are: for an `alpha` that is corrected for several tests. `None` where the mean is not below 0 or the p
    /// value not below a half, for an `alpha` outside of `0.0..0.5`, and above ten million.
    ///
    /// ```
    /// let mut worse = vec![-1.0; 10];
    /// worse.push(1.0);
    /// worse.resize(100, 0.0);
    /// let found = llmtest::stats::non_inferiority(&worse, None, 0.05, 0.05).unwrap();
    /// assert!(found.fails_from(0.05).unwrap() < 100 && found.fails_from(0.001).unwrap() > 100);
    /// ```
    pub fn fails_from(&self, alpha: f64) -> Option<usize> {
        let seen = -normal_quantile(self.p_regression);
        let valid = alpha > 0.0 && alpha < 0.5 && self.mean < 0.0 && seen > 0.0;
        let times = || (normal_quantile(1.0 - alpha) / seen).powi(2);
        valid
            .then(|| whole(self.n as f64 * times()).max(1))
            .filter(|cases| *cases <= MOST_CASES)
    }
}

/// What the differences say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Finding {
    /// Not worse than the margin allows.
    Pass,
    /// Worse than the baseline.
    Fail,
    /// Either may be true.
    Inconclusive,
}

/// What [`non_inferiority`] finds. Differences are candidate minus baseline.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NonInferiority {
    /// The finding.
    pub finding: Finding,
    /// The mean difference.
    pub mean: f64,
    /// The true mean difference is above this with confidence `1 - alpha`.
    pub low: f64,
    /// It is below this with confidence `1 - alpha`. Below 0 exactly where `p_regression` is below `alpha`.
    pub high: f64,
    /// The p value of "worse by the margin or more": below `alpha` exactly where `low` is above `-margin`.
    pub p_not_inferior: f64,
    /// The p value of "not worse".
    pub p_regression: f64,
    /// How many cases it rests on.
    pub n: usize,
    /// Where it is inconclusive, the smallest number of cases at which, with this mean and this spread, it would pass or
    /// fail; `None` above ten million.
    pub settled_by: Option<usize>,
    /// The true drop that would be found a regression in four of five runs; `None` where that is more than the whole
    /// range.
    pub detectable: Option<f64>,
}

/// Whether the mean of `differences` (candidate minus baseline, one a case, of scores in `0.0..=1.0`) is above
/// `-margin`, each decision wrong with probability `alpha` at most. Where a case ran several times, its difference is
/// that of the means. `clusters` labels each difference with the group whose cases vary together; the interval and the
/// test then rest on the groups.
///
/// In this order: *pass* where the lower bound is above `-margin`; *fail* where the upper bound is below 0;
/// *inconclusive* otherwise. So a small but certain drop within the margin passes, with a `p_regression` that says so.
///
/// `None` for no differences, one that is not finite, labels that are not one a difference, a margin below 0, and an
/// `alpha` outside of `0.0..0.5`.
///
/// # The interval and the test
///
/// The upper bound is that of the sign-flip test: a change that changes nothing leaves each difference as likely as its
/// negative, whatever the metric. From 20 cases (or clusters) on it takes the mid-p value: of changes that change nothing
/// it errs in at most 5.02 %, computed exactly for outcomes of pass and fail at all sizes up to 120 (two runs of a case
/// differ half of the time at most), where the plain p value errs in 1 to 4 % and sees less. Below 20, where all clusters
/// may differ every time, it takes the plain one.
///
/// The lower bound is Student's after adding `z²/2` cases (1.35 for `alpha` = 0.05) that lost as much as a case might:
/// twice the largest change seen, the whole range where fewer than five scores changed, and never more than the range.
/// Without them, 20 cases of which none changed would have an interval without width, and pass; the plain t bound
/// passes a drop of the size of the margin in up to 36 % of runs at 20 cases and 12 % at 200, this one in at most 5 %
/// (exact for outcomes of pass and fail; STATISTICS.md). With no difference at all, 65 cases pass a margin of 0.05:
/// the rule of three (60) and a little. (The added cases are those of Agresti and Coull, The American Statistician 52,
/// 1998, on the side that matters.)
///
/// ```
/// use llmtest::stats::{Finding, non_inferiority};
///
/// // Nothing changed in 20 cases: too few to say so.
/// let few = non_inferiority(&[0.0; 20], None, 0.05, 0.05).unwrap();
/// assert_eq!((few.finding, few.settled_by), (Finding::Inconclusive, Some(65)));
/// assert_eq!(non_inferiority(&[0.0; 65], None, 0.05, 0.05).unwrap().finding, Finding::Pass);
///
/// // Ten cases went from pass to fail, and one the other way.
/// let mut worse = vec![-1.0; 10];
/// worse.push(1.0);
/// worse.resize(100, 0.0);
/// let worse = non_inferiority(&worse, None, 0.05, 0.05).unwrap();
/// assert!(worse.finding == Finding::Fail && worse.high < 0.0);
/// ```
pub fn non_inferiority(
    differences: &[f64],
    clusters: Option<&[usize]>,
    margin: f64,
    alpha: f64,
) -> Option<NonInferiority> {
    non_inferiority_among(differences, clusters, 0, margin, alpha)
}

/// As [`non_inferiority`], of a suite in which `unchanged` further cases are known not to differ, and would not in
/// another run either: replayed, with outputs and judgements that are equal by hash. They count with a difference of
/// exactly 0 that does not vary, so that a change that reaches few cases is judged by these, at their weight in the suite.
/// Without a changed case it passes. What it says is about these very cases, not about others like them.
///
/// Where the outputs are drawn anew, equal ones are equal by chance: give their differences of 0 to [`non_inferiority`].
/// A suite of 50 labels of which 5 are lost on average would here pass in 11 % of runs: whenever 2 are lost or fewer.
///
/// ```
/// use llmtest::stats::{Finding, non_inferiority_among};
///
/// // One case of 100 can move the mean by one point at most, and that is within the margin.
/// let one = non_inferiority_among(&[-1.0], None, 99, 0.05, 0.05).unwrap();
/// assert_eq!((one.finding, one.n), (Finding::Pass, 100));
/// ```
pub fn non_inferiority_among(
    changed: &[f64],
    clusters: Option<&[usize]>,
    unchanged: usize,
    margin: f64,
    alpha: f64,
) -> Option<NonInferiority> {
    if !(margin >= 0.0 && margin.is_finite() && alpha > 0.0 && alpha < 0.5) {
        return None;
    }
    if changed.is_empty() && unchanged > 0 {
        return Some(NonInferiority {
            finding: Finding::Pass,
            mean: 0.0,
            low: 0.0,
            high: 0.0,
            p_not_inferior: 0.0,
            p_regression: 1.0,
            n: unchanged,
            settled_by: None,
            detectable: None,
        });
    }
    let units = Units::new(changed, clusters)?;
    let n = changed.len() + unchanged;
    let share = changed.len() as f64 / n as f64;
    let spread = Spread::new(&units, changed, alpha);
    Some(spread.judge(&units, n, share, margin / share))
}

/// What the bounds are made of: sums over units, which grow with the number of cases.
struct Spread {
    units: f64,
    cases: f64,
    sum: f64,
    squares: f64,
    /// Sum times size, and size times size.
    cross: f64,
    sizes: f64,
    /// Units with a sum other than 0.
    moved: usize,
    /// The largest change that is counted with.
    typical: f64,
    /// What an added case loses.
    reach: f64,
    /// The most that a mean can differ.
    range: f64,
    alpha: f64,
    z: f64,
}

/// A mean with its standard error and the degrees of freedom of that.
#[derive(Clone, Copy)]
struct Estimate {
    mean: f64,
    error: f64,
    freedom: f64,
}

impl Spread {
    fn new(units: &Units, differences: &[f64], alpha: f64) -> Self {
        let largest = differences
            .iter()
            .fold(0.0_f64, |most, d| most.max(d.abs()));
        let moved = differences.iter().filter(|d| d.abs() > 1e-12).count();
        let range = largest.max(1.0);
        let known = moved >= FEW_CHANGES;
        let pairs = || units.sums.iter().zip(&units.sizes);
        Self {
            units: units.sums.len() as f64,
            cases: differences.len() as f64,
            sum: units.sums.iter().sum(),
            squares: units.sums.iter().map(|u| u * u).sum(),
            cross: pairs().map(|(u, m)| u * m).sum(),
            sizes: units.sizes.iter().map(|m| m * m).sum(),
            moved: units.sums.iter().filter(|u| u.abs() > 1e-12).count(),
            typical: if known { largest } else { range },
            reach: if known {
                (2.0 * largest).min(range)
            } else {
                range
            },
            range,
            alpha,
            z: normal_quantile(1.0 - alpha),
        }
    }

    /// The mean of `times` as many cases, with the added ones, which lost (`side` = -1) or won (1).
    fn estimate(&self, times: f64, side: f64) -> Estimate {
        let added = self.z * self.z / 2.0;
        let size = self.cases / self.units;
        let (units, cases) = (
            times * self.units + added,
            times * self.cases + added * size,
        );
        let gain = side * self.reach * size;
        let mean = (times * self.sum + added * gain) / cases;
        let own = self.squares - 2.0 * mean * self.cross + mean * mean * self.sizes;
        let squares = times * own.max(0.0) + added * (gain - mean * size).powi(2);
        Estimate {
            mean,
            error: (units / (units - 1.0) * squares).sqrt() / cases,
            freedom: units - 1.0,
        }
    }

    fn judge(&self, units: &Units, n: usize, share: f64, margin: f64) -> NonInferiority {
        let mean = self.sum / self.cases;
        let (below, above) = (self.estimate(1.0, -1.0), self.estimate(1.0, 1.0));
        let student = t_quantile(1.0 - self.alpha, below.freedom);
        let low = (below.mean - student * below.error).max(-self.range);
        let p_not_inferior = if low > -margin && below.mean - student * below.error <= -margin {
            // No mean is lower than the range.
            0.0
        } else {
            t_share(-(below.mean + margin) / below.error, below.freedom)
        };
        let few = units.sums.len() < FEW_UNITS;
        let p_regression = quick_tails(&units.sums, few).low(!few);
        let regressed = p_regression < self.alpha;
        let seen = -normal_quantile(p_regression);
        let mut high = (above.mean + student * above.error).min(self.range);
        if regressed != (high < 0.0) {
            // The bound that belongs to the test: 0 where the p value is alpha. (Miettinen, American Journal of
            // Epidemiology 103, 1976.)
            high = mean * (1.0 - self.z / seen);
        }
        let finding = if low > -margin {
            Finding::Pass
        } else if regressed {
            Finding::Fail
        } else {
            Finding::Inconclusive
        };
        let settled = (finding == Finding::Inconclusive)
            .then(|| self.settled_by(mean, margin, seen))
            .flatten();
        let both = self.z + normal_quantile(POWER);
        // A drop changes outcomes itself: it needs some to be seen, however little varied before.
        let detectable = (both * below.error).max(both * both * self.typical / self.units);
        NonInferiority {
            finding,
            mean: mean * share,
            low: low * share,
            high: high * share,
            p_not_inferior,
            p_regression,
            n,
            settled_by: settled
                .map(|cases| whole(cases as f64 / share))
                .filter(|cases| *cases <= MOST_CASES),
            detectable: (detectable < self.range).then_some(detectable * share),
        }
    }

    /// The fewest cases that would pass or fail, if they were as those seen.
    fn settled_by(&self, mean: f64, margin: f64, seen: f64) -> Option<usize> {
        let cases = whole(self.cases);
        let passes = |n: usize| {
            let estimate = self.estimate(n as f64 / self.cases, -1.0);
            let student = t_point(self.z, estimate.freedom);
            estimate.mean - student * estimate.error > -margin
        };
        let passed = (mean > -margin)
            .then(|| {
                let (mut low, mut high) = (cases, cases.saturating_mul(2));
                while !passes(high) {
                    if high > MOST_CASES {
                        return None;
                    }
                    (low, high) = (high, high.saturating_mul(2));
                }
                while high - low > 1 {
                    let middle = usize::midpoint(low, high);
                    if passes(middle) {
                        high = middle;
                    } else {
                        low = middle;
                    }
                }
                Some(high)
            })
            .flatten();
        let failed = (mean < 0.0).then(|| {
            // The test statistic grows with the root of the number, from what is seen and from what the p value says of
            // it; and fewer units than this cannot fail however they fall.
            let moved = self.moved.max(1) as f64;
            let statistic = self.sum.abs() / self.squares.sqrt();
            let mut times = (self.z / statistic)
                .powi(2)
                .max(self.alpha.log2().abs().ceil() / moved);
            if seen > 0.5 {
                times = times.max((self.z / seen).powi(2));
            }
            whole(self.cases * times).max(cases + 1)
        });
        match (passed, failed) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }
}

/// Student's quantile from that of the normal distribution, by the expansion of Cornish and Fisher: for figures of
/// planning, where it is made hundreds of times.
fn t_point(z: f64, freedom: f64) -> f64 {
    let (cube, fifth) = (z.powi(3), z.powi(5));
    z + (cube + z) / (4.0 * freedom)
        + (5.0 * fifth + 16.0 * cube + 3.0 * z) / (96.0 * freedom * freedom)
        + (3.0 * z.powi(7) + 19.0 * fifth + 17.0 * cube - 15.0 * z) / (384.0 * freedom.powi(3))
}

#[cfg(test)]
#[path = "non_inferiority_tests.rs"]
mod tests;
