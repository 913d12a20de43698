//! Markdown for the summary of a job and the comment of a pull request: the verdict first, then what changed, the numbers,
//! and the worst cases.

mod cases;
mod escape;
mod tables;

use super::junit::missed;
use crate::gate::{CaseChanges, GateReport, Verdict};
use crate::results::stream::Cases;
use crate::results::{GroupRecord, Outcome, RunReport, TestRecord};
use crate::runs::Snapshot;
use cases::{Excerpt, Worst};
pub(super) use cases::{gap, place, telling};
use escape::{code, cut, prose};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write;
use tables::Scores;

/// What a comment takes, less what an action may put around it: GitHub refuses more than 65,536 characters.
pub(crate) const COMMENT: usize = 64_000;
/// What the summary of a step takes: GitHub refuses more than 1 MiB.
pub(crate) const SUMMARY: usize = 1_000_000;
/// By which a later run finds the comment that it updates.
const MARKER: &str = "<!-- llmtest:report -->";

/// How much is shown: worst cases, characters of their texts, names in a list, checks. Less with every step, until it fits.
const STEPS: [[usize; 4]; 6] = [
    [20, 1_500, 100, 200],
    [20, 600, 50, 100],
    [10, 300, 30, 60],
    [5, 200, 15, 40],
    [2, 120, 8, 25],
    [0, 0, 3, 10],
];

/// How much is shown, and of what.
#[derive(Clone, Copy)]
struct Most {
    cases: usize,
    text: usize,
    names: usize,
    checks: usize,
}

/// The summary, as it grows.
pub(crate) struct Markdown<'a> {
    gate: Option<&'a GateReport>,
    /// The outcomes of the baseline, by case; what is still in it at the end was removed.
    baseline: Option<HashMap<String, Outcome>>,
    before: Option<Scores>,
    changes: CaseChanges,
    counts: BTreeMap<Outcome, usize>,
    scores: Scores,
    worst: Worst,
    /// By dataset: the rows that Failed and that no gate names, and how many. Whether the dataset passed is said last.
    rows: BTreeMap<(String, String), (Worst, usize)>,
    /// Failed rows of datasets that passed.
    forgiven: usize,
    /// Those that count most against the gate, by name.
    wanted: HashSet<&'a str>,
}

/// `binary::test::row`, as gates name cases.
pub(super) fn full_name(case: &TestRecord) -> String {
    format!("{}::{}", case.binary, case.name())
}

fn wrong(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Failed | Outcome::Errored)
}

impl Cases for Markdown<'_> {
    fn add(&mut self, case: &TestRecord) {
        *self.counts.entry(case.outcome).or_default() += 1;
        let order: usize = self.counts.values().sum();
        self.scores.add(case);
        let wanted = !self.wanted.is_empty() && self.wanted.contains(full_name(case).as_str());
        if case.outcome == Outcome::Failed && case.row.is_some() && !wanted {
            let dataset = (case.binary.clone(), case.test.clone());
            let none = || (Worst::new(STEPS[0][0]), 0);
            let (worst, count) = self.rows.entry(dataset).or_insert_with(none);
            worst.offer(case, false, order);
            *count += 1;
        } else if wanted || wrong(case.outcome) {
            self.worst.offer(case, wanted, order);
        }
        if let Some(baseline) = &mut self.baseline {
            let name = full_name(case);
            let changes = &mut self.changes;
            match baseline.remove(&name) {
                None => changes.new.push(name),
                Some(then) => {
                    changes.paired += 1;
                    match (then, case.outcome) {
                        (Outcome::Passed, now) if wrong(now) => changes.worse.push(name),
                        (then, Outcome::Passed) if wrong(then) => changes.better.push(name),
                        _ => {}
                    }
                }
            }
        }
    }
}

