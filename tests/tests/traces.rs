//! Traces out and in: what is exported follows the protocol and comes back whole; what is imported keeps everything.

use llmtest::{RunReport, Span, SpanKind, Usage, export, import};
use llmtest_tests::bench::{Bench, files};
use llmtest_tests::mock::{Answer, MockServer};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A report of one case with these spans.
fn report(spans: &[Span]) -> RunReport {
    let spans = serde_json::to_value(spans).expect("spans are JSON");
    let report = json!({"format": RunReport::FORMAT, "run": {"id": "r", "llmtest": "0"}, "tests": [{
        "test": "t", "row": "first", "binary": "b", "file": "f", "line": 1, "outcome": "failed", "passes_needed": 1,
        "attempt": 1, "duration": 0.5,
        "trials": [{"outcome": "failed", "started": 1_700_000_000_000_u64, "duration": 0.5, "spans": spans,
            "cases": [{"input": "q", "output": "a", "expected": "b"}],
            "measurements": [
                {"metric": "contains", "case": 0, "nth": 1, "outcome": "failed", "score": 0.25, "bar": {"at_least": 0.5},
                 "reason": "it lacks b", "duration": 0.0}]}],
    }]});
    RunReport::from_json(&report.to_string()).expect("a report")
}

/// Holds a request to the protocol's rules for JSON, and returns its spans.
fn spans(request: &Value) -> Vec<Value> {
    let hex = |value: &Value, digits: usize| {
        let text = value.as_str().unwrap_or_default();
        let plain = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        assert!(
            text.len() == digits && text.bytes().all(plain) && text.bytes().any(|b| b != b'0'),
            "{value} is no id of {digits} digits"
        );
    };
    let mut all = Vec::new();
    for resource in request["resourceSpans"].as_array().expect("a list") {
        attributes(&resource["resource"]["attributes"]);
        for scope in resource["scopeSpans"].as_array().expect("a list") {
            assert!(scope["scope"]["name"].is_string());
            for span in scope["spans"].as_array().expect("a list") {
                hex(&span["traceId"], 32);
                hex(&span["spanId"], 16);
                if !span["parentSpanId"].is_null() {
                    hex(&span["parentSpanId"], 16);
                }
                assert!(span["name"].as_str().is_some_and(|name| !name.is_empty()));
                assert!((1..=5).contains(&span["kind"].as_u64().expect("a number")));
                let time = |key: &str| -> u128 {
                    let text = span[key].as_str().expect("64 bits are text");
                    text.parse().expect("nanoseconds")
                };
                assert!(time("startTimeUnixNano") <= time("endTimeUnixNano"));
                attributes(&span["attributes"]);
                for event in span["events"].as_array().expect("a list") {
                    assert!(
                        event["timeUnixNano"]
                            .as_str()
                            .is_some_and(|t| t.parse::<u64>().is_ok())
                    );
                    attributes(&event["attributes"]);
                }
                assert!(matches!(
                    span["status"]["code"].as_u64(),
                    None | Some(0..=2)
                ));
                all.push(span.clone());
            }
        }
    }
    all
}

fn attributes(list: &Value) {
    let mut keys = BTreeSet::new();
    for attribute in list.as_array().expect("a list") {
        let key = attribute["key"].as_str().expect("a key");
        assert!(keys.insert(key), "`{key}` is there twice");
        let value = attribute["value"].as_object().expect("a value");
        assert_eq!(value.len(), 1, "{attribute}");
        let (kind, inner) = value.iter().next().expect("one");
        let fits = match kind.as_str() {
            "stringValue" => inner.is_string(),
            "intValue" => inner
                .as_str()
                .is_some_and(|text| text.parse::<i64>().is_ok()),
            "doubleValue" => inner.is_number(),
            "boolValue" => inner.is_boolean(),
            _ => false,
        };
        assert!(fits, "{attribute}");
    }
}

