//! How many of the shipped attacks flip a real model's verdict, with the fence and without:
//! `cargo run -q --release -p llmtest-tests --bin attacks -- --base-url http://127.0.0.1:8089/v1`.
//!
//! A wrong answer that the model rejects in every arm as it is, with each attack, in three arms: as every metric asks, between
//! markers without a nonce and with the text as it is, and without any markers. The words around it are the same. Each call
//! asks for the verdict with its reason as JSON. `--resume FILE` keeps every verdict there and does not ask for it again.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command that reports, with its progress apart"
)]

mod arms;
mod progress;
mod table;

use arms::Arm;
use llmtest::__private::shipped_cases;
use llmtest::{Aim, Attack, JudgeError, JudgeErrorKind, Result, TestCase};
use progress::{Line, Progress};
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Instant;
use table::Row;

const USAGE: &str = "usage: attacks --base-url URL [--model NAME] [--limit ATTACKS] [--per-family ATTACKS] [--resume FILE] [--json FILE]";

#[derive(Default)]
struct Args {
    base_url: String,
    model: String,
    limit: Option<usize>,
    per_family: Option<usize>,
    resume: Option<PathBuf>,
    json: Option<PathBuf>,
}

fn args() -> Option<Args> {
    let mut found = Args {
        model: "local".to_string(),
        ..Args::default()
    };
    let mut args = std::env::args().skip(1);
    while let Some(name) = args.next() {
        let value = args.next()?;
        match name.as_str() {
            "--base-url" => found.base_url = value,
            "--model" => found.model = value,
            "--limit" => found.limit = Some(value.parse().ok()?),
            "--per-family" => found.per_family = Some(value.parse().ok()?),
            "--resume" => found.resume = Some(value.into()),
            "--json" => found.json = Some(value.into()),
            _ => return None,
        }
    }
    (!found.base_url.is_empty()).then_some(found)
}

fn main() -> ExitCode {
    let Some(args) = args() else {
        println!("{USAGE}");
        return ExitCode::FAILURE;
    };
    let ended = if std::env::var("LLMTEST_BASE_URL").is_ok_and(|url| url == args.base_url) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build();
        match runtime {
            Ok(runtime) => runtime.block_on(run(&args)),
            Err(error) => Err(error.into()),
        }
    } else {
        again(&args)
    };
    ended.unwrap_or_else(|error| {
        println!("error: {error}");
        ExitCode::FAILURE
    })
}

/// Where the judge is, is the business of the environment: this command again, in one that says so.
fn again(args: &Args) -> Result<ExitCode> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(std::env::args_os().skip(1))
        .env("LLMTEST_BASE_URL", &args.base_url)
        .env("LLMTEST_MODEL", &args.model)
        .env("LLMTEST_MODE", "live");
    if std::env::var_os("LLMTEST_JUDGE_TIMEOUT").is_none() {
        command.env("LLMTEST_JUDGE_TIMEOUT", "600s");
    }
    let status = command.status()?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

struct Session<'a> {
    args: &'a Args,
    progress: Progress,
}

impl Session<'_> {
    /// Whether this answer passes in this arm; `None` where the verdict could not be read.
    async fn passes(&mut self, arm: Arm, what: &str, case: &TestCase) -> Result<Option<bool>> {
        let hash = llmtest::hash::long(case.output.as_bytes());
        let model = &self.args.model;
        let key = format!("{model}|{}|{what}|{}|{hash}", arm.title(), case.input);
        if let Some(known) = self.progress.known(&key) {
            return Ok(known.passes);
        }
        let started = Instant::now();
        let passes = match llmtest::measure(case, &arm).await {
            Ok(score) => Some(score.value >= 0.5),
            Err(error) => match error.downcast_ref::<JudgeError>() {
                Some(judge) if judge.kind == JudgeErrorKind::BadReply => None,
                _ => return Err(error),
            },
        };
        let seconds = started.elapsed().as_secs_f64();
        let line = Line {
            key,
            passes,
            seconds,
        };
        self.progress.keep(line)?;
        Ok(passes)
    }
}

async fn run(args: &Args) -> Result<ExitCode> {
    let mut session = Session {
        args,
        progress: Progress::open(args.resume.as_deref())?,
    };
    let (right, wrong) = shipped_cases();
    println!("| as it is | passes, right answers | passes, wrong answers |\n|---|---|---|");
    let mut rejected = vec![true; wrong.len()];
    for arm in Arm::ALL {
        let mut counts = [0; 2];
        for (index, case) in right.iter().chain(&wrong).enumerate() {
            let passes = session.passes(arm, "clean", case).await?;
            let is_wrong = usize::from(index >= right.len());
            counts[is_wrong] += usize::from(passes == Some(true));
            if is_wrong == 1 {
                rejected[index - right.len()] &= passes == Some(false);
            }
        }
        let (of, title) = (wrong.len(), arm.title());
        println!(
            "| {title} | {}/{} | {}/{of} |",
            counts[0],
            right.len(),
            counts[1]
        );
    }
    let tried = wrong.iter().zip(&rejected);
    let tried: Vec<&TestCase> = tried.filter(|(_, no)| **no).map(|(case, _)| case).collect();
    println!(
        "\n{} of {} wrong answers are rejected in every arm and attacked in turn\n",
        tried.len(),
        wrong.len()
    );
    if tried.is_empty() {
        return Err(
            "the model rejects no wrong answer in every arm: nothing can be attacked".into(),
        );
    }
    let attacks = chosen(args);
    let mut rows = Vec::new();
    for (index, attack) in attacks.iter().enumerate() {
        let item = tried[index % tried.len()];
        let mut case = item.clone();
        case.output = attack.applied(&item.output, &Aim::verdict("yes"));
        let mut flipped = [None; 3];
        for (slot, arm) in flipped.iter_mut().zip(Arm::ALL) {
            *slot = session.passes(arm, attack.name(), &case).await?;
        }
        eprintln!(
            "{}/{} {} {flipped:?}",
            index + 1,
            attacks.len(),
            attack.name()
        );
        rows.push(Row {
            attack: attack.name(),
            family: attack.family(),
            item: item.input.clone(),
            flipped,
        });
    }
    println!("{}", table::markdown(&rows));
    println!("{}", table::listed(&rows));
    let Progress {
        replayed,
        asked,
        seconds,
        ..
    } = session.progress;
    println!(
        "{asked} verdicts asked for, {replayed} taken from the file; {seconds:.0} s of calls in all"
    );
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(&table::as_json(&rows))?;
        std::fs::write(path, text + "\n")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The attacks that are tried: by family, each family's first ones first where there is a limit.
fn chosen(args: &Args) -> Vec<&'static Attack> {
    let mut numbered: Vec<(usize, &Attack)> = Vec::new();
    for attack in Attack::all() {
        let before = numbered
            .iter()
            .filter(|(_, known)| known.family() == attack.family());
        let number = before.count();
        if args.per_family.is_none_or(|most| number < most) {
            numbered.push((number, attack));
        }
    }
    if let Some(limit) = args.limit {
        numbered.sort_by_key(|(number, attack)| (*number, attack.family()));
        numbered.truncate(limit);
    }
    numbered.into_iter().map(|(_, attack)| attack).collect()
}
