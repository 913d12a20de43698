//! Decisions read from the probabilities of one token.

mod calibration;
mod labels;
mod mode;
mod reading;

#[cfg(test)]
mod tests;

pub use calibration::{Calibration, Platt};
pub use labels::Labels;
pub use mode::Decisions;
pub(crate) use mode::{Tally, told};
pub(crate) use reading::{DEPTH, rounded};
pub use reading::{Distribution, FLOOR, Unread, read};
