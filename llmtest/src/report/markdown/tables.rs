//! The tables: checks of a gate, or scores by metric; blame; cost.

use super::escape::{code, cut, prose};
use super::{counted, sign};
use crate::blame::{Blame, Estimate};
use crate::cost::{LimitReport, RunCost, Spending};
use crate::gate::{GateCheck, GateReport, Verdict};
use crate::results::{Outcome, TestRecord};
use crate::runs::Snapshot;
use std::collections::BTreeMap;
use std::fmt::Write;

/// How much of a name and of a reason stands in a cell.
const NAME: usize = 150;
const REASON: usize = 240;
const NONE: &str = "–";

fn mark(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "✅ pass",
        Verdict::Inconclusive => "❔ inconclusive",
        Verdict::Fail => "❌ fail",
    }
}

/// One row a check.
pub(super) fn checks(out: &mut String, gate: &GateReport, most: usize) {
    if gate.checks.is_empty() {
        return;
    }
    let compares = gate.baseline.is_some();
    out.push_str(if compares {
        "| check | | value | baseline | difference | cases | why |\n|---|---|--:|--:|--:|--:|---|\n"
    } else {
        "| check | | value | interval | asked for | cases | why |\n|---|---|--:|--:|--:|--:|---|\n"
    });
    for check in gate.checks.iter().take(most) {
        let value = check
            .value
            .map_or(NONE.to_string(), |v| unit(check, v, false));
        let ends = check.interval.map(|i| {
            let signed = check.baseline.is_some();
            format!(
                "[{}, {}]",
                unit(check, i.low, signed),
                unit(check, i.high, signed)
            )
        });
        // Of a check without a baseline, the interval is that of the value.
        let (value, ends) = match ends {
            Some(ends) if compares && check.baseline.is_none() => (format!("{value} {ends}"), None),
            ends => (value, ends),
        };
        let (third, fourth) = if compares {
            let then = check
                .baseline
                .map_or(NONE.to_string(), |v| unit(check, v, false));
            let difference = check.value.zip(check.baseline);
            let difference = difference.map(|(now, then)| unit(check, now - then, true));
            let parts: Vec<_> = [difference, ends].into_iter().flatten().collect();
            (then, or_none(parts.join(" ")))
        } else {
            let bound = check.bound.map(|bound| unit(check, bound, false));
            (
                or_none(ends.unwrap_or_default()),
                or_none(bound.unwrap_or_default()),
            )
        };
        let cases = match check.unchanged {
            0 => check.n.to_string(),
            same => format!("{} ({same} unchanged)", check.n),
        };
        let _ = writeln!(
            out,
            "| {} {} | {} | {value} | {third} | {fourth} | {cases} | {} |",
            code(&cut(&check.name, NAME)),
            prose(&cut(&check.kind.replace('_', " "), NAME)),
            mark(check.verdict),
            or_none(prose(&cut(&check.reason, REASON)))
        );
    }
    if gate.checks.len() > most {
        let rest = &gate.checks[most..];
        let bad = rest.iter().filter(|c| c.verdict != Verdict::Pass).count();
        let _ = writeln!(
            out,
            "\n… and {} more, {bad} of which do not pass.",
            counted(rest.len(), "check")
        );
    }
    out.push('\n');
}

/// What would settle an inconclusive check, and what a comparison that passed could have seen.
pub(super) fn settle(out: &mut String, gate: &GateReport) {
    for check in gate.checks.iter().take(20) {
        if let Some(n) = check.settled_by {
            let _ = writeln!(
                out,
                "- {}: {} would settle it.",
                code(&cut(&check.name, NAME)),
                counted(n, "case")
            );
        }
    }
    let seen = gate.checks.iter().filter(|c| c.verdict == Verdict::Pass);
    let seen = seen.filter_map(|check| Some((check, check.detectable?)));
    // The check that sees least says what may have gone unseen.
    if let Some((check, drop)) = seen.max_by(|a, b| a.1.total_cmp(&b.1)) {
        let _ = writeln!(
            out,
            "- The smallest drop that all comparisons would have seen in four of five runs: {} ({}).",
            unit(check, drop, false),
            code(&cut(&check.name, NAME))
        );
    }
    out.push('\n');
}

