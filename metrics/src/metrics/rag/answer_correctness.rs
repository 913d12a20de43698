//! `AnswerCorrectness`.

use super::embedding_similarity;
use crate::options::{Options, knobs, options};
use crate::verdicts::{self, Ballot, Verdict, Vote};
use crate::{
    AnyEmbedder, Bar, BoxFuture, EvalCx, Field, Metric, NotApplicable, Result, Score, join,
};

/// The weight of the similarity of both texts where an embedder is set and no weight, as in ragas.
const SIMILARITY: f64 = 0.25;

/// Measures whether the output says what the expected output says, no less and no more: the F-score of its statements.
///
/// The judge splits both texts into statements and says which of them the other text makes. Of the output's statements,
/// those that the expected output makes are true positives (TP), the others false positives (FP); the expected statements
/// that the output does not make are false negatives (FN). The score is
/// `(1 + β²)·TP / ((1 + β²)·TP + β²·FN + FP)`, in `0..=1`; β is 1 unless [`beta`](Self::beta) sets it, and a larger one makes
/// what is missing count more. Only where an embedder is asked for, with [`similarity`](Self::similarity) or
/// [`embedder`](Self::embedder), the score is the weighted mean of this and of
/// [`EmbeddingSimilarity`](crate::EmbeddingSimilarity).
///
/// Two texts that state nothing are not applicable. Needs `input`, `output` and `expected`. Default bar: at least 0.5.
/// Formula as ragas 0.4, whose default is `.similarity(0.25)`.
///
/// ```
/// use llmtest_metrics::{AnswerCorrectness, FakeJudge, TestCase, measure_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let judge = FakeJudge::new()
///     .reply(r#"{"statements": ["Returns take 30 days.", "Returns cost 5 euros."]}"#)
///     .reply(r#"{"statements": ["Returns take 30 days.", "Returns are free."]}"#)
///     .reply(r#"{"verdicts": {"1": {"reason": "Same limit.", "verdict": "yes"}, "2": {"reason": "They are free.", "verdict": "no"}}}"#)
///     .reply(r#"{"verdicts": {"1": {"reason": "Same limit.", "verdict": "yes"}, "2": {"reason": "It says 5 euros.", "verdict": "no"}}}"#);
/// let case = TestCase::new("Refund?", "Within 30 days, for 5 euros.").expected("Within 30 days, for free.");
/// assert_eq!(measure_with(&case, &AnswerCorrectness::new(), judge).await.unwrap().value, 0.5);
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct AnswerCorrectness {
    beta: f64,
    /// The weight of the similarity, where one was set.
    similarity: Option<f64>,
    embedder: Option<AnyEmbedder>,
    options: Options,
}

impl AnswerCorrectness {
    /// By statements alone, with β = 1.
    pub fn new() -> Self {
        Self {
            beta: 1.0,
            similarity: None,
            embedder: None,
            options: options!("answer_correctness": "statements", "verdicts"),
        }
    }

    /// How much more a missing statement counts than a wrong one. Panics unless it is more than 0 and finite.
    #[track_caller]
    pub fn beta(mut self, beta: f64) -> Self {
        assert!(
            beta > 0.0 && beta.is_finite(),
            "`AnswerCorrectness` needs a beta above 0, but it is {beta}; 1 counts both alike, 2 counts what is missing more"
        );
        self.beta = beta;
        self
    }

    /// Adds the similarity of both texts with this weight, by the embedder of the configuration unless
    /// [`embedder`](Self::embedder) sets one. Panics outside `0.0..=1.0`.
    #[track_caller]
    pub fn similarity(mut self, weight: f64) -> Self {
        assert!(
            (0.0..=1.0).contains(&weight),
            "`AnswerCorrectness` needs a weight in 0.0..=1.0 for the similarity, but it is {weight}; ragas takes 0.25"
        );
        self.similarity = Some(weight);
        self
    }

    /// Embeds with this embedder, as it is: not recorded, not retried. Where no weight is set, it is 0.25.
    pub fn embedder(mut self, embedder: impl Into<AnyEmbedder>) -> Self {
        self.embedder = Some(embedder.into());
        self
    }

    fn weight(&self) -> f64 {
        let unset = if self.embedder.is_some() {
            SIMILARITY
        } else {
            0.0
        };
        self.similarity.unwrap_or(unset)
    }

