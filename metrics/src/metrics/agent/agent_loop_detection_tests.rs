use super::*;
use crate::{Asker, MissingField, TestCase, proptesting};
use proptest::prelude::*;
use serde_json::json;

const REPORT: &str = "Searching the travel database returned seventeen candidate flights between Oslo and Lisbon \
    departing Friday morning; cheapest option costs ninety euros, includes cabin bag, direct connection, arrival before \
    lunch, refundable ticket, window seat";
const OTHER: &str = "Hotel availability check completed: three rooms near central station offer breakfast, late checkout, \
    free cancellation until Thursday, average rating eight point four, walking distance under twelve minutes, quiet \
    courtyard";

fn span(name: &str, kind: &str, parent: Option<usize>, input: Value) -> Span {
    Span {
        parent,
        input,
        ..Span::new(name, kind)
    }
}

fn tools(inputs: impl IntoIterator<Item = Value>) -> Trace {
    let spans = inputs
        .into_iter()
        .map(|input| span("search", "tool", None, input));
    Trace {
        spans: spans.collect(),
    }
}

fn outputs(outputs: &[Value]) -> Trace {
    let span = |output: &Value| Span {
        output: output.clone(),
        ..Span::new("model", "llm")
    };
    Trace {
        spans: outputs.iter().map(span).collect(),
    }
}

fn measured(metric: &AgentLoopDetection, trace: &Trace) -> Score {
    metric.score(trace, &(0..trace.spans.len()).collect::<Vec<_>>())
}

fn value(metric: &AgentLoopDetection, trace: &Trace) -> f64 {
    (measured(metric, trace).value * 1e6).round() / 1e6
}

