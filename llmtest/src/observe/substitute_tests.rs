//! Results that a test puts in place of a stage's own.

mod streams;

use std::borrow::Cow;
use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;

use llmtest_macros::observe;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::*;
use crate::Golden;

type BoxError = Box<dyn Error + Send + Sync>;

#[observe(crate = crate)]
fn rolled() -> u8 {
    4
}

#[observe(crate = crate)]
fn twice() -> u8 {
    rolled() + rolled()
}

#[test]
fn a_substitute_whose_calls_a_longer_one_answered_was_called() {
    let (rolls, case) = within(|| {
        substitute("rolled", 1);
        substitute("twice/rolled", 6);
        twice()
    });
    assert_eq!((rolls, case.unused_substitute()), (12, None));
}

#[test]
fn values_beyond_the_calls_are_named() {
    let (_, case) = within(|| {
        substitute_calls("rolled", [6, 6, 6]);
        twice()
    });
    let why = case.unused_substitute().unwrap();
    assert!(
        why.starts_with("`rolled` was substituted (")
            && why.contains("2 of 3 values were used")
            && why.contains("\nhint: give as many values as there are calls"),
        "{why}"
    );
    let (_, case) = within(|| {
        substitute_calls("rolled", [6, 6]);
        twice()
    });
    assert_eq!(case.unused_substitute(), None);
}

#[observe(crate = crate)]
fn borrowed<'a>(text: &'a str, _other: &'a [Passage]) -> &'a str {
    text
}

#[observe(crate = crate)]
fn first_of(passages: &[Passage]) -> &Passage {
    &passages[0]
}

#[observe(crate = crate)]
fn same<T>(thing: T) -> T {
    thing
}

#[test]
fn what_cannot_be_made_says_what_to_change() {
    let borrow = "\nhint: it returns a borrow: return an owned type or `Cow`";
    let why = failure(|| {
        substitute("borrowed", "text");
        borrowed("a", &[]).len()
    });
    assert!(why.ends_with(borrow), "{why}");
    let why = failure(|| {
        substitute("first_of", json!({"text": "b"}));
        first_of(&[passage("a")]).text.len()
    });
    assert!(why.ends_with(borrow), "{why}");
    let why = failure(|| {
        substitute("same", 1);
        same(2)
    });
    assert!(
        why.ends_with(
            "\nhint: in a generic function, bound the type by `serde::de::DeserializeOwned`"
        ),
        "{why}"
    );
}

fn new_case() -> Arc<CaseContext> {
    listen();
    CaseContext::new(0, None)
}

/// What `f` returns in a case of its own, and the case.
fn within<R>(f: impl FnOnce() -> R) -> (R, Arc<CaseContext>) {
    let case = new_case();
    let guard = enter(case.clone());
    let result = f();
    drop(guard);
    (result, case)
}

/// Why the case could not go on.
fn failure<R>(f: impl FnOnce() -> R) -> String {
    let (ended, case) = within(|| catch_unwind(AssertUnwindSafe(f)).map(drop));
    assert!(ended.is_err(), "it went on");
    case.failure().unwrap()
}

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(future)
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Passage {
    text: String,
}

fn passage(text: &str) -> Passage {
    Passage { text: text.into() }
}

#[observe(crate = crate, retriever)]
fn retrieve(question: &str) -> Vec<Passage> {
    assert!(!question.contains("never"), "the body runs");
    vec![passage(question)]
}

#[observe(crate = crate)]
fn answer(question: &str) -> usize {
    retrieve(question).len()
}

#[observe(crate = crate)]
fn double_check(question: &str) -> usize {
    answer(question) + retrieve(question).len()
}

#[test]
fn the_body_does_not_run_and_the_span_says_so() {
    let (count, case) = within(|| {
        substitute("retrieve", json!([{"text": "a"}, {"text": "b"}]));
        answer("never")
    });
    assert_eq!((count, case.unused_substitute()), (2, None));
    let spans = case.finish();
    assert_eq!((&*spans[1].name, spans[1].parent), ("retrieve", Some(0)));
    assert_eq!(json!(spans[1].input), json!({"question": "never"}));
    assert_eq!(spans[1].output, json!([{"text": "a"}, {"text": "b"}]));
    assert!(spans[1].substituted && !spans[1].replayed && spans[1].error.is_none());
    assert!(!spans[0].substituted);
}

