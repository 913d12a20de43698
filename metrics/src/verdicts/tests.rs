use super::*;
use crate::{AnyJudge, Asker, FakeJudge, TestCase, Trace};

const WORDING: Wording = Wording {
    noun: "claim",
    passes: "true",
    fails: "false",
    empty: (1.0, "there is no claim"),
};

fn items(n: usize) -> Vec<String> {
    (1..=n).map(|i| format!("item {i}")).collect()
}

fn ask(lines: String) -> Template {
    Template::new("test/verdicts", "{{items}} {{reply}}").fenced("items", "items", lines)
}

fn reply(verdicts: &[(usize, &str)]) -> String {
    let entry = |(number, verdict): &(usize, &str)| {
        format!(r#""{number}": {{"reason": "Why {number}.", "verdict": "{verdict}"}}"#)
    };
    format!(
        r#"{{"verdicts": {{{}}}}}"#,
        verdicts.iter().map(entry).collect::<Vec<_>>().join(", ")
    )
}

async fn judged(n: usize, judge: &FakeJudge) -> (Result<Vec<Verdict>>, u32) {
    let (case, trace) = (TestCase::new("q", "a"), Trace::default());
    let asker = Asker::standalone(Some(AnyJudge::from(judge.clone())));
    let result = Ballot(&[Vote::Yes, Vote::No])
        .verdicts(&EvalCx::new(&case, &trace, None, &asker), &items(n), ask)
        .await;
    (result, asker.into_log().re_asks)
}

fn votes(verdicts: &[Verdict]) -> Vec<Vote> {
    verdicts.iter().map(|verdict| verdict.vote).collect()
}

fn verdict(statement: &str, vote: Vote, reason: &str) -> Verdict {
    Verdict {
        statement: statement.to_string(),
        vote,
        reason: reason.to_string(),
        passage: None,
        odds: None,
    }
}

#[tokio::test]
async fn verdicts_come_back_in_the_order_of_the_items() {
    let judge = FakeJudge::new().reply(reply(&[(3, "no"), (1, "Yes."), (2, "yes")]));
    let (verdicts, re_asks) = judged(3, &judge).await;
    let verdicts = verdicts.unwrap();
    assert_eq!(votes(&verdicts), [Vote::Yes, Vote::Yes, Vote::No]);
    assert_eq!(
        (
            verdicts[2].statement.as_str(),
            verdicts[2].reason.as_str(),
            re_asks
        ),
        ("item 3", "Why 3.", 0)
    );
    assert!(
        judge.prompts()[0]
            .text()
            .contains("1. item 1\n2. item 2\n3. item 3\n</data ")
    );
}

#[tokio::test]
async fn only_what_was_left_out_is_asked_again() {
    let judge = FakeJudge::new()
        .reply(reply(&[(2, "yes")]))
        .reply(reply(&[(3, "no")]))
        .reply(reply(&[(1, "yes")]));
    let (verdicts, re_asks) = judged(3, &judge).await;
    assert_eq!(votes(&verdicts.unwrap()), [Vote::Yes, Vote::Yes, Vote::No]);
    assert_eq!(re_asks, 2);
    let prompts = judge.prompts();
    assert!(
        prompts[1].text().contains("\n1. item 1\n3. item 3\n")
            && !prompts[1].text().contains("item 2")
    );
}

#[tokio::test]
async fn what_stays_missing_is_an_error_and_not_a_smaller_whole() {
    let judge = FakeJudge::new()
        .reply(reply(&[(1, "yes")]))
        .reply(reply(&[]))
        .reply(reply(&[]));
    let (verdicts, _) = judged(3, &judge).await;
    let error = verdicts.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("no verdict on number 2, 3 of 3 in `test/verdicts`"),
        "{error}"
    );
    assert_eq!(judge.prompts().len(), 3);
}

