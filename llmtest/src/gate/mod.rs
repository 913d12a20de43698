//! Whether a run may be merged: a pure function of recorded runs and of `[gate]` in `llmtest.toml`.

mod aa;
mod certified;
mod checks;
mod comparison;
mod decide;
mod flakiness;
mod pairs;
mod policy;
mod text;
mod verdict;

#[cfg(test)]
mod tests;

pub use aa::{NoChange, PairsFrom, between_runs, between_trials};
pub use decide::decide;
pub use flakiness::{Evidence, Flakiness, Quarantine, clean_commit, flakiness};
pub use policy::{OnInconclusive, Policy, Rule};
pub use verdict::{CaseChanges, GateCheck, GateReport, Verdict};
