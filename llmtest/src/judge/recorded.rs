//! Answers out of the recordings, and adds to them.

use crate::recording::{Found, Recordings, Request};
use llmtest_metrics::{AnyJudge, Judge, Prompt, Reply, Result};
use std::sync::Arc;

/// Asks the judge inside only for what is not recorded.
pub(super) struct Recorded {
    inner: AnyJudge,
    recordings: Arc<Recordings>,
}

impl Recorded {
    pub(super) fn new(inner: AnyJudge, recordings: Arc<Recordings>) -> Self {
        Self { inner, recordings }
    }

    async fn live(&self, prompt: &Prompt) -> Result<Reply> {
        Ok(self
            .recordings
            .compact(self.inner.complete(prompt).await?, prompt))
    }
}

impl Judge for Recorded {
    fn model(&self) -> &str {
        self.inner.model()
    }

    async fn complete(&self, prompt: &Prompt) -> Result<Reply> {
        if !self.recordings.keeps() {
            return self.live(prompt).await;
        }
        let request = Request::new(self.inner.model(), prompt);
        if let Found::Reply(reply) = self.recordings.reply(&request)? {
            return Ok(reply);
        }
        // Whoever comes second finds what the first has recorded.
        let turn = self.recordings.turn(&request);
        let _turn = turn.lock().await;
        if let Found::Reply(reply) = self.recordings.reply(&request)? {
            return Ok(reply);
        }
        let mut reply = self.live(prompt).await?;
        match self.recordings.keep_reply(&request, &reply) {
            Ok(None) => {}
            // Another process was first, and its reply is the one that is replayed; this call was made all the same.
            Ok(Some(first)) => {
                let (usage, cost) = (reply.usage, reply.cost);
                reply = first;
                (reply.usage, reply.cost) = (usage, cost);
            }
            Err(error) => reply
                .notes
                .push(format!("the reply could not be recorded: {error}")),
        }
        Ok(reply)
    }
}
