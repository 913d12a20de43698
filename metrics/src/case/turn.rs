//! The turns of a conversation.

use super::{Passage, ToolCall};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

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
    pub retrieved: Vec<Passage>,
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

    /// Sets what was retrieved for this turn.
    pub fn retrieved<P: Into<Passage>>(mut self, passages: impl IntoIterator<Item = P>) -> Self {
        self.retrieved = passages.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the tool calls of this turn.
    pub fn tools(mut self, calls: impl IntoIterator<Item = ToolCall>) -> Self {
        self.tools = calls.into_iter().collect();
        self
    }
}
