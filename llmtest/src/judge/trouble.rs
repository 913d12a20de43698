//! What to say when a server does not answer as it should.

use super::reading::shortened;
use crate::config::{Api, JudgeConfig, Role};
use crate::redact::Redactor;
use llmtest_metrics::{JudgeError, JudgeErrorKind, Prompt};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

/// Makes the errors of one server. Everything that a server says is scrubbed here.
pub(super) struct Trouble {
    pub(super) config: JudgeConfig,
    pub(super) redactor: Arc<Redactor>,
}

impl Trouble {
    fn error_of(&self, kind: JudgeErrorKind, message: String) -> JudgeError {
        JudgeError::new(kind, self.redactor.scrub_error(&message))
    }

    fn url(&self) -> String {
        self.config.shown_url()
    }

    /// The server, for the beginning of a message.
    fn who(&self) -> String {
        format!("the {} at {}", self.config.role.name(), self.url())
    }

    /// The request could not be sent, or its answer did not arrive as a whole.
    pub(super) fn transport(&self, error: reqwest::Error) -> JudgeError {
        let (who, role) = (self.who(), self.config.role);
        let (table, prefix) = (role.name(), role.prefix());
        if error.is_timeout() {
            let limit = self.config.timeout;
            return self.error_of(
                JudgeErrorKind::Timeout,
                format!(
                    "{who} did not answer within {limit:?}\n\
                     hint: raise `timeout` under `[judge]` in llmtest.toml (or LLMTEST_JUDGE_TIMEOUT), or lower `max-in-flight` (or LLMTEST_MAX_IN_FLIGHT) for a slow server"
                ),
            );
        }
        let (connecting, sent) = (error.is_connect(), error.is_request());
        let cause = root_cause(&error.without_url());
        if !connecting && !sent {
            return self.error_of(
                JudgeErrorKind::BadResponse,
                format!("the answer of {who} broke off: {cause}\nhint: look into the server's log; it may have run out of memory"),
            );
        }
        let hint = if self.config.is_local() {
            format!(
                "start the server, such as `llama-server -m MODEL.gguf --port 8089`, or set `{prefix}_BASE_URL` to one that runs"
            )
        } else {
            format!(
                "check `base-url` under `[{table}]` in llmtest.toml (or {prefix}_BASE_URL) and the network"
            )
        };
        self.error_of(
            JudgeErrorKind::Unreachable,
            format!("cannot reach {who}: {cause}\nhint: {hint}\nhint: or replay recordings: `LLMTEST_MODE=replay cargo test`"),
        )
    }

    /// The server answered with an error status.
    pub(super) fn status(
        &self,
        status: u16,
        said: &str,
        retry_after: Option<Duration>,
    ) -> JudgeError {
        let (url, model, variable) = (self.url(), &self.config.model, &self.config.api_key_env);
        let role = self.config.role;
        let (table, prefix) = (role.name(), role.prefix());
        let said = self.redactor.scrub_error(said);
        let hint = match status {
            400 if said.contains("API key not valid") => format!("the key was taken from `{variable}`: put a valid one there"),
            429 if said.contains("insufficient_quota") => "the account has no credit left: look at its plan and billing".to_string(),
            400 | 413 | 422 if is_too_long(&said) => {
                "the text does not fit into the model's context: take shorter texts, or use a model or a server with a longer context".to_string()
            }
            401 | 403 if said.contains("access to the model") => "the account may not use this model: ask for access to it in the provider's console, and in this region".to_string(),
            401 | 403 if self.config.api_key.is_none() && self.config.aws.keys.is_some() && self.config.provider.api == Api::Converse => {
                let clock = if said.contains("Signature") { ", and this machine's clock" } else { "" };
                format!("the keys in `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`, or those of the profile, signed the request: look at them{clock}")
            }
            401 | 403 if self.config.api_key.is_some() => format!("the key was taken from `{variable}`: put a valid one there"),
            401 | 403 => format!("no key was sent, for `{variable}` is not set: set it, or name another variable with `api-key-env` under `[{table}]`"),
            404 if self.config.provider.api != Api::Chat => format!(
                "set `model` (now `{model}`) under `[{table}]` in llmtest.toml or {prefix}_MODEL to one that `{}` has, or correct `base-url`",
                self.config.provider.name
            ),
            404 => format!(
                "set `model` (now `{model}`) under `[{table}]` in llmtest.toml or {prefix}_MODEL, or `base-url`, which mostly ends in `/v1`; \
                 `curl {url}/models` lists what the server has"
            ),
            300..400 => "the server sends elsewhere: set `base-url` to the final address".to_string(),
            429 => "lower `max-in-flight` under `[judge]` in llmtest.toml (or LLMTEST_MAX_IN_FLIGHT), or look at the limits and the credit of the account".to_string(),
            408 | 500.. => "the server has a problem of its own: look into its log or its status page, then run again".to_string(),
            _ if self.config.provider.api != Api::Chat => format!("`{}` does not take the request for `{model}`: look at what it says above", self.config.provider.name),
            _ => format!("the server does not take the request for `{model}`: it may not be OpenAI-compatible in this respect"),
        };
        let reason = reqwest::StatusCode::from_u16(status)
            .ok()
            .and_then(|status| status.canonical_reason())
            .unwrap_or_default();
        let text = format!(
            "{} answered {status} {reason}: {said}\nhint: {hint}",
            self.who()
        );
        // An account without credit has none a moment later.
        let kind = if status == 429 && said.contains("insufficient_quota") {
            JudgeErrorKind::Config
        } else {
            JudgeErrorKind::Status(status)
        };
        self.error_of(kind, text).retry_in(retry_after)
    }

