//! The observed calls of a case, with their scores and the words that mattered.

use super::terminal::{Style, mark};
use crate::results::{MeasurementRecord, Outcome, TrialRecord};
use crate::text::{clean, clean_name, quoted};
use llmtest_metrics::{Span, Trace, TreeLine};
use std::collections::BTreeMap;
use std::fmt::Write;

/// How much of an argument or a result is shown of a call that matters, and of another one.
const SHOWN: usize = 300;
const SHORT: usize = 32;

/// The tree under a heading. Calls that failed or have a measurement that failed are marked and show what they were given
/// and what they returned; of the others it is a short cut.
pub(super) fn tree_lines(trial: &TrialRecord, style: Style) -> String {
    let trace = Trace {
        spans: trial.spans.clone(),
    };
    let marks = marks(trial);
    let tree = trace.tree().marking(marks.keys().copied());
    let mut out = format!("      {}\n", style.dim("calls"));
    for line in tree.lines() {
        let outcome = line.spans.first().and_then(|at| marks.get(at));
        let (sign, text) = match outcome {
            Some(outcome) => (
                style.outcome(*outcome, mark(*outcome)),
                style.bold(&clean_name(&line.text)),
            ),
            None if line.spans.is_empty() => (" ".to_string(), style.dim(&clean_name(&line.text))),
            None => (" ".to_string(), clean_name(&line.text)),
        };
        let indent = line.indent();
        let _ = write!(out, "      {sign} {indent}{text}");
        for score in scores(trial, &line) {
            let _ = write!(out, "  {score}");
        }
        let span = match line.spans.as_slice() {
            [at] => trial.spans.get(*at),
            _ => None,
        };
        match span {
            Some(span) if outcome.is_some() => words_that_mattered(&mut out, span, &indent, style),
            Some(span) => short_words(&mut out, span, style),
            None => out.push('\n'),
        }
    }
    out
}

/// The spans that failed, or that a measurement that decides found wanting.
fn marks(trial: &TrialRecord) -> BTreeMap<usize, Outcome> {
    let mut marks = BTreeMap::new();
    let errors = trial.spans.iter().enumerate();
    for (at, _) in errors.filter(|(_, span)| span.error.is_some()) {
        marks.insert(at, Outcome::Errored);
    }
    let wanting = |m: &MeasurementRecord| matches!(m.outcome, Outcome::Failed | Outcome::Errored);
    let mut whole_is_wanting = false;
    for m in &trial.measurements {
        if !m.part {
            whole_is_wanting = wanting(m);
        }
        if let Some(at) = m.span.filter(|_| wanting(m) && whole_is_wanting) {
            let outcome = marks.entry(at).or_insert(m.outcome);
            *outcome = m.outcome.max(*outcome);
        }
    }
    marks
}

/// `contains 0.00`, or of several calls `contains 0.50 to 1.00`.
fn scores(trial: &TrialRecord, line: &TreeLine) -> Vec<String> {
    let mut found: Vec<(String, f64, f64)> = Vec::new();
    let measured = trial.measurements.iter().filter(|m| m.over.is_none());
    for m in measured {
        let here = m.span.is_some_and(|at| line.spans.contains(&at));
        let Some(score) = m.score.filter(|_| here) else {
            continue;
        };
        let name = match &m.label {
            Some(label) => format!("{} ({label})", m.metric),
            None => m.metric.clone(),
        };
        match found.iter_mut().find(|(known, ..)| *known == name) {
            Some((_, low, high)) => (*low, *high) = (low.min(score), high.max(score)),
            None => found.push((name, score, score)),
        }
    }
    let shown = found.into_iter().map(|(name, low, high)| {
        let name = clean(&name).replace(['\n', '\t'], " ");
        if low < high {
            format!("{name} {low:.2} to {high:.2}")
        } else {
            format!("{name} {low:.2}")
        }
    });
    shown.collect()
}

fn words_that_mattered(out: &mut String, span: &Span, indent: &str, style: Style) {
    out.push('\n');
    let mut words = Vec::new();
    if has_input(span) {
        words.push(format!("given    {}", quoted(&span.input_text(), SHOWN)));
    }
    if !span.output.is_null() {
        words.push(format!("returned {}", quoted(&span.output_text(), SHOWN)));
    }
    let notes = span.notes.iter();
    words.extend(notes.map(|note| format!("note     {}", clean(note).replace('\n', " "))));
    for line in words {
        let (label, rest) = line.split_at(9);
        let _ = writeln!(out, "          {indent}{}{rest}", style.dim(label));
    }
}

fn short_words(out: &mut String, span: &Span, style: Style) {
    let mut words = String::new();
    if has_input(span) {
        words = short(&span.input_text());
    }
    if !span.output.is_null() {
        let arrow = if words.is_empty() { "→ " } else { " → " };
        let _ = write!(words, "{arrow}{}", short(&span.output_text()));
    }
    if words.is_empty() {
        out.push('\n');
    } else {
        let _ = writeln!(out, "  {}", style.dim(&words));
    }
}

/// Text in quotes on one line, cut without a count. Where it holds an arrow, its quotes are escaped: what a model wrote must
/// not look like two texts.
fn short(text: &str) -> String {
    let cut: String = text.chars().take(SHORT).collect();
    let dots = if cut.len() < text.len() { "…" } else { "" };
    let shown = clean_name(if dots.is_empty() {
        &cut
    } else {
        cut.trim_end()
    });
    let shown = if shown.contains('→') {
        shown.replace('\\', "\\\\").replace('"', "\\\"")
    } else {
        shown
    };
    format!("\"{shown}{dots}\"")
}

