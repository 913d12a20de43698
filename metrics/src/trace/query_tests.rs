use super::*;
use crate::{Bar, IntoScore};
use serde_json::json;
use std::time::Duration;

/// `agent` calls `plan` and twice `search`, the second of which fails in `fetch`; then `answer` runs.
fn trace() -> Trace {
    let span = |name: &str, kind: &str, parent, start: f64, duration: f64| Span {
        parent,
        start,
        duration,
        input: json!({ "query": name }),
        ..Span::new(name, kind)
    };
    let mut spans = vec![
        span("agent", "agent", None, 0.0, 4.0),
        span("plan", "llm", Some(0), 0.0, 1.0),
        span("search", "tool", Some(0), 1.0, 0.5),
        span("search", "tool", Some(0), 1.2, 2.0),
        span("fetch", "tool", Some(3), 1.2, 1.9),
        span("answer", "llm", None, 4.0, 1.0),
    ];
    spans[4].error = Some("no route".to_string());
    Trace { spans }
}

/// The reason of a finding that does not hold, and the indexes that its tree marks.
fn broken(finding: Finding) -> (String, Vec<usize>) {
    assert!(!finding.holds(), "{finding:?}");
    let lines = finding.tree().lines();
    let marked = lines.iter().filter(|line| line.marked);
    (
        finding.reason(),
        marked.flat_map(|line| line.spans.clone()).collect(),
    )
}

#[test]
fn a_count_that_is_not_as_expected_says_how_many_there_were() {
    let trace = trace();
    let search = trace.named("search");
    assert!(search.exactly(2).holds() && search.at_least(2).holds() && search.at_most(2).holds());
    let (reason, marked) = broken(search.exactly(1));
    assert_eq!(
        reason,
        "expected exactly 1 call of `search`, but there were 2"
    );
    assert_eq!(marked, [2, 3]);
    let (reason, _) = broken(trace.of_kind("llm").at_least(3));
    assert_eq!(
        reason,
        "expected at least 3 calls of kind `llm`, but there were 2"
    );
    let (reason, marked) = broken(trace.named("pay").at_least(1));
    assert_eq!(
        reason,
        "expected at least 1 call of `pay`, but there was none"
    );
    assert_eq!(marked, [0; 0]);
}

#[test]
fn conditions_name_how_many_calls_they_hold_of_and_mark_the_others() {
    let trace = trace();
    let search = trace.named("search");
    let short = |call: &Call<'_>| call.duration < 1.0;
    assert!(search.any(short).holds());
    let (reason, marked) = broken(search.all(short));
    assert_eq!(
        reason,
        "expected the condition to hold of all calls of `search`, but it does not of 1 of 2"
    );
    assert_eq!(marked, [3]);
    let (reason, marked) = broken(search.none(short));
    assert!(reason.ends_with("it holds of 1 of 2"), "{reason}");
    assert_eq!(marked, [2]);
    assert!(search.none(|call| call.name == "x").holds());
    assert!(!search.any(|call| call.name == "x").holds());
    assert!(trace.named("pay").all(|_| false).holds());
}

#[test]
fn order_is_the_order_in_which_calls_began_or_ended() {
    let trace = trace();
    assert!(trace.named("search").before("answer").holds());
    assert!(trace.named("search").after("plan").holds());
    assert!(trace.named("agent").before("plan").holds());
    assert!(!trace.named("agent").ended_before("plan").holds());
    assert!(trace.named("agent").ended_before("answer").holds());
    let (reason, marked) = broken(
        trace
            .named("search")
            .before("fetch")
            .and(trace.named("search").before("search")),
    );
    assert_eq!(
        reason,
        "expected all calls of `search` before `search`, but 2 of 2 were not"
    );
    assert_eq!(marked, [2, 3]);
    let (reason, _) = broken(trace.named("search").before("pay"));
    assert_eq!(
        reason,
        "expected all calls of `search` before `pay`, but there was no call of `pay`"
    );
    assert!(!trace.named("pay").after("search").holds());
}

#[test]
fn steps_in_order_may_have_others_between_them() {
    let trace = trace();
    assert!(trace.in_order(["plan", "search", "answer"]).holds());
    assert!(trace.in_order(["search", "search"]).holds());
    assert!(trace.in_order(["agent/search/fetch", "/answer"]).holds());
    let (reason, marked) = broken(trace.in_order(["search", "search", "search"]));
    assert_eq!(
        reason,
        "expected `search`, then `search`, then `search`, but after `search` no `search` began"
    );
    assert_eq!(marked, [2, 3]);
    let (reason, marked) = broken(trace.in_order(["plan", "pay"]));
    assert!(reason.ends_with("after `plan` no `pay` began"), "{reason}");
    assert_eq!(marked, [1]);
    // Of the calls that are meant, not of all.
    assert!(!trace.of_kind("llm").in_order(["plan", "search"]).holds());
}

