//! A pipeline whose stages are recorded, replayed and substituted, from the outside.

use llmtest_tests::Ran;
use llmtest_tests::bench::{Bench, KEY_VARIABLE};
use llmtest_tests::mock::{Answer, MockServer};
use std::collections::HashMap;
use std::fs;
use std::sync::Mutex;

const GENERATE: &str = "stages/generate.jsonl";
const WHOLE: &[&str] = &["--exact", "whole", "asks_twice", "lives_with_an_error"];
const REMEDY: &str = "hint: `LLMTEST_MODE=auto cargo test` records it";
const NO_CI: (&str, &str) = ("CI", "");

/// A search and a model. Both tell equal requests apart.
fn shop() -> MockServer {
    let seen: Mutex<HashMap<String, usize>> = Mutex::default();
    MockServer::start(move |_, request| {
        let question = request.body.to_string();
        let times = {
            let mut seen = seen.lock().expect("nobody panicked");
            let times = seen.entry(question.clone()).or_insert(0);
            *times += 1;
            *times
        };
        if question.contains("error") {
            return Answer::error(503, "closed");
        }
        if request.head.starts_with("POST /search") {
            return Answer::raw(200, format!(r#"["Found shoes {times} times."]"#));
        }
        let text = request.text();
        let rules = text.lines().nth(1).unwrap_or_default();
        let passage = text.lines().nth(2).unwrap_or_default();
        Answer::text(&format!("Shoes can be returned. ({rules} {passage})"))
    })
}

fn with_network(bench: &Bench, mode: &str, args: &[&str]) -> (Ran, usize) {
    let server = shop();
    let address = format!("127.0.0.1:{}", server.port());
    let ran = bench.run(args, &[("LLMTEST_MODE", mode), ("SHOP", &address), NO_CI]);
    (ran, server.received().len())
}

/// In CI, without a service and a key.
fn without_network(bench: &Bench, args: &[&str]) -> Ran {
    bench.run(
        args,
        &[("LLMTEST_MODE", "replay"), (KEY_VARIABLE, ""), NO_CI],
    )
}

fn passes(ran: &Ran) {
    assert_eq!(ran.code, 0, "{}", ran.text());
}

fn miss(ran: &Ran, test: &str, words: &[&str]) {
    assert!(ran.text().contains(" errored"), "{}", ran.text());
    assert_eq!(ran.code, 101, "{}", ran.text());
    assert_eq!(ran.results()[test], "FAILED", "{}", ran.text());
    let block = ran.block(test);
    for word in words {
        assert!(block.contains(word), "it does not say `{word}`:\n{block}");
    }
}

/// Of a span: name, output, error.
type Seen = (String, serde_json::Value, Option<String>);

/// What each test saw, without times.
fn seen(bench: &Bench) -> Vec<(String, Vec<Seen>)> {
    let report = bench.report();
    let spans = |test: &llmtest::TestRecord| {
        let spans = test.trials[0].spans.iter();
        spans
            .map(|span| (span.name.clone(), span.output.clone(), span.error.clone()))
            .collect()
    };
    report
        .tests
        .iter()
        .map(|test| (test.name(), spans(test)))
        .collect()
}

#[test]
fn a_recorded_pipeline_replays_whole_without_network() {
    let bench = Bench::of("pipeline", "pipeline_whole");
    let (ran, asked) = with_network(&bench, "record", WHOLE);
    passes(&ran);
    // Two calls, four, and a search that fails.
    assert_eq!(asked, 7);
    let recorded = seen(&bench);
    let files = bench.recordings();
    let ran = without_network(&bench, WHOLE);
    passes(&ran);
    assert_eq!(seen(&bench), recorded);
    assert_eq!(bench.recordings(), files);
    for test in ["whole", "asks_twice", "lives_with_an_error"] {
        let trial = bench.trial(test);
        assert_eq!(trial.stages.0, trial.stages.1, "{test}");
    }
    // Equal calls are told apart, and an error is one again.
    let twice = bench.trial("asks_twice");
    let searches: Vec<_> = twice
        .spans
        .iter()
        .filter(|span| span.name == "retrieve")
        .collect();
    assert_ne!(searches[0].output, searches[1].output);
    let failed = &bench.trial("lives_with_an_error").spans[1];
    assert!(
        failed.replayed && failed.error.as_deref().unwrap().contains("503"),
        "{failed:?}"
    );
}

#[test]
fn another_prompt_in_the_body_is_errored_with_the_diff_until_it_is_recorded() {
    let bench = Bench::of("pipeline", "pipeline_body");
    passes(&with_network(&bench, "record", WHOLE).0);
    let before = bench.recordings();

    let bench = bench.then("pipeline+edited");
    let ran = without_network(&bench, WHOLE);
    let words = [
        "the body of `generate` (",
        "pipeline.rs:",
        "changed since it was recorded (",
        "generate.jsonl:",
        "  - let rules = \"Answer in one sentence.\";\n",
        "  + let rules = \"Answer in two sentences.\";\n",
        "    let text = format!(",
        REMEDY,
    ];
    miss(&ran, "whole", &words);
    let block = ran.block("whole");
    assert!(
        !block.contains("let messages"),
        "more than what changed:\n{block}"
    );
    // What did not change still replays.
    assert_eq!(ran.results()["lives_with_an_error"], "ok", "{}", ran.text());
    assert_eq!(bench.recordings(), before);

    let (ran, asked) = with_network(&bench, "auto", WHOLE);
    passes(&ran);
    assert_eq!(asked, 3, "only the generations");
    passes(&without_network(&bench, WHOLE));
    assert_eq!(bench.recordings().len(), before.len());
    assert_ne!(bench.recordings()[GENERATE], before[GENERATE]);
    let bodies = |text: &str| {
        text.lines()
            .filter(|line| line.contains(r#""key":"body:"#))
            .count()
    };
    assert_eq!(
        bodies(&bench.recordings()[GENERATE]),
        1,
        "the old body is gone"
    );

    let back = bench.then("pipeline");
    miss(
        &without_network(&back, WHOLE),
        "whole",
        &["+ let rules = \"Answer in one"],
    );
}

#[test]
fn another_prompt_outside_of_the_body_is_errored_with_the_diff_until_it_is_recorded() {
    let bench = Bench::of("pipeline", "pipeline_key");
    passes(&with_network(&bench, "record", WHOLE).0);
    fs::write(bench.path().join("prompt.txt"), "You work in a hat shop.\n").unwrap();
    let words = [
        "the `key` of the stage `generate` (",
        "changed since it was recorded (",
        "- \"You work in a shoe shop.",
        "+ \"You work in a hat shop.",
        REMEDY,
    ];
    miss(&without_network(&bench, WHOLE), "whole", &words);
    let (ran, asked) = with_network(&bench, "auto", WHOLE);
    passes(&ran);
    assert_eq!(asked, 3, "only the generations");
    passes(&without_network(&bench, WHOLE));
}

#[test]
fn a_recording_without_the_body_is_a_miss_without_a_diff() {
    let bench = Bench::of("pipeline", "pipeline_old");
    passes(&with_network(&bench, "record", WHOLE).0);
    let path = bench.recording(GENERATE);
    let text = fs::read_to_string(&path).unwrap();
    let old: String = text
        .lines()
        .filter(|line| !line.contains(r#""key":"body:"#))
        .flat_map(|line| [line, "\n"])
        .collect();
    assert_ne!(text, old);
    fs::write(&path, old).unwrap();
    passes(&without_network(&bench, WHOLE));
    let ran = without_network(&bench.then("pipeline+edited"), WHOLE);
    miss(&ran, "whole", &["the body of `generate` (", REMEDY]);
    assert!(!ran.block("whole").contains("+ "), "{}", ran.text());
}

#[test]
fn a_substituted_stage_does_not_run_and_is_not_recorded() {
    let bench = Bench::of("pipeline", "pipeline_substituted");
    let args = [
        "substituted",
        "--skip",
        "misspelt",
        "--skip",
        "another_type",
    ];
    let ran = bench.run(&args, &[("LLMTEST_MODE", "record"), NO_CI]);
    passes(&ran);
    assert_eq!(ran.counts().unwrap()[0], 22, "{}", ran.text());
    assert!(bench.recordings().is_empty());
    let report = bench.report();
    let rows = report.tests.iter().filter(|test| test.row.is_some());
    for trial in rows.map(|test| &test.trials[0]) {
        let substituted: Vec<_> = trial
            .spans
            .iter()
            .map(|span| (&*span.name, span.substituted, span.replayed))
            .collect();
        let all = [
            ("answer", false, false),
            ("retrieve", true, false),
            ("generate", true, false),
        ];
        assert_eq!(substituted, all);
        assert_eq!(trial.stages, (0, 0));
    }
}

#[test]
fn a_substitute_that_does_not_fit_or_is_never_asked_for_is_errored() {
    let bench = Bench::of("pipeline", "pipeline_unfit");
    let ran = without_network(&bench, &["substituted_"]);
    let words = [
        "`retrive` was substituted (",
        "pipeline.rs:",
        "observed were `answer`, `generate`, `retrieve`",
    ];
    miss(&ran, "substituted_misspelt", &words);
    let words = [
        "`retrieve` (",
        "cannot be substituted as asked for at ",
        "is no `alloc::vec::Vec<alloc::string::String>`: invalid type: map, expected a sequence",
    ];
    miss(&ran, "substituted_by_another_type", &words);
    assert_eq!(ran.results()["substituted_error"], "ok");
}
