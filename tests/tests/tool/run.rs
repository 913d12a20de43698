//! `run`, `gate`, `accept` and `compare`.

use super::{Project, assert_says};

/// Wrong answers from this row on.
fn wrong(from: usize, count: usize) -> Vec<(usize, &'static str)> {
    (from..from + count).map(|n| (n, "wrong")).collect()
}

#[test]
fn failed_tests_fail_a_run_and_only_the_gate_decides_with_it() {
    let project = Project::accepted("tool-decides", 30, &wrong(1, 3));
    let run = project.says(101, &["run"]);
    assert_says(&run, &["31 cases, 28 passed, 3 failed, 0 errored"]);
    let gated = project.says(0, &["run", "--gate"]);
    assert_says(
        &gated,
        &["gate: pass, nothing changed", "31 paired, 31 unchanged"],
    );
}

#[test]
fn a_regression_fails_the_gate_and_is_named() {
    let project = Project::accepted("tool-regression", 30, &[]);
    project.answers(30, &wrong(5, 15));
    let gated = project.says(100, &["run", "--gate"]);
    assert_says(&gated, &["gate: fail", "15 worse, 0 better", "answers::5"]);
    // A pure function of the records and the configuration.
    let again = project.says(100, &["gate"]);
    assert!(gated.ends_with(&again), "{gated}\n---\n{again}");
    let compared = project.says(0, &["compare", "last~1", "last"]);
    assert_says(&compared, &["exact_match", "worse: ", "answers::19"]);
}

#[test]
fn an_invariant_fails_the_gate_at_the_first_case() {
    let project = Project::accepted("tool-invariant", 30, &[]);
    project.answers(30, &[(1, "boom")]);
    let gated = project.says(100, &["run", "--gate"]);
    assert_says(&gated, &["gate: fail", "tag must", "refuses"]);
}

#[test]
fn errors_are_no_bad_scores_to_the_gate() {
    let project = Project::accepted("tool-errors", 30, &[]);
    project.answers(30, &[(3, "panic"), (4, "panic")]);
    let gated = project.says(101, &["run", "--gate"]);
    assert_says(&gated, &["2 errored", "Errored"]);
    // Nothing of them becomes a baseline unasked.
    let refused = project.refuses(&["accept"]);
    assert_says(&refused, &["2 cases are Errored in the run", "--force"]);
    assert_says(&project.says(0, &["accept", "--force"]), &["31 cases are"]);
}

#[test]
fn what_cannot_be_told_is_said_with_the_cases_it_takes() {
    let project = Project::accepted("tool-inconclusive", 30, &[]);
    project.answers(30, &wrong(5, 3));
    let gated = project.says(0, &["run", "--gate"]);
    assert_says(&gated, &["gate: inconclusive", "cases would settle it"]);
    let toml = project.read("llmtest.toml") + "on-inconclusive = \"fail\"\n";
    project.write("llmtest.toml", &toml);
    project.says(100, &["gate"]);
}

#[test]
fn one_document_that_broke_is_one_event() {
    let project = Project::accepted("tool-clusters", 64, &[]);
    project.answers(64, &wrong(9, 8));
    assert_says(&project.says(100, &["run", "--gate"]), &["8 worse"]);
    let toml = project.read("llmtest.toml");
    project.write("llmtest.toml", &format!("{toml}cluster = \"document\"\n"));
    let clustered = project.says(0, &["gate"]);
    assert_says(&clustered, &["gate: inconclusive", "8 worse"]);
    project.write("llmtest.toml", &format!("{toml}cluster = \"dokument\"\n"));
    assert_says(
        &project.says(100, &["gate"]),
        &["no case has the metadata `dokument` that `cluster` names"],
    );
}

#[test]
fn a_run_of_a_part_is_no_baseline() {
    let project = Project::accepted("tool-part", 30, &[]);
    project.answers(5, &[]);
    project.says(0, &["run"]);
    let refused = project.refuses(&["accept"]);
    assert_says(&refused, &["6 of the 31 cases"]);
}