#[tokio::test]
async fn the_judge_is_told_of_numbers_that_are_unknown_or_double() {
    let judge = FakeJudge::new()
        .reply(reply(&[(1, "yes"), (7, "no")]))
        .reply(reply(&[(1, "yes"), (1, "no")]))
        .reply(reply(&[(1, "yes"), (2, "no")]));
    let (verdicts, re_asks) = judged(2, &judge).await;
    assert_eq!(votes(&verdicts.unwrap()), [Vote::Yes, Vote::No]);
    assert_eq!(re_asks, 2);
    let last = judge.prompts()[2].text();
    assert!(
        last.contains("number 7 is not on the list; the numbers are 1, 2")
            && last.contains("the key `1` stands there twice"),
        "{last}"
    );
}

#[tokio::test]
async fn a_verdict_that_was_not_offered_is_told_too() {
    let judge = FakeJudge::new()
        .reply(reply(&[(1, "borderline")]))
        .reply(reply(&[(1, "maybe")]))
        .reply(reply(&[(1, "no")]));
    let (verdicts, _) = judged(1, &judge).await;
    assert_eq!(votes(&verdicts.unwrap()), [Vote::No]);
    let last = judge.prompts()[2].text();
    assert!(
        last.contains(r#"of number 1 must be one of "yes", "no", but it is "borderline""#)
            && last.contains(r#""maybe" is not a verdict"#),
        "{last}"
    );
}

#[test]
fn the_share_counts_every_verdict() {
    let all = [
        verdict("a", Vote::Yes, ""),
        verdict("b", Vote::No, "It is wrong."),
        verdict("c", Vote::Borderline, ""),
    ];
    let score = share(&all, &[Vote::Yes, Vote::Borderline], &WORDING);
    assert!((score.value - 2.0 / 3.0).abs() < 1e-12);
    assert_eq!(
        score.reason.as_deref(),
        Some(r#"1 of 3 claims is false: "b" (it is wrong)"#)
    );
    assert_eq!(
        score.details[0].1[2],
        json!({"statement": "c", "verdict": "borderline", "reason": ""})
    );
    assert!((share(&all, &[Vote::Yes], &WORDING).value - 1.0 / 3.0).abs() < 1e-12);
    assert_eq!(
        share(&all[..1], &[Vote::Yes], &WORDING).reason.as_deref(),
        Some("the only claim is true")
    );
}

#[test]
fn a_reason_stays_short() {
    let long = "word ".repeat(500);
    let all: Vec<Verdict> = (0..50).map(|_| verdict(&long, Vote::No, &long)).collect();
    let reason = share(&all, &[Vote::Yes], &WORDING).reason.unwrap();
    assert!(
        reason.len() < 1000 && reason.ends_with("; and 47 more"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_list_of_numbered_verdicts_is_read_too() {
    let list = |second: usize| {
        format!(
            r#"{{"verdicts": [{{"number": 1, "verdict": "yes"}}, {{"number": "{second}", "verdict": "no"}}]}}"#
        )
    };
    let judge = FakeJudge::new().reply(list(1)).reply(list(2));
    let (verdicts, _) = judged(2, &judge).await;
    assert_eq!(votes(&verdicts.unwrap()), [Vote::Yes, Vote::No]);
    assert!(
        judge.prompts()[1]
            .text()
            .contains("number 1 came twice; give exactly one verdict for each of 1, 2")
    );
}

#[tokio::test]
async fn the_schema_has_a_key_for_every_number_that_is_open() {
    let first: Vec<(usize, &str)> = (1..=10).map(|number| (number, "yes")).collect();
    let judge = FakeJudge::new()
        .reply(reply(&first))
        .reply(reply(&[(12, "no"), (11, "yes")]));
    let (verdicts, _) = judged(12, &judge).await;
    assert_eq!(verdicts.unwrap()[11].vote, Vote::No);
    let prompts = judge.prompts();
    assert!(prompts[0].text().contains("01. item 1\n02. item 2\n"));
    assert!(prompts[0].text().contains(r#"{"verdicts": {"01": {"reason": "...", "verdict": "..."}, "02": {"reason": "...", "verdict": "..."}, ..., "12": {"#));
    let schema = &prompts[1].schema.as_ref().unwrap().schema;
    assert_eq!(
        schema["properties"]["verdicts"]["required"],
        json!(["11", "12"])
    );
    assert_eq!(
        schema["properties"]["verdicts"]["properties"]["11"]["required"],
        json!(["reason", "verdict"])
    );
}

#[test]
fn average_precision_rewards_early_hits() {
    for (ranking, expected) in [
        (&[][..], 0.0),
        (&[false, false], 0.0),
        (&[true, true], 1.0),
        (&[true, false, true], f64::midpoint(1.0, 2.0 / 3.0)),
        (&[false, true], 0.5),
    ] {
        assert!(
            (average_precision(ranking) - expected).abs() < 1e-12,
            "{ranking:?}"
        );
    }
}

#[tokio::test]
async fn scored_as_given_nothing_is_asked_again_and_what_is_no_verdict_is_dropped() {
    let judge = FakeJudge::new().reply(
        r#"{"verdicts": [{"verdict": "Yes"}, {"verdict": "maybe"}, {"verdict": "no, since"}, {"verdict": "yes"}]}"#,
    );
    let (case, trace) = (TestCase::new("q", "a"), Trace::default());
    let asker = Asker::standalone(Some(AnyJudge::from(judge.clone()))).scoring_as_given();
    let verdicts = Ballot(&[Vote::Yes, Vote::No])
        .verdicts(&EvalCx::new(&case, &trace, None, &asker), &items(1), ask)
        .await
        .unwrap();
    assert_eq!(votes(&verdicts), [Vote::Yes, Vote::No, Vote::Yes]);
    assert_eq!(judge.prompts().len(), 1);
}

#[tokio::test]
async fn many_items_are_asked_about_in_several_calls() {
    let verdicts_of = |from: usize, to: usize| {
        let all: Vec<(usize, &str)> = (from..=to).map(|number| (number, "yes")).collect();
        reply(&all)
    };
    let judge = FakeJudge::new()
        .when("\n80. item 80\n", verdicts_of(41, 80))
        .when("\n81. item 81\n", verdicts_of(81, 81))
        .when("\n01. item 1\n", verdicts_of(1, 40));
    let (verdicts, re_asks) = judged(81, &judge).await;
    let verdicts = verdicts.unwrap();
    assert_eq!((verdicts.len(), re_asks), (81, 0));
    assert_eq!(verdicts[79].statement, "item 80");
    assert_eq!(judge.prompts().len(), 3);
}

#[tokio::test]
async fn the_verdicts_of_a_reply_that_was_cut_off_are_kept() {
    let whole = reply(&[(1, "yes"), (2, "no"), (3, "yes")]);
    let cut = &whole[..whole.len() - 20];
    let judge = FakeJudge::new().reply(cut).reply(reply(&[(3, "no")]));
    let (verdicts, re_asks) = judged(3, &judge).await;
    assert_eq!(votes(&verdicts.unwrap()), [Vote::Yes, Vote::No, Vote::No]);
    assert_eq!(re_asks, 1);
    assert!(!judge.prompts()[1].text().contains("item 2"));
}

#[tokio::test]
async fn scored_as_given_an_entry_without_a_verdict_is_an_error() {
    let judge = FakeJudge::new().reply(r#"{"verdicts": [{"verdict": "yes"}, {"reason": "r"}]}"#);
    let (case, trace) = (TestCase::new("q", "a"), Trace::default());
    let asker = Asker::standalone(Some(AnyJudge::from(judge.clone()))).scoring_as_given();
    let error = Ballot(&[Vote::Yes, Vote::No])
        .verdicts(&EvalCx::new(&case, &trace, None, &asker), &items(2), ask)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("has no `verdict`"), "{error}");
    assert_eq!(judge.prompts().len(), 1);
}
