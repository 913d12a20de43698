//! Runs that are gone on with: after a kill, after errors, and where they could not be recorded.

use llmtest::{Outcome, RunReport};
use llmtest_tests::bench::Bench;
use llmtest_tests::killed::{Chance, Room};
use llmtest_tests::mock::{Answer, MockServer};
use llmtest_tests::{Ran, fixture};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

const ONE: (&str, &str) = ("LLMTEST_RUN_ID", "one");
const RESUME_ONE: (&str, &str) = ("LLMTEST_RESUME", "one");
const MENDED: (&str, &str) = ("MENDED", "1");

/// A bench with the recordings of all cases, and no runs.
fn recorded(target: &'static str, name: &str) -> Bench {
    let bench = Bench::of(target, name);
    let server = MockServer::script([Answer::grade(9)]);
    let ran = bench.against(&server, "record", &[], &[MENDED]);
    assert_eq!(ran.code, 101, "{}", ran.text());
    fs::remove_dir_all(bench.path().join("records")).expect("the records");
    bench
}

/// Runs, and says which cases' bodies ran.
fn ran(bench: &Bench, args: &[&str], vars: &[(&str, &str)]) -> (Ran, BTreeSet<String>) {
    let begun = bench.path().join("begun");
    let _ = fs::remove_file(&begun);
    let path = begun.to_string_lossy().into_owned();
    let mut all = vec![("BEGUN", path.as_str())];
    all.extend_from_slice(vars);
    let ran = bench.run(args, &all);
    let text = fs::read_to_string(begun).unwrap_or_default();
    (ran, text.lines().map(str::to_string).collect())
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(ToString::to_string).collect()
}

fn count(report: &RunReport, outcome: Outcome) -> usize {
    let tests = report.tests.iter();
    tests.filter(|test| test.outcome == outcome).count()
}

#[test]
fn only_errored_cases_run_again_and_what_failed_is_shown_from_its_record() {
    let bench = recorded("killed", "errored");
    let (first, _) = ran(&bench, &[], &[ONE]);
    assert_eq!(first.results()["spread::row7"], "FAILED");
    let before = bench.report();
    assert_eq!(
        (before.tests.len(), count(&before, Outcome::Errored)),
        (26, 2)
    );

    let (second, begun) = ran(&bench, &[], &[RESUME_ONE, MENDED]);
    assert_eq!(begun, names(&["spread::row7", "one_test::row7"]));
    let results = second.results();
    assert_eq!(results["spread::row7"], "ok", "{}", second.text());
    assert_eq!((&*results["one_test"], &*results["tried"]), ("ok", "ok"));
    assert_eq!((second.code, &*results["spread::row5"]), (101, "FAILED"));
    assert_eq!(
        second.block("spread::row5"),
        first.block("spread::row5"),
        "the block of what is kept"
    );
    let told = "24 cases kept from the run `one`\n";
    assert!(second.text().contains(told), "{}", second.text());
    // The table is that of the whole run.
    assert!(
        second.text().contains("26 cases: 20 passed, 6 failed ·"),
        "{}",
        second.text()
    );

    let report = bench.report();
    assert_eq!(
        (report.tests.len(), count(&report, Outcome::Errored)),
        (26, 0)
    );
    assert_eq!((report.run.id.as_str(), report.run.processes), ("one", 2));
    let resumptions: Vec<u32> = report.run.binaries.iter().map(|b| b.resumption).collect();
    assert_eq!(resumptions, [0, 1]);
    let unchanged = |name: &str, report: &RunReport| {
        let mut tests = report.tests.iter();
        tests.find(|test| test.name() == name).cloned()
    };
    assert_eq!(unchanged("tried", &report), unchanged("tried", &before));
    assert_eq!(report.groups.len(), 1);
    assert_eq!(report.groups[0].outcome, Outcome::Passed);
}

