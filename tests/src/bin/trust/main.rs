//! The trust figures on recorded judges, against a committed reference made with scipy:
//! `cargo run -q --release -p llmtest-tests --bin trust -- DIR [REFERENCE]`.

#![expect(clippy::print_stdout, reason = "a command that reports")]

mod sets;

use llmtest::stats::Interval;
use llmtest::trust::{Figure, Grouped};
use llmtest_tests::Tally;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

const REFERENCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/reference/trust.json");

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (Some(dir), 1..=2) = (args.first(), args.len()) else {
        println!("usage: trust DIR [REFERENCE]");
        return ExitCode::FAILURE;
    };
    match run(
        Path::new(dir),
        args.get(1).map_or(REFERENCE, String::as_str),
    ) {
        Ok(tally) => {
            println!("\n{tally}");
            tally.exit_code()
        }
        Err(message) => {
            println!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Every figure with its ends.
#[derive(Default)]
struct Found(BTreeMap<String, [Option<f64>; 3]>);

impl Found {
    fn put(&mut self, key: impl Into<String>, figure: Figure) {
        let Interval { low, high } = figure.interval.unwrap_or(Interval {
            low: f64::NAN,
            high: f64::NAN,
        });
        let end = |end: f64| (!end.is_nan()).then_some(end);
        self.0
            .insert(key.into(), [figure.value, end(low), end(high)]);
    }

    fn value(&mut self, key: impl Into<String>, value: Option<f64>) {
        self.0.insert(key.into(), [value, None, None]);
    }

    fn count(&mut self, key: impl Into<String>, count: usize) {
        self.value(key, Some(count as f64));
    }

    fn grouped(&mut self, key: &str, kind: &str, grouped: Grouped) {
        self.put(format!("{key} in groups {kind}"), grouped.figure);
        self.count(format!("{key} groups used"), grouped.figure.n);
        self.count(format!("{key} groups undefined"), grouped.undefined);
    }
}

fn run(dir: &Path, reference: &str) -> Result<Tally, String> {
    let text =
        std::fs::read_to_string(reference).map_err(|error| format!("{reference}: {error}"))?;
    let reference: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let expected = reference["figures"]
        .as_object()
        .ok_or("the reference has no figures")?;
    let mut found = Found::default();
    sets::all(dir, &mut found)?;
    let mut tally = Tally::default();
    let mut lines: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let keys = expected
        .keys()
        .chain(found.0.keys().filter(|key| !expected.contains_key(*key)));
    for key in keys {
        let line = lines
            .entry(key.split(' ').next().unwrap_or(key))
            .or_default();
        let (ours, theirs) = (found.0.get(key), expected.get(key));
        if let (Some(ours), Some(theirs)) = (ours, theirs)
            && (0..3).all(|n| equal(ours[n], theirs[n].as_f64()))
        {
            line.0 += 1;
            tally.passed += 1;
        } else {
            line.1 += 1;
            tally.failed += 1;
            println!("FAILED {key}: {ours:?}, not {theirs:?}");
        }
    }
    println!("| data set | equal to 1e-9 | not |\n|---|---|---|");
    for (set, (equal, not)) in lines {
        println!("| {set} | {equal} | {not} |");
    }
    Ok(tally)
}

fn equal(ours: Option<f64>, theirs: Option<f64>) -> bool {
    match (ours, theirs) {
        (Some(ours), Some(theirs)) => (ours - theirs).abs() < 1e-9,
        (ours, theirs) => ours.is_none() && theirs.is_none(),
    }
}
