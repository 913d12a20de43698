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
#[cfg(feature = "cli")]
mod undecided;
mod verdict;

#[cfg(test)]
mod rules_tests;
#[cfg(test)]
mod tests;

pub use aa::{NoChange, PairsFrom, between_runs, between_trials};
pub use certified::certified_non_inferiority;
pub use decide::decide;
pub use flakiness::{Evidence, Flakiness, Quarantine, clean_commit, flakiness};
pub use looks::looks;
pub use policy::{OnInconclusive, Policy, Rule};
#[cfg(feature = "cli")]
pub(crate) use undecided::{Test, undecided};
pub use verdict::{CaseChanges, GateCheck, GateReport, Verdict};
