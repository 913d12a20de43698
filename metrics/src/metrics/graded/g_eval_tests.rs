use super::*;
use crate::{
    AnyJudge, Asker, FakeJudge, MissingField, Reply, Span, TestCase, TokenLogprob, Trace,
    measure_with,
};
use serde_json::{Value, json};

const STEPS: &str = r#"{"steps": ["Look.", "Compare."]}"#;

fn polite() -> GEval {
    GEval::new("polite", "The reply is polite.")
}

fn case() -> TestCase {
    TestCase::new("hi", "hello")
}

fn with_logprobs(text: &str, top: &[(&str, f64)]) -> Reply {
    let (before, after) = text.split_at(text.rfind(|c: char| c.is_ascii_digit()).unwrap());
    let plain = |text: &str| TokenLogprob {
        token: text.to_string(),
        ..TokenLogprob::default()
    };
    let grade = TokenLogprob {
        top: top
            .iter()
            .map(|(token, p)| ((*token).to_string(), p.ln()))
            .collect(),
        ..plain(&after[..1])
    };
    Reply::new(text).logprobs(vec![plain(before), grade, plain(&after[1..])])
}

/// The score and the notes of one measurement.
async fn measured(metric: &GEval, judge: FakeJudge) -> (Score, Vec<String>) {
    let (case, trace) = (case(), Trace::default());
    let asker = Asker::standalone(Some(AnyJudge::from(judge)));
    let score = metric
        .measure(&EvalCx::new(&case, &trace, None, &asker))
        .await
        .unwrap();
    (score, asker.into_log().notes)
}

fn detail<'a>(score: &'a Score, name: &str) -> &'a Value {
    &score
        .details
        .iter()
        .find(|(known, _)| known == name)
        .unwrap()
        .1
}

#[tokio::test]
async fn the_weighted_mean_counts_where_there_are_log_probabilities() {
    let reply = with_logprobs(
        r#"{"reason": "Kind.", "score": 8}"#,
        &[("8", 0.75), ("6", 0.25)],
    );
    let judge = FakeJudge::new().reply(STEPS).reply(reply);
    let (score, notes) = measured(&polite(), judge.clone()).await;
    assert!((score.value - 0.75).abs() < 1e-12, "{}", score.value);
    assert_eq!(detail(&score, "method"), "weighted");
    assert_eq!(detail(&score, "grade"), 8.0);
    assert_eq!(detail(&score, "steps"), &json!(["Look.", "Compare."]));
    assert!(notes.is_empty(), "{notes:?}");
    assert_eq!(judge.prompts()[1].graded.as_deref(), Some("score"));
}

