//! An application that has a subscriber of its own adds our layer to it. Its telemetry then shows what is observed in the
//! tests, and the tests see the calls of genai.

mod server;

use genai_example::Desk;
use llmtest::prelude::*;
use llmtest::{CaptureLayer, EvalCx, Trace};
use std::process::ExitCode;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::prelude::*;

/// What a test observes of its own; the application is not touched.
#[observe(agent)]
async fn desk(ticket: &str) -> genai::Result<String> {
    let desk = Desk::new(server::url(), "none", "qwen1.5b")?;
    Ok(desk.answer(ticket).await?.text)
}

#[llm_test]
async fn the_calls_are_inside_of_what_made_them() -> llmtest::Result<Check> {
    let ticket = "You charged my card twice.";
    let reply = desk(ticket).await?;
    Ok(TestCase::new(ticket, reply)
        .expect(Contains::new("billing"))
        .expect_in("desk", Contains::new("billing"))
        .expect(metric_cx("tree", |cx: &EvalCx<'_>| {
            tree(&cx.trace) == [("desk", None), ("chat", Some(0)), ("chat", Some(0))]
        })))
}

#[llm_test]
async fn a_call_that_fails_is_an_error_of_the_component() -> llmtest::Result<Check> {
    let nobody = Desk::new("http://127.0.0.1:9/v1", "none", "qwen1.5b")?;
    let failed = nobody.answer("Hello?").await.is_err();
    Ok(TestCase::new("Hello?", failed.to_string())
        .expect(Contains::new("true"))
        .expect(metric_cx("error", |cx: &EvalCx<'_>| {
            cx.trace.spans.len() == 1 && cx.trace.spans[0].error.as_deref() == Some("connect")
        })))
}

fn tree(trace: &Trace) -> Vec<(&str, Option<usize>)> {
    let spans = trace.spans.iter();
    spans.map(|span| (&*span.name, span.parent)).collect()
}

fn main() -> ExitCode {
    // Whatever the application does with its spans; a filter for it alone.
    let own = tracing_subscriber::layer::Identity::new().with_filter(LevelFilter::WARN);
    tracing_subscriber::registry()
        .with(own)
        .with(CaptureLayer::new())
        .init();
    llmtest::main()
}
