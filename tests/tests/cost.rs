//! What calls cost, what is known before a run, and budgets that hold.

use llmtest::{Outcome, RunCost, Spending};
use llmtest_tests::bench::Bench;
use llmtest_tests::mock::{Answer, MockServer};
use llmtest_tests::{Ran, fixture, run_in};

/// 12 tokens read at 2 and 3 written at 10 dollars a million.
const CALL: f64 = 0.000_054;
const PRICED: (&str, &str) = ("LLMTEST_MODEL", "house-mini");
const ONE: (&str, &str) = ("LLMTEST_CONCURRENCY", "1");

fn polite() -> MockServer {
    MockServer::script([Answer::grade(9)])
}

fn cost(bench: &Bench) -> RunCost {
    bench.report().cost.expect("what the run cost")
}

fn judge(bench: &Bench) -> Spending {
    let cost = cost(bench);
    let mut judges = cost.judges.into_values();
    let judge = judges.next().expect("a judge");
    assert_eq!(judges.next(), None);
    judge
}

fn says(ran: &Ran, text: &str) {
    assert!(ran.text().contains(text), "{text}\n{}", ran.text());
}

#[test]
fn a_run_costs_what_its_price_says_and_its_replay_nothing() {
    let (bench, server) = (Bench::of("cost", "priced"), polite());
    let ran = bench.against(&server, "record", &["rows"], &[PRICED]);
    says(&ran, "judge house-mini: 12 calls, 180 tokens, $0.000648");
    assert_eq!(judge(&bench).known_cost(), Some(0.000_648));
    let measurement = bench.measurement("rows::q00");
    assert_eq!(
        (measurement.cost, measurement.replayed_cost),
        (Some(CALL), None)
    );

    let ran = bench.run(&["rows"], &[PRICED, ("LLMTEST_MODE", "replay")]);
    says(
        &ran,
        "judge house-mini: 12 calls (12 replayed), 180 tokens, $0; what was replayed would have cost $0.000648",
    );
    let spent = judge(&bench);
    assert_eq!(
        (spent.calls, spent.replayed, spent.known_cost()),
        (12, 12, Some(0.0))
    );
    let measurement = bench.measurement("rows::q00");
    assert_eq!(
        (measurement.cost, measurement.replayed_cost),
        (Some(0.0), Some(CALL))
    );
}

#[test]
fn an_unknown_price_is_unknown_and_not_zero() {
    let (bench, server) = (Bench::of("cost", "unpriced"), polite());
    // In the table, but this server is on this machine.
    let ran = bench.live(&server, &["rows"], &[("LLMTEST_MODEL", "gpt-4.1-mini")]);
    says(
        &ran,
        "12 calls, 180 tokens, cost unknown (`gpt-4.1-mini` has no price)",
    );
    assert_eq!(
        (judge(&bench).known_cost(), judge(&bench).unpriced),
        (None, 12)
    );
    assert_eq!(bench.measurement("rows::q00").cost, None);
}

#[test]
fn what_the_application_took_stands_apart() {
    let bench = Bench::of("cost", "application");
    let ran = bench.run(&["application"], &[]);
    // 1,000 × 0.40 + 100 × 1.60, a million each.
    says(&ran, "application: 1 call, 1,100 tokens, $0.000560");
    let cost = cost(&bench);
    assert_eq!(cost.application.known_cost(), Some(0.000_56));
    assert!(cost.judges.is_empty());
}

#[test]
fn calls_of_the_embedder_are_counted() {
    let bench = Bench::of("cost", "embedder");
    let server = MockServer::start(|_, _| {
        let vectors = r#"{"data": [{"index": 0, "embedding": [1.0, 0.0]}, {"index": 1, "embedding": [1.0, 0.0]}], "usage": {"prompt_tokens": 9, "total_tokens": 9}}"#;
        Answer::raw(200, vectors)
    });
    let vars = [
        ("LLMTEST_EMBEDDER_MODEL", "house-mini"),
        ("LLMTEST_BUDGET", "$1"),
    ];
    let ran = bench.live(&server, &["embedded"], &vars);
    says(&ran, "embedder house-mini: 1 call, 9 tokens, $0.000018");
    let cost = cost(&bench);
    assert_eq!(cost.embedders["house-mini"].known_cost(), Some(0.000_018));
    assert_eq!((cost.budgets[0].calls, cost.budgets[0].tokens), (1, 9));
}

