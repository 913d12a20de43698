//! Scores and bars: what was measured, and what is asked of it.

use crate::{BoxError, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// A value in `0.0..=1.0` and why. Whether high or low is good is the business of the [`Bar`].
///
/// A value outside the range, or NaN, makes the measurement Errored; nothing is clamped silently.
///
/// ```
/// use llmtest_metrics::Score;
///
/// let score = Score::ratio(3, 4).because("one of four claims is not supported");
/// assert_eq!(score.value, 0.75);
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Score {
    /// The value.
    pub value: f64,
    /// Completes "because …": lowercase, no period.
    pub reason: Option<String>,
    /// The measured quantity behind the value, such as 1.8 s behind a latency score.
    pub quantity: Option<Quantity>,
    /// Named facts for the record, in order: how the score was obtained, the steps, the verdicts.
    pub details: Vec<(String, Value)>,
    /// A block of text shown under a failure, such as a diff.
    pub exhibit: Option<String>,
}

/// A measured quantity with its unit, such as `1.8 s` or `412 tokens`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Quantity {
    /// How much.
    pub value: f64,
    /// Of what: `s`, `tokens`, `USD`.
    pub unit: String,
}

impl Score {
    /// A score without a reason.
    pub fn new(value: f64) -> Self {
        Self {
            value,
            reason: None,
            quantity: None,
            details: Vec::new(),
            exhibit: None,
        }
    }

    /// `part / whole`. A `whole` of zero gives NaN, which the runner reports as an error: return
    /// [`NotApplicable`](crate::NotApplicable) when there is nothing to judge.
    pub fn ratio(part: usize, whole: usize) -> Self {
        Self::new(part as f64 / whole as f64)
    }

    /// Adds the reason; it completes "because …".
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// Adds the quantity behind the value.
    pub fn quantity(mut self, value: f64, unit: impl Into<String>) -> Self {
        self.quantity = Some(Quantity {
            value,
            unit: unit.into(),
        });
        self
    }

    /// Adds a named fact to the record.
    pub fn detail(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.details.push((name.into(), value.into()));
        self
    }

    /// Adds a block of text that is shown when the score misses its bar.
    pub fn exhibit(mut self, text: impl Into<String>) -> Self {
        self.exhibit = Some(text.into());
        self
    }

    /// The score itself, or the error that names what is wrong with its value.
    pub fn checked(self) -> Result<Self> {
        if (0.0..=1.0).contains(&self.value) {
            return Ok(self);
        }
        let value = self.value;
        let why = if value.is_nan() {
            "is not a number; was something divided by zero?"
        } else {
            "is outside 0..=1"
        };
        Err(format!("the score {value} {why}\nhint: return a value in 0.0..=1.0, or `NotApplicable::because(…)` when there is nothing to judge").into())
    }
}

impl From<bool> for Score {
    fn from(yes: bool) -> Self {
        Self::new(f64::from(u8::from(yes)))
    }
}

impl From<f64> for Score {
    fn from(value: f64) -> Self {
        Self::new(value)
    }
}

/// What a metric by closure may return: `bool`, `f64`, `f32`, [`Score`], or a `Result` of these.
#[diagnostic::on_unimplemented(
    message = "a metric must return a score: `bool`, `f64`, `Score`, or a `Result` of these",
    label = "`{Self}` is not a score"
)]
pub trait IntoScore {
    /// The bar for metrics that return this type: yes/no metrics must say yes.
    const BAR: Bar = Bar::AtLeast(0.5);
    /// Turns the value into a score.
    fn into_score(self) -> Result<Score>;
}

impl IntoScore for bool {
    const BAR: Bar = Bar::AtLeast(1.0);
    fn into_score(self) -> Result<Score> {
        Ok(self.into())
    }
}

impl IntoScore for f64 {
    fn into_score(self) -> Result<Score> {
        Ok(self.into())
    }
}

impl IntoScore for f32 {
    fn into_score(self) -> Result<Score> {
        Ok(f64::from(self).into())
    }
}

impl IntoScore for Score {
    fn into_score(self) -> Result<Score> {
        Ok(self)
    }
}

impl<S: IntoScore, E: Into<BoxError>> IntoScore for std::result::Result<S, E> {
    const BAR: Bar = S::BAR;
    fn into_score(self) -> Result<Score> {
        self.map_err(Into::into)?.into_score()
    }
}

/// What is asked of a score.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bar {
    /// Passes when the score is at least this.
    AtLeast(f64),
    /// Passes when the score is at most this.
    AtMost(f64),
}

impl Bar {
    /// Whether a score meets the bar: a plain comparison, no tolerance (as DeepEval 4.3.1).
    ///
    /// ```
    /// use llmtest_metrics::Bar;
    ///
    /// assert!(Bar::AtLeast(0.5).is_met_by(0.5));
    /// assert!(!Bar::AtMost(0.2).is_met_by(0.5));
    /// ```
    pub fn is_met_by(self, value: f64) -> bool {
        match self {
            Self::AtLeast(min) => value >= min,
            Self::AtMost(max) => value <= max,
        }
    }

    /// The bound.
    pub fn bound(self) -> f64 {
        let (Self::AtLeast(bound) | Self::AtMost(bound)) = self;
        bound
    }

    #[track_caller]
    pub(crate) fn checked(self) -> Self {
        let bound = self.bound();
        assert!(
            (0.0..=1.0).contains(&bound),
            "a bar must lie in 0.0..=1.0, but `{self}` does not"
        );
        self
    }
}

impl fmt::Display for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(bound) => write!(f, "at least {bound:.2}"),
            Self::AtMost(bound) => write!(f, "at most {bound:.2}"),
        }
    }
}
