//! Test cases and the dataset rows that they come from.

use crate::{Check, Metric, Result, Spans};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// One exchange with the system under test.
///
/// An empty `output` counts as missing. Reading JSON accepts DeepEval's names (`actual_output`, `expected_output`,
/// `retrieval_context`, `tools_called`) as well.
///
/// ```
/// use llmtest_metrics::TestCase;
///
/// let case = TestCase::new("What if these shoes don't fit?", "Send them back within 30 days.")
///     .expected("Refund within 30 days.")
///     .retrieved(["Shoes can be returned for 30 days."]);
/// assert_eq!(case.retrieved.len(), 1);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct TestCase {
    /// What the user asked.
    pub input: String,
    /// What the system answered.
    #[serde(alias = "actual_output")]
    pub output: String,
    /// A reference answer.
    #[serde(alias = "expected_output", skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// Facts that are known to be true, independent of retrieval.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub context: Vec<String>,
    /// What the system retrieved, best first.
    #[serde(alias = "retrieval_context", skip_serializing_if = "Vec::is_empty")]
    pub retrieved: Vec<String>,
    /// The tool calls that the system made, in order.
    #[serde(alias = "tools_called", skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<ToolCall>,
    /// The tool calls it should have made.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub expected_tools: Vec<ToolCall>,
    /// The turns of a conversation.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub turns: Vec<Turn>,
    /// Whatever else belongs to the case.
    #[serde(alias = "additional_metadata", skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
    /// What is expected of components, by span name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub components: BTreeMap<String, Component>,
}

/// What is expected of one component: it fills the same fields of the component's own case.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Component {
    /// A reference result.
    #[serde(skip_serializing_if = "Option::is_none", alias = "expected_output")]
    pub expected: Option<String>,
    /// Facts that are known to be true.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub context: Vec<String>,
    /// The tool calls it should make.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub expected_tools: Vec<ToolCall>,
    /// Whatever else belongs to it.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
}

impl TestCase {
    /// A case with a question and the system's answer.
    pub fn new(input: impl Into<String>, output: impl Into<String>) -> Self {
        Self {
            input: input.into(),
            output: output.into(),
            ..Self::default()
        }
    }

    /// Sets the reference answer.
    pub fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self
    }

    /// Sets the known facts.
    pub fn context<S: Into<String>>(mut self, facts: impl IntoIterator<Item = S>) -> Self {
        self.context = facts.into_iter().map(Into::into).collect();
        self
    }

    /// Sets what was retrieved, best first.
    pub fn retrieved<S: Into<String>>(mut self, passages: impl IntoIterator<Item = S>) -> Self {
        self.retrieved = passages.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the tool calls that were made.
    pub fn tools(mut self, calls: impl IntoIterator<Item = ToolCall>) -> Self {
        self.tools = calls.into_iter().collect();
        self
    }

    /// Sets the tool calls that should have been made.
    pub fn expected_tools(mut self, calls: impl IntoIterator<Item = ToolCall>) -> Self {
        self.expected_tools = calls.into_iter().collect();
        self
    }

    /// Sets the turns of a conversation.
    pub fn turns(mut self, turns: impl IntoIterator<Item = Turn>) -> Self {
        self.turns = turns.into_iter().collect();
        self
    }

    /// Adds a named value of one's own.
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.metadata.insert(key.into(), value.into());
        self
    }

    /// Expects a metric of this case; the start of a [`Check`].
    pub fn expect(self, metric: impl Metric + 'static) -> Check {
        Check::new(self).expect(metric)
    }

    /// Expects a metric of a component; the start of a [`Check`].
    pub fn expect_in(self, spans: impl Into<Spans>, metric: impl Metric + 'static) -> Check {
        Check::new(self).expect_in(spans, metric)
    }

    /// The field as text, or `None` when the case does not have it. Lists are numbered lines.
    pub fn field(&self, field: Field) -> Option<String> {
        let text = match field {
            Field::Input => self.input.clone(),
            Field::Output => self.output.clone(),
            Field::Expected => self.expected.clone().unwrap_or_default(),
            Field::Context => numbered(&self.context),
            Field::Retrieved => numbered(&self.retrieved),
            Field::Tools => json_lines(&self.tools),
            Field::ExpectedTools => json_lines(&self.expected_tools),
            Field::Turns => self
                .turns
                .iter()
                .map(|turn| format!("{}: {}", turn.role.as_str(), turn.content))
                .collect::<Vec<_>>()
                .join("\n"),
            Field::Metadata if self.metadata.is_empty() => String::new(),
            Field::Metadata => crate::json::text(&Value::Object(self.metadata.clone())),
        };
        (!text.is_empty()).then_some(text)
    }
}

fn numbered(items: &[String]) -> String {
    items
        .iter()
        .enumerate()
        .map(|(i, item)| format!("{}. {item}", i + 1))
        .collect::<Vec<_>>()
        .join("\n")
}

