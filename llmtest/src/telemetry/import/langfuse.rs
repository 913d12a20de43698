//! Observations of Langfuse: its API, its exports, and lists of plain observations.

use super::attributes::{self, Attributes, believable, number};
use super::summary::{Whole, summarise};
use super::time::nanoseconds;
use super::tree::{Flat, assemble};
use super::{ImportError, ImportedTrace, first, first_text, python, read_with};
use llmtest_metrics::{Span, SpanKind, Usage};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Reads traces of Langfuse: a trace with its `observations`, a list of traces, an answer of the API (`{"data": […]}`), a
/// list of observations with their `traceId`, as JSON or JSON Lines; keys in camel case or snake case.
///
/// ```
/// let line = r#"{"id": "t", "observations": [{"id": "a", "type": "SPAN", "name": "answer", "input": "Hi", "output": "Ho"}]}"#;
/// let trace = &llmtest::import::langfuse(line)?[0];
/// assert_eq!((trace.input.as_str(), trace.output.as_str()), ("Hi", "Ho"));
/// assert_eq!(trace.problems, ["the span `a` (`answer`) has no start"]);
/// # Ok::<(), llmtest::import::ImportError>(())
/// ```
///
/// # Errors
///
/// When the text is not JSON, or holds no observations.
pub fn langfuse(text: &str) -> Result<Vec<ImportedTrace>, ImportError> {
    read_with(text, read)
}

fn read(documents: Vec<Value>) -> Result<Vec<ImportedTrace>, ImportError> {
    let mut traces = Vec::new();
    let mut loose: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for document in documents {
        let items = match document.get("data") {
            Some(Value::Array(items)) => items.clone(),
            _ => vec![document],
        };
        for item in items {
            if item.get("observations").is_some_and(Value::is_array) {
                traces.push(trace(&item));
            } else if item.get("type").is_some() && item.get("id").is_some() {
                let id = first_text(&item, &["traceId", "trace_id"]).unwrap_or_default();
                loose.entry(id.to_string()).or_default().push(item);
            } else {
                return Err(ImportError::new(
                    "an entry is neither a trace with `observations` nor an observation\nhint: export traces with their observations, or observations",
                ));
            }
        }
    }
    for (id, observations) in loose {
        traces.push(trace(
            &serde_json::json!({"id": id, "observations": observations}),
        ));
    }
    Ok(traces)
}

fn trace(item: &Value) -> ImportedTrace {
    let mut problems = Vec::new();
    let empty = Vec::new();
    let observations = item["observations"].as_array().unwrap_or(&empty);
    let mut flat = Vec::with_capacity(observations.len());
    for (at, observation) in observations.iter().enumerate() {
        if observation.is_object() {
            flat.push(span(observation, at, &mut problems));
        } else {
            problems.push(format!("observation {at} is no object"));
        }
    }
    let tree = assemble(flat, None, &mut problems);
    let name = first_text(item, &["trace_name", "name"]).map(str::to_string);
    let mut imported = ImportedTrace {
        id: first_text(item, &["id", "traceId"])
            .unwrap_or_default()
            .to_string(),
        name: name
            .or_else(|| Some(tree.trace.spans.first()?.name.clone()))
            .unwrap_or_default(),
        trace: tree.trace,
        span_ids: tree.ids,
        metadata: metadata(item),
        scores: item["scores"].as_array().cloned().unwrap_or_default(),
        problems,
        ..ImportedTrace::default()
    };
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
        ..Whole::default()
    };
    summarise(&mut imported, whole);
    imported
}

/// What the trace says beside its spans.
fn metadata(item: &Value) -> Map<String, Value> {
    let mut known = item["metadata"].as_object().cloned().unwrap_or_default();
    for key in [
        "framework",
        "userId",
        "user_id",
        "sessionId",
        "session_id",
        "tags",
        "release",
        "version",
        "environment",
    ] {
        if let Some(value) = first(item, &[key]) {
            known.insert(key.to_string(), value.clone());
        }
    }
    known
}

