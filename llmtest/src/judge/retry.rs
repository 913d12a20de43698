//! Waits for a place, asks, and asks again what may work a moment later.

use super::budgeted::tokens_of_images;
use super::limit::{Ended, Gate, Need, left, timed};
use crate::config::JudgeConfig;
use llmtest_metrics::{AnyJudge, Judge, JudgeError, JudgeErrorKind, Prompt, Reply, Result, hash};
use std::future::{Future, pending};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The first wait, doubled with every attempt.
const FIRST: Duration = Duration::from_millis(if cfg!(test) { 1 } else { 500 });
/// The longest wait of our own.
const LONGEST: Duration = Duration::from_secs(20);
/// The longest wait that a server may ask for.
const PATIENCE: Duration = Duration::from_secs(60);

/// How calls are made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manners {
    /// Attempts after the first.
    retries: u32,
    /// The time limit of one call with all its attempts, from when it is first sent.
    deadline: Duration,
}

impl Manners {
    pub(super) fn of(config: &JudgeConfig) -> Self {
        Self {
            retries: config.retries,
            deadline: config.deadline,
        }
    }

    /// Without repetitions.
    pub(super) fn once(self) -> Self {
        Self { retries: 0, ..self }
    }
}

/// Asks the judge inside when there is a place, and repeats calls that failed with a [`JudgeError`] which says that it may
/// help.
pub(super) struct Limited {
    inner: AnyJudge,
    gate: Arc<Gate>,
    manners: Manners,
}

impl Limited {
    pub(super) fn new(inner: AnyJudge, gate: Arc<Gate>, manners: Manners) -> Self {
        Self {
            inner,
            gate,
            manners,
        }
    }
}

impl Judge for Limited {
    fn model(&self) -> &str {
        self.inner.model()
    }

    async fn complete(&self, prompt: &Prompt) -> Result<Reply> {
        let characters = prompt.messages.iter();
        let images = usize::try_from(tokens_of_images(prompt)).unwrap_or(usize::MAX);
        let call = Call {
            gate: &self.gate,
            manners: self.manners,
            need: Need {
                characters: characters
                    .map(|m| m.content.chars().count())
                    .sum::<usize>()
                    .saturating_add(images.saturating_mul(4)),
                reply: prompt.max_tokens,
            },
        };
        let seed = || format!("{:?}{}", prompt.repeat, prompt.text());
        let used = |reply: &Reply| {
            let usage = reply.usage?;
            Some((usage.total() as f64, usage.completion_tokens as f64))
        };
        retrying(&call, seed, used, || self.inner.complete(prompt)).await
    }
}

/// Where a call goes, and how.
pub(super) struct Call<'a> {
    pub(super) gate: &'a Arc<Gate>,
    pub(super) manners: Manners,
    pub(super) need: Need,
}

