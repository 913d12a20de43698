//! The seam to language models: a prompt goes out, a reply comes back.

use crate::{JudgeError, JudgeErrorKind, Result, Usage};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// A language model that judges.
///
/// ```
/// use llmtest_metrics::{Judge, Prompt, Reply, Result};
///
/// struct AlwaysYes;
///
/// impl Judge for AlwaysYes {
///     fn model(&self) -> &str {
///         "always-yes"
///     }
///     async fn complete(&self, _prompt: &Prompt) -> Result<Reply> {
///         Ok(Reply::new(r#"{"reason": "it says so", "answer": "yes"}"#))
///     }
/// }
/// ```
pub trait Judge: Send + Sync {
    /// The model's name; part of the key of its recordings.
    fn model(&self) -> &str;
    /// Answers a prompt. Return a [`JudgeError`] where the cause is known.
    fn complete(&self, prompt: &Prompt) -> impl Future<Output = Result<Reply>> + Send;
}

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

trait DynJudge: Send + Sync {
    fn model(&self) -> &str;
    fn complete<'a>(&'a self, prompt: &'a Prompt) -> BoxFuture<'a, Result<Reply>>;
}

impl<J: Judge> DynJudge for J {
    fn model(&self) -> &str {
        Judge::model(self)
    }

    fn complete<'a>(&'a self, prompt: &'a Prompt) -> BoxFuture<'a, Result<Reply>> {
        Box::pin(Judge::complete(self, prompt))
    }
}

/// Any judge, its type erased; cheap to clone.
#[derive(Clone)]
pub struct AnyJudge(Arc<dyn DynJudge>);

impl AnyJudge {
    /// The model's name.
    pub fn model(&self) -> &str {
        self.0.model()
    }

    /// Answers a prompt.
    pub async fn complete(&self, prompt: &Prompt) -> Result<Reply> {
        self.0.complete(prompt).await
    }
}

impl<J: Judge + 'static> From<J> for AnyJudge {
    fn from(judge: J) -> Self {
        Self(Arc::new(judge))
    }
}

impl std::fmt::Debug for AnyJudge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AnyJudge({})", self.model())
    }
}

/// One message of a prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// `system`, `user` or `assistant`.
    pub role: String,
    /// The text.
    pub content: String,
    /// The images that go with it. In JSON, which recordings hold, they are hashes: a judge of one's own sends them
    /// with [`Image::to_url`](crate::Image::to_url).
    #[serde(
        default,
        skip_deserializing,
        skip_serializing_if = "Vec::is_empty",
        serialize_with = "crate::case::digests"
    )]
    pub images: Vec<crate::Image>,
}

impl Message {
    pub(crate) fn new(role: &str, content: impl Into<String>) -> Self {
        Self {
            role: role.to_string(),
            content: content.into(),
            images: Vec::new(),
        }
    }
}

/// A JSON Schema that the reply must follow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Schema {
    /// A name for the provider: letters, digits, `_`.
    pub name: String,
    /// The schema.
    pub schema: Value,
}

/// Which answer to an equal request this is: trials and repeated samples are answers of their own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Repeat {
    /// The trial, from zero.
    pub trial: u32,
    /// The n-th equal request of one expectation, from zero.
    pub sample: u32,
}

/// At which tokens alternatives are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Alternatives {
    /// At the first tokens of the reply, which are all of it.
    First,
}

/// A request to a judge. Metrics make one from a template with [`Template`](crate::Template).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Prompt {
    /// Metric and step, such as `g_eval/score`: names the recording.
    pub purpose: String,
    /// The messages, in order.
    pub messages: Vec<Message>,
    /// What the reply must look like, for providers that can enforce it.
    pub schema: Option<Schema>,
    /// The JSON key at whose value the token alternatives (log-probabilities) are wanted.
    pub graded: Option<String>,
    /// Where else the token alternatives are wanted.
    pub alternatives: Option<Alternatives>,
    /// The most tokens to write.
    pub max_tokens: u32,
    /// How freely to choose, from 0; `None` is 0, the likeliest reply. Samples of one question need more.
    pub temperature: Option<f64>,
    /// Which answer this is.
    pub repeat: Repeat,
    /// Eight hex digits that name the version of the template.
    pub version: String,
    /// How many look-alikes of the fence's markers, control tokens and hidden characters were made harmless in what is judged.
    pub disarmed: usize,
}

impl Prompt {
    /// A prompt from plain messages, for tests and judges of one's own.
    pub fn new(purpose: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            purpose: purpose.into(),
            messages: vec![Message::new("user", text)],
            schema: None,
            graded: None,
            alternatives: None,
            max_tokens: 1024,
            temperature: None,
            repeat: Repeat::default(),
            version: String::new(),
            disarmed: 0,
        }
    }

    /// Everything that is said, for search and display.
    pub fn text(&self) -> String {
        self.messages
            .iter()
            .map(|message| message.content.as_str())
            .collect::<Vec<_>>()
            .join("\n\n")
    }

    /// The logical request as JSON, in a fixed order: what a recording is keyed by, together with model and repeat.
    pub fn request(&self) -> Value {
        let mut request = serde_json::json!({
            "messages": self.messages,
            "schema": self.schema,
            "graded": self.graded,
            "max_tokens": self.max_tokens,
        });
        // Only where they are set, so that older recordings keep their keys.
        if let Some(temperature) = self.temperature {
            request["temperature"] = temperature.into();
        }
        if let Some(alternatives) = self.alternatives {
            request["alternatives"] = serde_json::json!(alternatives);
        }
        request
    }

    /// Whether the reply should come with log-probabilities.
    pub fn wants_logprobs(&self) -> bool {
        self.graded.is_some() || self.alternatives.is_some()
    }
}

/// What a judge answered.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Reply {
    /// The text.
    pub text: String,
    /// The tokens with their alternatives, where the provider gives log-probabilities.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<Vec<TokenLogprob>>,
    /// Tokens read and written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// What the call cost in US dollars, where the provider says so itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<f64>,
    /// What the provider calls the model that answered, such as the dated version behind an alias.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What the report should say about the way the reply was obtained, such as a refused schema.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Whether it came out of a recording.
    #[serde(skip)]
    pub replayed: bool,
}

impl Reply {
    /// A reply with this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..Self::default()
        }
    }

    /// Sets the tokens.
    pub fn logprobs(mut self, tokens: Vec<TokenLogprob>) -> Self {
        self.logprobs = Some(tokens);
        self
    }

    /// Sets the usage.
    pub fn usage(mut self, usage: Usage) -> Self {
        self.usage = Some(usage);
        self
    }
}

/// One token of a reply.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TokenLogprob {
    /// The token's text.
    pub token: String,
    /// The natural logarithm of its probability.
    #[serde(default)]
    pub logprob: f64,
    /// The alternatives at its place, the token itself among them: text and log-probability.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub top: Vec<(String, f64)>,
}

/// The judge of an expectation, or why there is none.
pub(crate) type JudgeSlot = std::result::Result<AnyJudge, JudgeError>;

/// The error of a metric that needs a judge where none was given.
pub(crate) fn no_judge() -> JudgeError {
    JudgeError::new(
        JudgeErrorKind::Config,
        "this metric asks a judge, and none is configured\nhint: pass one with `.judged_by(judge)`, such as `FakeJudge::new()`",
    )
}
