//! Any OpenAI-compatible server.

use super::dialect::{Dialect, Format};
use super::http_date;
use super::trouble::{Trouble, is_too_long};
use super::wire::{self, Outcome};
use crate::config::JudgeConfig;
use crate::redact::Redactor;
use crate::runtime;
use llmtest_metrics::{Judge, JudgeError, JudgeErrorKind, Prompt, Reply, Result, hash};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Client, redirect};
use rustls_platform_verifier::BuilderVerifierExt;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::task::JoinHandle;

/// A chat completions endpoint.
pub(super) struct OpenAi {
    server: Arc<Server>,
}

struct Server {
    client: Client,
    trouble: Trouble,
    learned: Mutex<Learned>,
}

/// What the server has refused so far in the life of this process.
#[derive(Default)]
struct Learned {
    dialect: Dialect,
    /// Schemas that were refused for themselves.
    schemas: HashMap<String, Format>,
}

impl OpenAi {
    pub(super) fn new(config: &JudgeConfig, redactor: Arc<Redactor>) -> Result<Self, JudgeError> {
        let client = client(config)?;
        let trouble = Trouble {
            config: config.clone(),
            redactor,
        };
        Ok(Self {
            server: Arc::new(Server {
                client,
                trouble,
                learned: Mutex::default(),
            }),
        })
    }
}

impl Judge for OpenAi {
    fn model(&self) -> &str {
        &self.server.trouble.config.model
    }

    async fn complete(&self, prompt: &Prompt) -> Result<Reply> {
        let (server, prompt) = (self.server.clone(), prompt.clone());
        // Connections belong to the runtime that opened them, so all of them live on ours.
        let mut call = Call(runtime::handle().spawn(async move { server.ask(&prompt).await }));
        Ok((&mut call.0).await??)
    }
}

/// A call that ends when nobody waits for it any more.
struct Call(JoinHandle<Result<Reply, JudgeError>>);

impl Drop for Call {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn client(config: &JudgeConfig) -> Result<Client, JudgeError> {
    let broken = |error: String| {
        JudgeError::new(
            JudgeErrorKind::Config,
            format!("cannot set up HTTP for the judge: {error}"),
        )
    };
    let mut headers = HeaderMap::new();
    if let Some(key) = &config.api_key {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", key.expose()))
            .map_err(|_| broken(format!("the key in `{}` has characters that no header can hold\nhint: set it anew, without line breaks", config.api_key_env)))?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    let mut builder = Client::builder()
        .default_headers(headers)
        .timeout(config.timeout)
        .connect_timeout(config.timeout.min(Duration::from_secs(10)))
        .redirect(redirect::Policy::none())
        .tls_backend_preconfigured(tls(config).map_err(|error| broken(error.to_string()))?);
    if config.is_local() {
        builder = builder.no_proxy();
    }
    builder
        .build()
        .map_err(|error| broken(error.without_url().to_string()))
}

/// The process's default provider is left to the application.
fn tls(config: &JudgeConfig) -> Result<rustls::ClientConfig, rustls::Error> {
    let builder = rustls::ClientConfig::builder_with_provider(Arc::new(
        rustls::crypto::ring::default_provider(),
    ))
    .with_safe_default_protocol_versions()?;
    // Reading the system's certificates takes a while and fails in bare containers.
    Ok(if config.base_url.starts_with("https:") {
        builder.with_platform_verifier()?.with_no_client_auth()
    } else {
        builder
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth()
    })
}

/// How one request failed.
struct Failure {
    error: JudgeError,
    /// What the server said, where it may be about what we asked for.
    refusal: Option<String>,
}

impl From<JudgeError> for Failure {
    fn from(error: JudgeError) -> Self {
        Self {
            error,
            refusal: None,
        }
    }
}

impl Server {
    /// Asks, and asks more simply for as long as the server refuses a part of the request.
    async fn ask(&self, prompt: &Prompt) -> Result<Reply, JudgeError> {
        let mut dialect = self.dialect(prompt);
        loop {
            let failure = match self.send(prompt, dialect).await {
                Ok(reply) => return Ok(noted(reply, prompt, dialect)),
                Err(failure) => failure,
            };
            let Some(refusal) = failure.refusal else {
                return Err(failure.error);
            };
            let Some(simpler) = dialect.without_what(&refusal, prompt) else {
                return Err(failure.error);
            };
            self.learn(prompt, dialect, simpler, &refusal);
            dialect = simpler;
        }
    }

