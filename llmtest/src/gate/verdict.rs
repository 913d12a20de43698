//! What a gate says: plain data, which every report shows in its own way.

use crate::results::RunInfo;
use crate::stats::Interval;
use serde::{Deserialize, Serialize};

/// What a check, or the gate as a whole, comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It holds.
    Pass,
    /// The data do not say, and `on-inconclusive` does.
    Inconclusive,
    /// It does not hold.
    Fail,
}

impl Verdict {
    /// The word in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Inconclusive => "inconclusive",
            Self::Fail => "fail",
        }
    }
}

/// What a gate says of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GateReport {
    /// The version of this format.
    pub format: u32,
    /// What it comes to.
    pub verdict: Verdict,
    /// The exit code of `cargo llmtest gate`: 0, 100 or 102.
    pub exit_code: u8,
    /// One sentence on why, for a headline.
    pub reason: String,
    /// The run.
    pub run: RunInfo,
    /// The baseline that it was compared with; none where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<RunInfo>,
    /// What has to be known before any number: another judge, other prompts, pairing that was lost.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// The checks, those that failed first.
    pub checks: Vec<GateCheck>,
    /// How the cases differ from those of the baseline.
    pub cases: CaseChanges,
}

/// One thing that the gate looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GateCheck {
    /// What it is about, such as `faithfulness`, `retrieve › contextual_relevancy`, `tag must`, `errors`, `cost`.
    pub name: String,
    /// The kind of check, such as `non_inferiority`, `bar`, `invariant`, `errors`, `cost`, `latency`.
    pub kind: String,
    /// What it comes to.
    pub verdict: Verdict,
    /// Why: lowercase, completes "because".
    pub reason: String,
    /// How many cases it rests on.
    pub n: usize,
    /// Of these, how many are equal to the baseline's by hash.
    #[serde(default)]
    pub unchanged: usize,
    /// The value in this run: a mean score, a share, dollars or seconds, as `kind` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// The value in the baseline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<f64>,
    /// What was asked of the value, or the margin of the difference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound: Option<f64>,
    /// Where the value, or in a comparison the difference to the baseline, lies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Interval>,
    /// The p value after correction for the number of checks, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p: Option<f64>,
    /// Of an inconclusive check, the number of cases that would settle it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled_by: Option<usize>,
    /// Of a passed comparison, the smallest drop it would have seen in four of five runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detectable: Option<f64>,
    /// The cases that count most against it, the worst first, as `binary::test::row`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub worst: Vec<String>,
}

/// How the cases of a run differ from those of its baseline; names as `binary::test::row`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct CaseChanges {
    /// Cases that both have.
    pub paired: usize,
    /// Of these, how many are equal by hash.
    pub unchanged: usize,
    /// Cases that the baseline does not have.
    pub new: Vec<String>,
    /// Cases that only the baseline has.
    pub removed: Vec<String>,
    /// Passed in the baseline, and not now.
    pub worse: Vec<String>,
    /// Passed now, and not in the baseline.
    pub better: Vec<String>,
    /// Cases that are known to be flaky, and do not decide.
    pub quarantined: Vec<String>,
}

impl GateReport {
    /// The version that this crate writes and reads.
    pub const FORMAT: u32 = 1;
}
