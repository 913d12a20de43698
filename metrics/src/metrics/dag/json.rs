//! Graphs in JSON.

use super::builtin;
use super::graph::{Graph, Kind, Outcome, Then, Vertex};
use super::nodes::{Leaf, Node, Then as Written};
use super::{DEFAULT_FIELDS, Dag, Leaves};
use crate::{Bar, Field, Metric, Result};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;
use std::sync::Arc;

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
    /// | `metric` | `metric` (its name), `options`, `at_least` | none |
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
                    if let Some(Bar::AtLeast(min)) = leaf.metric.adjustments().bar {
                        put("at_least", min.into());
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

type Resolve<'a> = &'a dyn Fn(&str, &Object) -> Result<Option<Node>>;

/// A document whose name is known.
fn read(document: &Object, name: String, resolve: Resolve<'_>) -> Result<Dag, String> {
    known_keys(
        document,
        &[
            "name", "fields", "leaves", "strict", "language", "prompts", "roots", "nodes",
        ],
    )?;
    if name.trim().is_empty() {
        return Err("it needs a name, such as `tone`".to_string());
    }
    let mut dag = Dag::with(name, Reader::new(document)?.graph(document, resolve)?)?;
    if let Some(fields) = fields(document)? {
        dag.fields = fields;
    }
    if document.contains_key("leaves") {
        let wanted = text(document, "leaves")?;
        let found = Leaves::ALL
            .into_iter()
            .find(|leaves| leaves.name() == wanted);
        dag.leaves = found.ok_or_else(|| {
            format!("`leaves` must be `min`, `max`, `mean` or `first`, not `{wanted}`")
        })?;
    }
    match document.get("strict") {
        None | Some(Value::Bool(false)) => {}
        Some(Value::Bool(true)) => dag = dag.strict(),
        Some(other) => return Err(format!("`strict` must be true or false, not {other}")),
    }
    if document.contains_key("language") {
        let language = text(document, "language")?;
        if language.trim().is_empty() {
            return Err("`language` must name a language, such as `German`".to_string());
        }
        dag = dag.language(language);
    }
    if let Some(prompts) = document.get("prompts") {
        let prompts = prompts
            .as_object()
            .ok_or("`prompts` must be an object of texts by step")?;
        known_keys(prompts, &["question", "task_output"])
            .map_err(|problem| format!("`prompts`: {problem}"))?;
        for step in prompts.keys() {
            dag = dag.prompt(step, text(prompts, step)?);
        }
    }
    Ok(dag)
}

/// The nodes of a document, by id.
struct Reader<'a> {
    objects: BTreeMap<&'a str, &'a Object>,
    /// The index of every node that is no verdict.
    index: HashMap<&'a str, usize>,
}

impl<'a> Reader<'a> {
    fn new(document: &'a Object) -> Result<Self, String> {
        let nodes = document.get("nodes").and_then(Value::as_object);
        let nodes = nodes.ok_or("`nodes` must be an object of nodes by id")?;
        if nodes.is_empty() {
            return Err("it has no nodes".to_string());
        }
        let mut objects = BTreeMap::new();
        for (id, node) in nodes {
            let node = node
                .as_object()
                .ok_or_else(|| format!("node `{id}` must be an object"))?;
            let keys: &[&str] = match kind(id, node)? {
                "task" => &[
                    "type",
                    "label",
                    "instructions",
                    "fields",
                    "turns",
                    "children",
                ],
                "yes_no" | "choice" => &["type", "question", "fields", "turns", "children"],
                "verdict" => &["type", "verdict", "score", "children"],
                _ => &["type", "metric", "options", "at_least"],
            };
            known_keys(node, keys).map_err(|problem| format!("node `{id}`: {problem}"))?;
            objects.insert(id.as_str(), node);
        }
        let ids = objects.iter().filter(|(_, node)| node["type"] != "verdict");
        let index = ids.zip(0..).map(|((id, _), at)| (*id, at)).collect();
        Ok(Self { objects, index })
    }

