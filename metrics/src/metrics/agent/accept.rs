//! `Accept`, and how arguments are compared.

use crate::{json, reason};
use serde_json::{Map, Value};

const ONE_OF: &str = "$one_of";
const OPTIONAL: &str = "$optional";
const ANYTHING: &str = "$anything";

/// Values of expected arguments that stand for more than one value; for
/// [`ToolCorrectness`](crate::ToolCorrectness) and [`TrajectoryMatch`](crate::TrajectoryMatch).
///
/// They are JSON objects with one key, so that datasets can hold them too, at any depth:
/// `{"$one_of": ["C", "celsius"]}`, `{"$optional": 5}`, `{"$anything": true}`.
///
/// ```
/// use llmtest_metrics::{Accept, FakeJudge, TestCase, ToolCall, ToolCorrectness, measure_with};
/// use serde_json::json;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let case = TestCase::new("How warm is it in Oslo?", "3 degrees.")
///     .tools([ToolCall::new("weather").arguments(json!({"city": "Oslo", "unit": "C"}))])
///     .expected_tools([ToolCall::new("weather").arguments(json!({
///         "city": Accept::one_of(["Oslo", "Oslo, Norway"]),
///         "unit": Accept::optional(Accept::one_of(["C", "celsius"])),
///     }))]);
/// let metric = ToolCorrectness::new().compare_arguments();
/// assert_eq!(measure_with(&case, &metric, FakeJudge::new()).await.unwrap().value, 1.0);
/// # }
/// ```
#[derive(Debug)]
pub enum Accept {}

impl Accept {
    /// Any of these values, each of which may hold such values again. Panics on an empty list, which nothing meets.
    #[track_caller]
    pub fn one_of<V: Into<Value>>(values: impl IntoIterator<Item = V>) -> Value {
        let values: Vec<Value> = values.into_iter().map(Into::into).collect();
        assert!(
            !values.is_empty(),
            "`Accept::one_of` needs a value; to accept every value, write `Accept::anything()`"
        );
        matcher(ONE_OF, values.into())
    }

    /// This value, or no such argument at all.
    pub fn optional(value: impl Into<Value>) -> Value {
        matcher(OPTIONAL, value.into())
    }

    /// Every value, as long as the argument is there; inside of [`optional`](Self::optional) it need not be.
    pub fn anything() -> Value {
        matcher(ANYTHING, true.into())
    }
}

fn matcher(key: &str, value: Value) -> Value {
    Value::Object(Map::from_iter([(key.to_string(), value)]))
}

/// What an expected value is.
enum Form<'a> {
    OneOf(&'a [Value]),
    Optional(&'a Value),
    Anything,
    Plain,
}

fn form(value: &Value) -> Form<'_> {
    let Value::Object(members) = value else {
        return Form::Plain;
    };
    let mut members = members.iter();
    match (members.next(), members.next()) {
        (Some((key, Value::Array(values))), None) if key == ONE_OF => Form::OneOf(values),
        (Some((key, value)), None) if key == OPTIONAL => Form::Optional(value),
        (Some((key, Value::Bool(true))), None) if key == ANYTHING => Form::Anything,
        _ => Form::Plain,
    }
}

/// Whether an argument may be missing.
pub(crate) fn is_optional(expected: &Value) -> bool {
    matches!(form(expected), Form::Optional(_))
}

/// Arguments as an object: a call whose arguments are unknown has none.
fn arguments(value: &Value) -> std::borrow::Cow<'_, Value> {
    match value {
        Value::Null => std::borrow::Cow::Owned(Value::Object(Map::new())),
        given => std::borrow::Cow::Borrowed(given),
    }
}

/// How much of the arguments is as expected, in `0.0..=1.0`: 1 where all is, else the arguments that are as expected by
/// all arguments that either side has; an object within counts by its own share.
pub(crate) fn arguments_share(expected: &Value, called: &Value) -> f64 {
    share(&arguments(expected), &arguments(called))
}

/// Whether the arguments are as expected.
pub(crate) fn arguments_agree(expected: &Value, called: &Value) -> bool {
    agree(&arguments(expected), &arguments(called))
}

/// What is not as expected, one text for each place.
pub(crate) fn argument_differences(expected: &Value, called: &Value) -> Vec<String> {
    let mut found = Vec::new();
    differences("", &arguments(expected), &arguments(called), &mut found);
    found
}

