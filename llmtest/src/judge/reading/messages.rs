//! Anthropic's messages, in one piece and in events.

use super::parts::Parts;
use super::{Call, Reading, items, text_at};
use serde_json::Value;
use std::collections::BTreeMap;

/// One content block, as far as it has arrived.
#[derive(Default)]
struct Block {
    kind: String,
    text: String,
    name: String,
    /// The input of a tool: a value at once, or its text in pieces.
    input: Value,
    pieces: String,
}

pub(super) fn read(parts: &Parts) -> Reading {
    let mut reading = Reading::default();
    let mut blocks: BTreeMap<u64, Block> = BTreeMap::new();
    for part in &parts.all {
        let index = part["index"].as_u64().unwrap_or_default();
        match part["type"].as_str() {
            Some("message_start") => take_message(&mut reading, &mut blocks, &part["message"]),
            Some("content_block_start") => {
                blocks.insert(index, Block::new(&part["content_block"]));
            }
            Some("content_block_delta") => blocks.entry(index).or_default().take(&part["delta"]),
            Some("message_delta") => {
                take_stop(&mut reading, &part["delta"]);
                take_usage(&mut reading, &part["usage"]);
            }
            Some("message") => take_message(&mut reading, &mut blocks, part),
            _ if part["content"].is_array() => take_message(&mut reading, &mut blocks, part),
            _ => {}
        }
        if !parts.streamed && !part["content"].is_array() {
            reading.unreadable = Some("it has no `content`".to_string());
        }
    }
    for block in blocks.into_values() {
        match block.kind.as_str() {
            "text" => reading.text.push_str(&block.text),
            "thinking" => reading.reasoning.push_str(&block.text),
            "tool_use" => reading.tool_calls.push(Call {
                arguments: if block.pieces.is_empty() {
                    block.input.to_string()
                } else {
                    block.pieces
                },
                name: block.name,
            }),
            _ => {}
        }
        reading.kinds.push(block.kind);
    }
    reading
}

fn take_message(reading: &mut Reading, blocks: &mut BTreeMap<u64, Block>, message: &Value) {
    for (index, block) in (0..).zip(items(&message["content"])) {
        blocks.insert(index, Block::new(block));
    }
    take_stop(reading, message);
    take_usage(reading, &message["usage"]);
}

fn take_stop(reading: &mut Reading, value: &Value) {
    if let Some(reason) = text_at(value, "stop_reason") {
        if reason == "refusal" {
            reading.refusal = Some(
                text_at(&value["stop_details"], "explanation")
                    .unwrap_or_else(|| "its safety classifier stopped the reply".to_string()),
            );
        }
        reading.finish = Some(reason);
    }
}

/// Counts of later events replace those of earlier ones.
fn take_usage(reading: &mut Reading, usage: &Value) {
    if !usage.is_object() {
        return;
    }
    let count = reading.usage.get_or_insert_default();
    count.cached_apart = true;
    let places = [
        (&mut count.input, &usage["input_tokens"]),
        (&mut count.output, &usage["output_tokens"]),
        (&mut count.cached, &usage["cache_read_input_tokens"]),
        (
            &mut count.cache_write,
            &usage["cache_creation_input_tokens"],
        ),
        (
            &mut count.reasoning,
            &usage["output_tokens_details"]["thinking_tokens"],
        ),
    ];
    for (place, value) in places {
        *place = value.as_u64().or(*place);
    }
}

impl Block {
    fn new(block: &Value) -> Self {
        let kind = text_at(block, "type").unwrap_or_default();
        let text = text_at(
            block,
            if kind == "thinking" {
                "thinking"
            } else {
                "text"
            },
        );
        Self {
            text: text.unwrap_or_default(),
            name: text_at(block, "name").unwrap_or_default(),
            input: block["input"].clone(),
            pieces: String::new(),
            kind,
        }
    }

    fn take(&mut self, delta: &Value) {
        for name in ["text", "thinking"] {
            self.text.push_str(delta[name].as_str().unwrap_or_default());
        }
        self.pieces
            .push_str(delta["partial_json"].as_str().unwrap_or_default());
    }
}
