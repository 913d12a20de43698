//! The bridge to `tracing`, in both directions: spans of other crates come in as components, ours go out to whatever
//! telemetry the application has.

#[cfg(feature = "tracing-capture")]
mod attributes;
#[cfg(feature = "tracing-capture")]
mod incoming;
#[cfg(feature = "tracing-capture")]
mod messages;
#[cfg(feature = "tracing")]
mod outgoing;
#[cfg(not(feature = "tracing"))]
#[path = "silent.rs"]
mod outgoing;

#[cfg(feature = "tracing-capture")]
pub use incoming::CaptureLayer;
#[cfg(feature = "tracing-capture")]
pub(crate) use incoming::{attach, trouble};
pub use outgoing::{Teller, is_told, told, told_future};
pub(super) use outgoing::{cost, is_telling, model, usage};

/// The target of the spans that `#[observe]` opens, which are not to come back in.
#[cfg(any(feature = "tracing", feature = "tracing-capture"))]
const TARGET: &str = "llmtest::observe";

/// Says whether a result is an error. A type and no closure: the proof that a boxed future is `Send` forgets lifetimes,
/// and a closure is written for some.
pub trait Outcome<T> {
    /// Whether it is.
    fn failed(self, result: &T) -> bool;
}

/// Of a function that returns a `Result`.
pub struct Fallible;

impl<T, E> Outcome<Result<T, E>> for Fallible {
    fn failed(self, result: &Result<T, E>) -> bool {
        result.is_err()
    }
}

/// Of any other function.
pub struct Infallible;

impl<T> Outcome<T> for Infallible {
    fn failed(self, _: &T) -> bool {
        false
    }
}
