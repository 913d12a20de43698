//! Compares the text metrics with the values of their reference libraries.
//!
//! `text-similarity FILE` reads pairs of texts with reference values, one JSON object a line: `id`, `output`, `references`
//! and `metrics`, a map from `library.metric.variant` to a value. Every value is computed again; what is further away than
//! the tolerance fails, unless the committed table names it. The last line counts; the exit code is 1 when anything
//! failed or nothing was read. With `--check-table`, a row of the table that matches nothing fails too.

#![expect(clippy::print_stdout, reason = "a command that reports")]

mod meteor;
mod table;
mod values;

use llmtest_tests::Tally;
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::ExitCode;

/// How far a value may be from the reference.
const TOLERANCE: f64 = 1e-6;

/// A pair of texts and the reference values of it.
pub(crate) struct Pair {
    pub(crate) id: String,
    pub(crate) output: String,
    pub(crate) references: Vec<String>,
    metrics: BTreeMap<String, Value>,
}

const USAGE: &str = "usage: text-similarity FILE [--check-table]";

fn main() -> ExitCode {
    match run(std::env::args().skip(1)) {
        Ok(code) => code,
        Err(message) => {
            println!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: impl Iterator<Item = String>) -> Result<ExitCode, String> {
    let (mut file, mut check_table) = (None, false);
    for arg in args {
        match arg.as_str() {
            "--check-table" => check_table = true,
            flag if flag.starts_with('-') => return Err(format!("unknown `{flag}`\n{USAGE}")),
            _ if file.is_none() => file = Some(arg),
            more => return Err(format!("`{more}` is one too many\n{USAGE}")),
        }
    }
    let pairs = read(&file.ok_or(USAGE)?)?;
    let mut rows = table::rows()?;
    // The values of a family, and how far the furthest that passed is away.
    let mut families: BTreeMap<String, (Tally, f64)> = BTreeMap::new();
    for pair in &pairs {
        for (name, reference) in &pair.metrics {
            let (tally, furthest) = families.entry(family(name)).or_default();
            match compare(pair, name, reference, &mut rows) {
                Outcome::Passed(difference) => {
                    tally.passed += 1;
                    *furthest = furthest.max(difference);
                }
                Outcome::Skipped => tally.skipped += 1,
                Outcome::Failed(why) => {
                    tally.failed += 1;
                    println!("FAILED {} {name}: {why}", pair.id);
                }
            }
        }
    }
    let mut total = Tally::default();
    for (family, (tally, furthest)) in &families {
        println!("{family:<42} {tally}, furthest {furthest:.1e}");
        total += *tally;
    }
    if check_table {
        for row in rows.unused() {
            println!("FAILED: the table has a row that no value needs: {row}");
            total.failed += 1;
        }
    }
    println!("\n{total}");
    Ok(total.exit_code())
}

enum Outcome {
    /// By how much it differs.
    Passed(f64),
    Skipped,
    Failed(String),
}

fn compare(pair: &Pair, name: &str, reference: &Value, rows: &mut table::Rows) -> Outcome {
    let Some(ours) = values::of(name, pair) else {
        return Outcome::Failed("no metric has this name".to_string());
    };
    let theirs = numbers(reference);
    if theirs.len() != ours.len() || theirs.is_empty() {
        return Outcome::Failed(format!("{reference} is not {} numbers", ours.len()));
    }
    let difference = ours
        .iter()
        .zip(&theirs)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, largest);
    if difference <= TOLERANCE {
        return Outcome::Passed(difference);
    }
    match rows.take(&pair.id, name) {
        None => Outcome::Failed(format!("ours {ours:?}, the reference {theirs:?}")),
        Some(expected) if (ours[0] - expected).abs() > TOLERANCE => {
            Outcome::Failed(format!("ours {ours:?}, but the table says {expected}"))
        }
        Some(_) if theirs[0] < ours[0] || !meteor::more_matches_give(pair, theirs[0]) => {
            Outcome::Failed(format!(
                "ours {ours:?}, and no number of matches gives the reference {theirs:?}"
            ))
        }
        Some(_) => Outcome::Skipped,
    }
}

/// The larger one; what is not a number is larger than any.
fn largest(a: f64, b: f64) -> f64 {
    if b.is_nan() { f64::INFINITY } else { a.max(b) }
}

/// The numbers of a value: one, a list, or an object of lists in the order of its keys.
fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(items) => items.iter().flat_map(numbers).collect(),
        Value::Object(items) => {
            let sorted: BTreeMap<_, _> = items.iter().collect();
            sorted.values().flat_map(|value| numbers(value)).collect()
        }
        number => number.as_f64().into_iter().collect(),
    }
}

/// The name without its variant.
fn family(name: &str) -> String {
    name.split('.').take(2).collect::<Vec<_>>().join(".")
}

fn read(file: &str) -> Result<Vec<Pair>, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    let mut pairs = Vec::new();
    for (i, line) in text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
    {
        let pair = serde_json::from_str(line).ok().and_then(pair);
        pairs.push(pair.ok_or_else(|| {
            format!(
                "{file}:{}: not an object with `id`, `output`, `references` and `metrics`",
                i + 1
            )
        })?);
    }
    Ok(pairs)
}

fn pair(row: Value) -> Option<Pair> {
    let text = |value: &Value| value.as_str().map(str::to_string);
    let metrics = row.get("metrics")?.as_object()?;
    Some(Pair {
        id: text(row.get("id")?)?,
        output: text(row.get("output")?)?,
        references: row
            .get("references")?
            .as_array()?
            .iter()
            .map(text)
            .collect::<Option<_>>()?,
        metrics: metrics
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
    })
}
