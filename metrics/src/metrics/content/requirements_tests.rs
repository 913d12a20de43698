use super::*;
use crate::metrics::content::violations::tests::verdict;
use crate::proptesting;
use crate::{FakeJudge, Golden, MissingField, TestCase, measure_with};
use proptest::prelude::*;

fn case() -> TestCase {
    TestCase::new("How long?", "30 days. Take a voucher!")
}

fn metric() -> Requirements {
    Requirements::new()
        .must("name the\nlimit")
        .must_not(("gifts", "promise a gift"))
        .must_not("insult")
}

fn judge(votes: &[&str]) -> FakeJudge {
    let entry = |(vote, number): (&&str, usize)| {
        (
            number.to_string(),
            json!({"reason": format!("Reason {number}."), "verdict": vote}),
        )
    };
    let entries: serde_json::Map<_, _> = votes.iter().zip(1..).map(entry).collect();
    FakeJudge::new().reply(json!({"verdicts": entries}).to_string())
}

#[tokio::test]
async fn a_must_is_kept_by_yes_and_a_must_not_by_no() {
    for (votes, kept) in [
        (["yes", "no", "no"], 3),
        (["no", "no", "no"], 2),
        (["yes", "yes", "no"], 2),
        (["no", "yes", "yes"], 0),
    ] {
        let score = measure_with(&case(), &metric(), judge(&votes))
            .await
            .unwrap();
        assert_eq!(score.value, if kept == 3 { 1.0 } else { 0.0 }, "{votes:?}");
        let partial = metric().partial();
        let score = measure_with(&case(), &partial, judge(&votes))
            .await
            .unwrap();
        assert!((score.value - f64::from(kept) / 3.0).abs() < 1e-12);
        let strict = measure_with(&case(), &partial.strict(), judge(&votes)).await;
        assert_eq!(strict.unwrap().value, if kept == 3 { 1.0 } else { 0.0 });
    }
    assert_eq!(metric().bar(), Bar::AtLeast(1.0));
    assert_eq!(metric().partial().bar(), Bar::AtLeast(0.5));
}

