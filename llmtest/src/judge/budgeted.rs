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
    .saturating_add(tokens_of_images(prompt))
}

/// Whether a provider does not bill what ended so: it did not come to an answer.
fn is_free(error: &BoxError) -> bool {
    let error = error.downcast_ref::<JudgeError>();
    error.is_some_and(|error| is_free_kind(&error.kind))
}

pub(super) fn is_free_kind(kind: &JudgeErrorKind) -> bool {
    matches!(
        kind,
        JudgeErrorKind::Config | JudgeErrorKind::Unreachable | JudgeErrorKind::Status(_)
    )
}

/// About how many tokens an image has, for a provider that says how many only afterwards: more than most count for one.
const IMAGE: u64 = 3000;

/// About how many tokens the images of a prompt have.
pub(super) fn tokens_of_images(prompt: &Prompt) -> u64 {
    let images = prompt.messages.iter().map(|message| message.images.len());
    IMAGE.saturating_mul(images.sum::<usize>() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use llmtest_metrics::Image;

    #[test]
    fn images_are_set_aside_for() {
        let mut prompt = Prompt::new("a/b", "What is this?");
        let bare = tokens(&prompt);
        prompt.messages[0].images = vec![Image::from_bytes("image/png", *b"PNG"); 2];
        assert_eq!(tokens(&prompt), bare + 6000);
    }
}
