//! One case's spans, and which case and span a thread is in.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::Location;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use super::limits::{DEPTH, LEAST, Limits, cut, flatten};
use super::replay::Stages;
use super::substitute::{Substitute, Substitutes};

mod said;

static ADOPT: AtomicBool = AtomicBool::new(false);
static LISTENING: AtomicBool = AtomicBool::new(false);
static CASES: AtomicUsize = AtomicUsize::new(0);
static FIRST_CASE: OnceLock<Weak<CaseContext>> = OnceLock::new();
static UNATTRIBUTED: Mutex<BTreeMap<Lost, usize>> = Mutex::new(BTreeMap::new());

thread_local! {
    static CURRENT: RefCell<Option<Place>> = const { RefCell::new(None) };
}

/// Makes observed functions look for a case, for the rest of the process.
pub(crate) fn listen() {
    LISTENING.store(true, Ordering::Relaxed);
}

/// Says that this process runs one case only, as under nextest: calls that lost their case on the way can only be its own.
/// Beside other tests they could be anybody's.
pub(crate) fn adopt_orphans() {
    ADOPT.store(true, Ordering::Relaxed);
}

#[inline]
pub(super) fn listening() -> bool {
    LISTENING.load(Ordering::Relaxed)
}

/// A lock that a panic in a test cannot take down with it.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where in which case a piece of code runs.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) case: Arc<CaseContext>,
    pub(super) span: Option<usize>,
}

impl Place {
    /// Where this thread is; else, if this process runs one case only, in that.
    pub(super) fn current() -> Option<Self> {
        // In the destructor of a thread-local there may be none left.
        let current = CURRENT.try_with(|current| current.borrow().clone()).ok()?;
        current.or_else(|| {
            let alone = ADOPT.load(Ordering::Relaxed) && CASES.load(Ordering::Acquire) == 1;
            let case = alone.then(|| FIRST_CASE.get()?.upgrade()).flatten()?;
            Some(Self { case, span: None })
        })
    }

    pub(super) fn enter(self) -> Guard {
        Guard {
            before: CURRENT
                .try_with(|current| current.replace(Some(self)))
                .ok()
                .flatten(),
        }
    }
}

/// For spans of other crates, which are entered and left by calls.
#[cfg(feature = "tracing-capture")]
impl Place {
    /// Where this thread was put.
    pub(super) fn entered() -> Option<Self> {
        CURRENT.try_with(|current| current.borrow().clone()).ok()?
    }

    /// Puts this thread elsewhere, and says where it was.
    pub(super) fn swap(place: Option<Self>) -> Option<Self> {
        CURRENT.try_with(|current| current.replace(place)).ok()?
    }

    pub(super) fn is_case_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.case, &other.case)
    }

    pub(super) fn is(&self, other: &Self) -> bool {
        self.is_case_of(other) && self.span == other.span
    }

    /// Whether this is in the other place of the same case, or that place itself.
    pub(super) fn is_within(&self, other: &Self) -> bool {
        let Some(outer) = other.span else { return true };
        let spans = lock(&self.case.spans);
        let mut span = self.span;
        while let Some(index) = span {
            if index == outer {
                return true;
            }
            span = spans.list.get(index).and_then(|span| span.parent);
        }
        false
    }
}

/// Leaves the case when dropped, for the one the thread was in before.
#[must_use = "the case is left when this is dropped"]
pub(crate) struct Guard {
    before: Option<Place>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        // A thread that is being torn down has no place left to restore.
        let _ = CURRENT.try_with(|current| current.replace(self.before.take()));
    }
}

/// The case this thread is in.
pub(crate) fn current_case() -> Option<Arc<CaseContext>> {
    Place::current().map(|place| place.case)
}

/// Runs synchronous code in a case.
pub(crate) fn enter(case: Arc<CaseContext>) -> Guard {
    Place { case, span: None }.enter()
}

/// Runs a future in a case.
pub(crate) fn scope<F: Future>(
    case: Arc<CaseContext>,
    future: F,
) -> impl Future<Output = F::Output> {
    at(Place { case, span: None }, future)
}

