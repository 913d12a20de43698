//! `JUnit` XML, as GitHub's actions, GitLab and Jenkins read it: a suite a test binary, a case a test or row.

use crate::Result;
use crate::results::stream::Cases;
use crate::results::{GroupRecord, MeasurementRecord, Outcome, RunReport, TestRecord, TrialRecord};
use crate::text::is_unsafe;
use quick_junit::{
    NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestRerun, TestSuite,
};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;
use std::time::Duration;

/// How much of one text stands in the document.
const SHOWN: usize = 4_000;
/// How many bytes of texts it holds in all: beyond, cases say only which scores missed their bars.
const TEXTS: usize = 32 << 20;

/// The document, as it grows.
pub(crate) struct Junit {
    suites: BTreeMap<String, TestSuite>,
    /// Seconds of each suite.
    seconds: BTreeMap<String, f64>,
    texts: usize,
}

impl Cases for Junit {
    fn add(&mut self, record: &TestRecord) {
        let mut case = TestCase::new(
            text(&record.row.clone().unwrap_or_else(|| record.test.clone())),
            self.status(record),
        );
        case.set_classname(text(&format!("{}::{}", record.binary, record.test)))
            .set_time(seconds(record.duration));
        case.extra.insert("file".into(), text(&record.file).into());
        case.extra
            .insert("line".into(), record.line.to_string().into());
        properties(&mut case, record);
        let wrong = !matches!(record.outcome, Outcome::Passed | Outcome::Skipped);
        let mixed = record.trials.iter().any(|t| t.outcome != record.outcome);
        if (wrong || mixed) && self.texts < TEXTS {
            let said: String = record
                .trials
                .iter()
                .enumerate()
                .map(|(at, trial)| trial_text(at, trial))
                .collect();
            self.texts += said.len();
            case.set_system_out(text(&said));
        }
        *self.seconds.entry(record.binary.clone()).or_default() += record.duration;
        self.suite(&record.binary).add_test_case(case);
    }
}

impl Junit {
    pub(crate) fn new() -> Self {
        Self {
            suites: BTreeMap::new(),
            seconds: BTreeMap::new(),
            texts: 0,
        }
    }

    fn suite(&mut self, binary: &str) -> &mut TestSuite {
        self.suites
            .entry(binary.to_string())
            .or_insert_with(|| TestSuite::new(text(binary)))
    }

    fn status(&mut self, record: &TestRecord) -> TestCaseStatus {
        let mut status = match record.outcome {
            Outcome::Passed => TestCaseStatus::success(),
            Outcome::Skipped => TestCaseStatus::skipped(),
            Outcome::Failed => TestCaseStatus::non_success(NonSuccessKind::Failure),
            Outcome::Errored => TestCaseStatus::non_success(NonSuccessKind::Error),
        };
        if matches!(record.outcome, Outcome::Passed | Outcome::Skipped) {
            // A case that passed as enough of its trials did is not flaky to a CI server: the trials were asked for.
            return status;
        }
        let decided: Vec<_> = record
            .trials
            .iter()
            .filter(|trial| trial.outcome == record.outcome)
            .collect();
        let Some(first) = decided.first() else {
            return status;
        };
        status
            .set_message(text(&headline(record, first)))
            .set_type(kind(first));
        if self.texts < TEXTS {
            let reasons = reasons(first);
            self.texts += reasons.len();
            status.set_description(text(&reasons));
        }
        // Further trials that did not pass either are reruns of the first.
        for trial in decided.iter().skip(1) {
            let nonsuccess = match trial.outcome {
                Outcome::Errored => NonSuccessKind::Error,
                _ => NonSuccessKind::Failure,
            };
            let mut rerun = TestRerun::new(nonsuccess);
            rerun
                .set_message(text(&missed(trial)))
                .set_type(kind(trial))
                .set_time(seconds(trial.duration));
            status.add_rerun(rerun);
        }
        status
    }

