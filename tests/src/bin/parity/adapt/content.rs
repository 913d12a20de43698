//! Content and safety.

use super::{Adapted, check, check_with, strictly};
use crate::judge::ScriptedJudge;
use crate::vector::Vector;
use llmtest::{
    Bias, Misuse, NonAdvice, PiiLeakage, PromptAlignment, RoleViolation, Summarization, Toxicity,
};
use serde_json::{Value, json};

pub(super) fn adapt(vector: &Vector) -> Option<Adapted> {
    Some(match vector.metric.as_str() {
        "summarization" => {
            let mut metric = strictly!(vector, Summarization::new());
            // An empty list is none for DeepEval: the judge writes the questions.
            let questions = vector.texts("assessment_questions");
            if !questions.is_empty() {
                metric = metric.assessment_questions(questions);
            }
            if let Some(count) = count(vector, "n") {
                metric = metric.questions(count);
            }
            // A limit of 0 only changes DeepEval's prompt; the score does not depend on it.
            if let Some(limit) = count(vector, "truths_extraction_limit").filter(|limit| *limit > 0)
            {
                metric = metric.truths_limit(limit);
            }
            check_with(
                vector,
                metric,
                ScriptedJudge::new(vector).renaming(answers_as_verdicts),
            )
        }
        "prompt_alignment" => {
            let instructions = vector.texts("prompt_instructions");
            check(
                vector,
                strictly!(vector, PromptAlignment::new(instructions)),
            )
        }
        "bias" => check(vector, strictly!(vector, Bias::new())),
        "toxicity" => check(vector, strictly!(vector, Toxicity::new())),
        "pii_leakage" => check(vector, strictly!(vector, PiiLeakage::new())),
        "non_advice" => {
            let kinds = vector.texts("advice_types");
            check(vector, strictly!(vector, NonAdvice::new(kinds)))
        }
        "misuse" => {
            let domain = vector.text("domain");
            check(vector, strictly!(vector, Misuse::new(domain)))
        }
        "role_violation" => {
            let role = vector.text("role");
            check(vector, strictly!(vector, RoleViolation::new(role)))
        }
        _ => return None,
    })
}

fn count(vector: &Vector, name: &str) -> Option<usize> {
    let count = vector.option(name).and_then(Value::as_u64)?;
    usize::try_from(count).ok()
}

/// Answers to questions are verdicts with us.
fn answers_as_verdicts(step: &str, mut output: Value) -> Value {
    if step.ends_with("_answers") {
        let answers = output["answers"].as_array().cloned().unwrap_or_default();
        let verdict = |answer: Value| json!({"verdict": answer});
        output = json!({"verdicts": answers.into_iter().map(verdict).collect::<Vec<_>>()});
    }
    output
}
