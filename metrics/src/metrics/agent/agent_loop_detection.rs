//! `AgentLoopDetection`.

use super::sequence_ratio::ratio;
use crate::{Bar, EvalCx, Field, Metric, Result, Score, Span, SpanKind, Trace, reason, trace_tree};
use serde_json::{Number, Value};
use std::collections::{HashMap, HashSet};

/// How much each check counts.
const REPETITION: f64 = 0.40;
const STAGNATION: f64 = 0.35;
const CYCLES: f64 = 0.25;

/// Texts with fewer words of content are not compared: they are alike by chance.
const FEWEST_WORDS: usize = 20;

/// From above this on two texts are the same.
const SAME: f64 = 0.95;

/// English words of three letters and more that carry no content. Shorter words are left out anyhow.
const FUNCTION_WORDS: &[&str] = &[
    "about", "and", "any", "are", "because", "been", "being", "but", "can", "could", "did", "does",
    "for", "from", "had", "has", "have", "her", "here", "him", "his", "how", "into", "its", "let",
    "may", "might", "must", "not", "now", "our", "she", "should", "than", "that", "the", "their",
    "them", "then", "there", "these", "they", "this", "those", "was", "were", "what", "when",
    "which", "who", "will", "with", "would", "you", "your",
];

/// Measures whether an agent goes in circles, by its trace. Needs no judge.
///
/// The score is the mean of three checks, weighted 0.40, 0.35 and 0.25, of those that are enabled:
///
/// - *Repetition*: how often one tool was called with equal arguments, at the most. From
///   [`repetitions`](Self::repetitions) (3) on the check scores 0.5, from twice as many on 0.
/// - *Stagnation*: how alike two model outputs in a row are, at the most: the larger of the Jaccard index of their word
///   pairs and the ratio of their common blocks (`difflib`'s `SequenceMatcher`), both without function words and words of
///   one or two letters. From [`similarity`](Self::similarity) (0.85) on the check scores 0.5, above 0.95 it scores 0.
///   Outputs of fewer than 20 such words are not compared.
/// - *Cycles*: 0 if a span has the kind, the name and the input of one that it was called by.
///
/// The parts are in the details of the score. Without a trace the score is 0; with every check disabled it is 1, as
/// nothing can be found. Needs `input`, `output` and observed functions. Default bar: at least 0.5. As DeepEval 4.3.1,
/// with other function words, arguments compared as JSON and whole inputs instead of their first 64 characters.
///
/// ```
/// use llmtest_metrics::{AgentLoopDetection, Asker, EvalCx, Metric, Span, TestCase, Trace};
/// use serde_json::json;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let search = || {
///     let mut span = Span::new("search", "tool");
///     span.input = json!({"query": "shoes"});
///     span
/// };
/// let trace = Trace { spans: vec![search(), search(), search()] };
/// let (case, asker) = (TestCase::new("Shoes?", "Sorry."), Asker::standalone(None));
/// let cx = EvalCx::new(&case, &trace, None, &asker);
/// let score = AgentLoopDetection::new().measure(&cx).await.unwrap();
/// assert!((score.value - 0.8).abs() < 1e-9);
/// assert_eq!(score.reason.unwrap(), r#"`search` was called 3 times with {"query":"shoes"}"#);
/// # }
/// ```
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "three checks that are on or off, each for itself"
)]
pub struct AgentLoopDetection {
    repetitions: usize,
    similarity: f64,
    repetition: bool,
    stagnation: bool,
    cycles: bool,
    strict: bool,
}

impl AgentLoopDetection {
    /// All checks with their default limits.
    pub fn new() -> Self {
        Self {
            repetitions: 3,
            similarity: 0.85,
            repetition: true,
            stagnation: true,
            cycles: true,
            strict: false,
        }
    }

    /// Sets from how many equal calls on a tool repeats itself. Panics on zero.
    #[track_caller]
    pub fn repetitions(mut self, calls: usize) -> Self {
        assert!(
            calls > 0,
            "every tool repeats itself from 0 calls on; leave the check out with `.without_repetition()`"
        );
        self.repetitions = calls;
        self
    }

