//! Requests to Ollama's own chat.

use super::super::dialect::{Dialect, Format, Limit};
use llmtest_metrics::Prompt;
use serde_json::{Value, json};

/// The server's address, which people give with the path of its OpenAI-compatible API.
pub(super) fn root(base: &str) -> &str {
    let base = base.strip_suffix("/v1").unwrap_or(base);
    base.strip_suffix("/api").unwrap_or(base)
}

/// The request's body. A prompt that is too long is to be an error, not to lose its beginning.
pub(super) fn body(prompt: &Prompt, model: &str, seed: i64, dialect: Dialect) -> Value {
    let mut body = json!({
        "model": model, "messages": prompt.messages.iter().map(super::images::ollama).collect::<Vec<_>>(), "stream": false, "truncate": false, "options": {},
    });
    if !dialect.no_temperature {
        body["options"]["temperature"] = super::temperature(prompt);
    }
    if !dialect.no_seed {
        body["options"]["seed"] = json!(seed);
    }
    if dialect.limit != Limit::None {
        body["options"]["num_predict"] = json!(prompt.max_tokens);
    }
    if let Some(schema) = &prompt.schema {
        match dialect.format {
            Format::Schema => body["format"] = schema.schema.clone(),
            Format::Tool | Format::Object => body["format"] = json!("json"),
            Format::Text => {}
        }
    }
    if let Some(count) = dialect.alternatives(prompt) {
        body["logprobs"] = json!(true);
        body["top_logprobs"] = json!(count);
    }
    body
}
