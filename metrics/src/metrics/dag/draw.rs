//! The graph as text and as a Mermaid flowchart.

use super::graph::{Graph, Kind, Outcome, Then, Vertex};
use super::{Dag, Leaves};
use crate::reason;
use std::fmt::Write;

/// The longest text of a node in a drawing.
const LONGEST: usize = 120;

impl Dag {
    /// The graph as lines of text: tasks first, then the questions with what each answer leads to. A node to which several
    /// answers lead is drawn once and has a number.
    ///
    /// ```
    /// use llmtest_metrics::{Dag, ask};
    ///
    /// let tone = Dag::new("tone", ask("Does it apologise?").no(0.0).yes(
    ///     ask("How?").when("sincere", 1.0).otherwise(0.5),
    /// ));
    /// assert_eq!(tone.to_text(), "\
    /// tone
    /// └─ Does it apologise?
    ///    ├─ no: 0
    ///    └─ yes: How?
    ///       ├─ sincere: 1
    ///       └─ otherwise: 0.5
    /// ");
    /// ```
    pub fn to_text(&self) -> String {
        let graph = &self.graph;
        let mut drawing = Drawing::new(graph);
        let _ = writeln!(drawing.text, "{}{}", line(&self.name), self.rule());
        let mut lines: Vec<Line<'_>> = Vec::new();
        for (at, node) in graph.nodes.iter().enumerate() {
            if let Kind::Task {
                label,
                instructions,
            } = &node.kind
            {
                let text = format!(
                    "task {}: {}{}",
                    line(label),
                    line(instructions),
                    drawing.view(node)
                );
                lines.push((text, at, &[]));
            }
        }
        for at in drawing.starts() {
            lines.push(drawing.node(at));
        }
        drawing.lines(lines, "");
        drawing.text
    }

    /// The graph as a Mermaid flowchart, which GitHub and many editors draw. Texts are escaped and shortened.
    ///
    /// ```
    /// use llmtest_metrics::{Dag, ask};
    ///
    /// let short = Dag::new("short", ask("Is it a \"short\" reply?").yes(1.0).no(0.0));
    /// assert_eq!(short.to_mermaid(), "flowchart TD
    ///     n0{\"Is it a #34;short#34; reply?\"}
    ///     n0_0([\"1\"])
    ///     n0 -->|\"yes\"| n0_0
    ///     n0_1([\"0\"])
    ///     n0 -->|\"no\"| n0_1
    /// ");
    /// ```
    pub fn to_mermaid(&self) -> String {
        let mut text = "flowchart TD\n".to_string();
        let graph = &self.graph;
        for (at, node) in graph.nodes.iter().enumerate() {
            let _ = match &node.kind {
                Kind::Task {
                    label,
                    instructions,
                } => {
                    writeln!(
                        text,
                        "    n{at}[\"{}: {}\"]",
                        escaped(label),
                        escaped(instructions)
                    )
                }
                Kind::Question { text: question, .. } => {
                    writeln!(text, "    n{at}{{\"{}\"}}", escaped(question))
                }
                Kind::Metric(leaf) => writeln!(text, "    n{at}[[\"{}\"]]", escaped(&leaf.name())),
            };
            for task in &node.reads {
                let _ = writeln!(text, "    n{task} --> n{at}");
            }
            for (number, Outcome { label, then }) in node.outcomes().iter().enumerate() {
                let label = escaped(label);
                let _ = match then {
                    Then::Score(score) => writeln!(
                        text,
                        "    n{at}_{number}([\"{score}\"])\n    n{at} -->|\"{label}\"| n{at}_{number}"
                    ),
                    Then::Nodes(next) => next.iter().try_for_each(|child| {
                        writeln!(text, "    n{at} -->|\"{label}\"| n{child}")
                    }),
                };
            }
        }
        text
    }