    async fn send(&self, prompt: &Prompt, dialect: Dialect) -> Result<Reply, Failure> {
        let (config, trouble) = (&self.trouble.config, &self.trouble);
        let body = wire::body(prompt, &config.model, config.seed, dialect);
        let request = self
            .client
            .post(format!("{}/chat/completions", config.base_url))
            .json(&body);
        let response = request
            .send()
            .await
            .map_err(|error| trouble.transport(error))?;
        let status = response.status();
        let wait = retry_after(response.headers(), SystemTime::now());
        let bytes = response
            .bytes()
            .await
            .map_err(|error| trouble.transport(error))?;
        let text = String::from_utf8_lossy(&bytes);
        if !status.is_success() {
            let said = wire::error_text(&text);
            let error = trouble.status(status.as_u16(), &said, wait);
            let about_us = matches!(status.as_u16(), 400 | 422) && !is_too_long(&said);
            return Err(Failure {
                error,
                refusal: about_us.then_some(said),
            });
        }
        match wire::read(&text) {
            Outcome::Reply(reply) => Ok(reply),
            Outcome::Refused(said) => Err(trouble.refused(prompt, &said).into()),
            Outcome::CutOff(said) => Err(trouble.cut_off(prompt, &said).into()),
            Outcome::Error(Some(status), said) => Err(trouble.status(status, &said, wait).into()),
            Outcome::Error(None, said) => Err(trouble.error(&said).into()),
            Outcome::Unreadable(why) => Err(trouble.unreadable(&why).into()),
        }
    }

    fn dialect(&self, prompt: &Prompt) -> Dialect {
        let learned = self.learned();
        let refused = schema_key(prompt).and_then(|key| learned.schemas.get(&key).copied());
        learned.dialect.and(Dialect {
            format: refused.unwrap_or_default(),
            ..Dialect::default()
        })
    }

    fn learn(&self, prompt: &Prompt, before: Dialect, after: Dialect, refusal: &str) {
        let mut learned = self.learned();
        match schema_key(prompt) {
            Some(key) if after.format != before.format && Dialect::is_about_one_schema(refusal) => {
                learned.schemas.insert(key, after.format);
            }
            // Only what this refusal was about.
            _ => {
                let format = if after.format == before.format {
                    Format::default()
                } else {
                    after.format
                };
                learned.dialect = learned.dialect.and(Dialect { format, ..after });
            }
        }
    }

    fn learned(&self) -> MutexGuard<'_, Learned> {
        self.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn schema_key(prompt: &Prompt) -> Option<String> {
    prompt
        .schema
        .as_ref()
        .map(|schema| hash::short(schema.schema.to_string().as_bytes()))
}

fn noted(mut reply: Reply, prompt: &Prompt, dialect: Dialect) -> Reply {
    reply.notes = dialect.notes(prompt);
    if prompt.graded.is_some()
        && reply.logprobs.as_ref().is_none_or(Vec::is_empty)
        && reply.notes.iter().all(|note| !note.contains("log-prob"))
    {
        reply
            .notes
            .push("the server gives no log-probabilities".to_string());
    }
    reply
}

/// `retry-after-ms`, or `retry-after` in seconds or as a date.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let number = |text: &str, unit: f64| {
        text.parse::<f64>()
            .ok()
            .and_then(|number| Duration::try_from_secs_f64(number * unit).ok())
    };
    if let Some(wait) = text("retry-after-ms").and_then(|ms| number(ms, 0.001)) {
        return Some(wait);
    }
    let value = text("retry-after")?;
    number(value, 1.0).or_else(|| {
        let then = u64::try_from(http_date::unix_seconds(value)?).ok()?;
        let now = now.duration_since(UNIX_EPOCH).ok()?;
        Some(Duration::from_secs(then).saturating_sub(now))
    })
}

#[cfg(test)]
mod tests;
