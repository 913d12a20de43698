//! What is kept of a run to compare it: outcomes, scores and digests, without the texts.

use crate::cost::RunCost;
use crate::results::{GroupRecord, Outcome, RunInfo};
use llmtest_metrics::Bar;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A run, or a baseline, as it is compared. Names that occur often are kept once.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// What ran.
    pub run: RunInfo,
    /// Every case, in the order of the report.
    pub cases: Vec<CaseSummary>,
    /// Datasets that are one test.
    pub groups: Vec<GroupRecord>,
    /// What its calls took and cost; none of a baseline.
    pub cost: Option<RunCost>,
}

/// What makes a case the same case in another run. Its file and its place in the dataset may change.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CaseKey {
    /// The test binary, without its hash.
    pub binary: Arc<str>,
    /// The test's path without the crate.
    pub test: Arc<str>,
    /// The row's id.
    pub row: Option<Arc<str>>,
}

/// One case: a test without dataset, or one row.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CaseSummary {
    /// Which case it is.
    pub key: CaseKey,
    /// The row's place in its dataset, from zero.
    pub position: usize,
    /// The source file.
    pub file: Arc<str>,
    /// The line of the function.
    pub line: u32,
    /// The tags of the test.
    pub tags: Arc<[String]>,
    /// What it varies with, such as a document or a conversation; none unless it was asked for with
    /// [`Snapshot::read_clusters`].
    pub cluster: Option<Arc<str>>,
    /// How it ended.
    pub outcome: Outcome,
    /// How many trials had to pass.
    pub passes_needed: u32,
    /// Seconds.
    pub duration: f64,
    /// The trials, at least one.
    pub trials: Vec<TrialSummary>,
}

impl CaseSummary {
    /// The name as the harness lists it: `refunds` or `refunds::late`.
    pub fn name(&self) -> String {
        match &self.key.row {
            Some(row) => format!("{}::{row}", self.key.test),
            None => self.key.test.to_string(),
        }
    }
}

/// One trial of a case.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TrialSummary {
    /// How it ended.
    pub outcome: Outcome,
    /// What kept the body from returning a check.
    pub error: Option<String>,
    /// The hash of the cases that the body returned; none in the reports of earlier versions, where nothing says whether
    /// two trials are equal.
    pub digest: Option<u64>,
    /// What the application spent, in US dollars; none where that is not known of all of its calls.
    pub cost: Option<f64>,
    /// Seconds of the body.
    pub duration: f64,
    /// What was measured, in the order of the source; parts of a component that decide together are left out.
    pub measurements: Vec<MeasurementSummary>,
}

/// What makes a measurement the same measurement in another run.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MeasurementKey {
    /// The component, as in [`MeasurementRecord`](crate::MeasurementRecord).
    pub component: Option<String>,
    /// The metric's name.
    pub metric: String,
    /// The label given with `.named(…)`.
    pub label: Option<String>,
    /// The n-th with this component, metric and label, from one.
    pub nth: u32,
}

impl MeasurementKey {
    /// `retrieve › contextual_relevancy (label) #2`.
    pub fn title(&self) -> String {
        let component = self.component.as_ref().map(|name| format!("{name} › "));
        let label = self.label.as_ref().map(|label| format!(" ({label})"));
        let nth = (self.nth > 1).then(|| format!(" #{}", self.nth));
        [component, Some(self.metric.clone()), label, nth]
            .into_iter()
            .flatten()
            .collect()
    }
}

/// How something was judged. Another basis makes scores that cannot be compared.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Basis {
    /// The judge's model; none for metrics without a judge.
    pub judge: Option<String>,
    /// The version of every prompt, by purpose.
    pub prompts: BTreeMap<String, String>,
}

/// One metric of one case or component.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct MeasurementSummary {
    /// Which measurement it is.
    pub key: Arc<MeasurementKey>,
    /// How it ended.
    pub outcome: Outcome,
    /// The score in `0.0..=1.0`; none when errored or skipped.
    pub score: Option<f64>,
    /// What was asked of it.
    pub bar: Bar,
    /// Measured and shown, but never fails the test.
    pub report_only: bool,
    /// How it was judged.
    pub basis: Arc<Basis>,
    /// The hash of what was judged and of the judgement; none in the reports of earlier versions.
    pub digest: Option<u64>,
    /// What live calls of the judge cost, in US dollars.
    pub cost: Option<f64>,
}
