//! `cargo llmtest report`: every format, of real runs and of one whose texts mean harm.

mod hostile;
mod junit;
mod markdown;
mod schema;

use llmtest::cli::{Output, Place, run};
use llmtest_tests::Scratch;
use llmtest_tests::bench::Bench;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

fn report_in(folder: &Path, args: &[&str]) -> Output {
    let place = Place {
        folder: folder.to_path_buf(),
        vars: vec![(
            "LLMTEST_DIR".to_string(),
            folder.join("records").to_string_lossy().into_owned(),
        )],
        locks: folder.to_path_buf(),
    };
    let all = ["llmtest", "report"].iter().chain(args);
    run(all.map(|arg| (*arg).into()), &place)
}

/// The report of this run in this format, with the gate's verdict where there is one.
fn shown(run: &Value, gate: Option<&Value>, args: &[&str]) -> String {
    let scratch = Scratch::new("reports");
    let write = |name: &str, value: &Value| {
        fs::write(scratch.path().join(name), value.to_string()).expect("a file of the test");
    };
    write("run.json", run);
    let mut all = vec!["run.json"];
    if let Some(gate) = gate {
        write("gate.json", gate);
        all.extend(["--gate", "gate.json"]);
    }
    all.extend_from_slice(args);
    let output = report_in(scratch.path(), &all);
    assert_eq!((output.code, &*output.err), (0, ""), "{}", output.out);
    output.out
}

/// Compares with the file of this name beside the tests. `BLESS=1` writes it anew, to be looked at and committed.
fn as_in_file(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/reports")
        .join(name);
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, found).expect("the file is written");
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    let line = expected
        .lines()
        .zip(found.lines())
        .position(|(a, b)| a != b);
    assert!(
        expected == found,
        "{name} differs from line {:?} on; `BLESS=1` writes it anew:\n{found}",
        line.map(|line| line + 1)
    );
}

#[test]
fn a_run_is_found_by_its_name_its_folder_and_its_file_and_else_it_is_the_last() {
    let bench = Bench::of("runs", "found");
    bench.run(&[], &[]);
    let file = bench.path().join("records/report.json");
    let expected = fs::read_to_string(file).expect("a report");
    let id = bench.report().run.id;
    let folder = format!("records/runs/{id}");
    for run in [
        &[][..],
        &["last"],
        &[&*id],
        &[&*folder],
        &["records/report.json"],
    ] {
        let output = report_in(bench.path(), &[run, &["--format", "json"]].concat());
        assert_eq!((output.code, &*output.err), (0, ""), "{run:?}");
        assert_eq!(output.out, expected, "{run:?}");
    }
    let output = report_in(bench.path(), &["second"]);
    assert_eq!(output.code, 1);
    let told = "there is no run `second`\nhint: ";
    assert!(output.err.contains(told), "{}", output.err);
    let output = report_in(bench.path(), &["--format", "pdf"]);
    assert_eq!(output.code, 2, "{}", output.err);
}

#[test]
fn a_file_is_written_whole_or_not_at_all() {
    let scratch = Scratch::new("whole");
    fs::write(scratch.path().join("old.md"), "old").expect("a file of the test");
    fs::write(
        scratch.path().join("cut.json"),
        "{\"format\":1,\"run\":{},\"tests\":[\n",
    )
    .expect("a file of the test");
    let output = report_in(
        scratch.path(),
        &["cut.json", "--format", "markdown", "--out", "old.md"],
    );
    assert_eq!(output.code, 1);
    assert!(output.err.contains("ends in the middle"), "{}", output.err);
    assert_eq!(
        fs::read_to_string(scratch.path().join("old.md")).expect("the file"),
        "old"
    );
    let left: Vec<_> = fs::read_dir(scratch.path()).expect("the folder").collect();
    assert_eq!(left.len(), 2, "{left:?}");

    fs::write(scratch.path().join("run.json"), hostile::run().to_string())
        .expect("a file of the test");
    let output = report_in(
        scratch.path(),
        &["run.json", "--format", "junit", "--out", "junit.xml"],
    );
    assert_eq!((output.code, &*output.out, &*output.err), (0, "", ""));
    let written = fs::read_to_string(scratch.path().join("junit.xml")).expect("the file");
    assert_eq!(
        written,
        shown(&hostile::run(), None, &["--format", "junit"])
    );
    let output = report_in(scratch.path(), &["run.json", "--out", "no/such/folder.txt"]);
    assert!(
        output.code == 1 && output.err.contains("\nhint: "),
        "{}",
        output.err
    );
}

#[test]
fn no_text_of_a_run_reaches_a_terminal_unescaped() {
    let text = shown(&hostile::run(), None, &[]);
    let bad = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    assert!(!text.contains(bad), "{text}");
    assert!(text.contains("faithfulness  0.20"), "{text}");
    assert!(
        text.contains("5 cases: 2 passed, 1 failed, 1 errored, 1 skipped"),
        "{text}"
    );
}

/// The value with harm at the end of every text, names of files, tests and metrics included.
fn harmed(value: &Value, key: &str) -> Value {
    match value {
        Value::String(text) if key != "outcome" => format!("{text}{}", hostile::HARM).into(),
        Value::Array(all) => all.iter().map(|one| harmed(one, key)).collect(),
        Value::Object(all) => {
            let all = all.iter();
            Value::Object(
                all.map(|(key, one)| (key.clone(), harmed(one, key)))
                    .collect(),
            )
        }
        other => other.clone(),
    }
}

