//! From a vector to our metric and our case: fields are renamed and numbers added, nothing else.

mod agents;
mod content;
mod conversation;
mod dag;
mod graded;
mod rag;
mod text;
mod tools;

use crate::compare::{Kind, Ours};
use crate::judge::ScriptedJudge;
use crate::vector::Vector;
use llmtest::{Check, Metric, Span, TestCase, Trace};
use serde_json::{Map, Value};
use std::panic::catch_unwind;

/// What a vector is with us.
pub(crate) enum Adapted {
    /// A metric of a case, under the vector's threshold.
    Check(Box<Check>, ScriptedJudge),
    /// A comparison, which is no metric.
    Arena(Box<graded::Arena>),
    /// What is settled without a measurement.
    Done(Ours),
}

/// The adapters by group; each knows its own metrics.
const GROUPS: &[fn(&Vector) -> Option<Adapted>] = &[
    agents::adapt,
    content::adapt,
    conversation::adapt,
    dag::adapt,
    graded::adapt,
    rag::adapt,
    text::adapt,
    tools::adapt,
];

/// Runs a vector through our metric.
pub(crate) async fn measure(vector: &Vector) -> Ours {
    // A metric refuses its options with a panic when it is built; a panic at any other place is a failure.
    let built = catch_unwind(|| GROUPS.iter().find_map(|group| group(vector)));
    let (check, judge) = match built {
        Ok(Some(Adapted::Check(check, judge))) => (check, judge),
        Ok(Some(Adapted::Arena(arena))) => return arena.measure().await,
        Ok(Some(Adapted::Done(ours))) => return ours,
        Ok(None) => {
            let message = format!("no adapter for `{}`", vector.metric);
            return Ours::Error {
                kind: Kind::Other,
                message,
            };
        }
        Err(panic) => return Ours::refused_options(panic.as_ref()),
    };
    let expectation = &check.expectations()[0];
    let trace = trace(&vector.test_case["trace"]);
    match llmtest::__measure_as_given(check.case(), &trace, expectation, judge).await {
        Ok(score) => {
            let passed = expectation.bar().is_met_by(score.value);
            let threshold =
                !matches!(vector.options.get("threshold"), Some(Value::Null)) || strict(vector);
            Ours::Score {
                value: score.value,
                success: threshold.then_some(passed),
            }
        }
        Err(error) => Ours::error(&error),
    }
}

/// The case with the metric, under the vector's threshold and judge. Strict metrics keep their own bar, as in DeepEval.
pub(crate) fn check(vector: &Vector, metric: impl Metric + 'static) -> Adapted {
    check_with(vector, metric, ScriptedJudge::new(vector))
}

/// As [`check`], with a judge that renames.
pub(crate) fn check_with(
    vector: &Vector,
    metric: impl Metric + 'static,
    judge: ScriptedJudge,
) -> Adapted {
    let case = case(&vector.test_case);
    let threshold = vector.option("threshold").and_then(Value::as_f64);
    let check = match threshold {
        Some(threshold) if !strict(vector) => case.expect(metric.at_least(threshold)),
        _ => case.expect(metric),
    };
    Adapted::Check(Box::new(check), judge)
}

/// Whether strictness decides the bar: `json_correctness` is strict unless told otherwise.
fn strict(vector: &Vector) -> bool {
    let default = vector.metric == "json_correctness";
    vector
        .option("strict_mode")
        .and_then(Value::as_bool)
        .unwrap_or(default)
}

/// `metric.strict()` where the vector is strict.
macro_rules! strictly {
    ($vector:expr, $metric:expr) => {
        if $vector.flag("strict_mode") {
            $metric.strict()
        } else {
            $metric
        }
    };
}
pub(crate) use strictly;

/// The closed kind under which this vector may differ, if one applies.
pub(crate) fn closed_kind(vector: &Vector, ours: &Ours) -> Option<&'static str> {
    let refused = matches!(
        ours,
        Ours::Error {
            kind: Kind::Options,
            ..
        }
    );
    let zero = matches!(ours, Ours::Score { value: 0.0, .. }) && vector.expected.score == Some(1.0);
    let scored = matches!(ours, Ours::Score { .. }) && vector.expected.score.is_some();
    match vector.metric.as_str() {
        "pattern_match" if refused && text::python_syntax(&vector.text("pattern")) => {
            Some("python-regex")
        }
        "json_correctness" if zero && text::lax_pydantic(vector) => Some("pydantic-coercion"),
        "g_eval" | "conversational_g_eval" if scored && graded::spaced_digit(vector) => {
            Some("score-token-place")
        }
        _ => None,
    }
}

/// DeepEval's test case under our names.
pub(crate) fn case(case: &Value) -> TestCase {
    let known = [
        "input",
        "actual_output",
        "expected_output",
        "expected_outcome",
        "context",
        "retrieval_context",
        "tools_called",
        "expected_tools",
        "turns",
        "scenario",
        "chatbot_role",
        "mcp_servers",
        "metadata",
    ];
    let mut row: Map<String, Value> = fields(case, &known);
    if let Some(Value::Array(turns)) = row.get_mut("turns") {
        let names = [
            "role",
            "content",
            "retrieval_context",
            "tools_called",
            "metadata",
        ];
        for turn in turns {
            let mut fields = fields(turn, &names);
            add_mcp_calls(turn, &mut fields);
            *turn = Value::Object(fields);
        }
    }
    add_mcp_calls(case, &mut row);
    match serde_json::from_value(Value::Object(row)) {
        Ok(case) => case,
        Err(error) => panic!("adapter: cannot read the case: {error}"),
    }
}

/// The fields of these names that are not null.
fn fields(object: &Value, names: &[&str]) -> Map<String, Value> {
    let members = object.as_object().into_iter().flatten();
    members
        .filter(|(name, value)| names.contains(&name.as_str()) && !value.is_null())
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// What was called of MCP servers is among our tool calls, by kind.
fn add_mcp_calls(from: &Value, row: &mut Map<String, Value>) {
    for (list, kind) in [
        ("mcp_tools_called", "mcp"),
        ("mcp_resources_called", "mcp_resource"),
        ("mcp_prompts_called", "mcp_prompt"),
    ] {
        let Some(calls) = from[list].as_array() else {
            continue;
        };
        let tools = row
            .entry("tools_called")
            .or_insert_with(|| Value::Array(Vec::new()));
        for call in calls {
            let mut call = call.clone();
            call["kind"] = kind.into();
            if call["name"].is_null() {
                call["name"] = call["uri"].clone();
            }
            if let Some(tools) = tools.as_array_mut() {
                tools.push(call);
            }
        }
    }
}

/// DeepEval's nested trace as our list of spans, parents first.
pub(crate) fn trace(root: &Value) -> Trace {
    let mut trace = Trace::default();
    if root.as_object().is_some_and(|root| !root.is_empty()) {
        add_span(root, None, &mut trace);
    }
    trace
}

fn add_span(span: &Value, parent: Option<usize>, trace: &mut Trace) {
    let name = span["name"].as_str().unwrap_or_default();
    let mut ours = Span::new(name, span["type"].as_str().unwrap_or("function"));
    ours.parent = parent;
    ours.input = span["input"].clone();
    ours.output = span["output"].clone();
    trace.spans.push(ours);
    let index = trace.spans.len() - 1;
    for child in span["children"].as_array().into_iter().flatten() {
        add_span(child, Some(index), trace);
    }
}
