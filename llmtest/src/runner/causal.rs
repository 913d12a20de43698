//! Runs failed cases again with references in place of the results of stages, to see which of them cost the end.
//!
//! A rerun is a case of its own: nothing of it enters the record of the case but how it ended.

use super::body::{Place, run_body};
use super::case::stages_of;
use super::measure::{Trial, error_chain, measure_end, trace};
use super::run::Run;
use crate::blame::{
    Blame, BlameTally, CaseView, CausalRecord, Ended, StageGain, before, coalitions, end_of, paths,
    shares,
};
use crate::entry::{Row, RowValue, TestEntry};
use crate::observe::{CaseContext, Substitute};
use crate::results::{MeasurementRecord, TestRecord, TrialRecord};
use crate::runner::{Case, run_case};
use llmtest_metrics::{Component, Trace};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::sync::Arc;

/// A trial whose end failed, and what is needed to run it again.
pub(crate) struct FailedTrial {
    entry: &'static TestEntry,
    row: Row,
    place: Place,
    references: Vec<Reference>,
    /// Of every reference, as bits, those that come before it.
    before: Vec<u64>,
    record: CausalRecord,
}

/// What can stand in the place of a stage's results.
struct Reference {
    /// As the golden names the stage.
    name: String,
    /// As the table does.
    stage: String,
    substitute: Substitute,
}

impl FailedTrial {
    /// The trials of a case whose end failed and that observed something.
    pub(crate) fn all_of(
        entry: &'static TestEntry,
        row: &Row,
        place: Place,
        record: &TestRecord,
    ) -> Vec<Self> {
        let failed = record.trials.iter().enumerate().filter(|(_, trial)| {
            let ended = end_of(deciding(&trial.measurements).map(|m| m.outcome));
            trial.error.is_none() && !trial.spans.is_empty() && ended == Some(false)
        });
        let of = |(n, trial): (usize, &TrialRecord)| {
            let (references, before) = references(trial);
            Self {
                entry,
                row: row.clone(),
                place,
                references,
                before,
                record: CausalRecord {
                    binary: record.binary.clone(),
                    test: record.test.clone(),
                    row: record.row.clone(),
                    position: record.position,
                    attempt: record.attempt,
                    trial: u32::try_from(n).unwrap_or(u32::MAX),
                    reruns: 0,
                    ended: Ended::WithoutReference,
                    why: None,
                },
            }
        };
        failed.map(of).collect()
    }

    /// The number of the trial, from zero.
    pub(crate) fn trial(&self) -> u32 {
        self.record.trial
    }

    /// The sets of stages to substitute: those that an allowed order begins with, and every stage alone.
    fn sets(&self) -> Vec<u64> {
        if self.references.is_empty() {
            return Vec::new();
        }
        let mut sets = coalitions(&self.before);
        let alone = (0..self.references.len()).map(|stage| 1 << stage);
        let new: Vec<u64> = alone.filter(|set| !sets.contains(set)).collect();
        sets.extend(new);
        sets
    }

    /// Runs all sets, one after the other.
    pub(crate) async fn rerun(mut self, run: &'static Run) -> CausalRecord {
        let sets = self.sets();
        let Some(all) = coalitions(&self.before).last().copied() else {
            return self.record;
        };
        if sets.is_empty() {
            return self.record;
        }
        let mut ends: HashMap<u64, (f64, f64)> = HashMap::new();
        for set in sets {
            self.record.reruns += 1;
            match self.rerun_with(run, set).await {
                Ok(end) => {
                    ends.insert(set, end);
                }
                Err((ended, why)) => {
                    self.record.ended = ended;
                    self.record.why = Some(why);
                    return self.record;
                }
            }
        }
        let end = |set: u64| ends.get(&set).copied();
        let (Some(passed), Some(scored)) = (
            shares(&self.before, |set| end(set).map(|end| end.0)),
            shares(&self.before, |set| end(set).map(|end| end.1)),
        ) else {
            unreachable!("every coalition was run")
        };
        let value = |set: u64| end(set).unwrap_or_default().0;
        let gains = self
            .references
            .iter()
            .enumerate()
            .map(|(n, reference)| StageGain {
                stage: reference.stage.clone(),
                share: passed[n],
                score: scored[n],
                alone: value(1 << n) - value(0),
            });
        self.record.ended = Ended::Known {
            again: value(0) > 0.5,
            healed: value(all) > 0.5,
            stages: gains.collect(),
        };
        self.record
    }

