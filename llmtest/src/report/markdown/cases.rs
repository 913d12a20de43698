//! The worst cases: only as much of them is kept as is shown.

use super::escape::{block, code, cut, prose};
use super::{Most, counted, full_name, missed, sign};
use crate::report::junit::bad;
use crate::results::{Outcome, TestRecord, TrialRecord};
use serde_json::Value;
use std::cmp::Ordering;
use std::fmt::Write;

/// How many characters of a text are kept.
const KEPT: usize = 1_500;

/// What is shown of a case.
pub(super) struct Excerpt {
    name: String,
    place: String,
    outcome: Outcome,
    /// What decided, on one line.
    missed: String,
    error: Option<String>,
    /// Title and reason of what did not pass.
    reasons: Vec<(String, String)>,
    /// Input, output and what was expected.
    texts: Vec<(&'static str, String)>,
    rank: Rank,
}

/// The worst first: what a gate names, what could not run, and then by how far a score missed its bar.
struct Rank {
    wanted: bool,
    errored: bool,
    gap: f64,
    order: usize,
}

impl Rank {
    fn cmp(&self, other: &Self) -> Ordering {
        let first = (other.wanted, other.errored).cmp(&(self.wanted, self.errored));
        first
            .then(other.gap.total_cmp(&self.gap))
            .then(self.order.cmp(&other.order))
    }
}

/// The worst cases so far.
#[derive(Default)]
pub(super) struct Worst {
    most: usize,
    kept: Vec<Excerpt>,
}

impl Worst {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            ..Self::default()
        }
    }

    /// `order` is the case's place in the run.
    pub(super) fn offer(&mut self, case: &TestRecord, wanted: bool, order: usize) {
        let rank = Rank {
            wanted,
            errored: case.outcome == Outcome::Errored,
            gap: gap(case),
            order,
        };
        // The last is the best of those that are kept.
        let full = self.kept.len() == self.most;
        let last = self.kept.last();
        if full && last.is_none_or(|last| rank.cmp(&last.rank).is_gt()) {
            return;
        }
        self.insert(excerpt(case, rank));
    }

    /// Adds what another has kept.
    pub(super) fn merge(&mut self, other: Self) {
        for excerpt in other.kept {
            self.insert(excerpt);
        }
    }

    fn insert(&mut self, excerpt: Excerpt) {
        let at = self
            .kept
            .partition_point(|kept| kept.rank.cmp(&excerpt.rank).is_lt());
        self.kept.insert(at, excerpt);
        self.kept.truncate(self.most);
    }

    pub(super) fn sorted(self) -> Vec<Excerpt> {
        self.kept
    }
}

/// By how far the score that is furthest off missed its bar.
pub(in crate::report) fn gap(case: &TestRecord) -> f64 {
    let scores = case.trials.iter().flat_map(bad);
    let gaps = scores.filter_map(|m| Some((m.score? - m.bar.bound()).abs()));
    gaps.fold(0.0, f64::max)
}

/// The trial that says most: the first that ended as the case did.
pub(in crate::report) fn telling(case: &TestRecord) -> Option<&TrialRecord> {
    let alike = |trial: &&TrialRecord| trial.outcome == case.outcome;
    case.trials.iter().find(alike).or(case.trials.first())
}

/// Where the row stands, or else the test.
pub(in crate::report) fn place(case: &TestRecord) -> (&str, Option<usize>) {
    match &case.dataset {
        Some(place) => (&place.file, place.line),
        None => (&case.file, usize::try_from(case.line).ok()),
    }
}

fn excerpt(case: &TestRecord, rank: Rank) -> Excerpt {
    let (file, line) = place(case);
    let trial = telling(case);
    let texts = trial.and_then(|trial| trial.cases.first()).map(|said| {
        let text = |key: &'static str| {
            let text = said.get(key).and_then(Value::as_str)?;
            (!text.is_empty()).then(|| (key, cut(text, KEPT)))
        };
        ["input", "output", "expected"].into_iter().filter_map(text)
    });
    let reason = |m: &crate::MeasurementRecord| {
        let reason = m.reason.as_deref().unwrap_or_default();
        (m.title(), cut(reason, KEPT))
    };
    Excerpt {
        name: cut(&full_name(case), 300),
        place: line.map_or_else(|| file.to_string(), |line| format!("{file}:{line}")),
        outcome: case.outcome,
        missed: cut(&trial.map(missed).unwrap_or_default(), 300),
        error: trial
            .and_then(|trial| trial.error.as_ref())
            .map(|error| cut(error, KEPT)),
        reasons: trial
            .into_iter()
            .flat_map(bad)
            .take(8)
            .map(reason)
            .collect(),
        texts: texts.into_iter().flatten().collect(),
        rank,
    }
}

pub(super) fn write(out: &mut String, worst: &[Excerpt], wrong: usize, most: Most) {
    if worst.is_empty() {
        return;
    }
    if most.cases == 0 {
        let _ = writeln!(
            out,
            "The worst cases are left out here, as the text would be too long.\n"
        );
        return;
    }
    let _ = writeln!(out, "### The worst cases\n");
    let shown = worst.iter().take(most.cases);
    let told = shown
        .clone()
        .filter(|case| super::wrong(case.outcome))
        .count();
    for case in shown {
        let missed = if case.missed.is_empty() {
            String::new()
        } else {
            format!(": {}", prose(&cut(&case.missed, most.text)))
        };
        let _ = writeln!(
            out,
            "<details><summary>{} {}{missed}</summary>\n\n{}\n",
            sign(case.outcome),
            code(&case.name),
            code(&case.place)
        );
        if let Some(error) = &case.error {
            let _ = writeln!(out, "error\n{}\n", block(&cut(error, most.text)));
        }
        for (title, reason) in case.reasons.iter().filter(|(_, reason)| !reason.is_empty()) {
            let _ = writeln!(
                out,
                "- {} because {}",
                code(&cut(title, 200)),
                prose(&cut(reason, most.text))
            );
        }
        out.push('\n');
        for (key, text) in &case.texts {
            let _ = writeln!(out, "{key}\n{}\n", block(&cut(text, most.text)));
        }
        out.push_str("</details>\n\n");
    }
    if wrong > told {
        let _ = writeln!(
            out,
            "… and {} that did not pass either.\n",
            counted(wrong - told, "case")
        );
    }
}
