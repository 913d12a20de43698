use super::*;
use crate::proptesting;
use crate::{FakeJudge, MissingField, TestCase, ToolCall, Turn, measure_with};
use proptest::prelude::*;
use serde_json::json;

fn mood() -> Classifier {
    Classifier::new("mood")
        .label("calm", "the answer stays polite")
        .label("angry", "the answer scolds")
}

fn case() -> TestCase {
    TestCase::new("Where is my order?", "Stop asking!")
}

fn says(label: &str) -> FakeJudge {
    FakeJudge::new().reply(json!({"reason": "It scolds.", "verdict": label}).to_string())
}

async fn value(case: &TestCase, metric: &Classifier, label: &str) -> f64 {
    measure_with(case, metric, says(label)).await.unwrap().value
}

async fn error(case: &TestCase, metric: &Classifier) -> crate::BoxError {
    measure_with(case, metric, FakeJudge::new())
        .await
        .unwrap_err()
}

#[tokio::test]
async fn a_passing_label_scores_1_and_another_0() {
    let metric = mood().passing(["calm"]);
    let judge = says("angry");
    let score = measure_with(&case(), &metric, judge.clone()).await.unwrap();
    assert_eq!(score.value, 0.0);
    assert_eq!(
        score.reason.as_deref(),
        Some("the label is `angry`, not `calm`: it scolds")
    );
    assert_eq!(
        score.details,
        [
            ("label".to_string(), json!("angry")),
            ("wanted".to_string(), json!(["calm"]))
        ]
    );
    let text = judge.prompts()[0].text();
    assert!(text.contains("\"calm\": the answer stays polite.\n\"angry\": the answer scolds."));
    assert!(text.contains("input:\n<data ") && text.contains("\n\noutput:\n<data "));
    assert_eq!(judge.prompts()[0].purpose, "classifier/label");
    assert_eq!(value(&case(), &metric, "calm").await, 1.0);
    assert_eq!(value(&case(), &metric.strict(), "calm").await, 1.0);
}

#[tokio::test]
async fn the_label_of_the_row_wins_over_the_reference_and_the_passing_ones() {
    let labels = |label: &str| case().metadata("expected_labels", json!({"mood": label}));
    let metric = mood().passing(["calm"]);
    assert_eq!(value(&labels("angry"), &metric, "angry").await, 1.0);
    assert_eq!(value(&labels("angry"), &metric, "calm").await, 0.0);
    let other = case().metadata("expected_labels", json!({"tone": "angry"}));
    assert_eq!(value(&other, &metric, "calm").await, 1.0);

    let referenced = metric.clone().by_expected();
    let expected = case().expected(" angry ");
    assert_eq!(value(&expected, &referenced, "angry").await, 1.0);
    assert_eq!(value(&expected, &metric, "angry").await, 0.0);
    let both = labels("calm").expected("angry");
    assert_eq!(value(&both, &referenced, "calm").await, 1.0);
}

#[tokio::test]
async fn nothing_expected_is_skipped_without_a_call() {
    let skipped = error(&case(), &mood()).await;
    let skipped = skipped.downcast_ref::<NotApplicable>().unwrap();
    assert_eq!(skipped.reason(), "the case expects no label of `mood`");
}

#[tokio::test]
async fn an_expected_label_must_be_one_of_the_labels() {
    let labels = |label: Value| case().metadata("expected_labels", json!({"mood": label}));
    let unknown = error(&labels(json!("furious")), &mood()).await.to_string();
    assert!(unknown.contains("`furious`, which `mood` does not have"));
    assert!(unknown.contains("hint: its labels are `calm` or `angry`"));
    let wrong = error(&labels(json!(3)), &mood()).await.to_string();
    assert!(wrong.contains("`expected_labels.mood` in the metadata must be a label, but it is 3"));
}

#[tokio::test]
async fn none_is_a_label_only_where_it_is_allowed() {
    let metric = mood().allow_none().passing(["none"]);
    assert_eq!(value(&case(), &metric, "none").await, 1.0);
    let strict = FakeJudge::new()
        .when("mood", "")
        .when("label", r#"{"verdict": "none"}"#);
    let refused = measure_with(&case(), &mood().passing(["calm"]), strict).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("exactly one of"), "{refused}");
}

#[tokio::test]
async fn a_malformed_reply_is_asked_again() {
    let judge = FakeJudge::new()
        .reply("calm")
        .reply(r#"{"verdict": "quiet"}"#)
        .reply(r#"{"reason": "", "verdict": "calm"}"#);
    let score = measure_with(&case(), &mood().passing(["calm"]), judge)
        .await
        .unwrap();
    assert_eq!(score.reason.as_deref(), Some("the label is `calm`"));
}

#[tokio::test]
async fn the_judge_sees_the_conversation_and_the_tools_or_what_it_is_given() {
    let metric = mood().passing(["calm"]);
    let talk = TestCase::default()
        .turns([Turn::user("Hello"), Turn::assistant("Good day")])
        .tools([ToolCall::new("wave")]);
    let judge = says("calm");
    measure_with(&talk, &metric, judge.clone()).await.unwrap();
    let text = judge.prompts()[0].text();
    assert!(text.contains("1. user: Hello\n2. assistant: Good day"));
    assert!(text.contains("tool calls:\n<data ") && text.contains("wave"));

    let judge = says("calm");
    let given = metric.clone().given([Field::Output]);
    measure_with(&case(), &given, judge.clone()).await.unwrap();
    assert!(!judge.prompts()[0].text().contains("Where is my order?"));

    let silent = error(&TestCase::new("Hello", ""), &metric).await;
    let missing = silent.downcast_ref::<MissingField>().unwrap();
    assert_eq!((missing.metric.as_str(), missing.field), ("mood", "output"));
}

#[tokio::test]
async fn one_label_is_no_choice() {
    let metric = Classifier::new("mood")
        .label("calm", "polite")
        .passing(["calm"]);
    let text = error(&case(), &metric).await.to_string();
    assert!(text.contains("`mood` needs at least two labels\nhint: "));
}

#[test]
#[should_panic(expected = "`mood` has no label `cold`; its labels are `calm` or `angry`")]
fn an_unknown_passing_label_is_refused() {
    let _ = mood().passing(["cold"]);
}

#[test]
#[should_panic(expected = "`mood` has the label `calm` twice")]
fn a_label_is_given_once() {
    let _ = mood().label("calm", "again");
}

#[test]
#[should_panic(expected = "a classifier needs a name")]
fn a_name_is_needed() {
    let _ = Classifier::new(" ");
}

proptest! {
    #![proptest_config(proptesting::config())]

    #[test]
    fn the_score_is_1_exactly_for_wanted_labels(index in 0..4_usize, wanted in prop::sample::subsequence(vec!["a", "b", "c", "d"], 1..=4)) {
        let labels = ["a", "b", "c", "d"];
        let choice = Choice { index, reason: String::new() };
        let mut wanted: Vec<String> = wanted.into_iter().map(str::to_string).collect();
        let value = score(&labels, &choice, &wanted).value;
        prop_assert_eq!(value == 1.0, wanted.iter().any(|label| label == labels[index]));
        prop_assert!(value == 0.0 || value == 1.0);
        wanted.reverse();
        prop_assert_eq!(score(&labels, &choice, &wanted).value, value);
    }
}
