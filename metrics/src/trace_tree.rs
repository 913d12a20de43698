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

fn preorder(trace: &Trace, root: Option<usize>) -> Vec<usize> {
    let mut below = vec![Vec::new(); trace.spans.len()];
    let mut open = Vec::new();
    for (at, span) in trace.spans.iter().enumerate() {
        // Callers begin before what they call; anything else is a broken trace, whose spans still count once.
        match span.parent.filter(|parent| *parent < at) {
            Some(parent) => below[parent].push(at),
            None => open.push(at),
        }
    }
    if let Some(root) = root {
        open = vec![root];
    }
    open.reverse();
    let mut order = Vec::with_capacity(trace.spans.len());
    while let Some(at) = open.pop() {
        order.push(at);
        open.extend(below[at].iter().rev());
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
