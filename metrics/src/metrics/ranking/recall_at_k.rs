//! `RecallAtK`.

use super::{Ranking, Relevance, at_least_one};
use crate::{EvalCx, Metric, Result, Score};

/// Measures how many of the relevant passages are among the first `k` retrieved: their share of all relevant ones. Needs no
/// judge.
///
/// Two passages of one relevant source count once. A passage is relevant when its source or its text is listed in
/// [`relevant`](Self::relevant), else in the metadata `relevant` (a list, or an object of grades), else in `context`.
/// Does not apply when nothing is relevant. Needs `retrieved`. Default bar: at least 0.5.
///
/// ```
/// use llmtest_metrics::{FakeJudge, Passage, RecallAtK, TestCase, measure_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let case = TestCase::new("Return shoes?", "30 days.")
///     .retrieved([Passage::from_source("returns.md", "30 days."), Passage::from_source("hats.md", "We sell hats.")]);
/// let recall = RecallAtK::new(5).relevant(["returns.md", "shoes.md"]);
/// assert_eq!(measure_with(&case, &recall, FakeJudge::new()).await.unwrap().value, 0.5);
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct RecallAtK {
    k: usize,
    relevance: Relevance,
}

impl RecallAtK {
    /// Looks at the first `k` passages. Panics on 0.
    #[track_caller]
    pub fn new(k: usize) -> Self {
        Self {
            k: at_least_one(k, "RecallAtK"),
            relevance: Relevance::default(),
        }
    }

    /// The sources or texts of the relevant passages, for every case alike.
    pub fn relevant<S: Into<String>>(mut self, items: impl IntoIterator<Item = S>) -> Self {
        self.relevance = Relevance::of(items);
        self
    }

    /// The score of retrieved names, best first, against the relevant ones; NaN when nothing is relevant.
    ///
    /// ```
    /// use llmtest_metrics::RecallAtK;
    ///
    /// assert_eq!(RecallAtK::new(2).value(&["a", "b", "c"], &["c", "a"]), 0.5);
    /// ```
    pub fn value(&self, retrieved: &[impl AsRef<str>], relevant: &[impl AsRef<str>]) -> f64 {
        self.of(&Ranking::of_names(retrieved, relevant))
    }

    fn of(&self, ranking: &Ranking) -> f64 {
        ranking.found_in(self.k) as f64 / ranking.grades.len() as f64
    }
}

impl Metric for RecallAtK {
    fn name(&self) -> &'static str {
        "recall_at_k"
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        let ranking = Ranking::of_case(cx, self, &self.relevance)?;
        let (k, found, all) = (self.k, ranking.found_in(self.k), ranking.grades.len());
        Ok(Score::new(self.of(&ranking))
            .because(format!(
                "{found} of {all} relevant passages are among the first {k}"
            ))
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
    fn a_source_that_is_found_twice_counts_once() {
        let value = |k| RecallAtK::new(k).value(&["a", "a", "b"], &["a", "b", "c"]);
        assert_eq!(
            [value(1), value(2), value(3)],
            [1.0 / 3.0, 1.0 / 3.0, 2.0 / 3.0]
        );
    }

    proptest! {
        #![proptest_config(proptesting::config())]

        #[test]
        fn the_score_is_in_range_and_never_falls_with_k(ranking in any_ranking(), k in 1_usize..9) {
            let value = RecallAtK::new(k).of(&ranking);
            prop_assert!((0.0..=1.0).contains(&value));
            prop_assert!(RecallAtK::new(k + 1).of(&ranking) >= value);
        }
    }
}