/// Whether a value is as expected. Numbers are equal by value: 1 is 1.0, but neither is true or "1".
pub(crate) fn agree(expected: &Value, called: &Value) -> bool {
    match form(expected) {
        Form::OneOf(values) => return values.iter().any(|value| agree(value, called)),
        Form::Optional(value) => return agree(value, called),
        Form::Anything => return true,
        Form::Plain => {}
    }
    match (expected, called) {
        (Value::Number(one), Value::Number(other)) => json::same_number(one, other),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| agree(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            other.keys().all(|key| one.contains_key(key))
                && one.iter().all(|(key, value)| match other.get(key) {
                    Some(other) => agree(value, other),
                    None => is_optional(value),
                })
        }
        _ => expected == called,
    }
}

fn share(expected: &Value, called: &Value) -> f64 {
    if agree(expected, called) {
        return 1.0;
    }
    match form(expected) {
        Form::OneOf(values) => {
            let shares = values.iter().map(|value| share(value, called));
            return shares.fold(0.0, f64::max);
        }
        Form::Optional(value) => return share(value, called),
        Form::Anything | Form::Plain => {}
    }
    let (Value::Object(expected), Value::Object(called)) = (expected, called) else {
        return 0.0;
    };
    let unexpected = called.keys().filter(|key| !expected.contains_key(*key));
    let mut all = unexpected.count();
    let mut sum = 0.0;
    for (key, value) in expected {
        match called.get(key) {
            Some(called) => {
                all += 1;
                sum += share(value, called);
            }
            None => all += usize::from(!is_optional(value)),
        }
    }
    if all == 0 { 1.0 } else { sum / all as f64 }
}

fn differences(path: &str, expected: &Value, called: &Value, found: &mut Vec<String>) {
    if agree(expected, called) {
        return;
    }
    if let Form::Optional(value) = form(expected) {
        return differences(path, value, called, found);
    }
    let (Value::Object(one), Value::Object(other), Form::Plain) =
        (expected, called, form(expected))
    else {
        let (called, expected) = (reason::cut(&crate::json::text(called), 60), told(expected));
        let place = if path.is_empty() { "arguments" } else { path };
        found.push(format!("`{place}` is {called}, not {expected}"));
        return;
    };
    let below = |key: &str| {
        if path.is_empty() {
            key.to_string()
        } else {
            format!("{path}.{key}")
        }
    };
    for (key, value) in one {
        match other.get(key) {
            Some(other) => differences(&below(key), value, other, found),
            None if is_optional(value) => {}
            None => found.push(format!("`{}` is missing", below(key))),
        }
    }
    for key in other.keys().filter(|key| !one.contains_key(*key)) {
        found.push(format!("`{}` was not expected", below(key)));
    }
}

