//! The graph itself: what both the values of `nodes.rs` and JSON become.

use super::nodes::{Kind as Answers, Leaf, Node, Question, Task, Then as Written, View};
use crate::Field;
use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// Nodes in the order of their ids, and those where it starts.
///
/// A node is *reached* when it is a root; when a verdict leads to it and all tasks that it reads are at hand; or, where no
/// verdict leads to it, when all are at hand and one of them is reached. A task is at hand when it is reached, or when
/// nothing leads to it and it is no root: then it runs only for a node that reads it.
#[derive(Debug, Clone)]
pub(super) struct Graph {
    pub(super) nodes: Vec<Vertex>,
    pub(super) roots: Vec<usize>,
}

#[derive(Debug, Clone)]
pub(super) struct Vertex {
    pub(super) id: String,
    /// What messages call it.
    pub(super) title: String,
    /// The tasks that it reads, by label.
    pub(super) reads: Vec<usize>,
    pub(super) fields: Option<Vec<Field>>,
    pub(super) turns: Option<RangeInclusive<usize>>,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    Task {
        label: String,
        instructions: String,
    },
    Question {
        text: String,
        yes_no: bool,
        outcomes: Vec<Outcome>,
    },
    Metric(Arc<Leaf>),
}

#[derive(Debug, Clone)]
pub(super) struct Outcome {
    pub(super) label: String,
    pub(super) then: Then,
}

#[derive(Debug, Clone)]
pub(super) enum Then {
    Score(f64),
    Nodes(Vec<usize>),
}

impl Vertex {
    pub(super) fn outcomes(&self) -> &[Outcome] {
        match &self.kind {
            Kind::Question { outcomes, .. } => outcomes,
            _ => &[],
        }
    }

    pub(super) fn is_task(&self) -> bool {
        matches!(self.kind, Kind::Task { .. })
    }

    pub(super) fn label(&self) -> &str {
        match &self.kind {
            Kind::Task { label, .. } => label,
            _ => "",
        }
    }
}

impl Graph {
    /// The graph that starts with this node.
    pub(super) fn of(start: &Node) -> Result<Self, String> {
        let mut builder = Builder::default();
        let start = match builder.then(start, "the start")? {
            Then::Nodes(start) => start,
            Then::Score(score) => {
                return Err(format!(
                    "it starts with the score {score}; start with a question, `ask(…)`"
                ));
            }
        };
        builder.finish(start)
    }

    /// The nodes to which an answer of this node leads, or that read it.
    pub(super) fn children(&self, at: usize) -> Vec<usize> {
        let node = &self.nodes[at];
        if node.is_task() {
            let reads_it = |child: &usize| self.nodes[*child].reads.contains(&at);
            return (0..self.nodes.len()).filter(reads_it).collect();
        }
        let mut children: Vec<usize> = Vec::new();
        for outcome in node.outcomes() {
            if let Then::Nodes(next) = &outcome.then {
                children.extend(next);
            }
        }
        children.sort_unstable();
        children.dedup();
        children
    }

    /// Whether a verdict leads to each node.
    pub(super) fn behind_verdicts(&self) -> Vec<bool> {
        let mut behind = vec![false; self.nodes.len()];
        for outcome in self.nodes.iter().flat_map(Vertex::outcomes) {
            if let Then::Nodes(next) = &outcome.then {
                for child in next {
                    behind[*child] = true;
                }
            }
        }
        behind
    }

    /// The tasks to which nothing leads and that are no roots.
    pub(super) fn on_demand(&self) -> Vec<bool> {
        let behind = self.behind_verdicts();
        let mut on_demand = vec![false; self.nodes.len()];
        // A task may read one with a later id, so it takes as many rounds as the longest chain.
        while let Some(at) = (0..self.nodes.len()).find(|at| {
            let node = &self.nodes[*at];
            let free = node.is_task() && !behind[*at] && !self.roots.contains(at);
            free && !on_demand[*at] && node.reads.iter().all(|task| on_demand[*task])
        }) {
            on_demand[at] = true;
        }
        on_demand
    }
}

/// Makes a graph out of values; values that share their data are one node.
#[derive(Default)]
struct Builder {
    nodes: Vec<Vertex>,
    known: HashMap<*const (), usize>,
}

impl Builder {
    fn then(&mut self, node: &Node, place: &str) -> Result<Then, String> {
        Ok(match &node.0 {
            Written::Score(score) => Then::Score(*score),
            Written::Ask(question) => Then::Nodes(vec![self.question(question)?]),
            Written::Metric(leaf) => Then::Nodes(vec![self.metric(leaf)]),
            Written::Several(nodes) => {
                let mut all: Vec<usize> = Vec::new();
                for node in nodes {
                    match self.then(node, place)? {
                        Then::Nodes(nodes) => {
                            for node in nodes {
                                if !all.contains(&node) {
                                    all.push(node);
                                }
                            }
                        }
                        Then::Score(score) => {
                            return Err(format!(
                                "{place} leads to a list with the score {score}; it leads to one score, or to several questions and metrics"
                            ));
                        }
                    }
                }
                if all.is_empty() {
                    return Err(format!("{place} leads to an empty list"));
                }
                Then::Nodes(all)
            }
        })
    }