fn json_lines<T: Serialize>(items: &[T]) -> String {
    items
        .iter()
        .filter_map(|item| {
            serde_json::to_value(item)
                .ok()
                .map(|value| crate::json::text(&value))
        })
        .collect::<Vec<_>>()
        .join("\n")
}

/// A field of a [`TestCase`] that a judge is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Field {
    /// The question.
    Input,
    /// The system's answer.
    Output,
    /// The reference answer.
    Expected,
    /// The known facts.
    Context,
    /// What was retrieved.
    Retrieved,
    /// The tool calls made.
    Tools,
    /// The tool calls wanted.
    ExpectedTools,
    /// The conversation.
    Turns,
    /// The metadata.
    Metadata,
}

impl Field {
    /// The name of the field in [`TestCase`].
    pub fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Output => "output",
            Self::Expected => "expected",
            Self::Context => "context",
            Self::Retrieved => "retrieved",
            Self::Tools => "tools",
            Self::ExpectedTools => "expected_tools",
            Self::Turns => "turns",
            Self::Metadata => "metadata",
        }
    }

    /// What a judge is told that the field is.
    pub fn title(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Output => "actual output",
            Self::Expected => "expected output",
            Self::Context => "known facts",
            Self::Retrieved => "retrieved passages",
            Self::Tools => "tool calls made",
            Self::ExpectedTools => "tool calls expected",
            Self::Turns => "conversation",
            Self::Metadata => "metadata",
        }
    }
}

/// One call of a tool.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ToolCall {
    /// The tool's name.
    pub name: String,
    /// The arguments, a JSON object; null when unknown.
    #[serde(alias = "input_parameters", skip_serializing_if = "Value::is_null")]
    pub arguments: Value,
    /// What it returned; null when unknown.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub output: Value,
    /// What the tool does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Why it was called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<String>,
}

impl ToolCall {
    /// A call by name.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    /// Sets the arguments.
    pub fn arguments(mut self, arguments: impl Into<Value>) -> Self {
        self.arguments = arguments.into();
        self
    }

    /// Sets what it returned.
    pub fn output(mut self, output: impl Into<Value>) -> Self {
        self.output = output.into();
        self
    }
}

/// Who speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The person.
    #[default]
    User,
    /// The system under test.
    Assistant,
}

impl Role {
    /// `user` or `assistant`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// One turn of a conversation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Turn {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub content: String,
    /// What was retrieved for this turn.
    #[serde(alias = "retrieval_context", skip_serializing_if = "Vec::is_empty")]
    pub retrieved: Vec<String>,
    /// The tool calls of this turn.
    #[serde(alias = "tools_called", skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<ToolCall>,
    /// Whatever else belongs to the turn.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
}

impl Turn {
    /// A turn of the user.
    pub fn user(content: impl Into<String>) -> Self {
        Self {
            role: Role::User,
            content: content.into(),
            ..Self::default()
        }
    }

    /// A turn of the assistant.
    pub fn assistant(content: impl Into<String>) -> Self {
        Self {
            role: Role::Assistant,
            content: content.into(),
            ..Self::default()
        }
    }
}

/// A dataset row: a question and what is known about the right answer.
///
/// Reading JSON accepts DeepEval's names too. Unknown keys go to `metadata`; a near miss of a known key is an error,
/// since a silent typo would drop the expectation.
///
/// ```
/// use llmtest_metrics::Golden;
///
/// let golden: Golden = serde_json::from_str(r#"{"id": "late", "input": "I am 40 days late", "team": "returns"}"#)?;
/// assert_eq!(golden.metadata["team"], "returns");
/// assert!(serde_json::from_str::<Golden>(r#"{"input": "a", "expceted": "b"}"#).unwrap_err().to_string().contains("expected"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
#[non_exhaustive]
pub struct Golden {
    /// The row's id; the runner fills in the one it made when the row has none.
    pub id: String,
    /// The question.
    pub input: String,
    /// The reference answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// Facts that are known to be true.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub context: Vec<String>,
    /// What a retriever should find or found.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub retrieved: Vec<String>,
    /// The tool calls that should be made.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub expected_tools: Vec<ToolCall>,
    /// The turns of a conversation so far.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub turns: Vec<Turn>,
    /// What is expected of components, by span name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub components: BTreeMap<String, Component>,
    /// Everything else in the row.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
}

impl Golden {
    /// A golden with a question.
    pub fn new(input: impl Into<String>) -> Self {
        Self {
            input: input.into(),
            ..Self::default()
        }
    }

    /// The test case of this golden with the system's answer.
    pub fn answered(self, output: impl Into<String>) -> TestCase {
        TestCase {
            input: self.input,
            output: output.into(),
            expected: self.expected,
            context: self.context,
            retrieved: self.retrieved,
            expected_tools: self.expected_tools,
            turns: self.turns,
            metadata: self.metadata,
            components: self.components,
            ..TestCase::default()
        }
    }
}