#[test]
fn a_budget_that_is_reached_stops_the_calls_and_keeps_what_was_measured() {
    let (bench, server) = (Bench::of("cost", "budget"), polite());
    // A call sets aside about a cent, since it may write 1,024 tokens.
    let vars = [PRICED, ONE, ("LLMTEST_BUDGET", "$0.0109")];
    let ran = bench.against(&server, "record", &["rows"], &vars);
    let made = server.received().len();
    assert!((1..12).contains(&made), "{made}");
    says(
        &ran,
        &format!("the budget of $0.0109 was reached after {made} calls"),
    );
    says(
        &ran,
        &format!("{} measurements are Errored for a budget", 12 - made),
    );
    says(
        &ran,
        "hint: raise `budget` under `[cost]` in llmtest.toml (or LLMTEST_BUDGET)",
    );
    let passed = u32::try_from(made).expect("a few");
    assert_eq!(ran.counts().expect("counts")[..2], [passed, 12 - passed]);
    let report = bench.report();
    for test in &report.tests {
        let [polite, contains] = test.trials[0].measurements.as_slice() else {
            panic!("{test:?}")
        };
        assert_eq!(polite.over_budget, polite.outcome == Outcome::Errored);
        assert_eq!(
            contains.outcome,
            Outcome::Passed,
            "what asks no judge is measured"
        );
    }
    assert_eq!(judge(&bench).calls, made as u64);

    // What is recorded costs nothing: the next run gets as far again.
    let next = [PRICED, ONE, ("LLMTEST_BUDGET", "$0.0109"), ("CI", "")];
    let ran = bench.against(&server, "auto", &["rows"], &next);
    let more = server.received().len() - made;
    says(&ran, &format!("{} calls ({made} replayed)", made + more));
    assert!(more > 0, "{}", ran.text());
}

#[test]
fn a_model_without_a_price_may_not_be_asked_under_a_budget_of_money() {
    let (bench, server) = (Bench::of("cost", "priceless"), polite());
    let vars = [("LLMTEST_MODEL", "nobody-knows"), ("LLMTEST_BUDGET", "$5")];
    let ran = bench.live(&server, &["rows::q00"], &vars);
    assert_eq!((ran.code, server.received().len()), (101, 0));
    says(&ran, "it is not known what `nobody-knows` costs");
    says(&ran, "`[prices.\"nobody-knows\"]`");
    let in_tokens = [
        ("LLMTEST_MODEL", "nobody-knows"),
        ("LLMTEST_BUDGET", "5k tokens"),
    ];
    let ran = bench.live(&server, &["rows::q00"], &in_tokens);
    assert_eq!(ran.code, 0, "{}", ran.text());
}

#[test]
fn a_test_has_a_budget_of_its_own_for_all_its_rows() {
    let (bench, server) = (Bench::of("cost", "own-budget"), polite());
    // A call may take 1,024 tokens and its prompt, and takes 15: with rows one after the other all of them fit.
    let ran = bench.live(&server, &["frugal"], &[PRICED, ONE]);
    assert_eq!(ran.code, 0, "{}", ran.text());
    let big = r#"{"choices": [{"message": {"role": "assistant", "content": "{\"reason\": \"It thanks.\", \"score\": 9}"}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 400, "completion_tokens": 500}}"#;
    let server = MockServer::script([Answer::raw(200, big)]);
    let ran = bench.live(&server, &["frugal", "rows::q00"], &[PRICED, ONE]);
    assert_eq!(ran.results()["rows::q00"], "ok", "it has no budget");
    // After 900 a call of at most 1,600 fits, after 1,800 none does.
    assert_eq!(server.received().len(), 3, "{}", ran.text());
    says(
        &ran,
        "the budget of 2,500 tokens of `fixture_cost::frugal` was reached after 2 calls (1,800 tokens spent)",
    );
    says(&ran, "raise `budget` in `#[llm_test(budget = \"…\")]`");
}