    fn graph(&self, document: &Object, resolve: Resolve<'_>) -> Result<Graph, String> {
        let mut nodes = Vec::with_capacity(self.index.len());
        let mut used: HashMap<&str, &str> = HashMap::new();
        for (id, object) in self
            .objects
            .iter()
            .filter(|(id, _)| self.index.contains_key(**id))
        {
            let read = || -> Result<Vertex, String> {
                let question = || text(object, "question");
                let kind = match kind(id, object)? {
                    "task" => Kind::Task {
                        label: filled(object, "label")?,
                        instructions: filled(object, "instructions")?,
                    },
                    "metric" => Kind::Metric(Arc::new(leaf(object, resolve)?)),
                    answers => {
                        filled(object, "question")?;
                        Kind::Question {
                            text: question()?,
                            yes_no: answers == "yes_no",
                            outcomes: self.outcomes(object, answers == "yes_no")?,
                        }
                    }
                };
                Ok(Vertex {
                    id: (*id).to_string(),
                    title: format!("node `{id}`"),
                    reads: Vec::new(),
                    fields: fields(object)?,
                    turns: turns(object)?,
                    kind,
                })
            };
            nodes.push(read().map_err(|problem| format!("node `{id}`: {problem}"))?);
            if object["type"] == "task" {
                continue;
            }
            for verdict in children(object).map_err(|problem| format!("node `{id}`: {problem}"))? {
                if let Some(other) = used.insert(verdict, id) {
                    return Err(format!(
                        "verdict `{verdict}` belongs to both `{other}` and `{id}`; each needs verdicts of its own"
                    ));
                }
            }
        }
        for (id, object) in &self.objects {
            if object["type"] == "verdict" && !used.contains_key(id) {
                return Err(format!("verdict `{id}` belongs to no question"));
            }
            if object["type"] != "task" {
                continue;
            }
            let task = self.index[id];
            for child in self
                .nodes(object)
                .map_err(|problem| format!("node `{id}`: {problem}"))?
            {
                nodes[child].reads.push(task);
            }
        }
        let mut graph = Graph {
            nodes,
            roots: Vec::new(),
        };
        graph.sort_reads();
        graph.roots = self.roots(document, &graph)?;
        Ok(graph)
    }

    fn roots(&self, document: &Object, graph: &Graph) -> Result<Vec<usize>, String> {
        if document.contains_key("roots") {
            let ids = list(document, "roots")?;
            let mut roots = Vec::with_capacity(ids.len());
            for id in ids {
                let at = self
                    .index
                    .get(id)
                    .ok_or_else(|| format!("`roots`: there is no node `{id}` that could be one"))?;
                if roots.contains(at) {
                    return Err(format!("`roots` names `{id}` twice"));
                }
                roots.push(*at);
            }
            roots.sort_unstable();
            return Ok(roots);
        }
        let behind = graph.behind_verdicts();
        let first = |at: &usize| !behind[*at] && graph.nodes[*at].reads.is_empty();
        let (tasks, others): (Vec<usize>, Vec<usize>) = (0..graph.nodes.len())
            .filter(first)
            .partition(|at| graph.nodes[*at].is_task());
        Ok(if others.is_empty() { tasks } else { others })
    }

    fn outcomes(&self, question: &Object, yes_no: bool) -> Result<Vec<Outcome>, String> {
        let mut outcomes: Vec<Outcome> = Vec::new();
        for id in children(question)? {
            let verdict = self
                .objects
                .get(id)
                .ok_or_else(|| format!("there is no node `{id}`"))?;
            if verdict["type"] != "verdict" {
                return Err(format!("its child `{id}` must be a verdict"));
            }
            let label = match (verdict.get("verdict"), yes_no) {
                (Some(Value::Bool(yes)), true) => if *yes { "yes" } else { "no" }.to_string(),
                (Some(Value::String(label)), false) if !label.trim().is_empty() => {
                    label.trim().to_string()
                }
                (other, yes_no) => {
                    let wanted = if yes_no { "true or false" } else { "a text" };
                    let found = other.map_or("missing".to_string(), Value::to_string);
                    return Err(format!(
                        "the `verdict` of `{id}` must be {wanted}, but it is {found}"
                    ));
                }
            };
            if outcomes.iter().any(|outcome| outcome.label == label) {
                return Err(format!("it has the verdict `{label}` twice"));
            }
            let then = self
                .then(verdict)
                .map_err(|problem| format!("verdict `{id}`: {problem}"))?;
            outcomes.push(Outcome { label, then });
        }
        match outcomes.len() {
            0 => Err("it has no verdicts".to_string()),
            1 if yes_no => Err("it needs both a verdict `true` and a verdict `false`".to_string()),
            _ => Ok(outcomes),
        }
    }

    fn then(&self, verdict: &Object) -> Result<Then, String> {
        match (verdict.get("score"), verdict.contains_key("children")) {
            (Some(score), false) => match score.as_f64() {
                Some(value) if (0.0..=1.0).contains(&value) => Ok(Then::Score(value)),
                _ => Err(format!("its score must be from 0 to 1, but it is {score}")),
            },
            (None, true) => {
                let next = self.nodes(verdict)?;
                if next.is_empty() {
                    return Err("its `children` are empty, so it leads nowhere".to_string());
                }
                Ok(Then::Nodes(next))
            }
            (Some(_), true) => {
                Err("it has a score and children; it may have only one of them".to_string())
            }
            (None, false) => Err("it has neither a score nor children".to_string()),
        }
    }

