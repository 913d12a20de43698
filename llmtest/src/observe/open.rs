//! An observed call, from its arguments to its result.

use std::borrow::Cow;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::thread::panicking;

use serde_json::{Map, Value};

use super::capture::redacted;
use super::context::{Guard, Lost, Place, RawSpan, count_unattributed, listening};
use super::replay::Stage;

/// What is known of an observed function when it is compiled.
pub struct Meta {
    /// The span's name.
    pub name: &'static str,
    /// The span's kind.
    pub kind: &'static str,
    /// Its module: equal names of two modules are two stages.
    pub module: &'static str,
    /// Where the function is.
    pub file: &'static str,
    /// The line of its name.
    pub line: u32,
    /// A hash of the tokens of its body.
    pub body_hash: u64,
    /// Whether its result names a type parameter.
    pub generic: bool,
    /// With `replay`: its text.
    pub source: &'static str,
}

/// The text of a body, where it may be shown. Production builds do not carry it.
pub const fn source(text: &'static str) -> &'static str {
    if cfg!(feature = "harness") { text } else { "" }
}

/// Begins a span, if somebody listens and the call belongs to a case.
#[inline]
pub fn begin(meta: &'static Meta) -> Option<Pending> {
    if listening() {
        Pending::new(meta)
    } else {
        None
    }
}

/// A span whose arguments are being captured.
pub struct Pending {
    pub(super) meta: &'static Meta,
    pub(super) place: Place,
    pub(super) input: Map<String, Value>,
    /// With `replay`: the arguments as they are, and the key.
    pub(super) exact: Map<String, Value>,
    pub(super) key: Value,
    /// With `replay`: what its type parameters stand for.
    pub(super) types: Vec<String>,
    /// With `replay`: what must not be written.
    pub(super) redacted: Vec<String>,
}

impl Pending {
    #[cold]
    #[inline(never)]
    fn new(meta: &'static Meta) -> Option<Self> {
        let Some(place) = Place::current() else {
            count_unattributed(Lost {
                name: meta.name.to_string(),
                place: Some((meta.file, meta.line)),
                late: false,
            });
            return None;
        };
        Some(Self {
            meta,
            place,
            input: Map::new(),
            exact: Map::new(),
            key: Value::Null,
            types: Vec::new(),
            redacted: Vec::new(),
        })
    }

    /// Records an argument.
    pub fn argument(&mut self, name: &'static str, value: Value) {
        self.input.insert(name.to_string(), value);
    }

    /// Records that there is an argument.
    pub fn redacted(&mut self, name: &'static str) {
        self.argument(name, redacted());
    }

    /// Opens the span.
    pub fn open(self) -> Open {
        self.open_with(None)
    }

    pub(super) fn open_with(self, mut stage: Option<Box<Stage>>) -> Open {
        let Self {
            meta,
            place: Place { case, span: parent },
            input,
            ..
        } = self;
        let span = case.open_span(RawSpan {
            name: Cow::Borrowed(meta.name),
            kind: Cow::Borrowed(meta.kind),
            parent,
            place: Some((meta.file, meta.line)),
            input,
            ..RawSpan::default()
        });
        if let Some(stage) = &mut stage {
            stage.span = span;
        }
        Open {
            place: Place { case, span },
            stage,
            closed: false,
        }
    }
}

/// An open span. Dropped without a result, it counts as cancelled.
pub struct Open {
    pub(super) place: Place,
    pub(super) stage: Option<Box<Stage>>,
    closed: bool,
}

impl Open {
    /// Polls a future inside of the span.
    pub async fn within<F: Future + Unpin>(&self, mut future: F) -> F::Output {
        poll_fn(|cx| {
            let _entered = self.enter();
            Pin::new(&mut future).poll(cx)
        })
        .await
    }

    /// Closes the span with a result.
    pub fn output(mut self, value: Value) {
        if let Some(stage) = &self.stage {
            stage.store_output(&self.place.case, &value);
        }
        self.close(value, None);
    }

    /// Closes the span with an error.
    pub fn error(mut self, message: String) {
        self.close(Value::Null, Some(message));
    }

    /// Closes a replayable span with an error, and what to rebuild the error from.
    pub fn error_of_stage(mut self, message: String, recorded: Option<Value>) {
        if let (Some(stage), Some(error)) = (&self.stage, recorded) {
            stage.store_error(&self.place.case, error, &message);
        }
        self.close(Value::Null, Some(message));
    }

    pub(super) fn close(&mut self, output: Value, error: Option<String>) {
        self.closed = true;
        if let Some(span) = self.place.span {
            self.place.case.close_span(span, output, error);
        }
    }

    fn enter(&self) -> Entered<'_> {
        Entered {
            _guard: self.place.clone().enter(),
            open: self,
            was_panicking: panicking(),
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if !self.closed {
            self.close(Value::Null, Some("cancelled".to_string()));
        }
    }
}

/// The time in which a span's code runs on a thread.
struct Entered<'a> {
    _guard: Guard,
    open: &'a Open,
    was_panicking: bool,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        if panicking()
            && !self.was_panicking
            && let Some(span) = self.open.place.span
        {
            let case = &self.open.place.case;
            // A missing recording unwinds like a panic, and is none.
            let error = case.stopped().map_or_else(
                || match case.panic_line() {
                    Some(line) => format!("panicked: {line}"),
                    None => "panicked".to_string(),
                },
                ToString::to_string,
            );
            case.close_span(span, Value::Null, Some(error));
        }
    }
}

/// Runs the body of an observed function. `FnOnce`, so that it may return what it borrowed from its arguments.
#[inline]
pub fn call_once<R>(span: Option<&Open>, body: impl FnOnce() -> R) -> R {
    let _entered = span.map(Open::enter);
    body()
}

/// Adds the tokens of a model call to the innermost observed function that is running: the short form of
/// [`record`](crate::observe::record).
///
/// ```
/// #[llmtest::observe(llm)]
/// fn complete(prompt: &str) -> String {
///     llmtest::note_usage(12, 34);
///     format!("an answer to {prompt}")
/// }
/// # assert_eq!(complete("this"), "an answer to this");
/// ```
pub fn note_usage(prompt_tokens: u64, completion_tokens: u64) {
    super::bridge::usage(prompt_tokens, completion_tokens);
    if listening()
        && let Some(Place {
            case,
            span: Some(span),
        }) = Place::current()
    {
        case.add_usage(span, prompt_tokens, completion_tokens);
    }
}
