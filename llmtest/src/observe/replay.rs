//! Stages: observed calls whose recorded result can stand in for the call.

use std::any::type_name;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::marker::PhantomData;
use std::panic::resume_unwind;
use std::sync::Mutex;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::capture::{redacted, to_json};
use super::context::{CaseContext, lock};
use super::open::{Meta, Open, Pending};

/// Where recorded results are.
pub(crate) trait Stages: Send + Sync {
    fn look_up(&self, request: &StageRequest) -> StageAnswer;
    /// The value of `key = …` as it may be written, which is what calls are told apart by.
    fn depends_on(&self, key: Value) -> Value {
        key
    }
    /// Keeps `{"ok": …}` or `{"error": …, "message": …}`, with what the application said of the call under `said`.
    fn store(&self, request: &StageRequest, outcome: &Value) -> Result<(), String>;
}

/// A call of a stage.
#[derive(Debug, Clone)]
pub(crate) struct StageRequest {
    pub(crate) name: String,
    /// For people: what is redacted is redacted.
    pub(crate) arguments: Value,
    /// Over the module, the types and the arguments as they are.
    pub(crate) digest: u64,
    /// What type parameters and `Self` stand for.
    pub(crate) types: Vec<String>,
    pub(crate) body_hash: u64,
    /// The texts and numbers in arguments that are redacted. They are not written.
    pub(crate) redacted: Vec<String>,
    /// The text of the body; empty if it is not known.
    pub(crate) source: &'static str,
    /// The value of `key = …`, or null.
    pub(crate) key: Value,
    pub(crate) trial: u32,
    /// How many calls with this name, digest and key came before, in this case.
    pub(crate) call: u32,
    pub(crate) file: &'static str,
    pub(crate) line: u32,
}

#[derive(Debug, Clone)]
pub(crate) enum StageAnswer {
    /// Return this instead.
    Recorded(Value),
    Run,
    RunAndRecord,
    /// The case cannot go on: why, and what to do.
    Miss(String),
}

/// An error that was recorded, and is returned in place of the call that gave it.
///
/// Give your error type a `From<ReplayedError>` if it is not `Serialize` and `Deserialize`, so that its recordings can
/// be replayed. Boxed errors have it already.
///
/// ```
/// enum AppError {
///     Busy,
///     Other(String),
/// }
///
/// impl From<llmtest::ReplayedError> for AppError {
///     fn from(error: llmtest::ReplayedError) -> Self {
///         if error.message == "busy" { Self::Busy } else { Self::Other(error.message) }
///     }
/// }
/// # let error = llmtest::ReplayedError { message: "busy".to_string() };
/// # assert!(matches!(AppError::from(error), AppError::Busy));
/// # let error = llmtest::ReplayedError { message: "no".to_string() };
/// # assert!(matches!(AppError::from(error), AppError::Other(text) if text == "no"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayedError {
    /// What the error said.
    pub message: String,
}

impl fmt::Display for ReplayedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for ReplayedError {}

/// What a missing recording unwinds with. Its message is in the case.
struct MissingRecording;

/// What spans say that were running then.
pub(super) const MISSING: &str = "stopped by a missing recording";

/// A module, a name and types; which function has them.
type Known = BTreeMap<(&'static str, &'static str, Vec<String>), &'static Meta>;

/// The functions that were called as stages.
static KNOWN: Mutex<Known> = Mutex::new(BTreeMap::new());

/// Says if another function has the name of this one, so that both would have the same recordings.
fn clash(meta: &'static Meta, types: &[String]) -> Option<String> {
    let mut known = lock(&KNOWN);
    let first = known
        .entry((meta.module, meta.name, types.to_vec()))
        .or_insert(meta);
    let places = [(first.file, first.line), (meta.file, meta.line)];
    let [(file, line), (other_file, other_line)] = places;
    (places[0] != places[1]).then(|| {
        format!(
            "two stages of the module `{}` are named `{}`, and would replay each other's results: {file}:{line} and \
             {other_file}:{other_line}\n\
             hint: give one of them a name of its own: `#[observe(replay, name = \"…\")]`",
            meta.module, meta.name
        )
    })
}

