//! Concurrency, components, trials, pass rates, tags, and what is recorded.

use llmtest::{Outcome, RunReport, TestRecord};
use llmtest_tests::{Ran, Scratch, fixture, run};

fn report(scratch: &Scratch) -> RunReport {
    let text = std::fs::read_to_string(scratch.path().join("report.json")).expect("a report");
    RunReport::from_json(&text).expect("a report of this format")
}

fn ran(scratch: &Scratch, args: &[&str], vars: &[(&str, &str)]) -> Ran {
    let folder = scratch.path().to_string_lossy().into_owned();
    let mut all = vec![("LLMTEST_DIR", folder.as_str())];
    all.extend_from_slice(vars);
    run(&fixture("runs"), args, &all)
}

#[test]
fn sixty_four_cases_at_once_see_only_their_own_spans() {
    let scratch = Scratch::new("concurrency");
    let ran = ran(&scratch, &["own_number"], &[]);
    assert_eq!(ran.counts().unwrap()[..2], [64, 0], "{}", ran.text());
    let report = report(&scratch);
    assert_eq!(report.tests.len(), 64);
    for test in &report.tests {
        let trial = &test.trials[0];
        let n: f64 = trial.cases[0]["input"].as_str().unwrap().parse().unwrap();
        let components: Vec<_> = trial
            .measurements
            .iter()
            .filter(|m| m.component.is_some())
            .collect();
        assert_eq!(components.len(), 4, "{}", test.name());
        for m in components {
            assert_eq!(
                m.score,
                Some((n % 100.0) / 64.0),
                "{} {}",
                test.name(),
                m.title()
            );
        }
        let roots = trial
            .spans
            .iter()
            .filter(|span| span.parent.is_none())
            .count();
        assert_eq!((roots, trial.spans.len()), (2, 4));
        let helpers = trial.spans.iter().filter(|span| span.name == "helper");
        for helper in helpers {
            assert_eq!(
                trial.spans[helper.parent.unwrap()].input_text(),
                helper.input_text()
            );
        }
    }
    let numbers: Vec<usize> = report.tests.iter().map(|test| test.position).collect();
    assert_eq!(
        numbers,
        (0..64).collect::<Vec<_>>(),
        "the order of the report is that of the dataset"
    );
}

#[test]
fn passing_blocks_are_shown_in_the_order_of_the_rows() {
    let scratch = Scratch::new("order");
    let ran = ran(&scratch, &["own_number"], &[("LLMTEST_SHOW", "all")]);
    let blocks = ran.stderr.lines().filter_map(|line| {
        let name = line.strip_prefix("  own_number::")?;
        name.split_whitespace().next().map(str::to_string)
    });
    let ids = report(&scratch)
        .tests
        .into_iter()
        .filter_map(|test| test.row);
    assert_eq!(blocks.collect::<Vec<_>>(), ids.collect::<Vec<_>>());
}

#[test]
fn trials_pass_when_enough_of_them_do() {
    let scratch = Scratch::new("trials");
    let ran = ran(&scratch, &["flaky"], &[("LLMTEST_CONCURRENCY", "1")]);
    assert_eq!(ran.results()["flaky_but_enough"], "ok");
    assert_eq!(ran.results()["flaky_and_not_enough"], "FAILED");
    assert!(
        ran.stdout.contains("3 of 4 trials passed, 4 needed"),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout.contains("mean 0.62, 0.25 to 0.75"),
        "{}",
        ran.stdout
    );
    assert_eq!(
        report(&scratch)
            .tests
            .iter()
            .map(|test| test.trials.len())
            .collect::<Vec<_>>(),
        [5, 4]
    );
}

#[test]
fn a_pass_rate_makes_a_dataset_one_test() {
    let scratch = Scratch::new("rates");
    let ran = ran(&scratch, &["rows_pass"], &[]);
    assert_eq!(ran.results()["most_rows_pass"], "ok");
    assert_eq!(ran.results()["too_few_rows_pass"], "FAILED");
    assert_eq!(ran.counts().unwrap()[..2], [1, 1]);
    assert!(
        ran.stdout
            .contains("5 rows, 3 passed, 2 failed; at least 80% must pass"),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout.contains("too_few_rows_pass::d"),
        "{}",
        ran.stdout
    );
    let report = report(&scratch);
    assert_eq!((report.groups.len(), report.tests.len()), (2, 10));
}