#[test]
fn the_place_in_the_tree_narrows_and_is_asked_for() {
    let trace = trace();
    assert_eq!(trace.of_kind("tool").inside("agent").indexes(), [2, 3, 4]);
    assert_eq!(
        trace.of_kind("tool").directly_inside("agent").indexes(),
        [2, 3]
    );
    assert_eq!(trace.calls().containing("fetch").indexes(), [0, 3]);
    assert_eq!(trace.matching("agent/search").indexes(), [2, 3]);
    assert_eq!(trace.calls().failed().indexes(), [4]);
    let (reason, marked) = broken(trace.of_kind("llm").all_inside("agent"));
    assert_eq!(
        reason,
        "expected all calls of kind `llm` inside `agent`, but 1 of 2 were not"
    );
    assert_eq!(marked, [5]);
    let fetch = trace.call(4).unwrap();
    assert_eq!(
        (fetch.depth(), fetch.path()),
        (2, "agent/search/fetch".into())
    );
    assert_eq!(fetch.callers().indexes(), [0, 3]);
    let agent = trace.call(0).unwrap();
    assert_eq!(agent.children().indexes(), [1, 2, 3]);
    assert_eq!(agent.descendants().indexes(), [1, 2, 3, 4]);
    assert_eq!(
        broken(agent.children().exactly(1)).0,
        "expected exactly 1 call of any name directly below `agent`, but there were 3"
    );
    assert!(trace.call(6).is_none());
}

#[test]
fn arguments_and_durations_narrow_and_are_asked_for() {
    let trace = trace();
    let asked = trace
        .calls()
        .with_argument("query", |query| query == "plan");
    assert_eq!(asked.indexes(), [1]);
    let (reason, _) = broken(
        trace
            .named("plan")
            .with_argument("top", |_| true)
            .at_least(1),
    );
    assert_eq!(
        reason,
        "expected at least 1 call of `plan` with such a `top`, but there was none"
    );
    let (reason, marked) = broken(
        trace
            .named("search")
            .took_at_most(Duration::from_millis(500)),
    );
    assert_eq!(
        reason,
        "expected calls of `search` to take at most 500 ms, but the slowest took 2.00 s"
    );
    assert_eq!(marked, [3]);
}

#[test]
fn findings_combine_and_the_reason_names_what_is_wrong() {
    let trace = trace();
    let (yes, no) = (
        trace.named("plan").exactly(1),
        trace.named("pay").exactly(1),
    );
    let other = trace.named("search").at_most(1);
    assert!(yes.clone().and(yes.clone()).holds());
    assert!(yes.clone().or(no.clone()).holds() && no.clone().or(yes.clone()).holds());
    assert_eq!(
        broken(no.clone().and(yes.clone())).0,
        broken(yes.clone().and(no.clone())).0
    );
    let (reason, marked) = broken(no.clone().or(other.clone()));
    assert_eq!(
        reason,
        "expected exactly 1 call of `pay` or at most 1 call of `search`, but there was none and there were 2"
    );
    assert_eq!(marked, [2, 3]);
    let (reason, marked) = broken(!yes.clone());
    assert_eq!(
        reason,
        "expected not: exactly 1 call of `plan`, but there was 1"
    );
    assert_eq!(marked, [1]);
    assert!((!!yes).holds() && (!no).holds());
}

#[test]
fn a_finding_is_a_score_with_the_tree_as_exhibit() {
    assert_eq!(Finding::BAR, Bar::AtLeast(1.0));
    let score = trace().named("fetch").exactly(0).into_score().unwrap();
    assert_eq!(score.value, 0.0);
    assert_eq!(
        score.exhibit.unwrap(),
        "  agent (agent)  4.00 s\n    plan (llm)  1.00 s\n    search (tool)  500 ms\n    search (tool)  2.00 s\n>     fetch (tool)  1.90 s · ! no route\n  answer (llm)  1.00 s"
    );
    let score = trace().named("fetch").exactly(1).into_score().unwrap();
    assert_eq!((score.value, score.exhibit), (1.0, None));
    assert_eq!(score.reason.unwrap(), "there was 1");
}

#[test]
fn calls_are_an_iterator_and_questions_look_at_what_is_left() {
    let trace = trace();
    let mut search = trace.named("search");
    assert_eq!(search.clone().map(|span| span.duration).sum::<f64>(), 2.5);
    assert_eq!(search.clone().next_back().unwrap().start, 1.2);
    assert_eq!(search.clone().count(), 2);
    search.next();
    assert!(search.exactly(1).holds());
    assert_eq!(search.total_duration(), Duration::from_secs(2));
}
