//! What servers are asked: the address below the base URL and the body, one file a format.

mod chat;
mod cohere;
mod converse;
mod gemini;
pub(super) mod images;
mod messages;
mod ollama;
mod responses;

use super::dialect::Dialect;
use super::reading::Wire;
use crate::config::{Api, JudgeConfig};
use llmtest_metrics::{Message, Prompt};
use serde_json::{Value, json};

/// A request to a server.
#[derive(Debug, PartialEq)]
pub(super) struct Request {
    pub(super) url: String,
    pub(super) body: Value,
    /// How the answer is to be read.
    pub(super) wire: Wire,
    /// The tool whose arguments are the reply.
    pub(super) tool: Option<String>,
}

/// The request of a prompt.
pub(super) fn of_prompt(config: &JudgeConfig, prompt: &Prompt, dialect: Dialect) -> Request {
    let (base, model) = (config.base_url.as_str(), config.model.as_str());
    let seed = seed(config, prompt);
    let request = |url: String, body: Value, wire: Wire| Request {
        url,
        body,
        wire,
        tool: None,
    };
    match config.provider.api {
        Api::Chat => {
            let mut body = chat::body(prompt, model, seed, dialect);
            if config.provider.name == "mistral"
                && let Some(seed) = body["seed"].as_i64()
            {
                body["random_seed"] = json!(seed);
                body.as_object_mut().map(|members| members.remove("seed"));
            }
            if config.provider.name == "openrouter" {
                body["usage"] = json!({ "include": true });
            }
            request(format!("{base}/chat/completions"), body, Wire::Chat)
        }
        Api::Azure => {
            let url = azure(config, "chat/completions");
            request(url, chat::body(prompt, model, seed, dialect), Wire::Chat)
        }
        Api::Responses => {
            let body = responses::body(prompt, model, dialect);
            request(format!("{base}/responses"), body, Wire::Responses)
        }
        Api::Messages => {
            let (body, tool) = messages::body(prompt, model, dialect);
            Request {
                tool,
                ..request(format!("{base}/messages"), body, Wire::Messages)
            }
        }
        Api::Gemini => {
            let url = format!("{base}/{}:generateContent", gemini::path(model));
            request(url, gemini::body(prompt, seed, dialect), Wire::Gemini)
        }
        Api::Ollama => {
            let body = ollama::body(prompt, model, seed, dialect);
            request(
                format!("{}/api/chat", ollama::root(base)),
                body,
                Wire::Ollama,
            )
        }
        Api::Cohere => {
            let body = cohere::body(prompt, model, seed, dialect);
            request(format!("{base}/chat"), body, Wire::Cohere)
        }
        Api::Converse => {
            let (body, tool) = converse::body(prompt, dialect);
            Request {
                tool,
                ..request(converse::url(base, model, "converse"), body, Wire::Converse)
            }
        }
    }
}

/// How freely the model may choose.
fn temperature(prompt: &Prompt) -> Value {
    prompt.temperature.map_or(json!(0), Value::from)
}

/// The request for the vectors of these texts.
pub(super) fn of_texts(config: &JudgeConfig, texts: &[String]) -> Request {
    let (base, model) = (config.base_url.as_str(), config.model.as_str());
    let (url, body) = match config.provider.api {
        Api::Gemini => (
            format!("{base}/{}:batchEmbedContents", gemini::path(model)),
            gemini::texts(model, texts),
        ),
        Api::Ollama => (
            format!("{}/api/embed", ollama::root(base)),
            json!({ "model": model, "input": texts, "truncate": false }),
        ),
        Api::Azure => (
            azure(config, "embeddings"),
            json!({ "model": model, "input": texts }),
        ),
        Api::Cohere => (format!("{base}/embed"), cohere::texts(Some(model), texts)),
        Api::Converse => (
            converse::url(base, model, "invoke"),
            converse::texts(model, texts),
        ),
        Api::Chat | Api::Responses | Api::Messages => (
            format!("{base}/embeddings"),
            json!({ "model": model, "input": texts }),
        ),
    };
    Request {
        url,
        body,
        wire: Wire::Embeddings,
        tool: None,
    }
}

/// How many texts one request may hold.
pub(super) fn most_texts(config: &JudgeConfig) -> usize {
    match config.provider.api {
        Api::Gemini => 100,
        Api::Cohere => 96,
        Api::Converse if converse::is_cohere(&config.model) => 96,
        Api::Converse => 1,
        _ => 2048,
    }
}

/// Trials and samples are answers of their own.
fn seed(config: &JudgeConfig, prompt: &Prompt) -> i64 {
    let repeat = i64::from(prompt.repeat.trial) * 1000 + i64::from(prompt.repeat.sample);
    config.seed.wrapping_add(repeat)
}

/// An address on Azure: of a deployment, or of the newer API that is as OpenAI's own.
fn azure(config: &JudgeConfig, call: &str) -> String {
    let base = config.base_url.as_str();
    if base.ends_with("/openai/v1") {
        return format!("{base}/{call}");
    }
    let root = base.strip_suffix("/openai").unwrap_or(base);
    let (model, version) = (segment(&config.model), segment(&config.api_version));
    format!("{root}/openai/deployments/{model}/{call}?api-version={version}")
}

/// Text as a part of an address.
pub(super) fn segment(text: &str) -> String {
    let digit = |value: u8| char::from(b"0123456789ABCDEF"[usize::from(value)]);
    let mut segment = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            segment.push(char::from(byte));
        } else {
            segment.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    segment
}

/// What the system says, and the rest of the messages. Some providers keep them apart, and want somebody to speak.
fn apart(prompt: &Prompt) -> (String, Vec<&Message>) {
    let (system, rest): (Vec<&Message>, Vec<&Message>) = prompt
        .messages
        .iter()
        .partition(|message| message.role == "system");
    if rest.is_empty() {
        return (String::new(), system);
    }
    let system: Vec<&str> = system
        .iter()
        .map(|message| message.content.as_str())
        .collect();
    (system.join("\n\n"), rest)
}

/// The turns of a talk between two, where there is no other role; `content` is how the provider shows a message.
fn turns(messages: Vec<&Message>, content: fn(&Message) -> Value) -> Vec<Value> {
    let turn = |message: &Message| {
        let role = if message.role == "assistant" {
            "assistant"
        } else {
            "user"
        };
        json!({ "role": role, "content": content(message) })
    };
    messages.into_iter().map(turn).collect()
}

#[cfg(test)]
mod tests;
