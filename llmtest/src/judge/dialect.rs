//! What a server takes: known only by asking it.

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
    Object,
    Text,
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
    /// The next simpler dialect, where a server's refusal is about something that this prompt makes use of.
    pub(super) fn without_what(self, refusal: &str, prompt: &Prompt) -> Option<Self> {
        let said = refusal.to_lowercase();
        let about = |words: &[&str]| words.iter().any(|word| said.contains(word));
        let mut next = self;
        if prompt.graded.is_some()
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
            ])
        {
            next.format = if self.format == Format::Schema {
                Format::Object
            } else {
                Format::Text
            };
        } else if !self.no_temperature && about(&["temperature"]) {
            next.no_temperature = true;
        } else if !self.no_seed && about(&["seed"]) {
            next.no_seed = true;
        } else if self.limit != Limit::None && about(&["max_tokens", "max_completion_tokens"]) {
            next.limit = if self.limit == Limit::MaxTokens {
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

    /// What the report should say about a reply that was obtained this way.
    pub(super) fn notes(self, prompt: &Prompt) -> Vec<String> {
        let mut notes = Vec::new();
        if prompt.schema.is_some() {
            match self.format {
                Format::Schema => {}
                Format::Object => notes.push("the server refuses JSON schemas; the reply was read as plain JSON"),
                Format::Text => notes.push("the server refuses JSON schemas and JSON mode; the reply was read as text with JSON in it"),
            }
        }
        if prompt.graded.is_some() {
            match self.logprobs {
                Logprobs::Twenty => {}
                Logprobs::Five => notes.push("the server gives 5 alternatives a token, not 20"),
                Logprobs::None => notes.push("the server refuses log-probabilities"),
            }
        }
        if self.no_temperature {
            notes.push(
                "the server refuses `temperature`; the judge may answer differently each time",
            );
        }
        if self.no_seed {
            notes.push("the server refuses `seed`; the judge may answer differently each time");
        }
        if self.limit == Limit::None {
            notes.push("the server refuses a limit of tokens");
        }
        notes.into_iter().map(str::to_string).collect()
    }
}