    /// Sets how alike outputs must be to count as stagnation. Panics outside of `0.0..=1.0`.
    #[track_caller]
    pub fn similarity(mut self, least: f64) -> Self {
        assert!(
            (0.0..=1.0).contains(&least),
            "a similarity lies in 0.0..=1.0, but this one is {least}"
        );
        self.similarity = least;
        self
    }

    /// Leaves out the check for equal tool calls.
    pub fn without_repetition(mut self) -> Self {
        self.repetition = false;
        self
    }

    /// Leaves out the check for outputs that stay the same.
    pub fn without_stagnation(mut self) -> Self {
        self.stagnation = false;
        self
    }

    /// Leaves out the check for spans that call themselves.
    pub fn without_cycles(mut self) -> Self {
        self.cycles = false;
        self
    }

    /// Makes every score below 1 a 0, and sets the bar to 1.
    pub fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    fn score(&self, trace: &Trace, spans: &[usize]) -> Score {
        if spans.is_empty() {
            return Score::new(0.0).because(
                "no observed function was called, so that there is no trace to look at; put `#[llmtest::observe]` on \
                 the agent, its tools and its model calls",
            );
        }
        let (mut sum, mut weights) = (0.0, 0.0);
        let mut found = Vec::new();
        let mut details = Vec::new();
        let checks: [(bool, f64, &str, &dyn Fn() -> Check); 3] = [
            (self.repetition, REPETITION, "tool_repetition", &|| {
                repetition(trace, spans, self.repetitions)
            }),
            (self.stagnation, STAGNATION, "reasoning_stagnation", &|| {
                stagnation(trace, spans, self.similarity)
            }),
            (self.cycles, CYCLES, "call_graph_cycles", &|| {
                cycles(trace, spans)
            }),
        ];
        for (_, weight, name, check) in checks.into_iter().filter(|(enabled, ..)| *enabled) {
            let check = check();
            sum += check.score * weight;
            weights += weight;
            found.extend(check.found);
            details.push((name, check.score));
        }
        let mut score = Score::new(if weights > 0.0 { sum / weights } else { 1.0 });
        for (name, part) in details {
            score = score.detail(name, part);
        }
        if self.strict && score.value < 1.0 {
            score.value = 0.0;
        }
        if found.is_empty() {
            return score.because("the agent does not go in circles");
        }
        score.because(found.join("; "))
    }
}

impl Default for AgentLoopDetection {
    fn default() -> Self {
        Self::new()
    }
}

impl Metric for AgentLoopDetection {
    fn name(&self) -> &'static str {
        "agent_loop_detection"
    }

    fn bar(&self) -> Bar {
        Bar::AtLeast(if self.strict { 1.0 } else { 0.5 })
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        cx.need(self, Field::Input)?;
        cx.need(self, Field::Output)?;
        Ok(self.score(cx.trace, &trace_tree::spans(cx)))
    }
}

/// What a check says.
struct Check {
    score: f64,
    found: Option<String>,
}

impl Check {
    const CLEAN: Self = Self {
        score: 1.0,
        found: None,
    };
}

fn repetition(trace: &Trace, spans: &[usize], limit: usize) -> Check {
    let mut counts: HashMap<(&str, String), usize> = HashMap::new();
    let mut most: Option<(&Span, usize)> = None;
    for span in spans.iter().map(|at| &trace.spans[*at]) {
        if span.kind != SpanKind::Tool {
            continue;
        }
        let count = counts
            .entry((&span.name, same_text(&span.input)))
            .or_default();
        *count += 1;
        if most.is_none_or(|(_, most)| *count > most) {
            most = Some((span, *count));
        }
    }
    let Some((span, count)) = most.filter(|(_, count)| *count >= limit) else {
        return Check::CLEAN;
    };
    let arguments = match &span.input {
        Value::Null => "the same arguments".to_string(),
        Value::String(text) => reason::cut(text, 120),
        other => reason::cut(&crate::json::text(other), 120),
    };
    let times = if count == 1 { "time" } else { "times" };
    Check {
        score: if count >= 2 * limit { 0.0 } else { 0.5 },
        found: Some(format!(
            "`{}` was called {count} {times} with {arguments}",
            span.name
        )),
    }
}

