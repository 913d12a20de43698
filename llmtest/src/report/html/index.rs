//! What the overview and the table are made of: a line a case, and the numbers of every metric.

use crate::results::{MeasurementRecord, Outcome, TestRecord};
use crate::runs::{CaseSummary, MeasurementKey, Snapshot, digest};
use crate::stats::{Interval, Moments, t_interval};
use llmtest_metrics::Bar;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};

/// How many bars the distribution of a metric's scores has.
const BINS: usize = 20;
/// How many characters of a case's input the table shows and searches.
const SNIPPET: usize = 140;

/// The cases of a baseline, by `binary::test::row`.
pub(super) struct Before<'a> {
    cases: HashMap<String, (&'a CaseSummary, bool)>,
}

impl<'a> Before<'a> {
    pub(super) fn new(baseline: &'a Snapshot) -> Self {
        let cases = baseline.cases.iter();
        Self {
            cases: cases
                .map(|case| {
                    (
                        format!("{}::{}", case.key.binary, case.name()),
                        (case, false),
                    )
                })
                .collect(),
        }
    }

    fn find(&mut self, name: &str) -> Option<&'a CaseSummary> {
        let (case, seen) = self.cases.get_mut(name)?;
        *seen = true;
        Some(case)
    }

    /// Those that the run does not have.
    pub(super) fn removed(&self) -> Vec<&str> {
        let gone = self.cases.iter().filter(|(_, (_, seen))| !seen);
        let mut names: Vec<&str> = gone.map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names
    }
}

/// The numbers of one metric.
#[derive(Serialize)]
pub(super) struct Metric {
    title: String,
    bar: Option<f64>,
    at_most: bool,
    cases: usize,
    missed: usize,
    errored: usize,
    mean: Option<f64>,
    interval: Option<Interval>,
    histogram: [usize; BINS],
    difference: Option<Difference>,
    rebased: bool,
    #[serde(skip)]
    moments: Moments,
    #[serde(skip)]
    differences: Vec<f64>,
}

/// The mean difference to the baseline over the cases that both have.
#[derive(Serialize)]
struct Difference {
    value: f64,
    interval: Option<Interval>,
}

/// One metric of one case, over its trials.
#[derive(Default)]
struct Score {
    sum: f64,
    n: usize,
    outcome: Option<Outcome>,
}

impl Score {
    fn add(&mut self, score: Option<f64>, outcome: Outcome) {
        if let Some(score) = score {
            self.sum += score;
            self.n += 1;
        }
        self.outcome = self.outcome.max(Some(outcome));
    }

    fn mean(&self) -> Option<f64> {
        (self.n > 0).then(|| self.sum / self.n as f64)
    }
}

/// What grows with every case.
#[derive(Default)]
pub(super) struct Index {
    pub(super) tests: Vec<Value>,
    known: HashMap<(String, String), usize>,
    pub(super) metrics: Vec<Metric>,
    titles: HashMap<String, usize>,
    pub(super) rows: Vec<Value>,
}

impl Index {
    /// Adds a case that is kept at this line of this chunk, and returns what the baseline says of it.
    pub(super) fn add(
        &mut self,
        case: &TestRecord,
        (chunk, line): (usize, usize),
        before: Option<&mut Before<'_>>,
    ) -> Value {
        let name = format!("{}::{}", case.binary, case.name());
        let then = before.and_then(|before| before.find(&name));
        let old = then.map(old_scores).unwrap_or_default();
        let mut scores: BTreeMap<usize, Score> = BTreeMap::new();
        let judged = case.trials.iter().flat_map(|trial| &trial.measurements);
        for measurement in judged.filter(|measurement| !measurement.part) {
            let metric = self.metric(measurement);
            let entry = scores.entry(metric).or_default();
            entry.add(measurement.score, measurement.outcome);
            let basis = old.get(&measurement.title()).map(|(_, basis)| *basis);
            let other = basis.flatten().is_some_and(|basis| {
                basis.judge != measurement.judge || basis.prompts != measurement.prompts
            });
            self.metrics[metric].rebased |= other;
        }
        for (metric, score) in &scores {
            let metric = &mut self.metrics[*metric];
            metric.cases += 1;
            metric.missed += usize::from(score.outcome == Some(Outcome::Failed));
            metric.errored += usize::from(score.outcome == Some(Outcome::Errored));
            if let Some(mean) = score.mean() {
                metric.moments.add(mean);
                metric.histogram[bin(mean)] += 1;
                let earlier = old.get(&metric.title).and_then(|(score, _)| score.mean());
                metric
                    .differences
                    .extend(earlier.map(|earlier| mean - earlier));
            }
        }
        let shown: Vec<Value> = scores
            .iter()
            .map(|(metric, score)| json!([metric, score.mean()]))
            .collect();
        let passed = case.trials.iter().filter(|t| t.outcome == Outcome::Passed);
        let changed = then.is_some_and(|then| is_changed(case, then));
        let test = self.test(case);
        self.rows.push(json!([
            test,
            case.row,
            place(case.outcome),
            case.duration,
            case.trials.len(),
            passed.count(),
            chunk,
            line,
            shown,
            snippet(case),
            then.map(|then| place(then.outcome)),
            u8::from(changed),
        ]));
        match then {
            None => Value::Null,
            Some(then) => {
                let scores: BTreeMap<&String, Value> = old
                    .iter()
                    .map(|(title, (score, _))| {
                        (
                            title,
                            json!([score.mean(), score.outcome.map(Outcome::as_str)]),
                        )
                    })
                    .collect();
                json!({"outcome": then.outcome.as_str(), "scores": scores})
            }
        }
    }

