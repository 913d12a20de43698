//! Retrieval-augmented generation.

mod answer_relevancy;
mod contextual_relevancy;
mod faithfulness;

pub use answer_relevancy::AnswerRelevancy;
pub use contextual_relevancy::ContextualRelevancy;
pub use faithfulness::Faithfulness;
