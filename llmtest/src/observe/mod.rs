//! What code inside of observed functions can say and do: name its model and what it retrieved, and take the case along to
//! other tasks and threads. All of it is in builds without the harness too, where nobody listens: then it is one relaxed
//! load a call.
//!
//! The case follows a task over threads and through `join!`, `select!`, `FuturesUnordered` and `buffer_unordered`, which
//! poll in the task that they are in. It does not follow what another task or thread runs; there it takes a word:
//!
//! | to | with |
//! |---|---|
//! | a task | `tokio::spawn(llmtest::carry(future))`, of any runtime; `set.spawn(llmtest::carry(future))` |
//! | a blocking task | `tokio::task::spawn_blocking(llmtest::carry_fn(f))` |
//! | a thread, scoped or not | `scope.spawn(llmtest::carry_fn(f))` |
//! | a pool, many times | [`handle`]: `let case = handle(); items.par_iter().map(\|item\| case.run(\|\| f(item)))` |
//!
//! ```
//! #[llmtest::observe(tool)]
//! fn price(item: &str) -> usize {
//!     item.len()
//! }
//!
//! #[llmtest::observe]
//! fn total(items: &[&str]) -> usize {
//!     std::thread::scope(|scope| {
//!         let threads: Vec<_> = items.iter().map(|item| scope.spawn(llmtest::carry_fn(|| price(item)))).collect();
//!         threads.into_iter().map(|thread| thread.join().unwrap()).sum()
//!     })
//! }
//! assert_eq!(total(&["shoes", "hat"]), 8);
//! ```
//!
//! In tests, where the harness is, `llmtest::spawn(future)` and `llmtest::spawn_blocking(f)` are short for the first two.
//!
//! An observed call that has no case while tests run is counted, and the end of the run names it with its place.

// The context is a thread-local that is set at every poll, and is nobody's global subscriber.
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
mod limits;
mod open;
mod record;
mod replay;
mod spawn;
mod stream;
mod substitute;
mod substituted;

#[cfg(test)]
#[cfg(feature = "harness")]
mod record_tests;
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
    CaseContext, Lost, RawSpan, adopt_orphans, current_case, enter, listen, lost_calls, scope,
    unattributed,
};
#[cfg(feature = "harness")]
pub use instead::{
    substitute, substitute_calls, substitute_error, substitute_reference, substitute_with,
};
pub(crate) use limits::Limits;
pub use open::note_usage;
pub use record::{Recorder, record};
pub use replay::ReplayedError;
pub(crate) use replay::{StageAnswer, StageRequest, Stages, texts};
pub use spawn::{Handle, carry, carry_fn, handle};
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
    pub use serde_json::Value;
}
