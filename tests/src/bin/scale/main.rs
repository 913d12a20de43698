//! Large histories and large datasets, measured: `cargo run -q --release -p llmtest-tests --bin scale`.
//!
//! Writes 100,000 cases of history, as one run and as 1,000 runs of 100, and measures commands of `cargo llmtest` over each
//! (2 seconds and 300 MB at most); then a million rows of a dataset in the one-test form (100 MB at most). `--cases N`,
//! `--rows N` and `--bytes N` (of text in a case) take others; what follows is the list of commands, such as `report gate`.
//! `scale same A B…` says whether reports say the same, but for ids, times and processes. Exit 1 beyond a bound. The peaks
//! of memory are those of Linux.

#![expect(clippy::print_stdout, reason = "a command that reports")]

mod history;
mod measure;
mod same;

use llmtest_tests::{Scratch, Tally, fixture};
use measure::Took;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const USAGE: &str =
    "usage: scale [--cases N] [--rows N] [--bytes N] [COMMAND…] | scale same REPORT REPORT…";

/// What is measured when nothing is named.
const COMMANDS: [&str; 4] = ["report", "compare", "gate", "runs"];

/// Runs one command of `cargo llmtest` in this process, for the one that measures it.
const INSIDE: &str = "--inside";

struct Asked {
    cases: usize,
    rows: usize,
    bytes: usize,
    commands: Vec<String>,
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.split_first() {
        Some((first, rest)) if first == INSIDE => return inside(rest),
        Some((first, rest)) if first == "same" && rest.len() > 1 => return all_same(rest),
        _ => {}
    }
    let Some(asked) = asked(&args) else {
        println!("{USAGE}");
        return ExitCode::FAILURE;
    };
    let mut tally = Tally::default();
    for (runs, cases) in [(2, asked.cases), (asked.cases / 100, 100)] {
        if let Err(error) = commands(&mut tally, &asked, runs, cases) {
            println!("{runs} runs of {cases} cases: {error}");
            tally.failed += 1;
        }
    }
    if let Err(error) = dataset(&mut tally, asked.rows) {
        println!("{} rows: {error}", asked.rows);
        tally.failed += 1;
    }
    println!("{tally}");
    tally.exit_code()
}

fn asked(args: &[String]) -> Option<Asked> {
    let mut asked = Asked {
        cases: 100_000,
        rows: 1_000_000,
        bytes: 3_000,
        commands: Vec::new(),
    };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut number = || args.next()?.parse().ok();
        match arg.as_str() {
            "--cases" => asked.cases = number()?,
            "--rows" => asked.rows = number()?,
            "--bytes" => asked.bytes = number()?,
            name if name.starts_with('-') => return None,
            name => asked.commands.push(name.to_string()),
        }
    }
    if asked.commands.is_empty() {
        asked.commands = COMMANDS.map(str::to_string).to_vec();
    }
    Some(asked)
}

fn inside(args: &[String]) -> ExitCode {
    let place = llmtest::cli::Place::of_this_process();
    let output = llmtest::cli::run(args.iter().map(Into::into), &place);
    print!("{}{}", output.out, output.err);
    ExitCode::from(output.code)
}

fn all_same(reports: &[String]) -> ExitCode {
    let read: Result<Vec<_>, String> = reports
        .iter()
        .map(|path| same::normal(Path::new(path)))
        .collect();
    let reports = match read {
        Ok(read) => read,
        Err(why) => {
            println!("{why}");
            return ExitCode::FAILURE;
        }
    };
    let cases = reports[0]["tests"].as_array().map_or(0, Vec::len);
    let mut tally = Tally::default();
    for other in &reports[1..] {
        match same::difference(&reports[0], other, "report") {
            None if cases > 0 => tally.passed += 1,
            None => tally.failed += 1,
            Some(why) => {
                println!("{why}");
                tally.failed += 1;
            }
        }
    }
    println!("{cases} cases in each; {tally}");
    tally.exit_code()
}

/// Whether a process stayed in its bounds, and a line of what it took.
fn judge(tally: &mut Tally, what: &str, took: &Took, codes: &[i32], seconds: f64, most: f64) {
    let ended = took.code.is_some_and(|code| codes.contains(&code));
    let well = ended && took.seconds <= seconds && took.megabytes.is_some_and(|mb| mb <= most);
    let memory = took.megabytes.unwrap_or(f64::NAN);
    println!(
        "{} {what:<40} {:>7.2} s {memory:>7.1} MB  exit {}",
        if well { "ok  " } else { "FAIL" },
        took.seconds,
        took.code.unwrap_or(-1)
    );
    tally.passed += usize::from(well);
    tally.failed += usize::from(!well);
}

fn commands(tally: &mut Tally, asked: &Asked, runs: usize, cases: usize) -> std::io::Result<()> {
    let room = Scratch::new("scale");
    let root = room.path().join("records");
    history::write(&root, runs, cases, asked.bytes)?;
    fs::write(room.path().join("llmtest.toml"), "")?;
    let call = |args: &[&str]| {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(INSIDE).args(args).env("LLMTEST_DIR", &root);
        measure::run(command, room.path())
    };
    let all = runs.to_string();
    let listed = ["runs", "--last", &all];
    // Folds what was not folded yet: once in the life of a run.
    let folded = call(&listed)?;
    let title = format!("{runs} runs of {cases} cases:");
    judge(
        tally,
        &format!("{title} fold"),
        &folded,
        &[0],
        f64::MAX,
        300.0,
    );
    for name in &asked.commands {
        let args: &[&str] = match name.as_str() {
            "compare" => &["compare", "last~1", "last"],
            "gate" => &["gate", "--baseline", "last~1"],
            "runs" => &listed,
            other => &[other],
        };
        // What a gate says is not asked here, only that it says it.
        judge(
            tally,
            &format!("{title} {name}"),
            &call(args)?,
            &[0, 100, 102],
            2.0,
            300.0,
        );
    }
    Ok(())
}

fn dataset(tally: &mut Tally, rows: usize) -> std::io::Result<()> {
    let room = Scratch::new("scale-rows");
    let binary = fixture("million");
    // Where the fixture looks for it.
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/llmtest-rows.jsonl");
    fs::create_dir_all(path.parent().unwrap_or(&path))?;
    let mut file = BufWriter::new(File::create(&path)?);
    for n in 0..rows {
        writeln!(
            file,
            r#"{{"id":"row-{n}","input":"the question number {n}"}}"#
        )?;
    }
    file.flush()?;
    let mut command = Command::new(binary);
    command.env("LLMTEST_DIR", room.path().join("records"));
    let took = measure::run(command, room.path());
    let _ = fs::remove_file(&path);
    judge(
        tally,
        &format!("a dataset of {rows} rows"),
        &took?,
        &[0],
        f64::MAX,
        100.0,
    );
    Ok(())
}
