//! The runtime of `#[observe]`: the span tree of a case, the capture of values and the replay of stages.
//!
//! The context is a thread-local that is set at every poll, so it follows a task over threads and through `join!`, and
//! is nobody's global subscriber. It does not follow `tokio::spawn`, threads or rayon by itself: [`carry`] and
//! [`carry_fn`] take it there. Without a listening harness the whole module costs one relaxed load a call.

// Production builds have the attribute and no runner.
#![cfg_attr(
    not(feature = "harness"),
    expect(dead_code, unused_imports, reason = "the runner's side of the seam")
)]

mod bridge;
mod capture;
mod context;
#[cfg(feature = "harness")]
mod instead;
mod open;
mod replay;
mod spawn;
mod stream;
mod substitute;
mod substituted;

#[cfg(test)]
#[cfg(feature = "harness")]
mod substitute_tests;
#[cfg(test)]
#[cfg(feature = "harness")]
mod tests;

#[cfg(feature = "tracing-capture")]
pub use bridge::CaptureLayer;
#[cfg(feature = "tracing-capture")]
pub(crate) use bridge::trouble as tracing_trouble;
pub(crate) use context::{
    CaseContext, RawSpan, adopt_orphans, current_case, enter, listen, scope, unattributed,
};
#[cfg(feature = "harness")]
pub use instead::{
    substitute, substitute_calls, substitute_error, substitute_reference, substitute_with,
};
pub use open::note_usage;
pub use replay::ReplayedError;
pub(crate) use replay::{StageAnswer, StageRequest, Stages};
pub use spawn::{carry, carry_fn};
pub(crate) use substitute::Substitute;

/// Everything that the expansion of `#[observe]` names.
pub(crate) mod private {
    pub use super::bridge::{Fallible, Infallible, Teller, is_told, told, told_future};
    pub use super::capture::{
        Captured, MessageViaDebug, MessageViaDisplay, MessageViaName, ValueViaDebug, ValueViaName,
        ValueViaSerialize, redacted,
    };
    pub use super::open::{Meta, Open, Pending, begin, call_once, source};
    pub use super::replay::{
        ErrorOf, ErrorViaFrom, ErrorViaNothing, ErrorViaSerde, Found, ResultParts, StageOutput,
        StageValue, exact, look_up,
    };
    pub use super::stream::{
        BoxedStream, ItemOf, ItemRef, ItemViaResult, ItemViaValue, Keep, RebuiltViaResult,
        RebuiltViaValue, Recorded, RecordedItem, Seen, Source, Streamed, error_of, streamed,
        streamed_boxed,
    };
    pub use super::substituted::{
        FailViaFrom, FailViaNothing, FailViaSerde, Made, OkViaNothing, OkViaSerde, Substituted,
        substituted, unless_unmade,
    };
    pub use futures_core::Stream;
    pub use serde_json::Value;
}
