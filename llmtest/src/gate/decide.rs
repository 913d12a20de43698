//! The decision: every check, and what they come to together.

use super::checks;
use super::comparison::compare_all;
use super::pairs::Pairs;
use super::policy::{OnInconclusive, Policy};
use super::verdict::{GateCheck, GateReport, Verdict};
use crate::results::Outcome;
use crate::runs::Snapshot;

/// Gates a run: a pure function of what was recorded and of what is asked.
///
/// Comparisons with the baseline are paired by case and measurement. Each *passes* where the mean is surely not worse than
/// the baseline's by the margin ([`non_inferiority`](crate::stats::non_inferiority)), *fails* where it is surely worse, and
/// is *inconclusive* otherwise. "Surely worse" is corrected for the number of comparisons (Holm), so that all of them
/// together block a change that changes nothing no more often than `alpha`; "surely not worse" needs no correction, since
/// each has to pass. Cases that equal the baseline's by hash count as unchanged. Errored and skipped measurements enter no
/// mean.
///
/// The gate fails where a check fails, is inconclusive where one is, and never passes on missing data.
///
/// ```
/// use llmtest::gate::{Policy, Verdict, decide};
/// use llmtest::runs::Snapshot;
///
/// let run = |score: f64| {
///     let case = |n: usize| format!(r#"{{"test": "t", "row": "{n}", "binary": "b", "file": "f.rs", "line": 1,
///         "outcome": "passed", "passes_needed": 1, "attempt": 1, "duration": 0.1, "trials": [{{"outcome": "passed",
///         "duration": 0.1, "digest": "{score}", "measurements": [{{"metric": "m", "nth": 1, "outcome": "passed",
///         "score": {score}, "bar": {{"at_least": 0.5}}, "digest": "{score}"}}]}}]}}"#);
///     let cases: Vec<String> = (0..100).map(case).collect();
///     Snapshot::from_json(&format!(r#"{{"format": 1, "run": {{}}, "tests": [{}]}}"#, cases.join(","))).unwrap()
/// };
/// let same = decide(&run(0.9), Some(&run(0.9)), &Policy::default());
/// assert_eq!((same.verdict, same.cases.unchanged), (Verdict::Pass, 100));
/// let worse = decide(&run(0.7), Some(&run(0.9)), &Policy::default());
/// assert_eq!((worse.verdict, worse.exit_code), (Verdict::Fail, 100));
/// ```
pub fn decide(run: &Snapshot, baseline: Option<&Snapshot>, policy: &Policy) -> GateReport {
    let pairs = Pairs::new(run, baseline, policy);
    let mut warnings = Vec::new();
    let mut found = checks::of_run(run, &pairs, policy);
    if baseline.is_some() {
        found.extend(compare_all(&pairs, policy, &mut warnings));
    } else {
        warnings.push(
            "there is no baseline to compare with; `cargo llmtest accept` makes one of a run"
                .to_string(),
        );
    }
    found.extend(checks::bars(&pairs, policy, &mut warnings));
    warnings.extend(unclustered(&pairs, policy));
    if pairs.changes.removed.len() > 10 {
        let removed = pairs.changes.removed.len();
        warnings.push(format!("{removed} cases of the baseline did not run"));
    }
    // Bounds on errors and the like hold for a run that measured nothing, too.
    let decides = |check: &GateCheck| !matches!(check.kind.as_str(), "errors" | "cost" | "latency");
    if !found.iter().any(decides) {
        found.push(GateCheck::new(
            "baseline",
            "coverage",
            Verdict::Inconclusive,
            "there is neither a baseline nor a bar nor an invariant to hold the run to".to_string(),
        ));
    }
    // Stable: within a verdict the order of the checks stays.
    found.sort_by_key(|check| std::cmp::Reverse(check.verdict));
    let verdict = found.iter().map(|check| check.verdict).max();
    let verdict = verdict.unwrap_or(Verdict::Inconclusive);
    GateReport {
        format: GateReport::FORMAT,
        verdict,
        exit_code: exit_code(verdict, policy.on_inconclusive),
        reason: headline(verdict, &found, &pairs),
        run: run.run.clone(),
        baseline: baseline.map(|baseline| baseline.run.clone()),
        warnings,
        checks: found,
        cases: pairs.changes,
    }
}

/// What is to be said where not every case has a cluster.
fn unclustered(pairs: &Pairs<'_>, policy: &Policy) -> Option<String> {
    let key = policy.cluster.as_ref()?;
    let ended = pairs
        .deciding
        .iter()
        .filter(|pair| pair.now.outcome != Outcome::Errored);
    let (with, without): (Vec<_>, Vec<_>) = ended.partition(|pair| pair.now.cluster.is_some());
    let (all, without) = (with.len() + without.len(), without.len());
    match (with.len(), without) {
        (_, 0) => None,
        (0, _) => Some(format!(
            "no case has the metadata `{key}` that `cluster` names: all count as independent"
        )),
        _ => Some(format!(
            "{without} of {all} cases have no metadata `{key}`: each counts as a cluster of its own"
        )),
    }
}

fn exit_code(verdict: Verdict, on_inconclusive: OnInconclusive) -> u8 {
    match (verdict, on_inconclusive) {
        (Verdict::Pass, _) | (Verdict::Inconclusive, OnInconclusive::Warn) => 0,
        (Verdict::Fail, _) | (Verdict::Inconclusive, OnInconclusive::Fail) => 100,
        (Verdict::Inconclusive, OnInconclusive::MoreTrials) => 102,
    }
}

fn headline(verdict: Verdict, checks: &[GateCheck], pairs: &Pairs<'_>) -> String {
    let of = |wanted| checks.iter().filter(move |check| check.verdict == wanted);
    let named = |wanted| {
        let names: Vec<_> = of(wanted).map(|check| check.name.as_str()).collect();
        names.join(", ")
    };
    let changes = &pairs.changes;
    match verdict {
        Verdict::Fail => format!("it fails for {}", named(Verdict::Fail)),
        Verdict::Inconclusive if of(Verdict::Inconclusive).count() == 1 => {
            let only = of(Verdict::Inconclusive).next();
            only.map_or(String::new(), |check| {
                format!("{}: {}", check.name, check.reason)
            })
        }
        Verdict::Inconclusive => {
            let settled = of(Verdict::Inconclusive)
                .filter_map(|check| check.settled_by)
                .max();
            let settled = settled.map_or(String::new(), |n| {
                format!("; about {n} cases would settle it")
            });
            format!(
                "the data do not say of {}{settled}",
                named(Verdict::Inconclusive)
            )
        }
        Verdict::Pass if changes.paired == 1 && changes.unchanged == 1 => {
            "nothing changed: the only case equals the baseline's by hash".to_string()
        }
        Verdict::Pass if changes.paired > 0 && changes.unchanged == changes.paired => format!(
            "nothing changed: all {} cases equal the baseline's by hash",
            changes.paired
        ),
        Verdict::Pass => {
            let detectable = checks.iter().filter_map(|check| check.detectable);
            let detectable = detectable.reduce(f64::max).map_or(String::new(), |drop| {
                format!(
                    "; a drop of {:.0} points would have been seen",
                    100.0 * drop
                )
            });
            format!("all {} checks hold{detectable}", checks.len())
        }
    }
}