/// The keys that a row may use, and DeepEval's names for them.
const KEYS: &[(&str, &str)] = &[
    ("id", "id"),
    ("input", "input"),
    ("expected", "expected"),
    ("expected_output", "expected"),
    ("context", "context"),
    ("retrieved", "retrieved"),
    ("retrieval_context", "retrieved"),
    ("expected_tools", "expected_tools"),
    ("turns", "turns"),
    ("components", "components"),
    ("metadata", "metadata"),
    ("additional_metadata", "metadata"),
];

impl TryFrom<Map<String, Value>> for Golden {
    type Error = String;

    fn try_from(row: Map<String, Value>) -> Result<Self, String> {
        let mut golden = Self::default();
        let mut rest = Map::new();
        for (key, value) in row {
            let Some((_, field)) = KEYS.iter().find(|(known, _)| *known == key) else {
                if let Some(known) = near_miss(&key) {
                    return Err(format!(
                        "unknown key `{key}`, did you mean `{known}`? (put keys of your own under `metadata`)"
                    ));
                }
                rest.insert(key, value);
                continue;
            };
            if value.is_null() {
                continue;
            }
            match *field {
                "id" => golden.id = id_text(&key, value)?,
                "input" => golden.input = read(&key, value)?,
                "expected" => golden.expected = Some(read(&key, value)?),
                "context" => golden.context = read(&key, value)?,
                "retrieved" => golden.retrieved = read(&key, value)?,
                "expected_tools" => golden.expected_tools = read(&key, value)?,
                "turns" => golden.turns = read(&key, value)?,
                "components" => golden.components = read(&key, value)?,
                _ => golden.metadata = read(&key, value)?,
            }
        }
        golden.metadata.extend(rest);
        if golden.input.is_empty() && golden.turns.is_empty() {
            return Err("the row has no `input` (nor `turns`)".to_string());
        }
        Ok(golden)
    }
}

fn read<T: serde::de::DeserializeOwned>(key: &str, value: Value) -> Result<T, String> {
    serde_json::from_value(value).map_err(|error| format!("`{key}`: {error}"))
}

fn id_text(key: &str, value: Value) -> Result<String, String> {
    match value {
        Value::String(id) => Ok(id),
        Value::Number(id) => Ok(id.to_string()),
        _ => Err(format!("`{key}` must be text or a number")),
    }
}

/// The known key that was probably meant: at most two edits away, and fewer than half of its letters.
fn near_miss(key: &str) -> Option<&'static str> {
    let lower = key.to_lowercase().replace('-', "_");
    KEYS.iter()
        .map(|(known, _)| (*known, strsim::damerau_levenshtein(&lower, known)))
        .filter(|(known, distance)| *distance <= 2 && distance * 3 < known.len())
        .min_by_key(|(_, distance)| *distance)
        .map(|(known, _)| known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn golden(row: Value) -> Result<Golden, serde_json::Error> {
        serde_json::from_value(row)
    }

    #[test]
    fn a_row_may_use_the_names_of_deepeval() {
        let golden = golden(json!({"input": "q", "expected_output": "a", "retrieval_context": ["p"], "source": "s"})).unwrap();
        assert_eq!(golden.expected.as_deref(), Some("a"));
        assert_eq!(golden.retrieved, ["p"]);
        assert_eq!(golden.metadata["source"], "s");
    }

    #[test]
    fn a_near_miss_is_an_error_and_an_unrelated_key_is_metadata() {
        for typo in [
            "Expected",
            "expcted",
            "imput",
            "expected-output",
            "contxt",
            "component",
        ] {
            let row = json!({"input": "q", typo: "x"});
            assert!(
                golden(row)
                    .unwrap_err()
                    .to_string()
                    .contains("did you mean"),
                "{typo}"
            );
        }
        for own in ["team", "idx", "tag", "topic"] {
            assert!(
                golden(json!({"input": "q", own: "x"}))
                    .unwrap()
                    .metadata
                    .contains_key(own),
                "{own}"
            );
        }
    }

    #[test]
    fn a_field_of_the_wrong_type_is_named() {
        assert!(
            golden(json!({"input": "q", "context": "one"}))
                .unwrap_err()
                .to_string()
                .contains("`context`")
        );
        assert!(
            golden(json!({"expected": "a"}))
                .unwrap_err()
                .to_string()
                .contains("no `input`")
        );
    }

    #[test]
    fn a_golden_reads_what_it_writes() {
        let row =
            golden(json!({"id": 7, "input": "q", "components": {"retrieve": {"expected": "x"}}}))
                .unwrap();
        assert_eq!(row.id, "7");
        let again: Golden = serde_json::from_value(serde_json::to_value(&row).unwrap()).unwrap();
        assert_eq!(again, row);
    }
}