    fn question(&mut self, question: &Question) -> Result<usize, String> {
        let key = Arc::as_ptr(&question.0).cast();
        if let Some(known) = self.known.get(&key) {
            return Ok(*known);
        }
        let data = &question.0;
        let title = format!("question `{}`", data.text);
        let yes_no = data
            .outcomes
            .first()
            .is_some_and(|outcome| outcome.kind == Answers::YesNo);
        if data.outcomes.len() < 2 {
            return Err(if yes_no {
                format!("{title} needs both `.yes(…)` and `.no(…)`")
            } else {
                format!("{title} needs at least two outcomes; add `.when(…)` or `.otherwise(…)`")
            });
        }
        let kind = Kind::Question {
            text: data.text.clone(),
            yes_no,
            outcomes: Vec::new(),
        };
        let at = self.add(key, title.clone(), &data.view, kind);
        let mut made = Vec::with_capacity(data.outcomes.len());
        for outcome in &data.outcomes {
            let label = outcome.label.clone();
            let then = self.then(&outcome.then, &format!("{title}, answer `{label}`,"))?;
            made.push(Outcome { label, then });
        }
        if let Kind::Question { outcomes, .. } = &mut self.nodes[at].kind {
            *outcomes = made;
        }
        Ok(at)
    }

    fn metric(&mut self, leaf: &Arc<Leaf>) -> usize {
        let key = Arc::as_ptr(leaf).cast();
        if let Some(known) = self.known.get(&key) {
            return *known;
        }
        let title = format!("metric `{}`", leaf.name());
        self.add(key, title, &View::default(), Kind::Metric(leaf.clone()))
    }

    fn task(&mut self, task: &Task) -> usize {
        let key = Arc::as_ptr(&task.0).cast();
        if let Some(known) = self.known.get(&key) {
            return *known;
        }
        let data = &task.0;
        let kind = Kind::Task {
            label: data.label.clone(),
            instructions: data.instructions.clone(),
        };
        self.add(key, format!("task `{}`", data.label), &data.view, kind)
    }

    fn add(&mut self, key: *const (), title: String, view: &View, kind: Kind) -> usize {
        let at = self.nodes.len();
        self.known.insert(key, at);
        self.nodes.push(Vertex {
            id: String::new(),
            title,
            reads: Vec::new(),
            fields: view.fields.clone(),
            turns: view.turns.clone(),
            kind,
        });
        let mut reads: Vec<usize> = Vec::new();
        for task in &view.reads {
            let task = self.task(task);
            if !reads.contains(&task) {
                reads.push(task);
            }
        }
        self.nodes[at].reads = reads;
        at
    }

    /// Gives ids in the order of the source, and finds the roots: the starts themselves, or the tasks that they read.
    fn finish(self, start: Vec<usize>) -> Result<Graph, String> {
        let mut nodes = self.nodes;
        let width = nodes.len().to_string().len();
        for (node, number) in nodes.iter_mut().zip(1..) {
            let letter = match node.kind {
                Kind::Task { .. } => 't',
                Kind::Question { .. } => 'q',
                Kind::Metric(_) => 'm',
            };
            // The number comes first in the order of ids, so that it is the order of the source.
            node.id = format!("n{number:0width$}{letter}");
        }
        let mut roots = Vec::new();
        let mut seen = vec![false; nodes.len()];
        let mut ahead = start.clone();
        while let Some(at) = ahead.pop() {
            if std::mem::replace(&mut seen[at], true) {
                continue;
            }
            if nodes[at].reads.is_empty() {
                roots.push(at);
            }
            ahead.extend(&nodes[at].reads);
        }
        roots.sort_unstable();
        let mut graph = Graph { nodes, roots };
        graph.sort_reads();
        let behind = graph.behind_verdicts();
        match start.iter().find(|at| behind[**at]) {
            Some(at) => Err(format!(
                "{} is a start, and an answer leads to it as well; it can be only one of them",
                graph.nodes[*at].title
            )),
            None => Ok(graph),
        }
    }
}

impl Graph {
    /// What a node reads is shown in the order of the labels, so that it does not depend on where tasks are defined.
    pub(super) fn sort_reads(&mut self) {
        let labels: Vec<String> = self
            .nodes
            .iter()
            .map(|node| node.label().to_string())
            .collect();
        for node in &mut self.nodes {
            node.reads
                .sort_by(|one, two| labels[*one].cmp(&labels[*two]));
        }
    }
}
