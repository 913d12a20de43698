//! Runs cases: the body, then every expectation, then the record.

mod body;
mod case;
mod causal;
mod git;
mod lost;
mod measure;
mod memo;
mod patience;
mod place;
mod plan;
mod process;
mod resume;
mod run;

pub(crate) use body::Place;
pub(crate) use case::{Case, run_case};
pub use causal::blame_of;
pub use measure::{compare, measure, measure_logged, measure_traced};
pub(crate) use resume::run_or_keep;
pub(crate) use run::{HarnessArgs, Run, run, start};
