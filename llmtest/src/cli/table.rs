//! Aligned columns, sizes and days.

use crate::calendar::date;
use crate::text::clean_name;
use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

/// Rows under titles, with two blanks between columns. What stands in a cell is written on one line and made safe for a
/// terminal. Columns whose title begins with `>` are aligned on the right.
pub(super) fn table(titles: &[&str], rows: &[Vec<String>]) -> String {
    let titles: Vec<(bool, &str)> = titles
        .iter()
        .map(|title| match title.strip_prefix('>') {
            Some(title) => (true, title),
            None => (false, *title),
        })
        .collect();
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| clean_name(cell)).collect())
        .collect();
    let width = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at));
        let widths = cells.map(|cell| cell.chars().count());
        widths.max().unwrap_or(0).max(titles[at].1.chars().count())
    };
    let widths: Vec<usize> = (0..titles.len()).map(width).collect();
    let mut out = String::new();
    let mut line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut text = String::new();
        for ((cell, width), (right, _)) in cells.zip(&widths).zip(&titles) {
            let _ = if *right {
                write!(text, "{cell:>width$}  ")
            } else {
                write!(text, "{cell:<width$}  ")
            };
        }
        let _ = writeln!(out, "{}", text.trim_end());
    };
    line(&mut titles.iter().map(|(_, title)| *title));
    for row in &rows {
        line(&mut row.iter().map(String::as_str));
    }
    out
}

/// `512 B`, `18 KiB`, `1.2 MiB`.
pub(super) fn size(bytes: u64) -> String {
    const UNIT: f64 = 1024.0;
    let bytes = bytes as f64;
    if bytes < UNIT {
        format!("{bytes:.0} B")
    } else if bytes < UNIT * UNIT {
        format!("{:.0} KiB", bytes / UNIT)
    } else {
        format!("{:.1} MiB", bytes / UNIT / UNIT)
    }
}

/// The day, in UTC.
pub(super) fn day(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    date(since.as_secs() / 86_400)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_aligned_and_harmless() {
        let row = |name: &str, number: &str| vec![name.to_string(), number.to_string()];
        let text = table(
            &["name", ">n"],
            &[row("a\u{1b}[2J\nb", "1"), row("c", "200")],
        );
        assert_eq!(
            text,
            "name             n\na\\u{1b}[2J\\nb    1\nc              200\n"
        );
    }

    #[test]
    fn sizes_and_days_are_short() {
        assert_eq!(size(1023), "1023 B");
        assert_eq!(size(18 * 1024), "18 KiB");
        assert_eq!(size(1_258_291), "1.2 MiB");
        assert_eq!(day(UNIX_EPOCH), "1970-01-01");
    }
}
