//! Measures the expectations of one check, all at once.

use super::patience::Patience;
use super::plan::{Planned, decide, plan};
use super::run::Run;
use crate::cost::{self, Spending};
use crate::observe::CaseContext;
use crate::results::{MeasurementRecord, Outcome, TranscriptEntry};
use crate::{observe, runtime};
use llmtest_metrics::probability::Decisions;
use llmtest_metrics::{
    ArenaGEval, AskLog, Asker, Check, Comparison, Component, Contestant, EvalCx, Expectation,
    JudgeChoice, JudgeError, JudgeErrorKind, Metric, NotApplicable, Over, Passage, Score, Span,
    SpanKind, TestCase, ToolCall, Trace,
};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Measures a metric of one case outside of a test, with the configured judge and recordings.
///
/// ```
/// use llmtest::prelude::*;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> llmtest::Result<()> {
/// let score = llmtest::measure(&TestCase::new("2 + 2", "It is 4."), &Contains::new("4")).await?;
/// assert_eq!(score.value, 1.0);
/// # Ok(()) }
/// ```
pub async fn measure(case: &TestCase, metric: &impl Metric) -> crate::Result<Score> {
    measure_logged(case, metric).await.0
}

/// As [`measure`], with what was asked; for our own commands.
#[doc(hidden)]
pub async fn measure_logged(
    case: &TestCase,
    metric: &impl Metric,
) -> (crate::Result<Score>, AskLog) {
    let run = super::run();
    let asker = asker(run, metric.adjustments().judge.as_ref(), trial());
    let score = metric
        .measure(&EvalCx::new(case, &Trace::default(), None, &asker))
        .await
        .map(|score| asker.with_confidence(score));
    let log = outside(run, asker);
    run.settle_recordings();
    (score.and_then(Score::checked), log)
}

/// Compares contestants with the configured judge and recordings, inside of a test or outside.
///
/// ```no_run
/// use llmtest::prelude::*;
/// use llmtest::Contestant;
///
/// #[llm_test]
/// async fn the_new_prompt_wins() -> llmtest::Result<Check> {
///     let answers = [("new", "Within 30 days, by post."), ("old", "See our terms.")];
///     let contestants = answers.map(|(name, answer)| Contestant::new(name, TestCase::new("Refund?", answer)));
///
///     let clearer = ArenaGEval::new("clearer", "The answer is easier to follow.");
///     let comparison = llmtest::compare(&clearer, &contestants).await?;
///     let winner = comparison.winner().unwrap_or("nobody").to_string();
///     Ok(TestCase::new("Which prompt is clearer?", winner).expect(Contains::new("new")))
/// }
/// # fn main() {}
/// ```
pub async fn compare(arena: &ArenaGEval, contestants: &[Contestant]) -> crate::Result<Comparison> {
    let run = super::run();
    let asker = asker(run, arena.adjustments().judge.as_ref(), trial());
    let (case, trace) = (TestCase::default(), Trace::default());
    let comparison = arena
        .compare(&EvalCx::new(&case, &trace, None, &asker), contestants)
        .await;
    outside(run, asker);
    run.settle_recordings();
    comparison
}

/// As [`measure`], with a trace and a type-erased metric; for our own commands.
#[doc(hidden)]
pub async fn measure_traced(
    case: &TestCase,
    trace: &Trace,
    expectation: &Expectation,
) -> crate::Result<Score> {
    let run = super::run();
    let asker = asker(run, expectation.adjustments().judge.as_ref(), trial());
    let score = expectation
        .measure(&EvalCx::new(case, trace, None, &asker))
        .await;
    outside(run, asker);
    run.settle_recordings();
    score
}

/// Counts what was asked outside of a measurement.
fn outside(run: &Run, asker: Asker) -> AskLog {
    let log = asker.into_log();
    run.till.outside(cost::of_log(&log, &run.till.prices));
    log
}

/// The trial of the test that is running, if one is.
fn trial() -> u32 {
    observe::current_case().map_or(0, |case| case.trial())
}

/// Asks the judge of an expectation; metrics made of metrics find other judges by name.
fn asker(run: &'static Run, judge: Option<&JudgeChoice>, trial: u32) -> Asker {
    let decisions = run
        .config
        .as_ref()
        .map_or(Decisions::Text, |config| config.decisions);
    Asker::new(run.judge(judge), run.memo.clone(), trial)
        .deciding(decisions)
        .finding_judges(|name| run.judge(Some(&JudgeChoice::Named(name.to_string()))))
        .wrapping_judges(|judge| match &run.judges {
            Some(judges) => judges.brought(judge),
            None => judge.clone(),
        })
        .embedding(run.embedder())
}

