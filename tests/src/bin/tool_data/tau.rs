//! Recorded conversations of an airline's agent: calls against expected calls and against the recorded reward.

use crate::{Report, mean, orders};
use llmtest::{
    AgentLoopDetection, Asker, EvalCx, Metric, Span, TestCase, ToolCall, ToolPermission, Trace,
    TrajectoryMatch,
};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// The tools that change something: what the reward is about.
const WRITES: [&str; 6] = [
    "book_reservation",
    "cancel_reservation",
    "send_certificate",
    "update_reservation_baggages",
    "update_reservation_flights",
    "update_reservation_passengers",
];

#[derive(Deserialize)]
pub(crate) struct Trajectory {
    id: String,
    task_id: u64,
    reward: f64,
    instruction: String,
    expected_tools: Vec<ToolCall>,
    messages: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    role: String,
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    tool_calls: Option<Vec<Call>>,
}

#[derive(Deserialize)]
struct Call {
    name: String,
    arguments: String,
}

impl Trajectory {
    fn calls(&self) -> Vec<ToolCall> {
        let calls = self
            .messages
            .iter()
            .flat_map(|message| message.tool_calls.iter().flatten());
        calls
            .map(|call| {
                let arguments: Value = serde_json::from_str(&call.arguments).unwrap_or_default();
                ToolCall::new(&call.name).arguments(arguments)
            })
            .collect()
    }

    /// The agent, what its model said, and the tools that it called.
    fn trace(&self) -> Trace {
        let mut spans = vec![Span::new("agent", "agent")];
        for message in self
            .messages
            .iter()
            .filter(|message| message.role == "assistant")
        {
            let mut said = Span::new("model", "llm");
            said.parent = Some(0);
            said.output = message.content.clone().unwrap_or_default().into();
            spans.push(said);
            for call in message.tool_calls.iter().flatten() {
                let mut called = Span::new(&call.name, "tool");
                called.parent = Some(0);
                called.input = call.arguments.clone().into();
                spans.push(called);
            }
        }
        Trace { spans }
    }

    fn case(&self, expected: Vec<ToolCall>, called: Vec<ToolCall>) -> TestCase {
        TestCase::new(&self.instruction, "ended")
            .expected_tools(expected)
            .tools(called)
    }
}

fn writes(calls: &[ToolCall]) -> Vec<ToolCall> {
    let writes = calls
        .iter()
        .filter(|call| WRITES.contains(&call.name.as_str()));
    writes.cloned().collect()
}

/// The calls as sorted texts, to compare them by other means than a metric.
fn sorted(calls: &[ToolCall]) -> Vec<String> {
    let mut texts: Vec<String> = calls
        .iter()
        .map(|call| format!("{} {}", call.name, llmtest::json::text(&call.arguments)))
        .collect();
    texts.sort();
    texts
}

