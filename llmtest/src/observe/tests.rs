//! What observed functions leave in a case.

mod shapes;
mod streams;

use std::collections::HashMap;
use std::error::Error;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use llmtest_macros::observe;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::*;

type BoxError = Box<dyn Error + Send + Sync>;

fn case() -> Arc<CaseContext> {
    listen();
    CaseContext::new(0, None)
}

/// The spans of what `f` calls.
fn spans_of<R>(f: impl FnOnce() -> R) -> Vec<RawSpan> {
    let case = case();
    let guard = enter(case.clone());
    f();
    drop(guard);
    case.finish()
}

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(future)
}

fn spans_of_future<F: Future>(future: F) -> Vec<RawSpan> {
    let case = case();
    block_on(scope(case.clone(), future));
    case.finish()
}

/// Name, index of the parent, error.
fn tree(spans: &[RawSpan]) -> Vec<(&str, Option<usize>, Option<&str>)> {
    spans
        .iter()
        .map(|span| (&*span.name, span.parent, span.error.as_deref()))
        .collect()
}

struct Opaque;

#[derive(Debug)]
struct Printable;

#[observe(crate = crate, tool, name = "add", skip(d))]
fn adds(a: u32, (b, c): (u32, u32), d: u32) -> u32 {
    a + b + c + d
}

#[observe(crate = crate)]
fn values(_text: &str, _printable: Printable, _opaque: Opaque) {}

#[observe(crate = crate)]
fn generic<T>(value: T) -> T {
    value
}

#[observe(crate = crate, redact(secret, result))]
fn redacts(secret: &str) -> String {
    secret.to_uppercase()
}

#[observe(crate = crate)]
fn fails(text: &str) -> Result<u32, BoxError> {
    if text.is_empty() {
        return Err("empty".into());
    }
    Ok(text.parse()?)
}

#[observe(crate = crate)]
async fn inner(n: u32) -> u32 {
    tokio::task::yield_now().await;
    note_usage(1, u64::from(n));
    n
}

#[observe(crate = crate)]
async fn outer(n: u32) -> u32 {
    inner(n).await + inner(n + 1).await
}

#[observe(crate = crate)]
fn boxed(n: u32) -> Pin<Box<dyn Future<Output = Result<u32, BoxError>> + Send>> {
    Box::pin(async move {
        if n == 0 {
            Err("zero".into())
        } else {
            Ok(inner(n).await)
        }
    })
}

#[observe(crate = crate)]
fn later(n: u32) -> impl Future<Output = u32> + Send {
    inner(n)
}

#[observe(crate = crate)]
fn panics(text: &str) -> usize {
    assert!(!text.is_empty(), "on purpose");
    text.len()
}

#[observe(crate = crate)]
async fn waits() {
    inner(0).await;
    std::future::pending::<()>().await;
}

struct Stack(Vec<String>);

impl Stack {
    #[observe(crate = crate)]
    fn first(&mut self) -> &mut String {
        &mut self.0[0]
    }

    #[observe(crate = crate)]
    async fn push(&mut self, item: String) -> &mut Self {
        self.0.push(item);
        self
    }
}

#[test]
fn a_call_is_recorded_with_its_arguments_and_result() {
    let spans = spans_of(|| assert_eq!(adds(1, (2, 3), 4), 10));
    let [span] = spans.as_slice() else {
        panic!("{spans:?}")
    };
    assert_eq!((&*span.name, &*span.kind), ("add", "tool"));
    assert_eq!(json!(span.input), json!({"a": 1, "b": 2, "c": 3}));
    assert_eq!(span.output, json!(10));
    assert_eq!(
        (span.parent, &span.error, span.usage, span.replayed),
        (None, &None, None, false)
    );
}

#[test]
fn values_are_captured_by_the_best_trait_they_have() {
    let spans = spans_of(|| values("text", Printable, Opaque));
    let input = json!({"_text": "text", "_printable": "Printable", "_opaque": "<llmtest::observe::tests::Opaque>"});
    assert_eq!(json!(spans[0].input), input);
    assert_eq!(spans[0].output, Value::Null);
}

#[test]
fn a_generic_function_without_bounds_records_the_type() {
    let spans = spans_of(|| generic(7_u8));
    assert_eq!(json!(spans[0].input), json!({"value": "<u8>"}));
    assert_eq!(spans[0].output, json!("<u8>"));
}

#[test]
fn redacted_values_do_not_show() {
    let spans = spans_of(|| redacts("swordfish"));
    assert!(!format!("{spans:?}").to_lowercase().contains("swordfish"));
    assert_eq!(spans[0].output, json!("[redacted]"));
}

