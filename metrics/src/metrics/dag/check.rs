//! What is wrong with a graph, before anything is measured with it.

use super::graph::{Graph, Kind, Then};
use crate::Field;
use std::collections::HashSet;

/// How many states of a graph are looked at for a path without a score; trees and usual graphs need a few dozen.
const MOST_STATES: usize = 50_000;

/// The most nodes of a graph; what reads it goes as deep as the graph does.
const MOST_NODES: usize = 1_000;

impl Graph {
    /// The first thing that is wrong, with the node's name.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.nodes.len() > MOST_NODES {
            return Err(format!(
                "it has {} nodes, and may have {MOST_NODES}; make two of it",
                self.nodes.len()
            ));
        }
        self.check_views()?;
        self.check_circles()?;
        self.check_roots()?;
        self.check_reachable()?;
        self.check_endings()
    }

    fn check_views(&self) -> Result<(), String> {
        for node in &self.nodes {
            let title = &node.title;
            if let Kind::Metric(leaf) = &node.kind {
                leaf.check()?;
                if !node.reads.is_empty() {
                    return Err(format!(
                        "a task leads to {title}, but a metric sees the case and not what a task wrote; ask a question about that"
                    ));
                }
            }
            if let Some(turns) = &node.turns {
                if turns.is_empty() {
                    return Err(format!(
                        "{title} sees the turns {} to {}, which are none; the first index comes first",
                        turns.start(),
                        turns.end()
                    ));
                }
                let given = node.fields.as_ref();
                if given.is_some_and(|given| !given.contains(&Field::Turns)) {
                    return Err(format!(
                        "{title} is to see some turns, but is not given the conversation; add `Field::Turns`"
                    ));
                }
            }
            let twice = node.reads.windows(2).find(|pair| {
                let [one, two] = [pair[0], pair[1]].map(|at| self.nodes[at].label());
                one == two
            });
            if let Some(pair) = twice {
                return Err(format!(
                    "{title} reads two tasks with the label `{}`; the judge could not tell them apart",
                    self.nodes[pair[0]].label()
                ));
            }
        }
        Ok(())
    }

    fn check_circles(&self) -> Result<(), String> {
        let mut finished = vec![false; self.nodes.len()];
        for at in 0..self.nodes.len() {
            self.walk(at, &mut Vec::new(), &mut finished)?;
        }
        Ok(())
    }

    fn walk(&self, at: usize, path: &mut Vec<usize>, finished: &mut [bool]) -> Result<(), String> {
        if finished[at] {
            return Ok(());
        }
        if let Some(start) = path.iter().position(|known| *known == at) {
            let titles = path[start..].iter().chain([&at]);
            let titles: Vec<&str> = titles.map(|at| self.nodes[*at].title.as_str()).collect();
            return Err(format!("it goes round in a circle: {}", titles.join(" → ")));
        }
        path.push(at);
        for child in self.children(at) {
            self.walk(child, path, finished)?;
        }
        path.pop();
        finished[at] = true;
        Ok(())
    }

    fn check_roots(&self) -> Result<(), String> {
        if self.roots.is_empty() {
            return Err(
                "nothing starts it; name a node that no other leads to as a root".to_string(),
            );
        }
        let behind = self.behind_verdicts();
        for at in &self.roots {
            let node = &self.nodes[*at];
            let title = &node.title;
            if behind[*at] || !node.reads.is_empty() {
                return Err(format!(
                    "{title} is a root, but another node leads to it; a root comes first"
                ));
            }
            if matches!(node.kind, Kind::Metric(_)) {
                return Err(format!(
                    "it starts with {title}; a graph starts with a question or a task, and a metric needs no graph"
                ));
            }
            if !node.is_task() && self.roots.len() > 1 {
                let other = self.roots.iter().find(|other| *other != at);
                let other = other.map(|other| self.nodes[*other].title.as_str());
                return Err(format!(
                    "{title} is a root beside {}; a question that reads no task must be the only root, since what has nothing to do with each other are metrics of their own",
                    other.unwrap_or_default()
                ));
            }
        }
        Ok(())
    }

    fn check_reachable(&self) -> Result<(), String> {
        let on_demand = self.on_demand();
        let mut seen = vec![false; self.nodes.len()];
        let mut ahead = self.roots.clone();
        while let Some(at) = ahead.pop() {
            if !std::mem::replace(&mut seen[at], true) {
                ahead.extend(self.children(at));
            }
        }
        for (at, node) in self.nodes.iter().enumerate() {
            let title = &node.title;
            if node.is_task() && self.children(at).is_empty() {
                return Err(format!(
                    "nothing reads {title}; let a question read it, or leave it out"
                ));
            }
            if !seen[at] && !on_demand[at] {
                return Err(format!("{title} is never reached from a root"));
            }
        }
        Ok(())
    }

    /// Looks for answers after which nothing has scored: the only way is a node that waits for a task on a path that was
    /// not taken. Follows one question at a time, and only where its answers do not score, so that in a tree it sees every
    /// node once.
    fn check_endings(&self) -> Result<(), String> {
        let mut search = Search {
            graph: self,
            rules: Reach::new(self),
            parents: self.parents(),
            depths: self.depths(),
            seen: HashSet::new(),
            answers: Vec::new(),
        };
        let none = vec![false; self.nodes.len()];
        search.run(&none, &none)
    }

    /// The length of the longest way to each node, in nodes.
    fn depths(&self) -> Vec<usize> {
        let mut depths = vec![0; self.nodes.len()];
        loop {
            let before = depths.clone();
            for at in 0..self.nodes.len() {
                for child in self.children(at) {
                    depths[child] = depths[child].max(depths[at] + 1);
                }
            }
            if depths == before {
                return depths;
            }
        }
    }

    /// How many questions lead to each node.
    fn parents(&self) -> Vec<usize> {
        let mut parents = vec![0; self.nodes.len()];
        for at in (0..self.nodes.len()).filter(|at| !self.nodes[*at].is_task()) {
            self.children(at)
                .into_iter()
                .for_each(|child| parents[child] += 1);
        }
        parents
    }
}

