//! The table of blame: one line a stage, the one that cost most first.

use super::terminal::Style;
use crate::blame::{Blame, Estimate, StageBlame};
use crate::text::{clean, clean_name};
use std::fmt::Write;

/// How many stages are shown; the report has all.
const SHOWN: usize = 12;
/// How much of a reason is shown.
const REASON: usize = 300;

/// Says which stage cost the end score.
pub(super) fn blame_table(blame: &Blame, style: Style) -> String {
    let mut out = String::new();
    let causal = blame.stages.iter().any(|stage| stage.causal.is_some());
    let mut head = vec!["stage", "pass", "lift", "first to fail"];
    if causal {
        head.extend(["causal share", "alone"]);
    }
    let mut lines = vec![head.into_iter().map(str::to_string).collect::<Vec<_>>()];
    lines.extend(
        blame
            .stages
            .iter()
            .take(SHOWN)
            .map(|stage| cells(stage, causal)),
    );
    let columns = lines.iter().map(Vec::len).max().unwrap_or_default();
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            let cells = lines.iter().filter_map(|line| line.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let _ = writeln!(
        out,
        "\nblame: {} of {} cases failed",
        blame.failed, blame.cases
    );
    for (n, line) in lines.iter().enumerate() {
        let mut text = String::new();
        for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
            let pad = " ".repeat(width - cell.chars().count());
            // The name to the left, the numbers to the right.
            let _ = match column {
                0 => write!(text, "{cell}{pad}"),
                _ => write!(text, "  {pad}{cell}"),
            };
        }
        let text = if n == 0 { style.bold(&text) } else { text };
        let _ = writeln!(out, "{}", text.trim_end());
    }
    if blame.stages.len() > SHOWN {
        let _ = writeln!(
            out,
            "… and {} more in the report",
            blame.stages.len() - SHOWN
        );
    }
    if blame.stages.iter().any(few) {
        let _ = writeln!(out, "{}", style.dim("*: fewer than ten cases on one side"));
    }
    if blame.blind.value > 0.0 {
        let _ = write!(
            out,
            "no measured stage failed in {} of them",
            percent(&blame.blind)
        );
        if !blame.unmeasured.is_empty() {
            let names = blame.unmeasured.iter().take(SHOWN);
            let names: Vec<_> = names
                .map(|name| format!("`{}`", clean_name(name)))
                .collect();
            let _ = write!(out, "; without a metric: {}", names.join(", "));
        }
        out.push('\n');
    }
    if causal {
        let legend = "causal share: which part of the failures goes away with the stage's reference, after those before it; alone: with only this one";
        let _ = writeln!(out, "{}", style.dim(legend));
    }
    reruns(&mut out, blame);
    out
}

fn few(stage: &StageBlame) -> bool {
    stage.lift.is_some_and(|lift| lift.few)
}

fn cells(stage: &StageBlame, causal: bool) -> Vec<String> {
    let none = || "–".to_string();
    let lift = stage.lift.map(|lift| {
        let ends = lift.interval;
        format!(
            "{:+.2} [{:+.2}, {:+.2}]{}",
            lift.value,
            ends.low,
            ends.high,
            if lift.few { "*" } else { "" }
        )
    });
    let mut cells = vec![
        clean_name(&stage.stage),
        stage
            .pass_rate
            .map_or_else(none, |rate| format!("{:.0}%", 100.0 * rate)),
        lift.unwrap_or_else(none),
        stage
            .first_failure
            .map_or_else(none, |share| percent(&share)),
    ];
    if causal {
        let share = stage.causal.map(|causal| percent(&causal.share));
        let alone = stage.causal.map(|causal| percent(&causal.alone));
        cells.extend([share, alone].map(|cell| cell.unwrap_or_else(none)));
    }
    cells
}

/// `42% [30, 55]`.
fn percent(estimate: &Estimate) -> String {
    // Adding zero takes the sign from a rounded -0.
    let points = |value: f64| (100.0 * value).round() + 0.0;
    format!(
        "{}% [{}, {}]",
        points(estimate.value),
        points(estimate.interval.low),
        points(estimate.interval.high)
    )
}

/// What became of the failed cases in the reruns.
fn reruns(out: &mut String, blame: &Blame) {
    let Some(causal) = &blame.causal else {
        return;
    };
    let _ = write!(
        out,
        "run again with references: {} failed {}, {} reruns",
        causal.cases,
        if causal.cases == 1 { "case" } else { "cases" },
        causal.reruns
    );
    let shares = [
        ("pass without any", causal.again),
        ("fail with all", causal.unhealed),
    ];
    for (what, share) in shares {
        if let Some(share) = share.filter(|share| share.value > 0.0) {
            let _ = write!(out, "; {} {what}", percent(&share));
        }
    }
    let others = [
        ("not recorded", causal.not_recorded),
        ("errored", causal.errored),
        ("without a reference", causal.without_reference),
        ("beyond `max`", causal.left_out),
    ];
    for (what, count) in others {
        if count > 0 {
            let _ = write!(out, "; {count} {what}");
        }
    }
    out.push('\n');
    if let Some(why) = &causal.why {
        let short: String = clean(why).chars().take(REASON).collect();
        for line in short.lines() {
            let _ = writeln!(out, "  {line}");
        }
    }
}
