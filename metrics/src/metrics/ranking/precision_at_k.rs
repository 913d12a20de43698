//! `PrecisionAtK`.

use super::{Ranking, Relevance, at_least_one};
use crate::{EvalCx, Metric, Result, Score};

/// Measures how many of the first `k` retrieved passages are relevant: their share of `k`. Needs no judge.
///
/// Fewer than `k` passages count as if irrelevant ones followed, as in `trec_eval`. A passage is relevant when its source or
/// its text is listed in [`relevant`](Self::relevant), else in the metadata `relevant` (a list, or an object of grades),
/// else in `context`. Does not apply when nothing is relevant. Needs `retrieved`. Default bar: at least 0.5.
///
/// ```
/// use llmtest_metrics::{FakeJudge, PrecisionAtK, TestCase, measure_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let case = TestCase::new("Return shoes?", "30 days.").retrieved(["Returns take 30 days.", "We sell hats."]);
/// let precision = PrecisionAtK::new(2).relevant(["Returns take 30 days."]);
/// assert_eq!(measure_with(&case, &precision, FakeJudge::new()).await.unwrap().value, 0.5);
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct PrecisionAtK {
    k: usize,
    relevance: Relevance,
}

impl PrecisionAtK {
    /// Looks at the first `k` passages. Panics on 0.
    #[track_caller]
    pub fn new(k: usize) -> Self {
        Self {
            k: at_least_one(k, "PrecisionAtK"),
            relevance: Relevance::default(),
        }
    }

    /// The sources or texts of the relevant passages, for every case alike.
    pub fn relevant<S: Into<String>>(mut self, items: impl IntoIterator<Item = S>) -> Self {
        self.relevance = Relevance::of(items);
        self
    }

    /// The score of retrieved names, best first, against the relevant ones.
    ///
    /// ```
    /// use llmtest_metrics::PrecisionAtK;
    ///
    /// assert_eq!(PrecisionAtK::new(4).value(&["a", "b", "c"], &["c", "a", "x"]), 0.5);
    /// ```
    pub fn value(&self, retrieved: &[impl AsRef<str>], relevant: &[impl AsRef<str>]) -> f64 {
        self.of(&Ranking::of_names(retrieved, relevant))
    }

    fn of(&self, ranking: &Ranking) -> f64 {
        ranking.relevant_in(self.k) as f64 / self.k as f64
    }
}

impl Metric for PrecisionAtK {
    fn name(&self) -> &'static str {
        "precision_at_k"
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        let ranking = Ranking::of_case(cx, self, &self.relevance)?;
        let (k, relevant) = (self.k, ranking.relevant_in(self.k));
        Ok(Score::new(self.of(&ranking))
            .because(format!("{relevant} of the first {k} passages are relevant"))
            .detail("k", k))
    }
}

#[cfg(test)]
mod tests {
    use super::super::any_ranking;
    use super::*;
    use crate::proptesting;
    use proptest::prelude::*;

    #[test]
    fn missing_passages_count_as_irrelevant() {
        let value = |k| PrecisionAtK::new(k).value(&["a", "x", "b"], &["a", "b"]);
        assert_eq!(
            [value(1), value(2), value(3), value(4)],
            [1.0, 0.5, 2.0 / 3.0, 0.5]
        );
    }

    proptest! {
        #![proptest_config(proptesting::config())]

        #[test]
        fn the_score_is_in_range_and_the_order_within_k_does_not_count(mut ranking in any_ranking(), k in 1_usize..9) {
            let metric = PrecisionAtK::new(k);
            let value = metric.of(&ranking);
            prop_assert!((0.0..=1.0).contains(&value));
            let end = k.min(ranking.hits.len());
            ranking.hits[..end].reverse();
            prop_assert_eq!(metric.of(&ranking), value);
        }

        #[test]
        fn an_irrelevant_passage_in_front_never_raises_the_score(ranking in any_ranking(), k in 1_usize..9) {
            let mut worse = ranking.clone();
            worse.hits.insert(0, None);
            prop_assert!(PrecisionAtK::new(k).of(&worse) <= PrecisionAtK::new(k).of(&ranking));
        }
    }
}
