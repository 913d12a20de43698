use super::*;
use crate::{
    Bias, CitationFaithfulness, Contains, Faithfulness, FakeJudge, GEval, Metric, Prompt, Reply,
    Template, TestCase, TokenLogprob, measure_with,
};
use serde_json::{Value, json};

fn token(top: &[(&str, f64)]) -> Reply {
    let written = top[0];
    Reply::new(written.0).logprobs(vec![TokenLogprob {
        token: written.0.to_string(),
        logprob: written.1.ln(),
        top: top
            .iter()
            .map(|(t, p)| ((*t).to_string(), p.ln()))
            .collect(),
    }])
}

fn case() -> TestCase {
    TestCase::new("Refund?", "Within 30 days [1].").retrieved(["Returns take 30 days."])
}

fn detail<'a>(score: &'a crate::Score, name: &str) -> &'a Value {
    let found = score.details.iter().find(|(known, _)| known == name);
    &found
        .unwrap_or_else(|| panic!("no `{name}` in {score:?}"))
        .1
}

fn faithful() -> FakeJudge {
    FakeJudge::new()
        .reply(r#"{"truths": ["Returns take 30 days."]}"#)
        .reply(r#"{"claims": ["30 days", "free"]}"#)
}

#[tokio::test]
async fn every_item_is_one_call_of_one_token() {
    let judge = faithful()
        .reply(token(&[("Yes", 0.9), ("no", 0.08), ("{", 0.02)]))
        .reply(token(&[("no", 0.6), (" yes", 0.1), ("border", 0.3)]));
    let score = measure_with(
        &case(),
        &Faithfulness::new().by_probability(),
        judge.clone(),
    )
    .await
    .unwrap();
    assert_eq!(score.value, 0.5);
    assert!(
        score
            .reason
            .as_ref()
            .unwrap()
            .contains("no with probability 0.60"),
        "{score:?}"
    );
    assert_eq!(detail(&score, "confidence"), &json!(0.6));
    assert_eq!(detail(&score, "covered"), &json!(0.98));
    let verdicts = detail(&score, "verdicts");
    assert_eq!(verdicts[1]["probabilities"]["borderline"], json!(0.3));
    let prompts = judge.prompts();
    assert_eq!(prompts.len(), 4);
    let last = &prompts[3];
    assert_eq!((last.max_tokens, &last.schema), (3, &None));
    assert!(last.wants_logprobs() && last.purpose == "faithfulness/verdicts_by_probability");
    let text = last.text();
    assert!(
        text.contains("free") && text.ends_with("one word: `yes`, `no` or `borderline`."),
        "{text}"
    );
    assert!(
        !text.contains("Reply with JSON only") && !text.contains("single JSON object"),
        "{text}"
    );
}

#[tokio::test]
async fn what_cannot_be_read_is_asked_as_text_and_noted() {
    let judge = faithful()
        .reply(token(&[("The", 0.9), ("yes", 0.1)]))
        .reply(token(&[("yes", 0.9), ("no", 0.1)]))
        .reply(r#"{"verdicts": {"1": {"reason": "So it is.", "verdict": "no"}}}"#);
    let asker = crate::Asker::standalone(Some(judge.into())).deciding(Decisions::by_probability());
    let (case, trace) = (case(), crate::Trace::default());
    let cx = crate::EvalCx::new(&case, &trace, None, &asker);
    let score = Faithfulness::new().measure(&cx).await.unwrap();
    assert_eq!(score.value, 0.5);
    let score = asker.with_confidence(score);
    assert_eq!(detail(&score, "decided"), &json!(1));
    let notes = asker.into_log().notes;
    assert!(notes[0].contains("less than half"), "{notes:?}");
}

#[tokio::test]
async fn a_threshold_moves_the_verdict() {
    for (threshold, value) in [(0.25, 0.0), (0.5, 1.0)] {
        let judge = FakeJudge::new()
            .reply(r#"{"opinions": ["They are late."]}"#)
            .reply(token(&[("no", 0.7), ("yes", 0.3)]));
        let score = measure_with(&case(), &Bias::new().by_probability_at(threshold), judge)
            .await
            .unwrap();
        assert_eq!(score.value, value);
        assert_eq!(
            detail(&score, "verdicts")[0]["verdict"],
            json!(if threshold < 0.3 { "yes" } else { "no" })
        );
    }
}

#[tokio::test]
async fn long_labels_are_lettered() {
    let judge = FakeJudge::new().reply(token(&[("B", 0.8), ("A", 0.2)]));
    let score = measure_with(
        &case(),
        &CitationFaithfulness::new().by_probability(),
        judge.clone(),
    )
    .await
    .unwrap();
    assert_eq!(
        (score.value, score.reason.as_deref()),
        (0.0, Some("unfaithful with probability 0.80"))
    );
    assert_eq!(detail(&score, "probabilities")["faithful"], json!(0.2));
    assert!(
        judge.prompts()[0]
            .text()
            .contains("\nA: faithful\nB: unfaithful\n"),
        "{}",
        judge.prompts()[0].text()
    );
}

#[tokio::test]
async fn grades_are_means_of_digits() {
    let judge = || {
        FakeJudge::new().when(
            "_by_probability",
            token(&[("9", 0.5), ("6", 0.25), (" 6", 0.25)]),
        )
    };
    let metric = GEval::new("polite", "Be polite.")
        .steps(["Look."])
        .by_probability();
    let score = measure_with(&case(), &metric, judge()).await.unwrap();
    assert!((score.value - 7.5 / 9.0).abs() < 1e-9, "{score:?}");
    let grade =
        |cx| async move { crate::grade::grade(cx, Template::new("test/grade", "How far?")).await };
    let asker =
        crate::Asker::standalone(Some(judge().into())).deciding(Decisions::by_probability());
    let (case, trace) = (case(), crate::Trace::default());
    let cx = crate::EvalCx::new(&case, &trace, None, &asker);
    let grade = grade(&cx).await.unwrap();
    assert!((grade.score - 7.5 / 9.0).abs() < 1e-9, "{grade:?}");
}

#[tokio::test]
async fn a_metric_without_a_judge_stays_as_it_is() {
    let score = measure_with(
        &case(),
        &Contains::new("30").by_probability(),
        FakeJudge::new(),
    )
    .await
    .unwrap();
    assert_eq!((score.value, score.details.len()), (1.0, 0));
}

#[test]
fn a_request_names_alternatives_only_where_they_are_wanted() {
    let request = Prompt::new("a/b", "text").request();
    assert_eq!(request.as_object().unwrap().len(), 4);
    let prompt = Template::new(
        "a/b",
        "Is it?\n\nGive a reason of {{n}} words.\nReply with JSON only: {}",
    )
    .text("n", "3")
    .deciding("One word.")
    .prompt()
    .unwrap();
    assert_eq!(prompt.request()["alternatives"], "first");
    assert!(prompt.text().ends_with("Is it?\n\nOne word."));
}