fn attribute<'a>(holder: &'a Value, key: &str) -> &'a Value {
    let list = holder["attributes"].as_array().expect("attributes");
    let found = list.iter().find(|attribute| attribute["key"] == key);
    let value = found.and_then(|found| found["value"].as_object()?.values().next());
    value.unwrap_or(&Value::Null)
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        Just(json!("{\"looks\": \"like JSON\"}")),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z.]{0,5}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn span() -> impl Strategy<Value = Span> {
    let kinds = [
        "llm",
        "retriever",
        "tool",
        "agent",
        "function",
        "guard rail",
    ];
    let payload = (
        "[ -~é]{1,12}",
        prop::sample::select(kinds.to_vec()),
        json_value(),
        json_value(),
        prop::option::of("[ -~]{1,10}"),
    );
    let facts = (
        prop::option::of((0..u64::MAX / 4, 0..1000_u64)),
        prop::option::of("[a-z0-9-]{1,8}"),
        prop::option::of(0..1_000_000_u32),
        prop::collection::vec(("[ -~]{0,8}", prop::option::of("[a-z]{1,4}")), 0..3),
        prop::collection::btree_map("[a-z.]{1,6}", json_value(), 0..3),
        prop::collection::vec("[ -~]{1,8}", 0..2),
        any::<bool>(),
    );
    let times = (
        0..60_000_000_000_u64,
        0..60_000_000_000_u64,
        any::<prop::sample::Index>(),
        any::<bool>(),
    );
    (payload, facts, times).prop_map(|(payload, facts, times)| {
        let (name, kind, input, output, error) = payload;
        let (usage, model, cost, retrieved, metadata, notes, replayed) = facts;
        let mut span = Span::new(name, kind);
        (span.input, span.output, span.error, span.model) = (input, output, error, model);
        span.usage = usage.map(|(prompt_tokens, completion_tokens)| Usage {
            prompt_tokens,
            completion_tokens,
            ..Usage::default()
        });
        span.cost = cost.map(|millionths| f64::from(millionths) / 1e6);
        span.time_to_first = cost.map(|millionths| f64::from(millionths) / 1e3);
        let passages = retrieved.into_iter().map(|(text, source)| match source {
            Some(source) => llmtest::Passage::from_source(source, text),
            None => llmtest::Passage::from(text),
        });
        span.retrieved = passages.collect();
        span.metadata = metadata.into_iter().collect();
        (span.notes, span.replayed) = (notes, replayed);
        (span.start, span.duration) = (times.0 as f64 / 1e9, times.1 as f64 / 1e9);
        // The parent is chosen among the spans before it, once their number is known.
        span.parent = times.3.then(|| times.2.index(1 << 20));
        span
    })
}

#[test]
fn what_is_exported_follows_the_protocol_and_comes_back_whole() {
    let config = Config {
        cases: 256,
        rng_seed: RngSeed::Fixed(20_261_123),
        failure_persistence: None,
        ..Config::default()
    };
    let traces = prop::collection::vec(span(), 0..8);
    let outcome = TestRunner::new(config).run(&traces, |mut given| {
        for (at, span) in given.iter_mut().enumerate() {
            span.parent = span.parent.filter(|_| at > 0).map(|parent| parent % at);
        }
        let report = report(&given);
        let sent = export::otlp_json(&report);
        prop_assert_eq!(spans(&sent).len(), given.len() + 1);
        prop_assert_eq!(&sent, &export::otlp_json(&report));
        let back = import::otlp_json(&sent.to_string()).expect("it is OTLP");
        prop_assert_eq!(back.len(), 1);
        prop_assert_eq!(&back[0].trace.spans, &report.tests[0].trials[0].spans);
        prop_assert_eq!(
            (back[0].input.as_str(), back[0].output.as_str()),
            ("q", "a")
        );
        Ok(())
    });
    outcome.expect("every trace comes back");
}

#[test]
fn a_score_is_an_event_on_the_span_that_it_is_about() {
    let mut report = report(&[Span::new("retrieve", SpanKind::Retriever)]);
    let mut on_span = report.tests[0].trials[0].measurements[0].clone();
    on_span.span = Some(0);
    on_span.label = Some("strict".to_string());
    report.tests[0].trials[0].measurements.push(on_span);
    let sent = export::otlp_json(&report);
    let spans = spans(&sent);
    for (span, name) in spans.iter().zip(["contains", "contains (strict)"]) {
        let [event] = span["events"].as_array().expect("a list").as_slice() else {
            panic!("one event: {span}");
        };
        assert_eq!(event["name"], "gen_ai.evaluation.result");
        assert_eq!(attribute(event, "gen_ai.evaluation.name"), name);
        assert_eq!(attribute(event, "gen_ai.evaluation.score.value"), 0.25);
        assert_eq!(attribute(event, "gen_ai.evaluation.score.label"), "failed");
        assert_eq!(
            attribute(event, "gen_ai.evaluation.explanation"),
            "it lacks b"
        );
    }
    assert_eq!(attribute(&spans[0], "llmtest.test.row"), "first");
    assert_eq!(attribute(&spans[0], "llmtest.test.expected"), "b");
    assert_eq!(attribute(&spans[1], "gen_ai.operation.name"), "retrieval");
    let back = import::otlp_json(&sent.to_string()).expect("it is OTLP");
    assert_eq!(back[0].scores.len(), 2);
}

