//! Synthetic spans, with the attributes that the libraries write.

use std::sync::Arc;

use llmtest_macros::observe;
use serde_json::json;
use tracing::field::Empty;
use tracing::{Instrument as _, Span, error, info_span};

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
        span.record(
            "gen_ai.input.messages",
            r#"[{"role":"user","parts":[{"type":"text","content":"Hi?"}]}]"#,
        );
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
    assert_eq!(
        span.metadata["gen_ai.response.finish_reasons"],
        json!(["stop"])
    );
    assert_eq!(span.metadata["gen_ai.request.temperature"], 0.5);
    assert_eq!((&span.error, span.notes.len()), (&None, 0));
    assert!(span.end.is_some_and(|end| end >= span.start));
}

/// Name, kind, index of the parent, error.
fn tree(spans: &[RawSpan]) -> Vec<(&str, &str, Option<usize>, Option<&str>)> {
    spans
        .iter()
        .map(|span| (&*span.name, &*span.kind, span.parent, span.error.as_deref()))
        .collect()
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap()
        .block_on(future)
}

/// As rig opens it.
fn rig_chat() -> Span {
    info_span!(
        target: "rig::completions",
        "chat",
        gen_ai.operation.name = "chat",
        gen_ai.provider.name = "openai",
        gen_ai.request.model = "large",
        gen_ai.system_instructions = Some(r#"[{"type":"text","content":"Be brief."}]"#),
        gen_ai.response.model = Empty,
        gen_ai.usage.input_tokens = Empty,
        gen_ai.usage.output_tokens = Empty,
        gen_ai.usage.reasoning_tokens = Empty,
        gen_ai.input.messages = Empty,
        gen_ai.output.messages = Empty,
    )
}

#[observe(crate = crate, tool)]
fn look_up(word: &str) -> usize {
    word.len()
}

#[observe(crate = crate, agent)]
fn research() {
    let outer = info_span!("http request").entered();
    rig_chat().in_scope(|| {
        look_up("shoe");
    });
    drop(outer);
    look_up("hat");
}

#[test]
fn foreign_spans_and_ours_nest_in_one_tree() {
    let spans = spans_of(research);
    assert_eq!(
        tree(&spans),
        [
            ("research", "agent", None, None),
            ("chat", "llm", Some(0), None),
            ("look_up", "tool", Some(1), None),
            ("look_up", "tool", Some(0), None),
        ]
    );
}

#[test]
fn what_rig_records_late_and_leaves_out_is_read() {
    let spans = spans_of(|| {
        let span = rig_chat();
        span.record("gen_ai.usage.output_tokens", 7_u64);
        span.record("gen_ai.usage.reasoning_tokens", 5_u64);
        span.record(
            "gen_ai.output.messages",
            r#"[{"role":"assistant","parts":[{"type":"tool_call","name":"look_up","arguments":{"word":"hat"}}]}]"#,
        );
    });
    assert_eq!(spans[0].usage, Some((0, 7)));
    assert_eq!(spans[0].model.as_deref(), Some("large"));
    assert_eq!(json!(spans[0].input), json!({"system": "Be brief."}));
    assert_eq!(spans[0].output[0]["parts"][0]["name"], "look_up");
    assert_eq!(spans[0].metadata["gen_ai.usage.reasoning_tokens"], 5);
}

#[test]
fn tools_and_agents_are_called_by_their_own_names() {
    let spans = spans_of(|| {
        let agent = info_span!(
            "invoke_agent",
            gen_ai.operation.name = "invoke_agent",
            gen_ai.agent.name = "clerk"
        );
        let _agent = agent.enter();
        // rig writes the agent's name on its chats, too.
        let _chat = info_span!(
            "chat",
            gen_ai.operation.name = "chat",
            gen_ai.agent.name = "clerk"
        );
        let tool = info_span!(
            "execute_tool",
            gen_ai.operation.name = "execute_tool",
            gen_ai.tool.name = "weather",
            gen_ai.tool.call.arguments = r#"{"city":"Paris"}"#,
            gen_ai.tool.call.result = Empty,
        );
        tool.record("gen_ai.tool.call.result", "rain");
    });
    assert_eq!(
        tree(&spans),
        [
            ("clerk", "agent", None, None),
            ("chat", "llm", Some(0), None),
            ("weather", "tool", Some(0), None),
        ]
    );
    assert_eq!(json!(spans[2].input), json!({"city": "Paris"}));
    assert_eq!(spans[2].output, "rain");
}

#[test]
fn openinference_names_are_read() {
    let spans = spans_of(|| {
        let chain = info_span!(
            "qa",
            "openinference.span.kind" = "CHAIN",
            "input.value" = "Why?"
        );
        let _chain = chain.enter();
        info_span!(
            "search",
            "openinference.span.kind" = "RETRIEVER",
            "input.value" = r#"{"query":"why","top":2}"#,
            "retrieval.documents" =
                r#"[{"document":{"content":"a","id":"1"}},{"document.content":"b"}]"#
        );
        info_span!(
            "more",
            "openinference.span.kind" = "RETRIEVER",
            "retrieval.documents.0.document.content" = "c"
        );
        info_span!(
            "complete",
            "openinference.span.kind" = "LLM",
            "llm.model_name" = "m",
            "llm.token_count.prompt" = 5,
            "llm.token_count.completion" = 6,
            "llm.cost.total" = 0.25,
            "llm.input_messages.0.message.role" = "user",
            "llm.input_messages.0.message.content" = "Why?",
            "llm.output_messages" = r#"[{"message":{"role":"assistant","content":"So."}}]"#
        );
        info_span!(
            "call",
            "openinference.span.kind" = "TOOL",
            "tool.name" = "clock",
            "output.value" = "12:00"
        );
    });
    assert_eq!(
        tree(&spans),
        [
            ("qa", "function", None, None),
            ("search", "retriever", Some(0), None),
            ("more", "retriever", Some(0), None),
            ("complete", "llm", Some(0), None),
            ("clock", "tool", Some(0), None),
        ]
    );
    assert_eq!(json!(spans[0].input), json!({"prompt": "Why?"}));
    assert_eq!(json!(spans[1].input), json!({"query": "why", "top": 2}));
    assert_eq!(
        spans[1].retrieved,
        [json!({"content": "a", "id": "1"}), json!({"content": "b"})]
    );
    assert_eq!(spans[2].retrieved, [json!({"content": "c"})]);
    assert_eq!((spans[3].usage, spans[3].cost), (Some((5, 6)), Some(0.25)));
    assert_eq!(json!(spans[3].input), json!({"prompt": "Why?"}));
    assert_eq!(spans[3].output, "So.");
    assert_eq!(spans[4].output, "12:00");
}

#[test]
fn vercels_names_are_read() {
    let spans = spans_of(|| {
        let whole = info_span!("ai.generateText", "ai.operationId" = "ai.generateText");
        let _whole = whole.enter();
        info_span!(
            "ai.generateText.doGenerate",
            "ai.operationId" = "ai.generateText.doGenerate",
            "ai.model.id" = "m",
            "ai.usage.promptTokens" = 3,
            "ai.usage.completionTokens" = 4,
            "ai.response.text" = "Yes."
        );
        info_span!(
            "ai.toolCall",
            "ai.operationId" = "ai.toolCall",
            "ai.toolCall.name" = "add",
            "ai.toolCall.args" = "[1,2]",
            "ai.toolCall.result" = "3"
        );
    });
    assert_eq!(
        tree(&spans),
        [
            ("ai.generateText", "agent", None, None),
            ("ai.generateText.doGenerate", "llm", Some(0), None),
            ("add", "tool", Some(0), None),
        ]
    );
    assert_eq!(spans[1].usage, Some((3, 4)));
    assert_eq!(spans[1].output, "Yes.");
    assert_eq!(json!(spans[2].input), json!({"arguments": [1, 2]}));
}

#[test]
fn messages_may_come_as_events() {
    let spans = spans_of(|| {
        rig_chat().in_scope(|| {
            tracing::info!(name: "gen_ai.system.message", content = "Be kind.");
            // From a span in between, which is no component.
            info_span!("send").in_scope(|| {
                tracing::info!(event.name = "gen_ai.user.message", content = "Hi?");
            });
            tracing::info!(name: "gen_ai.choice", index = 0, message = r#"{"role":"assistant","content":"Hello!"}"#);
            tracing::info!("nothing of ours");
        });
    });
    assert_eq!(
        spans[0].input["messages"],
        json!([
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": "Hi?"},
        ])
    );
    assert_eq!(spans[0].output, "Hello!");
}

#[test]
fn a_span_fails_by_its_status_or_by_an_error_event() {
    let spans = spans_of(|| {
        let refused = genai_chat("m");
        refused.record("otel.status_code", "error");
        refused.record("error.type", "429");
        rig_chat().in_scope(|| error!(error = "no route to host", "request failed"));
        // Only a try of a call that went well.
        let mended = genai_chat("m");
        mended.in_scope(|| error!("first try failed"));
        mended.record("otel.status_code", "OK");
        // The error of a span in between is that span's own.
        rig_chat().in_scope(|| info_span!("send").in_scope(|| error!("again")));
        rig_chat().in_scope(
            || tracing::info!(exception.type = "Timeout", exception.message = "after 3 s"),
        );
    });
    let errors: Vec<_> = spans.iter().map(|span| span.error.as_deref()).collect();
    assert_eq!(
        errors,
        [
            Some("429"),
            Some("no route to host"),
            None,
            None,
            Some("Timeout: after 3 s"),
        ]
    );
}

#[test]
fn a_panic_marks_a_foreign_span() {
    let spans = spans_of(|| {
        std::panic::catch_unwind(|| rig_chat().in_scope(|| std::panic::panic_any(7))).unwrap_err()
    });
    assert_eq!(tree(&spans), [("chat", "llm", None, Some("panicked"))]);
}

#[test]
fn a_span_that_outlives_its_case_keeps_what_it_had_said() {
    let case = case();
    let guard = enter(case.clone());
    let span = rig_chat();
    span.record("gen_ai.usage.input_tokens", 9_u64);
    drop(guard);
    let spans = case.finish();
    assert_eq!(tree(&spans), [("chat", "llm", None, Some("unfinished"))]);
    assert_eq!(spans[0].usage, Some((9, 0)));
    // Nothing is left to write to.
    span.record("gen_ai.usage.input_tokens", 10_u64);
}

#[test]
fn other_spans_and_scores_are_no_components() {
    let spans = spans_of(|| {
        let _request = info_span!("request", http.method = "POST").entered();
        info_span!(
            "genai.evaluation.result",
            "gen_ai.evaluation.name" = "relevance",
            "gen_ai.response.id" = "7"
        );
    });
    assert_eq!(tree(&spans), []);
}

#[test]
fn cases_at_once_keep_their_own_spans() {
    let cases: Vec<_> = block_on(async {
        let one = |number: u64| {
            let case = case();
            let work = scope(case.clone(), async move {
                let span = rig_chat();
                async {
                    for _ in 0..5 {
                        tokio::task::yield_now().await;
                        look_up("word");
                    }
                }
                .instrument(span.clone())
                .await;
                span.record("gen_ai.usage.input_tokens", number);
            });
            tokio::spawn(async move {
                work.await;
                (number, case.finish())
            })
        };
        let tasks: Vec<_> = (0..50).map(one).collect();
        let mut cases = Vec::new();
        for task in tasks {
            cases.push(task.await.unwrap());
        }
        cases
    });
    for (number, spans) in cases {
        assert_eq!(spans.len(), 6, "{spans:?}");
        assert_eq!(spans[0].usage, Some((number, 0)));
        assert!(spans[1..].iter().all(|span| span.parent == Some(0)));
    }
}

#[test]
fn a_task_that_takes_its_span_along_takes_the_case_along() {
    let case = case();
    block_on(scope(case.clone(), async {
        // No component, only a link.
        let link = info_span!("background");
        let task = async {
            rig_chat();
            look_up("word");
        };
        tokio::spawn(task.instrument(link)).await.unwrap();
        let chat = rig_chat();
        let task = async { look_up("other") };
        tokio::spawn(task.instrument(chat)).await.unwrap();
        // A parent that is named, on another thread.
        let parent = rig_chat();
        tokio::task::spawn_blocking(move || {
            info_span!(parent: &parent, "t", gen_ai.tool.name = "child");
        })
        .await
        .unwrap();
    }));
    assert_eq!(
        tree(&case.finish()),
        [
            ("chat", "llm", None, None),
            ("look_up", "tool", None, None),
            ("chat", "llm", None, None),
            ("look_up", "tool", Some(2), None),
            ("chat", "llm", None, None),
            ("child", "tool", Some(4), None),
        ]
    );
}

#[test]
fn spans_of_no_case_are_counted() {
    listen();
    attach();
    info_span!("lost chat", gen_ai.operation.name = "chat");
    let lost = super::super::super::unattributed();
    assert!(lost.contains(&("lost chat".to_string(), 1)), "{lost:?}");
}

#[test]
fn a_call_without_its_texts_says_so() {
    let spans = spans_of(|| drop(rig_chat()));
    assert_eq!(spans[0].notes, [NO_TEXT]);
    assert_eq!(spans[0].output, Value::Null);
}

/// One process has one subscriber, so each way gets a process of its own.
#[test]
fn a_subscriber_without_the_layer_is_noted() {
    const CHILD: &str = "LLMTEST_TEST_SUBSCRIBER";
    let saw_a_span = || spans_of(|| drop(rig_chat())).len() == 1;
    match std::env::var(CHILD).as_deref() {
        Err(_) => {}
        Ok("none") => {
            assert!(saw_a_span());
            return assert_eq!(trouble(), None);
        }
        Ok("own") => {
            tracing::subscriber::set_global_default(tracing_subscriber::registry()).unwrap();
            assert!(!saw_a_span());
            return assert!(trouble().is_some_and(|why| why.contains("CaptureLayer::new()")));
        }
        Ok(_) => {
            let own = tracing_subscriber::registry().with(CaptureLayer::new());
            tracing::subscriber::set_global_default(own).unwrap();
            assert!(saw_a_span());
            return assert_eq!(trouble(), None);
        }
    }
    let name = "observe::bridge::incoming::tests::a_subscriber_without_the_layer_is_noted";
    for way in ["none", "own", "own with the layer"] {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(CHILD, way)
            .output()
            .unwrap();
        assert!(output.status.success(), "{way}: {output:?}");
    }
}

#[test]
fn guards_that_are_dropped_out_of_turn_leave_the_thread_where_it_was() {
    let spans = spans_of(|| {
        let (first, second) = (rig_chat(), rig_chat());
        let (outer, inner) = (first.enter(), second.enter());
        drop(outer);
        look_up("in second");
        drop(inner);
        look_up("in neither");
    });
    let parents: Vec<_> = spans.iter().map(|span| span.parent).collect();
    assert_eq!(parents, [None, None, Some(1), None]);
}

#[test]
fn values_of_the_wrong_type_stay_as_metadata() {
    let spans = spans_of(|| {
        info_span!(
            "odd",
            gen_ai.usage.input_tokens = -4,
            gen_ai.usage.output_tokens = "12",
            gen_ai.usage.cost = f64::NAN,
            gen_ai.response.time_to_first_chunk = -1.0,
            "gen_ai.prompt.99999999.content" = "far",
        );
    });
    assert_eq!(spans[0].usage, Some((0, 12)));
    assert_eq!((spans[0].cost, spans[0].first_item), (None, None));
    assert_eq!(spans[0].metadata["gen_ai.usage.input_tokens"], -4);
    assert_eq!(spans[0].metadata["gen_ai.prompt.99999999.content"], "far");
}
