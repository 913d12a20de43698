//! Where a run leaves its records, and what the run is called.

use crate::config::Config;
use std::path::{Path, PathBuf};

/// The folder of all runs: `LLMTEST_DIR`, else `llmtest/` in the target folder of the running binary.
pub(crate) fn report_root(config: Option<&Config>) -> PathBuf {
    if let Some(dir) = config.and_then(|config| config.dir.clone()) {
        return dir;
    }
    let exe = std::env::current_exe().unwrap_or_default();
    target_folder(&exe)
        .unwrap_or_else(|| PathBuf::from("target"))
        .join("llmtest")
}

/// Cargo marks its target folder for backup tools; without the mark it is the folder above the profile's.
fn target_folder(exe: &Path) -> Option<PathBuf> {
    let marked = exe.ancestors().skip(1).find(|folder| {
        folder.join("CACHEDIR.TAG").is_file() || folder.join(".rustc_info.json").is_file()
    });
    let above = exe
        .ancestors()
        .find(|folder| folder.file_name().is_some_and(|name| name == "deps"))
        .and_then(|deps| deps.parent()?.parent());
    marked.or(above).map(Path::to_path_buf)
}

/// The test binary's name without cargo's hash.
pub(crate) fn binary_name() -> String {
    let exe = std::env::current_exe().unwrap_or_default();
    let stem = exe
        .file_stem()
        .map(|stem| stem.to_string_lossy().into_owned())
        .unwrap_or_default();
    match stem.rsplit_once('-') {
        Some((name, hash))
            if hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) =>
        {
            name.to_string()
        }
        _ => stem,
    }
}

/// The run's id: as configured, else what its processes have in common.
pub(crate) fn run_id(config: Option<&Config>) -> String {
    let given = config.and_then(|config| config.run_id.clone());
    given.unwrap_or_else(|| session(config))
}

/// What all processes that were started together have in common: nextest's id, else one for all children of one cargo, else
/// one for this process.
pub(super) fn session(config: Option<&Config>) -> String {
    let given = config.and_then(|config| config.nextest_run_id.clone());
    given.or_else(cargo_parent).unwrap_or_else(|| {
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        format!("{}-{}", now.as_secs(), std::process::id())
    })
}

/// `cargo-<pid>-<start>` when the parent process is cargo: all test binaries of one `cargo test` share it.
#[cfg(target_os = "linux")]
fn cargo_parent() -> Option<String> {
    let parent = std::os::unix::process::parent_id();
    let stat = std::fs::read_to_string(format!("/proc/{parent}/stat")).ok()?;
    // The name stands in parentheses and may hold anything; the start time is the 20th field after it.
    let (head, tail) = stat.rsplit_once(')')?;
    let (_, name) = head.split_once('(')?;
    let start = tail.split_whitespace().nth(19)?;
    (name == "cargo").then(|| format!("cargo-{parent}-{start}"))
}

#[cfg(all(unix, not(target_os = "linux")))]
fn cargo_parent() -> Option<String> {
    let parent = std::os::unix::process::parent_id();
    let output = std::process::Command::new("ps")
        .args(["-o", "lstart=,comm=", "-p", &parent.to_string()])
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let text = text.trim();
    text.ends_with("cargo").then(|| {
        format!(
            "cargo-{parent}-{}",
            llmtest_metrics::hash::short(text.as_bytes())
        )
    })
}

#[cfg(not(unix))]
fn cargo_parent() -> Option<String> {
    None
}

/// What cargo's command line says on which binaries to run, as in `cargo test --test evals`. Nothing else of it is kept,
/// since a command line may hold what nobody should see.
pub(crate) fn cargo_targets() -> Vec<String> {
    targets(&cargo_line().unwrap_or_default())
}

fn targets(line: &[String]) -> Vec<String> {
    const ALONE: [&str; 6] = [
        "--lib",
        "--bins",
        "--examples",
        "--benches",
        "--tests",
        "--doc",
    ];
    const WITH_NAME: [&str; 5] = ["--test", "--bin", "--example", "--bench", "--exclude"];
    let mut found = Vec::new();
    let mut words = line.iter().take_while(|word| *word != "--");
    while let Some(word) = words.next() {
        let name = word.split('=').next().unwrap_or_default();
        if ALONE.contains(&name) || (WITH_NAME.contains(&name) && word.contains('=')) {
            found.push(word.clone());
        } else if WITH_NAME.contains(&name) {
            let value = words.next().map_or("", String::as_str);
            found.push(format!("{word} {value}"));
        }
    }
    found
}

/// The command line of the parent process, when that is cargo.
#[cfg(target_os = "linux")]
fn cargo_line() -> Option<Vec<String>> {
    cargo_parent()?;
    let parent = std::os::unix::process::parent_id();
    let line = std::fs::read(format!("/proc/{parent}/cmdline")).ok()?;
    let words = line.split(|byte| *byte == 0);
    Some(
        words
            .map(|word| String::from_utf8_lossy(word).into_owned())
            .collect(),
    )
}

#[cfg(all(unix, not(target_os = "linux")))]
fn cargo_line() -> Option<Vec<String>> {
    cargo_parent()?;
    let parent = std::os::unix::process::parent_id();
    let output = std::process::Command::new("ps")
        .args(["-o", "args=", "-p", &parent.to_string()])
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.split_whitespace().map(str::to_string).collect())
}

#[cfg(not(unix))]
fn cargo_line() -> Option<Vec<String>> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_folder_is_found_from_the_binary() {
        let found = target_folder(Path::new(
            "/nowhere/target/x86_64-unknown-linux-gnu/debug/deps/evals-0123456789abcdef",
        ));
        assert_eq!(
            found,
            Some(PathBuf::from("/nowhere/target/x86_64-unknown-linux-gnu"))
        );
        let own = std::env::current_exe().unwrap();
        assert!(target_folder(&own).unwrap().join("CACHEDIR.TAG").is_file());
    }

    #[test]
    fn of_a_command_line_only_the_choice_of_binaries_is_kept() {
        let line =
            "cargo --config token=abc test --test evals --bin=app --lib -p x -- --skip --doc";
        let line: Vec<String> = line.split(' ').map(str::to_string).collect();
        assert_eq!(targets(&line), ["--test evals", "--bin=app", "--lib"]);
    }
}
