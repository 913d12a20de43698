//! Which case a call belongs to, with 200 cases of which 64 are in flight.

use llmtest::Outcome;
use llmtest_tests::Ran;
use llmtest_tests::bench::Bench;

const WAYS: [(&str, usize); 5] = [
    ("awaited", 2),
    ("tasks", 3),
    ("blocking_tasks", 2),
    ("threads", 3),
    ("pool", 4),
];

fn ran(bench: &Bench, args: &[&str]) -> Ran {
    bench.run(
        args,
        &[("LLMTEST_MODE", "live"), ("RAYON_NUM_THREADS", "8")],
    )
}

#[test]
fn every_component_score_belongs_to_its_case_however_the_call_was_started() {
    for (plain, target) in [(false, "concurrent"), (true, "concurrent_plain")] {
        let bench = Bench::of(target, target);
        let ran = ran(&bench, &[]);
        assert_eq!(ran.code, 0, "{}", ran.text());
        let report = bench.report();
        assert!(report.run.unattributed_spans.is_empty(), "{}", ran.text());
        assert_eq!(report.run.processes, 1, "{plain}");
        for (way, calls) in WAYS {
            let rows: Vec<_> = report
                .tests
                .iter()
                .filter(|test| test.test == way)
                .collect();
            assert_eq!(rows.len(), 200, "{way}");
            for test in rows {
                let n = test.position as f64;
                let trial = &test.trials[0];
                let name = test.name();
                assert_eq!(trial.spans.len(), 2 * calls, "{name}");
                for span in &trial.spans {
                    assert_eq!(span.input_text(), test.position.to_string(), "{name}");
                    let parent = span.parent.map(|parent| trial.spans[parent].name.as_str());
                    let expected = (span.name == "helper").then_some("number");
                    assert_eq!(parent, expected, "{name}");
                }
                let scores: Vec<_> = trial
                    .measurements
                    .iter()
                    .filter(|m| m.component.is_some() && m.metric == "share")
                    .map(|m| m.score)
                    .collect();
                assert_eq!(scores, vec![Some(n / 200.0); 2 * calls], "{name}");
            }
        }
    }
}

#[test]
fn a_call_that_lost_its_case_is_named_with_its_place_and_the_way_out() {
    let bench = Bench::of("concurrent", "forgotten");
    let ran = ran(&bench, &["--ignored", "forgotten"]);
    assert_eq!(ran.code, 101, "{}", ran.text());
    let record = bench.measurement("forgotten::7");
    assert_eq!(record.outcome, Outcome::Errored);
    let reason = record.reason.unwrap();
    for words in [
        "no span `number`",
        "outside of all cases this process called `number` (",
        "include/concurrent.rs:",
    ] {
        assert!(reason.contains(words), "{reason}");
    }
    let text = ran.text();
    let (_, end) = text.split_once("unattributed spans").unwrap();
    for words in [
        "`number` (",
        "`helper` (",
        "include/concurrent.rs:",
        ") × 200\n",
        "llmtest::spawn(",
        "llmtest::spawn_blocking(",
        "llmtest::carry_fn(",
        "llmtest::observe::handle()",
    ] {
        assert!(end.contains(words), "`{words}`: {end}");
    }
    assert!(!end.contains("await the tasks"), "{end}");
}

#[test]
fn that_a_span_is_optional_does_not_hide_a_call_that_lost_its_case() {
    let bench = Bench::of("concurrent", "optional_and_lost");
    // With a neighbour: alone in its process, the case would have the call.
    let ran = ran(&bench, &["--ignored", "optional_and_lost", "forgotten"]);
    assert_eq!(ran.code, 101, "{}", ran.text());
    let record = bench.measurement("optional_and_lost");
    assert_eq!(record.outcome, Outcome::Errored);
    let reason = record.reason.unwrap();
    assert!(reason.contains("outside of all cases"), "{reason}");
}

#[test]
fn a_call_after_the_end_of_its_case_is_said_to_be_late() {
    let bench = Bench::of("concurrent", "too_late");
    let ran = ran(&bench, &["--ignored", "too_late"]);
    assert_eq!(ran.code, 0, "{}", ran.text());
    let text = ran.text();
    let (_, end) = text.split_once("unattributed spans").unwrap();
    assert!(
        end.contains("× 1, after its case had ended\nhint: await the tasks"),
        "{end}"
    );
    assert!(!end.contains("take the case along"), "{end}");
}

/// Nobody but the test can have called it where there is one case a process, as nextest runs our harness.
#[test]
fn alone_in_its_process_a_case_has_the_calls_that_would_be_lost() {
    let bench = Bench::of("concurrent", "forgotten_alone");
    let ran = ran(&bench, &["--ignored", "--exact", "forgotten::7"]);
    assert_eq!(ran.code, 0, "{}", ran.text());
}
