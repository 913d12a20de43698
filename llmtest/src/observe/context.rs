//! One case's spans, and which case and span a thread is in.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::future::{Future, poll_fn};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::limits::{LEAST, Limits, cut};
use super::replay::Stages;
use super::substitute::{Substitute, Substitutes};

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
        CURRENT.with_borrow(Clone::clone).or_else(|| {
            let alone = ADOPT.load(Ordering::Relaxed) && CASES.load(Ordering::Acquire) == 1;
            let case = alone.then(|| FIRST_CASE.get()?.upgrade()).flatten()?;
            Some(Self { case, span: None })
        })
    }

    pub(super) fn enter(self) -> Guard {
        Guard {
            before: CURRENT.replace(Some(self)),
        }
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
    replay: Mutex<ReplayState>,
    panic: Mutex<Option<String>>,
}

#[derive(Default)]
struct ReplayState {
    failure: Option<String>,
    calls: HashMap<(&'static str, u64), u32>,
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
        let (size, after) = cut(value, limit);
        self.kept += after.unwrap_or(size);
        if let Some(after) = after {
            notes.push(format!("{what} was cut to {after} of {size} bytes"));
        }
    }
}

/// A span: while it is open, and as the runner gets it.
#[derive(Debug, Clone, Default, PartialEq)]
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
        let case = Arc::new(Self {
            trial,
            started: Instant::now(),
            limits,
            stages,
            spans: Mutex::default(),
            substitutes: Mutex::default(),
            replay: Mutex::default(),
            panic: Mutex::default(),
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

    /// Why the case cannot count although its body may have gone on: the first stage that had no recording.
    pub(crate) fn failure(&self) -> Option<String> {
        lock(&self.replay).failure.clone()
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

    /// What a panic hook saw.
    pub(crate) fn take_panic(&self) -> Option<String> {
        lock(&self.panic).take()
    }

    pub(crate) fn trial(&self) -> u32 {
        self.trial
    }

    pub(super) fn stage_source(&self) -> Option<&Arc<dyn Stages>> {
        self.stages.as_ref()
    }

    pub(super) fn note_failure(&self, message: String) {
        lock(&self.replay).failure.get_or_insert(message);
    }

    /// Counts a call of a stage, and says the how-manieth with these arguments it is.
    pub(super) fn count_stage(&self, name: &'static str, digest: u64) -> u32 {
        let mut replay = lock(&self.replay);
        replay.marked += 1;
        let calls = replay.calls.entry((name, digest)).or_default();
        *calls += 1;
        *calls - 1
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

    /// What the application says in the place of the arguments.
    pub(super) fn set_input(&self, span: usize, mut input: Map<String, Value>) {
        self.say(span, |spans, limits, span| {
            span.notes.retain(|note| !note.starts_with(ARGUMENT));
            for (name, value) in &mut input {
                spans.keep(
                    limits,
                    format_args!("{ARGUMENT} `{name}`"),
                    value,
                    &mut span.notes,
                );
            }
            (span.input, span.own_input) = (input, true);
        });
    }

    /// What the application says in the place of the result.
    pub(super) fn set_output(&self, span: usize, mut output: Value) {
        self.say(span, |spans, limits, span| {
            span.notes.retain(|note| !note.starts_with(RESULT));
            spans.keep(
                limits,
                format_args!("{RESULT}"),
                &mut output,
                &mut span.notes,
            );
            (span.output, span.own_output) = (output, true);
        });
    }

    pub(super) fn add_retrieved(&self, span: usize, passages: Vec<Value>) {
        self.say(span, |spans, limits, span| {
            for mut passage in passages {
                let what = format_args!("passage {}", span.retrieved.len() + 1);
                spans.keep(limits, what, &mut passage, &mut span.notes);
                span.retrieved.push(passage);
            }
        });
    }

    pub(super) fn add_metadata(&self, span: usize, name: String, mut value: Value) {
        self.say(span, |spans, limits, span| {
            let what = format_args!("the metadata `{name}`");
            spans.keep(limits, what, &mut value, &mut span.notes);
            span.metadata.insert(name, value);
        });
    }

    /// What the application said of a span, to be recorded with the result of a stage. Tokens and dollars are summed
    /// with those of the calls below, which a replayed stage does not make.
    pub(super) fn said(&self, of: usize) -> Option<Value> {
        let spans = lock(&self.spans);
        let span = spans.list.get(of)?;
        let mut said = Map::new();
        let mut say = |name: &str, value: Option<Value>| {
            said.extend(value.map(|value| (name.to_string(), value)));
        };
        let (mut usage, mut cost) = (None, None);
        let mut within = vec![false; spans.list.len()];
        for (at, below) in spans.list.iter().enumerate().skip(of) {
            // A parent opens before its children.
            within[at] = at == of || below.parent.is_some_and(|parent| within[parent]);
            if within[at] {
                add_usage(&mut usage, below.usage);
                if let Some(own) = below.cost {
                    *cost.get_or_insert(0.0) += own;
                }
            }
        }
        say("usage", usage.map(|(read, written)| json!([read, written])));
        say("cost", cost.map(Value::from));
        say("model", span.model.clone().map(Value::from));
        let retrieved = Some(&span.retrieved).filter(|passages| !passages.is_empty());
        say("retrieved", retrieved.map(|passages| json!(passages)));
        let metadata = Some(&span.metadata).filter(|metadata| !metadata.is_empty());
        say("metadata", metadata.map(|metadata| json!(metadata)));
        say("input", span.own_input.then(|| json!(span.input)));
        say("output", span.own_output.then(|| span.output.clone()));
        (!said.is_empty()).then(|| said.into())
    }

    /// Says again what was recorded.
    pub(super) fn say_again(&self, span: usize, said: Value) {
        let Value::Object(mut said) = said else {
            return;
        };
        let mut take = |name| said.remove(name).unwrap_or_default();
        let usage = take("usage");
        if let (Some(read), Some(written)) = (usage[0].as_u64(), usage[1].as_u64()) {
            self.add_usage(span, read, written);
        }
        let (cost, model) = (take("cost").as_f64(), take("model"));
        self.update(span, |span| {
            span.cost = cost;
            span.model = model.as_str().map(str::to_string);
        });
        if let Value::Array(passages) = take("retrieved") {
            self.add_retrieved(span, passages);
        }
        if let Value::Object(metadata) = take("metadata") {
            for (name, value) in metadata {
                self.add_metadata(span, name, value);
            }
        }
        if let Value::Object(input) = take("input") {
            self.set_input(span, input);
        }
        if let Some(output) = said.remove("output") {
            self.set_output(span, output);
        }
    }

    /// Changes a span by what can be too large.
    fn say(&self, span: usize, say: impl FnOnce(&mut Spans, Limits, &mut RawSpan)) {
        let mut spans = lock(&self.spans);
        let Some(slot) = spans.list.get_mut(span) else {
            return;
        };
        let mut span_taken = std::mem::take(slot);
        say(&mut spans, self.limits, &mut span_taken);
        spans.list[span] = span_taken;
    }

    /// Changes a span of a case that has not ended.
    pub(super) fn update(&self, span: usize, change: impl FnOnce(&mut RawSpan)) {
        if let Some(span) = lock(&self.spans).list.get_mut(span) {
            change(span);
        }
    }

    pub(super) fn mark_replayed(&self, span: usize) {
        self.update(span, |span| span.replayed = true);
        lock(&self.replay).replayed += 1;
    }

    pub(super) fn add_usage(&self, span: usize, prompt: u64, completion: u64) {
        self.update(span, |span| {
            add_usage(&mut span.usage, Some((prompt, completion)));
        });
    }

    /// Replaces what a stage returns, for the rest of the case.
    pub(crate) fn substitute(&self, stage: String, substitute: Substitute) {
        lock(&self.substitutes).set(stage, substitute);
    }
}

fn add_usage(sum: &mut Option<(u64, u64)>, more: Option<(u64, u64)>) {
    if let Some((prompt, completion)) = more {
        let sum = sum.get_or_insert((0, 0));
        sum.0 = sum.0.saturating_add(prompt);
        sum.1 = sum.1.saturating_add(completion);
    }
}
