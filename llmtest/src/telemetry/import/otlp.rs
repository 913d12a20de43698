//! OpenTelemetry's protocol as JSON.

use super::attributes::{self, Attributes};
use super::summary::{Whole, summarise};
use super::tree::{Flat, assemble};
use super::{ImportError, ImportedTrace, first, first_text, read_with};
use crate::telemetry::names::{self, gen_ai, own};
use llmtest_metrics::{Passage, Span, SpanKind, Usage};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Reads spans in the JSON of OpenTelemetry's protocol: requests with `resourceSpans`, one or one per line, as the file
/// exporter and HTTP receivers have them. Keys may be in camel case or snake case, ids in hex or base64, enums names or
/// numbers. Attributes are understood in the names of OpenTelemetry, now and before, `OpenInference`, Vercel, Traceloop
/// and Langfuse.
///
/// What [`export::otlp_json`](crate::export::otlp_json) wrote comes back as the same trace.
///
/// ```
/// let text = r#"{"resourceSpans": [{"scopeSpans": [{"spans": [{
///     "traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174", "name": "chat small",
///     "startTimeUnixNano": "1700000000000000000", "endTimeUnixNano": "1700000000250000000",
///     "attributes": [{"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
///                    {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "12"}},
///                    {"key": "input.value", "value": {"stringValue": "Hi"}},
///                    {"key": "output.value", "value": {"stringValue": "Ho"}}]}]}]}]}"#;
/// let trace = &llmtest::import::otlp_json(text)?[0];
/// assert_eq!(trace.trace.spans[0].kind, llmtest::SpanKind::Llm);
/// assert_eq!(trace.trace.spans[0].duration, 0.25);
/// assert_eq!(trace.output, "Ho");
/// # Ok::<(), llmtest::import::ImportError>(())
/// ```
///
/// # Errors
///
/// When the text is not JSON, or an entry has no `resourceSpans`.
pub fn otlp_json(text: &str) -> Result<Vec<ImportedTrace>, ImportError> {
    read_with(text, read)
}

fn read(documents: Vec<Value>) -> Result<Vec<ImportedTrace>, ImportError> {
    let mut traces: BTreeMap<String, Gathered> = BTreeMap::new();
    let mut order = Vec::new();
    for document in documents {
        let resources = match first(&document, &["resourceSpans", "resource_spans"]) {
            Some(Value::Array(resources)) => resources.clone(),
            None if first(&document, SCOPES).is_some() => vec![document],
            _ => {
                return Err(ImportError::new(
                    "an entry has no `resourceSpans`\nhint: export with the file exporter, or as OTLP/HTTP with JSON",
                ));
            }
        };
        for resource in &resources {
            let about = attribute_map(first(&resource["resource"], &["attributes"]));
            for scope in list(resource, SCOPES) {
                for span in list(scope, &["spans"]) {
                    let id = id(first(span, &["traceId", "trace_id"]), 16);
                    if !traces.contains_key(&id) {
                        order.push(id.clone());
                    }
                    let gathered = traces.entry(id).or_default();
                    gathered.resource.extend(about.clone());
                    gathered.spans.push(span.clone());
                }
            }
        }
    }
    Ok(order
        .into_iter()
        .filter_map(|id| Some(trace(traces.remove(&id)?, id)))
        .collect())
}

const SCOPES: &[&str] = &[
    "scopeSpans",
    "scope_spans",
    "instrumentationLibrarySpans",
    "instrumentation_library_spans",
];

#[derive(Default)]
struct Gathered {
    resource: Attributes,
    spans: Vec<Value>,
}

fn list<'a>(value: &'a Value, keys: &[&str]) -> &'a [Value] {
    first(value, keys)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn trace(gathered: Gathered, id: String) -> ImportedTrace {
    let mut imported = ImportedTrace {
        id,
        metadata: gathered.resource,
        ..ImportedTrace::default()
    };
    let mut flat = Vec::new();
    for (at, span) in gathered.spans.iter().enumerate() {
        flat.push(one(span, at, &mut imported.scores, &mut imported.problems));
    }
    let mut whole = Whole::default();
    let mut began = None;
    // The span of the test is ours; the application's spans are below it.
    if let Some(at) = flat
        .iter()
        .position(|one| one.span.metadata.contains_key(own::TEST))
    {
        let root = flat.remove(at);
        began = root.start;
        imported.name.clone_from(&root.span.name);
        for one in &mut flat {
            if one.parent.as_deref() == Some(&root.id) {
                one.parent = None;
            }
        }
        whole.input = Some(root.span.input).filter(|value| !value.is_null());
        whole.output = Some(root.span.output).filter(|value| !value.is_null());
        imported.metadata.extend(root.span.metadata);
    }
    let tree = assemble(flat, began, &mut imported.problems);
    imported.trace = tree.trace;
    imported.span_ids = tree.ids;
    if imported.name.is_empty() {
        let top = imported.trace.spans.first();
        imported.name = top.map(|span| span.name.clone()).unwrap_or_default();
    }
    summarise(&mut imported, whole);
    imported
}

