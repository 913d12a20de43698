use super::*;
use crate::{Accept, FakeJudge, measure_with, proptesting};
use proptest::prelude::*;
use serde_json::json;

fn calls(names: &str) -> Vec<ToolCall> {
    let call = |name: char| ToolCall::new(name.to_string());
    names.chars().map(call).collect()
}

fn modes() -> [TrajectoryMatch; 4] {
    [
        TrajectoryMatch::strict(),
        TrajectoryMatch::unordered(),
        TrajectoryMatch::subset(),
        TrajectoryMatch::superset(),
    ]
}

#[test]
fn the_modes_are_those_of_agentevals() {
    for (reference, called, values) in [
        ("ab", "ab", [1, 1, 1, 1]),
        ("ab", "ba", [0, 1, 1, 1]),
        ("ab", "a", [0, 0, 1, 0]),
        ("ab", "abc", [0, 0, 0, 1]),
        ("ab", "ac", [0, 0, 0, 0]),
        ("aa", "a", [0, 0, 1, 0]),
        ("a", "aa", [0, 0, 0, 1]),
        ("", "a", [0, 0, 0, 1]),
        ("a", "", [0, 0, 1, 0]),
        ("", "", [1, 1, 1, 1]),
    ] {
        for (metric, value) in modes().iter().zip(values) {
            let score = metric.score(&calls(reference), &calls(called));
            assert_eq!(
                score.value,
                f64::from(value),
                "{reference} {called} {:?}",
                metric.mode
            );
        }
    }
}

#[test]
fn arguments_are_compared_as_told() {
    let only = |paths: &[&str]| {
        ArgumentMatch::Only(paths.iter().map(|path| (*path).to_string()).collect())
    };
    let reference = json!({"q": "shoes", "f": {"n": 1, "m": 2}});
    for (how, called, fits) in [
        (ArgumentMatch::Exact, reference.clone(), true),
        (ArgumentMatch::Exact, json!({"q": "shoes"}), false),
        (ArgumentMatch::Ignore, json!([1]), true),
        (ArgumentMatch::Subset, json!({"q": "shoes"}), true),
        (ArgumentMatch::Subset, json!(null), true),
        (ArgumentMatch::Subset, json!({"q": "shoes", "x": 1}), false),
        (
            ArgumentMatch::Superset,
            json!({"q": "shoes", "f": {"n": 1, "m": 2}, "x": 1}),
            true,
        ),
        (ArgumentMatch::Superset, json!({"q": "shoes"}), false),
        (
            only(&["q", "f.n"]),
            json!({"q": "shoes", "f": {"n": 1, "m": 3}, "x": 1}),
            true,
        ),
        (only(&["f.n"]), json!({"f": {"n": 2}}), false),
        (only(&["none"]), json!({}), true),
        (only(&["none"]), json!({"none": 1}), false),
    ] {
        assert_eq!(how.fits(&reference, &called), fits, "{how:?} {called}");
    }
    let lenient = json!({"q": Accept::one_of(["a", "b"]), "top": Accept::optional(3)});
    assert!(ArgumentMatch::Superset.fits(&lenient, &json!({"q": "b", "x": 1})));
    assert!(!ArgumentMatch::Exact.fits(&lenient, &json!({"q": "b", "top": 4})));
}

#[test]
fn a_tool_may_have_a_rule_of_its_own() {
    let reference = [
        ToolCall::new("search").arguments(json!({"q": "shoes"})),
        ToolCall::new("pay").arguments(json!({"sum": 3})),
    ];
    let called = |query: &str, sum: i64| {
        [
            ToolCall::new("search").arguments(json!({"q": query})),
            ToolCall::new("pay").arguments(json!({"sum": sum})),
        ]
    };
    let metric = TrajectoryMatch::strict().arguments_of("search", ArgumentMatch::Ignore);
    assert_eq!(metric.score(&reference, &called("hats", 3)).value, 1.0);
    let score = metric.score(&reference, &called("hats", 4));
    assert_eq!(
        score.reason.unwrap(),
        r#"call 2 is `pay {"sum":4}`, not `pay {"sum":3}`"#
    );
    assert_eq!(
        score.exhibit.unwrap(),
        "  search\n- pay {\"sum\":3}\n+ pay {\"sum\":4}"
    );
}

