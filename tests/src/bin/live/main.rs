//! Runs every judged metric against a real model, on a case that should pass and one that should fail:
//! `cargo run -q --release -p llmtest-tests --bin live -- [--only TEXT]`. Which model is the business of the
//! environment; see CONTRIBUTING.md.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command that reports, with its progress apart"
)]

mod cases;

use cases::{Live, Subject};
use llmtest::{JudgeError, NotApplicable};
use llmtest_tests::Tally;
use std::process::ExitCode;
use std::time::Instant;

const USAGE: &str =
    "usage: live [--only TEXT]...  (with LLMTEST_MODE, LLMTEST_MODEL and LLMTEST_BASE_URL set)";

fn main() -> ExitCode {
    let mut only = Vec::new();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let (true, Some(text)) = (arg == "--only", args.next()) else {
            println!("{USAGE}");
            return ExitCode::FAILURE;
        };
        only.push(text);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            println!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    runtime.block_on(run(&only))
}

/// What came of one measurement.
enum Measured {
    Score(f64),
    /// The model's own fault: it did not answer as asked.
    Model(String),
    Error(String),
}

async fn run(only: &[String]) -> ExitCode {
    let wanted =
        |live: &Live| only.is_empty() || only.iter().any(|text| live.name.contains(text.as_str()));
    let cases: Vec<Live> = cases::all().into_iter().filter(wanted).collect();
    println!("| metric | should pass | should fail | difference | seconds |");
    println!("|---|---|---|---|---|");
    let mut tally = Tally::default();
    let mut notes = Vec::new();
    for live in &cases {
        eprintln!("{} …", live.name);
        let started = Instant::now();
        let good = measure(&live.good).await;
        let bad = measure(&live.bad).await;
        let seconds = started.elapsed().as_secs_f64();
        let difference = match (&good, &bad) {
            (Measured::Score(good), Measured::Score(bad)) => Some(good - bad),
            _ => None,
        };
        let cell = |measured: &Measured| match measured {
            Measured::Score(score) => format!("{score:.2}"),
            Measured::Model(_) => "model".to_string(),
            Measured::Error(_) => "ERROR".to_string(),
        };
        let shown = difference.map_or("-".to_string(), |difference| format!("{difference:+.2}"));
        println!(
            "| {} | {} | {} | {shown} | {seconds:.0} |",
            live.name,
            cell(&good),
            cell(&bad)
        );
        for (which, measured) in [("should pass", &good), ("should fail", &bad)] {
            match measured {
                Measured::Model(message) => notes.push(format!(
                    "{}, {which}: the model's own error: {message}",
                    live.name
                )),
                Measured::Error(message) => {
                    notes.push(format!("{}, {which}: ERROR: {message}", live.name));
                }
                Measured::Score(_) => {}
            }
        }
        let is_error = [&good, &bad]
            .iter()
            .any(|measured| matches!(measured, Measured::Error(_)));
        match difference {
            Some(difference) if difference > 0.0 => tally.passed += 1,
            Some(_) => {
                notes.push(format!("{}: the difference is not positive", live.name));
                tally.skipped += 1;
            }
            None if is_error => tally.failed += 1,
            None => tally.skipped += 1,
        }
    }
    println!();
    for note in &notes {
        println!("{note}");
    }
    println!(
        "\npassed = the case that should pass scored higher; skipped = the model's own error or no difference"
    );
    println!("{tally}");
    tally.exit_code()
}

async fn measure(subject: &Subject) -> Measured {
    let expectation = &subject.check.expectations()[0];
    let error =
        match llmtest::__private::measure_traced(subject.check.case(), &subject.trace, expectation)
            .await
        {
            Ok(score) => return Measured::Score(score.value),
            Err(error) => error,
        };
    let first = |text: String| text.lines().take(2).collect::<Vec<_>>().join(" / ");
    if let Some(skipped) = error.downcast_ref::<NotApplicable>() {
        return Measured::Model(format!("skipped because {}", skipped.reason()));
    }
    match error.downcast_ref::<JudgeError>() {
        Some(judge) if judge.kind == llmtest::JudgeErrorKind::BadReply => {
            Measured::Model(first(error.to_string()))
        }
        _ => Measured::Error(first(error.to_string())),
    }
}
