//! Tools: what is offered, and what was called.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One call of a tool.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ToolCall {
    /// The tool's name.
    pub name: String,
    /// What was called: a function of the application, or something of an MCP server.
    #[serde(alias = "type", skip_serializing_if = "ToolKind::is_function")]
    pub kind: ToolKind,
    /// The arguments, a JSON object; null when unknown.
    #[serde(
        alias = "input_parameters",
        alias = "args",
        skip_serializing_if = "Value::is_null"
    )]
    pub arguments: Value,
    /// What it returned; null when unknown.
    #[serde(alias = "result", skip_serializing_if = "Value::is_null")]
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

    /// Sets what was called; a function of the application unless said otherwise.
    pub fn kind(mut self, kind: ToolKind) -> Self {
        self.kind = kind;
        self
    }
}

/// What a [`ToolCall`] called.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ToolKind {
    /// A function of the application.
    #[default]
    #[serde(alias = "FUNCTION")]
    Function,
    /// A tool of an MCP server.
    #[serde(alias = "MCP")]
    Mcp,
    /// A resource of an MCP server, read by its URI.
    McpResource,
    /// A prompt of an MCP server.
    McpPrompt,
}

impl ToolKind {
    /// The kind as JSON names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Function => "function",
            Self::Mcp => "mcp",
            Self::McpResource => "mcp_resource",
            Self::McpPrompt => "mcp_prompt",
        }
    }

    /// Whether it belongs to an MCP server.
    pub fn is_mcp(self) -> bool {
        self != Self::Function
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    fn is_function(&self) -> bool {
        *self == Self::Function
    }
}

/// A tool that the system could have called, or a resource or prompt that an MCP server offers.
///
/// ```
/// use llmtest_metrics::ToolSpec;
/// use serde_json::json;
///
/// let search = ToolSpec::new("search").description("Searches the handbook.").parameters(json!({"query": {"type": "string"}}));
/// assert_eq!(search.name, "search");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ToolSpec {
    /// The name by which it is called; of a resource, its URI.
    pub name: String,
    /// What it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The JSON Schema of its arguments; null when unknown.
    #[serde(
        alias = "inputSchema",
        alias = "input_schema",
        alias = "input_parameters",
        skip_serializing_if = "Value::is_null"
    )]
    pub parameters: Value,
}

impl ToolSpec {
    /// A tool by name.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    /// Sets what it does.
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Sets the JSON Schema of its arguments.
    pub fn parameters(mut self, schema: impl Into<Value>) -> Self {
        self.parameters = schema.into();
        self
    }
}

impl From<&str> for ToolSpec {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

/// An MCP server and what it offers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct McpServer {
    /// The server's name.
    #[serde(alias = "server_name")]
    pub name: String,
    /// Its tools.
    #[serde(alias = "available_tools", skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<ToolSpec>,
    /// Its resources.
    #[serde(alias = "available_resources", skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<ToolSpec>,
    /// Its prompts.
    #[serde(alias = "available_prompts", skip_serializing_if = "Vec::is_empty")]
    pub prompts: Vec<ToolSpec>,
}

impl McpServer {
    /// A server by name.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    /// Sets its tools.
    pub fn tools(mut self, tools: impl IntoIterator<Item = ToolSpec>) -> Self {
        self.tools = tools.into_iter().collect();
        self
    }

    /// Sets its resources.
    pub fn resources(mut self, resources: impl IntoIterator<Item = ToolSpec>) -> Self {
        self.resources = resources.into_iter().collect();
        self
    }

    /// Sets its prompts.
    pub fn prompts(mut self, prompts: impl IntoIterator<Item = ToolSpec>) -> Self {
        self.prompts = prompts.into_iter().collect();
        self
    }
}
