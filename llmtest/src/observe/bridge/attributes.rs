//! What the attributes of a foreign span say, in our words: the OpenTelemetry `gen_ai.*` names, OpenInference's, and those
//! of Vercel's AI SDK.
//!
//! Attributes come one at a time, when the span opens, later, or with an event, in any order.

use std::borrow::Cow;
use std::time::Duration;

use serde_json::{Map, Value};

use super::super::context::RawSpan;
use super::messages;

/// Beginnings of names that make a span a component.
const OURS: [&str; 9] = [
    "gen_ai.",
    "openinference.",
    "llm.",
    "retrieval.",
    "embedding.",
    "ai.model.",
    "ai.prompt",
    "ai.response.",
    "ai.toolCall.",
];

/// Whole names that make a span a component.
const OURS_WHOLE: [&str; 5] = [
    "input.value",
    "output.value",
    "tool.name",
    "ai.operationId",
    "ai.usage.promptTokens",
];

/// Whether an attribute of this name makes a span a component.
pub(super) fn is_ours(name: &str) -> bool {
    OURS_WHOLE.contains(&name) || OURS.iter().any(|beginning| name.starts_with(beginning))
}

/// What is known of a foreign span beside what its [`RawSpan`] can hold.
#[derive(Default)]
pub(super) struct Known {
    operation: Option<String>,
    /// The span's own name, for when no attribute gives a better one.
    otel_name: Option<String>,
    subject: Option<String>,
    kind: Option<Cow<'static, str>>,
    response_model: bool,
    failed: Option<bool>,
    error_type: Option<String>,
    error_message: Option<String>,
    /// Messages that came one at a time: by events, or with an index in their names.
    sent: Vec<Value>,
    received: Vec<Value>,
}

impl Known {
    /// Adds an attribute to the span.
    pub(super) fn add(&mut self, span: &mut RawSpan, name: &str, value: Value) {
        match name {
            "otel.name" => self.otel_name = text(value),
            "otel.status_code" => self.set_status(&value),
            "error.type" | "exception.type" => self.error_type = text(value),
            "error.message"
            | "exception.message"
            | "otel.status_description"
            | "otel.status_message" => self.error_message = text(value),
            "otel.kind" => {}
            "gen_ai.operation.name" => self.set_operation(text(value)),
            "openinference.span.kind" => self.set_kind(text(value).as_deref().map(inference_kind)),
            "traceloop.span.kind" | "gen_ai.span.kind" => {
                self.set_kind(text(value).as_deref().map(inference_kind));
            }
            "ai.operationId" => {
                self.kind = text(value.clone()).as_deref().map(vercel_kind);
                note(span, name, value);
            }
            "gen_ai.tool.name" | "tool.name" | "ai.toolCall.name" => {
                self.set_subject("tool", text(value));
            }
            "gen_ai.workflow.name" => self.set_subject("agent", text(value)),
            _ if self.add_numbers(span, name, &value) => {}
            _ => self.add_content(span, name, value),
        }
        self.settle(span);
    }

    /// Adds what the span says of itself where it has no attributes for it.
    pub(super) fn begin(&mut self, span: &mut RawSpan, name: &'static str) {
        span.name = Cow::Borrowed(name);
        self.settle(span);
    }

    /// Says that the span failed, as an event told.
    pub(super) fn fail(&mut self, span: &mut RawSpan, message: Option<String>) {
        self.failed.get_or_insert(true);
        if self.error_message.is_none() {
            self.error_message = message;
        }
        self.settle(span);
    }

    /// Adds a message that an event brought.
    pub(super) fn message(&mut self, span: &mut RawSpan, message: Value, received: bool) {
        let list = if received {
            &mut self.received
        } else {
            &mut self.sent
        };
        list.push(message);
        if received {
            span.output = messages::output(Value::Array(list.clone()));
        } else {
            messages::set_input(&mut span.input, Value::Array(list.clone()));
        }
    }

    fn set_status(&mut self, value: &Value) {
        match value.as_str().map(str::to_ascii_lowercase).as_deref() {
            Some("error") => self.failed = Some(true),
            Some("ok") => self.failed = Some(false),
            _ => {}
        }
    }

    fn set_operation(&mut self, operation: Option<String>) {
        if let Some(operation) = operation {
            self.kind = Some(operation_kind(&operation));
            self.operation = Some(operation);
        }
    }

    fn set_kind(&mut self, kind: Option<Cow<'static, str>>) {
        if self.kind.is_none() {
            self.kind = kind;
        }
    }

    fn set_subject(&mut self, kind: &'static str, name: Option<String>) {
        self.set_kind(Some(Cow::Borrowed(kind)));
        self.subject = name;
    }