fn or_none(text: String) -> String {
    if text.is_empty() {
        NONE.to_string()
    } else {
        text
    }
}

/// A value in the unit of its check.
fn unit(check: &GateCheck, value: f64, signed: bool) -> String {
    // Adding zero takes the sign from a rounded -0.
    let at = |digits: i32| {
        let scale = 10f64.powi(digits);
        (value * scale).round() / scale + 0.0
    };
    let sign = if signed && value >= 0.0 { "+" } else { "" };
    match check.kind.as_str() {
        "cost" => format!("{sign}${:.4}", at(4)).replace("$-", "-$"),
        "latency" => format!("{sign}{:.2} s", at(2)),
        "errors" => format!("{sign}{value:.0}"),
        _ => format!("{sign}{:.3}", at(3)),
    }
}

/// Sums of scores by metric and component.
#[derive(Default)]
pub(super) struct Scores(BTreeMap<(bool, String), Line>);

#[derive(Default)]
struct Line {
    sum: f64,
    scores: usize,
    passed: usize,
    errors: usize,
}

impl Line {
    fn add(&mut self, outcome: Outcome, score: Option<f64>, passes: bool) {
        match (outcome, score) {
            (Outcome::Errored, _) => self.errors += 1,
            (Outcome::Skipped, _) | (_, None) => {}
            (_, Some(score)) => {
                self.sum += score;
                self.scores += 1;
                self.passed += usize::from(passes);
            }
        }
    }

    fn mean(&self) -> Option<f64> {
        (self.scores > 0).then(|| self.sum / self.scores as f64)
    }
}

fn key(component: Option<&str>, metric: &str, label: Option<&str>) -> (bool, String) {
    let mut title = component.map_or_else(String::new, |name| format!("{name} › "));
    title.push_str(metric);
    if let Some(label) = label {
        let _ = write!(title, " ({label})");
    }
    (component.is_some(), title)
}

impl Scores {
    pub(super) fn of(run: &Snapshot) -> Self {
        let mut scores = Self::default();
        let trials = run.cases.iter().flat_map(|case| &case.trials);
        for m in trials.flat_map(|trial| &trial.measurements) {
            let (component, label) = (m.key.component.as_deref(), m.key.label.as_deref());
            let line = scores.0.entry(key(component, &m.key.metric, label));
            let passes = m.score.is_some_and(|score| m.bar.is_met_by(score));
            line.or_default().add(m.outcome, m.score, passes);
        }
        scores
    }

    pub(super) fn add(&mut self, case: &TestRecord) {
        let all = case.trials.iter().flat_map(|trial| &trial.measurements);
        for m in all.filter(|m| !m.part) {
            let key = key(m.component.as_deref(), &m.metric, m.label.as_deref());
            let passes = m.score.is_some_and(|score| m.bar.is_met_by(score));
            let line = self.0.entry(key).or_default();
            line.add(m.outcome, m.score, passes);
        }
    }

    /// One row a metric and component.
    pub(super) fn table(&self, out: &mut String, before: Option<&Self>, most: usize) {
        if self.0.is_empty() {
            return;
        }
        out.push_str(match before {
            Some(_) => {
                "| metric | mean | baseline | pass | scores | errors |\n|---|--:|--:|--:|--:|--:|\n"
            }
            None => "| metric | mean | pass | scores | errors |\n|---|--:|--:|--:|--:|\n",
        });
        let mean = |line: Option<&Line>| {
            let mean = line.and_then(Line::mean);
            mean.map_or(NONE.to_string(), |mean| format!("{mean:.3}"))
        };
        for (key, line) in self.0.iter().take(most) {
            let worst = match (line.errors, line.scores - line.passed) {
                (0, 0) => Outcome::Passed,
                (0, _) => Outcome::Failed,
                _ => Outcome::Errored,
            };
            let _ = write!(
                out,
                "| {} {} | {} |",
                sign(worst),
                code(&cut(&key.1, NAME)),
                mean(Some(line))
            );
            if let Some(before) = before {
                let _ = write!(out, " {} |", mean(before.0.get(key)));
            }
            let pass = match line.scores {
                0 => NONE.to_string(),
                n => format!("{:.0}%", 100.0 * line.passed as f64 / n as f64),
            };
            let _ = writeln!(out, " {pass} | {} | {} |", line.scores, line.errors);
        }
        if self.0.len() > most {
            let _ = writeln!(
                out,
                "\n… and {} more.",
                counted(self.0.len() - most, "metric")
            );
        }
        out.push('\n');
    }
}