    /// Whether the end passes with these stages substituted, as 0 or 1, and its mean score.
    async fn rerun_with(&self, run: &'static Run, set: u64) -> Result<(f64, f64), (Ended, String)> {
        let _free = run.places.acquire().await;
        let limit = run.timeout(self.entry.timeout);
        let context = CaseContext::new(self.record.trial, Some(stages_of(run)));
        let account = run.account(self.entry);
        context.charge(account);
        for (n, reference) in self.references.iter().enumerate() {
            if set & (1 << n) != 0 {
                context.substitute(reference.name.clone(), reference.substitute.clone());
            }
        }
        let produced = run_body(self.entry, self.row.clone(), &context, limit, self.place).await;
        let spans = context.finish();
        let checks = match produced.map(|produced| produced.map_err(|error| error_chain(&*error))) {
            Ok(Ok(checks)) => checks,
            Ok(Err(why)) | Err(why) => {
                let ended = if context.lacks_recording() {
                    Ended::NotRecorded
                } else {
                    Ended::Errored
                };
                return Err((ended, why));
            }
        };
        let trace = Arc::new(trace(spans));
        let measured = measure_end(
            run,
            checks,
            trace,
            Trial {
                number: self.record.trial,
                account,
            },
            limit,
        )
        .await;
        let Some(ok) = end_of(deciding(&measured).map(|m| m.outcome)) else {
            let errored = measured.iter().find_map(|m| m.reason.clone());
            let why = errored.unwrap_or_else(|| "nothing was measured".to_string());
            return Err((Ended::Errored, why));
        };
        let scores: Vec<f64> = deciding(&measured).filter_map(|m| m.score).collect();
        let score = scores.iter().sum::<f64>() / scores.len().max(1) as f64;
        Ok((f64::from(u8::from(ok)), score))
    }
}

/// The measurements that decide how a case ends.
fn deciding(measurements: &[MeasurementRecord]) -> impl Iterator<Item = &MeasurementRecord> {
    measurements
        .iter()
        .filter(|m| m.component.is_none() && !m.report_only)
}

/// The references that the cases of a trial have for stages that were called, and their order.
fn references(trial: &TrialRecord) -> (Vec<Reference>, Vec<u64>) {
    let names: Vec<_> = trial
        .spans
        .iter()
        .map(|span| (span.name.as_str(), span.parent))
        .collect();
    let paths = paths(&names);
    let components = |case: &Value| {
        let components = case.get("components").cloned().unwrap_or_default();
        serde_json::from_value::<BTreeMap<String, Component>>(components).unwrap_or_default()
    };
    let all: BTreeMap<_, _> = trial.cases.iter().flat_map(components).collect();
    let (mut references, mut calls) = (Vec::new(), Vec::new());
    for (name, component) in all {
        let below = format!("/{name}");
        // What the test substitutes itself stays its own.
        let of_stage: Vec<usize> = (0..trial.spans.len())
            .filter(|&at| paths[at] == name || paths[at].ends_with(&below))
            .filter(|&at| !trial.spans[at].substituted)
            .collect();
        let Some(first) = of_stage.first() else {
            continue;
        };
        let text = |at: &usize| trial.spans[*at].output.is_string();
        let as_data = component.output.is_some() || !component.outputs.is_empty();
        // A text stands for a result only where the result is one.
        if !as_data && !of_stage.iter().all(text) {
            continue;
        }
        let Some(substitute) = Substitute::reference(&component) else {
            continue;
        };
        let one_path = of_stage.iter().all(|at| paths[*at] == paths[*first]);
        let stage = if one_path {
            paths[*first].clone()
        } else {
            name.clone()
        };
        references.push(Reference {
            name,
            stage,
            substitute,
        });
        calls.push(of_stage);
    }
    // As many as there are bits.
    references.truncate(64);
    calls.truncate(64);
    let trace = Trace {
        spans: trial.spans.clone(),
    };
    let before = before(&trace, &calls);
    (references, before)
}

/// What is run again, and what is said of it before.
pub(crate) struct Plan {
    pub(crate) rerun: Vec<FailedTrial>,
    /// Looked at, and not run again.
    pub(crate) rest: Vec<CausalRecord>,
    pub(crate) text: String,
}

/// Chooses at most `max` of the failed trials, evenly over tests and rows.
pub(crate) fn plan(mut failed: Vec<FailedTrial>, max: usize) -> Plan {
    failed.sort_by(|a, b| {
        let key = |trial: &FailedTrial| (trial.record.position, trial.record.trial);
        let by_test = a.record.test.cmp(&b.record.test);
        by_test.then(key(a).cmp(&key(b)))
    });
    let all = failed.len();
    let (can, cannot): (Vec<_>, Vec<_>) = failed
        .into_iter()
        .partition(|trial| !trial.references.is_empty());
    let mut rest: Vec<_> = cannot.into_iter().map(|trial| trial.record).collect();
    let (many, take) = (can.len(), can.len().min(max));
    let mut rerun = Vec::with_capacity(take);
    for (at, mut trial) in can.into_iter().enumerate() {
        // The n-th chosen is the first at or after n / take of the way.
        if (rerun.len() * many).div_ceil(take.max(1)) == at && rerun.len() < take {
            rerun.push(trial);
        } else {
            trial.record.ended = Ended::LeftOut;
            rest.push(trial.record);
        }
    }
    let reruns: usize = rerun.iter().map(|trial| trial.sets().len()).sum();
    let mut text = format!(
        "blame: {take} of {all} failed {} {} run again with references in place of results, in {reruns} reruns",
        if all == 1 { "trial" } else { "trials" },
        if take == 1 { "is" } else { "are" },
    );
    if many > take {
        let _ = write!(text, "; {} more are left out", many - take);
    }
    if all > many {
        let _ = write!(text, "; {} without a reference", all - many);
    }
    text.push('\n');
    if many > take {
        text.push_str("hint: raise `max` under `[blame]` in llmtest.toml\n");
    }
    if all > many {
        text.push_str(
            "hint: references stand in the row: `\"components\": {\"a stage\": {\"output\": …}}`\n",
        );
    }
    Plan { rerun, rest, text }
}

