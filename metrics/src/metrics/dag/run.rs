//! How a graph is measured: in rounds, each of which asks at once what can be asked by then.

use super::check::Reach;
use super::graph::{Graph, Kind, Then};
use super::nodes::{Leaf, OTHERWISE};
use super::{Dag, Leaves, fields_of};
use crate::choice::choose;
use crate::{
    BoxFuture, EvalCx, Field, NotApplicable, Result, Score, TestCase, join, reason, verdicts,
};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

/// Measures the graph.
pub(super) async fn run(dag: &Dag, cx: &EvalCx<'_>) -> Result<Score> {
    let views = dag.views(cx)?;
    let mut progress = Progress::new(&dag.graph);
    loop {
        progress.reach();
        let batch = progress.batch();
        if batch.is_empty() {
            break;
        }
        let asked = batch.iter().map(|at| {
            Box::pin(dag.visit(cx, *at, progress.shown(*at, &views))) as BoxFuture<'_, _>
        });
        let visits = join::all(asked.collect()).await?;
        for (at, visit) in batch.into_iter().zip(visits) {
            progress.apply(at, visit);
        }
    }
    progress.score(dag.leaves)
}

/// What the judge sees at a node: titles and texts.
type Shown = Vec<(String, String)>;

/// What came of a node.
enum Visit {
    Output(String),
    Answer { outcome: usize, reason: String },
    Measured(Score),
    DoesNotApply(String),
}

impl Dag {
    /// The fields of every node, so that a missing one is found before the first call.
    fn views(&self, cx: &EvalCx<'_>) -> Result<Vec<Shown>> {
        (0..self.graph.nodes.len())
            .map(|at| self.view(cx, at))
            .collect()
    }

    fn view(&self, cx: &EvalCx<'_>, at: usize) -> Result<Shown> {
        let node = &self.graph.nodes[at];
        let fields: &[Field] = match (&node.fields, &node.kind) {
            (_, Kind::Metric(_)) => &[],
            (Some(fields), _) => fields,
            (None, _) if node.turns.is_some() => &[Field::Turns],
            (None, _) if !node.reads.is_empty() => &[],
            (None, _) => &self.fields,
        };
        let mut shown = fields_of(cx, self, fields)?;
        if let (Some(turns), Some(place)) = (
            &node.turns,
            fields.iter().position(|field| *field == Field::Turns),
        ) {
            shown[place] = self.window(cx, &node.title, turns)?;
        }
        Ok(shown)
    }

    /// Some turns of the conversation.
    fn window(
        &self,
        cx: &EvalCx<'_>,
        node: &str,
        turns: &RangeInclusive<usize>,
    ) -> Result<(String, String)> {
        let all = &cx.case.turns;
        let (first, last, count) = (*turns.start(), *turns.end(), all.len());
        let seen = all.get(turns.clone()).ok_or_else(|| {
            format!(
                "`{}`: {node} sees the turns {first} to {last}, counted from 0, but the conversation has {count}\n\
                 hint: give another range, or none to show the whole conversation",
                self.name,
            )
        })?;
        let seen = TestCase::default().turns(seen.iter().cloned());
        let title = format!(
            "{} (turns {} to {} of {count})",
            Field::Turns.title(),
            first + 1,
            last + 1
        );
        Ok((title, seen.field(Field::Turns).unwrap_or_default()))
    }

    async fn visit(&self, cx: &EvalCx<'_>, at: usize, shown: Shown) -> Result<Visit> {
        match &self.graph.nodes[at].kind {
            Kind::Task { instructions, .. } => {
                // What is written may be all that is shown, such as a copy or a translation.
                let length = shown.iter().map(|(_, text)| text.len()).sum();
                let prompt = self
                    .options
                    .template("task_output")
                    .max_tokens(verdicts::tokens_for(length).max(1024))
                    .fenced_list("case", shown)
                    .text("task", instructions)
                    .schema(json!({
                        "type": "object",
                        "properties": {"output": {"type": "string"}},
                        "required": ["output"],
                        "additionalProperties": false,
                    }))
                    .prompt()?;
                let check = |reply: &Value| written(&reply["output"]).map(|_| ());
                let reply = cx.ask_checked::<Value>(prompt, check).await?.value;
                Ok(Visit::Output(written(&reply["output"])?))
            }
            Kind::Question { text, outcomes, .. } => {
                let labels: Vec<&str> = outcomes
                    .iter()
                    .map(|outcome| outcome.label.as_str())
                    .collect();
                let template = self
                    .options
                    .template("question")
                    .fenced_list("case", shown)
                    .text("question", text)
                    .text("answers", listed(&labels));
                let choice = choose(cx, template, &labels).await?;
                Ok(Visit::Answer {
                    outcome: choice.index,
                    reason: choice.reason,
                })
            }
            Kind::Metric(leaf) => {
                // As an expectation of its own, with its own judge where it has one.
                let judge = leaf.metric.adjustments().judge;
                let asker = cx.asker_of_part(judge.as_ref());
                match leaf.metric.measure(&cx.asking(&asker)).await {
                    Ok(score) => Ok(Visit::Measured(score.checked()?)),
                    Err(error) => {
                        if let Some(skipped) = error.downcast_ref::<NotApplicable>() {
                            return Ok(Visit::DoesNotApply(skipped.reason().to_string()));
                        }
                        cx.note(format!("the leaf `{}` could not be measured", leaf.name()));
                        Err(error)
                    }
                }
            }
        }
    }
}

