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
fn suite(n: usize, good: usize, digest: &str) -> Snapshot {
    run((0..n).map(|row| case(row, f64::from(u8::from(row < good)), digest)))
}

fn check<'a>(report: &'a GateReport, name: &str) -> &'a GateCheck {
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

/// The first `good` of a hundred cases pass; ten rows a document.
fn documents(good: usize, digest: &str) -> Snapshot {
    let mut run = suite(100, good, digest);
    for (at, case) in run.cases.iter_mut().enumerate() {
        case.cluster = Some(format!("document {}", at / 10).into());
    }
    run
}

#[test]
fn two_documents_that_got_worse_are_not_twenty_cases() {
    let (before, now) = (documents(100, "a"), documents(80, "b"));
    let rows = decide(&now, Some(&before), &Policy::default());
    assert_eq!(rows.verdict, Verdict::Fail);
    let mut policy = Policy::default();
    policy.cluster = Some("document".to_string());
    let documents = decide(&now, Some(&before), &policy);
    let found = check(&documents, "correctness");
    assert_eq!(found.verdict, Verdict::Inconclusive, "{}", found.reason);
    // Two documents of ten fall the same way in one flip of four.
    assert!(found.p.unwrap() > 0.2, "{:?}", found.p);
    assert!(documents.warnings.is_empty(), "{:?}", documents.warnings);
}

#[test]
fn a_bar_rests_on_clusters_where_there_are_any() {
    let now = documents(80, "b");
    let mut policy = Policy::default();
    let rule = Rule {
        at_least: Some(0.7),
        ..Rule::default()
    };
    policy.metrics.insert("correctness".to_string(), rule);
    let bar = |report: &GateReport| {
        let bar = report
            .checks
            .iter()
            .find(|check| check.kind == "bar")
            .unwrap();
        (bar.verdict, bar.interval.unwrap())
    };
    let rows = bar(&decide(&now, None, &policy));
    assert_eq!(rows.0, Verdict::Pass, "eighty of a hundred cases");
    policy.cluster = Some("document".to_string());
    let documents = bar(&decide(&now, None, &policy));
    assert_eq!(documents.0, Verdict::Inconclusive, "eight of ten documents");
    assert!(
        documents.1.low < 0.5 && documents.1.high > 0.9,
        "{:?}",
        documents.1
    );
}

#[test]
fn cases_without_the_metadata_are_said() {
    let mut policy = Policy::default();
    policy.cluster = Some("document".to_string());
    let none = decide(&suite(20, 20, "a"), None, &policy);
    assert!(
        none.warnings
            .iter()
            .any(|said| said.contains("no case has the metadata `document`"))
    );
    let mut some = documents(100, "a");
    some.cases[3].cluster = None;
    let some = decide(&some, None, &policy);
    assert!(
        some.warnings
            .iter()
            .any(|said| said.contains("1 of 100 cases have no metadata"))
    );
}

fn certified(sensitivity: u64, specificity: u64) -> Policy {
    let mut policy = Policy::default();
    use crate::trust::{Certificate, Current, Fields, Floor, Report, read};
    let rows = "{\"id\": 1, \"label\": true, \"verdict\": true}\n{\"id\": 2, \"label\": false, \"verdict\": false}";
    let items = read("rows.jsonl", rows, &Fields::default()).unwrap();
    let report = Report::of(&items, Floor::default(), None).unwrap();
    let now = Current::default();
    let mut certificate =
        Certificate::new(report, &items, Floor::default(), now, "2026-11-23".into());
    certificate.metric = None;
    certificate.model = "j1".to_string();
    certificate.prompts = [("g_eval/score".to_string(), "1".to_string())].into();
    certificate.confusion = Some(crate::trust::Confusion {
        true_pass: sensitivity,
        false_fail: 100 - sensitivity,
        true_fail: specificity,
        false_pass: 100 - specificity,
        ..crate::trust::Confusion::default()
    });
    policy.certificate = Some(certificate);
    policy
}

