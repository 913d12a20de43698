//! Tool calls, and loops of agents.

use super::{Adapted, check, strictly};
use crate::vector::Vector;
use llmtest::{AgentLoopDetection, ToolCorrectness, ToolPermission, ToolSpec};
use serde_json::Value;

pub(super) fn adapt(vector: &Vector) -> Option<Adapted> {
    Some(match vector.metric.as_str() {
        "tool_correctness" => check(vector, tool_correctness(vector)),
        "tool_permission" => check(vector, tool_permission(vector)),
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
    let available = vector
        .option("available_tools")
        .and_then(|tools| serde_json::from_value::<Vec<ToolSpec>>(tools.clone()).ok());
    metric.available_tools(available.unwrap_or_default())
}

fn tool_permission(vector: &Vector) -> ToolPermission {
    let denied = vector.texts("denied_tools");
    let metric = match (
        vector.option("allowed_tools"),
        vector.option("denied_tools"),
    ) {
        (Some(_), _) => ToolPermission::allowing(vector.texts("allowed_tools")).but_denying(denied),
        (None, Some(_)) => ToolPermission::denying(denied),
        (None, None) => {
            panic!("`ToolPermission` is only made with a list: `allowing` or `denying`")
        }
    };
    strictly!(vector, metric)
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
