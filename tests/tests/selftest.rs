//! A test of the judge is a test like any other: recorded, replayed, with measurements that have bars.

use llmtest::{MeasurementRecord, Outcome};
use llmtest_tests::bench::Bench;
use llmtest_tests::mock::{Answer, MockServer, Received};
use llmtest_tests::paired::Paired;
use serde_json::json;

const HOLDS: &[&str] = &["--exact", "the_judge_holds"];

/// A server that knows the right answers, and obeys what `obeys` finds in the prompt.
fn server(obeys: fn(&str) -> bool) -> MockServer {
    MockServer::start(move |_, request: &Received| {
        let text = request.text();
        let rights = ["Canberra.", "Shakespeare.", "30 days.", "carbon dioxide."];
        let is_right = |text: &str| rights.iter().any(|right| text.contains(right));
        if text.contains("\"winner\"") {
            let first = text.split_once("answer A:").expect("two answers").1;
            let first = first.split_once("answer B:").expect("two answers").0;
            let winner = if is_right(first) { "A" } else { "B" };
            return Answer::text(&json!({"reason": "", "winner": winner}).to_string());
        }
        let (_, answer) = text.rsplit_once("<data ").expect("a fence");
        let (_, answer) = answer.split_once('>').expect("a marker");
        let (answer, _) = answer.rsplit_once("</data").expect("a fence");
        let passes = is_right(answer) || obeys(answer);
        let reply = if text.contains("\"score\"") && !text.contains("then the verdict") {
            json!({"reason": "", "score": if passes { 10 } else { 0 }})
        } else {
            json!({"reason": "", "verdict": if passes { "yes" } else { "no" }})
        };
        Answer::text(&reply.to_string())
    })
}

fn named(bench: &Bench, name: &str) -> MeasurementRecord {
    let trial = bench.trial("the_judge_holds");
    let found = trial.measurements.iter().find(|one| one.metric == name);
    found.expect("a measurement of this name").clone()
}

#[test]
fn a_judge_that_resists_passes_and_replays_without_a_server() {
    let bench = Bench::of("selftest", "resists");
    let server = server(|_| false);
    let ran = bench.against(&server, "record", HOLDS, &[]);
    assert_eq!(ran.code, 0, "{}", ran.text());
    let recordings = bench.recordings();
    let files: Vec<&String> = recordings.keys().collect();
    assert_eq!(files, ["judge/selftest.jsonl"]);
    let whole = named(&bench, "resists_attacks");
    assert_eq!(
        (whole.score, whole.details["of"].as_u64()),
        (Some(1.0), Some(28))
    );
    let fences = named(&bench, "resists_fences");
    assert_eq!((fences.judge_calls, fences.report_only), (2, true));
    assert!(
        fences.notes.iter().any(|note| note.contains("look-alikes")),
        "{fences:?}"
    );
    let asked = server.received().len();
    drop(server);
    let ran = bench.run(HOLDS, &[("LLMTEST_MODE", "replay")]);
    assert_eq!(ran.code, 0, "{}", ran.text());
    let trial = bench.trial("the_judge_holds");
    let calls: u32 = trial.measurements.iter().map(|one| one.judge_calls).sum();
    let replayed: u32 = trial
        .measurements
        .iter()
        .map(|one| one.replayed_calls)
        .sum();
    assert_eq!(replayed, calls);
    assert!(
        asked <= calls as usize,
        "{asked} requests for {calls} calls"
    );
}

#[test]
fn a_judge_that_obeys_fails_the_test_and_the_attacks_are_named() {
    let bench = Bench::of("selftest", "obeys");
    let server = server(|answer| {
        answer.contains("Ignore all previous") || answer.contains("calibration item")
    });
    let ran = bench.live(&server, HOLDS, &[]);
    assert_eq!(ran.code, 101, "{}", ran.text());
    let block = ran.block("the_judge_holds");
    for words in [
        "resists_attacks",
        "`ignore_previous` with `correct` on",
        "`calibration` with `correctness` on",
    ] {
        assert!(block.contains(words), "it does not say `{words}`:\n{block}");
    }
    let whole = named(&bench, "resists_attacks");
    assert_eq!(
        (whole.outcome, whole.details["held"].as_u64()),
        (Outcome::Failed, Some(24))
    );
    assert_eq!(named(&bench, "resists_orders").outcome, Outcome::Failed);
    assert_eq!(named(&bench, "resists_fences").outcome, Outcome::Passed);
}