#[test]
fn what_is_missing_runs_and_last_is_the_latest_run() {
    let bench = recorded("killed", "missing");
    ran(&bench, &["tried"], &[("LLMTEST_RUN_ID", "older")]);
    ran(&bench, &["plain", "one_test"], &[ONE]);
    let last = ("LLMTEST_RESUME", "last");
    let (second, begun) = ran(&bench, &["plain", "tried"], &[last, MENDED]);
    assert_eq!((second.code, begun), (0, names(&["tried"])));
    let told = "1 case kept from the run `one`\n";
    assert!(second.text().contains(told), "{}", second.text());
    // Of a run that was resumed, the last outcome counts.
    let (third, begun) = ran(&bench, &[], &[last, MENDED]);
    assert!(begun.contains("spread::row0") && begun.contains("one_test::row7"));
    assert!(!begun.contains("tried") && !begun.contains("one_test::row6"));
    assert!(third.text().contains("13 cases kept"), "{}", third.text());
    let (fourth, begun) = ran(&bench, &[], &[last]);
    assert_eq!(begun, BTreeSet::new(), "{}", fourth.text());
    let report = bench.report();
    assert_eq!((report.tests.len(), report.run.processes), (26, 4));
    assert_eq!(count(&report, Outcome::Errored), 0);
}

#[test]
fn a_resumption_works_under_libtest() {
    let bench = recorded("killed_plain", "libtest");
    let (first, _) = ran(&bench, &[], &[ONE]);
    assert_eq!(first.code, 101, "{}", first.text());
    let (second, begun) = ran(&bench, &[], &[RESUME_ONE, MENDED]);
    assert_eq!(begun, names(&["spread::row7", "one_test::row7"]));
    assert!(second.text().contains("24 cases kept"), "{}", second.text());
    // Every row of it must pass, and three do not, as their records say.
    assert_eq!(second.results()["spread"], "FAILED");
    assert!(second.stdout.contains("  spread::row10"));
    assert_eq!(second.results()["one_test"], "ok");
    assert_eq!(bench.report().tests.len(), 26);
}

#[test]
fn the_processes_of_nextest_resume_together_and_its_second_attempts_run() {
    let bench = recorded("killed_plain", "nextest");
    let process = |test: &str, run: &str, attempt: &str, more: &[(&str, &str)]| {
        let mut vars = vec![
            ("NEXTEST", "1"),
            ("NEXTEST_RUN_ID", run),
            ("NEXTEST_ATTEMPT", attempt),
        ];
        vars.extend_from_slice(more);
        ran(&bench, &["--exact", test], &vars).1
    };
    let resume = ("LLMTEST_RESUME", "a");
    process("one_test", "a", "1", &[]);
    process("one_test", "a", "2", &[]);
    process("tried", "a", "1", &[]);
    let all = process("one_test", "b", "1", &[resume]);
    assert_eq!(all, names(&["one_test::row7"]));
    // Errored in this resumption: the next attempt is to run it, and nothing else.
    let all = process("one_test", "b", "2", &[resume, MENDED]);
    assert_eq!(all, names(&["one_test::row7"]));
    assert_eq!(process("tried", "b", "1", &[resume]), BTreeSet::new());
    assert_eq!(process("plain", "b", "1", &[resume]), names(&["plain"]));
    let report = bench.report();
    assert_eq!((report.tests.len(), report.run.processes), (14, 7));
    // An attempt of a resumption goes before a higher one of what was before.
    assert_eq!(count(&report, Outcome::Errored), 0);
    assert_eq!(report.groups[0].outcome, Outcome::Passed);
}

#[test]
fn a_run_that_cannot_be_resumed_runs_nothing_and_says_why() {
    let bench = Bench::of("killed", "refused");
    for (vars, words) in [
        (
            vec![("LLMTEST_RESUME", "last")],
            vec![
                "there is no run `last` in ",
                "hint: there is nothing to resume",
            ],
        ),
        (
            vec![RESUME_ONE, ("LLMTEST_RUN_ID", "two")],
            vec![
                "`LLMTEST_RESUME` is set to `one` and `LLMTEST_RUN_ID` to `two`",
                "hint: unset one",
            ],
        ),
    ] {
        let (refused, begun) = ran(&bench, &[], &vars);
        assert_eq!((refused.code, begun), (101, BTreeSet::new()));
        for words in words {
            assert!(refused.stderr.contains(words), "{}", refused.text());
        }
    }
    ran(&bench, &["plain"], &[ONE]);
    let other = ("LLMTEST_RESUME", "another");
    let (refused, _) = ran(&bench, &["plain"], &[other]);
    let hint = "hint: the latest are `one`; `last` is the first of them";
    assert!(refused.stderr.contains(hint), "{}", refused.text());
    let bench = bench.then("killed_plain");
    let (refused, begun) = ran(&bench, &["plain"], &[other]);
    assert_eq!((refused.code, begun), (101, BTreeSet::new()));
    assert!(refused.text().contains(hint), "{}", refused.text());
}