    /// Tokens, costs, times and models.
    fn add_numbers(&mut self, span: &mut RawSpan, name: &str, value: &Value) -> bool {
        match name {
            "gen_ai.usage.input_tokens"
            | "gen_ai.usage.prompt_tokens"
            | "llm.token_count.prompt"
            | "llm.usage.prompt_tokens"
            | "ai.usage.promptTokens"
            | "ai.usage.inputTokens" => set_tokens(span, value, |usage, n| usage.0 = n),
            "gen_ai.usage.output_tokens"
            | "gen_ai.usage.completion_tokens"
            | "llm.token_count.completion"
            | "llm.usage.completion_tokens"
            | "ai.usage.completionTokens"
            | "ai.usage.outputTokens" => set_tokens(span, value, |usage, n| usage.1 = n),
            "gen_ai.usage.cost" | "gen_ai.usage.total_cost" | "llm.cost.total" => {
                let cost = number(value).filter(|cost| *cost >= 0.0);
                cost.inspect(|cost| span.cost = Some(*cost)).is_some()
            }
            "gen_ai.response.time_to_first_chunk" => {
                let after = number(value).and_then(|s| Duration::try_from_secs_f64(s).ok());
                after
                    .inspect(|after| span.first_item = Some(*after))
                    .is_some()
            }
            "ai.response.msToFirstChunk" => {
                let after = number(value).and_then(|ms| Duration::try_from_secs_f64(ms / 1e3).ok());
                after
                    .inspect(|after| span.first_item = Some(*after))
                    .is_some()
            }
            "gen_ai.response.model" | "ai.response.model" => {
                let model = value.as_str().filter(|model| !model.is_empty());
                self.response_model |= model.is_some();
                span.model = model.map(str::to_string).or_else(|| span.model.take());
                true
            }
            "gen_ai.request.model" | "llm.model_name" | "embedding.model_name" | "ai.model.id" => {
                let model = value.as_str().filter(|model| !model.is_empty());
                if self.response_model {
                    note(span, name, value.clone());
                } else if let Some(model) = model {
                    span.model = Some(model.to_string());
                }
                true
            }
            _ => false,
        }
    }

    /// What went in and what came out; all else is metadata.
    fn add_content(&mut self, span: &mut RawSpan, name: &str, value: Value) {
        match name {
            "gen_ai.input.messages" | "llm.input_messages" | "ai.prompt.messages" => {
                messages::set_input(&mut span.input, json_in(value));
            }
            "gen_ai.prompt" | "ai.prompt" | "llm.prompts" | "input.value" => {
                set_arguments(&mut span.input, "prompt", json_in(value));
            }
            "gen_ai.output.messages"
            | "llm.output_messages"
            | "gen_ai.completion"
            | "ai.response.text"
            | "ai.response.object"
            | "output.value" => {
                span.output = messages::output(json_in(value));
            }
            "gen_ai.system_instructions" | "gen_ai.system.instructions" => {
                let system = messages::plain_text(json_in(value));
                span.input.insert("system".to_string(), system);
            }
            "gen_ai.tool.call.arguments" | "ai.toolCall.args" | "tool.parameters" => {
                set_arguments(&mut span.input, "arguments", json_in(value));
            }
            "gen_ai.tool.call.result" | "ai.toolCall.result" => span.output = json_in(value),
            "gen_ai.retrieval.query.text" | "gen_ai.retrieval.query" => {
                span.input.insert("query".to_string(), value);
            }
            "gen_ai.retrieval.documents" | "retrieval.documents" => {
                span.retrieved = messages::documents(json_in(value));
            }
            _ => match indexed(name) {
                Some((list, index, field)) => self.add_indexed(span, list, index, field, value),
                None => note(span, name, value),
            },
        }
    }

    /// An attribute with an index in its name, as `llm.input_messages.0.message.content`.
    fn add_indexed(
        &mut self,
        span: &mut RawSpan,
        list: List,
        index: usize,
        field: &str,
        value: Value,
    ) {
        let items = match list {
            List::Documents => &mut span.retrieved,
            List::Sent => &mut self.sent,
            List::Received => &mut self.received,
        };
        if items.len() <= index {
            items.resize(index + 1, Value::Object(Map::new()));
        }
        if let Some(item) = items[index].as_object_mut() {
            item.insert(field.to_string(), value);
        }
        match list {
            List::Documents => {}
            List::Sent => messages::set_input(&mut span.input, Value::Array(items.clone())),
            List::Received => span.output = messages::output(Value::Array(items.clone())),
        }
    }

