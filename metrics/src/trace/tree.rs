//! The span tree as lines of text.

use super::{Trace, Usage};
use crate::reason::cut;
use crate::trace_tree;
use std::collections::hash_map::DefaultHasher;
use std::fmt;
use std::hash::{Hash, Hasher};

/// How many lines a tree has at most, unless told otherwise.
const MOST: usize = 40;
/// From how many equal calls in a row on they are one line.
const REPEATS: usize = 3;
/// The deepest indentation.
const DEEPEST: usize = 12;

/// The outline of a trace: a line for each call under the call that made it, with kind, duration, model,
/// tokens, cost, error.
///
/// Three and more equal calls in a row are one line (`search (tool) × 37`), and a long tree is cut with a note; calls that
/// are marked, have a note or failed are always told apart, and are the last to be left out. It holds no arguments and no
/// results. Names and errors are the application's words: a terminal should not obey them.
///
/// ```
/// use llmtest_metrics::{Span, Trace};
///
/// let mut spans = vec![Span::new("agent", "agent"); 5];
/// for (at, span) in spans.iter_mut().enumerate().skip(1) {
///     *span = Span::new("search", "tool");
///     (span.parent, span.duration) = (Some(0), 0.25 * at as f64);
/// }
/// let trace = Trace { spans };
/// assert_eq!(trace.tree().to_string(), "agent (agent)\n  search (tool) × 4  2.50 s in all");
/// assert_eq!(
///     trace.tree().marking([1]).to_string(),
///     "  agent (agent)\n>   search (tool)  250 ms\n    search (tool) × 3  2.25 s in all"
/// );
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Tree {
    nodes: Vec<Node>,
    most: usize,
}

#[derive(Debug, Clone, PartialEq)]
struct Node {
    caller: Option<usize>,
    name: String,
    duration: f64,
    facts: Vec<String>,
    error: Option<String>,
    marked: bool,
    notes: Vec<String>,
}

/// One line of a [`Tree`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TreeLine {
    /// The indexes of the calls that the line stands for; none for a note that lines were left out.
    pub spans: Vec<usize>,
    /// How deep it stands, from zero.
    pub depth: usize,
    /// The line without indentation: `search (tool) × 37  1.20 s in all`.
    pub text: String,
    /// Whether the span is marked.
    pub marked: bool,
    /// What was noted of the span.
    pub notes: Vec<String>,
}

impl Trace {
    /// The outline of the calls.
    pub fn tree(&self) -> Tree {
        let node = |at: usize| {
            let span = &self.spans[at];
            let tokens = |usage: Usage| format!("{} tokens", usage.total());
            let facts = [
                span.model.as_deref().map(|model| cut(model, 60)),
                span.usage.map(tokens),
                span.cost.map(|cost| format!("${cost:.4}")),
                span.time_to_first
                    .map(|after| format!("first item after {}", took(after))),
                span.replayed.then(|| "replayed".to_string()),
                span.substituted.then(|| "substituted".to_string()),
            ];
            let (name, kind) = (cut(&span.name, 80), cut(span.kind.as_str(), 40));
            Node {
                caller: self.caller(at),
                name: format!("{name} ({kind})"),
                duration: span.duration,
                facts: facts.into_iter().flatten().collect(),
                error: span.error.as_deref().map(|error| cut(error, 200)),
                marked: false,
                notes: Vec::new(),
            }
        };
        Tree {
            nodes: (0..self.spans.len()).map(node).collect(),
            most: MOST,
        }
    }
}

impl Tree {
    /// Marks the spans of these indexes.
    pub fn marking(mut self, spans: impl IntoIterator<Item = usize>) -> Self {
        for at in spans {
            if let Some(node) = self.nodes.get_mut(at) {
                node.marked = true;
            }
        }
        self
    }

    /// Notes something of the span of this index.
    pub fn noting(mut self, span: usize, note: impl Into<String>) -> Self {
        if let Some(node) = self.nodes.get_mut(span) {
            node.notes.push(note.into());
        }
        self
    }

    /// Sets how many lines there are at most; 40 unless told otherwise, and at least 3.
    pub fn at_most(mut self, lines: usize) -> Self {
        self.most = lines.max(3);
        self
    }

