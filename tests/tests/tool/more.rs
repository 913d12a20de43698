//! `on-inconclusive = "more-trials"`: which tests run again, and when none can.

use super::{Project, assert_says};
use llmtest::RunReport;

/// A run of 64 cases that is accepted, in a baseline in which each looks as if another output had been judged.
fn undecided(name: &str) -> Project {
    let gate = "baseline = \"baseline.json\"\non-inconclusive = \"more-trials\"\nmax-trials = 3\n";
    let project = Project::of("runs", &["own_number"], name, gate);
    project.says(0, &["run", "--live"]);
    project.says(0, &["accept"]);
    let text = project.read("baseline.json");
    let other = text.replace("\"digest\":\"", "\"digest\":\"f");
    assert_ne!(other, text);
    project.write("baseline.json", &other);
    project
}

fn report(project: &Project) -> RunReport {
    RunReport::from_json(&project.read("records/report.json")).expect("a report of this format")
}

#[test]
fn a_gate_that_cannot_tell_runs_more_trials_of_what_is_undecided_and_of_nothing_else() {
    let project = undecided("tool-more");
    // 64 cases that differ in nothing are too few for "surely not worse", however often they run.
    let gated = project.says(102, &["run", "--live", "--gate"]);
    let said = [
        "up to 2 times as many trials",
        "up to 3 times as many trials",
    ];
    assert_says(&gated, &said);
    let report = report(&project);
    assert_eq!(report.tests.len(), 64);
    assert!(report.tests.iter().all(|test| test.trials.len() == 3));
    assert_eq!(report.run.binaries.len(), 3, "one run and two resumptions");
}

#[test]
fn a_replay_has_no_more_trials_and_says_so() {
    let project = undecided("tool-no-more");
    let gated = project.says(102, &["run", "--replay", "--gate"]);
    assert_says(&gated, &["recordings have no further answers"]);
    let tests = report(&project).tests;
    assert!(tests.iter().all(|test| test.trials.len() == 1));
}
