//! Foreign spans as components of the running case.

use std::cell::RefCell;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::panicking;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Level, Metadata, Subscriber};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;

use super::super::context::{Place, RawSpan, count_unattributed, listening};
use super::TARGET;
use super::attributes::{Known, is_ours};

/// A layer for `tracing-subscriber` that turns spans of other crates into components of the running test.
///
/// Model clients and agent frameworks that speak `tracing` (rig, genai with its feature `otel`, your own code) describe
/// their calls by OpenTelemetry's `gen_ai.*` attributes, OpenInference's (`openinference.span.kind`, `llm.*`,
/// `input.value`, …) or those of Vercel's AI SDK (`ai.*`). With the feature `tracing-capture` such spans are components
/// without any annotation: `expect_in("chat", …)` finds them, with latency, model, tokens and, where the library records
/// them, texts.
///
/// A test needs no set-up: the harness installs this layer if no subscriber is there when the first case begins. An
/// application that installs its own one adds the layer to it:
///
/// ```
/// use tracing_subscriber::prelude::*;
///
/// tracing_subscriber::registry()
///     .with(llmtest::CaptureLayer::new())
///     .init();
/// ```
///
/// # What a component is called
///
/// | span | name | kind |
/// |---|---|---|
/// | `gen_ai.operation.name` is `chat`, `text_completion`, `generate_content` | the operation | `llm` |
/// | … `embeddings` | the operation | `embedding` |
/// | … `execute_tool` | `gen_ai.tool.name` | `tool` |
/// | … `invoke_agent`, `create_agent`, `invoke_workflow` | `gen_ai.agent.name` or `gen_ai.workflow.name`, else the operation | `agent` |
/// | … `retrieval` | the operation | `retriever` |
/// | `openinference.span.kind` | `tool.name`, else the span's own name | the kind in lower case; `CHAIN` is `function` |
///
/// So `expect_in("chat", …)` finds the calls of rig and of genai, whatever the model; the name that the library gave to
/// the span in telemetry does not count.
///
/// # What is seen
///
/// - Start and end of the span. A library that keeps the span with a stream closes it when the stream ends.
/// - `gen_ai.usage.*` as tokens, the response's model or else the request's, a cost if one is stated.
/// - Messages as input and output: plain text where one text is all there is, else JSON. Most libraries leave them out
///   unless asked; for genai and others set `OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=true`. A call of a model
///   without an output says so in its notes; metrics of texts cannot judge it, limits on tokens and time can.
/// - `otel.status_code`, `error.type` and events at the level `ERROR` inside of the span as its error. A library that
///   goes on after such an event says so by the status `ok`.
/// - All other attributes as metadata.
///
/// # What is not seen
///
/// - Other spans, but they link: a component finds its case and parent through them, over `tokio::spawn` too if the
///   library takes its span along (`.instrument(span)`, `.in_current_span()`).
/// - Spans that a filter switches off. The harness lets pass all that are described above, and all others from the
///   level `INFO` on. Give a filter of your own to the layer it is meant for (`fmt::layer().with_filter(…)`).
/// - A subscriber for one thread (`tracing::subscriber::set_default`) hides everything from the global one.
///
/// An application that calls `init()` inside of a test finds the subscriber of the harness in its place, and panics: use
/// `try_init()`, or install it before the tests begin.
#[derive(Debug, Default, Clone, Copy)]
#[non_exhaustive]
pub struct CaptureLayer;

impl CaptureLayer {
    /// The layer.
    pub fn new() -> Self {
        Self
    }
}

static ATTACHED: AtomicBool = AtomicBool::new(false);
static ATTACH: Once = Once::new();

/// Installs a subscriber with the layer, once, unless the application has one.
pub(crate) fn attach() {
    ATTACH.call_once(|| {
        let subscriber = tracing_subscriber::registry()
            .with(filter_fn(wanted))
            .with(CaptureLayer);
        let before = ATTACHED.load(Ordering::Relaxed);
        if tracing::subscriber::set_global_default(subscriber).is_err() {
            // There is one already, and ours has only been tried.
            ATTACHED.store(before, Ordering::Relaxed);
        }
    });
}

/// Why foreign spans were not seen.
pub(crate) fn trouble() -> Option<&'static str> {
    let blind = ATTACH.is_completed() && !ATTACHED.load(Ordering::Relaxed);
    blind.then_some(
        "the application installed its own `tracing` subscriber, so spans of other crates are not seen\nhint: add our layer to it: `.with(llmtest::CaptureLayer::new())`",
    )
}

