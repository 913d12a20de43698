//! `cargo llmtest recordings`: what is listed, what is stale, what goes, and when the command refuses.

use llmtest::cli::{Output, Place, run};
use llmtest_tests::bench::Bench;
use llmtest_tests::mock::{Answer, MockServer};
use serde_json::Value;
use std::fs;

const REPLIES: &str = "judge/g_eval.jsonl";
const STAGES: &str = "stages/stage.jsonl";
const ALL: &[&str] = &["--include-ignored"];

fn place(bench: &Bench, vars: &[(&str, &str)]) -> Place {
    let folder = |name: &str| bench.path().join(name).to_string_lossy().into_owned();
    let mut all = vec![
        ("LLMTEST_DIR".to_string(), folder("records")),
        ("LLMTEST_RECORDINGS".to_string(), folder("recordings")),
    ];
    all.extend(
        vars.iter()
            .map(|(name, value)| ((*name).to_string(), (*value).to_string())),
    );
    Place {
        folder: bench.path().to_path_buf(),
        vars: all,
        locks: bench.path().to_path_buf(),
    }
}

/// As cargo calls it.
fn recordings(bench: &Bench, args: &[&str]) -> Output {
    let all = ["llmtest", "recordings"].iter().chain(args);
    run(all.map(|arg| (*arg).into()), &place(bench, &[]))
}

fn told(bench: &Bench, args: &[&str]) -> String {
    let output = recordings(bench, args);
    assert_eq!((output.code, &*output.err), (0, ""), "{}", output.out);
    output.out
}

fn refused(bench: &Bench, args: &[&str], words: &[&str]) -> Output {
    let output = recordings(bench, args);
    assert_eq!(output.code, 1, "{output:?}");
    for word in words {
        assert!(
            output.err.contains(word),
            "it does not say `{word}`:\n{}",
            output.err
        );
    }
    assert!(output.err.contains("\nhint: "), "{}", output.err);
    output
}

/// A run of all tests that records what it asks.
fn record(bench: &Bench) {
    let server = MockServer::start(|_, _| Answer::grade(8));
    let ran = bench.against(&server, "auto", ALL, &[("CI", "")]);
    assert_eq!(ran.code, 0, "{}", ran.text());
}

fn replay(bench: &Bench, args: &[&str], vars: &[(&str, &str)]) {
    let mut all = vec![("LLMTEST_MODE", "replay")];
    all.extend_from_slice(vars);
    let ran = bench.run(args, &all);
    assert_eq!(ran.code, 0, "{}", ran.text());
}

/// Recorded with two rows, of which one is no more.
fn with_a_row_less(name: &str) -> Bench {
    let bench = Bench::of("kept", name);
    record(&bench);
    fs::write(bench.path().join("rows.txt"), "one\n").expect("a file of the test");
    bench
}

#[test]
fn what_no_test_of_a_whole_run_used_is_stale_and_goes() {
    let bench = with_a_row_less("stale");
    let before = told(&bench, &["stale"]);
    assert!(before.contains("; 0 of 5 entries may go"), "{before}");

    replay(&bench, ALL, &[]);
    let out = told(&bench, &["stale"]);
    for word in [
        "1 test binary; 2 of 5 entries may go",
        "judge/g_eval.jsonl:",
        "g_eval/score",
        "gpt-4.1-mini",
        "stages/stage.jsonl:",
        "2 lines in 2 files are stale, ",
        "hint: `cargo llmtest recordings prune`",
    ] {
        assert!(out.contains(word), "it does not say `{word}`:\n{out}");
    }
    let json: Value = serde_json::from_str(&told(&bench, &["stale", "--json"])).unwrap();
    assert_eq!(json["stale"].as_array().map(Vec::len), Some(2));
    assert_eq!(json["stale"][0]["why"], "unused");

    let files = bench.recordings();
    let dry = told(&bench, &["prune", "--dry-run"]);
    assert!(
        dry.contains("2 lines in 2 files are stale and would go"),
        "{dry}"
    );
    assert_eq!(bench.recordings(), files);

    let out = told(&bench, &["prune"]);
    assert!(out.contains("2 lines in 2 files are gone"), "{out}");
    let left = bench.recordings();
    for (file, text) in &files {
        let kept: Vec<_> = left[file].lines().collect();
        let all: Vec<_> = text.lines().collect();
        assert_eq!(kept.len() + 1, all.len(), "{file}");
        assert!(kept.iter().all(|line| all.contains(line)), "{file}");
        assert!(!left[file].contains("an answer to two"), "{file}");
    }
    replay(&bench, ALL, &[]);
    assert!(told(&bench, &["stale"]).contains("; 0 of 3 entries may go"));
    assert_eq!(bench.recordings(), left);
}

