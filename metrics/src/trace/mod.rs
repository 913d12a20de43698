//! The finished span tree of one case.

mod finding;
mod query;
mod questions;
mod select;
mod tree;

pub use finding::Finding;
pub use query::{Call, Calls};
pub use select::{Over, Spans};
pub use tree::{Tree, TreeLine};

use crate::Passage;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt;
use std::ops::AddAssign;

/// What kind of component a span is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", from = "String", into = "String")]
pub enum SpanKind {
    /// A call of a language model.
    Llm,
    /// Retrieval: its result feeds [`TestCase::retrieved`](crate::TestCase).
    Retriever,
    /// A tool: its calls feed [`TestCase::tools`](crate::TestCase).
    Tool,
    /// An agent.
    Agent,
    /// A function that was observed without a kind.
    Function,
    /// A kind of one's own.
    Other(String),
}

impl SpanKind {
    /// The kind as it is written in `#[observe(kind)]`.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Llm => "llm",
            Self::Retriever => "retriever",
            Self::Tool => "tool",
            Self::Agent => "agent",
            Self::Function => "function",
            Self::Other(name) => name,
        }
    }
}

impl From<&str> for SpanKind {
    fn from(kind: &str) -> Self {
        match kind {
            "llm" => Self::Llm,
            "retriever" => Self::Retriever,
            "tool" => Self::Tool,
            "agent" => Self::Agent,
            "function" => Self::Function,
            other => Self::Other(other.to_string()),
        }
    }
}

impl From<String> for SpanKind {
    fn from(kind: String) -> Self {
        kind.as_str().into()
    }
}

impl From<SpanKind> for String {
    fn from(kind: SpanKind) -> Self {
        kind.as_str().to_string()
    }
}

impl fmt::Display for SpanKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Tokens of one or several model calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens read, those from a cache and to a cache among them.
    pub prompt_tokens: u64,
    /// Tokens written, those of thoughts among them.
    pub completion_tokens: u64,
    /// Tokens of the prompt that the provider read from its cache.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cached_tokens: u64,
    /// Tokens of the prompt that the provider wrote to its cache, where that has a price of its own.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cache_write_tokens: u64,
    /// Tokens that the model spent on thoughts.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reasoning_tokens: u64,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Usage {
    /// Tokens read and written.
    pub fn total(self) -> u64 {
        self.prompt_tokens.saturating_add(self.completion_tokens)
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        let add = |own: &mut u64, other: u64| *own = own.saturating_add(other);
        add(&mut self.prompt_tokens, other.prompt_tokens);
        add(&mut self.completion_tokens, other.completion_tokens);
        add(&mut self.cached_tokens, other.cached_tokens);
        add(&mut self.cache_write_tokens, other.cache_write_tokens);
        add(&mut self.reasoning_tokens, other.reasoning_tokens);
    }
}

/// One call of an observed function.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Span {
    /// The function's name, or the one given with `name = "…"`.
    pub name: String,
    /// What kind of component it is.
    pub kind: SpanKind,
    /// The index in [`Trace::spans`] of the span that called it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<usize>,
    /// The arguments as a JSON object, without `self` and what is skipped.
    #[serde(default)]
    pub input: Value,
    /// What it returned; null when it failed, has not finished, or the result is skipped.
    #[serde(default)]
    pub output: Value,
    /// When it began, in seconds after the case began.
    #[serde(default)]
    pub start: f64,
    /// How long it took, in seconds.
    #[serde(default)]
    pub duration: f64,
    /// Its error, `panicked` or `cancelled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Tokens that the application noted with `llmtest::note_usage`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// The model that was called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What the call cost, in US dollars; none is unknown, not free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<f64>,
    /// Of a stream: seconds from the call to the first item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_to_first: Option<f64>,
    /// The passages that the call said it retrieved, where its output does not tell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retrieved: Vec<Passage>,
    /// What else is known of the call.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
    /// What the recording left out, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Whether its result came out of a recording.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replayed: bool,
    /// Whether a test put its result in place of the function's own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub substituted: bool,
}