impl<'a> Markdown<'a> {
    /// A summary of a run that a gate, where there is one, has said this of. Without a gate, the outcomes are compared with
    /// those of the baseline.
    pub(crate) fn new(gate: Option<&'a GateReport>, baseline: Option<&Snapshot>) -> Self {
        let named = |case: &crate::runs::CaseSummary| {
            let name = format!("{}::{}", case.key.binary, case.name());
            (name, case.outcome)
        };
        let wanted = gate.iter().flat_map(|gate| &gate.checks);
        let wanted = wanted.filter(|check| check.verdict != Verdict::Pass);
        Self {
            gate,
            before: baseline.map(Scores::of),
            baseline: baseline
                .filter(|_| gate.is_none())
                .map(|baseline| baseline.cases.iter().map(named).collect()),
            changes: CaseChanges::default(),
            counts: BTreeMap::new(),
            scores: Scores::default(),
            worst: Worst::new(STEPS[0][0]),
            rows: BTreeMap::new(),
            forgiven: 0,
            wanted: wanted
                .flat_map(|check| check.worst.iter().map(String::as_str))
                .collect(),
        }
    }

    /// The summary, in at most so many bytes.
    pub(crate) fn finish(mut self, report: &RunReport, limit: usize) -> String {
        let compared = self.baseline.is_some();
        if let Some(removed) = self.baseline.take() {
            self.changes.removed = removed.into_keys().collect();
            self.changes.removed.sort();
        }
        for (dataset, (worst, count)) in std::mem::take(&mut self.rows) {
            let is_it =
                |group: &&GroupRecord| (&group.binary, &group.test) == (&dataset.0, &dataset.1);
            let group = report.groups.iter().find(is_it);
            if group.is_some_and(|group| group.outcome == Outcome::Passed) {
                self.forgiven += count;
            } else {
                self.worst.merge(worst);
            }
        }
        let worst = std::mem::take(&mut self.worst).sorted();
        let mut text = String::new();
        for (at, [cases, shown, names, checks]) in STEPS.into_iter().enumerate() {
            let most = Most {
                cases,
                text: shown,
                names,
                checks,
            };
            text = self.text(report, &worst, compared, most);
            if at > 0 {
                text.push_str("\n<sub>Shortened: the report of the run has all of it.</sub>\n");
            }
            if text.len() <= limit {
                break;
            }
        }
        text
    }

    fn text(&self, report: &RunReport, worst: &[Excerpt], compared: bool, most: Most) -> String {
        let mut out = format!("{MARKER}\n");
        self.headline(&mut out, report);
        if let Some(gate) = self.gate {
            for warning in gate.warnings.iter().take(most.names.max(5)) {
                let _ = writeln!(out, "> ⚠️ {}\n", prose(&cut(warning, 500)));
            }
            tables::checks(&mut out, gate, most.checks);
            tables::settle(&mut out, gate);
        } else {
            self.scores
                .table(&mut out, self.before.as_ref(), most.checks);
        }
        groups(&mut out, report, most);
        if let Some(gate) = self.gate {
            changes(&mut out, &gate.cases, most.names);
        } else if compared {
            changes(&mut out, &self.changes, most.names);
        }
        let wrong: usize = [Outcome::Failed, Outcome::Errored]
            .iter()
            .filter_map(|outcome| self.counts.get(outcome))
            .sum();
        cases::write(&mut out, worst, wrong - self.forgiven, most);
        if self.forgiven > 0 {
            let _ = writeln!(
                out,
                "{} missed a bar in datasets that passed all the same.\n",
                counted(self.forgiven, "row")
            );
        }
        if let Some(blame) = &report.blame {
            tables::blame(&mut out, blame, most.names.min(12));
        }
        if let Some(cost) = &report.cost {
            tables::cost(&mut out, cost, most.names);
        }
        out
    }

