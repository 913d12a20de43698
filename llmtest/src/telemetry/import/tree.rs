//! From spans that name their parents to a tree whose parents stand first.

use llmtest_metrics::{Span, Trace};
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};

/// A span as a file holds it: parents by id, times on the clock.
#[derive(Debug)]
pub(super) struct Flat {
    pub(super) id: String,
    pub(super) parent: Option<String>,
    pub(super) span: Span,
    /// Nanoseconds since 1970.
    pub(super) start: Option<i128>,
    pub(super) end: Option<i128>,
    /// The place in the trace, where the exporter says it.
    pub(super) place: Option<u64>,
}

/// The tree, its ids in the same order, and when it began.
pub(super) struct Tree {
    pub(super) trace: Trace,
    pub(super) ids: Vec<String>,
}

/// Sorts spans so that parents stand before children, else by their start. Times become seconds after `began`, or after
/// the first start.
pub(super) fn assemble(flat: Vec<Flat>, began: Option<i128>, problems: &mut Vec<String>) -> Tree {
    let began = began.or_else(|| flat.iter().filter_map(|span| span.start).min());
    let parents = parents(&flat, problems);
    let mut children = vec![Vec::new(); flat.len()];
    for (child, parent) in parents.iter().enumerate() {
        if let Some(parent) = parent {
            children[*parent].push(child);
        }
    }
    let rank = |at: usize| Reverse((flat[at].place, flat[at].start.unwrap_or(i128::MAX), at));
    let roots = (0..flat.len()).filter(|at| parents[*at].is_none());
    let mut ready: BinaryHeap<_> = roots.map(rank).collect();
    let mut order = Vec::with_capacity(flat.len());
    while let Some(Reverse((_, _, at))) = ready.pop() {
        order.push(at);
        ready.extend(children[at].iter().map(|child| rank(*child)));
    }
    let mut place_of = vec![0; flat.len()];
    for (place, at) in order.iter().enumerate() {
        place_of[*at] = place;
    }
    let mut flat: Vec<Option<Flat>> = flat.into_iter().map(Some).collect();
    let mut tree = Tree {
        trace: Trace::default(),
        ids: Vec::new(),
    };
    for at in order {
        let Some(mut one) = flat[at].take() else {
            continue;
        };
        one.span.parent = parents[at].map(|parent| place_of[parent]);
        set_times(&mut one, began, problems);
        tree.ids.push(one.id);
        tree.trace.spans.push(one.span);
    }
    tree
}

/// The index of every span's parent; what cannot be is named, and the span stands at the top.
fn parents(flat: &[Flat], problems: &mut Vec<String>) -> Vec<Option<usize>> {
    let mut by_id = HashMap::new();
    for (at, span) in flat.iter().enumerate() {
        if by_id.contains_key(span.id.as_str()) {
            problems.push(format!(
                "the id `{}` stands for several spans; children belong to the first",
                span.id
            ));
        } else {
            by_id.insert(span.id.as_str(), at);
        }
    }
    let mut parents: Vec<Option<usize>> = Vec::with_capacity(flat.len());
    for span in flat {
        let found = span
            .parent
            .as_deref()
            .map(|id| (id, by_id.get(id).copied()));
        if let Some((id, None)) = found {
            problems.push(format!(
                "the parent `{id}` of span `{}` (`{}`) is not in the trace",
                span.id, span.span.name
            ));
        }
        parents.push(found.and_then(|(_, parent)| parent));
    }
    // Every span whose way to the top comes back to itself is on a cycle; one link of it is cut.
    let mut settled = vec![false; flat.len()];
    for at in 0..flat.len() {
        let mut way = BTreeSet::new();
        let mut here = at;
        while !settled[here] {
            way.insert(here);
            match parents[here] {
                Some(parent) if way.contains(&parent) => {
                    problems.push(format!(
                        "the span `{}` (`{}`) is its own ancestor",
                        flat[here].id, flat[here].span.name
                    ));
                    parents[here] = None;
                    break;
                }
                Some(parent) => here = parent,
                None => break,
            }
        }
        for seen in way {
            settled[seen] = true;
        }
    }
    parents
}

fn set_times(one: &mut Flat, began: Option<i128>, problems: &mut Vec<String>) {
    let (id, name) = (&one.id, &one.span.name);
    match (one.start, one.end) {
        (Some(start), Some(end)) if end < start => {
            problems.push(format!("the span `{id}` (`{name}`) ends before it starts"));
        }
        (Some(start), Some(end)) => one.span.duration = seconds(end - start),
        (Some(_), None) => problems.push(format!("the span `{id}` (`{name}`) has no end")),
        (None, _) => problems.push(format!("the span `{id}` (`{name}`) has no start")),
    }
    if let (Some(start), Some(began)) = (one.start, began) {
        one.span.start = seconds(start - began);
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "exact to the nanosecond for 104 days"
)]
fn seconds(nanoseconds: i128) -> f64 {
    nanoseconds as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(id: &str, parent: Option<&str>, start: Option<i128>) -> Flat {
        Flat {
            id: id.to_string(),
            parent: parent.map(str::to_string),
            span: Span::new(id, "function"),
            start,
            end: start.map(|start| start + 5),
            place: None,
        }
    }

    #[test]
    fn parents_stand_before_children_and_siblings_by_their_start() {
        let spans = vec![
            flat("late", Some("root"), Some(30)),
            flat("early", Some("root"), Some(20)),
            flat("root", None, Some(10)),
        ];
        let mut problems = Vec::new();
        let tree = assemble(spans, None, &mut problems);
        assert_eq!(tree.ids, ["root", "early", "late"]);
        let parents: Vec<_> = tree.trace.spans.iter().map(|span| span.parent).collect();
        assert_eq!(parents, [None, Some(0), Some(0)]);
        assert!((tree.trace.spans[2].start - 20e-9).abs() < 1e-12);
        assert!(problems.is_empty());
    }

    #[test]
    fn a_child_that_claims_to_begin_before_its_parent_still_comes_after_it() {
        let spans = vec![
            flat("child", Some("root"), Some(1)),
            flat("root", None, Some(10)),
        ];
        let tree = assemble(spans, None, &mut Vec::new());
        assert_eq!(tree.ids, ["root", "child"]);
    }

    #[test]
    fn orphans_cycles_equal_ids_and_missing_times_are_named_and_kept() {
        let spans = vec![
            flat("a", Some("b"), Some(1)),
            flat("b", Some("a"), Some(2)),
            flat("self", Some("self"), Some(3)),
            flat("orphan", Some("gone"), None),
            flat("orphan", None, Some(9)),
        ];
        let mut problems = Vec::new();
        let tree = assemble(spans, None, &mut problems);
        assert_eq!(tree.ids.len(), 5);
        let text = problems.join("\n");
        for part in ["`gone`", "its own ancestor", "several spans", "no start"] {
            assert!(text.contains(part), "{part} is not in:\n{text}");
        }
        for (at, span) in tree.trace.spans.iter().enumerate() {
            assert!(span.parent.is_none_or(|parent| parent < at));
        }
    }
}