fn one(item: &Value, at: usize, scores: &mut Vec<Value>, problems: &mut Vec<String>) -> Flat {
    let attributes = attribute_map(first(item, &["attributes"]));
    let mut id = id(first(item, &["spanId", "span_id"]), 8);
    if id.is_empty() {
        problems.push(format!("span {at} has no id"));
        id = format!("#{at}");
    }
    let name = first_text(item, &["name"]).unwrap_or_default();
    let own_kind = attributes.get(own::KIND).and_then(Value::as_str);
    let mut span = if let Some(kind) = own_kind {
        ours(name, kind, &attributes)
    } else {
        let mut span = Span::new(
            name,
            attributes::kind(&attributes).unwrap_or(SpanKind::Function),
        );
        read_events(&mut span, item, problems);
        let mut own = Vec::new();
        attributes::apply(&mut span, &attributes, &mut own);
        problems.extend(
            own.into_iter()
                .map(|why| format!("span `{id}` (`{name}`): {why}")),
        );
        span
    };
    let status = first(item, &["status"]).cloned().unwrap_or_default();
    let failed = status["code"] == 2 || status["code"] == "STATUS_CODE_ERROR";
    if failed && !attributes.contains_key(own::TEST) {
        let why = first_text(&status, &["message"])
            .or_else(|| attributes.get(names::ERROR_TYPE)?.as_str());
        let known = span.error.take();
        span.error = why
            .map(str::to_string)
            .or(known)
            .or_else(|| Some("failed".to_string()));
    }
    for event in list(item, &["events"]) {
        if first_text(event, &["name"]) == Some(gen_ai::EVALUATION) {
            let mut score = attribute_map(first(event, &["attributes"]));
            score.insert("span_id".to_string(), id.clone().into());
            scores.push(Value::Object(score));
        }
    }
    let mut clock = |keys: &[&str]| {
        let value = first(item, keys)?;
        let time = value
            .as_u64()
            .map(i128::from)
            .or_else(|| value.as_str()?.parse().ok());
        if time.is_none() {
            problems.push(format!("span `{id}`: `{value}` is no time in nanoseconds"));
        }
        time.filter(|time| *time > 0)
    };
    Flat {
        start: clock(&["startTimeUnixNano", "start_time_unix_nano"]),
        end: clock(&["endTimeUnixNano", "end_time_unix_nano"]),
        parent: Some(self::id(
            first(item, &["parentSpanId", "parent_span_id"]),
            8,
        ))
        .filter(|id| !id.is_empty()),
        place: attributes.get(own::PLACE).and_then(Value::as_u64),
        id,
        span,
    }
}

/// A span that we wrote: every field as it was.
fn ours(name: &str, kind: &str, attributes: &Attributes) -> Span {
    let mut span = Span::new(name, kind);
    let value = |key: &str, mime: &str| {
        let Some(Value::String(text)) = attributes.get(key) else {
            return Value::Null;
        };
        let plain = attributes.get(mime).and_then(Value::as_str) == Some("text/plain");
        let read = if plain {
            None
        } else {
            serde_json::from_str(text).ok()
        };
        read.unwrap_or_else(|| Value::String(text.clone()))
    };
    span.input = value(names::INPUT_VALUE, names::INPUT_MIME);
    span.output = value(names::OUTPUT_VALUE, names::OUTPUT_MIME);
    span.model = attributes
        .get(gen_ai::REQUEST_MODEL)
        .and_then(Value::as_str)
        .map(str::to_string);
    let count = |key: &str| attributes.get(key).and_then(Value::as_u64);
    if let (Some(prompt_tokens), Some(completion_tokens)) =
        (count(gen_ai::INPUT_TOKENS), count(gen_ai::OUTPUT_TOKENS))
    {
        span.usage = Some(Usage {
            prompt_tokens,
            completion_tokens,
            ..Usage::default()
        });
    }
    let rest = attributes
        .get(own::REST)
        .and_then(Value::as_str)
        .unwrap_or("{}");
    let rest: Value = serde_json::from_str(rest).unwrap_or_default();
    span.cost = rest["cost"].as_f64();
    span.time_to_first = rest["time_to_first"].as_f64();
    span.replayed = rest["replayed"] == true;
    span.metadata = rest["metadata"].as_object().cloned().unwrap_or_default();
    let texts = |key: &str| rest[key].as_array().into_iter().flatten();
    span.retrieved = texts("retrieved").map(Passage::from_json).collect();
    span.notes = texts("notes")
        .filter_map(|note| note.as_str().map(str::to_string))
        .collect();
    for (key, value) in attributes {
        if key.starts_with("llmtest.test.") {
            span.metadata.insert(key.clone(), value.clone());
        }
    }
    span
}

