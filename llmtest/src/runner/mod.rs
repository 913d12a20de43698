//! Runs cases: the body, then every expectation, then the record.

mod body;
mod case;
mod lost;
mod measure;
mod memo;
mod patience;
mod place;
mod plan;
mod run;

pub(crate) use body::Place;
pub(crate) use case::{Case, run_case};
pub use measure::{compare, measure, measure_traced};
pub(crate) use run::{HarnessArgs, Run, run, start};
