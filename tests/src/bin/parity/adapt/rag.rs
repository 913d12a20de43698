//! Retrieval-augmented generation.

use super::{Adapted, check, check_with, strictly};
use crate::judge::ScriptedJudge;
use crate::vector::Vector;
use llmtest::{
    AnswerRelevancy, CitationFaithfulness, ContextualPrecision, ContextualRecall,
    ContextualRelevancy, Faithfulness, Hallucination,
};
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
        "contextual_precision" => check(vector, strictly!(vector, ContextualPrecision::new())),
        "contextual_recall" => check(vector, strictly!(vector, ContextualRecall::new())),
        "contextual_relevancy" => check(vector, strictly!(vector, ContextualRelevancy::new())),
        "hallucination" => check(vector, strictly!(vector, Hallucination::new())),
        "citation_faithfulness" => check_with(
            vector,
            strictly!(vector, CitationFaithfulness::new()),
            ScriptedJudge::new(vector).renaming(|_, mut output| {
                output["reason"] = output["reasoning"].take();
                output
            }),
        ),
        _ => return None,
    })
}
