//! Faults of every provider's server, seen from outside: the test that asks is Errored and says why, its neighbour passes,
//! nothing is recorded, it ends in time, and `Bench::run` finds the key nowhere. Every fault at every adapter, with its
//! retries, is tested in `llmtest/src/judge/remote/faults.rs`.

use llmtest::Outcome;
use llmtest_tests::bench::{Bench, KEY};
use llmtest_tests::fixture;
use llmtest_tests::mock::{Answer, MockServer, Received};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const ARGS: &[&str] = &["--exact", "judged", "needs_no_judge"];

/// How long one run may take, whatever the machine is busy with.
const BOUND: Duration = Duration::from_secs(30);

/// A provider as a test's server plays it.
struct Provider {
    model: &'static str,
    /// The header that holds the key, up to the key.
    header: &'static str,
    /// A reply to a request.
    reply: fn(&Received) -> Value,
    /// A reply that is none, with "I won't." in it, where the provider has one.
    refusal: Option<fn() -> Value>,
}

const GRADE: &str = r#"{"reason": "It thanks.", "score": 9}"#;

fn chat(message: &Value) -> Value {
    json!({ "choices": [{ "message": message, "finish_reason": "stop" }] })
}

const PROVIDERS: [Provider; 8] = [
    Provider {
        model: "groq:judge-1",
        header: "authorization: Bearer ",
        reply: |_| chat(&json!({ "content": GRADE })),
        refusal: Some(|| chat(&json!({ "content": null, "refusal": "I won't." }))),
    },
    Provider {
        model: "azure:judge-1",
        header: "api-key: ",
        reply: |_| chat(&json!({ "content": GRADE })),
        refusal: Some(|| json!({ "error": { "message": "I won't.", "code": "content_filter" } })),
    },
    Provider {
        model: "openai-responses:judge-1",
        header: "authorization: Bearer ",
        reply: |_| {
            let content = json!([{ "type": "output_text", "text": GRADE }]);
            json!({ "status": "completed", "output": [{ "type": "message", "content": content }] })
        },
        refusal: Some(|| {
            let content = json!([{ "type": "refusal", "refusal": "I won't." }]);
            json!({ "status": "completed", "output": [{ "type": "message", "content": content }] })
        }),
    },
    Provider {
        model: "anthropic:judge-1",
        header: "x-api-key: ",
        reply: |_| {
            let content = json!([{ "type": "text", "text": GRADE }]);
            json!({ "type": "message", "content": content, "stop_reason": "end_turn" })
        },
        refusal: Some(|| {
            let details = json!({ "explanation": "I won't." });
            json!({ "type": "message", "content": [], "stop_reason": "refusal", "stop_details": details })
        }),
    },
    Provider {
        model: "gemini:judge-1",
        header: "x-goog-api-key: ",
        reply: |_| {
            let content = json!({ "parts": [{ "text": GRADE }] });
            json!({ "candidates": [{ "content": content, "finishReason": "STOP" }] })
        },
        refusal: Some(|| {
            let feedback = json!({ "blockReason": "OTHER", "blockReasonMessage": "I won't." });
            json!({ "promptFeedback": feedback })
        }),
    },
    Provider {
        model: "ollama:judge-1",
        header: "authorization: Bearer ",
        reply: |_| json!({ "message": { "content": GRADE }, "done": true, "done_reason": "stop" }),
        refusal: None,
    },
    Provider {
        model: "cohere:judge-1",
        header: "authorization: Bearer ",
        reply: |_| {
            let content = json!([{ "type": "text", "text": GRADE }]);
            json!({ "message": { "content": content }, "finish_reason": "COMPLETE" })
        },
        refusal: None,
    },
    Provider {
        model: "bedrock:judge-1",
        header: "authorization: Bearer ",
        reply: |request| {
            let input = json!({ "reason": "It thanks.", "score": 9 });
            let name = &request.body["toolConfig"]["tools"][0]["toolSpec"]["name"];
            let content =
                json!([{ "toolUse": { "toolUseId": "1", "name": name, "input": input } }]);
            json!({ "output": { "message": { "content": content } }, "stopReason": "tool_use" })
        },
        refusal: Some(|| {
            let message = json!({ "content": [{ "text": "I won't." }] });
            json!({ "output": { "message": message }, "stopReason": "guardrail_intervened" })
        }),
    },
];

