//! `MeanReciprocalRank`.

use super::{Ranking, Relevance};
use crate::{EvalCx, Metric, Result, Score};

/// Measures how early the first relevant passage was retrieved: 1 over its rank, 0 where there is none. Needs no judge.
///
/// This is the reciprocal rank of one case; its mean over the cases of a run is the MRR. A passage is relevant when its
/// source or its text is listed in [`relevant`](Self::relevant), else in the metadata `relevant` (a list, or an object
/// of grades), else in `context`. Does not apply when nothing is relevant. Needs `retrieved`. Default bar: at least 0.5.
///
/// ```
/// use llmtest_metrics::{FakeJudge, MeanReciprocalRank, TestCase, measure_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let case = TestCase::new("Return shoes?", "30 days.")
///     .retrieved(["We sell hats.", "Returns take 30 days."])
///     .context(["Returns take 30 days."]);
/// let rank = MeanReciprocalRank::new();
/// assert_eq!(measure_with(&case, &rank, FakeJudge::new()).await.unwrap().value, 0.5);
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct MeanReciprocalRank {
    relevance: Relevance,
}

impl MeanReciprocalRank {
    /// Looks at all passages.
    pub fn new() -> Self {
        Self::default()
    }

    /// The sources or texts of the relevant passages, for every case alike.
    pub fn relevant<S: Into<String>>(mut self, items: impl IntoIterator<Item = S>) -> Self {
        self.relevance = Relevance::of(items);
        self
    }

    /// The score of retrieved names, best first, against the relevant ones.
    ///
    /// ```
    /// use llmtest_metrics::MeanReciprocalRank;
    ///
    /// assert_eq!(MeanReciprocalRank::new().value(&["x", "y", "a"], &["b", "a"]), 1.0 / 3.0);
    /// ```
    pub fn value(&self, retrieved: &[impl AsRef<str>], relevant: &[impl AsRef<str>]) -> f64 {
        reciprocal(&Ranking::of_names(retrieved, relevant))
    }
}

fn reciprocal(ranking: &Ranking) -> f64 {
    ranking.first().map_or(0.0, |rank| 1.0 / rank as f64)
}

impl Metric for MeanReciprocalRank {
    fn name(&self) -> &'static str {
        "mean_reciprocal_rank"
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        let ranking = Ranking::of_case(cx, self, &self.relevance)?;
        let score = Score::new(reciprocal(&ranking));
        Ok(match ranking.first() {
            Some(rank) => score
                .because(format!("the first relevant passage has rank {rank}"))
                .quantity(rank as f64, "rank"),
            None => score.because(format!(
                "none of {} passages is relevant",
                ranking.hits.len()
            )),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::any_ranking;
    use super::*;
    use crate::proptesting;
    use proptest::prelude::*;

    #[test]
    fn the_first_relevant_one_counts() {
        let value = |retrieved: &[&str]| MeanReciprocalRank::new().value(retrieved, &["a", "b"]);
        assert_eq!(
            [value(&["b", "a"]), value(&["x", "b"]), value(&["x"])],
            [1.0, 0.5, 0.0]
        );
    }

    proptest! {
        #![proptest_config(proptesting::config())]

        #[test]
        fn the_score_is_in_range_and_falls_with_an_irrelevant_passage_in_front(ranking in any_ranking()) {
            let value = reciprocal(&ranking);
            prop_assert!((0.0..=1.0).contains(&value));
            let mut worse = ranking;
            worse.hits.insert(0, None);
            prop_assert!(reciprocal(&worse) < value || value == 0.0);
        }
    }
}
