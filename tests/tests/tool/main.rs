//! `cargo llmtest` from the outside: runs, gates, baselines and what is kept of them. A script stands in for cargo, and runs
//! a fixture: mostly `gated`, whose answers a file gives.
#![cfg(unix)]

mod history;
mod init;
mod more;
mod run;

use llmtest::cli::{Output, Place, run};
use llmtest_tests::{Scratch, fixture};
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// A package with an evaluation suite.
struct Project {
    scratch: Scratch,
}

impl Project {
    fn new(name: &str) -> Self {
        let gate = "baseline = \"baseline.json\"\ninvariants = [\"must\"]\n";
        Self::of("gated", &[], name, gate)
    }

    /// One whose suite is this fixture, told these words, with these settings of the gate.
    fn of(target: &str, words: &[&str], name: &str, gate: &str) -> Self {
        let project = Self {
            scratch: Scratch::new(name),
        };
        let dir = project.path().display();
        let binary = fixture(target);
        let script = format!(
            "#!/bin/sh\ncase \"$1\" in metadata) exit 1 ;; esac\ncd '{dir}' || exit 7\necho \"$@\" > args.txt\n\
             [ ! -e broken ] || {{ echo 'error: could not compile'; exit 101; }}\n\
             export LLMTEST_DIR='{dir}/records' CARGO_MANIFEST_DIR='{dir}' CI=true NO_COLOR=1\nexec '{}' {} > printed.txt 2>&1\n",
            binary.display(),
            words.join(" ")
        );
        project.write("cargo", &script);
        let path = project.path().join("cargo");
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a script");
        project.write("llmtest.toml", &format!("[gate]\n{gate}"));
        project
    }

    fn path(&self) -> &Path {
        self.scratch.path()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).expect("a file of the test");
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).expect(name)
    }

    /// `count` rows, of which those from the first on are answered with this in place of what is expected.
    fn answers(&self, count: usize, wrong: &[(usize, &str)]) {
        let mut text = String::new();
        for n in 1..=count {
            let own = format!("answer-{n}");
            let found = wrong.iter().find(|(at, _)| *at == n);
            let _ = writeln!(text, "{n} {} {own}", found.map_or(&*own, |(_, out)| out));
        }
        self.write("answers.txt", &text);
    }

    /// As cargo calls it.
    fn tool(&self, args: &[&str]) -> Output {
        let cargo = self.path().join("cargo").to_string_lossy().into_owned();
        let records = self.path().join("records").to_string_lossy().into_owned();
        let place = Place {
            folder: self.path().to_path_buf(),
            vars: vec![("CARGO".into(), cargo), ("LLMTEST_DIR".into(), records)],
            locks: self.path().to_path_buf(),
        };
        let all = ["llmtest"].iter().chain(args);
        run(all.map(|arg| (*arg).into()), &place)
    }

    /// What it says, when it ends with this code and says nothing of errors.
    fn says(&self, code: u8, args: &[&str]) -> String {
        let output = self.tool(args);
        assert_eq!((output.code, &*output.err), (code, ""), "{}", output.out);
        output.out
    }

    /// What it says when it cannot do that: the reason and what to do.
    fn refuses(&self, args: &[&str]) -> String {
        let output = self.tool(args);
        assert_eq!(output.code, 1, "{output:?}");
        assert!(output.err.contains("\nhint: "), "{}", output.err);
        output.err
    }

    /// A run, and a baseline of it.
    fn accepted(name: &str, count: usize, wrong: &[(usize, &str)]) -> Self {
        let project = Self::new(name);
        project.answers(count, wrong);
        let code = if wrong.is_empty() { 0 } else { 101 };
        project.says(code, &["run"]);
        let said = project.says(0, &["accept"]);
        let all = format!("{} cases are the baseline now", count + 1);
        assert!(said.contains(&all), "{said}");
        project
    }
}

/// Every one of these words, or what is said in their place.
#[track_caller]
fn assert_says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "it does not say `{word}`:\n{text}");
    }
}
