//! The full harness: `fn main() -> ExitCode { llmtest::main() }` in a target with `harness = false`.

use super::args::Args;
use super::select::{Named, named};
use crate::dataset::{self, manifest_dir};
use crate::entry::{Dataset, TestEntry};
use crate::observe::adopt_orphans;
use crate::report::{group_block, test_block};
use crate::results::Outcome;
use crate::runner::{Case, HarnessArgs, Place, Run, run_or_keep, start};
use crate::{config, runtime};
use libtest_mimic::{Completion, Failed, FormatSetting, Trial};
use std::collections::{HashSet, VecDeque};
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

/// Runs every `#[llm_test]` of this binary and returns the exit code: 0 when all passed, 101 when one did not or the
/// configuration cannot be read, 2 for a wrong command line.
///
/// Understands the command line of libtest: several filters, `--exact`, `--skip`, `--ignored`, `--include-ignored`,
/// `--list`, `--format`, `--test-threads`, `--no-capture`. Everything else is set in `llmtest.toml` and with `LLMTEST_*`
/// variables.
pub fn main() -> ExitCode {
    let vars = config::HarnessVars::from_env();
    let args = match Args::parse(std::env::args().skip(1), vars.test_threads.as_deref()) {
        Ok(args) => args,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            return ExitCode::from(101);
        }
    };
    let tests = named();
    let first_dir = tests
        .first()
        .map(|test| manifest_dir(test.entry, vars.manifest_dir.as_deref()));
    let planned = plan(&args, tests, vars.manifest_dir);
    if args.mimic.list {
        return list(&args, planned);
    }
    let colour = match args.mimic.color {
        Some(libtest_mimic::ColorSetting::Always) => true,
        Some(libtest_mimic::ColorSetting::Never) => false,
        _ => vars.colour && std::io::stdout().is_terminal(),
    };
    let run = start(
        first_dir,
        Some(HarnessArgs {
            places: args.threads,
            colour,
        }),
    );
    if let Some(why) = &run.refused {
        Run::tell(&format!("error: {why}\n"));
        return ExitCode::from(101);
    }
    execute(run, &args, planned)
}

/// One line of the harness's list.
struct Planned {
    name: String,
    entry: &'static TestEntry,
    work: Work,
}

enum Work {
    Case(Case),
    /// A dataset that is one test.
    Group(PathBuf),
}

/// Everything that the command line may select, datasets spread into their rows.
fn plan(args: &Args, tests: Vec<Named>, dir: Option<PathBuf>) -> Vec<Planned> {
    let mut planned = Vec::new();
    for Named {
        name,
        entry,
        broken,
    } in tests
    {
        let dir = manifest_dir(entry, dir.as_deref());
        let mut one = |name: String, work: Work| planned.push(Planned { name, entry, work });
        match (broken, &entry.dataset, entry.pass_rate) {
            (Some(why), ..) => one(name, Work::Case(Case::broken(entry, why))),
            (None, Dataset::None, _) => one(name, Work::Case(Case::plain(entry))),
            (None, _, Some(_)) => one(name, Work::Group(dir)),
            (None, _, None) if !args.may_select_rows_of(&name) => {}
            (None, _, None) => match dataset::rows(entry, &dir) {
                Ok(rows) => rows.enumerate().for_each(|(position, row)| {
                    one(
                        format!("{name}::{}", row.id),
                        Work::Case(Case::row(entry, position, row.id, row.row)),
                    );
                }),
                Err(error) => one(name, Work::Case(Case::broken(entry, error.to_string()))),
            },
        }
    }
    unique(&mut planned);
    planned
}

/// A row's name may be that of another test, such as `rows::first` beside `mod rows { fn first }`.
fn unique(planned: &mut [Planned]) {
    let mut seen = HashSet::new();
    for test in planned {
        if !seen.insert(test.name.clone()) {
            let why = format!(
                "another test is named `{}` too\nhint: rename the test or the row's id; results and baselines are kept by name",
                test.name
            );
            test.work = Work::Case(Case::broken(test.entry, why));
            while !seen.insert(test.name.clone()) {
                test.name.push('\'');
            }
        }
    }
}

/// The trial of a test that is not run by us: for the list, and for what is filtered out or ignored.
fn idle(name: &str, entry: &TestEntry) -> Trial {
    Trial::test(name, || Ok(())).with_ignored_flag(entry.ignored)
}

/// The name of what is left out; no test has it.
const LEFT_OUT: &str = "\0";

/// Mimic knows one filter. Several, or one that names a whole dataset, are decided here: what is left out gets a name that
/// mimic is told to skip, so that it still counts what was filtered out.
fn narrowed(args: &Args, planned: &mut [Planned]) -> libtest_mimic::Arguments {
    let mut mimic = args.mimic.clone();
    match args.filters.as_slice() {
        [] => {}
        [one] if !mimic.exact => mimic.filter = Some(one.clone()),
        _ => {
            for test in planned {
                if !args.selects(&test.name, &test.entry.path()) {
                    test.name = LEFT_OUT.to_string();
                }
            }
            mimic.skip = vec![LEFT_OUT.to_string()];
            mimic.exact = true;
        }
    }
    mimic
}

fn list(args: &Args, mut planned: Vec<Planned>) -> ExitCode {
    let mimic = narrowed(args, &mut planned);
    let trials = planned
        .iter()
        .map(|test| idle(&test.name, test.entry))
        .collect();
    libtest_mimic::run(&mimic, trials).exit_code()
}

/// How a test ended, and the block that explains it.
struct Ended {
    failed: bool,
    block: Option<String>,
}

