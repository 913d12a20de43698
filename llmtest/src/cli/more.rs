//! More trials of what a gate could not decide: `on-inconclusive = "more-trials"` with `cargo llmtest run --gate`.

use super::gate::{baseline, candidate, gated};
use super::project::Project;
use super::run::RunArgs;
use super::watch::watch;
use super::{Failure, Place};
use crate::gate::{GateReport, OnInconclusive, Test, Verdict, looks, undecided};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

/// What the gate says in the end.
pub(super) struct Settled {
    pub(super) gate: GateReport,
    /// The exit code of the tests that ran last; none where none did.
    pub(super) code: Option<u8>,
    /// Whether somebody stopped them.
    pub(super) stopped: bool,
    /// What was done, for a terminal.
    pub(super) said: String,
}

/// Gates a run. Where comparisons are undecided and the project asks for it, runs more trials of these tests in the same
/// run, and looks again, until they are decided or have `max-trials` times as many trials. Not where tests did not run well.
pub(super) fn settle(
    args: &RunArgs,
    place: &Place,
    project: &Project,
    report: &Path,
    id: &str,
    ran_well: bool,
) -> Result<Settled, Failure> {
    let shown = report.to_string_lossy().into_owned();
    let mut settled = Settled {
        gate: gated(project, &shown, None)?,
        code: None,
        stopped: false,
        said: String::new(),
    };
    let config = &project.config.gate;
    if config.on_inconclusive != OnInconclusive::MoreTrials || !ran_well {
        return Ok(settled);
    }
    let policy = config.policy()?;
    let Some(before) = baseline(project, None)? else {
        return Ok(settled);
    };
    let mut first: BTreeMap<Test, usize> = BTreeMap::new();
    let looks = looks(config.max_trials);
    for times in &looks[1..] {
        if settled.gate.verdict != Verdict::Inconclusive {
            return Ok(settled);
        }
        let tests = undecided(&candidate(report, &policy)?, &before, &settled.gate);
        if tests.is_empty() {
            settled.said.push_str(
                "more trials: not run, since what is undecided is no comparison that trials could settle\n",
            );
            return Ok(settled);
        }
        if let Some(why) = no_more(&settled.gate, place) {
            let _ = writeln!(settled.said, "more trials: not run, since {why}");
            return Ok(settled);
        }
        let wanted: Vec<String> = tests
            .into_iter()
            .map(|(test, trials)| {
                let own = *first.entry(test.clone()).or_insert(trials);
                let (binary, name) = test;
                format!("{binary}::{name}={}", own.saturating_mul(*times as usize))
            })
            .collect();
        let count = wanted.len();
        let plural = if count == 1 { "" } else { "s" };
        let _ = writeln!(
            settled.said,
            "more trials: {count} undecided test{plural} ran up to {times} times as many trials as at first (at most {})",
            config.max_trials
        );
        let mut command = args.command(place);
        command
            .env_remove("LLMTEST_RUN_ID")
            .env_remove("LLMTEST_FAILED")
            .env("LLMTEST_RESUME", id)
            .env("LLMTEST_MORE", wanted.join(","));
        let root = project.roots.first().map(std::path::PathBuf::as_path);
        let watched = watch(&mut command, place, root, id)?;
        let code = watched
            .status
            .code()
            .and_then(|code| u8::try_from(code).ok());
        settled.code = Some(code.unwrap_or(1));
        settled.gate = gated(project, &shown, None)?;
        if watched.stopped {
            settled.stopped = true;
            return Ok(settled);
        }
    }
    Ok(settled)
}

/// Why no further trials can be had.
fn no_more(gate: &GateReport, place: &Place) -> Option<&'static str> {
    let modes = || gate.run.binaries.iter().map(|binary| binary.mode.as_str());
    if modes().all(|mode| mode == "replay") {
        Some(
            "the run only replays, and recordings have no further answers: it stays inconclusive\nhint: `cargo llmtest run --record --gate` asks for them",
        )
    } else if place.var("CI").is_some() && !modes().all(|mode| mode == "live" || mode == "record") {
        Some(
            "on CI no judge is asked unless that is wanted: it stays inconclusive\nhint: `cargo llmtest run --live --gate` asks",
        )
    } else {
        None
    }
}
