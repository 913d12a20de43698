//! How much is asked of a server at once, seen from outside: by one process and by several of one run.

use llmtest::{LimitChange, LimitReason, Outcome};
use llmtest_tests::bench::Bench;
use llmtest_tests::crowd::Crowd;
use llmtest_tests::fixture;
use llmtest_tests::mock::{Answer, MockServer};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How long one run may take, whatever the machine is busy with.
const BOUND: Duration = Duration::from_secs(60);
const REPLY: Duration = Duration::from_millis(20);

/// The parts of the fixture, one process for each, in one run; all must pass.
fn together(bench: &Bench, server: &MockServer, parts: usize, vars: &[(&str, &str)]) {
    fixture("limited");
    std::thread::scope(|scope| {
        for part in 0..parts {
            let mut vars = vars.to_vec();
            vars.push(("LLMTEST_RUN_ID", "together"));
            scope.spawn(move || {
                let ran = bench.live(server, &["--exact", &format!("part{part}")], &vars);
                assert_eq!(ran.code, 0, "{}", ran.text());
            });
        }
    });
}

#[test]
fn every_call_is_answered_in_spite_of_refusals_and_the_run_says_how_many_there_were() {
    let crowd = Crowd::start(3, REPLY);
    let bench = Bench::of("limited", "refused");
    let ran = bench.live(crowd.server(), &[], &[("CALLS", "80")]);
    assert_eq!(ran.code, 0, "{}", ran.text());
    let seen = crowd.seen();
    assert_eq!(seen.answered.len(), 80);
    assert!(!seen.refused.is_empty() && seen.most <= 16, "{}", seen.most);
    let report = bench.report();
    let calls: u32 = report
        .tests
        .iter()
        .flat_map(|test| &test.trials)
        .flat_map(|trial| &trial.measurements)
        .map(|m| m.judge_calls)
        .sum();
    assert_eq!(calls, 80, "a refusal is no call of its own");
    let limits = report.cost.expect("there were calls").limits;
    let [judge] = limits.as_slice() else {
        panic!("{limits:?}")
    };
    assert_eq!(judge.refused, seen.refused.len() as u64);
    assert_eq!(judge.calls, 80 + judge.refused);
    let last = judge.changes.last().expect("the limit went down");
    let cut = |change: &&LimitChange| change.why == LimitReason::RateLimit;
    assert!(judge.changes.iter().any(|change| cut(&change)), "{judge:?}");
    assert!(judge.shared && last.to <= 16, "{judge:?}");
    for words in [
        "note: the judge `gpt-4.1-mini` ",
        " calls were refused and repeated\n",
    ] {
        assert!(ran.text().contains(words), "`{words}`: {}", ran.text());
    }
}

#[test]
fn the_processes_of_a_run_learn_together() {
    let crowd = Crowd::start(3, REPLY);
    let bench = Bench::of("limited", "refused-together");
    together(&bench, crowd.server(), 4, &[("CALLS", "160")]);
    let seen = crowd.seen();
    assert_eq!(seen.answered.len(), 80);
    assert!(seen.refused.len() < 80, "{}", seen.refused.len());
    let limits = bench.report().cost.expect("there were calls").limits;
    let counted: Vec<_> = limits.iter().map(|judge| judge.refused).collect();
    assert_eq!(
        counted,
        [seen.refused.len() as u64],
        "once, and not by each process"
    );
}

#[test]
fn a_limit_of_ones_own_is_never_passed_by_one_process_or_by_several() {
    let vars = [("CALLS", "48"), ("LLMTEST_MAX_IN_FLIGHT", "3")];
    let crowd = Crowd::start(1000, REPLY);
    let bench = Bench::of("limited", "fixed");
    let ran = bench.live(crowd.server(), &[], &vars);
    assert_eq!(ran.code, 0, "{}", ran.text());
    assert_eq!((crowd.seen().answered.len(), crowd.seen().most), (48, 3));
    let crowd = Crowd::start(1000, REPLY);
    let bench = Bench::of("limited", "fixed-together");
    together(&bench, crowd.server(), 3, &vars);
    let seen = crowd.seen();
    assert_eq!(seen.answered.len(), 18);
    assert!((1..=3).contains(&seen.most), "{}", seen.most);
}

