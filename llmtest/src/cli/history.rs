//! `cargo llmtest runs|merge|prune`: what was recorded, and the parts of it that other machines recorded.

use super::follow::{cost_text, spent};
use super::project::Project;
use super::table::{day, table};
use super::{Failure, Output, Place};
use crate::results::{Outcome, fold_folder, latest_runs, unreadable};
use crate::runs::{MeasurementKey, Snapshot, find};
use crate::text::{clean_name, count};
use clap::Args;
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

#[derive(Args)]
#[command(
    after_help = "Examples:\n  cargo llmtest runs\n  cargo llmtest runs --last 100 --json | jq '.[].cases'"
)]
pub(super) struct RunsArgs {
    /// How many, the latest first
    #[arg(long, default_value_t = 20)]
    last: usize,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
#[command(
    after_help = "Each folder is one that a part recorded into (its LLMTEST_DIR), or one run in it. Of a case that several parts \
                  ran, the last attempt counts.\n\n\
                  Example:\n  cargo llmtest merge shards/1 shards/2 --into nightly && cargo llmtest gate nightly"
)]
pub(super) struct MergeArgs {
    /// The folders of the parts
    #[arg(required = true)]
    parts: Vec<PathBuf>,
    /// The name of the run that they become
    #[arg(long, value_name = "RUN")]
    into: String,
}

#[derive(Args)]
#[command(
    after_help = "Says what would go, unless --yes is given. The latest run always stays, and so does one that was written to in the \
                  last ten minutes.\n\n\
                  Examples:\n  cargo llmtest prune --keep 50\n  cargo llmtest prune --older-than 30 --yes"
)]
pub(super) struct PruneArgs {
    /// Keeps so many of the latest runs
    #[arg(long, value_name = "RUNS", required_unless_present = "older_than")]
    keep: Option<usize>,
    /// Only runs that are older than so many days go
    #[arg(long, value_name = "DAYS")]
    older_than: Option<u32>,
    /// Takes them away
    #[arg(long)]
    yes: bool,
}

/// Folders of runs, the latest first.
fn folders(roots: &[PathBuf]) -> Vec<(SystemTime, PathBuf)> {
    let mut all: Vec<_> = roots
        .iter()
        .flat_map(|root| {
            let runs = latest_runs(root).into_iter();
            runs.map(move |run| (run.written, root.join("runs").join(run.name)))
        })
        .collect();
    all.sort_by(|a, b| b.cmp(a));
    all
}

pub(super) fn runs(args: &RunsArgs, place: &Place) -> Result<Output, Failure> {
    let project = Project::find(place)?;
    let (mut rows, mut objects, mut broken) = (Vec::new(), Vec::new(), String::new());
    for (written, folder) in folders(&project.roots).into_iter().take(args.last) {
        let name = folder
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let read = find(&[], &folder.to_string_lossy()).and_then(|path| Snapshot::read(&path));
        let run = match read {
            Ok(run) => run,
            Err(error) => {
                let _ = writeln!(broken, "{}", clean_name(&error.to_string()));
                continue;
            }
        };
        let count = |wanted| {
            run.cases
                .iter()
                .filter(|case| case.outcome == wanted)
                .count()
        };
        let (passed, failed, errored) = (
            count(Outcome::Passed),
            count(Outcome::Failed),
            count(Outcome::Errored),
        );
        let spent = run.cost.as_ref().map(spent);
        let git = run.run.git.clone().unwrap_or_default();
        let commit: String = git.commit.unwrap_or_default().chars().take(10).collect();
        let whole = run.run.binaries.iter().all(|binary| binary.ended.is_some());
        if args.json {
            objects.push(json!({
                "run": name, "written": written.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs(),
                "commit": commit, "dirty": git.dirty, "branch": git.branch, "judge": run.run.judge,
                "cases": run.cases.len(), "passed": passed, "failed": failed, "errored": errored, "ended": whole,
                "cost": spent.as_ref().map(|spent| spent.cost), "unpriced_calls": spent.as_ref().map(|spent| spent.unpriced), "means": means(&run),
            }));
        }
        rows.push(vec![
            name,
            day(written),
            format!("{commit}{}", if git.dirty == Some(true) { "+" } else { "" }),
            run.run.judge.clone().unwrap_or_default(),
            run.cases.len().to_string(),
            passed.to_string(),
            failed.to_string(),
            errored.to_string(),
            spent.map_or_else(String::new, |spent| cost_text(&spent)),
            if whole { "" } else { "did not end" }.to_string(),
        ]);
    }
    let out = if args.json {
        serde_json::to_string_pretty(&objects)? + "\n"
    } else if rows.is_empty() {
        "no runs yet\nhint: `cargo test` or `cargo llmtest run` records one\n".to_string()
    } else {
        let titles = [
            "run", "day", "commit", "judge", ">cases", ">passed", ">failed", ">errored", ">cost",
            "",
        ];
        table(&titles, &rows)
    };
    Ok(Output {
        err: broken,
        ..Output::well(out)
    })
}

