//! `cargo bench -p llmtest-tests --bench observe`: a call of an observed function beside the same function under
//! `#[tracing::instrument]`, in one run; and a run of 10,000 cases with 50 spans each. Nothing here asserts a time.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod process;

use serde_json::{Map, Value};
use std::hint::black_box;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry};

/// Bytes of the argument, and of the result.
const SIZES: [(usize, &str); 3] = [(100, "100 B"), (1_000, "1 KB"), (100_000, "100 KB")];
/// Cases of the run that measures calls while the harness listens.
const CASES: usize = 120;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    match args.get(1).map(String::as_str) {
        Some("--measure") => process::report(&args[2..]),
        Some("--instrumented") => instrumented_here(),
        Some("listening") => return llmtest::main(),
        _ => {
            calls();
            memory();
        }
    }
    ExitCode::SUCCESS
}

#[inline(never)]
fn plain(text: &str) -> String {
    black_box(text).to_string()
}

#[llmtest::observe]
#[inline(never)]
fn observed(text: &str) -> String {
    black_box(text).to_string()
}

#[tracing::instrument(ret)]
#[inline(never)]
fn instrumented(text: &str) -> String {
    black_box(text).to_string()
}

#[expect(
    clippy::unused_async,
    reason = "the least that an async function costs"
)]
#[inline(never)]
async fn plain_async(text: &str) -> String {
    black_box(text).to_string()
}

#[llmtest::observe]
#[inline(never)]
async fn observed_async(text: &str) -> String {
    black_box(text).to_string()
}

#[tracing::instrument(ret)]
#[inline(never)]
async fn instrumented_async(text: &str) -> String {
    black_box(text).to_string()
}

/// Polls a future that never waits.
fn ready<T>(future: impl Future<Output = T>) -> T {
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut cx) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => unreachable!("nothing here waits"),
    }
}

/// How often a payload of this size is passed in one round, so that what is kept stays small.
fn calls_of(size: usize) -> u32 {
    if size > 10_000 { 4 } else { 50 }
}

/// Nanoseconds a call, over one round.
fn round(calls: u32, text: &str, call: &dyn Fn(&str) -> String) -> f64 {
    let started = Instant::now();
    for _ in 0..calls {
        black_box(call(black_box(text)));
    }
    started.elapsed().as_nanos() as f64 / f64::from(calls)
}

