//! Requests of the chat completions API.

use super::super::dialect::{Dialect, Format, Limit};
use llmtest_metrics::Prompt;
use serde_json::{Value, json};

/// The request's body.
pub(super) fn body(prompt: &Prompt, model: &str, seed: i64, dialect: Dialect) -> Value {
    let mut body = json!({ "model": model, "messages": prompt.messages.iter().map(super::images::chat).collect::<Vec<_>>() });
    if !dialect.no_temperature {
        body["temperature"] = super::temperature(prompt);
    }
    if !dialect.no_seed {
        body["seed"] = json!(seed);
    }
    match dialect.limit {
        Limit::MaxTokens => body["max_tokens"] = json!(prompt.max_tokens),
        Limit::MaxCompletionTokens => body["max_completion_tokens"] = json!(prompt.max_tokens),
        Limit::None => {}
    }
    if let Some(schema) = &prompt.schema {
        match dialect.format {
            Format::Schema => {
                body["response_format"] = json!({
                    "type": "json_schema",
                    "json_schema": { "name": schema.name, "strict": true, "schema": schema.schema },
                });
            }
            Format::Tool | Format::Object => {
                body["response_format"] = json!({ "type": "json_object" });
            }
            Format::Text => {}
        }
    }
    if let Some(count) = dialect.alternatives(prompt) {
        body["logprobs"] = json!(true);
        body["top_logprobs"] = json!(count);
    }
    body
}
