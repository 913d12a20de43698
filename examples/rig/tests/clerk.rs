//! The clerk under test. The application has no annotation; its model calls are components all the same, because rig says
//! what it does by `tracing` and llmtest listens (feature `tracing-capture`).
//!
//! `rig-core` records tokens, model and time of a call; texts are recorded by its agents alone, so metrics of texts look at
//! what the application returns.
//!
//! Without `CLERK_BASE_URL` a server in this process answers, so that CI needs no network.

#[path = "../../genai/tests/server/http.rs"]
mod http;

use llmtest::prelude::*;
use llmtest::{EvalCx, Latency, Span};
use rig_example::Clerk;
use std::time::Duration;

fn clerk() -> Clerk {
    let var = |name| std::env::var(name).ok();
    let url = var("CLERK_BASE_URL").unwrap_or_else(|| http::url(words).to_string());
    let key = var("CLERK_API_KEY").unwrap_or_else(|| "none".to_string());
    let model = var("CLERK_MODEL").unwrap_or_else(|| "qwen1.5b".to_string());
    Clerk::new(&url, &key, &model)
}

fn words(system: &str, _: &str) -> Vec<&'static str> {
    if system.contains("German") {
        vec!["Am Montag", " geschlossen."]
    } else if system.contains("French") {
        vec!["Fermé", " le", " lundi."]
    } else {
        vec!["Closed", " on", " Monday", "."]
    }
}

#[llm_test]
async fn a_notice_is_written_and_translated() -> llmtest::Result<Check> {
    let about = "We are closed on Monday.";
    let notice = clerk().notice(about).await?;
    Ok(TestCase::new(about, notice.english)
        .expect(Contains::new("Monday"))
        // Each call of the model, by the name of the operation, as if it had been annotated.
        .expect_in("chat", TokenBudget::within(200))
        .expect_in("chat", Latency::within(Duration::from_secs(60)))
        .expect_in(
            Spans::named("chat").last(),
            TokenBudget::within(60).written(),
        )
        .expect(metric_cx("three_calls_are_seen", three_calls_are_seen)))
}

/// One call, then two at once.
fn three_calls_are_seen(cx: &EvalCx<'_>) -> Result<Score, String> {
    let calls: Vec<&Span> = cx.trace.named("chat").collect();
    let [written, german, french] = calls.as_slice() else {
        return Err(format!("3 model calls, not {}", calls.len()));
    };
    for call in &calls {
        let usage = call.usage.ok_or("no tokens")?;
        if usage.prompt_tokens == 0 || usage.completion_tokens == 0 || call.duration <= 0.0 {
            return Err(format!("{usage:?} in {} s", call.duration));
        }
        call.model.as_ref().ok_or("no model")?;
    }
    let end = |call: &Span| call.start + call.duration;
    let in_order = end(written) <= german.start && french.start < end(german);
    Ok(Score::new(if in_order { 1.0 } else { 0.0 }))
}

fn main() -> std::process::ExitCode {
    llmtest::main()
}
