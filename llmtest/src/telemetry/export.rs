//! Runs as OpenTelemetry's JSON.

use super::import::{Message, messages};
use super::names::{self, gen_ai, own};
use crate::results::{MeasurementRecord, Outcome, RunReport, TestRecord, TrialRecord};
use llmtest_metrics::{Span, SpanKind};
use serde_json::{Map, Value, json};

/// How many spans go into one request; a receiver refuses what is too large.
pub(super) const BATCH: usize = 256;
/// How long they may get, as text: receivers take some 4 MiB at once.
pub(super) const BYTES: usize = 2 * 1024 * 1024;

/// The whole run as one `ExportTraceServiceRequest` in JSON: a trace for every trial of every case, whose root is the test
/// and whose other spans are the observed calls, with their scores as events `gen_ai.evaluation.result`.
///
/// Ids are made from the run's id, the test, the row, the trial and the span's index, so that the same report always
/// gives the same traces. Names of attributes are OpenTelemetry's for generative AI, with what Langfuse, Phoenix and
/// Logfire read to show inputs and outputs. [`import::otlp_json`](crate::import::otlp_json) reads it back whole.
///
/// ```
/// let report = llmtest::RunReport::from_json(r#"{"format": 1, "run": {"id": "r1"}, "tests": [
///     {"test": "refunds", "binary": "evals", "file": "a.rs", "line": 1, "outcome": "passed", "passes_needed": 1,
///      "attempt": 1, "duration": 0.5, "trials": [{"outcome": "passed", "started": 1700000000000, "duration": 0.5,
///      "spans": [{"name": "answer", "kind": "llm", "output": "Yes.", "start": 0.1, "duration": 0.4}]}]}]}"#)?;
/// let sent = llmtest::export::otlp_json(&report);
/// let spans = sent["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap();
/// assert_eq!((&spans[0]["name"], &spans[1]["name"]), (&"refunds".into(), &"answer".into()));
/// assert_eq!(spans[1]["startTimeUnixNano"], "1700000000100000000");
/// let back = llmtest::import::otlp_json(&sent.to_string())?;
/// assert_eq!(back[0].trace.spans, report.tests[0].trials[0].spans);
/// # Ok::<(), llmtest::BoxError>(())
/// ```
pub fn otlp_json(report: &RunReport) -> Value {
    let (run, tests) = (&report.run, report.tests.iter());
    let spans = tests.flat_map(|test| case_spans(&run.id, test)).collect();
    request(&run.id, &run.llmtest, spans)
}

/// The spans of one case: all of its trials.
pub(super) fn case_spans(run: &str, test: &TestRecord) -> Vec<Value> {
    let trials = test.trials.iter().enumerate();
    trials
        .flat_map(|(number, trial)| trace(run, test, number, trial))
        .collect()
}

pub(super) fn request(run: &str, version: &str, spans: Vec<Value>) -> Value {
    let mut about = Attributes::default();
    about.text("service.name", "llmtest");
    about.text("service.version", version);
    about.text("llmtest.run.id", run);
    json!({"resourceSpans": [{
        "resource": {"attributes": about.0},
        "scopeSpans": [{"scope": {"name": "llmtest", "version": version}, "spans": spans}],
    }]})
}