impl Span {
    /// A span without payload; set the fields that matter.
    pub fn new(name: impl Into<String>, kind: impl Into<SpanKind>) -> Self {
        Self {
            name: name.into(),
            kind: kind.into(),
            parent: None,
            input: Value::Null,
            output: Value::Null,
            start: 0.0,
            duration: 0.0,
            error: None,
            usage: None,
            model: None,
            cost: None,
            time_to_first: None,
            retrieved: Vec::new(),
            metadata: Map::new(),
            notes: Vec::new(),
            replayed: false,
            substituted: false,
        }
    }

    /// The input as text: one argument as its bare value, several as a JSON object, strings without quotes.
    pub fn input_text(&self) -> String {
        match &self.input {
            Value::Object(args) if args.len() == 1 => {
                args.values().next().map(value_text).unwrap_or_default()
            }
            other => value_text(other),
        }
    }

    /// The output as text, strings without quotes.
    pub fn output_text(&self) -> String {
        value_text(&self.output)
    }
}

/// A JSON value as the text that a reader expects: strings bare, null empty, the rest as compact JSON.
pub(crate) fn value_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => crate::json::text(other),
    }
}

/// Every observed call of one case, in the order in which they began.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Trace {
    /// The spans.
    pub spans: Vec<Span>,
}

impl Trace {
    /// The index of the span that called this one.
    pub fn caller(&self, span: usize) -> Option<usize> {
        // Callers begin before what they call; anything else is a broken trace.
        self.spans.get(span)?.parent.filter(|caller| *caller < span)
    }

    /// The names of the callers and of the span itself, from the root, joined by `/`; empty if there is no such span.
    ///
    /// ```
    /// use llmtest_metrics::{Span, Trace};
    ///
    /// let mut spans = vec![Span::new("answer", "llm"), Span::new("retrieve", "retriever")];
    /// spans[1].parent = Some(0);
    /// assert_eq!(Trace { spans }.path(1), "answer/retrieve");
    /// ```
    pub fn path(&self, span: usize) -> String {
        let mut names: Vec<&str> = self.up(span).collect();
        names.reverse();
        names.join("/")
    }

    /// Whether the path of the span is this one, or ends with it if it does not begin with a `/`.
    ///
    /// ```
    /// use llmtest_metrics::{Span, Trace};
    ///
    /// let mut spans = vec![Span::new("answer", "llm"), Span::new("retrieve", "retriever")];
    /// spans[1].parent = Some(0);
    /// let trace = Trace { spans };
    /// assert!(trace.has_path(1, "retrieve") && trace.has_path(1, "/answer/retrieve"));
    /// assert!(!trace.has_path(1, "/retrieve"));
    /// ```
    pub fn has_path(&self, span: usize, path: &str) -> bool {
        let own = format!("/{}", self.path(span));
        match path.strip_prefix('/') {
            Some(_) => own == path,
            None => own
                .strip_suffix(path)
                .is_some_and(|before| before.ends_with('/')),
        }
    }

    /// The names of the span and of its callers, up to the root.
    fn up(&self, span: usize) -> impl Iterator<Item = &str> {
        let own = self.spans.get(span).map(|_| span);
        std::iter::successors(own, |at| self.caller(*at)).map(|at| self.spans[at].name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn one_argument_is_its_bare_value_and_several_are_an_object() {
        let mut span = Span::new("search", "tool");
        span.input = json!({"query": "shoes"});
        assert_eq!(span.input_text(), "shoes");
        span.input = json!({"query": "hats", "top": 3});
        assert_eq!(span.input_text(), r#"{"query":"hats","top":3}"#);
    }

    #[test]
    fn tokens_beyond_what_can_be_counted_stay_at_the_most() {
        let mut usage = Usage {
            prompt_tokens: u64::MAX,
            completion_tokens: 7,
            ..Usage::default()
        };
        assert_eq!(usage.total(), u64::MAX);
        usage += usage;
        assert_eq!(
            (usage.prompt_tokens, usage.completion_tokens),
            (u64::MAX, 14)
        );
    }
}
