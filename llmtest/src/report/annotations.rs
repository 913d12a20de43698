//! What did not pass, at the line of the test or of its row: workflow commands for GitHub, a report of code quality for
//! GitLab.

use super::junit::{bad, missed};
use super::markdown::{full_name, gap, place, telling};
use crate::gate::{GateReport, Verdict};
use crate::results::stream::Cases;
use crate::results::{Outcome, RunReport, TestRecord};
use crate::text::{clean, clean_name};
use serde_json::json;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// GitHub shows ten errors, ten warnings and ten notices of a step, and drops the others without a word.
const SHOWN: usize = 10;
/// How many findings a report of code quality holds.
const FINDINGS: usize = 1_000;
/// How much of a message is shown.
const MESSAGE: usize = 1_000;

/// How a finding is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Error,
    Warning,
    /// A row that Failed in a dataset that passed all the same.
    Notice,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Notice => "notice",
        }
    }
}

/// A test of a binary, where a row of its dataset is noted.
type Dataset = Option<(String, String)>;

/// Something at a line of a file.
#[derive(Clone)]
struct Note {
    level: Level,
    /// Whether a check of the gate that did not hold names it.
    wanted: bool,
    errored: bool,
    failed: bool,
    gap: f64,
    order: usize,
    file: String,
    line: Option<usize>,
    name: String,
    message: String,
}

impl Note {
    /// Whether it is no more than a notice where its dataset passed.
    fn is_forgivable(&self) -> bool {
        self.failed && !self.wanted
    }

    /// The worst first.
    fn cmp(&self, other: &Self) -> Ordering {
        (self.level, !self.errored)
            .cmp(&(other.level, !other.errored))
            .then(other.gap.total_cmp(&self.gap))
            .then(self.order.cmp(&other.order))
    }
}

/// What is to be noted of a run.
pub(crate) struct Annotations<'a> {
    gate: Option<&'a GateReport>,
    /// By dataset: whether that passed is said at the end of a report only.
    notes: BTreeMap<Dataset, Noted>,
    order: usize,
}

/// What is to be noted of one dataset, or of all other tests.
#[derive(Default)]
struct Noted {
    kept: Vec<Note>,
    /// How many there are at each level, with and without those that are not kept.
    counts: [usize; 3],
    /// Of the first two levels, Failed rows that no check of the gate names.
    forgivable: [usize; 2],
}

impl Noted {
    fn add(&mut self, note: Note) {
        self.counts[note.level as usize] += 1;
        if note.is_forgivable() {
            self.forgivable[note.level as usize] += 1;
        }
        let full = self.kept.len() == FINDINGS;
        if full && self.kept.last().is_some_and(|last| note.cmp(last).is_gt()) {
            return;
        }
        let at = self.kept.partition_point(|kept| kept.cmp(&note).is_lt());
        self.kept.insert(at, note);
        self.kept.truncate(FINDINGS);
    }
}

impl Cases for Annotations<'_> {
    fn add(&mut self, case: &TestRecord) {
        let failed = matches!(case.outcome, Outcome::Failed | Outcome::Errored);
        let trials = || case.trials.iter();
        let unsteady = case.attempt > 1
            || trials().any(|t| matches!(t.outcome, Outcome::Failed | Outcome::Errored));
        if !failed && !unsteady {
            return;
        }
        // Where a gate decides, and passes, a case that Failed is no error.
        let decides = case.outcome == Outcome::Errored
            || self.gate.is_none_or(|gate| gate.verdict == Verdict::Fail);
        let level = if failed && decides {
            Level::Error
        } else {
            Level::Warning
        };
        self.order += 1;
        let name = full_name(case);
        let wanted = self.gate.is_some_and(|gate| {
            let broken = gate.checks.iter().filter(|c| c.verdict == Verdict::Fail);
            broken.into_iter().any(|check| check.worst.contains(&name))
        });
        let (file, line) = place(case);
        let note = Note {
            level,
            wanted,
            errored: case.outcome == Outcome::Errored,
            failed: case.outcome == Outcome::Failed,
            gap: gap(case),
            order: self.order,
            file: file.to_string(),
            line,
            name,
            message: if failed {
                message(case)
            } else {
                let passed = trials().filter(|t| t.outcome == Outcome::Passed).count();
                let all = case.trials.len();
                format!(
                    "flaky: passed in {passed} of {all} trials, attempt {}",
                    case.attempt
                )
            },
        };
        let dataset = case.row.is_some();
        let dataset = dataset.then(|| (case.binary.clone(), case.test.clone()));
        self.notes.entry(dataset).or_default().add(note);
    }
}

/// What decided, then the reasons.
fn message(case: &TestRecord) -> String {
    let Some(trial) = telling(case) else {
        return case.outcome.as_str().to_string();
    };
    let mut text = missed(trial);
    for m in bad(trial) {
        if let Some(reason) = &m.reason {
            let reason: String = reason.chars().take(300).collect();
            let _ = write!(text, "\n{}: {reason}", m.title());
        }
    }
    text
}

impl<'a> Annotations<'a> {
    pub(crate) fn new(gate: Option<&'a GateReport>) -> Self {
        Self {
            gate,
            notes: BTreeMap::new(),
            order: 0,
        }
    }

