//! The committed table of exchanges that are read differently, and why.

/// At most so many rows may stand there.
const MOST: usize = 15;

/// One row: which exchange, in which member, and whether it was needed.
struct Row {
    id: String,
    member: String,
    used: bool,
}

/// The rows.
pub(crate) struct Rows(Vec<Row>);

/// Reads the table: `| exchange | member | reason |`.
pub(crate) fn rows() -> Result<Rows, String> {
    let text = include_str!("../../../tables/providers.md");
    let mut rows = Vec::new();
    for line in text.lines().filter(|line| line.starts_with("| ")).skip(1) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [id, member, reason] = cells[..] else {
            return Err(format!("the table has a row of another form: {line}"));
        };
        if reason.len() < 20 {
            return Err(format!("the table has a row without a reason: {line}"));
        }
        rows.push(Row {
            id: id.to_string(),
            member: member.to_string(),
            used: false,
        });
    }
    if rows.len() > MOST {
        return Err(format!(
            "the table has {} rows; {MOST} are the most",
            rows.len()
        ));
    }
    Ok(Rows(rows))
}

impl Rows {
    /// Whether every difference of this exchange is in a member that the table names.
    pub(crate) fn take(&mut self, id: &str, differences: &[String]) -> bool {
        let row_of = |rows: &[Row], difference: &str| {
            let member = difference.split(':').next().unwrap_or_default();
            rows.iter()
                .position(|row| row.id == id && row.member == member)
        };
        let found: Option<Vec<usize>> = differences
            .iter()
            .map(|difference| row_of(&self.0, difference))
            .collect();
        let Some(found) = found else {
            return false;
        };
        for place in found {
            self.0[place].used = true;
        }
        true
    }

    /// Those that no exchange needed.
    pub(crate) fn unused(&self) -> impl Iterator<Item = String> {
        self.0
            .iter()
            .filter(|row| !row.used)
            .map(|row| format!("{} {}", row.id, row.member))
    }
}
