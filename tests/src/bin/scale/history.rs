//! A history of runs, as tests leave it.

use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{BufWriter, Result, Write};
use std::path::Path;

/// Writes `runs` runs of `cases` cases into `root`, each as one shard.
pub(crate) fn write(root: &Path, runs: usize, cases: usize, bytes: usize) -> Result<()> {
    for run in 0..runs {
        let folder = root.join("runs").join(format!("run-{run:04}"));
        fs::create_dir_all(&folder)?;
        let mut shard = BufWriter::new(File::create(folder.join("1-0.jsonl"))?);
        for n in 0..cases {
            writeln!(shard, "{}", json!({ "test": case(run, n, bytes) }))?;
        }
        shard.flush()?;
    }
    Ok(())
}

fn case(run: usize, n: usize, bytes: usize) -> Value {
    // One case in fifty differs from run to run.
    let version = if n.is_multiple_of(50) { run } else { 0 };
    let quality = ((n * 7919 + version * 104_729) % 1000) as f64 / 1000.0;
    let text = "Refunds are paid within 30 days; \\\"sale\\\" items are not. ";
    let long = text.repeat(bytes / 4 / text.len() + 1);
    let measurement = |metric: &str, score: f64| {
        json!({
            "metric": metric, "nth": 1, "outcome": if score >= 0.2 { "passed" } else { "failed" }, "score": score,
            "bar": {"at_least": 0.2}, "reason": long, "judge": "a-judge", "judge_calls": 1, "prompts": {"grade": "0f3a"},
            "transcript": [{"judge": "a-judge", "purpose": "grade", "prompt": long, "reply": text}],
            "digest": format!("{:08x}{n:08x}", metric.len() * 1_000_003 + version), "duration": 0.4,
        })
    };
    let measurements = [
        measurement("correctness", quality),
        measurement("tone", 0.9),
    ];
    let outcome = if quality >= 0.2 { "passed" } else { "failed" };
    json!({
        "test": format!("suite::topic{}", n / 1000), "row": format!("row-{n}"), "position": n % 1000, "binary": "evals",
        "file": "tests/evals.rs", "line": 10 + n / 1000, "outcome": outcome, "passes_needed": 1, "attempt": 1, "duration": 0.5,
        "trials": [{"outcome": outcome, "duration": 0.5, "started": 1_700_000_000_000_u64, "digest": format!("{version:08x}{n:08x}"),
            "measurements": measurements}],
    })
}
