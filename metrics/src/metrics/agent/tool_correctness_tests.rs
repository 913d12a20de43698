use super::*;
use crate::{Accept, FakeJudge, MissingField, TestCase, ToolKind, measure_with, proptesting};
use proptest::prelude::*;
use serde_json::{Value, json};

fn score(expected: &[ToolCall], called: &[ToolCall], rules: Rules) -> Score {
    super::score(expected, called, rules, &Comparisons::default())
}

const ANY: Rules = Rules {
    order: Order::Any,
    arguments: false,
    output: false,
};
const ARGUMENTS: Rules = Rules {
    arguments: true,
    ..ANY
};

fn calls(names: &str) -> Vec<ToolCall> {
    names
        .chars()
        .map(|name| ToolCall::new(name.to_string()))
        .collect()
}

fn call(name: &str, arguments: Value) -> ToolCall {
    ToolCall::new(name).arguments(arguments)
}

#[test]
fn every_call_counts_in_the_order_that_is_asked() {
    for (expected, called, any, ordered, exact) in [
        ("ab", "ab", 1.0, 1.0, 1.0),
        ("ab", "ba", 1.0, 0.5, 0.0),
        ("ab", "a", 0.5, 0.5, 0.0),
        ("ab", "axbx", 1.0, 1.0, 0.0),
        ("aa", "a", 0.5, 0.5, 0.0),
        ("aa", "aa", 1.0, 1.0, 1.0),
        ("aaa", "aaa", 1.0, 1.0, 1.0),
        ("abc", "bcab", 1.0, 2.0 / 3.0, 0.0),
        ("a", "", 0.0, 0.0, 0.0),
        ("", "a", 0.0, 0.0, 0.0),
        ("", "", 1.0, 1.0, 1.0),
    ] {
        for (order, value) in [
            (Order::Any, any),
            (Order::Ordered, ordered),
            (Order::Exact, exact),
        ] {
            let rules = Rules { order, ..ANY };
            let score = score(&calls(expected), &calls(called), rules);
            assert_eq!(score.value, value, "{expected} {called} {order:?}");
            assert_eq!(
                score.exhibit.is_some(),
                value < 1.0 && !expected.is_empty(),
                "{expected} {called}"
            );
        }
    }
}

#[test]
fn a_call_fits_where_it_helps_most() {
    let expected = [
        call("a", json!({"x": 1, "y": 0})),
        call("a", json!({"x": 1, "y": 2})),
    ];
    let called = [call("a", json!({"x": 1, "y": 2}))];
    assert_eq!(score(&expected, &called, ARGUMENTS).value, 0.5);
    assert_eq!(score(&expected, &called, ANY).value, 0.5);
}