#[test]
fn an_error_is_the_spans_error() {
    let spans = spans_of(|| (fails("").is_err(), fails("5").is_ok()));
    assert_eq!(
        tree(&spans),
        [("fails", None, Some("empty")), ("fails", None, None)]
    );
    assert_eq!(spans[1].output, json!(5));
}

#[test]
fn spans_nest_as_calls_do() {
    let spans = spans_of_future(outer(1));
    assert_eq!(
        tree(&spans),
        [
            ("outer", None, None),
            ("inner", Some(0), None),
            ("inner", Some(0), None)
        ]
    );
    assert_eq!(spans[2].usage, Some((1, 2)));
    assert_eq!(spans[0].output, json!(3));
}

#[test]
fn concurrent_branches_keep_their_parents() {
    let spans = spans_of_future(async { tokio::join!(outer(1), outer(10), later(20)) });
    let parent_of = |n: u32| {
        let span = spans
            .iter()
            .find(|span| span.name == "inner" && span.input["n"] == json!(n))
            .unwrap();
        let parent = &spans[span.parent.unwrap()];
        (parent.name.to_string(), parent.input["n"].clone())
    };
    for (n, name, parent) in [
        (1, "outer", 1),
        (2, "outer", 1),
        (10, "outer", 10),
        (11, "outer", 10),
        (20, "later", 20),
    ] {
        assert_eq!(parent_of(n), (name.to_string(), json!(parent)), "{n}");
    }
}

#[test]
fn functions_that_return_futures_are_recorded_with_what_these_give() {
    let spans = spans_of_future(async {
        (
            boxed(0).await.is_err(),
            boxed(3).await.is_ok(),
            later(4).await,
        )
    });
    assert_eq!(
        tree(&spans),
        [
            ("boxed", None, Some("zero")),
            ("boxed", None, None),
            ("inner", Some(1), None),
            ("later", None, None),
            ("inner", Some(3), None)
        ]
    );
    assert_eq!((&spans[1].output, &spans[3].output), (&json!(3), &json!(4)));
}

#[test]
fn a_method_may_return_what_it_borrows() {
    let mut stack = Stack(vec!["a".into()]);
    let spans = spans_of(|| stack.first().push('b'));
    assert_eq!(spans[0].output, json!("a"));
    assert_eq!(json!(spans[0].input), json!({}));
    let spans = spans_of_future(async { stack.push("c".into()).await.0.len() });
    assert_eq!(json!(spans[0].input), json!({"item": "c"}));
    assert_eq!(stack.0, ["ab", "c"]);
}

#[test]
fn a_panic_marks_the_span() {
    let spans = spans_of(|| catch_unwind(|| panics("")).is_err());
    assert_eq!(tree(&spans), [("panics", None, Some("panicked"))]);
    assert_eq!(spans_of(|| panics("fine"))[0].error, None);
}

#[test]
fn a_dropped_future_is_cancelled_and_a_running_one_unfinished() {
    let mut cx = Context::from_waker(Waker::noop());
    for (dropped, outer) in [(false, "unfinished"), (true, "cancelled")] {
        let case = case();
        let mut future = Some(Box::pin(scope(case.clone(), waits())));
        for _ in 0..10 {
            let polled = future.as_mut().unwrap().as_mut().poll(&mut cx);
            assert_eq!(polled, Poll::Pending);
        }
        if dropped {
            future = None;
        }
        let spans = case.finish();
        assert_eq!(
            tree(&spans),
            [("waits", None, Some(outer)), ("inner", Some(0), None)]
        );
        // What comes after the end changes nothing, and belongs to nobody.
        drop(future);
        assert_eq!(case.finish(), []);
    }
}

#[test]
fn the_case_is_left_when_its_code_ends() {
    // A case more, so that this one is not the only one of the process.
    let (_other, case) = (case(), case());
    let guard = enter(case.clone());
    assert!(Arc::ptr_eq(&current_case().unwrap(), &case));
    drop(guard);
    assert!(current_case().is_none());
}

#[test]
fn work_elsewhere_counts_as_unattributed_unless_carried() {
    #[observe(crate = crate)]
    async fn spawns() {
        tokio::spawn(carry(inner(1))).await.unwrap();
    }

    #[observe(crate = crate, name = "elsewhere")]
    fn elsewhere(n: u32) -> u32 {
        n
    }

    let _other = case();
    let spans = spans_of(|| {
        std::thread::spawn(|| elsewhere(1)).join().unwrap();
        std::thread::spawn(carry_fn(|| elsewhere(2)))
            .join()
            .unwrap();
    });
    assert_eq!(spans.len(), 1);
    assert_eq!(json!(spans[0].input), json!({"n": 2}));
    assert!(
        unattributed().contains(&("elsewhere".to_string(), 1)),
        "{:?}",
        unattributed()
    );

    assert_eq!(
        tree(&spans_of_future(spawns())),
        [("spawns", None, None), ("inner", Some(0), None)]
    );
}

