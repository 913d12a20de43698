//! What a trace says as a whole: question, answer, chat, tools, passages.

use super::messages::{self, Message, as_text, messages, opened, tool_calls};
use super::{ImportedTrace, python};
use llmtest_metrics::{Passage, Span, SpanKind, ToolCall, Turn};
use serde_json::Value;

/// Where a question stands in an object.
const ASKS: [&str; 12] = [
    "input",
    "query",
    "question",
    "prompt",
    "user_input",
    "message",
    "new_message",
    "query_str",
    "text",
    "task",
    "content",
    "inputs",
];
/// Where an answer stands in an object.
const ANSWERS: [&str; 13] = [
    "output",
    "answer",
    "response",
    "content",
    "text",
    "result",
    "final_output",
    "raw",
    "message",
    "comment",
    "reply",
    "outputs",
    "data",
];

/// What an importer found out about the whole trace, beside its spans.
#[derive(Default)]
pub(super) struct Whole {
    pub(super) input: Option<Value>,
    pub(super) output: Option<Value>,
    /// Calls that are listed beside the spans; used where no span is a tool.
    pub(super) calls: Vec<ToolCall>,
    /// Passages that are listed beside the spans.
    pub(super) passages: Vec<Passage>,
}

/// Fills in question, answer, chat, tools and passages.
pub(super) fn summarise(imported: &mut ImportedTrace, whole: Whole) {
    let spans = &imported.trace.spans;
    broken_texts(imported.span_ids.iter().zip(spans), &mut imported.problems);
    let tops = || spans.iter().filter(|span| span.parent.is_none());
    let models = || spans.iter().filter(|span| span.kind == SpanKind::Llm);
    let held = |value: &Value| !value.is_null();

    let inputs = whole
        .input
        .iter()
        .chain(tops().map(|span| &span.input))
        .filter(|value| held(value));
    let asked = inputs.chain(models().map(|span| &span.input).filter(|value| held(value)));
    imported.input = asked
        .map(question)
        .find(|text| !text.is_empty())
        .unwrap_or_default();
    let outputs = whole
        .output
        .iter()
        .chain(tops().map(|span| &span.output))
        .filter(|value| held(value));
    let answered = outputs.chain(
        models()
            .rev()
            .map(|span| &span.output)
            .filter(|value| held(value)),
    );
    imported.output = answered
        .map(answer)
        .find(|text| !text.is_empty())
        .unwrap_or_default();

    imported.messages = chat(&whole, spans);
    imported.turns = turns(&imported.messages);
    imported.tools = tools(spans, whole.calls);
    imported.retrieved = passages(spans);
    for passage in whole.passages {
        if !imported.retrieved.contains(&passage) {
            imported.retrieved.push(passage);
        }
    }
    if imported.input.is_empty() {
        imported
            .problems
            .push("nothing in the trace says what was asked".to_string());
    }
    if imported.output.is_empty() {
        imported
            .problems
            .push("nothing in the trace says what was answered".to_string());
    }
}

/// Names texts that want to be objects and are not: cut, or printed by a program.
fn broken_texts<'a>(
    spans: impl Iterator<Item = (&'a String, &'a Span)>,
    problems: &mut Vec<String>,
) {
    for (id, span) in spans {
        for (side, value) in [("input", &span.input), ("output", &span.output)] {
            if let Value::String(text) = value
                && python::looks_like_one(text)
                && python::value(text).is_none()
            {
                problems.push(format!("the {side} of span `{id}` (`{}`) looks like an object and is neither JSON nor a printed Python value; it is kept as text", span.name));
            }
        }
    }
}

/// What was asked: the last message of the user, or what stands under a telling key, or the value as text.
fn question(value: &Value) -> String {
    let chat = messages(value);
    if let Some(asked) = chat.iter().rev().find(|message| message.is_user()) {
        return asked.content.clone();
    }
    told(value, &ASKS, question)
}

/// What was answered: the last message of the assistant that says something, and so on.
fn answer(value: &Value) -> String {
    let chat = messages(value);
    let said = |message: &&Message| {
        !message.content.is_empty() && !message.is_user() && message.role != "tool"
    };
    if let Some(message) = chat.iter().rev().find(said) {
        return message.content.clone();
    }
    if !chat.is_empty() && chat.iter().all(|message| !message.calls.is_empty()) {
        return String::new();
    }
    told(value, &ANSWERS, answer)
}

fn told(value: &Value, keys: &[&str], inner: fn(&Value) -> String) -> String {
    let value = &opened(value);
    if let Value::Object(object) = value {
        let found = keys.iter().filter_map(|key| object.get(*key));
        let texts = found.filter(|value| value.is_string() || value.is_object());
        if let Some(text) = texts.map(inner).find(|text| !text.is_empty()) {
            return text;
        }
    }
    as_text(value)
}

