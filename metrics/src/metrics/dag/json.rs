//! Graphs in JSON: the format, and writing it.

use super::graph::{Kind, Outcome, Then};
use super::nodes::Node;
use super::read::{read, text};
use super::{DEFAULT_FIELDS, Dag, Leaves};
use crate::{Bar, Field, JudgeChoice, Result};
use serde_json::{Map, Value, json};

type Object = Map<String, Value>;

impl Dag {
    /// Reads a graph from JSON. Its metrics are those of this crate, by their names; see
    /// [`from_json_with`](Self::from_json_with) for others. Whatever [`new`](Self::new) panics on is an error here, and names
    /// the node by its id.
    ///
    /// ```
    /// use llmtest_metrics::Dag;
    ///
    /// let summary = Dag::from_json(r#"{
    ///     "name": "summary",
    ///     "nodes": {
    ///         "headings": {"type": "task", "label": "headings", "instructions": "List the headings.",
    ///                      "fields": ["output"], "children": ["complete"]},
    ///         "complete": {"type": "choice", "question": "Which are there?", "children": ["all", "some", "rest"]},
    ///         "all":      {"type": "verdict", "verdict": "all three", "children": ["stays", "order"]},
    ///         "some":     {"type": "verdict", "verdict": "two", "children": ["order"]},
    ///         "rest":     {"type": "verdict", "verdict": "otherwise", "score": 0},
    ///         "order":    {"type": "yes_no", "question": "Does the intro come first?", "children": ["right", "wrong"]},
    ///         "right":    {"type": "verdict", "verdict": true, "score": 1},
    ///         "wrong":    {"type": "verdict", "verdict": false, "score": 0.4},
    ///         "stays":    {"type": "metric", "metric": "faithfulness", "options": {"strict": true}, "at_least": 0.8}
    ///     }
    /// }"#)?;
    /// assert_eq!(Dag::from_json(&summary.to_json()?)?.to_text(), summary.to_text());
    /// # Ok::<(), llmtest_metrics::BoxError>(())
    /// ```
    ///
    /// Every node has a `type` and `children`, which are ids:
    ///
    /// | type | keys | children |
    /// |---|---|---|
    /// | `task` | `label`, `instructions`, `fields`, `turns` | the tasks and questions that see what it wrote |
    /// | `yes_no` | `question`, `fields`, `turns` | a verdict `true` and a verdict `false` |
    /// | `choice` | `question`, `fields`, `turns` | verdicts with texts, in the order in which the judge reads them |
    /// | `verdict` | `verdict`, and `score` in `0..=1` or `children` | what is reached when the judge answers so |
    /// | `metric` | `metric` (its name), `options`, `at_least`, `label`, `judge` (the name of one) | none |
    ///
    /// `fields` are names of [`Field`]s, `turns` is `[first, last]` in indexes of the conversation. Beside `name` and
    /// `nodes` the graph may have `fields`, `leaves` (`min`, `max`, `mean`, `first`), `strict`, `language`, `prompts` (texts
    /// by step) and `roots`. Without `roots` it starts with the question to which nothing leads, or else with the tasks to
    /// which nothing leads. A task to which nothing leads and that is no root runs only for a node that sees what it wrote.
    pub fn from_json(json: &str) -> Result<Self> {
        Self::from_json_with(json, |_, _| Ok(None))
    }

    /// As [`from_json`](Self::from_json), with metrics of one's own: `resolve` is asked first, with the name and the options,
    /// and gives `None` for what it leaves to this crate.
    ///
    /// ```
    /// use llmtest_metrics::{Dag, Node, TestCase, metric};
    ///
    /// let json = r#"{"name": "short", "nodes": {
    ///     "kind": {"type": "yes_no", "question": "Is it an answer?", "children": ["yes", "no"]},
    ///     "yes":  {"type": "verdict", "verdict": true, "children": ["length"]},
    ///     "no":   {"type": "verdict", "verdict": false, "score": 0},
    ///     "length": {"type": "metric", "metric": "brevity"}
    /// }}"#;
    /// let dag = Dag::from_json_with(json, |name, _options| Ok(match name {
    ///     "brevity" => Some(Node::from(metric("brevity", |case: &TestCase| case.output.len() < 200))),
    ///     _ => None,
    /// }))?;
    /// assert!(dag.to_text().contains("metric brevity"));
    /// # Ok::<(), llmtest_metrics::BoxError>(())
    /// ```
    pub fn from_json_with(
        json: &str,
        resolve: impl Fn(&str, &Map<String, Value>) -> Result<Option<Node>>,
    ) -> Result<Self> {
        let place = |problem: String| format!("this is no DAG: {problem}");
        let value = crate::json::parse(json).map_err(|error| place(error.to_string()))?;
        let Value::Object(document) = value else {
            return Err(place("a JSON object is expected".to_string()).into());
        };
        let name = text(&document, "name").map_err(place)?;
        read(&document, name.clone(), &resolve)
            .map_err(|problem| format!("the DAG `{name}`: {problem}").into())
    }

