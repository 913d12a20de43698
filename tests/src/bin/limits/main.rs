//! Says how much of a server's time is used when it refuses calls: `cargo run -q --release -p llmtest-tests --bin limits`.
//!
//! A server on loopback takes seven calls at once, answers each after 250 ms and refuses the others with 429. 500 calls are
//! made from one process, from eight processes of one run that are started together, and from eight that nextest runs (where
//! it is installed). Exit 1 when a call is not answered, when 5 % or more of the calls are refused after the first ten
//! seconds, or when less than 80 % of the possible throughput is reached. `--calls N` makes more or fewer.

#![expect(clippy::print_stdout, reason = "a command that reports")]

use llmtest_tests::crowd::{Crowd, Seen};
use llmtest_tests::{Scratch, Tally, fixture, run_in};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

const PLACES: usize = 7;
const REPLY: Duration = Duration::from_millis(250);
const LEARNED: Duration = Duration::from_secs(10);
const PARTS: usize = 8;
const USAGE: &str = "usage: limits [--calls N]";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let calls = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => Some(500_usize),
        ["--calls", calls] => calls.parse().ok().filter(|calls: &usize| *calls > 0),
        _ => None,
    };
    let Some(calls) = calls else {
        println!("{USAGE}");
        return ExitCode::FAILURE;
    };
    let binary = fixture("limited");
    let ideal = REPLY.as_secs_f64() * (calls as f64 / PLACES as f64).ceil();
    println!(
        "{calls} calls at a server that takes {PLACES} at once and answers in {REPLY:?}: {ideal:.1} s at best\n\
         {:<16} {:>7} {:>7} {:>9} {:>9} {:>9} {:>11} {:>7}",
        "", "wall", "time", "share", "answered", "refused", "after 10 s", "errors"
    );
    let mut tally = Tally::default();
    let mut add = |title: &str, ran: Option<Ran>| {
        let Some(ran) = ran else {
            println!("{title:<16} not installed");
            tally.skipped += 1;
            return;
        };
        let took = ran.seen.took().as_secs_f64();
        let share = ideal / took.max(0.001);
        let late = ran.seen.refused_share(LEARNED);
        let errors = calls.saturating_sub(ran.seen.answered.len());
        let refused = ran.seen.refused.len();
        println!(
            "{title:<16} {:>6.1}s {took:>6.1}s {:>8.1}% {:>9} {:>3} {:>4.1}% {:>10.2}% {errors:>7}",
            ran.wall.as_secs_f64(),
            share * 100.0,
            ran.seen.answered.len(),
            refused,
            ran.seen.refused_share(Duration::ZERO) * 100.0,
            late * 100.0,
        );
        if ran.passed && errors == 0 && late < 0.05 && share >= 0.8 {
            tally.passed += 1;
        } else {
            println!("{}", ran.text);
            tally.failed += 1;
        }
    };
    add("one process", Some(one(&binary, calls)));
    add("eight processes", Some(eight(&binary, calls)));
    add("nextest, eight", nextest(calls));
    println!("{tally}");
    tally.exit_code()
}

/// What a mode of running came to.
struct Ran {
    seen: Seen,
    wall: Duration,
    passed: bool,
    /// What was printed.
    text: String,
}

/// A run's server, its folder and its variables.
struct Setup {
    crowd: Crowd,
    folder: Scratch,
    vars: Vec<(&'static str, String)>,
}

impl Setup {
    fn new(calls: usize) -> Self {
        let crowd = Crowd::start(PLACES, REPLY);
        let folder = Scratch::new("limits");
        let records = folder.path().join("records");
        let vars = vec![
            ("CALLS", calls.to_string()),
            ("LLMTEST_MODE", "live".to_string()),
            ("LLMTEST_BASE_URL", crowd.server().url()),
            // Not only what a server on this machine gets.
            ("LLMTEST_MAX_IN_FLIGHT", "adaptive".to_string()),
            ("LLMTEST_DIR", records.to_string_lossy().into_owned()),
        ];
        Self {
            crowd,
            folder,
            vars,
        }
    }

    fn run(&self, binary: &Path, args: &[&str], id: &str) -> (bool, String) {
        let mut vars: Vec<(&str, &str)> = self
            .vars
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        vars.push(("LLMTEST_RUN_ID", id));
        let ran = run_in(self.folder.path(), binary, args, &vars);
        (ran.code == 0, ran.text())
    }

    fn ran(self, started: Instant, passed: bool, text: String) -> Ran {
        Ran {
            seen: self.crowd.seen(),
            wall: started.elapsed(),
            passed,
            text,
        }
    }
}

fn one(binary: &Path, calls: usize) -> Ran {
    let setup = Setup::new(calls);
    let started = Instant::now();
    let (passed, text) = setup.run(binary, &["--test-threads=8"], "one");
    setup.ran(started, passed, text)
}

fn eight(binary: &Path, calls: usize) -> Ran {
    let setup = Setup::new(calls);
    let started = Instant::now();
    let ran: Vec<_> = std::thread::scope(|scope| {
        let setup = &setup;
        let part = |part| move || setup.run(binary, &["--exact", &format!("part{part}")], "eight");
        let threads: Vec<_> = (0..PARTS).map(|n| scope.spawn(part(n))).collect();
        let joined = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
        joined
            .map(|ran| ran.unwrap_or_else(|_| (false, "a panic".to_string())))
            .collect()
    });
    let passed = ran.iter().all(|(passed, _)| *passed);
    let text = ran.into_iter().map(|(_, text)| text).collect();
    setup.ran(started, passed, text)
}

/// As `cargo nextest run` does it, which makes one run of all its processes.
fn nextest(calls: usize) -> Option<Ran> {
    let installed = Command::new("cargo-nextest")
        .args(["nextest", "--version"])
        .stdin(Stdio::null())
        .output();
    installed.ok().filter(|output| output.status.success())?;
    let setup = Setup::new(calls);
    let mut command = Command::new(env!("CARGO"));
    command
        .args([
            "nextest",
            "run",
            "--workspace",
            "--no-fail-fast",
            "--test-threads=8",
        ])
        .args(["--test", "fixture_limited"]);
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_")
            || text.starts_with("CARGO_MANIFEST_")
            || text.starts_with("LLMTEST_")
        {
            command.env_remove(&name);
        }
    }
    command
        .envs(
            setup
                .vars
                .iter()
                .map(|(name, value)| (*name, value.as_str())),
        )
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null());
    let started = Instant::now();
    let output = command.output().ok()?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    Some(setup.ran(started, output.status.success(), text))
}
