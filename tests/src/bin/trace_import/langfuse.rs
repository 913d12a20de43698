//! The traces of Langfuse: spans as in the file, messages as Langfuse normalised them.

use crate::gold::{ours, theirs};
use crate::{Report, lines};
use llmtest::import::{self, ImportedTrace, messages};
use serde_json::Value;
use std::collections::BTreeMap;

pub(crate) fn run(traces: &str, gold: &str, report: &mut Report) -> Result<(), String> {
    let imported = import::langfuse(traces).map_err(|error| error.to_string())?;
    let files = lines(traces)?;
    let gold: BTreeMap<String, Value> = lines(gold)?
        .into_iter()
        .map(|row| {
            (
                row["id"].as_str().unwrap_or_default().to_string(),
                row["chatml"].clone(),
            )
        })
        .collect();
    if imported.len() != files.len() || files.is_empty() {
        return Err(format!(
            "{} traces were read, and the file has {}",
            imported.len(),
            files.len()
        ));
    }
    for (trace, file) in imported.iter().zip(&files) {
        let id = file["id"].as_str().unwrap_or_default();
        compare(id, trace, file, gold.get(id), report);
        report.line(id);
    }
    Ok(())
}

fn compare(
    id: &str,
    trace: &ImportedTrace,
    file: &Value,
    gold: Option<&Value>,
    report: &mut Report,
) {
    let observations = file["observations"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    report.check(
        id,
        "name",
        trace.id == id && trace.name == file["trace_name"],
        || trace.name.clone(),
    );
    let count = trace.trace.spans.len();
    report.check(id, "spans", count == observations.len(), || {
        format!("{count}, not {}", observations.len())
    });
    let known = |id: &Value| observations.iter().any(|other| other["id"] == *id);
    let parents = observations.iter().map(|one| &one["parent_id"]);
    let orphans = parents.filter(|id| !id.is_null() && !known(id)).count();
    let told = trace
        .problems
        .iter()
        .filter(|why| why.contains("is not in the trace"));
    let told = told.count();
    report.check(id, "orphans are told", told == orphans, || {
        format!("{told} are told of {orphans}")
    });
    report.check(
        id,
        "scores",
        Some(&trace.scores) == file["scores"].as_array(),
        || format!("{:?}", trace.scores),
    );
    report.order(id, trace);
    for observation in observations {
        span(id, trace, observation, report);
        let told = gold.and_then(|gold| gold.get(observation["id"].as_str()?));
        for side in ["input", "output"] {
            if let Some(told) = told.and_then(|told| told.get(side)) {
                chat(id, observation, side, told, report);
            }
        }
    }
    tools(id, trace, observations, report);
    let golden = trace.golden();
    report.check(
        id,
        "golden",
        !golden.input.is_empty() && golden.expected.is_some(),
        || {
            format!(
                "asked `{}`, answered `{:?}`; {:?}",
                golden.input, golden.expected, trace.problems
            )
        },
    );
    report.round_trip(id, trace);
}

fn span(id: &str, trace: &ImportedTrace, observation: &Value, report: &mut Report) {
    let own = observation["id"].as_str().unwrap_or_default();
    let Some(at) = trace.span_ids.iter().position(|known| known == own) else {
        report.check(id, &format!("span {own}"), false, || {
            "is missing".to_string()
        });
        return;
    };
    let span = &trace.trace.spans[at];
    let parent = span.parent.map(|parent| trace.span_ids[parent].as_str());
    report.check(
        id,
        &format!("parent {own}"),
        parent == observation["parent_id"].as_str(),
        || format!("{parent:?}, not {}", observation["parent_id"]),
    );
    let (kind, expected) = (span.kind.as_str(), kind(observation));
    report.check(id, &format!("kind {own}"), kind == expected, || {
        format!("{kind}, not {expected}")
    });
    let mut holds = span.name == observation["name"]
        && span.input == observation["input"]
        && span.output == observation["output"];
    // Without a payload of its own, a span has that of its attributes.
    if observation.get("attributes").is_some() {
        let side = |value: &Value, key: &str| observation.get(key).is_none_or(|told| told == value);
        holds = span.name == observation["name"]
            && side(&span.input, "input")
            && side(&span.output, "output");
    }
    holds &= observation
        .get("model")
        .is_none_or(|model| span.model.as_deref() == model.as_str());
    let tokens = |key: &str| observation["usage"][key].as_u64().unwrap_or(0);
    holds &= observation["usage"].is_null()
        || span.usage.is_some_and(|usage| {
            usage.prompt_tokens == tokens("input") && usage.completion_tokens == tokens("output")
        });
    report.check(id, &format!("fields {own}"), holds, || {
        format!("{span:?}\nis not\n{observation}")
    });
}

/// What the type says, or for a general type the attribute of `OpenInference` or `OpenTelemetry`.
fn kind(observation: &Value) -> String {
    let text = |key: &str| {
        observation["attributes"][key]
            .as_str()
            .map(str::to_lowercase)
    };
    match observation["type"].as_str().unwrap_or_default() {
        "GENERATION" => "llm".to_string(),
        "SPAN" => match (
            text("openinference.span.kind"),
            text("gen_ai.operation.name").as_deref(),
        ) {
            (Some(kind), _) if kind != "unknown" => kind,
            (_, Some("invoke_agent")) => "agent".to_string(),
            (_, Some("execute_tool")) => "tool".to_string(),
            (_, Some("chat")) => "llm".to_string(),
            _ => "function".to_string(),
        },
        other => other.to_lowercase(),
    }
}

fn chat(id: &str, observation: &Value, side: &str, gold: &Value, report: &mut Report) {
    let found = ours(&messages(&observation[side]));
    let expected = theirs(gold).unwrap_or_default();
    let own = observation["id"].as_str().unwrap_or_default();
    report.check(id, &format!("{side} {own}"), found == expected, || {
        format!("{found:#?}\nis not\n{expected:#?}")
    });
}

/// Every tool's span is a call with that span's arguments.
fn tools(id: &str, trace: &ImportedTrace, observations: &[Value], report: &mut Report) {
    for observation in observations
        .iter()
        .filter(|observation| kind(observation) == "tool")
    {
        let own = observation["id"].as_str().unwrap_or_default();
        let name = observation["name"].as_str().unwrap_or_default();
        let attributes = &observation["attributes"];
        let bare = ["gen_ai.tool.name", "tool.name"]
            .iter()
            .find_map(|key| attributes[*key].as_str())
            .unwrap_or(name);
        let given = observation["input"]
            .get("input")
            .unwrap_or(&observation["input"]);
        let found = trace
            .tools
            .iter()
            .any(|call| call.name == bare && (given.is_null() || call.arguments == *given));
        report.check(id, &format!("tool {own}"), found, || {
            format!("`{bare}` with {given} is not in {:?}", trace.tools)
        });
    }
}