/// What an open span knows of its stage.
pub(super) struct Stage {
    request: StageRequest,
    record: bool,
    /// Why its recordings would be mixed up with those of another function.
    clash: Option<String>,
    /// The open span, if the case has not ended.
    pub(super) span: Option<usize>,
}

impl Pending {
    /// Records an argument of a stage.
    pub fn exact(&mut self, name: &'static str, value: Value, redact: bool) {
        let shown = if redact {
            texts(&value, &mut self.redacted);
            redacted()
        } else {
            value.clone()
        };
        self.argument(name, shown);
        self.exact.insert(name.to_string(), value);
    }

    /// Records what else the result depends on.
    pub fn key(&mut self, value: Value) {
        self.key = value;
    }

    /// Records what a type parameter or `Self` stands for.
    pub fn ty<T: ?Sized>(&mut self) {
        self.types.push(type_name::<T>().to_string());
    }

    /// Records what a constant parameter stands for.
    pub fn constant(&mut self, value: &dyn fmt::Debug) {
        self.types.push(format!("{value:?}"));
    }

    /// Opens the span of a stage.
    pub fn open_stage(mut self) -> Open {
        let case = &self.place.case;
        let exact = Value::Object(std::mem::take(&mut self.exact));
        let types = std::mem::take(&mut self.types);
        let mut identity = vec![self.meta.module.into(), exact];
        if !types.is_empty() {
            identity.push(json!(types));
        }
        let digest = self::digest(&Value::Array(identity));
        let stage = case.stage_source().map(|stages| {
            let key = stages.depends_on(std::mem::take(&mut self.key));
            let call = case.count_stage(self.meta.name, digest, self::digest(&key));
            let request = StageRequest {
                name: self.meta.name.to_string(),
                arguments: Value::Object(self.input.clone()),
                digest,
                types,
                body_hash: self.meta.body_hash,
                redacted: std::mem::take(&mut self.redacted),
                source: self.meta.source,
                key,
                trial: case.trial(),
                call,
                file: self.meta.file,
                line: self.meta.line,
            };
            Box::new(Stage {
                clash: clash(self.meta, &request.types),
                request,
                record: false,
                span: None,
            })
        });
        self.open_with(stage)
    }
}

impl Stage {
    pub(super) fn store_output(&self, case: &CaseContext, value: &Value) {
        if self.record {
            self.store(case, &json!({ "ok": value }));
        }
    }

    pub(super) fn store_error(&self, case: &CaseContext, error: Value, message: &str) {
        if self.record {
            self.store(case, &json!({ "error": error, "message": message }));
        }
    }

    /// Whether what the call gives is to be kept.
    pub(super) fn records(&self) -> bool {
        self.record
    }

    /// Keeps `{"ok": [items], "errors": [{"at", "error", "message"}], "dropped": true}` of a stream.
    pub(super) fn store_stream(&self, case: &CaseContext, outcome: &Value) {
        if self.record {
            self.store(case, outcome);
        }
    }

    /// For messages: which stage, and where it is.
    pub(super) fn place(&self) -> String {
        let StageRequest {
            name, file, line, ..
        } = &self.request;
        format!(" of stage `{name}` ({file}:{line})")
    }

    fn store(&self, case: &CaseContext, outcome: &Value) {
        let mut outcome = Cow::Borrowed(outcome);
        if let Some(said) = self.span.and_then(|span| case.said(span)) {
            outcome.to_mut()["said"] = said;
        }
        if let Some(stages) = case.stage_source()
            && let Err(error) = stages.store(&self.request, &outcome)
        {
            case.note_failure(error, MISSING);
        }
    }
}

/// Asks for a recording of the call. If there is one, the span goes with it; if there must be one and is not, this
/// unwinds.
#[inline]
pub fn look_up(span: &mut Option<Open>) -> Option<Found> {
    span.as_ref()?.stage.as_ref()?;
    answer(span)
}

