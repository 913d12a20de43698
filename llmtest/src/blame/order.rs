//! The orders of stages that a run allows, and the Shapley value over them.

use llmtest_metrics::{Span, Trace};
use std::collections::HashMap;

/// Up to this many stages, stages that ran at the same time are tried in every order.
const ALL_ORDERS: usize = 4;
/// Rounding of times, in seconds.
const ROUNDING: f64 = 1e-9;

/// Of every stage, as bits, the stages that come before it. A stage is the indexes of its spans; at most 64 count.
pub(crate) fn before(trace: &Trace, stages: &[Vec<usize>]) -> Vec<u64> {
    let end = |span: &Span| span.start + span.duration;
    let of = |stage: &[usize]| -> Vec<(usize, &Span)> {
        let spans = stage
            .iter()
            .filter_map(|at| Some((*at, trace.spans.get(*at)?)));
        spans.collect()
    };
    // A function ends after those it calls, and the first turn of a loop ends in the order of its stages.
    let keys: Vec<(f64, usize)> = stages
        .iter()
        .enumerate()
        .map(|(n, stage)| {
            let ends = of(stage).into_iter().map(|(_, span)| end(span));
            (ends.fold(f64::INFINITY, f64::min), n)
        })
        .collect();
    let at_once = |a: &[usize], b: &[usize]| {
        of(a).iter().any(|(i, x)| {
            of(b).iter().any(|(j, y)| {
                let shared = end(x).min(end(y)) - x.start.max(y.start);
                shared > ROUNDING && !calls(trace, *i, *j) && !calls(trace, *j, *i)
            })
        })
    };
    let one_order = stages.len() > ALL_ORDERS;
    let earlier = |a: usize, b: usize| {
        let (x, y) = (keys[a], keys[b]);
        x.0.total_cmp(&y.0).then(x.1.cmp(&y.1)).is_lt()
    };
    (0..stages.len())
        .map(|b| {
            (0..stages.len().min(64))
                .filter(|&a| {
                    a != b && earlier(a, b) && (one_order || !at_once(&stages[a], &stages[b]))
                })
                .fold(0, |mask, a| mask | 1 << a)
        })
        .collect()
}

/// Whether the span `below` was called by the span `above`, directly or not.
pub(super) fn calls(trace: &Trace, above: usize, below: usize) -> bool {
    let mut at = below;
    while let Some(parent) = trace.spans.get(at).and_then(|span| span.parent) {
        // Parents open before their children; anything else would go round.
        if parent >= at {
            return false;
        }
        if parent == above {
            return true;
        }
        at = parent;
    }
    false
}

/// Every set of stages, as bits, that some allowed order begins with: from none to all, small ones first.
pub(crate) fn coalitions(before: &[u64]) -> Vec<u64> {
    let mut all = vec![0_u64];
    let mut at = 0;
    while let Some(&set) = all.get(at) {
        for next in followers(before, set) {
            if !all.contains(&next.1) {
                all.push(next.1);
            }
        }
        at += 1;
    }
    all
}

/// The stages that may come next after a set, with the set that they make.
fn followers(before: &[u64], set: u64) -> impl Iterator<Item = (usize, u64)> + '_ {
    let free = move |(stage, needs): (usize, &u64)| {
        let bit = 1_u64 << stage;
        (set & bit == 0 && needs & !set == 0).then_some((stage, set | bit))
    };
    before.iter().take(64).enumerate().filter_map(free)
}

/// What every stage adds to `value`, averaged over the allowed orders. None when a value is.
pub(crate) fn shares(before: &[u64], value: impl Fn(u64) -> Option<f64>) -> Option<Vec<f64>> {
    let sets = coalitions(before);
    // In how many ways a set comes about, and in how many the rest can follow.
    let (mut into, mut onward) = (HashMap::from([(0_u64, 1.0)]), HashMap::new());
    for set in &sets {
        let ways = into.get(set).copied().unwrap_or_default();
        for (_, next) in followers(before, *set) {
            *into.entry(next).or_insert(0.0) += ways;
        }
    }
    for set in sets.iter().rev() {
        let mut ways = 0.0;
        let mut last = true;
        for (_, next) in followers(before, *set) {
            last = false;
            ways += onward.get(&next).copied().unwrap_or_default();
        }
        onward.insert(*set, if last { 1.0 } else { ways });
    }
    let orders: f64 = onward.get(&0).copied().unwrap_or(1.0);
    let mut parts = vec![0.0; before.len()];
    for set in &sets {
        for (stage, next) in followers(before, *set) {
            let weight = into.get(set)? * onward.get(&next)? / orders;
            parts[stage] += weight * (value(next)? - value(*set)?);
        }
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(start: f64, end: f64, parent: Option<usize>) -> Span {
        let mut span = Span::new("s", "function");
        (span.start, span.duration, span.parent) = (start, end - start, parent);
        span
    }

    #[test]
    fn a_chain_has_one_order_and_its_first_healing_stage_gets_everything() {
        let before = [0, 0b1, 0b11, 0b111];
        assert_eq!(coalitions(&before), [0, 0b1, 0b11, 0b111, 0b1111]);
        // Broken at the second stage: everything from there on heals.
        let parts = shares(&before, |set| Some(f64::from(u8::from(set & 0b1110 != 0))));
        assert_eq!(parts.unwrap(), [0.0, 1.0, 0.0, 0.0]);
    }

    #[test]
    fn stages_at_once_share_as_shapley_says() {
        // Two of three are needed: the classical value of a majority.
        let parts = shares(&[0, 0, 0], |set| {
            Some(f64::from(u8::from(set.count_ones() >= 2)))
        });
        for part in parts.unwrap() {
            assert!((part - 1.0 / 3.0).abs() < 1e-12);
        }
        // Two at once, both needed, then a third.
        let parts = shares(&[0, 0, 0b11], |set| {
            Some(f64::from(u8::from(set & 0b11 == 0b11)))
        });
        assert_eq!(parts.unwrap(), [0.5, 0.5, 0.0]);
        assert_eq!(shares(&[0], |_| None), None);
    }

    #[test]
    fn the_order_is_that_of_time_and_of_calls() {
        let trace = Trace {
            spans: vec![
                span(0.0, 9.0, None),
                span(1.0, 2.0, Some(0)),
                span(3.0, 5.0, Some(0)),
                span(4.0, 6.0, Some(0)),
                span(7.0, 8.0, Some(0)),
            ],
        };
        let alone = |spans: &[usize]| spans.iter().map(|at| vec![*at]).collect::<Vec<_>>();
        // The caller comes last; two at once are free.
        assert_eq!(
            before(&trace, &alone(&[0, 1, 2, 3])),
            [0b1110, 0, 0b10, 0b10]
        );
        // A loop over two stages: the first turn counts.
        assert_eq!(before(&trace, &[vec![1, 4], vec![2]]), [0, 0b1]);
        // More than four: one order.
        let all = before(&trace, &alone(&[0, 1, 2, 3, 4]));
        assert_eq!(coalitions(&all).len(), 6);
    }
}
