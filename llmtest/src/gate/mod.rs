//! Whether a run may be merged: a pure function of recorded runs and of `[gate]` in `llmtest.toml`.

mod aa;
mod flakiness;
mod verdict;

pub use aa::{NoChange, PairsFrom, between_runs, between_trials};
pub use flakiness::{Evidence, Flakiness, Quarantine, clean_commit, flakiness};
pub use verdict::{CaseChanges, GateCheck, GateReport, Verdict};