    fn headline(&self, out: &mut String, report: &RunReport) {
        let of = |outcome| self.counts.get(&outcome).copied().unwrap_or_default();
        let all: usize = self.counts.values().sum();
        let bad = of(Outcome::Failed) + of(Outcome::Errored) - self.forgiven;
        let groups = report.groups.iter().filter(|group| wrong(group.outcome));
        let _ = match self.gate {
            Some(gate) => {
                let (mark, word) = match gate.verdict {
                    Verdict::Pass => ("✅", "the gate passes"),
                    Verdict::Inconclusive => ("❔", "the gate cannot tell"),
                    Verdict::Fail => ("❌", "the gate fails"),
                };
                writeln!(
                    out,
                    "## {mark} llmtest: {word}\n\n{}\n",
                    prose(&cut(&gate.reason, 1_000))
                )
            }
            None if all == 0 => writeln!(out, "## ❔ llmtest: no case was recorded\n"),
            None if bad == 0 => writeln!(
                out,
                "## ✅ llmtest: {} without a failure\n",
                counted(all, "case")
            ),
            None => {
                let (failed, errored) = (of(Outcome::Failed) - self.forgiven, of(Outcome::Errored));
                let and = if errored > 0 {
                    format!(", {errored} errored")
                } else {
                    String::new()
                };
                writeln!(
                    out,
                    "## ❌ llmtest: {failed} of {} failed{and}\n",
                    counted(all, "case")
                )
            }
        };
        for group in groups.take(10) {
            let _ = writeln!(
                out,
                "The dataset {} {}.\n",
                code(&cut(&group.test, 200)),
                group.outcome.as_str()
            );
        }
        let mut facts = vec![format!("{}: ", counted(all, "case"))];
        let outcomes = [
            Outcome::Passed,
            Outcome::Failed,
            Outcome::Errored,
            Outcome::Skipped,
        ];
        let counts = outcomes.into_iter().filter(|outcome| of(*outcome) > 0);
        let counts = counts.map(|outcome| format!("{} {}", of(outcome), outcome.as_str()));
        facts[0].push_str(&counts.collect::<Vec<_>>().join(", "));
        let run = &report.run;
        if let Some(git) = &run.git
            && let Some(commit) = &git.commit
        {
            let short: String = commit.chars().take(10).collect();
            let dirty = if git.dirty == Some(true) {
                ", with changes"
            } else {
                ""
            };
            facts.push(format!("commit {}{dirty}", code(&short)));
        }
        if let Some(judge) = &run.judge {
            facts.push(format!("judge {}", code(&cut(judge, 100))));
        }
        let _ = writeln!(out, "{}\n", facts.join(" · "));
    }
}

fn groups(out: &mut String, report: &RunReport, most: Most) {
    for group in report.groups.iter().take(most.names) {
        let all: usize = group.rows.values().sum();
        let passed = group.rows.get("passed").copied().unwrap_or_default();
        let _ = writeln!(
            out,
            "- {} {}: {passed} of {all} rows passed, at least {:.0}% must",
            sign(group.outcome),
            code(&cut(&group.test, 200)),
            100.0 * group.pass_rate
        );
        if let Some(error) = &group.error {
            let _ = writeln!(out, "  {}", prose(&cut(error, most.text.max(200))));
        }
    }
    if !report.groups.is_empty() {
        out.push('\n');
    }
}

fn sign(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "✅",
        Outcome::Failed => "❌",
        Outcome::Errored => "💥",
        Outcome::Skipped => "➖",
    }
}

fn counted(number: usize, one: &str) -> String {
    format!("{number} {one}{}", if number == 1 { "" } else { "s" })
}

/// How the cases differ, in lists that open.
fn changes(out: &mut String, changes: &CaseChanges, most: usize) {
    let CaseChanges {
        paired,
        unchanged,
        new,
        removed,
        worse,
        better,
        quarantined,
    } = changes;
    let lists = [
        ("worse", worse),
        ("better", better),
        ("new", new),
        ("removed", removed),
        ("quarantined", quarantined),
    ];
    let mut line = format!("Beside the baseline: {} in both", counted(*paired, "case"));
    if *unchanged > 0 {
        let _ = write!(line, " ({unchanged} equal by hash)");
    }
    for (word, names) in lists {
        if !names.is_empty() {
            let _ = write!(line, ", {} {word}", names.len());
        }
    }
    let _ = writeln!(out, "{line}.\n");
    for (word, names) in lists {
        if names.is_empty() {
            continue;
        }
        let _ = writeln!(
            out,
            "<details><summary>{}: {word}</summary>\n",
            counted(names.len(), "case")
        );
        for name in names.iter().take(most) {
            let _ = writeln!(out, "- {}", code(&cut(name, 300)));
        }
        if names.len() > most {
            let _ = writeln!(out, "- … and {} more", names.len() - most);
        }
        out.push_str("\n</details>\n\n");
    }
}