#[test]
fn both_encodings_of_the_protocol_are_read() {
    let plain = json!({"resourceSpans": [{"scopeSpans": [{"spans": [
        {"traceId": "5B8EFFF798038103D269B633813FC60C", "spanId": "EEE19B7EC3C1B174", "parentSpanId": "EEE19B7EC3C1B173",
         "name": "chat", "startTimeUnixNano": "1700000000000000001", "endTimeUnixNano": 1_700_000_000_000_000_004_u64,
         "status": {"code": "STATUS_CODE_ERROR", "message": "overloaded"},
         "attributes": [{"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
                        {"key": "gen_ai.usage.prompt_tokens", "value": {"intValue": "7"}},
                        {"key": "gen_ai.prompt.0.role", "value": {"stringValue": "user"}},
                        {"key": "gen_ai.prompt.0.content", "value": {"stringValue": "Hi"}}]},
        {"traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b173", "name": "run",
         "startTimeUnixNano": "1700000000000000000", "endTimeUnixNano": "1700000000000000009",
         "attributes": [{"key": "openinference.span.kind", "value": {"stringValue": "AGENT"}},
                        {"key": "input.value", "value": {"stringValue": "Hi"}},
                        {"key": "output.value", "value": {"stringValue": "Ho"}}]}]}]}]});
    let strict = json!({"resource_spans": [{"scope_spans": [{"spans": [
        {"trace_id": "W47/95gDgQPSabYzgT/GDA==", "span_id": "7uGbfsPBsXQ=", "parent_span_id": "7uGbfsPBsXM=",
         "name": "chat", "start_time_unix_nano": "1700000000000000001", "end_time_unix_nano": "1700000000000000004",
         "status": {"code": 2, "message": "overloaded"},
         "attributes": [{"key": "gen_ai.operation.name", "value": {"string_value": "chat"}},
                        {"key": "gen_ai.usage.prompt_tokens", "value": {"int_value": 7}},
                        {"key": "gen_ai.prompt.0.role", "value": {"string_value": "user"}},
                        {"key": "gen_ai.prompt.0.content", "value": {"string_value": "Hi"}}]},
        {"trace_id": "W47/95gDgQPSabYzgT/GDA==", "span_id": "7uGbfsPBsXM=", "name": "run",
         "start_time_unix_nano": "1700000000000000000", "end_time_unix_nano": "1700000000000000009",
         "attributes": [{"key": "openinference.span.kind", "value": {"string_value": "AGENT"}},
                        {"key": "input.value", "value": {"string_value": "Hi"}},
                        {"key": "output.value", "value": {"string_value": "Ho"}}]}]}]}]});
    let read = import::otlp_json(&plain.to_string()).expect("it is OTLP");
    assert_eq!(
        read,
        import::otlp_json(&strict.to_string()).expect("it is OTLP")
    );
    let [trace] = read.as_slice() else {
        panic!("one trace: {read:?}");
    };
    assert_eq!(trace.id, "5b8efff798038103d269b633813fc60c");
    assert_eq!(trace.span_ids, ["eee19b7ec3c1b173", "eee19b7ec3c1b174"]);
    let chat = &trace.trace.spans[1];
    assert_eq!((&chat.kind, chat.parent), (&SpanKind::Llm, Some(0)));
    assert_eq!(chat.error.as_deref(), Some("overloaded"));
    assert_eq!(chat.usage.map(|usage| usage.prompt_tokens), Some(7));
    assert_eq!(import::messages(&chat.input)[0].content, "Hi");
    assert!((chat.duration - 3e-9).abs() < 1e-15 && (chat.start - 1e-9).abs() < 1e-15);
    assert_eq!((trace.input.as_str(), trace.output.as_str()), ("Hi", "Ho"));
    assert!(trace.problems.is_empty(), "{:?}", trace.problems);
}

#[test]
fn a_conversation_with_tools_becomes_a_golden_with_turns() {
    let chat = json!([
        {"role": "user", "content": "Where is order 7?"},
        {"role": "assistant", "content": "", "tool_calls": [{"id": "c", "function": {"name": "lookup", "arguments": "{\"order\": 7}"}}]},
        {"role": "tool", "tool_call_id": "c", "content": "sent"},
        {"role": "assistant", "content": "On its way."},
        {"role": "user", "content": "Thanks!"}]);
    let trace = json!({"id": "t", "observations": [
        {"id": "a", "type": "GENERATION", "name": "answer", "startTime": "2026-01-01T00:00:00Z", "endTime": "2026-01-01T00:00:01Z",
         "model": "small", "usageDetails": {"input": 12, "output": 3}, "costDetails": {"total": 0.5}, "input": chat,
         "output": {"role": "assistant", "content": "Bye."}},
        {"id": "b", "parentObservationId": "a", "type": "RETRIEVER", "name": "search", "startTime": "2026-01-01T00:00:00Z",
         "endTime": "2026-01-01T00:00:01Z", "level": "ERROR", "statusMessage": "late",
         "input": "order 7", "output": [{"id": "d1", "text": "Order 7 was sent."}]}]});
    let trace = &import::langfuse(&trace.to_string()).expect("it is a trace")[0];
    assert!(trace.problems.is_empty(), "{:?}", trace.problems);
    let golden = trace.golden();
    assert_eq!(
        (golden.input.as_str(), golden.expected.as_deref()),
        ("Thanks!", Some("Bye."))
    );
    assert_eq!(golden.turns.len(), 5);
    assert_eq!(golden.turns[1].tools[0].arguments, json!({"order": 7}));
    assert_eq!(golden.turns[1].tools[0].output, "sent");
    // What is found now is to be judged, not what was found then.
    assert!(golden.retrieved.is_empty());
    assert_eq!(trace.test_case().retrieved[0].source.as_deref(), Some("d1"));
    assert_eq!(trace.trace.spans[0].cost, Some(0.5));
    assert_eq!(trace.trace.spans[1].error.as_deref(), Some("late"));
}

#[test]
fn nothing_that_is_read_makes_the_import_panic() {
    let config = Config {
        cases: 256,
        rng_seed: RngSeed::Fixed(7),
        failure_persistence: None,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&(json_value(), "\\PC{0,40}"), |(value, text)| {
        let _ = import::messages(&value);
        let _ = import::messages(&json!({"messages": [value, {"role": "user", "parts": value}, text]}));
        let wrapped = [
            value.to_string(),
            text.clone(),
            json!({"resourceSpans": [{"scopeSpans": [{"spans": [value, {"spanId": value, "attributes": value, "events": value, "name": text}]}]}]}).to_string(),
            json!({"id": value, "observations": [value, {"id": text, "type": value, "input": value, "metadata": value, "usage": value}]}).to_string(),
            json!({"toolSpans": [value, {"uuid": text, "toolsCalled": value, "input": value, "startTime": text}]}).to_string(),
        ];
        for text in wrapped {
            let _ = (import::otlp_json(&text), import::langfuse(&text), import::deepeval(&text));
        }
        Ok(())
    });
    outcome.expect("nothing panics");
}

#[test]
fn a_run_appends_its_traces_to_a_file_without_secrets() {
    let bench = Bench::of("observed", "otlp-file");
    let file = bench.path().join("traces.jsonl");
    let vars = [
        ("LLMTEST_MODE", "live"),
        ("SHOP_API_KEY", "shop-0451-0123456789"),
        ("LLMTEST_OTLP_FILE", file.to_str().expect("a path")),
    ];
    bench.run(&["--exact", "kinds", "methods"], &vars);
    let text = std::fs::read_to_string(&file).expect("the file is there");
    let sent: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let spans: Vec<Value> = sent.iter().flat_map(spans).collect();
    let report = bench.report();
    assert_eq!(
        spans.len(),
        report
            .tests
            .iter()
            .map(|test| 1 + test.trials[0].spans.len())
            .sum::<usize>()
    );
    let back = import::otlp_json(&text).expect("it is OTLP");
    for test in &report.tests {
        let trace = back
            .iter()
            .find(|trace| trace.name == test.test)
            .expect("every test is there");
        let named = |spans: &[Span]| {
            spans
                .iter()
                .map(|span| (span.name.clone(), span.parent, span.output.clone()))
                .collect::<Vec<_>>()
        };
        assert_eq!(named(&trace.trace.spans), named(&test.trials[0].spans));
    }
}

#[test]
fn a_receiver_gets_the_traces_again_after_it_was_busy() {
    let bench = Bench::of("observed", "otlp-http");
    let server = MockServer::script([
        Answer::raw(503, "{}").header("retry-after-ms", "1"),
        Answer::raw(200, "{}"),
    ]);
    let endpoint = server.url().replace("/v1", "");
    let vars = [
        ("LLMTEST_MODE", "live"),
        ("LLMTEST_OTLP_ENDPOINT", endpoint.as_str()),
        (
            "LLMTEST_OTLP_HEADERS",
            "authorization=Basic%20c2VjcmV0LXRva2Vu,x-project=evals",
        ),
    ];
    let ran = bench.run(&["--exact", "kinds"], &vars);
    assert_eq!(ran.code, 0, "{}", ran.text());
    let received = server.received();
    let [busy, taken] = received.as_slice() else {
        panic!("two requests: {received:?}");
    };
    assert_eq!(busy.body, taken.body);
    assert!(taken.head.starts_with("POST /v1/traces "), "{}", taken.head);
    assert_eq!(taken.authorization(), Some("Basic c2VjcmV0LXRva2Vu"));
    assert_eq!(
        spans(&taken.body).len(),
        1 + bench.trial("kinds").spans.len()
    );
    assert!(!ran.text().contains("not exported"), "{}", ran.text());
}

#[test]
fn a_receiver_that_refuses_is_told_and_fails_no_test() {
    let bench = Bench::of("observed", "otlp-refused");
    let server = MockServer::script([Answer::raw(
        401,
        r#"{"message": "Basic c2VjcmV0LXRva2Vu is wrong"}"#,
    )]);
    let vars = [
        ("LLMTEST_MODE", "live"),
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            &*server.url().replace("/v1", ""),
        ),
        (
            "OTEL_EXPORTER_OTLP_HEADERS",
            "authorization=Basic%20c2VjcmV0LXRva2Vu",
        ),
    ];
    let ran = bench.run(&["--exact", "kinds"], &vars);
    assert_eq!(ran.code, 0, "{}", ran.text());
    assert_eq!(server.received().len(), 1);
    assert!(
        ran.stderr.contains("traces were not exported"),
        "{}",
        ran.text()
    );
    assert!(ran.stderr.contains("401"), "{}", ran.text());
    assert!(!ran.text().contains("c2VjcmV0LXRva2Vu"));
    for (file, text) in files(bench.path()) {
        assert!(!text.contains("c2VjcmV0LXRva2Vu"), "{file}");
    }
}

