use super::*;
use crate::{Asker, TestCase, proptesting};
use proptest::prelude::*;
use regex::Regex;

fn trace(names: &str) -> Trace {
    let span = |name: &str| {
        let (name, kind) = name.split_once(':').unwrap_or((name, "function"));
        Span::new(name, kind)
    };
    Trace {
        spans: names.split_whitespace().map(span).collect(),
    }
}

fn measured(pattern: &SpanPattern, trace: &Trace) -> Score {
    pattern.score(trace, &(0..trace.spans.len()).collect::<Vec<_>>())
}

fn matches(pattern: &str, names: &str) -> bool {
    measured(&SpanPattern::new(pattern), &trace(names)).value > 0.5
}

#[test]
fn patterns_match_sequences_of_variable_length() {
    let pipeline = "plan (search+ rerank?)* answer";
    for (pattern, names, found) in [
        (pipeline, "plan answer", true),
        (pipeline, "plan search answer", true),
        (pipeline, "plan search search rerank search answer", true),
        (pipeline, "plan rerank answer", false),
        (pipeline, "plan search", false),
        (pipeline, "plan search answer plan", false),
        (pipeline, "plan embed search http answer", true),
        ("a{2}", "a a", true),
        ("a{2}", "a a a", false),
        ("a{2,}", "a a a a", true),
        ("a{2,3} b", "a b", false),
        ("a{2,3} b", "a a a b", true),
        ("a{0,1}b", "b", true),
        ("a | b c", "b c", true),
        ("a | b c", "a c", false),
        ("(a|b)+", "a b b a", true),
        (":tool+ :llm", "x:tool y:tool z:llm", true),
        ("x:tool y", "x:llm y", false),
        ("a . c", "a b c", true),
        ("a . c", "a c", false),
        ("\"my\" a.b-c", "my a.b-c", true),
        ("((a*)*)*", "a a a", true),
        ("((a*)*)* b", "b", true),
    ] {
        assert_eq!(matches(pattern, names), found, "{pattern} on {names}");
    }
}

#[test]
fn callers_are_part_of_a_path() {
    let parents = [None, Some(0), Some(1), Some(0), Some(3)];
    let names = ["agent", "work", "search", "search", "http"];
    let spans = names.iter().zip(parents).map(|(name, parent)| Span {
        parent,
        ..Span::new(*name, "tool")
    });
    let trace = Trace {
        spans: spans.collect(),
    };
    for (pattern, found) in [
        ("agent/search", true),
        ("agent//search{2}", true),
        ("agent/search{2}", false),
        ("work/search agent/search", true),
        ("agent//http", true),
        ("agent/http", false),
        ("agent/search/http", true),
        ("agent//:tool/http", true),
        ("agent/work//http", false),
        ("./search{2}", true),
    ] {
        let score = measured(&SpanPattern::new(pattern), &trace);
        assert_eq!(score.value > 0.5, found, "{pattern}: {score:?}");
    }
}

#[test]
fn all_spans_may_take_part_and_a_run_may_be_enough() {
    let names = trace("start a b b end");
    assert_eq!(measured(&SpanPattern::new("a b+"), &names).value, 1.0);
    assert_eq!(
        measured(&SpanPattern::new("a b+").every_span(), &names).value,
        0.0
    );
    assert_eq!(
        measured(&SpanPattern::new("a b+").every_span().anywhere(), &names).value,
        1.0
    );
    let score = measured(&SpanPattern::new("a b{3}").every_span().anywhere(), &names);
    assert_eq!(
        score.reason.unwrap(),
        "span 5 of 5 is `end`, where the pattern wants `b`"
    );
    assert_eq!(
        measured(&SpanPattern::new("b a").anywhere(), &names).value,
        0.0
    );
}

#[test]
fn a_failure_says_where_and_what() {
    let pattern = SpanPattern::new("plan (search+ rerank?)* answer");
    for (names, reason) in [
        (
            "plan rerank answer",
            "span 2 of 3 is `rerank`, where the pattern wants `search` or `answer`",
        ),
        (
            "plan search plan",
            "span 3 of 3 is `plan`, where the pattern wants `search`, `rerank` or `answer`",
        ),
        (
            "plan search",
            "the trace ends after 2 spans, where the pattern wants `search`, `rerank` or `answer`",
        ),
        (
            "plan answer plan",
            "span 3 of 3 is `plan`, where the pattern wants the end",
        ),
        (
            "other",
            "no span takes part, where the pattern wants `plan`",
        ),
    ] {
        let score = measured(&pattern, &trace(names));
        assert_eq!(score.reason.unwrap(), reason, "{names}");
    }
    let score = measured(&pattern, &trace("plan:agent rerank answer:llm"));
    assert_eq!(
        score.exhibit.unwrap(),
        "  1 plan (agent)\n> 2 rerank (function)   wanted: `search` or `answer`\n  3 answer (llm)"
    );
    assert_eq!(score.details[1], ("matched_spans".to_string(), 1.into()));
    let long = measured(
        &pattern,
        &trace(&format!("plan {} plan", "search ".repeat(50))),
    );
    let exhibit = long.exhibit.unwrap();
    assert!(
        exhibit.starts_with("  … 39 before") && exhibit.lines().count() == 14,
        "{exhibit}"
    );
}

