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

/// Where a command stands, and what its environment says.
#[cfg(feature = "cli")]
#[derive(Debug, Clone)]
pub struct Place {
    /// The working directory.
    pub folder: PathBuf,
    /// The environment.
    pub vars: Vec<(String, String)>,
    /// Where lock files stand: as for the tests, the system's folder for temporary files.
    pub locks: PathBuf,
}

#[cfg(feature = "cli")]
impl Place {
    /// The real one.
    pub fn of_this_process() -> Self {
        Self {
            folder: std::env::current_dir().unwrap_or_default(),
            vars: super::environment(),
            locks: std::env::temp_dir(),
        }
    }

    /// A variable that is set to something.
    pub(crate) fn var(&self, name: &str) -> Option<&str> {
        let mut vars = self.vars.iter();
        let (_, value) = vars.find(|(known, value)| known == name && !value.is_empty())?;
        Some(value)
    }
}
