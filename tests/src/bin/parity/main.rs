//! Runs test vectors of DeepEval through our metrics: `cargo run -q --release -p llmtest-tests --bin parity -- DIR`.
//!
//! Every `*.jsonl` file of the folder holds vectors: a test case, a metric's options, a judge's answers, and what DeepEval
//! returned for them. Each is run through the real metric with a scripted judge; see CONTRIBUTING.md.

#![expect(clippy::print_stdout, reason = "a command that reports")]

mod adapt;
mod compare;
mod judge;
mod table;
mod vector;

use compare::{Ours, Verdict};
use llmtest_tests::Tally;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;
use table::Table;
use vector::Vector;

const USAGE: &str = "usage: parity DIR [--only METRIC] [--check-table] [--list-differs]";

fn main() -> ExitCode {
    match arguments().and_then(|arguments| run(&arguments)) {
        Ok(code) => code,
        Err(message) => {
            println!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

struct Arguments {
    dir: PathBuf,
    only: Option<String>,
    check_table: bool,
    list_differs: bool,
}

fn arguments() -> Result<Arguments, String> {
    let (mut dir, mut only, mut check_table, mut list_differs) = (None, None, false, false);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--only" => only = Some(args.next().ok_or(USAGE)?),
            "--check-table" => check_table = true,
            "--list-differs" => list_differs = true,
            flag if flag.starts_with('-') => return Err(format!("unknown `{flag}`\n{USAGE}")),
            path if dir.is_none() => dir = Some(PathBuf::from(path)),
            more => return Err(format!("`{more}` is one too many\n{USAGE}")),
        }
    }
    let dir = dir.ok_or(USAGE)?;
    Ok(Arguments {
        dir,
        only,
        check_table,
        list_differs,
    })
}

fn run(arguments: &Arguments) -> Result<ExitCode, String> {
    let mut vectors = Vector::read_folder(&arguments.dir)?;
    if let Some(only) = &arguments.only {
        vectors.retain(|vector| vector.metric == *only);
    }
    let mut table = Table::read()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .map_err(|error| error.to_string())?;
    // Panics are outcomes here, which are told below.
    std::panic::set_hook(Box::new(|_| {}));
    let mut metrics: BTreeMap<&str, Tally> = BTreeMap::new();
    let mut total = Tally::default();
    for vector in &vectors {
        let ours = catch_unwind(AssertUnwindSafe(|| {
            runtime.block_on(adapt::measure(vector))
        }));
        let ours = ours.unwrap_or_else(|panic| Ours::panicked(panic.as_ref()));
        let verdict = compare::compare(vector, &ours, &mut table);
        let tally = metrics.entry(&vector.metric).or_default();
        match &verdict {
            Verdict::Same => tally.passed += 1,
            Verdict::Differs(row) => {
                tally.skipped += 1;
                if arguments.list_differs {
                    println!(
                        "differs {}: {ours}; theirs {} [{row}]",
                        vector.id, vector.expected
                    );
                }
            }
            Verdict::Failed(why) => {
                tally.failed += 1;
                println!("FAILED {}: {why}", vector.id);
                println!("  ours   {ours}\n  theirs {}", vector.expected);
            }
        }
    }
    let _ = std::panic::take_hook();
    for (metric, tally) in &metrics {
        println!("{metric:<28} {tally}");
        total += *tally;
    }
    if arguments.check_table && arguments.only.is_none() {
        for row in table.unused() {
            println!("FAILED: the table has a row that no vector needs: {row}");
            total.failed += 1;
        }
    }
    println!("\n{total}");
    Ok(total.exit_code())
}
