//! Conversations.

use super::{Adapted, check, check_with, strictly};
use crate::judge::ScriptedJudge;
use crate::vector::Vector;
use llmtest::{
    ConversationCompleteness, KnowledgeRetention, RoleAdherence, TurnContextualPrecision,
    TurnContextualRecall, TurnContextualRelevancy, TurnFaithfulness, TurnRelevancy,
};
use serde_json::{Value, json};

/// A metric over windows, with the vector's size.
macro_rules! windowed {
    ($vector:expr, $metric:expr) => {{
        let metric = strictly!($vector, $metric);
        match number($vector, "window_size") {
            Some(size) => metric.window(size),
            None => metric,
        }
    }};
}

pub(super) fn adapt(vector: &Vector) -> Option<Adapted> {
    Some(match vector.metric.as_str() {
        "turn_relevancy" => check(vector, windowed!(vector, TurnRelevancy::new())),
        "role_adherence" => {
            let roles = roles(vector);
            let judge = ScriptedJudge::new(vector)
                .renaming(move |_, output| verdicts_of_turns(&roles, output));
            check_with(vector, strictly!(vector, RoleAdherence::new()), judge)
        }
        "knowledge_retention" => {
            let judge = ScriptedJudge::new(vector).renaming(facts);
            check_with(vector, strictly!(vector, KnowledgeRetention::new()), judge)
        }
        "conversation_completeness" => {
            check(vector, strictly!(vector, ConversationCompleteness::new()))
        }
        "turn_faithfulness" => {
            let mut metric = windowed!(vector, TurnFaithfulness::new());
            if vector.flag("penalize_ambiguous_claims") {
                metric = metric.penalize_ambiguous();
            }
            // A limit of 0 only changes DeepEval's prompt; the score does not depend on it.
            if let Some(limit) =
                number(vector, "truths_extraction_limit").filter(|limit| *limit > 0)
            {
                metric = metric.truths_limit(limit);
            }
            check(vector, metric)
        }
        "turn_contextual_precision" => {
            check(vector, windowed!(vector, TurnContextualPrecision::new()))
        }
        "turn_contextual_recall" => check(vector, windowed!(vector, TurnContextualRecall::new())),
        "turn_contextual_relevancy" => {
            check(vector, windowed!(vector, TurnContextualRelevancy::new()))
        }
        _ => return None,
    })
}

fn number(vector: &Vector, option: &str) -> Option<usize> {
    let number = vector.option(option)?.as_u64()?;
    usize::try_from(number).ok()
}

/// The roles of the turns, in order.
fn roles(vector: &Vector) -> Vec<String> {
    let turns = vector.test_case["turns"].as_array();
    let role = |turn: &Value| turn["role"].as_str().unwrap_or_default().to_string();
    turns.into_iter().flatten().map(role).collect()
}

/// DeepEval's judge lists the turns that are out of character, by their index in the conversation; ours gives every turn of
/// the assistant a verdict. The same is said by "no" for each turn that is listed and "yes" for each that is not. An entry
/// without an index says nothing about a turn: such a reply is handed on as it is, which must be an error.
fn verdicts_of_turns(roles: &[String], output: Value) -> Value {
    let listed: Option<Vec<u64>> = output["verdicts"]
        .as_array()
        .and_then(|listed| listed.iter().map(|turn| turn["index"].as_u64()).collect());
    let Some(listed) = listed else {
        return output;
    };
    let spoken = (0_u64..)
        .zip(roles)
        .filter(|(_, role)| *role == "assistant");
    let verdict = |(index, _)| {
        let out = listed.contains(&index);
        json!({"verdict": if out { "no" } else { "yes" }})
    };
    json!({"verdicts": spoken.map(verdict).collect::<Vec<_>>()})
}

/// DeepEval's facts by name are our list of facts.
fn facts(step: &str, mut output: Value) -> Value {
    if step != "knowledge" || output.get("data").is_none() {
        return output;
    }
    let data = output["data"].take();
    let named = data.as_object().into_iter().flatten();
    let facts: Vec<String> = named
        .map(|(name, fact)| format!("{name}: {fact}"))
        .collect();
    json!({ "facts": facts })
}