#[test]
fn what_failed_is_no_reference() {
    let trial = |outcome: &str, error: &str| {
        format!(
            r#"{{"format": 1, "run": {{"id": "r1"}}, "tests": [
            {{"test": "shop", "row": "a", "binary": "evals", "file": "a.rs", "line": 1, "outcome": "{outcome}",
             "passes_needed": 1, "attempt": 1, "duration": 0.5, "trials": [{{"outcome": "{outcome}", "duration": 0.5,
             "started": 1, "cases": [{{"input": "q", "output": "the hat shop", "expected": "the shoe shop"}}],
             "spans": [{{"name": "answer", "kind": "agent", "output": "the hat shop"}},
                       {{"name": "find", "kind": "tool", "parent": 0, "output": "a hat"}},
                       {{"name": "look", "kind": "tool", "parent": 0, "output": [1]}},
                       {{"name": "look", "kind": "tool", "parent": 0{error}}}]}}]}}]}}"#
        )
    };
    let golden = |outcome: &str, error: &str| {
        let report = RunReport::from_json(&trial(outcome, error)).expect("a report");
        let sent = llmtest::export::otlp_json(&report).to_string();
        let traces = llmtest::import::otlp_json(&sent).expect("traces");
        traces[0].golden()
    };
    let passed = golden("passed", r#", "error": "no""#);
    // The answer that passed need not be the one that was expected.
    assert_eq!(passed.expected.as_deref(), Some("the shoe shop"));
    let found = &passed.components["find"];
    assert_eq!(found.output, Some(json!("a hat")));
    assert_eq!(found.expected.as_deref(), Some("a hat"));
    assert!(!passed.components.contains_key("look"), "one call failed");
    assert!(passed.metadata.is_empty(), "{:?}", passed.metadata);
    let again = golden("passed", r#", "output": [2]"#);
    assert_eq!(again.components["look"].outputs, [json!([1]), json!([2])]);
    let failed = golden("failed", "");
    assert_eq!(failed.expected.as_deref(), Some("the shoe shop"));
    assert!(failed.components.is_empty() && failed.expected_tools.is_empty());
}

#[test]
fn a_line_that_was_cut_off_takes_no_other_with_it() {
    let trace = r#"{"id": "t1", "name": "a", "observations": []}"#;
    let traces = import::langfuse(&format!("{trace}\n{}\n{trace}\n", &trace[..20])).expect("two");
    assert_eq!(traces.len(), 2);
    let said = traces[0]
        .problems
        .iter()
        .any(|problem| problem.starts_with("line 2 is left out"));
    assert!(said, "{:?}", traces[0].problems);
    assert!(import::langfuse("no JSON at all").is_err());
}