fn span(observation: &Value, at: usize, problems: &mut Vec<String>) -> Flat {
    let id = first_text(observation, &["id"]).map(str::to_string);
    let id = id.unwrap_or_else(|| {
        problems.push(format!("observation {at} has no id"));
        format!("#{at}")
    });
    let told = first_text(observation, &["type"]).unwrap_or_default();
    let attributes = own_attributes(observation);
    let kind = attributes::named_kind(told).or_else(|| attributes::kind(&attributes));
    let name = first_text(observation, &["name"]).unwrap_or(told);
    let mut span = Span::new(name, kind.unwrap_or(SpanKind::Function));
    span.input = first(observation, &["input"]).cloned().unwrap_or_default();
    span.output = first(observation, &["output"]).cloned().unwrap_or_default();
    span.model =
        first_text(observation, &["model", "providedModelName", "modelId"]).map(str::to_string);
    let mut own = Vec::new();
    span.usage = usage(observation, &mut own);
    span.cost = cost(observation).and_then(|cost| believable("cost", cost, &mut own));
    span.time_to_first =
        first(observation, &["timeToFirstToken", "time_to_first_token"]).and_then(number);
    if first_text(observation, &["level"]) == Some("ERROR") {
        let why = first_text(observation, &["statusMessage", "status_message"]).unwrap_or("failed");
        span.error = Some(why.to_string());
    }
    for key in [
        "model_parameters",
        "modelParameters",
        "level",
        "statusMessage",
        "scope",
        "version",
        "promptName",
    ] {
        if let Some(value) = first(observation, &[key]) {
            span.metadata.insert(key.to_string(), value.clone());
        }
    }
    if let Some(more) = observation["metadata"].as_object() {
        span.metadata.extend(
            more.clone()
                .into_iter()
                .filter(|(key, _)| key != "attributes"),
        );
    }
    attributes::apply(&mut span, &attributes, &mut own);
    problems.extend(
        own.into_iter()
            .map(|why| format!("span `{id}` (`{}`): {why}", span.name)),
    );
    let mut clock = |keys: &[&str]| {
        let text = first_text(observation, keys)?;
        let time = nanoseconds(text);
        if time.is_none() {
            problems.push(format!("span `{id}`: `{text}` is no time"));
        }
        time
    };
    Flat {
        start: clock(&["start", "startTime", "start_time"]),
        end: clock(&["end", "endTime", "end_time"]),
        parent: first_text(
            observation,
            &["parent_id", "parentObservationId", "parent_observation_id"],
        )
        .map(str::to_string),
        id,
        span,
        place: None,
    }
}

/// OpenTelemetry's attributes, which Langfuse keeps in the metadata, at times as text.
fn own_attributes(observation: &Value) -> Attributes {
    let place =
        first(observation, &["attributes"]).or_else(|| observation["metadata"].get("attributes"));
    let place = place.map(attributes::parsed).unwrap_or_default();
    place.as_object().cloned().unwrap_or_default()
}

fn usage(observation: &Value, problems: &mut Vec<String>) -> Option<Usage> {
    let details = first(observation, &["usageDetails", "usage_details", "usage"])?;
    let count = |keys: &[&str]| keys.iter().find_map(|key| number(details.get(*key)?));
    let read = count(&["input", "promptTokens", "prompt_tokens", "input_tokens"]);
    let written = count(&[
        "output",
        "completionTokens",
        "completion_tokens",
        "output_tokens",
    ]);
    attributes::usage(read, written, problems)
}

fn cost(observation: &Value) -> Option<f64> {
    let details = first(observation, &["costDetails", "cost_details"]);
    let total = details.and_then(|details| number(details.get("total")?));
    let keys = ["totalCost", "calculatedTotalCost", "total_cost", "cost"];
    total.or_else(|| keys.iter().find_map(|key| number(observation.get(*key)?)))
}
