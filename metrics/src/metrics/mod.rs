//! The metrics, one a file, by what they are about.

mod agent;
mod contains;
mod conversation;
mod dag;
mod exact_match;
mod graded;
mod json_correctness;
mod mcp;
mod pattern_match;
mod rag;
mod similarity;
mod text;

pub use agent::*;
pub use contains::Contains;
pub use conversation::*;
pub use dag::{Dag, Node, Question, ask};
pub use exact_match::ExactMatch;
pub use graded::*;
pub use json_correctness::JsonCorrectness;
pub use mcp::*;
pub use pattern_match::PatternMatch;
pub use rag::*;
pub use similarity::Similarity;
