use super::*;
use crate::{FakeEmbedder, FakeJudge, TestCase, measure_with};
use proptest::prelude::*;

fn case() -> TestCase {
    TestCase::new("Refund?", "Within 30 days, for 5 euros.").expected("Within 30 days, for free.")
}

fn judge() -> FakeJudge {
    FakeJudge::new()
        .reply(r#"{"statements": ["30 days.", "5 euros.", "By post."]}"#)
        .reply(r#"{"statements": ["30 days.", "Free."]}"#)
        .reply(r#"{"verdicts": {"1": {"verdict": "yes"}, "2": {"reason": "They are free.", "verdict": "no"}, "3": {"verdict": "yes"}}}"#)
        .reply(r#"{"verdicts": {"1": {"verdict": "yes"}, "2": {"verdict": "no"}}}"#)
}

#[tokio::test]
async fn what_is_wrong_and_what_is_missing_both_cost() {
    let fake = judge();
    let score = measure_with(&case(), &AnswerCorrectness::new(), fake.clone())
        .await
        .unwrap();
    // 2 right, 1 wrong, 1 missing.
    assert!((score.value - 4.0 / 6.0).abs() < 1e-12);
    assert_eq!(
        score.reason.as_deref(),
        Some(
            r#"not expected: 1 of 3 statements, such as "5 euros." (they are free); missing: 1 of 2 expected statements, such as "Free.""#
        )
    );
    let prompts = fake.prompts();
    assert!(
        prompts[2]
            .text()
            .contains("Within 30 days, for free.\n</data ")
    );
    assert!(prompts[3].text().contains("1. 30 days.\n2. Free.\n"));
    let recall = AnswerCorrectness::new().beta(2.0);
    let score = measure_with(&case(), &recall, judge()).await.unwrap();
    assert!((score.value - 10.0 / 15.0).abs() < 1e-12);
}

#[tokio::test]
async fn an_embedder_adds_the_similarity_with_its_weight() {
    let embedder = || {
        FakeEmbedder::new()
            .when("euros", [1.0, 0.0])
            .when("free", [0.6, 0.8])
    };
    let facts = 4.0 / 6.0;
    for (metric, wanted) in [
        (
            AnswerCorrectness::new().embedder(embedder()),
            0.75 * facts + 0.25 * 0.6,
        ),
        (
            AnswerCorrectness::new()
                .similarity(0.5)
                .embedder(embedder()),
            0.5 * facts + 0.5 * 0.6,
        ),
        (AnswerCorrectness::new().embedder(embedder()).strict(), 0.0),
    ] {
        let score = measure_with(&case(), &metric, judge()).await.unwrap();
        assert!((score.value - wanted).abs() < 1e-6, "{}", score.value);
        assert!(
            score
                .reason
                .unwrap()
                .ends_with("the similarity of both is 0.60")
        );
    }
    let unset = AnswerCorrectness::new().similarity(0.25);
    let error = measure_with(&case(), &unset, judge()).await.unwrap_err();
    assert!(error.to_string().contains("no embedder"), "{error}");
}

#[tokio::test]
async fn empty_sides_are_no_division_by_zero_and_a_malformed_reply_is_asked_again() {
    let both = FakeJudge::new()
        .reply("nothing")
        .reply(r#"{"statements": []}"#)
        .reply(r#"{"statements": []}"#);
    let error = measure_with(&case(), &AnswerCorrectness::new(), both.clone())
        .await
        .unwrap_err();
    assert!(error.downcast_ref::<NotApplicable>().is_some(), "{error}");
    assert_eq!(both.prompts().len(), 3);
    let silent = FakeJudge::new()
        .reply(r#"{"statements": []}"#)
        .reply(r#"{"statements": ["30 days."]}"#)
        .reply(r#"{"verdicts": {"1": {"verdict": "no"}}}"#);
    let score = measure_with(&case(), &AnswerCorrectness::new(), silent)
        .await
        .unwrap();
    assert_eq!(score.value, 0.0);
}

#[test]
#[should_panic(expected = "needs a beta above 0, but it is 0; 1 counts both alike")]
fn a_beta_of_zero_is_refused() {
    let _ = AnswerCorrectness::new().beta(0.0);
}

#[test]
#[should_panic(expected = "needs a weight in 0.0..=1.0 for the similarity, but it is 1.5")]
fn a_weight_above_one_is_refused() {
    let _ = AnswerCorrectness::new().similarity(1.5);
}

proptest! {
    #![proptest_config(crate::proptesting::config())]

    #[test]
    fn the_f_score_is_the_weighted_harmonic_mean_of_precision_and_recall(
        right in 1..20_usize, wrong in 0..20_usize, missing in 0..20_usize, beta in 0.1..5.0_f64
    ) {
        let value = f_beta(right, wrong, missing, beta);
        let precision = right as f64 / (right + wrong) as f64;
        let recall = right as f64 / (right + missing) as f64;
        let square = beta * beta;
        let mean = (1.0 + square) * precision * recall / (square * precision + recall);
        prop_assert!((value - mean).abs() < 1e-9);
        prop_assert!(value > 0.0 && value <= 1.0);
        prop_assert_eq!(value == 1.0, wrong + missing == 0);
    }

    #[test]
    fn more_right_never_lowers_and_more_wrong_or_missing_never_raises_the_f_score(
        right in 0..20_usize, wrong in 0..20_usize, missing in 0..20_usize, beta in 0.1..5.0_f64
    ) {
        let value = f_beta(right, wrong, missing, beta);
        prop_assert!(f_beta(right + 1, wrong, missing, beta) >= value);
        prop_assert!(f_beta(right, wrong + 1, missing, beta) <= value);
        prop_assert!(f_beta(right, wrong, missing + 1, beta) <= value);
    }
}

#[test]
fn a_weight_that_was_set_stays_whatever_comes_after_it() {
    let embedder = || crate::FakeEmbedder::new().when("", [1.0]);
    let metric = AnswerCorrectness::new;
    for (metric, weight) in [
        (metric(), 0.0),
        (metric().embedder(embedder()), 0.25),
        (metric().similarity(0.0).embedder(embedder()), 0.0),
        (metric().embedder(embedder()).similarity(0.0), 0.0),
        (metric().similarity(0.5).embedder(embedder()), 0.5),
    ] {
        assert_eq!(metric.weight(), weight);
    }
}
