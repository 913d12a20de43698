//! The committed table of differences that have a reason.

use std::collections::BTreeMap;

const TABLE: &str = include_str!("../../../tables/traces.md");

/// The rows, by trace and what differs, and whether a difference needed them.
pub(crate) struct Rows(BTreeMap<(String, String), bool>);

/// Reads the table: `| trace | what | reason |`.
pub(crate) fn rows() -> Result<Rows, String> {
    let mut rows = BTreeMap::new();
    for line in TABLE.lines().filter(|line| line.starts_with('|')).skip(2) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [trace, what, reason] = cells.as_slice() else {
            return Err(format!(
                "the table has a row that is not `| trace | what | reason |`: {line}"
            ));
        };
        if reason.is_empty() {
            return Err(format!("the table has a row without a reason: {line}"));
        }
        if rows
            .insert((trace.to_string(), what.to_string()), false)
            .is_some()
        {
            return Err(format!("the table has two rows of `{trace}` {what}"));
        }
    }
    Ok(Rows(rows))
}

impl Rows {
    /// Whether the table names this difference; notes that the row was needed.
    pub(crate) fn names(&mut self, trace: &str, what: &str) -> bool {
        let row = self.0.get_mut(&(trace.to_string(), what.to_string()));
        row.map(|used| *used = true).is_some()
    }

    /// The rows that no difference needed.
    pub(crate) fn unused(&self) -> Vec<String> {
        let unused = self.0.iter().filter(|(_, used)| !**used);
        unused
            .map(|((trace, what), _)| format!("`{trace}` {what}"))
            .collect()
    }
}