    /// All notes, the worst first, and how many there are at each level. A Failed row of a dataset that passed, since enough
    /// of its rows did, is a notice.
    fn notes(&self, report: &RunReport) -> (Vec<Note>, [usize; 3]) {
        let passed: BTreeSet<_> = report
            .groups
            .iter()
            .filter(|group| group.outcome == Outcome::Passed)
            .map(|group| (group.binary.as_str(), group.test.as_str()))
            .collect();
        let (mut notes, mut counts) = (Vec::new(), [0; 3]);
        for (dataset, noted) in &self.notes {
            let held = dataset
                .as_ref()
                .is_some_and(|(binary, test)| passed.contains(&(binary.as_str(), test.as_str())));
            for (all, own) in counts.iter_mut().zip(noted.counts) {
                *all += own;
            }
            if held {
                for (level, forgiven) in noted.forgivable.into_iter().enumerate() {
                    counts[level] -= forgiven;
                    counts[Level::Notice as usize] += forgiven;
                }
            }
            notes.extend(noted.kept.iter().cloned().map(|note| Note {
                level: if held && note.is_forgivable() {
                    Level::Notice
                } else {
                    note.level
                },
                ..note
            }));
        }
        notes.sort_by(Note::cmp);
        notes.truncate(FINDINGS);
        (notes, counts)
    }

    /// GitHub's workflow commands, one a line.
    pub(crate) fn github(&self, report: &RunReport) -> String {
        let mut lines: [Vec<String>; 3] = Default::default();
        let (notes, counts) = self.notes(report);
        if let Some(gate) = self.gate {
            for check in gate.checks.iter().filter(|c| c.verdict != Verdict::Pass) {
                let (command, at) = match check.verdict {
                    Verdict::Fail => ("error", 0),
                    _ => ("warning", 1),
                };
                let said = format!(
                    "{} {}: {}",
                    check.name,
                    check.verdict.as_str(),
                    check.reason
                );
                lines[at].push(simple(command, "llmtest gate", &said));
            }
            lines[1].extend(
                gate.warnings
                    .iter()
                    .map(|said| simple("warning", "llmtest gate", said)),
            );
        }
        for group in report
            .groups
            .iter()
            .filter(|g| matches!(g.outcome, Outcome::Failed | Outcome::Errored))
        {
            let all: usize = group.rows.values().sum();
            let passed = group.rows.get("passed").copied().unwrap_or_default();
            let said = group.error.clone().unwrap_or_else(|| {
                format!(
                    "{passed} of {all} rows passed, at least {:.0}% must",
                    100.0 * group.pass_rate
                )
            });
            let line = usize::try_from(group.line).ok();
            lines[0].push(command("error", &group.file, line, &group.test, &said));
        }
        let all = counts.into_iter().zip(&lines);
        let all: Vec<_> = all.map(|(cases, lines)| cases + lines.len()).collect();
        for note in &notes {
            let (word, at) = (note.level.word(), note.level as usize);
            if lines[at].len() < SHOWN {
                let line = command(word, &note.file, note.line, &note.name, &note.message);
                lines[at].push(line);
            }
        }
        let mut out = String::new();
        let words = [Level::Error, Level::Warning, Level::Notice].map(Level::word);
        for ((mut lines, word), all) in lines.into_iter().zip(words).zip(all) {
            if all > SHOWN {
                lines.truncate(SHOWN - 1);
                let rest = all - lines.len();
                let said = format!(
                    "{rest} more {word}s are left out here; the report of the run has all of them"
                );
                lines.push(simple(word, "llmtest", &said));
            }
            for line in lines {
                let _ = writeln!(out, "{line}");
            }
        }
        out
    }

    /// A report of code quality, as GitLab reads it.
    pub(crate) fn code_quality(&self, report: &RunReport) -> String {
        let findings: Vec<_> = self
            .notes(report)
            .0
            .iter()
            .map(|note| {
                let severity = match note.level {
                    Level::Error => "major",
                    Level::Warning => "minor",
                    Level::Notice => "info",
                };
                let hash = llmtest_metrics::hash::long(note.name.as_bytes());
                json!({
                    "description": short(&clean(&format!("{}: {}", note.name, note.message))),
                    "check_name": "llmtest",
                    "fingerprint": hash,
                    "severity": severity,
                    "location": {"path": clean_name(&note.file), "lines": {"begin": note.line.unwrap_or(1)}},
                })
            })
            .collect();
        format!("{:#}\n", serde_json::Value::Array(findings))
    }
}

fn simple(word: &str, title: &str, said: &str) -> String {
    format!(
        "::{word} title={}::{}",
        property(title),
        data(&short(&clean(said)))
    )
}

fn command(word: &str, file: &str, line: Option<usize>, name: &str, said: &str) -> String {
    let line = line.map_or_else(String::new, |line| format!(",line={line}"));
    format!(
        "::{word} file={}{line},title={}::{}",
        property(&clean_name(file)),
        property(&short(&clean_name(name))),
        data(&short(&clean(said)))
    )
}

fn short(text: &str) -> String {
    match text.char_indices().nth(MESSAGE) {
        None => text.to_string(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// The text of a workflow command, as GitHub's toolkit escapes it.
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// The value of a property, which ends at a comma or a colon.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_ends_a_command_or_begins_another() {
        let line = command(
            "error",
            "a,b:c.rs",
            Some(3),
            "n::x,line=9",
            "100%\r\n::error file=b::x\u{1b}[2J",
        );
        assert_eq!(
            line,
            "::error file=a%2Cb%3Ac.rs,line=3,title=n%3A%3Ax%2Cline=9::100%25\\u{d}%0A::error file=b::x\\u{1b}[2J"
        );
        assert!(!line.contains('\n'));
    }
}
