//! Which stage cost the end score, from the outside; and how often that is right.

#![expect(clippy::float_cmp, reason = "shares of a few cases, divided as here")]

use llmtest::{Blame, StageBlame};
use llmtest_tests::Ran;
use llmtest_tests::bench::Bench;
use llmtest_tests::blame::{Coverage, STAGES, Setup, observed, truth};

const CAUSAL: (&str, &str) = ("LLMTEST_BLAME", "causal");

fn run(name: &str, test: &str, vars: &[(&str, &str)]) -> (Bench, Ran, Blame) {
    let bench = Bench::of("blame", name);
    let ran = bench.run(&[test], vars);
    assert_eq!(ran.code, 101, "{}", ran.text());
    let blame = bench.report().blame.expect("blame in the report");
    (bench, ran, blame)
}

fn stage<'a>(blame: &'a Blame, name: &str) -> &'a StageBlame {
    let found = blame.stages.iter().find(|stage| stage.stage == name);
    found.unwrap_or_else(|| panic!("no stage `{name}` in {blame:?}"))
}

/// The table that the run printed.
fn table(ran: &Ran) -> &str {
    let (_, table) = ran
        .stderr
        .split_once("\nblame: ")
        .or_else(|| ran.stdout.split_once("\nblame: "))
        .expect("a table of blame");
    table.split("\n\n").next().unwrap_or(table)
}

#[test]
fn the_broken_stage_stands_first_and_blind_spots_are_named() {
    let (_bench, ran, blame) = run("blame_table", "broken", &[]);
    // Of 30 answers 10 come of the wrong shop, and 3 are lost, one of both.
    assert_eq!((blame.cases, blame.failed, blame.unknown), (30, 12, 0));
    let retrieve = stage(&blame, "answer/retrieve");
    assert_eq!(retrieve.stage, blame.stages[0].stage);
    let first = retrieve.first_failure.unwrap();
    assert_eq!((first.value, first.cases), (10.0 / 12.0, 12));
    assert!(first.interval.low > 0.5 && first.interval.high < 1.0);
    let lift = retrieve.lift.unwrap();
    assert_eq!((lift.value, lift.ok, lift.failed), (0.9, 20, 10));
    assert!(!lift.few);
    // What follows is wrong as well, and not the first.
    let generate = stage(&blame, "answer/generate");
    assert_eq!(generate.pass_rate, Some(20.0 / 30.0));
    assert_eq!(generate.first_failure.unwrap().value, 0.0);
    // A loop of one or two calls is one stage.
    assert_eq!(stage(&blame, "answer/rank\u{1b}[31m").measured, 30);
    assert_eq!(blame.blind.value, 2.0 / 12.0);
    assert_eq!(blame.unmeasured, ["answer", "answer/send"]);
    assert_eq!(blame.causal, None);

    let table = table(&ran);
    assert!(table.starts_with("12 of 30 cases failed\n"), "{table}");
    assert!(table.contains("answer/retrieve"), "{table}");
    assert!(table.contains("83% [55, 95]"), "{table}");
    assert!(table.contains("+0.90 [+0.56, +0.97]"), "{table}");
    assert!(
        table.contains("no measured stage failed in 17% [5, 45] of them; without a metric: `answer`, `answer/send`"),
        "{table}"
    );
    assert!(
        !table.contains('\u{1b}') && !table.contains("causal"),
        "{table}"
    );
}

#[test]
fn references_in_place_of_results_say_what_heals() {
    let (bench, ran, blame) = run("blame_causal", "broken", &[CAUSAL]);
    let said = "blame: 12 of 12 failed trials are run again with references in place of results, in 48 reruns\n";
    assert!(ran.text().contains(said), "{}", ran.text());
    let totals = blame.causal.as_ref().unwrap();
    // `rank` returns no text, so a text cannot stand for its result; `send` and `answer` have no reference.
    let counts = (
        totals.reruns,
        totals.cases,
        totals.without_reference,
        totals.errored,
    );
    assert_eq!(counts, (48, 12, 0, 0), "{totals:?}");
    assert_eq!(totals.again.unwrap().value, 0.0);
    // Three answers are lost after all stages that have a reference.
    assert_eq!(totals.unhealed.unwrap().value, 3.0 / 12.0);
    let (retrieve, generate) = (
        stage(&blame, "answer/retrieve"),
        stage(&blame, "answer/generate"),
    );
    let (cost, inherited) = (retrieve.causal.unwrap(), generate.causal.unwrap());
    assert_eq!((cost.share.value, cost.alone.value), (0.75, 0.75));
    assert_eq!((cost.score, cost.substituted), (0.75, 12));
    // The reference of a later stage heals what it inherited, and is not blamed for it.
    assert_eq!((inherited.share.value, inherited.alone.value), (0.0, 0.75));
    assert_eq!(blame.stages[0].stage, "answer/retrieve");
    let table = table(&ran);
    assert!(
        table.contains("causal share") && table.contains("75% [47, 91]"),
        "{table}"
    );
    assert!(
        table.contains(
            "run again with references: 12 failed cases, 48 reruns; 25% [9, 53] fail with all"
        ),
        "{table}"
    );

    // The record is that of the run without.
    let (other, _, without) = run("blame_without", "broken", &[]);
    assert_eq!(bench.report().tests.len(), other.report().tests.len());
    for (a, b) in bench.report().tests.iter().zip(&other.report().tests) {
        assert_eq!((a.outcome, a.trials.len()), (b.outcome, b.trials.len()));
        assert_eq!(a.trials[0].spans.len(), b.trials[0].spans.len());
        assert_eq!(
            a.trials[0].measurements.len(),
            b.trials[0].measurements.len()
        );
    }
    assert_eq!((without.failed, without.blind), (blame.failed, blame.blind));
}

