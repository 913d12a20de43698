//! The metrics, one a file, by what they are about.

mod combine;
mod contains;
mod dag;
mod exact_match;
mod graded;
mod json_correctness;
mod pattern_match;
mod rag;
mod similarity;
mod text;

pub use combine::*;
pub use contains::Contains;
pub use dag::{Dag, Node, Question, ask};
pub use exact_match::ExactMatch;
pub use graded::*;
pub use json_correctness::JsonCorrectness;
pub use pattern_match::PatternMatch;
pub use rag::*;
pub use similarity::Similarity;
