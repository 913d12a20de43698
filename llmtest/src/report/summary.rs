//! The table at the end of a run: one line a metric and component.

use super::blame::blame_table;
use super::terminal::Style;
use crate::blame::{BlameTally, CaseView, CausalRecord};
#[cfg(feature = "cli")]
use crate::cost::LimitReport;
use crate::cost::{CostSums, CostView, ProcessCost, RunCost, Spending, grouped};
use crate::results::Repeats;
#[cfg(feature = "cli")]
use crate::results::RunReport;
use crate::results::{GroupRecord, Outcome, TestRecord};
use crate::text::clean_name;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

/// Sums over the cases of a run; a case is added when it ends and then forgotten, so that 10,000 rows need no memory.
#[derive(Debug, Default, Clone)]
pub(crate) struct Tally {
    lines: BTreeMap<(bool, String), Line>,
    cases: BTreeMap<Outcome, usize>,
    /// Calls of judges that ended without an answer.
    unanswered: u64,
    stages: (u32, u32),
    repeats: Repeats,
    blame: BlameTally,
    cost: CostSums,
    /// Of all cases together.
    #[cfg(feature = "cli")]
    seconds: f64,
}

#[derive(Debug, Default, Clone)]
struct Line {
    sum: f64,
    scores: usize,
    passed: usize,
    errors: usize,
    skipped: usize,
}

impl Tally {
    /// Adds a case.
    pub(crate) fn add(&mut self, record: &TestRecord) {
        *self.cases.entry(record.outcome).or_default() += 1;
        #[cfg(feature = "cli")]
        {
            self.seconds += record.duration;
        }
        self.blame.add(&CaseView::from(record));
        let trials = record.trials.iter().map(|trial| trial.outcome);
        self.repeats.add(&record.name(), trials);
        self.cost.case(CostView::from(record));
        for trial in &record.trials {
            self.stages.0 += trial.stages.0;
            self.stages.1 += trial.stages.1;
            for m in &trial.measurements {
                let answered: u64 = m.spending.values().map(|spending| spending.calls).sum();
                self.unanswered += u64::from(m.judge_calls).saturating_sub(answered);
                // The whole counts, whatever the number of its parts.
                if m.part {
                    continue;
                }
                let mut title = m
                    .component
                    .as_ref()
                    .map(|component| format!("{component} › "))
                    .unwrap_or_default();
                title.push_str(&m.metric);
                if let Some(label) = &m.label {
                    let _ = write!(title, " ({label})");
                }
                let line = self
                    .lines
                    .entry((m.component.is_some(), title))
                    .or_default();
                match (m.outcome, m.score) {
                    (Outcome::Errored, _) => line.errors += 1,
                    (Outcome::Skipped, _) | (_, None) => line.skipped += 1,
                    (_, Some(score)) => {
                        line.sum += score;
                        line.scores += 1;
                        line.passed += usize::from(m.bar.is_met_by(score));
                    }
                }
            }
        }
    }

    /// Adds what the reruns of a failed trial said.
    pub(crate) fn add_causal(&mut self, record: CausalRecord) {
        self.blame.add_causal(record);
    }

    /// Adds what the process knows of costs beyond its cases.
    pub(crate) fn add_cost(&mut self, cost: ProcessCost) {
        self.cost.process(cost);
    }

    /// Adds tests that were not run.
    pub(crate) fn skip(&mut self, count: usize) {
        if count > 0 {
            *self.cases.entry(Outcome::Skipped).or_default() += count;
        }
    }

    /// How many cases ended like this.
    pub(crate) fn of(&self, outcome: Outcome) -> usize {
        self.cases.get(&outcome).copied().unwrap_or_default()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.cases.is_empty()
    }
}

/// The table, the totals, and where the report is.
pub(crate) fn summary(
    tally: &Tally,
    groups: &[GroupRecord],
    took: Duration,
    report: Option<&Path>,
    style: Style,
) -> String {
    let (blame, cost) = (tally.blame.blame(), tally.cost.report());
    let mut out = scores(tally, groups, style);
    if let Some(blame) = &blame {
        out.push_str(&blame_table(blame, style));
    }
    totals(&mut out, tally, took);
    if let Some(cost) = &cost {
        out.push_str(&cost_lines(cost));
    }
    if let Some(report) = report {
        let _ = writeln!(
            out,
            "{}",
            style.dim(&format!("report: {}", report.display()))
        );
    }
    out
}

/// The summary of a run that was recorded: what it says of blame and costs counts, since it knows of reruns and of calls
/// beyond its cases.
#[cfg(feature = "cli")]
pub(crate) fn recorded_summary(tally: &Tally, report: &RunReport, style: Style) -> String {
    let mut out = scores(tally, &report.groups, style);
    if let Some(blame) = &report.blame {
        out.push_str(&blame_table(blame, style));
    }
    totals(
        &mut out,
        tally,
        Duration::try_from_secs_f64(tally.seconds).unwrap_or_default(),
    );
    if let Some(cost) = &report.cost {
        out.push_str(&cost_lines(cost));
        // A run itself says this in the notes at its end.
        for told in cost.limits.iter().filter_map(LimitReport::text) {
            let _ = writeln!(out, "{}", clean_name(&told));
        }
    }
    out
}

