//! Going on with a run: what it has recorded is kept, and what is missing or Errored runs.

use super::body::Place;
use super::case::{Case, run_case, run_rest};
use super::causal::FailedTrial;
use super::place::{report_root, session};
use super::run::Run;
use crate::config::Config;
use crate::entry::TestEntry;
use crate::results::{CaseName, GitState, Kept, TestRecord, latest_runs};
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many runs an error lists.
const LISTED: usize = 5;

/// The word for the latest run.
const LAST: &str = "last";

/// The run that is resumed.
#[derive(Debug)]
pub(super) struct Resumed {
    /// Its id.
    pub(super) run: String,
    pub(super) kept: Kept,
    /// How many cases were kept in this process.
    count: AtomicUsize,
}

impl Resumed {
    /// What `LLMTEST_RESUME` names; the error says why that cannot be resumed.
    pub(super) fn of(config: Option<&Config>) -> Result<Option<Self>, String> {
        let Some((config, asked)) =
            config.and_then(|config| Some((config, config.resume.as_ref()?)))
        else {
            return Ok(None);
        };
        if let Some(id) = &config.run_id {
            return Err(format!(
                "`LLMTEST_RESUME` is set to `{asked}` and `LLMTEST_RUN_ID` to `{id}`: a run that is resumed keeps its name\nhint: unset one of them"
            ));
        }
        let root = report_root(Some(config));
        let latest = latest_runs(&root);
        let known = match asked.as_str() {
            LAST => latest.first(),
            id => latest.iter().find(|run| run.name == id),
        };
        let Some(known) = known else {
            let folder = root.join("runs");
            let ids: Vec<_> = latest
                .iter()
                .take(LISTED)
                .map(|run| format!("`{}`", run.name))
                .collect();
            let hint = if ids.is_empty() {
                "there is nothing to resume; run the tests without `LLMTEST_RESUME`".to_string()
            } else {
                format!(
                    "the latest are {}; `{LAST}` is the first of them",
                    ids.join(", ")
                )
            };
            return Err(format!(
                "there is no run `{asked}` in {}\nhint: {hint}",
                folder.display()
            ));
        };
        let folder = root.join("runs").join(&known.name);
        let kept = Kept::of(&folder, &session(Some(config))).map_err(|error| {
            format!(
                "the run `{}` cannot be resumed: {error}\nhint: run the tests without `LLMTEST_RESUME`",
                known.name
            )
        })?;
        Ok(Some(Self {
            run: known.name.clone(),
            kept,
            count: AtomicUsize::new(0),
        }))
    }

    /// What is said when the sources may be others than those that the run began with.
    pub(super) fn warning(&self, now: &GitState) -> String {
        let commit = |state: &GitState| {
            let commit = state.commit.as_deref()?;
            Some(commit.chars().take(10).collect::<String>())
        };
        match (self.kept.git().and_then(commit), commit(now)) {
            (Some(then), Some(now)) if then != now => format!(
                "warning: the run `{}` was recorded at commit {then}, and this is {now}: what is kept says nothing about this commit\n",
                self.run
            ),
            _ => String::new(),
        }
    }
}

/// A case with its record, and whether that was there before.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) record: TestRecord,
    pub(super) kept: bool,
}

/// Runs a case, unless the run that is resumed has recorded how it ended.
pub(crate) async fn run_or_keep(run: &'static Run, case: Case, place: Place) -> Ended {
    if let Some(resumed) = &run.resumed
        && let Some(record) = resumed.record(run, &case)
    {
        let wanted = run.more(case.entry).unwrap_or_default() as usize;
        if record.trials.len() < wanted {
            return Ended {
                record: run_rest(run, case, place, record.trials).await,
                kept: false,
            };
        }
        resumed.count.fetch_add(1, Ordering::Relaxed);
        if run.wants_causal_blame() {
            run.keep_failed(resumed.owed(run, &case, place, &record));
        }
        return Ended { record, kept: true };
    }
    Ended {
        record: run_case(run, case, place).await,
        kept: false,
    }
}

impl Resumed {
    fn record(&self, run: &Run, case: &Case) -> Option<TestRecord> {
        let path = case.entry.path();
        self.kept.record(&name(run, case, &path)?)
    }

    /// The failed trials of a kept case that were to be run again with references, and are not yet.
    fn owed(&self, run: &Run, case: &Case, place: Place, record: &TestRecord) -> Vec<FailedTrial> {
        let path = case.entry.path();
        let Some(name) = name(run, case, &path) else {
            return Vec::new();
        };
        let mut failed = FailedTrial::all_of(case.entry, &case.row, place, record);
        failed.retain(|trial| !self.kept.reran(&name, trial.trial()));
        failed
    }
}

/// What the case is known by; none of a case that cannot run, which is Errored again.
fn name<'a>(run: &'a Run, case: &'a Case, path: &'a str) -> Option<CaseName<'a>> {
    case.broken.is_none().then_some(CaseName {
        binary: &run.binary,
        file: case.entry.file,
        test: path,
        row: case.id.as_deref(),
    })
}

impl Run {
    /// How many trials the cases of a test are to have in all, where more were asked for.
    pub(super) fn more(&self, entry: &TestEntry) -> Option<u32> {
        let more = &self.config.as_ref().ok()?.more;
        more.get(&format!("{}::{}", self.binary, entry.path()))
            .copied()
    }

    /// Whether the case need not run.
    pub(crate) fn keeps(&self, case: &Case) -> bool {
        let path = case.entry.path();
        let (resumed, name) = (self.resumed.as_ref(), name(self, case, &path));
        resumed
            .zip(name)
            .is_some_and(|(resumed, name)| resumed.kept.has(&name))
            && self.more(case.entry).is_none()
    }

    /// How many cases were not run again.
    pub(super) fn kept_text(&self) -> String {
        let Some(resumed) = &self.resumed else {
            return String::new();
        };
        let count = resumed.count.load(Ordering::Relaxed);
        let plural = if count == 1 { "" } else { "s" };
        format!("{count} case{plural} kept from the run `{}`\n", resumed.run)
    }
}