#[test]
fn an_orphan_belongs_to_the_only_case_of_the_process() {
    const CHILD: &str = "LLMTEST_TEST_ORPHAN";
    if std::env::var_os(CHILD).is_some() {
        adopt_orphans();
        let case = case();
        std::thread::spawn(|| adds(1, (1, 1), 1)).join().unwrap();
        assert_eq!(tree(&case.finish()), [("add", None, None)]);
        assert!(unattributed().is_empty());
        return;
    }
    let name = "observe::tests::an_orphan_belongs_to_the_only_case_of_the_process";
    let status = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(CHILD, "1")
        .stdout(std::process::Stdio::null())
        .status();
    assert!(status.unwrap().success());
}

// Replay.

/// Answers from a map, by name, digest, key and call; records what it does not have, or not.
#[derive(Default)]
struct Memory {
    outcomes: Mutex<HashMap<String, Value>>,
    requests: Mutex<Vec<StageRequest>>,
    frozen: bool,
}

impl Memory {
    fn key(request: &StageRequest) -> String {
        let StageRequest {
            name,
            digest,
            body_hash,
            key,
            trial,
            call,
            ..
        } = request;
        format!("{name} {digest} {body_hash} {key} {trial} {call}")
    }

    fn frozen(&self) -> Arc<Self> {
        let outcomes = Mutex::new(self.outcomes.lock().unwrap().clone());
        Arc::new(Self {
            outcomes,
            frozen: true,
            ..Self::default()
        })
    }
}

impl Stages for Memory {
    fn look_up(&self, request: &StageRequest) -> StageAnswer {
        self.requests.lock().unwrap().push(request.clone());
        match self.outcomes.lock().unwrap().get(&Self::key(request)) {
            Some(outcome) => StageAnswer::Recorded(outcome.clone()),
            None if self.frozen => {
                StageAnswer::Miss(format!("`{}` has no recording", request.name))
            }
            None => StageAnswer::RunAndRecord,
        }
    }

    fn store(&self, request: &StageRequest, outcome: &Value) -> Result<(), String> {
        self.outcomes
            .lock()
            .unwrap()
            .insert(Self::key(request), outcome.clone());
        Ok(())
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct CodedError(u32);

impl std::fmt::Display for CodedError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "code {}", self.0)
    }
}

#[observe(crate = crate, llm, replay, redact(secret))]
async fn completes(prompt: &str, secret: &str, real: u32) -> Result<String, BoxError> {
    if prompt.is_empty() {
        return Err("no prompt".into());
    }
    Ok(format!("{prompt} {} {real}", secret.len()))
}

#[observe(crate = crate, replay, skip(live), key = ())]
fn coded(n: u32, live: bool) -> Result<u32, CodedError> {
    assert!(live, "replayed");
    if n == 0 { Err(CodedError(7)) } else { Ok(n) }
}

#[observe(crate = crate, replay, skip(live), key = ())]
fn unrecordable(live: bool) -> Result<u32, Printable> {
    if live { Err(Printable) } else { Ok(1) }
}

#[observe(crate = crate, replay, skip(live), key = ())]
fn boxed_stage(n: u32, live: bool) -> Pin<Box<dyn Future<Output = Vec<u32>> + Send>> {
    assert!(live, "replayed");
    Box::pin(async move { vec![n] })
}

struct Model(String);

impl Model {
    #[observe(crate = crate, replay, key = &self.0)]
    fn name(&self) -> String {
        self.0.clone()
    }
}

fn with<R>(stages: &Arc<Memory>, f: impl FnOnce() -> R) -> (R, Arc<CaseContext>) {
    listen();
    let case = CaseContext::new(0, Some(stages.clone() as Arc<dyn Stages>));
    let guard = enter(case.clone());
    let result = f();
    drop(guard);
    (result, case)
}

#[test]
fn a_recorded_stage_does_not_run_again() {
    let memory = Arc::new(Memory::default());
    let run = |live| {
        (
            coded(0, live),
            coded(1, live),
            block_on(boxed_stage(2, live)),
        )
    };
    let (live, case) = with(&memory, || run(true));
    assert_eq!(case.stages(), (0, 3));
    let frozen = memory.frozen();
    let (replayed, case) = with(&frozen, || run(false));
    assert_eq!(live, replayed);
    assert_eq!((case.stages(), case.failure()), ((3, 3), None));
    let spans = case.finish();
    assert!(spans.iter().all(|span| span.replayed));
    assert_eq!(spans[0].error.as_deref(), Some("code 7"));
    assert_eq!(spans[2].output, json!([2]));
}