#[test]
fn a_run_says_at_which_commit_it_began_and_its_resumption_warns_of_another() {
    let bench = recorded("killed", "commit");
    let vars = [ONE, ("CARGO_PKG_VERSION", "1.2.3"), ("GITHUB_SHA", "")];
    ran(&bench, &["plain"], &vars);
    let run = bench.report().run;
    assert_eq!(run.judge.as_deref(), Some("gpt-4.1-mini"));
    let binary = &run.binaries[0];
    assert_eq!(
        (binary.version.as_deref(), binary.seed),
        (Some("1.2.3"), Some(7))
    );
    let git = Command::new("git").args(["rev-parse", "HEAD"]).output();
    let head = git.ok().filter(|output| output.status.success());
    let head = head.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_string());
    assert_eq!(run.git.and_then(|git| git.commit), head);
    let Some(head) = head else {
        return;
    };
    let (same, _) = ran(&bench, &["plain"], &[RESUME_ONE]);
    assert!(!same.text().contains("warning"), "{}", same.text());
    let folder = bench.path().join("records/runs/one");
    for entry in fs::read_dir(folder).expect("the run").flatten() {
        if entry
            .path()
            .extension()
            .is_some_and(|extension| extension == "jsonl")
        {
            let text = fs::read_to_string(entry.path()).expect("a shard");
            let text = text.replace(&head, &"0".repeat(head.len()));
            fs::write(entry.path(), text).expect("a shard");
        }
    }
    let (other, _) = ran(&bench, &["plain"], &[RESUME_ONE]);
    let warning = format!(
        "warning: the run `one` was recorded at commit 0000000000, and this is {}: ",
        &head[..10]
    );
    assert!(other.text().contains(&warning), "{}", other.text());
    assert_eq!(
        bench.report().run.git.and_then(|git| git.commit),
        Some(head)
    );
}

#[test]
fn runs_that_are_killed_are_completed_to_what_an_undisturbed_one_says() {
    let room = Room::new("killed", 12).expect("an undisturbed run");
    let mut chance = Chance::new(6);
    let mut recorded = 0;
    for n in 0..5 {
        let share = chance.next_share();
        let again = (n == 2).then_some(0.5);
        let mode = if n == 1 { "auto" } else { "replay" };
        let killed = room.kill(&format!("kill{n}"), mode, share, again);
        recorded += killed
            .unwrap_or_else(|why| panic!("kill {n}, at {share:.2}: {why}"))
            .recorded;
    }
    assert!(recorded > 0, "no kill found a record");
}

