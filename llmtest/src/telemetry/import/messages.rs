//! Messages of a chat, whichever shape a provider or library gave them.

use super::python;
use llmtest_metrics::ToolCall;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Nested deeper than this is no message.
const DEEPEST: usize = 12;

/// One message of a chat.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Message {
    /// Who wrote it: `system`, `user`, `assistant`, `tool`, or as the source has it; empty where it does not say.
    pub role: String,
    /// What it says; parts of text are joined by line breaks.
    pub content: String,
    /// The calls of tools that it asks for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<MessageCall>,
    /// Of a tool's result: the call that it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_id: Option<String>,
}

/// A call of a tool in a [`Message`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct MessageCall {
    /// Its id, which the result names; empty where there is none.
    pub id: String,
    /// The tool.
    pub name: String,
    /// The arguments: an object where the source can be read as one.
    pub arguments: Value,
}

impl Message {
    fn new(role: &str) -> Self {
        Self {
            role: role.to_string(),
            ..Self::default()
        }
    }

    pub(super) fn is_user(&self) -> bool {
        matches!(self.role.as_str(), "user" | "human")
    }

    pub(super) fn is_assistant(&self) -> bool {
        matches!(self.role.as_str(), "assistant" | "ai" | "model")
    }

    fn says(&mut self, text: &str) {
        if !self.content.is_empty() && !text.is_empty() {
            self.content.push('\n');
        }
        self.content.push_str(text);
    }
}

/// The messages in an input or output; none when it holds no chat. Text is looked into when it is JSON or a printed
/// Python value.
///
/// ```
/// use llmtest::import::messages;
/// use serde_json::json;
///
/// let chat = json!({"messages": [{"role": "user", "parts": [{"type": "text", "content": "Hi"}]}]});
/// assert_eq!(messages(&chat)[0].content, "Hi");
/// assert!(messages(&json!({"query": "Hi"})).is_empty());
/// ```
pub fn messages(value: &Value) -> Vec<Message> {
    read(value, 0).unwrap_or_default()
}

fn read(value: &Value, depth: usize) -> Option<Vec<Message>> {
    if depth > DEEPEST {
        return None;
    }
    match value {
        Value::String(text) => read(&python::value(text)?, depth + 1),
        Value::Array(items) if items.is_empty() => None,
        Value::Array(items) => {
            let mut all = Vec::new();
            for item in items {
                all.extend(item_messages(item, depth + 1)?);
            }
            Some(all)
        }
        Value::Object(object) => object_messages(object, depth + 1),
        _ => None,
    }
}

/// What one item of a list of messages stands for; none when it is no message.
fn item_messages(item: &Value, depth: usize) -> Option<Vec<Message>> {
    match item {
        // Lists of lists: one list per prompt of a batch.
        Value::Array(_) => read(item, depth),
        Value::String(text) => {
            let inner = python::value(text)?;
            one(inner.as_object()?, depth)
        }
        Value::Object(object) => {
            // A definition of a tool that stands among the messages.
            if object.get("role").and_then(Value::as_str) == Some("tool")
                && object.get("content").is_some_and(is_definition)
            {
                return Some(Vec::new());
            }
            one(object, depth)
        }
        _ => None,
    }
}

fn is_definition(content: &Value) -> bool {
    content["type"] == "function" && content["function"]["parameters"].is_object()
}

/// What wraps messages, by its key.
fn object_messages(object: &Map<String, Value>, depth: usize) -> Option<Vec<Message>> {
    if let Some(inner) = object.get("messages") {
        let mut all = Vec::new();
        if let Some(system) = object.get("system").and_then(Value::as_str) {
            all.push(Message {
                content: system.to_string(),
                ..Message::new("system")
            });
        }
        all.extend(read(inner, depth)?);
        return Some(all);
    }
    if let Some(choices) = object.get("choices").and_then(Value::as_array) {
        let inner = choices
            .iter()
            .filter_map(|choice| choice.get("message")?.as_object());
        let all: Vec<_> = inner
            .filter_map(|message| one(message, depth))
            .flatten()
            .collect();
        return (!all.is_empty()).then_some(all);
    }
    if let Some(contents) = object.get("contents") {
        return gemini_request(object, contents, depth);
    }
    if let Some(candidates) = object.get("candidates").and_then(Value::as_array) {
        let inner = candidates
            .iter()
            .filter_map(|candidate| candidate.get("content")?.as_object());
        let all: Vec<_> = inner
            .filter_map(|content| one(content, depth))
            .flatten()
            .collect();
        return (!all.is_empty()).then_some(all);
    }
    if object.get("object").and_then(Value::as_str) == Some("response") {
        return read(object.get("output")?, depth);
    }
    for key in ["content", "new_message", "message"] {
        if let Some(inner) = object.get(key).and_then(Value::as_object)
            && (inner.contains_key("parts") || inner.contains_key("role"))
        {
            return one(inner, depth);
        }
    }
    one(object, depth)
}