#[test]
fn an_error_is_rebuilt_from_its_message_or_not_kept() {
    let memory = Arc::new(Memory::default());
    let ask = || block_on(completes("", "s", 1)).unwrap_err().to_string();
    assert_eq!(with(&memory, ask).0, "no prompt");
    assert_eq!(with(&memory.frozen(), ask).0, "no prompt");

    let memory = Arc::new(Memory::default());
    assert!(with(&memory, || unrecordable(true)).0.is_err());
    assert!(memory.outcomes.lock().unwrap().is_empty());
}

#[test]
fn a_redacted_argument_still_tells_calls_apart() {
    let memory = Arc::new(Memory::default());
    let ask = |secret: &'static str| move || block_on(completes("p", secret, 1)).unwrap();
    assert_eq!(with(&memory, ask("a")).0, "p 1 1");
    assert_eq!(with(&memory, ask("longer")).0, "p 6 1");
    let requests = memory.requests.lock().unwrap();
    assert_ne!(requests[0].digest, requests[1].digest);
    assert_eq!(
        requests[0].arguments,
        json!({"prompt": "p", "real": 1, "secret": "[redacted]"})
    );
    assert_eq!(requests[0].arguments, requests[1].arguments);
}

#[test]
fn equal_calls_are_counted_and_the_key_is_part_of_the_request() {
    let memory = Arc::new(Memory::default());
    let (_, case) = with(&memory, || {
        (
            Model("a".into()).name(),
            Model("b".into()).name(),
            Model("a".into()).name(),
        )
    });
    let requests = memory.requests.lock().unwrap();
    let seen: Vec<_> = requests
        .iter()
        .map(|request| (request.key.clone(), request.call))
        .collect();
    assert_eq!(seen, [(json!("a"), 0), (json!("b"), 0), (json!("a"), 1)]);
    assert_eq!(case.finish()[1].output, json!("b"));
    assert_ne!(requests[0].body_hash, 0);
}

#[observe(crate = crate, replay)]
fn of_type<T: Default + ToString, const N: usize>(question: &str) -> String {
    format!("{question}{}{N}", T::default().to_string())
}

#[test]
fn instances_of_a_generic_stage_have_recordings_of_their_own() {
    let memory = Arc::new(Memory::default());
    let calls = || {
        (
            of_type::<u8, 1>("q"),
            of_type::<bool, 1>("q"),
            of_type::<bool, 2>("q"),
        )
    };
    let live = with(&memory, calls).0;
    let again = with(&memory.frozen(), calls).0;
    assert_eq!(again, ("q01".into(), "qfalse1".into(), "qfalse2".into()));
    assert_eq!(live, again);
    let requests = memory.requests.lock().unwrap();
    assert_eq!(requests[0].types, ["u8", "1"]);
    assert!(requests.iter().all(|request| request.call == 0));
}

/// Calls observed functions when its thread ends.
struct AtTheEnd(Handle);

impl Drop for AtTheEnd {
    fn drop(&mut self) {
        self.0.run(|| Small::size_of("coat"));
        Small::size_of("coat");
    }
}

#[test]
fn a_call_while_a_thread_is_torn_down_belongs_to_no_case_and_aborts_nothing() {
    thread_local! {
        static LAST: std::cell::RefCell<Option<AtTheEnd>> = const { std::cell::RefCell::new(None) };
    }
    listen();
    let case = CaseContext::new(0, None);
    let entered = enter(case.clone());
    let here = handle();
    let thread = std::thread::spawn(move || {
        // Thread-locals end in the reverse order of their first use.
        LAST.with(|last| *last.borrow_mut() = Some(AtTheEnd(here.clone())));
        here.run(|| Small::size_of("hat"))
    });
    assert_eq!(thread.join().unwrap(), "small");
    drop(entered);
    let seen: Vec<_> = case.finish().into_iter().map(|span| span.input).collect();
    assert_eq!(seen[0]["_thing"], "hat");
}

#[observe(crate = crate, replay)]
fn under_cfg(
    #[cfg(test)] here: &str,
    #[cfg(not(test))] elsewhere: &str,
    #[cfg(not(test))] again: u8,
) -> String {
    here.to_string()
}

#[observe(crate = crate)]
fn all_under_cfg(#[cfg(not(test))] elsewhere: &str) -> u8 {
    1
}

