//! What the reruns of failed cases say, and their sum.

use super::tally::{estimate, signed};
use super::{CausalShare, CausalTotals, Estimate};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What became of one failed trial in the reruns. One line of a shard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct CausalRecord {
    pub(crate) binary: String,
    pub(crate) test: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) row: Option<String>,
    pub(crate) position: usize,
    pub(crate) attempt: u32,
    pub(crate) trial: u32,
    pub(crate) reruns: usize,
    pub(crate) ended: Ended,
    /// Why a rerun cannot count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ended {
    /// Every rerun has an end.
    Known {
        /// Whether it passes when simply run again.
        again: bool,
        /// Whether it passes with all references in place.
        healed: bool,
        stages: Vec<StageGain>,
    },
    NotRecorded,
    Errored,
    WithoutReference,
    LeftOut,
}

/// What a stage's reference adds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct StageGain {
    pub(crate) stage: String,
    pub(crate) share: f64,
    pub(crate) score: f64,
    pub(crate) alone: f64,
}

/// A case: the binary, the test, and the row by place and id.
type Key = (String, String, usize, Option<String>);

/// The sum over failed trials; what is kept is bounded by the limit of reruns.
#[derive(Debug, Clone, Default)]
pub(super) struct CausalTally {
    cases: BTreeMap<Key, Case>,
    reruns: usize,
    not_recorded: usize,
    errored: usize,
    without_reference: usize,
    left_out: usize,
    why: Option<String>,
}

/// Sums over the trials of a case.
#[derive(Debug, Clone, Default)]
struct Case {
    trials: f64,
    again: f64,
    healed: f64,
    stages: BTreeMap<String, [f64; 3]>,
}

impl CausalTally {
    pub(super) fn add(&mut self, record: CausalRecord) {
        self.reruns += record.reruns;
        if self.why.is_none() {
            self.why = record.why;
        }
        match record.ended {
            Ended::NotRecorded => self.not_recorded += 1,
            Ended::Errored => self.errored += 1,
            Ended::WithoutReference => self.without_reference += 1,
            Ended::LeftOut => self.left_out += 1,
            Ended::Known {
                again,
                healed,
                stages,
            } => {
                let key = (record.binary, record.test, record.position, record.row);
                let case = self.cases.entry(key).or_default();
                case.trials += 1.0;
                case.again += f64::from(u8::from(again));
                case.healed += f64::from(u8::from(healed));
                for gain in stages {
                    let sums = case.stages.entry(gain.stage).or_default();
                    for (sum, value) in sums.iter_mut().zip([gain.share, gain.score, gain.alone]) {
                        *sum += value;
                    }
                }
            }
        }
    }

    fn over_cases(&self, value: impl Fn(&Case) -> f64) -> Vec<f64> {
        self.cases
            .values()
            .map(|case| value(case) / case.trials)
            .collect()
    }

    /// Every substituted stage. A case in which a stage was not substituted counts as zero: it did not heal it.
    pub(super) fn stages(&self) -> BTreeMap<&str, CausalShare> {
        let mut substituted: BTreeMap<&str, usize> = BTreeMap::new();
        for stage in self.cases.values().flat_map(|case| case.stages.keys()) {
            *substituted.entry(stage).or_default() += 1;
        }
        let share = |(stage, substituted): (&'_ str, usize)| {
            let of = |n: usize| {
                let value = |case: &Case| case.stages.get(stage).map_or(0.0, |sums| sums[n]);
                self.over_cases(value)
            };
            let scores = of(1);
            Some(CausalShare {
                share: signed(&of(0))?,
                score: scores.iter().sum::<f64>() / scores.len() as f64,
                alone: signed(&of(2))?,
                substituted,
            })
        };
        let all = substituted.into_iter();
        all.filter_map(|(stage, n)| Some((stage, share((stage, n))?)))
            .collect()
    }

    /// None when no failed case was looked at.
    pub(super) fn totals(&self) -> Option<CausalTotals> {
        let mean = |value: &dyn Fn(&Case) -> f64| -> Option<Estimate> {
            estimate(self.over_cases(value).into_iter().collect())
        };
        let others = self.not_recorded + self.errored + self.without_reference + self.left_out;
        (others + self.cases.len() > 0).then(|| CausalTotals {
            reruns: self.reruns,
            cases: self.cases.len(),
            again: mean(&|case| case.again),
            unhealed: mean(&|case| case.trials - case.healed),
            not_recorded: self.not_recorded,
            errored: self.errored,
            without_reference: self.without_reference,
            left_out: self.left_out,
            why: self.why.clone(),
        })
    }
}