    /// Writes the document.
    pub(crate) fn write(mut self, report: &RunReport, out: impl io::Write) -> Result<()> {
        for group in &report.groups {
            let suite = self.suite(&group.binary);
            if group.outcome == Outcome::Passed {
                excuse_rows(suite, group);
            }
            suite.add_test_case(group_case(group));
        }
        let mut document = Report::new("llmtest");
        for (binary, mut suite) in self.suites {
            suite.set_time(seconds(
                self.seconds.get(&binary).copied().unwrap_or_default(),
            ));
            let run = &report.run;
            suite.add_property(Property::new("llmtest.run", text(&run.id)));
            suite.add_property(Property::new("llmtest.version", text(&run.llmtest)));
            if let Some(judge) = &run.judge {
                suite.add_property(Property::new("llmtest.judge", text(judge)));
            }
            if let Some(commit) = run.git.as_ref().and_then(|git| git.commit.as_ref()) {
                suite.add_property(Property::new("git.commit", text(commit)));
            }
            document.add_test_suite(suite);
        }
        Ok(document.serialize(out)?)
    }
}

fn properties(case: &mut TestCase, record: &TestRecord) {
    let mut means: BTreeMap<String, (f64, u32)> = BTreeMap::new();
    let whole = record.trials.iter().flat_map(|trial| &trial.measurements);
    for measurement in whole.filter(|m| !m.part) {
        if let Some(score) = measurement.score {
            let mean = means.entry(measurement.title()).or_default();
            *mean = (mean.0 + score, mean.1 + 1);
        }
    }
    for (title, (sum, count)) in means {
        let mean = format!("{:.4}", sum / f64::from(count));
        case.add_property(Property::new(text(&format!("score.{title}")), mean));
    }
    if record.trials.len() > 1 {
        let passed = record.trials.iter();
        let passed = passed.filter(|t| t.outcome == Outcome::Passed).count();
        case.add_property(Property::new("trials", record.trials.len().to_string()));
        case.add_property(Property::new("trials.passed", passed.to_string()));
        case.add_property(Property::new(
            "trials.needed",
            record.passes_needed.to_string(),
        ));
    }
    if record.attempt > 1 {
        case.add_property(Property::new("attempt", record.attempt.to_string()));
    }
    if !record.tags.is_empty() {
        case.add_property(Property::new("tags", text(&record.tags.join(","))));
    }
    if let Some(place) = &record.dataset {
        let line = place.line.map(|line| format!(":{line}"));
        let place = format!("{}{}", place.file, line.unwrap_or_default());
        case.add_property(Property::new("dataset", text(&place)));
    }
}

/// Of a dataset that passed as enough of its rows did, no row is a failure: the dataset is the test.
fn excuse_rows(suite: &mut TestSuite, group: &GroupRecord) {
    let class = text(&format!("{}::{}", group.binary, group.test));
    let rows = suite.test_cases.iter_mut();
    for row in rows.filter(|row| row.classname.as_deref() == Some(class.as_str())) {
        if let TestCaseStatus::NonSuccess {
            kind: NonSuccessKind::Failure,
            ..
        } = row.status
        {
            row.status = TestCaseStatus::success();
            row.add_property(Property::new("outcome", "failed"));
            suite.failures -= 1;
        }
    }
}

/// A dataset that is one test: its own case, beside those of its rows.
fn group_case(group: &GroupRecord) -> TestCase {
    let all: usize = group.rows.values().sum();
    let passed = group.rows.get("passed").copied().unwrap_or_default();
    let share = format!(
        "{passed} of {all} rows passed, at least {:.0}% must",
        100.0 * group.pass_rate
    );
    let mut status = match group.outcome {
        Outcome::Passed => TestCaseStatus::success(),
        Outcome::Skipped => TestCaseStatus::skipped(),
        Outcome::Failed => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Outcome::Errored => TestCaseStatus::non_success(NonSuccessKind::Error),
    };
    status
        .set_message(text(group.error.as_ref().unwrap_or(&share)))
        .set_type("dataset");
    let mut case = TestCase::new(text(&group.test), status);
    case.set_classname(text(&format!("{}::{}", group.binary, group.test)));
    case.extra.insert("file".into(), text(&group.file).into());
    case.extra
        .insert("line".into(), group.line.to_string().into());
    case.add_property(Property::new("rows", share));
    case
}