#[test]
fn a_path_means_only_the_calls_below_it() {
    let (counts, _) = within(|| {
        substitute("answer/retrieve", json!([]));
        (double_check("q"), retrieve("q").len())
    });
    assert_eq!(counts, (1, 1));
    // The longer name counts; the end of a name is no path.
    let (count, _) = within(|| {
        substitute("retrieve", json!([{"text": "a"}, {"text": "b"}]));
        substitute("double_check/retrieve", json!([]));
        double_check("q")
    });
    assert_eq!(count, 2);
    let (count, case) = within(|| {
        substitute("trieve", json!([]));
        answer("q")
    });
    assert_eq!(count, 1);
    assert!(case.unused_substitute().is_some());
}

#[test]
fn calls_take_their_values_in_order_and_then_run() {
    let (lengths, _) = within(|| {
        substitute_calls("retrieve", [vec![], vec![json!({"text": "a"}); 2]]);
        [0; 3].map(|_| retrieve("q").len())
    });
    assert_eq!(lengths, [0, 2, 1]);
}

#[test]
fn a_value_is_made_of_the_arguments_or_the_call_runs() {
    let (texts, case) = within(|| {
        substitute_with("retrieve", |arguments| {
            let question = arguments["question"].as_str()?.strip_prefix("never ")?;
            // A call in here is a call of the application: it is no deadlock.
            retrieve("inner");
            Some(json!([{"text": question}]))
        });
        (retrieve("never mind"), retrieve("q"))
    });
    assert_eq!(texts, (vec![passage("mind")], vec![passage("q")]));
    let substituted: Vec<_> = case.finish().iter().map(|span| span.substituted).collect();
    assert_eq!(substituted, [true, false, false]);
}

#[test]
fn only_the_case_that_asked_is_changed() {
    let cases: Vec<_> = (0..8).map(|_| new_case()).collect();
    std::thread::scope(|scope| {
        for (n, case) in cases.iter().enumerate() {
            scope.spawn(move || {
                let _guard = enter(case.clone());
                if n % 2 == 0 {
                    substitute("retrieve", vec![json!({"text": "x"}); n]);
                }
                for _ in 0..50 {
                    assert_eq!(answer("q"), if n % 2 == 0 { n } else { 1 });
                }
            });
        }
    });
}

#[observe(crate = crate)]
async fn completes(prompt: &str) -> Result<Cow<'_, str>, BoxError> {
    tokio::task::yield_now().await;
    Ok(Cow::Borrowed(prompt))
}

#[observe(crate = crate)]
fn later(n: u32) -> impl Future<Output = u32> + Send {
    assert_ne!(n, 0, "the body runs");
    async move { n }
}

#[observe(crate = crate)]
fn boxed(n: u32) -> Pin<Box<dyn Future<Output = Result<u32, BoxError>> + Send>> {
    assert_ne!(n, 0, "the body runs");
    Box::pin(async move { Ok(n) })
}

#[observe(crate = crate)]
fn generic<T: serde::de::DeserializeOwned>(value: T) -> T {
    value
}

#[observe(crate = crate)]
fn borrowing<'de, T: Deserialize<'de>>(text: &'de str) -> Result<T, serde_json::Error> {
    serde_json::from_str(text)
}