/// Which nodes are reached; see [`Graph`].
pub(super) struct Reach {
    behind: Vec<bool>,
    on_demand: Vec<bool>,
}

impl Reach {
    pub(super) fn new(graph: &Graph) -> Self {
        Self {
            behind: graph.behind_verdicts(),
            on_demand: graph.on_demand(),
        }
    }

    /// The nodes that are reached after verdicts that lead to `fired`.
    pub(super) fn reached(&self, graph: &Graph, fired: &[bool]) -> Vec<bool> {
        let mut reached = vec![false; graph.nodes.len()];
        graph.roots.iter().for_each(|root| reached[*root] = true);
        loop {
            let before = reached.clone();
            for (at, node) in graph.nodes.iter().enumerate() {
                let at_hand = |task: &usize| before[*task] || self.on_demand[*task];
                let led_to = if self.behind[at] {
                    fired[at]
                } else {
                    node.reads.iter().any(|task| before[*task])
                };
                reached[at] |= led_to && node.reads.iter().all(at_hand);
            }
            if reached == before {
                return reached;
            }
        }
    }
}

struct Search<'a> {
    graph: &'a Graph,
    rules: Reach,
    parents: Vec<usize>,
    depths: Vec<usize>,
    seen: HashSet<Vec<u8>>,
    answers: Vec<String>,
}

impl Search<'_> {
    fn run(&mut self, fired: &[bool], answered: &[bool]) -> Result<(), String> {
        let graph = self.graph;
        let reached = self.rules.reached(graph, fired);
        let scored = |at: usize| reached[at] && matches!(graph.nodes[at].kind, Kind::Metric(_));
        if (0..graph.nodes.len()).any(scored)
            || !self.seen.insert(self.state(fired, answered, &reached))
        {
            return Ok(());
        }
        if self.seen.len() > MOST_STATES {
            return Err(format!(
                "more than {MOST_STATES} ways to answer it had to be looked at for one that ends without a score; make two of it"
            ));
        }
        let open =
            |at: &usize| reached[*at] && !answered[*at] && !graph.nodes[*at].outcomes().is_empty();
        // The deepest one, so that one line of questions is followed to its end before the next.
        let deepest = (0..graph.nodes.len())
            .filter(open)
            .max_by_key(|at| self.depths[*at]);
        let Some(at) = deepest else {
            return Err(self.dead_end(fired, &reached));
        };
        let node = &graph.nodes[at];
        let mut answered = answered.to_vec();
        answered[at] = true;
        for outcome in node.outcomes() {
            let Then::Nodes(next) = &outcome.then else {
                continue;
            };
            let mut fired = fired.to_vec();
            for child in next {
                fired[*child] = true;
            }
            self.answers
                .push(format!("{}: `{}`", node.title, outcome.label));
            self.run(&fired, &answered)?;
            self.answers.pop();
        }
        Ok(())
    }

    /// What the rest of the way depends on.
    fn state(&self, fired: &[bool], answered: &[bool], reached: &[bool]) -> Vec<u8> {
        let nodes = &self.graph.nodes;
        let state = |at: usize| {
            let waited_for = || self.graph.children(at).iter().any(|child| !reached[*child]);
            let node = &nodes[at];
            if node.is_task() {
                u8::from(reached[at] && waited_for()) + 2 * u8::from(fired[at] && !reached[at])
            } else if answered[at] {
                // Something else may lead to it once more.
                u8::from(self.parents[at] > 1 || !node.reads.is_empty()) * 4
            } else {
                u8::from(reached[at]) + 2 * u8::from(fired[at])
            }
        };
        (0..nodes.len()).map(state).collect()
    }

    fn dead_end(&self, fired: &[bool], reached: &[bool]) -> String {
        let nodes = &self.graph.nodes;
        let waits = |at: &usize| {
            let led_to = fired[*at] || nodes[*at].reads.iter().any(|task| reached[*task]);
            led_to && !reached[*at]
        };
        let waiting = (0..nodes.len()).find(waits).map(|at| {
            let lacks = nodes[at].reads.iter().find(|task| !reached[**task]);
            match lacks {
                Some(task) => format!("; {} waits for {}", nodes[at].title, nodes[*task].title),
                None => format!("; {} waits for an answer that leads to it", nodes[at].title),
            }
        });
        format!(
            "it can end without a score: after {}{}",
            self.answers.join(", "),
            waiting.unwrap_or_default()
        )
    }
}
