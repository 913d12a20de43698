//! Runs that were recorded, as they are compared: what a gate, a comparison or a table of runs reads of them.
//!
//! ```
//! use llmtest::runs::Snapshot;
//!
//! let report = r#"{"format": 1, "run": {"id": "r1"}, "tests": [{"test": "refunds", "row": "late", "binary": "evals",
//!     "file": "tests/evals.rs", "line": 3, "outcome": "passed", "passes_needed": 1, "attempt": 1, "duration": 0.2,
//!     "trials": [{"outcome": "passed", "duration": 0.2, "measurements": [{"metric": "exact_match", "nth": 1,
//!         "outcome": "passed", "score": 1.0, "bar": {"at_least": 1.0}, "duration": 0.0}]}]}]}"#;
//! let run = Snapshot::from_json(report).unwrap();
//! assert_eq!(run.cases[0].name(), "refunds::late");
//! assert_eq!(run.cases[0].trials[0].measurements[0].score, Some(1.0));
//! ```

#[cfg(feature = "cli")]
mod clusters;
#[cfg(feature = "cli")]
mod find;
mod read;
#[cfg(feature = "cli")]
mod slim;
mod snapshot;

pub use crate::results::{RepeatRates, Repeats, Stabilities};
#[cfg(feature = "cli")]
pub(crate) use find::find;
#[cfg(feature = "cli")]
pub(crate) use read::digest;
#[cfg(feature = "cli")]
pub(crate) use slim::slim;
pub use snapshot::{
    Basis, CaseKey, CaseSummary, MeasurementKey, MeasurementSummary, Snapshot, TrialSummary,
};
