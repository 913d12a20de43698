//! The cases of a run beside those of its baseline.

use super::flakiness::case_name;
use super::policy::Policy;
use super::verdict::CaseChanges;
use crate::results::Outcome;
use crate::runs::{Basis, CaseKey, CaseSummary, MeasurementKey, Snapshot, TrialSummary};
use llmtest_metrics::Bar;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// A case of the run, with that of the baseline where there is one.
pub(super) struct Pair<'a> {
    pub(super) now: &'a CaseSummary,
    pub(super) before: Option<&'a CaseSummary>,
    /// Whether both are equal by hash.
    pub(super) unchanged: bool,
}

/// What one case says of one thing: the difference to the baseline, where that is below 0 when it got worse.
pub(super) struct Difference<'a> {
    pub(super) case: &'a CaseKey,
    pub(super) cluster: Option<&'a str>,
    pub(super) value: f64,
    pub(super) unchanged: bool,
}

/// All cases, and those that only the baseline has.
pub(super) struct Pairs<'a> {
    /// Cases that decide.
    pub(super) deciding: Vec<Pair<'a>>,
    pub(super) changes: CaseChanges,
    /// How many cases the baseline has.
    pub(super) baseline: usize,
    /// Whether only recordings answered in this run: then nothing is equal by chance.
    pub(super) replayed: bool,
}

impl<'a> Pairs<'a> {
    pub(super) fn new(run: &'a Snapshot, baseline: Option<&'a Snapshot>, policy: &Policy) -> Self {
        let before: HashMap<&CaseKey, &CaseSummary> = baseline
            .iter()
            .flat_map(|baseline| &baseline.cases)
            .map(|case| (&case.key, case))
            .collect();
        let mut changes = CaseChanges::default();
        let mut deciding = Vec::new();
        let mut met: BTreeSet<&CaseKey> = BTreeSet::new();
        for now in &run.cases {
            met.insert(&now.key);
            let before = before.get(&now.key).copied();
            let unchanged = before.is_some_and(|before| is_unchanged(now, before));
            let name = || case_name(&now.key);
            match before {
                None if baseline.is_some() => changes.new.push(name()),
                None => {}
                Some(before) => {
                    changes.paired += 1;
                    changes.unchanged += usize::from(unchanged);
                    let passed = |case: &CaseSummary| case.outcome == Outcome::Passed;
                    match (passed(before), passed(now)) {
                        (true, false) => changes.worse.push(name()),
                        (false, true) => changes.better.push(name()),
                        _ => {}
                    }
                }
            }
            if !policy.quarantined.is_empty() && policy.quarantined.contains(&name()) {
                changes.quarantined.push(name());
                continue;
            }
            deciding.push(Pair {
                now,
                before,
                unchanged,
            });
        }
        let gone = |case: &&&CaseSummary| !met.contains(&case.key);
        let mut removed: Vec<_> = before
            .values()
            .filter(gone)
            .map(|c| case_name(&c.key))
            .collect();
        removed.sort();
        changes.removed = removed;
        Self {
            deciding,
            changes,
            baseline: before.len(),
            replayed: is_replay(run),
        }
    }
}

/// Whether every process of the run only replayed.
fn is_replay(run: &Snapshot) -> bool {
    let binaries = &run.run.binaries;
    !binaries.is_empty() && binaries.iter().all(|binary| binary.mode == "replay")
}

/// Whether every trial returned the same, and was judged the same.
fn is_unchanged(now: &CaseSummary, before: &CaseSummary) -> bool {
    let same = |(a, b): (&TrialSummary, &TrialSummary)| {
        let known = a.digest.is_some() && a.digest == b.digest;
        let judged = a.measurements.iter().zip(&b.measurements);
        known
            && a.outcome == b.outcome
            && a.measurements.len() == b.measurements.len()
            && judged
                .into_iter()
                .all(|(a, b)| a.key == b.key && a.digest.is_some() && a.digest == b.digest)
    };
    now.outcome == before.outcome
        && now.trials.len() == before.trials.len()
        && now.trials.iter().zip(&before.trials).all(same)
}

/// One measurement of a case, over its trials.
#[derive(Debug, Default)]
pub(super) struct Scored {
    sum: f64,
    /// Trials with a score.
    pub(super) scores: usize,
    /// Of these, how many met the bar.
    pub(super) met: usize,
    /// Trials in which it is Errored.
    pub(super) errored: usize,
    pub(super) bar: Option<Bar>,
    bases: BTreeSet<Arc<Basis>>,
}

impl Scored {
    pub(super) fn mean(&self) -> Option<f64> {
        (self.scores > 0).then(|| self.sum / self.scores as f64)
    }

    /// Whether both were judged in the same way.
    pub(super) fn is_judged_as(&self, other: &Self) -> bool {
        self.bases == other.bases
    }

    pub(super) fn bases(&self) -> &BTreeSet<Arc<Basis>> {
        &self.bases
    }
}

/// Every measurement of a case.
pub(super) fn scored(case: &CaseSummary) -> BTreeMap<&MeasurementKey, Scored> {
    let mut found: BTreeMap<&MeasurementKey, Scored> = BTreeMap::new();
    for measurement in case.trials.iter().flat_map(|trial| &trial.measurements) {
        let entry = found.entry(&measurement.key).or_default();
        entry.bar = Some(measurement.bar);
        entry.errored += usize::from(measurement.outcome == Outcome::Errored);
        if let Some(score) = measurement.score {
            entry.sum += score;
            entry.scores += 1;
            entry.met += usize::from(measurement.bar.is_met_by(score));
            entry.bases.insert(measurement.basis.clone());
        }
    }
    found
}

/// The share of trials that passed, of those that ended well or badly; none where all are Errored.
pub(super) fn pass_share(case: &CaseSummary) -> Option<f64> {
    let count = |wanted| case.trials.iter().filter(|t| t.outcome == wanted).count();
    let (passed, failed) = (count(Outcome::Passed), count(Outcome::Failed));
    (passed + failed > 0).then(|| passed as f64 / (passed + failed) as f64)
}

/// A label for each: equal where the cluster is. A case without one is a cluster of its own. `None` where no case has one:
/// then all are independent.
pub(super) fn labels<'a>(
    clusters: impl Iterator<Item = Option<&'a str>>,
    policy: &Policy,
) -> Option<Vec<usize>> {
    policy.cluster.as_ref()?;
    let mut known: HashMap<&str, usize> = HashMap::new();
    let mut next = 0;
    let mut new = || {
        next += 1;
        next
    };
    let labels = clusters.map(|cluster| match cluster {
        Some(name) => *known.entry(name).or_insert_with(&mut new),
        None => new(),
    });
    let labels: Vec<usize> = labels.collect();
    (!known.is_empty()).then_some(labels)
}

/// The names of the cases that got worse, the worst first; at most ten.
pub(super) fn worst(differences: &[Difference<'_>]) -> Vec<String> {
    let mut worse: Vec<_> = differences.iter().filter(|d| d.value < 0.0).collect();
    worse.sort_by(|a, b| a.value.total_cmp(&b.value).then_with(|| a.case.cmp(b.case)));
    worse.iter().take(10).map(|d| case_name(d.case)).collect()
}
