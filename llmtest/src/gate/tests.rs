//! What the gate decides, rule by rule, on runs that are written down here.

#![expect(
    clippy::field_reassign_with_default,
    reason = "a policy reads best with what differs from the defaults"
)]

use super::*;
use crate::results::Outcome;
use crate::runs::Snapshot;
use serde_json::{Value, json};

/// One case with one measurement; `digest` tells whether it changed.
fn case(row: usize, score: f64, digest: &str) -> Value {
    let outcome = if score >= 0.5 { "passed" } else { "failed" };
    json!({
        "test": "answers", "row": format!("{row:03}"), "binary": "evals", "file": "tests/evals.rs", "line": 3,
        "tags": ["must"], "outcome": outcome, "passes_needed": 1, "attempt": 1, "duration": 0.5,
        "trials": [{
            "outcome": outcome, "duration": 0.5, "digest": digest,
            "measurements": [{
                "metric": "correctness", "nth": 1, "outcome": outcome, "score": score, "bar": {"at_least": 0.5},
                "judge": "j1", "prompts": {"g_eval/score": "1"}, "digest": digest,
            }],
        }],
    })
}

fn errored(row: usize) -> Value {
    let mut case = case(row, 1.0, "e");
    case["outcome"] = json!("errored");
    case["trials"] =
        json!([{"outcome": "errored", "error": "no answer", "duration": 0.1, "measurements": []}]);
    case
}

fn run(cases: impl IntoIterator<Item = Value>) -> Snapshot {
    let cases: Vec<Value> = cases.into_iter().collect();
    let text = json!({"format": 1, "run": {"id": "r"}, "tests": cases}).to_string();
    Snapshot::from_json(&text).unwrap()
}

/// `n` cases, of which the first `good` have the score 1 and the others 0.
pub(super) fn suite(n: usize, good: usize, digest: &str) -> Snapshot {
    run((0..n).map(|row| case(row, f64::from(u8::from(row < good)), digest)))
}

pub(super) fn check<'a>(report: &'a GateReport, name: &str) -> &'a GateCheck {
    let found = report.checks.iter().find(|check| check.name == name);
    found.unwrap_or_else(|| panic!("no check `{name}` in {:#?}", report.checks))
}

#[test]
fn a_replay_that_changes_nothing_passes_and_says_so_however_bad_it_is() {
    let bad = suite(8, 1, "same");
    let report = decide(&bad, Some(&bad), &Policy::default());
    assert_eq!((report.verdict, report.exit_code), (Verdict::Pass, 0));
    assert_eq!(
        report.reason,
        "nothing changed: all 8 cases equal the baseline's by hash"
    );
    assert_eq!(report.cases.unchanged, 8);
}

#[test]
fn the_same_scores_of_other_outputs_are_not_unchanged() {
    let report = decide(
        &suite(20, 20, "b"),
        Some(&suite(20, 20, "a")),
        &Policy::default(),
    );
    // Twenty cases without a difference are too few to say that none will come.
    assert_eq!(report.verdict, Verdict::Inconclusive);
    let check = check(&report, "correctness");
    assert_eq!(check.unchanged, 0);
    assert_eq!(check.settled_by, Some(65));
    assert!(
        report.reason.contains("65 cases would settle it"),
        "{}",
        report.reason
    );
    let many = decide(
        &suite(200, 200, "b"),
        Some(&suite(200, 200, "a")),
        &Policy::default(),
    );
    assert_eq!(many.verdict, Verdict::Pass);
    assert!(many.checks.iter().any(|check| check.detectable.is_some()));
}

#[test]
fn a_clear_drop_fails_and_names_the_cases() {
    let report = decide(
        &suite(100, 70, "b"),
        Some(&suite(100, 90, "a")),
        &Policy::default(),
    );
    assert_eq!((report.verdict, report.exit_code), (Verdict::Fail, 100));
    let check = check(&report, "correctness");
    assert!(check.interval.unwrap().high < 0.0 && check.p.unwrap() < 0.05);
    assert_eq!(check.worst[0], "evals::answers::070");
    assert_eq!(
        (report.cases.worse.len(), report.cases.better.len()),
        (20, 0)
    );
    assert_eq!(
        report.checks[0].verdict,
        Verdict::Fail,
        "what failed stands first"
    );
}

#[test]
fn of_a_metric_that_should_be_low_more_is_worse() {
    let low = |score: f64, digest: &str| {
        run((0..60).map(|row| {
            let mut case = case(row, score, digest);
            case["trials"][0]["measurements"][0]["bar"] = json!({"at_most": 0.9});
            case
        }))
    };
    let report = decide(&low(0.8, "b"), Some(&low(0.6, "a")), &Policy::default());
    assert_eq!(check(&report, "correctness").verdict, Verdict::Fail);
}

