//! What an application says of the call that it is in.

use serde::Serialize;
use serde_json::{Map, Value};

use super::bridge;
use super::capture::to_json;
use super::context::{CaseContext, Place, listening};

/// Says more about the innermost observed call that is running than its arguments and its result do.
///
/// The closure runs only when an observed function is open and a test listens, or with the feature `tracing` the
/// application's telemetry does; everywhere else this is one relaxed load. What it says is part of the span, and metrics
/// use it: `retrieved` feeds `TestCase::retrieved`, tokens and dollars feed `TokenBudget` and `Cost`. With
/// `#[observe(replay)]` it is recorded and comes back with the result. Telemetry is told the model, tokens and dollars only:
/// the rest may be what the application's users wrote.
///
/// ```
/// # struct Hit { body: String, file: &'static str }
/// # fn vector_search(_: &str) -> Vec<Hit> { vec![Hit { body: "30 days".to_string(), file: "returns.md" }] }
/// #[llmtest::observe(retriever)]
/// fn retrieve(question: &str) -> Vec<Hit> {
///     let hits = vector_search(question);
///     llmtest::observe::record(|span| {
///         span.retrieved(hits.iter().map(|hit| (hit.file, &hit.body)).map(|(source, text)| {
///             serde_json::json!({ "source": source, "text": text })
///         }))
///     });
///     hits
/// }
///
/// #[llmtest::observe(llm)]
/// fn complete(prompt: &str) -> String {
///     llmtest::observe::record(|span| span.model("gpt-4.1-mini").tokens(812, 45).cost(0.0004).metadata("cached", false));
///     format!("an answer to {prompt}")
/// }
/// # assert_eq!((retrieve("?").len(), complete("this").as_str()), (1, "an answer to this"));
/// ```
pub fn record<R>(say: impl FnOnce(Recorder) -> R) {
    if listening() || bridge::is_telling() {
        recorded(say);
    }
}

#[cold]
fn recorded<R>(say: impl FnOnce(Recorder) -> R) {
    let here = || Place::current().filter(|place| place.span.is_some());
    let place = listening().then(here).flatten();
    if place.is_some() || bridge::is_telling() {
        say(Recorder { place });
    }
}

/// The open span, for [`record`]. Every method takes effect at once and gives the same span again, so that calls chain.
/// When the case has ended they do nothing.
#[derive(Clone)]
pub struct Recorder {
    /// In a test.
    place: Option<Place>,
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder")
            .field("span", &self.place.as_ref().and_then(|place| place.span))
            .finish_non_exhaustive()
    }
}

impl Recorder {
    /// The model that was called; the last one said stands.
    pub fn model(&self, name: impl Into<String>) -> Self {
        let name = name.into();
        bridge::model(&name);
        self.change(|span| span.model = Some(name))
    }

    /// Adds tokens read and written, as [`note_usage`](crate::note_usage) does.
    pub fn tokens(&self, prompt: u64, completion: u64) -> Self {
        bridge::usage(prompt, completion);
        self.on_span(|case, span| case.add_usage(span, prompt, completion))
    }

    /// Adds US dollars: those of this call, without what it calls that says its own. An amount that is negative or not
    /// finite is left out, with a note in the span.
    pub fn cost(&self, usd: f64) -> Self {
        if usd.is_finite() && usd >= 0.0 {
            bridge::cost(usd);
        }
        self.change(|span| {
            if usd.is_finite() && usd >= 0.0 {
                *span.cost.get_or_insert(0.0) += usd;
            } else {
                span.notes
                    .push(format!("a cost of {usd} USD was left out: it is no amount"));
            }
        })
    }

    /// Adds passages in the order of their rank: texts, or objects with `text` and `source`. They stand for the result
    /// where that is no list of passages, in `TestCase::retrieved` of the case and of the component, for a span of any
    /// kind.
    pub fn retrieved(&self, passages: impl IntoIterator<Item = impl Serialize>) -> Self {
        let passages: Vec<Value> = passages
            .into_iter()
            .map(|passage| to_json(&passage))
            .collect();
        self.on_span(|case, span| case.add_retrieved(span, passages))
    }

    /// Keeps a value under a name, for readers of the report and for metrics of one's own; the last one said stands.
    pub fn metadata(&self, name: impl Into<String>, value: impl Serialize) -> Self {
        let value = to_json(&value);
        self.on_span(|case, span| case.add_metadata(span, name.into(), value))
    }

    /// What is shown and measured in the place of the arguments, where they are not what the call is about. An object
    /// counts as arguments by name, anything else as one argument.
    pub fn input(&self, value: impl Serialize) -> Self {
        let input = match to_json(&value) {
            Value::Object(arguments) => arguments,
            other => Map::from_iter([("input".to_string(), other)]),
        };
        self.on_span(|case, span| case.set_input(span, input))
    }

    /// What is shown and measured in the place of the result, where that is not what the call is about: a response of
    /// which only the text matters. An error of the function still counts as one.
    pub fn output(&self, value: impl Serialize) -> Self {
        let output = to_json(&value);
        self.on_span(|case, span| case.set_output(span, output))
    }

    fn change(&self, change: impl FnOnce(&mut super::RawSpan)) -> Self {
        self.on_span(|case, span| case.update(span, change))
    }

    fn on_span(&self, tell: impl FnOnce(&CaseContext, usize)) -> Self {
        if let Some(Place {
            case,
            span: Some(span),
        }) = &self.place
        {
            tell(case, *span);
        }
        self.clone()
    }
}
