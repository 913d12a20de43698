//! Streams that observed functions return: the span stays open while they are consumed.

use std::convert::Infallible;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread::panicking;

use futures_core::Stream;
use serde_json::{Map, Value, json};

use super::bridge::Teller;
use super::capture::redacted;
use super::open::Open;
use super::replay::{ErrorOf, Found, StageOutput, miss};
use super::substituted::{Asked, Made, NOT_SUBSTITUTED};

/// How many items of a stream a span keeps.
const MOST_ITEMS: usize = 10_000;

/// How many pieces of text a span joins: a long answer has more tokens than a list has items that anybody reads.
const MOST_PIECES: usize = 100_000;

/// What a span keeps of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// The items, as an array.
    Items,
    /// The items, which are text, as one text.
    Joined,
    /// That there is something.
    Redacted,
    /// Nothing.
    Nothing,
}

/// An item, as it is recorded.
pub enum Seen {
    /// A value.
    Item(Value),
    /// An `Err`: what it says, and with `replay` what to rebuild it from.
    Error(String, Option<Value>),
}

/// Where the items come from.
pub enum Source<S, I> {
    /// From the function.
    Live(S),
    /// From a recording.
    Recorded(Recorded<I>),
}

/// A recorded stream.
pub struct Recorded<I> {
    open: Option<Open>,
    items: std::vec::IntoIter<RecordedItem>,
    /// What to say when more is asked for than was taken when it was recorded.
    cut: Option<String>,
    /// Of a substitute: which.
    asked: Option<Asked>,
    rebuild: fn(RecordedItem) -> Result<I, String>,
}

/// An item of a recorded stream.
pub struct RecordedItem(Result<Value, (Value, String)>);

impl RecordedItem {
    /// What a test gave for the item.
    pub fn value(self) -> Value {
        self.0.unwrap_or_else(|(error, _)| error)
    }

    /// The value or the error again.
    pub fn read<T: StageOutput, E>(
        self,
        rebuild: impl FnOnce(Value, &str) -> Option<Result<E, String>>,
    ) -> Result<Result<T, E>, String> {
        match self.0 {
            Ok(value) => T::rebuild(value).map(Ok),
            Err((error, message)) => rebuild(error, &message)
                .unwrap_or_else(|| Err("the error type can no longer be rebuilt".to_string()))
                .map(Err),
        }
    }
}

impl Found {
    /// The result of a function that returns a stream.
    pub fn stream<S, I>(self, rebuild: fn(RecordedItem) -> Result<I, String>) -> Source<S, I> {
        let (open, mut outcome) = self.begin_stream();
        let cut = (outcome["dropped"] == json!(true)).then(|| {
            let taken = outcome["ok"].as_array().map_or(0, Vec::len)
                + outcome["errors"].as_array().map_or(0, Vec::len);
            format!(
                "the recording{} was dropped after {}, and more was asked for\n\
                 hint: record it anew with `LLMTEST_MODE=record cargo test`",
                open.stage_place(),
                items(taken)
            )
        });
        Source::Recorded(Recorded {
            open: Some(open),
            items: in_order(outcome["ok"].take(), outcome["errors"].take()).into_iter(),
            cut,
            asked: None,
            rebuild,
        })
    }

    /// The result of a function that returns a `Result` of a stream.
    pub fn stream_result<S, I, E>(
        self,
        rebuild: fn(RecordedItem) -> Result<I, String>,
        rebuild_error: impl FnOnce(Value, &str) -> Option<Result<E, String>>,
    ) -> Result<Source<S, I>, E> {
        if self.is_ok() {
            return Ok(self.stream(rebuild));
        }
        match self.result::<Value, E>(rebuild_error) {
            Err(error) => Err(error),
            Ok(_) => unreachable!("an outcome is `ok`, or an error"),
        }
    }
}

/// The items with the errors at their places among them. What is no array is the only item.
fn in_order(ok: Value, errors: Value) -> Vec<RecordedItem> {
    let mut all: Vec<_> = match ok {
        Value::Array(values) => values.into_iter().map(Ok).map(RecordedItem).collect(),
        value => vec![RecordedItem(Ok(value))],
    };
    let Value::Array(errors) = errors else {
        return all;
    };
    for mut error in errors {
        let at = error["at"]
            .as_u64()
            .and_then(|at| usize::try_from(at).ok())
            .map_or(all.len(), |at| at.min(all.len()));
        let message = error["message"].as_str().unwrap_or_default().to_string();
        all.insert(at, RecordedItem(Err((error["error"].take(), message))));
    }
    all
}

