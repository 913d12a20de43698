//! Requests to Anthropic's messages.

use super::super::dialect::{Dialect, Format};
use super::apart;
use llmtest_metrics::Prompt;
use serde_json::{Value, json};

/// The request's body, and the tool that the model has to call: that is how the form of a reply is enforced.
pub(super) fn body(prompt: &Prompt, model: &str, dialect: Dialect) -> (Value, Option<String>) {
    let (system, messages) = apart(prompt);
    let messages: Vec<Value> = messages
        .into_iter()
        .map(|message| {
            let role = if message.role == "assistant" {
                "assistant"
            } else {
                "user"
            };
            json!({ "role": role, "content": message.content })
        })
        .collect();
    // The limit is not optional here.
    let mut body = json!({ "model": model, "messages": messages, "max_tokens": prompt.max_tokens });
    if !system.is_empty() {
        body["system"] = json!(system);
    }
    if !dialect.no_temperature {
        body["temperature"] = json!(0);
    }
    // A tool takes an object.
    let schema = prompt
        .schema
        .as_ref()
        .filter(|schema| dialect.format == Format::Schema && schema.schema["type"] == "object");
    let Some(schema) = schema else {
        return (body, None);
    };
    body["tools"] = json!([{
        "name": schema.name,
        "description": "Takes your answer.",
        "input_schema": schema.schema,
    }]);
    body["tool_choice"] = json!({ "type": "tool", "name": schema.name });
    (body, Some(schema.name.clone()))
}
