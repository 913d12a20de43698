//! The committed table of differences: `tests/tables/parity.md`.

use std::path::Path;

/// Rows `| match | ours | theirs | why |`; `match` is the text of `suspect`, or a closed kind, in backticks or not.
pub(crate) struct Table {
    rows: Vec<(String, bool)>,
}

impl Table {
    /// Reads the table that stands beside this crate.
    pub(crate) fn read() -> Result<Self, String> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tables/parity.md");
        let text = std::fs::read_to_string(&path)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        let mut rows = Vec::new();
        for (line, number) in text
            .lines()
            .zip(1..)
            .filter(|(line, _)| line.starts_with('|'))
        {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            let heading = cells[0] == "match" || cells[0].starts_with("---");
            if heading {
                continue;
            }
            if cells.len() != 4 || cells.iter().any(|cell| cell.is_empty()) {
                return Err(format!(
                    "{}:{number}: a row has four filled cells: match, ours, theirs, why",
                    path.display()
                ));
            }
            rows.push((cells[0].trim_matches('`').to_string(), false));
        }
        Ok(Self { rows })
    }

    /// Whether a row has this key; it then counts as used.
    pub(crate) fn allows(&mut self, key: &str) -> bool {
        let row = self.rows.iter_mut().find(|(known, _)| known == key);
        row.map(|(_, used)| *used = true).is_some()
    }

    /// The rows that nothing needed.
    pub(crate) fn unused(&self) -> impl Iterator<Item = &str> {
        self.rows
            .iter()
            .filter(|(_, used)| !used)
            .map(|(key, _)| key.as_str())
    }
}
