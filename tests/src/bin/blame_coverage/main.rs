//! Says how often blame is right: `cargo run -q --release -p llmtest-tests --bin blame-coverage`.
//!
//! A pipeline of four stages (`tests/src/blame.rs`) runs with 200 cases under 200 seeds, broken at each stage in turn,
//! once as a single call and once as a loop of one to five calls. In each setup the 95 % intervals of the broken stage's
//! first-failure share and causal share must hold the true value in 92 to 98 % of the seeds, and it must rank first by both
//! in at least 95 %. `--seeds N` runs more.

#![expect(clippy::print_stdout, reason = "a command that reports")]

use llmtest_tests::Tally;
use llmtest_tests::blame::{Coverage, STAGES, Setup, truth};
use std::process::ExitCode;

const CASES: u64 = 200;
const USAGE: &str = "usage: blame-coverage [--seeds N]";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let seeds = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => Some(200),
        ["--seeds", seeds] => seeds.parse().ok().filter(|seeds| *seeds > 0),
        _ => None,
    };
    let Some(seeds) = seeds else {
        println!("{USAGE}");
        return ExitCode::FAILURE;
    };
    println!(
        "{:<10} {:<10} {:>6}  {:>6} {:>8}  {:>6} {:>8}  {:>6} {:>6}  {:>10} {:>10}",
        "broken",
        "loop",
        "fails",
        "first",
        "covered",
        "causal",
        "covered",
        "blind",
        "lift",
        "1st by 1st",
        "by causal"
    );
    let mut tally = Tally::default();
    for with_loop in [false, true] {
        for (broken, name) in STAGES.iter().enumerate() {
            let looped = with_loop.then_some(broken);
            let setup = Setup { broken, looped };
            let (truth, found) = (truth(setup), Coverage::of(setup, 1..1 + seeds, CASES));
            let percent = |count: usize| format!("{:.1}%", 100.0 * found.share(count));
            println!(
                "{:<10} {:<10} {:>6.3}  {:>6.3} {:>8}  {:>6.3} {:>8}  {:>6} {:>6}  {:>10} {:>10}",
                name,
                looped.map_or("–", |looped| STAGES[looped]),
                truth.fails,
                truth.first[broken],
                percent(found.first),
                truth.causal[broken],
                percent(found.causal),
                percent(found.blind),
                percent(found.lift),
                percent(found.ranks_by_first),
                percent(found.ranks_by_causal),
            );
            let covered = |count: usize| (0.92..=0.98).contains(&found.share(count));
            let ranks = |count: usize| found.share(count) >= 0.95;
            for ok in [
                covered(found.first),
                covered(found.causal),
                ranks(found.ranks_by_first),
                ranks(found.ranks_by_causal),
            ] {
                tally += Tally {
                    passed: usize::from(ok),
                    failed: usize::from(!ok),
                    skipped: 0,
                };
            }
        }
    }
    println!("{tally}");
    tally.exit_code()
}
