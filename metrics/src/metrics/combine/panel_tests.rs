use super::super::parts::tests::bars;
use super::*;
use crate::{
    AnyJudge, Asker, FakeJudge, GEval, JudgeError, JudgeErrorKind, TestCase, Trace, measure_with,
    metric, proptesting,
};
use proptest::prelude::*;

const RULES: [PanelRule; 5] = [
    PanelRule::Mean,
    PanelRule::Median,
    PanelRule::Worst,
    PanelRule::Majority,
    PanelRule::Unanimous,
];

fn polite() -> GEval {
    GEval::by_steps("polite", ["Look."])
}

fn giving(score: u32) -> FakeJudge {
    FakeJudge::new().reply(format!(r#"{{"reason": "r", "score": {score}}}"#))
}

fn failing() -> FakeJudge {
    FakeJudge::new().fail(JudgeError::new(JudgeErrorKind::Timeout, "too slow"))
}

async fn measured(panel: &Panel) -> Result<Score> {
    measure_with(&TestCase::new("q", "a"), panel, FakeJudge::new()).await
}

#[test]
fn each_rule_makes_one_score_of_several() {
    let values = [0.9, 0.2, 0.6, 0.7];
    for (rule, bar, expected) in [
        (PanelRule::Mean, Bar::AtLeast(0.5), 0.6),
        (PanelRule::Median, Bar::AtLeast(0.5), 0.65),
        (PanelRule::Worst, Bar::AtLeast(0.5), 0.2),
        (PanelRule::Worst, Bar::AtMost(0.5), 0.9),
        (PanelRule::Majority, Bar::AtLeast(0.5), 1.0),
        (PanelRule::Majority, Bar::AtLeast(0.7), 0.0),
        (PanelRule::Unanimous, Bar::AtLeast(0.5), 0.75),
        (PanelRule::Unanimous, Bar::AtLeast(0.1), 1.0),
    ] {
        let value = of(rule, bar, &values);
        assert!((value - expected).abs() < 1e-12, "{rule:?} {bar}: {value}");
    }
    assert_eq!(
        of(PanelRule::Median, Bar::AtLeast(0.5), &[0.1, 0.9, 0.4]),
        0.4
    );
    assert!((spread(&values) - 0.7).abs() < 1e-12);
}

#[tokio::test]
async fn every_judge_is_told_of() {
    let panel = Panel::new(polite().at_least(0.7))
        .judge(giving(8))
        .judge(giving(6));
    assert_eq!(
        (panel.name(), panel.bar()),
        ("polite_panel", Bar::AtLeast(0.7))
    );
    let score = measured(&panel).await.unwrap();
    assert!((score.value - 0.7).abs() < 1e-12);
    assert_eq!(
        score.reason.as_deref(),
        Some("the mean of 2 judges counts: `fake` gives 0.80 (r); `fake #2` gives 0.60 (r)")
    );
    assert_eq!(
        score.details[0].1[1],
        json!({"judge": "fake #2", "score": 0.6, "reason": "r"})
    );
    let panel = Panel::new(polite())
        .judge(giving(8))
        .judge(giving(3))
        .rule(PanelRule::Majority);
    assert_eq!(panel.bar(), Bar::AtLeast(1.0));
    let reason = measured(&panel).await.unwrap().reason.unwrap();
    assert!(
        reason.starts_with("1 of 2 judges say at least 0.50: `fake`"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_judge_that_fails_is_an_error_unless_enough_others_answer() {
    let panel = || {
        Panel::new(polite())
            .judge(giving(8))
            .judge(failing())
            .judge(giving(4))
    };
    let error = measured(&panel()).await.unwrap_err();
    assert_eq!(
        error.downcast_ref::<JudgeError>().unwrap().kind,
        JudgeErrorKind::Timeout
    );
    let score = measured(&panel().quorum(2)).await.unwrap();
    assert!((score.value - 0.6).abs() < 1e-12);
    assert!(
        score.details[0].1[1]["error"]
            .as_str()
            .unwrap()
            .contains("too slow")
    );
    assert!(measured(&panel().quorum(3)).await.is_err());
    let error = measured(&Panel::new(polite()).judge(giving(1)).quorum(2))
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("1 judges, fewer than its quorum of 2")
    );
    let error = measured(&Panel::new(polite())).await.unwrap_err();
    assert!(error.to_string().contains("hint: add them with `.judge("));
}

#[tokio::test]
async fn where_no_judge_has_anything_to_judge_it_is_skipped() {
    let absent = metric("absent", |_: &TestCase| -> Result<Score> {
        Err(NotApplicable::because("nothing is there").into())
    });
    let panel = Panel::new(absent).judge(giving(1)).judge(giving(1));
    let error = measured(&panel).await.unwrap_err();
    assert!(error.is::<NotApplicable>(), "{error}");
}

#[tokio::test]
async fn judges_are_found_by_name_and_seats_of_one_model_get_answers_of_their_own() {
    let house = FakeJudge::new().when("g_eval/score", r#"{"reason": "r", "score": 5}"#);
    let found = AnyJudge::from(house.clone());
    let asker = Asker::standalone(None).finding_judges(move |name| match name {
        "house" => Ok(found.clone()),
        _ => Err(JudgeError::new(
            JudgeErrorKind::Config,
            format!("no judge is named `{name}`"),
        )),
    });
    let (case, trace) = (TestCase::new("q", "a"), Trace::default());
    let cx = EvalCx::new(&case, &trace, None, &asker);
    let panel = Panel::new(polite()).judge("house").judge("house");
    panel.measure(&cx).await.unwrap();
    let samples: Vec<u32> = house
        .prompts()
        .iter()
        .map(|prompt| prompt.repeat.sample)
        .collect();
    assert_eq!(samples, [0, 1000]);
    let own = FakeJudge::new().reply(r#"{"reason": "r", "score": 9}"#);
    let score = measure_with(&case, &Panel::new(polite()).configured(), own).await;
    assert_eq!(score.unwrap().value, 0.9);
    let error = panel.judge("hose").measure(&cx).await.unwrap_err();
    assert!(error.to_string().contains("no judge is named `hose`"));
    assert_eq!(asker.into_log().calls, 4);
    let error = measured(&Panel::new(polite()).judge("house"))
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("no judge is named `house` outside of a run"),
        "{error}"
    );
}

proptest! {
    #![proptest_config(proptesting::config())]

    #[test]
    fn the_score_is_in_range_and_does_not_depend_on_the_order_of_the_judges(
        mut values in prop::collection::vec(0.0_f64..=1.0, 1..7), bar in bars(),
    ) {
        let before: Vec<f64> = RULES.iter().map(|rule| of(*rule, bar, &values)).collect();
        prop_assert!(before.iter().all(|value| (0.0..=1.0).contains(value)));
        let (low, high) = (values.iter().copied().fold(1.0, f64::min), values.iter().copied().fold(0.0, f64::max));
        prop_assert!(before[..3].iter().all(|value| (low..=high).contains(value)));
        prop_assert!((spread(&values) - (high - low)).abs() < 1e-12);
        values.reverse();
        let after: Vec<f64> = RULES.iter().map(|rule| of(*rule, bar, &values)).collect();
        prop_assert_eq!(before, after);
    }

    #[test]
    fn a_judge_that_gives_more_never_lowers_the_score(
        values in prop::collection::vec(0.0_f64..=1.0, 1..7), more in 0.0_f64..=1.0, min in 0.0_f64..=1.0,
    ) {
        let mut raised = values.clone();
        raised[0] = raised[0].max(more);
        for rule in RULES {
            let bar = Bar::AtLeast(min);
            prop_assert!(of(rule, bar, &raised) >= of(rule, bar, &values) - 1e-12, "{:?}", rule);
        }
    }

    #[test]
    fn the_worst_meets_the_bar_exactly_when_the_judges_are_unanimous(
        values in prop::collection::vec(0.0_f64..=1.0, 1..7), bar in bars(),
    ) {
        let unanimous = of(PanelRule::Unanimous, bar, &values) >= 1.0;
        prop_assert_eq!(bar.is_met_by(of(PanelRule::Worst, bar, &values)), unanimous);
    }
}
