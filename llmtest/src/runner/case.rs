//! One case from its row to its record: all trials, the body and then the expectations.

use super::body::{Place, run_body};
use super::causal::FailedTrial;
use super::measure::{Trial, error_chain, measure_all, trace};
use super::run::Run;
use crate::cost::{self, Spending};
use crate::dataset::DatasetError;
use crate::entry::{Dataset, RowValue, TestEntry};
use crate::observe::{CaseContext, StageAnswer, StageRequest, Stages};
use crate::results::{DatasetPlace, MeasurementRecord, Outcome, TestRecord, TrialRecord};
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// What is to be run: a test, or one row of it.
pub(crate) struct Case {
    pub(crate) entry: &'static TestEntry,
    pub(crate) row: Option<RowValue>,
    /// The row's id, also of a row that could not be read.
    pub(crate) id: Option<String>,
    /// The row's place in its dataset.
    pub(crate) position: usize,
    /// The line of its dataset; zero where that is not known.
    line: usize,
    /// What keeps the case from running.
    pub(crate) broken: Option<String>,
}

impl Case {
    pub(crate) fn plain(entry: &'static TestEntry) -> Self {
        Self {
            entry,
            row: None,
            id: None,
            position: 0,
            line: 0,
            broken: None,
        }
    }

    pub(crate) fn row(
        entry: &'static TestEntry,
        position: usize,
        id: String,
        row: Result<RowValue, DatasetError>,
    ) -> Self {
        let (line, row, broken) = match row {
            Ok(row) => (row.line, Some(row), None),
            Err(error) => (error.line, None, Some(error.to_string())),
        };
        Self {
            entry,
            row,
            id: Some(id),
            position,
            line,
            broken,
        }
    }

    /// A case that only says what is wrong.
    pub(crate) fn broken(entry: &'static TestEntry, why: String) -> Self {
        Self {
            broken: Some(why),
            ..Self::plain(entry)
        }
    }
}

/// Runs all trials of a case, each when there is a free place. Always comes back with a record.
pub(crate) async fn run_case(run: &'static Run, case: Case, place: Place) -> TestRecord {
    run_rest(run, case, place, Vec::new()).await
}

/// Runs the trials of a case that come after these.
pub(super) async fn run_rest(
    run: &'static Run,
    case: Case,
    place: Place,
    earlier: Vec<TrialRecord>,
) -> TestRecord {
    let entry = case.entry;
    let again = run.wants_causal_blame().then(|| case.row.clone());
    let (trials, needed) = run.trials(entry);
    let trials = if case.broken.is_some() { 1 } else { trials };
    let one = move |trial, row, broken: Option<String>| async move {
        let _free = run.places.acquire().await;
        match broken {
            Some(why) => errored(why),
            None => run_trial(run, entry, row, trial, place).await,
        }
    };
    let ended = if trials == 1 && earlier.is_empty() {
        vec![one(0, case.row, case.broken).await]
    } else {
        let start = |trial| tokio::spawn(one(trial, case.row.clone(), None));
        let first = u32::try_from(earlier.len()).unwrap_or(trials);
        let tasks: Vec<_> = (first..trials).map(start).collect();
        let mut ended = earlier;
        for task in tasks {
            let failed = |error| errored(format!("the runner failed: {error}"));
            ended.push(task.await.unwrap_or_else(failed));
        }
        ended
    };
    let needed = needed.min(trials);
    let dataset = match (entry.dataset, &case.id) {
        (Dataset::File(file), Some(_)) => {
            let package = Path::new(entry.manifest_dir);
            Some(DatasetPlace::new(entry.file, package, file, case.line))
        }
        _ => None,
    };
    let record = TestRecord {
        test: entry.path(),
        dataset,
        row: case.id,
        position: case.position,
        binary: run.binary.clone(),
        file: entry.file.to_string(),
        line: entry.line,
        description: entry.description.to_string(),
        tags: entry.tags.iter().map(ToString::to_string).collect(),
        outcome: over_trials(&ended, needed),
        passes_needed: needed,
        attempt: run.attempt(),
        duration: ended.iter().map(|trial| trial.duration).sum(),
        trials: ended,
    };
    if let Some(row) = again {
        run.keep_failed(FailedTrial::all_of(entry, &row, place, &record));
    }
    record
}

/// Milliseconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