/// Which stage cost the end score.
pub(super) fn blame(out: &mut String, blame: &Blame, most: usize) {
    if blame.stages.is_empty() {
        return;
    }
    let causal = blame.stages.iter().any(|stage| stage.causal.is_some());
    let _ = writeln!(
        out,
        "<details><summary>Blame: {} of {} failed</summary>\n",
        blame.failed,
        counted(blame.cases, "case")
    );
    out.push_str("| stage | pass | lift | first to fail |");
    out.push_str(if causal {
        " causal share |\n|---|--:|--:|--:|--:|\n"
    } else {
        "\n|---|--:|--:|--:|\n"
    });
    for stage in blame.stages.iter().take(most) {
        let pass = stage.pass_rate.map(|rate| format!("{:.0}%", 100.0 * rate));
        let lift = stage.lift.map(|lift| {
            let ends = lift.interval;
            let few = if lift.few { " (few cases)" } else { "" };
            format!(
                "{:+.2} [{:+.2}, {:+.2}]{few}",
                lift.value, ends.low, ends.high
            )
        });
        let first = stage.first_failure.map(|share| percent(&share));
        let _ = write!(out, "| {} |", code(&cut(&stage.stage, NAME)));
        for cell in [pass, lift, first] {
            let _ = write!(out, " {} |", cell.unwrap_or_else(|| NONE.to_string()));
        }
        if causal {
            let share = stage.causal.map(|causal| percent(&causal.share));
            let _ = write!(out, " {} |", share.unwrap_or_else(|| NONE.to_string()));
        }
        out.push('\n');
    }
    if blame.stages.len() > most {
        let _ = writeln!(
            out,
            "\n… and {} more.",
            counted(blame.stages.len() - most, "stage")
        );
    }
    if blame.blind.value > 0.0 {
        let _ = writeln!(
            out,
            "\nNo measured stage failed in {} of them.",
            percent(&blame.blind)
        );
    }
    out.push_str("\n</details>\n\n");
}

/// `42% [30, 55]`.
fn percent(estimate: &Estimate) -> String {
    let points = |value: f64| (100.0 * value).round() + 0.0;
    let ends = estimate.interval;
    format!(
        "{}% [{}, {}]",
        points(estimate.value),
        points(ends.low),
        points(ends.high)
    )
}

/// What each judge, the embedders and the application took.
pub(super) fn cost(out: &mut String, cost: &RunCost, most: usize) {
    let judges = cost
        .judges
        .iter()
        .map(|(model, all)| ("judge", model.as_str(), all));
    let embedders = cost
        .embedders
        .iter()
        .map(|(model, all)| ("embedder", model.as_str(), all));
    let application =
        (cost.application.calls > 0).then_some(("application", "", &cost.application));
    let lines: Vec<(&str, &str, &Spending)> = judges.chain(embedders).chain(application).collect();
    if lines.is_empty() {
        return;
    }
    out.push_str("<details><summary>Calls, tokens and cost</summary>\n\n");
    for (what, model, spending) in lines.iter().take(most) {
        let model_shown = match *model {
            "" => String::new(),
            model => format!(" {}", code(&cut(model, NAME))),
        };
        let _ = writeln!(
            out,
            "- {what}{model_shown}: {}",
            prose(&spending.text(&cut(model, NAME)))
        );
    }
    if lines.len() > most {
        let _ = writeln!(out, "- … and {} more", lines.len() - most);
    }
    let limits = cost.limits.iter().filter_map(LimitReport::text);
    for told in limits.take(most) {
        let _ = writeln!(out, "- {}", prose(&told));
    }
    for budget in cost
        .budgets
        .iter()
        .filter(|budget| budget.refused > 0)
        .take(most)
    {
        let _ = writeln!(
            out,
            "- the budget {} of {} was reached: {} not made",
            prose(&budget.budget),
            code(&cut(&budget.of, NAME)),
            counted(
                usize::try_from(budget.refused).unwrap_or(usize::MAX),
                "call"
            )
        );
    }
    out.push_str("\n</details>\n");
}