    /// Whether there is no call.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The lines, from above.
    pub fn lines(&self) -> Vec<TreeLine> {
        let below = trace_tree::below(self.nodes.iter().map(|node| node.caller));
        let (looks, plain) = self.looks(&below.calls);
        let mut lines = Vec::new();
        let mut parents: Vec<Option<usize>> = Vec::new();
        // Groups of equal calls that are still to be shown, the next one last.
        let mut open: Vec<(Vec<usize>, usize, Option<usize>)> = Vec::new();
        let push = |open: &mut Vec<_>, calls: &[usize], depth: usize, parent: Option<usize>| {
            let mut groups: Vec<Vec<usize>> = Vec::new();
            for run in calls.chunk_by(|a, b| plain[*a] && plain[*b] && looks[*a] == looks[*b]) {
                if run.len() >= REPEATS {
                    groups.push(run.to_vec());
                } else {
                    groups.extend(run.iter().map(|at| vec![*at]));
                }
            }
            let groups = groups.into_iter().rev();
            open.extend(groups.map(|group| (group, depth, parent)));
        };
        push(&mut open, &below.roots, 0, None);
        while let Some((group, depth, parent)) = open.pop() {
            let line = lines.len();
            lines.push(self.line(&group, depth));
            parents.push(parent);
            push(&mut open, &below.calls[group[0]], depth + 1, Some(line));
        }
        shortened(lines, &parents, self.most)
    }

    /// What tells subtrees apart, and whether nothing in one is marked, noted or failed.
    fn looks(&self, below: &[Vec<usize>]) -> (Vec<u64>, Vec<bool>) {
        let mut looks = vec![0; self.nodes.len()];
        let mut plain = vec![true; self.nodes.len()];
        // Callers begin before what they call.
        for (at, node) in self.nodes.iter().enumerate().rev() {
            let mut hasher = DefaultHasher::new();
            node.name.hash(&mut hasher);
            for call in &below[at] {
                looks[*call].hash(&mut hasher);
                plain[at] &= plain[*call];
            }
            looks[at] = hasher.finish();
            plain[at] &= !node.marked && node.notes.is_empty() && node.error.is_none();
        }
        (looks, plain)
    }

    fn line(&self, group: &[usize], depth: usize) -> TreeLine {
        let node = &self.nodes[group[0]];
        let seconds: f64 = group.iter().map(|at| self.nodes[*at].duration).sum();
        let mut text = node.name.clone();
        let mut facts = Vec::new();
        if group.len() > 1 {
            text = format!("{text} × {}", group.len());
        }
        if seconds >= 0.001 {
            let all = if group.len() > 1 { " in all" } else { "" };
            facts.push(took(seconds) + all);
        }
        if group.len() == 1 {
            facts.extend(node.facts.iter().cloned());
            facts.extend(node.error.iter().map(|error| format!("! {error}")));
        } else {
            let shared = node.facts.iter().filter(|fact| {
                let has = |at: &usize| self.nodes[*at].facts.contains(fact);
                group.iter().all(has)
            });
            facts.extend(shared.cloned());
        }
        if !facts.is_empty() {
            text = format!("{text}  {}", facts.join(" · "));
        }
        TreeLine {
            spans: group.to_vec(),
            depth,
            text,
            marked: node.marked,
            notes: node.notes.clone(),
        }
    }
}

/// `250 ms` or `1.20 s`; lines say nothing of what took less than a millisecond.
pub(super) fn took(seconds: f64) -> String {
    match seconds {
        s if s >= 1.0 => format!("{s:.2} s"),
        s if s >= 0.001 => format!("{:.0} ms", s * 1000.0),
        _ => "under 1 ms".to_string(),
    }
}

/// Leaves out lines until at most `most` remain, notes of what was left out included. What is told of spans stays
/// longest, with the calls around it.
fn shortened(lines: Vec<TreeLine>, parents: &[Option<usize>], most: usize) -> Vec<TreeLine> {
    if lines.len() <= most {
        return lines;
    }
    let mut kept = vec![false; lines.len()];
    let (mut shown, mut gaps) = (0, 1);
    let mut keep = |at: usize| {
        if kept[at] {
            return;
        }
        let gone = |other: Option<usize>| {
            other.is_some_and(|other| kept.get(other).is_some_and(|kept| !kept))
        };
        // A line inside of a gap splits it, one that closes a gap ends it.
        let after = match (gone(at.checked_sub(1)), gone(Some(at + 1))) {
            (true, true) => gaps + 1,
            (false, false) => gaps - 1,
            _ => gaps,
        };
        if shown + 1 + after <= most {
            (shown, gaps) = (shown + 1, after);
            kept[at] = true;
        }
    };
    keep(0);
    for told in [true, false] {
        for (at, line) in lines.iter().enumerate() {
            let matters = line.marked || !line.notes.is_empty() || line.text.contains(" ! ");
            if told && !matters {
                continue;
            }
            let mut above = vec![at];
            while let Some(parent) = parents[*above.last().unwrap_or(&at)].filter(|_| told) {
                above.push(parent);
            }
            above.into_iter().rev().for_each(&mut keep);
        }
    }
    let mut short = Vec::with_capacity(most);
    let mut left_out = 0;
    for (line, kept) in lines.into_iter().zip(kept) {
        if kept {
            short.extend(gap(left_out));
            left_out = 0;
            short.push(line);
        } else {
            left_out += line.spans.len();
        }
    }
    short.extend(gap(left_out));
    short
}