/// Which trial is measured, and which account pays for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trial {
    pub(super) number: u32,
    pub(super) account: Option<usize>,
}

/// Measures what the checks expect of their cases, and nothing in components.
pub(super) async fn measure_end(
    run: &'static Run,
    checks: Vec<Check>,
    trace: Arc<Trace>,
    trial: Trial,
    limit: Duration,
) -> Vec<MeasurementRecord> {
    let end = checks.into_iter().map(|check| {
        let (case, mut expectations) = check.into_parts();
        expectations.retain(|expectation| expectation.spans().is_none());
        (case, expectations)
    });
    measure_parts(run, end.collect(), trace, trial, limit)
        .await
        .1
}

/// Measures everything that the checks expect. The records come in the order of the source, whatever ends first.
pub(super) async fn measure_all(
    run: &'static Run,
    checks: Vec<Check>,
    trace: Arc<Trace>,
    trial: Trial,
    limit: Duration,
) -> (Vec<Value>, Vec<MeasurementRecord>) {
    let parts = checks.into_iter().map(Check::into_parts).collect();
    measure_parts(run, parts, trace, trial, limit).await
}

async fn measure_parts(
    run: &'static Run,
    checks: Vec<(TestCase, Vec<Expectation>)>,
    trace: Arc<Trace>,
    trial: Trial,
    limit: Duration,
) -> (Vec<Value>, Vec<MeasurementRecord>) {
    let mut cases = Vec::with_capacity(checks.len());
    let mut tasks = Vec::new();
    for (index, (case, expectations)) in checks.into_iter().enumerate() {
        let case = Arc::new(with_trace(case, &trace));
        cases.push(serde_json::to_value(&*case).unwrap_or_default());
        for expectation in expectations {
            let plan = plan(&expectation, &case, &trace);
            let start = |planned: Planned| {
                let trace = trace.clone();
                let shown = planned.about();
                // A case of its own: what a metric calls is not the application's, and its panic is recorded.
                let context = CaseContext::new(trial.number, None);
                context.charge(trial.account);
                let work = observe::scope(
                    context.clone(),
                    measure_one(run, planned, trace, trial.number),
                );
                (shown, context, runtime::bodies().spawn(work))
            };
            let started: Vec<_> = plan.planned.into_iter().map(start).collect();
            tasks.push((index, expectation, plan.over, started));
        }
    }
    let mut numbers = Numbers::default();
    let mut records = Vec::new();
    let mut patience = Patience::new(run, limit);
    for (case, expectation, over, started) in tasks {
        let mut ended = Vec::with_capacity(started.len() + 1);
        for (shown, context, task) in started {
            let record = patience.wait(task, &context).await.unwrap_or_else(|why| {
                shown.record(Err(why.into()), AskLog::default(), Duration::ZERO, 0)
            });
            ended.push(record);
        }
        if let Some((over, component)) = over {
            let whole = together(expectation, over, component, &mut ended);
            ended.insert(0, whole);
        }
        for mut record in ended {
            record.case = case;
            record.nth = numbers.next(&record);
            records.push(record);
        }
    }
    (cases, records)
}

/// The record that decides for several spans, whose own records become its parts.
fn together(
    expectation: Expectation,
    over: Over,
    component: String,
    parts: &mut [MeasurementRecord],
) -> MeasurementRecord {
    let (score, deciding) = match decide(over, expectation.bar(), parts) {
        Ok((score, deciding)) => (Ok(score), deciding),
        Err(error) => (Err(error), None),
    };
    let about = About {
        expectation,
        component: Some(component),
        span: deciding.and_then(|at| parts[at].span),
    };
    let mut whole = about.record(score, AskLog::default(), Duration::ZERO, 0);
    whole.over = Some(over);
    whole.judge = parts.iter().find_map(|part| part.judge.clone());
    for part in parts {
        part.part = true;
        part.component.clone_from(&whole.component);
    }
    whole
}

/// Tells records with equal keys apart. Parts are counted by themselves: how many there are changes no other key.
#[derive(Default)]
struct Numbers(HashMap<(bool, Option<String>, String, Option<String>), u32>);

impl Numbers {
    fn next(&mut self, record: &MeasurementRecord) -> u32 {
        let (component, label) = (record.component.clone(), record.label.clone());
        let key = (record.part, component, record.metric.clone(), label);
        let nth = self.0.entry(key).or_default();
        *nth += 1;
        *nth
    }
}

