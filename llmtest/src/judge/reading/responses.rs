//! OpenAI's responses, in one piece and in events.

use super::parts::Parts;
use super::tokens::{self, Listed};
use super::{Call, Count, Reading, items, text_at, text_of};
use serde_json::Value;

pub(super) fn read(parts: &Parts) -> Reading {
    let mut reading = Reading::default();
    if parts.streamed {
        let deltas = |kind: &str| -> String {
            let of_kind = parts.all.iter().filter(|event| event["type"] == kind);
            of_kind
                .filter_map(|event| event["delta"].as_str())
                .collect()
        };
        reading.text = deltas("response.output_text.delta");
        reading.refusal = Some(deltas("response.refusal.delta")).filter(|text| !text.is_empty());
        reading.joined = Some(reading.text.clone());
    }
    let last = parts.all.iter().rev().find_map(|event| {
        let kind = event["type"].as_str().unwrap_or_default();
        if !parts.streamed {
            return Some(event);
        }
        let ends = [
            "response.completed",
            "response.incomplete",
            "response.failed",
        ];
        ends.contains(&kind).then_some(&event["response"])
    });
    match last {
        Some(response) => take(&mut reading, response),
        None if !parts.streamed => reading.unreadable = Some("it has no `output`".to_string()),
        None => {}
    }
    reading
}

fn take(reading: &mut Reading, response: &Value) {
    reading.finish = text_at(response, "status");
    reading.detail = text_at(&response["incomplete_details"], "reason");
    let usage = &response["usage"];
    if usage.is_object() {
        reading.usage = Some(Count {
            input: usage["input_tokens"].as_u64(),
            output: usage["output_tokens"].as_u64(),
            cached: usage["input_tokens_details"]["cached_tokens"].as_u64(),
            reasoning: usage["output_tokens_details"]["reasoning_tokens"].as_u64(),
            ..Count::default()
        });
    }
    if !response["output"].is_array() {
        reading.unreadable = Some("it has no `output`".to_string());
        return;
    }
    let (mut text, mut refusal) = (String::new(), String::new());
    let mut listed: Option<Vec<Listed>> = None;
    for item in items(&response["output"]) {
        let kind = item["type"].as_str().unwrap_or_default();
        reading.kinds.push(kind.to_string());
        match kind {
            "message" => {
                for piece in items(&item["content"]) {
                    text.push_str(piece["text"].as_str().unwrap_or_default());
                    refusal.push_str(piece["refusal"].as_str().unwrap_or_default());
                    if piece["logprobs"]
                        .as_array()
                        .is_some_and(|tokens| !tokens.is_empty())
                    {
                        listed
                            .get_or_insert_default()
                            .extend(tokens::listed(&piece["logprobs"]));
                    }
                }
            }
            "reasoning" => {
                reading.reasoning.push_str(&text_of(&item["summary"]));
                reading.reasoning.push_str(&text_of(&item["content"]));
            }
            "function_call" => reading.tool_calls.push(Call {
                name: text_at(item, "name").unwrap_or_default(),
                arguments: text_at(item, "arguments").unwrap_or_default(),
            }),
            _ => {}
        }
    }
    if let Some(listed) = listed {
        let (own, others) = tokens::of_text(listed, &text, !reading.reasoning.is_empty());
        reading.logprobs = Some(own);
        reading.other_tokens = others;
    }
    reading.text = text;
    reading.refusal = Some(refusal).filter(|refusal| !refusal.is_empty());
}
