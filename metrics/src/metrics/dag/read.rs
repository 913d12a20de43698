//! Reading graphs out of JSON.

use super::builtin;
use super::graph::{Graph, Kind, Outcome, Then, Vertex};
use super::nodes::{Leaf, Node, Shared, Then as Written};
use super::{Dag, Leaves};
use crate::{Field, Metric, Result};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;
use std::sync::Arc;

type Object = Map<String, Value>;

/// Makes a metric of a name and options.
type Resolve<'a> = &'a dyn Fn(&str, &Object) -> Result<Option<Node>>;

/// The graph of a document whose name is known.
pub(super) fn read(document: &Object, name: String, resolve: Resolve<'_>) -> Result<Dag, String> {
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
                _ => &["type", "metric", "options", "at_least", "label", "judge"],
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
    let mut metric = leaf.metric.clone();
    if let Some(min) = object.get("at_least") {
        let min = min.as_f64().filter(|min| (0.0..=1.0).contains(min));
        let min = min.ok_or("`at_least` must be a number from 0 to 1")?;
        metric = Arc::new(Shared(metric).at_least(min));
    }
    if object.contains_key("judge") {
        let judge = filled(object, "judge")?;
        metric = Arc::new(Shared(metric).judged_by(judge.as_str()));
    }
    if object.contains_key("label") {
        metric = Arc::new(Shared(metric).named(filled(object, "label")?));
    }
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

/// The text of this key.
pub(super) fn text(object: &Object, key: &str) -> Result<String, String> {
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
