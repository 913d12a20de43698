//! At most so many calls at once.

use llmtest_metrics::{AnyJudge, Judge, Prompt, Reply, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Semaphore;

/// Bounds the calls in flight of the judge inside, in the order in which they were asked.
pub(super) struct Limit {
    inner: AnyJudge,
    places: Semaphore,
    /// Calls that have ended.
    answered: Arc<AtomicU64>,
}

impl Limit {
    pub(super) fn new(inner: AnyJudge, places: usize, answered: Arc<AtomicU64>) -> Self {
        Self {
            inner,
            places: Semaphore::new(places.clamp(1, Semaphore::MAX_PERMITS)),
            answered,
        }
    }
}

impl Judge for Limit {
    fn model(&self) -> &str {
        self.inner.model()
    }

    async fn complete(&self, prompt: &Prompt) -> Result<Reply> {
        let _place = self.places.acquire().await?;
        let reply = self.inner.complete(prompt).await;
        self.answered.fetch_add(1, Ordering::Relaxed);
        reply
    }
}
