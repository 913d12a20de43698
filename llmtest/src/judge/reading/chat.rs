//! OpenAI's chat completions and completions, in one piece and in events.

use super::parts::Parts;
use super::tokens::{self, Listed};
use super::{Call, Count, Reading, arguments_of, items, text_at, text_of};
use serde_json::Value;
use std::collections::BTreeMap;

/// One choice, as far as it has arrived.
#[derive(Default)]
struct Choice {
    text: String,
    reasoning: String,
    refusal: String,
    finish: Option<String>,
    calls: BTreeMap<u64, Call>,
    tokens: Option<Vec<Listed>>,
    /// Whether there was a message at all.
    said: bool,
}

pub(super) fn read(parts: &Parts) -> Reading {
    let mut choices: BTreeMap<u64, Choice> = BTreeMap::new();
    let mut reading = Reading::default();
    let mut has_choices = false;
    for part in &parts.all {
        has_choices |= part["choices"].is_array();
        for (nth, choice) in (0..).zip(items(&part["choices"])) {
            let index = choice["index"].as_u64().unwrap_or(nth);
            choices.entry(index).or_default().take(choice);
        }
        if let Some(usage) = usage(&part["usage"]).or_else(|| usage(&part["x_groq"]["usage"])) {
            reading.usage = Some(usage);
        }
    }
    reading.choices = Some(choices.len());
    reading.texts = choices.values().map(|choice| choice.text.clone()).collect();
    if !has_choices {
        reading.unreadable = Some("it has no `choices`".to_string());
    }
    let Some((_, first)) = choices.into_iter().next() else {
        return reading;
    };
    if !first.said {
        reading.unreadable = Some("its choice has no `message`".to_string());
    }
    if let Some(listed) = first.tokens {
        let thinks = !first.reasoning.is_empty();
        let (own, others) = tokens::of_text(listed, &first.text, thinks);
        reading.logprobs = Some(own);
        reading.other_tokens = others;
    }
    reading.text = first.text;
    reading.reasoning = first.reasoning;
    reading.refusal = Some(first.refusal).filter(|refusal| !refusal.is_empty());
    reading.finish = first.finish;
    reading.tool_calls = first.calls.into_values().collect();
    reading
}

impl Choice {
    fn take(&mut self, choice: &Value) {
        let piece = [&choice["message"], &choice["delta"]]
            .into_iter()
            .find(|piece| piece.is_object());
        if let Some(piece) = piece {
            self.said = true;
            self.take_piece(piece);
        } else if let Some(text) = choice["text"].as_str() {
            self.said = true;
            self.text.push_str(text);
        }
        if let Some(finish) = text_at(choice, "finish_reason").filter(|word| !word.is_empty()) {
            self.finish = Some(finish);
        }
        if let content @ Value::Array(_) = &choice["logprobs"]["content"] {
            self.tokens
                .get_or_insert_default()
                .extend(tokens::listed(content));
        }
    }

    fn take_piece(&mut self, piece: &Value) {
        if let Value::Array(pieces) = &piece["content"] {
            for piece in pieces {
                match piece["type"].as_str() {
                    Some("thinking") => self.reasoning.push_str(&text_of(&piece["thinking"])),
                    Some("refusal") => self.refusal.push_str(&text_of(&piece["refusal"])),
                    _ => self
                        .text
                        .push_str(piece["text"].as_str().unwrap_or_default()),
                }
            }
        } else {
            self.text
                .push_str(piece["content"].as_str().unwrap_or_default());
        }
        let thoughts = [&piece["reasoning_content"], &piece["reasoning"]];
        if let Some(thought) = thoughts.iter().find_map(|thought| thought.as_str()) {
            self.reasoning.push_str(thought);
        }
        self.refusal
            .push_str(piece["refusal"].as_str().unwrap_or_default());
        for (nth, call) in (0..).zip(items(&piece["tool_calls"])) {
            let index = call["index"].as_u64().unwrap_or(nth);
            self.take_call(
                index,
                &call["function"]["name"],
                &call["function"]["arguments"],
            );
            self.take_call(index, &call["custom"]["name"], &call["custom"]["input"]);
        }
        if piece["function_call"].is_object() {
            let call = &piece["function_call"];
            self.take_call(0, &call["name"], &call["arguments"]);
        }
    }

    fn take_call(&mut self, index: u64, name: &Value, arguments: &Value) {
        let call = self.calls.entry(index).or_default();
        // Some servers repeat the name in every piece.
        if call.name.is_empty() {
            call.name.push_str(name.as_str().unwrap_or_default());
        }
        call.arguments.push_str(&arguments_of(arguments));
    }
}

/// The counts of chat completions; those of thoughts are part of the output.
fn usage(usage: &Value) -> Option<Count> {
    usage.is_object().then(|| Count {
        input: usage["prompt_tokens"].as_u64(),
        output: usage["completion_tokens"].as_u64(),
        cached: usage["prompt_tokens_details"]["cached_tokens"]
            .as_u64()
            .or_else(|| usage["prompt_cache_hit_tokens"].as_u64()),
        reasoning: usage["completion_tokens_details"]["reasoning_tokens"].as_u64(),
        ..Count::default()
    })
}
