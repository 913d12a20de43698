//! Says how often gates are wrong: `cargo run -q --release -p llmtest-tests --bin gate-sims`.
//!
//! A suite of n cases, whose pass rates are drawn from Beta(4, 1) (mean 0.8), is run twice, one trial each: once as it is,
//! and once with a change that changes nothing, or that takes 10 points off the pass rate of every case. Both runs are drawn
//! anew, so that all noise is in both: the worst that a gate meets. What the default gate says of the pair
//! (`non_inferiority`, margin 0.05, alpha 0.05) is counted beside what `mean >= bar` and "any drop fails" say. Outcomes are
//! pass and fail, and scores in quarters (the mean of four such outcomes).
//!
//! Exit 1 unless, at every n and up to two standard errors of the simulation, at most 5 % of the changes that change nothing
//! are failed, at most 5 % of the drops passed, and the drops failed no less often than by a paired t test (0.35, 0.55, 0.81
//! at n = 50, 100, 200) minus 0.03. A second table says how often a drop of exactly the margin passes where few cases change
//! at all, beside the plain t bound. A third says the same of `on-inconclusive = "more-trials"`, which looks up to four times,
//! with 1, 2, 4 and 5 trials of the new run beside one of the baseline. A fourth is of verdicts of a judge that errs, and a
//! certificate of 200 labels that says how often: at most 5 % of no-ops are failed, at most 5 % of drops of the margin passed.
//!
//! `--runs N` simulates more or fewer than 20,000 suites each.

#![expect(clippy::print_stdout, reason = "a command that reports")]

mod certified;
mod counted;
mod more;

use counted::{Counted, Gate, Kind, Rates};
use llmtest::stats::{Finding, Rng, non_inferiority, paired_t, t_quantile};
use llmtest_tests::Tally;
use std::process::ExitCode;

const SIZES: [usize; 4] = [20, 50, 100, 200];
const MARGIN: f64 = 0.05;
const ALPHA: f64 = 0.05;
/// The share of drops of 10 points that a paired t test fails, by the number of cases.
const ASKED: [(usize, f64); 3] = [(50, 0.35), (100, 0.55), (200, 0.81)];
const SLACK: f64 = 0.03;
const USAGE: &str = "usage: gate-sims [--runs N]";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let runs = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => Some(20_000_u32),
        ["--runs", runs] => runs.parse().ok().filter(|runs| *runs > 0),
        _ => None,
    };
    let Some(runs) = runs else {
        println!("{USAGE}");
        return ExitCode::FAILURE;
    };
    let mut tally = Tally::default();
    for kind in [Kind::Outcomes, Kind::Quarters] {
        println!(
            "{kind}, mean 0.8, {runs} pairs of runs for each line; margin {MARGIN}, alpha {ALPHA}\n\
             {:>5}  {:<16} {:>14} {:>13} {:>12} {:>12} {:>14}",
            "n",
            "gate",
            "no-op blocked",
            "inconclusive",
            "drop failed",
            "drop passed",
            "inconclusive"
        );
        for (n, found) in side_by_side(|n| counted::simulate(kind, n, runs, MARGIN, ALPHA)) {
            for (gate, counted) in &found {
                println!("{}", line(n, *gate, counted));
            }
            let Some((_, ours)) = found.iter().find(|(gate, _)| *gate == Gate::Default) else {
                continue;
            };
            judge(&mut tally, kind, n, ours);
        }
        println!();
    }
    more_trials(&mut tally, runs);
    sparse(&mut tally, runs);
    certified_judge(&mut tally, runs);
    println!("{tally}");
    tally.exit_code()
}

/// What `of` gives for every size, found at the same time.
fn side_by_side<T: Send>(of: impl Fn(usize) -> T + Sync) -> Vec<(usize, T)> {
    std::thread::scope(|scope| {
        let of = &of;
        let started = SIZES.map(|n| (n, scope.spawn(move || of(n))));
        let joined = started.into_iter().map(|(n, thread)| {
            let found = thread.join();
            // What a size did not say must not count as said.
            (
                n,
                found.unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            )
        });
        joined.collect()
    })
}

fn line(n: usize, gate: Gate, counted: &Counted) -> String {
    let rate = |share: f64| format!("{share:.3}");
    let or_none = |share: f64| {
        if gate.is_three_way() {
            rate(share)
        } else {
            "-".to_string()
        }
    };
    format!(
        "{n:>5}  {:<16} {:>14} {:>13} {:>12} {:>12} {:>14}",
        gate.to_string(),
        rate(counted.no_op.failed()),
        or_none(counted.no_op.inconclusive()),
        rate(counted.drop.failed()),
        rate(counted.drop.passed()),
        or_none(counted.drop.inconclusive()),
    )
}

/// What is asked of the default gate.
fn judge(tally: &mut Tally, kind: Kind, n: usize, ours: &Counted) {
    let of = format!("{kind}, n = {n}");
    promises(tally, &of, ours);
    let drop = ours.drop;
    if let Some((_, asked)) = ASKED.iter().find(|(size, _)| *size == n) {
        let least = asked - SLACK;
        check(
            tally,
            &format!("{of}: a drop of 10 points fails in less than {least:.2}"),
            drop.failed() + 2.0 * drop.error(drop.failed()) >= least,
        );
    }
}

