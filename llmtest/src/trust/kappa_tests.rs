use super::*;
use crate::stats::Rng;

fn near(figure: Figure, expected: f64) {
    let value = figure.value.unwrap();
    assert!((value - expected).abs() < 1e-3, "{value}, not {expected}");
}

/// The example of Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), part C: four observers, twelve
/// units, missing values.
fn example() -> Vec<Vec<f64>> {
    let rows = [
        [1., 1., f64::NAN, 1.],
        [2., 2., 3., 2.],
        [3., 3., 3., 3.],
        [3., 3., 3., 3.],
        [2., 2., 2., 2.],
        [1., 2., 3., 4.],
        [4., 4., 4., 4.],
        [1., 1., 2., 1.],
        [2., 2., 2., 2.],
        [f64::NAN, 5., 5., 5.],
        [f64::NAN, f64::NAN, 1., 1.],
        [f64::NAN, f64::NAN, 3., f64::NAN],
    ];
    let given = |row: [f64; 4]| row.into_iter().filter(|value| !value.is_nan()).collect();
    rows.into_iter().map(given).collect()
}

#[test]
fn alpha_gives_the_values_of_the_paper() {
    near(alpha(&example(), Level::Nominal), 0.743);
    near(alpha(&example(), Level::Ordinal), 0.815);
    near(alpha(&example(), Level::Interval), 0.849);
    assert_eq!(alpha(&example(), Level::Nominal).n, 11);
}

#[test]
fn alpha_does_not_ask_who_said_what() {
    let mut rng = Rng::new(5);
    for level in [Level::Nominal, Level::Ordinal, Level::Interval] {
        let mut units = example();
        let before = alpha(&units, level);
        for unit in &mut units {
            for place in 1..unit.len() {
                let other = usize::try_from(rng.below(place as u64 + 1)).unwrap();
                unit.swap(place, other);
            }
        }
        assert_eq!(alpha(&units, level), before);
    }
}

#[test]
fn identical_raters_have_a_kappa_of_one() {
    let mut rng = Rng::new(9);
    for _ in 0..50 {
        let said: Vec<usize> = (0..30)
            .map(|n| {
                if n < 3 {
                    n
                } else {
                    usize::try_from(rng.below(3)).unwrap()
                }
            })
            .collect();
        let pairs: Vec<(usize, usize)> = said.iter().map(|c| (*c, *c)).collect();
        for weights in [Weights::None, Weights::Linear, Weights::Quadratic] {
            let kappa = cohen(&pairs, 3, weights);
            assert!((kappa.value.unwrap() - 1.0).abs() < 1e-12);
            assert!(kappa.interval.unwrap().low < 0.95);
        }
        let units: Vec<Vec<usize>> = said.iter().map(|c| vec![*c; 4]).collect();
        assert!((fleiss(&units, 3).value.unwrap() - 1.0).abs() < 1e-12);
    }
}

#[test]
fn a_rater_who_always_says_the_same_leaves_kappa_zero_and_two_leave_it_undefined() {
    let one = cohen(&[(0, 0), (0, 1), (0, 1), (0, 0)], 2, Weights::None);
    assert_eq!(one.value, Some(0.0));
    assert_eq!(cohen(&[(1, 1); 9], 2, Weights::None), Figure::undefined(9));
    assert_eq!(
        alpha(&[vec![1.0, 1.0], vec![1.0, 1.0]], Level::Nominal).value,
        None
    );
}

#[test]
fn weights_forgive_near_misses() {
    let pairs = [(0, 0), (1, 2), (2, 2), (0, 1), (2, 1), (1, 1)];
    let of = |weights| cohen(&pairs, 3, weights).value.unwrap();
    assert!(of(Weights::None) < of(Weights::Linear));
    assert!(of(Weights::Linear) < of(Weights::Quadratic));
}

#[test]
fn units_rated_unequally_often_have_no_fleiss_kappa() {
    assert_eq!(fleiss(&[vec![0, 1], vec![0]], 2).value, None);
}

#[test]
fn the_intervals_of_a_bootstrap_hold_the_figure() {
    let found = alpha(&example(), Level::Nominal);
    assert!(found.interval.unwrap().contains(found.value.unwrap()));
}