/// What a record says of its expectation, before it is measured.
#[derive(Clone)]
struct About {
    expectation: Expectation,
    component: Option<String>,
    span: Option<usize>,
}

impl Planned {
    fn about(&self) -> About {
        About {
            expectation: self.expectation.clone(),
            component: self.component.clone(),
            span: self.span,
        }
    }
}

impl About {
    fn record(
        &self,
        score: crate::Result<Score>,
        log: AskLog,
        duration: Duration,
        limit: usize,
    ) -> MeasurementRecord {
        let adjustments = self.expectation.adjustments();
        let bar = self.expectation.bar();
        let mut record = MeasurementRecord {
            metric: self.expectation.name().to_string(),
            label: adjustments.label,
            component: self.component.clone(),
            span: self.span,
            over: None,
            part: false,
            case: 0,
            nth: 1,
            outcome: Outcome::Errored,
            score: None,
            quantity: None,
            bar,
            report_only: adjustments.report_only,
            reason: None,
            exhibit: None,
            details: Map::new(),
            notes: log.notes,
            judge: None,
            judge_calls: log.calls,
            replayed_calls: log.replayed,
            cost: None,
            replayed_cost: None,
            spending: BTreeMap::new(),
            over_budget: false,
            usage: log.usage,
            prompts: log.prompts,
            transcript: log
                .exchanges
                .into_iter()
                .map(|exchange| TranscriptEntry::new(exchange, limit))
                .collect(),
            digest: String::new(),
            duration: duration.as_secs_f64(),
        };
        match score {
            Ok(score) => {
                record.outcome = if bar.is_met_by(score.value) {
                    Outcome::Passed
                } else {
                    Outcome::Failed
                };
                record.score = Some(score.value);
                record.reason = score.reason;
                record.quantity = score.quantity;
                record.exhibit = score.exhibit;
                record.details = score.details.into_iter().collect();
            }
            Err(error) => {
                record.reason = Some(error_chain(&*error));
                record.over_budget = is_over_budget(&*error);
                if let Some(skip) = error.downcast_ref::<NotApplicable>() {
                    record.outcome = Outcome::Skipped;
                    record.reason = Some(skip.reason().to_string());
                }
            }
        }
        record
    }
}

/// Whether a budget is what kept the metric from its judge.
fn is_over_budget(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source())
        .filter_map(|error| error.downcast_ref::<JudgeError>())
        .any(|error| error.kind == JudgeErrorKind::Budget)
}

/// The error and its causes, those left out that the text before them already tells.
pub(super) fn error_chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        let next = source.to_string();
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        cause = source.source();
    }
    text
}

async fn measure_one(
    run: &'static Run,
    planned: Planned,
    trace: Arc<Trace>,
    trial: u32,
) -> MeasurementRecord {
    let about = planned.about();
    let limit = run.config.as_ref().map_or(0, |config| config.limits.value);
    let target = match planned.target {
        Ok(target) => target,
        Err(error) => return about.record(Err(error), AskLog::default(), Duration::ZERO, limit),
    };
    let adjustments = planned.expectation.adjustments();
    let asker = asker(run, adjustments.judge.as_ref(), trial);
    let started = Instant::now();
    let span: Option<&Span> = target.span.and_then(|index| trace.spans.get(index));
    let cx = EvalCx::new(&target.case, &trace, span, &asker);
    let model = cx.judge_model().map(str::to_string);
    let score = planned.expectation.measure(&cx).await;
    let log = asker.into_log();
    let places = log.exchanges.iter().map(|exchange| {
        let recordings = run.recordings.as_ref()?;
        recordings.place_of(&exchange.judge, &exchange.prompt)
    });
    let places: Vec<_> = places.collect();
    let spending = cost::of_log(&log, &run.till.prices);
    let mut record = about.record(score, log, started.elapsed(), limit);
    for (entry, place) in record.transcript.iter_mut().zip(places) {
        entry.recorded = place;
    }
    if !spending.is_empty() {
        record.cost = spending.values().map(Spending::known_cost).sum();
        let replayed = spending.values().filter(|spending| spending.replayed > 0);
        let replayed: Vec<_> = replayed.map(Spending::known_replayed_cost).collect();
        record.replayed_cost = (!replayed.is_empty())
            .then(|| replayed.into_iter().sum())
            .flatten();
    }
    record.spending = spending;
    record.judge = model.filter(|_| record.judge_calls > 0);
    if let Some(span) = span {
        record.notes.extend(span.notes.iter().cloned());
    }
    record
}

