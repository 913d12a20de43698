//! What a server takes: some of it is known of its provider and its model, the rest only by asking it.

use crate::config::{Api, JudgeConfig};
use llmtest_metrics::Prompt;

/// The dialect to speak. Every field goes from what we want to what every server takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Dialect {
    pub(super) format: Format,
    pub(super) logprobs: Logprobs,
    pub(super) limit: Limit,
    pub(super) no_temperature: bool,
    pub(super) no_seed: bool,
}

/// How the form of the reply is enforced.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Format {
    #[default]
    Schema,
    /// The arguments of a tool that the model has to call.
    Tool,
    Object,
    Text,
}

impl Format {
    /// The next simpler one that the API knows.
    fn next(self, api: Api) -> Self {
        match (self, api) {
            (Self::Schema, Api::Messages | Api::Converse) => Self::Tool,
            (Self::Schema, _) => Self::Object,
            _ => Self::Text,
        }
    }
}

/// How many alternatives of a token are asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Logprobs {
    #[default]
    Twenty,
    Five,
    None,
}

/// What the limit of tokens is called.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Limit {
    #[default]
    MaxTokens,
    MaxCompletionTokens,
    None,
}

impl Dialect {
    /// What is known without asking.
    pub(super) fn known(config: &JudgeConfig) -> Self {
        let (api, name, model) = (
            config.provider.api,
            config.provider.name,
            config.model.as_str(),
        );
        let openai = matches!(api, Api::Azure | Api::Responses) || name == "openai";
        let thinks = openai && is_reasoning(model);
        let without_logprobs =
            thinks || matches!(api, Api::Messages | Api::Cohere | Api::Converse) || name == "groq";
        Self {
            format: match api {
                _ if name == "deepseek" => Format::Object,
                Api::Converse => Format::Tool,
                _ => Format::Schema,
            },
            logprobs: if without_logprobs {
                Logprobs::None
            } else {
                Logprobs::Twenty
            },
            limit: if thinks && api != Api::Responses {
                Limit::MaxCompletionTokens
            } else {
                Limit::MaxTokens
            },
            no_temperature: thinks,
            no_seed: matches!(api, Api::Messages | Api::Responses | Api::Converse),
        }
    }

    /// How many alternatives of a token to ask for.
    pub(super) fn alternatives(self, prompt: &Prompt) -> Option<u32> {
        if !prompt.wants_logprobs() {
            return None;
        }
        match self.logprobs {
            Logprobs::Twenty => Some(20),
            Logprobs::Five => Some(5),
            Logprobs::None => None,
        }
    }

    /// The next simpler dialect, where a server's refusal is about something that this prompt makes use of.
    pub(super) fn without_what(self, refusal: &str, prompt: &Prompt, api: Api) -> Option<Self> {
        let said = refusal.to_lowercase();
        let about = |words: &[&str]| words.iter().any(|word| said.contains(word));
        let mut next = self;
        if prompt.wants_logprobs()
            && self.logprobs != Logprobs::None
            && about(&["logprob", "log prob"])
        {
            next.logprobs = if self.logprobs == Logprobs::Twenty {
                Logprobs::Five
            } else {
                Logprobs::None
            };
        } else if prompt.schema.is_some()
            && self.format != Format::Text
            && about(&[
                "response_format",
                "response format",
                "schema",
                "json_object",
                "grammar",
                "structured output",
                "responseschema",
                "responsemimetype",
                "output_config",
                "output_format",
                "tool_choice",
                "toolchoice",
                "toolconfig",
                "tool use",
                "tools",
            ])
        {
            next.format = self.format.next(api);
        } else if !self.no_temperature && about(&["temperature"]) {
            next.no_temperature = true;
        } else if !self.no_seed && about(&["seed"]) {
            next.no_seed = true;
        } else if self.limit != Limit::None
            && about(&[
                "max_tokens",
                "max_completion_tokens",
                "max_output_tokens",
                "maxtokens",
            ])
        {
            let has_two = matches!(api, Api::Chat | Api::Azure);
            next.limit = if self.limit == Limit::MaxTokens && has_two {
                Limit::MaxCompletionTokens
            } else {
                Limit::None
            };
        }
        (next != self).then_some(next)
    }

    /// Whether a refusal is about this one schema, and others may be taken.
    pub(super) fn is_about_one_schema(refusal: &str) -> bool {
        let said = refusal.to_lowercase();
        said.contains("schema")
            && ["invalid", "failed to parse", "must", "not permitted in"]
                .iter()
                .any(|word| said.contains(word))
            && !said.contains("support")
    }

    /// The simpler of both in every respect.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            format: self.format.max(other.format),
            logprobs: self.logprobs.max(other.logprobs),
            limit: self.limit.max(other.limit),
            no_temperature: self.no_temperature || other.no_temperature,
            no_seed: self.no_seed || other.no_seed,
        }
    }

    /// What the report should say about a reply that was obtained this way; what is `known` was not even asked for.
    pub(super) fn notes(self, known: Self, prompt: &Prompt) -> Vec<String> {
        let refuses = |known: bool, what: &str| {
            if known {
                format!("the model has no {what}")
            } else {
                format!("the server refuses {what}")
            }
        };
        let mut notes = Vec::new();
        if prompt.schema.is_some() {
            let known = self.format == known.format;
            match self.format {
                Format::Schema => {}
                Format::Tool if known => {}
                Format::Tool => notes.push(refuses(
                    known,
                    "JSON schemas; the reply was taken from a forced tool",
                )),
                Format::Object => notes.push(refuses(
                    known,
                    "JSON schemas; the reply was read as plain JSON",
                )),
                Format::Text => notes.push(refuses(
                    known,
                    "JSON schemas and JSON mode; the reply was read as text with JSON in it",
                )),
            }
        }
        if prompt.wants_logprobs() {
            match self.logprobs {
                Logprobs::Twenty => {}
                Logprobs::Five => {
                    notes.push("the server gives 5 alternatives a token, not 20".to_string());
                }
                Logprobs::None => notes.push(refuses(
                    self.logprobs == known.logprobs,
                    "log-probabilities",
                )),
            }
        }
        for (missing, known, name) in [
            (self.no_temperature, known.no_temperature, "temperature"),
            (self.no_seed, known.no_seed, "seed"),
        ] {
            if missing {
                let what = format!("`{name}`; the judge may answer differently each time");
                notes.push(refuses(known, &what));
            }
        }
        if self.limit == Limit::None {
            notes.push("the server refuses a limit of tokens".to_string());
        }
        notes
    }
}

/// Whether a model of OpenAI always thinks first, which excludes a temperature and log-probabilities.
fn is_reasoning(model: &str) -> bool {
    let name = model.rsplit('/').next().unwrap_or(model);
    let series = ["o1", "o3", "o4"];
    series
        .iter()
        .any(|series| name == *series || name.starts_with(&format!("{series}-")))
        || name == "gpt-5"
        || (name.starts_with("gpt-5-") && !name.starts_with("gpt-5-chat"))
}
