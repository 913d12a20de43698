//! The metrics, one a file.

mod answer_relevancy;
mod contains;
mod contextual_relevancy;
mod dag;
mod exact_match;
mod faithfulness;
mod g_eval;
mod json_correctness;
mod pattern_match;
mod similarity;
mod text;

pub use answer_relevancy::AnswerRelevancy;
pub use contains::Contains;
pub use contextual_relevancy::ContextualRelevancy;
pub use dag::{Dag, Node, Question, ask};
pub use exact_match::ExactMatch;
pub use faithfulness::Faithfulness;
pub use g_eval::GEval;
pub use json_correctness::JsonCorrectness;
pub use pattern_match::PatternMatch;
pub use similarity::Similarity;

use crate::{Bar, EvalCx, Score, SpanKind};

/// The bar of a metric that has the knob `.strict()`.
fn bar(strict: bool) -> Bar {
    Bar::AtLeast(if strict { 1.0 } else { 0.5 })
}

/// What `.strict()` makes of a score: below 1 becomes 0.
fn strictly(strict: bool, mut score: Score) -> Score {
    if strict && score.value < 1.0 {
        score.value = 0.0;
    }
    score
}

/// Whether an empty `retrieved` means that nothing was found, and not that nobody told.
fn retriever_ran(cx: &EvalCx<'_>) -> bool {
    match cx.span {
        Some(span) => span.kind == SpanKind::Retriever,
        None => cx
            .trace
            .spans
            .iter()
            .any(|span| span.kind == SpanKind::Retriever),
    }
}
