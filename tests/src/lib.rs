//! Builds and runs the fixtures, and reads what they print.

pub mod bench;
pub mod blame;
pub mod crowd;
pub mod killed;
pub mod loopback;
pub mod mock;
pub mod paired;
mod tally;

pub use tally::Tally;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

/// Builds a test target of `llmtest-fixtures` and returns its binary; `target+feature` with a feature of theirs. Only the first call of a target builds. The whole
/// workspace is named, so that features, and with them the artifacts, are those of `cargo test --workspace`.
///
/// # Panics
///
/// When it does not build.
pub fn fixture(target: &str) -> PathBuf {
    static BUILT: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(binary) = built.get(target) {
        return binary.clone();
    }
    let mut command = Command::new(env!("CARGO"));
    let (name, feature) = target.split_once('+').unwrap_or((target, ""));
    let name = format!("fixture_{name}");
    command.args([
        "test",
        "--workspace",
        "--test",
        &name,
        "--no-run",
        "--message-format=json-render-diagnostics",
    ]);
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    if !feature.is_empty() {
        command.args(["--features", &format!("llmtest-fixtures/{feature}")]);
    }
    // What cargo tells a test about its package would make build scripts that look at it run again, here and outside.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    let output = command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .output()
        .expect("cargo runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let binary = text
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .find(|message| {
            message["target"]["name"] == name.as_str() && message["executable"].is_string()
        })
        .and_then(|message| message["executable"].as_str().map(PathBuf::from));
    let binary = binary.unwrap_or_else(|| {
        panic!(
            "`{target}` does not build:\n{}",
            String::from_utf8_lossy(&output.stderr)
        )
    });
    built.insert(target.to_string(), binary.clone());
    binary
}

/// What a fixture printed, and how it ended.
#[derive(Debug)]
pub struct Ran {
    /// Its exit code.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ran {
    /// Both streams.
    pub fn text(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// Every line `test NAME ... RESULT`, by name; colours and the reason of an ignored test left out.
    pub fn results(&self) -> BTreeMap<String, String> {
        let stdout = without_colours(&self.stdout);
        let lines = stdout
            .lines()
            .filter_map(|line| line.strip_prefix("test ")?.rsplit_once(" ... "));
        lines
            .map(|(name, result)| {
                (
                    name.trim().to_string(),
                    result
                        .split([',', ' ', '('])
                        .next()
                        .unwrap_or_default()
                        .to_string(),
                )
            })
            .collect()
    }

    /// What is printed about a test that did not pass.
    ///
    /// # Panics
    ///
    /// When nothing is.
    pub fn block(&self, name: &str) -> &str {
        let (_, rest) = self
            .stdout
            .split_once(&format!("---- {name} ----"))
            .unwrap_or_else(|| panic!("nothing is said about `{name}`:\n{}", self.text()));
        rest.split("\n---- ").next().unwrap_or_default()
    }

    /// The counts of `test result: …`: passed, failed, ignored, filtered out.
    pub fn counts(&self) -> Option<[u32; 4]> {
        let line = self
            .stdout
            .lines()
            .find(|line| line.starts_with("test result: "))?;
        let count = |word: &str| {
            line.split([';', '.'])
                .find_map(|part| part.trim().strip_suffix(word)?.trim().parse().ok())
        };
        Some([
            count("passed")?,
            count("failed")?,
            count("ignored")?,
            count("filtered out")?,
        ])
    }
}

/// The text without escape codes, which libtest chooses by the terminal: `ESC [ … letter` and `ESC ( letter`.
fn without_colours(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let mut plain = parts.next().unwrap_or_default().to_string();
    for part in parts {
        let end = part.find(|c: char| c.is_ascii_alphabetic());
        plain.push_str(&part[end.map_or(part.len(), |at| at + 1)..]);
    }
    plain
}

/// A folder for one test, removed when it is dropped.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// An empty folder.
    ///
    /// # Panics
    ///
    /// When it cannot be made.
    pub fn new(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let nth = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder =
            std::env::temp_dir().join(format!("llmtest-{name}-{}-{nth}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("a folder for the test");
        Self(folder)
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs a fixture with these arguments and variables; nothing of the caller's environment decides the outcome.
///
/// # Panics
///
/// When it cannot be started.
pub fn run<A: AsRef<OsStr>>(
    binary: &Path,
    args: impl IntoIterator<Item = A>,
    vars: &[(&str, &str)],
) -> Ran {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    run_in(&fixtures, binary, args, vars)
}

/// As [`run`], in a working directory of one's own.
///
/// # Panics
///
/// When it cannot be started.
pub fn run_in<A: AsRef<OsStr>>(
    dir: &Path,
    binary: &Path,
    args: impl IntoIterator<Item = A>,
    vars: &[(&str, &str)],
) -> Ran {
    let mut command = Command::new(binary);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("LLMTEST_")
            || text.starts_with("NEXTEST")
            || text.starts_with("OTEL_")
            || text.starts_with("RUST_")
            || text == "OPENAI_API_KEY"
        {
            command.env_remove(&name);
        }
    }
    command
        .args(args)
        .env("CI", "true")
        .env("LLMTEST_MODE", "replay")
        .env("NO_COLOR", "1");
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    command
        .env("CARGO_MANIFEST_DIR", &fixtures)
        .current_dir(dir)
        .stdin(Stdio::null());
    command.envs(vars.iter().copied());
    let output = command.output().expect("the fixture starts");
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