#[test]
fn tags_and_the_last_failures_select() {
    let scratch = Scratch::new("tags");
    let ran_tags = ran(&scratch, &[], &[("LLMTEST_TAGS", "must")]);
    assert_eq!(ran_tags.counts().unwrap()[0], 3, "{}", ran_tags.text());
    ran(
        &scratch,
        &["flaky", "rows_pass"],
        &[("LLMTEST_CONCURRENCY", "1")],
    );
    let failed = ran(
        &scratch,
        &[],
        &[("LLMTEST_FAILED", "1"), ("LLMTEST_CONCURRENCY", "1")],
    );
    let results = failed.results();
    let run: Vec<_> = results
        .iter()
        .filter(|(_, result)| *result != "ignored")
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(
        run,
        ["flaky_and_not_enough", "too_few_rows_pass"],
        "{}",
        failed.text()
    );
}

#[test]
fn report_only_is_measured_and_decides_nothing() {
    let scratch = Scratch::new("only");
    let ran = ran(&scratch, &["report_only"], &[("LLMTEST_SHOW", "all")]);
    assert_eq!(ran.code, 0, "{}", ran.text());
    assert!(ran.text().contains("report only"), "{}", ran.text());
    let test: &TestRecord = &report(&scratch).tests[0];
    assert_eq!(test.outcome, Outcome::Passed);
    assert_eq!(test.trials[0].measurements[0].outcome, Outcome::Failed);
    assert_eq!(
        test.trials[0].measurements[1].title(),
        "contains (the letter)"
    );
}

#[test]
fn equal_keys_are_told_apart() {
    let scratch = Scratch::new("keys");
    ran(&scratch, &["several_checks"], &[]);
    let report = report(&scratch);
    let titles: Vec<_> = report.tests[0].trials[0]
        .measurements
        .iter()
        .map(llmtest::MeasurementRecord::title)
        .collect();
    assert_eq!(titles, ["contains", "contains #2"]);
}

#[test]
fn the_exact_path_of_a_dataset_runs_all_its_rows() {
    let scratch = Scratch::new("whole");
    let args = [
        "from_an_array",
        "--exact",
        "--nocapture",
        "--include-ignored",
    ];
    assert_eq!(ran(&scratch, &args, &[]).counts().unwrap()[..2], [2, 0]);
    assert_eq!(
        ran(&scratch, &["from_an_array::x", "--exact"], &[])
            .counts()
            .unwrap()[0],
        1
    );
}

#[test]
fn a_configuration_that_cannot_be_read_never_lets_a_stage_go_live() {
    let scratch = Scratch::new("unreadable");
    let folder = scratch.path().to_string_lossy().into_owned();
    let vars = [("LLMTEST_DIR", folder.as_str()), ("LLMTEST_MOED", "live")];
    let ran = run(
        &fixture("judged"),
        ["replays_a_stage", "needs_no_judge"],
        &vars,
    );
    assert_eq!(ran.results()["needs_no_judge"], "ok");
    assert_eq!(ran.results()["replays_a_stage"], "FAILED");
    assert!(
        ran.block("replays_a_stage").contains("LLMTEST_MOED"),
        "{}",
        ran.text()
    );
    assert_eq!(ran.code, 101);
}

#[test]
fn what_failed_last_is_known_under_libtest_too() {
    let scratch = Scratch::new("failed-libtest");
    let folder = scratch.path().to_string_lossy().into_owned();
    let dir = ("LLMTEST_DIR", folder.as_str());
    let first = run(&fixture("flags"), ["alpha", "beta"], &[dir]);
    assert_eq!(first.counts().unwrap()[..2], [2, 1], "{}", first.text());
    let second = run(
        &fixture("flags"),
        ["--show-output"],
        &[dir, ("LLMTEST_FAILED", "1")],
    );
    assert!(
        second.text().contains("did not fail last time"),
        "{}",
        second.text()
    );
    assert_eq!(second.counts().unwrap()[..2], [5, 1], "{}", second.text());
}