    /// Works the means out.
    pub(super) fn finish(&mut self) {
        for metric in &mut self.metrics {
            metric.mean = metric.moments.mean();
            metric.interval = metric.moments.interval();
            let n = metric.differences.len();
            metric.difference = (n > 0).then(|| Difference {
                value: metric.differences.iter().sum::<f64>() / n as f64,
                interval: t_interval(&metric.differences),
            });
        }
        self.metrics.sort_by(|a, b| a.title.cmp(&b.title));
        // The rows name metrics by their first places.
        let mut now: Vec<usize> = vec![0; self.metrics.len()];
        for (at, metric) in self.metrics.iter().enumerate() {
            now[self.titles[&metric.title]] = at;
        }
        for row in &mut self.rows {
            let scores = row[8].as_array_mut().into_iter().flatten();
            for score in scores {
                let first = score[0].as_u64().and_then(|at| usize::try_from(at).ok());
                score[0] = json!(first.map(|at| now[at]));
            }
        }
    }

    fn test(&mut self, case: &TestRecord) -> usize {
        let key = (case.binary.clone(), case.test.clone());
        *self.known.entry(key).or_insert_with(|| {
            self.tests
                .push(json!({"binary": case.binary, "test": case.test, "tags": case.tags}));
            self.tests.len() - 1
        })
    }

    fn metric(&mut self, measurement: &MeasurementRecord) -> usize {
        let title = measurement.title();
        let (bar, at_most) = (
            measurement.bar.bound(),
            matches!(measurement.bar, Bar::AtMost(_)),
        );
        if let Some(at) = self.titles.get(&title) {
            let known = &mut self.metrics[*at];
            // Of several bars none is the metric's.
            let same = known
                .bar
                .is_some_and(|known| known.to_bits() == bar.to_bits());
            if !same || known.at_most != at_most {
                known.bar = None;
            }
            return *at;
        }
        self.titles.insert(title.clone(), self.metrics.len());
        self.metrics.push(Metric {
            title,
            bar: Some(bar),
            at_most,
            cases: 0,
            missed: 0,
            errored: 0,
            mean: None,
            interval: None,
            histogram: [0; BINS],
            difference: None,
            rebased: false,
            moments: Moments::default(),
            differences: Vec::new(),
        });
        self.metrics.len() - 1
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a score lies in 0 to 1"
)]
fn bin(score: f64) -> usize {
    ((score.clamp(0.0, 1.0) * BINS as f64) as usize).min(BINS - 1)
}

/// The order of outcomes in the script.
fn place(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Passed => 0,
        Outcome::Skipped => 1,
        Outcome::Failed => 2,
        Outcome::Errored => 3,
    }
}

type Old<'a> = (Score, Option<&'a crate::runs::Basis>);

/// The scores of a case of the baseline, by the title of the metric.
fn old_scores(case: &CaseSummary) -> BTreeMap<String, Old<'_>> {
    let mut scores: BTreeMap<String, Old<'_>> = BTreeMap::new();
    for measurement in case.trials.iter().flat_map(|trial| &trial.measurements) {
        let title = MeasurementKey::title(&measurement.key);
        let (score, basis) = scores.entry(title).or_default();
        score.add(measurement.score, measurement.outcome);
        *basis = Some(&*measurement.basis);
    }
    scores
}

/// Whether anything differs by hash. Reports without hashes say nothing, and count as changed.
fn is_changed(case: &TestRecord, then: &CaseSummary) -> bool {
    let own = case.trials.iter().map(|trial| {
        let judged = trial.measurements.iter().filter(|judged| !judged.part);
        let judged: Vec<_> = judged.map(|judged| digest(&judged.digest)).collect();
        (digest(&trial.digest), judged)
    });
    let old = then.trials.iter().map(|trial| {
        let judged: Vec<_> = trial.measurements.iter().map(|m| m.digest).collect();
        (trial.digest, judged)
    });
    case.trials.iter().any(|trial| trial.digest.is_empty()) || !own.eq(old)
}

/// How the input of a case begins.
fn snippet(case: &TestRecord) -> String {
    let cases = case.trials.iter().flat_map(|trial| &trial.cases);
    let mut inputs = cases.filter_map(|case| case.get("input")?.as_str());
    let input = inputs.find(|input| !input.is_empty()).unwrap_or_default();
    // What no table shows is not read to its end.
    let begin: String = input.chars().take(4 * SNIPPET).collect();
    let words: Vec<&str> = begin.split_whitespace().collect();
    words.join(" ").chars().take(SNIPPET).collect()
}