    /// Writes the graph as [`from_json`](Self::from_json) reads it. A metric that was made in Rust must say how it is
    /// written, by [`Node::written`](super::Node::written); without that it is an error, since its options are not known.
    pub fn to_json(&self) -> Result<String> {
        let mut nodes = Object::new();
        for (at, node) in self.graph.nodes.iter().enumerate() {
            let mut object = Object::new();
            let mut put = |key: &str, value: Value| object.insert(key.to_string(), value);
            match &node.kind {
                Kind::Task {
                    label,
                    instructions,
                } => {
                    put("type", "task".into());
                    put("label", label.as_str().into());
                    put("instructions", instructions.as_str().into());
                    put("children", self.ids(&self.graph.children(at)));
                }
                Kind::Question {
                    text,
                    yes_no,
                    outcomes,
                } => {
                    put("type", if *yes_no { "yes_no" } else { "choice" }.into());
                    put("question", text.as_str().into());
                    let mut verdicts = Vec::new();
                    for (outcome, number) in outcomes.iter().zip(1..) {
                        let id = format!("{}.{number}", node.id);
                        nodes.insert(id.clone(), self.verdict(outcome, *yes_no));
                        verdicts.push(id);
                    }
                    put("children", verdicts.into());
                }
                Kind::Metric(leaf) => {
                    let (name, options) = leaf.written.as_ref().ok_or_else(|| {
                        format!(
                            "`{}`: {} was made in Rust, and how it is written in JSON is not known\nhint: say it where it stands, `Node::from(…).written(\"name\", json!({{…}}))`",
                            self.name, node.title
                        )
                    })?;
                    put("type", "metric".into());
                    put("metric", name.as_str().into());
                    if !options.is_empty() {
                        put("options", options.clone().into());
                    }
                    let adjustments = leaf.metric.adjustments();
                    if let Some(Bar::AtLeast(min)) = adjustments.bar {
                        put("at_least", min.into());
                    }
                    if let Some(label) = adjustments.label {
                        put("label", label.into());
                    }
                    match adjustments.judge {
                        None => {}
                        Some(JudgeChoice::Named(judge)) => {
                            put("judge", judge.into());
                        }
                        Some(JudgeChoice::This(_)) => {
                            return Err(format!(
                                "`{}`: the judge of {} was made in Rust and cannot be written\n\
                                 hint: register it with `llmtest::judge!` and name it, `.judged_by(\"name\")`",
                                self.name, node.title
                            )
                            .into());
                        }
                    }
                }
            }
            if let Some(fields) = &node.fields {
                put("fields", names(fields));
            }
            if let Some(turns) = &node.turns {
                put("turns", json!([turns.start(), turns.end()]));
            }
            nodes.insert(node.id.clone(), object.into());
        }
        let mut document = Object::new();
        document.insert("name".to_string(), self.name.as_str().into());
        if self.fields != DEFAULT_FIELDS {
            document.insert("fields".to_string(), names(&self.fields));
        }
        if self.leaves != Leaves::default() {
            document.insert("leaves".to_string(), self.leaves.name().into());
        }
        if self.options.strict() {
            document.insert("strict".to_string(), true.into());
        }
        if let Some(language) = self.options.language() {
            document.insert("language".to_string(), language.into());
        }
        let prompts: Object = self
            .options
            .replaced()
            .map(|(step, text)| (step.to_string(), text.into()))
            .collect();
        if !prompts.is_empty() {
            document.insert("prompts".to_string(), prompts.into());
        }
        document.insert("roots".to_string(), self.ids(&self.graph.roots));
        document.insert("nodes".to_string(), nodes.into());
        Ok(serde_json::to_string_pretty(&document)?)
    }

    fn ids(&self, nodes: &[usize]) -> Value {
        nodes
            .iter()
            .map(|at| self.graph.nodes[*at].id.as_str())
            .collect()
    }

    fn verdict(&self, outcome: &Outcome, yes_no: bool) -> Value {
        let verdict = if yes_no {
            Value::from(outcome.label == "yes")
        } else {
            Value::from(outcome.label.as_str())
        };
        match &outcome.then {
            Then::Score(score) => json!({"type": "verdict", "verdict": verdict, "score": score}),
            Then::Nodes(next) => {
                json!({"type": "verdict", "verdict": verdict, "children": self.ids(next)})
            }
        }
    }
}

fn names(fields: &[Field]) -> Value {
    fields.iter().map(|field| field.name()).collect()
}
