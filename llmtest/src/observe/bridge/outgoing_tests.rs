//! What a subscriber of the application sees of observed calls.

use std::collections::BTreeMap;
use std::sync::Mutex;

use futures_core::Stream;
use futures_util::StreamExt as _;
use llmtest_macros::observe;
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Instrument as _, Subscriber};
use tracing_subscriber::layer::{Context as Cx, Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;

use super::super::super::context::{CaseContext, enter, listen};
use super::super::CaptureLayer;
use super::*;

/// Spans in the order in which they closed: parent's name and fields.
#[derive(Clone, Default)]
struct Telemetry(Arc<Mutex<Vec<Seen>>>);

#[derive(Clone, Debug, Default, PartialEq)]
struct Seen {
    parent: Option<String>,
    entered: usize,
    fields: BTreeMap<&'static str, String>,
}

impl Visit for Seen {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.fields.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.insert(field.name(), value.to_string());
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Telemetry {
    fn on_new_span(&self, attrs: &Attributes<'_>, id: &Id, ctx: Cx<'_, S>) {
        let span = ctx.span(id).unwrap();
        let parent = span.parent().map(|parent| {
            let extensions = parent.extensions();
            extensions.get::<Seen>().unwrap().fields["otel.name"].clone()
        });
        let mut seen = Seen {
            parent,
            ..Seen::default()
        };
        attrs.record(&mut seen);
        span.extensions_mut().insert(seen);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, ctx: Cx<'_, S>) {
        let span = ctx.span(id).unwrap();
        values.record(span.extensions_mut().get_mut::<Seen>().unwrap());
    }

    fn on_enter(&self, id: &Id, ctx: Cx<'_, S>) {
        let span = ctx.span(id).unwrap();
        span.extensions_mut().get_mut::<Seen>().unwrap().entered += 1;
    }

    fn on_close(&self, id: Id, ctx: Cx<'_, S>) {
        let seen = ctx.span(&id).unwrap().extensions_mut().remove::<Seen>();
        self.0.lock().unwrap().push(seen.unwrap());
    }
}

/// What an application's telemetry sees of `f`.
fn seen_of<R>(f: impl FnOnce() -> R) -> Vec<Seen> {
    let telemetry = Telemetry::default();
    let subscriber = tracing_subscriber::registry()
        .with(telemetry.clone())
        .with(CaptureLayer::new());
    tracing::subscriber::with_default(subscriber, f);
    let mut seen = telemetry.0.lock().unwrap();
    std::mem::take(&mut *seen)
}

/// Name, parent, and the fields of these names.
fn short<'a>(seen: &'a Seen, fields: &[&str]) -> (&'a str, Option<&'a str>, Vec<&'a str>) {
    let field = |name: &&str| seen.fields.get(*name).map_or("-", String::as_str);
    (
        &seen.fields["otel.name"],
        seen.parent.as_deref(),
        fields.iter().map(field).collect(),
    )
}

#[observe(crate = crate, llm)]
async fn complete(prompt: &str) -> Result<String, String> {
    tokio::task::yield_now().await;
    super::super::super::note_usage(3, 4);
    super::super::super::note_usage(10, 20);
    match prompt {
        "" => Err("the prompt was secret".to_string()),
        prompt => Ok(prompt.to_uppercase()),
    }
}

#[observe(crate = crate, tool)]
fn add(a: u32, b: u32) -> u32 {
    assert!(a < 100, "too much");
    a + b
}

#[observe(crate = crate)]
async fn answer(prompt: &str) -> Result<String, String> {
    add(1, 2);
    complete(prompt).await
}

#[observe(crate = crate, retriever)]
fn retrieve(query: String) -> std::pin::Pin<Box<dyn Future<Output = Vec<String>> + Send>> {
    Box::pin(async move {
        tokio::task::yield_now().await;
        vec![query]
    })
}

#[observe(crate = crate, agent, name = "clerk")]
fn decide(go: bool) -> impl Future<Output = bool> {
    async move { go }
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

const FIELDS: [&str; 4] = [
    "gen_ai.operation.name",
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.output_tokens",
    "otel.status_code",
];

#[test]
fn observed_calls_are_spans_of_the_applications_telemetry_without_a_case() {
    let seen = seen_of(|| block_on(answer("hi")).unwrap());
    let shown: Vec<_> = seen.iter().map(|seen| short(seen, &FIELDS)).collect();
    assert_eq!(
        shown,
        [
            ("add", Some("answer"), vec!["execute_tool", "-", "-", "-"]),
            ("complete", Some("answer"), vec!["chat", "13", "24", "-"]),
            ("answer", None, vec!["-", "-", "-", "-"]),
        ]
    );
    // Entered at each poll, and never held in between.
    assert_eq!(seen[1].entered, 2);
    assert_eq!(seen[0].fields["gen_ai.tool.name"], "add");
    assert_eq!(seen[1].fields["otel.kind"], "client");
}

#[test]
fn arguments_results_and_errors_stay_at_home() {
    let seen = seen_of(|| {
        block_on(answer("confidential")).unwrap();
        block_on(answer("")).unwrap_err();
    });
    let text = format!("{seen:?}").to_lowercase();
    assert!(
        !text.contains("confidential") && !text.contains("secret"),
        "{text}"
    );
    let failed = short(&seen[4], &["otel.status_code", "error.type"]);
    assert_eq!(failed, ("complete", Some("answer"), vec!["ERROR", "error"]));
}

#[test]
fn what_a_call_says_of_itself_is_told_without_what_its_users_wrote() {
    #[observe(crate = crate, llm)]
    fn priced(prompt: &str) -> String {
        super::super::super::record(|span| {
            span.model("m-1").tokens(3, 4).cost(0.25).cost(0.5);
            span.output(prompt).metadata("user", "confidential");
        });
        prompt.to_string()
    }
    let seen = seen_of(|| priced("confidential"));
    let fields = [
        "gen_ai.request.model",
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.cost",
    ];
    let shown = short(&seen[0], &fields);
    assert_eq!(shown, ("priced", None, vec!["m-1", "3", "0.75"]));
    assert!(!format!("{seen:?}").contains("confidential"));
}

#[test]
fn functions_that_return_futures_are_told_of_when_they_run() {
    let seen = seen_of(|| {
        block_on(async {
            assert!(decide(true).await);
            assert_eq!(retrieve("q".to_string()).await, ["q"]);
            drop(retrieve("never polled".to_string()));
        });
    });
    let shown: Vec<_> = seen
        .iter()
        .map(|seen| short(seen, &["gen_ai.operation.name", "gen_ai.agent.name"]))
        .collect();
    assert_eq!(
        shown,
        [
            ("clerk", None, vec!["invoke_agent", "clerk"]),
            ("retrieve", None, vec!["retrieval", "-"]),
        ]
    );
    assert_eq!(seen[1].entered, 2);
}

#[observe(crate = crate, llm)]
async fn words(text: &'static str) -> Result<impl Stream<Item = &'static str>, String> {
    super::super::super::note_usage(1, 0);
    if text.is_empty() {
        return Err("nothing to say".to_string());
    }
    tokio::task::yield_now().await;
    Ok(futures_util::stream::iter(text.split(' ')).inspect(|_| {
        super::super::super::note_usage(0, 1);
    }))
}

#[observe(crate = crate)]
fn boxed_words(text: &str) -> Pin<Box<dyn Stream<Item = &str> + Send + '_>> {
    Box::pin(futures_util::stream::iter(text.split(' ')))
}

#[test]
fn a_stream_is_one_span_from_the_call_to_its_end() {
    let seen = seen_of(|| {
        block_on(async {
            let all: Vec<_> = words("one two three").await.unwrap().collect().await;
            assert_eq!(all.len(), 3);
            let mut some = Box::pin(words("one two").await.unwrap());
            some.next().await;
            drop(some);
            assert!(words("").await.is_err());
            assert_eq!(boxed_words("a b").count().await, 2);
        });
    });
    let fields = [FIELDS[1], FIELDS[2], FIELDS[3], "error.type"];
    let shown: Vec<_> = seen.iter().map(|seen| short(seen, &fields)).collect();
    assert_eq!(
        shown,
        [
            ("words", None, vec!["1", "3", "-", "-"]),
            ("words", None, vec!["1", "1", "-", "cancelled"]),
            ("words", None, vec!["1", "0", "ERROR", "error"]),
            ("boxed_words", None, vec!["-", "-", "-", "-"]),
        ]
    );
}

#[test]
fn a_panic_and_a_dropped_future_are_told() {
    let seen = seen_of(|| {
        std::panic::catch_unwind(|| add(100, 1)).unwrap_err();
        let mut future = Box::pin(complete("hi"));
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert!(future.as_mut().poll(&mut cx).is_pending());
    });
    let shown: Vec<_> = seen
        .iter()
        .map(|seen| short(seen, &["otel.status_code", "error.type"]))
        .collect();
    assert_eq!(
        shown,
        [
            ("add", None, vec!["ERROR", "panic"]),
            ("complete", None, vec!["-", "cancelled"]),
        ]
    );
}

#[test]
fn a_call_in_a_case_is_one_component_and_one_span_of_telemetry() {
    listen();
    let case = CaseContext::new(0, None);
    let seen = seen_of(|| {
        let _guard = enter(case.clone());
        block_on(answer("hi")).unwrap();
    });
    let spans = case.finish();
    let names: Vec<_> = spans
        .iter()
        .map(|span| (&*span.name, span.parent))
        .collect();
    assert_eq!(
        names,
        [("answer", None), ("add", Some(0)), ("complete", Some(0))]
    );
    assert_eq!(spans[2].usage, Some((13, 24)));
    assert_eq!(spans[2].output, Value::from("HI"));
    assert_eq!(seen.len(), 3);
}

#[observe(crate = crate)]
async fn fan_out() {
    let task = async { add(1, 2) };
    tokio::spawn(task.in_current_span()).await.unwrap();
}

#[test]
fn a_task_in_our_span_belongs_to_the_call_that_spawned_it() {
    listen();
    let case = CaseContext::new(0, None);
    seen_of(|| {
        let _guard = enter(case.clone());
        block_on(fan_out());
    });
    let spans = case.finish();
    let names: Vec<_> = spans
        .iter()
        .map(|span| (&*span.name, span.parent))
        .collect();
    assert_eq!(names, [("fan_out", None), ("add", Some(0))]);
}

#[test]
fn nobody_is_told_when_nobody_listens() {
    let nobody = tracing::subscriber::NoSubscriber::default();
    tracing::subscriber::with_default(nobody, || {
        assert!(!is_told());
        assert_eq!(block_on(complete("hi")).unwrap(), "HI");
        assert!(CURRENT.with_borrow(Option::is_none));
    });
}
