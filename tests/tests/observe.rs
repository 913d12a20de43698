//! `#[observe]` in every shape, by what is recorded of it.

use llmtest::{Outcome, Span};
use llmtest_tests::Ran;
use llmtest_tests::bench::{Bench, files};
use std::fmt::Write;

/// What the fixture redacts, and a key that it only finds in the environment.
const SECRETS: [&str; 3] = ["swordfish", "open sesame", "shop-0451-0123456789"];

const STAGES: &[&str] = &["--exact", "stages"];

/// Each call in a line, under the call that made it: name, kind, arguments, result or error, tokens.
fn tree(spans: &[Span]) -> String {
    fn add(spans: &[Span], parent: Option<usize>, depth: usize, out: &mut String) {
        for (index, span) in spans
            .iter()
            .enumerate()
            .filter(|(_, span)| span.parent == parent)
        {
            let Span {
                name,
                kind,
                input,
                output,
                ..
            } = span;
            let _ = write!(out, "{:1$}{name} ({kind}) {input} ", "", depth * 2);
            let _ = match (&span.error, &span.usage) {
                (Some(error), _) if output.is_null() => writeln!(out, "! {error}"),
                (Some(error), _) => writeln!(out, "= {output} ! {error}"),
                (None, Some(usage)) => writeln!(
                    out,
                    "= {output}, {} + {} tokens",
                    usage.prompt_tokens, usage.completion_tokens
                ),
                (None, None) => writeln!(out, "= {output}"),
            };
            add(spans, Some(index), depth + 1, out);
        }
    }
    let mut out = String::new();
    add(spans, None, 0, &mut out);
    out
}

/// Runs the fixture with everything shown; no secret is in what it prints or writes.
fn observed(bench: &Bench, args: &[&str], vars: &[(&str, &str)]) -> Ran {
    let mut all = vec![
        ("LLMTEST_MODE", "live"),
        ("LLMTEST_SHOW", "all"),
        ("SHOP_API_KEY", SECRETS[2]),
    ];
    all.extend_from_slice(vars);
    let ran = bench.run(args, &all);
    for secret in SECRETS {
        assert!(!ran.text().contains(secret), "`{secret}`:\n{}", ran.text());
        for (file, text) in files(bench.path()) {
            assert!(!text.contains(secret), "`{secret}` in {file}:\n{text}");
        }
    }
    ran
}

/// The expected trees stand in `observed.txt`, each under the name of its test.
#[test]
fn every_shape_is_recorded_with_its_arguments_and_result() {
    let bench = Bench::of("observed", "shapes");
    let ran = observed(&bench, &[], &[]);
    let mut names = Vec::new();
    for section in include_str!("observed.txt").split("\n\n") {
        let (name, expected) = section.split_once('\n').unwrap();
        let found = tree(&bench.trial(name).spans);
        assert_eq!(found.trim_end(), expected.trim_end(), "`{name}`:\n{found}");
        names.push(name);
    }
    let report = bench.report();
    for test in &report.tests {
        let expected = match test.test.as_str() {
            "a_panic_ends_the_case" => Outcome::Errored,
            "alone" => Outcome::Skipped,
            _ => Outcome::Passed,
        };
        assert_eq!(test.outcome, expected, "{}\n{}", test.test, ran.text());
        let listed = names.contains(&test.test.as_str());
        let recorded = test.trials.iter().any(|trial| !trial.spans.is_empty());
        assert_eq!(listed, recorded, "`{}` in observed.txt", test.test);
    }
}

#[test]
fn what_nobody_can_place_is_counted_and_the_way_out_named() {
    let bench = Bench::of("observed", "lost");
    let ran = observed(&bench, &["--exact", "lost"], &[]);
    assert_eq!(ran.code, 0, "{}", ran.text());
    let lost = bench.report().run.unattributed_spans;
    assert_eq!(
        lost.into_iter().collect::<Vec<_>>(),
        [("add".to_string(), 2)]
    );
    for words in [
        "unattributed spans",
        "include/shapes.rs:",
        ") × 2\n",
        "llmtest::spawn(",
        "llmtest::carry_fn(",
    ] {
        assert!(ran.text().contains(words), "{}", ran.text());
    }
}

