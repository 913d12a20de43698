//! The state of the repository, as `git` tells it.

use crate::results::GitState;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long git may look at files, and how long it may take for the rest: a run never waits for longer.
const PATIENCE: (Duration, Duration) = (Duration::from_millis(1500), Duration::from_millis(500));

/// The repository around this folder. What git does not say, since it is not there or since a commit is checked out by
/// itself, is what CI says; none where nobody knows the commit.
pub(super) fn state(folder: &Path, ci: GitState) -> Option<GitState> {
    let Some(mut state) = state_of(folder) else {
        return ci.commit.is_some().then_some(ci);
    };
    state.branch = state.branch.or(ci.branch);
    Some(state)
}

/// What git says.
fn state_of(folder: &Path) -> Option<GitState> {
    const STATUS: [&str; 5] = [
        "status",
        "--porcelain=v2",
        "--branch",
        "--untracked-files=no",
        "--ignore-submodules=dirty",
    ];
    if let Some(text) = asked(folder, &STATUS, PATIENCE.0) {
        return Some(parsed(&text));
    }
    // The files of a large repository take long to look at, the commit does not.
    let commit = asked(folder, &["rev-parse", "HEAD"], PATIENCE.1)?;
    Some(GitState {
        commit: Some(commit.trim().to_string()),
        ..GitState::default()
    })
}

/// The answer to `git status --porcelain=v2 --branch`.
fn parsed(text: &str) -> GitState {
    let mut state = GitState {
        dirty: Some(false),
        ..GitState::default()
    };
    for line in text.lines() {
        if let Some(commit) = line.strip_prefix("# branch.oid ") {
            state.commit = (commit != "(initial)").then(|| commit.to_string());
        } else if let Some(branch) = line.strip_prefix("# branch.head ") {
            state.branch = (branch != "(detached)").then(|| branch.to_string());
        } else if !line.starts_with('#') {
            state.dirty = Some(true);
        }
    }
    state
}

/// What git says, if it says it in time.
fn asked(folder: &Path, args: &[&str], patience: Duration) -> Option<String> {
    let mut git = Command::new("git");
    // In a hook these name the repository that the hook is of, seen from another folder.
    for variable in [
        "GIT_DIR",
        "GIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_COMMON_DIR",
        "GIT_OBJECT_DIRECTORY",
        "GIT_PREFIX",
    ] {
        git.env_remove(variable);
    }
    // Nothing is written, and no program of the repository's choice is run.
    git.env("GIT_OPTIONAL_LOCKS", "0")
        .args(["-c", "core.fsmonitor=false"])
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    if !folder.as_os_str().is_empty() {
        git.current_dir(folder);
    }
    let started = Instant::now();
    let mut child = git.spawn().ok()?;
    let mut out = child.stdout.take()?;
    // It ends with the process, whose end is waited for below.
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        out.read_to_end(&mut text).map(|_| text)
    });
    let mut pause = Duration::from_millis(1);
    loop {
        match child.try_wait() {
            Ok(Some(status)) => {
                let text = reader.join().ok()?.ok()?;
                return status
                    .success()
                    .then(|| String::from_utf8_lossy(&text).into_owned());
            }
            Ok(None) if started.elapsed() < patience => std::thread::sleep(pause),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                return None;
            }
        }
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_of_git_is_understood() {
        let clean = parsed("# branch.oid 0123abcd\n# branch.head main\n# branch.ab +0 -0\n");
        assert_eq!(clean.commit.as_deref(), Some("0123abcd"));
        assert_eq!(
            (clean.branch.as_deref(), clean.dirty),
            (Some("main"), Some(false))
        );
        let changed = parsed(
            "# branch.oid 0123abcd\n# branch.head (detached)\n1 .M N... 100644 100644 100644 1 2 a.rs\n",
        );
        assert_eq!((changed.branch, changed.dirty), (None, Some(true)));
        let new = parsed("# branch.oid (initial)\n# branch.head main\n");
        assert_eq!(new.commit, None);
    }

    #[test]
    fn where_there_is_no_repository_there_is_what_ci_says() {
        let folder = std::env::temp_dir().join(format!("llmtest-git-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let ci = |commit: Option<&str>| GitState {
            commit: commit.map(str::to_string),
            branch: Some("main".to_string()),
            dirty: None,
        };
        assert_eq!(state(&folder, ci(None)), None);
        assert_eq!(state(&folder.join("gone"), ci(None)), None);
        assert_eq!(state(&folder, ci(Some("01ab"))), Some(ci(Some("01ab"))));
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn ci_names_the_branch_where_a_commit_is_checked_out_by_itself() {
        let folder = std::env::temp_dir().join(format!("llmtest-branch-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let git = |args: &[&str]| {
            let own = [
                "-c",
                "user.name=n",
                "-c",
                "user.email=e",
                "-c",
                "init.defaultBranch=own",
            ];
            let mut git = Command::new("git");
            git.args(own).args(args).current_dir(&folder);
            assert!(git.output().unwrap().status.success(), "{args:?}");
        };
        git(&["init"]);
        std::fs::write(folder.join("a"), "a").unwrap();
        git(&["add", "a"]);
        git(&["commit", "-m", "a", "--no-gpg-sign"]);
        let ci = || GitState {
            commit: Some("of-ci".to_string()),
            branch: Some("of-ci".to_string()),
            dirty: None,
        };
        let on_branch = state(&folder, ci()).unwrap();
        assert_eq!(on_branch.branch.as_deref(), Some("own"));
        assert_eq!(on_branch.commit.as_ref().map(String::len), Some(40));
        git(&["checkout", "--detach"]);
        std::fs::write(folder.join("a"), "b").unwrap();
        let alone = state(&folder, ci()).unwrap();
        assert_eq!(alone.branch.as_deref(), Some("of-ci"));
        assert_eq!((alone.commit, alone.dirty), (on_branch.commit, Some(true)));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
