//! The bootstrap, with a small generator of its own so that equal data give equal intervals everywhere.

use super::{Interval, Z, normal_quantile, normal_share};

/// Resamples.
const DRAWS: usize = 2_000;
/// Where every bootstrap begins.
const SEED: u64 = 0x6c6c_6d74_6573_7431;

/// A small generator of random numbers (`SplitMix64`): equal seeds give equal numbers. Not for secrets.
///
/// ```
/// let mut rng = llmtest::stats::Rng::new(7);
/// let roll = 1 + rng.below(6);
/// assert!((1..=6).contains(&roll));
/// assert!((0.0..1.0).contains(&rng.unit()));
/// ```
#[derive(Debug, Clone)]
pub struct Rng(u64);

impl Rng {
    /// Begins at a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in `0.0..1.0`.
    pub fn unit(&mut self) -> f64 {
        // 53 bits are what a float holds exactly.
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A whole number in `0..n`; 0 for `n` = 0.
    pub fn below(&mut self, n: u64) -> u64 {
        // The high half of the product; its bias is below n / 2^64.
        ((u128::from(self.bits()) * u128::from(n)) >> 64) as u64
    }

    /// The index of one of `n` things.
    fn index(&mut self, n: usize) -> usize {
        usize::try_from(self.below(n as u64)).unwrap_or(0)
    }
}

/// The bias-corrected and accelerated bootstrap interval of a mean, with 2,000 resamples and a fixed seed. `None` for
/// fewer than two values, and for values that are all equal: they say nothing of how others would vary.
///
/// Give one value a case; where a case ran several times, their mean. (Efron, JASA 82, 1987.)
///
/// ```
/// let interval = llmtest::stats::bca(&[0.1, 0.4, -0.2, 0.3, 0.5, 0.2]).unwrap();
/// assert!(interval.low < 0.21 && 0.22 < interval.high);
/// ```
pub fn bca(values: &[f64]) -> Option<Interval> {
    let first = values.first()?;
    if values.len() < 2 || values.iter().all(|value| same(*value, *first)) {
        return None;
    }
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let mut rng = Rng::new(SEED);
    let mut means: Vec<f64> = (0..DRAWS)
        .map(|_| {
            let mut draw = || values[rng.index(values.len())];
            values.iter().map(|_| draw()).sum::<f64>() / n
        })
        .collect();
    means.sort_by(f64::total_cmp);
    let below = means
        .iter()
        .filter(|drawn| **drawn < mean && !same(**drawn, mean))
        .count() as f64;
    let equal = means.iter().filter(|drawn| same(**drawn, mean)).count() as f64;
    let bias = normal_quantile(((below + equal / 2.0) / DRAWS as f64).clamp(5e-4, 1.0 - 5e-4));
    // The jackknife means differ from the mean by (mean - value) / (n - 1); the factor cancels.
    let (squares, cubes) = values.iter().fold((0.0, 0.0), |(squares, cubes), value| {
        let d: f64 = value - mean;
        (squares + d * d, cubes + d * d * d)
    });
    let acceleration = cubes / (6.0 * squares.powf(1.5));
    let at = |z: f64| {
        let moved = bias + (bias + z) / (1.0 - acceleration * (bias + z));
        let share = normal_share(moved);
        // The last of the means that at most this share of them lie below.
        let place = (1..DRAWS).take_while(|n| *n as f64 <= share * DRAWS as f64);
        means[place.last().unwrap_or(0)]
    };
    Some(Interval {
        low: at(-Z),
        high: at(Z),
    })
}

/// The percentile bootstrap interval of a statistic of `units`, which are drawn whole: items, or groups of items that
/// belong together. 2,000 resamples with a fixed seed. (Efron, Annals of Statistics 7, 1979.)
///
/// `None` for fewer than two units, where every resample gives the same value, and where the statistic is undefined in
/// more than half of them; resamples in which it is undefined are left out.
///
/// ```
/// let values = [0.1, 0.4, -0.2, 0.3, 0.5, 0.2];
/// let mean = |drawn: &[&f64]| Some(drawn.iter().copied().sum::<f64>() / drawn.len() as f64);
/// let interval = llmtest::stats::bootstrap(&values, mean).unwrap();
/// assert!(interval.low < 0.21 && 0.22 < interval.high);
/// ```
pub fn bootstrap<T>(units: &[T], statistic: impl Fn(&[&T]) -> Option<f64>) -> Option<Interval> {
    if units.len() < 2 {
        return None;
    }
    let mut rng = Rng::new(SEED);
    let mut values: Vec<f64> = (0..DRAWS)
        .filter_map(|_| {
            let drawn: Vec<&T> = units
                .iter()
                .map(|_| &units[rng.index(units.len())])
                .collect();
            statistic(&drawn).filter(|value| value.is_finite())
        })
        .collect();
    values.sort_by(f64::total_cmp);
    let (low, high) = (
        *values.get(values.len() / 40)?,
        *values.get(values.len() - 1 - values.len() / 40)?,
    );
    let spread = values.len() * 2 > DRAWS && !same(low, high);
    spread.then_some(Interval { low, high })
}

/// Equal but for the rounding of sums in another order.
fn same(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-12 * (1.0 + a.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_gives_the_published_numbers() {
        let mut rng = Rng::new(1_234_567);
        let first = [rng.bits(), rng.bits(), rng.bits()];
        assert_eq!(
            first,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }

    #[test]
    fn the_bootstrap_covers_a_skewed_mean_about_as_often_as_it_says() {
        let mut rng = Rng::new(3);
        let mut covered = 0;
        for _ in 0..300 {
            // Of 1 to 3 cubed numbers: mean 1/4.
            let values: Vec<f64> = (0..40).map(|_| rng.unit().powi(3)).collect();
            covered += usize::from(bca(&values).unwrap().contains(0.25));
        }
        assert!((273..=297).contains(&covered), "{covered} of 300");
    }

    #[test]
    fn the_bootstrap_of_a_statistic_leaves_out_where_it_is_undefined() {
        let units = [1.0, 2.0, 3.0, 4.0];
        let mean = |drawn: &[&f64]| Some(drawn.iter().copied().sum::<f64>() / 4.0);
        let all = bootstrap(&units, mean).unwrap();
        assert!(all.low < 2.0 && all.high > 3.0, "{all:?}");
        let with_a_one = |drawn: &[&f64]| mean(drawn).filter(|_| drawn.contains(&&1.0));
        assert!(bootstrap(&units, with_a_one).unwrap().high <= all.high);
        assert_eq!(bootstrap(&units, |_| None), None);
        assert_eq!(bootstrap(&[2.0; 5], mean), None);
        assert_eq!(bootstrap(&[2.0], mean), None);
    }

    #[test]
    fn equal_data_give_equal_intervals_and_equal_values_none() {
        let values = [0.0, -0.5, 1.0, 0.25, 0.25];
        assert_eq!(bca(&values), bca(&values));
        assert_eq!((bca(&[1.0; 9]), bca(&[1.0]), bca(&[])), (None, None, None));
    }
}
