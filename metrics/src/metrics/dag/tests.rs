use super::*;
use crate::{FakeJudge, TestCase, measure_with};
use serde_json::json;

fn tone() -> Dag {
    let phrased = ask("How is the apology phrased?")
        .when("sincere", 1.0)
        .when("formulaic", 0.5)
        .otherwise(0.2);
    Dag::new(
        "tone",
        ask("Does the reply apologise?")
            .no(0.0)
            .yes(phrased.given([Field::Output])),
    )
}

fn case() -> TestCase {
    TestCase::new("My parcel is lost.", "So sorry!")
}

#[tokio::test]
async fn the_answers_lead_along_one_path() {
    let judge = FakeJudge::new()
        .reply(r#"{"reason": "It says sorry.", "verdict": true}"#)
        .reply(r#"{"reason": "The reply is short.", "verdict": "formulaic."}"#);
    let score = measure_with(&case(), &tone(), judge.clone()).await.unwrap();
    assert_eq!(score.value, 0.5);
    assert_eq!(
        score.reason.as_deref(),
        Some(
            "the reply is short (Does the reply apologise? yes → How is the apology phrased? formulaic)"
        )
    );
    assert_eq!(
        score.details[0].1[1],
        json!({"question": "How is the apology phrased?", "answer": "formulaic", "reason": "the reply is short"})
    );
    let prompts = judge.prompts();
    assert!(
        prompts[0].text().contains(r#"exactly one of "no", "yes"."#),
        "{}",
        prompts[0].text()
    );
    assert!(
        prompts[0].text().contains("My parcel is lost.") && prompts[0].text().contains("<data ")
    );
    let second = prompts[1].text();
    assert!(!second.contains("My parcel is lost."), "{second}");
    assert!(
        second.contains(r#""sincere", "formulaic", "otherwise" (if none of the others fits)"#),
        "{second}"
    );
}

#[tokio::test]
async fn a_no_ends_the_path() {
    let judge = FakeJudge::new().reply(r#"{"reason": "", "verdict": "no"}"#);
    let score = measure_with(&case(), &tone(), judge.clone()).await.unwrap();
    assert_eq!((score.value, judge.prompts().len()), (0.0, 1));
    assert_eq!(
        score.reason.as_deref(),
        Some("the answers were: Does the reply apologise? no")
    );
}

#[tokio::test]
async fn an_answer_that_was_not_offered_is_asked_again() {
    let judge = FakeJudge::new()
        .reply(r#"{"reason": "", "verdict": "perhaps"}"#)
        .reply(r#"{"reason": "", "verdict": "no"}"#);
    measure_with(&case(), &tone(), judge.clone()).await.unwrap();
    assert!(
        judge.prompts()[1]
            .text()
            .contains(r#"must be exactly one of "no", "yes", but it is "perhaps""#)
    );
    let stubborn = FakeJudge::new().when("dag/question", r#"{"verdict": "perhaps"}"#);
    assert!(
        measure_with(&case(), &tone(), stubborn)
            .await
            .unwrap_err()
            .to_string()
            .contains("perhaps")
    );
}

#[tokio::test]
async fn a_prompt_can_be_replaced() {
    let judge = FakeJudge::new().reply(r#"{"verdict": "no"}"#);
    let metric = tone().given([Field::Output]).prompt(
        "question",
        "{{case}} {{question}} {{answers}} Bitte urteilen.",
    );
    measure_with(&case(), &metric, judge.clone()).await.unwrap();
    assert!(judge.prompts()[0].text().ends_with("Bitte urteilen."));
}

#[test]
#[should_panic(expected = "question `Is it?` needs both `.yes(…)` and `.no(…)`")]
fn half_a_question_is_a_mistake() {
    let _ = Dag::new("tone", ask("Really?").no(0.0).yes(ask("Is it?").yes(1.0)));
}

#[test]
#[should_panic(expected = "needs at least two outcomes")]
fn one_outcome_is_a_mistake() {
    let _ = Dag::new("tone", ask("Which?").when("a", 1.0));
}

#[test]
#[should_panic(expected = "has the answer `a` twice")]
fn an_answer_twice_is_a_mistake() {
    let _ = ask("Which?").when("a", 1.0).when("a ", 0.0);
}

#[test]
#[should_panic(expected = "has both yes/no and named answers")]
fn mixed_answers_are_a_mistake() {
    let _ = ask("Which?").yes(1.0).when("a", 0.0);
}

#[test]
#[should_panic(expected = "the score 2 is outside 0.0..=1.0")]
fn a_score_out_of_range_is_a_mistake() {
    let _ = ask("Is it?").yes(2.0);
}
