//! `cargo llmtest gate|accept|compare|aa|flaky`.

use super::Place;
use super::project::Project;
use super::table::table;
use super::{Failure, Output};
use crate::gate::{
    Evidence, GateReport, NoChange, PairsFrom, Policy, Quarantine, between_runs, between_trials,
    decide, flakiness,
};
use crate::results::{Outcome, latest_runs, write_whole};
use crate::runs::{Snapshot, find, slim};
use crate::text::{clean_name, count};
use clap::Args;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Where the random choices of `aa` start.
const SEED: u64 = 0x6161;

#[derive(Args)]
#[command(
    after_help = "Exit codes: 0 pass (and inconclusive with on-inconclusive = \"warn\"), 100 fail, 102 inconclusive with \
                  on-inconclusive = \"more-trials\".\n\n\
                  Examples:\n  cargo test; cargo llmtest gate\n  cargo llmtest gate --baseline last~1   against the run before"
)]
pub(super) struct GateArgs {
    /// The run: an id, the start of one, `last`, `last~1`, or the path of a report
    #[arg(default_value = "last")]
    run: String,
    /// What it is compared with, instead of the baseline of llmtest.toml
    #[arg(long, value_name = "FILE|RUN")]
    baseline: Option<String>,
    /// Writes what the gate says as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Args)]
#[command(
    after_help = "The baseline is to be committed: it holds outcomes, scores and hashes, a line a case, and no text of a model.\n\n\
                  Example:\n  LLMTEST_MODE=replay cargo test; cargo llmtest accept && git add llmtest.baseline.json"
)]
pub(super) struct AcceptArgs {
    /// The run that becomes the baseline
    #[arg(default_value = "last")]
    run: String,
    /// Takes a run with Errored cases, or one that has fewer than half of the baseline's cases, too
    #[arg(long)]
    force: bool,
}

