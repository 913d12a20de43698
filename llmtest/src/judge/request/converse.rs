//! Requests to Bedrock: converse, and invoke for embeddings.

use super::super::dialect::{Dialect, Format, Limit};
use super::{apart, cohere, segment, turns};
use llmtest_metrics::Prompt;
use serde_json::{Value, json};

/// The longest name that a tool may have.
const NAME: usize = 64;

/// The address of a model, an inference profile or its ARN.
pub(super) fn url(base: &str, model: &str, call: &str) -> String {
    format!("{base}/model/{}/{call}", segment(model))
}

/// The request's body, and the tool that the model has to call: that is how the form of a reply is enforced.
pub(super) fn body(prompt: &Prompt, dialect: Dialect) -> (Value, Option<String>) {
    let (system, messages) = apart(prompt);
    let messages = turns(messages, super::images::converse);
    let mut config = json!({});
    if !dialect.no_temperature {
        config["temperature"] = super::temperature(prompt);
    }
    if dialect.limit != Limit::None {
        config["maxTokens"] = json!(prompt.max_tokens);
    }
    let mut body = json!({ "messages": messages, "inferenceConfig": config });
    if !system.is_empty() {
        body["system"] = json!([{ "text": system }]);
    }
    // A tool takes an object.
    let schema = prompt
        .schema
        .as_ref()
        .filter(|schema| dialect.format <= Format::Tool && schema.schema["type"] == "object");
    let Some(schema) = schema else {
        return (body, None);
    };
    let name: String = schema.name.chars().take(NAME).collect();
    body["toolConfig"] = json!({
        "tools": [{ "toolSpec": {
            "name": name,
            "description": "Takes your answer.",
            "inputSchema": { "json": schema.schema },
        } }],
        "toolChoice": { "tool": { "name": name } },
    });
    (body, Some(name))
}

/// Whether it is one of Cohere's embedding models, possibly behind an inference profile; the others are Titan's.
pub(super) fn is_cohere(model: &str) -> bool {
    model.contains("cohere.")
}

/// The texts of a request for vectors: Titan takes one.
pub(super) fn texts(model: &str, texts: &[String]) -> Value {
    if is_cohere(model) {
        return cohere::texts(None, texts);
    }
    json!({ "inputText": texts.first() })
}
