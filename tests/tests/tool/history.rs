//! `runs`, `show`, `report`, `merge`, `prune`, `aa`, `flaky`: what was recorded.

use super::{Project, assert_says};
use std::fs::{self, FileTimes};
use std::time::{Duration, SystemTime};

/// Makes the shards of a run as old as this.
fn age(project: &Project, run: &str, age: Duration) {
    let then = SystemTime::now() - age;
    let times = FileTimes::new().set_modified(then);
    let folder = project.path().join("records/runs").join(run);
    for entry in fs::read_dir(&folder).expect("a run").flatten() {
        let file = fs::File::options().append(true).open(entry.path());
        file.expect("a file").set_times(times).expect("its time");
    }
}

/// The ids of the runs, the latest first.
fn ids(project: &Project) -> Vec<String> {
    let runs = project.says(0, &["runs", "--json"]);
    let runs: Vec<serde_json::Value> = serde_json::from_str(&runs).expect("JSON");
    let id = |run: &serde_json::Value| run["run"].as_str().map(str::to_string);
    runs.iter().filter_map(id).collect()
}

#[test]
fn runs_are_listed_with_their_means_and_what_they_cost() {
    let project = Project::new("tool-runs");
    assert_says(&project.says(0, &["runs"]), &["no runs yet", "hint: "]);
    project.answers(4, &[(2, "wrong")]);
    project.says(101, &["run"]);
    let runs: serde_json::Value =
        serde_json::from_str(&project.says(0, &["runs", "--json"])).expect("JSON");
    assert_eq!(runs[0]["means"]["exact_match"], 0.75);
    assert_eq!(runs[0]["means"]["harmless"], 1.0);
    assert_eq!(
        (&runs[0]["cases"], &runs[0]["cost"], &runs[0]["ended"]),
        (&5.into(), &serde_json::Value::Null, &true.into()),
        "no model was asked"
    );
    assert_says(&project.says(0, &["runs"]), &["cost", &ids(&project)[0]]);
}

#[test]
fn a_run_and_a_case_of_it_are_shown_again() {
    let project = Project::new("tool-show");
    project.answers(4, &[(2, "wrong")]);
    project.says(101, &["run"]);
    let shown = project.says(0, &["show"]);
    assert_says(&shown, &["answers::2", "\"wrong\"", "5 cases"]);
    assert!(!shown.contains("answers::3"), "{shown}");
    assert_says(&project.says(0, &["show", "last", "::3"]), &["answers::3"]);
    let refused = project.refuses(&["show", "last", "no-such-case"]);
    assert_says(&refused, &["no-such-case", "--all"]);
    for format in [
        "terminal",
        "json",
        "junit",
        "markdown",
        "html",
        "annotations",
    ] {
        let text = project.says(0, &["report", "--format", format]);
        // Commands of GitHub name the place, and not the case alone.
        assert_says(
            &text,
            &[if format == "markdown" {
                "&#58;&#58;2"
            } else {
                "2"
            }],
        );
        assert!(text.contains("wrong"), "{format}: {text}");
    }
}

#[test]
fn parts_of_several_machines_become_one_run_in_which_the_last_attempt_counts() {
    let project = Project::new("tool-merge");
    project.answers(4, &[(2, "panic")]);
    project.says(101, &["run"]);
    project.answers(4, &[]);
    project.says(0, &["run"]);
    let ids = ids(&project);
    let (later, first) = (
        format!("records/runs/{}", ids[0]),
        format!("records/runs/{}", ids[1]),
    );
    // In whatever order they are named.
    for (name, parts) in [("one", [&first, &later]), ("two", [&later, &first])] {
        let said = project.says(0, &["merge", parts[0], parts[1], "--into", name]);
        assert_says(&said, &["5 cases of 2 processes", name]);
        let shown = project.says(0, &["show", name]);
        assert_says(&shown, &["5 cases: 5 passed"]);
    }
    let taken = project.refuses(&["merge", &first, "--into", "one"]);
    assert_says(&taken, &["there is a run `one` already"]);
    let strange = project.refuses(&["merge", &first, "--into", "../up"]);
    assert_says(&strange, &["names no run"]);
    let strange = "strange/runs/one/7-0.jsonl";
    fs::create_dir_all(project.path().join("strange/runs/one")).expect("a folder");
    project.write(strange, "{\"process\":{\"binary\":\"b\"}}\n{\"case\":{}}\n");
    let other = project.refuses(&["merge", &first, "strange", "--into", "three"]);
    assert_says(&other, &["line 2 of ", strange]);
    fs::create_dir(project.path().join("empty")).expect("a folder");
    let empty = project.refuses(&["merge", "empty", "--into", "three"]);
    assert_says(&empty, &["nothing was recorded in"]);
}

#[test]
fn old_runs_go_and_the_latest_stays() {
    let project = Project::new("tool-prune");
    project.answers(2, &[]);
    for _ in 0..3 {
        project.says(0, &["run"]);
    }
    let before = ids(&project);
    for (n, run) in before.iter().enumerate() {
        age(&project, run, Duration::from_secs(86_400 * (n as u64 + 1)));
    }
    let said = project.says(0, &["prune", "--keep", "2"]);
    assert_says(&said, &[&before[2], "1 run would go", "--yes"]);
    assert_eq!(ids(&project).len(), 3, "nothing goes unasked");
    project.says(0, &["prune", "--keep", "2", "--yes"]);
    assert_eq!(ids(&project), before[..2]);
    project.says(0, &["prune", "--keep", "0", "--yes"]);
    assert_eq!(ids(&project), before[..1], "the latest stays");
}

#[test]
fn how_often_the_gate_would_block_nothing_takes_two_runs_of_one_commit() {
    let project = Project::new("tool-aa");
    project.answers(10, &[]);
    project.says(0, &["run"]);
    let refused = project.refuses(&["aa"]);
    assert_says(&refused, &["no two runs are of one commit"]);
    let unknown = project.refuses(&["compare", "last", "run-of-nobody"]);
    assert_says(&unknown, &["no run `run-of-nobody`"]);
}

#[test]
fn cases_are_set_aside_with_evidence_only() {
    let project = Project::new("tool-flaky");
    project.answers(3, &[]);
    project.says(0, &["run", "--stress", "3"]);
    let said = project.says(0, &["flaky", "--replayed", "--quarantine", "aside.toml"]);
    assert_says(&said, &["0 cases are set aside", "0 flaky cases in 1 run"]);
    assert!(!project.read("aside.toml").contains("answers"));
}

#[test]
fn shells_get_completions_and_ci_the_exit_codes() {
    let project = Project::new("tool-texts");
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let text = project.says(0, &["completions", shell]);
        assert_says(&text, &["llmtest", "recordings", "older-than"]);
    }
    assert_says(
        &project.says(0, &["exit-codes"]),
        &["100  ", "101  ", "102  "],
    );
    assert_eq!(project.tool(&["no-such-command"]).code, 2);
}
