//! Tries again what may work a moment later.

use crate::runtime;
use llmtest_metrics::{AnyJudge, Judge, JudgeError, JudgeErrorKind, Prompt, Reply, Result, hash};
use std::future::Future;
use std::time::Duration;

/// The first wait, doubled with every attempt.
const FIRST: Duration = Duration::from_millis(if cfg!(test) { 1 } else { 500 });
/// The longest wait of our own.
const LONGEST: Duration = Duration::from_secs(20);
/// The longest wait that a server may ask for.
const PATIENCE: Duration = Duration::from_secs(60);

/// Repeats calls that failed with a [`JudgeError`] which says that it may help.
pub(super) struct Retry {
    inner: AnyJudge,
    retries: u32,
}

impl Retry {
    pub(super) fn new(inner: AnyJudge, retries: u32) -> Self {
        Self { inner, retries }
    }
}

impl Judge for Retry {
    fn model(&self) -> &str {
        self.inner.model()
    }

    async fn complete(&self, prompt: &Prompt) -> Result<Reply> {
        let seed = || format!("{:?}{}", prompt.repeat, prompt.text());
        retrying(self.retries, seed, || self.inner.complete(prompt)).await
    }
}

/// Repeats a call for as long as its error says that it may help. `seed` spreads the waits.
pub(super) async fn retrying<T, F: Future<Output = Result<T>>>(
    retries: u32,
    seed: impl Fn() -> String,
    call: impl Fn() -> F,
) -> Result<T> {
    let mut attempt = 1;
    loop {
        let error = match call().await {
            Ok(done) => return Ok(done),
            Err(error) => error.downcast::<JudgeError>()?,
        };
        if !error.is_retryable() || attempt > attempts_after(&error.kind, retries) {
            return Err(told(*error, attempt, None).into());
        }
        let asked = error.retry_after();
        if let Some(asked) = asked.filter(|asked| *asked > PATIENCE) {
            return Err(told(*error, attempt, Some(asked)).into());
        }
        let wait = asked.unwrap_or_else(|| wait(&seed(), attempt));
        // The timer needs our runtime, whichever one polls this.
        runtime::handle()
            .spawn(async move { tokio::time::sleep(wait).await })
            .await?;
        attempt += 1;
    }
}

/// How often an error of this kind is worth another attempt. A server that is not there, or too slow, seldom is a
/// moment later; one that is busy is.
fn attempts_after(kind: &JudgeErrorKind, retries: u32) -> u32 {
    match kind {
        JudgeErrorKind::Timeout => retries.min(1),
        JudgeErrorKind::Unreachable => retries.min(2),
        _ => retries,
    }
}

/// The wait before the next attempt, spread by a quarter either way so that calls that failed together do not come
/// back together.
fn wait(seed: &str, attempt: u32) -> Duration {
    let wait = FIRST
        .saturating_mul(1 << attempt.saturating_sub(1).min(16))
        .min(LONGEST);
    let seed = hash::short(format!("{attempt}{seed}").as_bytes());
    let spread = u32::from_str_radix(&seed, 16).unwrap_or_default();
    wait.mul_f64(0.75 + 0.5 * f64::from(spread) / f64::from(u32::MAX))
}

/// The error, with how often it was tried at the end of its first line.
fn told(error: JudgeError, attempts: u32, too_long: Option<Duration>) -> JudgeError {
    let text = error.to_string();
    let (first, rest) = text
        .split_once('\n')
        .map_or((text.as_str(), String::new()), |(first, rest)| {
            (first, format!("\n{rest}"))
        });
    let tried = if attempts > 1 {
        format!(" (tried {attempts} times)")
    } else {
        String::new()
    };
    let wait = too_long
        .map(|wait| {
            format!(
                "; it asks to wait {} s, which is too long here",
                wait.as_secs()
            )
        })
        .unwrap_or_default();
    let retry_after = error.retry_after();
    JudgeError::new(error.kind, format!("{first}{tried}{wait}{rest}")).retry_in(retry_after)
}
