//! How long a metric is waited for.

use super::run::{Run, payload_text};
use crate::observe::CaseContext;
use std::time::Duration;
use tokio::task::JoinHandle;

/// A metric that does nothing for the time limit is given up. Waiting for a judge that answers others meanwhile is not
/// doing nothing: a slow judge with a long queue is no error. The metrics of a case run at once, and so does the clock.
pub(super) struct Patience {
    run: &'static Run,
    limit: Duration,
    since: tokio::time::Instant,
    answered: u64,
}

impl Patience {
    pub(super) fn new(run: &'static Run, limit: Duration) -> Self {
        let since = tokio::time::Instant::now();
        Self {
            run,
            limit,
            since,
            answered: answered(run),
        }
    }

    pub(super) async fn wait<T>(
        &mut self,
        mut task: JoinHandle<T>,
        context: &CaseContext,
    ) -> Result<T, String> {
        loop {
            match tokio::time::timeout_at(self.since + self.limit, &mut task).await {
                Ok(Ok(ended)) => return Ok(ended),
                Ok(Err(error)) => {
                    let why = |payload: Box<dyn std::any::Any + Send>| {
                        let text = context.take_panic();
                        let text = text.unwrap_or_else(|| payload_text(&*payload).to_string());
                        format!("the metric panicked: {text}")
                    };
                    return Err(error
                        .try_into_panic()
                        .map_or_else(|error| error.to_string(), why));
                }
                Err(_) => {}
            }
            let now = answered(self.run);
            if now == self.answered {
                task.abort();
                return Err(format!(
                    "the metric did not end within {:?}\n\
                     hint: raise the limit with `#[llm_test(timeout = \"…\")]`, or `timeout` under `[run]` in llmtest.toml",
                    self.limit
                ));
            }
            (self.since, self.answered) = (tokio::time::Instant::now(), now);
        }
    }
}

fn answered(run: &Run) -> u64 {
    run.judges
        .as_ref()
        .map_or(0, crate::judge::Judges::answered)
}