#[test]
fn a_call_that_fits_two_is_given_where_both_are_answered() {
    let metric = TrajectoryMatch::unordered().arguments(ArgumentMatch::Superset);
    let any = ToolCall::new("a").arguments(json!({}));
    let one = ToolCall::new("a").arguments(json!({"x": 1}));
    let other = ToolCall::new("a").arguments(json!({"x": 2}));
    assert_eq!(metric.score(&[any, one.clone()], &[one, other]).value, 1.0);
}

#[tokio::test]
async fn a_conversation_is_compared_turn_by_turn() {
    let reference = [
        Turn::user("?"),
        Turn::assistant("!").tools(calls("ab")),
        Turn::user("?"),
    ];
    let strict = TrajectoryMatch::strict().reference(reference.clone());
    let with = |turns: Vec<Turn>| TestCase::default().turns(turns);
    for (turns, reason) in [
        (
            vec![
                Turn::user("Hi"),
                Turn::assistant("Ho").tools(calls("ba")),
                Turn::user("Bye"),
            ],
            None,
        ),
        (
            vec![Turn::user("Hi"), Turn::assistant("Ho").tools(calls("ba"))],
            Some("2 turns and the reference 3"),
        ),
        (
            vec![Turn::user("Hi"), Turn::user("Ho"), Turn::user("")],
            Some("turn 2 is of the user, not of the assistant"),
        ),
        (
            vec![
                Turn::user("Hi"),
                Turn::assistant("Ho").tools(calls("ac")),
                Turn::user("Bye"),
            ],
            Some(
                "`b` was not called in turn 2; `c` was called in turn 2 and is not in the reference",
            ),
        ),
    ] {
        let score = measure_with(&with(turns), &strict, FakeJudge::new())
            .await
            .unwrap();
        assert_eq!(score.value, f64::from(u8::from(reason.is_none())));
        assert!(
            score
                .reason
                .unwrap()
                .contains(reason.unwrap_or("in its order"))
        );
    }
    let turns = with(vec![
        Turn::assistant("").tools(calls("b")),
        Turn::assistant("").tools(calls("a")),
    ]);
    let flat = TrajectoryMatch::unordered().reference(reference);
    assert_eq!(
        measure_with(&turns, &flat, FakeJudge::new())
            .await
            .unwrap()
            .value,
        1.0
    );
    let expected = turns.expected_tools(calls("ba"));
    let score = measure_with(&expected, &TrajectoryMatch::strict(), FakeJudge::new())
        .await
        .unwrap();
    assert!(score.value == 1.0 && score.exhibit.is_none());
}

#[tokio::test]
async fn what_nobody_stated_is_a_missing_field() {
    let strict = TrajectoryMatch::strict();
    for (case, metric, field) in [
        (
            TestCase::new("q", "a").tools([]),
            strict.clone(),
            "expected_tools",
        ),
        (
            TestCase::new("q", "a").expected_tools([]),
            strict.clone(),
            "tools",
        ),
        (
            TestCase::new("q", "a").tools([]),
            strict.reference([]),
            "turns",
        ),
    ] {
        let error = measure_with(&case, &metric, FakeJudge::new())
            .await
            .unwrap_err();
        assert_eq!(error.downcast_ref::<MissingField>().unwrap().field, field);
    }
}

proptest! {
    #![proptest_config(proptesting::config())]

    #[test]
    fn the_modes_contain_each_other(reference in "[abc]{0,5}", called in "[abc]{0,5}") {
        let [strict, unordered, subset, superset] =
            modes().map(|metric| metric.score(&calls(&reference), &calls(&called)).value);
        prop_assert!(strict <= unordered);
        prop_assert_eq!(unordered, subset.min(superset));
        let [_, _, turned, _] = modes().map(|metric| metric.score(&calls(&called), &calls(&reference)).value);
        prop_assert_eq!(turned, superset);
    }

    #[test]
    fn only_strict_knows_the_order(
        (reference, shuffled) in "[abc]{0,5}".prop_flat_map(|names| {
            (Just(names.clone()), Just(names.chars().collect::<Vec<_>>()).prop_shuffle())
        }),
        called in "[abc]{0,5}",
    ) {
        let shuffled: String = shuffled.into_iter().collect();
        for metric in &modes()[1..] {
            let found = metric.score(&calls(&reference), &calls(&called)).value;
            prop_assert_eq!(found, metric.score(&calls(&shuffled), &calls(&called)).value);
        }
    }
}
