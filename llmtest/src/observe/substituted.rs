//! A call whose result a test has substituted, and how a result is made of JSON.

use std::any::type_name;
use std::marker::PhantomData;
use std::panic::{Location, resume_unwind};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::context::CaseContext;
use super::open::{Meta, Open};
use super::replay::ReplayedError;
use super::stream::{Recorded, RecordedItem, Source};
use super::substitute::{Next, Outcome};

/// A call that a test has substituted, before its body runs. If it is none, the span stays where it is.
#[inline]
pub fn substituted(meta: &'static Meta, span: &mut Option<Open>) -> Option<Substituted> {
    if span.as_ref()?.place.case.substitutes_any() {
        look_up(meta, span)
    } else {
        None
    }
}

#[cold]
#[inline(never)]
fn look_up(meta: &'static Meta, span: &mut Option<Open>) -> Option<Substituted> {
    let place = &span.as_ref()?.place;
    let (path, arguments) = place.case.path_and_arguments(place.span?);
    let (next, asked) = place
        .case
        .with_substitutes(|substitutes| substitutes.next(&path))?;
    let outcome = match next {
        Next::Outcome(outcome) => outcome,
        Next::Make(make) => Outcome::Ok(make(&arguments)?),
    };
    Some(Substituted {
        asked: Asked { meta, at: asked },
        open: span.take()?,
        outcome,
        shown: None,
    })
}

/// What stands for the result of a call.
pub struct Substituted {
    asked: Asked,
    open: Open,
    outcome: Outcome,
    shown: Option<Value>,
}

/// Which function is substituted, and where the test says so.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    meta: &'static Meta,
    at: Option<&'static Location<'static>>,
}

/// The error of a span whose substitute does not fit.
pub(super) const NOT_SUBSTITUTED: &str = "not substituted";

/// What a type that cannot be made calls for.
const BOUND: &str = "in a generic function, bound the type by `serde::de::DeserializeOwned`";

/// What a type calls for that nothing is left to be borrowed from.
const BORROW: &str = "it returns a borrow: return an owned type or `Cow`";

/// What makes a result of this type one that can be made from JSON.
fn to_make(ty: &str, generic: bool) -> String {
    if ty.starts_with('&') {
        BORROW.to_string()
    } else if generic {
        BOUND.to_string()
    } else {
        format!("derive `serde::Deserialize` for `{ty}`; {BOUND}")
    }
}

impl Substituted {
    /// Records this in place of the result.
    pub fn hide(mut self, shown: Value) -> Self {
        self.shown = Some(shown);
        self
    }

    /// The result of a function that does not fail.
    pub fn value<T>(self, rebuild: impl FnOnce(Value) -> Option<Result<T, String>>) -> T {
        match self.outcome {
            Outcome::Ok(_) => self.ok(rebuild),
            Outcome::Error(_) => self.no_error(),
        }
    }

    /// The result of a function that returns a `Result`.
    pub fn result<T, E>(
        mut self,
        ok: impl FnOnce(Value) -> Option<Result<T, String>>,
        error: impl FnOnce(Value, &str) -> Option<Result<E, String>>,
    ) -> Result<T, E> {
        let Outcome::Error(given) = &self.outcome else {
            return Ok(self.ok(ok));
        };
        let message = given
            .as_str()
            .map_or_else(|| given.to_string(), ToString::to_string);
        let ty = type_name::<E>();
        match error(given.clone(), &message) {
            Some(Ok(error)) => {
                let shown = match self.shown.take() {
                    Some(Value::String(shown)) => shown,
                    Some(_) => "failed".to_string(),
                    None => message,
                };
                self.close(Value::Null, Some(shown));
                Err(error)
            }
            Some(Err(why)) => self.refuse(&format!(
                "the error that stands for its own is no `{ty}`: {why}\n\
                 hint: give it as it is in JSON, or implement `From<llmtest::ReplayedError>` for `{ty}`"
            )),
            None => self.refuse(&format!(
                "its error `{ty}` cannot be made\n\
                 hint: implement `From<llmtest::ReplayedError>` for `{ty}`, or derive `serde::Deserialize` for it"
            )),
        }
    }

    /// Of a function whose result has no name.
    pub fn unnamed(self, ty: &str) -> ! {
        self.refuse(&format!(
            "it returns `{ty}`, which cannot be made from JSON\n\
             hint: return a type that is `serde::Deserialize`, or observe and substitute a function inside of it"
        ))
    }

    fn ok<T>(mut self, rebuild: impl FnOnce(Value) -> Option<Result<T, String>>) -> T {
        let (Outcome::Ok(given) | Outcome::Error(given)) = &self.outcome;
        let (ty, generic) = (type_name::<T>(), self.asked.meta.generic);
        match rebuild(given.clone()) {
            Some(Ok(value)) => {
                let shown = self.shown.take().unwrap_or_else(|| given.clone());
                self.close(shown, None);
                value
            }
            Some(Err(why)) => self.refuse(&format!(
                "what stands for its result is no `{ty}`: {why}\nhint: {}",
                if ty.starts_with('&') {
                    BORROW
                } else {
                    "give the result as it is in JSON"
                }
            )),
            None => self.refuse(&format!(
                "its result `{ty}` cannot be made from JSON\nhint: {}",
                to_make(ty, generic)
            )),
        }
    }

    fn close(&mut self, output: Value, error: Option<String>) {
        self.mark();
        self.open.close(output, error);
    }

    fn mark(&self) {
        if let Some(span) = self.open.place.span {
            let case = &self.open.place.case;
            case.update(span, |span| span.substituted = true);
        }
    }

