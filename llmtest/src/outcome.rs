//! How a test, a trial or a measurement ended: the word that records, blame and gate share.

use serde::{Deserialize, Serialize};

/// How a test, a trial or a measurement ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every score met its bar.
    Passed,
    /// The metric does not apply, or the test was not run.
    Skipped,
    /// A score missed its bar.
    Failed,
    /// The body or a metric could not run. Never counts in a mean.
    Errored,
}

impl Outcome {
    /// The word in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
            Self::Errored => "errored",
        }
    }
}
