//! So many of something a minute.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A bucket of tokens for requests, or for tokens of the model. It holds a tenth of a minute's, for bursts, and fills so fast
/// that no minute gets more than its number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Bucket {
    /// What is missing to a full one.
    missing: f64,
    /// When that was so, in milliseconds since 1970.
    at: u64,
}

impl Bucket {
    /// For how many milliseconds `need` of `a_minute` cannot be taken; what is more than the bucket holds is taken from a
    /// full one, and whoever is next waits for it.
    pub(super) fn wait(&mut self, now: u64, need: f64, a_minute: f64) -> Option<u64> {
        let (size, speed) = shape(a_minute);
        self.missing = (self.missing - now.saturating_sub(self.at) as f64 * speed).max(0.0);
        self.at = now;
        let short = self.missing + need.min(size) - size;
        // A little less than nothing is what adding up leaves.
        (short > 1e-6).then(|| {
            let wait = Duration::try_from_secs_f64(short / speed / 1000.0);
            let wait = wait.map_or(u128::MAX, |wait| wait.as_nanos().div_ceil(1_000_000));
            u64::try_from(wait).unwrap_or(u64::MAX)
        })
    }

    /// Takes, or with a negative number gives back.
    pub(super) fn take(&mut self, amount: f64) {
        self.missing = (self.missing + amount).max(0.0);
    }
}

/// The size, and how much comes back in a millisecond.
fn shape(a_minute: f64) -> (f64, f64) {
    let size = (a_minute / 10.0).floor().max(1.0);
    (size, (a_minute - size + 1.0) / 60_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_minute_has_more_than_its_number_and_the_long_run_not_much_less() {
        for a_minute in [1_u16, 2, 7, 60, 600] {
            let mut bucket = Bucket::default();
            let mut taken = Vec::new();
            for now in 0..600_000 {
                while bucket.wait(now, 1.0, f64::from(a_minute)).is_none() {
                    bucket.take(1.0);
                    taken.push(now);
                }
            }
            for (first, from) in taken.iter().enumerate() {
                let until = taken.partition_point(|at| *at < from + 60_000);
                assert!(until - first <= usize::from(a_minute), "{a_minute}");
            }
            assert!(
                taken.len() * 10 >= 85 * usize::from(a_minute),
                "{a_minute}: {}",
                taken.len()
            );
        }
    }

    #[test]
    fn the_wait_is_told_exactly_and_too_large_a_need_is_a_debt_of_the_next() {
        let mut bucket = Bucket::default();
        assert_eq!(bucket.wait(0, 5000.0, 6000.0), None, "from a full one");
        bucket.take(5000.0);
        let wait = bucket.wait(0, 1.0, 6000.0).unwrap();
        assert!(bucket.wait(wait - 1, 1.0, 6000.0).is_some());
        assert_eq!(bucket.wait(wait, 1.0, 6000.0), None);
        assert!(wait > 40_000, "{wait}");
        bucket.take(-5000.0);
        assert_eq!(bucket.wait(wait, 600.0, 6000.0), None, "given back");
    }
}
