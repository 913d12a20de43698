//! How property tests run: the same cases on every machine.

use proptest::test_runner::{Config, RngSeed};

/// 256 cases from a fixed seed; nothing is written to disk.
pub(crate) fn config() -> Config {
    Config {
        cases: 256,
        rng_seed: RngSeed::Fixed(20_261_123),
        failure_persistence: None,
        ..Config::default()
    }
}
