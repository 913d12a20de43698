//! Tests of counts: passed in one run and failed in the other.

use super::flips::coins;
use super::normal_share;
use special::Gamma;

/// What [`mcnemar`] finds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct McNemar {
    /// The exact p value of a split at least as uneven.
    pub two_sided: f64,
    /// The exact p value of at least as many cases that became worse.
    pub one_sided: f64,
    /// The two-sided p value with half of the weight of the split itself: closer to its nominal rate than the exact one,
    /// which errs less often than it says.
    pub mid_p: f64,
    /// The p value of the chi-squared test with correction for continuity; `None` below 25 changed cases, where it is too
    /// rough.
    pub chi_squared: Option<f64>,
}

/// The test of `McNemar` of the cases that changed: `worse` went from pass to fail, `better` from fail to pass. `None` where
/// none did. (Psychometrika 12, 1947; mid-p: Fagerland, Lydersen and Laake, BMC Medical Research Methodology 13,
/// 2013.)
///
/// ```
/// let found = llmtest::stats::mcnemar(9, 2).unwrap();
/// assert!((found.one_sided - 0.032_715).abs() < 1e-6 && (found.mid_p - 0.038_574).abs() < 1e-6);
/// ```
pub fn mcnemar(worse: u64, better: u64) -> Option<McNemar> {
    let changed = worse.checked_add(better).filter(|n| *n > 0)?;
    let tails = coins(changed, worse);
    let shorter = tails.above.min(tails.below);
    let chi_squared = (changed >= 25).then(|| {
        let uneven = (worse.abs_diff(better) as f64 - 1.0).max(0.0);
        2.0 * normal_share(-uneven / (changed as f64).sqrt())
    });
    Some(McNemar {
        two_sided: (2.0 * (shorter + tails.at)).min(1.0),
        one_sided: tails.high(),
        mid_p: (2.0 * shorter + tails.at).min(1.0),
        chi_squared,
    })
}

/// What [`fisher_exact`] finds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fisher {
    /// Of a table at most as likely.
    pub two_sided: f64,
    /// Of at most as many successes in the first: small where its share is the lower one.
    pub less: f64,
    /// Of at least as many successes in the first.
    pub greater: f64,
}

/// Fisher's exact test of two independent shares, each given as successes and cases: for runs whose cases cannot be
/// paired. `None` without a case in either, and for more successes than cases. (Fisher, JRSS 85, 1922.)
///
/// ```
/// // The lady who tells four cups of eight.
/// let found = llmtest::stats::fisher_exact((3, 4), (1, 4)).unwrap();
/// assert!((found.greater - 17.0 / 70.0).abs() < 1e-9 && (found.two_sided - 34.0 / 70.0).abs() < 1e-9);
/// ```
pub fn fisher_exact(first: (u64, u64), second: (u64, u64)) -> Option<Fisher> {
    let ((a, n), (b, m)) = (first, second);
    if n == 0 || m == 0 || a > n || b > m {
        return None;
    }
    let successes = a + b;
    let ways = |n: u64, k: u64| {
        let factorial = |n: u64| Gamma::ln_gamma(n as f64 + 1.0).0;
        factorial(n) - factorial(k) - factorial(n - k)
    };
    let mass = |k: u64| (ways(n, k) + ways(m, successes - k) - ways(n + m, successes)).exp();
    let seen = mass(a);
    let mut found = Fisher {
        two_sided: 0.0,
        less: 0.0,
        greater: 0.0,
    };
    for k in successes.saturating_sub(m)..=successes.min(n) {
        let share = mass(k);
        // Tables that are as likely but for rounding count.
        if share <= seen * (1.0 + 1e-7) {
            found.two_sided += share;
        }
        if k <= a {
            found.less += share;
        }
        if k >= a {
            found.greater += share;
        }
    }
    for p in [&mut found.two_sided, &mut found.less, &mut found.greater] {
        *p = p.min(1.0);
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mcnemar_gives_the_known_values() {
        for (worse, better, expected) in [
            (9, 2, [0.065_430, 0.032_715, 0.038_574]),
            (6, 0, [0.031_250, 0.015_625, 0.015_625]),
            (20, 8, [0.035_698, 0.017_849, 0.024_120]),
        ] {
            let found = mcnemar(worse, better).unwrap();
            for (p, expected) in [found.two_sided, found.one_sided, found.mid_p]
                .iter()
                .zip(expected)
            {
                assert!((p - expected).abs() < 1e-6, "{worse} {better}: {found:?}");
            }
            assert_eq!(found.chi_squared.is_some(), worse + better >= 25);
        }
        // (|20 - 8| - 1)² / 28 = 4.3214.
        let chi = mcnemar(20, 8).unwrap().chi_squared.unwrap();
        assert!((chi - 0.037_635).abs() < 1e-5, "{chi}");
    }

    #[test]
    fn mcnemar_of_an_even_split_is_one() {
        let even = mcnemar(5, 5).unwrap();
        assert!((even.two_sided - 1.0).abs() < 1e-12 && (even.mid_p - 1.0).abs() < 1e-9);
        assert!(mcnemar(0, 0).is_none());
        let improved = mcnemar(0, 6).unwrap();
        assert!((improved.one_sided - 1.0).abs() < 1e-12 && improved.two_sided < 0.04);
    }

    #[test]
    fn fisher_gives_the_known_values() {
        // scipy.stats.fisher_exact([[8, 2], [1, 5]]): 0.03496503.
        let found = fisher_exact((8, 10), (1, 6)).unwrap();
        assert!((found.two_sided - 0.034_965_03).abs() < 1e-7, "{found:?}");
        assert!((found.less + found.greater - 1.0) > 0.0);
        let same = fisher_exact((5, 5), (7, 7)).unwrap();
        assert!((same.two_sided - 1.0).abs() < 1e-9);
        assert!(fisher_exact((1, 0), (1, 1)).is_none() && fisher_exact((0, 0), (1, 1)).is_none());
    }
}