#[test]
fn the_only_case_of_a_process_gets_what_nobody_else_can_have_called() {
    let bench = Bench::of("observed", "alone");
    let ran = observed(&bench, &["--exact", "--ignored", "alone"], &[]);
    assert_eq!(ran.code, 0, "{}", ran.text());
    assert_eq!(bench.trial("alone").spans.len(), 1);
    assert!(bench.report().run.unattributed_spans.is_empty());
}

#[test]
fn retrievers_and_tools_fill_the_case_unless_it_says_otherwise() {
    let bench = Bench::of("observed", "fills");
    observed(&bench, &["--exact", "fills_the_case"], &[]);
    let cases = bench.trial("fills_the_case").cases;
    assert_eq!(
        cases[0]["retrieved"],
        serde_json::json!(["shoes 1", "shoes 2"])
    );
    assert_eq!(cases[1]["retrieved"], serde_json::json!(["my own"]));
    for case in &cases {
        let tools = case["tools"].as_array().unwrap();
        assert_eq!(tools.len(), 1, "{case}");
        assert_eq!(tools[0]["name"], "add");
        assert_eq!(tools[0]["arguments"], serde_json::json!({ "a": 1, "b": 2 }));
    }
}

#[test]
fn methods_and_errors_replay_and_the_recordings_hold_no_secret() {
    let bench = Bench::of("observed", "stages");
    let ran = observed(&bench, STAGES, &[("LLMTEST_MODE", "record")]);
    assert_eq!(ran.code, 0, "{}", ran.text());
    let live = tree(&bench.trial("stages").spans);
    let recorded = bench.recordings();
    let names: Vec<_> = recorded.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "stages/log_in.jsonl",
            "stages/refuse.jsonl",
            "stages/summary.jsonl"
        ]
    );
    assert!(recorded["stages/log_in.jsonl"].contains(r#""password":"[redacted]""#));

    let ran = observed(
        &bench,
        STAGES,
        &[("LLMTEST_MODE", "replay"), ("STAGE_OFFLINE", "1")],
    );
    assert_eq!(ran.code, 0, "{}", ran.text());
    assert!(
        ran.text().contains("3 of 3 stages replayed"),
        "{}",
        ran.text()
    );
    let trial = bench.trial("stages");
    assert_eq!(trial.stages, (3, 3));
    // What a stage called did not run again; its tokens are the stage's then.
    let tokens = ", 12 + 3 tokens\n";
    let inner = format!("\n  complete (llm) {{\"prompt\":\"Emma P\"}} = \"re: Emma P\"{tokens}");
    assert_eq!(tree(&trial.spans), live.replace(&inner, tokens));
    assert!(live.contains(&inner), "{live}");
    assert_eq!(bench.recordings(), recorded);
}

#[test]
fn a_stream_replays_its_items_and_errors() {
    let bench = Bench::of("observed", "replayed_stream");
    let only = &["--exact", "replayed_stream"];
    let ran = observed(&bench, only, &[("LLMTEST_MODE", "record")]);
    assert_eq!(ran.code, 0, "{}", ran.text());
    let live = tree(&bench.trial("replayed_stream").spans);
    let recorded = bench.recordings();
    assert!(recorded.contains_key("stages/parse_all.jsonl"));

    let vars = [("LLMTEST_MODE", "replay"), ("STAGE_OFFLINE", "1")];
    let ran = observed(&bench, only, &vars);
    assert_eq!(ran.code, 0, "{}", ran.text());
    let trial = bench.trial("replayed_stream");
    assert_eq!((trial.stages, tree(&trial.spans)), ((1, 1), live));
}

#[test]
fn a_redacted_argument_is_still_part_of_what_a_recording_is_found_by() {
    let bench = Bench::of("observed", "redacted");
    observed(&bench, STAGES, &[("LLMTEST_MODE", "record")]);
    let ran = observed(
        &bench,
        STAGES,
        &[("LLMTEST_MODE", "replay"), ("STAGE_PASSWORD", "swordfish")],
    );
    assert_eq!(ran.results()["stages"], "FAILED", "{}", ran.text());
    let words = "nothing is recorded for this call of the stage `log_in`";
    assert!(ran.block("stages").contains(words), "{}", ran.text());
}
