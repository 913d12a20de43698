//! The metrics, one a file, by what they are about.

mod agent;
mod combine;
mod contains;
mod content;
mod conversation;
mod dag;
mod exact_match;
mod graded;
mod json_correctness;
mod limits;
mod mcp;
mod pattern_match;
mod rag;
mod ranking;
mod similarity;
mod text;

pub use agent::*;
pub use combine::*;
pub use contains::Contains;
pub use content::*;
pub use conversation::*;
pub use dag::*;
pub use exact_match::ExactMatch;
pub use graded::*;
pub use json_correctness::JsonCorrectness;
pub use limits::*;
pub use mcp::*;
pub use pattern_match::PatternMatch;
pub use rag::*;
pub use ranking::*;
pub use similarity::Similarity;
pub use text::*;
