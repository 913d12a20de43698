//! Synthetic spans, with the attributes that the libraries write.

use std::sync::Arc;

use serde_json::json;
use tracing::field::Empty;
use tracing::{Instrument as _, Span, error, info_span};
use llmtest_macros::observe;

use super::super::super::context::{CaseContext, enter, listen, scope};
use super::*;

fn case() -> Arc<CaseContext> {
    listen();
    CaseContext::new(0, None)
}

fn spans_of<R>(f: impl FnOnce() -> R) -> Vec<RawSpan> {
    let case = case();
    let guard = enter(case.clone());
    f();
    drop(guard);
    case.finish()
}

/// As genai opens it: the model in the span's name for telemetry, everything that comes later declared empty.
fn genai_chat(model: &str) -> Span {
    info_span!(
        "genai.chat",
        "otel.name" = format!("chat {model}").as_str(),
        "otel.kind" = "client",
        "otel.status_code" = Empty,
        "error.type" = Empty,
        "gen_ai.operation.name" = "chat",
        "gen_ai.provider.name" = "openai",
        "gen_ai.request.model" = model,
        "gen_ai.request.stream" = false,
        "gen_ai.request.temperature" = Empty,
        "gen_ai.response.model" = Empty,
        "gen_ai.response.finish_reasons" = Empty,
        "gen_ai.response.time_to_first_chunk" = Empty,
        "gen_ai.usage.input_tokens" = Empty,
        "gen_ai.usage.output_tokens" = Empty,
        "gen_ai.input.messages" = Empty,
        "gen_ai.output.messages" = Empty,
    )
}

#[test]
fn a_span_as_genai_writes_it_is_a_component_named_by_its_operation() {
    let spans = spans_of(|| {
        let span = genai_chat("small");
        span.record("gen_ai.request.temperature", 0.5);
        span.record("gen_ai.input.messages", r#"[{"role":"user","parts":[{"type":"text","content":"Hi?"}]}]"#);
        span.record("gen_ai.response.model", "small-2026");
        span.record("gen_ai.response.finish_reasons", r#"["stop"]"#);
        span.record("gen_ai.response.time_to_first_chunk", 0.25);
        span.record("gen_ai.usage.input_tokens", 12_i64);
        span.record("gen_ai.usage.output_tokens", 3_i64);
        span.record("gen_ai.output.messages", r#"[{"role":"assistant","parts":[{"type":"text","content":"Hello!"}],"finish_reason":"stop"}]"#);
    });
    let [span] = spans.as_slice() else {
        panic!("{spans:?}")
    };
    assert_eq!((&*span.name, &*span.kind), ("chat", "llm"));
    assert_eq!(span.usage, Some((12, 3)));
    assert_eq!(span.model.as_deref(), Some("small-2026"));
    assert_eq!(span.first_item, Some(std::time::Duration::from_millis(250)));
    assert_eq!(json!(span.input), json!({"prompt": "Hi?"}));
    assert_eq!(span.output, "Hello!");
    assert_eq!(span.metadata["gen_ai.response.finish_reasons"], json!(["stop"]));
    assert_eq!(span.metadata["gen_ai.request.temperature"], 0.5);
    assert_eq!(span.error, None);
    assert!(span.end.is_some_and(|end| end >= span.start));
}