/// What a task wrote, as text; a judge may write a list or an object.
fn written(output: &Value) -> Result<String, String> {
    let plain = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => crate::json::text(other),
    };
    let text = match output {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join("\n"),
        Value::Object(members) => {
            let mut lines: Vec<String> = members
                .iter()
                .map(|(name, value)| format!("{name}: {}", plain(value)))
                .collect();
            lines.sort();
            lines.join("\n")
        }
        other => return Err(format!("`output` must be a text, but it is {other}")),
    };
    Ok(if text.trim().is_empty() {
        "none".to_string()
    } else {
        text
    })
}

/// The answers as the judge reads them, in the order of the source.
fn listed(labels: &[&str]) -> String {
    let entry = |label: &&str| {
        if *label == OTHERWISE {
            format!("\"{label}\" (if none of the others fits)")
        } else {
            format!("{label:?}")
        }
    };
    labels.iter().map(entry).collect::<Vec<_>>().join(", ")
}

/// How far a measurement has come.
struct Progress<'a> {
    graph: &'a Graph,
    rules: Reach,
    fired: Vec<bool>,
    reached: Vec<bool>,
    done: Vec<bool>,
    outputs: Vec<Option<String>>,
    /// The question whose answer led to each node.
    via: Vec<Option<usize>>,
    /// The questions that were answered, each with its text and the answer.
    answers: Vec<(usize, String)>,
    /// Every node that was visited, for the record.
    path: Vec<Value>,
    endings: Vec<Ending>,
    /// Why leaves did not apply.
    skipped: Vec<String>,
}

/// A leaf that scored.
struct Ending {
    node: usize,
    score: Score,
    reason: String,
}

impl<'a> Progress<'a> {
    fn new(graph: &'a Graph) -> Self {
        let count = graph.nodes.len();
        Self {
            graph,
            rules: Reach::new(graph),
            fired: vec![false; count],
            reached: vec![false; count],
            done: vec![false; count],
            outputs: vec![None; count],
            via: vec![None; count],
            answers: Vec::new(),
            path: Vec::new(),
            endings: Vec::new(),
            skipped: Vec::new(),
        }
    }

    fn reach(&mut self) {
        self.reached = self.rules.reached(self.graph, &self.fired);
    }

    /// What can be asked now: the questions and metrics that are reached, and the tasks that they wait for.
    fn batch(&self) -> Vec<usize> {
        let mut batch = BTreeSet::new();
        for (at, node) in self.graph.nodes.iter().enumerate() {
            if self.reached[at] && !self.done[at] && !node.is_task() {
                self.add_ready(at, &mut batch);
            }
        }
        batch.into_iter().collect()
    }

    fn add_ready(&self, at: usize, batch: &mut BTreeSet<usize>) {
        let mut ready = true;
        for task in &self.graph.nodes[at].reads {
            if !self.done[*task] {
                ready = false;
                self.add_ready(*task, batch);
            }
        }
        if ready {
            batch.insert(at);
        }
    }

    /// The outputs of the tasks that a node reads, and its fields.
    fn shown(&self, at: usize, views: &[Shown]) -> Shown {
        let tasks = self.graph.nodes[at].reads.iter().map(|task| {
            let output = self.outputs[*task].clone();
            (
                self.graph.nodes[*task].label().to_string(),
                output.unwrap_or_default(),
            )
        });
        tasks.chain(views[at].iter().cloned()).collect()
    }