/// Runs them all, as places are free.
pub(crate) async fn rerun_all(run: &'static Run, failed: Vec<FailedTrial>) -> Vec<CausalRecord> {
    let mut tasks = tokio::task::JoinSet::new();
    for trial in failed {
        let mut lost = trial.record.clone();
        tasks.spawn(async move {
            let task = tokio::spawn(trial.rerun(run));
            task.await.unwrap_or_else(|error| {
                lost.ended = Ended::Errored;
                lost.why = Some(format!("the runner failed: {error}"));
                lost
            })
        });
    }
    let mut records = tasks.join_all().await;
    records.sort_by(|a, b| {
        let key = |record: &CausalRecord| (record.position, record.trial);
        a.test.cmp(&b.test).then(key(a).cmp(&key(b)))
    });
    records
}

/// Runs these rows as the harness does, the failed ones again with their references, and says which stage cost the end;
/// for our own commands. Nothing is written. Also returns how many ended as Errored.
#[doc(hidden)]
pub fn blame_of(entry: &'static TestEntry, rows: Vec<Value>) -> (Option<Blame>, usize) {
    crate::runtime::handle().block_on(async {
        let run = super::run();
        let mut cases = tokio::task::JoinSet::new();
        for (position, value) in rows.into_iter().enumerate() {
            let id = position.to_string();
            let row = RowValue {
                id: id.clone(),
                value,
                line: 0,
            };
            cases.spawn(async move {
                let case = Case::row(entry, position, id, Ok(row.clone()));
                let record = run_case(run, case, Place::Runtime).await;
                let failed = FailedTrial::all_of(entry, &Some(row), Place::Runtime, &record);
                (record, failed)
            });
        }
        let (mut tally, mut failed, mut errored) = (BlameTally::default(), Vec::new(), 0);
        for (record, trials) in cases.join_all().await {
            errored += usize::from(record.outcome == crate::Outcome::Errored);
            tally.add(&CaseView::from(&record));
            failed.extend(trials);
        }
        for record in rerun_all(run, plan(failed, usize::MAX).rerun).await {
            tally.add_causal(record);
        }
        (tally.blame(), errored)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{Body, Dataset};
    use crate::observe::Substitute;

    static ENTRY: TestEntry = TestEntry {
        name: "t",
        module: "m",
        file: "f.rs",
        line: 1,
        manifest_dir: "",
        ignored: false,
        ignore_reason: None,
        dataset: Dataset::None,
        pass_rate: None,
        trials: 1,
        passes: None,
        timeout: None,
        budget: None,
        tags: &[],
        description: "",
        body: Body::Sync(|_| Ok(Vec::new())),
    };

    fn failed(position: usize, stages: usize) -> FailedTrial {
        let reference = |n| Reference {
            name: format!("s{n}"),
            stage: format!("s{n}"),
            substitute: Substitute::Value(Value::Null),
        };
        FailedTrial {
            entry: &ENTRY,
            row: None,
            place: Place::Runtime,
            references: (0..stages).map(reference).collect(),
            before: (0..stages).map(|n| (1 << n) - 1).collect(),
            record: CausalRecord {
                binary: "b".to_string(),
                test: "t".to_string(),
                row: None,
                position,
                attempt: 1,
                trial: 0,
                reruns: 0,
                ended: Ended::WithoutReference,
                why: None,
            },
        }
    }

    #[test]
    fn beyond_the_limit_failed_trials_are_sampled_evenly_and_said() {
        let mut all: Vec<_> = (0..100).map(|n| failed(99 - n, 4)).collect();
        all.push(failed(100, 0));
        let planned = plan(all, 5);
        let chosen: Vec<_> = planned.rerun.iter().map(|t| t.record.position).collect();
        assert_eq!(chosen, [0, 20, 40, 60, 80]);
        let ended = |ended: Ended| planned.rest.iter().filter(|r| r.ended == ended).count();
        assert_eq!(
            (ended(Ended::LeftOut), ended(Ended::WithoutReference)),
            (95, 1)
        );
        // Nothing, four beginnings, and three more stages alone.
        assert!(
            planned.text.starts_with("blame: 5 of 101 failed trials are run again with references in place of results, in 40 reruns; 95 more are left out; 1 without a reference\nhint: "),
            "{}",
            planned.text
        );
        assert_eq!(plan(vec![failed(0, 1)], 5).rerun.len(), 1);
    }
}
