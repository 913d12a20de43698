//! How often a gate blocks a change that changes nothing: runs of the same commit, gated against each other.

use super::flakiness::clean_commit;
use super::verdict::{GateReport, Verdict};
use crate::results::Outcome;
use crate::runs::{CaseSummary, Snapshot};
use crate::stats::{Interval, Rng, wilson_share};
use serde::Serialize;
use std::collections::BTreeMap;

/// What a gate says of runs between which nothing changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct NoChange {
    /// Where the pairs come from.
    pub from: PairsFrom,
    /// How many pairs of a baseline and a run were gated.
    pub pairs: usize,
    /// Of these, how many the gate failed.
    pub failed: usize,
    /// How many were inconclusive.
    pub inconclusive: usize,
    /// How many it passed.
    pub passed: usize,
    /// The share of failed pairs, in `0.0..=1.0`.
    pub false_block: f64,
    /// Its 95 % interval (Wilson), from pairs that share no run; none for pairs that were drawn from trials.
    pub interval: Option<Interval>,
    /// How often each check failed, by its name.
    pub checks: BTreeMap<String, usize>,
    /// In how many pairs fewer cases passed than in the baseline: what "any drop fails" would have blocked.
    pub any_drop: usize,
}

/// What a pair is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PairsFrom {
    /// Two runs of one commit.
    Runs,
    /// Two trials of each case of one run.
    Trials,
}

/// Gates every pair of runs of one commit in both directions, at most `most` of them, chosen by `seed`. `None` where no two
/// runs are of one commit with unchanged files.
pub fn between_runs(
    runs: &[Snapshot],
    decide: impl Fn(&Snapshot, &Snapshot) -> GateReport,
    most: usize,
    seed: u64,
) -> Option<NoChange> {
    let mut commits: BTreeMap<&str, Vec<&Snapshot>> = BTreeMap::new();
    for run in runs {
        if let Some(commit) = clean_commit(run) {
            commits.entry(commit).or_default().push(run);
        }
    }
    let mut pairs = Vec::new();
    for runs in commits.values() {
        for (at, one) in runs.iter().enumerate() {
            for other in &runs[at + 1..] {
                pairs.extend([(*one, *other), (*other, *one)]);
            }
        }
    }
    let mut rng = Rng::new(seed);
    while pairs.len() > most {
        pairs.swap_remove(pick(&mut rng, pairs.len()));
    }
    // Two runs are one independent pair, three are still one.
    let apart: usize = commits.values().map(|runs| runs.len() / 2).sum();
    let mut found = NoChange::new(PairsFrom::Runs);
    for (base, candidate) in &pairs {
        found.add(&decide(candidate, base), base, candidate);
    }
    found.close((apart > 0).then_some(apart))
}

/// Gates pairs that are drawn from the trials of a run: of each case, one trial is the baseline's and another the run's. `None`
/// where a case ran only once.
pub fn between_trials(
    run: &Snapshot,
    decide: impl Fn(&Snapshot, &Snapshot) -> GateReport,
    draws: usize,
    seed: u64,
) -> Option<NoChange> {
    if run.cases.is_empty() || run.cases.iter().any(|case| case.trials.len() < 2) {
        return None;
    }
    let mut rng = Rng::new(seed);
    let mut found = NoChange::new(PairsFrom::Trials);
    for _ in 0..draws {
        let (mut base, mut candidate) = (run.clone(), run.clone());
        for (base, candidate) in base.cases.iter_mut().zip(&mut candidate.cases) {
            let n = base.trials.len();
            let first = pick(&mut rng, n);
            let second = (first + 1 + pick(&mut rng, n - 1)) % n;
            only(base, first);
            only(candidate, second);
        }
        found.add(&decide(&candidate, &base), &base, &candidate);
    }
    found.close(None)
}

/// A place of `n`, which is not zero.
fn pick(rng: &mut Rng, n: usize) -> usize {
    usize::try_from(rng.below(n as u64)).unwrap_or_default()
}

/// Leaves one trial of a case, as if it had run once.
fn only(case: &mut CaseSummary, trial: usize) {
    case.trials.swap(0, trial);
    case.trials.truncate(1);
    case.passes_needed = 1;
    case.outcome = case.trials[0].outcome;
}

