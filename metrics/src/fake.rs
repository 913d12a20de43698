//! A scripted judge, with which users test their metrics.

use crate::{Judge, JudgeError, JudgeErrorKind, Prompt, Reply, Result};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// A judge that answers from a script: replies in order, or by what the prompt contains. Clones share the script and the
/// log, so keep one to look at what was asked.
///
/// ```
/// use llmtest_metrics::{FakeJudge, GEval, Field, Metric, TestCase, measure_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let judge = FakeJudge::new().reply(r#"{"reason": "it is polite", "score": 8}"#);
/// let polite = GEval::new("polite", "The reply is polite.").steps(["Look for rude words."]);
/// let score = measure_with(&TestCase::new("hi", "hello"), &polite, judge.clone()).await.unwrap();
/// assert_eq!(score.value, 0.8);
/// assert!(judge.prompts()[0].text().contains("hello"));
/// # }
/// ```
#[derive(Clone, Default)]
pub struct FakeJudge {
    script: Arc<Mutex<Script>>,
}

#[derive(Default)]
struct Script {
    queue: VecDeque<Scripted>,
    rules: Vec<(String, Scripted)>,
    prompts: Vec<Prompt>,
}

#[derive(Clone)]
enum Scripted {
    Reply(Reply),
    Error(JudgeError),
}

impl FakeJudge {
    /// A judge without replies: every call is an error that shows the prompt.
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers the next call with this: a text, or a [`Reply`] with log-probabilities.
    pub fn reply(self, reply: impl Into<Reply>) -> Self {
        self.script().queue.push_back(Scripted::Reply(reply.into()));
        self
    }

    /// Fails the next call.
    pub fn fail(self, error: JudgeError) -> Self {
        self.script().queue.push_back(Scripted::Error(error));
        self
    }

    /// Answers every call whose purpose or text contains `needle`, once the replies in order are used up.
    pub fn when(self, needle: impl Into<String>, reply: impl Into<Reply>) -> Self {
        self.script()
            .rules
            .push((needle.into(), Scripted::Reply(reply.into())));
        self
    }

    /// What was asked so far.
    pub fn prompts(&self) -> Vec<Prompt> {
        self.script().prompts.clone()
    }

    fn script(&self) -> std::sync::MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Judge for FakeJudge {
    fn model(&self) -> &'static str {
        "fake"
    }

    async fn complete(&self, prompt: &Prompt) -> Result<Reply> {
        let mut script = self.script();
        script.prompts.push(prompt.clone());
        let text = prompt.text();
        let scripted = script.queue.pop_front().or_else(|| {
            script
                .rules
                .iter()
                .find(|(needle, _)| prompt.purpose.contains(needle) || text.contains(needle))
                .map(|(_, scripted)| scripted.clone())
        });
        match scripted {
            Some(Scripted::Reply(reply)) => Ok(reply),
            Some(Scripted::Error(error)) => Err(error.into()),
            None => Err(JudgeError::new(
                JudgeErrorKind::Config,
                format!(
                    "the fake judge has no reply left for `{}`:\n{text}",
                    prompt.purpose
                ),
            )
            .into()),
        }
    }
}

impl From<&str> for Reply {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Reply {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<serde_json::Value> for Reply {
    fn from(value: serde_json::Value) -> Self {
        Self::new(value.to_string())
    }
}