#[derive(Args)]
#[command(
    after_help = "Examples:\n  cargo llmtest compare last~1 last\n  cargo llmtest compare llmtest.baseline.json last"
)]
pub(super) struct CompareArgs {
    /// The run, or the baseline, that it is compared with
    before: String,
    /// The run
    #[arg(default_value = "last")]
    run: String,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
#[command(
    after_help = "Compares runs of the same commit with each other, as the gate of llmtest.toml would. With --trials it draws both \
                  sides from the trials of one run instead.\n\n\
                  Examples:\n  for i in 1 2 3 4; do LLMTEST_MODE=live cargo test; done; cargo llmtest aa\n  \
                  LLMTEST_MODE=live LLMTEST_TRIALS=5 cargo test; cargo llmtest aa --trials"
)]
pub(super) struct AaArgs {
    /// Looks at so many of the latest runs
    #[arg(long, default_value_t = 20)]
    last: usize,
    /// Draws pairs from the trials of a run
    #[arg(long, value_name = "RUN", num_args = 0..=1, default_missing_value = "last")]
    trials: Option<String>,
    /// How many pairs, at most
    #[arg(long, default_value_t = 500)]
    draws: usize,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
#[command(
    after_help = "A case is flaky when it does not always end alike on one commit. Runs that only replay recordings say nothing of \
                  that, and are left out.\n\n\
                  Examples:\n  cargo llmtest flaky --last 20\n  cargo llmtest flaky --quarantine llmtest.quarantine.json"
)]
pub(super) struct FlakyArgs {
    /// Looks at so many of the latest runs
    #[arg(long, default_value_t = 20)]
    last: usize,
    /// Writes the cases that there is enough evidence for: flaky in two runs or more, and a flip rate surely above 0.1
    #[arg(long, value_name = "FILE")]
    quarantine: Option<PathBuf>,
    /// Counts runs that replayed recordings, too
    #[arg(long)]
    replayed: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

fn snapshot(project: &Project, name: &str) -> Result<Snapshot, Failure> {
    Ok(Snapshot::read(&find(&project.roots, name)?)?)
}

/// A run as the gate looks at it, with the clusters of its cases.
pub(super) fn candidate(path: &Path, policy: &Policy) -> crate::Result<Snapshot> {
    let mut run = Snapshot::read(path)?;
    if let Some(key) = &policy.cluster {
        run.read_clusters(path, key)?;
    }
    Ok(run)
}

/// The baseline, as given or as configured; none where there is no file yet.
pub(super) fn baseline(
    project: &Project,
    given: Option<&str>,
) -> Result<Option<Snapshot>, Failure> {
    let configured = &project.config.gate.baseline;
    match given {
        Some(name) => snapshot(project, name).map(Some),
        None if configured.is_file() => Ok(Some(Snapshot::read(configured)?)),
        None => Ok(None),
    }
}

/// Reads two runs at once: most of a large one's time goes into reading it.
fn both<A: Send, B>(first: impl FnOnce() -> A + Send, second: impl FnOnce() -> B) -> (A, B) {
    std::thread::scope(|scope| {
        let first = scope.spawn(first);
        let second = second();
        let first = first
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (first, second)
    })
}

/// What the gate of this project says of a run.
pub(super) fn gated(
    project: &Project,
    run: &str,
    before: Option<&str>,
) -> Result<GateReport, Failure> {
    let policy = project.config.gate.policy()?;
    let path = find(&project.roots, run)?;
    let (baseline, run) = both(|| baseline(project, before), || candidate(&path, &policy));
    Ok(decide(&run?, baseline?.as_ref(), &policy))
}

pub(super) fn gate(args: &GateArgs, place: &Place) -> Result<Output, Failure> {
    let project = Project::find(place)?;
    let report = gated(&project, &args.run, args.baseline.as_deref())?;
    if let Some(path) = &args.json {
        let path = place.folder.join(path);
        let text = serde_json::to_string_pretty(&report)?;
        write_whole(&path, |out| Ok(writeln!(out, "{text}")?))?;
    }
    Ok(Output {
        code: report.exit_code,
        out: report.text(),
        err: String::new(),
    })
}

pub(super) fn accept(args: &AcceptArgs, place: &Place) -> Result<Output, Failure> {
    let project = Project::find(place)?;
    let path = find(&project.roots, &args.run)?;
    let run = Snapshot::read(&path)?;
    let before = baseline(&project, None)?;
    let errored = run
        .cases
        .iter()
        .filter(|case| case.outcome == Outcome::Errored)
        .count();
    if run.cases.is_empty() {
        return Err("the run has no case\nhint: run the tests, or name another run".into());
    }
    if errored > 0 && !args.force {
        return Err(format!("{} Errored in the run, and would be compared with nothing\nhint: run them again (`LLMTEST_RESUME=last cargo test`), or `cargo llmtest accept --force`", count(errored, "case is", "cases are")).into());
    }
    let target = &project.config.gate.baseline;
    let mut out = String::new();
    if let Some(before) = &before {
        let changes = decide(&run, Some(before), &Policy::default());
        let (paired, all) = (changes.cases.paired, before.cases.len());
        if 2 * paired < all && !args.force {
            return Err(format!("the run has {paired} of the {all} cases of the present baseline\nhint: run all tests, or `cargo llmtest accept --force`").into());
        }
        out.push_str("against the baseline that it takes the place of:\n");
        out.push_str(&changes.text());
    }
    write_whole(target, |out| slim(&path, out))?;
    let _ = writeln!(
        out,
        "{} the baseline now: {}",
        count(run.cases.len(), "case is", "cases are"),
        target.display()
    );
    Ok(Output::well(out))
}

pub(super) fn compare(args: &CompareArgs, place: &Place) -> Result<Output, Failure> {
    let project = Project::find(place)?;
    let policy = Policy {
        cluster: project.config.gate.cluster.clone(),
        margin: project.config.gate.margin,
        alpha: project.config.gate.alpha,
        max_errors: usize::MAX,
        ..Policy::default()
    };
    let path = find(&project.roots, &args.run)?;
    let (before, run) = both(
        || snapshot(&project, &args.before),
        || candidate(&path, &policy),
    );
    let (before, run) = (before?, run?);
    let report = decide(&run, Some(&before), &policy);
    if args.json {
        return Ok(Output::well(serde_json::to_string_pretty(&report)? + "\n"));
    }
    let points = |value: f64| format!("{:+.1}", 100.0 * value);
    let rows: Vec<Vec<String>> = report
        .checks
        .iter()
        .filter(|check| check.kind == "non_inferiority")
        .map(|check| {
            let value = |value: Option<f64>| value.map_or("–".to_string(), |v| format!("{v:.3}"));
            vec![
                check.name.clone(),
                value(check.baseline),
                value(check.value),
                check.interval.map_or("–".to_string(), |i| {
                    format!("{} to {}", points(i.low), points(i.high))
                }),
                check.p.map_or("–".to_string(), |p| format!("{p:.3}")),
                check.n.to_string(),
                check.unchanged.to_string(),
                match check.verdict.as_str() {
                    "pass" => "not worse".to_string(),
                    "fail" => "worse".to_string(),
                    _ => "may be either".to_string(),
                },
            ]
        })
        .collect();
    let mut out = String::new();
    for warning in &report.warnings {
        let _ = writeln!(out, "! {}", clean_name(warning));
    }
    let titles = [
        "",
        ">before",
        ">now",
        ">difference in points",
        ">p (worse)",
        ">cases",
        ">unchanged",
        "",
    ];
    out.push_str(&table(&titles, &rows));
    let cases = &report.cases;
    for (what, names) in [
        ("worse", &cases.worse),
        ("better", &cases.better),
        ("new", &cases.new),
        ("removed", &cases.removed),
    ] {
        if !names.is_empty() {
            let shown: Vec<_> = names.iter().take(20).map(|name| clean_name(name)).collect();
            let more = names.len().saturating_sub(20);
            let more = if more > 0 {
                format!(" and {more} more")
            } else {
                String::new()
            };
            let _ = writeln!(out, "{what}: {}{more}", shown.join(", "));
        }
    }
    Ok(Output::well(out))
}

/// The latest runs, the latest first; with `live`, without those that only replayed.
fn latest(
    project: &Project,
    most: usize,
    live: bool,
    policy: &Policy,
) -> Result<(Vec<Snapshot>, usize), Failure> {
    let mut names: Vec<_> = project
        .roots
        .iter()
        .flat_map(|root| {
            latest_runs(root).into_iter().map(move |run| {
                let folder = root.join("runs").join(&run.name);
                (run, folder)
            })
        })
        .collect();
    names.sort_by(|a, b| b.0.cmp(&a.0));
    let (mut runs, mut replays) = (Vec::new(), 0);
    for (_, folder) in names.into_iter().take(most) {
        let run = candidate(&find(&[], &folder.to_string_lossy())?, policy)?;
        let binaries = &run.run.binaries;
        if live && !binaries.is_empty() && binaries.iter().all(|binary| binary.mode == "replay") {
            replays += 1;
        } else {
            runs.push(run);
        }
    }
    Ok((runs, replays))
}

pub(super) fn aa(args: &AaArgs, place: &Place) -> Result<Output, Failure> {
    let project = Project::find(place)?;
    let mut policy = project.config.gate.policy()?;
    // Cases that are set aside stay aside; what a run may cost has nothing to do with it.
    policy.max_cost = None;
    let against = |run: &Snapshot, before: &Snapshot| decide(run, Some(before), &policy);
    let found = if let Some(name) = &args.trials {
        between_trials(&candidate(&find(&project.roots, name)?, &policy)?, against, args.draws, SEED)
            .ok_or("a case of the run has only one trial\nhint: `LLMTEST_MODE=live LLMTEST_TRIALS=5 cargo test` runs each case five times")?
    } else {
        let (runs, _) = latest(&project, args.last, true, &policy)?;
        between_runs(&runs, against, args.draws, SEED)
            .ok_or("no two runs are of one commit with unchanged files\nhint: run the tests twice with LLMTEST_MODE=live on a clean checkout, or see `cargo llmtest aa --help` for --trials")?
    };
    if args.json {
        return Ok(Output::well(serde_json::to_string_pretty(&found)? + "\n"));
    }
    Ok(Output::well(aa_text(&found)))
}

fn aa_text(found: &NoChange) -> String {
    let percent = |n: usize| 100.0 * n as f64 / found.pairs as f64;
    let from = match found.from {
        PairsFrom::Runs => "pairs of runs of one commit",
        PairsFrom::Trials => "pairs drawn from the trials of one run",
    };
    let interval = found.interval.map_or(String::new(), |interval| {
        format!(
            " ({:.1} % to {:.1} %)",
            100.0 * interval.low,
            100.0 * interval.high
        )
    });
    let mut out = format!(
        "{} {from}, between which nothing changed:\n  the gate blocks {:.1} %{interval}, is inconclusive in {:.1} %, passes {:.1} %\n  \
         \"any drop of the pass rate fails\" would block {:.1} %\n",
        found.pairs,
        100.0 * found.false_block,
        percent(found.inconclusive),
        percent(found.passed),
        percent(found.any_drop),
    );
    for (check, failed) in &found.checks {
        let _ = writeln!(
            out,
            "  {} blocks {:.1} %",
            clean_name(check),
            percent(*failed)
        );
    }
    out
}

pub(super) fn flaky(args: &FlakyArgs, place: &Place) -> Result<Output, Failure> {
    let project = Project::find(place)?;
    let (runs, replays) = latest(&project, args.last, !args.replayed, &Policy::default())?;
    let cases = flakiness(&runs);
    let evidence = Evidence::default();
    let mut out = String::new();
    if let Some(path) = &args.quarantine {
        let path = place.folder.join(path);
        let set_aside = Quarantine::of(&cases, evidence);
        write_whole(&path, |out| Ok(out.write_all(set_aside.text().as_bytes())?))?;
        let _ = writeln!(
            out,
            "{} set aside in {}; `quarantine` under [gate] in llmtest.toml names the file",
            count(set_aside.cases.len(), "case is", "cases are"),
            path.display()
        );
    }
    if args.json {
        return Ok(Output::well(serde_json::to_string_pretty(&cases)? + "\n"));
    }
    let looked = runs.len();
    let left_out = match replays {
        0 => String::new(),
        _ => format!(" ({replays} only replayed, and are left out)"),
    };
    let _ = writeln!(
        out,
        "{} in {}{left_out}",
        count(cases.len(), "flaky case", "flaky cases"),
        count(looked, "run", "runs")
    );
    if !cases.is_empty() {
        let rows: Vec<_> = cases
            .iter()
            .map(|case| {
                vec![
                    case.case.clone(),
                    format!("{:.2}", case.flip_rate),
                    format!("{:.2}", case.at_least),
                    format!("{} of {}", case.flips, case.trials),
                    format!("{} of {}", case.flaky_runs, case.runs),
                    if evidence.is_met_by(case) {
                        "may be set aside"
                    } else {
                        ""
                    }
                    .to_string(),
                ]
            })
            .collect();
        out.push_str(&table(
            &[
                "case",
                ">flip rate",
                ">surely above",
                ">trials",
                ">runs",
                "",
            ],
            &rows,
        ));
    }
    Ok(Output::well(out))
}