impl NoChange {
    fn new(from: PairsFrom) -> Self {
        Self {
            from,
            pairs: 0,
            failed: 0,
            inconclusive: 0,
            passed: 0,
            false_block: 0.0,
            interval: None,
            checks: BTreeMap::new(),
            any_drop: 0,
        }
    }

    fn add(&mut self, gate: &GateReport, base: &Snapshot, candidate: &Snapshot) {
        self.pairs += 1;
        *match gate.verdict {
            Verdict::Pass => &mut self.passed,
            Verdict::Inconclusive => &mut self.inconclusive,
            Verdict::Fail => &mut self.failed,
        } += 1;
        let failed = gate.checks.iter().filter(|c| c.verdict == Verdict::Fail);
        for check in failed {
            *self.checks.entry(check.name.clone()).or_default() += 1;
        }
        let passed = |run: &Snapshot| {
            let passed = run
                .cases
                .iter()
                .filter(|case| case.outcome == Outcome::Passed);
            passed.count()
        };
        self.any_drop += usize::from(passed(candidate) < passed(base));
    }

    fn close(mut self, apart: Option<usize>) -> Option<Self> {
        if self.pairs == 0 {
            return None;
        }
        self.false_block = self.failed as f64 / self.pairs as f64;
        self.interval = apart.map(|n| wilson_share(self.false_block, n as f64));
        Some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run of ten cases with two trials each; `failing` names the first trials that failed.
    fn run(commit: &str, failing: &[usize]) -> Snapshot {
        let case = |at: usize| {
            let first = if failing.contains(&at) {
                "failed"
            } else {
                "passed"
            };
            format!(
                r#"{{"test": "t", "row": "{at}", "binary": "b", "file": "f.rs", "line": 1, "outcome": "{first}",
                "passes_needed": 1, "attempt": 1, "duration": 0.0, "trials": [{{"outcome": "{first}", "duration": 0.0}},
                {{"outcome": "passed", "duration": 0.0}}]}}"#
            )
        };
        let cases: Vec<_> = (0..10).map(case).collect();
        let run = format!(r#"{{"git": {{"commit": "{commit}", "dirty": false}}}}"#);
        let text = format!(
            r#"{{"format": 1, "run": {run}, "tests": [{}]}}"#,
            cases.join(",")
        );
        Snapshot::from_json(&text).unwrap()
    }

    /// A gate that fails where fewer cases passed.
    fn strict(candidate: &Snapshot, base: &Snapshot) -> GateReport {
        let passed = |run: &Snapshot| {
            run.cases
                .iter()
                .filter(|c| c.outcome == Outcome::Passed)
                .count()
        };
        let verdict = if passed(candidate) < passed(base) {
            Verdict::Fail
        } else {
            Verdict::Pass
        };
        let check = serde_json::json!({"name": "cases", "kind": "x", "verdict": verdict, "reason": "", "n": 10});
        let report = serde_json::json!({"format": 1, "verdict": verdict, "exit_code": 0, "reason": "", "run": {},
            "checks": [check], "cases": {}});
        serde_json::from_value(report).unwrap()
    }

    #[test]
    fn only_runs_of_one_commit_are_paired_and_both_ways() {
        let runs = [run("1", &[]), run("1", &[3]), run("2", &[])];
        let found = between_runs(&runs, strict, 100, 1).unwrap();
        assert_eq!((found.pairs, found.failed, found.passed), (2, 1, 1));
        assert_eq!((found.checks["cases"], found.any_drop), (1, 1));
        assert!(found.interval.unwrap().contains(0.5));
        assert_eq!(between_runs(&runs[1..], strict, 100, 1), None);
    }

    #[test]
    fn of_many_pairs_only_so_many_are_gated() {
        let runs: Vec<_> = (0..6).map(|_| run("1", &[])).collect();
        assert_eq!(between_runs(&runs, strict, 7, 1).unwrap().pairs, 7);
    }

    #[test]
    fn trials_of_one_case_are_never_paired_with_themselves() {
        let found = between_trials(&run("1", &[0, 1, 2]), strict, 200, 5).unwrap();
        // With two trials, each case that is of two minds moves up or down: three of them are never level.
        assert_eq!(found.pairs, 200);
        assert!(found.failed > 60 && found.failed < 140, "{found:?}");
        let mut once = run("1", &[]);
        once.cases[0].trials.truncate(1);
        assert_eq!(between_trials(&once, strict, 10, 5), None);
    }
}