#[cold]
fn answer(span: &mut Option<Open>) -> Option<Found> {
    let mut open = span.take()?;
    open.place.case.mark_stage();
    let answer = match (open.place.case.stage_source(), &open.stage) {
        (Some(stages), Some(stage)) => stages.look_up(&stage.request),
        _ => StageAnswer::Run,
    };
    let clash = open.stage.as_mut().and_then(|stage| stage.clash.take());
    if let (Some(clash), false) = (clash, matches!(answer, StageAnswer::Run)) {
        miss(open, clash);
    }
    match answer {
        StageAnswer::Recorded(mut outcome) => {
            if let (Some(span), Some(said)) = (open.place.span, outcome.get_mut("said")) {
                open.place.case.say_again(span, said.take());
            }
            return Some(Found { open, outcome });
        }
        StageAnswer::Miss(message) => miss(open, message),
        StageAnswer::Run => {}
        StageAnswer::RunAndRecord => {
            if let Some(stage) = &mut open.stage {
                stage.record = true;
            }
        }
    }
    *span = Some(open);
    None
}

pub(super) fn miss(mut open: Open, message: String) -> ! {
    open.close(Value::Null, Some("no recording".to_string()));
    open.place.case.note_failure(message, MISSING);
    resume_unwind(Box::new(MissingRecording))
}

/// A recorded result.
pub struct Found {
    open: Open,
    outcome: Value,
}

impl Found {
    /// The result of a function that does not fail.
    pub fn value<T: StageOutput>(mut self) -> T {
        match T::rebuild(self.outcome["ok"].take()) {
            Ok(value) => {
                self.close_with(None, value.record());
                value
            }
            Err(why) => self.unreadable(&why),
        }
    }

    /// The result of a function that returns a `Result`.
    pub fn result<T: StageOutput, E>(
        mut self,
        rebuild: impl FnOnce(Value, &str) -> Option<Result<E, String>>,
    ) -> Result<T, E> {
        if self.outcome.get("ok").is_some() {
            return Ok(self.value());
        }
        let message = self.outcome["message"]
            .as_str()
            .unwrap_or_default()
            .to_string();
        match rebuild(self.outcome["error"].take(), &message) {
            Some(Ok(error)) => {
                self.close_with(Some(message), Value::Null);
                Err(error)
            }
            Some(Err(why)) => self.unreadable(&why),
            None => self.unreadable("its error type can no longer be rebuilt"),
        }
    }

    /// For a stream: its items come later, so the span stays open.
    pub(super) fn begin_stream(self) -> (Open, Value) {
        if let Some(span) = self.open.place.span {
            self.open.place.case.mark_replayed(span);
        }
        (self.open, self.outcome)
    }

    pub(super) fn is_ok(&self) -> bool {
        self.outcome.get("ok").is_some()
    }

    fn close_with(&mut self, error: Option<String>, output: Value) {
        if let Some(span) = self.open.place.span {
            self.open.place.case.mark_replayed(span);
        }
        self.open.close(output, error);
    }

    fn unreadable(self, why: &str) -> ! {
        let place = self
            .open
            .stage
            .as_ref()
            .map_or_else(String::new, |stage| stage.place());
        miss(
            self.open,
            format!(
                "the recording{place} does not fit what the function returns: {why}\n\
                 hint: record it anew with `LLMTEST_MODE=record cargo test`"
            ),
        )
    }
}

/// What a stage takes and what its `key` is.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be part of what a recording is found by",
    label = "not `Serialize`",
    note = "derive `serde::Serialize` for it, or leave it out with `skip(…)` and say what the result depends on with `key = …`"
)]
pub trait StageValue {
    /// The value as it is.
    fn exact(&self) -> Value;
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + ?Sized> StageValue for T {
    fn exact(&self) -> Value {
        to_json(self)
    }
}

/// What a stage returns.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be recorded and replayed",
    label = "not `Serialize` and `Deserialize`, or borrowed",
    note = "derive `serde::Serialize` and `serde::Deserialize` for it, or remove `replay`"
)]
pub trait StageOutput: Sized {
    /// The value as it is.
    fn record(&self) -> Value;
    /// The value again.
    fn rebuild(recorded: Value) -> Result<Self, String>;
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> StageOutput for T {
    fn record(&self) -> Value {
        to_json(self)
    }

    fn rebuild(recorded: Value) -> Result<Self, String> {
        serde_json::from_value(recorded).map_err(|error| error.to_string())
    }
}

/// An argument or key of a stage.
pub fn exact<T: StageValue + ?Sized>(value: &T) -> Value {
    value.exact()
}

/// Names the parts of a `Result` behind an alias.
pub trait ResultParts {
    /// Of `Ok`.
    type Ok;
    /// Of `Err`.
    type Err;
}

impl<T, E> ResultParts for Result<T, E> {
    type Ok = T;
    type Err = E;
}

/// An error type, by the best way there is to record and rebuild it. Found by autoref, as captured values are.
pub struct ErrorOf<E>(PhantomData<fn() -> E>);

impl<E> ErrorOf<E> {
    /// The only one.
    pub const NEW: Self = Self(PhantomData);
}

/// Errors that are data.
pub trait ErrorViaSerde {
    /// The error type.
    type Error;
    /// What to keep.
    fn __llmtest_record(&self, error: &Self::Error) -> Option<Value>;
    /// The error again.
    fn __llmtest_rebuild(
        &self,
        recorded: Value,
        message: &str,
    ) -> Option<Result<Self::Error, String>>;
}

impl<E: Serialize + DeserializeOwned> ErrorViaSerde for &&ErrorOf<E> {
    type Error = E;