    /// The answer does not end.
    pub(super) fn endless(&self, most: usize) -> JudgeError {
        let text = format!(
            "the answer of {} is longer than {} MiB, and was not read to its end\nhint: look whether `base-url` is that of the server",
            self.who(),
            most >> 20
        );
        self.error_of(JudgeErrorKind::BadResponse, text)
    }

    /// Status 200, and yet an error without a status of its own.
    pub(super) fn error(&self, said: &str) -> JudgeError {
        let text = format!(
            "{} answered 200 with an error: {said}\nhint: look into the server's log",
            self.who()
        );
        self.error_of(JudgeErrorKind::BadResponse, text)
    }

    /// Status 200 with something that is not what was asked for.
    pub(super) fn unreadable(&self, why: &str) -> JudgeError {
        let role = self.config.role;
        let (table, prefix) = (role.name(), role.prefix());
        let what = match role {
            Role::Judge => "a chat completion",
            Role::Embedder => "embeddings",
        };
        let of_whom = if self.config.provider.api == Api::Chat {
            "an OpenAI-compatible API and mostly ends in `/v1`".to_string()
        } else {
            format!("`{}`", self.config.provider.name)
        };
        let text = format!(
            "{} did not answer with {what}: {why}\n\
             hint: `base-url` under `[{table}]` in llmtest.toml (or {prefix}_BASE_URL) must be that of {of_whom}",
            self.who()
        );
        self.error_of(JudgeErrorKind::BadResponse, text)
    }

    /// The model does not want to answer.
    pub(super) fn refused(&self, prompt: &Prompt, said: &str) -> JudgeError {
        let text = format!(
            "the judge `{}` refuses to answer `{}`: {}\nhint: look at what is judged, or use another model",
            self.config.model,
            prompt.purpose,
            shortened(said, 500)
        );
        self.error_of(JudgeErrorKind::BadReply, text)
    }

    /// The reply is longer than it may be.
    pub(super) fn cut_off(&self, prompt: &Prompt, word: &str, said: &str) -> JudgeError {
        let text = format!(
            "the reply of the judge `{}` to `{}` was cut off after {} tokens (finish_reason `{}`)\nit wrote: {}\n\
             hint: use a model that keeps to the point, or one that does not spend its tokens on thinking; a metric of your own can raise `max_tokens` of its prompt",
            self.config.model,
            prompt.purpose,
            prompt.max_tokens,
            shortened(word, 80),
            shortened(said, 300)
        );
        self.error_of(JudgeErrorKind::BadReply, text)
    }
}

/// Whether a refusal is about the length of the prompt.
pub(super) fn is_too_long(said: &str) -> bool {
    let said = said.to_lowercase();
    [
        "context_length_exceeded",
        "exceed_context_size",
        "context length",
        "context size",
        "context window",
        "prompt is too long",
        "input tokens exceeded",
        "too many tokens:",
    ]
    .iter()
    .any(|words| said.contains(words))
}

/// The innermost error says what happened; the others say where.
fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    shortened(&cause.to_string(), 200)
}
