//! The configured embedder: recorded, retried and limited, like a judge.

use super::limit::{Gate, Need};
use super::retry::{Call, Manners, retrying};
use crate::config::JudgeConfig;
use crate::cost::Till;
use crate::recording::Recordings;
use crate::redact::Redactor;
use llmtest_metrics::{AnyEmbedder, Embedder, JudgeError, JudgeErrorKind, Result};
use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

/// Embeds what is not recorded, at the server that is made at the first such text.
pub(super) struct Configured {
    config: JudgeConfig,
    redactor: Arc<Redactor>,
    recordings: Arc<Recordings>,
    gate: Arc<Gate>,
    till: Arc<Till>,
    provider: OnceLock<Result<AnyEmbedder, JudgeError>>,
}

impl Configured {
    pub(super) fn new(
        config: JudgeConfig,
        redactor: Arc<Redactor>,
        recordings: Arc<Recordings>,
        gate: Arc<Gate>,
        till: Arc<Till>,
    ) -> Self {
        Self {
            config,
            redactor,
            recordings,
            gate,
            till,
            provider: OnceLock::new(),
        }
    }

    /// As few requests as the provider takes, each tried again where that may help.
    async fn live(&self, texts: &[String]) -> Result<Vec<Vec<f32>>> {
        let make = || provider(&self.config, &self.redactor, &self.till);
        let provider = self.provider.get_or_init(make);
        let provider = provider.as_ref().map_err(Clone::clone)?;
        let mut vectors = Vec::with_capacity(texts.len());
        for texts in texts.chunks(most_texts(&self.config)) {
            let call = Call {
                gate: &self.gate,
                manners: Manners::of(&self.config),
                need: Need {
                    characters: texts.iter().map(|text| text.chars().count()).sum(),
                    reply: 0,
                },
            };
            let seed = || texts.join("\n");
            vectors.extend(retrying(&call, seed, |_| None, || provider.embed(texts)).await?);
        }
        // As a recording holds them, so that both give equal scores.
        for number in vectors.iter_mut().flatten() {
            *number = Recordings::rounded(*number);
        }
        Ok(vectors)
    }

    /// The vectors that are recorded; an error where one is not and may not be asked for.
    fn recorded(&self, texts: &[String]) -> Result<Vec<Option<Vec<f32>>>, JudgeError> {
        let recorded = |text: &String| self.recordings.vector(&self.config.model, text);
        texts.iter().map(recorded).collect()
    }
}

impl Embedder for Configured {
    fn model(&self) -> &str {
        &self.config.model
    }

    async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>> {
        if !self.recordings.keeps() {
            return self.live(texts).await;
        }
        if let Some(all) = self.recorded(texts)?.into_iter().collect() {
            return Ok(all);
        }
        // Whoever comes second finds what the first has recorded. The turns are taken in one order by all.
        let unique: BTreeSet<&String> = texts.iter().collect();
        let mut turns = Vec::with_capacity(unique.len());
        for text in &unique {
            let turn = self.recordings.vector_turn(&self.config.model, text);
            turns.push(turn.lock_owned().await);
        }
        let unique: Vec<String> = unique.into_iter().cloned().collect();
        let known = self.recorded(&unique)?;
        let open: Vec<String> = unique
            .into_iter()
            .zip(known)
            .filter_map(|(text, vector)| vector.is_none().then_some(text))
            .collect();
        if !open.is_empty() {
            let vectors = self.live(&open).await?;
            for (text, vector) in open.iter().zip(vectors) {
                self.recordings
                    .keep_vector(&self.config.model, text, vector)
                    .map_err(|error| format!("the embedding could not be recorded: {error}\nhint: `LLMTEST_MODE=live` records nothing"))?;
            }
        }
        let all: Option<Vec<_>> = self.recorded(texts)?.into_iter().collect();
        all.ok_or_else(|| "an embedding is not where it was recorded".into())
    }
}

/// How many texts one request may hold: each request has a place of its own, and its own attempts.
fn most_texts(config: &JudgeConfig) -> usize {
    #[cfg(feature = "http")]
    return super::request::most_texts(config);
    #[cfg(not(feature = "http"))]
    {
        let _ = config;
        usize::MAX
    }
}

/// The server behind `base-url`.
#[cfg(feature = "http")]
fn provider(
    config: &JudgeConfig,
    redactor: &Arc<Redactor>,
    till: &Arc<Till>,
) -> Result<AnyEmbedder, JudgeError> {
    if let Some(error) = super::no_address(config) {
        return Err(error);
    }
    if config.provider.embedder.is_none() {
        return Err(JudgeError::new(
            JudgeErrorKind::Config,
            format!(
                "`{}` has no embeddings, and this text is not recorded\n\
                 hint: name a model of another provider under `[embedder]`, such as `model = \"openai:text-embedding-3-small\"`",
                config.provider.name
            ),
        ));
    }
    if !config.lacks_key() {
        return super::embeddings::Embeddings::new(config, redactor.clone(), till.clone())
            .map(AnyEmbedder::from);
    }
    let variable = &config.api_key_env;
    let also = super::also_keys(config);
    Err(JudgeError::new(
        JudgeErrorKind::Config,
        format!(
            "no embedder is configured: `{variable}` is not set, and this text is not recorded\n\
             hint: set `{variable}` to a key of {}{also}\n\
             hint: or use a server on your machine: `LLMTEST_EMBEDDER_BASE_URL=http://127.0.0.1:8090/v1 cargo test`\n\
             hint: or replay recordings that someone has committed: `LLMTEST_MODE=replay cargo test`",
            config.shown_url()
        ),
    ))
}

#[cfg(not(feature = "http"))]
fn provider(
    _config: &JudgeConfig,
    _redactor: &Arc<Redactor>,
    _till: &Arc<Till>,
) -> Result<AnyEmbedder, JudgeError> {
    Err(JudgeError::new(
        JudgeErrorKind::Config,
        "embedders over HTTP are switched off in this build\n\
         hint: enable the feature `http` of `llmtest`, or pass an embedder with `.embedder(…)`",
    ))
}