/// What the layer has a use for, and links: spans that tell others from which case they are.
fn wanted(metadata: &Metadata<'_>) -> bool {
    if metadata.is_span() {
        *metadata.level() <= Level::INFO || is_component(metadata)
    } else {
        *metadata.level() == Level::ERROR
            || speaks(metadata.name())
            || metadata
                .fields()
                .iter()
                .any(|field| speaks(field.name()) || field.name() == "event.name")
    }
}

/// Names of events, and of their attributes.
fn speaks(name: &str) -> bool {
    name.starts_with("gen_ai.") || name == "exception" || name.starts_with("exception.")
}

fn is_component(metadata: &Metadata<'_>) -> bool {
    // Ours are components already; a score is none.
    let mut names = metadata.fields().iter().map(|field| field.name());
    metadata.target() != TARGET
        && names.any(is_ours)
        && metadata.fields().field("gen_ai.evaluation.name").is_none()
}

/// What is noted on the call of a model whose library says how many tokens it took, and not which.
const NO_TEXT: &str = "the library recorded no output; ask it to, as by `OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=true`";

/// What a foreign span is to us.
struct Foreign {
    /// Its own place, or for a link the one it was opened in.
    place: Place,
    /// Of a component.
    known: Option<Known>,
}

thread_local! {
    static ENTERED: RefCell<Vec<Entered>> = const { RefCell::new(Vec::new()) };
}

/// A foreign span that this thread is in.
struct Entered {
    id: u64,
    place: Place,
    before: Option<Place>,
}

impl<S> Layer<S> for CaptureLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_register_dispatch(&self, _: &Dispatch) {
        ATTACHED.store(true, Ordering::Relaxed);
    }

    fn on_new_span(&self, attrs: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        if !listening() {
            return;
        }
        let component = is_component(attrs.metadata());
        let Some(place) = place_of(attrs, &ctx) else {
            if component {
                count_unattributed(attrs.metadata().name());
            }
            return;
        };
        let foreign = if component {
            open(place, attrs)
        } else {
            Foreign { place, known: None }
        };
        if let Some(span) = ctx.span(id) {
            span.extensions_mut().insert(foreign);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, ctx: Context<'_, S>) {
        let Some(span) = ctx.span(id) else { return };
        if let Some(foreign) = span.extensions_mut().get_mut::<Foreign>() {
            let mut fields = Fields::default();
            values.record(&mut fields);
            foreign.change(|known, raw| fields.add_to(known, raw));
        }
    }

    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        let metadata = event.metadata();
        if !listening() || !wanted(metadata) {
            return;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        let direct = ctx.event_span(event).map(|span| span.id());
        for span in ctx.event_scope(event).into_iter().flatten() {
            let mut extensions = span.extensions_mut();
            let Some(foreign) = extensions.get_mut::<Foreign>() else {
                continue;
            };
            if foreign.known.is_none() {
                continue;
            }
            let own = direct == Some(span.id());
            foreign.change(|known, raw| tell(known, raw, metadata, fields, own));
            return;
        }
    }

    fn on_enter(&self, id: &Id, ctx: Context<'_, S>) {
        let Some(span) = ctx.span(id) else { return };
        let place = {
            let extensions = span.extensions();
            let Some(foreign) = extensions.get::<Foreign>() else {
                return;
            };
            // A link is of use where the case was lost, or where it leads further in.
            let outside = Place::entered().is_some_and(|here| {
                !here.is_case_of(&foreign.place) || !foreign.place.is_within(&here)
            });
            if foreign.known.is_none() && outside {
                return;
            }
            foreign.place.clone()
        };
        let id = id.into_u64();
        // Of a thread that is being torn down nothing is known any more.
        let _ = ENTERED.try_with(|entered| {
            let before = Place::swap(Some(place.clone()));
            entered.borrow_mut().push(Entered { id, place, before });
        });
    }

    fn on_exit(&self, id: &Id, _: Context<'_, S>) {
        let _ = ENTERED.try_with(|entered| {
            let mut entered = entered.borrow_mut();
            let id = id.into_u64();
            let Some(at) = entered.iter().rposition(|entered| entered.id == id) else {
                return;
            };
            let left = entered.remove(at);
            match entered.get_mut(at) {
                // Left out of turn: what was entered later comes back to where this one came from.
                Some(later) => later.before = left.before,
                None if Place::entered().is_some_and(|here| here.is(&left.place)) => {
                    Place::swap(left.before);
                }
                // The poll in which it was entered has ended already.
                None => {}
            }
        });
    }

    fn on_close(&self, id: Id, ctx: Context<'_, S>) {
        let Some(span) = ctx.span(&id) else { return };
        let Some(mut foreign) = span.extensions_mut().remove::<Foreign>() else {
            return;
        };
        if foreign.known.is_none() {
            return;
        }
        foreign.change(|_, raw| {
            if panicking() {
                raw.error.get_or_insert_with(|| "panicked".to_string());
            }
            if raw.kind == "llm" && raw.error.is_none() && raw.output.is_null() {
                raw.notes.push(NO_TEXT.to_string());
            }
        });
        if let Some(span) = foreign.place.span {
            foreign.place.case.end_span(span);
        }
    }
}

