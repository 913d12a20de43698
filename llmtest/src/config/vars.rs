//! The variables of cargo and libtest that the harness honours before there is a configuration.

use std::path::PathBuf;

/// What the harness is told from outside.
#[derive(Debug, Default)]
pub(crate) struct HarnessVars {
    /// `RUST_TEST_THREADS`.
    pub(crate) test_threads: Option<String>,
    /// `CARGO_MANIFEST_DIR`: where the crate is now.
    pub(crate) manifest_dir: Option<PathBuf>,
    /// False when `NO_COLOR` is set.
    pub(crate) colour: bool,
}

impl HarnessVars {
    /// Reads the real environment.
    pub(crate) fn from_env() -> Self {
        Self {
            test_threads: std::env::var("RUST_TEST_THREADS").ok(),
            manifest_dir: std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from),
            colour: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        }
    }
}