#[test]
fn a_file_that_is_left_empty_goes() {
    let bench = Bench::of("kept", "empty");
    let rows = bench.path().join("rows.txt");
    fs::write(&rows, "one\nquiet\n").unwrap();
    record(&bench);
    fs::write(&rows, "quiet\n").unwrap();
    replay(&bench, ALL, &[]);
    let out = told(&bench, &["prune"]);
    // A result of the stage with its body, and the reply about it.
    assert!(out.contains("3 lines in 2 files are gone"), "{out}");
    let left = bench.recordings();
    assert_eq!(left.keys().collect::<Vec<_>>(), [REPLIES]);
    assert_eq!(left[REPLIES].lines().count(), 2);
    replay(&bench, ALL, &[]);
}

#[test]
fn a_run_that_left_something_out_is_refused() {
    let bench = with_a_row_less("filtered");
    for (args, vars, words) in [
        (
            &["--include-ignored", "judged"][..],
            None,
            &["`fixture_kept` ran only what `judged` chooses"][..],
        ),
        (
            &["--include-ignored", "--skip", "plain"],
            None,
            &["`--skip=plain` chooses"],
        ),
        (
            ALL,
            Some(("LLMTEST_TAGS", "other")),
            &["ran only LLMTEST_TAGS=other"],
        ),
        (
            &[],
            None,
            &["did not run 1 ignored tests", "--without-ignored"],
        ),
    ] {
        replay(&bench, args, vars.as_slice());
        let files = bench.recordings();
        for command in ["stale", "prune"] {
            refused(&bench, &[command], words);
        }
        assert_eq!(bench.recordings(), files);
    }
    let out = told(&bench, &["stale", "--without-ignored"]);
    assert!(out.contains("; 3 of 5 entries may go"), "{out}");
}

#[test]
fn a_run_without_results_is_refused() {
    let bench = with_a_row_less("errored");
    fs::write(bench.path().join("rows.txt"), "one\nthree\n").unwrap();
    let ran = bench.run(ALL, &[("LLMTEST_MODE", "replay")]);
    assert_eq!(ran.code, 101);
    refused(
        &bench,
        &["stale"],
        &["1 cases of `fixture_kept` are Errored"],
    );

    let server = MockServer::start(|_, _| Answer::grade(8));
    bench.live(&server, ALL, &[]);
    refused(
        &bench,
        &["prune"],
        &["LLMTEST_MODE=live, which uses no recordings"],
    );

    replay(&bench, &["--include-ignored", "--skip", "three"], &[]);
    let folder = fs::read_dir(bench.path().join("records/runs")).unwrap();
    for run in folder.flatten() {
        for shard in fs::read_dir(run.path()).unwrap().flatten() {
            // As if it had been killed.
            let text = fs::read_to_string(shard.path()).unwrap_or_default();
            let lines = text.lines().filter(|line| !line.starts_with("{\"ended\""));
            let lines: Vec<_> = lines.collect();
            if shard.path().extension().is_some_and(|end| end == "jsonl") {
                fs::write(shard.path(), lines.join("\n") + "\n").unwrap();
            }
        }
    }
    refused(&bench, &["stale"], &["was killed, or is still running"]);

    fs::remove_dir_all(bench.path().join("records")).unwrap();
    refused(
        &bench,
        &["stale"],
        &["no run is recorded", "LLMTEST_MODE=replay cargo test"],
    );
}

