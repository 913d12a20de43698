//! The finished span tree of one case.

use serde::{Deserialize, Serialize};
use serde_json::Value;
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
    /// Tokens read.
    pub prompt_tokens: u64,
    /// Tokens written.
    pub completion_tokens: u64,
}

impl Usage {
    /// Tokens read and written.
    pub fn total(self) -> u64 {
        self.prompt_tokens.saturating_add(self.completion_tokens)
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.prompt_tokens = self.prompt_tokens.saturating_add(other.prompt_tokens);
        self.completion_tokens = self
            .completion_tokens
            .saturating_add(other.completion_tokens);
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
    /// Whether its result came out of a recording.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replayed: bool,
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
            replayed: false,
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
    /// The spans of this name, in order.
    pub fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Span> {
        self.spans.iter().filter(move |span| span.name == name)
    }

    /// The spans of this kind, in order.
    pub fn of_kind(&self, kind: SpanKind) -> impl Iterator<Item = &Span> {
        self.spans.iter().filter(move |span| span.kind == kind)
    }
}

/// Which spans an expectation is about. A bare name means every span of that name: each is measured, all must pass.
///
/// ```
/// use llmtest_metrics::{SpanKind, Spans};
///
/// let every_call: Spans = "retrieve".into();
/// let last_search = Spans::named("search").last();
/// let every_tool = Spans::kind(SpanKind::Tool);
/// # let _ = (every_call, last_search, every_tool);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Spans {
    wanted: Wanted,
    pick: Pick,
}

#[derive(Debug, Clone, PartialEq)]
enum Wanted {
    Name(String),
    Kind(SpanKind),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Pick {
    All,
    Nth(usize),
    Last,
}

impl Spans {
    /// Every span of this name.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            wanted: Wanted::Name(name.into()),
            pick: Pick::All,
        }
    }

    /// Every span of this kind.
    pub fn kind(kind: impl Into<SpanKind>) -> Self {
        Self {
            wanted: Wanted::Kind(kind.into()),
            pick: Pick::All,
        }
    }

    /// Only the first of them.
    pub fn first(self) -> Self {
        self.nth(0)
    }

    /// Only the last of them.
    pub fn last(mut self) -> Self {
        self.pick = Pick::Last;
        self
    }

    /// Only the n-th of them, counted from zero.
    pub fn nth(mut self, n: usize) -> Self {
        self.pick = Pick::Nth(n);
        self
    }

    /// The chosen spans with their indexes, or an error that lists the spans there were.
    pub fn select<'t>(&self, trace: &'t Trace) -> crate::Result<Vec<(usize, &'t Span)>> {
        let all: Vec<_> = trace
            .spans
            .iter()
            .enumerate()
            .filter(|(_, span)| match &self.wanted {
                Wanted::Name(name) => span.name == *name,
                Wanted::Kind(kind) => span.kind == *kind,
            })
            .collect();
        let chosen = match self.pick {
            Pick::All => all,
            Pick::Nth(n) => all.into_iter().skip(n).take(1).collect(),
            Pick::Last => all.into_iter().next_back().into_iter().collect(),
        };
        if chosen.is_empty() {
            Err(self.missing(trace).into())
        } else {
            Ok(chosen)
        }
    }

    fn missing(&self, trace: &Trace) -> String {
        if trace.spans.is_empty() {
            return format!(
                "no span {self}: no observed function was called\nhint: put `#[llmtest::observe]` on the function; calls made in `tokio::spawn` or on other threads \
                 are seen when spawned with `llmtest::spawn(…)` or `llmtest::carry(…)`"
            );
        }
        let mut seen: Vec<(String, usize)> = Vec::new();
        for span in &trace.spans {
            let name = format!("`{}` ({})", span.name, span.kind);
            match seen.iter_mut().find(|(known, _)| *known == name) {
                Some((_, count)) => *count += 1,
                None => seen.push((name, 1)),
            }
        }
        let list = seen
            .into_iter()
            .map(|(name, count)| {
                if count == 1 {
                    name
                } else {
                    format!("{name} × {count}")
                }
            })
            .collect::<Vec<_>>()
            .join(", ");
        format!(
            "no span {self}; this case recorded {list}\nhint: use one of these names, or observe the function; a call made in `tokio::spawn` is seen \
             when spawned with `llmtest::spawn(…)`"
        )
    }
}

impl fmt::Display for Spans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.wanted {
            Wanted::Name(name) => write!(f, "`{name}`")?,
            Wanted::Kind(kind) => write!(f, "of kind `{kind}`")?,
        }
        match self.pick {
            Pick::All => Ok(()),
            Pick::Nth(n) => write!(f, " number {}", n + 1),
            Pick::Last => f.write_str(" (last)"),
        }
    }
}

impl<S: Into<String>> From<S> for Spans {
    fn from(name: S) -> Self {
        Self::named(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn trace() -> Trace {
        let mut spans = vec![
            Span::new("search", "tool"),
            Span::new("search", "tool"),
            Span::new("answer", "llm"),
        ];
        spans[0].input = json!({"query": "shoes"});
        spans[1].input = json!({"query": "hats", "top": 3});
        Trace { spans }
    }

    #[test]
    fn one_argument_is_its_bare_value_and_several_are_an_object() {
        let trace = trace();
        assert_eq!(trace.spans[0].input_text(), "shoes");
        assert_eq!(trace.spans[1].input_text(), r#"{"query":"hats","top":3}"#);
    }

    #[test]
    fn a_name_means_every_span_of_it() {
        let trace = trace();
        assert_eq!(Spans::named("search").select(&trace).unwrap().len(), 2);
        assert_eq!(
            Spans::named("search").last().select(&trace).unwrap()[0].0,
            1
        );
        assert_eq!(Spans::kind("llm").select(&trace).unwrap()[0].0, 2);
    }

    #[test]
    fn a_missing_span_lists_the_spans_there_were() {
        let error = Spans::named("retrieve")
            .select(&trace())
            .unwrap_err()
            .to_string();
        assert!(error.contains("no span `retrieve`"), "{error}");
        assert!(
            error.contains("`search` (tool) × 2, `answer` (llm)"),
            "{error}"
        );
        assert!(error.contains("llmtest::spawn"), "{error}");
    }

    #[test]
    fn tokens_beyond_what_can_be_counted_stay_at_the_most() {
        let mut usage = Usage {
            prompt_tokens: u64::MAX,
            completion_tokens: 7,
        };
        assert_eq!(usage.total(), u64::MAX);
        usage += usage;
        assert_eq!(
            (usage.prompt_tokens, usage.completion_tokens),
            (u64::MAX, 14)
        );
    }
}
