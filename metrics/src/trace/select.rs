//! Which spans of a trace are meant, and what several of them decide.

use super::{Span, SpanKind, Trace};
use crate::Bar;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Which spans an expectation is about, and what to do with several.
///
/// A bare text is a name, or a path if there is a `/` in it. Every chosen span is measured, and unless told otherwise
/// each must pass: `.any()`, `.worst()` and `.mean()` make one decision of all, whose key in the report does not depend
/// on how many there were.
///
/// A span that failed cannot be measured, so the measurement is Errored and the case fails, unless the expectation says
/// [`allow_failed`](Self::allow_failed). A case without such a span is an error too, unless it is
/// [`optional`](Self::optional).
///
/// ```
/// use llmtest_metrics::{Contains, SpanKind, Spans, TestCase};
///
/// let check = TestCase::new("Where are my shoes?", "On their way.")
///     .expect_in("retrieve", Contains::new("shoes"))
///     .expect_in("answer/retrieve", Contains::new("shoes"))
///     .expect_in(Spans::named("search").last(), Contains::new("shoes"))
///     .expect_in(Spans::kind(SpanKind::Tool).worst().optional(), Contains::new("ok"));
/// assert_eq!(check.expectations().len(), 4);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Spans {
    wanted: Wanted,
    pick: Pick,
    allow_failed: bool,
    optional: bool,
}

#[derive(Debug, Clone, PartialEq)]
enum Wanted {
    Name(String),
    Kind(SpanKind),
    Path(String),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Pick {
    Each,
    Nth(usize),
    Last,
    Over(Over),
}

/// How the scores of several spans make one decision. Spans that a metric does not apply to do not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Over {
    /// One span that passes is enough, even if others could not be measured. The best one decides.
    Any,
    /// The least good span decides: the highest score where the bar is an upper one.
    Worst,
    /// The mean of the scores is held against the bar.
    Mean,
}

impl Over {
    /// The word in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Worst => "worst",
            Self::Mean => "mean",
        }
    }

    /// The score that decides, and the index of the span whose score it is; a mean is nobody's. None without scores.
    ///
    /// ```
    /// use llmtest_metrics::{Bar, Over};
    ///
    /// let scores = [0.5, 1.0, 0.0];
    /// assert_eq!(Over::Worst.decide(Bar::AtLeast(0.5), &scores), Some((0.0, Some(2))));
    /// assert_eq!(Over::Worst.decide(Bar::AtMost(0.5), &scores), Some((1.0, Some(1))));
    /// assert_eq!(Over::Any.decide(Bar::AtLeast(0.5), &scores), Some((1.0, Some(1))));
    /// assert_eq!(Over::Mean.decide(Bar::AtLeast(0.5), &scores), Some((0.5, None)));
    /// assert_eq!(Over::Mean.decide(Bar::AtLeast(0.5), &[]), None);
    /// ```
    pub fn decide(self, bar: Bar, scores: &[f64]) -> Option<(f64, Option<usize>)> {
        let high_is_good = matches!(bar, Bar::AtLeast(_));
        let highest = match self {
            Self::Mean => {
                let mean = scores.iter().sum::<f64>() / scores.len() as f64;
                return (!scores.is_empty()).then_some((mean, None));
            }
            Self::Any => high_is_good,
            Self::Worst => !high_is_good,
        };
        let mut found: Option<(f64, usize)> = None;
        for (at, score) in scores.iter().enumerate() {
            let better = found.is_none_or(|(best, _)| {
                if highest {
                    *score > best
                } else {
                    *score < best
                }
            });
            if better {
                found = Some((*score, at));
            }
        }
        found.map(|(score, at)| (score, Some(at)))
    }
}

impl Spans {
    fn of(wanted: Wanted) -> Self {
        Self {
            wanted,
            pick: Pick::Each,
            allow_failed: false,
            optional: false,
        }
    }

    /// Every span of this name.
    pub fn named(name: impl Into<String>) -> Self {
        Self::of(Wanted::Name(name.into()))
    }

    /// Every span of this kind.
    pub fn kind(kind: impl Into<SpanKind>) -> Self {
        Self::of(Wanted::Kind(kind.into()))
    }

    /// Every span of this path: the names of its callers and its own, joined by `/`. The end of a path is enough;
    /// with a `/` in front it is the whole one.
    ///
    /// ```
    /// use llmtest_metrics::{Span, Spans, Trace};
    ///
    /// let mut spans = vec![Span::new("agent", "agent"), Span::new("answer", "llm"), Span::new("retrieve", "retriever")];
    /// spans[1].parent = Some(0);
    /// spans[2].parent = Some(1);
    /// let trace = Trace { spans };
    /// assert!(Spans::path("answer/retrieve").select(&trace).is_ok());
    /// assert!(Spans::path("/agent/answer/retrieve").select(&trace).is_ok());
    /// assert!(Spans::path("/answer/retrieve").select(&trace).is_err());
    /// ```
    pub fn path(path: impl Into<String>) -> Self {
        Self::of(Wanted::Path(path.into()))
    }

