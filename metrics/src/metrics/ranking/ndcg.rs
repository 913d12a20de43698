//! `Ndcg`.

use super::{Ranking, Relevance};
use crate::{EvalCx, Metric, Result, Score};

/// Measures how near the order of the retrieved passages is to the best one: the normalised discounted cumulative gain
/// (Järvelin and Kekäläinen 2002). Needs no judge.
///
/// `DCG / ideal DCG`, with `DCG = Σ gainᵢ / log₂(i + 1)` over the ranks `i` from 1, and the ideal of the relevant passages by
/// falling grade. The gain is the grade, 1 where none is given, as in scikit-learn and `trec_eval`;
/// [`exponential`](Self::exponential) takes `2^grade - 1`. A source that is found again gains nothing more.
///
/// A passage is relevant when its source or its text is listed in [`relevant`](Self::relevant) or
/// [`grades`](Self::grades), else in the metadata `relevant` (a list, or an object of grades), else in `context`. Does not
/// apply when nothing is relevant. Needs `retrieved`. Default bar: at least 0.5.
///
/// ```
/// use llmtest_metrics::{FakeJudge, Ndcg, TestCase, measure_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let case = TestCase::new("Return shoes?", "30 days.").retrieved(["We sell hats.", "Returns take 30 days."]);
/// let ndcg = Ndcg::new().grades([("Returns take 30 days.", 3.0), ("We sell hats.", 1.0)]);
/// let score = measure_with(&case, &ndcg, FakeJudge::new()).await.unwrap();
/// assert_eq!(format!("{:.4}", score.value), "0.7967");
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Ndcg {
    k: Option<usize>,
    exponential: bool,
    relevance: Relevance,
}

impl Ndcg {
    /// Looks at all passages.
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks at the first `k` passages. Panics on 0.
    #[track_caller]
    pub fn at(mut self, k: usize) -> Self {
        assert!(
            k > 0,
            "`Ndcg` needs at least one passage to look at; write `.at(3)`"
        );
        self.k = Some(k);
        self
    }

    /// Gains `2^grade - 1` in place of the grade, which favours high grades.
    pub fn exponential(mut self) -> Self {
        self.exponential = true;
        self
    }

    /// The sources or texts of the relevant passages, all of grade 1, for every case alike.
    pub fn relevant<S: Into<String>>(mut self, items: impl IntoIterator<Item = S>) -> Self {
        self.relevance = Relevance::of(items);
        self
    }

    /// The sources or texts of the relevant passages with their grades, for every case alike. Panics on a grade that is
    /// negative or not finite.
    #[track_caller]
    pub fn grades<S: Into<String>>(mut self, items: impl IntoIterator<Item = (S, f64)>) -> Self {
        let items: Vec<_> = items
            .into_iter()
            .map(|(item, grade)| (item.into(), grade))
            .collect();
        for (item, grade) in &items {
            assert!(
                grade.is_finite() && *grade >= 0.0,
                "the grade of `{item}` must be a number of at least 0, not {grade}"
            );
        }
        self.relevance = Relevance(Some(items));
        self
    }

    /// The score of the grades of what was retrieved, best first, and of all that is relevant; NaN when nothing is.
    ///
    /// ```
    /// use llmtest_metrics::Ndcg;
    ///
    /// assert_eq!(Ndcg::new().value(&[3.0, 2.0], &[2.0, 3.0]), 1.0);
    /// assert!(Ndcg::new().value(&[2.0, 3.0], &[2.0, 3.0]) < 1.0);
    /// ```
    pub fn value(&self, retrieved: &[f64], relevant: &[f64]) -> f64 {
        let mut ideal = relevant.to_vec();
        ideal.sort_unstable_by(|a, b| b.total_cmp(a));
        (self.gain(retrieved) / self.gain(&ideal)).min(1.0)
    }

    fn gain(&self, grades: &[f64]) -> f64 {
        let k = self.k.unwrap_or(grades.len());
        grades
            .iter()
            .take(k)
            .enumerate()
            .map(|(i, grade)| {
                let gain = if self.exponential {
                    grade.exp2() - 1.0
                } else {
                    *grade
                };
                gain / (i as f64 + 2.0).log2()
            })
            .sum()
    }

    fn of(&self, ranking: &Ranking) -> f64 {
        self.value(&ranking.gains(), &ranking.grades)
    }
}

impl Metric for Ndcg {
    fn name(&self) -> &'static str {
        "ndcg"
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        let ranking = Ranking::of_case(cx, self, &self.relevance)?;
        let k = self.k.unwrap_or(ranking.hits.len());
        let (found, all) = (ranking.found_in(k), ranking.grades.len());
        let value = self.of(&ranking);
        Ok(Score::new(value).because(format!(
            "{found} of {all} relevant passages were retrieved, in an order worth {value:.2} of the best"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::super::any_ranking;
    use super::*;
    use crate::proptesting;
    use proptest::prelude::*;

    #[test]
    fn gains_are_discounted_by_the_logarithm_of_the_rank() {
        // The gains of the first example of Wikipedia's article: DCG 6.861, ideal of the six shown 7.141.
        let value = Ndcg::new().value(
            &[3.0, 2.0, 3.0, 0.0, 1.0, 2.0],
            &[3.0, 3.0, 2.0, 2.0, 1.0, 0.0],
        );
        assert!((value - 0.961).abs() < 5e-4, "{value}");
        let binary = Ndcg::new().at(2).value(&[0.0, 1.0, 1.0], &[1.0, 1.0]);
        assert!((binary - (1.0 / 3.0_f64.log2()) / (1.0 + 1.0 / 3.0_f64.log2())).abs() < 1e-12);
        let exponential = Ndcg::new().exponential().value(&[1.0, 2.0], &[1.0, 2.0]);
        let log = 3.0_f64.log2();
        assert!((exponential - (1.0 + 3.0 / log) / (3.0 + 1.0 / log)).abs() < 1e-12);
    }

    #[test]
    fn a_source_that_is_found_again_gains_nothing() {
        let ranking = Ranking::of_names(&["a", "a", "b"], &["a", "b"]);
        assert_eq!(ranking.gains(), [1.0, 0.0, 1.0]);
    }

    #[test]
    #[should_panic(expected = "the grade of `a` must be a number of at least 0")]
    fn a_negative_grade_is_refused() {
        let _ = Ndcg::new().grades([("a", -1.0)]);
    }

    proptest! {
        #![proptest_config(proptesting::config())]

        #[test]
        fn the_score_is_in_range_and_1_for_the_best_order(ranking in any_ranking(), k in 1_usize..9, exponential in any::<bool>()) {
            let ndcg = if exponential { Ndcg::new().at(k).exponential() } else { Ndcg::new().at(k) };
            let value = ndcg.of(&ranking);
            prop_assert!((0.0..=1.0).contains(&value), "{value}");
            let mut best = ranking.grades.clone();
            best.sort_unstable_by(|a, b| b.total_cmp(a));
            prop_assert_eq!(ndcg.value(&best, &ranking.grades), 1.0);
        }

        #[test]
        fn a_better_passage_moved_forward_never_lowers_the_score(grades in prop::collection::vec(0.0..9.0, 2..7), at in 0_usize..5) {
            let at = at % (grades.len() - 1);
            let mut better: Vec<f64> = grades.clone();
            better[at..at + 2].sort_unstable_by(|a, b| b.total_cmp(a));
            prop_assert!(Ndcg::new().value(&better, &grades) >= Ndcg::new().value(&grades, &grades) - 1e-12);
        }
    }
}
