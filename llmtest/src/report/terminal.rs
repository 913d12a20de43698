//! The block that explains one test: scores, bars, reasons, and what the failing parts said.

use super::tree::tree_lines;
use crate::results::{GroupRecord, MeasurementRecord, Outcome, TestRecord, TrialRecord};
use crate::text::{clean, clean_name, indented, quoted};
use serde_json::Value;
use std::fmt::Write;

/// How much of a text a block shows.
const SHOWN: usize = 400;
/// How many failing rows of a dataset are shown in full.
const ROWS_SHOWN: usize = 20;

/// Whether colours are used. Everything is readable without.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    pub(crate) colour: bool,
    /// Whether passing cases, prompts and replies are shown too.
    pub(crate) all: bool,
}

impl Style {
    fn paint(self, code: &str, text: &str) -> String {
        if self.colour {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_string()
        }
    }

    pub(super) fn outcome(self, outcome: Outcome, text: &str) -> String {
        let code = match outcome {
            Outcome::Passed => "32",
            Outcome::Skipped => "33",
            Outcome::Failed => "31",
            Outcome::Errored => "1;31",
        };
        self.paint(code, text)
    }

    pub(super) fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    pub(super) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }
}

pub(super) fn mark(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "✓",
        Outcome::Skipped => "–",
        Outcome::Failed => "✗",
        Outcome::Errored => "!",
    }
}

/// The block of one case.
pub(crate) fn test_block(record: &TestRecord, style: Style) -> String {
    let mut out = String::new();
    let name = clean_name(&record.name());
    let place = format!("{}:{}", clean_name(&record.file), record.line);
    let gap = 70usize
        .saturating_sub(name.chars().count() + place.chars().count())
        .max(2);
    let _ = writeln!(
        out,
        "  {}{:gap$}{}",
        style.bold(&name),
        "",
        style.dim(&place)
    );
    match record.trials.as_slice() {
        [trial] => trial_lines(&mut out, trial, style),
        trials => {
            let passed = trials
                .iter()
                .filter(|trial| trial.outcome == Outcome::Passed)
                .count();
            let _ = writeln!(
                out,
                "    {passed} of {} trials passed, {} needed",
                trials.len(),
                record.passes_needed
            );
            spread_lines(&mut out, trials, style);
            // One trial of each kind of failure is enough to see what is wrong.
            let first = |wanted| trials.iter().position(|trial| trial.outcome == wanted);
            let (errored, failed) = (first(Outcome::Errored), first(Outcome::Failed));
            for (at, trial) in trials.iter().enumerate() {
                if style.all || Some(at) == errored || Some(at) == failed {
                    let _ = writeln!(out, "    trial {}, {}:", at + 1, trial.outcome.as_str());
                    trial_lines(&mut out, trial, style);
                }
            }
        }
    }
    out
}

fn trial_lines(out: &mut String, trial: &TrialRecord, style: Style) {
    if let Some(error) = &trial.error {
        let _ = writeln!(
            out,
            "    {} {}",
            style.outcome(Outcome::Errored, "! error"),
            indented(&clean(error), "      ")
        );
    }
    let told = |m: &&MeasurementRecord| !m.part || style.all;
    let width = trial
        .measurements
        .iter()
        .filter(told)
        .map(|m| clean_name(&m.title()).chars().count())
        .max()
        .unwrap_or_default();
    for measurement in trial.measurements.iter().filter(told) {
        measurement_lines(out, trial, measurement, width, style);
    }
    let failed = trial
        .measurements
        .iter()
        .filter(|m| !m.part)
        .any(|m| matches!(m.outcome, Outcome::Failed | Outcome::Errored));
    if trial.error.is_none() && (failed || style.all) {
        for case in &trial.cases {
            for key in ["input", "output", "expected"] {
                if let Some(text) = case
                    .get(key)
                    .and_then(Value::as_str)
                    .filter(|text| !text.is_empty())
                {
                    let _ = writeln!(
                        out,
                        "      {} {}",
                        style.dim(&format!("{key:<8}")),
                        quoted(text, SHOWN)
                    );
                }
            }
        }
    }
    if shows_tree(trial, style) {
        out.push_str(&tree_lines(trial, style));
    }
    if trial.stages.1 > 0 {
        let (replayed, all) = trial.stages;
        let _ = writeln!(
            out,
            "      {}",
            style.dim(&format!("{replayed} of {all} stages replayed"))
        );
    }
}

