//! Looking again after more trials, without being wrong more often for it.

use super::comparison::{ALL_CASES, REJUDGED};
use super::pairs::scored;
use super::verdict::{GateReport, Verdict};
use crate::results::Outcome;
use crate::runs::{CaseKey, CaseSummary, Snapshot};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// How many times as many trials a test has at each look: twice as many as before, and at last `max`.
///
/// Each look gets an equal share of `alpha` (Bonferroni): whatever hangs together between looks, a change that changes
/// nothing is blocked at one of them no more often than `alpha`. A confidence sequence would allow any number of looks, at
/// the price of an interval that is wider than that of these few; a test of one rate against two (SPRT) has no pairs.
///
/// ```
/// assert_eq!(llmtest::gate::looks(5), [1, 2, 4, 5]);
/// assert_eq!(llmtest::gate::looks(1), [1]);
/// ```
pub fn looks(max: u32) -> Vec<u32> {
    let mut all: Vec<u32> = std::iter::successors(Some(1_u32), |n| n.checked_mul(2))
        .take_while(|n| *n < max)
        .collect();
    all.push(max.max(1));
    all
}

/// A test: its binary and its path.
#[cfg(feature = "cli")]
pub(crate) type Test = (Arc<str>, Arc<str>);

/// The tests whose trials may settle what the gate could not, with how many trials each has now.
#[cfg(feature = "cli")]
pub(crate) fn undecided(
    run: &Snapshot,
    baseline: &Snapshot,
    gate: &GateReport,
) -> BTreeMap<Test, usize> {
    let open: Vec<&str> = gate
        .checks
        .iter()
        .filter(|check| check.verdict == Verdict::Inconclusive)
        // Of what was compared; more trials do not make scores of another judge comparable.
        .filter(|check| check.kind == "non_inferiority" && check.n > 0)
        .filter(|check| !check.reason.starts_with(REJUDGED))
        .map(|check| check.name.as_str())
        .collect();
    let before: HashMap<&CaseKey, &CaseSummary> = baseline
        .cases
        .iter()
        .map(|case| (&case.key, case))
        .collect();
    let about = |case: &CaseSummary, name: &str| {
        name == ALL_CASES
            || name
                .strip_prefix("tag ")
                .is_some_and(|tag| case.tags.iter().any(|own| own == tag))
            || scored(case).keys().any(|key| key.title() == name)
    };
    let mut found = BTreeMap::new();
    for case in &run.cases {
        let paired = before.contains_key(&case.key) && case.outcome != Outcome::Errored;
        if paired && open.iter().any(|name| about(case, name)) {
            let test = (case.key.binary.clone(), case.key.test.clone());
            let most = found.entry(test).or_insert(0);
            *most = case.trials.len().max(*most);
        }
    }
    found
}