    /// Name, kind and error, from all that is known by now.
    fn settle(&self, span: &mut RawSpan) {
        // An agent's name stands on the calls that it makes, too.
        let agent = || {
            let name = span.metadata.get("gen_ai.agent.name")?.as_str()?;
            (self.kind.as_deref() == Some("agent")).then(|| name.to_string())
        };
        let name = self
            .subject
            .clone()
            .or_else(agent)
            .or_else(|| self.operation.clone())
            .or_else(|| self.otel_name.clone());
        if let Some(name) = name {
            span.name = Cow::Owned(name);
        }
        span.kind = self.kind.clone().unwrap_or_else(|| {
            let called = span.model.is_some() || span.usage.is_some();
            let retrieved = !span.retrieved.is_empty();
            Cow::Borrowed(match (called, retrieved) {
                (true, _) => "llm",
                (_, true) => "retriever",
                _ => "function",
            })
        });
        let told = self.error_type.is_some() || self.error_message.is_some();
        span.error =
            self.failed
                .unwrap_or(told)
                .then(|| match (&self.error_type, &self.error_message) {
                    (Some(kind), Some(message)) if message.contains(kind.as_str()) => {
                        message.clone()
                    }
                    (Some(kind), Some(message)) => format!("{kind}: {message}"),
                    (Some(one), None) | (None, Some(one)) => one.clone(),
                    (None, None) => "failed".to_string(),
                });
    }
}

#[derive(Clone, Copy)]
enum List {
    Documents,
    Sent,
    Received,
}

/// How many items an index in an attribute's name can make.
const MOST: usize = 1_000;

fn indexed(name: &str) -> Option<(List, usize, &str)> {
    const LISTS: [(&str, List); 5] = [
        ("retrieval.documents.", List::Documents),
        ("llm.input_messages.", List::Sent),
        ("llm.output_messages.", List::Received),
        ("gen_ai.prompt.", List::Sent),
        ("gen_ai.completion.", List::Received),
    ];
    let (rest, list) = LISTS
        .iter()
        .find_map(|(beginning, list)| Some((name.strip_prefix(beginning)?, *list)))?;
    let (index, field) = rest.split_once('.')?;
    let index = index.parse().ok().filter(|index| *index < MOST)?;
    let field = ["message.", "document."]
        .iter()
        .find_map(|beginning| field.strip_prefix(beginning));
    Some((list, index, field.unwrap_or(rest.split_once('.')?.1)))
}

fn operation_kind(operation: &str) -> Cow<'static, str> {
    Cow::Borrowed(match operation {
        "chat" | "text_completion" | "generate_content" => "llm",
        "embeddings" => "embedding",
        "execute_tool" => "tool",
        "invoke_agent" | "create_agent" | "invoke_workflow" => "agent",
        "retrieval" => "retriever",
        "rerank" => "reranker",
        other => return Cow::Owned(other.to_string()),
    })
}

fn inference_kind(kind: &str) -> Cow<'static, str> {
    Cow::Owned(match kind.to_ascii_lowercase().as_str() {
        "chain" | "task" | "workflow" | "unknown" => "function".to_string(),
        other => other.to_string(),
    })
}

/// `ai.generateText` is the whole exchange with its tools, `ai.generateText.doGenerate` one call of the model.
fn vercel_kind(operation: &str) -> Cow<'static, str> {
    Cow::Borrowed(if operation == "ai.toolCall" {
        "tool"
    } else if operation.starts_with("ai.embed") {
        "embedding"
    } else if operation.ends_with(".doGenerate") || operation.ends_with(".doStream") {
        "llm"
    } else {
        "agent"
    })
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    }
}

fn number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_f64(),
    };
    number.filter(|number| number.is_finite())
}

fn set_tokens(span: &mut RawSpan, value: &Value, set: impl FnOnce(&mut (u64, u64), u64)) -> bool {
    let tokens = value
        .as_u64()
        .or_else(|| value.as_str()?.trim().parse().ok());
    if let Some(tokens) = tokens {
        set(span.usage.get_or_insert((0, 0)), tokens);
    }
    tokens.is_some()
}

/// A text that holds JSON, as that; attributes have no other way to hold lists and objects.
fn json_in(value: Value) -> Value {
    match &value {
        Value::String(text) if text.trim_start().starts_with(['{', '[', '"']) => {
            serde_json::from_str(text).unwrap_or(value)
        }
        _ => value,
    }
}

/// An object as the arguments that it is, anything else as the one argument `name`.
fn set_arguments(input: &mut Map<String, Value>, name: &str, value: Value) {
    match value {
        Value::Object(arguments) => input.extend(arguments),
        other => {
            input.insert(name.to_string(), other);
        }
    }
}

fn note(span: &mut RawSpan, name: &str, value: Value) {
    span.metadata.insert(name.to_string(), json_in(value));
}