impl Foreign {
    fn change(&mut self, change: impl FnOnce(&mut Known, &mut RawSpan)) {
        if let (Some(known), Some(span)) = (&mut self.known, self.place.span) {
            self.place.case.update(span, |raw| change(known, raw));
        }
    }
}

/// Opens a component.
fn open(place: Place, attrs: &Attributes<'_>) -> Foreign {
    let mut fields = Fields::default();
    attrs.record(&mut fields);
    let mut known = Known::default();
    let mut raw = RawSpan {
        parent: place.span,
        ..RawSpan::default()
    };
    known.begin(&mut raw, attrs.metadata().name());
    fields.add_to(&mut known, &mut raw);
    let span = place.case.open_span(raw);
    Foreign {
        place: Place { span, ..place },
        known: span.map(|_| known),
    }
}

/// Where a new span is: in the innermost of the foreign span around it and the place of this thread.
fn place_of<S>(attrs: &Attributes<'_>, ctx: &Context<'_, S>) -> Option<Place>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let around = if attrs.is_root() {
        None
    } else if let Some(parent) = attrs.parent() {
        ctx.span(parent)
    } else {
        ctx.lookup_current()
    };
    let above = around.and_then(|span| {
        let mut scope = span.scope();
        scope.find_map(|span| {
            let extensions = span.extensions();
            Some(extensions.get::<Foreign>()?.place.clone())
        })
    });
    match (above, Place::current()) {
        (Some(above), Some(here)) if above.is_case_of(&here) => {
            Some(if here.is_within(&above) { here } else { above })
        }
        (Some(above), Some(_)) if attrs.parent().is_some() => Some(above),
        (above, here) => here.or(above),
    }
}

/// Adds what an event says. `own`: it is directly in the span.
fn tell(known: &mut Known, span: &mut RawSpan, metadata: &Metadata<'_>, fields: Fields, own: bool) {
    let named = fields.text("event.name");
    let said = fields.text("message").filter(|text| speaks(text));
    let name = named.or(said).unwrap_or(metadata.name()).to_string();
    let role = match name.as_str() {
        "gen_ai.choice" => Some("assistant"),
        _ => name
            .strip_prefix("gen_ai.")
            .and_then(|rest| rest.strip_suffix(".message")),
    };
    if let Some(role) = role {
        known.message(span, fields.into_message(role), name == "gen_ai.choice");
        return;
    }
    if name == "exception" || (own && *metadata.level() == Level::ERROR) {
        let message = [
            "exception.message",
            "error.message",
            "error",
            "err",
            "message",
        ]
        .iter()
        .find_map(|name| fields.text(name))
        .map(str::to_string);
        known.fail(span, message);
    }
    for (name, value) in fields.0 {
        if speaks(name) {
            known.add(span, name, value);
        }
    }
}

/// Attributes as JSON.
#[derive(Default)]
struct Fields(Vec<(&'static str, Value)>);

impl Fields {
    fn add_to(self, known: &mut Known, span: &mut RawSpan) {
        for (name, value) in self.0 {
            known.add(span, name, value);
        }
    }

    fn text(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(field, _)| *field == name)?;
        value.as_str()
    }

    /// The message that an event holds: in one attribute as JSON, or with an attribute for each of its fields.
    fn into_message(self, role: &str) -> Value {
        let whole = ["gen_ai.event.content", "body", "message"]
            .iter()
            .find_map(|name| serde_json::from_str(self.text(name)?).ok());
        let mut message: Map<String, Value> = match whole {
            Some(Value::Object(fields)) => fields,
            _ => self
                .0
                .into_iter()
                .filter(|(name, _)| !name.contains('.') && *name != "message")
                .map(|(name, value)| (name.to_string(), value))
                .collect(),
        };
        message.entry("role").or_insert_with(|| role.into());
        Value::Object(message)
    }
}

impl Fields {
    fn push(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.push((field.name(), value.into()));
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.push(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.push(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.push(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.push(field, value);
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.push(field, value.to_string());
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.push(field, value.to_string());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.push(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.push(field, value.to_string());
    }
}

#[cfg(test)]
#[path = "incoming_tests.rs"]
mod tests;
