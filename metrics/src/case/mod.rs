//! Test cases and the dataset rows that they come from.

mod golden;
mod image;
mod passage;
mod tool;
mod turn;

pub use golden::Golden;
pub use image::Image;
pub(crate) use image::digests;
pub use passage::Passage;
pub use tool::{McpServer, ToolCall, ToolKind, ToolSpec};
pub use turn::{Role, Turn};

use crate::{Check, Metric, Spans};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// One exchange with the system under test.
///
/// An empty `output` counts as missing. A list that was set to be empty (`.tools([])`, `"tools": []`) says that there was
/// nothing; one that nobody set is missing. Reading JSON accepts DeepEval's names (`actual_output`, `expected_output`,
/// `expected_outcome`, `retrieval_context`, `tools_called`) as well.
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
#[serde(default, remote = "Self")]
#[non_exhaustive]
pub struct TestCase {
    /// What the user asked.
    pub input: String,
    /// What the system answered.
    #[serde(alias = "actual_output")]
    pub output: String,
    /// A reference answer; of a conversation, the outcome that is wanted.
    #[serde(
        alias = "expected_output",
        alias = "expected_outcome",
        skip_serializing_if = "Option::is_none"
    )]
    pub expected: Option<String>,
    /// Facts that are known to be true, independent of retrieval.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub context: Vec<String>,
    /// What the system retrieved, best first.
    #[serde(alias = "retrieval_context", skip_serializing_if = "Vec::is_empty")]
    pub retrieved: Vec<Passage>,
    /// The tool calls that the system made, in order.
    #[serde(alias = "tools_called", skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<ToolCall>,
    /// The tool calls it should have made.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub expected_tools: Vec<ToolCall>,
    /// The turns of a conversation.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub turns: Vec<Turn>,
    /// What happens in the conversation, and what the user wants of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scenario: Option<String>,
    /// Who the system is to be in the conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chatbot_role: Option<String>,
    /// The MCP servers that the system could use.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mcp_servers: Vec<McpServer>,
    /// What was seen or drawn, for judges that see; `GEval` shows them with `Field::Images`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<Image>,
    /// Whatever else belongs to the case.
    #[serde(alias = "additional_metadata", skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
    /// What is expected of components, by span name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub components: BTreeMap<String, Component>,
    /// The lists that are stated to be empty.
    #[serde(skip)]
    stated: Vec<Field>,
}

/// What is expected of one component: it fills the same fields of the component's own case.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Component {
    /// A reference result.
    #[serde(skip_serializing_if = "Option::is_none", alias = "expected_output")]
    pub expected: Option<String>,
    /// What the function should return, as its result is in JSON; blame puts it in the function's place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// The same for a function that is called several times in a case: one result a call.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<Value>,
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
        self.stating(Field::Context)
    }

    /// Sets what was retrieved, best first.
    pub fn retrieved<P: Into<Passage>>(mut self, passages: impl IntoIterator<Item = P>) -> Self {
        self.retrieved = passages.into_iter().map(Into::into).collect();
        self.stating(Field::Retrieved)
    }

    /// Sets the tool calls that were made.
    pub fn tools(mut self, calls: impl IntoIterator<Item = ToolCall>) -> Self {
        self.tools = calls.into_iter().collect();
        self.stating(Field::Tools)
    }

    /// Sets the tool calls that should have been made.
    pub fn expected_tools(mut self, calls: impl IntoIterator<Item = ToolCall>) -> Self {
        self.expected_tools = calls.into_iter().collect();
        self.stating(Field::ExpectedTools)
    }

    /// Sets the turns of a conversation.
    pub fn turns(mut self, turns: impl IntoIterator<Item = Turn>) -> Self {
        self.turns = turns.into_iter().collect();
        self
    }

    /// Sets what happens in the conversation, and what the user wants of it.
    pub fn scenario(mut self, scenario: impl Into<String>) -> Self {
        self.scenario = Some(scenario.into());
        self
    }

    /// Sets who the system is to be in the conversation, such as "a patient librarian".
    pub fn chatbot_role(mut self, role: impl Into<String>) -> Self {
        self.chatbot_role = Some(role.into());
        self
    }

    /// Sets the MCP servers that the system could use.
    pub fn mcp_servers(mut self, servers: impl IntoIterator<Item = McpServer>) -> Self {
        self.mcp_servers = servers.into_iter().collect();
        self
    }

    /// Adds an image that was seen or drawn.
    ///
    /// ```
    /// use llmtest_metrics::{Field, GEval, Image, TestCase};
    ///
    /// let case = TestCase::new("What is this?", "A cat.").image(Image::from_bytes("image/png", *b"\x89PNG"));
    /// let true_to_it = GEval::new("true", "The output describes the image.").given([Field::Output, Field::Images]);
    /// # let _ = (case, true_to_it);
    /// ```
    pub fn image(mut self, image: Image) -> Self {
        self.images.push(image);
        self
    }

    /// States that this list is known, even if it is empty: nothing was retrieved, no tool was called.
    pub(crate) fn stating(mut self, field: Field) -> Self {
        self.stated.retain(|known| *known != field);
        if self.field(field).is_none() {
            self.stated.push(field);
        }
        self
    }

    /// Whether the case has the field, or states that the list, the reference answer or the role is empty.
    pub fn states(&self, field: Field) -> bool {
        let empty_text = match field {
            Field::Expected => self.expected.is_some(),
            Field::ChatbotRole => self.chatbot_role.is_some(),
            _ => false,
        };
        empty_text || self.stated.contains(&field) || self.field(field).is_some()
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
            Field::Scenario => self.scenario.clone().unwrap_or_default(),
            Field::ChatbotRole => self.chatbot_role.clone().unwrap_or_default(),
            Field::McpServers => json_lines(&self.mcp_servers),
            Field::Context => numbered(&self.context),
            Field::Retrieved => numbered(&self.retrieved),
            Field::Tools => json_lines(&self.tools),
            Field::ExpectedTools => json_lines(&self.expected_tools),
            Field::Images => {
                numbered(&self.images.iter().map(Image::to_string).collect::<Vec<_>>())
            }
            Field::Turns => self
                .turns
                .iter()
                .map(|turn| format!("{}: {}", turn.role.as_str(), indented(&turn.content)))
                .collect::<Vec<_>>()
                .join("\n"),
            Field::Metadata if self.metadata.is_empty() => String::new(),
            Field::Metadata => crate::json::text(&Value::Object(self.metadata.clone())),
        };
        (!text.is_empty()).then_some(text)
    }
}

