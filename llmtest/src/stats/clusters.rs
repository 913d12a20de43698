//! Means of values that belong together in groups: of one document, one conversation, one template.

use super::{Interval, t_quantile, wilson_at};

/// The standard error of the mean of all values in `groups`, where the values of a group vary together:
/// `sqrt(g / (g - 1) * sum over groups of (sum of (value - mean))²) / n`. `None` for fewer than two groups that hold
/// values. Its interval has a quantile of Student's distribution with `g - 1` degrees of freedom. (Liang and Zeger,
/// Biometrika 73, 1986.)
///
/// ```
/// let groups = [vec![1.0, 1.0, 0.0], vec![1.0; 4], vec![0.0; 2], vec![1.0, 0.0, 1.0]];
/// assert!((llmtest::stats::clustered_error(&groups).unwrap() - 0.181_444).abs() < 1e-6);
/// ```
pub fn clustered_error(groups: &[Vec<f64>]) -> Option<f64> {
    let groups: Vec<&Vec<f64>> = groups.iter().filter(|group| !group.is_empty()).collect();
    if groups.len() < 2 {
        return None;
    }
    let n = groups.iter().map(|group| group.len()).sum::<usize>() as f64;
    let mean = groups.iter().copied().flatten().sum::<f64>() / n;
    let squares: f64 = groups
        .iter()
        .map(|group| group.iter().map(|value| value - mean).sum::<f64>().powi(2))
        .sum();
    let g = groups.len() as f64;
    Some((g / (g - 1.0) * squares).sqrt() / n)
}

/// How many times the variance of the mean grows because values of a group vary together, at least 1: `n` values tell
/// as much as `n / effect` independent ones. Values that are all equal do not show how they would vary; a group then
/// counts as one value. 1 for fewer than two groups.
///
/// ```
/// let alike = [vec![1.0; 10], vec![0.0; 10], vec![1.0; 10], vec![0.0; 10]];
/// assert!(llmtest::stats::design_effect(&alike) > 10.0);
/// assert_eq!(llmtest::stats::design_effect(&[vec![1.0], vec![0.0], vec![1.0]]), 1.0);
/// ```
pub fn design_effect(groups: &[Vec<f64>]) -> f64 {
    let Some(clustered) = clustered_error(groups) else {
        return 1.0;
    };
    let values: Vec<f64> = groups.iter().flatten().copied().collect();
    if values.len() == groups.len() {
        return 1.0;
    }
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values
        .iter()
        .map(|value| (value - mean).powi(2))
        .sum::<f64>()
        / n;
    let filled = groups.iter().filter(|group| !group.is_empty()).count() as f64;
    if variance < 1e-12 {
        n / filled
    } else {
        (clustered * clustered / (variance / n)).max(1.0)
    }
}

/// The interval of the mean of values in `0.0..=1.0` that vary together in groups: Wilson's, of as many cases as would have
/// the clustered error, with the quantile of Student's distribution with `g - 1` degrees of freedom. It never has no width:
/// groups whose means are all equal count as one case each. `None` for fewer than two groups that hold values.
///
/// ```
/// let alike: Vec<Vec<f64>> = (0..20).map(|n| vec![f64::from(u8::from(n % 5 > 0)); 10]).collect();
/// let interval = llmtest::stats::clustered_share(&alike).unwrap();
/// // Twenty documents, and not two hundred rows.
/// assert!(interval.low < 0.6 && interval.high > 0.9);
/// ```
pub fn clustered_share(groups: &[Vec<f64>]) -> Option<Interval> {
    let error = clustered_error(groups)?;
    let filled = groups.iter().filter(|group| !group.is_empty()).count() as f64;
    let n = groups.iter().map(Vec::len).sum::<usize>() as f64;
    let mean = (groups.iter().flatten().sum::<f64>() / n).clamp(0.0, 1.0);
    let spread = mean * (1.0 - mean);
    // Groups of nearly equal sums must not count as more than all of their cases.
    let cases = if error * error > 1e-12 && spread > 0.0 {
        (spread / (error * error)).min(n)
    } else {
        filled
    };
    Some(wilson_at(mean, cases, t_quantile(0.975, filled - 1.0)))
}

/// The interval of a mean with a quantile of Student's distribution. `None` for fewer than two values, and for values
/// that are all equal: they say nothing of how others would vary.
///
/// ```
/// let interval = llmtest::stats::t_interval(&[1.0, 2.0, 3.0]).unwrap();
/// assert!((interval.low + 0.484).abs() < 1e-3 && (interval.high - 4.484).abs() < 1e-3);
/// ```
pub fn t_interval(values: &[f64]) -> Option<Interval> {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    if values.len() < 2 || squares <= 1e-24 {
        return None;
    }
    let half = t_quantile(0.975, n - 1.0) * (squares / (n - 1.0) / n).sqrt();
    Some(Interval {
        low: mean - half,
        high: mean + half,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clusters_have_the_known_error() {
        let groups = [
            vec![1.0, 1.0, 0.0],
            vec![1.0; 4],
            vec![0.0; 2],
            vec![1.0, 0.0, 1.0],
        ];
        assert!((clustered_error(&groups).unwrap() - 0.181_444).abs() < 1e-6);
        assert!((t_quantile(0.975, 3.0) - 3.1824).abs() < 1e-4);
        assert_eq!(clustered_error(&groups[..1]), None);
        assert_eq!(clustered_error(&[vec![1.0], vec![]]), None);
    }

    #[test]
    fn groups_of_equal_values_count_as_one_value_each() {
        assert!((design_effect(&[vec![1.0; 6], vec![1.0; 2]]) - 4.0).abs() < 1e-12);
        assert!((design_effect(&[vec![1.0; 6]]) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn equal_values_have_no_interval_of_their_mean() {
        assert_eq!(t_interval(&[2.0; 4]), None);
        assert_eq!((t_interval(&[2.0]), t_interval(&[])), (None, None));
    }
}