/// The calls of a case that passed are nobody's business, unless all is to be shown.
fn shows_tree(trial: &TrialRecord, style: Style) -> bool {
    let wrong = matches!(trial.outcome, Outcome::Failed | Outcome::Errored);
    !trial.spans.is_empty() && (wrong || style.all)
}

fn measurement_lines(
    out: &mut String,
    trial: &TrialRecord,
    m: &MeasurementRecord,
    width: usize,
    style: Style,
) {
    let score = match (m.score, m.outcome) {
        (Some(score), _) => format!("{score:.2}"),
        (None, Outcome::Skipped) => "skip".to_string(),
        (None, _) => "error".to_string(),
    };
    let title = clean_name(&m.title());
    let pad = width.saturating_sub(title.chars().count());
    let _ = write!(
        out,
        "    {} {title}{:pad$}  {score:<5}",
        style.outcome(m.outcome, mark(m.outcome)),
        ""
    );
    if m.score.is_some() {
        let _ = write!(out, " {}", m.bar);
        if let Some(quantity) = &m.quantity {
            let _ = write!(
                out,
                "  {} {}",
                trimmed(quantity.value),
                clean_name(&quantity.unit)
            );
        }
        if m.report_only {
            out.push_str("  report only");
        }
    }
    let told = !matches!(m.outcome, Outcome::Passed) || style.all;
    if let Some(reason) = m.reason.as_ref().filter(|_| told) {
        let reason = clean(reason);
        if m.outcome == Outcome::Errored {
            let _ = write!(out, "  {}", indented(&reason, "        "));
        } else {
            let cut: String = reason.chars().take(SHOWN).collect();
            let _ = write!(out, "  because {}", indented(&cut, "        "));
        }
    }
    out.push('\n');
    if told {
        if let Some(exhibit) = &m.exhibit {
            let _ = writeln!(out, "        {}", indented(&clean(exhibit), "        "));
        }
        let span = m.span.and_then(|index| trial.spans.get(index));
        if let Some(span) = span.filter(|_| !shows_tree(trial, style)) {
            let _ = writeln!(
                out,
                "      {} {} → {}",
                style.dim(&format!("{:<8}", clean_name(&span.name))),
                quoted(&span.input_text(), SHOWN),
                quoted(&span.output_text(), SHOWN)
            );
        }
        for (name, value) in &m.details {
            detail_lines(out, name, value, style);
        }
        for note in &m.notes {
            let _ = writeln!(out, "      {} {}", style.dim("note    "), clean(note));
        }
    }
    if style.all {
        for entry in &m.transcript {
            let _ = writeln!(
                out,
                "      {}\n        {}",
                style.dim("prompt"),
                indented(&clean(&entry.prompt), "        ")
            );
            let _ = writeln!(
                out,
                "      {}\n        {}",
                style.dim("reply"),
                indented(&clean(&entry.reply), "        ")
            );
        }
    }
}