fn gemini_request(
    request: &Map<String, Value>,
    contents: &Value,
    depth: usize,
) -> Option<Vec<Message>> {
    let mut all = Vec::new();
    let configured = request
        .get("config")
        .and_then(|config| config.get("system_instruction"));
    if let Some(system) = configured.or_else(|| request.get("system_instruction")) {
        let mut message = Message::new("system");
        take_content(&mut message, system);
        all.push(message);
    }
    match contents {
        Value::String(text) if !python::looks_like_one(text) => {
            all.push(Message {
                content: text.clone(),
                ..Message::new("user")
            });
        }
        other => all.extend(read(other, depth)?),
    }
    Some(all)
}

/// The messages that one object is: several where it holds the results of several tools.
fn one(object: &Map<String, Value>, depth: usize) -> Option<Vec<Message>> {
    if depth > DEEPEST {
        return None;
    }
    let text = |key: &str| object.get(key).and_then(Value::as_str);
    // A message as LangChain for JavaScript writes it.
    if text("type") == Some("constructor") && object.contains_key("lc") {
        let class = object.get("id")?.as_array()?.last()?.as_str()?;
        let mut inner = object.get("kwargs")?.as_object()?.clone();
        inner.insert("type".into(), class_role(class)?.into());
        return one(&inner, depth + 1);
    }
    match text("type") {
        Some("function_call") => {
            let mut message = Message::new("assistant");
            message.calls.extend(call(object));
            return Some(vec![message]);
        }
        Some("function_call_output") => {
            let mut message = Message::new("tool");
            message.content = as_text(object.get("output")?);
            message.call_id = text("call_id").map(str::to_string);
            return Some(vec![message]);
        }
        _ => {}
    }
    if object.contains_key("toolCallId") && object.contains_key("toolName") {
        let mut message = Message::new("assistant");
        message.calls.extend(call(object));
        return Some(vec![message]);
    }
    let role = text("role").or_else(|| text("type").and_then(class_role));
    let has_content = ["content", "parts", "tool_calls", "contents"]
        .iter()
        .any(|key| object.contains_key(*key));
    let has_text = role.is_some() && object.contains_key("text");
    let blocks = object.get("content").is_some_and(is_blocks);
    if !(role.is_some() && (has_content || has_text)) && !blocks {
        return None;
    }
    Some(parts(object, role.unwrap_or_default()))
}

/// Whether this is a list of parts with types, as Anthropic and MCP write content.
fn is_blocks(content: &Value) -> bool {
    let typed = |part: &Value| part.get("type").is_some_and(Value::is_string);
    content
        .as_array()
        .is_some_and(|parts| !parts.is_empty() && parts.iter().all(typed))
}

fn parts(object: &Map<String, Value>, role: &str) -> Vec<Message> {
    let mut message = Message::new(role);
    let id = ["tool_call_id", "call_id", "toolCallId"]
        .iter()
        .find_map(|key| object.get(*key)?.as_str());
    message.call_id = id.map(str::to_string);
    let mut results = Vec::new();
    match object.get("content").or_else(|| object.get("contents")) {
        Some(content) => results.extend(take_content(&mut message, content)),
        None => message.says(
            object
                .get("text")
                .and_then(Value::as_str)
                .unwrap_or_default(),
        ),
    }
    if let Some(parts) = object.get("parts") {
        results.extend(take_content(&mut message, parts));
    }
    let kept_inside = object
        .get("additional_kwargs")
        .and_then(|more| more.get("tool_calls"));
    let lists = [object.get("tool_calls"), kept_inside];
    let calls = lists
        .into_iter()
        .flatten()
        .filter_map(Value::as_array)
        .find(|calls| !calls.is_empty());
    let calls = calls.into_iter().flatten().filter_map(Value::as_object);
    message.calls.extend(calls.filter_map(call));
    let empty = message.content.is_empty() && message.calls.is_empty();
    if empty && !results.is_empty() {
        return results;
    }
    results.insert(0, message);
    results
}