/// The middle of several rounds.
fn per_call(rounds: usize, calls: u32, text: &str, call: &dyn Fn(&str) -> String) -> f64 {
    median((0..rounds).map(|_| round(calls, text, call)).collect())
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

type Call<'a> = (&'a str, &'a dyn Fn(&str) -> String);

fn calls() {
    let plain_calls: [Call<'_>; 2] = [
        ("fn", &plain),
        ("async fn", &|text| ready(plain_async(text))),
    ];
    let silent: [(Call<'_>, Call<'_>); 2] = [
        (("fn", &observed), ("fn", &instrumented)),
        (
            ("async fn", &|text| ready(observed_async(text))),
            ("async fn", &|text| ready(instrumented_async(text))),
        ),
    ];
    println!("nanoseconds a call, beyond the function itself\n");
    println!("nobody listens            #[observe]   #[tracing::instrument(ret)], no subscriber");
    let text = "x".repeat(100);
    for ((name, base), (ours, theirs)) in plain_calls.iter().zip(&silent) {
        let least = |call: &dyn Fn(&str) -> String| {
            (0..15)
                .map(|_| round(100_000, &text, call))
                .fold(f64::INFINITY, f64::min)
        };
        let base = least(base);
        println!(
            "  {name:<22} {:>12.1} {:>12.1}",
            least(ours.1) - base,
            least(theirs.1) - base
        );
    }
    let ours = figures(&["listening"]);
    let theirs = figures(&["--instrumented"]);
    println!(
        "\nlistening                 #[observe]   #[tracing::instrument(ret)], registry with a capturing layer"
    );
    for (_, size) in SIZES {
        for (name, _) in plain_calls {
            let line = format!("{name}, {size}");
            let figure = |all: &[(String, f64)]| {
                median(
                    all.iter()
                        .filter(|(known, _)| *known == line)
                        .map(|(_, time)| *time)
                        .collect(),
                )
            };
            let (ours, theirs) = (figure(&ours), figure(&theirs));
            println!(
                "  {line:<22} {ours:>12.0} {theirs:>12.0}   ours / theirs {:.2}",
                ours / theirs
            );
        }
    }
}

/// Runs this binary again, and reads its lines `figure: NAME = TIME`.
fn figures(args: &[&str]) -> Vec<(String, f64)> {
    let folder = std::env::temp_dir().join(format!("llmtest-bench-{}", std::process::id()));
    let output = Command::new(std::env::current_exe().expect("own path"))
        .args(args)
        .env("LLMTEST_DIR", &folder)
        .env("LLMTEST_CONCURRENCY", "1")
        .output()
        .expect("it runs");
    let _ = std::fs::remove_dir_all(&folder);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    let read = |rest: &str| {
        let (name, time) = rest.lines().next()?.split_once(" = ")?;
        Some((name.to_string(), time.trim().parse().ok()?))
    };
    text.split("figure: ").skip(1).filter_map(read).collect()
}

/// One round of every size, beyond what the plain function takes.
fn print_round(kinds: [(Call<'_>, Call<'_>); 2]) {
    for (size, shown) in SIZES {
        let (text, calls) = ("x".repeat(size), calls_of(size));
        for ((name, base), (_, call)) in &kinds {
            let base = per_call(9, calls, &text, base);
            let time = round(calls, &text, call) - base;
            println!("figure: {name}, {shown} = {time}");
        }
    }
}

fn cases() -> Vec<llmtest::Golden> {
    (0..CASES)
        .map(|n| llmtest::Golden::new(n.to_string()))
        .collect()
}

/// Inside a case the harness listens: every call is recorded, and kept until the case ends. The figure is the median over
/// many cases of a size that applications have.
#[llmtest::llm_test(dataset_fn = cases)]
fn listening(golden: llmtest::Golden) -> llmtest::Check {
    print_round([
        (("fn", &plain), ("fn", &observed)),
        (
            ("async fn", &|text| ready(plain_async(text))),
            ("async fn", &|text| ready(observed_async(text))),
        ),
    ]);
    golden.answered("a").expect(llmtest::Contains::new("a"))
}

/// The same under a subscriber that keeps what we keep: the tree with names, fields and times, until a case ends.
fn instrumented_here() {
    let kept = Kept::default();
    let subscriber = Registry::default().with(kept.clone());
    let _ = tracing::subscriber::set_global_default(subscriber);
    for _ in 0..CASES {
        print_round([
            (("fn", &plain), ("fn", &instrumented)),
            (
                ("async fn", &|text| ready(plain_async(text))),
                ("async fn", &|text| ready(instrumented_async(text))),
            ),
        ]);
        let mut spans = kept.0.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(spans.iter().all(KeptSpan::complete), "a span is empty");
        spans.clear();
    }
}

/// A span as a capturing layer keeps it.
struct KeptSpan {
    name: &'static str,
    parent: Option<usize>,
    fields: Map<String, Value>,
    started: Instant,
    took: Option<Duration>,
}

impl KeptSpan {
    fn complete(&self) -> bool {
        !self.name.is_empty()
            && self.parent.is_none()
            && self.took.is_some()
            && self.fields.len() == 2
    }
}

/// A layer that captures every span with its fields, and what it returned.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<KeptSpan>>>);

struct Index(usize);

impl Kept {
    fn change(&self, at: usize, change: impl FnOnce(&mut KeptSpan)) {
        let mut spans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(span) = spans.get_mut(at) {
            change(span);
        }
    }
}

struct Fields<'a>(&'a mut Map<String, Value>);

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_string(), value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0
            .insert(field.name().to_string(), format!("{value:?}").into());
    }
}

impl<S: tracing::Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Kept {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let parent = span
            .parent()
            .and_then(|parent| parent.extensions().get::<Index>().map(|index| index.0));
        let mut fields = Map::new();
        attributes.record(&mut Fields(&mut fields));
        let mut spans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        span.extensions_mut().insert(Index(spans.len()));
        spans.push(KeptSpan {
            name: span.name(),
            parent,
            fields,
            started: Instant::now(),
            took: None,
        });
    }

    fn on_event(&self, event: &tracing::Event<'_>, context: Context<'_, S>) {
        let Some(span) = context.event_span(event) else {
            return;
        };
        if let Some(Index(at)) = span.extensions().get() {
            self.change(*at, |kept| event.record(&mut Fields(&mut kept.fields)));
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else {
            return;
        };
        if let Some(Index(at)) = span.extensions().get() {
            self.change(*at, |kept| kept.took = Some(kept.started.elapsed()));
        }
    }
}

/// Records are written as cases end, so that the length of a run does not show in its memory.
fn memory() {
    println!("\na run of cases with 50 spans of 200 bytes each, 64 in flight");
    let fixture = llmtest_tests::fixture("spans");
    for cases in ["1000", "10000"] {
        let vars = [("CASES", cases), ("LLMTEST_CONCURRENCY", "64")];
        let ours = process::measure(1, Path::new(&fixture), &[], &vars);
        println!(
            "  {cases:>6} cases   {:.2} s  {:.2} CPU s  {:.0} MB at most",
            ours.wall, ours.cpu, ours.memory
        );
    }
}