    /// What is said of the scores, where several leaves may score.
    fn rule(&self) -> &'static str {
        let several =
            |outcome: &Outcome| matches!(&outcome.then, Then::Nodes(next) if next.len() > 1);
        let graph = &self.graph;
        let outcomes = graph.nodes.iter().flat_map(Vertex::outcomes);
        let branches = outcomes.into_iter().any(several) || Drawing::new(graph).starts().len() > 1;
        match self.leaves {
            _ if !branches => "",
            Leaves::Min => " (the lowest score)",
            Leaves::Max => " (the highest score)",
            Leaves::Mean => " (the mean of the scores)",
            Leaves::First => " (the first score)",
        }
    }
}

/// The text of a node, the node, and what follows it.
type Line<'a> = (String, usize, &'a [Outcome]);

struct Drawing<'a> {
    graph: &'a Graph,
    text: String,
    /// How many answers lead to each node.
    parents: Vec<usize>,
    drawn: Vec<bool>,
}

impl<'a> Drawing<'a> {
    fn new(graph: &'a Graph) -> Self {
        let mut parents = vec![0; graph.nodes.len()];
        for outcome in graph.nodes.iter().flat_map(Vertex::outcomes) {
            if let Then::Nodes(next) = &outcome.then {
                for child in next {
                    parents[*child] += 1;
                }
            }
        }
        Self {
            graph,
            text: String::new(),
            parents,
            drawn: vec![false; graph.nodes.len()],
        }
    }

    /// The questions to which no answer leads.
    fn starts(&self) -> Vec<usize> {
        let nodes = &self.graph.nodes;
        let start = |at: &usize| self.parents[*at] == 0 && !nodes[*at].is_task();
        (0..nodes.len()).filter(start).collect()
    }

    /// A node's line; a second time only its number.
    fn node(&mut self, at: usize) -> Line<'a> {
        let node = &self.graph.nodes[at];
        if std::mem::replace(&mut self.drawn[at], true) {
            return (format!("see ({at})"), at, &[]);
        }
        let number = if self.parents[at] > 1 {
            format!("({at}) ")
        } else {
            String::new()
        };
        let text = match &node.kind {
            Kind::Question { text, .. } => line(text),
            Kind::Metric(leaf) => format!("metric {}", line(&leaf.name())),
            Kind::Task { label, .. } => format!("task {}", line(label)),
        };
        (
            format!("{number}{text}{}", self.view(node)),
            at,
            node.outcomes(),
        )
    }

    /// What a node sees, where it says so itself.
    fn view(&self, node: &Vertex) -> String {
        let mut seen: Vec<String> = Vec::new();
        seen.extend(
            node.reads
                .iter()
                .map(|task| line(self.graph.nodes[*task].label())),
        );
        let fields = node.fields.iter().flatten();
        seen.extend(fields.map(|field| field.name().to_string()));
        if let Some(turns) = &node.turns {
            seen.push(format!("turns {} to {}", turns.start(), turns.end()));
        }
        if seen.is_empty() {
            String::new()
        } else {
            format!(" [{}]", seen.join(", "))
        }
    }

    fn lines(&mut self, lines: Vec<Line<'a>>, indent: &str) {
        let last = lines.len().saturating_sub(1);
        for (number, (text, at, outcomes)) in lines.into_iter().enumerate() {
            let (branch, below) = if number == last {
                ("└─", "   ")
            } else {
                ("├─", "│  ")
            };
            let _ = writeln!(self.text, "{indent}{branch} {text}");
            let indent = format!("{indent}{below}");
            let mut answers: Vec<Line<'a>> = Vec::new();
            for Outcome { label, then } in outcomes {
                let label = line(label);
                match then {
                    Then::Score(score) => answers.push((format!("{label}: {score}"), at, &[])),
                    Then::Nodes(next) => answers.extend(next.iter().map(|child| {
                        let (text, at, outcomes) = self.node(*child);
                        (format!("{label}: {text}"), at, outcomes)
                    })),
                }
            }
            self.lines(answers, &indent);
        }
    }
}

/// A text in one line, shortened.
fn line(text: &str) -> String {
    reason::cut(text, LONGEST)
}

/// A text in one line without anything that Mermaid, or the HTML that it makes, reads as its own.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in line(text).chars() {
        match c {
            '"' | '#' | '&' | '<' | '>' | '`' | '|' | '\\' | '%' => {
                let _ = write!(out, "#{};", u32::from(c));
            }
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