    /// The indexes of the children, none of which may be a verdict.
    fn nodes(&self, object: &Object) -> Result<Vec<usize>, String> {
        let mut found = Vec::new();
        for id in children(object)? {
            let at = *self
                .index
                .get(id)
                .ok_or_else(|| match self.objects.get(id) {
                    Some(_) => {
                        format!("its child `{id}` is a verdict, which belongs to a question")
                    }
                    None => format!("there is no node `{id}`"),
                })?;
            if found.contains(&at) {
                return Err(format!("it has the child `{id}` twice"));
            }
            found.push(at);
        }
        Ok(found)
    }
}

fn kind<'a>(id: &str, node: &'a Object) -> Result<&'a str, String> {
    match node.get("type").and_then(Value::as_str) {
        Some(kind @ ("task" | "yes_no" | "choice" | "verdict" | "metric")) => Ok(kind),
        _ => Err(format!(
            "node `{id}` must have a `type`: `task`, `yes_no`, `choice`, `verdict` or `metric`"
        )),
    }
}

/// The metric of a node, with the bar that the node gives it.
fn leaf(object: &Object, resolve: Resolve<'_>) -> Result<Leaf, String> {
    let name = filled(object, "metric")?;
    let empty = Object::new();
    let options = match object.get("options") {
        None => &empty,
        Some(Value::Object(options)) => options,
        Some(other) => return Err(format!("`options` must be an object, not {other}")),
    };
    let resolved = resolve(&name, options).map_err(|error| format!("metric `{name}`: {error}"))?;
    let node = match resolved {
        Some(node) => node,
        None => builtin::metric(&name, options)
            .map_err(|problem| format!("metric `{name}`: {problem}"))?,
    };
    let Written::Metric(leaf) = node.0 else {
        return Err(format!(
            "metric `{name}` was resolved as something that is no metric"
        ));
    };
    let metric = match object.get("at_least") {
        None => leaf.metric.clone(),
        Some(min) => {
            let min = min.as_f64().filter(|min| (0.0..=1.0).contains(min));
            let min = min.ok_or("`at_least` must be a number from 0 to 1")?;
            Arc::new(super::nodes::Shared(leaf.metric.clone()).at_least(min))
        }
    };
    Ok(Leaf {
        metric,
        written: Some((name, options.clone())),
    })
}

fn known_keys(object: &Object, known: &[&str]) -> Result<(), String> {
    match object.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(format!(
            "`{key}` is not known; it may have `{}`",
            known.join("`, `")
        )),
        None => Ok(()),
    }
}

fn text(object: &Object, key: &str) -> Result<String, String> {
    let text = object.get(key).and_then(Value::as_str);
    Ok(text
        .ok_or_else(|| format!("`{key}` must be a text"))?
        .to_string())
}

fn filled(object: &Object, key: &str) -> Result<String, String> {
    let text = text(object, key)?;
    if text.trim().is_empty() {
        return Err(format!("`{key}` is empty"));
    }
    Ok(text)
}

fn list<'a>(object: &'a Object, key: &str) -> Result<Vec<&'a str>, String> {
    let problem = || format!("`{key}` must be a list of ids");
    let items = object
        .get(key)
        .and_then(Value::as_array)
        .ok_or_else(problem)?;
    items
        .iter()
        .map(|item| item.as_str().ok_or_else(problem))
        .collect()
}

fn children(object: &Object) -> Result<Vec<&str>, String> {
    if object.contains_key("children") {
        list(object, "children")
    } else {
        Ok(Vec::new())
    }
}

fn fields(object: &Object) -> Result<Option<Vec<Field>>, String> {
    let Some(fields) = object.get("fields") else {
        return Ok(None);
    };
    let fields: Vec<Field> = serde_json::from_value(fields.clone())
        .map_err(|error| format!("`fields` must be a list of fields such as `output`: {error}"))?;
    if fields.is_empty() {
        return Err("`fields` is empty; name at least one, or leave it out".to_string());
    }
    Ok(Some(fields))
}

fn turns(object: &Object) -> Result<Option<RangeInclusive<usize>>, String> {
    let Some(turns) = object.get("turns") else {
        return Ok(None);
    };
    let [first, last]: [usize; 2] = serde_json::from_value(turns.clone())
        .map_err(|_| format!("`turns` must be `[first, last]`, two indexes, not {turns}"))?;
    Ok(Some(first..=last))
}