/// Runs the fixture in a shell after this command of it; the run is named `one`.
fn in_shell(bench: &Bench, before: &str, root: &str) -> Ran {
    let output = Command::new("sh")
        .args(["-c", &format!("{before} exec \"$0\"")])
        .arg(fixture("killed"))
        .current_dir(bench.path())
        .envs([
            ("CARGO_MANIFEST_DIR", env!("CARGO_MANIFEST_DIR")),
            ("LLMTEST_DIR", root),
            ("LLMTEST_RUN_ID", "one"),
            ("LLMTEST_MODE", "replay"),
            (
                "LLMTEST_RECORDINGS",
                &bench.path().join("recordings").to_string_lossy(),
            ),
            ("TMPDIR", &bench.path().to_string_lossy()),
            ("ROWS", "12"),
            ("MENDED", "1"),
            ("NO_COLOR", "1"),
        ])
        .stdin(Stdio::null())
        .output()
        .expect("a shell");
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// `ulimit -f` stands for a full disk: the system refuses the byte after the last one that is allowed. `kill9` fills one.
#[cfg(unix)]
#[test]
fn where_files_may_not_grow_verdicts_are_shown_what_was_recorded_stays_and_the_rest_is_resumed() {
    let bench = recorded("killed", "full");
    let records = bench.path().join("records").to_string_lossy().into_owned();
    // 8 KiB: some records of about 2 KiB each. Without the signal, writing is an error as on a full disk.
    let full = in_shell(&bench, "trap '' XFSZ; ulimit -f 16;", &records);
    assert_eq!(full.code, 101, "{}", full.text());
    assert_eq!(full.results()["plain"], "ok");
    assert_eq!(full.results().len(), 15, "{}", full.text());
    for words in [
        "error: the record of the run cannot be written to ",
        "hint: make space, then `LLMTEST_RESUME=one` runs what is missing",
    ] {
        assert!(full.stderr.contains(words), "`{words}`: {}", full.text());
    }
    let mut whole = 0;
    let folder = bench.path().join("records/runs/one");
    for entry in fs::read_dir(folder).expect("the run").flatten() {
        let path = entry.path();
        assert!(path.extension().is_none_or(|extension| extension != "tmp"));
        if path
            .extension()
            .is_some_and(|extension| extension == "jsonl")
        {
            let text = fs::read_to_string(path).expect("a shard");
            for line in text.lines() {
                let line: serde_json::Value = serde_json::from_str(line).expect("a whole line");
                whole += usize::from(line.get("test").is_some());
            }
        }
    }
    assert!((1..26).contains(&whole), "{whole}");
    let (resumed, _) = ran(&bench, &[], &[RESUME_ONE, MENDED]);
    let kept = format!("{whole} case{} kept", if whole == 1 { "" } else { "s" });
    assert!(resumed.text().contains(&kept), "{}", resumed.text());
    assert_eq!(bench.report().tests.len(), 26);
}

/// Tests may run as root, who may write everywhere: below a file and in `/proc` nobody can.
#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_made_is_an_error_with_a_hint_and_verdicts_are_shown() {
    let bench = recorded("killed", "unwritable");
    fs::write(bench.path().join("file"), "not a folder").expect("a file");
    let below = bench
        .path()
        .join("file/records")
        .to_string_lossy()
        .into_owned();
    let mut roots = vec![below.as_str()];
    if Path::new("/proc/self").exists() {
        roots.push("/proc/llmtest");
    }
    for root in roots {
        let ran = in_shell(&bench, "", root);
        assert_eq!((ran.code, &*ran.results()["plain"]), (101, "ok"));
        for words in [
            &format!("error: the run folder {root}/runs/one cannot be written: "),
            "hint: set LLMTEST_DIR to a folder that can",
        ] {
            assert!(ran.stderr.contains(words), "`{words}`: {}", ran.text());
        }
    }
    let bench = bench.then("killed_plain");
    let below = ("LLMTEST_DIR", below.as_str());
    let ran = bench.run(&["plain"], &[below]);
    assert_eq!((ran.code, &*ran.results()["plain"]), (101, "FAILED"));
    for words in ["hint: set LLMTEST_DIR", "(the test itself passed)"] {
        assert!(ran.stdout.contains(words), "{}", ran.text());
    }
}

#[test]
fn more_trials_are_added_to_those_that_a_case_has() {
    let bench = Bench::of("runs", "added");
    let args = ["own_number"];
    let first = bench.run(&args, &[ONE]);
    assert_eq!(first.code, 0, "{}", first.text());
    let before = bench.report();
    let wanted = format!("{}::own_number=4", before.tests[0].binary);
    let second = bench.run(&args, &[RESUME_ONE, ("LLMTEST_MORE", &wanted)]);
    assert_eq!(second.code, 0, "{}", second.text());
    let after = bench.report();
    assert_eq!(after.tests.len(), before.tests.len());
    for (now, then) in after.tests.iter().zip(&before.tests) {
        assert_eq!((now.trials.len(), now.passes_needed), (4, 4));
        assert_eq!(now.trials[0], then.trials[0]);
    }
    // Another test keeps what it has.
    let third = bench.run(&args, &[RESUME_ONE, ("LLMTEST_MORE", "runs::other=9")]);
    assert!(third.text().contains("64 cases kept"), "{}", third.text());
    let wrong = bench.run(&args, &[RESUME_ONE, ("LLMTEST_MORE", "own_number")]);
    assert!(
        wrong.code != 0 && wrong.text().contains("evals::refunds=5"),
        "{}",
        wrong.text()
    );
}
