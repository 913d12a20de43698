//! A judge behind a server, of any provider.

use super::dialect::{Dialect, Format};
use super::http::{Answer, client, post, spawned};
use super::reading::{self, Outcome};
use super::request::{self, Request};
use super::trouble::{Trouble, is_too_long};
use crate::config::JudgeConfig;
use crate::redact::Redactor;
use llmtest_metrics::{Judge, JudgeError, JudgeErrorKind, Prompt, Reply, Result, hash};
use reqwest::Client;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A server that is asked in its own format.
pub(super) struct Remote {
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

impl Remote {
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

impl Judge for Remote {
    fn model(&self) -> &str {
        &self.server.trouble.config.model
    }

    async fn complete(&self, prompt: &Prompt) -> Result<Reply> {
        let (server, prompt) = (self.server.clone(), prompt.clone());
        spawned(async move { server.ask(&prompt).await }).await
    }
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
                Ok(reply) => return Ok(self.noted(reply, prompt, dialect)),
                Err(failure) => failure,
            };
            let Some(refusal) = failure.refusal else {
                return Err(failure.error);
            };
            let Some(simpler) =
                dialect.without_what(&refusal, prompt, self.trouble.config.provider.api)
            else {
                return Err(failure.error);
            };
            self.learn(prompt, dialect, simpler, &refusal);
            dialect = simpler;
        }
    }

    async fn send(&self, prompt: &Prompt, dialect: Dialect) -> Result<Reply, Failure> {
        let trouble = &self.trouble;
        if let Some(why) = request::images::unfit(&trouble.config, prompt) {
            return Err(JudgeError::new(JudgeErrorKind::Config, why).into());
        }
        let Request {
            url,
            body,
            wire,
            tool,
        } = request::of_prompt(&trouble.config, prompt, dialect);
        let Answer {
            status,
            text,
            wait,
            kind,
        } = post(&self.client, trouble, &url, &body).await?;
        if !(200..300).contains(&status) {
            if let Some(said) = reading::filtered(&text) {
                return Err(trouble.refused(prompt, &said).into());
            }
            let said = reading::error_text(&text);
            let (status, said) = reading::typed(status, said, kind.as_deref());
            let images = request::images::of(prompt).count();
            let lower = said.to_lowercase();
            let about_images = ["image", "vision", "multimodal"]
                .iter()
                .any(|word| lower.contains(word));
            let shown = if images > 0 && about_images {
                format!("{said} (its prompt shows images ({images}), which not every model takes)")
            } else {
                said.clone()
            };
            let error = trouble.status(status, &shown, wait);
            let about_us = matches!(status, 400 | 422) && !is_too_long(&said);
            return Err(Failure {
                error,
                refusal: about_us.then_some(said),
            });
        }
        match reading::read(wire, &text).outcome(tool.as_deref()) {
            Outcome::Reply(reply) => Ok(reply),
            Outcome::Refused(said) => Err(trouble.refused(prompt, &said).into()),
            Outcome::CutOff(word, said) => Err(trouble.cut_off(prompt, &word, &said).into()),
            Outcome::Error(Some(status), said) => Err(trouble.status(status, &said, wait).into()),
            Outcome::Error(None, said) => Err(trouble.error(&said).into()),
            Outcome::Unreadable(why) => Err(trouble.unreadable(&why).into()),
        }
    }

    fn dialect(&self, prompt: &Prompt) -> Dialect {
        let learned = self.learned();
        let refused = schema_key(prompt).and_then(|key| learned.schemas.get(&key).copied());
        let known = Dialect::known(&self.trouble.config);
        known.and(learned.dialect).and(Dialect {
            format: refused.unwrap_or_default(),
            ..Dialect::default()
        })
    }

    fn noted(&self, mut reply: Reply, prompt: &Prompt, dialect: Dialect) -> Reply {
        // The others' numbers may be of any currency.
        reply.cost = reply
            .cost
            .filter(|_| self.trouble.config.provider.name == "openrouter");
        reply.notes = dialect.notes(Dialect::known(&self.trouble.config), prompt);
        let missing = reply.logprobs.as_ref().is_none_or(Vec::is_empty);
        let said = reply.notes.iter().any(|note| note.contains("log-prob"));
        if prompt.wants_logprobs() && missing && !said {
            let note = "the server gives no log-probabilities".to_string();
            reply.notes.push(note);
        }
        reply
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

#[cfg(all(test, feature = "bedrock"))]
mod bedrock;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod images;
#[cfg(test)]
mod providers;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;
