//! Recorded traces as test cases and goldens.
//!
//! Every function takes a text and reads nothing else. What a trace lacks or says wrong is in
//! [`ImportedTrace::problems`]; only a text that is no JSON at all is an error.
//!
//! ```
//! let export = r#"{"id": "t1", "name": "support", "observations": [
//!     {"id": "a", "type": "AGENT", "name": "agent", "startTime": "2026-01-01T00:00:00Z",
//!      "endTime": "2026-01-01T00:00:02Z", "input": "Where is my order?", "output": "On its way."},
//!     {"id": "b", "parentObservationId": "a", "type": "TOOL", "name": "lookup",
//!      "startTime": "2026-01-01T00:00:01Z", "endTime": "2026-01-01T00:00:02Z",
//!      "input": {"order": 7}, "output": "sent"}]}"#;
//! let traces = llmtest::import::langfuse(export)?;
//! let golden = traces[0].golden();
//! assert_eq!(golden.input, "Where is my order?");
//! assert_eq!(golden.expected.as_deref(), Some("On its way."));
//! assert_eq!(golden.expected_tools[0].name, "lookup");
//! assert_eq!(golden.components["lookup"].output, Some("sent".into()));
//! # Ok::<(), llmtest::import::ImportError>(())
//! ```

mod attributes;
mod deepeval;
mod langfuse;
mod messages;
mod otlp;
mod python;
mod summary;
mod time;
mod tree;

pub use deepeval::deepeval;
pub use langfuse::langfuse;
pub use messages::{Message, MessageCall, messages};
pub use otlp::otlp_json;

use super::names::own;
use llmtest_metrics::{Golden, Passage, TestCase, ToolCall, Trace, Turn};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::fmt;

/// One recorded trace, with what a test needs of it.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct ImportedTrace {
    /// Its id where it comes from.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The spans; parents stand before children, else they are in the order in which they began.
    pub trace: Trace,
    /// The spans' ids where they come from, in the order of [`Trace::spans`].
    pub span_ids: Vec<String>,
    /// What the user asked.
    pub input: String,
    /// What the application answered at last.
    pub output: String,
    /// The chat: of the outermost span that holds one, else of the last model call.
    pub messages: Vec<Message>,
    /// The exchanges, where the chat has more than one question.
    pub turns: Vec<Turn>,
    /// The calls of tools with arguments and results, in order.
    pub tools: Vec<ToolCall>,
    /// The passages of every retriever, in order.
    pub retrieved: Vec<Passage>,
    /// What else is known of the trace: its user, session, tags.
    pub metadata: Map<String, Value>,
    /// Scores that the trace was given before, as the source has them.
    pub scores: Vec<Value>,
    /// What is missing or contradicts itself, in words. Nothing is dropped without a line here.
    pub problems: Vec<String>,
}

/// Attributes that our export adds for its readers.
const AROUND: [&str; 7] = [
    "langfuse.trace.name",
    "openinference.span.kind",
    "service.name",
    "service.version",
    "session.id",
    "input.mime_type",
    "output.mime_type",
];

