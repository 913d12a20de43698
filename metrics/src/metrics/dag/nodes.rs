//! What a graph is written with: questions, tasks, and where answers lead.

use crate::metric::DynMetric;
use crate::{Adjustments, Bar, EvalCx, Field, Metric, Result, Score};
use serde_json::{Map, Value};
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// The answer that stands for all that a question does not name.
pub(super) const OTHERWISE: &str = "otherwise";

/// A question for a [`Dag`](crate::Dag): either with `.yes(…)` and `.no(…)`, or with several answers by `.when(…)` and
/// `.otherwise(…)`.
///
/// ```
/// use llmtest_metrics::{Dag, Field, ask};
///
/// let language = ask("In which language is the reply?").given([Field::Output]).when("English", 1.0).otherwise(0.0);
/// let _ = Dag::new("in_english", language);
/// ```
#[track_caller]
pub fn ask(question: impl Into<String>) -> Question {
    let text = question.into();
    assert!(!text.trim().is_empty(), "`ask` needs a question");
    Question(Arc::new(QuestionData {
        text,
        view: View::default(),
        outcomes: Vec::new(),
    }))
}

/// A task for a [`Dag`](crate::Dag): the judge writes what the instructions say, and the questions and tasks that
/// [read](Question::reads) it see what it wrote, under its label.
///
/// ```
/// use llmtest_metrics::{Dag, FakeJudge, Field, TestCase, ask, measure_with, task};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let promises = task("promises", "List what is promised, one a line.").given([Field::Output]);
/// let kept = Dag::new("kept", ask("Can a bookshop keep all of them?").reads(&promises).yes(1.0).no(0.0));
///
/// let judge = FakeJudge::new()
///     .when("dag/task_output", r#"{"output": "delivery within an hour"}"#)
///     .when("delivery within an hour", r#"{"reason": "Nobody delivers so fast.", "verdict": "no"}"#);
/// let case = TestCase::new("When will it come?", "Within an hour, promised!");
/// assert_eq!(measure_with(&case, &kept, judge).await.unwrap().value, 0.0);
/// # }
/// ```
#[track_caller]
pub fn task(label: impl Into<String>, instructions: impl Into<String>) -> Task {
    let (label, instructions) = (label.into(), instructions.into());
    assert!(
        !label.trim().is_empty(),
        "a `task` needs a label for what it writes, such as `summary`"
    );
    assert!(
        !instructions.trim().is_empty(),
        "task `{label}` needs instructions"
    );
    Task(Arc::new(TaskData {
        label,
        instructions,
        view: View::default(),
    }))
}

/// A question of a [`Dag`](crate::Dag); made by [`ask`]. A clone is the same node, asked once, until it is changed.
#[derive(Debug, Clone)]
#[must_use = "a question is asked as part of a `Dag`"]
pub struct Question(pub(super) Arc<QuestionData>);

#[derive(Debug, Clone)]
pub(super) struct QuestionData {
    pub(super) text: String,
    pub(super) view: View,
    pub(super) outcomes: Vec<Outcome>,
}

/// A task of a [`Dag`](crate::Dag); made by [`task`]. A clone is the same node, run once, until it is changed.
#[derive(Debug, Clone)]
#[must_use = "a task is run for the questions that read it"]
pub struct Task(pub(super) Arc<TaskData>);

#[derive(Debug, Clone)]
pub(super) struct TaskData {
    pub(super) label: String,
    pub(super) instructions: String,
    pub(super) view: View,
}

/// What a node shows the judge.
#[derive(Debug, Clone, Default)]
pub(super) struct View {
    pub(super) reads: Vec<Task>,
    pub(super) fields: Option<Vec<Field>>,
    pub(super) turns: Option<RangeInclusive<usize>>,
}

#[derive(Debug, Clone)]
pub(super) struct Outcome {
    pub(super) label: String,
    pub(super) kind: Kind,
    pub(super) then: Node,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    YesNo,
    Several,
}

impl Question {
    /// Where "yes" leads.
    #[track_caller]
    pub fn yes(self, then: impl Into<Node>) -> Self {
        self.add("yes".to_string(), Kind::YesNo, then.into())
    }