/// What comes of looking again after more trials: no more changes that change nothing are blocked for it.
fn more_trials(tally: &mut Tally, runs: u32) {
    println!(
        "more-trials: up to {} times as many trials of what is undecided, looked at after 1, 2, 4 and 5\n\
         {:>5} {:>14} {:>13} {:>12} {:>12} {:>14} {:>16}",
        more::MAX,
        "n",
        "no-op blocked",
        "inconclusive",
        "drop failed",
        "drop passed",
        "inconclusive",
        "trials a no-op"
    );
    for (n, (found, trials)) in
        side_by_side(|n| more::simulate(n, runs, MARGIN, ALPHA, counted::DROP))
    {
        let (no_op, drop) = (&found.no_op, &found.drop);
        println!(
            "{n:>5} {:>14.3} {:>13.3} {:>12.3} {:>12.3} {:>14.3} {trials:>16.1}",
            no_op.failed(),
            no_op.inconclusive(),
            drop.failed(),
            drop.passed(),
            drop.inconclusive()
        );
        promises(tally, &format!("n = {n}"), &found);
    }
    println!();
}

/// Shares of cases that become better in the second table; a further share of the margin becomes worse.
const BETTER: [f64; 3] = [0.0, 0.02, 0.1];

/// A drop of exactly the margin, which may pass in 5 % of runs, where few cases change.
fn sparse(tally: &mut Tally, runs: u32) {
    let titles = BETTER.map(|better| {
        let changed = (MARGIN + 2.0 * better) * 100.0;
        format!("{:>24}", format!("{changed:.0} % of cases change"))
    });
    println!(
        "a true drop of {MARGIN}: passed by llmtest, and by the plain t bound\n{:>5} {}",
        "n",
        titles.join("")
    );
    let found = side_by_side(|n| BETTER.map(|better| passed_at_margin(n, better, runs)));
    for (n, shares) in found {
        let cells = shares.map(|(ours, plain)| {
            format!(
                "{:>24}",
                format!("{:.3}  {:.3}", ours.passed(), plain.passed())
            )
        });
        println!("{n:>5} {}", cells.join(""));
        for (ours, _) in shares {
            let what = format!("n = {n}: a drop of the margin passes");
            at_most_alpha(tally, &what, ours, Rates::passed);
        }
    }
    println!();
}

/// How often the default gate passes a drop of the margin, and how often the plain t bound does.
fn passed_at_margin(n: usize, better: f64, runs: u32) -> (Rates, Rates) {
    let mut rng = Rng::new(0x6c6c_6d74 + n as u64);
    let (mut ours, mut plain) = (Rates::default(), Rates::default());
    for _ in 0..runs {
        let differences: Vec<f64> = (0..n)
            .map(|_| match rng.unit() {
                u if u < better + MARGIN => -1.0,
                u if u < 2.0 * better + MARGIN => 1.0,
                _ => 0.0,
            })
            .collect();
        let found = non_inferiority(&differences, None, MARGIN, ALPHA);
        ours.add(found.map_or(Finding::Inconclusive, |found| found.finding));
        // Differences that do not vary have a t bound without width.
        let low = paired_t(&differences, None).map_or(differences[0], |t| {
            t.mean - t_quantile(1.0 - ALPHA, t.freedom) * t.error
        });
        plain.add(if low > -MARGIN {
            Finding::Pass
        } else {
            Finding::Inconclusive
        });
    }
    (ours, plain)
}

/// Verdicts of a judge that errs: with its certificate, and as it says.
fn certified_judge(tally: &mut Tally, runs: u32) {
    println!(
        "a judge that errs, with a certificate of {} labels, and as it says\n\
         {:>16} {:>5} {:>16} {:>22} {:>16} {:>16} {:>16}",
        certified::LABELS.0 + certified::LABELS.1,
        "right on good/bad",
        "n",
        "no-op blocked",
        "drop of margin passed",
        "drop failed",
        "drop passed",
        "inconclusive"
    );
    for judge in certified::JUDGES {
        let found =
            side_by_side(|n| certified::simulate(judge, n, runs, MARGIN, ALPHA, counted::DROP));
        for (n, said) in found {
            let both = |both: &certified::Both, of: fn(Rates) -> f64| {
                format!("{:.3}  {:.3}", of(both.certified), of(both.as_judged))
            };
            println!(
                "{:>17} {n:>5} {:>16} {:>22} {:>16} {:>16} {:>16}",
                format!("{:.2} / {:.2}", judge.0, judge.1),
                both(&said.no_op, Rates::failed),
                both(&said.at_margin, Rates::passed),
                both(&said.drop, Rates::failed),
                both(&said.drop, Rates::passed),
                both(&said.drop, Rates::inconclusive),
            );
            let of = format!("judge {judge:?}, n = {n}");
            let (no_op, at_margin) = (said.no_op.certified, said.at_margin.certified);
            at_most_alpha(tally, &format!("{of}: {NO_OP}"), no_op, Rates::failed);
            let what = format!("{of}: a drop of the margin passes");
            at_most_alpha(tally, &what, at_margin, Rates::passed);
        }
    }
    println!();
}

const NO_OP: &str = "a change that changes nothing is blocked";

/// Of changes that change nothing at most 5 % are blocked, and of drops of 10 points at most 5 % passed.
fn promises(tally: &mut Tally, of: &str, found: &Counted) {
    at_most_alpha(tally, &format!("{of}: {NO_OP}"), found.no_op, Rates::failed);
    let what = format!("{of}: a drop of 10 points passes");
    at_most_alpha(tally, &what, found.drop, Rates::passed);
}

/// At most 5 %, up to two standard errors of the simulation.
fn at_most_alpha(tally: &mut Tally, what: &str, said: Rates, of: fn(Rates) -> f64) {
    let share = of(said);
    let holds = share <= ALPHA + 2.0 * said.error(share);
    check(tally, &format!("{what} in {share:.3}"), holds);
}

fn check(tally: &mut Tally, what: &str, holds: bool) {
    if holds {
        tally.passed += 1;
    } else {
        tally.failed += 1;
        println!("       FAILED, {what}");
    }
}
