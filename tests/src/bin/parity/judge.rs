//! A judge that answers from a vector.

use crate::vector::Vector;
use llmtest::{Judge, JudgeError, JudgeErrorKind, Prompt, Reply, Result, TokenLogprob};
use serde_json::Value;
use std::sync::Mutex;

/// Renames the fields of a scripted answer: the step, as DeepEval calls it, and its answer.
pub(crate) type Rename = Box<dyn Fn(&str, Value) -> Value + Send + Sync>;

/// Which answer a prompt asks for: the step, and for DAGs the node, as DeepEval calls them.
pub(crate) type Asked = Box<dyn Fn(&Prompt) -> (String, Option<String>) + Send + Sync>;

/// Answers each step with the first scripted answer of it that is left.
pub(crate) struct ScriptedJudge {
    answers: Mutex<Vec<(crate::vector::Answer, bool)>>,
    asked: Asked,
    rename: Rename,
}

impl ScriptedJudge {
    /// Answers by the step of the prompt's purpose, `metric/step`.
    pub(crate) fn new(vector: &Vector) -> Self {
        let answers = vector.judge.iter().map(|answer| (answer.clone(), false));
        let step = |prompt: &Prompt| {
            let (_, step) = prompt.purpose.split_once('/').unwrap_or_default();
            (step.to_string(), None)
        };
        Self {
            answers: Mutex::new(answers.collect()),
            asked: Box::new(step),
            rename: Box::new(|_, output| output),
        }
    }

    /// Sets how fields are renamed.
    pub(crate) fn renaming(
        mut self,
        rename: impl Fn(&str, Value) -> Value + Send + Sync + 'static,
    ) -> Self {
        self.rename = Box::new(rename);
        self
    }

    /// Sets how a prompt's step is found.
    pub(crate) fn asked(
        mut self,
        asked: impl Fn(&Prompt) -> (String, Option<String>) + Send + Sync + 'static,
    ) -> Self {
        self.asked = Box::new(asked);
        self
    }
}

impl Judge for ScriptedJudge {
    fn model(&self) -> &'static str {
        "scripted"
    }

    async fn complete(&self, prompt: &Prompt) -> Result<Reply> {
        let (step, node) = (self.asked)(prompt);
        let raw_step = format!("{step}_raw");
        let mut answers = self.answers.lock().map_err(|error| error.to_string())?;
        let found = answers.iter_mut().find(|(answer, used)| {
            let same_node = node.is_none() || answer.node == node;
            !used && same_node && (answer.step == step || answer.step == raw_step)
        });
        let Some((answer, used)) = found else {
            let message = format!("the vector has no answer left for `{}`", prompt.purpose);
            return Err(JudgeError::new(JudgeErrorKind::Config, message).into());
        };
        *used = true;
        if let Some(raw) = &answer.raw {
            return Ok(Reply::new(raw.as_str()));
        }
        if let (true, Some(content)) = (answer.step == raw_step, answer.output["content"].as_str())
        {
            let tokens = answer.output["logprobs"].as_array();
            let reply = Reply::new(content);
            return Ok(match tokens {
                Some(tokens) => reply.logprobs(tokens.iter().map(token).collect()),
                None => reply,
            });
        }
        let output = (self.rename)(&answer.step, answer.output.clone());
        Ok(Reply::new(output.to_string()))
    }
}

fn token(token: &Value) -> TokenLogprob {
    let text = |value: &Value| value["token"].as_str().unwrap_or_default().to_string();
    let logprob = |value: &Value| value["logprob"].as_f64().unwrap_or(f64::NEG_INFINITY);
    let top = token["top_logprobs"].as_array();
    TokenLogprob {
        token: text(token),
        logprob: logprob(token),
        top: top
            .into_iter()
            .flatten()
            .map(|alternative| (text(alternative), logprob(alternative)))
            .collect(),
    }
}