pub(crate) fn run(rows: &[Trajectory], report: &mut Report) {
    let calls: usize = rows.iter().map(|row| row.calls().len()).sum();
    Report::heading(&format!(
        "tau-bench airline: {} trajectories, {calls} calls",
        rows.len()
    ));

    let mut scores: [Vec<f64>; 6] = Default::default();
    for row in rows {
        let case = row.case(row.expected_tools.clone(), row.calls());
        let itself = row.case(row.expected_tools.clone(), row.expected_tools.clone());
        let metrics = orders()
            .into_iter()
            .chain(orders().map(|(order, metric)| (order, metric.compare_arguments())));
        let mut values = Vec::new();
        for ((order, metric), scores) in metrics.zip(&mut scores) {
            report.equal(report.value(&itself, &metric), 1.0, || {
                format!("{} against itself, {order}", row.id)
            });
            let value = report.value(&case, &metric);
            report.check((0.0..=1.0).contains(&value), || {
                format!("{}: {value}", row.id)
            });
            values.push(value);
            scores.push(value);
        }
        for (less, more) in [(1, 0), (2, 1), (4, 3), (5, 4), (3, 0), (4, 1), (5, 2)] {
            report.check(values[less] <= values[more] + 1e-9, || {
                format!(
                    "{}: the stricter comparison scores more: {values:?}",
                    row.id
                )
            });
        }
    }
    let figures = scores
        .each_ref()
        .map(|scores| format!("{:.3}", mean(scores)));
    report.line(
        "tool correctness against all expected calls: any order, ordered, exact; the same with arguments",
        &figures.join(", "),
    );

    let (mut agree, mut by_name, mut strict) = (0, 0, 0);
    let mut matched: BTreeMap<u64, Vec<bool>> = BTreeMap::new();
    for row in rows {
        let (expected, called) = (writes(&row.expected_tools), writes(&row.calls()));
        let same = sorted(&expected) == sorted(&called);
        let case = row.case(expected, called);
        let found = report.value(&case, &TrajectoryMatch::unordered());
        report.equal(found, f64::from(u8::from(same)), || {
            format!("{}: write calls", row.id)
        });
        let rewarded = row.reward >= 1.0;
        agree += usize::from((found >= 1.0) == rewarded);
        strict += usize::from((report.value(&case, &TrajectoryMatch::strict()) >= 1.0) == rewarded);
        by_name += usize::from(report.value(&case, &orders()[0].1) >= 1.0);
        matched.entry(row.task_id).or_default().push(found >= 1.0);
    }
    let share = |part: usize| part as f64 / rows.len() as f64;
    report.line(
        "equal write calls agree with the reward: unordered, strict",
        &format!(
            "{:.4}, {:.4} (all write tools called, by name: {by_name} of {})",
            share(agree),
            share(strict),
            rows.len()
        ),
    );

    let mut rewards: BTreeMap<u64, Vec<bool>> = BTreeMap::new();
    for row in rows {
        rewards
            .entry(row.task_id)
            .or_default()
            .push(row.reward >= 1.0);
    }
    let figures = |runs: &BTreeMap<u64, Vec<bool>>| {
        (1..=4)
            .map(|k| format!("{:.3}", pass_hat(runs, k)))
            .collect::<Vec<_>>()
            .join(", ")
    };
    report.line(
        &format!("pass^1 to pass^4 of {} tasks, by reward", rewards.len()),
        &figures(&rewards),
    );
    report.line("pass^1 to pass^4, by equal write calls", &figures(&matched));

    let mut scores = Vec::new();
    for row in rows {
        let called = row.calls();
        let case = TestCase::new("q", "a").tools(called.clone());
        let expected = if called.is_empty() {
            1.0
        } else {
            1.0 - writes(&called).len() as f64 / called.len() as f64
        };
        let value = report.value(&case, &ToolPermission::denying(WRITES));
        report.equal(value, expected, || format!("{}: permission", row.id));
        scores.push(value);
    }
    report.line(
        "tool permission with write tools denied: the share of other calls",
        &format!("mean {:.3}", mean(&scores)),
    );

    let asker = Asker::standalone(None);
    let mut scores = Vec::new();
    let (mut repeating, mut stagnating) = (0, 0);
    for row in rows {
        let (case, trace) = (row.case(vec![], vec![]), row.trace());
        let cx = EvalCx::new(&case, &trace, None, &asker);
        let score = report
            .runtime
            .block_on(AgentLoopDetection::new().measure(&cx));
        let part = |name: &str| {
            let details = score
                .as_ref()
                .ok()
                .map(|score| score.details.as_slice())
                .unwrap_or_default();
            let part = details.iter().find(|(detail, _)| detail == name);
            part.and_then(|(_, part)| part.as_f64()).unwrap_or(f64::NAN)
        };
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for text in sorted(&row.calls()) {
            *counts.entry(text).or_default() += 1;
        }
        let expected = match counts.values().max().copied().unwrap_or_default() {
            0..=2 => 1.0,
            3..=5 => 0.5,
            _ => 0.0,
        };
        report.equal(part("tool_repetition"), expected, || {
            format!("{}: repetition", row.id)
        });
        report.equal(part("call_graph_cycles"), 1.0, || {
            format!("{}: cycles", row.id)
        });
        repeating += usize::from(part("tool_repetition") < 1.0);
        stagnating += usize::from(part("reasoning_stagnation") < 1.0);
        scores.push(score.map_or(f64::NAN, |score| score.value));
    }
    report.line(
        "loop detection",
        &format!(
            "mean {:.3}; {repeating} repeat a call, {stagnating} stagnate",
            mean(&scores)
        ),
    );
}

/// The mean over tasks of `C(successes, k) / C(runs, k)`: the chance that k runs of a task all succeed.
fn pass_hat(runs: &BTreeMap<u64, Vec<bool>>, k: usize) -> f64 {
    let of_task = |runs: &Vec<bool>| {
        let successes = runs.iter().filter(|passed| **passed).count();
        (0..k)
            .map(|i| successes.saturating_sub(i) as f64 / (runs.len() - i) as f64)
            .product::<f64>()
    };
    let values: Vec<f64> = runs
        .values()
        .filter(|runs| runs.len() >= k)
        .map(of_task)
        .collect();
    mean(&values)
}