    fn apply(&mut self, at: usize, visit: Visit) {
        self.done[at] = true;
        let node = &self.graph.nodes[at];
        match (visit, &node.kind) {
            (Visit::Output(output), _) => {
                self.path
                    .push(json!({"task": node.label(), "output": output}));
                self.outputs[at] = Some(output);
            }
            (Visit::Answer { outcome, reason }, Kind::Question { text, outcomes, .. }) => {
                let taken = &outcomes[outcome];
                self.path
                    .push(json!({"question": text, "answer": taken.label, "reason": reason}));
                self.answers.push((at, format!("{text} {}", taken.label)));
                match &taken.then {
                    Then::Score(value) => self.endings.push(Ending {
                        node: at,
                        score: Score::new(*value),
                        reason,
                    }),
                    Then::Nodes(next) => {
                        for child in next {
                            self.fired[*child] = true;
                            self.via[*child].get_or_insert(at);
                        }
                    }
                }
            }
            (Visit::Measured(score), Kind::Metric(leaf)) => {
                self.path.push(measured(leaf, &score));
                let reason = score.reason.clone().unwrap_or_default();
                self.endings.push(Ending {
                    node: at,
                    score,
                    reason,
                });
            }
            (Visit::DoesNotApply(reason), Kind::Metric(leaf)) => {
                self.path
                    .push(json!({"metric": leaf.name(), "skipped": reason}));
                self.skipped
                    .push(format!("`{}` does not apply because {reason}", leaf.name()));
            }
            // `visit` looks at the kind of the same node.
            _ => {}
        }
    }

    /// The answers that led to a node, and its own, in the order in which they were given.
    fn way_to(&self, at: usize) -> String {
        let mut on_the_way = vec![false; self.graph.nodes.len()];
        let mut ahead = vec![at];
        while let Some(at) = ahead.pop() {
            if !std::mem::replace(&mut on_the_way[at], true) {
                ahead.extend(self.via[at]);
                ahead.extend(&self.graph.nodes[at].reads);
            }
        }
        let answers = self.answers.iter().filter(|(at, _)| on_the_way[*at]);
        let way: Vec<&str> = answers.map(|(_, answer)| answer.as_str()).collect();
        way.join(" → ")
    }

    fn because(&self, ending: &Ending) -> String {
        let way = self.way_to(ending.node);
        if ending.reason.is_empty() {
            format!("the answers were: {way}")
        } else {
            format!("{} ({way})", ending.reason)
        }
    }

    fn score(mut self, rule: Leaves) -> Result<Score> {
        if self.endings.is_empty() {
            return Err(if self.skipped.is_empty() {
                "the graph ended without a score".into()
            } else {
                NotApplicable::because(self.skipped.join("; ")).into()
            });
        }
        self.endings.sort_by_key(|ending| ending.node);
        let values: Vec<f64> = self
            .endings
            .iter()
            .map(|ending| ending.score.value)
            .collect();
        let (value, deciding) = combined(rule, &values);
        let reason = if let Some(at) = deciding {
            self.because(&self.endings[at])
        } else {
            let told =
                |ending: &Ending| format!("{:.2}: {}", ending.score.value, self.because(ending));
            let all: Vec<String> = self.endings.iter().map(told).collect();
            all.join("; ")
        };
        // A metric's quantity and exhibit stay with its score.
        let mut score = match deciding {
            Some(at) => self.endings.swap_remove(at).score,
            None => Score::new(value),
        };
        score.reason = Some(reason::cut(&reason, 2 * reason::LONGEST));
        score.details = vec![("path".to_string(), self.path.into())];
        if values.len() > 1 {
            score = score.detail("leaves", rule.name()).detail("scores", values);
        }
        Ok(score)
    }
}

/// The score of several leaves, and the index of the one that decides it alone.
fn combined(rule: Leaves, values: &[f64]) -> (f64, Option<usize>) {
    let best = |better: fn(f64, f64) -> bool| {
        (0..values.len()).reduce(|one, two| {
            if better(values[two], values[one]) {
                two
            } else {
                one
            }
        })
    };
    let deciding = match rule {
        Leaves::Min => best(|one, two| one < two),
        Leaves::Max => best(|one, two| one > two),
        Leaves::First => Some(0),
        Leaves::Mean if values.len() == 1 => Some(0),
        Leaves::Mean => None,
    };
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    (deciding.map_or(mean, |at| values[at]), deciding)
}

/// A metric's score as a step of the record.
fn measured(leaf: &Leaf, score: &Score) -> Value {
    let bar = leaf.metric.bar();
    let mut step = Map::new();
    step.insert("metric".to_string(), leaf.name().into());
    step.insert("score".to_string(), score.value.into());
    step.insert("reason".to_string(), score.reason.clone().into());
    step.insert("bar".to_string(), bar.to_string().into());
    step.insert("met".to_string(), bar.is_met_by(score.value).into());
    if !score.details.is_empty() {
        let details: Map<String, Value> = score.details.iter().cloned().collect();
        step.insert("details".to_string(), details.into());
    }
    step.into()
}
