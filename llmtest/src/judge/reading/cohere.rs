//! Cohere's chat, version 2, in one piece and in events.

use super::parts::Parts;
use super::{Call, Count, Reading, items, text_at};
use serde_json::Value;
use std::collections::BTreeMap;

pub(super) fn read(parts: &Parts) -> Reading {
    let mut reading = Reading::default();
    let mut calls: BTreeMap<u64, Call> = BTreeMap::new();
    for part in &parts.all {
        if !parts.streamed {
            for piece in items(&part["message"]["content"]) {
                take_piece(&mut reading, piece);
            }
            for (nth, call) in (0..).zip(items(&part["message"]["tool_calls"])) {
                take_call(&mut calls, nth, call);
            }
            take_end(&mut reading, part);
            if !part["message"].is_object() {
                reading.unreadable = Some("it has no `message`".to_string());
            }
            continue;
        }
        let message = &part["delta"]["message"];
        let index = part["index"].as_u64().unwrap_or_default();
        match part["type"].as_str() {
            Some("content-start" | "content-delta") => {
                take_piece(&mut reading, &message["content"]);
            }
            Some("tool-call-start" | "tool-call-delta") => {
                take_call(&mut calls, index, &message["tool_calls"]);
            }
            Some("message-end") => take_end(&mut reading, &part["delta"]),
            _ => {}
        }
    }
    reading.tool_calls = calls.into_values().collect();
    reading
}

fn take_piece(reading: &mut Reading, piece: &Value) {
    reading
        .text
        .push_str(piece["text"].as_str().unwrap_or_default());
    reading
        .reasoning
        .push_str(piece["thinking"].as_str().unwrap_or_default());
}

fn take_call(calls: &mut BTreeMap<u64, Call>, index: u64, call: &Value) {
    let function = &call["function"];
    let call = calls.entry(index).or_default();
    call.name
        .push_str(function["name"].as_str().unwrap_or_default());
    call.arguments
        .push_str(function["arguments"].as_str().unwrap_or_default());
}

fn take_end(reading: &mut Reading, value: &Value) {
    reading.finish = text_at(value, "finish_reason");
    let usage = &value["usage"];
    if usage.is_object() {
        reading.usage = Some(Count {
            input: usage["tokens"]["input_tokens"].as_u64(),
            output: usage["tokens"]["output_tokens"].as_u64(),
            cached: usage["cached_tokens"].as_u64(),
            ..Count::default()
        });
    }
}
