//! The tests that more trials may settle.

use super::comparison::{ALL_CASES, REJUDGED};
use super::pairs::scored;
use super::verdict::{GateReport, Verdict};
use crate::results::Outcome;
use crate::runs::{CaseKey, CaseSummary, Snapshot};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// A test: its binary and its path.
pub(crate) type Test = (Arc<str>, Arc<str>);

/// The tests whose trials may settle what the gate could not, with how many trials each has now.
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
