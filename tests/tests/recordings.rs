//! Recordings: what is written, what answers from them, and what a miss says.

use llmtest_tests::Ran;
use llmtest_tests::bench::{Bench, KEY_VARIABLE};
use llmtest_tests::mock::{Answer, MockServer};
use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::sync::{Condvar, Mutex};
use std::time::Duration;

const REPLIES: &str = "judge/g_eval.jsonl";
const STAGES: &str = "stages/stage.jsonl";
const STAGE: &[&str] = &["--exact", "replays_a_stage"];
const OUTSIDE: &[&str] = &["--exact", "prompt_from_outside", "needs_no_judge"];

/// A judge whose grade depends on what it is asked.
fn judge() -> MockServer {
    MockServer::start(|_, request| {
        let text = request.text();
        if text.contains("Write 3 or 4 short steps") {
            return Answer::text(r#"{"steps": ["Read the answer."]}"#);
        }
        let score = text.bytes().map(u32::from).sum::<u32>() % 4 + 6;
        Answer::weighted_grade(&[(score, 0.7), (score - 1, 0.2), (score + 1, 0.1)])
    })
}

/// Runs with no judge to go to.
fn replay(bench: &Bench, args: &[&str], vars: &[(&str, &str)]) -> Ran {
    let mut all = vec![(KEY_VARIABLE, ""), ("LLMTEST_MODE", "replay")];
    all.extend_from_slice(vars);
    bench.run(args, &all)
}

/// Records what the stage answers.
fn record_stage(bench: &Bench) {
    let ran = bench.run(STAGE, &[("LLMTEST_MODE", "record")]);
    assert_eq!(ran.code, 0, "{}", ran.text());
    assert_eq!(bench.report().tests[0].trials[0].stages, (0, 2));
}

fn miss(ran: &Ran, test: &str, words: &[&str]) {
    assert_eq!(ran.code, 101, "{}", ran.text());
    assert_eq!(ran.results()[test], "FAILED", "{}", ran.text());
    let block = ran.block(test);
    for word in words {
        assert!(block.contains(word), "it does not say `{word}`:\n{block}");
    }
}

fn criteria(bench: &Bench, text: &str) {
    fs::write(bench.path().join("criteria.txt"), text).expect("a file of the test");
}

/// Every score by test and title, and how many calls of the judge were replayed.
fn scores(bench: &Bench) -> (BTreeMap<(String, String), Option<f64>>, u32) {
    let report = bench.report();
    let measured = || {
        report.tests.iter().flat_map(|test| {
            let measurements = test.trials.iter().flat_map(|trial| &trial.measurements);
            measurements.map(|m| ((test.name(), m.title()), m))
        })
    };
    (
        measured().map(|(key, m)| (key, m.score)).collect(),
        measured().map(|(_, m)| m.replayed_calls).sum(),
    )
}

#[test]
fn a_recorded_run_replays_without_its_server_and_scores_the_same() {
    let bench = Bench::new("replay");
    let args = [
        "judged",
        "steps_once",
        "replays_a_stage",
        "prompt_from_outside",
        "--skip",
        "nobody",
    ];
    let server = judge();
    let ran = bench.against(&server, "record", &args, &[]);
    assert_eq!(ran.counts().unwrap()[..2], [9, 0], "{}", ran.text());
    let (recorded, replayed) = scores(&bench);
    let (asked, host) = (server.received().len(), server.port().to_string());
    assert_eq!((asked, replayed), (8, 0));
    drop(server);

    let files = bench.recordings();
    assert_eq!(files.keys().collect::<Vec<_>>(), [REPLIES, STAGES]);
    for (name, text) in &files {
        let keys: Vec<_> = text
            .lines()
            .map(|line| {
                let entry: serde_json::Value = serde_json::from_str(line).unwrap();
                entry["key"].as_str().unwrap().to_string()
            })
            .collect();
        assert!(keys.is_sorted_by(|a, b| a < b), "{name}: {keys:?}");
        assert!(text.ends_with("}\n"), "{name}");
        for host in ["127.0.0.1", "http:", "authorization", &format!(":{host}")] {
            assert!(!text.contains(host), "`{host}` in {name}:\n{text}");
        }
    }
    // The eight of the server, and the one of the judge in the fixture.
    assert_eq!(files[REPLIES].lines().count(), 9);
    // Two calls, and the body that answered them.
    assert_eq!(files[STAGES].lines().count(), 3);

    let ran = replay(&bench, &args, &[("STAGE_OFFLINE", "1")]);
    assert_eq!(ran.counts().unwrap()[..2], [9, 0], "{}", ran.text());
    assert_eq!(scores(&bench), (recorded, 9));
    assert_eq!(bench.recordings(), files);
}

#[test]
fn the_configured_embedder_is_asked_and_its_vectors_are_replayed() {
    let bench = Bench::new("embedded");
    let args = ["--exact", "embedded"];
    let model = ("LLMTEST_EMBEDDER_MODEL", "minilm");
    let server = MockServer::start(|_, request| {
        let texts = request.body["input"].as_array().map_or(0, Vec::len);
        // The cosine of the two is 0.96, whether they come in one request or one by one.
        let of = |text: &str| -> &[f32] {
            if text.contains("month") {
                &[3.0, 4.0]
            } else {
                &[4.0, 3.0]
            }
        };
        let vectors: Vec<&[f32]> = (0..texts)
            .map(|at| of(request.body["input"][at].as_str().unwrap_or_default()))
            .collect();
        Answer::vectors(&vectors)
    });
    let ran = bench.against(&server, "record", &args, &[model]);
    assert_eq!(ran.code, 0, "{}", ran.text());
    let asked = server.received();
    assert!(!asked.is_empty());
    for request in &asked {
        assert!(request.head.contains("/v1/embeddings"), "{}", request.head);
        assert_eq!(request.body["model"], "minilm");
    }
    drop(server);
    let recorded = bench.measurement("embedded").score;
    assert!((recorded.unwrap() - 0.96).abs() < 1e-6, "{recorded:?}");
    let files = bench.recordings();
    assert_eq!(
        files.keys().collect::<Vec<_>>(),
        ["embeddings/minilm.jsonl"]
    );

    let ran = replay(
        &bench,
        &args,
        &[model, ("LLMTEST_BASE_URL", MockServer::NOWHERE)],
    );
    assert_eq!(ran.code, 0, "{}", ran.text());
    assert_eq!(bench.measurement("embedded").score, recorded);
    assert_eq!(bench.recordings(), files);
}

#[test]
fn contestants_are_compared_by_the_configured_judge_and_replayed() {
    let bench = Bench::new("compared");
    let args = ["--exact", "compared"];
    let server = MockServer::start(|_, request| {
        let text = request.text();
        let (new, old) = (text.find("Within 30 days"), text.find("See our terms"));
        let winner = if new < old { "A" } else { "B" };
        let reply = serde_json::json!({ "reason": "It is concrete.", "winner": winner });
        Answer::text(&reply.to_string())
    });
    let ran = bench.against(&server, "record", &args, &[]);
    assert_eq!(ran.code, 0, "{}", ran.text());
    assert_eq!(server.received().len(), 2);
    drop(server);
    let ran = replay(&bench, &args, &[]);
    assert_eq!(ran.code, 0, "{}", ran.text());
}

#[test]
fn recording_again_replaces_what_was_recorded() {
    let bench = Bench::new("again");
    let args = ["--exact", "judged"];
    for score in [9, 7] {
        let server = MockServer::script([Answer::grade(score)]);
        bench.against(&server, "record", &args, &[]);
        assert_eq!(server.received().len(), 1);
        assert_eq!(bench.recordings()[REPLIES].lines().count(), 1);
        let ran = replay(&bench, &args, &[]);
        assert_eq!(ran.code, 0, "{}", ran.text());
        assert_eq!(
            bench.measurement("judged").score,
            Some(f64::from(score) / 10.0)
        );
    }
}

#[test]
fn a_changed_prompt_is_a_miss_that_shows_the_change_and_the_command() {
    let bench = Bench::new("prompt");
    criteria(&bench, "The reply is short.");
    bench.against(&judge(), "record", OUTSIDE, &[]);
    criteria(&bench, "The reply is shorter than the question.");
    let ran = replay(&bench, OUTSIDE, &[]);
    assert_eq!(ran.results()["needs_no_judge"], "ok");
    let words = [
        "nothing is recorded for this request of `g_eval/score`",
        "judge/g_eval.jsonl:1",
        "- Criteria: The reply is short.\n",
        "+ Criteria: The reply is shorter than the question.\n",
        "LLMTEST_MODE=auto cargo test",
        "commit `",
    ];
    miss(&ran, "prompt_from_outside", &words);
    let changed = ran
        .block("prompt_from_outside")
        .lines()
        .filter(|line| line.trim_start().starts_with(['+', '-']))
        .count();
    assert_eq!(changed, 2, "only what changed:\n{}", ran.text());
}

#[test]
fn another_model_is_a_miss_that_names_the_recorded_one() {
    let bench = Bench::new("model");
    bench.against(&judge(), "record", OUTSIDE, &[("LLMTEST_MODEL", "small-1")]);
    let ran = replay(&bench, OUTSIDE, &[("LLMTEST_MODEL", "small-2")]);
    let words = [
        "judge `small-2`",
        "the same request to the judge `small-1`",
        "LLMTEST_MODEL",
    ];
    miss(&ran, "prompt_from_outside", &words);
}

#[test]
fn auto_goes_live_and_records_but_never_in_ci() {
    let bench = Bench::new("auto");
    let server = judge();
    let ran = bench.against(&server, "auto", OUTSIDE, &[]);
    miss(
        &ran,
        "prompt_from_outside",
        &[
            "this is CI (`CI` is set)",
            "holds no request to compare with",
        ],
    );
    assert_eq!(server.received().len(), 0);
    assert!(bench.recordings().is_empty());

    let away = [("CI", "")];
    let ran = bench.against(&server, "auto", OUTSIDE, &away);
    assert_eq!(ran.code, 0, "{}", ran.text());
    assert_eq!(server.received().len(), 1);
    let recorded = bench.recordings();
    assert_eq!(recorded[REPLIES].lines().count(), 1);

    for vars in [&away[..], &[]] {
        let ran = bench.against(&server, "auto", OUTSIDE, vars);
        assert_eq!(ran.code, 0, "{}", ran.text());
        assert_eq!(bench.measurement("prompt_from_outside").replayed_calls, 1);
    }
    assert_eq!(server.received().len(), 1);
    assert_eq!(bench.recordings(), recorded);
}

#[test]
fn a_stage_replays_instead_of_running() {
    let bench = Bench::new("stage");
    record_stage(&bench);
    let ran = replay(
        &bench,
        STAGE,
        &[("STAGE_OFFLINE", "1"), ("LLMTEST_SHOW", "all")],
    );
    assert_eq!(ran.code, 0, "{}", ran.text());
    assert!(
        ran.text().contains("2 of 2 stages replayed"),
        "{}",
        ran.text()
    );
    let trial = &bench.report().tests[0].trials[0];
    assert_eq!(trial.stages, (2, 2));
    assert!(
        trial
            .spans
            .iter()
            .all(|span| span.replayed && span.output == "an answer to one")
    );
    let ran = bench.run(STAGE, &[("LLMTEST_MODE", "live"), ("STAGE_OFFLINE", "1")]);
    miss(
        &ran,
        "replays_a_stage",
        &["the stage ran although it should have been replayed"],
    );
}

#[test]
fn another_key_of_a_stage_is_a_miss_that_says_so() {
    let bench = Bench::new("key");
    record_stage(&bench);
    let ran = replay(&bench, STAGE, &[("STAGE_KEY", "prompt 2")]);
    let words = [
        "the `key` of the stage `stage` (",
        "judged.rs:",
        "changed since it was recorded (",
        "stages/stage.jsonl:",
        "- \"\"\n",
        "+ \"prompt 2\"\n",
        "LLMTEST_MODE=auto cargo test",
    ];
    miss(&ran, "replays_a_stage", &words);
}

/// As if the function had been edited since, which would mean to build the fixture again.
#[test]
fn another_body_of_a_stage_is_a_miss_that_says_so() {
    let bench = Bench::new("body");
    record_stage(&bench);
    let path = bench.recording(STAGES);
    let text = fs::read_to_string(&path).unwrap();
    let (before, after) = text.split_once(r#""body":""#).unwrap();
    let hash = &after[..16];
    assert!(hash.bytes().all(|byte| byte.is_ascii_hexdigit()), "{hash}");
    assert!(!before.contains(hash));
    fs::write(&path, text.replace(hash, "0123456789abcdef")).unwrap();

    let ran = replay(&bench, STAGE, &[]);
    let words = [
        "the body of `stage` (",
        "judged.rs:",
        "changed since it was recorded (",
        "stages/stage.jsonl:",
        "LLMTEST_MODE=auto cargo test",
    ];
    miss(&ran, "replays_a_stage", &words);

    let ran = bench.run(STAGE, &[("LLMTEST_MODE", "auto"), ("CI", "")]);
    assert_eq!(ran.code, 0, "{}", ran.text());
    assert_eq!(
        bench.recordings()[STAGES],
        text,
        "recorded anew, in the old place"
    );
}

#[test]
fn a_broken_line_is_named_and_nothing_is_lost() {
    let bench = Bench::new("broken");
    bench.against(&judge(), "record", OUTSIDE, &[]);
    let path = bench.recording(REPLIES);
    let good = fs::read_to_string(&path).unwrap();
    for (line, words) in [
        (
            "{\"key\": 7",
            ["g_eval.jsonl:2: not a recording: ", "hint: delete the line"],
        ),
        (
            "<<<<<<< HEAD",
            [
                "g_eval.jsonl:2: an unfinished merge",
                "keep the entries of both sides",
            ],
        ),
    ] {
        fs::write(&path, format!("{good}{line}\n{good}")).unwrap();
        let ran = replay(&bench, OUTSIDE, &[]);
        assert_eq!(ran.results()["needs_no_judge"], "ok");
        miss(&ran, "prompt_from_outside", &words);
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            format!("{good}{line}\n{good}")
        );
    }
    // Both sides of a merge, in any order, and a process that was killed while it wrote.
    fs::write(&path, format!("{good}{good}{}", &good[..good.len() / 2])).unwrap();
    let ran = replay(&bench, OUTSIDE, &[]);
    assert_eq!(ran.code, 0, "{}", ran.text());
}

#[test]
fn two_processes_that_record_at_once_lose_nothing() {
    let bench = Bench::new("parallel");
    // Nobody is answered before both processes have asked.
    let (come, all_come) = (Mutex::new(HashSet::new()), Condvar::new());
    let server = MockServer::start(move |_, request| {
        let mut come = come.lock().unwrap();
        come.insert(request.authorization().map(str::to_string));
        all_come.notify_all();
        let waited =
            all_come.wait_timeout_while(come, Duration::from_secs(30), |come| come.len() < 2);
        assert!(
            !waited.unwrap().1.timed_out(),
            "the other process never came"
        );
        Answer::grade(8)
    });
    let rows = |prefix: &str| format!("thousand_calls::{prefix}");
    std::thread::scope(|scope| {
        let record = |key: &'static str, one: &str, two: &str| {
            let (bench, server, rows) = (&bench, &server, [rows(one), rows(two)]);
            let records = bench.path().join(key).to_string_lossy().into_owned();
            scope.spawn(move || {
                let vars = [
                    (KEY_VARIABLE, key),
                    ("LLMTEST_DIR", &records),
                    ("LLMTEST_CONCURRENCY", "8"),
                ];
                bench.against(server, "record", &[&rows[0], &rows[1]], &vars)
            })
        };
        let both = [
            record("the-first-key", "0", "1"),
            record("the-second-key", "1", "2"),
        ];
        for process in both {
            let ran = process.join().unwrap();
            assert_eq!(ran.code, 0, "{}", ran.text());
        }
    });
    drop(server);
    let ran = replay(&bench, &[&rows("0"), &rows("1"), &rows("2")], &[]);
    let [passed, failed, ..] = ran.counts().unwrap();
    assert!(passed > 100 && failed == 0, "{}", ran.text());
    let text = &bench.recordings()[REPLIES];
    let lines: Vec<_> = text.lines().collect();
    assert!(lines.is_sorted(), "sorted when the last process ended");
    assert_eq!(lines.len(), passed as usize, "each row once");
}