#[test]
fn a_resumption_makes_up_for_reruns_that_did_not_come_and_repeats_none() {
    let bench = Bench::of("blame", "blame_resumed");
    // As if killed before the reruns.
    bench.run(&["broken"], &[("LLMTEST_RUN_ID", "one")]);
    assert_eq!(bench.report().blame.unwrap().causal, None);
    let resume = ("LLMTEST_RESUME", "one");
    let second = bench.run(&["broken"], &[resume, CAUSAL]);
    assert!(
        second.text().contains("30 cases kept from the run `one`\n"),
        "{}",
        second.text()
    );
    assert!(
        second.text().contains("blame: 12 of 12 failed trials"),
        "{}",
        second.text()
    );
    let blame = bench.report().blame.unwrap();
    let (_, _, undisturbed) = run("blame_undisturbed", "broken", &[CAUSAL]);
    assert_eq!(blame, undisturbed);
    let third = bench.run(&["broken"], &[resume, CAUSAL]);
    assert!(
        !third.text().contains("run again with references in"),
        "{}",
        third.text()
    );
    assert_eq!(bench.report().blame.unwrap(), blame);
}

#[test]
fn trials_of_one_case_count_as_one_case() {
    let bench = Bench::of("blame", "blame_trials");
    let ran = bench.run(&["in_trials"], &[CAUSAL]);
    assert_eq!(ran.code, 0, "{}", ran.text());
    let blame = bench.report().blame.expect("a trial failed");
    assert_eq!((blame.cases, blame.failed), (1, 1));
    let generate = stage(&blame, "generate");
    assert_eq!((generate.measured, generate.pass_rate), (1, Some(0.5)));
    let lift = generate.lift.unwrap();
    assert_eq!(
        (lift.value, lift.ok, lift.failed, lift.few),
        (1.0, 1, 1, true)
    );
    assert_eq!(blame.causal.unwrap().without_reference, 2);
    assert!(
        table(&ran).contains("*: fewer than ten cases"),
        "{}",
        ran.text()
    );
}

#[test]
fn what_is_not_recorded_after_a_reference_is_counted_and_never_guessed() {
    let bench = Bench::of("blame", "blame_missing");
    bench.run(&["replayed"], &[("LLMTEST_MODE", "auto"), ("CI", "")]);
    let ran = bench.run(&["replayed"], &[CAUSAL]);
    let blame = bench.report().blame.unwrap();
    let causal = blame.causal.unwrap();
    assert_eq!(
        (causal.cases, causal.not_recorded, causal.errored),
        (0, 1, 0),
        "{}",
        ran.text()
    );
    assert_eq!(blame.stages[0].causal, None);
    let table = table(&ran);
    assert!(
        table.contains("1 not recorded") && table.contains("translate"),
        "{table}"
    );
}

#[test]
fn an_unknown_way_to_blame_is_refused() {
    let ran = Bench::of("blame", "blame_word").run(&["broken"], &[("LLMTEST_BLAME", "casual")]);
    assert!(
        ran.text().contains("`LLMTEST_BLAME` is set to `casual`"),
        "{}",
        ran.text()
    );
}

#[test]
fn the_truth_about_the_pipeline_is_what_many_cases_show() {
    let setup = Setup {
        broken: 1,
        looped: Some(1),
    };
    let (truth, blame) = (truth(setup), observed(setup, 77, 4_000));
    let near = |found: f64, value: f64| assert!((found - value).abs() < 0.04, "{found} {value}");
    near(blame.failed as f64 / 4_000.0, truth.fails);
    near(blame.blind.value, truth.blind);
    for (n, name) in STAGES.iter().enumerate() {
        let stage = stage(&blame, name);
        near(stage.first_failure.unwrap().value, truth.first[n]);
        near(stage.causal.unwrap().share.value, truth.causal[n]);
    }
    near(stage(&blame, "retrieve").lift.unwrap().value, truth.lift[1]);
}

/// The command `blame-coverage` does this with 200 seeds and more setups.
#[test]
fn the_intervals_hold_the_truth_and_the_broken_stage_stands_first() {
    for (broken, looped) in [(0, None), (3, None), (1, Some(1))] {
        let found = Coverage::of(Setup { broken, looped }, 1..21, 200);
        // Of 20 intervals that hold with 95 %, fewer than 16 do so once in 400 times.
        assert!(found.first >= 16 && found.causal >= 16, "{found:?}");
        assert!(
            found.ranks_by_first >= 19 && found.ranks_by_causal >= 19,
            "{found:?}"
        );
    }
}
