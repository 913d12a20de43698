//! The spans that a metric of a trace is about.

use crate::{EvalCx, Metric, MissingField, Trace};

/// The indexes of all spans in the order of the tree: callers before what they call, calls in the order in which they
/// began. Of a component, only it and what is below it.
pub(crate) fn spans(cx: &EvalCx<'_>) -> Vec<usize> {
    preorder(cx.trace, component(cx))
}

/// The error of a metric that needs observed calls, where there are none.
pub(crate) fn missing(metric: &impl Metric) -> MissingField {
    MissingField {
        metric: metric.name().to_string(),
        field: "trace",
    }
}

/// The index of the component that is measured.
pub(crate) fn component(cx: &EvalCx<'_>) -> Option<usize> {
    let span = cx.span?;
    cx.trace
        .spans
        .iter()
        .position(|known| std::ptr::eq(known, span))
}

/// What every span calls, and the spans that nobody called.
pub(crate) struct Below {
    pub(crate) calls: Vec<Vec<usize>>,
    pub(crate) roots: Vec<usize>,
}

/// Callers begin before what they call; anything else is a broken trace, whose spans still count once.
pub(crate) fn below(callers: impl ExactSizeIterator<Item = Option<usize>>) -> Below {
    let mut calls = vec![Vec::new(); callers.len()];
    let mut roots = Vec::new();
    for (at, caller) in callers.enumerate() {
        match caller.filter(|caller| *caller < at) {
            Some(caller) => calls[caller].push(at),
            None => roots.push(at),
        }
    }
    Below { calls, roots }
}

pub(crate) fn preorder(trace: &Trace, root: Option<usize>) -> Vec<usize> {
    let Below { calls, roots } = below(trace.spans.iter().map(|span| span.parent));
    let mut open = root.map_or(roots, |root| vec![root]);
    open.reverse();
    let mut order = Vec::with_capacity(trace.spans.len());
    while let Some(at) = open.pop() {
        order.push(at);
        open.extend(calls[at].iter().rev());
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Span;

    #[test]
    fn callers_stand_before_what_they_call_and_every_span_once() {
        let span = |parent| Span {
            parent,
            ..Span::new("s", "tool")
        };
        let parents = [None, None, Some(0), Some(1), Some(2), Some(9), Some(5)];
        let trace = Trace {
            spans: parents.map(span).into(),
        };
        assert_eq!(preorder(&trace, None), [0, 2, 4, 1, 3, 5, 6]);
        assert_eq!(preorder(&trace, Some(2)), [2, 4]);
    }
}
