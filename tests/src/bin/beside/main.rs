//! Our G-Eval on the rows of QAGS that `tests/peers/deepeval_qags.py` gives to DeepEval's:
//! `cargo run -q --release -p llmtest-tests --bin beside -- --data items.jsonl [--limit 60] [--out FILE]`. Which model is the
//! business of the environment; see `tests/peers/README.md`.

#![expect(clippy::print_stdout, reason = "a command that reports")]

use llmtest::{Field, GEval, Metric as _, TestCase};
use serde::Deserialize;
use serde_json::json;
use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::Semaphore;

const USAGE: &str = "usage: beside --data items.jsonl [--limit 60] [--out FILE]  (with LLMTEST_MODE=live, LLMTEST_MODEL and LLMTEST_BASE_URL set)";

/// The steps that both are given.
const STEPS: &str = include_str!("../../../peers/consistency_steps.txt");

/// How many cases at a time, as in the script beside.
const AT_ONCE: usize = 2;

#[derive(Deserialize)]
struct Row {
    id: String,
    dataset: String,
    context: Vec<String>,
    output: String,
    human_consistency: f64,
}

struct Args {
    data: String,
    limit: usize,
    out: Option<String>,
}

fn args() -> Option<Args> {
    let (mut data, mut limit, mut out) = (None, 60, None);
    let mut given = std::env::args().skip(1);
    while let Some(name) = given.next() {
        let value = given.next()?;
        match name.as_str() {
            "--data" => data = Some(value),
            "--limit" => limit = value.parse().ok()?,
            "--out" => out = Some(value),
            _ => return None,
        }
    }
    Some(Args {
        data: data?,
        limit,
        out,
    })
}

fn main() -> ExitCode {
    let Some(args) = args() else {
        println!("{USAGE}");
        return ExitCode::FAILURE;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let done = runtime
        .map_err(Into::into)
        .and_then(|runtime| runtime.block_on(run(&args)));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The first half from CNN/DM, the other from XSUM, in the order of the file.
fn rows(args: &Args) -> llmtest::Result<Vec<Row>> {
    let text = std::fs::read_to_string(&args.data)
        .map_err(|error| format!("cannot read `{}`: {error}", args.data))?;
    let all = text
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<Vec<Row>, _>>()?;
    let (cnndm, xsum): (Vec<Row>, Vec<Row>) =
        all.into_iter().partition(|row| row.dataset == "cnndm");
    let half = args.limit / 2;
    Ok(cnndm
        .into_iter()
        .take(half)
        .chain(xsum.into_iter().take(half))
        .collect())
}

/// A row's id and label, and what our metric says.
type Judged = llmtest::Result<(String, bool, llmtest::Result<llmtest::Score>)>;

async fn run(args: &Args) -> llmtest::Result<()> {
    let rows = rows(args)?;
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let started = Instant::now();
    let tasks: Vec<tokio::task::JoinHandle<Judged>> = rows
        .into_iter()
        .map(|row| {
            let places = places.clone();
            tokio::spawn(async move {
                let _place = places.acquire().await?;
                let case = TestCase::new("Summarize the article.", row.output).context(row.context);
                let metric = GEval::by_steps("consistency", STEPS.lines())
                    .given([Field::Context, Field::Output]);
                let score = llmtest::measure(&case, &metric.at_least(0.5)).await;
                Ok((row.id, row.human_consistency >= 1.0, score))
            })
        })
        .collect();
    let (mut scored, mut errors, mut agree, mut lines) = (0, 0, 0, String::new());
    let cases = tasks.len();
    for task in tasks {
        let (id, label, score) = task.await??;
        let line = match score {
            Ok(score) => {
                scored += 1;
                agree += usize::from((score.value >= 0.5) == label);
                json!({"id": id, "score": score.value, "label": label})
            }
            Err(error) => {
                errors += 1;
                json!({"id": id, "error": error.to_string()})
            }
        };
        writeln!(lines, "{line}")?;
    }
    if let Some(out) = &args.out {
        std::fs::write(out, lines)?;
    }
    let seconds = (started.elapsed().as_secs_f64() * 10.0).round() / 10.0;
    println!(
        "{}",
        json!({"cases": cases, "scored": scored, "errors": errors, "agree": agree, "seconds": seconds})
    );
    Ok(())
}
