//! Metrics made of metrics.

mod all_of;
mod any_of;
mod not;
mod panel;
mod parts;
mod weighted_mean;

pub use all_of::AllOf;
pub use any_of::AnyOf;
pub use not::Not;
pub use panel::{Panel, PanelRule};
pub use weighted_mean::WeightedMean;