fn items(count: usize) -> String {
    format!("{count} item{}", if count == 1 { "" } else { "s" })
}

impl Open {
    fn records(&self) -> bool {
        self.stage.as_ref().is_some_and(|stage| stage.records())
    }

    fn store_stream(&self, outcome: &Value) {
        if let Some(stage) = &self.stage {
            stage.store_stream(&self.place.case, outcome);
        }
    }

    fn stage_place(&self) -> String {
        self.stage
            .as_ref()
            .map_or_else(String::new, |stage| stage.place())
    }

    fn note_first_item(&self) {
        if let Some(span) = self.place.span {
            self.place.case.note_first_item(span);
        }
    }

    fn note(&self, note: String) {
        if let Some(span) = self.place.span {
            self.place.case.update(span, |span| span.notes.push(note));
        }
    }

    /// Gives a span its output that was closed without one.
    fn add_output(&mut self, output: Value) {
        if let Some(span) = self.place.span {
            self.place.case.update(span, |span| span.output = output);
        }
        // It is closed, and stays what it is.
        self.close(Value::Null, None);
    }
}

/// A stream whose items are recorded as they are consumed.
pub struct Streamed<S, I> {
    source: Source<S, I>,
    see: fn(&I) -> Seen,
    // After the source: what that does while it is dropped is still within the span.
    recorder: Option<Recorder>,
    teller: Teller,
}

impl<S, I> Streamed<S, I> {
    fn new(
        span: Option<Open>,
        mut source: Source<S, I>,
        keep: Keep,
        see: fn(&I) -> Seen,
        teller: Teller,
    ) -> Self {
        let open = match &mut source {
            Source::Live(_) => span,
            Source::Recorded(recorded) => recorded.open.take(),
        };
        Self {
            source,
            see,
            recorder: open.map(|open| Recorder::new(open, keep)),
            teller,
        }
    }
}

impl<S: Stream<Item = I> + Unpin, I> Stream for Streamed<S, I> {
    type Item = I;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<I>> {
        let this = self.get_mut();
        let teller = &this.teller;
        let polled = match &mut this.source {
            Source::Live(stream) => {
                let mut poll = || teller.call(|| Pin::new(&mut *stream).poll_next(cx));
                match &mut this.recorder {
                    None => poll(),
                    Some(recorder) => recorder.poll(poll),
                }
            }
            Source::Recorded(recorded) => Poll::Ready(recorded.next(&mut this.recorder)),
        };
        match &polled {
            Poll::Pending => {}
            Poll::Ready(None) => {
                this.teller.end(false);
                if let Some(mut recorder) = this.recorder.take() {
                    recorder.finish(true);
                }
            }
            Poll::Ready(Some(item)) => {
                if let Some(recorder) = &mut this.recorder {
                    recorder.saw((this.see)(item));
                }
            }
        }
        polled
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match &self.source {
            Source::Live(stream) => stream.size_hint(),
            Source::Recorded(recorded) => recorded.items.size_hint(),
        }
    }
}

impl<I> Recorded<I> {
    /// What a test gave for a stream: an array of its items, or the only one.
    pub(super) fn given(
        open: Open,
        items: Value,
        asked: Asked,
        rebuild: fn(RecordedItem) -> Result<I, String>,
    ) -> Self {
        Self {
            open: Some(open),
            items: in_order(items, Value::Null).into_iter(),
            cut: None,
            asked: Some(asked),
            rebuild,
        }
    }

    fn next(&mut self, recorder: &mut Option<Recorder>) -> Option<I> {
        let why = match self.items.next().map(self.rebuild) {
            Some(Ok(item)) => return Some(item),
            Some(Err(why)) => {
                if let Some(asked) = self.asked {
                    recorder.take()?.unfit(asked, &why);
                }
                let stage = recorder
                    .as_ref()
                    .and_then(|recorder| recorder.open.as_ref())
                    .map_or_else(String::new, Open::stage_place);
                format!(
                    "an item of the recording{stage} does not fit what the function returns: {why}\n\
                     hint: record it anew with `LLMTEST_MODE=record cargo test`"
                )
            }
            None => self.cut.take()?,
        };
        recorder.take()?.miss(why)
    }
}

