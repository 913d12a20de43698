//! Bedrock: converse, and invoke with the formats of the models behind it.

use super::parts::Parts;
use super::{Call, Count, Reading, items, messages, text_at};
use serde_json::Value;

pub(super) fn read(parts: &Parts) -> Reading {
    let Some(body) = parts.all.first() else {
        return Reading::default();
    };
    if body["output"]["message"].is_object() {
        return converse(body);
    }
    if body["content"].is_array() {
        return messages::read(parts);
    }
    let mut reading = Reading::default();
    // Llama, and Titan.
    let titan = &body["results"][0];
    if let Some(text) = text_at(body, "generation") {
        reading.text = text;
        reading.finish = text_at(body, "stop_reason");
        reading.usage = Some(Count {
            input: body["prompt_token_count"].as_u64(),
            output: body["generation_token_count"].as_u64(),
            ..Count::default()
        });
    } else if let Some(text) = text_at(titan, "outputText") {
        reading.text = text;
        reading.finish = text_at(titan, "completionReason");
        reading.usage = Some(Count {
            input: body["inputTextTokenCount"].as_u64(),
            output: titan["tokenCount"].as_u64(),
            ..Count::default()
        });
    } else {
        reading.unreadable = Some("it has no `output`".to_string());
    }
    reading
}

fn converse(body: &Value) -> Reading {
    let mut reading = Reading {
        finish: text_at(body, "stopReason"),
        ..Reading::default()
    };
    for piece in items(&body["output"]["message"]["content"]) {
        reading
            .text
            .push_str(piece["text"].as_str().unwrap_or_default());
        let thought = &piece["reasoningContent"]["reasoningText"]["text"];
        reading
            .reasoning
            .push_str(thought.as_str().unwrap_or_default());
        if piece["toolUse"].is_object() {
            reading.tool_calls.push(Call {
                name: text_at(&piece["toolUse"], "name").unwrap_or_default(),
                arguments: piece["toolUse"]["input"].to_string(),
            });
        }
    }
    let usage = &body["usage"];
    if usage.is_object() {
        reading.usage = Some(Count {
            input: usage["inputTokens"].as_u64(),
            output: usage["outputTokens"].as_u64(),
            cached: usage["cacheReadInputTokens"].as_u64(),
            cache_write: usage["cacheWriteInputTokens"].as_u64(),
            cached_apart: true,
            ..Count::default()
        });
    }
    reading
}