#[test]
fn of_two_equal_requests_at_once_the_reply_that_is_recorded_counts_for_both() {
    for mode in ["record", "auto"] {
        let bench = Bench::new("equal");
        let (come, all_come) = (Mutex::new(HashSet::new()), Condvar::new());
        let server = MockServer::start(move |_, request| {
            let mut come = come.lock().unwrap();
            let who = request.authorization().unwrap_or_default().to_string();
            let grade = if who.contains("first") { 7 } else { 9 };
            come.insert(who);
            all_come.notify_all();
            let waited =
                all_come.wait_timeout_while(come, Duration::from_secs(30), |come| come.len() < 2);
            assert!(!waited.unwrap().1.timed_out(), "the other never came");
            Answer::grade(grade)
        });
        std::thread::scope(|scope| {
            for key in ["the-first-key", "the-second-key"] {
                let (bench, server) = (&bench, &server);
                scope.spawn(move || {
                    let records = bench.path().join(key).to_string_lossy().into_owned();
                    let vars = [(KEY_VARIABLE, key), ("LLMTEST_DIR", &*records), ("CI", "")];
                    let ran = bench.against(server, mode, &["--exact", "judged"], &vars);
                    assert_eq!(ran.code, 0, "{}", ran.text());
                });
            }
        });
        assert_eq!(server.received().len(), 2);
        drop(server);
        assert_eq!(bench.recordings()[REPLIES].lines().count(), 1);
        let ran = replay(&bench, &["--exact", "judged"], &[]);
        assert_eq!(ran.code, 0, "{}", ran.text());
        let recorded = bench.measurement("judged").score;
        for key in ["the-first-key", "the-second-key"] {
            let report = fs::read_to_string(bench.path().join(key).join("report.json")).unwrap();
            let report = llmtest::RunReport::from_json(&report).unwrap();
            let measured = &report.tests[0].trials[0].measurements[0];
            assert_eq!(measured.score, recorded, "{mode}, {key}");
            assert_eq!((measured.judge_calls, measured.replayed_calls), (1, 0));
        }
    }
}

