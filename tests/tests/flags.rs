//! One source under libtest and under our harness, over the command lines that people and tools use.

use llmtest_tests::{Ran, Scratch, fixture, run};
use std::collections::BTreeSet;

/// Every command line is run under both; names, results, counts and exit codes must agree.
const TABLE: &[&[&str]] = &[
    &[],
    &["alpha"],
    &["alpha", "beta"],
    &["inner::alpha", "table", "nothing"],
    &["--exact", "alpha"],
    &["--exact", "alpha", "inner::alpha"],
    &["--exact", "alph"],
    &["--skip", "alpha"],
    &["--skip", "alpha", "--skip", "match"],
    &["--skip=alpha", "a"],
    &["--exact", "--skip", "alpha"],
    &["--ignored"],
    &["--ignored", "gamma"],
    &["--include-ignored"],
    &["--include-ignored", "--exact", "gamma"],
    &["--test-threads", "1"],
    &["--test-threads=4", "alpha"],
    &["--nocapture", "alpha"],
    &["--no-capture", "alpha"],
    &["--show-output", "alpha"],
    &["--color", "never"],
    &["--color=always", "alpha"],
    &["--quiet", "alpha"],
    &["-q", "beta"],
    &["--format", "terse", "alpha"],
    &["--format=pretty", "alpha"],
    &["alpha", "--exact", "--nocapture", "--include-ignored"],
    &["nothing"],
];

fn both(args: &[&str], vars: &[(&str, &str)]) -> (Ran, Ran) {
    let scratch = Scratch::new("flags");
    let folder = scratch.path().to_string_lossy().into_owned();
    let mut vars = vars.to_vec();
    vars.push(("LLMTEST_DIR", &folder));
    (
        run(&fixture("flags"), args, &vars),
        run(&fixture("flags_full"), args, &vars),
    )
}

#[test]
fn our_harness_runs_what_libtest_runs() {
    for args in TABLE {
        let (libtest, ours) = both(args, &[]);
        assert_eq!(
            libtest.results(),
            ours.results(),
            "{args:?}\n{}\n{}",
            libtest.text(),
            ours.text()
        );
        assert!(libtest.counts().is_some(), "{args:?}\n{}", libtest.text());
        assert_eq!(
            libtest.counts(),
            ours.counts(),
            "{args:?}\n{}\n{}",
            libtest.text(),
            ours.text()
        );
        assert_eq!(libtest.code, ours.code, "{args:?}");
    }
}

#[test]
fn lists_agree_and_hold_nothing_but_names() {
    for args in [
        &["--list", "--format", "terse"][..],
        &["--list", "--format", "terse", "--ignored"],
        &["--list", "--format=terse", "alpha"],
        &["--list", "--format", "terse", "--exact", "alpha"],
    ] {
        let (libtest, ours) = both(args, &[]);
        let names = |ran: &Ran| {
            ran.stdout
                .lines()
                .map(str::to_string)
                .collect::<BTreeSet<_>>()
        };
        assert_eq!(names(&libtest), names(&ours), "{args:?}");
        assert!(
            ours.stdout.lines().all(|line| line.ends_with(": test")),
            "{}",
            ours.stdout
        );
        assert_eq!((ours.code, libtest.code), (0, 0));
    }
}

#[test]
fn zero_threads_are_refused_by_both() {
    let (libtest, ours) = both(&["--test-threads", "0"], &[]);
    assert_eq!((libtest.code, ours.code), (101, 101));
    assert!(ours.stderr.contains("must not be 0"), "{}", ours.stderr);
}

#[test]
fn the_thread_variable_is_honoured() {
    let (libtest, ours) = both(&["alpha"], &[("RUST_TEST_THREADS", "1")]);
    assert_eq!(libtest.results(), ours.results());
    let (libtest, ours) = both(&["alpha"], &[("RUST_TEST_THREADS", "many")]);
    assert_eq!((libtest.code, ours.code), (101, 101));
}

#[test]
fn what_rust_analyzer_sends_gives_only_json_lines() {
    let scratch = Scratch::new("json");
    let folder = scratch.path().to_string_lossy().into_owned();
    let ran = run(
        &fixture("flags_full"),
        [
            "beta",
            "--exact",
            "--nocapture",
            "--include-ignored",
            "-Z",
            "unstable-options",
            "--format=json",
        ],
        &[("LLMTEST_DIR", &folder)],
    );
    let events: Vec<serde_json::Value> = ran
        .stdout
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}")))
        .collect();
    let failed = events
        .iter()
        .find(|event| event["event"] == "failed" && event["type"] == "test")
        .unwrap();
    assert_eq!(failed["name"], "beta");
    assert!(failed["stdout"].as_str().unwrap().contains("zebra"));
    assert_eq!(ran.code, 101);
}

#[test]
fn a_wrong_option_is_a_usage_error() {
    let ran = run(&fixture("flags_full"), ["--no-such-option"], &[]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("--no-such-option"));
}
