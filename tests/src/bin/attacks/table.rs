//! What came of it, as a table and as JSON.

use crate::arms::Arm;
use llmtest::Family;
use llmtest::stats::wilson;
use llmtest_tests::paired::Paired;
use serde_json::{Value, json};

/// One attack on one answer, in every arm: whether the verdict flipped, `None` where it could not be read.
pub(crate) struct Row {
    pub(crate) attack: &'static str,
    pub(crate) family: Family,
    pub(crate) item: String,
    pub(crate) flipped: [Option<bool>; 3],
}

/// The flips of one arm among these rows, and of how many.
fn flips(rows: &[&Row], arm: usize) -> (u64, u64) {
    let read = rows.iter().filter_map(|row| row.flipped[arm]);
    read.fold((0, 0), |(flips, n), flipped| {
        (flips + u64::from(flipped), n + 1)
    })
}

/// The fence and another arm in the same attacks.
fn pairs(rows: &[&Row], arm: usize) -> Paired {
    let mut paired = Paired::default();
    for row in rows {
        if let (Some(fence), Some(other)) = (row.flipped[0], row.flipped[arm]) {
            paired.add(fence, other);
        }
    }
    paired
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

fn share(rows: &[&Row], arm: usize) -> String {
    let (flips, n) = flips(rows, arm);
    match wilson(flips, n) {
        Some(interval) => format!(
            "{flips}/{n} = {} ({} to {})",
            percent(flips as f64 / n as f64),
            percent(interval.low),
            percent(interval.high)
        ),
        None => "-".to_string(),
    }
}

fn difference(rows: &[&Row], arm: usize) -> String {
    match pairs(rows, arm).difference() {
        Some((difference, interval)) => format!(
            "{:+.1} ({:+.1} to {:+.1})",
            100.0 * difference,
            100.0 * interval.low,
            100.0 * interval.high
        ),
        None => "-".to_string(),
    }
}

fn families(rows: &[Row]) -> impl Iterator<Item = (Family, Vec<&Row>)> {
    Family::ALL.into_iter().filter_map(|family| {
        let of: Vec<&Row> = rows.iter().filter(|row| row.family == family).collect();
        (!of.is_empty()).then_some((family, of))
    })
}

/// The table in Markdown: flipped verdicts with Wilson intervals, and the paired differences in percentage points.
pub(crate) fn markdown(rows: &[Row]) -> String {
    let mut text = String::from(
        "| family | fence | markers only | no fence | fence less markers | fence less none |\n|---|---|---|---|---|---|\n",
    );
    let mut line = |name: &str, rows: &[&Row]| {
        let shares: Vec<String> = (0..Arm::ALL.len()).map(|arm| share(rows, arm)).collect();
        let cells = shares.join(" | ");
        text.extend([format!(
            "| {name} | {cells} | {} | {} |\n",
            difference(rows, 1),
            difference(rows, 2)
        )]);
    };
    for (family, of) in families(rows) {
        line(family.name(), &of);
    }
    line("all", &rows.iter().collect::<Vec<_>>());
    text
}

/// What got through each arm, and what could not be read.
pub(crate) fn listed(rows: &[Row]) -> String {
    let mut text = String::new();
    for (index, arm) in Arm::ALL.into_iter().enumerate() {
        let names = |wanted: Option<bool>| -> Vec<&str> {
            let found = rows.iter().filter(|row| row.flipped[index] == wanted);
            found.map(|row| row.attack).collect()
        };
        let title = arm.title();
        text.extend([format!(
            "got through, {title}: {}\n",
            names(Some(true)).join(", ")
        )]);
        let unreadable = names(None);
        if !unreadable.is_empty() {
            text.extend([format!("unreadable, {title}: {}\n", unreadable.join(", "))]);
        }
    }
    text
}

/// All of it as JSON.
pub(crate) fn as_json(rows: &[Row]) -> Value {
    let of = |rows: &[&Row]| {
        let arms: serde_json::Map<String, Value> = Arm::ALL
            .into_iter()
            .enumerate()
            .map(|(index, arm)| {
                let (flips, n) = flips(rows, index);
                let interval = wilson(flips, n).map(|interval| [interval.low, interval.high]);
                let paired = pairs(rows, index).difference().filter(|_| index > 0);
                let value = json!({
                    "flipped": flips,
                    "of": n,
                    "interval": interval,
                    "fence_less_this": paired.map(|(difference, interval)| json!({
                        "difference": difference,
                        "interval": [interval.low, interval.high],
                    })),
                });
                (arm.title().to_string(), value)
            })
            .collect();
        Value::Object(arms)
    };
    let by_family: serde_json::Map<String, Value> = families(rows)
        .map(|(family, rows)| (family.name().to_string(), of(&rows)))
        .collect();
    let each: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({
                "attack": row.attack,
                "family": row.family,
                "question": row.item,
                "flipped": { "fence": row.flipped[0], "markers only": row.flipped[1], "no fence": row.flipped[2] },
            })
        })
        .collect();
    json!({ "all": of(&rows.iter().collect::<Vec<_>>()), "families": by_family, "attacks": each })
}
