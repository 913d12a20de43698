//! What all cases of one process share.

use super::causal::{FailedTrial, plan, rerun_all};
use super::lost;
use super::memo::RunMemo;
use super::place::{binary_name, report_root, run_id};
use super::process::Told;
use super::resume::{Ended, Resumed};
use crate::config::{Config, ConfigError, Mode};
use crate::cost::{Budget, EstimateReport, Known, Prices, ProcessCost, Till, estimate};
use crate::entry::TestEntry;
use crate::judge::Judges;
use crate::observe;
use crate::recording::Recordings;
use crate::redact::Redactor;
use crate::report::{Style, Tally, summary};
use crate::results::{
    FailedLast, GroupRecord, Outcome, RunReport, Shards, TrialRecord, earlier_reports, failed_last,
};
use crate::runtime;
use crate::telemetry::Sink;
use llmtest_metrics::{AnyEmbedder, AnyJudge, JudgeChoice, JudgeError, JudgeErrorKind};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;
use std::panic::PanicHookInfo;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// The run of this process.
pub(crate) struct Run {
    /// The configuration, or what is wrong with it: every case that needs a judge or a recording then ends as Errored.
    pub(crate) config: Result<Config, ConfigError>,
    pub(crate) judges: Option<Judges>,
    pub(crate) recordings: Option<Arc<Recordings>>,
    pub(crate) memo: Arc<RunMemo>,
    pub(crate) shards: Shards,
    /// Where live calls pay.
    pub(crate) till: Arc<Till>,
    /// What was expected of it before it began.
    estimate: Mutex<Option<EstimateReport>>,
    /// Where traces go.
    sink: Option<Sink>,
    /// With `LLMTEST_RESUME`: what need not run again.
    pub(super) resumed: Option<Resumed>,
    /// Why nothing runs.
    pub(crate) refused: Option<String>,
    /// With `LLMTEST_FAILED`: what did not pass last time, where that is known.
    failed_last: Option<FailedLast>,
    /// How many cases may be in flight.
    pub(crate) capacity: usize,
    /// Places for cases in flight.
    pub(crate) places: Arc<Semaphore>,
    /// Takes secrets out of what is shown.
    redactor: Arc<Redactor>,
    pub(crate) binary: String,
    pub(crate) style: Style,
    pub(crate) started: Instant,
    tally: Mutex<Tally>,
    groups: Mutex<Vec<GroupRecord>>,
    /// With causal blame: what is to be run again at the end.
    failed: Mutex<Vec<FailedTrial>>,
    /// The first thing that kept a record from being written; shown once at the end.
    trouble: Mutex<Option<String>>,
    /// What the record says of this process.
    pub(super) told: Mutex<Told>,
}

/// What the command line of our harness says.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct HarnessArgs {
    /// The number of cases in flight.
    pub(crate) places: Option<usize>,
    pub(crate) colour: bool,
}

static RUN: OnceLock<Run> = OnceLock::new();

/// The run, started with defaults when the harness has not started it.
pub(crate) fn run() -> &'static Run {
    start(None, None)
}