#[test]
fn a_transcript_says_where_its_call_is_recorded() {
    let bench = Bench::new("transcript");
    let args = ["--exact", "judged"];
    let server = MockServer::script([Answer::text("Well."), Answer::grade(8)]);
    bench.against(&server, "record", &args, &[]);
    drop(server);
    let live = bench.measurement("judged").transcript;
    replay(&bench, &args, &[]);
    let replayed = bench.measurement("judged").transcript;
    assert_eq!(live.len(), 2);
    for (at, (live, replayed)) in live.iter().zip(&replayed).enumerate() {
        assert_eq!((live.replayed, replayed.replayed), (false, true));
        assert_eq!((live.re_ask, replayed.re_ask), (at == 1, at == 1));
        let (file, key) = live.recorded.as_ref().expect("recorded");
        assert_eq!(replayed.recorded, live.recorded);
        let text = &bench.recordings()[file];
        assert!(text.contains(&format!("{{\"key\":\"{key}\"")), "{text}");
        assert_eq!(live.reply, replayed.reply);
    }
    let server = MockServer::script([Answer::grade(8)]);
    bench.live(&server, &args, &[]);
    let unrecorded = bench.measurement("judged").transcript;
    assert_eq!(unrecorded[0].recorded, None);
    assert_eq!(unrecorded[0].prompt, live[0].prompt);
}
