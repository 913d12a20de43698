//! Grades by criteria, and the arena.

use super::{Adapted, case, strictly};
use crate::compare::{Kind, Ours};
use crate::judge::ScriptedJudge;
use crate::vector::Vector;
use llmtest::{
    ArenaGEval, BoxError, Contestant, ConversationalGEval, Field, GEval, Judge, Prompt, Reply,
};
use serde_json::{Value, json};
use std::ops::RangeInclusive;

pub(super) fn adapt(vector: &Vector) -> Option<Adapted> {
    Some(match vector.metric.as_str() {
        "g_eval" => check_graded(vector, g_eval(vector)),
        "conversational_g_eval" => check_graded(vector, conversational(vector)),
        "arena_g_eval" => Adapted::Arena(Box::new(arena(vector))),
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
        None if vector.test_case["trace"].is_null() => metric,
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
        other => panic!("adapter: no field for `{other}`"),
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
            panic!("adapter: bounds are whole and from 0 on, not {range}");
        };
        let meaning = range["expected_outcome"].as_str().unwrap_or_default();
        (low..=high, meaning.to_string())
    };
    ranges.into_iter().flatten().map(range).collect()
}

/// Whether an alternative of a scripted token is a digit with a space, which counts as that digit with us alone.
pub(super) fn spaced_digit(vector: &Vector) -> bool {
    let tokens = vector
        .judge
        .iter()
        .filter_map(|answer| answer.output["logprobs"].as_array());
    let tops = tokens
        .flatten()
        .filter_map(|token| token["top_logprobs"].as_array());
    let mut texts = tops.flatten().filter_map(|top| top["token"].as_str());
    texts.any(|text| text.trim() != text && text.trim().parse::<u8>().is_ok())
}

/// An arena with its contestants and judge.
pub(crate) struct Arena {
    metric: ArenaGEval,
    contestants: Vec<Contestant>,
    judge: ArenaJudge,
}

fn arena(vector: &Vector) -> Arena {
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
    let judge = ArenaJudge::new(vector, &contestants);
    Arena {
        metric,
        contestants,
        judge,
    }
}

/// DeepEval shows all contestants once and the vector has that one winner; we ask about every pair in both orders. This
/// judge is of the vector's opinion each time: the winner where it is one of the two, else a tie. Who stands where, it
/// reads from the prompt. A winner that is no contestant is answered as it is.
struct ArenaJudge {
    steps: ScriptedJudge,
    winner: Winner,
}

enum Winner {
    /// The output of the contestant that wins.
    Output(String),
    Unknown(String),
}

impl ArenaJudge {
    fn new(vector: &Vector, contestants: &[Contestant]) -> Self {
        let answer = vector.judge.iter().find(|answer| answer.step == "winner");
        let name = answer.and_then(|answer| answer.output["winner"].as_str());
        let name = name.unwrap_or_default();
        let winner = match contestants.iter().find(|one| one.name == name) {
            Some(one) => Winner::Output(one.case.output.clone()),
            None => Winner::Unknown(name.to_string()),
        };
        Self {
            steps: ScriptedJudge::new(vector),
            winner,
        }
    }

    /// What this judge answers to a prompt that shows two answers.
    fn choice(&self, prompt: &str) -> &str {
        let output = match &self.winner {
            Winner::Output(output) => output,
            Winner::Unknown(name) => return name,
        };
        let shown = |label: &str| {
            let (_, rest) = prompt.split_once(&format!("\n{label}:\n<data "))?;
            let (_, text) = rest.split_once(">\n")?;
            text.split_once("\n</data ").map(|(text, _)| text)
        };
        match (shown("answer A"), shown("answer B")) {
            (Some(one), _) if one == output => "A",
            (_, Some(two)) if two == output => "B",
            (Some(_), Some(_)) => "tie",
            _ => "no answers found in the prompt",
        }
    }
}

impl Judge for ArenaJudge {
    fn model(&self) -> &'static str {
        "scripted"
    }

    async fn complete(&self, prompt: &Prompt) -> Result<Reply, BoxError> {
        if prompt.purpose.ends_with("/winner") {
            let winner = self.choice(&prompt.text());
            return Ok(Reply::new(
                json!({"reason": "", "winner": winner}).to_string(),
            ));
        }
        self.steps.complete(prompt).await
    }
}

impl Arena {
    pub(crate) async fn measure(self) -> Ours {
        match self
            .metric
            .compare_with(&self.contestants, self.judge)
            .await
        {
            Ok(found) => match found.winner() {
                Some(winner) => Ours::Winner(winner.to_string()),
                None => Ours::Skipped("a tie".to_string()),
            },
            Err(error) => match Ours::error(&error) {
                Ours::Error {
                    kind: Kind::Other,
                    message,
                } if refused_contestants(&message) => Ours::Error {
                    kind: Kind::TestCase,
                    message,
                },
                ours => ours,
            },
        }
    }
}

/// Whether the error is about contestants that cannot be compared: of one name, or on different inputs.
fn refused_contestants(message: &str) -> bool {
    message.contains("two contestants named") || message.contains("compares contestants on one")
}
