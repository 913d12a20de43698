use super::*;
use crate::metrics::content::violations::tests::verdict;
use crate::proptesting;
use crate::{FakeJudge, MissingField, TestCase, measure_with};
use proptest::prelude::*;

fn case() -> TestCase {
    TestCase::new(
        "The shop opens at seven. It sells rye. It closes at noon.",
        "The shop opens at seven and sells hats.",
    )
}

/// Two claims, three questions; the votes are of the claims, of the text and of the summary.
fn judge(claims: [&str; 2], original: [&str; 3], summary: [&str; 3]) -> FakeJudge {
    let answers = |votes: &[&str]| {
        let entry = |(vote, number): (&&str, usize)| {
            (
                number.to_string(),
                json!({"reason": format!("Reason {number}."), "verdict": vote}),
            )
        };
        let entries: serde_json::Map<_, _> = votes.iter().zip(1..).map(entry).collect();
        json!({"verdicts": entries}).to_string()
    };
    FakeJudge::new()
        .when(
            "summarization/truths",
            r#"{"truths": ["It opens at seven.", "It sells rye."]}"#,
        )
        .when(
            "summarization/claims",
            r#"{"claims": ["It opens at seven.", "It sells hats."]}"#,
        )
        .when("summarization/alignment_verdicts", answers(&claims))
        .when(
            "summarization/questions",
            r#"{"questions": ["Seven?", "Rye?", "Noon?", "More?"]}"#,
        )
        .when("summarization/original_answers", answers(&original))
        .when("summarization/summary_answers", answers(&summary))
}

fn three() -> Summarization {
    Summarization::new().questions(3)
}

fn part(score: &Score, name: &str) -> f64 {
    let found = score.details.iter().find(|(key, _)| key == name);
    found.unwrap().1.as_f64().unwrap()
}

#[tokio::test]
async fn the_lower_part_is_the_score() {
    for (claims, original, summary, alignment, coverage) in [
        (["yes", "yes"], ["yes"; 3], ["yes"; 3], 1.0, 1.0),
        (["yes", "no"], ["yes"; 3], ["yes"; 3], 0.5, 1.0),
        (["yes", "borderline"], ["yes"; 3], ["yes"; 3], 0.5, 1.0),
        (
            ["yes", "yes"],
            ["yes"; 3],
            ["yes", "no", "no"],
            1.0,
            1.0 / 3.0,
        ),
        // Questions that the text does not answer with yes do not count.
        (
            ["yes", "yes"],
            ["yes", "yes", "no"],
            ["yes", "no", "yes"],
            1.0,
            0.5,
        ),
        (["yes", "yes"], ["no"; 3], ["yes"; 3], 1.0, 0.0),
    ] {
        let fake = judge(claims, original, summary);
        let score = measure_with(&case(), &three(), fake).await.unwrap();
        assert!((part(&score, "alignment") - alignment).abs() < 1e-12);
        assert!((part(&score, "coverage") - coverage).abs() < 1e-12);
        assert_eq!(
            score.value,
            part(&score, "alignment").min(part(&score, "coverage"))
        );
    }
}

#[tokio::test]
async fn the_reason_is_that_of_the_lower_part() {
    let fake = judge(["yes", "no"], ["yes"; 3], ["yes"; 3]);
    let score = measure_with(&case(), &three(), fake).await.unwrap();
    assert_eq!(
        score.reason.as_deref(),
        Some(
            r#"the alignment is 0.50: 1 of 2 claims is not supported by the text: "It sells hats." (Reason 2)"#
        )
    );
    let fake = judge(["yes", "yes"], ["yes"; 3], ["yes", "yes", "no"]);
    let score = measure_with(&case(), &three(), fake).await.unwrap();
    assert_eq!(
        score.reason.as_deref(),
        Some(
            r#"the coverage is 0.67: 1 of 3 questions is not answered by the summary: "Noon?" (Reason 3)"#
        )
    );
    let names: Vec<&str> = score
        .details
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(names, ["alignment", "coverage", "verdicts", "answers"]);
    assert_eq!(score.details[3].1["original"][2]["statement"], "Noon?");
}

