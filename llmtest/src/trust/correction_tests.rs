use super::*;
use crate::stats::Rng;

fn judge(true_pass: u64, false_fail: u64, false_pass: u64, true_fail: u64) -> Confusion {
    Confusion {
        true_pass,
        false_fail,
        false_pass,
        true_fail,
        ..Confusion::default()
    }
}

fn near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
}

fn error(figure: Figure) -> f64 {
    let interval = figure.interval.unwrap();
    (interval.high - interval.low) / 2.0 / Z
}

#[test]
fn rogan_and_gladen_give_the_known_values() {
    let labelled = judge(63, 7, 6, 24);
    let raw = rogan_gladen(&labelled, 288, 400).unwrap();
    near(raw.value.unwrap(), 0.742_857);
    near(error(raw), 0.056_535);
    let adjusted = rogan_gladen_adjusted(&labelled, 288, 400).unwrap();
    near(adjusted.value.unwrap(), 0.744_856);
    near(adjusted.interval.unwrap().low, 0.627_496);
    near(adjusted.interval.unwrap().high, 0.862_217);
}

#[test]
fn ppi_gives_the_known_values() {
    let found = correct(&judge(63, 7, 6, 24), 288, 400).unwrap();
    near(found.lambda.unwrap(), 0.580_548);
    near(found.ppi.unwrap().value.unwrap(), 0.717_416);
    near(error(found.ppi.unwrap()), 0.035_995);
    assert_eq!(found.use_this, Estimator::Ppi);
}

#[test]
fn ppi_without_weight_is_labels_alone() {
    let mut rng = Rng::new(11);
    for _ in 0..50 {
        let labelled: Vec<(f64, f64)> = (0..40).map(|_| (rng.unit(), rng.unit())).collect();
        let unlabelled: Vec<f64> = (0..90).map(|_| rng.unit()).collect();
        let labels: Vec<f64> = labelled.iter().map(|(y, _)| *y).collect();
        let (figure, lambda) = ppi(&labelled, &unlabelled, Some(0.0)).unwrap();
        near(lambda, 0.0);
        near(figure.value.unwrap(), mean(&labels));
        near(error(figure), (variance(&labels) / 40.0).sqrt());
    }
}

#[test]
fn ppi_is_about_as_often_right_as_it_says_and_narrower_than_labels() {
    let mut rng = Rng::new(2);
    let (mut covered, mut narrower) = (0, 0);
    for _ in 0..300 {
        let mut draw = || {
            let good = rng.unit() < 0.6;
            let right = rng.unit() < 0.85;
            (
                f64::from(u8::from(good)),
                f64::from(u8::from(good == right)),
            )
        };
        let labelled: Vec<(f64, f64)> = (0..120).map(|_| draw()).collect();
        let unlabelled: Vec<f64> = (0..600).map(|_| draw().1).collect();
        let (with, _) = ppi(&labelled, &unlabelled, None).unwrap();
        let (without, _) = ppi(&labelled, &unlabelled, Some(0.0)).unwrap();
        covered += usize::from(with.interval.unwrap().contains(0.6));
        narrower += usize::from(error(with) < error(without));
    }
    assert!((270..=298).contains(&covered), "{covered} of 300");
    assert_eq!(narrower, 300);
}

#[test]
fn a_judge_that_knows_little_is_refused() {
    let refused = rogan_gladen(&judge(6, 4, 4, 6), 50, 100).unwrap_err();
    assert!(
        refused.contains("J is 0.20") && refused.contains("hint:"),
        "{refused}"
    );
    assert!(rogan_gladen_adjusted(&judge(6, 4, 4, 6), 50, 100).is_err());
    assert!(
        rogan_gladen(&judge(6, 4, 0, 0), 50, 100)
            .unwrap_err()
            .contains("one kind")
    );
    let chance = correct(&judge(3, 3, 3, 1), 50, 100).unwrap();
    assert_eq!(
        (chance.use_this, chance.rogan_gladen),
        (Estimator::Labels, None)
    );
    assert_eq!(chance.figure(), labels_alone(&judge(3, 3, 3, 1)));
}

#[test]
fn few_items_of_the_rarer_label_are_left_to_rogan_and_gladen() {
    let found = correct(&judge(90, 4, 1, 5), 372, 400).unwrap();
    assert_eq!(found.use_this, Estimator::RoganGladen);
    assert!(
        found.because.contains("of the rarer kind"),
        "{}",
        found.because
    );
    assert_eq!(Some(found.figure()), found.rogan_gladen_adjusted);
}

#[test]
fn a_judge_without_error_still_has_an_interval() {
    let figure = rogan_gladen_adjusted(&judge(20, 0, 0, 20), 100, 100).unwrap();
    assert!(error(figure) > 0.02);
}

#[test]
fn more_passes_than_verdicts_are_refused() {
    assert!(correct(&judge(9, 1, 1, 9), 5, 4).is_err());
    assert!(correct(&judge(0, 0, 0, 0), 1, 4).is_err());
    assert!(rogan_gladen(&judge(9, 1, 1, 9), 0, 0).is_err());
}

#[test]
fn labels_that_vary_together_make_a_wider_interval() {
    let alone = judge(63, 7, 6, 24);
    let together = Confusion {
        effect: 4.0,
        ..alone
    };
    for correct in [rogan_gladen, rogan_gladen_adjusted] {
        let (alone, together) = (
            correct(&alone, 288, 400).unwrap(),
            correct(&together, 288, 400).unwrap(),
        );
        assert_eq!(alone.value, together.value);
        assert!(
            error(together) > 1.3 * error(alone),
            "{together:?} {alone:?}"
        );
    }
}