impl ImportedTrace {
    /// The trace as a golden: its question, its answer as the expected one, its calls as the expected ones, and every
    /// named stage's output as reference. What was retrieved stays out, so that retrieval is judged by what it finds now.
    ///
    /// What failed is no reference: a call with an error has none, and a trace whose root failed, or that our own export
    /// says did not pass, expects no answer and no calls. A trace of ours that says what was expected expects that.
    pub fn golden(&self) -> Golden {
        let mut golden = Golden::new(&self.input);
        golden.id.clone_from(&self.id);
        golden.turns.clone_from(&self.turns);
        golden.metadata.clone_from(&self.metadata);
        let stated = golden.metadata.remove(own::EXPECTED);
        golden.expected = stated.and_then(|text| text.as_str().map(str::to_string));
        if golden.metadata.contains_key(own::TEST) {
            // What our export wrote around the trace is of the run, not of the question.
            let ours = |name: &str| name.starts_with("llmtest.") || AROUND.contains(&name);
            golden.metadata.retain(|name, _| !ours(name));
        }
        if self.has_failed() {
            return golden;
        }
        if golden.expected.is_none() && !self.output.is_empty() {
            golden.expected = Some(self.output.clone());
        }
        golden.expected_tools.clone_from(&self.tools);
        for span in &self.trace.spans {
            if !span.output.is_null() && span.error.is_none() {
                let component = golden.components.entry(span.name.clone()).or_default();
                component.outputs.push(span.output.clone());
            }
        }
        // One call is one output. Several are in order only if none of them is missing.
        let mut calls: HashMap<&str, usize> = HashMap::new();
        for span in &self.trace.spans {
            *calls.entry(&span.name).or_default() += 1;
        }
        golden.components.retain(|name, component| {
            let all = calls.get(name.as_str()) == Some(&component.outputs.len());
            if all && component.outputs.len() == 1 {
                component.output = component.outputs.pop();
                let text = component.output.as_ref().and_then(Value::as_str);
                component.expected = text.map(str::to_string);
            }
            all
        });
        golden
    }

    /// Whether the trace itself says that it went wrong.
    fn has_failed(&self) -> bool {
        let root_failed = || {
            let mut roots = self.trace.spans.iter().filter(|span| span.parent.is_none());
            roots.any(|span| span.error.is_some())
        };
        match self.metadata.get(own::OUTCOME).and_then(Value::as_str) {
            Some(outcome) => outcome != "passed",
            None => root_failed(),
        }
    }

    /// The trace as a case, to be measured as it was recorded.
    pub fn test_case(&self) -> TestCase {
        let mut case = TestCase::new(&self.input, &self.output);
        case.retrieved.clone_from(&self.retrieved);
        case.tools.clone_from(&self.tools);
        case.turns.clone_from(&self.turns);
        case.metadata.clone_from(&self.metadata);
        case
    }
}

/// A text that holds no traces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportError {
    message: String,
}

impl ImportError {
    fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
        }
    }
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ImportError {}

/// The documents of a text: one of JSON, a list of them, or one per line, and what is wrong with lines that are none.
fn documents(text: &str) -> Result<(Vec<Value>, Vec<String>), ImportError> {
    let text = text.trim_start_matches('\u{feff}');
    let whole = match serde_json::from_str(text) {
        Ok(Value::Array(items)) => return Ok((items, Vec::new())),
        Ok(one) => return Ok((vec![one], Vec::new())),
        Err(error) => error,
    };
    let lines = (1..)
        .zip(text.lines())
        .filter(|(_, line)| !line.trim().is_empty());
    let (mut all, mut broken) = (Vec::new(), Vec::new());
    for (number, line) in lines {
        match serde_json::from_str(line) {
            Ok(document) => all.push(document),
            // One that was cut off when its process was killed takes no other with it.
            Err(error) => broken.push(format!(
                "line {number} is left out, it is not JSON: {error}"
            )),
        }
    }
    if all.is_empty() {
        let why = format!("the text is neither JSON nor JSON Lines: {whole}");
        return Err(ImportError::new(why));
    }
    Ok((all, broken))
}

/// Reads the documents of a text; the first trace says which lines were left out.
fn read_with(
    text: &str,
    read: impl FnOnce(Vec<Value>) -> Result<Vec<ImportedTrace>, ImportError>,
) -> Result<Vec<ImportedTrace>, ImportError> {
    let (documents, broken) = documents(text)?;
    let mut traces = read(documents)?;
    if let Some(first) = traces.first_mut() {
        first.problems.extend(broken);
    }
    Ok(traces)
}

/// The first of these keys that holds something.
fn first<'a>(object: &'a Value, keys: &[&str]) -> Option<&'a Value> {
    let values = keys.iter().filter_map(|key| object.get(*key));
    values.into_iter().find(|value| !value.is_null())
}

/// The first of these keys that holds a text.
fn first_text<'a>(object: &'a Value, keys: &[&str]) -> Option<&'a str> {
    keys.iter()
        .filter_map(|key| object.get(*key)?.as_str())
        .find(|text| !text.is_empty())
}
