//! What several calls of a component decide together, and how a failed case shows its calls.

use llmtest::{MeasurementRecord, Outcome, Over};
use llmtest_tests::Ran;
use llmtest_tests::bench::Bench;

/// Runs this test of the fixture alone.
fn ran(test: &str, vars: &[(&str, &str)]) -> (Bench, Ran) {
    let bench = Bench::of("components", test);
    let mut all = vec![("LLMTEST_MODE", "live")];
    all.extend_from_slice(vars);
    let ran = bench.run(&["--exact", test], &all);
    (bench, ran)
}

/// The measurements of this test, and how it ended.
fn measured(test: &str) -> (Outcome, Vec<MeasurementRecord>) {
    let (bench, _) = ran(test, &[]);
    let trial = bench.trial(test);
    (trial.outcome, trial.measurements)
}

fn titles(measurements: &[MeasurementRecord]) -> Vec<String> {
    measurements.iter().map(MeasurementRecord::title).collect()
}

#[test]
fn every_call_counts_on_its_own_unless_told_otherwise() {
    let (outcome, found) = measured("each_must_pass");
    assert_eq!(outcome, Outcome::Failed);
    assert_eq!(
        titles(&found),
        ["step › share", "step › share #2", "step › share #3"]
    );
    assert!(found.iter().all(|m| !m.part && m.over.is_none()));
}

#[test]
fn one_measurement_decides_for_a_loop_and_its_parts_follow() {
    for (test, outcome, over, score, span) in [
        ("worst_fails", Outcome::Failed, Over::Worst, 0.2, Some(3)),
        (
            "worst_of_what_should_be_low",
            Outcome::Failed,
            Over::Worst,
            0.8,
            Some(3),
        ),
        ("any_is_enough", Outcome::Passed, Over::Any, 0.9, Some(1)),
        ("mean_is_enough", Outcome::Passed, Over::Mean, 0.6, None),
    ] {
        let (ended, found) = measured(test);
        assert_eq!(ended, outcome, "{test}");
        let whole = &found[0];
        assert_eq!((whole.over, whole.outcome), (Some(over), outcome), "{test}");
        assert!(
            (whole.score.unwrap() - score).abs() < 1e-9,
            "{test}: {whole:?}"
        );
        assert_eq!(whole.span, span, "{test}");
        let title = format!("step ({}) › share", over.as_str());
        assert_eq!(whole.title(), title);
        let parts: Vec<_> = found.iter().filter(|m| m.part).collect();
        assert_eq!(
            parts.len(),
            if test == "worst_of_what_should_be_low" {
                2
            } else {
                3
            }
        );
        for (n, part) in parts.iter().enumerate() {
            assert_eq!(part.title(), format!("{title}, span {}", n + 1));
            assert!(part.span.is_some() && part.over.is_none());
        }
    }
    let (_, found) = measured("mean_is_enough");
    assert_eq!(found[4].title(), "step (last) › share");
    assert_eq!(found[4].score, Some(0.7));
}

#[test]
fn the_table_counts_a_loop_once() {
    let (_, ran) = ran("mean_is_enough", &[]);
    let line = |title: &str| {
        let found = ran
            .text()
            .lines()
            .find(|line| line.starts_with(title))
            .map(str::to_string);
        found.map(|line| {
            line.split_whitespace()
                .map(str::to_string)
                .collect::<Vec<_>>()
        })
    };
    let mean = line("step (mean) › share").unwrap_or_else(|| panic!("{}", ran.text()));
    assert_eq!(mean[4..], ["0.60", "100%", "1", "–", "–"]);
    assert!(!ran.text().contains("span 1"), "{}", ran.text());
}

#[test]
fn a_path_tells_calls_of_one_name_apart() {
    let (outcome, found) = measured("by_path");
    assert_eq!(outcome, Outcome::Passed);
    assert_eq!(
        titles(&found),
        [
            "step/lookup › share",
            "step/lookup › share #2",
            "/answer/lookup › share"
        ]
    );
}

