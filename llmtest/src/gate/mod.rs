//! Whether a run may be merged: a pure function of recorded runs and of `[gate]` in `llmtest.toml`.

mod aa;
mod certified;
mod checks;
mod comparison;
mod decide;
mod flakiness;
mod looks;
mod pairs;
mod policy;
mod text;
mod verdict;

#[cfg(test)]
mod rules_tests;
#[cfg(test)]
mod tests;

pub use aa::{NoChange, PairsFrom, between_runs, between_trials};
pub use decide::decide;
pub use flakiness::{Evidence, Flakiness, Quarantine, clean_commit, flakiness};
pub use looks::looks;
#[cfg(feature = "cli")]
pub(crate) use looks::{Test, undecided};
pub use policy::{OnInconclusive, Policy, Rule};
pub use verdict::{CaseChanges, GateCheck, GateReport, Verdict};
