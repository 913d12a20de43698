//! What servers answer, read from their text: no I/O here. One file a wire format; all lead to one [`Reading`].

mod chat;
mod cohere;
mod converse;
mod fault;
mod gemini;
mod messages;
mod ollama;
mod outcome;
mod parts;
mod responses;
mod tokens;
mod vectors;

pub(crate) use fault::Fault;
pub(crate) use outcome::{Outcome, shortened};

use llmtest_metrics::TokenLogprob;
use parts::Parts;
use serde::Serialize;
use serde_json::Value;
use std::time::SystemTime;

/// The formats in which servers answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    /// OpenAI's chat completions and the older completions, and all servers that are compatible.
    Chat,
    /// OpenAI's responses.
    Responses,
    /// Anthropic's messages.
    Messages,
    /// `generateContent` of Gemini and Vertex.
    Gemini,
    /// Ollama's own chat and generate.
    Ollama,
    /// Cohere's chat, version 2.
    Cohere,
    /// Converse and invoke of Bedrock.
    Converse,
    /// Embeddings of all of these.
    Embeddings,
    /// OpenAI's moderations.
    Moderation,
}

/// A response of any format. Members that a server leaves out are empty.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Reading {
    /// What the model says: of the first choice, where there are several.
    pub(crate) text: String,
    /// What each choice says.
    pub(crate) texts: Vec<String>,
    /// What it thought before.
    pub(crate) reasoning: String,
    /// Why it will not answer.
    pub(crate) refusal: Option<String>,
    /// Why it stopped, in the server's word.
    pub(crate) finish: Option<String>,
    /// More about that, such as `max_output_tokens`.
    pub(crate) detail: Option<String>,
    /// Of what kinds the pieces of the reply are.
    pub(crate) kinds: Vec<String>,
    /// The tools that the model wants called.
    pub(crate) tool_calls: Vec<Call>,
    /// What was counted.
    pub(crate) usage: Option<Count>,
    /// What the server calls the model that answered.
    pub(crate) model: Option<String>,
    /// What the call cost in dollars, where the server states `usage.cost`.
    pub(crate) cost: Option<f64>,
    /// The tokens of `text`.
    pub(crate) logprobs: Option<Vec<TokenLogprob>>,
    /// How many listed tokens are not in `text`: those of thoughts, and end marks.
    pub(crate) other_tokens: usize,
    /// The mean log-probability, where the server gives only that.
    pub(crate) average_logprob: Option<f64>,
    /// How many choices there are; `None` in a format that has none.
    pub(crate) choices: Option<usize>,
    /// Why the prompt was not answered at all.
    pub(crate) blocked: Option<String>,
    /// What went wrong, in a body that may have the status 200.
    pub(crate) error: Option<Fault>,
    /// How many vectors there are.
    pub(crate) vectors: Vec<Vec<f32>>,
    /// The categories that a moderation flagged; `None` for a text that is not flagged.
    pub(crate) flagged: Option<Vec<String>>,
    /// How many pieces the body came in.
    pub(crate) events: usize,
    /// The text that the pieces of a stream add up to, where a last piece repeats it.
    pub(crate) joined: Option<String>,
    /// Whether `[DONE]` stands at the end.
    pub(crate) done_marker: bool,
    /// Why this is not a response at all, or not a whole one.
    pub(crate) unreadable: Option<String>,
}

/// A call of a tool.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Call {
    pub(crate) name: String,
    /// As sent: text that should be JSON.
    pub(crate) arguments: String,
}

/// Tokens, by the server's own count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Count {
    pub(crate) input: Option<u64>,
    pub(crate) output: Option<u64>,
    /// Read from a cache.
    pub(crate) cached: Option<u64>,
    /// Written to a cache.
    pub(crate) cache_write: Option<u64>,
    /// Spent on thoughts.
    pub(crate) reasoning: Option<u64>,
    /// Whether `cached` and `cache_write` come on top of `input`.
    #[serde(skip)]
    pub(crate) cached_apart: bool,
    /// Whether `reasoning` comes on top of `output`.
    #[serde(skip)]
    pub(crate) reasoning_apart: bool,
}

/// Reads a body, whatever its status.
pub(crate) fn read(wire: Wire, body: &str) -> Reading {
    let parts = match Parts::of(body) {
        Ok(parts) => parts,
        Err(why) => {
            return Reading {
                unreadable: Some(why),
                ..Reading::default()
            };
        }
    };
    let mut reading = match wire {
        Wire::Chat => chat::read(&parts),
        Wire::Responses => responses::read(&parts),
        Wire::Messages => messages::read(&parts),
        Wire::Gemini => gemini::read(&parts),
        Wire::Ollama => ollama::read(&parts),
        Wire::Cohere => cohere::read(&parts),
        Wire::Converse => converse::read(&parts),
        Wire::Embeddings => vectors::embeddings(&parts),
        Wire::Moderation => vectors::moderation(&parts),
    };
    reading.model = parts.all.iter().find_map(model_in);
    reading.cost = parts.all.iter().rev().find_map(cost_in);
    reading.events = parts.all.len() + usize::from(parts.done_marker);
    reading.done_marker = parts.done_marker;
    reading.error = parts.all.iter().find_map(Fault::of);
    if reading.error.is_none() && reading.unreadable.is_none() {
        let ended = parts.done_marker || reading.finish.is_some() || reading.blocked.is_some();
        if parts.broken {
            reading.unreadable = Some("its last piece breaks off".to_string());
        } else if parts.streamed && !ended {
            reading.unreadable = Some("its stream breaks off without an end".to_string());
        }
    }
    reading
}

