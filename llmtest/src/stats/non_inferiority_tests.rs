use super::super::Rng;
use super::*;

fn outcomes(worse: usize, better: usize, n: usize) -> Vec<f64> {
    let mut differences = vec![-1.0; worse];
    differences.resize(worse + better, 1.0);
    differences.resize(n, 0.0);
    differences
}

fn of(differences: &[f64]) -> NonInferiority {
    non_inferiority(differences, None, 0.05, 0.05).unwrap()
}

#[test]
fn no_difference_in_few_cases_is_not_taken_for_equality() {
    for n in [1, 5, 20, 64] {
        let found = of(&vec![0.0; n]);
        assert_eq!(
            (found.finding, found.settled_by),
            (Finding::Inconclusive, Some(65)),
            "{n}"
        );
        assert!(found.low <= -0.05 && found.high >= 0.05, "{found:?}");
    }
    let found = of(&[0.0; 65]);
    assert!(found.finding == Finding::Pass && found.low > -0.05 && found.low < -0.03);
    assert!(found.p_not_inferior < 0.05 && found.p_regression > 0.4);
}

#[test]
fn one_lost_case_among_few_is_not_settled_and_many_more_settle_it() {
    let found = of(&outcomes(1, 0, 60));
    assert_eq!(found.finding, Finding::Inconclusive);
    let n = found.settled_by.unwrap();
    assert!((80..200).contains(&n), "{n}");
    assert_eq!(of(&outcomes(1, 0, 100)).finding, Finding::Pass);
}

#[test]
fn the_verdicts_and_the_p_values_and_the_bounds_agree() {
    for n in [4, 10, 19, 20, 37, 120] {
        for worse in 0..=n.min(30) {
            for better in 0..=(n - worse).min(30) {
                let found = of(&outcomes(worse, better, n));
                let case = format!("{worse} {better} of {n}: {found:?}");
                assert_eq!(found.high < 0.0, found.p_regression < 0.05, "{case}");
                assert_eq!(found.low > -0.05, found.p_not_inferior < 0.05, "{case}");
                assert!(
                    found.low <= found.mean + 1e-12 && found.mean <= found.high + 1e-12,
                    "{case}"
                );
                let expected = if found.low > -0.05 {
                    Finding::Pass
                } else if found.high < 0.0 {
                    Finding::Fail
                } else {
                    Finding::Inconclusive
                };
                assert_eq!(found.finding, expected, "{case}");
                let open = found.finding == Finding::Inconclusive;
                assert_eq!(found.settled_by.is_some(), open, "{case}");
                assert!(found.settled_by.is_none_or(|by| by > n), "{case}");
            }
        }
    }
}

#[test]
fn a_certain_drop_within_the_margin_passes_and_says_so() {
    let differences: Vec<f64> = (0..200)
        .map(|k| -0.01 - 0.0001 * f64::from(k % 7))
        .collect();
    let found = of(&differences);
    assert_eq!(found.finding, Finding::Pass);
    assert!(found.high < 0.0 && found.p_regression < 1e-6);
}

#[test]
fn equal_drops_of_every_case_have_an_interval_with_a_width() {
    let found = of(&[-0.2; 20]);
    assert_eq!(found.finding, Finding::Fail);
    assert!(found.high - found.low > 0.01, "{found:?}");
    // Three cases are too few for any test, whatever they lost.
    assert_eq!(of(&[-1.0; 3]).finding, Finding::Inconclusive);
}

#[test]
fn clusters_count_once() {
    let differences = outcomes(12, 0, 60);
    let labels: Vec<usize> = (0..60).map(|k| k / 12).collect();
    assert_eq!(of(&differences).finding, Finding::Fail);
    let clustered = non_inferiority(&differences, Some(&labels), 0.05, 0.05).unwrap();
    assert_eq!(clustered.finding, Finding::Inconclusive);
    assert!(clustered.low < of(&differences).low);
}

#[test]
fn clusters_of_one_are_cases() {
    let differences: Vec<f64> = (0..40).map(|k| f64::from(k % 5) / 10.0 - 0.25).collect();
    let labels: Vec<usize> = (0..40).rev().collect();
    let (alone, labelled) = (
        of(&differences),
        non_inferiority(&differences, Some(&labels), 0.05, 0.05).unwrap(),
    );
    assert_eq!(
        (alone.finding, alone.settled_by),
        (labelled.finding, labelled.settled_by)
    );
    assert!(
        (alone.low - labelled.low).abs() < 1e-9
            && (alone.p_regression - labelled.p_regression).abs() < 1e-9
    );
}