/// Content that stands in events: exceptions, and messages as earlier conventions had them.
fn read_events(span: &mut Span, item: &Value, problems: &mut Vec<String>) {
    let (mut asked, mut answered) = (Vec::new(), Vec::new());
    for event in list(item, &["events"]) {
        let about = attribute_map(first(event, &["attributes"]));
        let text = |key: &str| about.get(key).and_then(Value::as_str);
        match first_text(event, &["name"]).unwrap_or_default() {
            "exception" => {
                let why = text("exception.message").or_else(|| text("exception.type"));
                span.error = why.map(str::to_string);
            }
            "gen_ai.content.prompt" => {
                span.input = about
                    .get("gen_ai.prompt")
                    .map(attributes::parsed)
                    .unwrap_or_default();
            }
            "gen_ai.content.completion" => {
                span.output = about
                    .get("gen_ai.completion")
                    .map(attributes::parsed)
                    .unwrap_or_default();
            }
            "gen_ai.choice" => answered.push(event_message("assistant", &about)),
            name => {
                if let Some(role) = name
                    .strip_prefix("gen_ai.")
                    .and_then(|name| name.strip_suffix(".message"))
                {
                    asked.push(event_message(role, &about));
                } else if name == "gen_ai.client.inference.operation.details" {
                    attributes::apply(span, &about, problems);
                }
            }
        }
    }
    if !asked.is_empty() {
        span.input = Value::Array(asked);
    }
    if !answered.is_empty() {
        span.output = Value::Array(answered);
    }
}

fn event_message(role: &str, about: &Attributes) -> Value {
    let mut message = Map::new();
    message.insert("role".to_string(), role.into());
    for (key, value) in about {
        let value = attributes::parsed(value);
        match (key.as_str(), value) {
            ("message", Value::Object(inner)) => message.extend(inner),
            (key, value) => {
                message.insert(key.to_string(), value);
            }
        }
    }
    Value::Object(message)
}

/// Attributes as a map; also where they are one already.
fn attribute_map(attributes: Option<&Value>) -> Attributes {
    match attributes {
        Some(Value::Array(items)) => items
            .iter()
            .filter_map(|item| {
                Some((
                    first_text(item, &["key"])?.to_string(),
                    any_value(&item["value"], 0),
                ))
            })
            .collect(),
        Some(Value::Object(map)) => map.clone(),
        _ => Attributes::new(),
    }
}

/// A value of the protocol: an object with the one key that says its type.
fn any_value(value: &Value, depth: usize) -> Value {
    let Some((kind, inner)) = value.as_object().and_then(|object| object.iter().next()) else {
        return value.clone();
    };
    let inside = |inner: &Value| inner["values"].as_array().cloned().unwrap_or_default();
    match kind.as_str() {
        _ if depth > 32 => inner.clone(),
        "intValue" | "int_value" => match inner.as_str().map(str::parse::<i64>) {
            Some(Ok(number)) => number.into(),
            _ => inner.clone(),
        },
        "arrayValue" | "array_value" => inside(inner)
            .iter()
            .map(|item| any_value(item, depth + 1))
            .collect(),
        "kvlistValue" | "kvlist_value" => {
            let pairs = inside(inner);
            let pairs = pairs.iter().filter_map(|pair| {
                Some((
                    first_text(pair, &["key"])?.to_string(),
                    any_value(&pair["value"], depth + 1),
                ))
            });
            Value::Object(pairs.collect())
        }
        _ => inner.clone(),
    }
}

/// An id in lowercase hex, whether it was hex or base64; as it is when it is neither, empty when there is none.
fn id(value: Option<&Value>, bytes: usize) -> String {
    let text = value.and_then(Value::as_str).unwrap_or_default();
    if text.len() == bytes * 2 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let lower = text.to_ascii_lowercase();
        return if lower.bytes().all(|byte| byte == b'0') {
            String::new()
        } else {
            lower
        };
    }
    match base64(text) {
        Some(decoded) if decoded.len() == bytes => {
            use std::fmt::Write;
            let mut hex = String::new();
            for byte in decoded {
                let _ = write!(hex, "{byte:02x}");
            }
            hex
        }
        _ => text.to_string(),
    }
}

fn base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let (mut bits, mut held) = (0u32, 0u32);
    for byte in text.trim_end_matches('=').bytes() {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        held = (held << 6 | u32::from(digit)) & 0xffff;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(held >> bits & 0xff).ok()?);
        }
    }
    Some(bytes)
}
