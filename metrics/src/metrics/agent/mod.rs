//! Agents: what they did, and how.

mod argument_correctness;
mod plan_adherence;
mod plan_quality;
mod step_efficiency;
mod steps;
mod task_completion;

pub use argument_correctness::ArgumentCorrectness;
pub use plan_adherence::PlanAdherence;
pub use plan_quality::PlanQuality;
pub use step_efficiency::StepEfficiency;
pub use task_completion::TaskCompletion;
