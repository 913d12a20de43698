//! Pays for every live call, and makes none that the budget does not allow.

use crate::cost::{Till, about_tokens};
use llmtest_metrics::{
    AnyJudge, BoxError, Judge, JudgeError, JudgeErrorKind, Prompt, Reply, Result,
};
use std::sync::Arc;

/// Asks the till before the judge inside. It stands next to the provider: what is replayed costs nothing, and every
/// attempt is paid for.
pub(super) struct Budgeted {
    inner: AnyJudge,
    till: Arc<Till>,
}

impl Budgeted {
    pub(super) fn new(inner: AnyJudge, till: Arc<Till>) -> Self {
        Self { inner, till }
    }
}

impl Judge for Budgeted {
    fn model(&self) -> &str {
        self.inner.model()
    }

    async fn complete(&self, prompt: &Prompt) -> Result<Reply> {
        let (asked, most) = (tokens(prompt), u64::from(prompt.max_tokens));
        let Some(hold) = self.till.hold(self.model(), asked, most).await? else {
            return self.inner.complete(prompt).await;
        };
        let reply = self.inner.complete(prompt).await;
        match &reply {
            Ok(reply) => hold.settle(reply.usage, reply.cost).await,
            Err(error) if is_free(error) => hold.release().await,
            Err(_) => drop(hold),
        }
        reply
    }
}

/// About how many tokens a prompt has.
fn tokens(prompt: &Prompt) -> u64 {
    let schema = prompt.schema.as_ref();
    let schema = schema.map_or(0, |schema| schema.schema.to_string().len());
    let messages = prompt.messages.iter();
    about_tokens(
        messages
            .map(|message| message.content.len() + 16)
            .sum::<usize>()
            + schema,
    )
}

/// Whether a provider does not bill what ended so: it did not come to an answer.
pub(super) fn is_free(error: &BoxError) -> bool {
    let error = error.downcast_ref::<JudgeError>();
    error.is_some_and(|error| {
        matches!(
            error.kind,
            JudgeErrorKind::Config | JudgeErrorKind::Unreachable | JudgeErrorKind::Status(_)
        )
    })
}