#[test]
fn another_judge_is_said_before_any_number_and_decides_nothing() {
    let mut other = suite(50, 20, "b");
    for case in &mut other.cases {
        let basis = std::sync::Arc::make_mut(&mut case.trials[0].measurements[0].basis);
        basis.judge = Some("j2".to_string());
    }
    let base = suite(50, 45, "a");
    let report = decide(&other, Some(&base), &Policy::default());
    assert!(
        report.warnings[0].contains("its judge was j1 in the baseline, and is j2"),
        "{:?}",
        report.warnings
    );
    let judged = check(&report, "correctness");
    assert_eq!(judged.verdict, Verdict::Inconclusive);
    assert!(judged.reason.contains("cargo llmtest accept"));
    let mut policy = Policy::default();
    policy.allow_judge_change = true;
    assert_eq!(
        check(&decide(&other, Some(&base), &policy), "correctness").verdict,
        Verdict::Fail
    );
}

#[test]
fn errored_cases_fail_the_gate_and_enter_no_mean() {
    let base = suite(80, 80, "a");
    let broken = run((0..80).map(|row| {
        if row < 3 {
            errored(row)
        } else {
            case(row, 1.0, "a")
        }
    }));
    let report = decide(&broken, Some(&base), &Policy::default());
    assert_eq!(report.verdict, Verdict::Fail);
    assert_eq!(check(&report, "errors").value, Some(3.0));
    let judged = check(&report, "correctness");
    assert_eq!((judged.value, judged.n), (Some(1.0), 77));
    assert!(
        judged
            .reason
            .contains("3 cases that the baseline scored have no score now"),
        "{}",
        judged.reason
    );
    let mut policy = Policy::default();
    policy.max_errors = 3;
    assert_eq!(decide(&broken, Some(&base), &policy).verdict, Verdict::Pass);
}

#[test]
fn one_broken_invariant_fails_whatever_the_statistics_say() {
    let mut policy = Policy::default();
    policy.invariants = vec!["must".to_string()];
    let report = decide(&suite(1000, 999, "a"), None, &policy);
    assert_eq!(report.verdict, Verdict::Fail);
    assert_eq!(check(&report, "tag must").worst, ["evals::answers::999"]);
    policy.invariants = vec!["nobody".to_string()];
    let report = decide(&suite(10, 10, "a"), None, &policy);
    assert_eq!(check(&report, "tag nobody").verdict, Verdict::Inconclusive);
}

#[test]
fn a_gate_never_passes_on_missing_data() {
    let base = suite(50, 50, "a");
    let nothing = decide(&run([]), Some(&base), &Policy::default());
    assert_eq!(nothing.verdict, Verdict::Fail);
    let few = decide(&suite(20, 20, "a"), Some(&base), &Policy::default());
    assert_eq!(few.verdict, Verdict::Fail);
    assert!(check(&few, "cases").reason.contains("only 20 of the 50"));
    assert_eq!(few.cases.removed.len(), 30);
    let alone = decide(&suite(50, 50, "a"), None, &Policy::default());
    assert_eq!(alone.verdict, Verdict::Inconclusive);
    assert!(alone.warnings[0].contains("cargo llmtest accept"));
}

#[test]
fn a_bar_is_held_against_the_interval_and_not_against_the_mean() {
    let with = |bar: f64| {
        let mut policy = Policy::default();
        let mut rule = Rule::default();
        rule.at_least = Some(bar);
        policy.metrics.insert("correctness".to_string(), rule);
        policy
    };
    let run = suite(50, 45, "a");
    let verdict = |bar| decide(&run, None, &with(bar)).verdict;
    assert_eq!(verdict(0.7), Verdict::Pass);
    assert_eq!(
        verdict(0.88),
        Verdict::Inconclusive,
        "0.90 of 50 may well be 0.80"
    );
    assert_eq!(verdict(0.99), Verdict::Fail);
    let mut unknown = Policy::default();
    let mut rule = Rule::default();
    rule.at_least = Some(0.5);
    unknown.metrics.insert("corectness".to_string(), rule);
    assert_eq!(decide(&run, None, &unknown).verdict, Verdict::Inconclusive);
}