/// Starts the run of this process; only the first call counts. `harness` is what our own harness was told on its command
/// line; none under libtest.
pub(crate) fn start(manifest_dir: Option<PathBuf>, harness: Option<HarnessArgs>) -> &'static Run {
    RUN.get_or_init(|| {
        observe::listen();
        install_panic_hook(harness.is_none());
        let harness = harness.unwrap_or_default();
        let config = Config::from_env(manifest_dir.as_deref());
        let known = config.as_ref().ok();
        let scope = known.map_or_else(String::new, |config| {
            format!("{:?} {}", config.mode, config.recordings.display())
        });
        let redactor = known
            .map(|config| config.redactor.clone())
            .unwrap_or_default();
        let (resumed, refused) = match Resumed::of(known) {
            Ok(resumed) => (resumed, None),
            Err(why) => (None, Some(why)),
        };
        let id = resumed
            .as_ref()
            .map_or_else(|| run_id(known), |resumed| resumed.run.clone());
        let sink =
            known.map(|config| Sink::new(config.export.clone(), id.clone(), redactor.clone()));
        let shards = Shards::new(report_root(known), id, redactor.clone());
        let recordings = known.map(|config| Arc::new(Recordings::new(config)));
        let folder = shards.folder();
        let till = known.map_or_else(
            || Till::new(Prices::default(), None, folder),
            |config| config.till(folder),
        );
        let till = Arc::new(till);
        let judges = known.zip(recordings.clone()).map(|(config, recordings)| {
            Judges::new(config, recordings, till.clone()).sharing(folder.join("limits"))
        });
        let concurrency = harness
            .places
            .unwrap_or_else(|| known.map_or(64, |config| config.concurrency))
            .max(1);
        Run {
            judges,
            recordings,
            memo: Arc::new(RunMemo::new(shards.folder().to_path_buf(), &scope)),
            failed_last: known
                .filter(|config| config.failed)
                .and_then(|_| failed_last(&report_root(known), shards.folder(), &binary_name())),
            capacity: concurrency,
            places: Arc::new(Semaphore::new(concurrency.min(Semaphore::MAX_PERMITS))),
            binary: binary_name(),
            style: Style {
                colour: harness.colour,
                all: known.is_some_and(|config| config.show_all),
            },
            started: Instant::now(),
            tally: Mutex::default(),
            groups: Mutex::default(),
            failed: Mutex::default(),
            trouble: Mutex::default(),
            told: Mutex::default(),
            estimate: Mutex::default(),
            till,
            shards,
            sink,
            redactor,
            resumed,
            refused,
            config,
        }
    })
}

impl Run {
    /// The judge for an expectation.
    pub(crate) fn judge(&self, choice: Option<&JudgeChoice>) -> Result<AnyJudge, JudgeError> {
        match (choice, &self.judges, &self.config) {
            (Some(choice), Some(judges), _) => judges.choose(choice),
            (Some(JudgeChoice::This(judge)), None, _) => Ok(judge.clone()),
            (None, Some(judges), _) => judges.standard(),
            (_, None, Err(error)) => {
                Err(JudgeError::new(JudgeErrorKind::Config, error.to_string()))
            }
            (_, None, Ok(_)) => unreachable!("judges are made from every valid configuration"),
        }
    }

    /// The configured embedder.
    pub(crate) fn embedder(&self) -> Result<AnyEmbedder, JudgeError> {
        match (&self.judges, &self.config) {
            (Some(judges), _) => Ok(judges.embedder()),
            (None, Err(error)) => Err(JudgeError::new(JudgeErrorKind::Config, error.to_string())),
            (None, Ok(_)) => unreachable!("judges are made from every valid configuration"),
        }
    }

    /// The account of a test with a budget of its own.
    pub(crate) fn account(&self, entry: &TestEntry) -> Option<usize> {
        let budget = Budget::parse(entry.budget?)?;
        let test = format!("{}::{}", self.binary, entry.path());
        Some(self.till.account(&test, budget))
    }

    /// What these tests took in the last run of this binary; `None` where nothing goes live in this one. With
    /// `LLMTEST_ESTIMATE` the second says that this is all that is wanted.
    pub(crate) fn estimate(&self, tests: &[String]) -> (Option<String>, bool) {
        let Ok(config) = &self.config else {
            return (None, false);
        };
        let asked = config.cost.estimate;
        let live = matches!(config.mode, Mode::Record | Mode::Live);
        if !asked && !live {
            return (None, false);
        }
        let root = report_root(Some(config));
        let earlier = earlier_reports(&root, self.shards.folder());
        let last = Known::last(earlier, RunReport::FORMAT, &self.binary);
        let report = estimate(last, tests, &config.judge.model, &self.till.prices);
        let text = report.text(live, config.mode == Mode::Replay);
        if !asked {
            let mut slot = self.estimate.lock().unwrap_or_else(PoisonError::into_inner);
            *slot = Some(report);
        }
        (text.map(|text| self.shown(text)), asked)
    }

    /// Whether a test that ended like this fails. Where a gate decides afterwards, a bad score does not.
    pub(crate) fn fails(&self, outcome: Outcome) -> bool {
        let gated = self.config.as_ref().is_ok_and(|config| config.gated);
        match outcome {
            Outcome::Passed => false,
            Outcome::Failed => !gated,
            Outcome::Skipped | Outcome::Errored => true,
        }
    }