#[test]
fn equal_tool_calls_count_from_the_limit_on() {
    let metric = AgentLoopDetection::new();
    for (calls, score) in [(1, 1.0), (2, 1.0), (3, 0.8), (5, 0.8), (6, 0.6), (9, 0.6)] {
        let trace = tools((0..calls).map(|_| json!({"q": "a"})));
        assert_eq!(value(&metric, &trace), score, "{calls}");
    }
    let thrice = [
        json!({"a": 1, "b": [2]}),
        json!(r#"{"b": [2.0], "a": 1}"#),
        json!({"b": [2], "a": 1.0}),
    ];
    assert_eq!(value(&metric, &tools(thrice)), 0.8);
    let unlike = [
        json!({"a": 1}),
        json!({"a": "1"}),
        json!({"a": true}),
        json!({"b": 1}),
    ];
    assert_eq!(value(&metric, &tools(unlike)), 1.0);
    assert_eq!(
        value(&metric.clone().repetitions(1), &tools([json!({})])),
        0.8
    );
    let score = measured(&metric, &tools(vec![json!({"q": "a"}); 3]));
    assert_eq!(
        score.reason.unwrap(),
        r#"`search` was called 3 times with {"q":"a"}"#
    );
    let parts: Vec<_> = score
        .details
        .iter()
        .map(|(name, part)| (name.as_str(), part.clone()))
        .collect();
    assert_eq!(
        parts,
        [
            ("tool_repetition", json!(0.5)),
            ("reasoning_stagnation", json!(1.0)),
            ("call_graph_cycles", json!(1.0))
        ]
    );
}

#[test]
fn outputs_in_a_row_that_are_alike_are_stagnation() {
    let metric = AgentLoopDetection::new();
    let reworded = REPORT.replace("refundable ticket, window seat", "an aisle place or window");
    for (texts, score) in [
        (vec![json!(REPORT), json!(REPORT)], 0.65),
        (vec![json!(REPORT), json!(OTHER)], 1.0),
        (vec![json!(REPORT), json!(OTHER), json!(REPORT)], 1.0),
        (vec![json!(REPORT), json!(format!("The {REPORT}"))], 0.65),
        (vec![json!(REPORT), json!(reworded)], 0.825),
        (vec![json!("too few words"), json!("too few words")], 1.0),
        (vec![json!({"t": REPORT}), json!({"t": REPORT})], 1.0),
    ] {
        let score_found = measured(&metric, &outputs(&texts));
        assert!(
            (score_found.value - score).abs() < 1e-9,
            "{texts:?}: {score_found:?}"
        );
    }
    let reason = measured(
        &metric,
        &outputs(&[json!(OTHER), json!(REPORT), json!(REPORT)]),
    )
    .reason;
    assert_eq!(
        reason.unwrap(),
        "the outputs of model calls 2 and 3 are the same (1.00 alike)"
    );
}

#[test]
fn a_span_that_repeats_one_above_it_is_a_cycle() {
    let metric = AgentLoopDetection::new();
    let chain = |spans: &[(&str, Value)]| {
        let spans = spans.iter().enumerate();
        let spans =
            spans.map(|(at, (name, input))| span(name, "agent", at.checked_sub(1), input.clone()));
        Trace {
            spans: spans.collect(),
        }
    };
    let long = "k".repeat(64);
    for (spans, score) in [
        (chain(&[("p", json!("x")), ("p", json!("x"))]), 0.75),
        (
            chain(&[("p", json!("x")), ("q", json!("y")), ("p", json!("x"))]),
            0.75,
        ),
        (
            chain(&[
                ("p", json!({"a": 1, "b": 2})),
                ("p", json!({"b": 2, "a": 1})),
            ]),
            0.75,
        ),
        (chain(&[("p", json!("x")), ("p", json!("z"))]), 1.0),
        (
            chain(&[
                ("p", json!(format!("{long}one"))),
                ("p", json!(format!("{long}two"))),
            ]),
            1.0,
        ),
    ] {
        assert_eq!(value(&metric, &spans), score, "{spans:?}");
    }
    let siblings = Trace {
        spans: vec![
            span("p", "agent", None, json!(1)),
            span("p", "agent", None, json!(1)),
        ],
    };
    assert_eq!(value(&metric, &siblings), 1.0);
    let reason = measured(
        &metric,
        &chain(&[("p", json!(1)), ("q", json!(1)), ("p", json!(1))]),
    )
    .reason;
    assert_eq!(
        reason.unwrap(),
        "agent calls itself with the same input: `p` > `q` > `p`"
    );
}

#[test]
fn only_enabled_checks_count() {
    let mut trace = tools(vec![json!({}); 6]);
    trace
        .spans
        .extend(outputs(&[json!(REPORT), json!(REPORT)]).spans);
    let metric = AgentLoopDetection::new();
    assert_eq!(value(&metric, &trace), 0.25);
    assert_eq!(value(&metric.clone().strict(), &trace), 0.0);
    assert_eq!(
        value(
            &metric.clone().without_repetition().without_cycles(),
            &trace
        ),
        0.0
    );
    assert_eq!(
        value(&metric.clone().without_stagnation(), &trace),
        (0.25_f64 / 0.65 * 1e6).round() / 1e6
    );
    assert_eq!(
        value(&metric.without_repetition().without_stagnation(), &trace),
        1.0
    );
}

#[tokio::test]
async fn no_trace_scores_0_and_a_component_is_its_own_tree() {
    let metric = AgentLoopDetection::new();
    let (case, asker) = (TestCase::new("q", "a"), Asker::standalone(None));
    let none = Trace::default();
    let score = metric
        .measure(&EvalCx::new(&case, &none, None, &asker))
        .await
        .unwrap();
    assert!(score.value == 0.0 && score.reason.unwrap().contains("observe"));
    let mut trace = tools(vec![json!({}); 3]);
    trace.spans.push(Span::new("worker", "agent"));
    let component = EvalCx::new(&case, &trace, Some(&trace.spans[3]), &asker);
    assert_eq!(metric.measure(&component).await.unwrap().value, 1.0);
    let silent = TestCase::new("q", "");
    let error = metric
        .measure(&EvalCx::new(&silent, &trace, None, &asker))
        .await
        .unwrap_err();
    assert_eq!(
        error.downcast_ref::<MissingField>().unwrap().field,
        "output"
    );
}

#[test]
#[should_panic(expected = "without_repetition")]
fn no_repetition_at_all_is_refused() {
    let _ = AgentLoopDetection::new().repetitions(0);
}

fn some_trace() -> impl Strategy<Value = Trace> {
    let one = (
        "[ab]",
        prop_oneof![Just("tool"), Just("llm"), Just("agent")],
        0..3i64,
        any::<prop::sample::Index>(),
        "[a-d]{3}",
    );
    prop::collection::vec(one, 0..12).prop_map(|spans| {
        let spans = spans
            .into_iter()
            .enumerate()
            .map(|(at, (name, kind, input, parent, word))| Span {
                parent: (at > 0 && input > 0).then(|| parent.index(at)),
                input: json!(input),
                output: json!(format!("{word} ").repeat(20)),
                ..Span::new(name, kind)
            });
        Trace {
            spans: spans.collect(),
        }
    })
}

proptest! {
    #![proptest_config(proptesting::config())]

    #[test]
    fn a_score_is_in_range_and_one_more_call_never_raises_the_check(trace in some_trace()) {
        let metric = AgentLoopDetection::new();
        prop_assert!((0.0..=1.0).contains(&measured(&metric, &trace).value));
        let metric = metric.without_stagnation().without_cycles();
        let mut more = trace.clone();
        let Some(last) = trace.spans.last() else { return Ok(()) };
        more.spans.push(last.clone());
        prop_assert!(measured(&metric, &more).value <= measured(&metric, &trace).value);
    }

    #[test]
    fn a_higher_limit_never_lowers_the_score(trace in some_trace(), limit in 1..5usize, least in 0.0..0.9f64) {
        let metric = AgentLoopDetection::new().repetitions(limit).similarity(least);
        let lax = AgentLoopDetection::new().repetitions(limit + 1).similarity(least + 0.1);
        prop_assert!(measured(&metric, &trace).value <= measured(&lax, &trace).value);
    }
}
