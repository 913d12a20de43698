//! Makes the page of a run with 10,000 cases, hostile texts among them, and looks at it in headless Chromium.
//!
//! `cargo run -q --release -p llmtest-tests --bin html-check`. The browser is `CHROME`, or the first that is installed; without
//! one it says that it was skipped. A copy of the page gets a script that uses it as a reader would, allowed by a hash of its
//! own in the copy's policy, and writes what it saw into the document. Another copy is used by the real clock, and how long a
//! reader waits is printed in milliseconds; only what nobody would wait for fails.

#![expect(clippy::print_stdout, reason = "a command prints")]

mod timed;

use llmtest::cli::{self, Place};
use llmtest_tests::Tally;
use serde_json::{Value, json};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

const CASES: usize = 10_000;
/// What nobody waits for, in milliseconds.
const TOO_LONG: f64 = 10_000.0;
const SELF_TEST: &str = include_str!("selftest.js");
const BROWSERS: [&str; 5] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "chrome",
    "chromium-headless-shell",
];

/// What must be shown and never run. Each of them would set `window.hacked`.
fn hostile(n: usize) -> String {
    match n {
        0 => "<script>window.hacked = 1</script>".into(),
        1 => "<img src=x onerror=\"window.hacked = 1\"><svg onload=\"window.hacked = 1\">".into(),
        2 => "</script><script>window.hacked = 1</script><!-- <script>".into(),
        3 => {
            "\u{1b}[31mred\u{1b}[0m \u{1b}]8;;https://example.test\u{7}link\u{1b}]8;;\u{7} \u{0}end"
                .into()
        }
        4 => format!("<b>begin</b> {} the end", "long text ".repeat(100_000)),
        5 => "right \u{202e}to left\u{202c} \u{2066}isolated\u{2069}".into(),
        6 => "a line\u{2028}and a paragraph\u{2029}end".into(),
        8 => format!(
            "{}{}\u{e0041}the end",
            "\u{0}".repeat(300_000),
            "\u{1}\u{2}".repeat(20_000)
        ),
        7 => "javascript:window.hacked=1//\"'`${window.hacked = 1}".into(),
        _ => format!("the answer to question {n}"),
    }
}

fn case(n: usize) -> Value {
    let score = (n % 97) as f64 / 96.0;
    let outcome = if score >= 0.2 { "passed" } else { "failed" };
    let text = hostile(n);
    let row = if n < 8 && n != 4 {
        format!("hostile-{n} {text}")
    } else {
        format!("row-{n}")
    };
    json!({
        "test": format!("test_{}", n % 7), "row": row, "position": n, "binary": "evals", "file": "tests/evals.rs", "line": 3,
        "tags": [if n.is_multiple_of(2) { "even" } else { "odd" }], "outcome": outcome, "passes_needed": 1, "attempt": 1,
        "duration": 0.1, "description": text.chars().take(200).collect::<String>(),
        "trials": [{"outcome": outcome, "duration": 0.1,
            "cases": [{"input": format!("question {n} {}", if n < 8 && n != 4 { &text } else { "" }), "output": text,
                "expected": format!("an answer to question {n}"), "retrieved": [{"source": text.chars().take(80).collect::<String>(), "text": "a passage"}]}],
            "measurements": [{"metric": "tone", "case": 0, "nth": 1, "outcome": outcome, "score": score, "bar": {"at_least": 0.2},
                "reason": text.chars().take(500).collect::<String>(), "details": {"<i>key</i>": text.chars().take(200).collect::<String>()}, "duration": 0.0}],
            "spans": [{"name": "answer", "kind": "llm", "input": {"q": "x"}, "output": "y", "start": 0.01, "duration": 0.05},
                {"name": "<b>search</b>", "kind": "<i>", "parent": 0, "input": null, "output": null, "start": 0.02, "duration": 0.01, "error": "timed out"}]}]
    })
}

fn browser() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("CHROME") {
        return Some(named.into());
    }
    let path = std::env::var_os("PATH")?;
    let mut all = BROWSERS.iter().flat_map(|name| {
        std::env::split_paths(&path)
            .map(|folder| folder.join(name))
            .collect::<Vec<_>>()
    });
    all.find(|path| path.is_file())
}

/// The page of a run with these cases, made by the command. `around` is what stands behind them.
fn page(folder: &Path, cases: &[String], around: &str) -> Result<String, String> {
    let report = format!(
        "{{\"format\":1,\"run\":{{\"id\":\"<img src=x onerror='window.hacked=1'>\"}},\"tests\":[\n{}\n]{around}}}\n",
        cases.join(",\n")
    );
    fs::write(folder.join("report.json"), report).map_err(|error| error.to_string())?;
    let args = [
        "report",
        "report.json",
        "--no-gate",
        "--format",
        "html",
        "--out",
        "page.html",
    ];
    let output = cli::run(
        args.map(OsString::from),
        &Place {
            folder: folder.to_path_buf(),
            vars: Vec::new(),
            locks: folder.to_path_buf(),
        },
    );
    if output.code != 0 {
        return Err(format!("the page was not made: {}", output.err));
    }
    fs::read_to_string(folder.join("page.html")).map_err(|error| error.to_string())
}