/// A text that is equal for equal input: JSON that was passed as text is read, members are sorted, and 1 is 1.0.
fn same_text(input: &Value) -> String {
    let read = match input {
        Value::String(text) => serde_json::from_str(text).ok(),
        _ => None,
    };
    crate::json::text(&plain_numbers(read.as_ref().unwrap_or(input)))
}

fn plain_numbers(value: &Value) -> Value {
    match value {
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < 1e15 => {
                #[expect(clippy::cast_possible_truncation, reason = "a whole number in range")]
                let whole = float as i64;
                Value::Number(Number::from(whole))
            }
            _ => value.clone(),
        },
        Value::Array(items) => items.iter().map(plain_numbers).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(key, member)| (key.clone(), plain_numbers(member)))
            .collect(),
        other => other.clone(),
    }
}

fn stagnation(trace: &Trace, spans: &[usize], least: f64) -> Check {
    let outputs: Vec<Option<Vec<String>>> = spans
        .iter()
        .map(|at| &trace.spans[*at])
        .filter(|span| span.kind == SpanKind::Llm)
        .map(|span| span.output.as_str().map(content_words))
        .collect();
    let mut most: Option<(f64, usize)> = None;
    for (at, pair) in outputs.windows(2).enumerate() {
        let [Some(one), Some(other)] = pair else {
            continue;
        };
        if one.len().min(other.len()) < FEWEST_WORDS {
            continue;
        }
        let alike = pair_overlap(one, other).max(ratio(&one.join(" "), &other.join(" ")));
        if most.is_none_or(|(most, _)| alike > most) {
            most = Some((alike, at));
        }
    }
    let Some((alike, at)) = most.filter(|(alike, _)| *alike >= least) else {
        return Check::CLEAN;
    };
    let (one, other) = (at + 1, at + 2);
    let (score, found) = if alike > SAME {
        (
            0.0,
            format!("the outputs of model calls {one} and {other} are the same ({alike:.2} alike)"),
        )
    } else {
        (
            0.5,
            format!("the outputs of model calls {one} and {other} are {alike:.2} alike"),
        )
    };
    Check {
        score,
        found: Some(found),
    }
}

/// The words of a text that carry content, in lower case, with the signs that stand at them.
fn content_words(text: &str) -> Vec<String> {
    text.to_lowercase()
        .split_whitespace()
        .filter(|word| word.chars().count() > 2 && !FUNCTION_WORDS.contains(word))
        .map(str::to_string)
        .collect()
}

/// The Jaccard index of the pairs of neighbouring words.
fn pair_overlap(one: &[String], other: &[String]) -> f64 {
    let pairs = |words: &[String]| -> HashSet<(String, String)> {
        words
            .windows(2)
            .map(|pair| (pair[0].clone(), pair[1].clone()))
            .collect()
    };
    let (one, other) = (pairs(one), pairs(other));
    let all = one.union(&other).count();
    if all == 0 {
        0.0
    } else {
        one.intersection(&other).count() as f64 / all as f64
    }
}

fn cycles(trace: &Trace, spans: &[usize]) -> Check {
    // Equal spans have equal numbers, so that the way up compares numbers only.
    let mut known: HashMap<(&str, &str, String), usize> = HashMap::new();
    let mut numbers: HashMap<usize, usize> = HashMap::new();
    for at in spans {
        let span = &trace.spans[*at];
        let next = known.len();
        let number = known
            .entry((span.kind.as_str(), &span.name, same_text(&span.input)))
            .or_insert(next);
        numbers.insert(*at, *number);
        let mut way = vec![*at];
        let mut below = *at;
        while let Some(above) = trace.spans[below].parent.filter(|parent| *parent < below) {
            let Some(other) = numbers.get(&above) else {
                break;
            };
            way.push(above);
            if other == number {
                let names = way
                    .iter()
                    .rev()
                    .map(|at| format!("`{}`", trace.spans[*at].name));
                let way = reason::cut(&names.collect::<Vec<_>>().join(" > "), 200);
                return Check {
                    score: 0.0,
                    found: Some(format!(
                        "{} calls itself with the same input: {way}",
                        span.kind
                    )),
                };
            }
            below = above;
        }
    }
    Check::CLEAN
}

#[cfg(test)]
#[path = "agent_loop_detection_tests.rs"]
mod tests;