/// What was retrieved feeds `retrieved`, and tool calls feed `tools`, unless the case sets them. Where a retriever or an
/// agent ran, an empty list says that there was nothing.
fn with_trace(mut case: TestCase, trace: &Trace) -> TestCase {
    let ran = |kind| trace.of_kind(kind).next().is_some();
    if case.retrieved.is_empty()
        && let Some(passages) = retrieved(trace.spans.iter())
    {
        case = case.retrieved(passages);
    }
    if case.tools.is_empty() && (ran(SpanKind::Tool) || ran(SpanKind::Agent)) {
        case = case.tools(trace.of_kind(SpanKind::Tool).map(tool_call));
    }
    case
}

/// What these spans retrieved: what they said that they did, else what retrievers gave. `None` where none of them does.
fn retrieved<'a>(spans: impl Iterator<Item = &'a Span>) -> Option<Vec<Passage>> {
    let mut found = None;
    for span in spans {
        if !span.retrieved.is_empty() {
            let found = found.get_or_insert_with(Vec::new);
            found.extend(span.retrieved.iter().cloned());
        } else if span.kind == SpanKind::Retriever {
            let found = found.get_or_insert_with(Vec::new);
            found.extend(passages(&span.output));
        }
    }
    found
}

/// The case of a component: its arguments, its result, what it retrieved and called itself, and what the golden expects.
pub(super) fn component_case(
    case: &TestCase,
    trace: &Trace,
    index: usize,
    span: &Span,
) -> TestCase {
    let own = || {
        let spans = trace.spans.iter().enumerate();
        spans
            .filter(|(at, _)| *at == index || is_below(trace, *at, index))
            .map(|(_, span)| span)
    };
    let tools = || own().filter(|span| span.kind == SpanKind::Tool);
    let expected = case.components.get(&span.name).cloned();
    let expected = expected_by_path(case, trace, index)
        .or(expected)
        .unwrap_or_default();
    let mut part = TestCase::new(span.input_text(), span.output_text());
    if let Some(passages) = retrieved(own()) {
        part = part.retrieved(passages);
    }
    if tools().next().is_some() || span.kind == SpanKind::Agent {
        part = part.tools(tools().map(tool_call));
    }
    part.context = expected.context;
    part.expected_tools = expected.expected_tools;
    part.expected = expected.expected;
    part.metadata = expected.metadata;
    part
}

/// What the golden expects of the span's path; the longest path that fits counts.
fn expected_by_path(case: &TestCase, trace: &Trace, index: usize) -> Option<Component> {
    let paths = case.components.iter();
    let fits = paths.filter(|(path, _)| path.contains('/') && trace.has_path(index, path));
    fits.max_by_key(|(path, _)| path.len())
        .map(|(_, expected)| expected.clone())
}

fn is_below(trace: &Trace, mut at: usize, ancestor: usize) -> bool {
    while let Some(parent) = trace.spans.get(at).and_then(|span| span.parent) {
        if parent == ancestor {
            return true;
        }
        at = parent;
    }
    false
}

/// The passages in a retriever's result: a list of them, or one.
fn passages(output: &Value) -> Vec<Passage> {
    match output {
        Value::Null => Vec::new(),
        Value::Array(items) => items.iter().map(Passage::from_json).collect(),
        other => vec![Passage::from_json(other)],
    }
}

fn tool_call(span: &Span) -> ToolCall {
    ToolCall::new(&span.name)
        .arguments(span.input.clone())
        .output(span.output.clone())
}

/// The finished spans as the vocabulary has them.
pub(super) fn trace(spans: Vec<observe::RawSpan>) -> Trace {
    let convert = |raw: observe::RawSpan| {
        let mut span = Span::new(raw.name, &*raw.kind);
        span.parent = raw.parent;
        span.input = Value::Object(raw.input);
        span.output = raw.output;
        span.start = raw.start.as_secs_f64();
        let end = raw.end.unwrap_or(raw.start);
        span.duration = end.saturating_sub(raw.start).as_secs_f64();
        span.error = raw.error;
        span.usage = raw.usage.map(
            |(prompt_tokens, completion_tokens)| llmtest_metrics::Usage {
                prompt_tokens,
                completion_tokens,
                ..llmtest_metrics::Usage::default()
            },
        );
        span.model = raw.model;
        span.cost = raw.cost;
        span.time_to_first = raw.first_item.map(|after| after.as_secs_f64());
        span.retrieved = raw.retrieved.iter().map(Passage::from_json).collect();
        span.metadata = raw.metadata;
        span.notes = raw.notes;
        span.replayed = raw.replayed;
        span.substituted = raw.substituted;
        span
    };
    Trace {
        spans: spans.into_iter().map(convert).collect(),
    }
}
