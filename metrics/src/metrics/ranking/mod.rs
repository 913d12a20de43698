//! Metrics that compare what a retriever found, in its order, with what is relevant.

mod mean_reciprocal_rank;
mod ndcg;
mod precision_at_k;
mod recall_at_k;

pub use mean_reciprocal_rank::MeanReciprocalRank;
pub use ndcg::Ndcg;
pub use precision_at_k::PrecisionAtK;
pub use recall_at_k::RecallAtK;

use crate::reason::one_line;
use crate::{EvalCx, Field, Metric, NotApplicable, Result};
use serde_json::Value;

/// What a test says is relevant, by source or text of the passage, with its grade; `None` where the case says it.
#[derive(Debug, Clone, Default)]
struct Relevance(Option<Vec<(String, f64)>>);

impl Relevance {
    fn of<S: Into<String>>(items: impl IntoIterator<Item = S>) -> Self {
        Self(Some(
            items.into_iter().map(|item| (item.into(), 1.0)).collect(),
        ))
    }

    /// The relevant items of a case, white space folded, each once, with its best grade.
    fn items(&self, cx: &EvalCx<'_>, metric: &impl Metric) -> Result<Vec<(String, f64)>> {
        let items = match (&self.0, cx.case.metadata.get("relevant")) {
            (Some(items), _) => items.clone(),
            (None, Some(value)) => read(value).ok_or_else(|| {
                format!(
                    "`{}` cannot read the metadata `relevant`\n\
                     hint: write a list of sources or texts, `[\"terms.md\"]`, or grades of at least 0, `{{\"terms.md\": 3}}`",
                    metric.name()
                )
            })?,
            (None, None) if cx.case.states(Field::Context) => {
                cx.case.context.iter().map(|text| (text.clone(), 1.0)).collect()
            }
            (None, None) => {
                return Err(format!(
                    "`{}` needs to know which passages are relevant, and this case does not say it\n\
                     hint: list their sources or texts with `.relevant([…])`, in the metadata `relevant` or in `context`",
                    metric.name()
                )
                .into());
            }
        };
        let mut relevant: Vec<(String, f64)> = Vec::new();
        for (item, grade) in items.into_iter().filter(|(_, grade)| *grade > 0.0) {
            let item = one_line(&item);
            match relevant.iter_mut().find(|(other, _)| *other == item) {
                Some((_, best)) => *best = best.max(grade),
                None => relevant.push((item, grade)),
            }
        }
        if relevant.is_empty() {
            return Err(NotApplicable::because("no passage is relevant").into());
        }
        Ok(relevant)
    }
}

/// Items from the metadata: a list of texts, or an object of grades.
fn read(value: &Value) -> Option<Vec<(String, f64)>> {
    match value {
        Value::Array(items) => items
            .iter()
            .map(|item| Some((item.as_str()?.to_string(), 1.0)))
            .collect(),
        Value::Object(grades) => {
            let grades = grades
                .iter()
                .map(|(item, grade)| Some((item.clone(), grade.as_f64()?)));
            grades
                .collect::<Option<Vec<_>>>()
                .filter(|grades| grades.iter().all(|(_, grade)| *grade >= 0.0))
        }
        _ => None,
    }
}

/// What was retrieved, held against what is relevant.
#[derive(Debug, Clone, PartialEq)]
struct Ranking {
    /// For every retrieved passage, in order, which relevant item it is.
    hits: Vec<Option<usize>>,
    /// The grades of the relevant items.
    grades: Vec<f64>,
}

impl Ranking {
    fn new(hits: Vec<Option<usize>>, grades: Vec<f64>) -> Self {
        Self { hits, grades }
    }

    /// Of two lists of names.
    fn of_names(retrieved: &[impl AsRef<str>], relevant: &[impl AsRef<str>]) -> Self {
        let mut items: Vec<&str> = Vec::new();
        for item in relevant.iter().map(AsRef::as_ref) {
            if !items.contains(&item) {
                items.push(item);
            }
        }
        let hits = retrieved
            .iter()
            .map(|name| items.iter().position(|item| *item == name.as_ref()))
            .collect();
        Self::new(hits, vec![1.0; items.len()])
    }

    /// Of a case: a passage is an item when its source or its text is, white space folded.
    fn of_case(cx: &EvalCx<'_>, metric: &impl Metric, relevance: &Relevance) -> Result<Self> {
        cx.need(metric, Field::Retrieved)?;
        let items = relevance.items(cx, metric)?;
        let hits = cx
            .case
            .retrieved
            .iter()
            .map(|passage| {
                let text = one_line(&passage.text);
                let source = passage.source.as_deref().map(one_line);
                items
                    .iter()
                    .position(|(item, _)| source.as_ref() == Some(item) || *item == text)
            })
            .collect();
        Ok(Self::new(
            hits,
            items.into_iter().map(|(_, grade)| grade).collect(),
        ))
    }