    /// Each of them on its own, and all must pass: how it is unless told otherwise.
    pub fn each(self) -> Self {
        self.picking(Pick::Each)
    }

    /// Only the first of them.
    pub fn first(self) -> Self {
        self.nth(0)
    }

    /// Only the last of them.
    pub fn last(self) -> Self {
        self.picking(Pick::Last)
    }

    /// Only the n-th of them, counted from zero.
    pub fn nth(self, n: usize) -> Self {
        self.picking(Pick::Nth(n))
    }

    /// All of them are measured, and one that passes is enough.
    pub fn any(self) -> Self {
        self.picking(Pick::Over(Over::Any))
    }

    /// All of them are measured, and the least good decides.
    pub fn worst(self) -> Self {
        self.picking(Pick::Over(Over::Worst))
    }

    /// All of them are measured, and the mean of their scores is held against the bar.
    pub fn mean(self) -> Self {
        self.picking(Pick::Over(Over::Mean))
    }

    fn picking(mut self, pick: Pick) -> Self {
        self.pick = pick;
        self
    }

    /// A span that failed is skipped, with its error as the reason, instead of ending the case as Errored.
    pub fn allow_failed(mut self) -> Self {
        self.allow_failed = true;
        self
    }

    /// A case without such a span skips the expectation: a loop may have run no times.
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// How several spans decide together; none where each decides on its own.
    pub fn over(&self) -> Option<Over> {
        match self.pick {
            Pick::Over(over) => Some(over),
            _ => None,
        }
    }

    /// Whether a span may have failed.
    pub fn allows_failed(&self) -> bool {
        self.allow_failed
    }

    /// Whether there may be no such span.
    pub fn is_optional(&self) -> bool {
        self.optional
    }

    /// The component's name in reports, the same however many spans there are: `search`, `answer/search`,
    /// `search (worst)`. `own` is the name of the span that is meant, for spans that are chosen by kind.
    ///
    /// ```
    /// use llmtest_metrics::Spans;
    ///
    /// assert_eq!(Spans::named("search").component(None), "search");
    /// assert_eq!(Spans::named("search").nth(2).component(None), "search (number 3)");
    /// assert_eq!(Spans::kind("tool").component(Some("search")), "search");
    /// assert_eq!(Spans::kind("tool").mean().component(Some("search")), "any tool (mean)");
    /// ```
    pub fn component(&self, own: Option<&str>) -> String {
        let what = match (&self.wanted, self.pick, own) {
            (Wanted::Name(name), ..) => name.clone(),
            (Wanted::Path(path), ..) => path.clone(),
            (Wanted::Kind(_), Pick::Each, Some(own)) => own.to_string(),
            (Wanted::Kind(kind), ..) => format!("any {kind}"),
        };
        what + &self.picked()
    }

    fn picked(&self) -> String {
        match self.pick {
            Pick::Each => String::new(),
            Pick::Nth(0) => " (first)".to_string(),
            Pick::Nth(n) => format!(" (number {})", n + 1),
            Pick::Last => " (last)".to_string(),
            Pick::Over(over) => format!(" ({})", over.as_str()),
        }
    }

    /// The chosen spans with their indexes, or an error that lists the spans there were.
    pub fn select<'t>(&self, trace: &'t Trace) -> crate::Result<Vec<(usize, &'t Span)>> {
        let all: Vec<_> = self
            .indexes(trace)
            .into_iter()
            .map(|at| (at, &trace.spans[at]))
            .collect();
        let chosen = match self.pick {
            Pick::Each | Pick::Over(_) => all,
            Pick::Nth(n) => all.into_iter().skip(n).take(1).collect(),
            Pick::Last => all.into_iter().next_back().into_iter().collect(),
        };
        if chosen.is_empty() {
            Err(self.missing(trace).into())
        } else {
            Ok(chosen)
        }
    }

    /// The indexes of all spans of this name, kind or path, whichever of them are picked.
    pub(super) fn indexes(&self, trace: &Trace) -> Vec<usize> {
        let fits = |at: &usize| match &self.wanted {
            Wanted::Name(name) => trace.spans[*at].name == *name,
            Wanted::Kind(kind) => trace.spans[*at].kind == *kind,
            Wanted::Path(path) => trace.has_path(*at, path),
        };
        (0..trace.spans.len()).filter(fits).collect()
    }

    fn missing(&self, trace: &Trace) -> String {
        if trace.spans.is_empty() {
            return format!(
                "no span {self}: no observed function was called\nhint: put `#[llmtest::observe]` on the function; calls made in `tokio::spawn` or on other threads \
                 are seen when spawned with `llmtest::spawn(…)` or `llmtest::carry(…)`"
            );
        }
        let mut seen: Vec<(String, usize)> = Vec::new();
        for (at, span) in trace.spans.iter().enumerate() {
            let name = match &self.wanted {
                Wanted::Path(_) => trace.path(at),
                _ => span.name.clone(),
            };
            let name = format!("`{name}` ({})", span.kind);
            match seen.iter_mut().find(|(known, _)| *known == name) {
                Some((_, count)) => *count += 1,
                None => seen.push((name, 1)),
            }
        }
        let list = seen
            .into_iter()
            .map(|(name, count)| {
                if count == 1 {
                    name
                } else {
                    format!("{name} × {count}")
                }
            })
            .collect::<Vec<_>>()
            .join(", ");
        let kinds = match &self.wanted {
            Wanted::Path(_) => "paths",
            _ => "names",
        };
        format!(
            "no span {self}; this case recorded {list}\nhint: use one of these {kinds}, or observe the function; a call made in `tokio::spawn` is seen \
             when spawned with `llmtest::spawn(…)`; `Spans::optional()` if there need not be one"
        )
    }
}