/// One trial: the test's span, then the observed calls.
fn trace(run: &str, test: &TestRecord, number: usize, trial: &TrialRecord) -> Vec<Value> {
    let (trial_number, attempt) = (number.to_string(), test.attempt.to_string());
    let row = test.row.as_deref();
    let parts = [
        run,
        &test.binary,
        &test.test,
        row.unwrap_or_default(),
        row.map_or("", |_| "row"),
        &trial_number,
        &attempt,
    ];
    let trace_id = hash(&parts);
    let span_id = |index: usize| -> String {
        let [trace, index] = [format!("{trace_id:032x}"), index.to_string()];
        let id = hash(&[&trace, &index]) >> 64;
        format!("{id:016x}")
    };
    // Zero is no time; reports of earlier versions have none.
    let began = u128::from(trial.started.max(1)) * 1_000_000;
    let ended = began + nanoseconds(trial.duration);
    let common = |index: usize, name: &str| {
        json!({
            "traceId": format!("{trace_id:032x}"),
            "spanId": span_id(index),
            "name": name,
            "kind": 1,
        })
    };
    let evaluations = |span: Option<usize>, time: u128| -> Vec<Value> {
        let about = trial
            .measurements
            .iter()
            .filter(|m| m.span.filter(|at| *at < trial.spans.len()) == span);
        about
            .map(|measurement| evaluation(measurement, time))
            .collect()
    };

    let mut root = common(0, &test.name());
    root["startTimeUnixNano"] = began.to_string().into();
    root["endTimeUnixNano"] = ended.to_string().into();
    root["attributes"] = test_attributes(run, test, number, trial).0.into();
    root["events"] = evaluations(None, ended).into();
    root["status"] = match trial.outcome {
        Outcome::Errored => {
            json!({"code": 2, "message": trial.error.as_deref().unwrap_or("errored")})
        }
        _ => json!({}),
    };
    let mut all = vec![root];
    for (at, span) in trial.spans.iter().enumerate() {
        let start = began + nanoseconds(span.start);
        let end = start + nanoseconds(span.duration);
        let mut sent = common(at + 1, &span.name);
        let parent = span
            .parent
            .filter(|parent| *parent < at)
            .map_or(0, |parent| parent + 1);
        sent["parentSpanId"] = span_id(parent).into();
        sent["kind"] = if span.kind == SpanKind::Llm { 3 } else { 1 }.into();
        sent["startTimeUnixNano"] = start.to_string().into();
        sent["endTimeUnixNano"] = end.to_string().into();
        sent["attributes"] = span_attributes(at, span).0.into();
        sent["events"] = evaluations(Some(at), end).into();
        sent["status"] = match &span.error {
            Some(error) => json!({"code": 2, "message": error}),
            None => json!({}),
        };
        all.push(sent);
    }
    all
}

fn test_attributes(run: &str, test: &TestRecord, number: usize, trial: &TrialRecord) -> Attributes {
    let mut all = Attributes::default();
    all.text(own::TEST, &test.test);
    if let Some(row) = &test.row {
        all.text(own::ROW, row);
    }
    all.count(own::TRIAL, number as u64);
    all.text(own::OUTCOME, trial.outcome.as_str());
    all.text("llmtest.test.binary", &test.binary);
    all.text(names::OPENINFERENCE_KIND, "CHAIN");
    all.text("langfuse.trace.name", &test.name());
    all.text("session.id", run);
    if let Some(case) = trial.cases.first() {
        let text = |key: &str| case[key].as_str().filter(|text| !text.is_empty());
        for (key, mime, value) in [
            (names::INPUT_VALUE, names::INPUT_MIME, text("input")),
            (names::OUTPUT_VALUE, names::OUTPUT_MIME, text("output")),
        ] {
            if let Some(value) = value {
                all.text(key, value);
                all.text(mime, "text/plain");
            }
        }
        if let Some(expected) = text("expected") {
            all.text(own::EXPECTED, expected);
        }
    }
    if trial.outcome == Outcome::Errored {
        all.text(names::ERROR_TYPE, "_OTHER");
    }
    all
}

