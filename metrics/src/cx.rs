//! What a metric sees, and how it asks its judge.

use crate::embed::{EmbedderSlot, no_embedder};
use crate::judge::{JudgeSlot, Message, no_judge};
use crate::probability::{Decisions, Tally};
use crate::{
    AnyEmbedder, AnyJudge, Expectation, Field, JudgeChoice, JudgeError, JudgeErrorKind, Metric,
    MissingField, Prompt, Reply, Result, Score, Span, TestCase, Trace, Usage, hash, json,
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// How often a reply that is not what was asked is asked again.
const RE_ASKS: usize = 2;

/// All that a metric may see. New fields never break a metric.
#[non_exhaustive]
pub struct EvalCx<'a> {
    /// The case, or the component's own case.
    pub case: &'a TestCase,
    /// Every observed call of the whole case.
    pub trace: &'a Trace,
    /// The component's span, where the expectation is about a component.
    pub span: Option<&'a Span>,
    asker: &'a Asker,
    decisions: Decisions,
    tally: &'a Tally,
}

/// A reply that was read as what was asked.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Answer<T> {
    /// The value.
    pub value: T,
    /// The reply that it was read from.
    pub reply: Reply,
}

impl<'a> EvalCx<'a> {
    /// A context; the runner makes one for every measurement.
    pub fn new(
        case: &'a TestCase,
        trace: &'a Trace,
        span: Option<&'a Span>,
        asker: &'a Asker,
    ) -> Self {
        Self {
            case,
            trace,
            span,
            asker,
            decisions: asker.decisions,
            tally: &asker.tally,
        }
    }

    /// How verdicts are obtained here.
    pub(crate) fn decisions(&self) -> Decisions {
        if self.as_given() {
            Decisions::Text
        } else {
            self.decisions
        }
    }

    pub(crate) fn tally(&self) -> &Tally {
        self.tally
    }

    /// The same measurement with verdicts that are obtained in another way.
    pub(crate) fn deciding<'b>(&'b self, decisions: Decisions, tally: &'b Tally) -> EvalCx<'b> {
        EvalCx {
            decisions,
            tally,
            ..*self
        }
    }

    /// The field as text, or the error that names the metric and says how to set the field. A list that the case states
    /// to be empty is an empty text.
    pub fn need(&self, metric: &impl Metric, field: Field) -> Result<String> {
        if field == Field::Images {
            let name = metric.name();
            return Err(format!("`{name}` shows no images\nhint: `GEval` does, with `.given([Field::Output, Field::Images])`").into());
        }
        if let Some(text) = self.case.field(field) {
            return Ok(text);
        }
        if self.case.states(field) {
            return Ok(String::new());
        }
        Err(MissingField {
            metric: metric.name().to_string(),
            field: field.name(),
        }
        .into())
    }

    /// Whether verdicts are scored as they are given, whatever their number: how DeepEval scores.
    pub(crate) fn as_given(&self) -> bool {
        self.asker.as_given
    }

    /// Asks the judge and reads the reply as `T`. A reply that is not what was asked is asked again, up to twice, with
    /// the reason; what remains is an error with the raw text.
    pub async fn ask<T: DeserializeOwned>(&self, prompt: Prompt) -> Result<Answer<T>> {
        self.ask_checked(prompt, |_| Ok(())).await
    }

    /// Asks the judge for prose: the reply as it is. Read a verdict from its end, where it is what the judge came to.
    pub async fn ask_text(&self, mut prompt: Prompt) -> Result<Reply> {
        self.asker.complete(&mut prompt).await
    }

    /// As [`ask`](Self::ask), with a check of the value; its error is what the judge is told when asked again.
    pub async fn ask_checked<T: DeserializeOwned>(
        &self,
        prompt: Prompt,
        check: impl Fn(&T) -> Result<(), String> + Send + Sync,
    ) -> Result<Answer<T>> {
        let read = |text: &str| {
            json::read(text)
                .and_then(|value| {
                    serde_json::from_value::<T>(value)
                        .map_err(|error| format!("the JSON is not what was asked: {error}"))
                })
                .and_then(|value| check(&value).map(|()| value))
        };
        self.ask_read(prompt, read).await
    }

