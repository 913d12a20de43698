#![doc = include_str!("../README.md")]

#[cfg(feature = "harness")]
mod blame;
#[cfg(feature = "harness")]
mod calendar;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
#[cfg(feature = "harness")]
mod config;
#[cfg(feature = "harness")]
mod cost;
#[cfg(feature = "harness")]
mod dataset;
#[cfg(feature = "harness")]
mod entry;
#[cfg(feature = "harness")]
pub mod gate;
#[cfg(feature = "harness")]
mod harness;
#[cfg(feature = "harness")]
mod judge;
#[cfg(feature = "harness")]
mod locks;
pub mod observe;
#[cfg(feature = "harness")]
mod outcome;
#[cfg(feature = "harness")]
mod recording;
#[cfg(feature = "harness")]
mod redact;
#[cfg(feature = "harness")]
mod report;
#[cfg(feature = "harness")]
mod results;
#[cfg(feature = "harness")]
mod runner;
#[cfg(feature = "harness")]
pub mod runs;
#[cfg(feature = "harness")]
mod runtime;
#[cfg(feature = "harness")]
mod selftest;
#[cfg(feature = "harness")]
pub mod stats;
#[cfg(feature = "harness")]
mod telemetry;
#[cfg(feature = "harness")]
mod text;
#[cfg(feature = "harness")]
pub mod trust;

pub use llmtest_macros::observe;
#[cfg(feature = "tracing-capture")]
pub use observe::CaptureLayer;
pub use observe::{ReplayedError, carry, carry_fn, note_usage};

#[cfg(feature = "harness")]
pub use blame::{Blame, CausalShare, CausalTotals, Estimate, Lift, StageBlame};
#[cfg(feature = "harness")]
pub use cost::{
    BudgetReport, EstimateReport, LimitChange, LimitReason, LimitReport, RunCost, Spending,
};
#[cfg(feature = "harness")]
pub use dataset::DatasetError;
#[cfg(feature = "harness")]
pub use harness::main;
#[cfg(feature = "harness")]
pub use llmtest_macros::{llm_test, test};
#[cfg(feature = "harness")]
pub use llmtest_metrics::*;
#[cfg(feature = "harness")]
pub use observe::{
    substitute, substitute_calls, substitute_error, substitute_reference, substitute_with,
};
#[cfg(feature = "harness")]
pub use outcome::Outcome;
#[cfg(feature = "harness")]
pub use results::{
    BinaryEnd, BinaryInfo, DatasetPlace, GitState, GroupRecord, MeasurementRecord, RunInfo,
    RunReport, TestRecord, TranscriptEntry, TrialRecord,
};
#[cfg(feature = "harness")]
pub use runner::{compare, measure};
#[cfg(feature = "harness")]
pub use selftest::{GotThrough, JudgeSelfTest, SelfTest, SelfTestPart, judge_selftest};
#[cfg(feature = "harness")]
pub use telemetry::{export, import};

/// Spawns a task that belongs to the current case: what it observes is seen by the case's expectations.
///
/// `tokio::spawn` alone loses the case, since the context follows the task and not its children.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let answer = llmtest::spawn(async { 42 }).await.unwrap();
/// assert_eq!(answer, 42);
/// # }
/// ```
#[cfg(feature = "harness")]
pub fn spawn<F>(future: F) -> tokio::task::JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(carry(future))
}

/// Calls blocking code, which belongs to the current case, where it does not hold up other tasks.
///
/// `tokio::task::spawn_blocking` alone loses the case, since that is another thread.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let answer = llmtest::spawn_blocking(|| 42).await.unwrap();
/// assert_eq!(answer, 42);
/// # }
/// ```
#[cfg(feature = "harness")]
pub fn spawn_blocking<F, R>(f: F) -> tokio::task::JoinHandle<R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    tokio::task::spawn_blocking(carry_fn(f))
}

/// What a test needs: `use llmtest::prelude::*;`.
///
/// The metrics are all here but `Cost`, `Escalation`, `Latency`, `Not`, `Panel` and `Samples`: names that applications have too. They are in the
/// crate's root, with everything else.
#[cfg(feature = "harness")]
pub mod prelude {
    pub use crate::{
        AgentLoopDetection, AllOf, AnswerCorrectness, AnswerRelevancy, AnyOf, ArenaGEval,
        ArgumentCorrectness, Bias, Bleu, Chrf, CitationFaithfulness, Classifier, Contains,
        ContextEntitiesRecall, ContextualPrecision, ContextualRecall, ContextualRelevancy,
        ConversationCompleteness, ConversationalGEval, Dag, EmbeddingSimilarity, ExactMatch,
        Faithfulness, GEval, GoalAccuracy, Hallucination, JsonCorrectness, KnowledgeRetention,
        Levenshtein, McpTaskCompletion, McpUse, MeanReciprocalRank, Meteor, Misuse,
        MultiTurnMcpUse, Ndcg, NoiseSensitivity, NonAdvice, NumericCloseness, PatternMatch,
        PiiLeakage, PlanAdherence, PlanQuality, PrecisionAtK, PromptAlignment, RecallAtK,
        Requirements, RoleAdherence, RoleViolation, Rouge, Similarity, SpanPattern, StepEfficiency,
        Summarization, TaskCompletion, Ter, TokenBudget, TokenF1, ToolCorrectness, ToolPermission,
        ToolUse, TopicAdherence, Toxicity, TrajectoryMatch, TurnContextualPrecision,
        TurnContextualRecall, TurnContextualRelevancy, TurnFaithfulness, TurnRelevancy,
        WeightedMean, WordErrorRate,
    };
    pub use crate::{
        Check, Field, Golden, Metric, Passage, Score, Spans, TestCase, ToolCall, Turn, ask,
        llm_test, metric, metric_cx, observe,
    };
}

/// What macros name. Not public API.
#[doc(hidden)]
pub mod __private {
    #[cfg(feature = "harness")]
    pub use crate::entry::{
        Body, Dataset, Produced, Registered, Row, TestEntry, decode, produced, rows,
    };
    #[cfg(feature = "harness")]
    pub use crate::harness::{Verdict, run_as_libtest};
    #[cfg(feature = "harness")]
    pub use crate::judge::NamedJudge;
    #[cfg(feature = "http")]
    pub use crate::judge::read_exchange;
    pub use crate::observe::private::*;
    #[cfg(feature = "harness")]
    pub use crate::runner::{blame_of, measure_logged, measure_traced};
    #[cfg(feature = "harness")]
    pub use crate::selftest::{shipped_cases, verdict_prompt};
    #[cfg(feature = "harness")]
    pub use inventory;
}
