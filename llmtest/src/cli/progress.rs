//! The last line of a terminal, which says how far a run is.
//!
//! The tests write to the terminal themselves, with their colours and with cargo's own bar. So that nothing comes between,
//! the terminal scrolls only the lines above the last one (DECSTBM), and ours is written with the cursor put back.

use super::Place;
use super::follow::{SoFar, spent_text};
use crate::text::count;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write, stderr};
use std::time::Duration;
use terminal_size::{Height, Width, terminal_size_of};

/// A terminal with fewer lines keeps them all.
const FEWEST: u16 = 5;

/// The line, while it is shown. Dropping it gives the line back.
pub(super) struct Bar {
    /// Columns and rows that the terminal was set up for.
    size: Option<(u16, u16)>,
    shown: String,
}

impl Bar {
    /// Where standard error is a terminal that understands it, and nobody's log.
    pub(super) fn on_terminal(place: &Place) -> Option<Self> {
        let plain =
            place.var("CI").is_some() || place.var("TERM").is_none_or(|term| term == "dumb");
        (!plain && stderr().is_terminal()).then_some(Self {
            size: None,
            shown: String::new(),
        })
    }

    /// Shows this.
    pub(super) fn show(&mut self, so_far: &SoFar, expected: Option<usize>, elapsed: Duration) {
        let Some((Width(columns), Height(rows))) = terminal_size_of(stderr()) else {
            return;
        };
        if rows < FEWEST {
            self.end();
            return;
        }
        let mut text = String::new();
        if self.size != Some((columns, rows)) {
            self.end();
            self.size = Some((columns, rows));
            // Setting the lines that scroll moves the cursor, which must not be on the last line either.
            let _ = write!(text, "\n\x1b7\x1b[1;{}r\x1b8\x1b[1A", rows - 1);
        }
        let line = line(so_far, expected, elapsed, usize::from(columns));
        if line != self.shown || !text.is_empty() {
            let _ = write!(text, "\x1b7\x1b[{rows};1H\x1b[2K{line}\x1b8");
            self.shown = line;
            put(&text);
        }
    }

    fn end(&mut self) {
        if let Some((_, rows)) = self.size.take() {
            put(&format!("\x1b7\x1b[r\x1b[{rows};1H\x1b[2K\x1b8"));
            self.shown.clear();
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.end();
    }
}

/// At once, so that nothing of the tests comes between.
fn put(text: &str) {
    let mut out = stderr().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

/// The line, no wider than the terminal.
fn line(so_far: &SoFar, expected: Option<usize>, elapsed: Duration, columns: usize) -> String {
    const BAR: usize = 20;
    let done = so_far.done;
    let expected = expected.filter(|expected| *expected >= done && *expected > 0);
    let mut parts = Vec::new();
    parts.push(match expected {
        Some(all) => {
            let full = BAR * done / all;
            let (full, rest) = ("━".repeat(full), "┄".repeat(BAR - full));
            format!("{full}{rest} {done}/{all} cases")
        }
        None => count(done, "case", "cases"),
    });
    if so_far.failed > 0 {
        parts.push(format!("{} failed", so_far.failed));
    }
    if so_far.errored > 0 {
        parts.push(format!("{} errored", so_far.errored));
    }
    let spent = spent_text(&so_far.spent);
    if !spent.is_empty() {
        parts.push(spent);
    }
    parts.push(match expected {
        // The last run says how many cases there are, and those that ended how long one takes.
        Some(all) if done > 0 => {
            let left = elapsed.mul_f64((all - done) as f64 / done as f64);
            format!("{} left", span(left))
        }
        _ => span(elapsed),
    });
    parts.join(" · ").chars().take(columns).collect()
}

/// `7s`, `3m 20s`, `2h 05m`.
fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m {seconds:02}s"),
        (hours, minutes, _) => format!("{hours}h {minutes:02}m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(done: usize, failed: usize) -> SoFar {
        SoFar {
            done,
            failed,
            ..SoFar::default()
        }
    }

    #[test]
    fn the_line_says_what_is_known_and_fits() {
        let minute = Duration::from_secs(60);
        assert_eq!(
            line(&of(10, 2), Some(40), minute, 100),
            "━━━━━┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄ 10/40 cases · 2 failed · 3m 00s left"
        );
        assert_eq!(line(&of(10, 0), None, minute, 100), "10 cases · 1m 00s");
        // More than there were last time: nothing says how many there will be.
        assert_eq!(line(&of(41, 0), Some(40), minute, 100), "41 cases · 1m 00s");
        assert_eq!(line(&of(0, 0), Some(0), minute, 100), "0 cases · 1m 00s");
        assert!(line(&of(0, 0), Some(40), minute, 100).ends_with("0/40 cases · 1m 00s"));
        assert_eq!(line(&of(10, 2), Some(40), minute, 12).chars().count(), 12);
    }

    #[test]
    fn spans_of_time_are_short() {
        for (seconds, text) in [(7, "7s"), (200, "3m 20s"), (7_500, "2h 05m")] {
            assert_eq!(span(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn a_log_has_no_bar() {
        let place = |vars: &[(&str, &str)]| Place {
            folder: std::path::PathBuf::new(),
            vars: vars
                .iter()
                .map(|(n, v)| ((*n).into(), (*v).into()))
                .collect(),
            locks: std::path::PathBuf::new(),
        };
        assert!(Bar::on_terminal(&place(&[("TERM", "xterm"), ("CI", "true")])).is_none());
        assert!(Bar::on_terminal(&place(&[("TERM", "dumb")])).is_none());
    }
}
