//! What a gate asks: `[gate]` of `llmtest.toml` as values.

use crate::trust::Certificate;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// What an inconclusive comparison means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnInconclusive {
    /// The gate says so, and lets it through (exit code 0).
    #[default]
    Warn,
    /// It counts as failed (exit code 100).
    Fail,
    /// It asks for more trials or cases (exit code 102).
    MoreTrials,
}

/// What is asked of a metric, or of the cases with a tag.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct Rule {
    /// The mean must be at least this, in `0.0..=1.0`: its interval has to lie above.
    pub at_least: Option<f64>,
    /// The mean must be at most this.
    pub at_most: Option<f64>,
    /// How much worse than the baseline may pass, where it is not the gate's own margin.
    pub margin: Option<f64>,
    /// Shown nowhere in the gate, and deciding nothing.
    pub ignore: bool,
}

/// What the gate asks of a run.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Policy {
    /// How much worse than the baseline may pass as "not worse", in `0.0..=1.0`.
    pub margin: f64,
    /// How often a change that changes nothing may be blocked, in `0.0..0.5`.
    pub alpha: f64,
    /// What an inconclusive check means.
    pub on_inconclusive: OnInconclusive,
    /// The metadata of a row that names what its case varies with, such as a document or a conversation: errors then rest
    /// on these, and not on single cases. The snapshot of the run has to know them, by
    /// [`Snapshot::read_clusters`](crate::runs::Snapshot::read_clusters).
    pub cluster: Option<String>,
    /// How often the run may be looked at, each time with more trials of what is undecided: `alpha` is for all looks together.
    /// A run that only replays is looked at once. See [`looks`](crate::gate::looks).
    pub looks: usize,
    /// How many cases may be Errored.
    pub max_errors: usize,
    /// Tags of cases that must all pass.
    pub invariants: Vec<String>,
    /// US dollars that the run may have cost.
    pub max_cost: Option<f64>,
    /// Seconds that 19 of 20 trials must stay under.
    pub max_latency: Option<f64>,
    /// By a measurement's title, such as `retrieve › contextual_relevancy`, or by a metric's name.
    pub metrics: BTreeMap<String, Rule>,
    /// By tag: of the share of cases that pass.
    pub tags: BTreeMap<String, Rule>,
    /// Whether scores of another judge or other prompts are compared all the same.
    pub allow_judge_change: bool,
    /// Cases that are shown and do not decide, as `binary::test::row`.
    pub quarantined: BTreeSet<String>,
    /// What is known of a judge's errors.
    pub certificate: Option<Certificate>,
}

impl Default for Policy {
    /// A margin of 0.05, an alpha of 0.05, no Errored case, and a warning where it is inconclusive.
    fn default() -> Self {
        Self {
            margin: 0.05,
            alpha: 0.05,
            on_inconclusive: OnInconclusive::Warn,
            cluster: None,
            looks: 1,
            max_errors: 0,
            invariants: Vec::new(),
            max_cost: None,
            max_latency: None,
            metrics: BTreeMap::new(),
            tags: BTreeMap::new(),
            allow_judge_change: false,
            quarantined: BTreeSet::new(),
            certificate: None,
        }
    }
}
