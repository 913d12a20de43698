//! Metrics made of metrics.

mod all_of;
mod any_of;
mod escalation;
mod not;
mod panel;
mod parts;
mod samples;
mod weighted_mean;

pub use all_of::AllOf;
pub use any_of::AnyOf;
pub use escalation::Escalation;
pub use not::Not;
pub use panel::{Panel, PanelRule};
pub use samples::{SampleRule, Samples};
pub use weighted_mean::WeightedMean;
