//! Requests and responses of the chat completions API.

use super::dialect::{Dialect, Format, Limit, Logprobs};
use llmtest_metrics::{Prompt, Reply, TokenLogprob, Usage};
use serde::Deserialize;
use serde_json::{Value, json};

/// The request's body.
pub(super) fn body(prompt: &Prompt, model: &str, seed: i64, dialect: Dialect) -> Value {
    let mut body = json!({ "model": model, "messages": prompt.messages });
    if !dialect.no_temperature {
        body["temperature"] = json!(0);
    }
    if !dialect.no_seed {
        // Trials and samples are answers of their own.
        let repeat = i64::from(prompt.repeat.trial) * 1000 + i64::from(prompt.repeat.sample);
        body["seed"] = json!(seed.wrapping_add(repeat));
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
            Format::Object => body["response_format"] = json!({ "type": "json_object" }),
            Format::Text => {}
        }
    }
    if prompt.graded.is_some() && dialect.logprobs != Logprobs::None {
        body["logprobs"] = json!(true);
        body["top_logprobs"] = json!(if dialect.logprobs == Logprobs::Twenty {
            20
        } else {
            5
        });
    }
    body
}

/// A completion, as far as we use it. Members that a server leaves out or sets to null are defaults.
#[derive(Deserialize)]
struct Completion {
    #[serde(default)]
    choices: Vec<Choice>,
    usage: Option<WireUsage>,
}

#[derive(Deserialize)]
struct Choice {
    message: Option<Message>,
    finish_reason: Option<String>,
    logprobs: Option<Content>,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    content: Value,
    refusal: Option<String>,
}

#[derive(Deserialize)]
struct Content {
    content: Option<Vec<Token>>,
}

#[derive(Deserialize)]
struct Token {
    #[serde(rename = "token")]
    text: String,
    logprob: Option<f64>,
    top_logprobs: Option<Vec<Alternative>>,
}

#[derive(Deserialize)]
struct Alternative {
    token: String,
    logprob: Option<f64>,
}

#[derive(Deserialize)]
struct WireUsage {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
}

/// What came back.
#[derive(Debug, PartialEq)]
pub(super) enum Outcome {
    Reply(Reply),
    /// The model will not answer, and says why.
    Refused(String),
    /// The limit of tokens was reached; the text so far.
    CutOff(String),
    /// Status 200, and yet an error: its status, if it has one, and its text.
    Error(Option<u16>, String),
    /// Not a completion; why.
    Unreadable(String),
}

/// Reads a response of status 200.
pub(super) fn read(text: &str) -> Outcome {
    let value: Value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(error) if error.is_eof() => {
            return Outcome::Unreadable("its JSON breaks off".to_string());
        }
        Err(_) => return Outcome::Unreadable(format!("it is not JSON: {}", shortened(text, 200))),
    };
    if !value["error"].is_null() {
        let status = value["error"]["code"]
            .as_u64()
            .and_then(|code| u16::try_from(code).ok());
        return Outcome::Error(
            status.filter(|status| (400..600).contains(status)),
            error_text(text),
        );
    }
    let completion: Completion = match serde_json::from_value(value) {
        Ok(completion) => completion,
        Err(error) => return Outcome::Unreadable(error.to_string()),
    };
    let Some(choice) = completion.choices.into_iter().next() else {
        return Outcome::Unreadable(format!("it has no `choices`: {}", shortened(text, 200)));
    };
    let Some(message) = choice.message else {
        return Outcome::Unreadable("its choice has no `message`".to_string());
    };
    if let Some(refusal) = message.refusal.filter(|refusal| !refusal.is_empty()) {
        return Outcome::Refused(refusal);
    }
    let content = content_text(&message.content);
    match choice.finish_reason.as_deref() {
        Some("content_filter") => {
            return Outcome::Refused("its content filter held the reply back".to_string());
        }
        // Some servers fill up with white space behind a complete reply.
        Some("length") if serde_json::from_str::<Value>(content.trim()).is_err() => {
            return Outcome::CutOff(content);
        }
        _ => {}
    }
    let mut reply = Reply::new(content);
    reply.logprobs = choice
        .logprobs
        .and_then(|logprobs| logprobs.content)
        .map(|tokens| tokens.into_iter().map(token).collect());
    reply.usage = completion.usage.map(|usage| Usage {
        prompt_tokens: usage.prompt_tokens.unwrap_or_default(),
        completion_tokens: usage.completion_tokens.unwrap_or_default(),
    });
    Outcome::Reply(reply)
}

/// The text, which some servers cut into parts.
fn content_text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts
            .iter()
            .filter_map(|part| part["text"].as_str())
            .collect(),
        _ => String::new(),
    }
}

fn token(token: Token) -> TokenLogprob {
    let top = token.top_logprobs.into_iter().flatten();
    TokenLogprob {
        token: token.text,
        logprob: token.logprob.unwrap_or(-9999.0),
        top: top
            .map(|alternative| (alternative.token, alternative.logprob.unwrap_or(-9999.0)))
            .collect(),
    }
}

/// What an error response says, in whichever of the usual places.
pub(super) fn error_text(body: &str) -> String {
    let value: Value = serde_json::from_str(body).unwrap_or_default();
    let error = if value["error"].is_null() {
        &value
    } else {
        &value["error"]
    };
    let text = [
        error,
        &error["message"],
        &value["message"],
        &value["detail"],
    ]
    .into_iter()
    .find_map(Value::as_str);
    let mut text = match text {
        Some(text) => text.to_string(),
        None if value["detail"].is_null() => body.to_string(),
        None => value["detail"].to_string(),
    };
    // The parameter that is refused may be named only here.
    for name in ["param", "code", "type"] {
        if let Some(more) = error[name].as_str().filter(|more| !text.contains(more)) {
            text = format!("{text} [{name}: {more}]");
        }
    }
    shortened(&text, 500)
}

/// One line of at most so many characters.
pub(super) fn shortened(text: &str, most: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None if line.is_empty() => "(nothing)".to_string(),
        None => line,
    }
}
