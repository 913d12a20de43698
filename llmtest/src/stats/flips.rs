//! What flips of sign do to a sum: the distribution behind the paired tests.

use super::{Rng, normal_share};
use special::Gamma;
use std::collections::BTreeMap;
use std::f64::consts::LN_2;

/// Up to this many sums that are not 0, every combination of signs is looked at.
const ENUMERATED: usize = 14;
/// Otherwise this many random ones are.
const DRAWS: u32 = 10_000;
const SEED: u64 = 0x6c6c_6d74_666c_6970;
/// A unit with more than this share of the sum of squares decides too much for the saddlepoint approximation.
const DOMINANT: f64 = 0.25;

/// Differences added up by what varies as a whole: a case, or a cluster of cases.
#[derive(Debug, Clone)]
pub(super) struct Units {
    /// The sum of each.
    pub sums: Vec<f64>,
    /// How many cases each has.
    pub sizes: Vec<f64>,
}

impl Units {
    /// `None` for no differences, one that is no number, and labels that are not one a difference.
    pub(super) fn new(differences: &[f64], clusters: Option<&[usize]>) -> Option<Self> {
        if differences.is_empty() || differences.iter().any(|d| !d.is_finite()) {
            return None;
        }
        let Some(labels) = clusters else {
            return Some(Self {
                sums: differences.to_vec(),
                sizes: vec![1.0; differences.len()],
            });
        };
        if labels.len() != differences.len() {
            return None;
        }
        let mut groups: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
        for (label, difference) in labels.iter().zip(differences) {
            let (sum, size) = groups.entry(*label).or_default();
            *sum += difference;
            *size += 1.0;
        }
        let (sums, sizes) = groups.into_values().unzip();
        Some(Self { sums, sizes })
    }
}

/// How likely random signs give a sum below, at, and above the one seen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Tails {
    pub below: f64,
    pub at: f64,
    pub above: f64,
    /// The same for the sum without its sign: at least as far from 0.
    pub as_far: f64,
    /// Whether it is counted rather than drawn or approximated.
    pub exact: bool,
}

impl Tails {
    /// That the sum is at least as low as the one seen; with half of the weight of the sum itself for `mid`.
    pub(super) fn low(&self, mid: bool) -> f64 {
        let weight = if mid { 0.5 } else { 1.0 };
        (self.below + weight * self.at).min(1.0)
    }

    /// The same at the other end.
    pub(super) fn high(&self) -> f64 {
        (self.above + self.at).min(1.0)
    }
}

/// By counting where that is possible, otherwise by drawing.
pub(super) fn tails(sums: &[f64]) -> Tails {
    let moved = moved(sums);
    counted(&moved).unwrap_or_else(|| drawn(&moved))
}

/// By counting where that is possible, otherwise by the saddlepoint approximation of the distribution, which needs no
/// draws; by drawing where one sum dominates, and where `few` asks for it.
pub(super) fn quick_tails(sums: &[f64], few: bool) -> Tails {
    let moved = moved(sums);
    counted(&moved).unwrap_or_else(|| {
        let squares: f64 = moved.iter().map(|u| u * u).sum();
        let dominated = moved.iter().any(|u| u * u > DOMINANT * squares);
        if few || dominated {
            drawn(&moved)
        } else {
            saddlepoint(&moved)
        }
    })
}

/// A sum of 0 is the same with either sign.
fn moved(sums: &[f64]) -> Vec<f64> {
    let largest = sums.iter().fold(0.0_f64, |most, u| most.max(u.abs()));
    let is_moved = |u: &f64| u.abs() > 1e-12 * largest;
    sums.iter().copied().filter(is_moved).collect()
}

fn counted(moved: &[f64]) -> Option<Tails> {
    let largest = moved.iter().fold(0.0_f64, |most, u| most.max(u.abs()));
    if moved
        .iter()
        .all(|u| (u.abs() - largest).abs() <= 1e-9 * largest)
    {
        let up = moved.iter().filter(|u| **u > 0.0).count() as u64;
        return Some(coins(moved.len() as u64, up));
    }
    (moved.len() <= ENUMERATED).then(|| {
        let combinations = 1_u32 << moved.len();
        let sums = (0..combinations).map(|signs| {
            let signed = |(place, u): (usize, &f64)| if signs >> place & 1 == 1 { *u } else { -u };
            moved.iter().enumerate().map(signed).sum::<f64>()
        });
        shares(moved, sums, true)
    })
}