    /// How many of the first `k` passages are relevant.
    fn relevant_in(&self, k: usize) -> usize {
        self.hits.iter().take(k).flatten().count()
    }

    /// How many of the relevant items are among the first `k` passages.
    fn found_in(&self, k: usize) -> usize {
        let mut found: Vec<usize> = self.hits.iter().take(k).flatten().copied().collect();
        found.sort_unstable();
        found.dedup();
        found.len()
    }

    /// The rank, from 1, of the first relevant passage.
    fn first(&self) -> Option<usize> {
        Some(self.hits.iter().position(Option::is_some)? + 1)
    }

    /// The grade of each passage; 0 for what is not relevant or was there before.
    fn gains(&self) -> Vec<f64> {
        let mut left = self.grades.clone();
        let gain = |hit: &Option<usize>| hit.map_or(0.0, |item| std::mem::take(&mut left[item]));
        self.hits.iter().map(gain).collect()
    }
}

#[track_caller]
fn at_least_one(k: usize, metric: &str) -> usize {
    assert!(
        k > 0,
        "`{metric}` needs at least one passage to look at; write `{metric}::new(3)`"
    );
    k
}

/// Rankings for property tests.
#[cfg(test)]
fn any_ranking() -> impl proptest::strategy::Strategy<Value = Ranking> {
    use proptest::prelude::*;
    prop::collection::vec(0.1..9.0, 1..6).prop_flat_map(|grades| {
        let hit = prop::option::of(0..grades.len());
        prop::collection::vec(hit, 0..8).prop_map(move |hits| Ranking::new(hits, grades.clone()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FakeJudge, MissingField, Passage, TestCase, measure_with};
    use serde_json::json;

    fn case() -> TestCase {
        let returns = Passage::from_source("returns.md", "30  days.");
        TestCase::new("q", "a").retrieved([
            returns,
            Passage::from("Hats."),
            Passage::from("Shoes."),
        ])
    }

    async fn value(case: &TestCase) -> Result<f64> {
        let score = measure_with(case, &RecallAtK::new(3), FakeJudge::new()).await?;
        Ok(score.value)
    }

    #[tokio::test]
    async fn what_is_relevant_comes_from_the_test_the_metadata_or_the_context() {
        let recall = RecallAtK::new(3).relevant(["returns.md", "socks.md"]);
        let score = measure_with(&case(), &recall, FakeJudge::new())
            .await
            .unwrap();
        assert_eq!(score.value, 0.5);
        let by_text = case().context(["30 days.", "Shoes.", "Coats.", "Socks."]);
        assert_eq!(value(&by_text).await.unwrap(), 0.5);
        let listed = by_text.metadata("relevant", json!(["returns.md"]));
        assert_eq!(value(&listed).await.unwrap(), 1.0);
        let graded = case().metadata("relevant", json!({"returns.md": 2, "Hats.": 0, "x": 1}));
        assert_eq!(value(&graded).await.unwrap(), 0.5);
    }

    #[tokio::test]
    async fn what_is_listed_twice_is_relevant_once() {
        let recall = RecallAtK::new(3).relevant(["30 days.", "30\ndays.", "returns  2.md"]);
        let score = measure_with(&case(), &recall, FakeJudge::new())
            .await
            .unwrap();
        assert_eq!(score.value, 0.5);
        let names = RecallAtK::new(3).value(&["a", "b"], &["a", "a", "b"]);
        assert_eq!(names, 1.0);
        let graded = Ranking::of_names(&["b"], &["a", "a", "b"]);
        assert_eq!(
            (graded.hits, graded.grades),
            (vec![Some(1)], vec![1.0, 1.0])
        );
    }

    #[tokio::test]
    async fn without_relevant_passages_it_says_what_to_do() {
        let error = value(&case()).await.unwrap_err().to_string();
        assert!(error.contains("with `.relevant([…])`"), "{error}");
        for wrong in [json!("returns.md"), json!([1]), json!({"a": -1})] {
            let error = value(&case().metadata("relevant", wrong))
                .await
                .unwrap_err();
            assert!(error.to_string().contains("cannot read"), "{error}");
        }
        let none = value(&case().metadata("relevant", json!([])))
            .await
            .unwrap_err();
        assert!(none.is::<NotApplicable>(), "{none}");
        let error = value(&TestCase::new("q", "a").context(["x"]))
            .await
            .unwrap_err();
        assert_eq!(
            error.downcast_ref::<MissingField>().unwrap().field,
            "retrieved"
        );
    }

    #[tokio::test]
    async fn a_retriever_that_found_nothing_scores_0() {
        let nothing = TestCase::new("q", "a")
            .context(["x"])
            .stating(Field::Retrieved);
        assert_eq!(value(&nothing).await.unwrap(), 0.0);
    }

    #[test]
    #[should_panic(expected = "write `RecallAtK::new(3)`")]
    fn looking_at_no_passage_is_refused() {
        let _ = RecallAtK::new(0);
    }
}
