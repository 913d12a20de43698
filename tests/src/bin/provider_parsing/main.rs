//! Reads recorded exchanges with the readers of the judges, and compares with what a correct reader makes of them.
//!
//! `provider-parsing FILE` reads one exchange a line, in JSON: `id`, `api`, `status`, `headers`, `body` and `expect`. Every
//! member of `expect` is compared, an exchange that holds no answer must not end as a reply, and `retry-after` must be
//! found. What differs fails, unless the committed table names it. The last line counts; the exit code is 1 when anything
//! failed or nothing was read. A row of the table that no exchange needs fails too.

#![expect(clippy::print_stdout, reason = "a command that reports")]

mod compare;
mod table;

use llmtest_tests::Tally;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::process::ExitCode;

/// One exchange, as it was recorded.
#[derive(Deserialize)]
pub(crate) struct Exchange {
    id: String,
    provider: String,
    pub(crate) api: String,
    pub(crate) status: u16,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
    pub(crate) expect: Map<String, Value>,
}

fn main() -> ExitCode {
    match run(std::env::args().skip(1)) {
        Ok(code) => code,
        Err(message) => {
            println!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut args: impl Iterator<Item = String>) -> Result<ExitCode, String> {
    const USAGE: &str = "usage: provider-parsing FILE";
    let (Some(file), None) = (args.next(), args.next()) else {
        return Err(USAGE.to_string());
    };
    let text =
        std::fs::read_to_string(&file).map_err(|error| format!("cannot read {file}: {error}"))?;
    let mut rows = table::rows()?;
    let mut kinds: BTreeMap<String, Tally> = BTreeMap::new();
    for (nth, line) in text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
    {
        let exchange: Exchange =
            serde_json::from_str(line).map_err(|error| format!("{file}:{}: {error}", nth + 1))?;
        let differences = compare::differences(&exchange);
        let tally = kinds
            .entry(format!("{} {}", exchange.provider, exchange.api))
            .or_default();
        if differences.is_empty() {
            tally.passed += 1;
        } else if rows.take(&exchange.id, &differences) {
            tally.skipped += 1;
        } else {
            tally.failed += 1;
            println!("FAILED {}: {}", exchange.id, differences.join("; "));
        }
    }
    let mut total = Tally::default();
    for (kind, tally) in kinds {
        println!("{kind:<28} {tally}");
        total += tally;
    }
    for row in rows.unused() {
        println!("FAILED: the table has a row that no exchange needs: {row}");
        total.failed += 1;
    }
    println!("{total}");
    Ok(total.exit_code())
}