#[test]
fn what_is_inconclusive_ends_as_configured() {
    let code = |on_inconclusive| {
        let mut policy = Policy::default();
        policy.on_inconclusive = on_inconclusive;
        decide(&suite(20, 20, "b"), Some(&suite(20, 20, "a")), &policy).exit_code
    };
    assert_eq!(
        [
            OnInconclusive::Warn,
            OnInconclusive::Fail,
            OnInconclusive::MoreTrials
        ]
        .map(code),
        [0, 100, 102]
    );
}

#[test]
fn cases_in_quarantine_are_shown_and_do_not_decide_unless_they_are_many() {
    let mut policy = Policy::default();
    policy.invariants = vec!["must".to_string()];
    policy.quarantined = ["evals::answers::099".to_string()].into();
    let run = suite(100, 99, "a");
    let report = decide(&run, Some(&run), &policy);
    assert_eq!(report.verdict, Verdict::Pass);
    assert_eq!(report.cases.quarantined, ["evals::answers::099"]);
    policy.quarantined = (0..40)
        .map(|row| format!("evals::answers::{row:03}"))
        .collect();
    assert_eq!(
        check(&decide(&run, Some(&run), &policy), "quarantine").verdict,
        Verdict::Fail
    );
}

#[test]
fn cost_and_latency_have_bounds_and_unknown_is_not_zero() {
    let mut policy = Policy::default();
    policy.max_latency = Some(0.4);
    policy.max_cost = Some(0.10);
    let mut run = suite(20, 20, "a");
    run.cases[0].trials[0].cost = Some(0.05);
    let report = decide(&run, None, &policy);
    assert_eq!(check(&report, "latency").verdict, Verdict::Fail);
    assert_eq!(check(&report, "cost").verdict, Verdict::Pass);
    run.cases[0].trials[0].cost = None;
    assert_eq!(
        check(&decide(&run, None, &policy), "cost").verdict,
        Verdict::Inconclusive
    );
    run.cases[1].trials[0].cost = Some(0.2);
    assert_eq!(
        check(&decide(&run, None, &policy), "cost").verdict,
        Verdict::Fail
    );
}

#[test]
fn many_comparisons_at_once_do_not_make_chance_a_regression() {
    // Of one metric alone, seven cases lost and none won is surely worse (p = 1/128).
    let named = |metrics: usize, lost: usize, digest: &str| {
        run((0..40).map(|row| {
            let mut case = case(row, 1.0, digest);
            let list: Vec<Value> = (0..metrics)
                .map(|metric| {
                    let mut m = case["trials"][0]["measurements"][0].clone();
                    m["metric"] = json!(format!("m{metric}"));
                    let score = if metric == 0 && row < lost { 0.0 } else { 1.0 };
                    m["score"] = json!(score);
                    m
                })
                .collect();
            case["trials"][0]["measurements"] = json!(list);
            case
        }))
    };
    let verdict = |metrics| {
        let report = decide(
            &named(metrics, 7, "b"),
            Some(&named(metrics, 0, "a")),
            &Policy::default(),
        );
        check(&report, "m0").verdict
    };
    assert_eq!(verdict(1), Verdict::Fail);
    assert_eq!(verdict(30), Verdict::Inconclusive);
}

#[test]
fn what_is_new_and_what_got_better_is_listed() {
    let base = run([case(0, 0.0, "a"), case(1, 1.0, "a")]);
    let now = run([case(0, 1.0, "b"), case(1, 1.0, "a"), case(2, 1.0, "a")]);
    let report = decide(&now, Some(&base), &Policy::default());
    assert_eq!(report.cases.better, ["evals::answers::000"]);
    assert_eq!(report.cases.new, ["evals::answers::002"]);
    assert_eq!((report.cases.paired, report.cases.unchanged), (2, 1));
    let text = report.text();
    assert!(text.contains("new: evals::answers::002"), "{text}");
    assert_eq!(now.cases[0].outcome, Outcome::Passed);
}

#[test]
fn equal_hashes_are_known_to_be_equal_in_a_replay_and_may_be_chance_in_a_live_run() {
    // One of fifty cases lost.
    let base = suite(50, 50, "a");
    let mut now = suite(50, 50, "a");
    let lost = suite(50, 0, "b").cases.swap_remove(0);
    now.cases[0] = lost;
    let verdict = |run: &Snapshot| {
        check(&decide(run, Some(&base), &Policy::default()), "correctness").verdict
    };
    assert_eq!(verdict(&now), Verdict::Inconclusive);
    now.run.binaries = vec![serde_json::from_value(json!({"mode": "replay"})).unwrap()];
    assert_eq!(
        verdict(&now),
        Verdict::Pass,
        "two points, and surely no more"
    );
}