fn span_attributes(at: usize, span: &Span) -> Attributes {
    let mut all = Attributes::default();
    all.text(own::KIND, span.kind.as_str());
    all.count(own::PLACE, at as u64);
    all.payload(names::INPUT_VALUE, names::INPUT_MIME, &span.input);
    all.payload(names::OUTPUT_VALUE, names::OUTPUT_MIME, &span.output);
    let (openinference, langfuse) = match &span.kind {
        SpanKind::Llm => ("LLM", "generation"),
        SpanKind::Retriever => ("RETRIEVER", "retriever"),
        SpanKind::Tool => ("TOOL", "tool"),
        SpanKind::Agent => ("AGENT", "agent"),
        _ => ("CHAIN", "span"),
    };
    all.text(names::OPENINFERENCE_KIND, openinference);
    all.text(names::LANGFUSE_TYPE, langfuse);
    if let Some(provider) = span.metadata.get(gen_ai::PROVIDER).and_then(Value::as_str) {
        all.text(gen_ai::PROVIDER, provider);
    }
    match &span.kind {
        SpanKind::Llm => {
            all.text(gen_ai::OPERATION, "chat");
            all.json(
                gen_ai::INPUT_MESSAGES,
                &chat(&span.input, &span.input_text(), "user", None),
            );
            if !span.output.is_null() {
                let finish = if span.error.is_some() {
                    "error"
                } else {
                    "stop"
                };
                all.json(
                    gen_ai::OUTPUT_MESSAGES,
                    &chat(&span.output, &span.output_text(), "assistant", Some(finish)),
                );
            }
        }
        SpanKind::Tool => {
            all.text(gen_ai::OPERATION, "execute_tool");
            let known = span.metadata.get("tool.name").and_then(Value::as_str);
            all.text(gen_ai::TOOL_NAME, known.unwrap_or(&span.name));
            all.json(gen_ai::TOOL_ARGUMENTS, &span.input);
            all.json(gen_ai::TOOL_RESULT, &span.output);
        }
        SpanKind::Agent => {
            all.text(gen_ai::OPERATION, "invoke_agent");
            all.text(gen_ai::AGENT_NAME, &span.name);
        }
        SpanKind::Retriever => {
            all.text(gen_ai::OPERATION, "retrieval");
            all.text(gen_ai::QUERY, &span.input_text());
            let found = span
                .retrieved
                .iter()
                .map(|passage| json!({"id": passage.source, "content": passage.text}));
            let found: Vec<Value> = found.collect();
            if !found.is_empty() {
                all.json(gen_ai::DOCUMENTS, &found.into());
            }
        }
        _ => {}
    }
    if let Some(model) = &span.model {
        all.text(gen_ai::REQUEST_MODEL, model);
    }
    if let Some(usage) = span.usage {
        all.count(gen_ai::INPUT_TOKENS, usage.prompt_tokens);
        all.count(gen_ai::OUTPUT_TOKENS, usage.completion_tokens);
    }
    if let Some(cost) = span.cost {
        all.number("gen_ai.usage.cost", cost);
    }
    if let Some(seconds) = span.time_to_first {
        all.number(gen_ai::TIME_TO_FIRST, seconds);
    }
    if let Some(error) = &span.error {
        let kind = match error.as_str() {
            "cancelled" => "cancelled",
            panicked if panicked == "panicked" || panicked.starts_with("panicked: ") => "panicked",
            _ => "_OTHER",
        };
        all.text(names::ERROR_TYPE, kind);
    }
    let rest = rest(span);
    if !rest.is_empty() {
        all.json(own::REST, &rest.into());
    }
    all
}

/// The fields that no attribute holds exactly.
fn rest(span: &Span) -> Map<String, Value> {
    let mut rest = Map::new();
    let mut put = |key: &str, held: bool, value: Value| {
        if held {
            rest.insert(key.to_string(), value);
        }
    };
    put("cost", span.cost.is_some(), json!(span.cost));
    put(
        "time_to_first",
        span.time_to_first.is_some(),
        json!(span.time_to_first),
    );
    put(
        "retrieved",
        !span.retrieved.is_empty(),
        json!(span.retrieved),
    );
    put("metadata", !span.metadata.is_empty(), json!(span.metadata));
    put("notes", !span.notes.is_empty(), json!(span.notes));
    put("replayed", span.replayed, true.into());
    rest
}

