//! Conversations.

mod conversation_completeness;
mod goal_accuracy;
mod knowledge_retention;
mod role_adherence;
mod tool_use;
mod topic_adherence;
mod turn_contextual_precision;
mod turn_contextual_recall;
mod turn_contextual_relevancy;
mod turn_faithfulness;
mod turn_relevancy;
mod window;

pub use conversation_completeness::ConversationCompleteness;
pub use goal_accuracy::GoalAccuracy;
pub use knowledge_retention::KnowledgeRetention;
pub use role_adherence::RoleAdherence;
pub use tool_use::ToolUse;
pub use topic_adherence::TopicAdherence;
pub use turn_contextual_precision::TurnContextualPrecision;
pub use turn_contextual_recall::TurnContextualRecall;
pub use turn_contextual_relevancy::TurnContextualRelevancy;
pub use turn_faithfulness::TurnFaithfulness;
pub use turn_relevancy::TurnRelevancy;