#[test]
fn a_loop_that_ran_no_times_is_skipped_where_that_is_fine() {
    let (outcome, found) = measured("a_loop_of_none");
    assert_eq!(outcome, Outcome::Passed);
    assert_eq!(found[0].outcome, Outcome::Skipped);
    assert_eq!(found[0].title(), "step (worst) › share");
    assert!(found[0].reason.as_ref().unwrap().contains("no span `step`"));
}

#[test]
fn a_call_that_failed_ends_the_case_unless_that_is_allowed_or_another_is_enough() {
    let (outcome, found) = measured("failed_is_errored");
    assert_eq!(outcome, Outcome::Errored);
    let reason = found[0].reason.as_ref().unwrap();
    assert!(
        reason.starts_with("span 2 of 2 could not be measured: the component `shaky` failed"),
        "{reason}"
    );
    assert!(
        reason.contains("hint:") && reason.contains("allow_failed()"),
        "{reason}"
    );
    let (outcome, found) = measured("failed_is_allowed");
    assert_eq!(outcome, Outcome::Passed);
    let outcomes: Vec<&str> = found.iter().map(|m| m.outcome.as_str()).collect();
    assert_eq!(
        outcomes,
        ["passed", "skipped", "passed", "passed", "errored"]
    );
    let reason = found[1].reason.as_ref().unwrap();
    assert!(reason.contains("no\u{1b}[31m route"), "{reason}");
}

/// What is printed of a case, without how long a call took where it took long.
fn block(ran: &Ran) -> String {
    let untimed = |line: &str| {
        let words: Vec<&str> = line.split("  ").collect();
        let kept = words.into_iter().filter(|word| !word.ends_with(" ms"));
        kept.collect::<Vec<_>>().join("  ")
    };
    let lines: Vec<String> = ran.text().lines().map(untimed).collect();
    lines.join("\n")
}

#[test]
fn a_failed_case_shows_its_calls_and_a_passed_one_only_when_asked() {
    let (_, ran_) = ran("worst_fails", &[]);
    let text = block(&ran_);
    let tree = r#"
      calls
        answer (llm)  "{"question":"where are my shoes?…" → "an answer to where are my shoes?"
          step (agent)  share 0.90  "90" → "90"
            lookup (tool)  "90" → "90"
      ✗   step (agent)  share 0.20
            given    "20"
            returned "20"
            lookup (tool)  "20" → "20"
          step (agent)  share 0.70  "70" → "70"
            lookup (tool)  "70" → "70"
          lookup (tool)  "100" → "100"
"#;
    assert!(text.contains(tree), "{text}");
    assert!(
        text.contains("because of 3 spans (0.90, 0.20, 0.70) the worst is number 2"),
        "{text}"
    );
    let (_, quiet) = ran("any_is_enough", &[]);
    assert!(!quiet.text().contains("lookup"), "{}", quiet.text());
    let (_, all) = ran("any_is_enough", &[("LLMTEST_SHOW", "all")]);
    assert!(all.text().contains("lookup (tool)"), "{}", all.text());
    let (_, failed) = ran("failed_is_errored", &[]);
    assert!(
        failed.text().contains("! no\\u{1b}[31m route"),
        "{}",
        failed.text()
    );
    assert!(!failed.text().contains('\u{1b}'), "{}", failed.text());
}

#[test]
fn a_query_that_fails_says_what_there_was_and_shows_the_tree() {
    let (bench, ran) = ran("trajectory", &[]);
    let found = bench.trial("trajectory").measurements;
    assert_eq!(found[0].outcome, Outcome::Passed, "{}", ran.text());
    assert_eq!(found[1].outcome, Outcome::Failed);
    assert!(
        ran.text()
            .contains("because expected at most 1 call of `step`, but there were 2"),
        "{}",
        ran.text()
    );
    let exhibit = found[1].exhibit.as_ref().unwrap();
    assert_eq!(
        exhibit
            .lines()
            .filter(|line| line.starts_with("> "))
            .count(),
        2,
        "{exhibit}"
    );
}
