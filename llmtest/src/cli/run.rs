//! `cargo llmtest run`: the tests as one run, and what is to be decided after them.

use super::follow::{spent, spent_text};
use super::more::settle;
use super::project::Project;
use super::report::{self, ToFile};
use super::watch::watch;
use super::{Failure, Output, Place};
use crate::gate::Verdict;
use crate::results::stream::{self, Cases};
use crate::results::{Outcome, TestRecord};
use crate::runs::find;
use crate::text::{clean_name, count};
use clap::Args;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Args)]
#[command(
    after_help = "What stands after -- goes to cargo: packages, targets, filters, and after a second -- to the tests.\n\n\
                  Exit codes: 0 well, 1 nothing was recorded, 100 the gate failed, 101 a test failed (with --gate only an Errored \
                  one), 102 the gate is inconclusive and asks for more trials.\n\n\
                  Examples:\n  cargo llmtest run\n  cargo llmtest run --gate -- -p shop --test evals\n  \
                  cargo llmtest run --live --stress 10 -- --test evals refunds   looks for flakiness; asks the judge\n  \
                  cargo llmtest run --nextest --partition count:1/4              a part, for one of four machines\n  \
                  cargo llmtest run --resume                                     what the last run is missing\n  \
                  cargo llmtest run --gate --report html=eval.html,junit=eval.xml"
)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(super) struct RunArgs {
    /// Asks the judges, and neither reads nor writes recordings; this costs money where judges do
    #[arg(long, group = "mode")]
    pub(super) live: bool,
    /// Asks the judges and records what they say
    #[arg(long, group = "mode")]
    pub(super) record: bool,
    /// Only recordings answer; what is not recorded is an error
    #[arg(long, group = "mode")]
    pub(super) replay: bool,
    /// Lets the gate decide: Failed tests do not fail the command, Errored ones do
    #[arg(long)]
    gate: bool,
    /// Runs with `cargo nextest run`, which has to be installed
    #[arg(long)]
    nextest: bool,
    /// Runs a part of the tests, such as `count:1/4`; for nextest
    #[arg(long, value_name = "PART", requires = "nextest")]
    partition: Option<String>,
    /// Runs only tests with one of these tags
    #[arg(long, value_name = "TAG,TAG")]
    tags: Option<String>,
    /// Runs only what failed last
    #[arg(long)]
    failed: bool,
    /// Runs what is missing or Errored in an earlier run
    #[arg(long, value_name = "RUN", num_args = 0..=1, default_missing_value = "last")]
    resume: Option<String>,
    /// Runs each case so often, to look for flakiness
    #[arg(long, value_name = "TRIALS")]
    stress: Option<std::num::NonZeroU32>,
    /// What the run may spend, such as `$2` or `200k tokens`
    #[arg(long)]
    budget: Option<String>,
    /// Says what the run would cost by the last one, and runs nothing
    #[arg(long, conflicts_with = "gate")]
    pub(super) estimate: bool,
    /// Writes a report, too: terminal, json, junit, markdown, html, annotations or code-quality, and where to
    #[arg(
        long,
        value_name = "FORMAT=FILE",
        value_delimiter = ',',
        conflicts_with = "estimate"
    )]
    report: Vec<ToFile>,
    /// For cargo
    #[arg(last = true)]
    cargo: Vec<OsString>,
}

impl RunArgs {
    fn mode(&self) -> Option<&'static str> {
        let modes = [
            (self.live, "live"),
            (self.record, "record"),
            (self.replay, "replay"),
        ];
        modes
            .into_iter()
            .find(|(asked, _)| *asked)
            .map(|(_, mode)| mode)
    }

    pub(super) fn command(&self, place: &Place) -> Command {
        let mut command = Command::new(place.var("CARGO").unwrap_or("cargo"));
        if self.nextest {
            command.args(["nextest", "run"]);
        } else {
            command.arg("test");
        }
        // One failed test must not keep others from being recorded. After the words for the tests it would be one of them.
        let split = self.cargo.iter().position(|word| word == "--");
        let (own, tests) = self.cargo.split_at(split.unwrap_or(self.cargo.len()));
        command.args(own).arg("--no-fail-fast");
        if let Some(partition) = &self.partition {
            command.arg("--partition").arg(partition);
        }
        command.args(tests).current_dir(&place.folder);
        let mut set = |name: &str, value: Option<&str>| {
            if let Some(value) = value {
                command.env(name, value);
            }
        };
        set("LLMTEST_MODE", self.mode());
        set("LLMTEST_TAGS", self.tags.as_deref());
        set("LLMTEST_BUDGET", self.budget.as_deref());
        set("LLMTEST_FAILED", self.failed.then_some("1"));
        set("LLMTEST_ESTIMATE", self.estimate.then_some("1"));
        set("LLMTEST_GATED", self.gate.then_some("1"));
        set(
            "LLMTEST_TRIALS",
            self.stress.map(|n| n.to_string()).as_deref(),
        );
        command
    }
}

/// Runs that this process began: of a test of the tool itself several may begin in the same second.
static NTH: AtomicUsize = AtomicUsize::new(1);

/// A name for the run: all of its processes share it.
fn new_id() -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let nth = match NTH.fetch_add(1, Ordering::Relaxed) {
        1 => String::new(),
        nth => format!("-{nth}"),
    };
    format!("run-{}-{}{nth}", now.as_secs(), std::process::id())
}

