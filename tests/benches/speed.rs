//! `cargo bench -p llmtest-tests`: whole processes, side by side with a bare libtest-mimic, and `#[observe]` beside
//! `#[tracing::instrument]`. Prints one line a figure with its aim; nothing here asserts a time.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use llmtest_tests::fixture;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use std::hint::black_box;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    match args.get(1).map(String::as_str) {
        Some("--bare") => bare(),
        Some("--measure") => measure_here(&args[2..]),
        Some("while_listening") => return llmtest::main(),
        _ => {
            rows();
            list();
            judged();
            observed();
        }
    }
    ExitCode::SUCCESS
}

/// A libtest-mimic with 10,000 empty trials: the least that such a harness can cost.
fn bare() {
    let trials = (0..10_000)
        .map(|n| libtest_mimic::Trial::test(format!("rows::r{n}"), || Ok(())))
        .collect();
    let _ = libtest_mimic::run(&libtest_mimic::Arguments::default(), trials);
}

/// One process: seconds, CPU seconds, peak memory in MB. In a process of its own, since peaks of children add up.
fn measure_here(command: &[String]) {
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

struct Measured {
    wall: f64,
    cpu: f64,
    memory: f64,
}

/// The best of several runs by wall time.
fn measure(runs: usize, binary: &Path, args: &[&str], vars: &[(&str, &str)]) -> Measured {
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

fn rows() {
    let own = std::env::current_exe().expect("own path");
    let bare = measure(5, &own, &["--bare"], &[]);
    let ours = measure(5, &fixture("rows"), &[], &[]);
    println!(
        "10,000 rows, one metric   {:.2} s  {:.2} CPU s  {:.0} MB   (aim: 1 s, 60 MB)",
        ours.wall, ours.cpu, ours.memory
    );
    println!(
        "10,000 empty trials       {:.2} s  {:.2} CPU s  {:.0} MB   bare libtest-mimic; ours / bare = {:.2} (aim: 2)",
        bare.wall,
        bare.cpu,
        bare.memory,
        ours.wall / bare.wall
    );
}

fn list() {
    let ours = measure(10, &fixture("many"), &["--list", "--format", "terse"], &[]);
    println!(
        "--list of 1,000 tests     {:.0} ms  {:.0} CPU ms   (aim: 50 ms)",
        ours.wall * 1e3,
        ours.cpu * 1e3
    );
}

/// 1,000 rows with one call of a judge that takes 200 ms, 100 in flight: 2 s at best.
fn judged() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let listener = runtime
        .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
        .expect("a port");
    let url = format!("http://{}/v1", listener.local_addr().expect("an address"));
    runtime.spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(slow_judge(socket));
        }
    });
    let vars = [
        ("LLMTEST_BASE_URL", url.as_str()),
        ("LLMTEST_MODE", "live"),
        ("LLMTEST_MAX_IN_FLIGHT", "100"),
        ("LLMTEST_CONCURRENCY", "128"),
    ];
    let ours = measure(3, &fixture("judged"), &["thousand_calls"], &vars);
    println!(
        "1,000 calls of 200 ms     {:.2} s  {:.2} CPU s  {:.0} MB   100 in flight; / ideal 2 s = {:.2} (aim: 1.15)",
        ours.wall,
        ours.cpu,
        ours.memory,
        ours.wall / 2.0
    );
}

/// Answers every request on a connection after 200 ms.
async fn slow_judge(mut socket: tokio::net::TcpStream) {
    let content = r#"{\"reason\": \"fine\", \"score\": 8}"#;
    let body = format!(
        r#"{{"choices": [{{"message": {{"role": "assistant", "content": "{content}"}}, "finish_reason": "stop"}}], "usage": {{"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20}}}}"#
    );
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut buffer = Vec::new();
    let mut chunk = [0; 8192];
    loop {
        let Some(head) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else {
            match socket.read(&mut chunk).await {
                Ok(0) | Err(_) => return,
                Ok(count) => buffer.extend_from_slice(&chunk[..count]),
            }
            continue;
        };
        let header = String::from_utf8_lossy(&buffer[..head]).to_lowercase();
        let length: usize = header
            .lines()
            .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok())
            .unwrap_or(0);
        while buffer.len() < head + 4 + length {
            match socket.read(&mut chunk).await {
                Ok(0) | Err(_) => return,
                Ok(count) => buffer.extend_from_slice(&chunk[..count]),
            }
        }
        buffer.drain(..head + 4 + length);
        tokio::time::sleep(Duration::from_millis(200)).await;
        if socket.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

#[inline(never)]
fn plain(text: &str) -> String {
    black_box(text).to_string()
}

#[llmtest::observe]
#[inline(never)]
fn observed_fn(text: &str) -> String {
    black_box(text).to_string()
}

#[tracing::instrument]
#[inline(never)]
fn instrumented(text: &str) -> String {
    black_box(text).to_string()
}

/// The least nanoseconds a call over several rounds.
fn per_call(calls: u32, call: impl Fn(&str) -> String) -> f64 {
    let text = "x".repeat(100);
    let round = |_| {
        let started = Instant::now();
        for _ in 0..calls {
            black_box(call(black_box(&text)));
        }
        started.elapsed().as_nanos() as f64 / f64::from(calls)
    };
    (0..15).map(round).fold(f64::INFINITY, f64::min)
}

fn observed() {
    let base = per_call(200_000, plain);
    let silent = per_call(200_000, observed_fn);
    let instrument = per_call(200_000, instrumented);
    println!(
        "#[observe], nobody listens   {:+.1} ns a call (aim: 3)   #[tracing::instrument] without subscriber {:+.1} ns",
        silent - base,
        instrument - base
    );
    let folder = std::env::temp_dir().join(format!("llmtest-bench-{}", std::process::id()));
    let own = std::env::current_exe().expect("own path");
    let output = Command::new(own)
        .args(["while_listening"])
        .env("LLMTEST_DIR", &folder)
        .env("LLMTEST_CONCURRENCY", "1")
        .output()
        .expect("it runs");
    let _ = std::fs::remove_dir_all(&folder);
    let text = String::from_utf8_lossy(&output.stdout);
    let times = text.split("listening: ").skip(1);
    let mut times: Vec<f64> = times
        .filter_map(|rest| rest.split_whitespace().next()?.parse().ok())
        .collect();
    assert_eq!(times.len(), CASES, "{text}");
    times.sort_by(f64::total_cmp);
    let listening = times[CASES / 2];
    println!(
        "#[observe], while listening  {:.0} ns a call (aim: 500)",
        listening - base
    );
}

const CASES: usize = 300;

fn cases() -> Vec<llmtest::Golden> {
    (0..CASES)
        .map(|n| llmtest::Golden::new(n.to_string()))
        .collect()
}

/// Inside a case the harness listens: every call is recorded, and kept until the case ends. The figure is the median over
/// many cases of a size that applications have.
#[llmtest::llm_test(dataset_fn = cases)]
fn while_listening(golden: llmtest::Golden) -> llmtest::Check {
    let text = "x".repeat(100);
    let started = Instant::now();
    for _ in 0..100 {
        black_box(observed_fn(black_box(&text)));
    }
    println!("listening: {}", started.elapsed().as_nanos() as f64 / 100.0);
    golden.answered("a").expect(llmtest::Contains::new("a"))
}
