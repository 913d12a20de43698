//! Queries over the calls of a trace.

use super::tree::took;
use super::{Finding, Span, SpanKind, Spans, Trace, Usage};
use crate::reason::one_line;
use crate::trace_tree;
use serde_json::Value;
use std::fmt::Display;
use std::ops::Deref;
use std::time::Duration;

/// Some of the calls of a trace, in the order in which they began: an iterator over their [`Span`]s with questions.
///
/// Some methods narrow (`filter`, `inside`, `with_argument`), others ask and give a [`Finding`] that a metric by closure
/// may return (`all`, `exactly`, `before`, `in_order`). A question looks at the calls that the iterator has not passed.
///
/// ```
/// use llmtest_metrics::{EvalCx, Span, Trace, metric_cx};
/// use std::time::Duration;
///
/// let searches_first = metric_cx("searches_first", |cx: &EvalCx<'_>| {
///     let search = cx.trace.named("search").inside("agent");
///     search.at_least(1)
///         .and(search.before("answer"))
///         .and(search.took_at_most(Duration::from_secs(2)))
/// });
///
/// // What a failure says:
/// let mut spans = vec![Span::new("agent", "agent"), Span::new("search", "tool"), Span::new("search", "tool")];
/// (spans[1].parent, spans[2].parent) = (Some(0), Some(0));
/// let trace = Trace { spans };
/// let finding = trace.named("search").inside("agent").at_most(1);
/// assert_eq!(finding.reason(), "expected at most 1 call of `search` inside `agent`, but there were 2");
/// assert_eq!(finding.tree().to_string(), "  agent (agent)\n>   search (tool)\n>   search (tool)");
/// # let _ = searches_first;
/// ```
#[derive(Debug, Clone)]
pub struct Calls<'t> {
    trace: &'t Trace,
    rest: std::vec::IntoIter<usize>,
    what: String,
}

/// One call of a trace: its [`Span`], and where it stands in the tree.
///
/// ```
/// use llmtest_metrics::{Span, Trace};
///
/// let mut spans = vec![Span::new("agent", "agent"), Span::new("search", "tool")];
/// spans[1].parent = Some(0);
/// let trace = Trace { spans };
/// let call = trace.call(1).unwrap();
/// assert_eq!((call.name.as_str(), call.depth()), ("search", 1));
/// assert_eq!(call.callers().next().unwrap().name, "agent");
/// assert!(trace.calls().filter(|call| call.children().exactly(1).holds()).exactly(1).holds());
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Call<'t> {
    trace: &'t Trace,
    at: usize,
}

impl Trace {
    /// The calls of this name.
    pub fn named(&self, name: &str) -> Calls<'_> {
        self.of(&Spans::named(name))
    }

    /// The calls of this kind.
    pub fn of_kind(&self, kind: impl Into<SpanKind>) -> Calls<'_> {
        self.of(&Spans::kind(kind))
    }

    /// The calls that these [`Spans`] are about: a name, a path or a kind. All of them, whichever they pick.
    ///
    /// ```
    /// use llmtest_metrics::{Span, Trace};
    ///
    /// let mut spans = vec![Span::new("answer", "llm"), Span::new("retrieve", "retriever")];
    /// spans[1].parent = Some(0);
    /// let trace = Trace { spans };
    /// assert!(trace.matching("answer/retrieve").exactly(1).holds());
    /// ```
    pub fn matching(&self, spans: impl Into<Spans>) -> Calls<'_> {
        self.of(&spans.into())
    }

    fn of(&self, spans: &Spans) -> Calls<'_> {
        Calls::new(self, spans.indexes(self), spans.to_string())
    }

    /// Every call.
    pub fn calls(&self) -> Calls<'_> {
        Calls::new(
            self,
            (0..self.spans.len()).collect(),
            "any name".to_string(),
        )
    }

    /// The call of this index.
    pub fn call(&self, span: usize) -> Option<Call<'_>> {
        let call = Call {
            trace: self,
            at: span,
        };
        self.spans.get(span).map(|_| call)
    }

    /// As [`Calls::in_order`], of all calls.
    ///
    /// ```
    /// use llmtest_metrics::{Span, Trace};
    ///
    /// let names = ["plan", "search", "search", "answer"];
    /// let trace = Trace { spans: names.map(|name| Span::new(name, "tool")).into() };
    /// assert!(trace.in_order(["plan", "search", "answer"]).holds());
    /// assert_eq!(
    ///     trace.in_order(["search", "plan"]).reason(),
    ///     "expected `search`, then `plan`, but after `search` no `plan` began"
    /// );
    /// ```
    pub fn in_order<S: Into<Spans>>(&self, order: impl IntoIterator<Item = S>) -> Finding {
        self.calls().in_order(order)
    }
}