#[test]
fn a_binary_that_did_not_run_is_missed_and_two_runs_count_together() {
    let bench = with_a_row_less("binaries");
    let server = MockServer::start(|_, _| Answer::grade(8));
    let bench = bench.then("limited");
    let vars = [("CALLS", "8"), ("CI", "")];
    let ran = bench.against(&server, "auto", &[], &vars);
    assert_eq!(ran.code, 0, "{}", ran.text());
    refused(
        &bench,
        &["prune"],
        &["`fixture_kept`, which records into the same folder, did not run"],
    );
    let bench = bench.then("kept");
    replay(&bench, ALL, &[("LLMTEST_RUN_ID", "kept")]);
    refused(&bench, &["stale"], &["`fixture_limited`, which records"]);
    let bench = bench.then("limited");
    replay(
        &bench,
        &[],
        &[("CALLS", "8"), ("LLMTEST_RUN_ID", "limited")],
    );
    let out = told(&bench, &["stale", "--runs", "kept,limited"]);
    assert!(
        out.contains("2 test binaries; 2 of 13 entries may go"),
        "{out}"
    );
    refused(
        &bench,
        &["stale", "--runs", "other"],
        &["no run is named `other`"],
    );

    // One of eight tests, under libtest's harness.
    replay(
        &bench,
        &["part3"],
        &[("CALLS", "8"), ("LLMTEST_RUN_ID", "part")],
    );
    refused(
        &bench,
        &["stale", "--runs", "kept,part"],
        &["ran only what `part3` chooses"],
    );
}

#[test]
fn a_broken_line_is_reported_and_goes_only_when_pruned() {
    let bench = with_a_row_less("broken");
    replay(&bench, ALL, &[]);
    let path = bench.recording(REPLIES);
    let good = fs::read_to_string(&path).unwrap();
    let torn = format!("<<<<<<< \u{1b}[2J\n{good}{}", &good[..20]);
    fs::write(&path, &torn).unwrap();
    let out = told(&bench, &["stale"]);
    assert!(out.contains("judge/g_eval.jsonl:1"), "{out}");
    assert!(out.contains("not a recording: expected value"), "{out}");
    assert!(!out.contains('\u{1b}'), "{out}");
    let list = told(&bench, &["list"]);
    assert!(list.contains("g_eval/score (2 broken)"), "{list}");
    assert_eq!(fs::read_to_string(&path).unwrap(), torn);

    // Without a run that tells what is used, that is all that is known.
    fs::remove_dir_all(bench.path().join("records")).unwrap();
    let output = refused(&bench, &["stale"], &["no run is recorded"]);
    assert!(output.out.contains("prune --broken"), "{}", output.out);
    let out = told(&bench, &["prune", "--broken"]);
    assert!(out.contains("2 lines in 1 file are gone"), "{out}");
    assert_eq!(fs::read_to_string(&path).unwrap(), good);
    replay(&bench, ALL, &[]);
}

#[test]
fn what_is_of_another_model_or_format_or_there_twice_is_told_apart() {
    let bench = with_a_row_less("model");
    let path = bench.recording(REPLIES);
    let good = fs::read_to_string(&path).unwrap();
    let mut entry: Value = serde_json::from_str(good.lines().next().unwrap()).unwrap();
    entry["key"] = "0".repeat(16).into();
    let old = entry.to_string();
    entry["model"] = "small\u{1b}]0;x\n".into();
    entry["purpose"] = "g_eval/\u{202e}score".into();
    entry["key"] = "1".repeat(16).into();
    let text = format!("{old}\n{entry}\n{good}{good}");
    fs::write(&path, &text).unwrap();
    fs::write(bench.path().join("rows.txt"), "one\ntwo\n").unwrap();
    replay(&bench, ALL, &[]);

    let json: Value = serde_json::from_str(&told(&bench, &["stale", "--json"])).unwrap();
    let whys: Vec<_> = json["stale"]
        .as_array()
        .unwrap()
        .iter()
        .map(|found| &found["why"])
        .collect();
    assert_eq!(
        whys,
        [
            "old_format",
            "other_model",
            "replaced",
            "replaced",
            "replaced"
        ]
    );
    for command in ["stale", "list"] {
        let out = told(&bench, &[command]);
        assert!(out.contains("small\\u{1b}]0;x\\n"), "{out}");
        assert!(!out.contains(['\u{1b}', '\u{202e}']), "{out}");
    }

    let out = told(&bench, &["prune"]);
    assert!(
        out.contains("4 lines in 1 file are gone") && out.contains("--other-models"),
        "{out}"
    );
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        format!("{entry}\n{good}")
    );
    told(&bench, &["prune", "--other-models"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), good);
}

