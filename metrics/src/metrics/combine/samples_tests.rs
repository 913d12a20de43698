use super::*;
use crate::{
    AnyJudge, FakeJudge, GEval, JudgeError, JudgeErrorKind, TestCase, measure_with, metric,
    proptesting,
};
use proptest::prelude::*;

fn polite() -> GEval {
    GEval::by_steps("polite", ["Look."])
}

fn giving(scores: &[u32]) -> FakeJudge {
    scores.iter().fold(FakeJudge::new(), |judge, score| {
        judge.reply(format!(r#"{{"reason": "so {score}", "score": {score}}}"#))
    })
}

async fn measured(samples: &Samples, judge: impl Into<AnyJudge>) -> Result<Score> {
    measure_with(&TestCase::new("q", "a"), samples, judge).await
}

fn detail(score: &Score, name: &str) -> Value {
    let found = score.details.iter().find(|(known, _)| known == name);
    found.map(|(_, value)| value.clone()).unwrap_or_default()
}

#[tokio::test]
async fn each_rule_makes_one_score_and_all_show_the_spread() {
    for (rule, expected) in [
        (SampleRule::Mean, 0.7),
        (SampleRule::Median, 0.8),
        (SampleRule::Worst, 0.4),
        (SampleRule::Majority, 1.0),
        // 0.7 - 4.3027 * sd / sqrt(3), with sd = 0.264575.
        (SampleRule::Bound, 0.042_757),
    ] {
        let samples = Samples::new(polite().at_least(0.5), 3).rule(rule);
        let score = measured(&samples, giving(&[8, 9, 4])).await.unwrap();
        assert!(
            (score.value - expected).abs() < 1e-4,
            "{rule:?} {}",
            score.value
        );
        assert_eq!(detail(&score, "samples").as_array().unwrap().len(), 3);
        let number = |name: &str| detail(&score, name).as_f64().unwrap();
        assert!((number("sd") - 0.264_575).abs() < 1e-6);
        assert!((number("flip_rate") - 1.0 / 3.0).abs() < 1e-12);
        assert_eq!((number("lowest"), number("highest")), (0.4, 0.9));
    }
}

#[tokio::test]
async fn the_reason_is_that_of_the_sample_that_speaks_for_all() {
    let samples = Samples::new(polite(), 3).rule(SampleRule::Majority);
    let score = measured(&samples, giving(&[2, 9, 3])).await.unwrap();
    assert_eq!(score.value, 0.0);
    assert_eq!(
        score.reason.unwrap(),
        "the majority of 3 samples counts: 1 of 3 say at least 0.50, from 0.20 to 0.90 with a mean of 0.47 (so 3)"
    );
}

#[tokio::test]
async fn every_sample_is_an_answer_of_its_own_at_a_temperature() {
    let judge = giving(&[8, 8, 8]);
    let samples = Samples::new(GEval::new("polite", "It is polite."), 2).temperature(0.7);
    let steps = FakeJudge::new()
        .reply(r#"{"steps": ["look"]}"#)
        .reply(r#"{"reason": "", "score": 8}"#)
        .reply(r#"{"reason": "", "score": 8}"#);
    measured(&samples, steps.clone()).await.unwrap();
    let graded: Vec<_> = steps
        .prompts()
        .into_iter()
        .filter(|prompt| prompt.purpose == "g_eval/score")
        .collect();
    assert_ne!(graded[0].repeat, graded[1].repeat);
    assert!(graded.iter().all(|prompt| prompt.temperature == Some(0.7)));
    assert_eq!(graded[0].request()["temperature"], 0.7);
    // Without samples there is no such member, so that recordings keep their keys.
    measure_with(&TestCase::new("q", "a"), &polite(), judge.clone())
        .await
        .unwrap();
    assert!(judge.prompts()[0].request().get("temperature").is_none());
}

#[tokio::test]
async fn a_certain_majority_asks_no_more() {
    for (scores, asked) in [
        (&[8, 8, 8, 0, 0][..], 3),
        (&[8, 0, 8, 0, 8], 5),
        (&[0, 0, 0, 8, 8], 3),
    ] {
        let judge = giving(scores);
        let samples = Samples::new(polite(), 5)
            .rule(SampleRule::Majority)
            .stop_early();
        let score = measured(&samples, judge.clone()).await.unwrap();
        assert_eq!(judge.prompts().len(), asked, "{scores:?}");
        assert_eq!(score.value, f64::from(u8::from(scores[0] > 0)));
    }
}

#[tokio::test]
async fn a_sample_that_fails_is_no_bad_score_and_one_that_does_not_apply_is_none() {
    let failing = giving(&[8]).fail(JudgeError::new(JudgeErrorKind::Timeout, "too slow"));
    let error = measured(&Samples::new(polite(), 2), failing).await;
    assert!(error.unwrap_err().to_string().contains("too slow"));
    let never = metric("never", |_: &TestCase| -> Result<f64> {
        Err(NotApplicable::because("nothing is there").into())
    });
    let error = measured(&Samples::new(never, 2), FakeJudge::new()).await;
    let error = error.unwrap_err();
    let why = error.downcast_ref::<NotApplicable>().unwrap();
    assert_eq!(why.reason(), "none of the 2 samples had anything to judge");
}

#[test]
#[should_panic(expected = "`polite_samples` needs at least 2 samples, but has 1")]
fn one_sample_has_no_spread() {
    let _ = Samples::new(GEval::by_steps("polite", ["Look."]), 1);
}

proptest! {
    #![proptest_config(proptesting::config())]

    #[test]
    fn scores_and_bounds_stay_in_range(values in proptest::collection::vec(0.0..=1.0, 1..40)) {
        let scores: Vec<Score> = values.iter().map(|value| Score::new(*value)).collect();
        for rule in [SampleRule::Mean, SampleRule::Median, SampleRule::Worst, SampleRule::Majority, SampleRule::Bound] {
            for bar in [Bar::AtLeast(0.5), Bar::AtMost(0.5)] {
                let score = whole(rule, bar, &scores, Vec::new());
                prop_assert!((0.0..=1.0).contains(&score.value), "{rule:?} {}", score.value);
                let flips = detail(&score, "flip_rate").as_f64().unwrap();
                prop_assert!((0.0..=0.5).contains(&flips));
            }
        }
    }
}

#[tokio::test]
async fn samples_of_a_panel_of_one_judge_twice_share_no_answer() {
    let grade = r#"{"reason": "", "score": 8}"#;
    let judge = (0..12).fold(FakeJudge::new(), |judge, _| judge.reply(grade));
    let panel = || {
        crate::Panel::new(polite())
            .judge(judge.clone())
            .judge(judge.clone())
    };
    measured(&Samples::new(panel(), 3), judge.clone())
        .await
        .unwrap();
    let seat = crate::Panel::new(Samples::new(polite(), 3));
    let seats = seat.judge(judge.clone()).judge(judge.clone());
    measure_with(&TestCase::new("q", "a"), &seats, judge.clone())
        .await
        .unwrap();
    for asked in judge.prompts().chunks(6) {
        let mut samples: Vec<u32> = asked.iter().map(|prompt| prompt.repeat.sample).collect();
        samples.sort_unstable();
        samples.dedup();
        assert_eq!(samples.len(), 6, "{samples:?}");
    }
}