#[test]
fn a_wrong_pattern_is_shown_with_the_place() {
    for (pattern, says) in [
        ("", "column 1: a span is expected here"),
        ("a ||b", "column 4: a span is expected"),
        ("plan (search", "column 6: this `(` is not closed"),
        ("plan)", "column 5: `)` without `(`"),
        ("()", "column 2: a span is expected"),
        ("a**", "column 3: `*` follows a repetition"),
        ("* a", "column 1: `*` repeats nothing; any span is `.`"),
        ("a/ b", "column 3: a name, `:kind` or `.`"),
        ("a: b", "column 3: a kind is expected"),
        ("\"a", "column 1: this quote is not closed"),
        ("a{2", "column 4: `}` is expected"),
        ("a{x}", "column 3: a number below"),
        ("a{3,2}", "column 2: the second number"),
        ("a{0}", "column 2: the second number"),
        ("((a{999}){999}){999}", "states"),
        ("a & b", "column 3: `&` is not part of a name"),
    ] {
        let error = SpanPattern::parse(pattern).unwrap_err().to_string();
        assert!(error.contains(says), "{pattern}: {error}");
    }
    let deep = "(".repeat(100_000);
    assert!(
        SpanPattern::parse(&deep)
            .unwrap_err()
            .to_string()
            .contains("nested more than")
    );
    let error = SpanPattern::parse("plan (search+ rerank?")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("\n  plan (search+ rerank?\n       ^\nhint:"),
        "{error}"
    );
}

#[test]
#[should_panic(expected = "the span pattern is wrong at column 3")]
fn a_wrong_pattern_panics_when_it_is_made() {
    let _ = SpanPattern::new("a !");
}

#[test]
fn time_is_linear_where_backtracking_would_explode() {
    let pattern = SpanPattern::new("((a?){30} a{30} | (a*)* (a*)* b) c");
    assert_eq!(measured(&pattern, &trace(&"a ".repeat(5000))).value, 0.0);
}

#[tokio::test]
async fn a_component_is_what_is_below_it_and_no_trace_is_an_error() {
    let mut spans = trace("agent search agent answer").spans;
    (spans[1].parent, spans[3].parent) = (Some(0), Some(2));
    let trace = Trace { spans };
    let (case, asker, none) = (
        TestCase::new("q", "a"),
        Asker::standalone(None),
        Trace::default(),
    );
    let pattern = SpanPattern::new("answer").every_span();
    let value = async |trace, span| {
        pattern
            .measure(&EvalCx::new(&case, trace, span, &asker))
            .await
    };
    assert_eq!(
        value(&trace, Some(&trace.spans[2])).await.unwrap().value,
        1.0
    );
    assert_eq!(
        value(&trace, Some(&trace.spans[0])).await.unwrap().value,
        0.0
    );
    assert_eq!(value(&trace, None).await.unwrap().value, 0.0);
    assert!(
        value(&none, None)
            .await
            .unwrap_err()
            .to_string()
            .contains("hint: put `#[llmtest::observe]`")
    );
}

/// Patterns over the names a, b and c, which are regular expressions over these letters without the spaces.
fn some_pattern() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![Just("a"), Just("b"), Just("c"), Just(".")].prop_map(str::to_string);
    leaf.prop_recursive(4, 24, 3, |inner| {
        let repeat = prop_oneof![
            Just("*"),
            Just("+"),
            Just("?"),
            Just("{2}"),
            Just("{1,}"),
            Just("{0,2}")
        ];
        prop_oneof![
            (inner.clone(), repeat).prop_map(|(inner, sign)| format!("({inner}){sign}")),
            prop::collection::vec(inner.clone(), 1..4).prop_map(|inner| inner.join(" ")),
            (inner.clone(), inner).prop_map(|(one, other)| format!("({one} | {other})")),
        ]
    })
}

proptest! {
    #![proptest_config(proptesting::config())]

    #[test]
    fn a_pattern_matches_as_the_regular_expression_does(pattern in some_pattern(), names in "[abc]{0,8}") {
        let expression = pattern.replace(' ', "");
        let spaced: Vec<String> = names.chars().map(String::from).collect();
        let trace = trace(&spaced.join(" "));
        let metric = SpanPattern::new(&pattern).every_span();
        let whole = Regex::new(&format!("^(?:{expression})$")).unwrap();
        let score = measured(&metric, &trace);
        prop_assert_eq!(score.value > 0.5, whole.is_match(&names), "{}", expression);
        let some = Regex::new(&expression).unwrap();
        let run = measured(&metric.anywhere(), &trace);
        prop_assert_eq!(run.value > 0.5, some.is_match(&names), "{}", expression);
        prop_assert!(run.value >= score.value);
        for score in [score, run].iter().filter(|score| score.value < 0.5) {
            prop_assert!(score.reason.as_ref().is_some_and(|reason| reason.contains("wants")));
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "[ab.:/|*+?{}(),\" 0-9]{0,16}") {
        let _ = SpanPattern::parse(&text);
    }
}