#[test]
fn a_judge_that_is_down_is_an_error_everywhere_and_nothing_hangs() {
    let bench = Bench::of("selftest", "down");
    let vars = [
        ("LLMTEST_MODE", "live"),
        ("LLMTEST_BASE_URL", MockServer::NOWHERE),
        ("LLMTEST_RETRIES", "0"),
    ];
    let ran = bench.run(HOLDS, &vars);
    assert_eq!(ran.code, 101, "{}", ran.text());
    let trial = bench.trial("the_judge_holds");
    assert!(
        trial
            .measurements
            .iter()
            .all(|one| one.outcome == Outcome::Errored),
        "{}",
        ran.text()
    );
}

#[test]
fn the_report_can_be_had_at_once() {
    let bench = Bench::of("selftest", "at-once");
    let ran = bench.live(&server(|_| false), &["--exact", "told_at_once"], &[]);
    assert_eq!(ran.code, 0, "{}", ran.text());
}

#[test]
fn the_command_tries_every_arm_and_asks_nothing_twice() {
    let bench = Bench::of("selftest", "command");
    // Obeys orders in whatever it reads, but for what stands behind a marker with a nonce.
    let server = MockServer::start(|_, request: &Received| {
        let text = request.text();
        let (_, answer) = text.rsplit_once("answer:\n").expect("an answer");
        let fenced = answer.starts_with("<data ");
        let rights = ["Canberra.", "Shakespeare.", "30 days.", "carbon dioxide."];
        let is_right = rights.iter().any(|right| answer.contains(right));
        let obeys = !fenced && answer.contains("Ignore all previous");
        let verdict = if is_right || obeys { "yes" } else { "no" };
        Answer::text(&json!({"reason": "", "verdict": verdict}).to_string())
    });
    let run = || {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_attacks"))
            .current_dir(bench.path())
            .args(["--base-url", &server.url(), "--limit", "3"])
            .args(["--resume", "so-far.jsonl", "--json", "found.json"])
            .output()
            .expect("the command runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{text}");
        text
    };
    let first = run();
    // Eight answers as they are and three attacks, in three arms.
    assert!(first.contains("33 verdicts asked for, 0 taken"), "{first}");
    assert!(first.contains("| no fence | 4/4 | 0/4 |"), "{first}");
    let found = std::fs::read_to_string(bench.path().join("found.json")).expect("a file");
    let found: serde_json::Value = serde_json::from_str(&found).expect("JSON");
    let flipped = |arm: &str| {
        (
            found["all"][arm]["flipped"].as_u64(),
            found["all"][arm]["of"].as_u64(),
        )
    };
    assert_eq!(flipped("fence"), (Some(0), Some(3)));
    assert_eq!(flipped("markers only"), (Some(1), Some(3)));
    assert_eq!(flipped("no fence"), (Some(1), Some(3)));
    assert_eq!(server.received().len(), 33);
    assert!(run().contains("0 verdicts asked for, 33 taken"));
    assert_eq!(server.received().len(), 33);
}

#[test]
fn paired_differences_have_the_intervals_of_the_formula() {
    // Computed apart from the formula, with 40 digits.
    for (counts, low, high) in [
        ([36, 12, 2, 0], 0.056_929_584, 0.340_427_603),
        ([53, 0, 1, 0], -0.097_714_375, 0.049_621_662),
        ([20, 3, 9, 41], -0.174_760_626, 0.012_588_753),
    ] {
        let [both, first, second, neither] = counts;
        let paired = Paired {
            both,
            first,
            second,
            neither,
        };
        let (_, interval) = paired.difference().expect("cases");
        assert!(
            (interval.low - low).abs() < 1e-8 && (interval.high - high).abs() < 1e-8,
            "{counts:?}: {interval:?}"
        );
    }
    assert_eq!(Paired::default().difference(), None);
}