/// What was consumed so far.
struct Recorder {
    /// None once the span is closed.
    open: Option<Open>,
    keep: Keep,
    /// The items up to the limit; all of them if they are to be replayed.
    items: Vec<Value>,
    /// All items that were consumed.
    count: usize,
    /// Errors among the items, for the recording: their place, and what to rebuild them from.
    errors: Vec<Value>,
    /// The first error.
    error: Option<String>,
    /// An error cannot be rebuilt, so there is no recording.
    unrecordable: bool,
    /// Set while the stream runs, so that what unwinds out of it shows.
    polling: bool,
}

impl Recorder {
    fn new(open: Open, keep: Keep) -> Self {
        Self {
            open: Some(open),
            keep,
            items: Vec::new(),
            count: 0,
            errors: Vec::new(),
            error: None,
            unrecordable: false,
            polling: false,
        }
    }

    fn poll<R>(&mut self, poll: impl FnOnce() -> R) -> R {
        self.polling = true;
        let polled = super::open::call_once(self.open.as_ref(), poll);
        self.polling = false;
        polled
    }

    fn records(&self) -> bool {
        self.open.as_ref().is_some_and(Open::records)
    }

    fn limit(&self) -> usize {
        match self.keep {
            Keep::Items => MOST_ITEMS,
            Keep::Joined => MOST_PIECES,
            Keep::Redacted | Keep::Nothing => 0,
        }
    }

    fn saw(&mut self, seen: Seen) {
        match seen {
            Seen::Item(value) => {
                if self.count == 0
                    && let Some(open) = &self.open
                {
                    open.note_first_item();
                }
                self.count += 1;
                if self.items.len() < self.limit() || self.records() {
                    self.items.push(value);
                }
            }
            Seen::Error(message, recorded) => {
                if self.records() {
                    self.unrecordable |= recorded.is_none();
                    let at = self.count + self.errors.len();
                    self.errors
                        .push(json!({ "at": at, "error": recorded, "message": message }));
                }
                self.error.get_or_insert(message);
            }
        }
    }

    /// Closes the span with what was consumed.
    fn finish(&mut self, ended: bool) {
        let Some(mut open) = self.open.take() else {
            return;
        };
        if open.records() && !self.unrecordable && !self.polling && (ended || !panicking()) {
            let mut outcome = Map::new();
            outcome.insert("ok".to_string(), Value::Array(self.items.clone()));
            if !self.errors.is_empty() {
                outcome.insert("errors".to_string(), Value::Array(self.errors.clone()));
            }
            if !ended {
                outcome.insert("dropped".to_string(), Value::Bool(true));
            }
            open.store_stream(&Value::Object(outcome));
        }
        if !ended && !self.polling {
            open.note(format!("dropped after {}", items(self.count)));
        }
        let output = self.output(&open);
        if self.polling {
            // The unwinding has closed the span, without what came before it.
            open.add_output(output);
        } else {
            open.close(output, self.error.take());
        }
    }

    /// Ends the case for want of a recording.
    fn miss(self, why: String) -> ! {
        miss(self.stop("no recording"), why)
    }

    /// Ends the case because an item that a test gave is none.
    fn unfit(self, asked: Asked, why: &str) -> ! {
        let why = format!("an item of what stands for its result does not fit: {why}");
        asked.refuse(self.stop(NOT_SUBSTITUTED), &why)
    }

    fn stop(mut self, error: &str) -> Open {
        let Some(mut open) = self.open.take() else {
            unreachable!("a span is closed once")
        };
        let output = self.output(&open);
        open.close(output, Some(error.to_string()));
        open
    }

    fn output(&mut self, open: &Open) -> Value {
        let mut items = std::mem::take(&mut self.items);
        match self.keep {
            Keep::Nothing => return Value::Null,
            Keep::Redacted => return redacted(),
            Keep::Items | Keep::Joined => {}
        }
        if self.count > self.limit() {
            items.truncate(self.limit());
            open.note(format!("kept {} of {} items", items.len(), self.count));
        }
        if self.keep == Keep::Items {
            return Value::Array(items);
        }
        let text: Option<String> = items.iter().map(Value::as_str).collect();
        text.map_or_else(
            || {
                open.note("not joined: not every item is text".to_string());
                Value::Array(items)
            },
            Value::String,
        )
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.finish(false);
    }
}

/// Records a stream of a type that has no name.
pub fn streamed<S: Stream>(
    span: Option<Open>,
    source: Source<Pin<Box<S>>, S::Item>,
    keep: Keep,
    see: fn(&S::Item) -> Seen,
    teller: Teller,
) -> Streamed<Pin<Box<S>>, S::Item> {
    Streamed::new(span, source, keep, see, teller)
}