/// The mean score of every metric, errored and skipped measurements left out.
fn means(run: &Snapshot) -> BTreeMap<String, f64> {
    let mut sums: BTreeMap<&MeasurementKey, (f64, f64)> = BTreeMap::new();
    let trials = run.cases.iter().flat_map(|case| &case.trials);
    for measured in trials.flat_map(|trial| &trial.measurements) {
        if let Some(score) = measured.score {
            let sum = sums.entry(&measured.key).or_default();
            *sum = (sum.0 + score, sum.1 + 1.0);
        }
    }
    let mean = |(key, (sum, n)): (&MeasurementKey, (f64, f64))| (key.title(), sum / n);
    sums.into_iter().map(mean).collect()
}

pub(super) fn merge(args: &MergeArgs, place: &Place) -> Result<Output, Failure> {
    let project = Project::find(place)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if args.into.is_empty() || !args.into.chars().all(plain) || args.into.starts_with('.') {
        return Err(format!(
            "`{}` names no run\nhint: use letters, digits, `-`, `_` and `.`",
            clean_name(&args.into)
        )
        .into());
    }
    let root = project
        .roots
        .first()
        .ok_or("there is no folder for runs\nhint: set LLMTEST_DIR")?;
    let target = root.join("runs").join(&args.into);
    if target.exists() {
        return Err(format!(
            "there is a run `{}` already\nhint: give another name with --into",
            args.into
        )
        .into());
    }
    let mut shards = Vec::new();
    for part in &args.parts {
        let part = place.folder.join(part);
        let found = shards_below(&part, 4)?;
        if found.is_empty() {
            return Err(format!("nothing was recorded in {}\nhint: give the folder that LLMTEST_DIR named, or that of a run in it", part.display()).into());
        }
        shards.extend(found);
    }
    shards.sort();
    shards.dedup();
    // Left out, it would be missed by nobody.
    for shard in &shards {
        let found = unreadable(shard)
            .map_err(|error| format!("cannot read {}: {error}", shard.display()))?;
        if let Some(line) = found {
            return Err(format!("line {line} of {} is none that this llmtest writes\nhint: record all parts with the version of this tool ({})", shard.display(), env!("CARGO_PKG_VERSION")).into());
        }
    }
    // Copied beside the place first: nobody sees half of a run.
    let draft = root
        .join("runs")
        .join(format!(".{}.{}", args.into, std::process::id()));
    fs::create_dir_all(&draft)?;
    let copied = shards.iter().enumerate().try_for_each(|(at, shard)| {
        let name = shard.file_name().unwrap_or_default().to_string_lossy();
        fs::copy(shard, draft.join(format!("{at:04}-{name}"))).map(|_| ())
    });
    if let Err(error) = copied.and_then(|()| fs::rename(&draft, &target)) {
        let _ = fs::remove_dir_all(&draft);
        return Err(format!(
            "the parts cannot be copied to {}: {error}",
            target.display()
        )
        .into());
    }
    let report = fold_folder(&target)?;
    fs::copy(&report, root.join("report.json"))?;
    let run = Snapshot::read(&report)?;
    Ok(Output::well(format!(
        "{} of {} are the run `{}` now: {}\n",
        count(run.cases.len(), "case", "cases"),
        count(shards.len(), "process", "processes"),
        args.into,
        report.display()
    )))
}

/// The shards in a folder and in those below it.
fn shards_below(folder: &Path, depth: usize) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    let entries = fs::read_dir(folder)
        .map_err(|error| format!("cannot read {}: {error}", folder.display()))?;
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() && depth > 0 {
            found.extend(shards_below(&path, depth - 1)?);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "jsonl")
            && folder
                .parent()
                .and_then(Path::file_name)
                .is_some_and(|name| name == "runs")
        {
            found.push(path);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "jsonl")
            && depth == 4
        {
            // The folder of one run, wherever it is.
            found.push(path);
        }
    }
    Ok(found)
}

pub(super) fn prune(args: &PruneArgs, place: &Place) -> Result<Output, Failure> {
    const RUNNING: Duration = Duration::from_secs(600);
    let project = Project::find(place)?;
    let now = SystemTime::now();
    let days = |days: u32| Duration::from_secs(u64::from(days) * 86_400);
    let old = |written: SystemTime| now.duration_since(written).unwrap_or_default();
    let gone: Vec<_> = folders(&project.roots)
        .into_iter()
        .skip(args.keep.unwrap_or(1).max(1))
        .filter(|(written, _)| old(*written) > RUNNING)
        .filter(|(written, _)| {
            args.older_than
                .is_none_or(|most| old(*written) > days(most))
        })
        .collect();
    let mut out = String::new();
    for (written, folder) in &gone {
        if args.yes {
            fs::remove_dir_all(folder)
                .map_err(|error| format!("{} cannot be removed: {error}", folder.display()))?;
        }
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let _ = writeln!(out, "{}  {}", day(*written), clean_name(&name));
    }
    let _ = writeln!(
        out,
        "{} {}",
        count(gone.len(), "run", "runs"),
        if args.yes {
            "gone"
        } else {
            "would go; --yes takes them away"
        }
    );
    Ok(Output::well(out))
}