fn execute(run: &'static Run, args: &Args, mut planned: Vec<Planned>) -> ExitCode {
    let mut mimic = narrowed(args, &mut planned);
    let json = mimic.format == Some(FormatSetting::Json);
    // Mimic prints in order and waits; the cases run ahead of it.
    mimic.test_threads = Some(1);
    let mut trials = Vec::with_capacity(planned.len());
    let mut queue = VecDeque::new();
    let mut chosen = Vec::new();
    let (mut ignored, mut idle_tests, mut left_out) = (0, 0, 0);
    for test in planned {
        let trial = idle(&test.name, test.entry);
        let filtered = mimic.is_filtered_out(&trial);
        if filtered || mimic.is_ignored(&trial) {
            ignored += usize::from(!filtered);
            // `--ignored` leaves out what is not ignored.
            let idle = !filtered && test.entry.ignored;
            idle_tests += usize::from(idle);
            left_out += usize::from(!idle);
            trials.push(match test.entry.ignore_reason.filter(|_| !filtered) {
                // Mimic shows a reason only for tests that are ignored as they run.
                Some(reason) if !mimic.ignored => ignored_with(&test.name, reason),
                _ => trial,
            });
            continue;
        }
        let unselected = run.leaves_out(test.entry.tags, |failed| failed.has(&test.name));
        if let Some(reason) = unselected {
            ignored += 1;
            left_out += 1;
            trials.push(ignored_with(&test.name, reason));
            continue;
        }
        if !matches!(&test.work, Work::Case(case) if run.keeps(case)) {
            chosen.push(test.name.clone());
        }
        let (sender, receiver) = channel();
        queue.push_back((test.work, test.entry, sender));
        trials.push(waiting(&test.name, test.entry, receiver));
    }
    run.skipped(ignored);
    run.not_running(left_out, idle_tests);
    let (text, only) = run.estimate(&chosen);
    if only || !run.under_nextest() {
        Run::tell(&text.unwrap_or_default());
    }
    if only {
        return ExitCode::SUCCESS;
    }
    if !queue.is_empty() {
        run.begin(|| args.narrowing());
    }
    if let [(Work::Case(case), ..)] = queue.make_contiguous()
        && run.trials(case.entry).0 == 1
    {
        adopt_orphans();
    }
    let driver = runtime::handle().spawn(drive(run, queue));
    let conclusion = libtest_mimic::run(&mimic, trials);
    driver.abort();
    run.rerun_failed();
    let (table, trouble) = run.finish();
    if json {
        Run::tell(&table);
    } else if !run.under_nextest() {
        let mut stdout = std::io::stdout().lock();
        let _ = stdout.write_all(table.as_bytes());
        let _ = stdout.flush();
    }
    Run::tell(&trouble);
    // A configuration that cannot be read must not pass, even when no test needed it, nor what nobody can look up later.
    if run.config.is_err() || run.trouble().is_some() {
        ExitCode::from(101)
    } else {
        conclusion.exit_code()
    }
}

fn ignored_with(name: &str, reason: &'static str) -> Trial {
    Trial::ignorable_test(name, move || Ok(Completion::ignored_with(reason)))
}

fn waiting(name: &str, entry: &TestEntry, receiver: Receiver<Ended>) -> Trial {
    let wait = move || match receiver.recv() {
        Ok(ended) => ended.told(),
        Err(_) => Err("the runner ended without a result for this test; please report this".into()),
    };
    Trial::ignorable_test(name, wait).with_ignored_flag(entry.ignored)
}

/// Starts the cases in order, as places become free, and tells mimic's trials how they ended.
async fn drive(run: &'static Run, mut queue: VecDeque<(Work, &'static TestEntry, Sender<Ended>)>) {
    // Cases in flight are bounded by the run's places; started ones that wait for a place are bounded here, so that
    // 10,000 rows are not 10,000 tasks.
    let ahead = Arc::new(tokio::sync::Semaphore::new(
        run.capacity.saturating_mul(2).max(2),
    ));
    while let Some((work, entry, sender)) = queue.pop_front() {
        let Ok(started) = ahead.clone().acquire_owned().await else {
            return;
        };
        tokio::spawn(async move {
            let ended = match work {
                Work::Case(case) => {
                    let ended = run_or_keep(run, case, Place::Runtime).await;
                    let outcome = ended.record.outcome;
                    let failed = run.fails(outcome);
                    let block = (outcome != Outcome::Passed || run.style.all)
                        .then(|| run.shown(test_block(&ended.record, run.style)));
                    run.record(ended);
                    Ended { failed, block }
                }
                Work::Group(dir) => {
                    let (group, rows) =
                        super::libtest::run_rows(run, entry, &dir, Place::Runtime).await;
                    let failed = run.fails(group.outcome);
                    let block = (group.outcome != Outcome::Passed || run.style.all)
                        .then(|| run.shown(group_block(&group, &rows, run.style)));
                    run.record_group(group);
                    Ended { failed, block }
                }
            };
            let _ = sender.send(ended);
            drop(started);
        });
    }
}

impl Ended {
    /// A failing test's block is mimic's message; a passing one's, where it is asked for, is shown when mimic comes to
    /// the test, which is in the order of the source.
    fn told(self) -> Result<Completion, Failed> {
        let block = self.block.unwrap_or_default();
        if self.failed {
            return Err(Failed::from(block.trim_end()));
        }
        if !block.is_empty() {
            Run::tell(&format!("{block}\n"));
        }
        Ok(Completion::Completed)
    }
}
