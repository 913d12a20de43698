//! The providers of judges and embedders: what a model's prefix stands for.

use super::{ConfigError, backticked};
use crate::text::nearest;

/// How a server is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Api {
    /// OpenAI's chat completions.
    Chat,
    /// OpenAI's responses.
    Responses,
    /// Chat completions of a deployment on Azure.
    Azure,
    /// Anthropic's messages.
    Messages,
    /// Gemini's `generateContent`.
    Gemini,
    /// Ollama's own chat.
    Ollama,
    /// Cohere's chat, version 2.
    Cohere,
    /// Bedrock's converse.
    Converse,
}

/// A provider, by its prefix in `model`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Provider {
    pub(crate) name: &'static str,
    pub(crate) api: Api,
    /// Where it is; empty where every customer has an address of their own.
    pub(crate) url: &'static str,
    /// The variable in which its key usually is.
    pub(crate) key: &'static str,
    /// The embedding model to use when none is named; `None` for a provider without embeddings.
    pub(crate) embedder: Option<&'static str>,
}

/// The embedding model where there is no other.
const EMBEDDER: &str = "text-embedding-3-small";

const fn provider(
    name: &'static str,
    api: Api,
    url: &'static str,
    key: &'static str,
    embedder: Option<&'static str>,
) -> Provider {
    Provider {
        name,
        api,
        url,
        key,
        embedder,
    }
}

/// All of them; the first is meant where a model has no prefix.
pub(crate) static PROVIDERS: [Provider; 15] = [
    provider(
        "openai",
        Api::Chat,
        "https://api.openai.com/v1",
        "OPENAI_API_KEY",
        Some(EMBEDDER),
    ),
    provider(
        "openai-responses",
        Api::Responses,
        "https://api.openai.com/v1",
        "OPENAI_API_KEY",
        Some(EMBEDDER),
    ),
    provider(
        "azure",
        Api::Azure,
        "",
        "AZURE_OPENAI_API_KEY",
        Some(EMBEDDER),
    ),
    provider(
        "anthropic",
        Api::Messages,
        "https://api.anthropic.com/v1",
        "ANTHROPIC_API_KEY",
        None,
    ),
    provider(
        "gemini",
        Api::Gemini,
        "https://generativelanguage.googleapis.com/v1beta",
        "GEMINI_API_KEY",
        Some("gemini-embedding-001"),
    ),
    provider(
        "ollama",
        Api::Ollama,
        "http://127.0.0.1:11434",
        "OLLAMA_API_KEY",
        Some("nomic-embed-text"),
    ),
    provider(
        "vllm",
        Api::Chat,
        "http://127.0.0.1:8000/v1",
        "VLLM_API_KEY",
        Some(EMBEDDER),
    ),
    provider(
        "llamacpp",
        Api::Chat,
        "http://127.0.0.1:8080/v1",
        "LLAMA_API_KEY",
        Some(EMBEDDER),
    ),
    provider(
        "openrouter",
        Api::Chat,
        "https://openrouter.ai/api/v1",
        "OPENROUTER_API_KEY",
        Some("openai/text-embedding-3-small"),
    ),
    provider(
        "groq",
        Api::Chat,
        "https://api.groq.com/openai/v1",
        "GROQ_API_KEY",
        None,
    ),
    provider(
        "deepseek",
        Api::Chat,
        "https://api.deepseek.com/v1",
        "DEEPSEEK_API_KEY",
        None,
    ),
    provider(
        "mistral",
        Api::Chat,
        "https://api.mistral.ai/v1",
        "MISTRAL_API_KEY",
        Some("mistral-embed"),
    ),
    provider("xai", Api::Chat, "https://api.x.ai/v1", "XAI_API_KEY", None),
    provider(
        "cohere",
        Api::Cohere,
        "https://api.cohere.com/v2",
        "CO_API_KEY",
        Some("embed-v4.0"),
    ),
    provider(
        "bedrock",
        Api::Converse,
        "",
        "AWS_BEARER_TOKEN_BEDROCK",
        Some("amazon.titan-embed-text-v2:0"),
    ),
];