/// The name of the model in a body or an event of any format; a name that cannot be one is none.
fn model_in(part: &Value) -> Option<String> {
    let names = [
        &part["model"],
        &part["response"]["model"],
        &part["message"]["model"],
        &part["modelVersion"],
        &part["trace"]["promptRouter"]["invokedModelId"],
    ];
    let name = names.into_iter().find_map(Value::as_str)?;
    let plain = name.bytes().all(|byte| byte.is_ascii_graphic());
    (plain && (1..=200).contains(&name.len())).then(|| name.to_string())
}

/// The most dollars that one call may cost to be believed.
const MOST: f64 = 1e4;

/// The cost that `OpenRouter` states. Of a call with a key of one's own, the provider's part stands beside the fee.
fn cost_in(part: &Value) -> Option<f64> {
    let usage = &part["usage"];
    let dollars = |value: &Value| {
        let dollars = value.as_f64()?;
        (0.0..=MOST).contains(&dollars).then_some(dollars)
    };
    let cost = dollars(&usage["cost"])?;
    let upstream = if usage["is_byok"] == true {
        dollars(&usage["cost_details"]["upstream_inference_cost"])?
    } else {
        0.0
    };
    Some(cost + upstream)
}

/// What a recorded exchange is read as, for the conformance command: every member, and the outcome for who asked.
#[doc(hidden)]
pub fn read_exchange(
    api: &str,
    status: u16,
    headers: &[(&str, &str)],
    body: &str,
) -> Option<Value> {
    let wire = match api {
        "chat" | "completion" => Wire::Chat,
        "responses" => Wire::Responses,
        "messages" => Wire::Messages,
        "generateContent" => Wire::Gemini,
        "ollama_chat" | "ollama_generate" => Wire::Ollama,
        "cohere_chat" => Wire::Cohere,
        "converse" | "invoke" => Wire::Converse,
        "embeddings" => Wire::Embeddings,
        "moderation" => Wire::Moderation,
        // Only its errors are of interest.
        "vector_stores" if status >= 400 => Wire::Chat,
        _ => return None,
    };
    let reading = read(wire, body);
    let mut value = serde_json::to_value(&reading).ok()?;
    let header = |name: &str| {
        Some(
            headers
                .iter()
                .find(|(known, _)| known.eq_ignore_ascii_case(name))?
                .1,
        )
    };
    let wait = super::http::retry_after(header, SystemTime::now());
    value["wait_ms"] = wait
        .and_then(|wait| u64::try_from(wait.as_millis()).ok())
        .into();
    if !(200..300).contains(&status) {
        let bare = || Parts::of(body).ok()?.all.iter().find_map(Fault::bare);
        value["error"] = serde_json::to_value(reading.error.or_else(bare)).ok()?;
        value["outcome"] = "status".into();
        value["says"] = error_text(body).into();
        return Some(value);
    }
    let tool = reading.tool_calls.first().map(|call| call.name.clone());
    let (outcome, says) = match reading.outcome(tool.as_deref()) {
        Outcome::Reply(_) => ("reply", String::new()),
        Outcome::Refused(why) => ("refused", why),
        Outcome::CutOff(word, _) => ("cut off", word),
        Outcome::Error(_, why) => ("error", why),
        Outcome::Unreadable(why) => ("unreadable", why),
    };
    value["outcome"] = outcome.into();
    value["says"] = says.into();
    Some(value)
}

/// What an error response says, whatever its form.
pub(crate) fn error_text(body: &str) -> String {
    let fault = Parts::of(body).ok().and_then(|parts| {
        parts
            .all
            .iter()
            .find_map(|part| Fault::of(part).or_else(|| Fault::bare(part)))
    });
    match fault {
        Some(fault) => shortened(&fault.text(), 500),
        None => shortened(body, 500),
    }
}

/// The status and the text of an error whose type stands in a header, `ThrottlingException:http://…`. Amazon answers 400
/// to some that stand for another status.
pub(crate) fn typed(status: u16, said: String, kind: Option<&str>) -> (u16, String) {
    let kind = kind.and_then(|kind| kind.split(':').next()).map(str::trim);
    let Some(kind) = kind.filter(|kind| !kind.is_empty()) else {
        return (status, said);
    };
    let meant = fault::meant(kind).filter(|_| status == 400);
    let said = if said.contains(kind) {
        said
    } else {
        format!("{said} [type: {}]", shortened(kind, 80))
    };
    (meant.unwrap_or(status), said)
}

/// What a filter says in an error response, where it was a filter.
pub(crate) fn filtered(body: &str) -> Option<String> {
    let parts = Parts::of(body).ok()?;
    let fault = parts.all.iter().find_map(Fault::of)?;
    fault.is_filter().then(|| fault.text())
}

/// Text at a place, `None` where it is missing or null.
fn text_at(value: &Value, name: &str) -> Option<String> {
    value[name].as_str().map(str::to_string)
}

/// Text, or the texts of a list of pieces.
fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts
            .iter()
            .filter_map(|part| part.as_str().or_else(|| part["text"].as_str()))
            .collect(),
        _ => String::new(),
    }
}

/// The arguments of a call as text, which some servers send as JSON.
fn arguments_of(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The items of a list, none where there is no list.
fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests;
