//! Ollama's chat and generate: one object, or a line for every token.

use super::parts::Parts;
use super::tokens::{self, Listed};
use super::{Call, Count, Reading, arguments_of, items, text_at};

pub(super) fn read(parts: &Parts) -> Reading {
    let mut reading = Reading::default();
    let mut listed: Option<Vec<Listed>> = None;
    let mut known = false;
    for part in &parts.all {
        let message = &part["message"];
        known |= message.is_object() || part["response"].is_string();
        for text in [&message["content"], &part["response"]] {
            reading.text.push_str(text.as_str().unwrap_or_default());
        }
        for thought in [&message["thinking"], &part["thinking"]] {
            reading
                .reasoning
                .push_str(thought.as_str().unwrap_or_default());
        }
        for call in items(&message["tool_calls"]) {
            reading.tool_calls.push(Call {
                name: text_at(&call["function"], "name").unwrap_or_default(),
                arguments: arguments_of(&call["function"]["arguments"]),
            });
        }
        if part["logprobs"].is_array() {
            listed
                .get_or_insert_default()
                .extend(tokens::listed(&part["logprobs"]));
        }
        if part["done"] == true {
            reading.finish = text_at(part, "done_reason").or_else(|| Some("stop".to_string()));
            reading.usage = Some(Count {
                // A prompt that is wholly in the server's cache is not counted.
                input: part["prompt_eval_count"].as_u64(),
                output: part["eval_count"].as_u64(),
                ..Count::default()
            });
        }
    }
    if let Some(listed) = listed {
        let (own, others) = tokens::of_text(listed, &reading.text, !reading.reasoning.is_empty());
        reading.logprobs = Some(own);
        reading.other_tokens = others;
    }
    if !known {
        reading.unreadable = Some("it has no `message`".to_string());
    } else if reading.finish.is_none() {
        reading.unreadable = Some("its stream breaks off without an end".to_string());
    }
    reading
}