#[test]
fn kind_and_output_count_too() {
    let mcp = [ToolCall::new("a").kind(ToolKind::Mcp)];
    let found = score(
        &calls("a"),
        &mcp,
        Rules {
            order: Order::Exact,
            ..ANY
        },
    );
    assert_eq!(found.value, 0.0);
    assert_eq!(
        found.reason.unwrap(),
        "0 of 1 expected calls were made in place: call 1, `a`, is of kind `mcp`, not `function`"
    );
    let rules = Rules {
        output: true,
        ..ANY
    };
    let (yes, no) = (
        [ToolCall::new("a").output("yes")],
        [ToolCall::new("a").output("no")],
    );
    assert_eq!(score(&yes, &yes, rules).value, 1.0);
    let found = score(&yes, &no, rules);
    assert_eq!(found.value, 0.0);
    assert!(
        found
            .reason
            .unwrap()
            .ends_with(r#"`a` returned "no", not "yes""#)
    );
    assert_eq!(found.exhibit.unwrap(), "- a -> \"yes\"\n+ a -> \"no\"");
}

#[test]
fn the_reason_names_what_is_missing_differs_and_was_not_expected() {
    let expected = [
        call(
            "search",
            json!({"q": "shoes", "top": Accept::one_of([3, 5])}),
        ),
        call("stock", json!({"id": 7})),
        call("pay", json!({})),
    ];
    let called = [
        call("stock", json!({"id": 7})),
        call("search", json!({"q": "hats", "top": 3})),
        call("refund", json!({"all": true})),
    ];
    let found = score(&expected, &called, ARGUMENTS);
    assert_eq!(found.value, 0.5);
    assert_eq!(
        found.reason.unwrap(),
        "1 of 3 expected calls was made: `search` was called with other arguments (`q` is \"hats\", not \"shoes\"); \
         `pay` was not called; `refund` was called and not expected"
    );
    assert_eq!(
        found.exhibit.unwrap(),
        "- search {\"q\":\"shoes\",\"top\":{\"$one_of\":[3,5]}}\n+ search {\"q\":\"hats\",\"top\":3}\n  \
         stock {\"id\":7}\n- pay {}\n+ refund {\"all\":true}"
    );
    let rules = Rules {
        order: Order::Ordered,
        ..ANY
    };
    let found = score(&calls("ab"), &calls("ba"), rules);
    assert!(found.reason.unwrap().ends_with("was called out of order"));
    assert!(found.exhibit.unwrap().contains("(out of order)"));
    let many = score(&calls("abcdef"), &[], ANY).reason.unwrap();
    assert!(many.ends_with("`d` was not called; and 2 more"), "{many}");
}

#[tokio::test]
async fn the_lower_of_calling_and_selection_is_the_score() {
    let case = TestCase::new("Book it.", "Done.")
        .tools(calls("ab"))
        .expected_tools(calls("abc"));
    for (graded, value) in [(0.25, 0.25), (1.0, 2.0 / 3.0)] {
        let judge = FakeJudge::new().reply(json!({"reason": "It is fine.", "score": graded}));
        let metric = ToolCorrectness::new().available_tools([
            ToolSpec::new("a").description("Finds flights."),
            ToolSpec::new("c"),
        ]);
        let score = measure_with(&case, &metric, judge.clone()).await.unwrap();
        assert_eq!(score.value, value);
        assert_eq!(score.details[1].1, json!(graded));
        assert!(score.reason.unwrap().ends_with("(it is fine)"));
        let prompt = judge.prompts()[0].text();
        assert!(
            prompt.contains("a: Finds flights.\nc") && prompt.contains("Book it."),
            "{prompt}"
        );
    }
}

#[tokio::test]
async fn a_grade_that_is_none_is_asked_again() {
    let case = TestCase::new("Book it.", "Done.")
        .tools([])
        .expected_tools([]);
    let judge = FakeJudge::new()
        .reply(json!({"reason": "", "score": -1}))
        .reply("")
        .reply(json!({"reason": "", "score": 0.5}));
    let metric = ToolCorrectness::new().available_tools(["a"]);
    let score = measure_with(&case, &metric, judge.clone()).await.unwrap();
    assert_eq!((score.value, judge.prompts().len()), (0.5, 3));
    assert!(judge.prompts()[0].text().contains("(none)"));
    let strict = ToolCorrectness::new().available_tools(["a"]).strict();
    let judge = FakeJudge::new().reply(json!({"reason": "", "score": 0.5}));
    assert_eq!(
        measure_with(&case, &strict, judge).await.unwrap().value,
        0.0
    );
}

#[tokio::test]
async fn a_grade_of_the_choice_above_1_counts_as_1() {
    let case = TestCase::new("Book it.", "Done.")
        .tools(calls("a"))
        .expected_tools(calls("ab"));
    let judge = FakeJudge::new().reply(json!({"reason": "It is fine.", "score": 3}));
    let metric = ToolCorrectness::new().available_tools(["a"]);
    let score = measure_with(&case, &metric, judge.clone()).await.unwrap();
    assert_eq!((score.value, judge.prompts().len()), (0.5, 1));
    assert_eq!(score.details[1].1, json!(1.0));
}

#[tokio::test]
async fn calls_that_nobody_stated_are_a_missing_field() {
    for (case, field) in [
        (TestCase::new("q", "a").expected_tools([]), "tools"),
        (TestCase::new("q", "a").tools([]), "expected_tools"),
    ] {
        let error = measure_with(&case, &ToolCorrectness::new(), FakeJudge::new())
            .await
            .unwrap_err();
        assert_eq!(error.downcast_ref::<MissingField>().unwrap().field, field);
    }
}

fn some_calls(most: usize) -> impl Strategy<Value = Vec<ToolCall>> {
    let arguments = prop::collection::btree_map("[xy]", 0..3i64, 0..3);
    let one = ("[ab]", arguments, 0..2i64).prop_map(|(name, arguments, output)| {
        let arguments = arguments
            .into_iter()
            .map(|(key, value)| (key, value.into()));
        call(&name, Value::Object(arguments.collect())).output(output)
    });
    prop::collection::vec(one, 0..most)
}

fn rules() -> impl Strategy<Value = Rules> {
    let order = prop_oneof![Just(Order::Any), Just(Order::Ordered), Just(Order::Exact)];
    (order, any::<bool>(), any::<bool>()).prop_map(|(order, arguments, output)| Rules {
        order,
        arguments,
        output,
    })
}

proptest! {
    #![proptest_config(proptesting::config())]

    #[test]
    fn a_score_is_in_range_and_equal_lists_score_1(one in some_calls(6), other in some_calls(6), rules in rules()) {
        let found = score(&one, &other, rules).value;
        prop_assert!((0.0..=1.0).contains(&found));
        prop_assert_eq!(score(&one, &one, rules).value, 1.0);
    }

    #[test]
    fn by_default_no_order_counts(
        (expected, shuffled) in some_calls(6).prop_flat_map(|calls| (Just(calls.clone()), Just(calls).prop_shuffle())),
        (called, mixed) in some_calls(6).prop_flat_map(|calls| (Just(calls.clone()), Just(calls).prop_shuffle())),
        arguments: bool,
    ) {
        let rules = Rules { arguments, ..ANY };
        let found = score(&expected, &called, rules).value;
        prop_assert!((found - score(&shuffled, &mixed, rules).value).abs() < 1e-9);
    }

    #[test]
    fn the_stricter_order_never_scores_more(expected in some_calls(6), called in some_calls(6), arguments: bool, output: bool) {
        let with = |order| score(&expected, &called, Rules { order, arguments, output }).value;
        prop_assert!(with(Order::Ordered) <= with(Order::Any) + 1e-9);
        prop_assert!(with(Order::Exact) <= with(Order::Ordered) + 1e-9);
    }

    #[test]
    fn comparing_more_never_scores_more(expected in some_calls(6), called in some_calls(6), rules in rules()) {
        let names = Rules { arguments: false, output: false, ..rules };
        prop_assert!(score(&expected, &called, rules).value <= score(&expected, &called, names).value + 1e-9);
    }

    #[test]
    fn a_wrong_call_more_never_raises_a_score(expected in some_calls(6), called in some_calls(6), at in 0..6usize, rules in rules()) {
        let mut more = called.clone();
        more.insert(at.min(called.len()), ToolCall::new("wrong"));
        prop_assert!(score(&expected, &more, rules).value <= score(&expected, &called, rules).value + 1e-9);
    }

    #[test]
    fn a_dropped_call_never_raises_a_score_of_pairs(expected in some_calls(6), called in some_calls(6), at in 0..6usize, rules in rules()) {
        prop_assume!(rules.order != Order::Exact && !expected.is_empty() && !called.is_empty());
        let mut fewer = called.clone();
        fewer.remove(at % called.len());
        prop_assert!(score(&expected, &fewer, rules).value <= score(&expected, &called, rules).value + 1e-9);
    }
}

#[tokio::test]
async fn the_arguments_of_a_tool_are_compared_as_the_test_says() {
    let call = |name: &str, x: i64| ToolCall::new(name).arguments(json!({"x": x}));
    let near = |wanted: &Value, called: &Value| {
        let x = |arguments: &Value| arguments["x"].as_i64().unwrap_or_default();
        (x(wanted) - x(called)).abs() <= 1
    };
    for (made, other, any, exact) in [
        (5, 5, 1.0, 1.0),
        (6, 5, 1.0, 1.0),
        (7, 5, 0.5, 0.0),
        (5, 6, 0.5, 0.0),
    ] {
        let case = TestCase::new("q", "a")
            .tools([call("near", made), call("other", other)])
            .expected_tools([call("near", 5), call("other", 5)]);
        let metric = ToolCorrectness::new().comparing("near", near);
        let score = measure_with(&case, &metric, FakeJudge::new())
            .await
            .unwrap();
        assert_eq!(score.value, any, "{made} {other}");
        let score = measure_with(&case, &metric.exact(), FakeJudge::new())
            .await
            .unwrap();
        assert_eq!(score.value, exact, "{made} {other}");
        let metric = crate::TrajectoryMatch::unordered().comparing("near", near);
        let score = measure_with(&case, &metric, FakeJudge::new())
            .await
            .unwrap();
        assert_eq!(score.value, exact, "{made} {other}");
    }
}