#[tokio::test]
async fn strict_makes_each_part_all_or_nothing() {
    let fake = judge(["yes", "yes"], ["yes"; 3], ["yes", "yes", "no"]);
    let score = measure_with(&case(), &three().strict(), fake)
        .await
        .unwrap();
    assert_eq!(score.value, 0.0);
    assert_eq!(
        (part(&score, "alignment"), part(&score, "coverage")),
        (1.0, 0.0)
    );
}

#[tokio::test]
async fn each_prompt_sees_its_text_and_no_more_questions_than_wanted() {
    let fake = judge(["yes"; 2], ["yes"; 3], ["yes"; 3]);
    let metric = three().truths_limit(1);
    measure_with(&case(), &metric, fake.clone()).await.unwrap();
    let find = |step: &str| {
        let prompts = fake.prompts();
        let purpose = format!("summarization/{step}");
        let found = prompts.iter().find(|prompt| prompt.purpose == purpose);
        found.unwrap().text()
    };
    assert_eq!(fake.prompts().len(), 6);
    assert!(find("questions").contains("Write 3 short questions"));
    assert!(find("truths").contains("At most 1, the most important ones."));
    let aligned = find("alignment_verdicts");
    assert!(aligned.contains("facts:\n<data ") && !aligned.contains("It sells rye."));
    for (step, sees, not) in [
        ("truths", "closes at noon", "hats"),
        ("claims", "hats", "closes at noon"),
        ("questions", "closes at noon", "hats"),
        ("original_answers", "closes at noon", "hats"),
        ("summary_answers", "hats", "closes at noon"),
    ] {
        let text = find(step);
        assert!(text.contains(sees) && !text.contains(not), "{step}: {text}");
        assert!(text.len() < 1500);
    }
    assert!(find("summary_answers").contains("3. Noon?\n</data "));
}

