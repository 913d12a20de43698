//! What a span's attributes say, in the names of OpenTelemetry, `OpenInference`, Vercel, Traceloop and Langfuse.

use super::python;
use super::summary::documents;
use crate::telemetry::names::{self, gen_ai, others};
use llmtest_metrics::{Passage, Span, SpanKind, Usage};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

pub(super) type Attributes = Map<String, Value>;

/// The kind that the attributes tell; none where they tell none.
pub(super) fn kind(attributes: &Attributes) -> Option<SpanKind> {
    let text = |key: &str| attributes.get(key).and_then(Value::as_str);
    let told = [
        names::LANGFUSE_TYPE,
        names::OPENINFERENCE_KIND,
        names::TRACELOOP_KIND,
    ];
    if let Some(kind) = told.iter().find_map(|key| named_kind(text(key)?)) {
        return Some(kind);
    }
    match text(gen_ai::OPERATION) {
        Some("chat" | "text_completion" | "generate_content") => return Some(SpanKind::Llm),
        Some("execute_tool") => return Some(SpanKind::Tool),
        Some("invoke_agent" | "create_agent") => return Some(SpanKind::Agent),
        Some("retrieval") => return Some(SpanKind::Retriever),
        Some("embeddings") => return Some(SpanKind::from("embedding")),
        _ => {}
    }
    let vercel = text("ai.operationId").map(|operation| {
        if operation == "ai.toolCall" {
            SpanKind::Tool
        } else if operation.starts_with("ai.embed") {
            SpanKind::from("embedding")
        } else if operation.contains(".do") {
            SpanKind::Llm
        } else {
            // Its tokens are those of the calls inside.
            SpanKind::Agent
        }
    });
    if vercel.is_some() {
        return vercel;
    }
    if others::TOOL_NAMES
        .iter()
        .any(|key| attributes.contains_key(*key))
    {
        return Some(SpanKind::Tool);
    }
    let model = others::MODELS
        .iter()
        .any(|key| attributes.contains_key(*key));
    let tokens = others::INPUT_TOKENS
        .iter()
        .any(|key| attributes.contains_key(*key));
    (model && tokens).then_some(SpanKind::Llm)
}

/// A kind by the names of `OpenInference`, Langfuse and Traceloop; none for the general ones.
pub(super) fn named_kind(name: &str) -> Option<SpanKind> {
    match name.to_ascii_lowercase().as_str() {
        "llm" | "generation" => Some(SpanKind::Llm),
        "retriever" => Some(SpanKind::Retriever),
        "tool" => Some(SpanKind::Tool),
        "agent" => Some(SpanKind::Agent),
        "" | "span" | "base" | "unknown" | "function" => None,
        other => Some(SpanKind::from(other)),
    }
}