fn errored(why: String) -> TrialRecord {
    TrialRecord {
        outcome: Outcome::Errored,
        error: Some(why),
        cases: Vec::new(),
        measurements: Vec::new(),
        spans: Vec::new(),
        stages: (0, 0),
        application: Spending::default(),
        started: now(),
        digest: String::new(),
        duration: 0.0,
    }
}

/// Stands for the recordings when the configuration cannot be read: what is to be replayed must not go live instead.
struct Unusable(String);

impl Stages for Unusable {
    fn look_up(&self, _: &StageRequest) -> StageAnswer {
        StageAnswer::Miss(self.0.clone())
    }

    fn store(&self, _: &StageRequest, _: &Value) -> Result<(), String> {
        Err(self.0.clone())
    }
}

/// What answers the stages of a case.
pub(super) fn stages_of(run: &Run) -> Arc<dyn Stages> {
    match (&run.recordings, &run.config) {
        (Some(recordings), _) => recordings.clone(),
        (None, Err(error)) => Arc::new(Unusable(error.to_string())),
        (None, Ok(_)) => unreachable!("recordings are made from every valid configuration"),
    }
}

async fn run_trial(
    run: &'static Run,
    entry: &'static TestEntry,
    row: Option<RowValue>,
    trial: u32,
    place: Place,
) -> TrialRecord {
    let (clock, started) = (now(), Instant::now());
    let limit = run.timeout(entry.timeout);
    let limits = run.config.as_ref().map(|config| config.limits);
    let context = CaseContext::limited(trial, Some(stages_of(run)), limits.unwrap_or_default());
    let account = run.account(entry);
    context.charge(account);
    let produced = run_body(entry, row, &context, limit, place).await;
    let trace = Arc::new(trace(context.finish()));
    let stages = context.stages();
    let finished = |outcome, error, cases, measurements| TrialRecord {
        outcome,
        error,
        cases,
        measurements,
        spans: trace.spans.clone(),
        stages,
        application: cost::of_spans(&trace.spans, &run.till.prices),
        started: clock,
        digest: String::new(),
        duration: started.elapsed().as_secs_f64(),
    };
    let checks = match produced.map(|produced| produced.map_err(|error| error_chain(&*error))) {
        Ok(Ok(checks)) => checks,
        Ok(Err(why)) | Err(why) => {
            return finished(Outcome::Errored, Some(why), Vec::new(), Vec::new());
        }
    };
    if checks.is_empty() {
        let why = "the test returned no check\nhint: return at least one; a test that checks nothing cannot fail".to_string();
        return finished(Outcome::Errored, Some(why), Vec::new(), Vec::new());
    }
    let (cases, measurements) = measure_all(
        run,
        checks,
        trace.clone(),
        Trial {
            number: trial,
            account,
        },
        limit,
    )
    .await;
    let outcome = over_measurements(&measurements);
    let error = all_skipped(&measurements).then(|| "no metric applied, so nothing was checked\nhint: add a metric that applies, or `#[ignore]` the test".to_string());
    finished(outcome, error, cases, measurements)
}

fn all_skipped(measurements: &[MeasurementRecord]) -> bool {
    measurements.iter().all(|m| m.outcome == Outcome::Skipped)
}

/// Errored when a measurement errored, Failed when one missed its bar, Errored when all were skipped, else Passed.
/// A report-only measurement decides nothing, and a part leaves it to its whole.
fn over_measurements(measurements: &[MeasurementRecord]) -> Outcome {
    if all_skipped(measurements) {
        return Outcome::Errored;
    }
    let deciding = measurements
        .iter()
        .filter(|m| !m.report_only && !m.part)
        .map(|m| m.outcome);
    match deciding.max() {
        None | Some(Outcome::Skipped) => Outcome::Passed,
        Some(worst) => worst,
    }
}

/// Passed when enough trials passed; else Errored when errors alone kept it from passing, else Failed.
fn over_trials(trials: &[TrialRecord], needed: u32) -> Outcome {
    let count = |outcome| {
        trials
            .iter()
            .filter(|trial| trial.outcome == outcome)
            .count()
    };
    let needed = needed as usize;
    if count(Outcome::Passed) >= needed {
        Outcome::Passed
    } else if count(Outcome::Passed) + count(Outcome::Errored) >= needed {
        Outcome::Errored
    } else {
        Outcome::Failed
    }
}
