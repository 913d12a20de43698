//! What the output is or holds, letter by letter. No judge.

mod contains;
mod exact_match;
mod json_correctness;
mod pattern_match;
mod similarity;

pub use contains::Contains;
pub use exact_match::ExactMatch;
pub use json_correctness::JsonCorrectness;
pub use pattern_match::PatternMatch;
pub use similarity::Similarity;