/// Fills in what the span does not have yet; everything that has no field of its own goes to its metadata.
pub(super) fn apply(span: &mut Span, attributes: &Attributes, problems: &mut Vec<String>) {
    let text = |keys: &[&str]| {
        keys.iter()
            .find_map(|key| attributes.get(*key)?.as_str())
            .filter(|text| !text.is_empty())
    };
    if span.model.is_none() {
        span.model = text(&others::MODELS).map(str::to_string);
    }
    if span.usage.is_none() {
        let count = |keys: &[&str]| keys.iter().find_map(|key| number(attributes.get(*key)?));
        let (read, written) = (count(&others::INPUT_TOKENS), count(&others::OUTPUT_TOKENS));
        span.usage = usage(read, written, problems);
    }
    if span.cost.is_none() {
        span.cost = others::COSTS
            .iter()
            .find_map(|key| number(attributes.get(*key)?))
            .and_then(|cost| believable("cost", cost, problems));
    }
    if span.time_to_first.is_none() {
        span.time_to_first = attributes.get(gen_ai::TIME_TO_FIRST).and_then(number);
    }
    if let Some(name) = text(&others::TOOL_NAMES) {
        span.metadata.insert("tool.name".to_string(), name.into());
    }
    let nested = nested(attributes);
    if span.input.is_null() {
        span.input = payload(
            attributes,
            &nested,
            &others::INPUTS,
            "llm.input_messages",
            "gen_ai.prompt",
            problems,
        );
        let system = attributes.get(gen_ai::SYSTEM_INSTRUCTIONS);
        if let (Some(system), Value::Array(messages)) = (system, &mut span.input)
            && messages.iter().all(|message| message["role"] != "system")
        {
            messages.insert(0, json!({"role": "system", "parts": parsed(system)}));
        }
    }
    if span.output.is_null() {
        span.output = payload(
            attributes,
            &nested,
            &others::OUTPUTS,
            "llm.output_messages",
            "gen_ai.completion",
            problems,
        );
    }
    if span.retrieved.is_empty()
        && let Some(list) = nested.get("retrieval.documents")
    {
        span.retrieved = list
            .values()
            .map(|one| Passage::from_json(&one["document"]))
            .collect();
    } else if span.retrieved.is_empty()
        && let Some(list) = attributes.get(gen_ai::DOCUMENTS)
    {
        span.retrieved = documents(list);
    }
    for (key, value) in attributes {
        let known =
            others::INPUTS.contains(&key.as_str()) || others::OUTPUTS.contains(&key.as_str());
        if !known && !NESTED.iter().any(|prefix| key.starts_with(prefix)) {
            span.metadata
                .entry(key.clone())
                .or_insert_with(|| value.clone());
        }
    }
}

/// Lists that are written as one attribute per leaf: `llm.input_messages.0.message.role`.
const NESTED: [&str; 5] = [
    "llm.input_messages.",
    "llm.output_messages.",
    "retrieval.documents.",
    "gen_ai.prompt.",
    "gen_ai.completion.",
];

/// Those lists as values, by index.
fn nested(attributes: &Attributes) -> BTreeMap<&'static str, BTreeMap<u64, Value>> {
    let mut lists: BTreeMap<&str, BTreeMap<u64, Value>> = BTreeMap::new();
    for (key, value) in attributes {
        let Some(prefix) = NESTED.iter().find(|prefix| key.starts_with(**prefix)) else {
            continue;
        };
        let rest = &key[prefix.len()..];
        let (index, path) = rest.split_once('.').unwrap_or((rest, ""));
        if let Ok(index) = index.parse() {
            let list = lists.entry(prefix.trim_end_matches('.')).or_default();
            put(list.entry(index).or_insert(Value::Null), path, value, 0);
        }
    }
    lists
}

/// Puts a leaf at a path with dots; a part that is a number is a key like any other.
fn put(place: &mut Value, path: &str, leaf: &Value, depth: usize) {
    if path.is_empty() || depth > 16 {
        *place = leaf.clone();
        return;
    }
    let (key, rest) = path.split_once('.').unwrap_or((path, ""));
    if !place.is_object() {
        *place = json!({});
    }
    put(&mut place[key], rest, leaf, depth + 1);
}

/// A message as `OpenInference` nests it, in the shape of OpenAI.
fn flat_message(nested: &Value) -> Value {
    let inner = nested.get("message").unwrap_or(nested);
    let mut message = json!({"role": inner["role"], "content": inner["content"]});
    let items = |value: &Value| -> Vec<Value> {
        let mut items: Vec<_> = value.as_object().into_iter().flatten().collect();
        items.sort_by_key(|(index, _)| index.parse::<u64>().unwrap_or(u64::MAX));
        items.into_iter().map(|(_, item)| item.clone()).collect()
    };
    if inner["content"].is_null() {
        let texts: Vec<Value> = items(&inner["contents"])
            .iter()
            .map(|part| json!({"type": "text", "text": part["message_content"]["text"]}))
            .collect();
        if !texts.is_empty() {
            message["content"] = texts.into();
        }
    }
    let calls: Vec<Value> = items(&inner["tool_calls"])
        .iter()
        .map(|call| {
            let call = call.get("tool_call").unwrap_or(call);
            let function = call.get("function").unwrap_or(call);
            json!({"id": call["id"], "function": {"name": function["name"], "arguments": function["arguments"]}})
        })
        .collect();
    if !calls.is_empty() {
        message["tool_calls"] = calls.into();
    }
    if let Some(id) = inner.get("tool_call_id") {
        message["tool_call_id"] = id.clone();
    }
    message
}

