//! Agents that use MCP servers.

mod calls;
mod mcp_task_completion;
mod mcp_use;
mod multi_turn_mcp_use;

pub use mcp_task_completion::McpTaskCompletion;
pub use mcp_use::McpUse;
pub use multi_turn_mcp_use::MultiTurnMcpUse;