#[test]
fn two_processes_of_one_run_share_one_budget() {
    let (bench, server) = (Bench::of("cost", "shared"), polite());
    let (records, url) = (bench.path().join("records"), server.url());
    let records = records.to_string_lossy();
    let start = |id: &str, filter: &str, budget: &str| {
        let vars = [
            ("LLMTEST_DIR", &*records),
            ("LLMTEST_MODE", "live"),
            ("LLMTEST_BASE_URL", &url),
            ("LLMTEST_RUN_ID", id),
            ("LLMTEST_BUDGET", budget),
            PRICED,
        ];
        run_in(bench.path(), &fixture("cost"), [filter], &vars)
    };
    // What a call sets aside; rows differ in a digit only.
    let alone = start("alone", "rows::q00", "1M tokens");
    assert_eq!(alone.code, 0, "{}", alone.text());
    let ledger = bench.path().join("records/runs/alone/budget.ledger");
    let ledger = std::fs::read_to_string(ledger).expect("what the run spent");
    let held: serde_json::Value =
        serde_json::from_str(ledger.lines().next().expect("a call")).expect("a line");
    let held = held["tokens"].as_u64().expect("tokens");
    assert!((1024..1600).contains(&held), "{held}");

    // Six calls: at the last five times 15 are spent, and as much as it may take is left.
    let budget = format!("{} tokens", held + 5 * 15);
    let (one, two) = std::thread::scope(|scope| {
        let other = scope.spawn(|| start("together", "rows::q0", &budget));
        let one = start("together", "rows::q1", &budget);
        (one, other.join().expect("the other process ends"))
    });
    let made = server.received().len() as u64 - 1;
    let both = format!("{}{}", one.text(), two.text());
    assert_eq!(made, 6, "{both}");
    assert_eq!(
        one.counts().expect("counts")[0] + two.counts().expect("counts")[0],
        6,
        "{both}"
    );
    // Whoever ends last folds the records of both.
    let cost = cost(&bench);
    assert_eq!((cost.budgets[0].calls, cost.budgets[0].tokens), (6, 90));
    assert_eq!((cost.over_budget, cost.budgets[0].refused), (6, 6));
}

#[test]
fn the_last_run_says_what_the_next_takes() {
    let (bench, server) = (Bench::of("cost", "estimate"), polite());
    let only = [PRICED, ("LLMTEST_ESTIMATE", "1"), ("LLMTEST_MODE", "live")];
    let ran = bench.run(&[], &only);
    says(
        &ran,
        "estimate: no earlier run of 20 tests is recorded, so nothing is known",
    );
    let first = bench.against(&server, "record", &["rows"], &[PRICED]);
    assert!(
        first.text().contains("nothing is known"),
        "{}",
        first.text()
    );
    let ran = bench.run(&["rows", "application"], &only);
    assert_eq!((ran.code, server.received().len()), (0, 12), "nothing runs");
    says(
        &ran,
        "estimate: about 12 judge calls, 180 tokens, $0.000648 (from the last run of these tests; 1 test has none)",
    );
    assert!(!ran.text().contains("test result"), "{}", ran.text());
    let auto = [PRICED, ("LLMTEST_ESTIMATE", "1"), ("LLMTEST_MODE", "auto")];
    says(
        &bench.run(&["rows"], &auto),
        "what is recorded and has not changed is replayed, and not paid for",
    );
    let again = bench.against(&server, "record", &["rows"], &[PRICED]);
    says(&again, "estimate: about 12 judge calls");
    let estimates = cost(&bench).estimates;
    assert_eq!((estimates[0].calls, estimates[0].cost), (12, 0.000_648));
    let replay = bench.run(&["rows"], &[PRICED]);
    assert!(!replay.text().contains("estimate:"), "{}", replay.text());
}

#[test]
fn a_budget_without_a_unit_is_an_error_with_a_hint() {
    let bench = Bench::of("cost", "wrong");
    for wrong in ["2", "€2", "-1"] {
        let ran = bench.run(&["application"], &[("LLMTEST_BUDGET", wrong)]);
        assert_eq!(ran.code, 101);
        says(&ran, &format!("`LLMTEST_BUDGET`: `{wrong}` is no budget"));
        says(&ran, "hint: write US dollars, such as `\"$2\"`");
    }
}