    /// How often a case of this test runs, and how many of its trials must pass. With `LLMTEST_TRIALS` the share that must
    /// pass stays, rounded up.
    pub(crate) fn trials(&self, entry: &TestEntry) -> (u32, u32) {
        let own = (entry.trials, entry.passes.unwrap_or(entry.trials));
        let config = self.config.as_ref().ok();
        let asked = self.more(entry).or(config.and_then(|config| config.trials));
        asked.map_or(own, |trials| {
            let share = u64::from(own.1) * u64::from(trials);
            let needed = share.div_ceil(u64::from(own.0.max(1)));
            (trials, u32::try_from(needed).unwrap_or(trials))
        })
    }

    /// The time limit of a body.
    pub(crate) fn timeout(&self, own: Option<Duration>) -> Duration {
        own.unwrap_or_else(|| {
            self.config
                .as_ref()
                .map_or(Duration::from_secs(120), |config| config.timeout)
        })
    }

    pub(crate) fn under_nextest(&self) -> bool {
        self.config.as_ref().is_ok_and(|config| config.nextest)
    }

    pub(crate) fn attempt(&self) -> u32 {
        self.config.as_ref().map_or(1, |config| config.attempt)
    }

    /// Why `LLMTEST_TAGS` or `LLMTEST_FAILED` leaves out a test with these tags.
    pub(crate) fn leaves_out(
        &self,
        tags: &[&str],
        failed: impl FnOnce(&FailedLast) -> bool,
    ) -> Option<&'static str> {
        let config = self.config.as_ref().ok()?;
        let tagged = |tag: &String| tags.contains(&tag.as_str());
        if !config.tags.is_empty() && !config.tags.iter().any(tagged) {
            return Some("not chosen by LLMTEST_TAGS");
        }
        let last = self.failed_last.as_ref()?;
        (!failed(last)).then_some("did not fail last time")
    }

    /// Adds a case to the record, unless it is there.
    pub(crate) fn record(&self, Ended { mut record, kept }: Ended) {
        if kept {
            let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
            return tally.add(&record);
        }
        record.trials.iter_mut().for_each(TrialRecord::sign);
        self.tally
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .add(&record);
        if let Some(sink) = &self.sink {
            sink.case(&record);
        }
        if let Err(error) = self.shards.test(record) {
            self.note_trouble(&error.to_string());
        }
    }

    /// Adds a dataset that is one test.
    pub(crate) fn record_group(&self, group: GroupRecord) {
        self.groups
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(group.clone());
        if let Err(error) = self.shards.group(group) {
            self.note_trouble(&error.to_string());
        }
    }

    /// Whether failed cases are to be run again with references in place of results.
    pub(crate) fn wants_causal_blame(&self) -> bool {
        self.config.as_ref().is_ok_and(|config| config.blame.causal)
    }

    /// Keeps failed trials for the reruns.
    pub(crate) fn keep_failed(&self, trials: Vec<FailedTrial>) {
        self.failed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(trials);
    }

    /// Runs failed trials again where that was asked for, and records what that says.
    pub(crate) fn rerun_failed(&'static self) {
        let failed =
            std::mem::take(&mut *self.failed.lock().unwrap_or_else(PoisonError::into_inner));
        let Some(config) = self.config.as_ref().ok().filter(|_| !failed.is_empty()) else {
            return;
        };
        let plan = plan(failed, config.blame.max);
        Self::tell(&plan.text);
        let mut records = plan.rest;
        records.extend(runtime::handle().block_on(rerun_all(self, plan.rerun)));
        for record in records {
            self.tally
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .add_causal(record.clone());
            if let Err(error) = self.shards.causal(record) {
                self.note_trouble(&error.to_string());
            }
        }
    }

    /// A block as it may be shown: without secrets.
    pub(crate) fn shown(&self, block: String) -> String {
        match self.redactor.scrub(&block) {
            Cow::Borrowed(_) => block,
            Cow::Owned(scrubbed) => scrubbed,
        }
    }

    /// Counts tests that were not run.
    pub(crate) fn skipped(&self, count: usize) {
        self.tally
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .skip(count);
    }

    /// Whether something could not be recorded: then the run must not pass.
    pub(crate) fn trouble(&self) -> Option<String> {
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        trouble.clone()
    }

    pub(super) fn note_trouble(&self, error: &str) {
        self.trouble
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert_with(|| error.to_string());
    }

    /// Sorts the recordings that were written, and says which were used.
    pub(crate) fn settle_recordings(&self) {
        self.tell_used();
        if let Some(Err(error)) = self
            .recordings
            .as_ref()
            .map(|recordings| recordings.finish())
        {
            self.note_trouble(&error);
        }
    }

    fn process_cost(&self) -> ProcessCost {
        let (outside, embedders) = self.till.apart();
        let estimate = self.estimate.lock().unwrap_or_else(PoisonError::into_inner);
        ProcessCost {
            judge: self
                .config
                .as_ref()
                .ok()
                .map(|config| config.judge.model.clone()),
            judges: outside,
            embedders,
            budgets: self.till.budgets(),
            estimate: estimate.clone(),
            limits: self.judges.iter().flat_map(Judges::limits).collect(),
        }
    }

    /// Folds the records, and returns the summary for the terminal, and what went wrong with the run itself.
    pub(crate) fn finish(&self) -> (String, String) {
        self.settle_recordings();
        let lost: BTreeMap<String, usize> = observe::unattributed().into_iter().collect();
        if let Err(error) = self.shards.unattributed(lost) {
            self.note_trouble(&error.to_string());
        }
        let cost = self.process_cost();
        if self.shards.has_lines()
            && let Err(error) = self.shards.cost(cost.clone())
        {
            self.note_trouble(&error.to_string());
        }
        let errored = {
            let tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
            tally.of(Outcome::Errored)
        };
        self.tell_end(errored);
        self.git_is_told();
        let report = self.shards.fold().unwrap_or_else(|error| {
            self.note_trouble(&error.to_string());
            None
        });
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.add_cost(cost);
        let (mut table, mut out) = (String::new(), String::new());
        if !tally.is_empty() {
            let groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
            table = summary(
                &tally,
                &groups,
                self.started.elapsed(),
                report.as_deref(),
                self.style,
            );
        }
        out.push_str(&self.kept_text());
        out.push_str(&lost::list(&observe::lost_calls()));
        #[cfg(feature = "tracing-capture")]
        if let Some(trouble) = observe::tracing_trouble() {
            let _ = writeln!(out, "note: {trouble}");
        }
        for told in self.judges.iter().flat_map(Judges::refusals) {
            let _ = writeln!(out, "note: {told}");
        }
        for why in self.sink.iter().flat_map(Sink::finish) {
            let _ = writeln!(out, "traces were not exported: {why}");
        }
        if let Err(error) = &self.config {
            let _ = writeln!(out, "error: {error}");
        }
        if let Some(trouble) = self
            .trouble
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref()
        {
            let _ = writeln!(out, "error: {trouble}");
        }
        (self.shown(table), self.shown(out))
    }

    /// Writes to the real standard error, past libtest's capture.
    pub(crate) fn tell(text: &str) {
        let mut stderr = std::io::stderr().lock();
        let _ = stderr.write_all(text.as_bytes());
        let _ = stderr.flush();
    }
}

/// A panic inside a case goes into its record, with its place, instead of to the terminal. Under libtest, which captures
/// it, the usual message with its backtrace is printed as well when `RUST_BACKTRACE` asks for one. A message with a key in
/// it is printed without the key, whoever panics.
fn install_panic_hook(libtest: bool) {
    let previous = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let message = payload_text(info.payload());
        let place = info
            .location()
            .map(|place| format!(" at {}:{}", place.file(), place.line()))
            .unwrap_or_default();
        let config = RUN.get().and_then(|run| run.config.as_ref().ok());
        let previous =
            |info: &PanicHookInfo<'_>| match config.map(|config| config.redactor.scrub(message)) {
                Some(Cow::Owned(scrubbed)) => Run::tell(&format!("a panic{place}: {scrubbed}\n")),
                _ => previous(info),
            };
        let Some(case) = observe::current_case() else {
            return previous(info);
        };
        case.set_panic(format!("{message}{place}"));
        if libtest
            && std::backtrace::Backtrace::capture().status()
                == std::backtrace::BacktraceStatus::Captured
        {
            previous(info);
        }
    }));
}

/// The text of a panic's payload.
pub(super) fn payload_text(payload: &(dyn std::any::Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a value that is not text")
}