/// An expected value as a reader expects it.
fn told(expected: &Value) -> String {
    let text = match form(expected) {
        Form::OneOf(values) => {
            let values: Vec<String> = values.iter().map(told).collect();
            format!("one of {}", values.join(", "))
        }
        Form::Optional(value) => told(value),
        Form::Anything | Form::Plain => crate::json::text(expected),
    };
    reason::cut(&text, 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proptesting;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn the_share_counts_equal_arguments_by_all_arguments() {
        for (expected, called, share) in [
            (json!({}), json!({}), 1.0),
            (json!(null), json!({}), 1.0),
            (json!({"x": 1}), json!(null), 0.0),
            (json!({"x": 1}), json!({}), 0.0),
            (json!(null), json!({"x": 1}), 0.0),
            (json!({"x": 1}), json!({"x": 1.0}), 1.0),
            (json!({"x": 1}), json!({"x": "1"}), 0.0),
            (json!({"x": 1}), json!({"x": true}), 0.0),
            (json!({"x": 1}), json!({"x": 1, "z": 9}), 0.5),
            (json!({"x": [1, 2]}), json!({"x": [2, 1]}), 0.0),
            (
                json!({"f": {"u": 1, "v": 3}, "k": 1}),
                json!({"f": {"u": 1, "v": 2}, "k": 1}),
                0.75,
            ),
            (json!({"f": 1}), json!({"f": {"u": 1}}), 0.0),
            (json!("whole"), json!("whole"), 1.0),
        ] {
            assert_eq!(
                arguments_share(&expected, &called),
                share,
                "{expected} {called}"
            );
            assert_eq!(
                arguments_agree(&expected, &called),
                share == 1.0,
                "{expected} {called}"
            );
        }
    }

    #[test]
    fn accepted_values_may_be_one_of_several_or_missing_or_anything() {
        let expected = json!({
            "city": Accept::one_of(["Oslo", "Oslo, NO"]),
            "days": Accept::optional(5),
            "why": Accept::optional(Accept::anything()),
            "at": [Accept::anything(), Accept::one_of([json!(1), json!({"n": Accept::one_of([1, 2])})])],
        });
        for (called, share) in [
            (json!({"city": "Oslo", "at": [null, 1]}), 1.0),
            (
                json!({"city": "Oslo, NO", "days": 5.0, "why": [1], "at": ["", {"n": 2}]}),
                1.0,
            ),
            (json!({"city": "Rome", "at": [0, 1]}), 1.0 / 2.0),
            (json!({"city": "Oslo", "days": 6, "at": [0, 1]}), 2.0 / 3.0),
            (json!({"city": "Oslo", "at": [0, {"n": 3}]}), 1.0 / 2.0),
        ] {
            let found = arguments_share(&expected, &called);
            assert!((found - share).abs() < 1e-12, "{called}: {found}");
            assert_eq!(
                argument_differences(&expected, &called).is_empty(),
                share == 1.0
            );
        }
        // The best alternative counts, also in part.
        let either =
            json!({"o": Accept::one_of([json!({"a": 1, "b": 1}), json!({"a": 2, "b": 2})])});
        assert_eq!(
            arguments_share(&either, &json!({"o": {"a": 2, "b": 1}})),
            0.5
        );
    }

    #[test]
    fn large_integers_are_told_apart() {
        let large = json!(1_234_567_890_123_456_789_i64);
        assert!(agree(&large, &large.clone()));
        assert!(!agree(&large, &json!(1_234_567_890_123_456_788_i64)));
        assert!(agree(&json!(-3), &json!(-3.0)) && !agree(&json!(u64::MAX), &json!(-1)));
    }

    #[test]
    fn an_object_that_only_looks_like_a_matcher_is_a_value() {
        for plain in [
            json!({"$one_of": 1}),
            json!({"$anything": false}),
            json!({"$optional": 1, "x": 2}),
        ] {
            assert!(
                agree(&plain, &plain.clone()) && !agree(&plain, &json!(1)),
                "{plain}"
            );
        }
    }

    #[test]
    fn differences_name_the_place() {
        let expected =
            json!({"q": "shoes", "f": {"n": 1, "m": 2}, "unit": Accept::one_of(["C", "F"])});
        let called = json!({"q": "hats", "f": {"n": 1}, "unit": "K", "more": 1});
        let mut found = argument_differences(&expected, &called);
        found.sort();
        assert_eq!(
            found,
            [
                "`f.m` is missing",
                "`more` was not expected",
                r#"`q` is "hats", not "shoes""#,
                r#"`unit` is "K", not one of "C", "F""#,
            ]
        );
        assert_eq!(
            argument_differences(&json!(1), &json!(2)),
            ["`arguments` is 2, not 1"]
        );
    }

    #[test]
    #[should_panic(expected = "write `Accept::anything()`")]
    fn one_of_nothing_is_refused() {
        Accept::one_of(Vec::<Value>::new());
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (0..4i64).prop_map(Value::from),
            "[ab]{0,2}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 16, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[xyz]", inner, 0..3)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(proptesting::config())]

        #[test]
        fn a_share_is_a_share_both_ways_and_1_for_equals(one in value(), other in value()) {
            let share = arguments_share(&one, &other);
            prop_assert!((0.0..=1.0).contains(&share));
            prop_assert!((share - arguments_share(&other, &one)).abs() < 1e-12);
            prop_assert_eq!(arguments_share(&one, &one), 1.0);
            prop_assert_eq!(arguments_agree(&one, &other), argument_differences(&one, &other).is_empty());
        }

        #[test]
        fn one_more_accepted_value_never_lowers_the_share(one in value(), other in value(), called in value()) {
            let single = json!({"x": Accept::one_of([one.clone()])});
            let both = json!({"x": Accept::one_of([one.clone(), other])});
            let called = json!({"x": called});
            prop_assert_eq!(arguments_share(&single, &called), arguments_share(&json!({"x": one}), &called));
            prop_assert!(arguments_share(&both, &called) >= arguments_share(&single, &called));
        }

        #[test]
        fn an_unexpected_argument_lowers_the_share(expected in value(), called in value()) {
            let with = |called: &Value| json!({"x": called, "extra": 1});
            let (expected, plain) = (json!({"x": expected}), json!({"x": called}));
            prop_assert!(arguments_share(&expected, &with(&called)) <= arguments_share(&expected, &plain));
        }
    }
}
