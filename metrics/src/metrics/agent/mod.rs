//! Agents: the tools they call, the way they take, and what comes of it.

mod accept;
mod agent_loop_detection;
mod argument_correctness;
mod assignment;
mod comparisons;
mod plan_adherence;
mod plan_quality;
mod sequence_ratio;
mod span_pattern;
mod span_regex;
mod step_efficiency;
mod steps;
mod task_completion;
mod tool_correctness;
mod tool_permission;
mod trajectory_match;

pub use accept::Accept;
pub use agent_loop_detection::AgentLoopDetection;
pub use argument_correctness::ArgumentCorrectness;
pub use plan_adherence::PlanAdherence;
pub use plan_quality::PlanQuality;
pub use span_pattern::SpanPattern;
pub use step_efficiency::StepEfficiency;
pub use task_completion::TaskCompletion;
pub use tool_correctness::ToolCorrectness;
pub use tool_permission::ToolPermission;
pub use trajectory_match::{ArgumentMatch, TrajectoryMatch};