/// The messages of an input or output in OpenTelemetry's shape; one message of its text where it holds no chat.
fn chat(value: &Value, text: &str, role: &str, finish: Option<&str>) -> Value {
    let mut chat = messages(value);
    if chat.is_empty()
        && let Value::Object(arguments) = value
        && arguments.len() == 1
    {
        chat = arguments.values().next().map(messages).unwrap_or_default();
    }
    if chat.is_empty() {
        chat.push(Message {
            role: role.to_string(),
            content: text.to_string(),
            ..Message::default()
        });
    }
    chat.iter()
        .map(|message| sent_message(message, finish))
        .collect()
}

fn sent_message(message: &Message, finish: Option<&str>) -> Value {
    let mut parts = Vec::new();
    match &message.call_id {
        Some(id) => {
            parts
                .push(json!({"type": "tool_call_response", "id": id, "response": message.content}));
        }
        None if message.content.is_empty() => {}
        None => parts.push(json!({"type": "text", "content": message.content})),
    }
    for call in &message.calls {
        parts.push(json!({"type": "tool_call", "id": call.id, "name": call.name, "arguments": call.arguments}));
    }
    let mut sent = json!({"role": message.role, "parts": parts});
    if let Some(finish) = finish {
        sent["finish_reason"] = if message.calls.is_empty() {
            finish
        } else {
            "tool_call"
        }
        .into();
    }
    sent
}

fn evaluation(measurement: &MeasurementRecord, time: u128) -> Value {
    let mut about = Attributes::default();
    let name = match &measurement.label {
        Some(label) => format!("{} ({label})", measurement.metric),
        None => measurement.metric.clone(),
    };
    about.text(gen_ai::EVALUATION_NAME, &name);
    if let Some(score) = measurement.score {
        about.number(gen_ai::EVALUATION_SCORE, score);
    }
    about.text(gen_ai::EVALUATION_LABEL, measurement.outcome.as_str());
    if let Some(reason) = &measurement.reason {
        about.text(gen_ai::EVALUATION_WHY, reason);
    }
    if measurement.outcome == Outcome::Errored {
        about.text(names::ERROR_TYPE, "_OTHER");
    }
    json!({"timeUnixNano": time.to_string(), "name": gen_ai::EVALUATION, "attributes": about.0})
}

/// Attributes as the protocol writes them.
#[derive(Default)]
struct Attributes(Vec<Value>);

impl Attributes {
    fn put(&mut self, key: &str, value: Value) {
        self.0.push(json!({"key": key, "value": value}));
    }

    fn text(&mut self, key: &str, text: &str) {
        self.put(key, json!({"stringValue": text}));
    }

    /// Whole numbers are text, since they have 64 bits.
    fn count(&mut self, key: &str, count: u64) {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.put(key, json!({"intValue": count.to_string()}));
    }

    fn number(&mut self, key: &str, number: f64) {
        if number.is_finite() {
            self.put(key, json!({"doubleValue": number}));
        }
    }

    fn json(&mut self, key: &str, value: &Value) {
        if !value.is_null() {
            self.text(key, &value.to_string());
        }
    }

    /// Text as it is, everything else as JSON; the type says which.
    fn payload(&mut self, key: &str, mime: &str, value: &Value) {
        match value {
            Value::Null => {}
            Value::String(text) => {
                self.text(key, text);
                self.text(mime, "text/plain");
            }
            other => {
                self.json(key, other);
                self.text(mime, "application/json");
            }
        }
    }
}

/// Seconds as whole nanoseconds; nothing before the beginning.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates, and is not negative"
)]
fn nanoseconds(seconds: f64) -> u128 {
    (seconds.max(0.0) * 1e9).round() as u128
}

/// FNV-1a with 128 bits over the parts, each with its length before it; never zero, which no id may be.
fn hash(parts: &[&str]) -> u128 {
    let mut hash: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    let mut take = |byte: u8| {
        hash ^= u128::from(byte);
        hash = hash.wrapping_mul(0x0100_0000_0000_0000_0000_013b);
    };
    for part in parts {
        (part.len() as u64)
            .to_le_bytes()
            .into_iter()
            .for_each(&mut take);
        part.bytes().for_each(&mut take);
    }
    hash.max(1)
}