fn drawn(moved: &[f64]) -> Tails {
    let mut rng = Rng::new(SEED);
    let sums = (0..DRAWS).map(|_| {
        let (mut bits, mut left) = (0, 0);
        let signed = moved.iter().map(|u| {
            if left == 0 {
                (bits, left) = (rng.bits(), 64);
            }
            let up = bits & 1 == 1;
            (bits, left) = (bits >> 1, left - 1);
            if up { *u } else { -u }
        });
        signed.sum::<f64>()
    });
    shares(moved, sums, false)
}

/// What was drawn counts the sum seen as one more draw, so that no share is 0. (Phipson and Smyth, Statistical
/// Applications in Genetics and Molecular Biology 9, 2010.)
fn shares(moved: &[f64], sums: impl Iterator<Item = f64>, exact: bool) -> Tails {
    let seen: f64 = moved.iter().sum();
    let near = 1e-9 * moved.iter().map(|u| u.abs()).sum::<f64>();
    let [mut below, mut at, mut above, mut far, mut n] = [0_u32; 5];
    if !exact {
        (at, far, n) = (1, 1, 1);
    }
    for sum in sums {
        n += 1;
        if (sum - seen).abs() <= near {
            at += 1;
        } else if sum < seen {
            below += 1;
        } else {
            above += 1;
        }
        far += u32::from(sum.abs() >= seen.abs() - near);
    }
    let share = |count: u32| f64::from(count) / f64::from(n);
    Tails {
        below: share(below),
        at: share(at),
        above: share(above),
        as_far: share(far),
        exact,
    }
}

/// Sums that are all of one size are tosses of a coin, of which `up` of `n` fell up.
pub(super) fn coins(n: u64, up: u64) -> Tails {
    let at = coin_mass(n, up);
    let above = coin_above(n, up);
    let below = coin_above(n, n - up);
    let far = 2.0 * at + 2.0 * if up * 2 >= n { above } else { below };
    Tails {
        below,
        at,
        above,
        as_far: far.min(1.0),
        exact: true,
    }
}

fn coin_mass(n: u64, up: u64) -> f64 {
    let factorial = |n: u64| Gamma::ln_gamma(n as f64 + 1.0).0;
    (factorial(n) - factorial(up) - factorial(n - up) - n as f64 * LN_2).exp()
}

/// More than `up` of `n` coins fall up.
fn coin_above(n: u64, up: u64) -> f64 {
    if up >= n {
        return 0.0;
    }
    // The longer tail is what the shorter one leaves.
    if up * 2 < n {
        return (1.0 - coin_above(n, n - up) - coin_mass(n, up)).max(0.0);
    }
    let mut term = coin_mass(n, up);
    let mut sum = 0.0;
    for k in up + 1..=n {
        term *= (n - k + 1) as f64 / k as f64;
        sum += term;
        if term < 1e-18 * sum {
            break;
        }
    }
    sum
}

