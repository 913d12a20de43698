//! Dataset rows.

use super::{Component, Field, Image, McpServer, Passage, TestCase, ToolCall, Turn, stated};
use crate::Result;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

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
    pub retrieved: Vec<Passage>,
    /// The tool calls that should be made.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub expected_tools: Vec<ToolCall>,
    /// The turns of a conversation so far.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub turns: Vec<Turn>,
    /// What happens in the conversation, and what the user wants of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scenario: Option<String>,
    /// Who the system is to be in the conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chatbot_role: Option<String>,
    /// The MCP servers that the system can use.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mcp_servers: Vec<McpServer>,
    /// Images that belong to the question: addresses (`https://…`), or `data:image/png;base64,…`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<Image>,
    /// What is expected of components, by span name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub components: BTreeMap<String, Component>,
    /// Everything else in the row.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
    /// The lists that the row states to be empty.
    #[serde(skip)]
    stated: Vec<Field>,
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
            scenario: self.scenario,
            chatbot_role: self.chatbot_role,
            mcp_servers: self.mcp_servers,
            images: self.images,
            stated: self.stated,
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
    ("expected_outcome", "expected"),
    ("context", "context"),
    ("retrieved", "retrieved"),
    ("retrieval_context", "retrieved"),
    ("expected_tools", "expected_tools"),
    ("turns", "turns"),
    ("scenario", "scenario"),
    ("chatbot_role", "chatbot_role"),
    ("mcp_servers", "mcp_servers"),
    ("images", "images"),
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
            golden.stated.extend(stated(field, &value));
            match *field {
                "id" => golden.id = id_text(&key, value)?,
                "input" => golden.input = read(&key, value)?,
                "expected" => golden.expected = Some(read(&key, value)?),
                "context" => golden.context = read(&key, value)?,
                "retrieved" => golden.retrieved = read(&key, value)?,
                "expected_tools" => golden.expected_tools = read(&key, value)?,
                "turns" => golden.turns = read(&key, value)?,
                "scenario" => golden.scenario = Some(read(&key, value)?),
                "chatbot_role" => golden.chatbot_role = Some(read(&key, value)?),
                "mcp_servers" => golden.mcp_servers = read(&key, value)?,
                "images" => golden.images = read(&key, value)?,
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
    // A column of paths has this name; where an image is needed and there is none, the metric says so.
    if lower == "image" {
        return None;
    }
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
    fn a_row_may_describe_a_conversation_with_mcp_servers() {
        let row = json!({"scenario": "s", "chatbot_role": "r", "turns": [{"role": "user", "content": "hi"}],
            "mcp_servers": [{"server_name": "files", "available_tools": [{"name": "read"}]}]});
        let case = golden(row).unwrap().answered("");
        assert_eq!(case.mcp_servers[0].tools[0].name, "read");
        assert_eq!(
            (case.scenario.as_deref(), case.chatbot_role.as_deref()),
            (Some("s"), Some("r"))
        );
        assert!(case.metadata.is_empty());
    }

    #[test]
    fn a_row_may_have_images() {
        let row = json!({"input": "What is this?", "image": "cat.png",
            "images": ["https://example.com/cat.png", "data:image/png;base64,UE5H"]});
        let read = golden(row).unwrap();
        assert_eq!(read.metadata["image"], "cat.png");
        let copy: Golden = serde_json::from_value(serde_json::to_value(&read).unwrap()).unwrap();
        assert_eq!(copy.images, read.images);
        let case = read.answered("A cat.");
        let png = Image::from_bytes("image/png", *b"PNG");
        assert_eq!(
            case.images,
            [Image::url("https://example.com/cat.png"), png]
        );
        let path = json!({"input": "q", "images": ["cat.png"]});
        let error = golden(path).unwrap_err().to_string();
        assert!(error.contains("`images`: an image must be"), "{error}");
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