    /// Where "no" leads.
    #[track_caller]
    pub fn no(self, then: impl Into<Node>) -> Self {
        self.add("no".to_string(), Kind::YesNo, then.into())
    }

    /// Where this answer leads. Case counts.
    #[track_caller]
    pub fn when(self, answer: impl Into<String>, then: impl Into<Node>) -> Self {
        let answer = answer.into().trim().to_string();
        assert!(
            !answer.is_empty(),
            "question `{}` has an answer without text",
            self.0.text
        );
        self.add(answer, Kind::Several, then.into())
    }

    /// Where it leads when no other answer fits.
    #[track_caller]
    pub fn otherwise(self, then: impl Into<Node>) -> Self {
        self.add(OTHERWISE.to_string(), Kind::Several, then.into())
    }

    /// Sets what the judge sees of the case for this question. Panics on an empty list.
    #[track_caller]
    pub fn given(mut self, fields: impl IntoIterator<Item = Field>) -> Self {
        let fields: Vec<Field> = fields.into_iter().collect();
        assert!(
            !fields.is_empty(),
            "question `{}` must be given at least one field to judge",
            self.0.text
        );
        self.data().view.fields = Some(fields);
        self
    }

    /// Shows the judge what this task wrote. A question that reads tasks sees nothing of the case unless it is
    /// [given](Self::given) it.
    pub fn reads(mut self, task: &Task) -> Self {
        self.data().view.reads.push(task.clone());
        self
    }

    /// Shows the judge only these turns of the conversation: indexes of `TestCase::turns`, both ends among them.
    ///
    /// ```
    /// use llmtest_metrics::{Dag, ask};
    ///
    /// let greets = ask("Does the assistant greet the user?").turns(0..=1).yes(1.0).no(0.0);
    /// assert!(Dag::new("greets", greets).to_text().contains("turns 0 to 1"));
    /// ```
    pub fn turns(mut self, turns: RangeInclusive<usize>) -> Self {
        self.data().view.turns = Some(turns);
        self
    }

    /// The data, as one's own: what has been put into a graph stays as it is.
    fn data(&mut self) -> &mut QuestionData {
        Arc::make_mut(&mut self.0)
    }

    #[track_caller]
    fn add(mut self, label: String, kind: Kind, then: Node) -> Self {
        let QuestionData { text, outcomes, .. } = &*self.0;
        let mixed = outcomes.iter().any(|outcome| outcome.kind != kind);
        assert!(
            !mixed,
            "question `{text}` has both yes/no and named answers; use `.yes` and `.no`, or `.when` and `.otherwise`"
        );
        assert!(
            outcomes.iter().all(|outcome| outcome.label != label),
            "question `{text}` has the answer `{label}` twice"
        );
        if let Then::Score(score) = then.0 {
            assert!(
                (0.0..=1.0).contains(&score),
                "question `{text}`, answer `{label}`: the score {score} is outside 0.0..=1.0"
            );
        }
        self.data().outcomes.push(Outcome { label, kind, then });
        self
    }
}

impl Task {
    /// Sets what the judge sees of the case for this task. Panics on an empty list.
    #[track_caller]
    pub fn given(mut self, fields: impl IntoIterator<Item = Field>) -> Self {
        let fields: Vec<Field> = fields.into_iter().collect();
        assert!(
            !fields.is_empty(),
            "task `{}` must be given at least one field",
            self.0.label
        );
        self.data().view.fields = Some(fields);
        self
    }

    /// Shows the judge what this other task wrote. A task that reads tasks sees nothing of the case unless it is
    /// [given](Self::given) it.
    pub fn reads(mut self, task: &Task) -> Self {
        self.data().view.reads.push(task.clone());
        self
    }

    /// Shows the judge only these turns of the conversation: indexes of `TestCase::turns`, both ends among them.
    pub fn turns(mut self, turns: RangeInclusive<usize>) -> Self {
        self.data().view.turns = Some(turns);
        self
    }

    fn data(&mut self) -> &mut TaskData {
        Arc::make_mut(&mut self.0)
    }
}

