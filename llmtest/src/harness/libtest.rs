//! Zero configuration: each `#[llm_test]` is an ordinary `#[test]`, and a dataset is one test.

use super::select::clash_of;
use crate::config;
use crate::dataset::{self, manifest_dir};
use crate::entry::{self, Dataset, TestEntry};
use crate::observe::adopt_orphans;
use crate::report::{group_block, test_block};
use crate::results::{GroupRecord, Outcome, TestRecord};
use crate::runner::{Case, Place, Run, run_or_keep, start};
use crate::runtime;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{ExitCode, Termination};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::task::JoinError;

/// How a test ended, for libtest. A failure prints its block and nothing else: no panic, no backtrace.
pub struct Verdict {
    failed: bool,
    block: String,
}

impl Termination for Verdict {
    #[expect(
        clippy::print_stderr,
        reason = "libtest shows what a failing test prints, and only through this macro"
    )]
    fn report(self) -> ExitCode {
        if !self.block.is_empty() {
            eprintln!("\n{}", self.block.trim_end());
        }
        if self.failed {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        }
    }
}

/// Runs one test under libtest.
pub fn run_as_libtest(entry: &'static TestEntry) -> Verdict {
    let vars = config::HarnessVars::from_env();
    let dir = manifest_dir(entry, vars.manifest_dir.as_deref());
    let run = start(Some(dir.clone()), None);
    if let Some(why) = &run.refused {
        return Verdict {
            failed: true,
            block: format!("  error: {why}"),
        };
    }
    let asked = Asked::parse(std::env::args().skip(1));
    let alone = asked.exact && asked.filters.len() == 1 && run.trials(entry).0 == 1;
    if alone && matches!(entry.dataset, Dataset::None) {
        adopt_orphans();
    }
    if let Some(verdict) = estimated(run, entry, &asked) {
        return verdict;
    }
    let mut verdict = match run.leaves_out(entry.tags, |failed| failed.has_test(&entry.path())) {
        None => {
            run.begin(|| asked.narrowing());
            runtime::handle().block_on(run_one(run, entry, &dir))
        }
        Some(why) => {
            run.skipped(1);
            run.not_running(1, 0);
            Verdict {
                failed: false,
                block: why.to_string(),
            }
        }
    };
    if was_last(entry, &asked) {
        let (left_out, ignored) = not_running(entry, &asked);
        run.not_running(left_out, ignored);
        run.rerun_failed();
        let (table, trouble) = run.finish();
        if !run.under_nextest() {
            Run::tell(&format!("\n{table}"));
        }
        Run::tell(&trouble);
        // A configuration that cannot be read must not pass, even when no test needed it.
        if let Err(error) = &run.config {
            verdict.failed = true;
            verdict.block = format!("{}\n  error: {error}", verdict.block);
        }
        // Nor may what nobody can look up later; libtest has nothing but tests that can fail.
        if let Some(error) = run.trouble() {
            let own = if verdict.failed {
                ""
            } else {
                "\n  (the test itself passed)"
            };
            verdict.failed = true;
            verdict.block = format!("{}\n  error: {error}{own}", verdict.block);
        }
    } else {
        run.settle_recordings();
    }
    verdict
}

/// Says once what the tests of this crate that libtest was asked to run will take. A verdict where that is all that is
/// wanted.
fn estimated(run: &Run, entry: &TestEntry, asked: &Asked) -> Option<Verdict> {
    static ONLY: OnceLock<bool> = OnceLock::new();
    let only = *ONLY.get_or_init(|| {
        let due = entry::all().iter().filter(|other| {
            other.crate_name() == entry.crate_name() && asked.runs(&other.path(), other.ignored)
        });
        let due: Vec<_> = due.map(|entry| entry.path()).collect();
        let (text, only) = run.estimate(&due);
        if only || !run.under_nextest() {
            Run::tell(&text.unwrap_or_default());
        }
        only
    });
    only.then(|| Verdict {
        failed: false,
        block: String::new(),
    })
}

async fn run_one(run: &'static Run, entry: &'static TestEntry, dir: &Path) -> Verdict {
    let clash = clash_of(entry);
    if clash.is_none() && !matches!(entry.dataset, Dataset::None) {
        let (group, rows) = run_rows(run, entry, dir, Place::Thread).await;
        let failed = run.fails(group.outcome);
        let block = if group.outcome != Outcome::Passed || run.style.all {
            run.shown(group_block(&group, &rows, run.style))
        } else {
            String::new()
        };
        run.record_group(group);
        return Verdict { failed, block };
    }
    let case = clash.map_or_else(|| Case::plain(entry), |why| Case::broken(entry, why));
    let ended = run_or_keep(run, case, Place::Thread).await;
    let failed = run.fails(ended.record.outcome);
    let block = if ended.record.outcome != Outcome::Passed || run.style.all {
        run.shown(test_block(&ended.record, run.style))
    } else {
        String::new()
    };
    run.record(ended);
    Verdict { failed, block }
}

/// How many rows of a dataset are kept for its block.
const KEPT: usize = 1_000;