/// One line a metric and component, and one a dataset.
fn scores(tally: &Tally, groups: &[GroupRecord], style: Style) -> String {
    let mut out = String::new();
    let width = tally
        .lines
        .keys()
        .map(|(_, title)| clean_name(title).chars().count())
        .max()
        .unwrap_or_default()
        .max(6);
    if !tally.lines.is_empty() {
        let _ = writeln!(
            out,
            "{}",
            style.bold(&format!(
                "{:<width$}  {:>5}  {:>5}  {:>6}  {:>6}  {:>7}",
                "metric", "mean", "pass", "scores", "errors", "skipped"
            ))
        );
    }
    for ((_, title), line) in &tally.lines {
        let (mean, pass) = match line.scores {
            0 => ("–".to_string(), "–".to_string()),
            n => (
                format!("{:.2}", line.sum / n as f64),
                format!("{:.0}%", 100.0 * line.passed as f64 / n as f64),
            ),
        };
        let worst = match (line.errors, line.scores - line.passed) {
            (0, 0) => Outcome::Passed,
            (0, _) => Outcome::Failed,
            _ => Outcome::Errored,
        };
        let title = clean_name(title);
        let pad = width - title.chars().count();
        let _ = writeln!(
            out,
            "{}{:pad$}  {mean:>5}  {pass:>5}  {:>6}  {:>6}  {:>7}",
            style.outcome(worst, &title),
            "",
            line.scores,
            zero_as_dash(line.errors),
            zero_as_dash(line.skipped)
        );
    }
    for group in groups {
        let passed = group.rows.get("passed").copied().unwrap_or_default();
        let all: usize = group.rows.values().sum();
        let _ = writeln!(
            out,
            "{} {}: {passed} of {all} rows passed, at least {:.0}% must",
            style.outcome(group.outcome, group.outcome.as_str()),
            clean_name(&group.test),
            group.pass_rate * 100.0
        );
    }
    out.push_str(&repeat_lines(&tally.repeats));
    out
}

/// How the cases ended.
fn totals(out: &mut String, tally: &Tally, took: Duration) {
    out.push('\n');
    let total: usize = tally.cases.values().sum();
    let counts = [
        Outcome::Passed,
        Outcome::Failed,
        Outcome::Errored,
        Outcome::Skipped,
    ]
    .into_iter()
    .filter_map(|outcome| {
        tally
            .cases
            .get(&outcome)
            .map(|count| format!("{count} {}", outcome.as_str()))
    })
    .collect::<Vec<_>>()
    .join(", ");
    let _ = write!(
        out,
        "{total} {}: {counts}",
        if total == 1 { "case" } else { "cases" }
    );
    if tally.unanswered > 0 {
        let plural = if tally.unanswered == 1 { "" } else { "s" };
        let _ = write!(
            out,
            " · {} judge call{plural} without an answer",
            tally.unanswered
        );
    }
    if tally.stages.1 > 0 {
        let _ = write!(
            out,
            " · {} of {} stages replayed",
            tally.stages.0, tally.stages.1
        );
    }
    let _ = writeln!(out, " · {:.2} s", took.as_secs_f64());
}

/// How often cases that ran more than once pass, and which of them are of two minds.
fn repeat_lines(repeats: &Repeats) -> String {
    let mut out = String::new();
    if let Some(rates) = repeats.trials().and_then(|k| repeats.rates(k)) {
        let plural = if rates.cases == 1 { "" } else { "s" };
        let _ = writeln!(
            out,
            "{} case{plural} with {} trials: pass@1 {:.2}, pass@{k} {:.2}, pass^{k} {:.2}, flip rate {:.2}",
            rates.cases,
            rates.k,
            rates.pass_at_1,
            rates.pass_at_k,
            rates.pass_hat_k,
            rates.flip_rate,
            k = rates.k,
        );
    }
    let stability = repeats.stabilities();
    if stability.flaky > 0 {
        let named: Vec<_> = repeats
            .flaky()
            .map(|(name, passed, all)| format!("{} {passed} of {all}", clean_name(name)))
            .collect();
        let more = stability.flaky.saturating_sub(named.len() as u64);
        let more = if more > 0 {
            format!(", and {more} more")
        } else {
            String::new()
        };
        let _ = writeln!(
            out,
            "{} stable, {} flaky: {}{more}",
            stability.stable_pass + stability.stable_fail,
            stability.flaky,
            named.join(", "),
        );
    }
    out
}

/// What each judge, the embedders and the application took, and how the budgets stand.
fn cost_lines(cost: &RunCost) -> String {
    let mut out = String::new();
    let mut line = |what: &str, model: &str, spending: &Spending| {
        let name = clean_name(model);
        let _ = writeln!(out, "{what}{name}: {}", spending.text(&name));
    };
    cost.judges
        .iter()
        .for_each(|(model, all)| line("judge ", model, all));
    cost.embedders
        .iter()
        .for_each(|(model, all)| line("embedder ", model, all));
    if cost.application.calls > 0 {
        line("", "application", &cost.application);
    }
    for budget in cost.budgets.iter().filter(|budget| budget.refused > 0) {
        let whose = budget.of.strip_prefix("test ");
        let whose = whose.map_or(String::new(), |test| format!(" of `{}`", clean_name(test)));
        let calls = if budget.calls == 1 { "call" } else { "calls" };
        let _ = writeln!(
            out,
            "the budget of {}{whose} was reached after {} {calls} ({} spent)",
            budget.budget,
            grouped(budget.calls),
            budget.spent,
        );
    }
    if cost.over_budget > 0 {
        let (plural, verb) = if cost.over_budget == 1 {
            ("", "is")
        } else {
            ("s", "are")
        };
        let _ = writeln!(
            out,
            "{} measurement{plural} {verb} Errored for a budget; everything else was measured and is kept",
            grouped(cost.over_budget)
        );
    }
    out
}

fn zero_as_dash(count: usize) -> String {
    if count == 0 {
        "–".to_string()
    } else {
        count.to_string()
    }
}
