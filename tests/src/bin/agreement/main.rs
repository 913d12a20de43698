//! How well a real model agrees with people: as prose, as JSON, and decided from probabilities:
//! `cargo run -q --release -p llmtest-tests --bin agreement -- --data ../shared/data --set qags_unieval [--limit 60]
//! [--modes text,json,probabilities] [--out FILE.jsonl] [--rescore FILE.jsonl]`. Which model is the business of the
//! environment; see CONTRIBUTING.md. With `--out`, what is there already is not asked again.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command that reports, with its progress apart"
)]

mod ask;
mod cases;
mod figures;

use ask::Mode;
use figures::Judged;
use llmtest::trust::Figure;
use serde::{Deserialize, Serialize};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

const USAGE: &str = "usage: agreement --data DIR --set NAME [--limit 60] [--modes text,json,probabilities] [--out FILE.jsonl]\n       agreement --rescore FILE.jsonl\n(with LLMTEST_MODE=live, LLMTEST_MODEL and LLMTEST_BASE_URL set; sets: qags_unieval, agent_judges_bc038)";

/// One answer, a line of the file.
#[derive(Serialize, Deserialize)]
struct Line {
    set: String,
    id: String,
    mode: String,
    label: bool,
    verdict: Option<bool>,
    yes: Option<f64>,
    covered: Option<f64>,
    error: Option<String>,
    calls: u32,
    tokens: u64,
    seconds: f64,
}

struct Args {
    data: PathBuf,
    set: String,
    limit: usize,
    modes: Vec<Mode>,
    out: Option<PathBuf>,
    rescore: Option<PathBuf>,
}

fn args() -> Option<Args> {
    let mut args = Args {
        data: PathBuf::new(),
        set: String::new(),
        limit: 60,
        modes: Mode::ALL.to_vec(),
        out: None,
        rescore: None,
    };
    let mut given = std::env::args().skip(1);
    while let Some(name) = given.next() {
        let value = given.next()?;
        match name.as_str() {
            "--data" => args.data = value.into(),
            "--set" => {
                args.set = cases::SETS
                    .into_iter()
                    .find(|set| *set == value)?
                    .to_string();
            }
            "--limit" => args.limit = value.parse().ok()?,
            "--modes" => {
                let mode = |name: &str| Mode::ALL.into_iter().find(|mode| mode.name() == name);
                args.modes = value.split(',').map(mode).collect::<Option<_>>()?;
            }
            "--out" => args.out = Some(value.into()),
            "--rescore" => args.rescore = Some(value.into()),
            _ => return None,
        }
    }
    (args.rescore.is_some() || !args.set.is_empty()).then_some(args)
}

fn main() -> ExitCode {
    let Some(args) = args() else {
        println!("{USAGE}");
        return ExitCode::FAILURE;
    };
    let lines = match &args.rescore {
        Some(path) => read(path),
        None => tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(Into::into)
            .and_then(|runtime| runtime.block_on(run(&args))),
    };
    match lines {
        Ok(lines) if !lines.is_empty() => {
            report(&lines);
            ExitCode::SUCCESS
        }
        Ok(_) => {
            println!("error: there is nothing to report");
            ExitCode::FAILURE
        }
        Err(error) => {
            println!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn read(path: &Path) -> llmtest::Result<Vec<Line>> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let lines = text.lines().map(serde_json::from_str);
    Ok(lines.collect::<Result<Vec<Line>, _>>()?)
}

async fn run(args: &Args) -> llmtest::Result<Vec<Line>> {
    let cases = cases::read(&args.data, &args.set, args.limit)?;
    let question = cases::question(&args.set);
    let mut lines = match &args.out {
        Some(path) if path.exists() => read(path)?,
        _ => Vec::new(),
    };
    lines.retain(|line| line.set == args.set);
    for (at, case) in cases.iter().enumerate() {
        for mode in &args.modes {
            let known = |line: &Line| line.id == case.id && line.mode == mode.name();
            if lines.iter().any(known) {
                continue;
            }
            eprintln!(
                "{} of {}: {} as {}",
                at + 1,
                cases.len(),
                case.id,
                mode.name()
            );
            let started = Instant::now();
            let (said, calls, tokens) = ask::ask(case, question, *mode).await;
            let seconds = started.elapsed().as_secs_f64();
            let (said, error) = match said {
                Ok(said) => (Some(said), None),
                Err(error) => (None, Some(error.to_string())),
            };
            let line = Line {
                set: args.set.clone(),
                id: case.id.clone(),
                mode: mode.name().to_string(),
                label: case.label,
                verdict: said.as_ref().map(|said| said.verdict),
                yes: said.as_ref().and_then(|said| said.yes),
                covered: said.as_ref().and_then(|said| said.covered),
                error,
                calls,
                tokens,
                seconds,
            };
            if let Some(path) = &args.out {
                let mut file = OpenOptions::new().create(true).append(true).open(path)?;
                writeln!(file, "{}", serde_json::to_string(&line)?)?;
            }
            lines.push(line);
        }
    }
    Ok(lines)
}

fn report(lines: &[Line]) {
    println!("| set | verdict | n | agreement | kappa | AUC | calls | tokens | seconds | errors |");
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for set in cases::SETS {
        for mode in Mode::ALL {
            let of = |line: &&Line| line.set == set && line.mode == mode.name();
            let lines: Vec<&Line> = lines.iter().filter(of).collect();
            if lines.is_empty() {
                continue;
            }
            let judged: Vec<Judged> = lines
                .iter()
                .filter_map(|line| {
                    Some(Judged {
                        verdict: line.verdict?,
                        yes: line.yes,
                        label: line.label,
                    })
                })
                .collect();
            let sums = format!(
                "{} | {} | {:.0} | {}",
                lines.iter().map(|line| line.calls).sum::<u32>(),
                lines.iter().map(|line| line.tokens).sum::<u64>(),
                lines.iter().map(|line| line.seconds).sum::<f64>(),
                lines.iter().filter(|line| line.error.is_some()).count(),
            );
            row(set, mode.name(), &judged, &sums);
            if let Some(calibrated) = figures::calibrated(&judged) {
                row(
                    set,
                    "… at a threshold from the other nine tenths",
                    &calibrated,
                    "| | |",
                );
            }
        }
    }
}

fn row(set: &str, name: &str, judged: &[Judged], sums: &str) {
    let shown = |figure: Figure| match (figure.value, figure.interval) {
        (Some(value), Some(ends)) => format!("{value:.3} [{:.3}, {:.3}]", ends.low, ends.high),
        (Some(value), None) => format!("{value:.3}"),
        _ => "–".to_string(),
    };
    let counts = figures::confusion(judged);
    println!(
        "| {set} | {name} | {} | {} | {} | {} | {sums} |",
        judged.len(),
        shown(counts.accuracy()),
        shown(counts.kappa()),
        figures::auc(judged).map_or("–".to_string(), |auc| format!("{auc:.3}")),
    );
}