#[test]
fn every_shape_of_a_function_can_be_substituted() {
    let (results, case) = within(|| {
        substitute("completes", "text");
        substitute("later", 5);
        substitute("boxed", 6);
        substitute("generic", [7]);
        substitute("borrowing", 8);
        block_on(async {
            let borrowed: u8 = borrowing("1").unwrap();
            (
                completes("prompt").await.unwrap(),
                later(0).await,
                boxed(0).await.unwrap(),
                generic(vec![1]),
                borrowed,
            )
        })
    });
    assert_eq!(results, ("text".into(), 5, 6, vec![7], 8));
    let spans = case.finish();
    assert_eq!(spans.len(), 5);
    assert!(spans.iter().all(|span| span.substituted));
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Coded {
    Busy,
    Code(u32),
}

impl fmt::Display for Coded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

#[derive(Debug, PartialEq)]
struct Told(String);

impl From<ReplayedError> for Told {
    fn from(error: ReplayedError) -> Self {
        Self(error.message)
    }
}

#[derive(Debug)]
struct Opaque;

#[observe(crate = crate)]
fn coded(n: u32) -> Result<u32, Coded> {
    Ok(n)
}

#[observe(crate = crate)]
fn told(n: u32) -> Result<u32, Told> {
    Ok(n)
}

#[observe(crate = crate)]
fn opaque(n: u32) -> Result<u32, Opaque> {
    Ok(n)
}

#[test]
fn an_error_is_made_of_its_text_or_as_data() {
    let (errors, case) = within(|| {
        substitute_error("completes", "no network");
        substitute_error("coded", "Busy");
        substitute_error("told", "no way");
        let text = block_on(completes("p")).unwrap_err().to_string();
        let first = coded(1).unwrap_err();
        substitute_error("coded", Coded::Code(3));
        (text, first, coded(1).unwrap_err(), told(1).unwrap_err())
    });
    let told = Told("no way".to_string());
    let expected = ("no network".to_string(), Coded::Busy, Coded::Code(3), told);
    assert_eq!(errors, expected);
    let spans = case.finish();
    let shown: Vec<_> = spans.iter().map(|span| span.error.as_deref()).collect();
    assert_eq!(
        shown,
        ["no network", "Busy", r#"{"Code":3}"#, "no way"].map(Some)
    );
    assert!(spans.iter().all(|span| span.substituted));
}

#[observe(crate = crate)]
fn first_word(text: &str) -> &str {
    text.split(' ').next().unwrap_or_default()
}

#[observe(crate = crate)]
fn unbounded<T>(value: T) -> T {
    value
}

#[observe(crate = crate)]
fn iterates() -> impl Iterator<Item = u32> {
    0..3
}

#[test]
fn what_does_not_fit_says_where_and_what_to_do() {
    let substituted = |stage: &str, value: Value| substitute(stage, value);
    let here = format!("({}:", file!());
    let told = [
        (
            failure(|| {
                substituted("retrieve", json!([{"text": 7}]));
                answer("q")
            }),
            [
                "`retrieve` (",
                "Vec<llmtest::observe::substitute_tests::Passage>`: invalid type: integer `7`",
                "hint: give the result",
            ],
        ),
        (
            failure(|| {
                substituted("first_word", json!("text"));
                first_word("a b").len()
            }),
            ["`first_word` (", "is no `&str`", "return an owned type"],
        ),
        (
            failure(|| {
                substituted("unbounded", json!(1));
                unbounded(Opaque)
            }),
            [
                "its result `llmtest::observe::substitute_tests::Opaque` cannot be made",
                "hint: in a generic function, bound",
                "DeserializeOwned",
            ],
        ),
        (
            failure(|| {
                substituted("iterates", json!([1]));
                iterates().count()
            }),
            ["`impl Iterator", "cannot be made from JSON", "hint: "],
        ),
        (
            failure(|| {
                substitute_error("retrieve", "no");
                answer("q")
            }),
            ["`retrieve` (", "returns no `Result`", "hint: "],
        ),
        (
            failure(|| {
                substitute_error("opaque", "no");
                opaque(1)
            }),
            [
                "its error `llmtest::observe::substitute_tests::Opaque` cannot be made",
                "From<llmtest::ReplayedError>",
                "hint: ",
            ],
        ),
        (
            failure(|| {
                substitute_error("coded", "Bussy");
                coded(1)
            }),
            ["unknown variant `Bussy`", "hint: ", "Coded"],
        ),
    ];
    for (message, words) in told {
        for word in words.into_iter().chain([&*here, " as asked for at "]) {
            assert!(
                message.contains(word),
                "it does not say `{word}`: {message}"
            );
        }
    }
}

#[test]
fn the_spans_of_a_case_that_cannot_go_on_say_why() {
    let ((), case) = within(|| {
        substitute("retrieve", 1);
        catch_unwind(|| answer("q")).unwrap_err();
    });
    let errors: Vec<_> = case.finish().into_iter().map(|span| span.error).collect();
    let told = [
        "stopped by a substitute that does not fit",
        "not substituted",
    ];
    assert_eq!(errors, told.map(|told| Some(told.to_string())));
}

#[test]
fn a_stage_that_is_never_called_is_told() {
    let (_, case) = within(|| {
        substitute("retrive", json!([]));
        answer("q")
    });
    let told = case.unused_substitute().unwrap();
    for word in [
        "`retrive` was substituted (",
        "substitute_tests.rs:",
        "observed were `answer`, `retrieve`",
        "hint: did you mean `retrieve`? ",
        "hint: ",
    ] {
        assert!(told.contains(word), "{told}");
    }
    // The runner's own may go unused: another run may call other stages.
    let case = new_case();
    case.substitute("retrive".to_string(), Substitute::Value(json!([])));
    assert_eq!(case.unused_substitute(), None);
}

#[test]
fn outside_of_a_case_nothing_can_be_substituted() {
    // A case more, so that no other is the only one of the process.
    let _others = (new_case(), new_case());
    let panic = catch_unwind(|| substitute("retrieve", 1)).unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    assert!(
        text.contains("`retrieve` cannot be substituted outside of a case\nhint: "),
        "{text}"
    );
    let panic = within(|| catch_unwind(|| substitute("retrieve", HashMap::from([((1, 2), 3)]))))
        .0
        .unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    assert!(text.contains("no JSON: key must be a string"), "{text}");
}

#[test]
fn a_golden_gives_its_references() {
    let golden: Golden = serde_json::from_value(json!({"input": "q", "components": {
        "retrieve": {"outputs": [[{"text": "a"}], []], "output": 1, "expected": "x"},
        "completes": {"expected": "text"},
        "later": {"output": 5, "expected": "x"},
        "nothing": {"context": ["c"]},
    }}))
    .unwrap();
    let (got, _) = within(|| {
        for stage in ["retrieve", "completes", "later"] {
            substitute_reference(stage, &golden);
        }
        block_on(async {
            (
                [0; 3].map(|_| retrieve("q").len()),
                completes("p").await.unwrap(),
                later(1).await,
            )
        })
    });
    assert_eq!(got, ([1, 0, 1], "text".into(), 5));
    for stage in ["nothing", "unknown"] {
        let (panic, _) = within(|| catch_unwind(|| substitute_reference(stage, &golden)));
        let panic = panic.unwrap_err();
        let text = panic.downcast_ref::<String>().unwrap();
        let told = format!("no reference for `{stage}`: its components are [`completes`, `later`");
        assert!(text.contains(&told) && text.contains("\nhint: "), "{text}");
    }
}

/// Has every call recorded, and keeps nothing.
struct Recorded;

impl Stages for Recorded {
    fn look_up(&self, request: &StageRequest) -> StageAnswer {
        StageAnswer::Recorded(json!({"ok": 100 + request.call}))
    }

    fn store(&self, _: &StageRequest, _: &Value) -> Result<(), String> {
        Err("nothing is to be kept".to_string())
    }
}

#[observe(crate = crate, replay)]
fn stage(n: u32) -> u32 {
    n
}

#[observe(crate = crate, redact(result))]
fn redacts(n: u32) -> u32 {
    n
}

#[test]
fn a_substitute_goes_before_a_recording_and_is_not_counted_as_one() {
    listen();
    let case = CaseContext::new(0, Some(Arc::new(Recorded)));
    let guard = enter(case.clone());
    substitute_calls("stage", [7]);
    // The second equal call is still the second one.
    assert_eq!((stage(1), stage(1)), (7, 101));
    drop(guard);
    assert_eq!((case.stages(), case.failure()), ((1, 1), None));
    let spans = case.finish();
    assert!(spans[0].substituted && !spans[0].replayed);
    assert!(!spans[1].substituted && spans[1].replayed);
}

#[test]
fn a_redacted_result_stays_redacted() {
    let (value, case) = within(|| {
        substitute("redacts", 451);
        redacts(1)
    });
    assert_eq!(value, 451);
    assert_eq!(case.finish()[0].output, json!("[redacted]"));
}