/// The page with the script that uses it, allowed for this copy alone. Errors and what the policy stops are noted from the start.
fn instrumented(page: &str, script: &str) -> Option<String> {
    let page = page.replacen("script-src ", "script-src 'nonce-check' ", 1);
    let (head, body) = page.split_once("<meta name=\"viewport\"")?;
    let (body, end) = body.rsplit_once("</body>")?;
    let early = "<script nonce=\"check\">window.seen = []; addEventListener('error', (e) => seen.push(String(e.message))); \
                 addEventListener('securitypolicyviolation', (e) => seen.push('policy: ' + e.violatedDirective));</script>";
    Some(format!(
        "{head}{early}<meta name=\"viewport\"{body}<script nonce=\"check\">{script}</script></body>{end}"
    ))
}

/// The document of this page when its scripts have run.
fn dom(folder: &Path, browser: &Path, page: &str) -> Result<String, String> {
    let file = folder.join("checked.html");
    fs::write(&file, page).map_err(|error| error.to_string())?;
    // The browser's clock is a virtual one here.
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"])
        .args(["--window-size=1280,900", "--virtual-time-budget=30000"])
        .arg(format!(
            "--user-data-dir={}",
            folder.join("profile").display()
        ))
        .arg(format!("file://{}", file.display()))
        .stderr(Stdio::null())
        .output()
        .map_err(|error| format!("{}: {error}", browser.display()))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Of a dataset that passed as enough of its rows did, no row is a failure.
fn excused(folder: &Path, browser: &Path) -> Result<bool, String> {
    let cases: Vec<String> = [0, 96].map(|n| case(7 * n).to_string()).to_vec();
    let group = |outcome: &str| {
        let group = json!({"test": "test_0", "binary": "evals", "file": "tests/evals.rs", "line": 3, "attempt": 1,
            "outcome": outcome, "rows": {"passed": 1, "failed": 1}, "pass_rate": 0.5, "duration": 0.1});
        format!(",\"groups\":[{group}]")
    };
    let shows = |outcome, text| {
        let page = page(folder, &cases, &group(outcome))?;
        Ok::<_, String>(dom(folder, browser, &page)?.contains(text))
    };
    Ok(shows("passed", ">All tests passed</h1>")? && shows("failed", ">Cases failed</h1>")?)
}

fn check(folder: &Path, browser: &Path) -> Result<Tally, String> {
    let cases: Vec<String> = (0..CASES).map(|n| case(n).to_string()).collect();
    let started = Instant::now();
    let page = page(folder, &cases, "")?;
    println!(
        "{CASES} cases are a page of {:.1} MB, made in {:.1} s",
        page.len() as f64 / 1e6,
        started.elapsed().as_secs_f64()
    );
    let copy = instrumented(&page, SELF_TEST).ok_or("the page has no head or no end")?;
    let dom = dom(folder, browser, &copy)?;
    let told = dom
        .split_once("<pre id=\"told\">")
        .and_then(|(_, rest)| rest.split_once("</pre>"))
        .ok_or("the browser did not get to the end of the page's own test")?
        .0;
    let mut tally = Tally::default();
    for line in told.lines() {
        println!("{line}");
        tally.passed += usize::from(line.starts_with("ok "));
        tally.failed += usize::from(line.starts_with("FAILED "));
    }
    let well = excused(folder, browser)?;
    let word = if well { "ok" } else { "FAILED" };
    println!("{word} rows that a dataset allows to fail are no failures");
    tally.passed += usize::from(well);
    tally.failed += usize::from(!well);
    for (what, took) in timed::timed(&page, folder, browser)? {
        // Far above what it takes: machines differ, and a bound that is met is no measurement.
        let well = took.as_f64().is_some_and(|ms| ms < TOO_LONG);
        let word = if well { "ok" } else { "FAILED" };
        match took.as_f64() {
            Some(ms) => println!("{word} {what}: {ms:.0}"),
            None => println!("{word} {what}: {took}"),
        }
        tally.passed += usize::from(well);
        tally.failed += usize::from(!well);
    }
    Ok(tally)
}

fn main() -> ExitCode {
    let Some(browser) = browser() else {
        println!("SKIPPED: no Chromium is installed; CHROME names one");
        let tally = Tally {
            skipped: 1,
            ..Tally::default()
        };
        println!("{tally}");
        return tally.exit_code();
    };
    let folder = std::env::temp_dir().join(format!("llmtest-html-check-{}", std::process::id()));
    let made = fs::create_dir_all(&folder).map_err(|error| error.to_string());
    let tally = made
        .and_then(|()| check(&folder, &browser))
        .unwrap_or_else(|why| {
            println!("FAILED {why}");
            Tally {
                failed: 1,
                ..Tally::default()
            }
        });
    let _ = fs::remove_dir_all(&folder);
    println!("{tally}");
    tally.exit_code()
}