impl fmt::Display for Spans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.wanted {
            Wanted::Name(what) | Wanted::Path(what) => write!(f, "`{what}`")?,
            Wanted::Kind(kind) => write!(f, "of kind `{kind}`")?,
        }
        f.write_str(&self.picked())
    }
}

impl From<String> for Spans {
    /// A name, or with a `/` in it a path.
    fn from(text: String) -> Self {
        if text.contains('/') {
            Self::path(text)
        } else {
            Self::named(text)
        }
    }
}

impl From<&str> for Spans {
    /// A name, or with a `/` in it a path.
    fn from(text: &str) -> Self {
        text.to_string().into()
    }
}

impl From<&String> for Spans {
    /// A name, or with a `/` in it a path.
    fn from(text: &String) -> Self {
        text.clone().into()
    }
}

impl From<SpanKind> for Spans {
    fn from(kind: SpanKind) -> Self {
        Self::kind(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace() -> Trace {
        let spans = [
            ("agent", "agent", None),
            ("search", "tool", Some(0)),
            ("search", "tool", Some(0)),
            ("answer", "llm", None),
            ("search", "tool", Some(3)),
        ];
        let span = |(name, kind, parent): (&str, &str, _)| Span {
            parent,
            ..Span::new(name, kind)
        };
        Trace {
            spans: spans.map(span).into(),
        }
    }

    fn chosen(spans: impl Into<Spans>) -> Vec<usize> {
        let trace = trace();
        let chosen = spans.into().select(&trace);
        chosen.map_or(Vec::new(), |all| all.iter().map(|(at, _)| *at).collect())
    }

    #[test]
    fn a_name_means_every_span_of_it() {
        assert_eq!(chosen("search"), [1, 2, 4]);
        assert_eq!(chosen(Spans::named("search").worst()), [1, 2, 4]);
        assert_eq!(chosen(Spans::named("search").first()), [1]);
        assert_eq!(chosen(Spans::named("search").nth(1)), [2]);
        assert_eq!(chosen(Spans::named("search").last()), [4]);
        assert_eq!(chosen(Spans::named("search").nth(3)), [0; 0]);
        assert_eq!(chosen(SpanKind::Llm), [3]);
    }

    #[test]
    fn the_end_of_a_path_is_enough_and_a_slash_in_front_means_the_root() {
        assert_eq!(chosen("agent/search"), [1, 2]);
        assert_eq!(chosen("/answer/search"), [4]);
        assert_eq!(chosen("/search"), [0; 0]);
        assert_eq!(chosen("/answer"), [3]);
        // Not the end of a name.
        assert_eq!(chosen(Spans::path("swer/search")), [0; 0]);
    }

    #[test]
    fn a_missing_span_lists_the_spans_there_were() {
        let error = |spans: &str| Spans::from(spans).select(&trace()).unwrap_err().to_string();
        let text = error("retrieve");
        assert!(text.contains("no span `retrieve`"), "{text}");
        assert!(
            text.contains("`agent` (agent), `search` (tool) × 3, `answer` (llm)"),
            "{text}"
        );
        assert!(text.contains("llmtest::spawn"), "{text}");
        let text = error("/search");
        assert!(text.contains("`agent/search` (tool) × 2"), "{text}");
    }

    #[test]
    fn equal_scores_are_decided_by_the_first_span() {
        for over in [Over::Any, Over::Worst] {
            assert_eq!(
                over.decide(Bar::AtLeast(0.5), &[1.0, 1.0]),
                Some((1.0, Some(0)))
            );
        }
    }
}
