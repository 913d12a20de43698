//! Messages as Langfuse normalised them, in a form that can be compared.

use llmtest::import::Message;
use serde_json::Value;

/// One message: role, text, calls and the call that it answers. Texts that are JSON are equal whatever the order of
/// their keys.
#[derive(Debug, Clone)]
pub(crate) struct Plain {
    role: String,
    text: String,
    calls: Vec<(String, String, Value)>,
    call_id: Option<String>,
}

impl PartialEq for Plain {
    fn eq(&self, other: &Self) -> bool {
        let json = |text: &str| serde_json::from_str::<Value>(text).ok();
        let same_text = self.text == other.text
            || json(&self.text).is_some_and(|value| json(&other.text) == Some(value));
        same_text
            && (&self.role, &self.calls, &self.call_id)
                == (&other.role, &other.calls, &other.call_id)
    }
}

/// Our messages.
pub(crate) fn ours(messages: &[Message]) -> Vec<Plain> {
    let plain = |message: &Message| Plain {
        role: message.role.clone(),
        text: message.content.clone(),
        calls: message
            .calls
            .iter()
            .map(|call| (call.id.clone(), call.name.clone(), call.arguments.clone()))
            .collect(),
        call_id: message.call_id.clone(),
    };
    messages.iter().map(plain).collect()
}

/// The gold's messages. What it holds under `json` alone is a value that it passes through, and no message.
pub(crate) fn theirs(side: &Value) -> Option<Vec<Plain>> {
    if side["success"] != true {
        return None;
    }
    let messages = side["data"].as_array().into_iter().flatten();
    let told = messages.filter(|message| {
        ["role", "content", "tool_calls"]
            .iter()
            .any(|key| !message[key].is_null())
    });
    Some(told.map(message).collect())
}

fn message(message: &Value) -> Plain {
    let text = |key: &str| message[key].as_str().unwrap_or_default().to_string();
    let mut plain = Plain {
        role: text("role"),
        text: String::new(),
        calls: Vec::new(),
        call_id: message["tool_call_id"].as_str().map(str::to_string),
    };
    match &message["content"] {
        Value::String(content) => plain.text.clone_from(content),
        Value::Array(parts) if parts.iter().all(|part| part["type"].is_string()) => {
            let texts: Vec<&str> = parts
                .iter()
                .filter_map(|part| part["text"].as_str())
                .collect();
            plain.text = texts.join("\n");
            for part in parts.iter().filter(|part| part["type"] == "tool_use") {
                plain.calls.push((
                    part["id"].as_str().unwrap_or_default().to_string(),
                    part["name"].as_str().unwrap_or_default().to_string(),
                    part["input"].clone(),
                ));
            }
        }
        Value::Null => {}
        other => plain.text = other.to_string(),
    }
    for call in message["tool_calls"].as_array().into_iter().flatten() {
        let arguments = &call["arguments"];
        let arguments = arguments
            .as_str()
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_else(|| arguments.clone());
        let text = |key: &str| call[key].as_str().unwrap_or_default().to_string();
        plain.calls.push((text("id"), text("name"), arguments));
    }
    plain
}