impl<'t> Iterator for Calls<'t> {
    type Item = &'t Span;

    fn next(&mut self) -> Option<&'t Span> {
        self.rest.next().map(|at| &self.trace.spans[at])
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.rest.size_hint()
    }
}

impl ExactSizeIterator for Calls<'_> {}

impl DoubleEndedIterator for Calls<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.rest.next_back().map(|at| &self.trace.spans[at])
    }
}

/// Which calls are meant.
impl<'t> Calls<'t> {
    fn new(trace: &'t Trace, at: Vec<usize>, what: String) -> Self {
        Self {
            trace,
            rest: at.into_iter(),
            what,
        }
    }

    /// The calls with their places in the tree.
    pub fn each(&self) -> impl Iterator<Item = Call<'t>> + use<'t> {
        let trace = self.trace;
        self.rest.clone().map(move |at| Call { trace, at })
    }

    /// The indexes in [`Trace::spans`].
    pub fn indexes(&self) -> &[usize] {
        self.rest.as_slice()
    }

    fn narrowed(self, what: impl Display, keep: impl Fn(&Call<'t>) -> bool) -> Self {
        let kept = self.each().filter(keep).map(|call| call.at).collect();
        Self::new(self.trace, kept, format!("{} {what}", self.what))
    }

    /// Those that the condition holds of.
    pub fn filter(self, keep: impl Fn(&Call<'t>) -> bool) -> Self {
        self.narrowed("that fit", keep)
    }

    /// As [`filter`](Self::filter), with words for the condition: they follow the calls' name in a reason.
    ///
    /// ```
    /// use llmtest_metrics::Trace;
    ///
    /// let trace = Trace::default();
    /// let dear = trace.of_kind("llm").that("cost more than a cent", |call| call.cost > Some(0.01));
    /// assert_eq!((!dear.exactly(0)).reason(), "expected not: exactly 0 calls of kind `llm` that cost more than a cent, but there was none");
    /// ```
    pub fn that(self, words: &str, keep: impl Fn(&Call<'t>) -> bool) -> Self {
        self.narrowed(format_args!("that {words}"), keep)
    }

    /// Those below a call of this name, path or kind.
    pub fn inside(self, callers: impl Into<Spans>) -> Self {
        let callers = callers.into();
        let these = callers.indexes(self.trace);
        self.narrowed(format_args!("inside {}", plainly(&callers)), |call| {
            call.up().any(|at| these.binary_search(&at).is_ok())
        })
    }

    /// Those called by a call of this name, path or kind itself.
    pub fn directly_inside(self, callers: impl Into<Spans>) -> Self {
        let callers = callers.into();
        let these = callers.indexes(self.trace);
        self.narrowed(
            format_args!("directly inside {}", plainly(&callers)),
            |call| {
                call.up()
                    .next()
                    .is_some_and(|at| these.binary_search(&at).is_ok())
            },
        )
    }

    /// Those with a call of this name, path or kind somewhere below.
    pub fn containing(self, calls: impl Into<Spans>) -> Self {
        let calls = calls.into();
        let trace = self.trace;
        let mut above: Vec<usize> = calls
            .indexes(trace)
            .into_iter()
            .flat_map(|at| Call { trace, at }.up())
            .collect();
        above.sort_unstable();
        self.narrowed(format_args!("that contain {}", plainly(&calls)), |call| {
            above.binary_search(&call.at).is_ok()
        })
    }

    /// Those with this argument, if the condition holds of its value.
    ///
    /// ```
    /// use llmtest_metrics::{Span, Trace};
    /// use serde_json::json;
    ///
    /// let mut search = Span::new("search", "tool");
    /// search.input = json!({"query": "red shoes", "top": 3});
    /// let trace = Trace { spans: vec![search] };
    /// let few = trace.named("search").with_argument("top", |top| top.as_u64() <= Some(5));
    /// assert!(few.at_least(1).holds());
    /// ```
    pub fn with_argument(self, name: &str, fits: impl Fn(&Value) -> bool) -> Self {
        self.narrowed(format_args!("with such a `{name}`"), |call| {
            call.input.get(name).is_some_and(&fits)
        })
    }

    /// Those with an error.
    pub fn failed(self) -> Self {
        self.narrowed("that failed", |call| call.error.is_some())
    }
}

/// `search`, for spans of which the pick does not count.
fn plainly(spans: &Spans) -> String {
    spans.clone().each().to_string()
}

/// What is asked of them.
impl Calls<'_> {
    fn finding(&self, holds: bool, expected: String, found: String) -> Finding {
        Finding::new(holds, expected, found, self.trace.tree())
    }

    fn these(&self) -> Vec<usize> {
        self.indexes().to_vec()
    }

    /// What to call them: `search` for the calls of `search`.
    fn short(&self) -> String {
        match self.what.as_str() {
            "any name" => "calls".to_string(),
            what => format!("calls of {}", what.strip_prefix("of ").unwrap_or(what)),
        }
    }

    fn of_these(&self, n: usize) -> String {
        let noun = if n == 1 { "call" } else { "calls" };
        match self.what.strip_prefix("of ") {
            Some(kind) => format!("{n} {noun} of {kind}"),
            None => format!("{n} {noun} of {}", self.what),
        }
    }

    fn count_is(&self, holds: bool, how: &str, n: usize) -> Finding {
        let found = match self.len() {
            0 => "there was none".to_string(),
            1 => "there was 1".to_string(),
            n => format!("there were {n}"),
        };
        self.finding(holds, format!("{how} {}", self.of_these(n)), found)
            .spans(self.these(), self.these())
    }

    /// There are exactly so many.
    pub fn exactly(&self, n: usize) -> Finding {
        self.count_is(self.len() == n, "exactly", n)
    }

    /// There are at least so many.
    pub fn at_least(&self, n: usize) -> Finding {
        self.count_is(self.len() >= n, "at least", n)
    }

    /// There are at most so many.
    pub fn at_most(&self, n: usize) -> Finding {
        self.count_is(self.len() <= n, "at most", n)
    }

    /// The condition holds of every one; also if there is none.
    pub fn all(&self, fits: impl Fn(&Call<'_>) -> bool) -> Finding {
        let other = self.indexes_where(|call| !fits(call));
        let found = match other.len() {
            0 => format!("it holds of {}", self.counted()),
            n => format!("it does not of {n} of {}", self.len()),
        };
        let expected = format!("the condition to hold of all {}", self.short());
        self.finding(other.is_empty(), expected, found)
            .spans(other, self.these())
    }

    /// The condition holds of at least one.
    pub fn any(&self, fits: impl Fn(&Call<'_>) -> bool) -> Finding {
        let fitting = self.indexes_where(fits);
        let found = match fitting.len() {
            0 => format!("it holds of none of {}", self.len()),
            n => format!("it holds of {n} of {}", self.len()),
        };
        let expected = format!("the condition to hold of some {}", self.short());
        self.finding(!fitting.is_empty(), expected, found)
            .spans(self.these(), fitting)
    }

    /// The condition holds of no one.
    pub fn none(&self, fits: impl Fn(&Call<'_>) -> bool) -> Finding {
        let fitting = self.indexes_where(fits);
        let found = match fitting.len() {
            0 => format!("it holds of none of {}", self.len()),
            n => format!("it holds of {n} of {}", self.len()),
        };
        let expected = format!("the condition to hold of no {}", self.short());
        self.finding(fitting.is_empty(), expected, found)
            .spans(fitting, self.these())
    }

    fn indexes_where(&self, fits: impl Fn(&Call<'_>) -> bool) -> Vec<usize> {
        self.each()
            .filter(|call| fits(call))
            .map(|call| call.at)
            .collect()
    }

    fn counted(&self) -> String {
        let noun = if self.len() == 1 { "call" } else { "calls" };
        format!("{} {noun}", self.len())
    }

    /// Every one began before the first call of this name, path or kind began; there is at least one of both.
    ///
    /// A call that makes another began before it. See [`ended_before`](Self::ended_before) for one after the other.
    pub fn before(&self, other: impl Into<Spans>) -> Finding {
        self.against(&other.into(), "before", |these, others| {
            let first = others.first().copied().unwrap_or_default();
            these.iter().copied().filter(|at| *at >= first).collect()
        })
    }

    /// Every one began after the last call of this name, path or kind began; there is at least one of both.
    pub fn after(&self, other: impl Into<Spans>) -> Finding {
        self.against(&other.into(), "after", |these, others| {
            let last = others.last().copied().unwrap_or_default();
            these.iter().copied().filter(|at| *at <= last).collect()
        })
    }

    /// Every one had ended when the first call of this name, path or kind began; there is at least one of both.
    pub fn ended_before(&self, other: impl Into<Spans>) -> Finding {
        self.against(&other.into(), "to end before", |these, others| {
            let starts = others.iter().map(|at| self.trace.spans[*at].start);
            let first = starts.fold(f64::INFINITY, f64::min);
            let late = |at: &usize| {
                let span = &self.trace.spans[*at];
                span.start + span.duration > first
            };
            these.iter().copied().filter(late).collect()
        })
    }

    fn against(
        &self,
        other: &Spans,
        how: &str,
        wrong: impl Fn(&[usize], &[usize]) -> Vec<usize>,
    ) -> Finding {
        let others = other.indexes(self.trace);
        let other = plainly(other);
        let expected = format!("all {} {how} {other}", self.short());
        if self.len() == 0 || others.is_empty() {
            let missing = if self.len() == 0 { &self.what } else { &other };
            return self
                .finding(
                    false,
                    expected,
                    format!(
                        "there was no call of {}",
                        missing.strip_prefix("of ").unwrap_or(missing)
                    ),
                )
                .spans(Vec::new(), self.these());
        }
        let wrong = wrong(self.indexes(), &others);
        let found = match wrong.len() {
            0 => format!("{} were {how} {other}", self.counted()),
            n => format!("{n} of {} were not", self.len()),
        };
        self.finding(wrong.is_empty(), expected, found)
            .spans(wrong, self.these())
    }

    /// Every one is below a call of this name, path or kind; also if there is none.
    pub fn all_inside(&self, callers: impl Into<Spans>) -> Finding {
        let callers = callers.into();
        let these = callers.indexes(self.trace);
        let outside =
            self.indexes_where(|call| !call.up().any(|at| these.binary_search(&at).is_ok()));
        let callers = plainly(&callers);
        let found = match outside.len() {
            0 => format!("{} were inside {callers}", self.counted()),
            n => format!("{n} of {} were not", self.len()),
        };
        let expected = format!("all {} inside {callers}", self.short());
        self.finding(outside.is_empty(), expected, found)
            .spans(outside, self.these())
    }

    /// None took longer; also if there is none. Calls out of a recording take no time.
    pub fn took_at_most(&self, longest: Duration) -> Finding {
        let seconds = longest.as_secs_f64();
        let slow = self.indexes_where(|call| call.duration > seconds);
        let most = self.each().map(|call| call.duration).fold(0.0, f64::max);
        let expected = format!("{} to take at most {}", self.short(), took(seconds));
        let found = format!("the slowest took {}", took(most));
        self.finding(slow.is_empty(), expected, found)
            .spans(slow, self.these())
    }

    /// Some of these calls are of these names, paths or kinds, in this order of their begin; others may be between.
    pub fn in_order<S: Into<Spans>>(&self, order: impl IntoIterator<Item = S>) -> Finding {
        let order: Vec<Spans> = order.into_iter().map(|spans| spans.into().each()).collect();
        let words: Vec<String> = order.iter().map(ToString::to_string).collect();
        let mut rest = self.indexes();
        let mut matched = Vec::new();
        let mut stopped = None;
        for (step, spans) in order.iter().enumerate() {
            let these = spans.indexes(self.trace);
            match rest.iter().position(|at| these.binary_search(at).is_ok()) {
                Some(at) => {
                    matched.push(rest[at]);
                    rest = &rest[at + 1..];
                }
                None => {
                    stopped = Some(step);
                    break;
                }
            }
        }
        let found = match stopped {
            None => "they began in this order".to_string(),
            Some(0) => format!("no {} began", words[0]),
            Some(step) => format!("after {} no {} began", words[step - 1], words[step]),
        };
        // The calls in question stand elsewhere, or are the last that fitted.
        let blamed = match stopped {
            Some(step) => {
                let these = order[step].indexes(self.trace);
                let elsewhere: Vec<usize> = these
                    .into_iter()
                    .filter(|at| self.indexes().binary_search(at).is_ok())
                    .collect();
                if elsewhere.is_empty() {
                    matched.last().copied().into_iter().collect()
                } else {
                    elsewhere
                }
            }
            None => Vec::new(),
        };
        self.finding(stopped.is_none(), words.join(", then "), found)
            .spans(blamed, matched)
    }

    /// The time they took together; what one of them called is counted in both if both are meant.
    ///
    /// ```
    /// use llmtest_metrics::{Span, Trace};
    /// use std::time::Duration;
    ///
    /// let mut ask = Span::new("ask", "llm");
    /// (ask.duration, ask.cost) = (0.5, Some(0.01));
    /// let trace = Trace { spans: vec![ask.clone(), ask] };
    /// assert_eq!(trace.named("ask").total_duration(), Duration::from_secs(1));
    /// assert_eq!(trace.named("ask").total_cost(), Some(0.02));
    /// assert_eq!(trace.named("ask").total_usage().total(), 0);
    /// ```
    pub fn total_duration(&self) -> Duration {
        let seconds: f64 = self.each().map(|call| call.duration).sum();
        Duration::try_from_secs_f64(seconds).unwrap_or_default()
    }

    /// The tokens that were noted on them.
    pub fn total_usage(&self) -> Usage {
        let mut usage = Usage::default();
        for noted in self.each().filter_map(|call| call.usage) {
            usage += noted;
        }
        usage
    }

    /// What they cost in US dollars as far as it is known; none where it is of no one.
    pub fn total_cost(&self) -> Option<f64> {
        let known = self.each().filter_map(|call| call.cost);
        known.reduce(|sum, cost| sum + cost)
    }
}

impl<'t> Call<'t> {
    /// The index in [`Trace::spans`].
    pub fn index(&self) -> usize {
        self.at
    }

    /// The span, for as long as the trace lives.
    pub fn span(&self) -> &'t Span {
        &self.trace.spans[self.at]
    }

    /// The names of its callers and its own, joined by `/`.
    pub fn path(&self) -> String {
        self.trace.path(self.at)
    }

    /// How many callers are above it.
    pub fn depth(&self) -> usize {
        self.up().count()
    }

    /// What is below it, from its caller up to the root.
    fn up(&self) -> impl Iterator<Item = usize> + use<'t> {
        let trace = self.trace;
        std::iter::successors(trace.caller(self.at), move |at| trace.caller(*at))
    }

    /// Its callers, from the root.
    pub fn callers(&self) -> Calls<'t> {
        let mut above: Vec<usize> = self.up().collect();
        above.reverse();
        self.around(above, "above")
    }

    /// The calls that it made itself.
    pub fn children(&self) -> Calls<'t> {
        let own = |at: &usize| self.trace.caller(*at) == Some(self.at);
        let calls = (self.at + 1..self.trace.spans.len()).filter(own);
        self.around(calls.collect(), "directly below")
    }

    /// All calls below it.
    pub fn descendants(&self) -> Calls<'t> {
        let mut below = trace_tree::preorder(self.trace, Some(self.at));
        below.retain(|at| *at != self.at);
        below.sort_unstable();
        self.around(below, "below")
    }

    fn around(&self, calls: Vec<usize>, where_: &str) -> Calls<'t> {
        let name = one_line(&self.name);
        Calls::new(self.trace, calls, format!("any name {where_} `{name}`"))
    }
}

impl Deref for Call<'_> {
    type Target = Span;

    fn deref(&self) -> &Span {
        &self.trace.spans[self.at]
    }
}

#[cfg(test)]
#[path = "query_tests.rs"]
mod tests;
