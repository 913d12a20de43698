//! What blame reads of a case's record.

use crate::Outcome;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::borrow::Cow;

/// What is read of a case's record. Read of the text of a shard, so that a fold never holds a whole record.
#[derive(Debug, Deserialize)]
pub(crate) struct CaseView<'a> {
    #[serde(borrow)]
    pub(crate) trials: Vec<TrialView<'a>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct TrialView<'a> {
    #[serde(default, borrow)]
    pub(crate) error: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    pub(crate) measurements: Vec<MeasurementView<'a>>,
    #[serde(default, borrow)]
    pub(crate) spans: Vec<SpanView<'a>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct MeasurementView<'a> {
    #[serde(default, borrow)]
    pub(crate) component: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(crate) span: Option<usize>,
    pub(crate) outcome: Outcome,
    #[serde(default)]
    pub(crate) report_only: bool,
    /// Several spans decided together; their measurements follow as parts.
    #[serde(default)]
    pub(crate) over: Option<IgnoredAny>,
    #[serde(default)]
    pub(crate) part: bool,
}

#[derive(Debug, Deserialize)]
pub(crate) struct SpanView<'a> {
    #[serde(borrow)]
    pub(crate) name: Cow<'a, str>,
    #[serde(default)]
    pub(crate) parent: Option<usize>,
}