/// Repeats a call for as long as its error says that it may help. `seed` spreads the waits; `used` tells the tokens of what
/// was answered, in all and for the reply.
///
/// A call that was refused (429) waits without a place. It is not held against the call where others were let in: then it was
/// one too many, and it is the limit that has to learn. So it is repeated until the deadline. Where nobody was let in, and
/// after other errors, a call is repeated as often as is configured.
pub(super) async fn retrying<T, F: Future<Output = Result<T>>>(
    call: &Call<'_>,
    seed: impl Fn() -> String,
    used: impl Fn(&T) -> Option<(f64, f64)>,
    ask: impl Fn() -> F,
) -> Result<T> {
    let Manners { retries, deadline } = call.manners;
    let (mut tries, mut counted) = (0, 0);
    let mut until = None;
    let mut last: Option<JudgeError> = None;
    loop {
        let entered = call.gate.enter(call.need, tries > 0, deadline, until).await;
        let permit = match (entered, last.take()) {
            (Ok(permit), _) => permit,
            (Err(_), Some(error)) => return Err(told(error, tries, End::Late(deadline)).into()),
            (Err(stuck), None) => {
                return Err(no_place(call.gate.title(), stuck.in_flight, deadline).into());
            }
        };
        let until = *until.get_or_insert_with(|| Instant::now() + deadline);
        tries += 1;
        let asked = timed(left(until), ask()).await;
        let error = match asked {
            Some(Ok(done)) => {
                let how = if tries == 1 {
                    Ended::Clean
                } else {
                    Ended::Answered
                };
                permit.leave(how, used(&done));
                return Ok(done);
            }
            Some(Err(error)) => match error.downcast::<JudgeError>() {
                Ok(error) => *error,
                Err(error) => {
                    permit.leave(Ended::Answered, None);
                    return Err(error);
                }
            },
            None => {
                permit.leave(Ended::Failed, None);
                return Err(too_slow(call.gate.title(), tries, deadline).into());
            }
        };
        let asked = error.retry_after();
        let how = ended(&error);
        let left_gate = permit.leave(how, None);
        let too_many = matches!(how, Ended::Refused(_)) && !left_gate.barren;
        if !too_many {
            counted += 1;
        }
        let spent = counted > attempts_after(&error.kind, retries);
        if !error.is_retryable() || spent || retries == 0 || left_gate.given_up {
            return Err(told(error, tries, End::Spent).into());
        }
        if let Some(asked) = asked.filter(|asked| *asked > PATIENCE) {
            return Err(told(error, tries, End::TooLong(asked)).into());
        }
        let wait = asked.unwrap_or_else(|| wait(&seed(), tries));
        if wait >= left(until) {
            return Err(told(error, tries, End::Late(deadline)).into());
        }
        timed(wait, pending::<()>()).await;
        last = Some(error);
    }
}

/// What an error means for the limit.
fn ended(error: &JudgeError) -> Ended {
    let millis = |wait: Duration| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    match error.kind {
        JudgeErrorKind::Status(429) => Ended::Refused(error.retry_after().map(millis)),
        JudgeErrorKind::Status(400..500) | JudgeErrorKind::BadReply => Ended::Answered,
        _ => Ended::Failed,
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

/// Why a call is not repeated any more.
#[derive(Clone, Copy)]
enum End {
    /// Often enough.
    Spent,
    /// The server wants too long a pause.
    TooLong(Duration),
    /// The deadline.
    Late(Duration),
}

/// The error, with how often it was tried at the end of its first line.
fn told(error: JudgeError, tries: u32, end: End) -> JudgeError {
    let text = error.to_string();
    let (first, rest) = text
        .split_once('\n')
        .map_or((text.as_str(), String::new()), |(first, rest)| {
            (first, format!("\n{rest}"))
        });
    let tried = if tries > 1 {
        format!(" (tried {tries} times)")
    } else {
        String::new()
    };
    let why = match end {
        End::Spent => String::new(),
        End::TooLong(wait) => {
            let wait = wait.as_secs();
            format!("; it asks to wait {wait} s, which is too long here")
        }
        End::Late(deadline) => {
            format!("; the `deadline` of a call, {deadline:?}, allows no other attempt")
        }
    };
    let retry_after = error.retry_after();
    JudgeError::new(error.kind, format!("{first}{tried}{why}{rest}")).retry_in(retry_after)
}

fn too_slow(title: &str, tries: u32, deadline: Duration) -> JudgeError {
    let tried = if tries > 1 {
        format!(" and {tries} attempts")
    } else {
        String::new()
    };
    JudgeError::new(
        JudgeErrorKind::Timeout,
        format!(
            "{title} did not answer within {deadline:?}{tried}, the `deadline` of a call\n\
             hint: raise `deadline` under `[judge]` in llmtest.toml (or LLMTEST_JUDGE_DEADLINE)"
        ),
    )
}

/// Nothing moved while the call waited for its turn.
fn no_place(title: &str, in_flight: usize, deadline: Duration) -> JudgeError {
    let ended = match in_flight {
        1 => "the call in flight did not end".to_string(),
        n => format!("of the {n} calls in flight none ended"),
    };
    JudgeError::new(
        JudgeErrorKind::Timeout,
        format!(
            "{title} was not asked within {deadline:?}: {ended}, and it takes no more at once\n\
             hint: look whether the server still answers, or raise `deadline` under `[judge]` in llmtest.toml (or LLMTEST_JUDGE_DEADLINE)"
        ),
    )
}
