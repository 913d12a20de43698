//! Clusters, certified judges, looks, and rules that nothing was measured for.

#![expect(
    clippy::field_reassign_with_default,
    reason = "a policy reads best with what differs from the defaults"
)]

use super::tests::{check, suite};
use super::*;
use crate::runs::Snapshot;
use serde_json::json;

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
    use crate::trust::{Certificate, Current, Fields, Floor, Report, read};
    let mut policy = Policy::default();
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
