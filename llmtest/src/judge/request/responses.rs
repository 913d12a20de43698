//! Requests to OpenAI's responses.

use super::super::dialect::{Dialect, Format, Limit};
use llmtest_metrics::Prompt;
use serde_json::{Value, json};

/// The API refuses a lower limit.
const LEAST_TOKENS: u32 = 16;

/// The request's body. There is no seed, and nothing is to be kept at the provider.
pub(super) fn body(prompt: &Prompt, model: &str, dialect: Dialect) -> Value {
    let mut body = json!({ "model": model, "input": prompt.messages.iter().map(super::images::responses).collect::<Vec<_>>(), "store": false });
    if !dialect.no_temperature {
        body["temperature"] = super::temperature(prompt);
    }
    if dialect.limit != Limit::None {
        body["max_output_tokens"] = json!(prompt.max_tokens.max(LEAST_TOKENS));
    }
    if let Some(schema) = &prompt.schema {
        match dialect.format {
            Format::Schema => {
                body["text"] = json!({ "format": {
                    "type": "json_schema", "name": schema.name, "strict": true, "schema": schema.schema,
                } });
            }
            Format::Tool | Format::Object => {
                body["text"] = json!({ "format": { "type": "json_object" } });
            }
            Format::Text => {}
        }
    }
    if let Some(count) = dialect.alternatives(prompt) {
        body["top_logprobs"] = json!(count);
        body["include"] = json!(["message.output_text.logprobs"]);
    }
    body
}
