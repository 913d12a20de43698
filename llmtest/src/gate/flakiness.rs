//! Cases that end differently though nothing changed: how often, over the runs of one commit, and which of them may be set
//! aside.

use crate::results::Outcome;
use crate::runs::{CaseKey, Snapshot};
use crate::stats::wilson;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// How often a case does not end as it mostly does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Flakiness {
    /// The case, as `binary::test::row`.
    pub case: String,
    /// In how many runs it ended well or badly.
    pub runs: usize,
    /// In how many of them a trial ended otherwise than most trials of that commit.
    pub flaky_runs: usize,
    /// Trials that ended well or badly, over all runs.
    pub trials: u64,
    /// Trials that ended otherwise than most trials of the case on the same commit.
    pub flips: u64,
    /// Flips by trials, in `0.0..=0.5`.
    pub flip_rate: f64,
    /// The lower end of its 95 % interval (Wilson).
    pub at_least: f64,
}

/// What it takes to set a case aside.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evidence {
    /// In so many runs at least it was flaky.
    pub flaky_runs: usize,
    /// The lower end of its flip rate is above this, in `0.0..0.5`.
    pub flip_rate: f64,
}

impl Default for Evidence {
    /// Two runs, and a flip rate of surely more than a tenth.
    fn default() -> Self {
        Self {
            flaky_runs: 2,
            flip_rate: 0.1,
        }
    }
}

impl Evidence {
    /// Whether a case may be set aside.
    pub fn is_met_by(self, case: &Flakiness) -> bool {
        case.flaky_runs >= self.flaky_runs && case.at_least > self.flip_rate
    }
}

/// What the runs of one commit say of a case.
#[derive(Default)]
struct Seen {
    /// Passed and failed trials, run by run.
    runs: Vec<(u64, u64)>,
}

/// How often each case flips, the flakiest first; cases that never do are left out. Runs of one commit are compared with each
/// other and not with those of another, whose code may differ; runs of changed trees, or of none that git knows, say
/// nothing here. Errored trials do not count.
pub fn flakiness<'a>(runs: impl IntoIterator<Item = &'a Snapshot>) -> Vec<Flakiness> {
    let mut commits: BTreeMap<(&str, CaseKey), Seen> = BTreeMap::new();
    for run in runs {
        let Some(commit) = clean_commit(run) else {
            continue;
        };
        for case in &run.cases {
            let count = |wanted| {
                let trials = case.trials.iter().filter(|trial| trial.outcome == wanted);
                trials.count() as u64
            };
            let (passed, failed) = (count(Outcome::Passed), count(Outcome::Failed));
            if passed + failed > 0 {
                let seen = commits.entry((commit, case.key.clone())).or_default();
                seen.runs.push((passed, failed));
            }
        }
    }
    let mut cases: BTreeMap<CaseKey, Flakiness> = BTreeMap::new();
    for ((_, key), seen) in commits {
        let name = case_name(&key);
        let found = cases.entry(key).or_insert_with(|| Flakiness {
            case: name,
            runs: 0,
            flaky_runs: 0,
            trials: 0,
            flips: 0,
            flip_rate: 0.0,
            at_least: 0.0,
        });
        let passed: u64 = seen.runs.iter().map(|(passed, _)| passed).sum();
        let failed: u64 = seen.runs.iter().map(|(_, failed)| failed).sum();
        found.runs += seen.runs.len();
        found.trials += passed + failed;
        found.flips += passed.min(failed);
        let flipped = |(passes, fails): &&(u64, u64)| {
            if passed >= failed {
                *fails > 0
            } else {
                *passes > 0
            }
        };
        found.flaky_runs += seen.runs.iter().filter(flipped).count();
    }
    let mut cases: Vec<_> = cases.into_values().filter(|case| case.flips > 0).collect();
    for case in &mut cases {
        case.flip_rate = case.flips as f64 / case.trials as f64;
        case.at_least = wilson(case.flips, case.trials).map_or(0.0, |interval| interval.low);
    }
    cases.sort_by(|a, b| {
        let by_rate = b.at_least.total_cmp(&a.at_least);
        by_rate.then_with(|| a.case.cmp(&b.case))
    });
    cases
}

/// The commit of a run whose files were as that commit has them.
pub fn clean_commit(run: &Snapshot) -> Option<&str> {
    let git = run.run.git.as_ref()?;
    (git.dirty == Some(false)).then_some(git.commit.as_deref()?)
}

/// `binary::test::row`.
pub(crate) fn case_name(key: &CaseKey) -> String {
    let row = key.row.as_ref().map(|row| format!("::{row}"));
    format!("{}::{}{}", key.binary, key.test, row.unwrap_or_default())
}

/// Cases that are set aside: they are run and shown, and do not decide. Each stands there with its evidence.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Quarantine {
    /// The version of this format.
    pub format: u32,
    /// The cases, by name.
    pub cases: Vec<Flakiness>,
}

impl Quarantine {
    /// The version that this crate writes and reads.
    pub const FORMAT: u32 = 1;

    /// Those of the cases that there is enough evidence for, by name.
    pub fn of(cases: &[Flakiness], evidence: Evidence) -> Self {
        let met = cases.iter().filter(|case| evidence.is_met_by(case));
        let mut cases: Vec<_> = met.cloned().collect();
        cases.sort_by(|a, b| a.case.cmp(&b.case));
        Self {
            format: Self::FORMAT,
            cases,
        }
    }

