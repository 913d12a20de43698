//! The bridge to `tracing`, in both directions: spans of other crates come in as components, ours go out to whatever
//! telemetry the application has.

#[cfg(feature = "tracing-capture")]
mod attributes;
#[cfg(feature = "tracing-capture")]
mod incoming;
#[cfg(feature = "tracing-capture")]
mod messages;

#[cfg(feature = "tracing-capture")]
pub use incoming::CaptureLayer;
#[cfg(feature = "tracing-capture")]
pub(crate) use incoming::{attach, trouble};

/// The target of the spans that `#[observe]` opens, which are not to come back in.
#[cfg(feature = "tracing-capture")]
const TARGET: &str = "llmtest::observe";
