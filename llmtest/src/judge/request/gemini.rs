//! Requests to Gemini.

use super::super::dialect::{Dialect, Format, Limit};
use super::{apart, segment};
use llmtest_metrics::Prompt;
use serde_json::{Map, Value, json};

/// The members of a JSON Schema that Gemini's own form of schemas has.
const KEPT: [&str; 14] = [
    "type",
    "format",
    "title",
    "description",
    "enum",
    "items",
    "minItems",
    "maxItems",
    "properties",
    "required",
    "minimum",
    "maximum",
    "anyOf",
    "pattern",
];

/// A model's path, which may be that of a tuned model.
pub(super) fn path(model: &str) -> String {
    match model.split_once('/') {
        Some((kind, name)) => format!("{}/{}", segment(kind), segment(name)),
        None => format!("models/{}", segment(model)),
    }
}

/// The request's body.
pub(super) fn body(prompt: &Prompt, seed: i64, dialect: Dialect) -> Value {
    let (system, messages) = apart(prompt);
    let contents: Vec<Value> = messages
        .into_iter()
        .map(|message| {
            let role = if message.role == "assistant" {
                "model"
            } else {
                "user"
            };
            json!({ "role": role, "parts": super::images::gemini(message) })
        })
        .collect();
    let mut config = json!({});
    if !dialect.no_temperature {
        config["temperature"] = super::temperature(prompt);
    }
    if !dialect.no_seed {
        // Of 32 bits.
        config["seed"] = json!(seed.rem_euclid(i64::from(i32::MAX)));
    }
    if dialect.limit != Limit::None {
        config["maxOutputTokens"] = json!(prompt.max_tokens);
    }
    if let Some(schema) = &prompt.schema
        && dialect.format != Format::Text
    {
        config["responseMimeType"] = json!("application/json");
        if dialect.format == Format::Schema {
            config["responseSchema"] = own_schema(&schema.schema);
        }
    }
    if let Some(count) = dialect.alternatives(prompt) {
        config["responseLogprobs"] = json!(true);
        config["logprobs"] = json!(count);
    }
    let mut body = json!({ "contents": contents, "generationConfig": config });
    if !system.is_empty() {
        body["systemInstruction"] = json!({ "parts": [{ "text": system }] });
    }
    body
}

/// The texts of a request for vectors.
pub(super) fn texts(model: &str, texts: &[String]) -> Value {
    let requests: Vec<Value> = texts
        .iter()
        .map(|text| json!({ "model": path(model), "content": { "parts": [{ "text": text }] } }))
        .collect();
    json!({ "requests": requests })
}

/// A JSON Schema in Gemini's own form: no `additionalProperties`, `null` as a flag, and an order, for members are
/// written in the alphabet's otherwise and a score would come before its reason.
fn own_schema(schema: &Value) -> Value {
    let Some(members) = schema.as_object() else {
        return schema.clone();
    };
    let mut own: Map<String, Value> = members
        .iter()
        .filter(|(name, _)| KEPT.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    if let Some(types) = members.get("type").and_then(Value::as_array) {
        let mut others = types.iter().filter(|kind| *kind != "null");
        if let Some(first) = others.next() {
            own.insert("type".to_string(), first.clone());
        }
        own.insert(
            "nullable".to_string(),
            json!(types.contains(&json!("null"))),
        );
    }
    // Only texts can be enumerated.
    if own
        .get("enum")
        .and_then(Value::as_array)
        .is_some_and(|values| !values.iter().all(Value::is_string))
    {
        own.remove("enum");
    }
    if let Some(value) = own.get_mut("items") {
        *value = own_schema(value);
    }
    if let Some(Value::Array(all)) = own.get_mut("anyOf") {
        for one in all {
            *one = own_schema(one);
        }
    }
    if let Some(Value::Object(properties)) = own.get_mut("properties") {
        let names: Vec<String> = properties.keys().cloned().collect();
        for property in properties.values_mut() {
            *property = own_schema(property);
        }
        let required = members
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let mut order: Vec<String> = required
            .filter_map(|name| name.as_str().map(str::to_string))
            .collect();
        let rest: Vec<String> = names
            .into_iter()
            .filter(|name| !order.contains(name))
            .collect();
        order.extend(rest);
        own.insert("propertyOrdering".to_string(), json!(order));
    }
    Value::Object(own)
}
