//! Agents: the tools they call, and the way they take.

mod accept;
mod agent_loop_detection;
mod assignment;
mod sequence_ratio;
mod tool_correctness;
mod tool_permission;
mod tree;

pub use accept::Accept;
pub use agent_loop_detection::AgentLoopDetection;
pub use tool_correctness::ToolCorrectness;
pub use tool_permission::ToolPermission;