#[tokio::test]
async fn the_details_name_each_requirement_by_its_id() {
    let fake = judge(&["yes", "yes", "no"]);
    let score = measure_with(&case(), &metric(), fake.clone())
        .await
        .unwrap();
    assert_eq!(
        score.reason.as_deref(),
        Some(r#"1 of 3 requirements is broken: gifts "promise a gift" (Reason 2)"#)
    );
    let details = &score.details[0].1;
    assert_eq!(
        details[0],
        json!({"id": "must[1]", "requirement": "name the limit", "status": "pass", "reason": "Reason 1."})
    );
    assert_eq!(
        (&details[1]["id"], &details[1]["status"]),
        (&json!("gifts"), &json!("fail"))
    );
    assert_eq!(details[2]["id"], "must_not[2]");
    // The judge does not learn which answer is wanted.
    let text = fake.prompts()[0].text();
    assert!(
        text.contains("\n1. Does the assistant do this? \"name the limit\"\n2. Does the assistant do this? \"promise a gift\"\n"),
        "{text}"
    );
    assert!(!text.contains("must") && text.len() < 1500);
}

#[tokio::test]
async fn the_expectations_of_a_row_of_deepeval_are_requirements() {
    let row = r#"{"input": "How long?", "expectations": {"must": ["cite the page"], "must_not": ["shout"]}}"#;
    let case = serde_json::from_str::<Golden>(row)
        .unwrap()
        .answered("30 days!");
    let score = measure_with(&case, &Requirements::new(), judge(&["yes", "no"]))
        .await
        .unwrap();
    assert_eq!(
        (score.value, score.reason.as_deref()),
        (1.0, Some("all 2 requirements are kept"))
    );
}

#[tokio::test]
async fn requirements_of_the_row_are_added() {
    let row = r#"{"input": "How long?", "must": ["cite the page"], "must_not": "shout"}"#;
    let case = serde_json::from_str::<Golden>(row)
        .unwrap()
        .answered("30 days!");
    let fake = judge(&["yes", "no", "no", "yes", "no"]);
    let score = measure_with(&case, &metric(), fake).await.unwrap();
    let ids: Vec<&str> = score.details[0]
        .1
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["id"].as_str().unwrap())
        .collect();
    assert_eq!(
        ids,
        ["must[1]", "gifts", "must_not[2]", "must[2]", "must_not[3]"]
    );
    assert_eq!(
        (score.value, score.reason.as_deref()),
        (1.0, Some("all 5 requirements are kept"))
    );
    let alone = measure_with(&case, &Requirements::new(), judge(&["no", "yes"]))
        .await
        .unwrap();
    assert!(
        alone
            .reason
            .unwrap()
            .starts_with(r#"2 of 2 requirements are broken: must[1] "cite the page""#)
    );
}

#[tokio::test]
async fn a_row_with_something_else_than_texts_is_an_error() {
    for wrong in [json!(3), json!([1]), json!([" "]), json!({"a": "b"})] {
        let error = measure_with(&case().metadata("must", wrong), &metric(), FakeJudge::new())
            .await
            .unwrap_err();
        assert!(
            error
                .to_string()
                .contains("`must` in the metadata must be a list of texts\nhint: "),
            "{error}"
        );
    }
    let null = case().metadata("must", Value::Null);
    assert!(
        measure_with(&null, &metric(), judge(&["yes", "no", "no"]))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn one_that_cannot_be_judged_is_an_error_also_where_another_fails() {
    for metric in [metric(), metric().partial()] {
        let error = measure_with(&case(), &metric, judge(&["no", "borderline", "no"]))
            .await
            .unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains(r#"unable to evaluate gifts "promise a gift" (Reason 2)"#),
            "{text}"
        );
        assert!(text.contains("\nhint: ") && !error.is::<NotApplicable>());
    }
}

#[tokio::test]
async fn each_requirement_is_judged_once() {
    let fake = FakeJudge::new()
        .reply(r#"{"verdicts": {"1": {"reason": "", "verdict": "yes"}, "2": {"reason": "", "verdict": "no"}}}"#)
        .reply(r#"{"verdicts": {"4": {"reason": "", "verdict": "no"}}}"#)
        .reply(r#"{"verdicts": {"3": {"reason": "", "verdict": "no"}}}"#);
    let score = measure_with(&case(), &metric(), fake).await.unwrap();
    assert_eq!(score.value, 1.0);
    let silent = FakeJudge::new().when("requirements", r#"{"verdicts": {}}"#);
    let error = measure_with(&case(), &metric(), silent).await.unwrap_err();
    assert!(
        error.to_string().contains("no verdict on number 1, 2, 3"),
        "{error}"
    );
}

#[tokio::test]
async fn without_requirements_the_case_is_skipped_and_without_output_it_is_an_error() {
    let error = measure_with(&case(), &Requirements::new(), FakeJudge::new())
        .await
        .unwrap_err();
    assert!(error.is::<NotApplicable>(), "{error}");
    let silent = TestCase::new("How long?", "");
    let error = measure_with(&silent, &metric(), FakeJudge::new())
        .await
        .unwrap_err();
    assert!(error.is::<MissingField>(), "{error}");
}

#[tokio::test]
async fn the_judge_sees_the_chosen_fields() {
    let fake = judge(&["yes", "no", "no"]);
    let metric = metric().given([Field::Output, Field::Retrieved]);
    let case = case().retrieved(["Page 3."]);
    measure_with(&case, &metric, fake.clone()).await.unwrap();
    let text = fake.prompts()[0].text();
    assert!(
        text.contains("retrieved:\n<data ") && !text.contains("How long?"),
        "{text}"
    );
}

#[test]
#[should_panic(expected = "such as `.must(\"name the time limit\")`")]
fn a_blank_requirement_is_refused() {
    let _ = Requirements::new().must_not(" ");
}

#[test]
#[should_panic(expected = "the id `a` of a requirement is empty or taken")]
fn an_id_is_given_once() {
    let _ = Requirements::new()
        .must(("a", "one"))
        .must_not(("a", "two"));
}

proptest! {
    #![proptest_config(proptesting::config())]

    #[test]
    fn the_score_is_1_exactly_when_all_are_kept(kept in prop::collection::vec(any::<(bool, bool)>(), 1..16), at in any::<prop::sample::Index>()) {
        let value = |kept: &[(bool, bool)], partial: bool| {
            let rule = |must: bool| Rule { id: None, text: "a".to_string(), must };
            let rules = numbered(kept.iter().map(|(must, _)| rule(*must)).collect());
            let vote = |(must, kept): &(bool, bool)| verdict(if must == kept { Vote::Yes } else { Vote::No });
            let verdicts: Vec<Verdict> = kept.iter().map(vote).collect();
            score(&rules, &verdicts, partial).unwrap().value
        };
        let all = kept.iter().all(|(_, kept)| *kept);
        prop_assert_eq!(value(&kept, false), if all { 1.0 } else { 0.0 });
        let share = value(&kept, true);
        prop_assert!((0.0..=1.0).contains(&share));
        prop_assert_eq!(share == 1.0, all);
        let mut broken = kept.clone();
        broken[at.index(kept.len())].1 = false;
        prop_assert!(value(&broken, true) <= share);
        let mut sorted = kept.clone();
        sorted.sort_unstable();
        prop_assert_eq!(value(&sorted, true), share);
    }
}