#[test]
fn the_places_of_a_killed_process_come_back() {
    // The first two calls are never answered in time.
    let server = MockServer::start(|nth, _| {
        if nth < 2 {
            std::thread::sleep(BOUND);
        }
        Answer::grade(9)
    });
    let bench = Bench::of("limited", "killed");
    let records = bench.path().join("records");
    let mut killed = Command::new(fixture("limited"))
        .args(["--exact", "part0"])
        .current_dir(bench.path())
        .envs([
            ("CALLS", "32"),
            ("LLMTEST_MODE", "live"),
            ("LLMTEST_MAX_IN_FLIGHT", "2"),
            ("LLMTEST_RUN_ID", "together"),
            ("LLMTEST_BASE_URL", &server.url()),
            ("LLMTEST_DIR", &records.to_string_lossy()),
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the fixture starts");
    let started = Instant::now();
    while server.received().len() < 2 && started.elapsed() < BOUND {
        std::thread::sleep(Duration::from_millis(10));
    }
    killed.kill().expect("it runs");
    killed.wait().expect("it ends");
    assert_eq!(server.received().len(), 2);
    let started = Instant::now();
    let vars = [("CALLS", "32"), ("LLMTEST_MAX_IN_FLIGHT", "2")];
    together(&bench, &server, 1, &vars);
    assert!(started.elapsed() < BOUND / 2, "{:?}", started.elapsed());
    assert_eq!(server.received().len(), 2 + 4);
}

#[test]
fn a_server_that_refuses_for_ever_ends_in_an_error_that_says_so_and_the_neighbour_passes() {
    let args = ["--exact", "judged", "needs_no_judge"];
    for (name, vars, words) in [
        (
            "deadline",
            [("LLMTEST_JUDGE_DEADLINE", "2s")],
            "the `deadline` of a call, 2s, allows no other attempt",
        ),
        ("retries", [("LLMTEST_RETRIES", "1")], "(tried 2 times)"),
    ] {
        let server = MockServer::script([Answer::error(429, "slow down")]);
        let bench = Bench::new(&format!("for-ever-{name}"));
        fixture("judged");
        let started = Instant::now();
        let ran = bench.live(&server, &args, &vars);
        assert!(started.elapsed() < BOUND / 2, "{:?}", started.elapsed());
        assert_eq!(ran.code, 101, "{}", ran.text());
        assert_eq!(ran.results()["needs_no_judge"], "ok");
        let measured = bench.measurement("judged");
        assert_eq!(measured.outcome, Outcome::Errored);
        let reason = measured.reason.unwrap_or_default();
        for words in [
            words,
            "answered 429 Too Many Requests: slow down",
            "(tried ",
        ] {
            assert!(reason.contains(words), "`{words}`: {reason}");
        }
        let said = "note: the judge `gpt-4.1-mini` takes no calls any more: ";
        assert!(ran.text().contains(said), "{}", ran.text());
    }
}

#[test]
fn many_calls_at_a_server_that_refuses_all_end_soon() {
    let server = MockServer::script([Answer::error(429, "slow down")]);
    let bench = Bench::of("limited", "given-up");
    fixture("limited");
    let started = Instant::now();
    let vars = [("CALLS", "80"), ("LLMTEST_RETRIES", "2")];
    let ran = bench.live(&server, &[], &vars);
    assert!(started.elapsed() < BOUND, "{:?}", started.elapsed());
    assert_ne!(ran.code, 0);
    let report = bench.report();
    let errored = report
        .tests
        .iter()
        .filter(|test| test.outcome == Outcome::Errored);
    assert_eq!(errored.count(), 80);
    assert!(
        server.received().len() <= 80 * 3,
        "{}",
        server.received().len()
    );
}

#[test]
fn calls_a_minute_are_spread() {
    let server = MockServer::script([Answer::grade(9)]);
    let bench = Bench::of("limited", "minute");
    let vars = [
        ("CALLS", "80"),
        ("LLMTEST_REQUESTS_PER_MINUTE", "60"),
        ("LLMTEST_RUN_ID", "together"),
    ];
    fixture("limited");
    let started = Instant::now();
    let ran = bench.live(&server, &["--exact", "part0"], &vars);
    assert_eq!(ran.code, 0, "{}", ran.text());
    // Six at once, the other four at 55 a minute.
    let took = started.elapsed();
    assert!(took > Duration::from_secs(4) && took < BOUND, "{took:?}");
}

#[test]
fn where_the_server_says_that_nothing_is_left_calls_wait_for_its_reset() {
    let asked = std::sync::Arc::<Mutex<Vec<Instant>>>::default();
    let log = asked.clone();
    let server = MockServer::start(move |nth, _| {
        log.lock().expect("a log").push(Instant::now());
        let answer = Answer::grade(9);
        if nth > 0 {
            return answer;
        }
        answer
            .header("x-ratelimit-remaining-requests", "0")
            .header("x-ratelimit-reset-requests", "2s")
    });
    let bench = Bench::of("limited", "headers");
    let vars = [("CALLS", "24"), ("LLMTEST_MAX_IN_FLIGHT", "1")];
    together(&bench, &server, 1, &vars);
    let asked = asked.lock().expect("a log");
    assert_eq!(asked.len(), 3);
    let waits: Vec<_> = asked.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(waits[0] > Duration::from_millis(1900), "{waits:?}");
    assert!(waits[1] < BOUND / 2, "{waits:?}");
}

#[test]
fn limits_that_cannot_be_shared_hold_for_the_process_and_the_run_says_why() {
    let crowd = Crowd::start(1000, REPLY);
    let bench = Bench::new("alone");
    let run = bench.path().join("records/runs/alone");
    std::fs::create_dir_all(&run).expect("a folder");
    std::fs::write(run.join("limits"), "not a folder").expect("a file");
    let args = ["--exact", "judged"];
    let ran = bench.live(crowd.server(), &args, &[("LLMTEST_RUN_ID", "alone")]);
    assert_eq!(ran.code, 0, "{}", ran.text());
    let said = "note: the limits of calls hold for this process alone, for they cannot be shared: ";
    assert!(ran.text().contains(said), "{}", ran.text());
    assert_eq!(crowd.seen().answered.len(), 1);
}