/// The name of the run whose report this is.
fn name_of(report: &Path) -> Option<String> {
    let folder = report.parent()?.file_name()?;
    Some(folder.to_string_lossy().into_owned())
}

pub(super) fn run(args: &RunArgs, place: &Place) -> Result<Output, Failure> {
    let project = Project::find(place)?;
    let mut command = args.command(place);
    let id = match (&args.resume, place.var("LLMTEST_RUN_ID")) {
        (Some(resumed), _) => {
            let name = name_of(&find(&project.roots, resumed)?);
            let name = name.unwrap_or_else(|| resumed.clone());
            // The tests know it by its whole name only.
            command.env("LLMTEST_RESUME", &name);
            command.env_remove("LLMTEST_RUN_ID");
            name
        }
        (None, Some(id)) => id.to_string(),
        (None, None) => new_id(),
    };
    if args.resume.is_none() {
        command.env("LLMTEST_RUN_ID", &id);
    }
    let program = command.get_program().to_string_lossy().into_owned();
    let root = project.roots.first().map(PathBuf::as_path);
    let watched = watch(&mut command, place, root, &id).map_err(|error| {
        format!("`{program}` cannot be started: {error}\nhint: run this where cargo is installed")
    })?;
    let code = watched
        .status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .unwrap_or(1);
    if args.estimate {
        return Ok(Output {
            code,
            ..Output::well(String::new())
        });
    }
    // The target folder may only be there now.
    let project = Project::find(place).unwrap_or(project);
    let Ok(report) = find(&project.roots, &id) else {
        return Ok(nothing_recorded(code, watched.stopped));
    };
    let mut out = closing(&report, &id)?;
    if watched.stopped {
        return Ok(stopped(out, &id));
    }
    // nextest's own code for failed tests is 100, which is the gate's here.
    let tests = if code == 0 { 0 } else { 101 };
    let code = if args.gate {
        // What could not run is not mended by more of it.
        let settled = settle(args, place, &project, &report, &id, tests == 0)?;
        out.push_str(&settled.said);
        if settled.stopped {
            return Ok(stopped(out, &id));
        }
        let gate = settled.gate;
        let tests = match settled.code {
            None => tests,
            Some(0) => 0,
            Some(_) => 101,
        };
        out.push_str(&gate.text());
        match (gate.verdict, tests) {
            // What could not run says nothing of quality, and is no bad score either.
            (Verdict::Fail, _) if only_errors(&gate) => 101,
            (Verdict::Fail, _) | (_, 0) => gate.exit_code,
            (_, tests) => tests,
        }
    } else {
        tests
    };
    let (mut code, mut err) = (code, String::new());
    for wanted in &args.report {
        match report::run(&wanted.of(&report), place) {
            Ok(_) => {
                let _ = writeln!(out, "{}", wanted.file().display());
            }
            // A verdict counts more than a report of it.
            Err(Failure(why)) => {
                let _ = writeln!(err, "error: {why}");
                code = if code == 0 { 1 } else { code };
            }
        }
    }
    Ok(Output { code, out, err })
}

fn stopped(out: String, id: &str) -> Output {
    Output {
        code: 1,
        out,
        err: format!(
            "error: the run was stopped; what had ended is kept\nhint: `cargo llmtest run --resume {id}` runs the rest\n"
        ),
    }
}

fn nothing_recorded(code: u8, stopped: bool) -> Output {
    let (code, err) = if stopped {
        (
            1,
            "error: the run was stopped before a test of llmtest had ended\n",
        )
    } else if code == 0 {
        (
            0,
            "note: the tests ran, and none of them is llmtest's\nhint: `cargo llmtest init` writes a first one\n",
        )
    } else {
        (
            1,
            "error: nothing was recorded: the tests did not build, or none of llmtest's ran\nhint: what cargo said stands above\n",
        )
    };
    Output {
        code,
        out: String::new(),
        err: err.to_string(),
    }
}

/// What stands below all that the tests said.
fn closing(report: &Path, id: &str) -> Result<String, Failure> {
    let mut counts = Counts::default();
    let around = stream::read(report, &mut counts)?;
    let mut text = format!(
        "\nrun {}: {}",
        clean_name(id),
        count(counts.0.values().sum(), "case", "cases")
    );
    for outcome in [Outcome::Passed, Outcome::Failed, Outcome::Errored] {
        let so_many = counts.0.get(&outcome).copied().unwrap_or_default();
        let _ = write!(text, ", {so_many} {}", outcome.as_str());
    }
    let spent = around.cost.map(|cost| spent_text(&spent(&cost)));
    if let Some(spent) = spent.filter(|spent| !spent.is_empty()) {
        let _ = write!(text, "; {spent}");
    }
    text.push('\n');
    Ok(text)
}

#[derive(Default)]
struct Counts(BTreeMap<Outcome, usize>);

impl Cases for Counts {
    fn add(&mut self, case: &TestRecord) {
        *self.0.entry(case.outcome).or_default() += 1;
    }
}

/// Whether the gate fails for Errored cases alone.
fn only_errors(gate: &crate::gate::GateReport) -> bool {
    let failed = gate
        .checks
        .iter()
        .filter(|check| check.verdict == Verdict::Fail);
    failed.into_iter().all(|check| check.kind == "errors")
}
