//! Agents, their conversations, MCP.

use super::{Adapted, check, check_with, strictly, tools};
use crate::judge::ScriptedJudge;
use crate::vector::Vector;
use llmtest::{
    ArgumentCorrectness, GoalAccuracy, McpTaskCompletion, McpUse, MultiTurnMcpUse, PlanAdherence,
    PlanQuality, StepEfficiency, TaskCompletion, ToolUse, TopicAdherence,
};
use serde_json::Value;

pub(super) fn adapt(vector: &Vector) -> Option<Adapted> {
    Some(match vector.metric.as_str() {
        "argument_correctness" => check(vector, strictly!(vector, ArgumentCorrectness::new())),
        "task_completion" => {
            let mut metric = strictly!(vector, TaskCompletion::new());
            if let Some(task) = vector.option("task").and_then(Value::as_str) {
                metric = metric.task(task);
            }
            let judge = ScriptedJudge::new(vector).renaming(|step, mut output| {
                if step == "verdict" {
                    output["score"] = output["verdict"].take();
                }
                output
            });
            check_with(vector, metric, judge)
        }
        "step_efficiency" => check(vector, strictly!(vector, StepEfficiency::new())),
        "plan_quality" => check(vector, strictly!(vector, PlanQuality::new())),
        "plan_adherence" => check(vector, strictly!(vector, PlanAdherence::new())),
        "mcp_use" => check(vector, strictly!(vector, McpUse::new())),
        "multi_turn_mcp_use" => check(vector, strictly!(vector, MultiTurnMcpUse::new())),
        "mcp_task_completion" => check(vector, strictly!(vector, McpTaskCompletion::new())),
        "tool_use" => check(
            vector,
            strictly!(vector, ToolUse::new(tools::available(vector))),
        ),
        "goal_accuracy" => check(vector, strictly!(vector, GoalAccuracy::new())),
        "topic_adherence" => {
            let topics = vector.texts("relevant_topics");
            check(vector, strictly!(vector, TopicAdherence::new(topics)))
        }
        _ => return None,
    })
}
