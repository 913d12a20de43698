//! Conversations.

mod goal_accuracy;
mod tool_use;
mod topic_adherence;

pub use goal_accuracy::GoalAccuracy;
pub use tool_use::ToolUse;
pub use topic_adherence::TopicAdherence;
