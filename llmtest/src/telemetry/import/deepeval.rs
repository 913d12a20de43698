//! Span trees of DeepEval.

use super::attributes::{number, usage};
use super::summary::{Whole, summarise};
use super::time::nanoseconds;
use super::tree::{Flat, assemble};
use super::{ImportError, ImportedTrace, first, first_text, python, read_with};
use llmtest_metrics::{Passage, Span, SpanKind, ToolCall};
use serde_json::{Map, Value};

/// The lists of a trace, in camel case and in snake case.
const LISTS: [[&str; 2]; 5] = [
    ["baseSpans", "base_spans"],
    ["agentSpans", "agent_spans"],
    ["llmSpans", "llm_spans"],
    ["retrieverSpans", "retriever_spans"],
    ["toolSpans", "tool_spans"],
];

/// The keys of a span that have a field of their own.
const FIELDS: [&str; 13] = [
    "uuid",
    "name",
    "status",
    "type",
    "parentUuid",
    "startTime",
    "endTime",
    "input",
    "output",
    "model",
    "inputTokenCount",
    "outputTokenCount",
    "retrievalContext",
];

/// Reads traces of DeepEval: objects with `baseSpans`, `agentSpans`, `llmSpans`, `retrieverSpans` and `toolSpans`, alone
/// or under `trace`, as JSON or JSON Lines; keys in camel case or snake case.
///
/// ```
/// let text = r#"{"uuid": "t", "name": "sum", "toolSpans": [{"uuid": "a", "name": "add", "type": "tool",
///     "startTime": "2026-01-01T00:00:00Z", "endTime": "2026-01-01T00:00:00.25Z", "input": {"x": 2}, "output": "4"}]}"#;
/// let trace = &llmtest::import::deepeval(text)?[0];
/// assert_eq!(trace.tools[0].name, "add");
/// assert_eq!(trace.trace.spans[0].duration, 0.25);
/// # Ok::<(), llmtest::import::ImportError>(())
/// ```
///
/// # Errors
///
/// When the text is not JSON, or an entry has none of the lists of spans.
pub fn deepeval(text: &str) -> Result<Vec<ImportedTrace>, ImportError> {
    read_with(text, |documents| documents.iter().map(trace).collect())
}

fn trace(document: &Value) -> Result<ImportedTrace, ImportError> {
    let item = document.get("trace").unwrap_or(document);
    if !LISTS.iter().any(|keys| first(item, keys).is_some()) {
        return Err(ImportError::new(
            "an entry has no lists of spans such as `llmSpans` or `toolSpans`\nhint: export the trace with its spans",
        ));
    }
    let mut problems = Vec::new();
    let mut flat = Vec::new();
    let mut calls = Vec::new();
    let mut passages = Vec::new();
    for keys in LISTS {
        for (at, span) in first(item, &keys)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .enumerate()
        {
            if !span.is_object() {
                problems.push(format!("entry {at} of `{}` is no object", keys[0]));
                continue;
            }
            let id = first_text(span, &["uuid"]).map(str::to_string);
            let id = id.unwrap_or_else(|| {
                problems.push(format!("entry {at} of `{}` has no uuid", keys[0]));
                format!("{}#{at}", keys[0])
            });
            let read = one(span, keys[0], id, &mut problems);
            calls.extend(listed_calls(span));
            passages.extend(read.span.retrieved.iter().cloned());
            flat.push(read);
        }
    }
    let own_calls = listed_calls(item);
    let tree = assemble(flat, None, &mut problems);
    let known = |key: &[&str]| {
        first_text(document, key)
            .or_else(|| first_text(item, key))
            .unwrap_or_default()
            .to_string()
    };
    let mut imported = ImportedTrace {
        id: known(&["id", "uuid"]),
        name: first_text(item, &["name"]).map_or_else(|| known(&["id", "uuid"]), str::to_string),
        trace: tree.trace,
        span_ids: tree.ids,
        metadata: metadata(document, item),
        problems,
        ..ImportedTrace::default()
    };
    if let Some(scores) = first(item, &["metricsData", "metrics_data"]).and_then(Value::as_array) {
        imported.scores.clone_from(scores);
    }
    let mut side = |name: &str| {
        let value = first(item, &[name])?;
        let text = value.as_str().unwrap_or_default();
        if python::looks_like_one(text) && python::value(text).is_none() {
            imported.problems.push(format!("the trace's {name} looks like an object and is neither JSON nor a printed Python value; the spans tell it"));
            return None;
        }
        Some(value.clone())
    };
    let whole = Whole {
        input: side("input"),
        output: side("output"),
        calls: if own_calls.is_empty() {
            calls
        } else {
            own_calls
        },
        passages,
    };
    summarise(&mut imported, whole);
    Ok(imported)
}