/// Adds what the content says; hands back the results of tools in it, each a message of its own.
fn take_content(message: &mut Message, content: &Value) -> Vec<Message> {
    let items = match content {
        Value::Null => return Vec::new(),
        Value::String(text) => {
            message.says(text);
            return Vec::new();
        }
        Value::Array(items) => items.as_slice(),
        // One part without its list.
        Value::Object(one) => {
            if let Some(parts) = one.get("parts") {
                return take_content(message, parts);
            }
            std::slice::from_ref(content)
        }
        other => {
            message.says(&other.to_string());
            return Vec::new();
        }
    };
    let mut results = Vec::new();
    for item in items {
        let Some(part) = item.as_object() else {
            message.says(&as_text(item));
            continue;
        };
        if let Some(result) = tool_result(part) {
            results.push(result);
        } else if let Some(inner) = ["function_call", "functionCall", "toolUse"]
            .iter()
            .find_map(|key| part.get(*key)?.as_object())
        {
            message.calls.extend(call(inner));
        } else if matches!(
            part.get("type").and_then(Value::as_str),
            Some("tool_call" | "tool_use" | "tool-call" | "function_call")
        ) {
            message.calls.extend(call(part));
        } else if let Some(said) = ["text", "content"]
            .iter()
            .find_map(|key| part.get(*key)?.as_str())
        {
            message.says(said);
        } else if !part.contains_key("type") {
            message.says(&as_text(item));
        }
        // Other kinds of parts, such as hidden reasoning and images, are not what was said.
    }
    results
}

/// The result of a tool that stands as a part.
fn tool_result(part: &Map<String, Value>) -> Option<Message> {
    let kind = part.get("type").and_then(Value::as_str);
    let wrapped = ["function_response", "functionResponse", "toolResult"]
        .iter()
        .find_map(|key| part.get(*key)?.as_object());
    let typed = matches!(
        kind,
        Some("tool_call_response" | "tool_result" | "tool-result")
    );
    let part = wrapped.or_else(|| typed.then_some(part))?;
    let mut message = Message::new("tool");
    let result = ["response", "result", "content", "output"]
        .iter()
        .find_map(|key| part.get(*key));
    match result {
        Some(value) if is_blocks(value) => {
            take_content(&mut message, value);
        }
        Some(value) => message.content = as_text(value),
        None => {}
    }
    let id = ["id", "call_id", "tool_use_id", "toolCallId", "toolUseId"]
        .iter()
        .find_map(|key| part.get(*key)?.as_str());
    message.call_id = id.map(str::to_string);
    Some(message)
}

/// A call of a tool, in the shapes of OpenAI, Anthropic, Gemini, `LangChain`, Vercel and OpenTelemetry.
fn call(object: &Map<String, Value>) -> Option<MessageCall> {
    let inner = object
        .get("function")
        .and_then(Value::as_object)
        .unwrap_or(object);
    let name = ["name", "toolName"]
        .iter()
        .find_map(|key| inner.get(*key)?.as_str())?;
    let id = ["call_id", "id", "toolCallId", "toolUseId"]
        .iter()
        .find_map(|key| object.get(*key)?.as_str());
    let arguments = ["arguments", "args", "input"]
        .iter()
        .find_map(|key| inner.get(*key));
    Some(MessageCall {
        id: id.unwrap_or_default().to_string(),
        name: name.to_string(),
        arguments: opened(arguments.unwrap_or(&Value::Null)),
    })
}

/// A text that holds an object or a list as that; everything else as it is.
pub(super) fn opened(value: &Value) -> Value {
    let inner = value.as_str().and_then(python::value);
    inner.unwrap_or_else(|| value.clone())
}

/// Strings bare, null empty, the rest as JSON.
pub(super) fn as_text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn class_role(class: &str) -> Option<&'static str> {
    match class {
        "user" | "human" | "HumanMessage" | "HumanMessageChunk" => Some("user"),
        "assistant" | "ai" | "AIMessage" | "AIMessageChunk" => Some("assistant"),
        "system" | "SystemMessage" => Some("system"),
        "tool" | "ToolMessage" => Some("tool"),
        _ => None,
    }
}

/// The calls in messages with their results, which later messages hold.
pub(super) fn tool_calls(messages: &[Message]) -> Vec<ToolCall> {
    let mut all = Vec::new();
    for (at, message) in messages.iter().enumerate() {
        for call in &message.calls {
            let answers = |later: &&Message| {
                !call.id.is_empty() && later.call_id.as_deref() == Some(call.id.as_str())
            };
            let result = messages[at + 1..].iter().find(answers);
            let mut found = ToolCall::new(&call.name).arguments(call.arguments.clone());
            if let Some(result) = result {
                found.output = opened(&Value::String(result.content.clone()));
            }
            all.push(found);
        }
    }
    all
}
