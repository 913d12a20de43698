//! Tool calls, and loops of agents.

use super::{Adapted, check, strictly};
use crate::compare::{Kind, Ours};
use crate::vector::Vector;
use llmtest::{AgentLoopDetection, ToolCorrectness, ToolPermission, ToolSpec};
use serde_json::Value;

pub(super) fn adapt(vector: &Vector) -> Option<Adapted> {
    Some(match vector.metric.as_str() {
        "tool_correctness" => check(vector, tool_correctness(vector)),
        "tool_permission" => match tool_permission(vector) {
            Some(metric) => check(vector, metric),
            // With us this does not compile.
            None => Adapted::Done(Ours::Error {
                kind: Kind::Options,
                message: "a `ToolPermission` is made with a list: `allowing` or `denying`".into(),
            }),
        },
        "agent_loop_detection" => check(vector, agent_loop_detection(vector)),
        _ => return None,
    })
}

fn tool_correctness(vector: &Vector) -> ToolCorrectness {
    let mut metric = strictly!(vector, ToolCorrectness::new());
    if vector.flag("should_consider_ordering") {
        metric = metric.ordered();
    }
    if vector.flag("should_exact_match") {
        metric = metric.exact();
    }
    for compared in vector.texts("evaluation_params") {
        metric = match compared.as_str() {
            "input_parameters" => metric.compare_arguments(),
            _ => metric.compare_output(),
        };
    }
    metric.available_tools(available(vector))
}

/// The tools at hand; none where the option is missing.
pub(super) fn available(vector: &Vector) -> Vec<ToolSpec> {
    let Some(tools) = vector.option("available_tools") else {
        return Vec::new();
    };
    match serde_json::from_value(tools.clone()) {
        Ok(tools) => tools,
        Err(error) => panic!("adapter: cannot read `available_tools`: {error}"),
    }
}

/// `None` where neither list is given.
fn tool_permission(vector: &Vector) -> Option<ToolPermission> {
    let denied = vector.texts("denied_tools");
    let metric = match (
        vector.option("allowed_tools"),
        vector.option("denied_tools"),
    ) {
        (Some(_), _) => ToolPermission::allowing(vector.texts("allowed_tools")).but_denying(denied),
        (None, Some(_)) => ToolPermission::denying(denied),
        (None, None) => return None,
    };
    Some(strictly!(vector, metric))
}

fn agent_loop_detection(vector: &Vector) -> AgentLoopDetection {
    let mut metric = strictly!(vector, AgentLoopDetection::new());
    let repetitions = vector
        .option("repetition_threshold")
        .and_then(Value::as_u64);
    if let Some(calls) = repetitions.and_then(|calls| usize::try_from(calls).ok()) {
        metric = metric.repetitions(calls);
    }
    if let Some(least) = vector
        .option("similarity_threshold")
        .and_then(Value::as_f64)
    {
        metric = metric.similarity(least);
    }
    let disabled = |check: &str| vector.option(check) == Some(&Value::Bool(false));
    if disabled("check_tool_repetition") {
        metric = metric.without_repetition();
    }
    if disabled("check_reasoning_stagnation") {
        metric = metric.without_stagnation();
    }
    if disabled("check_call_graph_cycles") {
        metric = metric.without_cycles();
    }
    metric
}