    /// As [`ask_checked`](Self::ask_checked), with a reader of the whole reply.
    pub(crate) async fn ask_read<T>(
        &self,
        prompt: Prompt,
        read: impl Fn(&str) -> Result<T, String> + Send + Sync,
    ) -> Result<Answer<T>> {
        let mut prompt = prompt;
        for attempt in 0.. {
            let reply = self.asker.complete(&mut prompt).await?;
            let problem = match read(&reply.text) {
                Ok(value) => return Ok(Answer { value, reply }),
                Err(problem) => problem,
            };
            if attempt == RE_ASKS || self.as_given() {
                return Err(self.asker.bad_reply(&prompt, &problem, &reply).into());
            }
            self.asker.log().re_asks += 1;
            prompt.messages.push(Message::new("assistant", reply.text));
            prompt.messages.push(Message::new("user", format!("That reply cannot be used: {problem}. Reply again with only the JSON object that was asked for.")));
        }
        unreachable!("the loop ends by returning")
    }

    /// Makes something once for the whole run and shares it with every case, row and trial, such as the steps of a
    /// G-Eval. `key` must name everything that it depends on; the judge's model is added.
    pub async fn once<F>(&self, key: &str, make: F) -> Result<Value>
    where
        F: Future<Output = Result<Value>> + Send,
    {
        let model = self
            .asker
            .judge
            .as_ref()
            .map(AnyJudge::model)
            .unwrap_or_default();
        let mut hasher = hash::Hasher::new();
        hasher.part(model.as_bytes());
        hasher.part(key.as_bytes());
        let key = hasher.hex64();
        // Whichever trial asks first, it is recorded as one and the same request.
        let shared = &self.asker.shared;
        let mut make = Box::pin(make);
        let marked = poll_fn(move |task| {
            shared.store(true, Ordering::Relaxed);
            let polled = make.as_mut().poll(task);
            shared.store(false, Ordering::Relaxed);
            polled
        });
        self.asker.memo.get_or_make(&key, Box::pin(marked)).await
    }

    /// The judge's model, where there is a judge.
    pub fn judge_model(&self) -> Option<&str> {
        self.asker.judge.as_ref().ok().map(AnyJudge::model)
    }

    /// The configured embedder, or why there is none. What it embeds is recorded.
    pub fn embedder(&self) -> Result<&AnyEmbedder> {
        Ok(self.asker.embedder.as_ref().map_err(Clone::clone)?)
    }

    /// Adds a note to the record of this measurement, such as a fallback that was taken.
    pub fn note(&self, note: impl Into<String>) {
        self.asker.note(note.into());
    }

    /// Counts a re-ask that a metric makes itself, such as for items that were left out.
    pub(crate) fn re_asked(&self) {
        self.asker.log().re_asks += 1;
    }

    /// Who is asked for a part of a metric made of metrics, as if it were an expectation of its own: this judge, else that
    /// of the whole. Its calls are counted with those of the whole. Parts that ask the same may share an answer.
    pub(crate) fn asker_of_part(&self, judge: Option<&JudgeChoice>) -> Asker {
        self.asker.part(judge, None)
    }

    /// As [`asker_of_part`](Self::asker_of_part), for the `nth` of several parts that want answers of their own, also where
    /// they stand inside of such parts.
    pub(crate) fn asker_of_seat(&self, judge: Option<&JudgeChoice>, nth: u32) -> Asker {
        self.asker.part(judge, Some(nth))
    }

    /// As [`asker_of_part`](Self::asker_of_part), for one of several samples of the same question.
    pub(crate) fn asker_of_sample(
        &self,
        judge: Option<&JudgeChoice>,
        nth: u32,
        temperature: f64,
    ) -> Asker {
        Asker {
            temperature: Some(temperature),
            ..self.asker.part(judge, Some(nth))
        }
    }

