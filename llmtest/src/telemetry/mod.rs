//! Traces out and in: OpenTelemetry's JSON, observations of Langfuse, span trees of DeepEval.

pub mod export;
pub mod import;
mod names;
#[cfg(feature = "otlp")]
mod send;
mod sink;

pub(crate) use sink::Sink;
