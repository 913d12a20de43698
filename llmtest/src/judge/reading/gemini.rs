//! `generateContent` of Gemini and Vertex: one object, a list of them, or events.

use super::parts::Parts;
use super::tokens::{self, Listed, number};
use super::{Call, Count, Reading, items, text_at};
use serde_json::Value;
use std::collections::BTreeMap;

pub(super) fn read(parts: &Parts) -> Reading {
    let mut reading = Reading::default();
    let mut texts: BTreeMap<u64, String> = BTreeMap::new();
    let mut listed: Option<Vec<Listed>> = None;
    let mut known = false;
    for part in &parts.all {
        known |= ["candidates", "promptFeedback", "usageMetadata"]
            .iter()
            .any(|name| !part[*name].is_null());
        if let Some(reason) = text_at(&part["promptFeedback"], "blockReason") {
            let message = text_at(&part["promptFeedback"], "blockReasonMessage");
            reading.detail = message.or(reading.detail);
            reading.blocked = Some(reason);
        }
        take_usage(&mut reading, &part["usageMetadata"]);
        for (nth, candidate) in (0..).zip(items(&part["candidates"])) {
            let index = candidate["index"].as_u64().unwrap_or(nth);
            let text = texts.entry(index).or_default();
            if index > 0 {
                for piece in items(&candidate["content"]["parts"]) {
                    text.push_str(piece["text"].as_str().unwrap_or_default());
                }
                continue;
            }
            take_first(&mut reading, text, candidate);
            if candidate["logprobsResult"].is_object() {
                listed
                    .get_or_insert_default()
                    .extend(listed_in(&candidate["logprobsResult"]));
            }
        }
    }
    reading.choices = Some(texts.len());
    reading.texts = texts.into_values().collect();
    reading.text = reading.texts.first().cloned().unwrap_or_default();
    if let Some(listed) = listed {
        let (own, others) = tokens::of_text(listed, &reading.text, !reading.reasoning.is_empty());
        reading.logprobs = Some(own);
        reading.other_tokens = others;
    }
    if !known {
        reading.unreadable = Some("it has no `candidates`".to_string());
    }
    reading
}

fn take_first(reading: &mut Reading, text: &mut String, candidate: &Value) {
    for piece in items(&candidate["content"]["parts"]) {
        let said = piece["text"].as_str().unwrap_or_default();
        if piece["thought"] == true {
            reading.reasoning.push_str(said);
        } else {
            text.push_str(said);
        }
        let call = &piece["functionCall"];
        if call.is_object() {
            reading.tool_calls.push(Call {
                name: text_at(call, "name").unwrap_or_default(),
                arguments: match &call["args"] {
                    Value::Null => "{}".to_string(),
                    args => args.to_string(),
                },
            });
        }
    }
    if let Some(reason) = text_at(candidate, "finishReason") {
        reading.finish = Some(reason);
    }
    if let Some(message) = text_at(candidate, "finishMessage") {
        reading.detail = Some(message);
    }
    if let Some(average) = candidate["avgLogprobs"].as_f64() {
        reading.average_logprob = Some(average);
    }
}

/// Tokens and their alternatives stand in two lists of one length.
fn listed_in(result: &Value) -> Vec<Listed> {
    let alternatives: Vec<&Value> = items(&result["topCandidates"]).collect();
    items(&result["chosenCandidates"])
        .enumerate()
        .map(|(place, chosen)| {
            let top = alternatives
                .get(place)
                .map_or(&Value::Null, |top| &top["candidates"]);
            let top = items(top)
                .filter_map(|other| {
                    Some((text_at(other, "token")?, number(&other["logProbability"])))
                })
                .collect();
            let text = chosen["token"].as_str().unwrap_or_default();
            Listed::new(text, &Value::Null, number(&chosen["logProbability"]), top)
        })
        .collect()
}

fn take_usage(reading: &mut Reading, usage: &Value) {
    if usage.is_object() {
        reading.usage = Some(Count {
            input: usage["promptTokenCount"].as_u64(),
            output: usage["candidatesTokenCount"].as_u64(),
            cached: usage["cachedContentTokenCount"].as_u64(),
            reasoning: usage["thoughtsTokenCount"].as_u64(),
            reasoning_apart: true,
            ..Count::default()
        });
    }
}