#[test]
fn arguments_under_a_cfg_are_captured_where_they_are() {
    let memory = Arc::new(Memory::default());
    let (_, case) = with(&memory, || (under_cfg("a"), all_under_cfg()));
    let inputs: Vec<_> = case.finish().into_iter().map(|span| span.input).collect();
    assert_eq!(json!(inputs), json!([{ "here": "a" }, {}]));
}

#[observe(crate = crate)]
fn breaks(seen: bool) -> u8 {
    if seen {
        // As the runner's hook does.
        current_case()
            .unwrap()
            .set_panic("no shelf\nand more".to_string());
    }
    panic!("no shelf")
}

#[test]
fn the_span_of_a_panic_says_what_the_hook_saw_and_the_case_still_has_it() {
    for (seen, error) in [(true, "panicked: no shelf"), (false, "panicked")] {
        listen();
        let case = CaseContext::new(0, None);
        let entered = enter(case.clone());
        assert!(catch_unwind(|| breaks(seen)).is_err());
        drop(entered);
        assert_eq!(case.take_panic().is_some(), seen);
        assert_eq!(case.finish()[0].error.as_deref(), Some(error));
    }
}

struct Small;
struct Large;

impl Small {
    #[observe(crate = crate, replay)]
    fn size_of(_thing: &str) -> String {
        "small".to_string()
    }
}

impl Large {
    #[observe(crate = crate, replay)]
    fn size_of(_thing: &str) -> String {
        "large".to_string()
    }
}

#[test]
fn two_stages_of_one_name_in_a_module_fail_the_case() {
    let memory = Arc::new(Memory::default());
    let (caught, case) = with(&memory, || {
        assert_eq!(Small::size_of("hat"), "small");
        catch_unwind(|| Large::size_of("hat"))
    });
    assert!(caught.is_err());
    let why = case.failure().unwrap();
    let places = why.matches("tests.rs:").count();
    assert!(
        why.starts_with("two stages of the module `llmtest::observe::tests` are named `size_of`")
            && places == 2
            && why.contains("name = \"…\""),
        "{why}"
    );
    // Without recordings there is nothing to mix up.
    let case = CaseContext::new(0, None);
    let _entered = enter(case.clone());
    assert_eq!(Large::size_of("hat"), "large");
    assert_eq!(case.failure(), None);
}

#[test]
fn a_missing_recording_fails_the_case_even_if_the_unwind_is_caught() {
    #[observe(crate = crate)]
    fn pipeline() -> Result<u32, CodedError> {
        coded(5, true)
    }

    let memory = Arc::new(Memory {
        frozen: true,
        ..Memory::default()
    });
    let (caught, case) = with(&memory, || catch_unwind(AssertUnwindSafe(pipeline)));
    assert!(caught.is_err());
    assert_eq!(case.failure().as_deref(), Some("`coded` has no recording"));
    let errors = [
        ("pipeline", None, Some("stopped by a missing recording")),
        ("coded", Some(0), Some("no recording")),
    ];
    assert_eq!(tree(&case.finish()), errors);
}

#[test]
fn a_recording_of_another_type_is_a_miss() {
    let memory = Arc::new(Memory::default());
    let _ = with(&memory, || coded(1, true));
    for outcome in memory.outcomes.lock().unwrap().values_mut() {
        *outcome = json!({"ok": "text"});
    }
    let (caught, case) = with(&memory.frozen(), || catch_unwind(|| coded(1, true)));
    assert!(caught.is_err());
    let failure = case.failure().unwrap();
    assert!(
        failure.contains("stage `coded`") && failure.contains("invalid type: string"),
        "{failure}"
    );
}

#[test]
fn the_digest_does_not_depend_on_the_order_of_keys() {
    let digest = |text: &str| replay::digest(&serde_json::from_str(text).unwrap());
    assert_eq!(
        digest(r#"{"a": 1, "b": [2]}"#),
        digest(r#"{"b": [2], "a": 1}"#)
    );
    let different = [
        r#"{"a": "1"}"#,
        r#"{"a": 1}"#,
        "[1, 2]",
        "[12]",
        "[[1], 2]",
        r#"["a", "b"]"#,
        r#"["a\u0000b"]"#,
        "null",
        "{}",
    ];
    let digests: std::collections::HashSet<u64> = different.into_iter().map(digest).collect();
    assert_eq!(digests.len(), different.len());
}

#[test]
fn the_panic_slot_holds_the_last_panic() {
    let case = case();
    case.set_panic("at the disco".into());
    assert_eq!(
        (case.take_panic().as_deref(), case.take_panic()),
        (Some("at the disco"), None)
    );
}
