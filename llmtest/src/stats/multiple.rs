//! p values of several tests at once.

/// The p values after Holm's correction, in the order given: those that are at most `alpha` are significant with a
/// probability of at most `alpha` that any of them is an error. Values outside of `0.0..=1.0` and NaN count as 1. (Holm,
/// Scandinavian Journal of Statistics 6, 1979.)
///
/// ```
/// let adjusted = llmtest::stats::holm(&[0.03, 0.001, 0.2]);
/// assert!((adjusted[0] - 0.06).abs() < 1e-12 && (adjusted[1] - 0.003).abs() < 1e-12);
/// ```
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let order = sorted(p_values);
    let mut adjusted = vec![1.0; p_values.len()];
    let mut so_far = 0.0_f64;
    for (rank, (place, p)) in order.iter().enumerate() {
        so_far = so_far.max(p * (order.len() - rank) as f64).min(1.0);
        adjusted[*place] = so_far;
    }
    adjusted
}

/// The p values after the correction of Benjamini and Hochberg, in the order given: of those that are at most `alpha`, a
/// share of at most `alpha` is expected to be errors. For looking at many figures, not for a gate. Values outside of
/// `0.0..=1.0` and NaN count as 1. (Benjamini and Hochberg, JRSS B 57, 1995.)
///
/// ```
/// let adjusted = llmtest::stats::benjamini_hochberg(&[0.03, 0.001, 0.2]);
/// assert!((adjusted[0] - 0.045).abs() < 1e-12 && (adjusted[2] - 0.2).abs() < 1e-12);
/// ```
pub fn benjamini_hochberg(p_values: &[f64]) -> Vec<f64> {
    let order = sorted(p_values);
    let mut adjusted = vec![1.0; p_values.len()];
    let mut so_far = 1.0_f64;
    for (rank, (place, p)) in order.iter().enumerate().rev() {
        so_far = so_far.min(p * order.len() as f64 / (rank + 1) as f64);
        adjusted[*place] = so_far;
    }
    adjusted
}

/// Place and value, the smallest first.
fn sorted(p_values: &[f64]) -> Vec<(usize, f64)> {
    let valid = |p: &f64| if (0.0..=1.0).contains(p) { *p } else { 1.0 };
    let mut order: Vec<(usize, f64)> = p_values.iter().map(valid).enumerate().collect();
    order.sort_by(|a, b| a.1.total_cmp(&b.1));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: &[f64], expected: &[f64]) {
        let close = found
            .iter()
            .zip(expected)
            .all(|(a, b)| (a - b).abs() < 1e-12);
        assert!(close && found.len() == expected.len(), "{found:?}");
    }

    #[test]
    fn the_corrections_give_the_known_values() {
        let p = [0.001, 0.012, 0.03, 0.04, 0.2];
        near(&holm(&p), &[0.005, 0.048, 0.09, 0.09, 0.2]);
        near(&benjamini_hochberg(&p), &[0.005, 0.03, 0.05, 0.05, 0.2]);
    }

    #[test]
    fn the_order_given_is_kept() {
        let p = [0.2, 0.04, 0.001, 0.03, 0.012];
        near(&holm(&p), &[0.2, 0.09, 0.005, 0.09, 0.048]);
        near(&benjamini_hochberg(&p), &[0.2, 0.05, 0.005, 0.05, 0.03]);
    }

    #[test]
    fn nothing_is_above_one_and_what_is_no_p_value_is_one() {
        near(&holm(&[0.9, f64::NAN, 2.0]), &[1.0, 1.0, 1.0]);
        near(&benjamini_hochberg(&[0.9, -1.0]), &[1.0, 1.0]);
        assert!(holm(&[]).is_empty() && benjamini_hochberg(&[]).is_empty());
    }
}