/// An input or output: the first key that holds one, or the list that is spread over many keys.
fn payload(
    attributes: &Attributes,
    nested: &BTreeMap<&str, BTreeMap<u64, Value>>,
    keys: &[&str],
    openinference: &str,
    traceloop: &str,
    problems: &mut Vec<String>,
) -> Value {
    let spread = [openinference, traceloop]
        .iter()
        .find_map(|key| nested.get(key));
    let chat = spread.map(|list| Value::Array(list.values().map(flat_message).collect()));
    let Some((key, value)) = keys
        .iter()
        .find_map(|key| Some((*key, attributes.get(*key)?)))
    else {
        return chat.unwrap_or(Value::Null);
    };
    let mime = match key {
        names::INPUT_VALUE => attributes.get(names::INPUT_MIME),
        names::OUTPUT_VALUE => attributes.get(names::OUTPUT_MIME),
        _ => None,
    };
    let says_json = mime.and_then(Value::as_str) == Some("application/json");
    if says_json
        && value
            .as_str()
            .is_some_and(|text| serde_json::from_str::<Value>(text).is_err())
    {
        problems.push(format!(
            "`{key}` says that it is JSON and is not; it is kept as text"
        ));
    }
    let plain_text = mime.and_then(Value::as_str) == Some("text/plain");
    let value = if plain_text {
        value.clone()
    } else {
        parsed(value)
    };
    // A chat that is spelled out says more than a text made of it.
    match chat {
        Some(chat) if value.is_string() => chat,
        _ => value,
    }
}

/// A text that holds JSON as that.
pub(super) fn parsed(value: &Value) -> Value {
    let inner = value.as_str().filter(|text| python::looks_like_one(text));
    let inner = inner.and_then(|text| serde_json::from_str(text).ok());
    inner.unwrap_or_else(|| value.clone())
}

/// A number, also one that is written as text.
pub(super) fn number(value: &Value) -> Option<f64> {
    let number = value
        .as_f64()
        .or_else(|| value.as_str()?.trim().parse().ok());
    number.filter(|number| number.is_finite())
}

/// More tokens, or dollars, than any call takes.
const MOST: f64 = 1e12;

/// Tokens read and written, which some write with a point; `None` where neither is told or one cannot be.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "neither negative nor large"
)]
pub(super) fn usage(
    read: Option<f64>,
    written: Option<f64>,
    problems: &mut Vec<String>,
) -> Option<Usage> {
    if read.is_none() && written.is_none() {
        return None;
    }
    let mut count = |count: Option<f64>| {
        believable("number of tokens", count.unwrap_or(0.0), problems).map(|count| count as u64)
    };
    let (read, written) = (count(read), count(written));
    Some(Usage {
        prompt_tokens: read?,
        completion_tokens: written?,
        ..Usage::default()
    })
}

/// What is neither negative nor absurd; else it is a problem, and nothing.
pub(super) fn believable(what: &str, number: f64, problems: &mut Vec<String>) -> Option<f64> {
    if (0.0..=MOST).contains(&number) {
        return Some(number);
    }
    problems.push(format!(
        "the {what} is {number}, which cannot be; it is left out"
    ));
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_cannot_be_is_a_problem_and_left_out() {
        let mut problems = Vec::new();
        let known = usage(Some(3.0), None, &mut problems).unwrap();
        assert_eq!((known.prompt_tokens, known.completion_tokens), (3, 0));
        assert_eq!(usage(None, None, &mut problems), None);
        assert!(problems.is_empty());
        for bad in [-1.0, 1e30, f64::NAN] {
            assert_eq!(usage(Some(bad), Some(1.0), &mut problems), None);
            assert_eq!(believable("cost", bad, &mut problems), None);
        }
        assert_eq!(problems.len(), 6);
        assert!(problems[1].starts_with("the cost is -1"), "{}", problems[1]);
    }
}