fn both(input: &Value, output: &Value) -> Vec<Message> {
    let mut all = messages(input);
    let asked = !all.is_empty();
    let said = messages(output);
    // Some outputs repeat the input before they go on.
    if said.starts_with(&all) {
        return said;
    }
    if said.is_empty()
        && asked
        && let Value::String(text) = output
    {
        all.push(Message {
            role: "assistant".to_string(),
            content: text.clone(),
            ..Message::default()
        });
    }
    all.extend(said);
    all
}

fn chat(whole: &Whole, spans: &[Span]) -> Vec<Message> {
    let null = Value::Null;
    let own = both(
        whole.input.as_ref().unwrap_or(&null),
        whole.output.as_ref().unwrap_or(&null),
    );
    let tops = spans.iter().filter(|span| span.parent.is_none());
    let models = spans.iter().rev().filter(|span| span.kind == SpanKind::Llm);
    let rest = tops
        .chain(models)
        .map(|span| both(&span.input, &span.output));
    let mut chats = std::iter::once(own).chain(rest);
    let whole = |chat: &Vec<Message>| {
        chat.iter().any(Message::is_user) && chat.iter().any(Message::is_assistant)
    };
    chats.find(whole).unwrap_or_default()
}

/// The exchanges of a chat with more than one question; calls belong to the assistant's turn.
fn turns(chat: &[Message]) -> Vec<Turn> {
    if chat.iter().filter(|message| message.is_user()).count() < 2 {
        return Vec::new();
    }
    let mut turns: Vec<Turn> = Vec::new();
    for (at, message) in chat.iter().enumerate() {
        if message.is_user() {
            turns.push(Turn::user(&message.content));
        } else if message.is_assistant() {
            let mut turn = Turn::assistant(&message.content);
            let own = message.calls.len();
            turn.tools = tool_calls(&chat[at..]).into_iter().take(own).collect();
            turns.push(turn);
        }
    }
    turns
}

fn tools(spans: &[Span], listed: Vec<ToolCall>) -> Vec<ToolCall> {
    let called: Vec<ToolCall> = spans
        .iter()
        .filter(|span| span.kind == SpanKind::Tool)
        .map(tool)
        .collect();
    if !called.is_empty() {
        return called;
    }
    if !listed.is_empty() {
        return listed;
    }
    // No span is a tool: what the models asked for, with the results that later calls were given.
    let mut all: Vec<ToolCall> = Vec::new();
    for span in spans.iter().filter(|span| span.kind == SpanKind::Llm) {
        all.extend(tool_calls(&messages(&span.output)));
    }
    for span in spans {
        for known in tool_calls(&messages(&span.input)) {
            let asked = all.iter_mut().find(|call| {
                call.output.is_null()
                    && call.name == known.name
                    && call.arguments == known.arguments
            });
            if let Some(call) = asked {
                call.output = known.output;
            }
        }
    }
    all
}

/// A tool's span as a call.
fn tool(span: &Span) -> ToolCall {
    let named = span.metadata.get("tool.name").and_then(Value::as_str);
    let bare = ["execute_tool ", "running tool: ", "Function tool: "];
    let name = named.unwrap_or_else(|| {
        bare.iter()
            .find_map(|prefix| span.name.strip_prefix(prefix))
            .unwrap_or(&span.name)
    });
    let mut arguments = opened(&span.input);
    // Some record the arguments under the only key `input`.
    if let Some(inner) = arguments
        .as_object()
        .filter(|object| object.len() == 1)
        .and_then(|object| object.get("input"))
        && inner.is_object()
    {
        arguments = inner.clone();
    }
    let result = messages(&span.output);
    let output = match result.as_slice() {
        [message] if !message.content.is_empty() => opened(&Value::String(message.content.clone())),
        _ => opened(&span.output),
    };
    ToolCall::new(name).arguments(arguments).output(output)
}

fn passages(spans: &[Span]) -> Vec<Passage> {
    let mut all = Vec::new();
    for span in spans {
        if !span.retrieved.is_empty() {
            all.extend(span.retrieved.iter().cloned());
        } else if span.kind == SpanKind::Retriever {
            all.extend(documents(&span.output));
        }
    }
    all
}

/// The passages in what a retriever returned.
pub(super) fn documents(value: &Value) -> Vec<Passage> {
    let value = messages::opened(value);
    match &value {
        Value::Array(items) => items.iter().filter_map(document).collect(),
        Value::Object(object) => {
            let list = [
                "documents",
                "nodes",
                "results",
                "passages",
                "chunks",
                "retrieved",
            ]
            .iter()
            .find_map(|key| object.get(*key)?.as_array());
            match list {
                Some(items) => items.iter().filter_map(document).collect(),
                None => document(&value).into_iter().collect(),
            }
        }
        Value::String(text) if !text.is_empty() => vec![Passage::from(text.as_str())],
        _ => Vec::new(),
    }
}

fn document(item: &Value) -> Option<Passage> {
    let node = item
        .get("node")
        .or_else(|| item.get("document"))
        .unwrap_or(item);
    (!node.is_null()).then(|| Passage::from_json(node))
}