    /// The result of a function that returns a stream. Its items come later, so the span stays open.
    pub fn stream<S, I>(self, rebuild: fn(RecordedItem) -> Result<I, String>) -> Source<S, I> {
        if matches!(self.outcome, Outcome::Error(_)) {
            self.no_error();
        }
        self.mark();
        let (Outcome::Ok(items) | Outcome::Error(items)) = self.outcome;
        Source::Recorded(Recorded::given(self.open, items, self.asked, rebuild))
    }

    /// The result of a function that returns a `Result` of a stream.
    pub fn stream_result<S, I, E>(
        self,
        rebuild: fn(RecordedItem) -> Result<I, String>,
        error: impl FnOnce(Value, &str) -> Option<Result<E, String>>,
    ) -> Result<Source<S, I>, E> {
        if matches!(self.outcome, Outcome::Ok(_)) {
            return Ok(self.stream(rebuild));
        }
        self.result::<Source<S, I>, E>(|_| None, error)
    }

    fn no_error(self) -> ! {
        let why = "an error cannot stand for its result: it returns no `Result`";
        self.refuse(&format!("{why}\nhint: substitute a value"))
    }

    /// The case cannot go on: nothing stands for the result, and to run the body is not what the test asked for.
    fn refuse(mut self, why: &str) -> ! {
        self.open
            .close(Value::Null, Some(NOT_SUBSTITUTED.to_string()));
        self.asked.refuse(self.open, why)
    }
}

impl Asked {
    /// Ends the case.
    pub(super) fn refuse(self, open: Open, why: &str) -> ! {
        let Meta {
            name, file, line, ..
        } = self.meta;
        let asked = self
            .at
            .map_or_else(String::new, |asked| format!(" as asked for at {asked}"));
        let message = format!("`{name}` ({file}:{line}) cannot be substituted{asked}: {why}");
        let case = &open.place.case;
        case.note_failure(message, "stopped by a substitute that does not fit");
        resume_unwind(Box::new(UnfitSubstitute))
    }
}

/// What a substitute that does not fit unwinds with. Its message is in the case.
struct UnfitSubstitute;

/// A type, by the best way there is to make it from JSON. Found by autoref, as captured values are.
///
/// The lifetime is inferred: a bound for every lifetime would be looked for, and then fail to compile, in functions that
/// return what they borrow.
pub struct Made<'de, T>(PhantomData<fn() -> (&'de (), T)>);

impl<T> Made<'_, T> {
    /// The only one.
    pub const NEW: Self = Self(PhantomData);
}

/// Results that can be deserialized.
pub trait OkViaSerde {
    /// The result's type.
    type Made;
    /// The result.
    fn __llmtest_ok(&self, value: Value) -> Option<Result<Self::Made, String>>;
}

impl<'de, T: Deserialize<'de>> OkViaSerde for &Made<'de, T> {
    type Made = T;

    fn __llmtest_ok(&self, value: Value) -> Option<Result<T, String>> {
        Some(T::deserialize(value).map_err(|error| error.to_string()))
    }
}

/// All other results.
pub trait OkViaNothing {
    /// The result's type.
    type Made;
    /// Nothing.
    fn __llmtest_ok(&self, value: Value) -> Option<Result<Self::Made, String>>;
}

impl<T> OkViaNothing for Made<'_, T> {
    type Made = T;

    fn __llmtest_ok(&self, _: Value) -> Option<Result<T, String>> {
        None
    }
}

/// An item, or why there is none.
pub fn unless_unmade<T>(made: Option<Result<T, String>>) -> Result<T, String> {
    made.unwrap_or_else(|| {
        let ty = type_name::<T>();
        Err(format!(
            "`{ty}` cannot be made from JSON\nhint: {}",
            to_make(ty, false)
        ))
    })
}

/// Errors that can be made of a message.
pub trait FailViaFrom {
    /// The error's type.
    type Made;
    /// The error.
    fn __llmtest_fail(&self, given: Value, message: &str) -> Option<Result<Self::Made, String>>;
}

impl<E: From<ReplayedError>> FailViaFrom for &&Made<'_, E> {
    type Made = E;

    fn __llmtest_fail(&self, _: Value, message: &str) -> Option<Result<E, String>> {
        let message = message.to_string();
        Some(Ok(ReplayedError { message }.into()))
    }
}

/// Errors that can be deserialized.
pub trait FailViaSerde {
    /// The error's type.
    type Made;
    /// The error.
    fn __llmtest_fail(&self, given: Value, message: &str) -> Option<Result<Self::Made, String>>;
}

impl<'de, E: Deserialize<'de>> FailViaSerde for &Made<'de, E> {
    type Made = E;

    fn __llmtest_fail(&self, given: Value, _: &str) -> Option<Result<E, String>> {
        Some(E::deserialize(given).map_err(|error| error.to_string()))
    }
}

/// All other errors.
pub trait FailViaNothing {
    /// The error's type.
    type Made;
    /// Nothing.
    fn __llmtest_fail(&self, given: Value, message: &str) -> Option<Result<Self::Made, String>>;
}

impl<E> FailViaNothing for Made<'_, E> {
    type Made = E;

    fn __llmtest_fail(&self, _: Value, _: &str) -> Option<Result<E, String>> {
        None
    }
}

impl CaseContext {
    /// The names from the outermost span to this one, with `/` between them, and its arguments.
    fn path_and_arguments(&self, span: usize) -> (String, Map<String, Value>) {
        self.with_spans(|spans| {
            let (mut names, mut next) = (Vec::new(), Some(span));
            while let Some(span) = next.and_then(|index| spans.get(index)) {
                names.push(&*span.name);
                next = span.parent;
            }
            names.reverse();
            let input = spans.get(span).map(|span| span.input.clone());
            (names.join("/"), input.unwrap_or_default())
        })
    }
}
