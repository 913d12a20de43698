//! Requests to Cohere's chat, version 2, and its embeddings.

use super::super::dialect::{Dialect, Format, Limit};
use llmtest_metrics::Prompt;
use serde_json::{Value, json};

/// The request's body.
pub(super) fn body(prompt: &Prompt, model: &str, seed: i64, dialect: Dialect) -> Value {
    let mut body = json!({ "model": model, "messages": prompt.messages.iter().map(super::images::chat).collect::<Vec<_>>(), "stream": false });
    if !dialect.no_temperature {
        body["temperature"] = super::temperature(prompt);
    }
    if !dialect.no_seed {
        // Of 64 bits without a sign.
        body["seed"] = json!(seed.unsigned_abs());
    }
    if dialect.limit != Limit::None {
        body["max_tokens"] = json!(prompt.max_tokens);
    }
    if let Some(schema) = &prompt.schema {
        match dialect.format {
            Format::Schema => {
                body["response_format"] =
                    json!({ "type": "json_object", "json_schema": schema.schema });
            }
            Format::Tool | Format::Object => {
                body["response_format"] = json!({ "type": "json_object" });
            }
            Format::Text => {}
        }
    }
    body
}

/// The texts of a request for vectors, which are compared with each other. One that is too long is to be an error, not to
/// lose its end.
pub(super) fn texts(model: Option<&str>, texts: &[String]) -> Value {
    let mut body = json!({
        "texts": texts, "input_type": "search_document", "embedding_types": ["float"], "truncate": "NONE",
    });
    if let Some(model) = model {
        body["model"] = json!(model);
    }
    body
}
