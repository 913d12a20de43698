//! What goes wrong ends that case alone, as Errored, with words that say what to do.

use llmtest_tests::{Ran, Scratch, fixture, run};

fn ran(scratch: &Scratch, args: &[&str]) -> Ran {
    run(
        &fixture("errors"),
        args,
        &[("LLMTEST_DIR", &scratch.path().to_string_lossy())],
    )
}

#[test]
fn every_error_ends_its_own_case_and_says_what_to_do() {
    let scratch = Scratch::new("errors");
    let ran = ran(&scratch, &[]);
    assert_eq!(ran.code, 101);
    let results = ran.results();
    for good in [
        "good_first",
        "good_last",
        "bad_line::one",
        "bad_line::last",
        "own_type::good",
    ] {
        assert_eq!(results[good], "ok", "{good}\n{}", ran.text());
    }
    for (name, words) in [
        (
            "panics",
            &["the test panicked: index out of bounds", "tests/errors.rs:"][..],
        ),
        (
            "panics_in_sync",
            &["the test panicked: no answer for you", "tests/errors.rs:"],
        ),
        ("too_slow", &["did not end within 50ms", "timeout = "]),
        ("too_slow_in_sync", &["did not end within 50ms"]),
        ("blocks_its_thread", &["did not end within 50ms"]),
        (
            "metric_never_ends",
            &["never", "the metric did not end within 50ms"],
        ),
        (
            "metric_panics",
            &["explodes", "the metric panicked: an expectation"],
        ),
        ("body_fails", &["No such file"]),
        (
            "missing_field",
            &[
                "`exact_match` needs `expected`",
                "hint: set it with `.expected(",
            ],
        ),
        (
            "score_is_nan",
            &["zero_by_zero", "is not a number", "NotApplicable"],
        ),
        ("score_is_two", &["the score 2 is outside 0..=1"]),
        (
            "nothing_applies",
            &["no metric applied", "never_applies", "because it is a test"],
        ),
        ("no_checks", &["returned no check"]),
        (
            "missing_span",
            &[
                "no span `retreive`",
                "`answer` (agent), `retrieve` (retriever)",
            ],
        ),
        (
            "component_failed",
            &["the component `broken_tool` failed: the tool is out of order"],
        ),
        (
            "bad_line::line-3",
            &["`data/bad_line.jsonl`, line 3", "is not JSON"],
        ),
        (
            "bad_line::one#line-4",
            &["line 4", "`one` is already used on line 1"],
        ),
        ("bad_line::typo", &["did you mean `expected`"]),
        ("empty", &["`data/empty.jsonl`: has no rows"]),
        (
            "not_there",
            &[
                "`data/bad_lime.jsonl`: cannot be read",
                "did you mean `bad_line.jsonl`",
            ],
        ),
        ("a_folder", &["is a folder", "hint: name a file in it"]),
        (
            "own_type::bad",
            &["row `bad` is not a `Own`: missing field `question`"],
        ),
        (
            "twice::same_name",
            &["2 tests are named `twice::same_name`", "tests/errors.rs:"],
        ),
        (
            "twice::same_name#2",
            &["2 tests are named `twice::same_name`"],
        ),
    ] {
        assert_eq!(
            results.get(name).map(String::as_str),
            Some("FAILED"),
            "{name}\n{}",
            ran.text()
        );
        let block = ran.block(name);
        for word in words {
            assert!(
                block.contains(word),
                "`{name}` does not say `{word}`:\n{block}"
            );
        }
    }
    let report = std::fs::read_to_string(scratch.path().join("report.json")).unwrap();
    let report = llmtest::RunReport::from_json(&report).unwrap();
    assert_eq!(
        report.tests.len(),
        results.len(),
        "as many results as cases"
    );
    let errored = report
        .tests
        .iter()
        .filter(|test| test.outcome == llmtest::Outcome::Errored)
        .count();
    let failed: Vec<_> = report
        .tests
        .iter()
        .filter(|test| test.outcome == llmtest::Outcome::Failed)
        .map(llmtest::TestRecord::name)
        .collect();
    assert!(
        failed.iter().all(|name| name.starts_with("hostile::")),
        "{failed:?}"
    );
    assert_eq!(errored + failed.len() + 5, results.len());
}

#[test]
fn a_hostile_row_cannot_reach_the_terminal_or_the_file_system() {
    let scratch = Scratch::new("hostile");
    let ran = ran(&scratch, &["hostile"]);
    assert!(
        !ran.text().contains('\u{1b}')
            && !ran.text().contains('\u{7}')
            && !ran.text().contains('\r'),
        "{:?}",
        ran.text()
    );
    assert!(
        ran.stdout
            .contains("a%3A%3Ab%20%1B[31mred%07%0A../../etc/passwd"),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("x\\u{1b}[2J"), "{}", ran.stdout);
    let id = ran
        .results()
        .into_keys()
        .find(|name| name.contains("passwd"))
        .unwrap();
    let alone = run(
        &fixture("errors"),
        ["--exact", &id],
        &[("LLMTEST_DIR", &scratch.path().to_string_lossy())],
    );
    assert_eq!(alone.counts().unwrap()[1], 1, "{}", alone.text());
}

#[test]
fn errors_never_enter_a_mean() {
    let scratch = Scratch::new("means");
    let ran = ran(&scratch, &["metric_", "good_"]);
    let line = |metric: &str| {
        ran.stdout
            .lines()
            .find(|line| line.starts_with(metric))
            .unwrap_or_else(|| panic!("{}", ran.stdout))
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(line("contains"), "contains 1.00 100% 4 – –");
    assert_eq!(line("never"), "never – – 0 1 –");
    assert_eq!(line("explodes"), "explodes – – 0 1 –");
}

#[test]
fn an_unknown_variable_is_named_and_fails_the_run() {
    // An unknown key of llmtest.toml takes a crate of its own: `tests/api.sh`.
    let scratch = Scratch::new("config");
    let dir = scratch.path().to_string_lossy().into_owned();
    let vars = [("LLMTEST_DIR", dir.as_str()), ("LLMTEST_MOED", "live")];
    let ran = run(&fixture("errors"), ["good_first"], &vars[..1]);
    assert_eq!(ran.code, 0, "{}", ran.text());
    let ran = run(&fixture("errors"), ["good_first"], &vars);
    assert_eq!(ran.code, 101);
    assert!(
        ran.text().contains("LLMTEST_MOED") && ran.text().contains("LLMTEST_MODE"),
        "{}",
        ran.text()
    );
    assert_eq!(
        ran.results()["good_first"],
        "ok",
        "a test that needs no configuration still runs"
    );
}
