//! `Dag`.

mod builtin;
mod check;
mod draw;
mod graph;
mod json;
mod nodes;
mod read;
mod run;

pub use nodes::{Node, Question, Task, ask, task};

use super::graded::{DEFAULT_FIELDS, fields_of};
use crate::options::{Options, knobs, options};
use crate::{Bar, EvalCx, Field, Metric, Result, Score};
use graph::Graph;

/// Measures by a graph of questions: each answer of the judge leads to a score, to a metric, or to what is asked next.
///
/// One call of the judge a question, and only along the path that is taken. A [`task`] has the judge write something that
/// later questions see; it runs once, when the first of them is reached. A metric as a leaf gives its own score: its bar
/// is recorded and decides nothing. What does not depend on each other is asked at the same time.
///
/// Where several leaves score, which only a graph that branches out can do, the lowest score counts unless
/// [`leaves`](Self::leaves) says otherwise. A leaf that does not apply is left out; where none applies, the whole does not.
///
/// Needs the fields that its questions and tasks are given: `input` and `output` by default. All of them are looked at
/// before the first call, whichever path is taken; what a metric needs, only when it is reached. Default bar: at least 0.5. After DeepEval 4.3.1's DAG, with scores in `0.0..=1.0`; there
/// the last leaf wins, strictness changes no score, a node behind two branches never runs, and a G-Eval loses its rubric.
///
/// ```
/// use llmtest_metrics::{Dag, FakeJudge, TestCase, ask, measure_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let tone = Dag::new("tone", ask("Does the reply apologise?").no(0.0).yes(
///     ask("How is the apology phrased?").when("sincere", 1.0).when("formulaic", 0.5).otherwise(0.2),
/// ));
///
/// let judge = FakeJudge::new()
///     .reply(r#"{"reason": "It says sorry.", "verdict": "yes"}"#)
///     .reply(r#"{"reason": "It is a stock phrase.", "verdict": "formulaic"}"#);
/// let case = TestCase::new("My parcel is lost.", "We apologise for any inconvenience.");
/// assert_eq!(measure_with(&case, &tone, judge).await.unwrap().value, 0.5);
/// # }
/// ```
///
/// Questions and tasks are values, and a clone is the same node. So a graph that is no tree needs no names either, and can
/// hold no circle:
///
/// ```
/// use llmtest_metrics::{Dag, Faithfulness, Field, ask, task};
///
/// let headings = task("headings", "List the headings, one a line.").given([Field::Output]);
/// let order = ask("Are they in the order intro, body, conclusion?").reads(&headings).yes(1.0).no(0.4);
/// let summary = Dag::new(
///     "summary",
///     ask("Which headings are there?")
///         .reads(&headings)
///         .when("all three", order.clone())
///         .when("all three and more", order)
///         .when("none", Faithfulness::new().at_least(0.8))
///         .otherwise(0.0),
/// );
/// # use llmtest_metrics::Metric;
/// assert!(summary.to_mermaid().starts_with("flowchart TD"));
/// ```
#[derive(Debug, Clone)]
pub struct Dag {
    name: String,
    graph: Graph,
    fields: Vec<Field>,
    leaves: Leaves,
    options: Options,
}

/// What becomes of the scores where several leaves of a [`Dag`] score.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Leaves {
    /// The lowest score.
    #[default]
    Min,
    /// The highest score.
    Max,
    /// The mean of the scores.
    Mean,
    /// The score of the leaf that comes first: in the order of the source, in JSON in that of the ids.
    First,
}

impl Leaves {
    const ALL: [Self; 4] = [Self::Min, Self::Max, Self::Mean, Self::First];

    fn name(self) -> &'static str {
        match self {
            Self::Min => "min",
            Self::Max => "max",
            Self::Mean => "mean",
            Self::First => "first",
        }
    }
}

impl Dag {
    /// A metric of this name that starts with this question, or with several that read tasks.
    ///
    /// Panics, with the name of the node, on what could never be measured: a yes/no question without both answers, any
    /// other with fewer than two, questions that have nothing to do with each other, a path that ends without a score, a
    /// leaf of which less is better.
    #[track_caller]
    pub fn new(name: impl Into<String>, start: impl Into<Node>) -> Self {
        let name = name.into();
        assert!(
            !name.trim().is_empty(),
            "a `Dag` needs a name, such as `tone`"
        );
        match Graph::of(&start.into()).and_then(|graph| Self::with(name.clone(), graph)) {
            Ok(dag) => dag,
            Err(problem) => panic!("`Dag` `{name}`: {problem}"),
        }
    }

    fn with(name: String, graph: Graph) -> Result<Self, String> {
        graph.check()?;
        Ok(Self {
            name,
            graph,
            fields: DEFAULT_FIELDS.to_vec(),
            leaves: Leaves::default(),
            options: options!("dag": "question", "task_output"),
        })
    }

    /// Sets what the judge sees of the case, for every node that sets nothing itself and reads no task. Panics on an empty
    /// list.
    #[track_caller]
    pub fn given(mut self, fields: impl IntoIterator<Item = Field>) -> Self {
        self.fields = fields.into_iter().collect();
        assert!(
            !self.fields.is_empty(),
            "`Dag` `{}` must be given at least one field to judge",
            self.name
        );
        self
    }

    /// Sets what becomes of the scores where several leaves score.
    ///
    /// ```
    /// use llmtest_metrics::{Dag, Field, Leaves, ask, task};
    ///
    /// let claims = task("claims", "List the claims, one a line.").given([Field::Output]);
    /// let both = Dag::new("claims", [
    ///     ask("Is any claim about prices?").reads(&claims).yes(0.0).no(1.0),
    ///     ask("Is any claim a promise?").reads(&claims).yes(0.0).no(1.0),
    /// ]).leaves(Leaves::Mean);
    /// assert!(both.to_text().contains("the mean"));
    /// ```
    pub fn leaves(mut self, leaves: Leaves) -> Self {
        self.leaves = leaves;
        self
    }
}

knobs!(Dag);

impl Metric for Dag {
    fn name(&self) -> &str {
        &self.name
    }

    fn bar(&self) -> Bar {
        self.options.bar()
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        let score = run::run(self, cx).await?;
        Ok(self.options.clamp(score))
    }
}

#[cfg(test)]
mod graph_tests;
#[cfg(test)]
mod json_tests;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