pub(super) fn at<F: Future>(place: Place, future: F) -> impl Future<Output = F::Output> {
    let mut future = Box::pin(future);
    poll_fn(move |cx| {
        let _guard = place.clone().enter();
        future.as_mut().poll(cx)
    })
}

/// Calls of an observed function that no case could have.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Lost {
    pub(crate) name: String,
    /// File and line of the function, where they are known.
    pub(crate) place: Option<(&'static str, u32)>,
    /// Whether it was called in a case that had ended already, and not outside of all.
    pub(crate) late: bool,
}

impl From<&str> for Lost {
    fn from(name: &str) -> Self {
        Self {
            name: name.to_string(),
            ..Self::default()
        }
    }
}

/// Calls of no case, with how often each was seen: work that was spawned without [`carry`](super::carry), or not awaited.
pub(crate) fn lost_calls() -> Vec<(Lost, usize)> {
    lock(&UNATTRIBUTED).clone().into_iter().collect()
}

/// The same, by name.
pub(crate) fn unattributed() -> Vec<(String, usize)> {
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    for (lost, count) in lost_calls() {
        *names.entry(lost.name).or_default() += count;
    }
    names.into_iter().collect()
}

pub(super) fn count_unattributed(lost: impl Into<Lost>) {
    *lock(&UNATTRIBUTED).entry(lost.into()).or_default() += 1;
}

/// What the runner knows of one run of one test body while it runs.
pub(crate) struct CaseContext {
    trial: u32,
    started: Instant,
    limits: Limits,
    stages: Option<Arc<dyn Stages>>,
    spans: Mutex<Spans>,
    substitutes: Mutex<Substitutes>,
    /// Whether there are any.
    substitutes_any: AtomicBool,
    replay: Mutex<ReplayState>,
    panic: Mutex<Option<String>>,
    /// The account that pays for what is asked here.
    account: OnceLock<usize>,
}