    /// A context for the same measurement that asks through `asker`.
    pub(crate) fn asking<'b>(&'b self, asker: &'b Asker) -> EvalCx<'b> {
        EvalCx { asker, ..*self }
    }

    /// An asker for a part of this measurement, whose requests are recorded under this folder; for our own self-test.
    #[doc(hidden)]
    pub fn filed_under(&self, folder: &'static str) -> Asker {
        Asker {
            folder: Some(folder),
            ..self.asker.part(None, None)
        }
    }

    /// The model of a judge, of the whole measurement's where none is chosen; its name, where there is no such judge.
    pub(crate) fn model_of(&self, choice: Option<&JudgeChoice>) -> String {
        match (self.asker.part(choice, None).judge, choice) {
            (Ok(judge), _) => judge.model().to_string(),
            (Err(_), Some(JudgeChoice::Named(name))) => name.clone(),
            (Err(_), _) => "no judge".to_string(),
        }
    }

    /// A context for the same measurement with another case, for metrics made of metrics.
    pub fn with_case<'b>(&'b self, case: &'b TestCase) -> EvalCx<'b> {
        EvalCx { case, ..*self }
    }
}

/// A future without a name.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Keeps what is made once for a run. The runner shares one between all processes of a run.
pub trait Memo: Send + Sync {
    /// The value of `key`, made by `make` when there is none yet.
    fn get_or_make<'a>(
        &'a self,
        key: &'a str,
        make: BoxFuture<'a, Result<Value>>,
    ) -> BoxFuture<'a, Result<Value>>;
}

/// A memo in memory; concurrent first requests may both be made.
#[derive(Default)]
struct LocalMemo(Mutex<HashMap<String, Value>>);

impl Memo for LocalMemo {
    fn get_or_make<'a>(
        &'a self,
        key: &'a str,
        make: BoxFuture<'a, Result<Value>>,
    ) -> BoxFuture<'a, Result<Value>> {
        Box::pin(async move {
            if let Some(known) = self
                .0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get(key)
            {
                return Ok(known.clone());
            }
            let made = make.await?;
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(key.to_string(), made.clone());
            Ok(made)
        })
    }
}

/// Asks the judge for one measurement and keeps count.
pub struct Asker {
    judge: JudgeSlot,
    embedder: EmbedderSlot,
    memo: Arc<dyn Memo>,
    trial: u32,
    /// Whether what is being polled is made for the whole run.
    shared: AtomicBool,
    as_given: bool,
    decisions: Decisions,
    tally: Tally,
    judges: Option<FindJudge>,
    wrap: Option<WrapJudge>,
    samples: Mutex<HashMap<String, u32>>,
    first_sample: u32,
    /// How far apart the first samples of its parts are.
    stride: u32,
    /// How freely the judge chooses, where answers are samples.
    temperature: Option<f64>,
    /// What the purposes of the requests begin with.
    folder: Option<&'static str>,
    log: Arc<Mutex<AskLog>>,
}

/// Finds a registered judge by its name.
type FindJudge = Arc<dyn Fn(&str) -> JudgeSlot + Send + Sync>;

/// Puts something between a metric and a judge that was passed as a value.
type WrapJudge = Arc<dyn Fn(&AnyJudge) -> AnyJudge + Send + Sync>;

/// How many equal requests a part of a metric can make before its answers are those of the next part.
const SAMPLES_OF_A_PART: u32 = 1000;
/// How many such parts a part can have before the answers of one are those of its neighbour's.
const PARTS_OF_A_PART: u32 = 256;

/// What one measurement asked.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct AskLog {
    /// Calls of the judge, re-asks and replays among them.
    pub calls: u32,
    /// Calls that were answered out of a recording.
    pub replayed: u32,
    /// Replies that had to be asked again.
    pub re_asks: u32,
    /// Tokens of all calls.
    pub usage: Usage,
    /// What the report should say, each once.
    pub notes: Vec<String>,
    /// The version of every prompt used, by purpose.
    pub prompts: BTreeMap<String, String>,
    /// Every prompt with its reply, in order.
    pub exchanges: Vec<Exchange>,
}