#[test]
fn no_field_of_a_run_does_harm_in_any_text_that_shows_it() {
    let mut run = harmed(&hostile::run(), "");
    run["run"]["unattributed_spans"] = serde_json::json!({hostile::HARM: 2});
    run["groups"] = serde_json::json!([{"binary": hostile::HARM, "test": hostile::HARM, "file": hostile::HARM, "line": 3, "attempt": 1,
        "outcome": "errored", "rows": {"failed": 1}, "pass_rate": 0.5, "duration": 1.0, "error": hostile::HARM}]);
    let formats: [&[&str]; 6] = [
        &[],
        &["--format", "markdown"],
        &["--format", "markdown", "--full"],
        &["--format", "annotations"],
        &["--format", "code-quality"],
        &["--format", "junit"],
    ];
    for format in formats {
        let text = shown(&run, None, format);
        let bad = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!text.contains(bad), "{format:?}: {text}");
        if format.contains(&"markdown") {
            for harm in [
                "@everyone",
                "<script",
                "<img",
                "](",
                "```",
                "https:",
                "\n#",
                "\n| cell",
            ] {
                // Our own headings are of the second and third level.
                let found = text
                    .replace("\n## ", "")
                    .replace("\n### ", "")
                    .contains(harm);
                assert!(!found, "{format:?}: {harm}: {text}");
            }
            assert_eq!(text.matches("<!--").count(), 1, "{text}");
        }
        if format.contains(&"annotations") {
            let commands =
                |line: &str| line.starts_with("::error ") || line.starts_with("::warning ");
            assert!(text.lines().all(commands), "{text}");
        }
        if format.contains(&"junit") {
            assert!(
                !text.contains("<script") && !text.contains("<img"),
                "{text}"
            );
        }
    }
    let page = shown(&run, None, &["--format", "html"]);
    // Those of data, and our own.
    let of_data = page
        .matches("<script type=\"application/json\" id=\"")
        .count();
    assert_eq!(page.matches("<script").count(), of_data + 1);
    assert_eq!(page.matches("</script").count(), of_data + 1);
    assert!(!page.contains("<img"));
}

#[test]
fn annotations_stand_at_the_row_and_keep_to_what_is_shown() {
    let run = hostile::run();
    as_in_file(
        "hostile.annotations.txt",
        &shown(&run, None, &["--format", "annotations"]),
    );
    let gate = hostile::gate();
    as_in_file(
        "gate.annotations.txt",
        &shown(&run, Some(&gate), &["--format", "annotations"]),
    );
    as_in_file(
        "hostile.quality.json",
        &shown(&run, None, &["--format", "code-quality"]),
    );

    let mut many = run;
    let failed = many["tests"][0].clone();
    let rows = (0..25).map(|n| {
        let mut row = failed.clone();
        row["row"] = format!("row-{n}").into();
        row["dataset"]["line"] = (n + 1).into();
        row["trials"][0]["measurements"][0]["score"] = (0.5 - f64::from(n) / 100.0).into();
        row
    });
    many["tests"] = rows.collect();
    let text = shown(&many, None, &["--format", "annotations"]);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 10, "{text}");
    // The worst is the last row.
    assert!(
        lines[0].starts_with("::error file=data/rows.jsonl,line=25,"),
        "{text}"
    );
    assert!(lines[9].contains("16 more errors are left out"), "{text}");
}

#[test]
fn a_row_that_missed_its_bar_in_a_dataset_that_passed_is_no_error() {
    let case = |row: usize| {
        let outcome = if row < 2 { "failed" } else { "passed" };
        let score = if row < 2 { 0.0 } else { 1.0 };
        json!({
            "test": "refunds", "row": format!("r{row}"), "binary": "evals", "file": "tests/evals.rs", "line": 3,
            "outcome": outcome, "passes_needed": 1, "attempt": 1, "duration": 0.1,
            "trials": [{"outcome": outcome, "duration": 0.1, "measurements": [{"metric": "tone", "nth": 1,
                "outcome": outcome, "score": score, "bar": {"at_least": 0.5}, "duration": 0.0}]}],
        })
    };
    let run = |outcome: &str| {
        let cases: Vec<Value> = (0..10).map(case).collect();
        json!({"format": 1, "run": {"id": "r"}, "tests": cases, "groups": [{"test": "refunds", "binary": "evals",
            "file": "tests/evals.rs", "line": 3, "outcome": outcome, "pass_rate": 0.8,
            "rows": {"passed": 8, "failed": 2}, "attempt": 1}]})
    };
    let (held, broken) = (run("passed"), run("failed"));

    let notes = shown(&held, None, &["--format", "annotations"]);
    assert_eq!(notes.matches("::notice ").count(), 2, "{notes}");
    assert!(
        !notes.contains("::error") && !notes.contains("::warning"),
        "{notes}"
    );
    let quality = shown(&held, None, &["--format", "code-quality"]);
    assert!(
        quality.contains("\"info\"") && !quality.contains("\"major\""),
        "{quality}"
    );
    let summary = shown(&held, None, &["--format", "markdown"]);
    assert!(summary.contains("without a failure"), "{summary}");
    assert!(!summary.contains("The worst cases"), "{summary}");
    assert!(
        summary.contains("2 rows missed a bar in datasets that passed all the same"),
        "{summary}"
    );

    let notes = shown(&broken, None, &["--format", "annotations"]);
    assert_eq!(notes.matches("::error ").count(), 3, "{notes}");
    let summary = shown(&broken, None, &["--format", "markdown"]);
    assert!(
        summary.contains("The worst cases") && summary.contains("r0</code>"),
        "{summary}"
    );
}
