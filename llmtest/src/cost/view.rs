//! What the sums of cost read of a case's record.

use super::spending::Spending;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The part of a case that is about cost.
#[derive(Deserialize)]
pub(crate) struct CostView {
    pub(crate) trials: Vec<TrialView>,
}

#[derive(Deserialize)]
pub(crate) struct TrialView {
    #[serde(default)]
    pub(crate) application: Spending,
    #[serde(default)]
    pub(crate) measurements: Vec<MeasurementView>,
}

#[derive(Deserialize)]
pub(crate) struct MeasurementView {
    #[serde(default)]
    pub(crate) spending: BTreeMap<String, Spending>,
    #[serde(default)]
    pub(crate) over_budget: bool,
}