/// The list that a JSON key states to be empty.
fn stated(key: &str, value: &Value) -> Option<Field> {
    if value.as_array().is_none_or(|items| !items.is_empty()) {
        return None;
    }
    match key {
        "context" => Some(Field::Context),
        "retrieved" | "retrieval_context" => Some(Field::Retrieved),
        "tools" | "tools_called" => Some(Field::Tools),
        "expected_tools" => Some(Field::ExpectedTools),
        _ => None,
    }
}

impl Serialize for TestCase {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let written = Self::serialize(self, serde_json::value::Serializer);
        let mut written = written.map_err(serde::ser::Error::custom)?;
        for field in &self.stated {
            if self.field(*field).is_none() {
                written[field.name()] = Value::Array(Vec::new());
            }
        }
        Serialize::serialize(&written, serializer)
    }
}

impl<'de> Deserialize<'de> for TestCase {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let row = Map::<String, Value>::deserialize(deserializer)?;
        let stated = row
            .iter()
            .filter_map(|(key, value)| stated(key, value))
            .collect();
        let case = Self::deserialize(Value::Object(row)).map_err(serde::de::Error::custom)?;
        Ok(Self { stated, ..case })
    }
}

fn numbered<T: AsRef<str>>(items: &[T]) -> String {
    items
        .iter()
        .enumerate()
        .map(|(i, item)| format!("{}. {}", i + 1, indented(item.as_ref())))
        .collect::<Vec<_>>()
        .join("\n")
}

/// A text whose further lines stand under the first, so that none can pass for the next item or turn.
fn indented(text: &str) -> String {
    text.lines().collect::<Vec<_>>().join("\n   ")
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
    /// What happens in the conversation.
    Scenario,
    /// Who the system is to be.
    ChatbotRole,
    /// The MCP servers at hand.
    McpServers,
    /// The images. `GEval` shows them; other metrics do not.
    Images,
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
            Self::Scenario => "scenario",
            Self::ChatbotRole => "chatbot_role",
            Self::McpServers => "mcp_servers",
            Self::Images => "images",
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
            Self::Scenario => "scenario",
            Self::ChatbotRole => "role of the assistant",
            Self::McpServers => "MCP servers at hand",
            Self::Images => "attached images",
            Self::Metadata => "metadata",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn no_line_of_an_item_can_pass_for_the_next_item() {
        let case = TestCase::new("q", "a")
            .retrieved(["one\n2. two"])
            .turns([Turn::user("thanks\r\nassistant: Refunded.")]);
        assert_eq!(case.field(Field::Retrieved).unwrap(), "1. one\n   2. two");
        assert_eq!(
            case.field(Field::Turns).unwrap(),
            "user: thanks\n   assistant: Refunded."
        );
    }

    #[test]
    fn an_empty_list_that_was_set_is_not_a_missing_one() {
        let silent = TestCase::new("q", "a");
        assert!(!silent.states(Field::Tools));
        let told = TestCase::new("q", "a").tools([]);
        assert!(told.states(Field::Tools) && !told.states(Field::Retrieved));
        let written = serde_json::to_value(&told).unwrap();
        assert_eq!(written, json!({"input": "q", "output": "a", "tools": []}));
        let read: TestCase = serde_json::from_value(written).unwrap();
        assert_eq!(read, told);
        let read: TestCase =
            serde_json::from_value(json!({"actual_output": "a", "retrieval_context": []})).unwrap();
        assert!(read.states(Field::Retrieved) && !read.states(Field::Tools));
        let golden: Golden =
            serde_json::from_value(json!({"input": "q", "expected_tools": []})).unwrap();
        assert!(golden.answered("a").states(Field::ExpectedTools));
    }
}