/// One call of a judge.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Exchange {
    /// The judge's model, as [`AnyJudge::model`] gives it.
    pub judge: String,
    /// What was asked.
    pub prompt: Prompt,
    /// What it answered.
    pub reply: Reply,
}

impl Asker {
    /// Asks this judge; `trial` counts from zero.
    pub fn new(
        judge: std::result::Result<AnyJudge, JudgeError>,
        memo: Arc<dyn Memo>,
        trial: u32,
    ) -> Self {
        Self {
            judge,
            embedder: Err(no_embedder()),
            memo,
            trial,
            shared: AtomicBool::new(false),
            as_given: false,
            decisions: Decisions::Text,
            tally: Tally::default(),
            judges: None,
            wrap: None,
            samples: Mutex::default(),
            first_sample: 0,
            stride: SAMPLES_OF_A_PART,
            temperature: None,
            folder: None,
            log: Arc::default(),
        }
    }

    /// Sets how registered judges are found, for metrics that are made of metrics with judges of their own.
    #[doc(hidden)]
    pub fn finding_judges(
        mut self,
        find: impl Fn(&str) -> Result<AnyJudge, JudgeError> + Send + Sync + 'static,
    ) -> Self {
        self.judges = Some(Arc::new(find));
        self
    }

    /// Sets what stands before judges that are passed as values to parts of metrics.
    #[doc(hidden)]
    pub fn wrapping_judges(
        mut self,
        wrap: impl Fn(&AnyJudge) -> AnyJudge + Send + Sync + 'static,
    ) -> Self {
        self.wrap = Some(Arc::new(wrap));
        self
    }

    /// An asker for a part of this measurement: it counts in the same log, and numbers its samples itself, so that they
    /// do not depend on what the other parts ask meanwhile. `nth` is for parts that want answers of their own.
    fn part(&self, choice: Option<&JudgeChoice>, nth: Option<u32>) -> Self {
        let judge = match (choice, &self.judges) {
            (None, _) => self.judge.clone(),
            (Some(JudgeChoice::This(judge)), _) => Ok(match &self.wrap {
                Some(wrap) => wrap(judge),
                None => judge.clone(),
            }),
            (Some(JudgeChoice::Named(name)), Some(find)) => find(name),
            (Some(JudgeChoice::Named(name)), None) => Err(JudgeError::new(
                JudgeErrorKind::Config,
                format!(
                    "no judge is named `{name}` outside of a run\nhint: pass the judge itself, as in `.judged_by(judge)`"
                ),
            )),
        };
        Self {
            judge,
            embedder: self.embedder.clone(),
            memo: self.memo.clone(),
            trial: self.trial,
            shared: AtomicBool::new(false),
            as_given: self.as_given,
            decisions: self.decisions,
            tally: Tally::default(),
            judges: self.judges.clone(),
            wrap: self.wrap.clone(),
            samples: Mutex::default(),
            first_sample: self
                .first_sample
                .wrapping_add(nth.unwrap_or(0).wrapping_mul(self.stride)),
            stride: match nth {
                Some(_) => self.stride.wrapping_mul(PARTS_OF_A_PART),
                None => self.stride,
            },
            temperature: self.temperature,
            folder: self.folder,
            log: self.log.clone(),
        }
    }

    /// Obtains verdicts in this way where an expectation does not say how.
    pub fn deciding(mut self, decisions: Decisions) -> Self {
        self.decisions = decisions;
        self
    }

    /// Adds to the score what was decided by probabilities.
    #[doc(hidden)]
    pub fn with_confidence(&self, score: Score) -> Score {
        self.tally.onto(score)
    }

    /// Embeds with this embedder.
    pub fn embedding(mut self, embedder: std::result::Result<AnyEmbedder, JudgeError>) -> Self {
        self.embedder = embedder;
        self
    }

    /// Asks this judge, outside of a run.
    pub fn standalone(judge: Option<AnyJudge>) -> Self {
        Self::new(
            judge.ok_or_else(no_judge),
            Arc::new(LocalMemo::default()),
            0,
        )
    }

