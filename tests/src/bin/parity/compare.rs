//! Whether our outcome is DeepEval's.

use crate::table::Table;
use crate::vector::{Vector, success};
use llmtest::{BoxError, JudgeError, JudgeErrorKind, MissingField, NotApplicable};
use std::any::Any;
use std::fmt;

/// How far scores may differ: floats are summed in another order.
const TOLERANCE: f64 = 1e-9;

/// What our metric made of a vector.
#[derive(Debug)]
pub(crate) enum Ours {
    Score { value: f64, success: Option<bool> },
    Winner(String),
    Skipped(String),
    Error { kind: Kind, message: String },
}

/// What an error is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A field that the metric needs is missing.
    MissingField,
    /// The metric refuses its options.
    Options,
    /// The test case is refused.
    TestCase,
    /// The judge did not answer as asked.
    Judge,
    /// Anything else: never what DeepEval returned.
    Other,
}

impl Ours {
    /// A metric that refused its options with a panic, or the adapter that could not read the vector.
    pub(crate) fn refused_options(panic: &(dyn Any + Send)) -> Self {
        let message = panic_text(panic);
        let kind = if message.starts_with("adapter:") {
            Kind::Other
        } else {
            Kind::Options
        };
        Self::Error { kind, message }
    }

    /// A panic while measuring, which is a bug.
    pub(crate) fn panicked(panic: &(dyn Any + Send)) -> Self {
        Self::Error {
            kind: Kind::Other,
            message: format!("a panic while measuring: {}", panic_text(panic)),
        }
    }

    /// What an error of a measurement is.
    pub(crate) fn error(error: &BoxError) -> Self {
        if let Some(skipped) = error.downcast_ref::<NotApplicable>() {
            return Self::Skipped(skipped.reason().to_string());
        }
        let judge = error.downcast_ref::<JudgeError>();
        let kind = if error.is::<MissingField>() {
            Kind::MissingField
        } else if judge.is_some_and(|error| error.kind == JudgeErrorKind::BadReply) {
            Kind::Judge
        } else {
            Kind::Other
        };
        Self::Error {
            kind,
            message: error.to_string(),
        }
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without text").to_string()
}

impl fmt::Display for Ours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Score {
                value,
                success: verdict,
            } => write!(f, "{value} {}", success(*verdict)),
            Self::Winner(winner) => write!(f, "winner {winner}"),
            Self::Skipped(reason) => write!(f, "skipped because {reason}"),
            Self::Error { kind, message } => {
                let line = message.lines().next().unwrap_or_default();
                write!(f, "error ({kind:?}): {line}")
            }
        }
    }
}

/// What comes of a comparison.
pub(crate) enum Verdict {
    Same,
    /// Another outcome, for the reason of this row of the table.
    Differs(String),
    Failed(String),
}

/// Compares, with the table's leave to differ.
pub(crate) fn compare(vector: &Vector, ours: &Ours, table: &mut Table) -> Verdict {
    if same(vector, ours) {
        return Verdict::Same;
    }
    let kind = crate::adapt::closed_kind(vector, ours);
    let keys = [vector.suspect.as_deref(), kind];
    let mut named = keys.iter().flatten();
    match named.find(|key| table.allows(key)) {
        Some(key) => Verdict::Differs((*key).to_string()),
        None if vector.suspect.is_some() || kind.is_some() => {
            Verdict::Failed(format!("no row of the table for {keys:?}"))
        }
        None => Verdict::Failed("another outcome, and nothing suspect about it".to_string()),
    }
}

fn same(vector: &Vector, ours: &Ours) -> bool {
    let expected = &vector.expected;
    match ours {
        Ours::Score { value, success } => {
            let near = |score: f64| (score - value).abs() <= TOLERANCE;
            let bar = expected.success.is_none() || expected.success == *success;
            expected.error.is_none() && expected.score.is_some_and(near) && bar
        }
        Ours::Winner(winner) => expected.winner.as_ref() == Some(winner),
        Ours::Skipped(_) => false,
        Ours::Error { kind, .. } => {
            let raised = expected.error.as_ref().map(|error| error.kind.as_str());
            raised.is_some_and(|raised| same_kind(raised, *kind))
        }
    }
}

/// DeepEval finds some wrong options only when it measures, as a `value_error`; all that a judge's text causes is one.
fn same_kind(raised: &str, ours: Kind) -> bool {
    match ours {
        Kind::MissingField => raised == "missing_params",
        Kind::Options => matches!(raised, "invalid_options" | "value_error"),
        Kind::TestCase => raised == "invalid_test_case",
        Kind::Judge => matches!(
            raised,
            "invalid_json"
                | "invalid_judge_output"
                | "lookup_error"
                | "value_error"
                | "internal_error"
        ),
        Kind::Other => false,
    }
}
