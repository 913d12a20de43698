//! Runs the tool metrics over recorded data: `cargo run -q --release -p llmtest-tests --bin tool-data -- DIR`, where DIR
//! holds `bfcl_sample` (function-calling questions with accepted calls) and `tau_bench_airline` (recorded conversations
//! with tools, expected calls and rewards).

#![expect(clippy::print_stdout, reason = "a command that reports")]

mod bfcl;
mod tau;

use llmtest::{FakeJudge, Metric, TestCase, ToolCorrectness, measure_with};
use llmtest_tests::Tally;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let (Some(dir), None) = (args.next(), args.next()) else {
        println!("usage: tool-data DIR");
        return ExitCode::FAILURE;
    };
    match run(Path::new(&dir)) {
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

fn run(dir: &Path) -> Result<Tally, String> {
    let mut report = Report::new()?;
    bfcl::run(&rows(&dir.join("bfcl_sample"), "items.jsonl")?, &mut report);
    tau::run(
        &rows(&dir.join("tau_bench_airline"), "trajectories.jsonl")?,
        &mut report,
    );
    Ok(report.tally)
}

/// The rows of a data set: of the file in its folder, or in `public` and `heldout` below it.
fn rows<T: DeserializeOwned>(dir: &Path, file: &str) -> Result<Vec<T>, String> {
    let places = ["", "public", "heldout"].map(|side| dir.join(side).join(file));
    let files: Vec<PathBuf> = places.into_iter().filter(|path| path.is_file()).collect();
    let mut rows = Vec::new();
    for path in &files {
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        for (number, line) in (1..).zip(text.lines()) {
            let row = serde_json::from_str(line);
            rows.push(row.map_err(|error| format!("{}:{number}: {error}", path.display()))?);
        }
    }
    if rows.is_empty() {
        return Err(format!("{} has no rows of `{file}`", dir.display()));
    }
    Ok(rows)
}

/// Measures, and counts what is as it should be.
struct Report {
    runtime: tokio::runtime::Runtime,
    tally: Tally,
    /// How many checks of the current line of the table held, and failed.
    line: (usize, usize),
}

impl Report {
    fn new() -> Result<Self, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        Ok(Self {
            runtime: runtime.map_err(|error| error.to_string())?,
            tally: Tally::default(),
            line: (0, 0),
        })
    }

    /// The score; not a number where there is none, which no check takes.
    fn value(&self, case: &TestCase, metric: &impl Metric) -> f64 {
        let score = self
            .runtime
            .block_on(measure_with(case, metric, FakeJudge::new()));
        score.map_or(f64::NAN, |score| score.value)
    }

    /// A check of a row; what fails is printed.
    fn check(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if holds {
            self.line.0 += 1;
            self.tally.passed += 1;
        } else {
            self.line.1 += 1;
            self.tally.failed += 1;
            println!("FAILED {}", what());
        }
    }

    /// A check that a score is what a formula says.
    fn equal(&mut self, found: f64, expected: f64, what: impl FnOnce() -> String) {
        let near = (found - expected).abs() < 1e-9;
        self.check(near, || format!("{}: {found}, not {expected}", what()));
    }

    /// Ends a line of the table.
    fn line(&mut self, name: &str, figure: &str) {
        let (passed, failed) = std::mem::take(&mut self.line);
        println!("| {name} | {figure} | {passed} | {failed} |");
    }

    fn heading(title: &str) {
        println!("\n| {title} | figure | held | failed |\n|---|---|---|---|");
    }
}

/// The three orders, by name.
fn orders() -> [(&'static str, ToolCorrectness); 3] {
    [
        ("any order", ToolCorrectness::new()),
        ("ordered", ToolCorrectness::new().ordered()),
        ("exact", ToolCorrectness::new().exact()),
    ]
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
