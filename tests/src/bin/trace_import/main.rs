//! Imports recorded agent traces and compares them with what their files say:
//! `cargo run -q --release -p llmtest-tests --bin trace-import -- DIR`, where DIR holds `traces.jsonl` (observations of
//! Langfuse), `chatml_normalised.jsonl` (what Langfuse makes of their inputs and outputs) and `span_trees_deepeval.jsonl`.
//!
//! What differs for a reason stands in `tests/tables/traces.md`. Exit 0 only when nothing failed and something was read.
//! With `--check-table`, a row of the table that matches nothing fails too.

#![expect(clippy::print_stdout, reason = "a command that reports")]

mod deepeval;
mod gold;
mod langfuse;
mod table;

use llmtest::import::ImportedTrace;
use llmtest::{RunReport, export, import};
use llmtest_tests::Tally;
use serde_json::{Value, json};
use std::path::Path;
use std::process::ExitCode;
use table::Rows;

const USAGE: &str = "usage: trace-import DIR [--check-table]";

fn main() -> ExitCode {
    let mut check_table = false;
    let mut dir = None;
    for arg in std::env::args().skip(1) {
        match arg.as_str() {
            "--check-table" => check_table = true,
            _ if dir.is_none() && !arg.starts_with('-') => dir = Some(arg),
            _ => {
                println!("{USAGE}");
                return ExitCode::FAILURE;
            }
        }
    }
    let Some(dir) = dir else {
        println!("{USAGE}");
        return ExitCode::FAILURE;
    };
    match run(Path::new(&dir), check_table) {
        Ok(tally) => {
            println!("\n{tally}");
            tally.exit_code()
        }
        Err(message) => {
            println!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(dir: &Path, check_table: bool) -> Result<Tally, String> {
    let mut report = Report {
        tally: Tally::default(),
        rows: table::rows()?,
        line: Tally::default(),
    };
    println!("| trace | equal | failed | named |\n|---|---|---|---|");
    langfuse::run(
        &text(dir, "traces.jsonl")?,
        &text(dir, "chatml_normalised.jsonl")?,
        &mut report,
    )?;
    deepeval::run(&text(dir, "span_trees_deepeval.jsonl")?, &mut report)?;
    if check_table {
        for row in report.rows.unused() {
            println!("FAILED the table names {row}, and nothing differs there");
            report.tally.failed += 1;
        }
    }
    Ok(report.tally)
}

fn text(dir: &Path, file: &str) -> Result<String, String> {
    let path = dir.join(file);
    std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
}

/// The lines of a file of JSON Lines.
fn lines(text: &str) -> Result<Vec<Value>, String> {
    let read = text.lines().map(serde_json::from_str);
    read.collect::<Result<_, _>>()
        .map_err(|error: serde_json::Error| error.to_string())
}

/// Counts what is as it should be.
struct Report {
    tally: Tally,
    rows: Rows,
    line: Tally,
}

impl Report {
    /// A check; what does not hold must stand in the table.
    fn check(&mut self, trace: &str, what: &str, holds: bool, told: impl FnOnce() -> String) {
        if holds {
            self.line.passed += 1;
        } else if self.rows.names(trace, what) {
            self.line.skipped += 1;
        } else {
            self.line.failed += 1;
            println!("FAILED {trace}: {what}: {}", told());
        }
    }

    /// Ends the line of a trace.
    fn line(&mut self, trace: &str) {
        let Tally {
            passed,
            failed,
            skipped,
        } = std::mem::take(&mut self.line);
        println!("| {trace} | {passed} | {failed} | {skipped} |");
        self.tally += Tally {
            passed,
            failed,
            skipped,
        };
    }

    /// The same spans come back out of an export.
    fn round_trip(&mut self, trace: &str, imported: &ImportedTrace) {
        let spans = &imported.trace.spans;
        let back = exported_and_back(imported);
        self.check(
            trace,
            "round trip",
            back.as_ref()
                .is_ok_and(|back| same_spans(&back.trace.spans, spans)),
            || match &back {
                Ok(back) => format!("{:?}\nis not\n{:?}", back.trace.spans, spans),
                Err(error) => error.clone(),
            },
        );
    }

    /// Every parent stands before its children.
    fn order(&mut self, trace: &str, imported: &ImportedTrace) {
        let mut spans = imported.trace.spans.iter().enumerate();
        let holds = spans.all(|(at, span)| span.parent.is_none_or(|parent| parent < at));
        self.check(trace, "order", holds, || {
            "a child stands before its parent".to_string()
        });
    }
}

/// Equal in everything, times to the nanosecond.
fn same_spans(a: &[llmtest::Span], b: &[llmtest::Span]) -> bool {
    let near = |a: f64, b: f64| (a - b).abs() < 0.5e-9;
    a.len() == b.len()
        && a.iter().zip(b).all(|(a, b)| {
            let mut timed = a.clone();
            (timed.start, timed.duration) = (b.start, b.duration);
            timed == *b && near(a.start, b.start) && near(a.duration, b.duration)
        })
}

fn exported_and_back(imported: &ImportedTrace) -> Result<ImportedTrace, String> {
    let spans = serde_json::to_value(&imported.trace.spans).map_err(|error| error.to_string())?;
    let report = json!({"format": RunReport::FORMAT, "run": {"id": "trace-import"}, "tests": [{
        "test": "imported", "row": imported.id, "binary": "b", "file": "f", "line": 1, "outcome": "passed",
        "passes_needed": 1, "attempt": 1, "duration": 0.0,
        "trials": [{"outcome": "passed", "started": 1_700_000_000_000_u64, "duration": 0.0, "spans": spans}],
    }]});
    let report = RunReport::from_json(&report.to_string()).map_err(|error| error.to_string())?;
    let sent = export::otlp_json(&report).to_string();
    let mut back = import::otlp_json(&sent).map_err(|error| error.to_string())?;
    if back.len() == 1 {
        Ok(back.remove(0))
    } else {
        Err(format!("{} traces came back", back.len()))
    }
}
