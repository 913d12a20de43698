//! Graphs of questions. DeepEval's document becomes ours: types and fields have other names, scores are from 0 to 1, and a
//! metric is a node.

use super::{Adapted, GROUPS, check_with};
use crate::judge::ScriptedJudge;
use crate::vector::Vector;
use llmtest::{AnyJudge, Bar, Dag, EvalCx, Expectation, Metric, Node, Prompt, Result, Score};
use serde_json::{Map, Value, json};

pub(super) fn adapt(vector: &Vector) -> Option<Adapted> {
    if !matches!(vector.metric.as_str(), "dag" | "conversational_dag") {
        return None;
    }
    let dag = match Dag::from_json_with(&document(vector).to_string(), |metric, options| {
        child(vector, metric, options).map(Some)
    }) {
        Ok(dag) => dag,
        Err(error) => panic!("{error}"),
    };
    let names = names(vector);
    let asked = move |prompt: &Prompt| {
        let text = prompt.text();
        let mut found = names
            .iter()
            .filter(|(_, _, text_of)| text.contains(text_of.as_str()));
        match (found.next(), found.next()) {
            (Some((step, node, _)), None) => (step.clone(), Some(node.clone())),
            _ => panic!(
                "adapter: the prompt of `{}` is not that of just one node",
                prompt.purpose
            ),
        }
    };
    Some(check_with(
        vector,
        dag,
        ScriptedJudge::new(vector).asked(asked),
    ))
}

/// The graph in our format.
fn document(vector: &Vector) -> Value {
    let dag = &vector.options["dag"];
    let mut nodes = Map::new();
    for (id, node) in dag["nodes"].as_object().into_iter().flatten() {
        let mut ours = Map::new();
        let mut put = |key: &str, value: Value| {
            if !value.is_null() {
                ours.insert(key.to_string(), value);
            }
        };
        put("fields", fields(&node["evaluation_params"]));
        put("turns", node["turn_window"].clone());
        put("children", node["children"].clone());
        match node["type"].as_str() {
            Some("TaskNode") => {
                put("type", "task".into());
                put("label", node["output_label"].clone());
                put("instructions", node["instructions"].clone());
            }
            Some("VerdictNode") => {
                put("type", "verdict".into());
                put("verdict", node["verdict"].clone());
                put(
                    "score",
                    node["score"].as_f64().map(|score| score / 10.0).into(),
                );
                let child = &node["child"];
                let metric = match child["type"].as_str() {
                    Some("geval") => Some(g_eval(vector).into()),
                    Some("metric") => Some(child["metric"].clone()),
                    _ => None,
                };
                if let Some(metric) = metric {
                    let leaf = format!("{id}.metric");
                    put("children", json!([leaf]));
                    let options = &child["options"];
                    nodes.insert(
                        leaf,
                        json!({"type": "metric", "metric": metric, "options": options}),
                    );
                } else if !child.is_null() {
                    put("children", json!([child["ref"]]));
                }
            }
            judgement => {
                let yes_no = judgement == Some("BinaryJudgementNode");
                put("type", if yes_no { "yes_no" } else { "choice" }.into());
                put("question", node["criteria"].clone());
            }
        }
        nodes.insert(id.clone(), ours.into());
    }
    json!({
        "name": vector.text("name"),
        "strict": vector.flag("strict_mode"),
        "roots": dag["root_nodes"],
        "nodes": nodes,
    })
}

fn g_eval(vector: &Vector) -> &'static str {
    if vector.metric == "dag" {
        "g_eval"
    } else {
        "conversational_g_eval"
    }
}

/// The fields under our names; what is said of each turn is in the conversation.
fn fields(params: &Value) -> Value {
    let Some(params) = params.as_array() else {
        return Value::Null;
    };
    let mut fields = Vec::new();
    for param in params.iter().filter_map(Value::as_str) {
        let field = match param {
            "actual_output" => "output",
            "expected_output" | "expected_outcome" => "expected",
            "retrieval_context" => "retrieved",
            "tools_called" => "tools",
            "content" | "role" => "turns",
            other => other,
        };
        if !fields.contains(&field) {
            fields.push(field);
        }
    }
    fields.into()
}

/// Step, id and text of every node that asks the judge.
fn names(vector: &Vector) -> Vec<(String, String, String)> {
    let nodes = vector.options["dag"]["nodes"].as_object();
    let name = |(id, node): (&String, &Value)| {
        let (step, text) = match node["type"].as_str()? {
            "TaskNode" => ("task_output", &node["instructions"]),
            "BinaryJudgementNode" => ("binary_verdict", &node["criteria"]),
            "NonBinaryJudgementNode" => ("non_binary_verdict", &node["criteria"]),
            _ => return None,
        };
        Some((step.to_string(), id.clone(), text.as_str()?.to_string()))
    };
    nodes.into_iter().flatten().filter_map(name).collect()
}

/// The metric of a leaf, made by the adapter of its group, with the judge's answers that are meant for it.
fn child(vector: &Vector, metric: &str, options: &Map<String, Value>) -> Result<Node> {
    let mut child = vector.clone();
    child.metric = metric.to_string();
    child.options.clone_from(options);
    let prefix = format!("child.{metric}.");
    child.judge.retain_mut(|answer| {
        let step = answer.step.strip_prefix(&prefix).map(str::to_string);
        step.map(|step| answer.step = step).is_some()
    });
    match GROUPS.iter().find_map(|group| group(&child)) {
        Some(Adapted::Check(check, judge)) => Ok(Node::from(Child {
            expectation: check.expectations()[0].clone(),
            judge: judge.into(),
        })),
        _ => Err(format!("no adapter for `{metric}`").into()),
    }
}

/// A metric with the judge of its own answers.
struct Child {
    expectation: Expectation,
    judge: AnyJudge,
}

impl Metric for Child {
    fn name(&self) -> &str {
        self.expectation.name()
    }

    fn bar(&self) -> Bar {
        self.expectation.bar()
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        llmtest::__measure_as_given(cx.case, cx.trace, &self.expectation, self.judge.clone()).await
    }
}
