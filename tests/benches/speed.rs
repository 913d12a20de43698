//! `cargo bench -p llmtest-tests --bench speed`: whole processes, side by side with a bare libtest-mimic. Prints one line a
//! figure with its aim; nothing here asserts a time.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod process;

use llmtest_tests::fixture;
use process::measure;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn main() {
    let args: Vec<String> = std::env::args().collect();
    match args.get(1).map(String::as_str) {
        Some("--bare") => bare(),
        Some("--measure") => process::report(&args[2..]),
        _ => {
            rows();
            list();
            judged();
        }
    }
}

/// A libtest-mimic with 10,000 empty trials: the least that such a harness can cost.
fn bare() {
    let trials = (0..10_000)
        .map(|n| libtest_mimic::Trial::test(format!("rows::r{n}"), || Ok(())))
        .collect();
    let _ = libtest_mimic::run(&libtest_mimic::Arguments::default(), trials);
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
