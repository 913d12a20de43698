//! What makes a mean vary: which inputs were chosen, and what the application does with the same input again.

/// The parts of the variance of a score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Variance {
    /// Of the expected scores of the cases around their mean.
    pub between: f64,
    /// Of the trials of a case around its expected score, on average.
    pub within: f64,
}

impl Variance {
    /// The standard error of the mean of `cases` cases with `trials` trials each, if the cases are a sample of the inputs
    /// that may come: `sqrt((between + within / trials) / cases)`. Trials cut the second part only. `None` for none.
    ///
    /// ```
    /// use llmtest::stats::Variance;
    ///
    /// // Pass rates of the cases as Beta(4, 1): mean 0.8.
    /// let suite = Variance { between: 4.0 / 150.0, within: 2.0 / 15.0 };
    /// let error = |cases, trials| (suite.over_inputs(cases, trials).unwrap() * 1000.0).round();
    /// assert_eq!([error(50, 1), error(50, 3), error(250, 1)], [57.0, 38.0, 25.0]);
    /// ```
    pub fn over_inputs(self, cases: usize, trials: usize) -> Option<f64> {
        let of_case = self.between + self.within / trials as f64;
        (cases > 0 && trials > 0).then(|| (of_case / cases as f64).sqrt())
    }

    /// The same for these very cases: how far the mean of another run of the suite may be. `None` for none.
    ///
    /// ```
    /// # use llmtest::stats::Variance;
    /// let suite = Variance { between: 4.0 / 150.0, within: 2.0 / 15.0 };
    /// assert!((suite.over_reruns(50, 4).unwrap() - 0.0258).abs() < 1e-4);
    /// ```
    pub fn over_reruns(self, cases: usize, trials: usize) -> Option<f64> {
        (cases > 0 && trials > 0).then(|| (self.within / (trials as f64 * cases as f64)).sqrt())
    }
}

/// What [`standard_errors`] finds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StandardErrors {
    /// Of the mean as that of all inputs of which the cases are a sample.
    pub over_inputs: f64,
    /// Of the mean as that of these cases, run again. `None` where no case has two trials: one trial does not show how
    /// others would vary.
    pub over_reruns: Option<f64>,
    /// The parts of the variance; `None` as `over_reruns`.
    pub variance: Option<Variance>,
}

/// Both standard errors of the mean of case means, from the scores of each case by trial. `None` for fewer than two
/// cases with a score, and for a score that is not finite.
///
/// Over inputs, it is the spread of the case means, which holds both parts of the variance; over re-runs, the mean over
/// cases of the variance of their trials, of those that have two. Where all are 0 (every case the same), an interval
/// without width would say too much: take [`wilson`](super::wilson). (Miller, Adding Error Bars to Evals, 2024.)
///
/// ```
/// let scores = [vec![1.0, 1.0], vec![0.0, 1.0], vec![1.0, 0.0], vec![1.0, 1.0]];
/// let errors = llmtest::stats::standard_errors(&scores).unwrap();
/// assert!((errors.over_inputs - 0.1443).abs() < 1e-4);
/// assert!((errors.over_reruns.unwrap() - 0.1768).abs() < 1e-4);
/// ```
pub fn standard_errors(cases: &[Vec<f64>]) -> Option<StandardErrors> {
    let cases: Vec<&[f64]> = cases
        .iter()
        .map(Vec::as_slice)
        .filter(|c| !c.is_empty())
        .collect();
    if cases.len() < 2
        || cases
            .iter()
            .any(|c| c.iter().any(|score| !score.is_finite()))
    {
        return None;
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let spread = |values: &[f64]| {
        let middle = mean(values);
        let squares: f64 = values.iter().map(|value| (value - middle).powi(2)).sum();
        squares / (values.len() as f64 - 1.0)
    };
    let n = cases.len() as f64;
    let means: Vec<f64> = cases.iter().map(|case| mean(case)).collect();
    let of_means = spread(&means);
    let repeated: Vec<&[f64]> = cases
        .iter()
        .copied()
        .filter(|case| case.len() > 1)
        .collect();
    let average = |of: &dyn Fn(&[f64]) -> f64| {
        let sum: f64 = repeated.iter().map(|case| of(case)).sum();
        (!repeated.is_empty()).then(|| sum / repeated.len() as f64)
    };
    let within = average(&spread);
    // A case of one trial varies as much as the others' trials do, and is not averaged.
    let of_mean = within.map(|within| {
        let share = cases.iter().map(|case| match case.len() {
            1 => within,
            trials => spread(case) / trials as f64,
        });
        share.sum::<f64>() / n
    });
    Some(StandardErrors {
        over_inputs: (of_means / n).sqrt(),
        over_reruns: of_mean.map(|variance| (variance / n).sqrt()),
        variance: within.zip(of_mean).map(|(within, of_mean)| Variance {
            between: (of_means - of_mean).max(0.0),
            within,
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::super::Rng;
    use super::*;

    #[test]
    fn one_trial_says_nothing_of_reruns() {
        let errors = standard_errors(&[vec![1.0], vec![0.0], vec![1.0]]).unwrap();
        assert!((errors.over_inputs - 1.0 / 3.0).abs() < 1e-12);
        assert_eq!((errors.over_reruns, errors.variance), (None, None));
        assert_eq!(standard_errors(&[vec![1.0, 0.0], vec![]]), None);
        assert_eq!(standard_errors(&[vec![f64::NAN], vec![1.0]]), None);
    }

    #[test]
    fn cases_that_never_vary_have_no_error_over_reruns() {
        let errors = standard_errors(&[vec![1.0; 3], vec![0.0; 3]]).unwrap();
        assert_eq!(errors.over_reruns, Some(0.0));
        assert!(errors.over_inputs > 0.4);
    }

    #[test]
    fn the_parts_are_found_again() {
        let mut rng = Rng::new(9);
        let scores: Vec<Vec<f64>> = (0..4000)
            .map(|_| {
                // The largest of four numbers is Beta(4, 1).
                let p = (0..4).map(|_| rng.unit()).fold(0.0, f64::max);
                (0..3)
                    .map(|_| f64::from(u8::from(rng.unit() < p)))
                    .collect()
            })
            .collect();
        let variance = standard_errors(&scores).unwrap().variance.unwrap();
        assert!(
            (variance.between - 4.0 / 150.0).abs() < 0.004,
            "{variance:?}"
        );
        assert!((variance.within - 2.0 / 15.0).abs() < 0.006, "{variance:?}");
    }
}