    async fn statements(&self, cx: &EvalCx<'_>, input: &str, answer: &str) -> Result<Vec<String>> {
        let template = self
            .options
            .template("statements")
            .fenced("input", "input", input)
            .fenced("answer", "answer", answer);
        verdicts::list(cx, template, "statements", answer.len()).await
    }

    /// Which statements the answer makes.
    async fn made(
        &self,
        cx: &EvalCx<'_>,
        input: &str,
        answer: &str,
        statements: &[String],
    ) -> Result<Vec<Verdict>> {
        let ask = |lines| {
            self.options
                .template("verdicts")
                .fenced("input", "input", input)
                .fenced("answer", "answer", answer)
                .fenced("statements", "statements", lines)
        };
        let ballot = Ballot(&[Vote::Yes, Vote::No]);
        ballot.verdicts(cx, statements, ask).await
    }
}

knobs!(AnswerCorrectness, default);

impl Metric for AnswerCorrectness {
    fn name(&self) -> &'static str {
        "answer_correctness"
    }

    fn bar(&self) -> Bar {
        self.options.bar()
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        let (input, output) = (cx.need(self, Field::Input)?, cx.need(self, Field::Output)?);
        let expected = cx.need(self, Field::Expected)?;
        let lists: Vec<BoxFuture<'_, _>> = vec![
            Box::pin(self.statements(cx, &input, &output)),
            Box::pin(self.statements(cx, &input, &expected)),
        ];
        let [said, wanted] = pair(join::all(lists).await?)?;
        if said.is_empty() && wanted.is_empty() {
            let why = "neither the output nor the expected output states anything";
            return Err(NotApplicable::because(why).into());
        }
        let ballots: Vec<BoxFuture<'_, _>> = vec![
            Box::pin(self.made(cx, &input, &expected, &said)),
            Box::pin(self.made(cx, &input, &output, &wanted)),
        ];
        let [said, wanted] = pair(join::all(ballots).await?)?;
        let mut score = score(&said, &wanted, self.beta);
        let weight = self.weight();
        if weight > 0.0 {
            let by = self.embedder.as_ref();
            let (similarity, model) =
                embedding_similarity::measured(cx, by, &output, &expected).await?;
            let facts = score.value;
            score.value = (1.0 - weight) * facts + weight * similarity;
            let reason = score.reason.unwrap_or_default();
            score.reason = Some(format!(
                "{reason}; the similarity of both is {similarity:.2}"
            ));
            score = score
                .detail("factuality", facts)
                .detail("similarity", similarity)
                .detail("embedder", model);
        }
        Ok(self.options.clamp(score))
    }
}

fn pair<T>(two: Vec<T>) -> Result<[T; 2]> {
    two.try_into()
        .map_err(|_| "two answers were asked for".into())
}

fn score(said: &[Verdict], wanted: &[Verdict], beta: f64) -> Score {
    let failing = |verdicts: &[Verdict]| -> Vec<String> {
        let failing = verdicts.iter().filter(|verdict| verdict.vote == Vote::No);
        failing.map(verdicts::quote).collect()
    };
    let (wrong, missing) = (failing(said), failing(wanted));
    let right = said.len() - wrong.len();
    let part = |list: &[String], all: usize, noun: &str| {
        let first = list.first().map(|first| format!(", such as {first}"));
        let first = first.unwrap_or_default();
        format!("{} of {all} {noun}{first}", list.len())
    };
    let reason = if wrong.is_empty() && missing.is_empty() {
        "the output states what the expected output states".to_string()
    } else {
        format!(
            "not expected: {}; missing: {}",
            part(&wrong, said.len(), "statements"),
            part(&missing, wanted.len(), "expected statements")
        )
    };
    let json = |verdicts: &[Verdict]| serde_json::to_value(verdicts).unwrap_or_default();
    Score::new(f_beta(right, wrong.len(), missing.len(), beta))
        .because(reason)
        .detail("verdicts", json(said))
        .detail("expected_verdicts", json(wanted))
}

/// The F-score from true positives, false positives and false negatives; 0 where nothing is right.
fn f_beta(right: usize, wrong: usize, missing: usize, beta: f64) -> f64 {
    if right == 0 {
        return 0.0;
    }
    let square = beta * beta;
    let weighted = (1.0 + square) * right as f64;
    weighted / (weighted + square * missing as f64 + wrong as f64)
}

#[cfg(test)]
#[path = "answer_correctness_tests.rs"]
mod tests;
