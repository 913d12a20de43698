//! Messages and documents of foreign spans, in the simplest shape that keeps what they say.

use serde_json::{Map, Value};

/// Sets `prompt` to the text when a user's text is all there is, else `messages` to the messages.
pub(super) fn set_input(input: &mut Map<String, Value>, messages: Value) {
    input.remove("prompt");
    input.remove("messages");
    match one_text(&messages, "user") {
        Some(prompt) => input.insert("prompt".to_string(), Value::String(prompt)),
        None => input.insert("messages".to_string(), messages),
    };
}

/// The text when a reply with nothing but text is all there is, else the messages as they are.
pub(super) fn output(messages: Value) -> Value {
    match one_text(&messages, "assistant") {
        Some(reply) => Value::String(reply),
        None => messages,
    }
}

/// The texts of parts, one a line; anything else as it is.
pub(super) fn plain_text(value: Value) -> Value {
    match content_text(&value) {
        Some(text) => Value::String(text),
        None => value,
    }
}

/// The documents of a retrieval, however they are wrapped.
pub(super) fn documents(value: Value) -> Vec<Value> {
    let items = match value {
        Value::Array(items) => items,
        Value::Null => Vec::new(),
        other => vec![other],
    };
    items.into_iter().map(document).collect()
}

/// `{"document": {"content": …}}` and `{"document.content": …}` are what OpenInference writes.
fn document(item: Value) -> Value {
    match item {
        Value::Object(mut fields) => match fields.remove("document") {
            Some(inner @ Value::Object(_)) => inner,
            Some(other) => {
                fields.insert("document".to_string(), other);
                Value::Object(fields)
            }
            None => fields
                .into_iter()
                .map(|(name, value)| {
                    let short = name.strip_prefix("document.").map(str::to_string);
                    (short.unwrap_or(name), value)
                })
                .collect(),
        },
        other => other,
    }
}

/// The text of a list of one message of this role, if text is all it has.
fn one_text(messages: &Value, role: &str) -> Option<String> {
    let [message] = messages.as_array()?.as_slice() else {
        return None;
    };
    let message = message.get("message").unwrap_or(message).as_object()?;
    if message.get("role").is_some_and(|said| said != role) {
        return None;
    }
    if message
        .get("tool_calls")
        .is_some_and(|calls| calls.as_array().is_none_or(|calls| !calls.is_empty()))
    {
        return None;
    }
    content_text(message.get("parts").or_else(|| message.get("content"))?)
}

/// A text, or a list of parts that are all texts.
fn content_text(content: &Value) -> Option<String> {
    match content {
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) if !parts.is_empty() => {
            let texts: Option<Vec<&str>> = parts.iter().map(part_text).collect();
            Some(texts?.join("\n"))
        }
        _ => None,
    }
}

fn part_text(part: &Value) -> Option<&str> {
    if let Value::String(text) = part {
        return Some(text);
    }
    if part.get("type").is_some_and(|kind| kind != "text") {
        return None;
    }
    part.get("content").or_else(|| part.get("text"))?.as_str()
}
