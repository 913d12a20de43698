//! What a gate says, for a terminal.

use super::verdict::{GateCheck, GateReport, Verdict};
use crate::calendar::date;
use crate::results::RunInfo;
use crate::text::clean_name;
use std::fmt::Write;

/// How many names a list shows.
const NAMED: usize = 10;

impl GateReport {
    /// The gate as text: warnings before any number, then every check with its reason, then how the cases changed. Names are
    /// made safe for a terminal.
    pub fn text(&self) -> String {
        let mut out = String::new();
        let _ = writeln!(
            out,
            "gate: {}, {}",
            self.verdict.as_str(),
            clean_name(&self.reason)
        );
        let _ = writeln!(out, "  run       {}", run_line(&self.run));
        if let Some(baseline) = &self.baseline {
            let _ = writeln!(out, "  baseline  {}", run_line(baseline));
        }
        for warning in &self.warnings {
            let _ = writeln!(out, "  ! {}", clean_name(warning));
        }
        let width = self
            .checks
            .iter()
            .map(|check| clean_name(&check.name).chars().count());
        let width = width.max().unwrap_or_default();
        for check in &self.checks {
            check_lines(&mut out, check, width);
        }
        self.case_lines(&mut out);
        if self.verdict == Verdict::Inconclusive && self.exit_code == 0 {
            let _ = writeln!(
                out,
                "hint: this fails nothing, as `on-inconclusive` under [gate] says; a case that has to pass in any case is an \
                 invariant: a tag of it in `invariants`"
            );
        }
        out
    }

    fn case_lines(&self, out: &mut String) {
        let cases = &self.cases;
        if self.baseline.is_some() {
            let _ = writeln!(
                out,
                "  cases: {} paired, {} unchanged, {} new, {} removed, {} worse, {} better",
                cases.paired,
                cases.unchanged,
                cases.new.len(),
                cases.removed.len(),
                cases.worse.len(),
                cases.better.len()
            );
        }
        let lists = [
            ("worse", &cases.worse),
            ("better", &cases.better),
            ("new", &cases.new),
            ("removed", &cases.removed),
            ("in quarantine, not deciding", &cases.quarantined),
        ];
        for (what, names) in lists.into_iter().filter(|(_, names)| !names.is_empty()) {
            let _ = writeln!(out, "  {what}: {}", list(names));
        }
    }
}

fn check_lines(out: &mut String, check: &GateCheck, width: usize) {
    let mark = match check.verdict {
        Verdict::Pass => "✓",
        Verdict::Inconclusive => "?",
        Verdict::Fail => "✗",
    };
    let name = clean_name(&check.name);
    let pad = width - name.chars().count();
    let values = match (check.baseline, check.value) {
        (Some(before), Some(now)) => format!("{before:.3} → {now:.3}"),
        (None, Some(now)) if check.kind == "bar" => format!("{now:.3}"),
        _ => String::new(),
    };
    let _ = writeln!(
        out,
        "  {mark} {name}{:pad$}  {values:<13}  {}",
        "",
        clean_name(&check.reason)
    );
    if check.verdict == Verdict::Pass
        && let Some(drop) = check.detectable
    {
        let _ = writeln!(
            out,
            "    {:width$}  {:<13}  with {} cases it would have seen a drop of {:.1} points in four of five runs",
            "",
            "",
            check.n,
            100.0 * drop
        );
    }
    if check.verdict != Verdict::Pass && !check.worst.is_empty() {
        let _ = writeln!(
            out,
            "    {:width$}  {:<13}  most against it: {}",
            "",
            "",
            list(&check.worst)
        );
    }
}

fn list(names: &[String]) -> String {
    let shown: Vec<_> = names
        .iter()
        .take(NAMED)
        .map(|name| clean_name(name))
        .collect();
    let more = names.len().saturating_sub(NAMED);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    format!("{}{more}", shown.join(", "))
}

/// Id, day, commit and judge.
fn run_line(run: &RunInfo) -> String {
    let day = (run.started > 0).then(|| date(run.started / 86_400_000));
    let commit = run.git.as_ref().and_then(|git| {
        let commit: String = git.commit.as_ref()?.chars().take(10).collect();
        let dirty = if git.dirty == Some(true) {
            " with changes"
        } else {
            ""
        };
        Some(format!("{commit}{dirty}"))
    });
    let judge = run.judge.as_ref().map(|judge| format!("judge {judge}"));
    let id = (!run.id.is_empty()).then(|| run.id.clone());
    let parts: Vec<_> = [id, day, commit, judge].into_iter().flatten().collect();
    clean_name(&parts.join(" · "))
}