#[test]
fn a_result_of_an_earlier_body_is_stale() {
    let bench = with_a_row_less("body");
    let path = bench.recording(STAGES);
    let text = fs::read_to_string(&path).unwrap();
    let lines = text.lines().map(|line| {
        let mut entry: Value = serde_json::from_str(line).unwrap();
        if entry["arguments"]["question"] == "two" {
            entry["body"] = "0123456789abcdef".into();
        }
        entry.to_string() + "\n"
    });
    fs::write(&path, lines.collect::<String>()).unwrap();
    replay(&bench, ALL, &[]);
    let json: Value = serde_json::from_str(&told(&bench, &["stale", "--json"])).unwrap();
    let found = json["stale"].as_array().unwrap();
    assert!(
        found
            .iter()
            .any(|found| found["file"] == STAGES && found["why"] == "old_body"),
        "{json:#}"
    );
}

#[test]
fn the_list_has_every_file_as_a_table_and_as_json() {
    let bench = Bench::of("kept", "list");
    let out = told(&bench, &["list"]);
    assert!(out.contains("holds no recordings\nhint: "), "{out}");
    record(&bench);
    let out = told(&bench, &["list"]);
    assert!(out.contains("\n5 entries in 2 files of `"), "{out}");
    let lines: Vec<_> = out.lines().collect();
    assert!(lines[0].starts_with("file "), "{out}");
    assert_eq!(
        lines[0].find("models"),
        lines[1].find("gpt-4.1-mini"),
        "{out}"
    );
    let json: Value = serde_json::from_str(&told(&bench, &["list", "--json"])).unwrap();
    assert_eq!(json["files"][0]["file"], REPLIES);
    assert_eq!(json["files"][0]["entries"], 3);
    assert_eq!(
        json["files"][0]["models"],
        serde_json::json!(["gpt-4.1-mini"])
    );
    assert_eq!(json["files"][1]["what"], serde_json::json!(["stage"]));
}

#[test]
fn the_run_says_how_its_binary_was_started() {
    let bench = with_a_row_less("info");
    replay(&bench, &["judged"], &[("LLMTEST_TAGS", "none")]);
    replay(&bench, &["judged"], &[]);
    let report = bench.report();
    let [binary] = &report.run.binaries[..] else {
        panic!("{:?}", report.run)
    };
    assert_eq!(binary.binary, "fixture_kept");
    assert_eq!(binary.filters, ["judged"]);
    assert_eq!(binary.mode, "replay");
    let end = binary.ended.expect("it ended");
    assert_eq!((end.left_out, end.ignored, end.errored), (2, 0, 0));
}

#[test]
fn a_run_that_was_resumed_does_not_tell_what_is_stale() {
    let bench = with_a_row_less("resumed");
    // What it asks comes out of no recording, and the resumption does not ask it again.
    let server = MockServer::start(|_, _| Answer::grade(8));
    let vars = [("LLMTEST_RUN_ID", "a")];
    let ran = bench.against(&server, "live", &["judged::one"], &vars);
    assert_eq!(ran.code, 0, "{}", ran.text());
    replay(&bench, ALL, &[("LLMTEST_RESUME", "a")]);
    let words = ["`fixture_kept` went on with a run, and did not run what that had recorded"];
    refused(&bench, &["stale"], &words);
    replay(&bench, ALL, &[]);
    assert!(told(&bench, &["stale"]).contains("are stale"));
}
