//! Queries over the calls of a trace.

use super::{Finding, Span, SpanKind, Spans, Trace};
use crate::reason::one_line;
use crate::trace_tree;
use serde_json::Value;
use std::fmt::Display;
use std::ops::Deref;

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
    pub(super) trace: &'t Trace,
    rest: std::vec::IntoIter<usize>,
    pub(super) what: String,
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
pub(super) fn plainly(spans: &Spans) -> String {
    spans.clone().each().to_string()
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

    /// Its callers, the nearest first.
    pub(super) fn up(&self) -> impl Iterator<Item = usize> + use<'t> {
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

    fn around(&self, calls: Vec<usize>, place: &str) -> Calls<'t> {
        let name = one_line(&self.name);
        Calls::new(self.trace, calls, format!("any name {place} `{name}`"))
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