/// Runs every row of a dataset as one test. The rows are read as places become free, and of those that did not pass a
/// bounded number is kept, so that a large dataset needs little memory.
pub(super) async fn run_rows(
    run: &'static Run,
    entry: &'static TestEntry,
    dir: &Path,
    place: Place,
) -> (GroupRecord, Vec<TestRecord>) {
    let mut counts: BTreeMap<Outcome, usize> = BTreeMap::new();
    let mut shown = Vec::new();
    let mut error = None;
    match dataset::rows(entry, dir) {
        Err(problem) => error = Some(problem.to_string()),
        Ok(rows) => {
            let mut tasks = tokio::task::JoinSet::new();
            let most = run.capacity.saturating_mul(2).clamp(2, 4096);
            let mut take = |ended: Result<(Outcome, Option<TestRecord>), JoinError>| match ended {
                Ok((outcome, record)) => {
                    *counts.entry(outcome).or_default() += 1;
                    shown.extend(record.filter(|_| shown.len() < KEPT));
                }
                Err(problem) => {
                    *counts.entry(Outcome::Errored).or_default() += 1;
                    error = Some(format!("the runner failed: {problem}"));
                }
            };
            for (position, row) in rows.enumerate() {
                if tasks.len() >= most {
                    tasks.join_next().await.map(&mut take);
                }
                let case = Case::row(entry, position, row.id, row.row);
                tasks.spawn(async move {
                    let ended = run_or_keep(run, case, place).await;
                    let outcome = ended.record.outcome;
                    let wanted = outcome != Outcome::Passed || run.style.all;
                    let shown = wanted.then(|| ended.record.clone());
                    // At once, and not when all that are in flight have ended: the process may be killed.
                    run.record(ended);
                    (outcome, shown)
                });
            }
            while let Some(ended) = tasks.join_next().await {
                take(ended);
            }
        }
    }
    shown.sort_by_key(|record| record.position);
    let pass_rate = entry.pass_rate.unwrap_or(1.0);
    let all: usize = counts.values().sum();
    let count = |outcome| counts.get(&outcome).copied().unwrap_or_default();
    let enough = count(Outcome::Passed) as f64 >= pass_rate * all as f64 - 1e-9;
    let outcome = if error.is_some() || count(Outcome::Errored) > 0 {
        Outcome::Errored
    } else if enough {
        Outcome::Passed
    } else {
        Outcome::Failed
    };
    let group = GroupRecord {
        test: entry.path(),
        binary: run.binary.clone(),
        file: entry.file.to_string(),
        line: entry.line,
        outcome,
        pass_rate,
        rows: counts
            .into_iter()
            .map(|(outcome, count)| (outcome.as_str().to_string(), count))
            .collect(),
        error,
        attempt: run.attempt(),
    };
    (group, shown)
}

/// Whether this was the last test of the crate that libtest was asked to run: then the summary is due.
fn was_last(entry: &TestEntry, asked: &Asked) -> bool {
    static ENDED: AtomicUsize = AtomicUsize::new(0);
    let ended = ENDED.fetch_add(1, Ordering::SeqCst) + 1;
    let due = entry::all()
        .iter()
        .filter(|other| {
            other.crate_name() == entry.crate_name() && asked.runs(&other.path(), other.ignored)
        })
        .count();
    ended == due
}

/// How many tests of the crate libtest was not asked to run, and how many of all are left only since they are ignored.
fn not_running(entry: &TestEntry, asked: &Asked) -> (usize, usize) {
    let all = entry::all().iter();
    let of_crate = all.filter(|other| other.crate_name() == entry.crate_name());
    let (mut left_out, mut ignored) = (0, 0);
    for other in of_crate.filter(|other| !asked.runs(&other.path(), other.ignored)) {
        let only_ignored = other.ignored && asked.runs(&other.path(), false);
        ignored += usize::from(only_ignored);
        left_out += usize::from(!only_ignored);
    }
    (left_out, ignored)
}

/// What libtest was asked to run, as far as it decides which tests run.
#[derive(Default)]
struct Asked {
    filters: Vec<String>,
    skip: Vec<String>,
    exact: bool,
    ignored: bool,
    include_ignored: bool,
}

impl Asked {
    fn parse(mut args: impl Iterator<Item = String>) -> Self {
        let mut asked = Self::default();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--exact" => asked.exact = true,
                "--ignored" => asked.ignored = true,
                "--include-ignored" => asked.include_ignored = true,
                "--skip" => asked.skip.extend(args.next()),
                "--test-threads" | "--logfile" | "--color" | "--format" | "-Z"
                | "--shuffle-seed" => {
                    args.next();
                }
                other => match other.strip_prefix("--skip=") {
                    Some(skip) => asked.skip.push(skip.to_string()),
                    None if other.starts_with('-') => {}
                    None => asked.filters.push(arg),
                },
            }
        }
        asked
    }

    /// What of it leaves tests out.
    fn narrowing(&self) -> Vec<String> {
        let mut words = self.filters.clone();
        words.extend(self.skip.iter().map(|skip| format!("--skip={skip}")));
        words.extend((self.exact && !words.is_empty()).then(|| "--exact".to_string()));
        words.extend(self.ignored.then(|| "--ignored".to_string()));
        words
    }

    fn runs(&self, name: &str, ignored: bool) -> bool {
        let matches = |pattern: &String| {
            if self.exact {
                name == pattern
            } else {
                name.contains(pattern.as_str())
            }
        };
        let kind = if self.ignored {
            ignored
        } else {
            self.include_ignored || !ignored
        };
        kind && (self.filters.is_empty() || self.filters.iter().any(matches))
            && !self.skip.iter().any(matches)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tests_that_libtest_will_run_are_known() {
        let asked = |args: &[&str]| Asked::parse(args.iter().map(ToString::to_string));
        assert!(asked(&[]).runs("a::b", false) && !asked(&[]).runs("a::b", true));
        assert!(asked(&["--ignored"]).runs("a", true) && !asked(&["--ignored"]).runs("a", false));
        assert!(asked(&["--include-ignored", "b", "x"]).runs("a::b", true));
        assert!(!asked(&["--exact", "b"]).runs("a::b", false));
        assert!(!asked(&["--test-threads", "2", "--skip=b"]).runs("a::b", false));
    }
}