#[tokio::test]
async fn without_them_the_integer_counts_and_a_note_says_so() {
    let judge = FakeJudge::new()
        .reply(STEPS)
        .reply(r#"{"reason": "It is curt.", "score": 3}"#);
    let (score, notes) = measured(&polite(), judge.clone()).await;
    assert_eq!(score.value, 0.3);
    assert_eq!(score.reason.as_deref(), Some("it is curt"));
    assert_eq!(detail(&score, "method"), "integer");
    assert_eq!(
        notes,
        ["score is the judge's integer: the provider gave no log-probabilities"]
    );
    let text = judge.prompts()[1].text();
    assert!(
        text.contains("1. Look.\n2. Compare.") && text.contains("actual output:\n<data "),
        "{text}"
    );
    assert!(text.len() < 1600, "{}", text.len());
}

#[tokio::test]
async fn the_steps_are_written_once_for_all_cases_of_a_run() {
    let judge = FakeJudge::new()
        .when("g_eval/steps", STEPS)
        .when("g_eval/score", r#"{"reason": "", "score": 1}"#);
    let (metric, case, trace) = (polite(), case(), Trace::default());
    let asker = Asker::standalone(Some(AnyJudge::from(judge.clone())));
    for _ in 0..3 {
        metric
            .measure(&EvalCx::new(&case, &trace, None, &asker))
            .await
            .unwrap();
    }
    assert_eq!(
        judge
            .prompts()
            .iter()
            .filter(|prompt| prompt.purpose == "g_eval/steps")
            .count(),
        1
    );
}

#[tokio::test]
async fn a_score_outside_the_scale_is_asked_again() {
    let judge = FakeJudge::new()
        .reply(r#"{"reason": "", "score": 11}"#)
        .reply(r#"{"reason": "", "score": "10"}"#);
    let (score, _) = measured(&polite().steps(["Look."]), judge.clone()).await;
    assert_eq!(score.value, 1.0);
    assert!(
        judge.prompts()[1]
            .text()
            .contains("must be a whole number from 0 to 10, but it is 11")
    );
}

#[tokio::test]
async fn strict_asks_whether_it_is_fully_met() {
    let metric = polite()
        .steps(["Look."])
        .rubric([(0..=5, "rude"), (6..=10, "warm")])
        .strict();
    assert_eq!(metric.bar(), Bar::AtLeast(1.0));
    let judge = FakeJudge::new().reply(with_logprobs(
        r#"{"reason": "", "score": 1}"#,
        &[("1", 0.6), ("0", 0.4)],
    ));
    let (score, notes) = measured(&metric, judge.clone()).await;
    assert_eq!((score.value, notes.len()), (1.0, 0));
    let prompt = &judge.prompts()[0];
    assert_eq!(
        (prompt.purpose.as_str(), &prompt.graded),
        ("g_eval/strict", &None)
    );
    assert!(
        prompt
            .text()
            .contains("To fully meet them means: warm\n\ninput:\n<data "),
        "{}",
        prompt.text()
    );
    for reply in ["0", "0.5"] {
        let judge = FakeJudge::new().reply(format!(r#"{{"reason": "", "score": {reply}}}"#));
        assert_eq!(measured(&metric, judge).await.0.value, 0.0);
    }
    let judge = FakeJudge::new()
        .reply(r#"{"reason": "", "score": 10}"#)
        .reply(r#"{"reason": "", "score": 0}"#);
    measured(&metric, judge.clone()).await;
    assert!(
        judge.prompts()[1]
            .text()
            .contains("from 0 to 1, but it is 10")
    );
}

#[tokio::test]
async fn steps_may_stand_without_criteria() {
    let metric = GEval::by_steps("brief", ["Count the words."]);
    let judge = FakeJudge::new().reply(r#"{"reason": "", "score": 4}"#);
    let (score, _) = measured(&metric, judge.clone()).await;
    assert_eq!(score.value, 0.4);
    let text = judge.prompts()[0].text();
    assert!(
        text.contains("Criteria: what the steps below ask for.\n\nSteps:\n1. Count the words."),
        "{text}"
    );
}

#[tokio::test]
async fn the_trace_is_shown_as_an_outline() {
    let mut trace = Trace::default();
    trace.spans.push(Span::new("answer", "agent"));
    let mut search = Span::new("search", "tool");
    (search.parent, search.output) = (Some(0), json!("2 shoes"));
    trace.spans.push(search);
    let metric = polite().steps(["Look."]).given_trace();
    let judge = FakeJudge::new().reply(r#"{"reason": "", "score": 4}"#);
    let (case, asker) = (
        case(),
        Asker::standalone(Some(AnyJudge::from(judge.clone()))),
    );
    let cx = EvalCx::new(&case, &trace, None, &asker);
    metric.measure(&cx).await.unwrap();
    let text = judge.prompts()[0].text();
    assert!(
        text.contains("trace:\n<data ")
            && text.contains("1. agent `answer`")
            && text.contains("  2. tool `search`\n     output: 2 shoes\n</data ")
            && !text.contains("actual output:"),
        "{text}"
    );
    let metric = metric.given([Field::Output]);
    let error = measure_with(&case, &metric, FakeJudge::new()).await;
    let error = error.unwrap_err();
    assert_eq!(error.downcast_ref::<MissingField>().unwrap().field, "trace");
}

#[tokio::test]
async fn rubric_and_scale_are_shown_to_the_judge() {
    let metric = polite()
        .steps(["Look."])
        .scale(1..=5)
        .rubric([(4..=5, "warm"), (1..=1, "rude")]);
    let judge = FakeJudge::new().reply(r#"{"reason": "", "score": 4}"#);
    let (score, _) = measured(&metric, judge.clone()).await;
    assert_eq!(score.value, 0.75);
    let text = judge.prompts()[0].text();
    assert!(
        text.contains("What the scores mean:\n1: rude\n4-5: warm\n\ninput:")
            && text.contains("from 1 ("),
        "{text}"
    );
}

#[tokio::test]
async fn a_field_that_is_missing_is_an_error() {
    let error = measure_with(
        &case(),
        &polite().given([Field::Expected]),
        FakeJudge::new(),
    )
    .await
    .unwrap_err();
    assert_eq!(
        error.downcast_ref::<MissingField>().unwrap().field,
        "expected"
    );
}

#[tokio::test]
async fn a_prompt_can_be_replaced() {
    let judge = FakeJudge::new().reply(r#"{"reason": "", "score": 4}"#);
    let metric = polite().steps(["Look."]).prompt(
        "score",
        "{{criteria}} {{steps}} {{case}} {{lowest}} {{highest}} Bitte urteilen.",
    );
    measured(&metric, judge.clone()).await;
    assert!(judge.prompts()[0].text().ends_with("Bitte urteilen."));
}

#[test]
#[should_panic(expected = "at least one field")]
fn no_fields_is_a_mistake() {
    let _ = polite().given([]);
}

#[test]
#[should_panic(expected = "overlap: 0..=5 and 5..=10")]
fn an_overlapping_rubric_is_a_mistake() {
    let _ = polite().rubric([(5..=10, "good"), (0..=5, "bad")]);
}

#[test]
#[should_panic(expected = "has no grade but 10; add what other grades mean")]
fn a_rubric_of_one_grade_is_no_scale() {
    let _ = polite().rubric([(10..=10, "perfect")]);
}

#[test]
#[should_panic(expected = "outside of the scale 0..=10")]
fn a_rubric_outside_of_the_scale_is_a_mistake() {
    let _ = polite().rubric([(0..=11, "good")]);
}

#[tokio::test]
async fn images_are_shown_where_they_are_given_and_only_there() {
    let image = crate::Image::from_bytes("image/png", *b"\x89PNG");
    let case = TestCase::new("What is this?", "A cat.").image(image.clone());
    let of =
        |fields: &[Field]| GEval::by_steps("true", ["Look at the image."]).given(fields.to_vec());
    let grade = r#"{"reason": "It shows one.", "score": 10}"#;
    let judge = FakeJudge::new().reply(grade).reply(grade);
    for fields in [&[Field::Output, Field::Images][..], &[Field::Output]] {
        measure_with(&case, &of(fields), judge.clone())
            .await
            .unwrap();
    }
    let prompts = judge.prompts();
    assert_eq!(prompts[0].messages[1].images, [image]);
    let text = prompts[0].text();
    assert!(text.contains("attached images:\n<data "), "{text}");
    assert!(text.contains("1. image/png, 4 bytes"), "{text}");
    assert!(prompts[1].messages[1].images.is_empty());
    assert!(!prompts[1].request().to_string().contains("images"));
    let none = TestCase::new("What is this?", "A cat.");
    let error = measure_with(&none, &of(&[Field::Images]), judge).await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains("hint: add one with `.image("), "{error}");
}

#[tokio::test]
async fn a_grade_by_probabilities_sees_the_images_too() {
    let image = crate::Image::from_bytes("image/png", *b"\x89PNG");
    let case = TestCase::new("What is this?", "A cat.").image(image.clone());
    let metric = GEval::by_steps("true", ["Look at the image."])
        .given([Field::Output, Field::Images])
        .by_probability();
    let judge = FakeJudge::new()
        .reply("no digit")
        .reply(r#"{"reason": "It shows one.", "score": 10}"#);
    measure_with(&case, &metric, judge.clone()).await.unwrap();
    for prompt in judge.prompts() {
        assert_eq!(
            prompt.messages[1].images,
            std::slice::from_ref(&image),
            "{}",
            prompt.purpose
        );
    }
    assert_eq!(judge.prompts().len(), 2);
}