fn metadata(document: &Value, item: &Value) -> Map<String, Value> {
    let mut known = Map::new();
    for key in [
        "metadata",
        "tags",
        "environment",
        "threadId",
        "userId",
        "status",
        "metricCollection",
    ] {
        if let Some(value) = first(item, &[key]) {
            known.insert(key.to_string(), value.clone());
        }
    }
    for key in ["framework", "source_path"] {
        if let Some(value) = first(document, &[key]) {
            known.insert(key.to_string(), value.clone());
        }
    }
    known
}

fn one(item: &Value, list: &str, id: String, problems: &mut Vec<String>) -> Flat {
    let kind = match list {
        "agentSpans" => SpanKind::Agent,
        "llmSpans" => SpanKind::Llm,
        "retrieverSpans" => SpanKind::Retriever,
        "toolSpans" => SpanKind::Tool,
        _ => SpanKind::Function,
    };
    let mut span = Span::new(
        first_text(item, &["name"]).unwrap_or_default(),
        kind.clone(),
    );
    span.input = first(item, &["input"]).cloned().unwrap_or_default();
    span.output = first(item, &["output"]).cloned().unwrap_or_default();
    span.model = first_text(item, &["model"]).map(str::to_string);
    let count = |keys: &[&str]| first(item, keys).and_then(number);
    let read = count(&["inputTokenCount", "input_token_count"]);
    let written = count(&["outputTokenCount", "output_token_count"]);
    let mut own = Vec::new();
    span.usage = usage(read, written, &mut own);
    problems.extend(own.into_iter().map(|why| format!("span `{id}`: {why}")));
    if !matches!(first_text(item, &["status"]), None | Some("SUCCESS")) {
        span.error = Some(first_text(item, &["error"]).unwrap_or("failed").to_string());
    }
    let found = first(item, &["retrievalContext", "retrieval_context"]).and_then(Value::as_array);
    span.retrieved = found
        .into_iter()
        .flatten()
        .map(Passage::from_json)
        .collect();
    if kind == SpanKind::Tool && span.input.is_null() {
        // Some integrations list the call beside the span.
        if let [call] = listed_calls(item).as_slice() {
            span.input = call.arguments.clone();
            span.metadata
                .insert("tool.name".to_string(), call.name.clone().into());
        }
    }
    for (key, value) in item.as_object().into_iter().flatten() {
        if !FIELDS.contains(&key.as_str()) && !value.is_null() {
            span.metadata.insert(key.clone(), value.clone());
        }
    }
    let mut clock = |keys: &[&str]| {
        let text = first_text(item, keys)?;
        let time = nanoseconds(text);
        if time.is_none() {
            problems.push(format!("span `{id}`: `{text}` is no time"));
        }
        time
    };
    Flat {
        start: clock(&["startTime", "start_time"]),
        end: clock(&["endTime", "end_time"]),
        parent: first_text(item, &["parentUuid", "parent_uuid"]).map(str::to_string),
        id,
        span,
        place: None,
    }
}

/// `toolsCalled` of a trace or a span.
fn listed_calls(item: &Value) -> Vec<ToolCall> {
    let list = first(item, &["toolsCalled", "tools_called"]).and_then(Value::as_array);
    let calls = list.into_iter().flatten().filter_map(|call| {
        let mut read = ToolCall::new(first_text(call, &["name"])?);
        read.arguments = first(call, &["inputParameters", "input_parameters"])
            .cloned()
            .unwrap_or_default();
        let output = first(call, &["output"]).cloned().unwrap_or_default();
        // A message of a tool as LangChain writes it.
        read.output = match output.get("content") {
            Some(content) if output["type"] == "tool" => super::messages::opened(content),
            _ => output,
        };
        read.description = first_text(call, &["description"]).map(str::to_string);
        Some(read)
    });
    calls.collect()
}
