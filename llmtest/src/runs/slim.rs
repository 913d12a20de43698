//! A report without its texts: what a baseline is.

use crate::Result;
use crate::results::stream::{self, Cases};
use crate::results::{MeasurementRecord, RunReport, TestRecord, TrialRecord};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

/// Writes a run as a baseline: format 1 of a report, one line a case, without cases, calls, transcripts, reasons and
/// times of day. Sorted, so that the diff of two baselines shows what changed. The report is read case by case.
pub(crate) fn slim(report: &Path, out: &mut dyn Write) -> Result<()> {
    let mut cases = Slim::default();
    let report = stream::read(report, &mut cases)?;
    let run = json!({
        "id": report.run.id,
        "llmtest": report.run.llmtest,
        "started": report.run.started,
        "git": report.run.git,
        "judge": report.run.judge,
    });
    write!(
        out,
        "{{\"format\":{},\"run\":{run},\"tests\":[",
        RunReport::FORMAT
    )?;
    for (at, case) in cases.0.values().enumerate() {
        out.write_all(if at == 0 { b"\n" } else { b",\n" })?;
        out.write_all(case.as_bytes())?;
    }
    writeln!(out, "\n]}}")?;
    Ok(())
}

/// The lines of a baseline, by binary, test and row.
#[derive(Default)]
struct Slim(BTreeMap<(String, String, Option<String>), String>);

impl Cases for Slim {
    fn add(&mut self, test: &TestRecord) {
        let key = (test.binary.clone(), test.test.clone(), test.row.clone());
        self.0.insert(key, case(test).to_string());
    }
}

fn case(test: &TestRecord) -> Value {
    let trials: Vec<Value> = test.trials.iter().map(trial).collect();
    let mut case = json!({
        "test": test.test,
        "binary": test.binary,
        "file": test.file,
        "line": test.line,
        "position": test.position,
        "outcome": test.outcome,
        "passes_needed": test.passes_needed,
        "attempt": test.attempt,
        "duration": rounded(test.duration),
        "trials": trials,
    });
    add(&mut case, "row", test.row.as_ref().map(|row| json!(row)));
    add(
        &mut case,
        "tags",
        (!test.tags.is_empty()).then(|| json!(test.tags)),
    );
    case
}

fn trial(trial: &TrialRecord) -> Value {
    let whole = trial.measurements.iter().filter(|m| !m.part);
    let measurements: Vec<Value> = whole.map(measurement).collect();
    let mut found = json!({
        "outcome": trial.outcome,
        "digest": trial.digest,
        "duration": rounded(trial.duration),
        "measurements": measurements,
    });
    add(
        &mut found,
        "error",
        trial.error.as_ref().map(|_| json!("it could not run")),
    );
    found
}

fn measurement(m: &MeasurementRecord) -> Value {
    let mut found = json!({
        "metric": m.metric,
        "nth": m.nth,
        "outcome": m.outcome,
        "bar": m.bar,
        "digest": m.digest,
        "duration": 0.0,
    });
    add(
        &mut found,
        "component",
        m.component.as_ref().map(|name| json!(name)),
    );
    add(
        &mut found,
        "label",
        m.label.as_ref().map(|name| json!(name)),
    );
    add(&mut found, "score", m.score.map(|score| json!(score)));
    add(
        &mut found,
        "report_only",
        m.report_only.then_some(json!(true)),
    );
    add(
        &mut found,
        "judge",
        m.judge.as_ref().map(|judge| json!(judge)),
    );
    add(
        &mut found,
        "prompts",
        (!m.prompts.is_empty()).then(|| json!(m.prompts)),
    );
    found
}

fn add(to: &mut Value, name: &str, value: Option<Value>) {
    let empty = &mut Map::new();
    let fields = to.as_object_mut().unwrap_or(empty);
    fields.extend(value.map(|value| (name.to_string(), value)));
}

/// To tenths of a second: the rest differs each time, and would be in every diff.
fn rounded(seconds: f64) -> f64 {
    (seconds * 10.0).round() / 10.0
}