    fn __llmtest_record(&self, error: &E) -> Option<Value> {
        Some(to_json(error))
    }

    fn __llmtest_rebuild(&self, recorded: Value, _: &str) -> Option<Result<E, String>> {
        Some(serde_json::from_value(recorded).map_err(|error| error.to_string()))
    }
}

/// Errors that can be made from a message.
pub trait ErrorViaFrom {
    /// The error type.
    type Error;
    /// What to keep.
    fn __llmtest_record(&self, error: &Self::Error) -> Option<Value>;
    /// The error again.
    fn __llmtest_rebuild(
        &self,
        recorded: Value,
        message: &str,
    ) -> Option<Result<Self::Error, String>>;
}

impl<E: From<ReplayedError>> ErrorViaFrom for &ErrorOf<E> {
    type Error = E;

    fn __llmtest_record(&self, _: &E) -> Option<Value> {
        Some(Value::Null)
    }

    fn __llmtest_rebuild(&self, _: Value, message: &str) -> Option<Result<E, String>> {
        Some(Ok(ReplayedError {
            message: message.to_string(),
        }
        .into()))
    }
}

/// Errors that cannot be rebuilt, and are therefore not kept.
pub trait ErrorViaNothing {
    /// The error type.
    type Error;
    /// Nothing.
    fn __llmtest_record(&self, error: &Self::Error) -> Option<Value>;
    /// Nothing.
    fn __llmtest_rebuild(
        &self,
        recorded: Value,
        message: &str,
    ) -> Option<Result<Self::Error, String>>;
}

impl<E> ErrorViaNothing for ErrorOf<E> {
    type Error = E;

    fn __llmtest_record(&self, _: &E) -> Option<Value> {
        None
    }

    fn __llmtest_rebuild(&self, _: Value, _: &str) -> Option<Result<E, String>> {
        None
    }
}

/// The texts and numbers in a value.
pub(crate) fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            for value in object.values() {
                texts(value, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::String(text) => found.push(text.clone()),
        Value::Number(number) => found.push(number.to_string()),
        Value::Null | Value::Bool(_) => {}
    }
}

/// FNV-1a over the JSON with sorted keys, so that it does not depend on how an object is held.
pub(super) fn digest(value: &Value) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325;
    add_value(&mut hash, value);
    hash
}

fn add_value(hash: &mut u64, value: &Value) {
    match value {
        Value::Object(object) => add_object(hash, object),
        Value::Array(items) => {
            add(hash, b"[");
            for item in items {
                add_value(hash, item);
            }
            add(hash, b"]");
        }
        Value::String(text) => {
            add(hash, b"\"");
            add(hash, text.len().to_string().as_bytes());
            add(hash, text.as_bytes());
        }
        scalar => add(hash, scalar.to_string().as_bytes()),
    }
}

fn add_object(hash: &mut u64, object: &Map<String, Value>) {
    let mut entries: Vec<_> = object.iter().collect();
    entries.sort_by_key(|(name, _)| *name);
    add(hash, b"{");
    for (name, value) in entries {
        add(hash, name.as_bytes());
        add(hash, b":");
        add_value(hash, value);
    }
    add(hash, b"}");
}

fn add(hash: &mut u64, bytes: &[u8]) {
    // The zero byte separates: `[1, 2]` is not `[12]`.
    for byte in bytes.iter().chain(&[0]) {
        *hash = (*hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
}
