use super::*;
use std::path::{Path, PathBuf};

/// A folder of its own, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("llmtest-cli-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn at(folder: &Path, args: &str, vars: &[(&str, &str)]) -> Output {
    let place = Place {
        folder: folder.to_path_buf(),
        vars: vars
            .iter()
            .map(|(name, value)| ((*name).to_string(), (*value).to_string()))
            .collect(),
        locks: folder.to_path_buf(),
    };
    run(args.split_whitespace().map(Into::into), &place)
}

#[test]
fn help_teaches_and_a_wrong_line_is_a_usage_error() {
    let folder = Folder::new("help");
    for args in ["llmtest recordings prune --help", "recordings prune --help"] {
        let help = at(&folder.0, args, &[]);
        assert_eq!((help.code, &*help.err), (0, ""));
        assert!(
            help.out.contains("Usage: cargo llmtest recordings prune"),
            "{}",
            help.out
        );
        assert!(help.out.contains("prune --dry-run"), "{}", help.out);
    }
    for args in [
        "",
        "llmtest recordings",
        "recordings stal",
        "recordings prune --broken --other-models",
    ] {
        let wrong = at(&folder.0, args, &[]);
        assert_eq!((wrong.code, &*wrong.out), (2, ""), "{args}");
        assert!(wrong.err.contains("Usage: "), "{}", wrong.err);
    }
}

#[test]
fn the_project_is_found_from_every_folder_of_it() {
    let folder = Folder::new("project");
    folder.write("llmtest.toml", "[recording]\ndir = \"kept\"\n");
    folder.write("app/src/lib.rs", "");
    folder.write("app/Cargo.toml", "");
    folder.write("kept/embeddings/m.jsonl", "oops\n");
    let list = at(&folder.0.join("app/src"), "recordings list", &[]);
    assert!(list.out.contains("of `kept`"), "{list:?}");
    // Recordings of a package without llmtest.toml are in the package.
    std::fs::remove_file(folder.0.join("llmtest.toml")).unwrap();
    folder.write("app/recordings/embeddings/m.jsonl", "oops\n");
    let list = at(&folder.0.join("app/src"), "recordings list", &[]);
    assert!(list.out.contains("of `recordings`"), "{list:?}");

    let broken = at(&folder.0, "recordings list", &[("LLMTEST_MODEE", "x")]);
    assert_eq!(broken.code, 1);
    assert!(
        broken.err.contains("did you mean `LLMTEST_MODE`?"),
        "{}",
        broken.err
    );
}

#[test]
fn runs_are_found_where_cargo_puts_them() {
    let folder = Folder::new("runs");
    folder.write("app/Cargo.toml", "");
    let recordings = folder.0.join("app/recordings");
    let process = serde_json::json!({"process": {
        "binary": "evals", "started": 5, "mode": "replay", "recordings": recordings,
    }});
    let shard = format!("{process}\n{{\"ended\":{{}}}}\n");
    for (target, vars) in [
        ("target", None),
        ("target/x86_64-unknown-linux-gnu", None),
        ("elsewhere", Some(("CARGO_TARGET_DIR", "../elsewhere"))),
    ] {
        let run = format!("{target}/llmtest/runs/one");
        folder.write(&format!("{run}/1-0.jsonl"), &shard);
        let found = at(&folder.0.join("app"), "recordings stale", vars.as_slice());
        assert_eq!(found.code, 0, "{target}: {found:?}");
        assert!(
            found.out.contains("run `one` of 1970-01-01: 1 test binary"),
            "{found:?}"
        );
        std::fs::remove_dir_all(folder.0.join(target)).unwrap();
    }
    let none = at(&folder.0.join("app"), "recordings stale", &[]);
    assert!(none.err.contains("no run is recorded"), "{none:?}");
}

#[test]
fn what_cargo_left_out_and_what_says_nothing_of_itself_is_named() {
    let folder = Folder::new("gaps");
    folder.write("Cargo.toml", "");
    let recordings = folder.0.join("recordings");
    for (more, says) in [
        (
            r#""targets": ["--test evals"]"#,
            "ran with `--test evals`, which leaves other binaries out",
        ),
        (r#""nextest": true"#, "ran under nextest"),
        (r#""only_failed": true"#, "ran only what failed before"),
    ] {
        let mut process: serde_json::Value = serde_json::from_str(&format!("{{{more}}}")).unwrap();
        process["binary"] = "evals".into();
        process["recordings"] = recordings.to_string_lossy().into();
        let process = serde_json::json!({ "process": process });
        folder.write(
            "target/llmtest/runs/one/1-0.jsonl",
            &format!("{process}\n{{\"ended\":{{}}}}\n"),
        );
        let found = at(&folder.0, "recordings stale", &[]);
        assert_eq!(found.code, 1);
        assert!(found.err.contains(says), "{}", found.err);
    }
    folder.write("target/llmtest/runs/one/1-0.jsonl", "{\"test\":{}}\n");
    let found = at(&folder.0, "recordings stale", &[]);
    assert!(found.err.contains("an earlier version"), "{}", found.err);
}