#[tokio::test]
async fn given_questions_are_asked_and_generated_ones_are_not_kept() {
    let metric = three();
    for (question, asked) in [("Seven?", 1), ("Noon?", 1)] {
        let list = format!(r#"{{"questions": ["{question}"]}}"#);
        let one = r#"{"verdicts": {"1": {"reason": "", "verdict": "yes"}}}"#;
        let fake = FakeJudge::new()
            .when("summarization/truths", r#"{"truths": []}"#)
            .when("summarization/claims", r#"{"claims": ["It opens."]}"#)
            .when("summarization/questions", list)
            .when("summarization/", one);
        measure_with(&case(), &metric, fake.clone()).await.unwrap();
        let prompts = fake.prompts();
        let made = prompts.iter().filter(|p| p.purpose.ends_with("/questions"));
        assert_eq!(made.count(), asked);
        let answers = prompts.iter().filter(|p| p.purpose.ends_with("_answers"));
        assert!(
            answers
                .into_iter()
                .all(|p| p.text().contains(&format!("1. {question}\n")))
        );
        assert!(
            prompts
                .iter()
                .any(|prompt| prompt.text().contains("facts:\n<data ")
                    && prompt.text().contains("\n(none)\n"))
        );
    }
    let fake = judge(["yes"; 2], ["yes"; 3], ["yes"; 3]);
    let given = Summarization::new().assessment_questions(["Open\n early?", "Rye?", "Noon?"]);
    measure_with(&case(), &given, fake.clone()).await.unwrap();
    let prompts = fake.prompts();
    assert!(
        prompts
            .iter()
            .all(|p| p.purpose != "summarization/questions")
    );
    assert!(prompts.iter().any(|p| p.text().contains("1. Open early?")));
}

#[tokio::test]
async fn a_summary_without_claims_scores_0_and_no_questions_are_skipped() {
    let fake = FakeJudge::new()
        .reply(r#"{"truths": []}"#)
        .when("summarization/claims", r#"{"claims": []}"#)
        .when("summarization/questions", r#"{"questions": ["Seven?"]}"#)
        .when(
            "answers",
            r#"{"verdicts": {"1": {"reason": "", "verdict": "yes"}}}"#,
        );
    let score = measure_with(&case(), &three(), fake).await.unwrap();
    assert_eq!(score.value, 0.0);
    assert_eq!(
        score.reason.as_deref(),
        Some("the alignment is 0.00: the summary claims nothing")
    );
    let fake = FakeJudge::new()
        .when("summarization/truths", r#"{"truths": []}"#)
        .when("summarization/claims", r#"{"claims": []}"#)
        .when("summarization/questions", r#"{"questions": [" "]}"#);
    let skipped = measure_with(&case(), &three(), fake).await.unwrap_err();
    assert!(skipped.is::<NotApplicable>(), "{skipped}");
}

#[tokio::test]
async fn a_question_that_is_left_out_is_asked_again_and_then_an_error() {
    let fake = judge(["yes"; 2], ["yes"; 3], ["yes"; 3]);
    let given = Summarization::new().assessment_questions(["1?", "2?", "3?", "4?"]);
    let error = measure_with(&case(), &given, fake).await.unwrap_err();
    assert!(error.to_string().contains("summarization/"), "{error}");
    for missing in [TestCase::new("", "Short."), TestCase::new("Long.", "")] {
        let error = measure_with(&missing, &three(), FakeJudge::new())
            .await
            .unwrap_err();
        assert!(error.is::<MissingField>(), "{error}");
    }
}

#[test]
#[should_panic(expected = "such as `.questions(5)`")]
fn zero_questions_are_refused() {
    let _ = Summarization::new().questions(0);
}

#[test]
#[should_panic(expected = "leave the call out and the judge writes them")]
fn an_empty_list_of_questions_is_refused() {
    let _ = Summarization::new().assessment_questions([""; 0]);
}

#[test]
#[should_panic(expected = "such as `.truths_limit(10)`")]
fn a_limit_of_zero_truths_is_refused() {
    let _ = Summarization::new().truths_limit(0);
}

fn votes(yes: &[bool]) -> Vec<Verdict> {
    let vote = |yes: &bool| verdict(if *yes { Vote::Yes } else { Vote::No });
    yes.iter().map(vote).collect()
}

proptest! {
    #![proptest_config(proptesting::config())]

    #[test]
    fn the_score_is_the_minimum_of_two_shares(
        claims in prop::collection::vec(any::<bool>(), 0..12),
        answers in prop::collection::vec(any::<(bool, bool)>(), 1..12),
    ) {
        let (original, summary): (Vec<bool>, Vec<bool>) = answers.iter().copied().unzip();
        let score = three().score(&votes(&claims), &votes(&original), &votes(&summary)).unwrap();
        prop_assert!((0.0..=1.0).contains(&score.value));
        prop_assert_eq!(score.value, part(&score, "alignment").min(part(&score, "coverage")));
        let strict = three().strict().score(&votes(&claims), &votes(&original), &votes(&summary)).unwrap();
        prop_assert_eq!(strict.value == 1.0, score.value == 1.0);
        prop_assert!(strict.value <= score.value);
    }

    #[test]
    fn coverage_counts_what_the_text_answers_in_any_order(
        answers in prop::collection::vec(any::<(bool, bool)>(), 1..12),
        at in any::<prop::sample::Index>(),
    ) {
        let value = |answers: &[(bool, bool)]| {
            let (original, summary): (Vec<bool>, Vec<bool>) = answers.iter().copied().unzip();
            coverage(&votes(&original), &votes(&summary)).unwrap().value
        };
        let before = value(&answers);
        let mut sorted = answers.clone();
        sorted.sort_unstable();
        prop_assert_eq!(value(&sorted), before);
        let mut missed = answers.clone();
        missed[at.index(answers.len())].1 = false;
        prop_assert!(value(&missed) <= before);
        // What the text does not answer changes nothing.
        let mut more = answers.clone();
        more.push((false, true));
        prop_assert_eq!(value(&more), before);
    }
}