/// A detail on one line, or its elements on lines of their own.
fn detail_lines(out: &mut String, name: &str, value: &Value, style: Style) {
    let label = format!("{:<8}", clean_name(name));
    let one = |value: &Value| match value {
        Value::String(text) => clean(text),
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(_, value)| !value.is_null());
            fields
                .map(|(key, value)| {
                    format!(
                        "{}: {}",
                        clean_name(key),
                        value
                            .as_str()
                            .map_or_else(|| clean(&value.to_string()), clean)
                    )
                })
                .collect::<Vec<_>>()
                .join(" · ")
        }
        other => clean(&other.to_string()),
    };
    match value {
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                let label = if at == 0 {
                    label.clone()
                } else {
                    " ".repeat(label.chars().count())
                };
                let _ = writeln!(
                    out,
                    "      {} {}",
                    style.dim(&label),
                    indented(&one(item), "               ")
                );
            }
        }
        other => {
            let _ = writeln!(
                out,
                "      {} {}",
                style.dim(&label),
                indented(&one(other), "               ")
            );
        }
    }
}

/// Mean and spread of every metric over the trials.
fn spread_lines(out: &mut String, trials: &[TrialRecord], style: Style) {
    let mut titles: Vec<String> = Vec::new();
    let whole = |m: &&MeasurementRecord| !m.part;
    for measurement in trials
        .iter()
        .flat_map(|trial| &trial.measurements)
        .filter(whole)
    {
        if !titles.contains(&measurement.title()) {
            titles.push(measurement.title());
        }
    }
    for title in titles {
        let all: Vec<_> = trials
            .iter()
            .flat_map(|trial| &trial.measurements)
            .filter(|m| m.title() == title)
            .collect();
        let scores: Vec<f64> = all.iter().filter_map(|m| m.score).collect();
        let worst = all
            .iter()
            .map(|m| m.outcome)
            .max()
            .unwrap_or(Outcome::Skipped);
        let mean = scores.iter().sum::<f64>() / scores.len() as f64;
        let (low, high) = scores
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), s| {
                (low.min(*s), high.max(*s))
            });
        let shown = if scores.is_empty() {
            "no score".to_string()
        } else {
            format!("mean {mean:.2}, {low:.2} to {high:.2}")
        };
        let bar = all.first().map(|m| m.bar.to_string()).unwrap_or_default();
        let _ = writeln!(
            out,
            "    {} {}  {shown}  {bar}",
            style.outcome(worst, mark(worst)),
            clean_name(&title)
        );
    }
}

fn trimmed(value: f64) -> String {
    if value.fract() == 0.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}")
    }
}

/// The block of a dataset that is one test: its rows by outcome, and the failing ones.
pub(crate) fn group_block(group: &GroupRecord, rows: &[TestRecord], style: Style) -> String {
    let mut out = String::new();
    let count: usize = group.rows.values().sum();
    let order = [
        Outcome::Passed,
        Outcome::Failed,
        Outcome::Errored,
        Outcome::Skipped,
    ]
    .map(Outcome::as_str);
    let counts = order
        .iter()
        .filter_map(|outcome| {
            group
                .rows
                .get(*outcome)
                .map(|count| format!("{count} {outcome}"))
        })
        .collect::<Vec<_>>()
        .join(", ");
    let _ = write!(
        out,
        "  {} {}: {count} rows",
        style.bold(&clean_name(&group.test)),
        style.dim(&format!("{}:{}", clean_name(&group.file), group.line))
    );
    if count > 0 {
        let _ = write!(out, ", {counts}");
    }
    let _ = writeln!(out, "; at least {:.0}% must pass", group.pass_rate * 100.0);
    if let Some(error) = &group.error {
        let _ = writeln!(
            out,
            "    {} {}",
            style.outcome(Outcome::Errored, "! error"),
            indented(&clean(error), "      ")
        );
    }
    let all: usize = group.rows.values().sum();
    let passed = group.rows.get("passed").copied().unwrap_or_default();
    let told = if style.all { all } else { all - passed };
    let shown = rows
        .iter()
        .filter(|row| style.all || row.outcome != Outcome::Passed);
    for row in shown.take(ROWS_SHOWN) {
        out.push('\n');
        out.push_str(&test_block(row, style));
    }
    if told > ROWS_SHOWN {
        let _ = writeln!(
            out,
            "\n  … and {} more rows, all in report.json",
            told - ROWS_SHOWN
        );
    }
    out
}