#[test]
fn unchanged_cases_count_with_a_difference_that_is_known() {
    let found = non_inferiority_among(&[-1.0, 1.0, 0.0, 0.0], None, 196, 0.05, 0.05).unwrap();
    assert_eq!((found.finding, found.n), (Finding::Pass, 200));
    assert!(found.low > -0.0201, "{found:?}");
    let all_changed = non_inferiority_among(&outcomes(1, 1, 20), None, 0, 0.05, 0.05);
    assert_eq!(
        all_changed,
        non_inferiority(&outcomes(1, 1, 20), None, 0.05, 0.05)
    );
    let nothing = non_inferiority_among(&[], None, 20, 0.05, 0.05).unwrap();
    assert_eq!((nothing.finding, nothing.n), (Finding::Pass, 20));
    // Five lost cases of six that changed are a regression, in a suite of any size that they can move by the margin.
    let lost = non_inferiority_among(&[-1.0; 6], None, 14, 0.05, 0.05).unwrap();
    assert_eq!(lost.finding, Finding::Fail);
    assert!((lost.mean + 0.3).abs() < 1e-12 && lost.high < 0.0);
}

#[test]
fn what_cannot_be_judged_is_none() {
    assert!(non_inferiority(&[], None, 0.05, 0.05).is_none());
    assert!(non_inferiority(&[0.1, f64::INFINITY], None, 0.05, 0.05).is_none());
    assert!(non_inferiority(&[0.1], Some(&[]), 0.05, 0.05).is_none());
    for (margin, alpha) in [(-0.1, 0.05), (f64::NAN, 0.05), (0.05, 0.0), (0.05, 0.5)] {
        assert!(non_inferiority(&[0.1; 9], None, margin, alpha).is_none());
    }
}

#[test]
fn the_number_that_settles_it_does() {
    // Twice to many times as many cases of the same kind.
    for (worse, better, n) in [(1, 1, 40), (7, 2, 60), (6, 5, 50), (3, 1, 30)] {
        let found = of(&outcomes(worse, better, n));
        let by = found.settled_by.unwrap();
        let times = by.div_ceil(n);
        let more = of(&outcomes(worse * times, better * times, n * times));
        assert_ne!(
            more.finding,
            Finding::Inconclusive,
            "{worse} {better} of {n}: {by}"
        );
    }
}

#[test]
fn a_drop_of_the_size_that_is_detectable_mostly_fails() {
    let mut rng = Rng::new(31);
    let mut failed = 0;
    for _ in 0..400 {
        let run = |rng: &mut Rng, drop: f64| -> Vec<f64> {
            (0..200)
                .map(|_| {
                    let score = |rng: &mut Rng, p: f64| f64::from(u8::from(rng.unit() < p));
                    score(rng, 0.8 - drop) - score(rng, 0.8)
                })
                .collect()
        };
        let same = run(&mut rng, 0.0);
        let Some(drop) = of(&same).detectable else {
            panic!("200 cases detect some drop");
        };
        failed += usize::from(of(&run(&mut rng, drop)).finding == Finding::Fail);
    }
    assert!((280..=380).contains(&failed), "{failed} of 400");
}

#[test]
fn a_drop_of_the_margin_passes_in_one_of_twenty_at_most() {
    let mut rng = Rng::new(41);
    for (n, worse, better) in [
        (20, 0.05, 0.0),
        (60, 0.06, 0.01),
        (100, 0.1, 0.05),
        (200, 0.15, 0.1),
    ] {
        let mut passed = 0;
        for _ in 0..2000 {
            let differences: Vec<f64> = (0..n)
                .map(|_| match rng.unit() {
                    u if u < worse => -1.0,
                    u if u < worse + better => 1.0,
                    _ => 0.0,
                })
                .collect();
            passed += usize::from(of(&differences).finding == Finding::Pass);
        }
        assert!(passed <= 110, "{n}: {passed} of 2000");
    }
}

#[test]
fn a_corrected_alpha_needs_more_cases() {
    let found = of(&outcomes(10, 3, 100));
    assert_eq!(found.finding, Finding::Fail);
    let (alone, corrected) = (
        found.fails_from(0.05).unwrap(),
        found.fails_from(0.005).unwrap(),
    );
    assert!(alone <= 100 && corrected > 100, "{alone} {corrected}");
    let times = corrected.div_ceil(100) * 2;
    assert!(of(&outcomes(10 * times, 3 * times, 100 * times)).p_regression < 0.005);
    assert_eq!(of(&outcomes(3, 10, 100)).fails_from(0.05), None);
    assert_eq!(found.fails_from(0.0), None);
}
