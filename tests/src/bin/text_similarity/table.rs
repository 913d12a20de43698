//! The committed table of differences that have a reason.

use std::collections::{BTreeMap, BTreeSet};

const TABLE: &str = include_str!("../../../tables/text_similarity.md");

/// The only value that a row may name: NLTK's METEOR has a stage that ours leaves out.
const NAMED: &str = "nltk.meteor";

/// The rows, by pair and name of the value.
pub(crate) struct Rows {
    ours: BTreeMap<(String, String), f64>,
    used: BTreeSet<(String, String)>,
}

/// Reads the table: `| pair | value | ours |`.
pub(crate) fn rows() -> Result<Rows, String> {
    let mut ours = BTreeMap::new();
    for line in TABLE.lines().filter(|line| line.starts_with('|')).skip(2) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [pair, value, number] = cells.as_slice() else {
            return Err(format!(
                "the table has a row that is not `| pair | value | ours |`: {line}"
            ));
        };
        let number = number
            .parse()
            .map_err(|_| format!("the table has a row without a number: {line}"))?;
        if *value != NAMED {
            return Err(format!(
                "the table names `{value}`; only `{NAMED}` may differ"
            ));
        }
        if ours
            .insert((pair.to_string(), value.to_string()), number)
            .is_some()
        {
            return Err(format!("the table has two rows of `{pair}`"));
        }
    }
    Ok(Rows {
        ours,
        used: BTreeSet::new(),
    })
}

impl Rows {
    /// What ours should be according to the table, and notes that the row was needed.
    pub(crate) fn take(&mut self, pair: &str, value: &str) -> Option<f64> {
        let key = (pair.to_string(), value.to_string());
        let ours = *self.ours.get(&key)?;
        self.used.insert(key);
        Some(ours)
    }

    /// The rows that no difference needed.
    pub(crate) fn unused(&self) -> Vec<String> {
        let unused = self.ours.keys().filter(|key| !self.used.contains(key));
        unused
            .map(|(pair, value)| format!("`{pair}` {value}"))
            .collect()
    }
}