    /// Reads a file, and refuses a case without evidence: its figures have to hold [`Evidence::default`].
    pub fn read(path: &Path) -> crate::Result<Self> {
        let place = path.display();
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("cannot read {place}: {error}\nhint: `cargo llmtest flaky --quarantine {place}` writes it"))?;
        let found: Self =
            serde_json::from_str(&text).map_err(|error| format!("{place}: {error}"))?;
        if found.format != Self::FORMAT {
            let (theirs, ours) = (found.format, Self::FORMAT);
            return Err(format!("{place} has format {theirs}, and this llmtest reads format {ours}\nhint: `cargo llmtest flaky --quarantine {place}` writes it anew").into());
        }
        for case in &found.cases {
            let low = wilson(case.flips, case.trials).map_or(0.0, |interval| interval.low);
            let honest = Flakiness {
                at_least: low.min(case.at_least),
                ..case.clone()
            };
            if !Evidence::default().is_met_by(&honest) {
                return Err(format!(
                    "{place}: `{}` is set aside without evidence: flaky in {} runs, {} flips in {} trials\n\
                     hint: fix the case, or run `cargo llmtest flaky --quarantine {place}` when there are more runs",
                    crate::text::clean_name(&case.case),
                    case.flaky_runs,
                    case.flips,
                    case.trials,
                )
                .into());
            }
        }
        Ok(found)
    }

    /// The names of its cases.
    pub fn names(&self) -> BTreeSet<String> {
        self.cases.iter().map(|case| case.case.clone()).collect()
    }

    /// The file's text: a line a case, so that a diff shows which.
    pub fn text(&self) -> String {
        let mut out = format!("{{\"format\": {}, \"cases\": [", self.format);
        for (at, case) in self.cases.iter().enumerate() {
            let line = serde_json::to_string(case).unwrap_or_default();
            out.push_str(if at == 0 { "\n" } else { ",\n" });
            out.push_str(&line);
        }
        out.push_str("\n]}\n");
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run with these trials of one case.
    fn run(commit: &str, dirty: bool, trials: &[&str]) -> Snapshot {
        let trials: Vec<String> = trials
            .iter()
            .map(|outcome| format!(r#"{{"outcome": "{outcome}", "duration": 0.0}}"#))
            .collect();
        Snapshot::from_json(&format!(
            r#"{{"format": 1, "run": {{"git": {{"commit": "{commit}", "dirty": {dirty}}}}}, "tests": [{{"test": "t", "row": "a",
            "binary": "b", "file": "f.rs", "line": 1, "outcome": "failed", "passes_needed": 1, "attempt": 1,
            "duration": 0.0, "trials": [{}]}}]}}"#,
            trials.join(",")
        ))
        .unwrap()
    }

    #[test]
    fn a_case_that_always_fails_is_not_flaky_and_neither_is_one_that_was_changed() {
        let same = [run("1", false, &["failed"]), run("1", false, &["failed"])];
        assert_eq!(flakiness(&same), []);
        let changed = [run("1", false, &["passed"]), run("2", false, &["failed"])];
        assert_eq!(flakiness(&changed), []);
        let edited = [run("1", true, &["passed"]), run("1", true, &["failed"])];
        assert_eq!(flakiness(&edited), []);
    }

    #[test]
    fn flips_are_counted_within_a_commit_over_its_runs_and_trials() {
        let runs = [
            run("1", false, &["passed", "passed", "failed"]),
            run("1", false, &["passed", "errored", "passed"]),
            run("2", false, &["failed", "failed", "passed"]),
        ];
        let found = flakiness(&runs);
        assert_eq!(found.len(), 1);
        let case = &found[0];
        assert_eq!(case.case, "b::t::a");
        assert_eq!((case.runs, case.flaky_runs), (3, 2));
        assert_eq!((case.trials, case.flips), (8, 2));
        assert!((case.flip_rate - 0.25).abs() < 1e-12);
        assert!((case.at_least - wilson(2, 8).unwrap().low).abs() < 1e-12);
    }

    #[test]
    fn a_case_is_set_aside_with_evidence_only() {
        let few = flakiness(&[run("1", false, &["passed", "failed"])]);
        assert!(Quarantine::of(&few, Evidence::default()).cases.is_empty());
        let often: Vec<_> = (0..6)
            .map(|_| run("1", false, &["passed", "failed"]))
            .collect();
        let set_aside = Quarantine::of(&flakiness(&often), Evidence::default());
        assert_eq!(set_aside.names(), BTreeSet::from(["b::t::a".to_string()]));

        let folder =
            std::env::temp_dir().join(format!("llmtest-quarantine-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("q.json");
        std::fs::write(&file, set_aside.text()).unwrap();
        assert_eq!(Quarantine::read(&file).unwrap(), set_aside);
        // Written by hand, with a rate that its own counts do not bear out.
        let mut forged = set_aside;
        (forged.cases[0].flips, forged.cases[0].trials) = (1, 200);
        std::fs::write(&file, forged.text()).unwrap();
        let error = Quarantine::read(&file).unwrap_err().to_string();
        assert!(
            error.contains("without evidence") && error.contains("hint:"),
            "{error}"
        );
        std::fs::remove_dir_all(folder).unwrap();
    }
}