/// The formula of Lugannani and Rice on the sum of `u` with random signs, whose cumulant function is the sum of
/// `ln cosh(t u)`. On a lattice it gives the tail with half of the weight of the sum itself. (Lugannani and Rice,
/// Advances in Applied Probability 12, 1980; for sign flips: Robinson, JRSS B 44, 1982.)
fn saddlepoint(moved: &[f64]) -> Tails {
    let scale = moved.iter().map(|u| u * u).sum::<f64>().sqrt();
    let seen = moved.iter().sum::<f64>().abs() / scale;
    let most = moved.iter().map(|u| u.abs()).sum::<f64>() / scale;
    let all_alike = 0.5_f64.powf(moved.len() as f64);
    let tail = if seen >= most * (1.0 - 1e-9) {
        all_alike
    } else {
        // The slope of the cumulant function is at most t and bends downwards, so that Newton's steps from here come
        // to where it is `seen` from below.
        let mut t = seen;
        for _ in 0..100 {
            let (mut slope, mut bend) = (0.0, 0.0);
            for u in moved {
                let (u, tanh) = (u / scale, (t * u / scale).tanh());
                slope += u * tanh;
                bend += u * u * (1.0 - tanh * tanh);
            }
            let step = (seen - slope) / bend;
            if !step.is_finite() || step <= 1e-10 * (1.0 + t) {
                break;
            }
            t += step;
        }
        let (mut cumulant, mut bend) = (0.0, 0.0);
        for u in moved {
            let x = (t * u / scale).abs();
            // ln cosh x, which does not overflow.
            cumulant += x + (-2.0 * x).exp().ln_1p() - LN_2;
            bend += (u / scale * (1.0 - x.tanh().powi(2)).sqrt()).powi(2);
        }
        let w = (2.0 * (t * seen - cumulant)).max(0.0).sqrt();
        let v = t * bend.sqrt();
        if w < 1e-3 {
            normal_share(-w)
        } else {
            let density = (-w * w / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
            (normal_share(-w) + density * (1.0 / v - 1.0 / w)).clamp(all_alike, 0.5)
        }
    };
    let (below, above) = if moved.iter().sum::<f64>() < 0.0 {
        (tail, 1.0 - tail)
    } else {
        (1.0 - tail, tail)
    };
    Tails {
        below,
        at: 0.0,
        above,
        as_far: (2.0 * tail).min(1.0),
        exact: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coins_are_those_of_the_binomial_distribution() {
        let tails = coins(11, 2);
        assert!((tails.low(false) - 67.0 / 2048.0).abs() < 1e-12);
        assert!((tails.below + tails.at + tails.above - 1.0).abs() < 1e-12);
        assert!((coins(28, 20).high() - 0.017_849).abs() < 1e-6);
        let half = coins(100_000, 50_000);
        assert!(
            (half.below + half.at / 2.0 - 0.5).abs() < 1e-9 && (half.as_far - 1.0).abs() < 1e-9
        );
        assert!(coins(100_000, 0).low(false) < 1e-300);
        let none = coins(0, 0);
        assert!((none.low(false) - 1.0).abs() < 1e-12 && (none.as_far - 1.0).abs() < 1e-12);
    }

    #[test]
    fn the_approximation_agrees_with_draws() {
        let mut rng = Rng::new(5);
        for n in [20, 40, 200] {
            for shift in [0.0, -0.3, -0.6] {
                let shift = shift / f64::from(n).sqrt();
                let sums: Vec<f64> = (0..n).map(|_| rng.unit() - 0.5 + shift).collect();
                let (quick, slow) = (saddlepoint(&sums), drawn(&sums));
                assert!(
                    (quick.low(true) - slow.low(true)).abs() < 0.015,
                    "{n} {shift}: {quick:?} {slow:?}"
                );
            }
        }
    }

    #[test]
    fn the_approximation_gives_half_of_the_weight_to_the_sum_itself() {
        for (n, up) in [(40, 14), (100, 40), (30, 15), (60, 2)] {
            let sums: Vec<f64> = (0..n).map(|k| if k < up { 1.0 } else { -1.0 }).collect();
            let (quick, exact) = (saddlepoint(&sums).low(true), coins(n, up).low(true));
            assert!(
                (quick - exact).abs() < 0.002,
                "{up} of {n}: {quick} {exact}"
            );
        }
    }

    #[test]
    fn a_unit_that_dominates_is_not_approximated() {
        let mut sums = vec![0.01; 20];
        sums[0] = -1.0;
        // The sum is below the one seen where the large one is down and some others are, which is nearly half.
        let low = quick_tails(&sums, false).low(true);
        assert!((low - 0.5).abs() < 0.02, "{low}");
    }

    #[test]
    fn clusters_are_added_up_by_label() {
        let units = Units::new(&[1.0, 2.0, 4.0], Some(&[7, 3, 7])).unwrap();
        assert_eq!((units.sums, units.sizes), (vec![2.0, 5.0], vec![1.0, 2.0]));
        assert!(Units::new(&[1.0], Some(&[1, 2])).is_none());
        assert!(Units::new(&[], None).is_none() && Units::new(&[f64::NAN], None).is_none());
    }
}