fn has_input(span: &Span) -> bool {
    span.input
        .as_object()
        .map_or(!span.input.is_null(), |args| !args.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const PLAIN: Style = Style {
        colour: false,
        all: false,
    };

    fn span(name: &str, kind: &str, parent: Option<usize>, input: &str, output: &str) -> Value {
        json!({
            "name": name, "kind": kind, "parent": parent, "input": {"question": input}, "output": output,
            "start": 0.0, "duration": 0.25,
        })
    }

    fn measured(span: usize, outcome: &str, score: f64) -> Value {
        json!({
            "metric": "contains", "component": "search", "span": span, "nth": 1, "outcome": outcome, "score": score,
            "bar": {"at_least": 1.0}, "duration": 0.0,
        })
    }

    fn trial(spans: Vec<Value>, measurements: Vec<Value>) -> TrialRecord {
        serde_json::from_value(json!({
            "outcome": "failed", "spans": spans, "measurements": measurements, "duration": 1.0,
        }))
        .unwrap()
    }

    #[test]
    fn what_failed_shows_its_words_and_its_score_and_the_rest_a_short_cut() {
        let mut spans = vec![
            span("agent", "agent", None, "Where are my shoes?", "At home."),
            span(
                "plan",
                "llm",
                Some(0),
                "Where are my shoes? Think of the order first.",
                "search",
            ),
        ];
        for n in 0..6 {
            spans.push(span(
                "search",
                "tool",
                Some(0),
                "shoes",
                if n == 4 { "hats" } else { "shoes" },
            ));
        }
        spans.push(span("pay", "tool", Some(0), "5 EUR", ""));
        spans[8]["error"] = json!("no money");
        spans[8]["output"] = Value::Null;
        spans[1]["model"] = json!("small");
        spans[1]["usage"] = json!({"prompt_tokens": 10, "completion_tokens": 2});
        spans[1]["replayed"] = json!(true);
        spans[6]["notes"] = json!(["`page`: 200 of 900 characters"]);
        let mut measurements: Vec<Value> = (2..8).map(|at| measured(at, "passed", 1.0)).collect();
        measurements[4] = measured(6, "failed", 0.0);
        let text = tree_lines(&trial(spans, measurements), PLAIN);
        let expected = r#"
      calls
        agent (agent)  250 ms  "Where are my shoes?" → "At home."
          plan (llm)  250 ms · small · 12 tokens · replayed  "Where are my shoes? Think of the…" → "search"
          search (tool) × 4  1.00 s in all  contains 1.00
      ✗   search (tool)  250 ms  contains 0.00
            given    "shoes"
            returned "hats"
            note     `page`: 200 of 900 characters
          search (tool)  250 ms  contains 1.00  "shoes" → "shoes"
      !   pay (tool)  250 ms · ! no money
            given    "5 EUR"
"#;
        assert_eq!(text, expected[1..], "{text}");
    }

    #[test]
    fn parts_are_marked_only_where_the_whole_is_wanting() {
        let spans: Vec<Value> = (0..2)
            .map(|_| span("search", "tool", None, "a", "b"))
            .collect();
        for (outcome, marks) in [("passed", 0), ("failed", 1)] {
            let mut whole = measured(0, outcome, 0.5);
            whole["over"] = json!("mean");
            whole["span"] = Value::Null;
            let mut parts = [measured(0, "passed", 1.0), measured(1, "failed", 0.0)];
            for part in &mut parts {
                part["part"] = json!(true);
            }
            let [first, second] = parts;
            let text = tree_lines(&trial(spans.clone(), vec![whole, first, second]), PLAIN);
            assert_eq!(text.matches('✗').count(), marks, "{text}");
            assert!(
                text.contains("contains 1.00") && text.contains("contains 0.00"),
                "{text}"
            );
        }
    }

    #[test]
    fn nothing_that_a_call_says_reaches_the_terminal_or_makes_a_line() {
        let bad = "x\u{1b}[2J\u{202e}\ny";
        let mut spans = vec![
            span(bad, bad, None, bad, bad),
            span(bad, bad, None, bad, bad),
        ];
        spans[0]["error"] = json!(bad);
        spans[0]["notes"] = json!([bad]);
        spans[1]["model"] = json!(bad);
        let mut m = measured(0, "failed", 0.0);
        m["metric"] = json!(bad);
        let text = tree_lines(&trial(spans, vec![m]), PLAIN);
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
        assert_eq!(text.lines().count(), 6, "{text}");
    }

    #[test]
    fn a_text_cannot_look_like_two() {
        assert_eq!(short("no\" → \"yes"), r#""no\" → \"yes""#);
        assert_eq!(short(r"a\ → b"), r#""a\\ → b""#);
        // Without an arrow, quotes stay as they were written, at the end of a cut text too.
        assert_eq!(short(r#"{"a": "b"}"#), r#""{"a": "b"}""#);
        let long = format!("{}\"\"{}", "x".repeat(SHORT - 2), "y".repeat(9));
        assert_eq!(short(&long), format!("\"{}\"\"…\"", "x".repeat(SHORT - 2)));
    }

    #[test]
    fn a_long_trace_is_cut() {
        let spans: Vec<Value> = (0..900)
            .map(|n| span(&format!("step{n}"), "tool", None, "a", "b"))
            .collect();
        let text = tree_lines(&trial(spans, Vec::new()), PLAIN);
        assert_eq!(text.lines().count(), 41);
        assert!(text.ends_with("… 861 more calls\n"), "{text}");
    }
}