#[test]
fn a_comparison_is_corrected_for_the_errors_of_a_certified_judge() {
    let (before, now) = (suite(400, 360, "a"), suite(400, 354, "b"));
    let plain = decide(&now, Some(&before), &Policy::default());
    let plain = check(&plain, "correctness");
    assert_eq!(plain.verdict, Verdict::Pass, "{}", plain.reason);
    // J = 81/102 + 81/102 - 1.
    let report = decide(&now, Some(&before), &certified(80, 80));
    let found = check(&report, "correctness");
    let (raw, interval) = (plain.interval.unwrap(), found.interval.unwrap());
    let j = 2.0 * 81.0 / 102.0 - 1.0;
    let mean = -0.015 / j;
    let variance = 2.0 * (81.0 / 102.0) * (21.0 / 102.0) / 102.0;
    let own = (-0.015 - raw.low) / j;
    let scale = 1.644_853_627 * 0.015 * f64::sqrt(variance) / (j * j);
    assert!(
        (interval.low - (mean - own.hypot(scale))).abs() < 1e-6,
        "{interval:?}"
    );
    assert!(
        (found.p.unwrap() - plain.p.unwrap()).abs() < 1e-9,
        "J says nothing of whether it is worse"
    );
    assert!(
        found
            .reason
            .contains("corrected for the judge's errors (divided by J = 0.59"),
        "{}",
        found.reason
    );
    // Another judge in the baseline has other errors.
    let mut other = before.clone();
    for case in &mut other.cases {
        let basis = std::sync::Arc::make_mut(&mut case.trials[0].measurements[0].basis);
        basis.judge = Some("j0".to_string());
    }
    let report = decide(&now, Some(&other), &certified(80, 80));
    assert!(
        report
            .warnings
            .iter()
            .any(|said| said.contains("is not corrected")),
        "{:?}",
        report.warnings
    );
    // A judge that is hardly better than a coin corrects nothing.
    let report = decide(&now, Some(&before), &certified(55, 55));
    assert!(
        report.warnings.iter().any(|said| said.contains("J is")),
        "{:?}",
        report.warnings
    );
}

#[test]
fn a_margin_for_what_nobody_measured_does_not_pass() {
    let same = suite(100, 100, "a");
    let mut policy = Policy::default();
    let rule = Rule {
        margin: Some(0.02),
        ..Rule::default()
    };
    policy.tags.insert("biling".to_string(), rule);
    policy.metrics.insert("corectness".to_string(), rule);
    policy.metrics.insert("correctness".to_string(), rule);
    let report = decide(&same, Some(&same), &policy);
    assert_eq!(report.verdict, Verdict::Inconclusive);
    let named: Vec<_> = report
        .checks
        .iter()
        .filter(|c| c.verdict == Verdict::Inconclusive)
        .map(|c| c.name.as_str())
        .collect();
    assert_eq!(named, ["tag biling", "corectness"]);
}

#[test]
fn a_rule_with_two_bars_is_held_to_both() {
    let mut policy = Policy::default();
    let rule = Rule {
        at_least: Some(0.5),
        at_most: Some(0.6),
        ..Rule::default()
    };
    policy.metrics.insert("correctness".to_string(), rule);
    let report = decide(&suite(100, 95, "a"), None, &policy);
    let bars: Vec<_> = report
        .checks
        .iter()
        .filter(|c| c.kind == "bar")
        .map(|c| c.verdict)
        .collect();
    assert_eq!(bars, [Verdict::Fail, Verdict::Pass]);
}

#[test]
fn more_looks_share_alpha_and_a_replay_is_looked_at_once() {
    // Six of seventy cases got worse: p is 1 / 64 by the plain test, half of that by mid-p.
    let (before, mut now) = (suite(70, 70, "a"), suite(70, 64, "b"));
    let mut policy = Policy::default();
    policy.invariants = Vec::new();
    let verdict = |now: &Snapshot, policy: &Policy| {
        check(&decide(now, Some(&before), policy), "correctness").verdict
    };
    assert_eq!(verdict(&now, &policy), Verdict::Fail);
    policy.looks = 4;
    assert_eq!(verdict(&now, &policy), Verdict::Inconclusive);
    let binary = json!({"name": "evals", "mode": "replay"});
    let text =
        json!({"format": 1, "run": {"id": "r", "binaries": [binary]}, "tests": []}).to_string();
    if let Ok(replayed) = Snapshot::from_json(&text) {
        now.run = replayed.run;
    }
    assert_eq!(now.run.binaries.len(), 1);
    assert_eq!(verdict(&now, &policy), Verdict::Fail);
}

#[cfg(feature = "cli")]
#[test]
fn only_tests_with_something_undecided_get_more_trials() {
    let other = |good: usize, digest: &str| {
        let mut run = suite(30, good, digest);
        for case in &mut run.cases[..10] {
            case.key.test = "others".into();
            for m in &mut case.trials[0].measurements {
                let mut key = (*m.key).clone();
                key.metric = "tone".to_string();
                m.key = key.into();
            }
        }
        run
    };
    let (before, now) = (other(30, "a"), other(29, "b"));
    let mut policy = Policy::default();
    let ignore = Rule {
        ignore: true,
        ..Rule::default()
    };
    policy.metrics.insert("tone".to_string(), ignore);
    let mut report = decide(&now, Some(&before), &policy);
    report.checks.retain(|check| check.name == "correctness");
    let tests = undecided(&now, &before, &report);
    let found: Vec<_> = tests
        .iter()
        .map(|((_, test), trials)| (&**test, *trials))
        .collect();
    assert_eq!(found, [("answers", 1)]);
    report.checks.clear();
    assert!(undecided(&now, &before, &report).is_empty());
}
