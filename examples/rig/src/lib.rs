//! A clerk who writes a notice, and has it translated into two languages at once.
//!
//! Nothing in here is for tests.

use rig_core::ProviderError;
use rig_core::completion::CompletionRequest;
use rig_core::providers::openai::{OpenAI, OpenAIConfig};

/// The clerk's connection to an OpenAI-compatible server.
pub struct Clerk {
    client: OpenAI,
    model: String,
}

/// A notice in three languages.
#[derive(Debug)]
pub struct Notice {
    pub english: String,
    pub german: String,
    pub french: String,
}

impl Clerk {
    /// A clerk on the server at `base_url`, such as `http://127.0.0.1:8089/v1`.
    pub fn new(base_url: &str, key: &str, model: &str) -> Self {
        Self {
            client: OpenAIConfig::new(key).with_base_url(base_url).client(),
            model: model.to_string(),
        }
    }

    /// Writes a notice about this.
    pub async fn notice(&self, about: &str) -> Result<Notice, ProviderError> {
        let english = self
            .ask(
                "You write notices for a shop's door. Write one short sentence.",
                about,
            )
            .await?;
        let (german, french) = tokio::try_join!(
            self.ask(
                "Translate into German. Write the translation alone.",
                &english
            ),
            self.ask(
                "Translate into French. Write the translation alone.",
                &english
            ),
        )?;
        Ok(Notice {
            english,
            german,
            french,
        })
    }

    async fn ask(&self, system: &str, text: &str) -> Result<String, ProviderError> {
        let request = CompletionRequest::new(text)
            .preamble(system)
            .temperature(0.0)
            .max_tokens(60);
        let response = self.client.chat(&self.model).call(request).await?;
        Ok(response.text())
    }
}