/// The test is Errored and says this; its neighbour passes; nothing is recorded; it ends in time.
fn errored(provider: &Provider, name: &str, answer: Answer, asked: usize, words: &[&str]) {
    let name = format!("{}-{name}", provider.model.replace(':', "-"));
    let bench = Bench::new(&name);
    let server = MockServer::script([answer]);
    // Built before the clock runs.
    fixture("judged");
    let started = Instant::now();
    let timeout = if name.ends_with("drip") {
        "500ms"
    } else {
        "10s"
    };
    let vars = [
        ("LLMTEST_MODEL", provider.model),
        ("LLMTEST_RETRIES", "1"),
        ("LLMTEST_JUDGE_TIMEOUT", timeout),
    ];
    let ran = bench.against(&server, "record", ARGS, &vars);
    assert!(started.elapsed() < BOUND, "{name}: {:?}", started.elapsed());
    let results = ran.results();
    assert_eq!(ran.code, 101, "{name}: {}", ran.text());
    assert_eq!(results["judged"], "FAILED", "{name}: {}", ran.text());
    assert_eq!(results["needs_no_judge"], "ok", "{name}: {}", ran.text());
    let measured = bench.measurement("judged");
    assert_eq!(
        (measured.outcome, measured.score),
        (Outcome::Errored, None),
        "{name}"
    );
    let block = ran.block("judged");
    for word in words {
        assert!(block.contains(word), "{name}: no `{word}` in:\n{block}");
    }
    assert!(
        bench.recordings().is_empty(),
        "{name}: {:?}",
        bench.recordings()
    );
    let received = server.received();
    assert_eq!(received.len(), asked, "{name}: {}", ran.text());
    let sent = format!("{}{KEY}", provider.header);
    assert!(
        received[0].head.contains(&sent),
        "{name}: {}",
        received[0].head
    );
}

#[test]
fn a_key_that_a_server_repeats_is_shown_by_nobody() {
    for provider in &PROVIDERS {
        let said = format!("the key {KEY} is wrong");
        let words = [
            "answered 401 Unauthorized: the key [redacted] is wrong",
            "hint: the key was taken from `HOUSE_TOKEN`",
        ];
        errored(provider, "401", Answer::error(401, &said), 1, &words);
    }
}

#[test]
fn a_server_that_is_too_busy_is_asked_again_and_then_named() {
    for provider in &PROVIDERS {
        let busy = Answer::error(529, "overloaded").header("retry-after-ms", "1");
        errored(
            provider,
            "529",
            busy,
            2,
            &["answered 529 : overloaded", "(tried 2 times)"],
        );
    }
}

#[test]
fn an_answer_that_breaks_off_drips_or_is_no_json_is_no_verdict() {
    for provider in &PROVIDERS {
        let page = "<html><body>Welcome to our gateway, please log in</body></html>";
        let half = Answer::raw(200, page).cut_in_half();
        errored(provider, "half", half, 2, &["broke off", "hint: "]);
        let page_in_full = Answer::raw(200, page);
        errored(
            provider,
            "html",
            page_in_full,
            2,
            &["it is not JSON: <html>"],
        );
        let slow = Answer::raw(200, page).slowly(Duration::from_millis(100));
        errored(provider, "drip", slow, 2, &["did not answer within 500ms"]);
    }
}

#[test]
fn a_refusal_says_why_and_is_no_verdict() {
    for provider in &PROVIDERS {
        if let Some(refusal) = provider.refusal {
            let words = ["refuses to answer", "I won't."];
            let answer = Answer::raw(200, refusal().to_string());
            errored(provider, "refusal", answer, 1, &words);
        }
    }
}

#[test]
fn every_provider_gives_a_verdict_that_replays_without_it() {
    for provider in &PROVIDERS {
        let bench = Bench::new(&format!("{}-good", provider.model.replace(':', "-")));
        let reply = provider.reply;
        let server =
            MockServer::start(move |_, request| Answer::raw(200, reply(request).to_string()));
        let model = ("LLMTEST_MODEL", provider.model);
        let ran = bench.against(&server, "record", ARGS, &[model]);
        assert_eq!(ran.code, 0, "{}: {}", provider.model, ran.text());
        assert_eq!(
            bench.measurement("judged").score,
            Some(0.9),
            "{}",
            ran.text()
        );
        drop(server);
        let replayed = bench.run(ARGS, &[model, ("LLMTEST_MODE", "replay")]);
        assert_eq!(replayed.code, 0, "{}: {}", provider.model, replayed.text());
        assert_eq!(
            bench.measurement("judged").score,
            Some(0.9),
            "{}",
            replayed.text()
        );
    }
}

#[test]
fn a_judge_that_panics_with_the_key_shows_it_nowhere() {
    for backtrace in ["0", "1"] {
        let bench = Bench::new(&format!("panics-{backtrace}"));
        let vars = [
            ("HOUSE_PANICS", "1"),
            ("RUST_BACKTRACE", backtrace),
            ("LLMTEST_MODE", "live"),
        ];
        // `run` looks for the key in the terminal, the records and the reports.
        let ran = bench.run(&["--exact", "judged_by_name", "needs_no_judge"], &vars);
        assert_eq!(ran.code, 101, "{}", ran.text());
        assert_eq!(ran.results()["needs_no_judge"], "ok", "{}", ran.text());
        let says = "the gateway was sent [redacted]";
        assert!(ran.block("judged_by_name").contains(says), "{}", ran.text());
        let thread = "a thread was sent [redacted]";
        assert!(ran.text().contains(thread), "{}", ran.text());
    }
}
