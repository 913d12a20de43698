//! Grades by criteria, and the arena.

use super::{Adapted, case, strictly};
use crate::compare::{Kind, Ours};
use crate::judge::ScriptedJudge;
use crate::vector::Vector;
use llmtest::{ArenaGEval, BoxError, Comparison, Contestant, ConversationalGEval, Field, GEval};
use serde_json::{Value, json};
use std::ops::RangeInclusive;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

pub(super) fn adapt(vector: &Vector) -> Option<Adapted> {
    Some(match vector.metric.as_str() {
        "g_eval" => check_graded(vector, g_eval(vector)),
        "conversational_g_eval" => check_graded(vector, conversational(vector)),
        "arena_g_eval" => Adapted::Done(arena(vector)),
        _ => return None,
    })
}

/// Our step `score` is DeepEval's `evaluation`, and so is `strict`.
fn check_graded(vector: &Vector, metric: impl llmtest::Metric + 'static) -> Adapted {
    let judge = ScriptedJudge::new(vector).asked(|prompt| {
        let step = prompt.purpose.rsplit('/').next().unwrap_or_default();
        let step = if step == "steps" { step } else { "evaluation" };
        (step.to_string(), None)
    });
    super::check_with(vector, metric, judge)
}

/// DeepEval's options as ours: criteria, or steps alone, or both.
macro_rules! by {
    ($metric:ident, $vector:expr) => {{
        let (name, steps) = ($vector.text("name"), $vector.texts("evaluation_steps"));
        match $vector.option("criteria") {
            None if !steps.is_empty() => $metric::by_steps(name, steps),
            None => $metric::new(name, ""),
            Some(_) if steps.is_empty() => $metric::new(name, $vector.text("criteria")),
            Some(_) => $metric::new(name, $vector.text("criteria")).steps(steps),
        }
    }};
}

pub(super) fn g_eval(vector: &Vector) -> GEval {
    let metric = strictly!(vector, by!(GEval, vector)).rubric(rubric(vector));
    match vector.option("evaluation_params") {
        Some(_) => metric.given(fields(vector)),
        None if vector.test_case["trace"].is_null() => metric.given([]),
        None => metric.given_trace(),
    }
}

pub(super) fn conversational(vector: &Vector) -> ConversationalGEval {
    strictly!(vector, by!(ConversationalGEval, vector))
        .rubric(rubric(vector))
        .given(fields(vector))
}

fn fields(vector: &Vector) -> Vec<Field> {
    let fields = vector.texts("evaluation_params");
    fields.iter().filter_map(|name| field(name)).collect()
}

/// The field that DeepEval calls so. The role and the content of turns are always shown.
fn field(name: &str) -> Option<Field> {
    Some(match name {
        "input" => Field::Input,
        "actual_output" => Field::Output,
        "expected_output" | "expected_outcome" => Field::Expected,
        "context" => Field::Context,
        "retrieval_context" => Field::Retrieved,
        "expected_tools" => Field::ExpectedTools,
        "scenario" => Field::Scenario,
        "chatbot_role" => Field::ChatbotRole,
        "metadata" => Field::Metadata,
        "mcp_servers" => Field::McpServers,
        "tools_called" | "mcp_tools" | "mcp_resources" | "mcp_prompts" => Field::Tools,
        "role" | "content" => return None,
        other => panic!("the adapter has no field for `{other}`"),
    })
}

fn rubric(vector: &Vector) -> Vec<(RangeInclusive<u32>, String)> {
    let ranges = vector.option("rubric").and_then(Value::as_array);
    let bound = |value: &Value| value.as_u64().and_then(|bound| u32::try_from(bound).ok());
    let range = |range: &Value| {
        let bounds = (
            bound(&range["score_range"][0]),
            bound(&range["score_range"][1]),
        );
        let (Some(low), Some(high)) = bounds else {
            panic!("the adapter reads whole bounds from 0 on, not {range}");
        };
        let meaning = range["expected_outcome"].as_str().unwrap_or_default();
        (low..=high, meaning.to_string())
    };
    ranges.into_iter().flatten().map(range).collect()
}

/// The judge answers with the label of the contestant that the vector names.
fn arena(vector: &Vector) -> Ours {
    let metric = by!(ArenaGEval, vector).given(fields(vector));
    let contestants: Vec<Contestant> = vector.test_case["contestants"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|one| {
            let name = one["name"].as_str().unwrap_or_default();
            Contestant::new(name, case(&one["test_case"]))
        })
        .collect();
    let mut masked = vector.clone();
    for answer in &mut masked.judge {
        let winner = &answer.output["winner"];
        let index = contestants
            .iter()
            .position(|one| *winner == one.name.as_str());
        if let Some(index) = index.and_then(|index| u8::try_from(index).ok()) {
            answer.output["winner"] = json!(char::from(b'A' + index).to_string());
        }
    }
    match compare(&metric, &contestants, ScriptedJudge::new(&masked)) {
        Ok(found) => match found.winner() {
            Some(winner) => Ours::Winner(winner.to_string()),
            None => Ours::Skipped("a tie".to_string()),
        },
        Err(error) => match Ours::error(&error) {
            // What is neither a missing field nor the judge's fault are contestants that cannot be compared.
            Ours::Error {
                kind: Kind::Other,
                message,
            } => Ours::Error {
                kind: Kind::TestCase,
                message,
            },
            ours => ours,
        },
    }
}

/// A scripted judge never waits.
fn compare(
    metric: &ArenaGEval,
    contestants: &[Contestant],
    judge: ScriptedJudge,
) -> Result<Comparison, BoxError> {
    let mut comparing = pin!(metric.__compare_as_given(contestants, judge));
    match comparing
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(found) => found,
        Poll::Pending => panic!("a scripted judge had to wait"),
    }
}