/// Where an answer leads: a score in `0.0..=1.0`, another question, a metric, or several of them at once. Made from any of
/// these.
///
/// ```
/// use llmtest_metrics::{Dag, Faithfulness, Field, GEval, Node, ask};
///
/// let clear = GEval::new("clear", "The answer is easy to understand.").rubric([(0..=4, "muddled"), (5..=10, "clear")]);
/// let answer = Dag::new("answer", ask("Does it answer the question?").no(0.0).yes([
///     Node::from(Faithfulness::new()),
///     Node::from(clear),
/// ]));
/// # let _ = answer;
/// ```
#[derive(Debug, Clone)]
#[must_use = "a node is part of a `Dag`"]
pub struct Node(pub(super) Then);

#[derive(Debug, Clone)]
pub(super) enum Then {
    Score(f64),
    Ask(Question),
    Metric(Arc<Leaf>),
    Several(Vec<Node>),
}

impl Node {
    /// Says how [`Dag::to_json`](crate::Dag::to_json) writes a metric: the name and the options by which
    /// [`Dag::from_json_with`](crate::Dag::from_json_with) makes it again. Panics where this is no metric, or the options
    /// are no JSON object.
    #[track_caller]
    pub fn written(self, name: impl Into<String>, options: Value) -> Self {
        let name = name.into();
        match (self.0, options) {
            (Then::Metric(leaf), Value::Object(options)) => Self(Then::Metric(Arc::new(Leaf {
                metric: leaf.metric.clone(),
                written: Some((name, options)),
            }))),
            (Then::Metric(_), options) => {
                panic!("the options of metric `{name}` must be a JSON object, not {options}")
            }
            _ => panic!("only a metric is written by a name, such as `{name}`"),
        }
    }
}

impl From<f64> for Node {
    fn from(score: f64) -> Self {
        Self(Then::Score(score))
    }
}

impl From<Question> for Node {
    fn from(question: Question) -> Self {
        Self(Then::Ask(question))
    }
}

impl<M: Metric + 'static> From<M> for Node {
    fn from(metric: M) -> Self {
        Self(Then::Metric(Arc::new(Leaf {
            metric: Arc::new(metric),
            written: None,
        })))
    }
}

impl<N: Into<Node>, const COUNT: usize> From<[N; COUNT]> for Node {
    fn from(nodes: [N; COUNT]) -> Self {
        Self(Then::Several(nodes.into_iter().map(Into::into).collect()))
    }
}

impl<N: Into<Node>> From<Vec<N>> for Node {
    fn from(nodes: Vec<N>) -> Self {
        Self(Then::Several(nodes.into_iter().map(Into::into).collect()))
    }
}

/// A metric at the end of a path.
#[derive(Clone)]
pub(super) struct Leaf {
    pub(super) metric: Arc<dyn DynMetric>,
    /// Its name and its options in JSON, where they are known.
    pub(super) written: Option<(String, Map<String, Value>)>,
}

impl Leaf {
    /// The label where it has one, else the name.
    pub(super) fn name(&self) -> String {
        let label = self.metric.adjustments().label;
        label.unwrap_or_else(|| self.metric.name().to_string())
    }

    /// What of the metric would be lost in a graph, with what to write instead.
    pub(super) fn check(&self) -> Result<(), String> {
        let name = self.name();
        let adjustments = self.metric.adjustments();
        if adjustments.report_only {
            return Err(format!(
                "metric `{name}` is report-only, but a leaf's score is that of the `Dag`; put `.report_only()` on the `Dag`"
            ));
        }
        match self.metric.bar() {
            Bar::AtLeast(_) => Ok(()),
            bar @ Bar::AtMost(_) => Err(format!(
                "metric `{name}` is to be {bar}, but the score of a leaf is better the higher it is; put it into an `AllOf`, which turns it round"
            )),
        }
    }
}

/// A metric that is already in a graph, so that a bar can be set to it.
pub(super) struct Shared(pub(super) Arc<dyn DynMetric>);

impl Metric for Shared {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn bar(&self) -> Bar {
        self.0.bar()
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        self.0.measure(cx).await
    }

    fn adjustments(&self) -> Adjustments {
        self.0.adjustments()
    }
}

impl fmt::Debug for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name(), self.metric.bar())
    }
}
