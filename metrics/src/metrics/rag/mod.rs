//! Retrieval-augmented generation.

mod answer_correctness;
mod answer_relevancy;
mod citation_faithfulness;
mod context_entities_recall;
mod contextual_precision;
mod contextual_recall;
mod contextual_relevancy;
mod embedding_similarity;
mod faithfulness;
mod hallucination;
mod noise_sensitivity;
pub(crate) mod passages;

pub use answer_correctness::AnswerCorrectness;
pub use answer_relevancy::AnswerRelevancy;
pub use citation_faithfulness::CitationFaithfulness;
pub use context_entities_recall::ContextEntitiesRecall;
pub use contextual_precision::ContextualPrecision;
pub use contextual_recall::ContextualRecall;
pub use contextual_relevancy::ContextualRelevancy;
pub use embedding_similarity::EmbeddingSimilarity;
pub use faithfulness::Faithfulness;
pub use hallucination::Hallucination;
pub use noise_sensitivity::NoiseSensitivity;
