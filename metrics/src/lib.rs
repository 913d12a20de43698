//! The vocabulary and the metrics of [llmtest](https://docs.rs/llmtest).
//!
//! This crate does no I/O: it reads no file, clock, environment variable or socket. Judges are reached through the
//! [`Judge`] trait. Users depend on `llmtest`, which re-exports everything here.

#![cfg_attr(
    test,
    expect(
        clippy::float_cmp,
        reason = "tests name the exact value that a formula must give"
    )
)]

mod attacks;
mod case;
mod check;
mod choice;
mod cx;
mod embed;
mod error;
mod fake;
mod fence;
mod grade;
mod grades;
pub mod hash;
mod join;
pub mod json;
mod json_schema;
mod judge;
pub mod logprobs;
mod metric;
mod metrics;
mod options;
pub mod probability;
mod prompt;
#[cfg(test)]
mod proptesting;
mod reason;
mod score;
mod sentences;
mod trace;
mod trace_text;
mod trace_tree;
mod verdicts;
mod windows;

pub use attacks::{Aim, Attack, Family, Place};
pub use case::{
    Component, Field, Golden, Image, McpServer, Passage, Role, TestCase, ToolCall, ToolKind,
    ToolSpec, Turn,
};
pub use check::{Check, Expectation, IntoChecks};
pub use cx::{Answer, AskLog, Asker, BoxFuture, EvalCx, Exchange, Memo};
pub use embed::{AnyEmbedder, Embedder, FakeEmbedder};
pub use error::{BoxError, JudgeError, JudgeErrorKind, MissingField, NotApplicable, Result};
pub use fake::FakeJudge;
pub use judge::{
    Alternatives, AnyJudge, Judge, Message, Prompt, Repeat, Reply, Schema, TokenLogprob,
};
pub use metric::{Adjusted, Adjustments, JudgeChoice, Metric, metric, metric_cx};
pub use metrics::*;
pub use prompt::Template;
pub use score::{Bar, IntoScore, Quantity, Score};
pub use trace::{Call, Calls, Finding, Over, Span, SpanKind, Spans, Trace, Tree, TreeLine, Usage};

/// Measures a metric of one case with a judge of one's own: no run, no recording, no configuration. For tests of
/// metrics, see [`FakeJudge`].
pub async fn measure_with(
    case: &TestCase,
    metric: &impl Metric,
    judge: impl Into<AnyJudge>,
) -> Result<Score> {
    let asker = Asker::standalone(Some(judge.into()));
    let score = metric
        .measure(&EvalCx::new(case, &Trace::default(), None, &asker))
        .await?;
    asker.with_confidence(score).checked()
}

/// Waits for several futures at once; the first error ends the rest. Not public API.
#[doc(hidden)]
pub async fn __join<T>(futures: Vec<BoxFuture<'_, Result<T>>>) -> Result<Vec<T>> {
    join::all(futures).await
}

/// Measures as DeepEval scores: the judge's verdicts as they are given, nothing asked again. For comparisons between the
/// two; not public API.
#[doc(hidden)]
pub async fn __measure_as_given(
    case: &TestCase,
    trace: &Trace,
    expectation: &Expectation,
    judge: impl Into<AnyJudge>,
) -> Result<Score> {
    let asker = Asker::standalone(Some(judge.into())).scoring_as_given();
    expectation
        .measure(&EvalCx::new(case, trace, None, &asker))
        .await
}