    /// Scores verdicts as they are given and asks nothing again, for comparisons with other implementations.
    #[doc(hidden)]
    pub fn scoring_as_given(mut self) -> Self {
        self.as_given = true;
        self
    }

    /// What was asked.
    pub fn into_log(self) -> AskLog {
        std::mem::take(&mut *self.log())
    }

    fn log(&self) -> std::sync::MutexGuard<'_, AskLog> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, note: String) {
        let mut log = self.log();
        if !log.notes.contains(&note) {
            log.notes.push(note);
        }
    }

    async fn complete(&self, prompt: &mut Prompt) -> Result<Reply> {
        let judge = self.judge.as_ref().map_err(Clone::clone)?;
        if let Some(folder) = self.folder
            && prompt.purpose.split('/').next() != Some(folder)
        {
            prompt.purpose = format!("{folder}/{}", prompt.purpose);
        }
        {
            let shared = self.shared.load(Ordering::Relaxed);
            // What is made once is no sample.
            prompt.temperature = self.temperature.filter(|_| !shared);
            let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
            let sample = samples
                .entry(prompt.request().to_string())
                .or_insert(self.first_sample);
            prompt.repeat.trial = if shared { 0 } else { self.trial };
            prompt.repeat.sample = *sample;
            *sample += 1;
            let mut log = self.log();
            log.calls += 1;
            log.prompts
                .insert(prompt.purpose.clone(), prompt.version.clone());
        }
        if prompt.disarmed > 0 {
            self.note("what is judged holds look-alikes of the fence, control tokens or hidden characters; the judge saw them as escapes".to_string());
        }
        let reply = judge.complete(prompt).await?;
        for note in &reply.notes {
            self.note(note.clone());
        }
        let mut log = self.log();
        log.replayed += u32::from(reply.replayed);
        log.usage += reply.usage.unwrap_or_default();
        log.exchanges.push(Exchange {
            judge: judge.model().to_string(),
            prompt: prompt.clone(),
            reply: reply.clone(),
        });
        Ok(reply)
    }

    fn bad_reply(&self, prompt: &Prompt, problem: &str, reply: &Reply) -> JudgeError {
        let model = self.judge.as_ref().map(AnyJudge::model).unwrap_or_default();
        let text = if reply.text.trim().is_empty() {
            "(nothing)"
        } else {
            reply.text.trim()
        };
        JudgeError::new(
            JudgeErrorKind::BadReply,
            format!(
                "the judge `{model}` did not answer `{}` as asked, also when asked again {RE_ASKS} times: {problem}\nit wrote: {text}\n\
                 hint: a stronger model, or a server that enforces JSON schemas, answers this; set `model` under `[judge]` in llmtest.toml",
                prompt.purpose
            ),
        )
    }
}

impl Expectation {
    /// Measures outside of a run: no recording, no configuration, only this judge.
    pub async fn measure_alone(&self, case: &TestCase, judge: Option<AnyJudge>) -> Result<Score> {
        let asker = Asker::standalone(judge);
        self.measure(&EvalCx::new(case, &Trace::default(), None, &asker))
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FakeJudge, GEval};

    #[tokio::test]
    async fn what_is_made_once_does_not_depend_on_the_trial_that_makes_it() {
        let judge = FakeJudge::new()
            .reply(r#"{"steps": ["look"]}"#)
            .reply(r#"{"reason": "fine", "score": 5}"#);
        let asker = Asker::new(Ok(judge.clone().into()), Arc::new(LocalMemo::default()), 3);
        let (case, trace) = (TestCase::new("q", "a"), Trace::default());
        let score = GEval::new("good", "It is good.")
            .measure(&EvalCx::new(&case, &trace, None, &asker))
            .await
            .unwrap();
        assert!((score.value - 0.5).abs() < 1e-12);
        let trials: Vec<u32> = judge
            .prompts()
            .iter()
            .map(|prompt| prompt.repeat.trial)
            .collect();
        assert_eq!(trials, [0, 3]);
    }
}