fn kind(trial: &TrialRecord) -> &'static str {
    match (trial.outcome, &trial.error) {
        (Outcome::Errored, Some(_)) => "body",
        (Outcome::Errored, None) => "measurement",
        _ => "score",
    }
}

/// What decided, on one line.
fn headline(record: &TestRecord, trial: &TrialRecord) -> String {
    match record.trials.len() {
        1 => missed(trial),
        all => {
            let passed = record.trials.iter();
            let passed = passed.filter(|t| t.outcome == Outcome::Passed).count();
            let needed = record.passes_needed;
            format!(
                "{passed} of {all} trials passed, {needed} needed: {}",
                missed(trial)
            )
        }
    }
}

/// The measurements that decide and did not pass.
pub(super) fn bad(trial: &TrialRecord) -> impl Iterator<Item = &MeasurementRecord> {
    trial.measurements.iter().filter(|m| {
        !m.part && !m.report_only && matches!(m.outcome, Outcome::Failed | Outcome::Errored)
    })
}

/// `faithfulness 0.40, at least 0.70`, or the error.
pub(super) fn missed(trial: &TrialRecord) -> String {
    if let Some(error) = &trial.error {
        return error.lines().next().unwrap_or_default().to_string();
    }
    let one = |m: &MeasurementRecord| match m.score {
        Some(score) => format!("{} {score:.2}, {} expected", m.title(), m.bar),
        None => format!("{} could not be measured", m.title()),
    };
    bad(trial).map(one).collect::<Vec<_>>().join("; ")
}

/// Every measurement that did not pass, with its reason.
fn reasons(trial: &TrialRecord) -> String {
    let mut out = String::new();
    if let Some(error) = &trial.error {
        let _ = writeln!(out, "{}", cut(error));
    }
    for m in bad(trial) {
        let _ = match m.score {
            Some(score) => write!(out, "{}: {score:.2}, {} expected", m.title(), m.bar),
            None => write!(out, "{}", m.title()),
        };
        let _ = match (&m.reason, m.outcome) {
            (None, _) => writeln!(out),
            (Some(reason), Outcome::Errored) => writeln!(out, ": {}", cut(reason)),
            (Some(reason), _) => writeln!(out, "\n  because {}", cut(reason)),
        };
    }
    out
}

/// What went in, what came out, and every score of a trial.
fn trial_text(at: usize, trial: &TrialRecord) -> String {
    let mut out = format!("trial {}: {}\n", at + 1, trial.outcome.as_str());
    for m in trial.measurements.iter().filter(|m| !m.part) {
        let score = m
            .score
            .map_or("no score".to_string(), |s| format!("{s:.2}"));
        let _ = writeln!(
            out,
            "  {} {}: {score}, {} expected",
            m.outcome.as_str(),
            m.title(),
            m.bar
        );
    }
    for case in &trial.cases {
        for key in ["input", "output", "expected"] {
            let said = case.get(key).and_then(serde_json::Value::as_str);
            if let Some(said) = said.filter(|said| !said.is_empty()) {
                let _ = writeln!(out, "{key}:\n{}", cut(said));
            }
        }
    }
    out
}

/// So much of a text, and how much there was.
fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        None => text.to_string(),
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
    }
}

/// The text without what XML cannot hold, and without what reorders or hides text. Escape codes for terminals are left
/// whole: `XmlString` takes them out with their parameters, and with them all other control characters.
fn text(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => safe.push_str("    "),
            '\n' | '\u{1b}' => safe.push(c),
            '\u{fffe}' | '\u{ffff}' => {}
            c if is_unsafe(c) => {}
            c => safe.push(c),
        }
    }
    safe
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}