#[test]
fn words_for_cargo_and_for_the_tests_stand_where_they_belong() {
    let project = Project::new("tool-words");
    project.answers(3, &[]);
    let words = ["run", "--partition", "count:1/4", "--nextest", "--"];
    let own = ["-p", "shop", "--", "answers"];
    project.says(0, &[&words[..], &own].concat());
    assert_eq!(
        project.read("args.txt"),
        "nextest run -p shop --no-fail-fast --partition count:1/4 -- answers\n"
    );
}

#[test]
fn a_run_that_is_resumed_runs_what_was_errored() {
    let project = Project::new("tool-resume");
    project.answers(6, &[(3, "panic")]);
    project.says(101, &["run"]);
    project.answers(6, &[]);
    let resumed = project.says(0, &["run", "--resume"]);
    assert_says(&resumed, &["7 cases, 7 passed, 0 failed, 0 errored"]);
    let runs = project.says(0, &["runs", "--json"]);
    let runs: serde_json::Value = serde_json::from_str(&runs).expect("JSON");
    assert_eq!(runs.as_array().map(Vec::len), Some(1), "{runs}");
    let refused = project.refuses(&["run", "--resume", "nothing-like-it"]);
    assert_says(&refused, &["no run `nothing-like-it`", "the latest are"]);
}

#[test]
fn a_run_under_stress_runs_every_case_so_often() {
    let project = Project::new("tool-stress");
    project.answers(2, &[]);
    project.says(0, &["run", "--stress", "4"]);
    let report: serde_json::Value =
        serde_json::from_str(&project.read("records/report.json")).expect("JSON");
    let trials = report["tests"].as_array().expect("cases").iter();
    let trials: Vec<_> = trials
        .map(|case| case["trials"].as_array().map(Vec::len))
        .collect();
    assert_eq!(trials, [Some(4); 3]);
    assert_says(&project.says(0, &["flaky"]), &["0 flaky cases"]);
}

#[test]
fn reports_are_written_with_the_run_whatever_it_says() {
    let project = Project::new("tool-reports");
    project.answers(3, &[(2, "<script>")]);
    let wanted = "html=page.html,junit=junit.xml,markdown=summary.md,annotations=notes.txt";
    project.says(101, &["run", "--report", wanted]);
    assert!(project.read("page.html").starts_with("<!doctype html>"));
    assert_says(&project.read("junit.xml"), &["<testsuites", "&lt;script"]);
    assert_says(&project.read("summary.md"), &["1 failed"]);
    assert_says(&project.read("notes.txt"), &["::warning file="]);
    let nowhere = project.tool(&["run", "--report", "html=no/such/folder.html"]);
    assert_eq!(nowhere.code, 101, "a verdict counts more than its report");
    assert_says(&nowhere.err, &["no/such/folder.html"]);
    let unknown = project.tool(&["run", "--report", "pdf=x.pdf"]);
    assert_eq!(unknown.code, 2);
}

#[test]
fn tests_that_do_not_build_are_no_bad_run() {
    let project = Project::new("tool-broken");
    project.answers(3, &[]);
    project.write("broken", "");
    let refused = project.refuses(&["run", "--gate"]);
    assert_says(&refused, &["nothing was recorded"]);
}

#[test]
fn a_gate_without_a_baseline_says_what_it_decided_by() {
    let project = Project::new("tool-no-baseline");
    project.answers(3, &[]);
    project.says(0, &["run"]);
    let said = project.says(0, &["gate"]);
    assert_says(&said, &["no baseline", "accept"]);
    let refused = project.refuses(&["gate", "--baseline", "nowhere.json"]);
    assert_says(&refused, &["no run `nowhere.json`"]);
    project.write("broken.json", "{\"format\":1,\"tests\":[\n{\"test\":\n");
    let refused = project.tool(&["gate", "--baseline", "broken.json"]);
    assert_eq!(refused.code, 1);
    assert_says(&refused.err, &["broken.json"]);
}