#[derive(Default)]
struct ReplayState {
    /// Why the case cannot count, and what its spans say that were running then.
    failure: Option<(String, &'static str)>,
    calls: HashMap<(&'static str, u64, u64), u32>,
    marked: u32,
    replayed: u32,
}

/// What the notes on cut values begin with.
const ARGUMENT: &str = "the argument";
const RESULT: &str = "the result";

/// The spans of a case, until it is finished.
#[derive(Default)]
struct Spans {
    list: Vec<RawSpan>,
    finished: bool,
    /// How large the values are that were kept.
    kept: usize,
}

impl Spans {
    /// Cuts a value that is too large to keep, and notes it.
    fn keep(
        &mut self,
        limits: Limits,
        what: fmt::Arguments<'_>,
        value: &mut Value,
        notes: &mut Vec<String>,
    ) {
        let limit = limits
            .value
            .min(limits.case.saturating_sub(self.kept).max(LEAST));
        if flatten(value) {
            notes.push(format!(
                "{what} is nested more than {DEPTH} deep: what is below is a text"
            ));
        }
        let (size, after) = cut(value, limit);
        self.kept += after.unwrap_or(size);
        if let Some(after) = after {
            notes.push(format!("{what} was cut to {after} of {size} bytes"));
        }
    }
}

/// A span: while it is open, and as the runner gets it.
#[derive(Debug, Clone, Default, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct RawSpan {
    pub(crate) name: Cow<'static, str>,
    pub(crate) kind: Cow<'static, str>,
    /// The index, in the same list, of the span that was innermost when this one opened.
    pub(crate) parent: Option<usize>,
    /// File and line of the function.
    pub(crate) place: Option<(&'static str, u32)>,
    /// The arguments.
    pub(crate) input: Map<String, Value>,
    /// Whether the application replaced the arguments.
    pub(crate) own_input: bool,
    pub(crate) output: Value,
    /// Whether the application replaced the result.
    pub(crate) own_output: bool,
    /// Since the case began.
    pub(crate) start: Duration,
    /// Since the case began; none while it is open.
    pub(crate) end: Option<Duration>,
    pub(crate) error: Option<String>,
    /// Tokens of prompts and of completions.
    pub(crate) usage: Option<(u64, u64)>,
    pub(crate) model: Option<String>,
    /// In US dollars.
    pub(crate) cost: Option<f64>,
    /// From the start to the first item of a stream.
    pub(crate) first_item: Option<Duration>,
    /// Passages, as JSON.
    pub(crate) retrieved: Vec<Value>,
    pub(crate) metadata: Map<String, Value>,
    pub(crate) notes: Vec<String>,
    pub(crate) replayed: bool,
    pub(crate) substituted: bool,
}

impl CaseContext {
    /// Begins a case. Stages marked `replay` ask `stages`; without it they run.
    pub(crate) fn new(trial: u32, stages: Option<Arc<dyn Stages>>) -> Arc<Self> {
        Self::limited(trial, stages, Limits::default())
    }

    /// Begins a case that keeps so much.
    pub(crate) fn limited(
        trial: u32,
        stages: Option<Arc<dyn Stages>>,
        limits: Limits,
    ) -> Arc<Self> {
        #[cfg(feature = "tracing-capture")]
        super::bridge::attach();
        let case = Arc::new(Self {
            trial,
            started: Instant::now(),
            limits,
            stages,
            spans: Mutex::default(),
            substitutes: Mutex::default(),
            substitutes_any: AtomicBool::new(false),
            replay: Mutex::default(),
            panic: Mutex::default(),
            account: OnceLock::new(),
        });
        let _ = FIRST_CASE.set(Arc::downgrade(&case));
        CASES.fetch_add(1, Ordering::Release);
        case
    }

    /// Ends the case: takes its spans, in the order in which they opened. One that is still open gets the error
    /// `unfinished`; what comes later belongs to no case.
    pub(crate) fn finish(&self) -> Vec<RawSpan> {
        let now = self.started.elapsed();
        let mut spans = lock(&self.spans);
        spans.finished = true;
        let mut list = std::mem::take(&mut spans.list);
        drop(spans);
        for span in list.iter_mut().filter(|span| span.end.is_none()) {
            span.end = Some(now);
            span.error.get_or_insert_with(|| "unfinished".to_string());
        }
        list
    }

    /// Why the case cannot count although its body may have gone on: the first stage that had no recording, or a
    /// substitute that does not fit.
    pub(crate) fn failure(&self) -> Option<String> {
        lock(&self.replay)
            .failure
            .as_ref()
            .map(|(message, _)| message.clone())
    }

    /// What a span says that was running when the case failed.
    pub(super) fn stopped(&self) -> Option<&'static str> {
        lock(&self.replay).failure.as_ref().map(|failure| failure.1)
    }

    /// Whether the case cannot count since a stage has no recording.
    pub(crate) fn lacks_recording(&self) -> bool {
        self.stopped() == Some(super::replay::MISSING)
    }

    /// How many calls of stages marked `replay` were replayed, and how many there were.
    pub(crate) fn stages(&self) -> (u32, u32) {
        let replay = lock(&self.replay);
        (replay.replayed, replay.marked)
    }

    /// Keeps what a panic hook saw.
    pub(crate) fn set_panic(&self, message: String) {
        *lock(&self.panic) = Some(message);
    }

    /// The first line of what a panic hook saw. It stays there for the case.
    pub(super) fn panic_line(&self) -> Option<String> {
        let seen = lock(&self.panic);
        Some(seen.as_ref()?.lines().next()?.to_string())
    }

    /// What a panic hook saw.
    pub(crate) fn take_panic(&self) -> Option<String> {
        lock(&self.panic).take()
    }

    /// Says which account pays for what is asked here.
    pub(crate) fn charge(&self, account: Option<usize>) {
        if let Some(account) = account {
            let _ = self.account.set(account);
        }
    }

    pub(crate) fn account(&self) -> Option<usize> {
        self.account.get().copied()
    }

    pub(crate) fn trial(&self) -> u32 {
        self.trial
    }

    pub(super) fn stage_source(&self) -> Option<&Arc<dyn Stages>> {
        self.stages.as_ref()
    }

    pub(super) fn note_failure(&self, message: String, stopped: &'static str) {
        lock(&self.replay).failure.get_or_insert((message, stopped));
    }

    /// Counts a call of a stage, and says the how-manieth with these arguments and this `key` it is.
    pub(super) fn count_stage(&self, name: &'static str, digest: u64, key: u64) -> u32 {
        let mut replay = lock(&self.replay);
        let calls = replay.calls.entry((name, digest, key)).or_default();
        *calls += 1;
        *calls - 1
    }

    /// Counts a call that may be replayed.
    pub(super) fn mark_stage(&self) {
        lock(&self.replay).marked += 1;
    }

    /// Opens a span; `start` is set here. None if the case has ended.
    pub(super) fn open_span(&self, mut span: RawSpan) -> Option<usize> {
        span.start = self.started.elapsed();
        let mut spans = lock(&self.spans);
        if spans.finished {
            drop(spans);
            count_unattributed(Lost {
                name: span.name.into_owned(),
                place: span.place,
                late: true,
            });
            return None;
        }
        for (name, value) in &mut span.input {
            spans.keep(
                self.limits,
                format_args!("{ARGUMENT} `{name}`"),
                value,
                &mut span.notes,
            );
        }
        spans.list.push(span);
        Some(spans.list.len() - 1)
    }

    /// Closes a span. What was said about it first stands: a stage without a recording also unwinds.
    pub(super) fn close_span(&self, span: usize, output: Value, error: Option<String>) {
        let now = self.started.elapsed();
        self.say(span, |spans, limits, span| {
            if span.end.is_some() {
                return;
            }
            span.end = Some(now);
            span.error = error.map(|error| {
                let mut error = Value::String(error);
                spans.keep(
                    limits,
                    format_args!("the error"),
                    &mut error,
                    &mut span.notes,
                );
                match error {
                    Value::String(error) => error,
                    other => other.to_string(),
                }
            });
            if !span.own_output {
                span.output = output;
                spans.keep(
                    limits,
                    format_args!("{RESULT}"),
                    &mut span.output,
                    &mut span.notes,
                );
            }
        });
    }

    /// Ends a span of which all else is known already.
    #[cfg(feature = "tracing-capture")]
    pub(super) fn end_span(&self, span: usize) {
        let now = self.started.elapsed();
        self.say(span, |spans, limits, span| {
            if span.end.is_some() {
                return;
            }
            span.end = Some(now);
            let RawSpan {
                input,
                output,
                notes,
                ..
            } = span;
            for (name, value) in input {
                spans.keep(limits, format_args!("{ARGUMENT} `{name}`"), value, notes);
            }
            spans.keep(limits, format_args!("{RESULT}"), output, notes);
        });
    }

    /// Changes a span of a case that has not ended.
    pub(super) fn update(&self, span: usize, change: impl FnOnce(&mut RawSpan)) {
        if let Some(span) = lock(&self.spans).list.get_mut(span) {
            change(span);
        }
    }

    pub(super) fn note_first_item(&self, span: usize) {
        let now = self.started.elapsed();
        self.update(span, |span| {
            span.first_item = Some(now.saturating_sub(span.start));
        });
    }

    pub(super) fn mark_replayed(&self, span: usize) {
        self.update(span, |span| span.replayed = true);
        lock(&self.replay).replayed += 1;
    }

    /// Replaces what a stage returns, for the rest of the case.
    pub(crate) fn substitute(&self, stage: String, substitute: Substitute) {
        self.add_substitute(stage, substitute, None);
    }

    /// The same, asked for by a test at this place: if the stage is not called, the test is wrong.
    pub(super) fn add_substitute(
        &self,
        stage: String,
        substitute: Substitute,
        asked: Option<&'static Location<'static>>,
    ) {
        lock(&self.substitutes).set(stage, substitute, asked);
        self.substitutes_any.store(true, Ordering::Release);
    }

    #[inline]
    pub(super) fn substitutes_any(&self) -> bool {
        self.substitutes_any.load(Ordering::Acquire)
    }

    pub(super) fn with_substitutes<R>(&self, f: impl FnOnce(&mut Substitutes) -> R) -> R {
        f(&mut lock(&self.substitutes))
    }

    pub(super) fn with_spans<R>(&self, f: impl FnOnce(&[RawSpan]) -> R) -> R {
        f(&lock(&self.spans).list)
    }
}
