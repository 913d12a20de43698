//! Errors: one boxed type for everything that users write, structured types where code branches.

use std::error::Error as StdError;
use std::fmt;

/// Any error. `?` in a test or a metric turns whatever a library returns into this.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// The result of metrics, judges and tests.
pub type Result<T, E = BoxError> = std::result::Result<T, E>;

/// A metric that cannot say anything about this case: there is nothing to judge. The measurement becomes Skipped, with
/// this reason, and enters no mean.
///
/// ```
/// use llmtest_metrics::{NotApplicable, Score, TestCase, metric};
///
/// let cites = metric("cites_a_source", |case: &TestCase| {
///     if case.retrieved.is_empty() {
///         return Err(NotApplicable::because("nothing was retrieved"));
///     }
///     Ok(Score::from(case.output.contains("[1]")))
/// });
/// # let _ = cites;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotApplicable {
    reason: String,
}

impl NotApplicable {
    /// The reason completes "because …": lowercase, no period.
    pub fn because(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
        }
    }

    /// Why the metric does not apply.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl fmt::Display for NotApplicable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "does not apply because {}", self.reason)
    }
}

impl StdError for NotApplicable {}

/// A metric needs a field that the case does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingField {
    /// The metric that needs it.
    pub metric: String,
    /// The field, as [`TestCase`](crate::TestCase) names it, or `trace`.
    pub field: &'static str,
}

impl fmt::Display for MissingField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { metric, field } = self;
        let fix = match *field {
            "output" => "the application answered with an empty text; return its answer in `TestCase::new(input, answer)`".to_string(),
            "input" => "give the question in `TestCase::new(question, answer)`".to_string(),
            "retrieved" => "set it with `.retrieved([…])`, or put `#[llmtest::observe(retriever)]` on the function that retrieves".to_string(),
            "trace" => match metric.as_str() {
                "latency" => "put `#[llmtest::observe]` on the function that answers, or state seconds in the metadata `latency`",
                "step_efficiency" | "plan_quality" | "plan_adherence" => "put `#[llmtest::observe]` on the functions that make up the steps, or give the tool calls with `.tools([…])`",
                _ => "put `#[llmtest::observe]` on the functions that the trace should show",
            }
            .to_string(),
            "images" => "add one with `.image(Image::from_bytes(\"image/png\", bytes))`".to_string(),
            "tools" => "set it with `.tools([…])`, or put `#[llmtest::observe(tool)]` on the functions that are tools".to_string(),
            other => format!("set it with `.{other}(…)` on the test case, or as `\"{other}\"` in the dataset row"),
        };
        write!(
            f,
            "`{metric}` needs `{field}`, which this case does not have\nhint: {fix}"
        )
    }
}

impl StdError for MissingField {}

/// What went wrong between a metric and its judge.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum JudgeErrorKind {
    /// No judge is configured, or the configuration is wrong.
    Config,
    /// The server could not be reached, or the connection broke.
    Unreachable,
    /// No answer within the time limit.
    Timeout,
    /// The server answered with an error status.
    Status(u16),
    /// The server answered 200 with something that is not a chat completion.
    BadResponse,
    /// The model answered, but not with what was asked, also when asked again.
    BadReply,
    /// Nothing is recorded for this request.
    Miss,
    /// The call would pass a budget, or it is not known what it costs.
    Budget,
}

/// An error of a judge. The text says what to do next; code branches on [`kind`](Self::kind).
#[derive(Debug, Clone)]
pub struct JudgeError {
    /// What went wrong.
    pub kind: JudgeErrorKind,
    message: String,
    retry_after: Option<std::time::Duration>,
}

impl JudgeError {
    /// A new error; `message` is a lowercase fragment, hints on lines of their own.
    pub fn new(kind: JudgeErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            retry_after: None,
        }
    }

    /// Adds the wait that the server asked for.
    pub fn retry_in(mut self, wait: Option<std::time::Duration>) -> Self {
        self.retry_after = wait;
        self
    }

    /// Whether the same request may work a moment later.
    ///
    /// ```
    /// use llmtest_metrics::{JudgeError, JudgeErrorKind};
    ///
    /// assert!(JudgeError::new(JudgeErrorKind::Status(429), "slow down").is_retryable());
    /// assert!(!JudgeError::new(JudgeErrorKind::Status(401), "bad key").is_retryable());
    /// ```
    pub fn is_retryable(&self) -> bool {
        match self.kind {
            JudgeErrorKind::Unreachable | JudgeErrorKind::Timeout | JudgeErrorKind::BadResponse => {
                true
            }
            JudgeErrorKind::Status(status) => {
                matches!(status, 408 | 409 | 425 | 429) || (status >= 500 && status != 501)
            }
            _ => false,
        }
    }

    /// The HTTP status, where there was one.
    pub fn status(&self) -> Option<u16> {
        match self.kind {
            JudgeErrorKind::Status(status) => Some(status),
            _ => None,
        }
    }

    /// How long the server asked to wait (`Retry-After`).
    pub fn retry_after(&self) -> Option<std::time::Duration> {
        self.retry_after
    }
}

impl fmt::Display for JudgeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for JudgeError {}