/// Records a boxed stream. If nobody listens it stays what it is.
pub fn streamed_boxed<S: BoxedStream>(
    span: Option<Open>,
    source: Source<S, S::Of>,
    keep: Keep,
    see: fn(&S::Of) -> Seen,
    teller: Teller,
) -> S {
    match source {
        Source::Live(stream) if span.is_none() && teller.is_idle() => stream,
        source => S::boxed(Streamed::new(span, source, keep, see, teller)),
    }
}

/// Streams that can be put into another one without a change of their type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no stream that can be observed",
    label = "neither `impl Stream` nor a boxed `dyn Stream`",
    note = "return `impl Stream<Item = T>` or `Pin<Box<dyn Stream<Item = T> + Send>>`, or remove `stream`"
)]
pub trait BoxedStream: Sized {
    /// The items. Not those of `Stream`, so that another type is told what is wrong once.
    type Of;
    /// The stream that records, as one of this type.
    fn boxed(streamed: Streamed<Self, Self::Of>) -> Self;
}

macro_rules! boxed_streams {
    ($($bound:ident),*) => {
        impl<'a, T: 'a> BoxedStream for Pin<Box<dyn Stream<Item = T> $(+ $bound)* + 'a>> {
            type Of = T;

            fn boxed(streamed: Streamed<Self, T>) -> Self {
                Box::pin(streamed)
            }
        }
    };
}
boxed_streams!();
boxed_streams!(Send);
boxed_streams!(Send, Sync);

/// An item to record. A method call looks at `&&ItemRef(&item)`: a `Result` first, then whatever it is.
pub struct ItemRef<'a, I>(pub &'a I);

/// Items that are results.
pub trait ItemViaResult<'a> {
    /// Of `Ok`.
    type Ok;
    /// Of `Err`.
    type Err;
    /// The item.
    fn __llmtest_item(&self) -> Result<&'a Self::Ok, &'a Self::Err>;
}

impl<'a, T, E> ItemViaResult<'a> for &ItemRef<'a, Result<T, E>> {
    type Ok = T;
    type Err = E;

    fn __llmtest_item(&self) -> Result<&'a T, &'a E> {
        self.0.as_ref()
    }
}

/// All other items.
pub trait ItemViaValue<'a> {
    /// The item's type.
    type Ok;
    /// The item.
    fn __llmtest_item(&self) -> Result<&'a Self::Ok, &'a Infallible>;
}

impl<'a, T> ItemViaValue<'a> for ItemRef<'a, T> {
    type Ok = T;

    fn __llmtest_item(&self) -> Result<&'a T, &'a Infallible> {
        Ok(self.0)
    }
}

/// The type of an item's error.
pub fn error_of<E>(_: &E) -> ErrorOf<E> {
    ErrorOf::NEW
}

/// The type of an item to rebuild.
pub struct ItemOf<I>(PhantomData<fn() -> I>);

impl<I> ItemOf<I> {
    /// The only one.
    pub const NEW: Self = Self(PhantomData);
}

/// Items that are results.
pub trait RebuiltViaResult {
    /// Of `Ok`.
    type Ok;
    /// Of `Err`.
    type Err;
    /// The type of its value, to be made of what a test gave.
    fn __llmtest_made<'de>(&self) -> Made<'de, Self::Ok> {
        Made::NEW
    }
    /// The type of its error.
    fn __llmtest_error(&self) -> ErrorOf<Self::Err> {
        ErrorOf::NEW
    }
    /// The item.
    fn __llmtest_join(
        &self,
        parts: Result<Result<Self::Ok, Self::Err>, String>,
    ) -> Result<Result<Self::Ok, Self::Err>, String> {
        parts
    }
}

impl<T, E> RebuiltViaResult for &ItemOf<Result<T, E>> {
    type Ok = T;
    type Err = E;
}

/// All other items.
pub trait RebuiltViaValue {
    /// The item's type.
    type Ok;
    /// The type of its value, to be made of what a test gave.
    fn __llmtest_made<'de>(&self) -> Made<'de, Self::Ok> {
        Made::NEW
    }
    /// The type of its error, of which there is none.
    fn __llmtest_error(&self) -> ErrorOf<Infallible> {
        ErrorOf::NEW
    }
    /// The item.
    fn __llmtest_join(
        &self,
        parts: Result<Result<Self::Ok, Infallible>, String>,
    ) -> Result<Self::Ok, String> {
        parts.map(|parts| match parts {
            Ok(value) => value,
            Err(never) => match never {},
        })
    }
}

impl<T> RebuiltViaValue for ItemOf<T> {
    type Ok = T;
}
