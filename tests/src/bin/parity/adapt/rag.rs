//! Retrieval-augmented generation.

use super::{Adapted, check, strictly};
use crate::vector::Vector;
use llmtest::{AnswerRelevancy, Faithfulness};
use serde_json::Value;

pub(super) fn adapt(vector: &Vector) -> Option<Adapted> {
    Some(match vector.metric.as_str() {
        "answer_relevancy" => check(vector, strictly!(vector, AnswerRelevancy::new())),
        "faithfulness" => {
            let mut metric = strictly!(vector, Faithfulness::new());
            if vector.flag("penalize_ambiguous_claims") {
                metric = metric.penalize_ambiguous();
            }
            let limit = vector
                .option("truths_extraction_limit")
                .and_then(Value::as_u64);
            // A limit of 0 asks DeepEval's judge for "0 truths"; the score does not depend on it.
            if let Some(limit) = limit
                .and_then(|limit| usize::try_from(limit).ok())
                .filter(|limit| *limit > 0)
            {
                metric = metric.truths_limit(limit);
            }
            check(vector, metric)
        }
        _ => return None,
    })
}
