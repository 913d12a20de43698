//! What a reading means for whoever asked: a reply, or why there is none.

use super::{Count, Reading};
use llmtest_metrics::{Reply, Usage};
use serde_json::Value;

/// What came back with status 200.
#[derive(Debug, PartialEq)]
pub(crate) enum Outcome {
    Reply(Reply),
    /// The model or a filter will not answer; why.
    Refused(String),
    /// The limit of tokens was reached: the server's word for it, and the text so far.
    CutOff(String, String),
    /// Status 200, and yet an error: its status, if it has one, and its text.
    Error(Option<u16>, String),
    /// Not a reply; why.
    Unreadable(String),
}

impl Reading {
    /// What it means. `tool` is the tool that the model had to call; its arguments are then the text.
    pub(crate) fn outcome(mut self, tool: Option<&str>) -> Outcome {
        if let Some(error) = &self.error {
            return if error.is_filter() {
                Outcome::Refused(error.text())
            } else {
                Outcome::Error(error.status, error.text())
            };
        }
        if let Some(why) = self.blocked {
            let more = self
                .detail
                .map(|more| format!(": {more}"))
                .unwrap_or_default();
            return Outcome::Refused(format!("its filter blocked the prompt ({why}){more}"));
        }
        if let Some(refusal) = self.refusal {
            return Outcome::Refused(refusal);
        }
        let finish = self.finish.clone().unwrap_or_default();
        let detail = self.detail.clone().unwrap_or_default();
        if is_filter(&finish) || is_filter(&detail) {
            let word = if is_filter(&finish) { &finish } else { &detail };
            // What a guardrail was told to say, or how far the model came.
            let wrote = match self.text.trim() {
                "" => String::new(),
                text => format!("; it wrote: {}", shortened(text, 300)),
            };
            return Outcome::Refused(format!(
                "its content filter held the reply back ({word}){wrote}"
            ));
        }
        if let Some(word) = [&finish, &detail].into_iter().find(|word| is_failure(word)) {
            let word = shortened(word, 80);
            return Outcome::Unreadable(format!("it ended with an error ({word})"));
        }
        if let Some(why) = self.unreadable {
            return Outcome::Unreadable(why);
        }
        if self.choices == Some(0) {
            return Outcome::Unreadable("it has no choices".to_string());
        }
        let called = tool.and_then(|tool| self.tool_calls.iter().find(|call| call.name == tool));
        if let Some(call) = called {
            self.text.clone_from(&call.arguments);
        }
        // Some servers fill up with white space behind a complete reply.
        let whole = serde_json::from_str::<Value>(self.text.trim()).is_ok();
        if let Some(word) = [&finish, &detail].into_iter().find(|word| is_length(word))
            && !whole
        {
            return Outcome::CutOff(word.clone(), self.text);
        }
        if self.text.trim().is_empty() {
            return Outcome::Unreadable(match self.tool_calls.first() {
                Some(call) => format!(
                    "it calls the tool `{}` instead of answering",
                    shortened(&call.name, 80)
                ),
                None if finish.is_empty() => "its text is empty".to_string(),
                None => format!(
                    "its text is empty (finish reason `{}`)",
                    shortened(&finish, 80)
                ),
            });
        }
        let mut reply = Reply::new(self.text);
        reply.logprobs = self.logprobs;
        reply.usage = self.usage.map(Count::usage);
        reply.model = self.model;
        reply.cost = self.cost;
        Outcome::Reply(reply)
    }
}

impl Count {
    /// All tokens read and written.
    pub(crate) fn usage(self) -> Usage {
        let number = Option::unwrap_or_default;
        let apart = |apart: bool, tokens: u64| if apart { tokens } else { 0 };
        let cache = number(self.cached) + number(self.cache_write);
        Usage {
            prompt_tokens: number(self.input) + apart(self.cached_apart, cache),
            completion_tokens: number(self.output)
                + apart(self.reasoning_apart, number(self.reasoning)),
            cached_tokens: number(self.cached),
            cache_write_tokens: number(self.cache_write),
            reasoning_tokens: number(self.reasoning),
        }
    }
}

/// Whether a reply ended since a filter, not the model, decided so.
fn is_filter(finish: &str) -> bool {
    const WORDS: [&str; 14] = [
        "content_filter",
        "content_filtered",
        "guardrail_intervened",
        "refusal",
        "safety",
        "recitation",
        "prohibited_content",
        "blocklist",
        "spii",
        "image_safety",
        "language",
        "model_armor",
        "error_toxic",
        "sensitive",
    ];
    WORDS.contains(&finish.to_lowercase().as_str())
}

/// Whether a reply ended since something broke.
fn is_failure(finish: &str) -> bool {
    const WORDS: [&str; 7] = [
        "error",
        "timeout",
        "malformed_model_output",
        "malformed_tool_use",
        "malformed_function_call",
        "malformed_response",
        "insufficient_system_resource",
    ];
    WORDS.contains(&finish.to_lowercase().as_str())
}

/// Whether a reply ended at the limit of tokens.
fn is_length(finish: &str) -> bool {
    const WORDS: [&str; 6] = [
        "length",
        "max_tokens",
        "max_output_tokens",
        "model_context_window_exceeded",
        "model_length",
        "error_limit",
    ];
    WORDS.contains(&finish.to_lowercase().as_str())
}

/// One line of at most so many characters.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None if line.is_empty() => "(nothing)".to_string(),
        None => line,
    }
}
