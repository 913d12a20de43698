//! Whole processes, timed. The benchmark that uses this answers `--measure COMMAND…` with [`report`].

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// Runs a command and prints: seconds, CPU seconds, peak memory in MB. In a process of its own, since peaks of children add up.
pub(crate) fn report(command: &[String]) {
    let started = Instant::now();
    let mut child = Command::new(&command[0]);
    let status = child
        .args(&command[1..])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .stdin(Stdio::null())
        .status()
        .expect("it starts");
    let wall = started.elapsed().as_secs_f64();
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("the kernel counts");
    let cpu = (usage.user_time().num_microseconds() + usage.system_time().num_microseconds())
        as f64
        / 1e6;
    println!(
        "{wall} {cpu} {} {}",
        usage.max_rss() as f64 / 1024.0,
        status.code().unwrap_or(-1)
    );
}

/// What a process took.
pub(crate) struct Measured {
    /// Seconds.
    pub(crate) wall: f64,
    /// CPU seconds.
    pub(crate) cpu: f64,
    /// The most memory, in MB.
    pub(crate) memory: f64,
}

/// The best of several runs by wall time.
pub(crate) fn measure(
    runs: usize,
    binary: &Path,
    args: &[&str],
    vars: &[(&str, &str)],
) -> Measured {
    let folder = std::env::temp_dir().join(format!("llmtest-bench-{}", std::process::id()));
    let one = |_| {
        let _ = std::fs::remove_dir_all(&folder);
        let mut command = Command::new(std::env::current_exe().expect("own path"));
        command
            .arg("--measure")
            .arg(binary)
            .args(args)
            .env("LLMTEST_DIR", &folder)
            .env("CI", "true")
            .envs(vars.iter().copied());
        let output = command.output().expect("it runs");
        let text = String::from_utf8_lossy(&output.stdout);
        let fields: Vec<f64> = text
            .split_whitespace()
            .map(|field| field.parse().expect("a number"))
            .collect();
        assert!(
            (fields[3] - 0.0).abs() < f64::EPSILON,
            "{} {args:?} failed",
            binary.display()
        );
        Measured {
            wall: fields[0],
            cpu: fields[1],
            memory: fields[2],
        }
    };
    let best = (0..runs)
        .map(one)
        .min_by(|a, b| a.wall.total_cmp(&b.wall))
        .expect("at least one run");
    let _ = std::fs::remove_dir_all(&folder);
    best
}