fn gap(left_out: usize) -> Option<TreeLine> {
    let noun = if left_out == 1 { "call" } else { "calls" };
    (left_out > 0).then(|| TreeLine {
        spans: Vec::new(),
        depth: 0,
        text: format!("… {left_out} more {noun}"),
        marked: false,
        notes: Vec::new(),
    })
}

impl TreeLine {
    /// The spaces before the line.
    pub fn indent(&self) -> String {
        "  ".repeat(self.depth.min(DEEPEST))
    }
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let marks = self.nodes.iter().any(|node| node.marked);
        for (at, line) in self.lines().iter().enumerate() {
            let mark = match (marks, line.marked) {
                (false, _) => "",
                (true, true) => "> ",
                (true, false) => "  ",
            };
            let end = if at == 0 { "" } else { "\n" };
            write!(f, "{end}{mark}{}{}", line.indent(), line.text)?;
            for note in &line.notes {
                write!(f, "   {note}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Span;

    fn span(name: &str, kind: &str, parent: Option<usize>) -> Span {
        Span {
            parent,
            ..Span::new(name, kind)
        }
    }

    #[test]
    fn a_line_says_what_is_known_of_the_call() {
        let mut llm = span("ask\nme", "llm", None);
        (llm.duration, llm.replayed, llm.substituted) = (1.5, true, true);
        (llm.cost, llm.time_to_first) = (Some(0.0123), Some(0.25));
        llm.model = Some("small".to_string());
        llm.usage = Some(Usage {
            prompt_tokens: 500,
            completion_tokens: 12,
            ..Usage::default()
        });
        llm.error = Some("the model\nrefused".to_string());
        let trace = Trace { spans: vec![llm] };
        assert_eq!(
            trace.tree().noting(0, "wrong").to_string(),
            "ask me (llm)  1.50 s · small · 512 tokens · $0.0123 · first item after 250 ms · replayed · substituted · ! the model refused   wrong"
        );
        assert_eq!(Trace::default().tree().to_string(), "");
    }

    #[test]
    fn equal_steps_of_a_loop_are_one_with_what_they_call() {
        let mut spans = vec![span("agent", "agent", None)];
        for at in 0..5 {
            spans.push(span("step", "agent", Some(0)));
            spans.push(span("search", "tool", Some(1 + 2 * at)));
        }
        let trace = Trace { spans };
        assert_eq!(
            trace.tree().to_string(),
            "agent (agent)\n  step (agent) × 5\n    search (tool)"
        );
        // The search of the second step is marked: its step is no longer like the others.
        assert_eq!(
            trace.tree().marking([4]).to_string(),
            "  agent (agent)\n    step (agent)\n      search (tool)\n    step (agent)\n>     search (tool)\n    step (agent) × 3\n      search (tool)"
        );
    }

    #[test]
    fn a_long_tree_is_cut_and_keeps_what_matters_with_its_callers() {
        let mut spans = Vec::new();
        for at in 0..500 {
            spans.push(span(&format!("group{at}"), "agent", None));
            spans.push(span("call", "tool", Some(2 * at)));
        }
        let trace = Trace { spans };
        let lines = trace.tree().marking([601]).lines();
        assert_eq!(lines.len(), 40);
        let texts: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(
            texts[36..],
            [
                "… 564 more calls",
                "group300 (agent)",
                "call (tool)",
                "… 398 more calls"
            ]
        );
        let calls: usize = lines.iter().map(|line| line.spans.len()).sum();
        assert_eq!(calls, 1000 - 564 - 398);
        // More that matters than there is room for.
        let all = trace.tree().marking(0..1000).at_most(10).lines();
        assert_eq!(all.len(), 10);
        assert_eq!(all[9].text, "… 991 more calls");
    }
}
