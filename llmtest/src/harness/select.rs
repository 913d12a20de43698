//! Which tests there are, and which of them this process may run.

use crate::entry::{self, TestEntry};
use std::collections::HashMap;

/// A test under the name that the harness lists.
pub(super) struct Named {
    pub(super) name: String,
    pub(super) entry: &'static TestEntry,
    /// Why it cannot run: another test has its name.
    pub(super) broken: Option<String>,
}

/// Every registered test under a name of its own. Tests of one name are all broken: results could not be told apart.
pub(super) fn named() -> Vec<Named> {
    let entries = entry::all();
    let mut by_path: HashMap<String, Vec<&'static TestEntry>> = HashMap::new();
    for entry in entries {
        by_path.entry(entry.path()).or_default().push(entry);
    }
    let mut count: HashMap<String, usize> = HashMap::new();
    entries
        .iter()
        .map(|entry| {
            let path = entry.path();
            let same = &by_path[&path];
            let nth = count.entry(path.clone()).or_default();
            *nth += 1;
            let name = if *nth == 1 {
                path.clone()
            } else {
                format!("{path}#{nth}")
            };
            Named {
                name,
                entry,
                broken: clash(&path, same),
            }
        })
        .collect()
}

/// Why the test cannot run, for a test found by its entry.
pub(super) fn clash_of(entry: &TestEntry) -> Option<String> {
    let path = entry.path();
    let same: Vec<_> = entry::all()
        .iter()
        .copied()
        .filter(|other| other.path() == path && other.crate_name() == entry.crate_name())
        .collect();
    clash(&path, &same)
}

fn clash(path: &str, same: &[&TestEntry]) -> Option<String> {
    (same.len() > 1).then(|| {
        let places = same.iter().map(|entry| format!("{}:{}", entry.file, entry.line)).collect::<Vec<_>>().join(" and ");
        format!("{} tests are named `{path}`: {places}\nhint: rename one; results and baselines are kept by name", same.len())
    })
}
