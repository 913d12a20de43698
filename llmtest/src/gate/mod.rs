//! Whether a run may be merged: a pure function of recorded runs and of `[gate]` in `llmtest.toml`.

mod verdict;

pub use verdict::{CaseChanges, GateCheck, GateReport, Verdict};
