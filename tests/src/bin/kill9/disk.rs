//! A full disk and a read-only one, as file systems of their own in a namespace.

use llmtest_tests::{Scratch, Tally, fixture};
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Mounts a small file system at `$1` with the options `$2` and runs the rest of the command line.
const MOUNTED: &str = r#"mount -t tmpfs -o "$2" tmpfs "$1" && shift 2 && exec "$@""#;

/// The same, and then copies what is there to `$3`, since it goes with the namespace.
const COPIED: &str = r#"mount -t tmpfs -o "$2" tmpfs "$1" && from=$1 to=$3 && shift 3 && { "$@"; code=$?; cp -r "$from/." "$to"; exit $code; }"#;

fn unshared(script: &str, words: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    command
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", script])
        .arg("sh")
        .args(words)
        .stdin(Stdio::null());
    command
}

/// Both, or two that are skipped where nothing can be mounted.
pub(super) fn full() -> Tally {
    let mut tally = Tally::default();
    let scratch = Scratch::new("disk");
    let (disk, copy) = (scratch.path().join("disk"), scratch.path().join("copy"));
    for folder in [&disk, &copy] {
        std::fs::create_dir_all(folder).expect("a folder");
    }
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let (disk, copy) = (text(&disk), text(&copy));
    let can = unshared(MOUNTED, &[&disk, "size=64k", "true"]).output();
    if !can.is_ok_and(|output| output.status.success()) {
        println!("a full disk, a read-only one: this user may not mount any");
        tally.skipped += 2;
        return tally;
    }
    let binary = text(&fixture("killed"));
    let ran = |script: &str, words: &[&str]| -> Output {
        let mut words = words.to_vec();
        words.push(&binary);
        let mut command = unshared(script, &words);
        command
            .envs([
                ("LLMTEST_DIR", disk.as_str()),
                ("LLMTEST_RUN_ID", "the-run"),
                ("LLMTEST_MODE", "live"),
                ("LLMTEST_BASE_URL", llmtest_tests::mock::MockServer::NOWHERE),
                ("LLMTEST_RETRIES", "0"),
                ("ROWS", "100"),
            ])
            .current_dir(scratch.path());
        command.output().expect("unshare runs")
    };
    let mut check = |what: &str, output: &Output, words: &[&str], kept: bool| {
        let said = String::from_utf8_lossy(&output.stderr);
        let verdicts = String::from_utf8_lossy(&output.stdout)
            .lines()
            .any(|line| line == "test plain ... ok" || line.starts_with("test plain "));
        let code = output.status.code();
        let missing: Vec<_> = words.iter().filter(|word| !said.contains(**word)).collect();
        if code == Some(101) && verdicts && missing.is_empty() && kept {
            println!(
                "{what}: {}",
                said.lines()
                    .find(|line| line.starts_with("error: "))
                    .unwrap_or_default()
            );
            tally.passed += 1;
        } else {
            println!(
                "{what}: code {code:?}, verdicts {verdicts}, kept {kept}, missing {missing:?}\n{said}"
            );
            tally.failed += 1;
        }
    };
    let output = ran(COPIED, &[&disk, "size=128k", &copy]);
    let kept = whole_lines(Path::new(&copy));
    let words = [
        "error: ",
        "No space left on device",
        "hint: make space",
        "LLMTEST_RESUME=the-run",
    ];
    check(
        "a full disk",
        &output,
        &words,
        kept.is_some_and(|lines| lines > 10),
    );
    let output = ran(MOUNTED, &[&disk, "ro"]);
    let words = ["error: ", "Read-only file system", "hint: set LLMTEST_DIR"];
    check("a read-only disk", &output, &words, true);
    tally
}

/// How many lines the shards have; none where one is not whole.
fn whole_lines(root: &Path) -> Option<usize> {
    let mut lines = 0;
    for entry in std::fs::read_dir(root.join("runs/the-run")).ok()?.flatten() {
        if entry
            .path()
            .extension()
            .is_some_and(|extension| extension == "jsonl")
        {
            let text = std::fs::read_to_string(entry.path()).ok()?;
            for line in text.lines() {
                serde_json::from_str::<serde_json::Value>(line).ok()?;
                lines += 1;
            }
        }
    }
    Some(lines)
}
