//! `SpanPattern`.

use super::span_regex::{Program, parse};
use crate::{Bar, EvalCx, Metric, Result, Score, Span, Trace, trace_tree};

/// How many spans an exhibit shows on each side of the one where a match stopped.
const AROUND: usize = 12;

/// Measures whether the observed calls follow a pattern: 1 or 0. For pipelines whose steps vary. Needs no judge.
///
/// A pattern is a regular expression over spans, in the order in which they were called (callers before what they call):
///
/// | pattern | matches |
/// |---|---|
/// | `search` | a span of this name; in quotes if it is not made of letters, digits and `_ - . @`: `"my tool"` |
/// | `:tool` | a span of this kind (`:llm`, `:retriever`, `:agent`, `:function`, or one of your own) |
/// | `search:tool` | both |
/// | `.` | any span |
/// | `agent/search` | `search`, called by `agent` itself |
/// | `agent//search` | `search`, somewhere below `agent` |
/// | `a b` | `a`, then `b` |
/// | `a \| b` | one of both; binds less than a sequence |
/// | `a*` `a+` `a?` | any number, at least one, at most one |
/// | `a{3}` `a{2,}` `a{2,5}` | this often |
/// | `(a b)` | a group |
///
/// Only spans that some part of the pattern can match take part: with `plan search* answer` the helpers that these call
/// do not disturb, but a second `plan` does. With [`every_span`](Self::every_span) all take part. The whole sequence must
/// match, or with [`anywhere`](Self::anywhere) a run of it. In `expect_in` the spans are those below the component.
///
/// The time is linear in the number of spans (a Thompson automaton, no backtracking). A failure says where matching
/// stopped and what was expected there. A case without any span is an error. Default bar: at least 1.
///
/// ```
/// use llmtest_metrics::{Asker, EvalCx, Metric, Span, SpanPattern, TestCase, Trace};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let span = |name: &str| Span::new(name, "function");
/// let (case, asker) = (TestCase::new("q", "a"), Asker::standalone(None));
/// let pattern = SpanPattern::new("plan (search+ rerank?)* answer");
/// let trace = Trace { spans: ["plan", "search", "search", "rerank", "answer"].map(span).into() };
/// assert_eq!(pattern.measure(&EvalCx::new(&case, &trace, None, &asker)).await.unwrap().value, 1.0);
/// let trace = Trace { spans: ["plan", "rerank", "answer"].map(span).into() };
/// let score = pattern.measure(&EvalCx::new(&case, &trace, None, &asker)).await.unwrap();
/// assert_eq!(score.reason.unwrap(), "span 2 of 3 is `rerank`, where the pattern wants `search` or `answer`");
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct SpanPattern {
    program: Program,
    every: bool,
    anywhere: bool,
}

impl SpanPattern {
    /// Reads a pattern. Panics if it is none, with the place of what is wrong.
    #[track_caller]
    pub fn new(pattern: &str) -> Self {
        match Self::parse(pattern) {
            Ok(metric) => metric,
            Err(error) => panic!("{error}"),
        }
    }

    /// As [`new`](Self::new), for patterns that are not in the source: what is wrong is an error.
    pub fn parse(pattern: &str) -> Result<Self> {
        Ok(Self {
            program: parse(pattern)?,
            every: false,
            anywhere: false,
        })
    }

    /// Has all spans take part, also those that no part of the pattern can match.
    pub fn every_span(mut self) -> Self {
        self.every = true;
        self
    }

    /// Wants the pattern somewhere in the sequence, not to be the whole of it.
    pub fn anywhere(mut self) -> Self {
        self.anywhere = true;
        self
    }

    fn score(&self, trace: &Trace, spans: &[usize]) -> Score {
        let tests = |at: usize| -> Vec<bool> { self.program.tests(trace, at) };
        let taking: Vec<(usize, Vec<bool>)> = spans
            .iter()
            .map(|at| (*at, tests(*at)))
            .filter(|(_, tests)| self.every || tests.iter().any(|fits| *fits))
            .collect();
        let rows: Vec<&[bool]> = taking.iter().map(|(_, tests)| tests.as_slice()).collect();
        let found = self.program.run(&rows, self.anywhere);
        let all = taking.len();
        let spans: Vec<&Span> = taking.iter().map(|(at, _)| &trace.spans[*at]).collect();
        let noun = if all == 1 { "span" } else { "spans" };
        let Some(stop) = found else {
            return Score::new(1.0)
                .because(format!("the {all} {noun} that take part match the pattern"))
                .detail("spans", all);
        };
        let wanted = listed(&stop.expected);
        let reason = match spans.get(stop.at) {
            Some(span) => format!(
                "span {} of {all} is `{}`, where the pattern wants {wanted}",
                stop.at + 1,
                span.name
            ),
            None if all == 0 => format!("no span takes part, where the pattern wants {wanted}"),
            None => format!("the trace ends after {all} {noun}, where the pattern wants {wanted}"),
        };
        Score::new(0.0)
            .because(reason)
            .detail("spans", all)
            .detail("matched_spans", stop.matched)
            .exhibit(exhibit(&spans, stop.at, &wanted))
    }
}

impl Metric for SpanPattern {
    fn name(&self) -> &'static str {
        "span_pattern"
    }

    fn bar(&self) -> Bar {
        Bar::AtLeast(1.0)
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        if cx.trace.spans.is_empty() {
            return Err(trace_tree::missing(self).into());
        }
        let mut spans = trace_tree::spans(cx);
        if let Some(component) = trace_tree::component(cx) {
            spans.retain(|at| *at != component);
        }
        Ok(self.score(cx.trace, &spans))
    }
}

/// `a`, `b` or `c`.
fn listed(expected: &[String]) -> String {
    match expected {
        [] => "nothing more".to_string(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} or {last}", most.join(", ")),
    }
}

/// The sequence, with a mark where matching stopped.
fn exhibit(spans: &[&Span], stop: usize, wanted: &str) -> String {
    let (first, last) = (
        stop.saturating_sub(AROUND),
        (stop + AROUND).min(spans.len()),
    );
    let mut lines = Vec::new();
    if first > 0 {
        lines.push(format!("  … {first} before"));
    }
    for (at, span) in spans.iter().enumerate().take(last).skip(first) {
        let (mark, note) = if at == stop {
            ('>', format!("   wanted: {wanted}"))
        } else {
            (' ', String::new())
        };
        lines.push(format!(
            "{mark} {} {} ({}){note}",
            at + 1,
            span.name,
            span.kind
        ));
    }
    if stop >= spans.len() {
        lines.push(format!("> end   wanted: {wanted}"));
    } else if last < spans.len() {
        lines.push(format!("  … {} more", spans.len() - last));
    }
    lines.join("\n")
}

#[cfg(test)]
#[path = "span_pattern_tests.rs"]
mod tests;
