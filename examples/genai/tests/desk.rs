//! The desk under test. The application has no annotation; its model calls are components all the same, because genai
//! says what it does by `tracing` and llmtest listens (feature `tracing-capture`).
//!
//! Without `DESK_BASE_URL` a server in this process answers, so that CI needs no network. Its replies are what an
//! OpenAI-compatible server sends.

mod server;

use genai_example::Desk;
use llmtest::prelude::*;
use llmtest::{EvalCx, Latency, Span, SpanKind};
use std::time::Duration;

fn desk() -> genai::Result<Desk> {
    let var = |name| std::env::var(name).ok();
    let url = var("DESK_BASE_URL").unwrap_or_else(|| server::url().to_string());
    let key = var("DESK_API_KEY").unwrap_or_else(|| "none".to_string());
    let model = var("DESK_MODEL").unwrap_or_else(|| "qwen1.5b".to_string());
    Desk::new(&url, &key, &model)
}

#[llm_test]
async fn a_charge_is_for_the_billing_team() -> llmtest::Result<Check> {
    let ticket = "You charged my card twice for one pair of shoes.";
    let reply = desk()?.answer(ticket).await?;
    Ok(TestCase::new(ticket, reply.text)
        .expect(Contains::new("billing"))
        // Each call of the model, by the name of the operation, as if it had been annotated.
        .expect_in("chat", TokenBudget::within(400))
        .expect_in("chat", Latency::within(Duration::from_secs(60)))
        .expect_in(
            Spans::named("chat").last(),
            TokenBudget::within(80).written(),
        )
        .expect(metric_cx("both_calls_are_seen", both_calls_are_seen)))
}

/// Two cases at once keep their own calls.
#[llm_test]
async fn a_parcel_is_for_the_shipping_team() -> llmtest::Result<Check> {
    let ticket = "My parcel has not arrived after three weeks.";
    let reply = desk()?.answer(ticket).await?;
    Ok(TestCase::new(ticket, reply.text)
        .expect(Contains::new("shipping"))
        .expect_in("chat", TokenBudget::within(400))
        .expect(metric_cx("both_calls_are_seen", both_calls_are_seen)))
}

/// What genai said of its two calls: which model, how many tokens, how long.
fn both_calls_are_seen(cx: &EvalCx<'_>) -> Result<Score, String> {
    let calls: Vec<&Span> = cx.trace.of_kind(SpanKind::Llm).collect();
    let [sorted, written] = calls.as_slice() else {
        return Err(format!("2 model calls, not {}", calls.len()));
    };
    for call in [sorted, written] {
        let usage = call.usage.ok_or("no tokens")?;
        if usage.prompt_tokens == 0 || usage.completion_tokens == 0 || call.duration <= 0.0 {
            return Err(format!("{usage:?} in {} s", call.duration));
        }
        call.model.as_ref().ok_or("no model")?;
    }
    let first = written.time_to_first.ok_or("no time to the first item")?;
    let in_order = first <= written.duration && sorted.start < written.start;
    Ok(Score::new(if in_order { 1.0 } else { 0.0 }))
}

fn main() -> std::process::ExitCode {
    llmtest::main()
}