impl Provider {
    /// The one of models without a prefix.
    pub(crate) fn standard() -> &'static Self {
        &PROVIDERS[0]
    }

    /// The provider of this name.
    fn named(name: &str) -> Option<&'static Self> {
        PROVIDERS.iter().find(|provider| provider.name == name)
    }

    /// Provider and model of `anthropic:claude-…`; `None` where there is no prefix that is a provider's.
    pub(crate) fn split(model: &str) -> Option<(&'static Self, &str)> {
        let (prefix, rest) = model.split_once(':')?;
        Some((Self::named(prefix)?, rest.trim())).filter(|(_, rest)| !rest.is_empty())
    }

    /// As [`split`](Self::split), with an error for a prefix that nobody has, unless the server is one's own: there
    /// models have colons in their names (`qwen2.5:7b`, and even `mistral:7b`), as fine-tuned ones have (`ft:gpt-…`).
    pub(crate) fn chosen(
        model: &str,
        has_url: bool,
    ) -> Result<(Option<&'static Self>, String), ConfigError> {
        let plain = || Ok((None, model.to_string()));
        if let Some((provider, rest)) = Self::split(model) {
            if has_url && provider.name == "mistral" && !rest.contains("tral") {
                return plain();
            }
            return Ok((Some(provider), rest.to_string()));
        }
        let Some((prefix, rest)) = model.split_once(':') else {
            return plain();
        };
        if Self::named(prefix).is_some() {
            return Err(ConfigError::new(format!(
                "`{model}` names a provider and no model\nhint: write the model behind the colon"
            )));
        }
        if prefix == "ft" || has_url {
            return plain();
        }
        let names = || PROVIDERS.iter().map(|provider| provider.name);
        let meant = nearest(prefix, names())
            .map(|meant| format!("did you mean `{meant}:{rest}`? "))
            .unwrap_or_default();
        Err(ConfigError::new(format!(
            "no provider is called `{prefix}` (in the model `{model}`)\nhint: {meant}known: {}; \
             for a server of your own set `base-url`, and write the model as the server calls it",
            backticked(names())
        )))
    }

    /// The variables in which people have its key, the usual one first.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &'static str> {
        let other = (self.api == Api::Cohere).then_some("COHERE_API_KEY");
        [self.key].into_iter().chain(other)
    }

    /// Whether its servers want a key, wherever they are.
    #[cfg(any(test, feature = "http"))]
    pub(crate) fn wants_key(&self) -> bool {
        !self.url.starts_with("http://")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_chooses_the_provider() {
        let (provider, model) = Provider::chosen("anthropic:claude-x", false).unwrap();
        assert_eq!(
            (provider.unwrap().api, model.as_str()),
            (Api::Messages, "claude-x")
        );
        let (provider, model) = Provider::chosen("ollama:qwen2.5:7b", false).unwrap();
        assert_eq!(
            (provider.unwrap().name, model.as_str()),
            ("ollama", "qwen2.5:7b")
        );
        assert_eq!(
            Provider::chosen("gpt-4.1", false).unwrap(),
            (None, "gpt-4.1".to_string())
        );
    }

    #[test]
    fn names_with_colons_are_left_to_servers_of_ones_own() {
        for (model, has_url) in [
            ("qwen2.5:7b", true),
            ("mistral:7b", true),
            ("ft:gpt-4.1:me::1", false),
        ] {
            assert_eq!(
                Provider::chosen(model, has_url).unwrap(),
                (None, model.to_string())
            );
        }
        let (provider, _) = Provider::chosen("mistral:mistral-small-latest", true).unwrap();
        assert_eq!(provider.unwrap().name, "mistral");
    }

    #[test]
    fn a_prefix_that_nobody_has_is_an_error_with_what_was_meant() {
        let error = Provider::chosen("antropic:claude-x", false)
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("no provider is called `antropic` (in the model `antropic:claude-x`)\nhint: did you mean `anthropic:claude-x`? known: `openai`"),
            "{error}"
        );
        let error = Provider::chosen("openai:", false).unwrap_err().to_string();
        assert!(
            error.starts_with("`openai:` names a provider and no model\nhint: "),
            "{error}"
        );
    }
}
