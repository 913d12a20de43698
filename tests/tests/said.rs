//! What an application says of its spans, in the report, in metrics and on replay; values that are too large to keep.

use llmtest::{MeasurementRecord, TrialRecord, Usage};
use llmtest_tests::bench::Bench;
use serde_json::json;

const LIVE: &[(&str, &str)] = &[("LLMTEST_MODE", "live")];
const RECORD: &[(&str, &str)] = &[("LLMTEST_MODE", "record")];
const REPLAY: &[(&str, &str)] = &[("LLMTEST_MODE", "replay"), ("STAGE_OFFLINE", "1")];

fn quantities(trial: &TrialRecord) -> Vec<(String, f64)> {
    let with = |m: &MeasurementRecord| Some((m.title(), m.quantity.as_ref()?.value));
    trial.measurements.iter().filter_map(with).collect()
}

#[test]
fn what_is_said_fills_the_case_its_components_and_the_budgets() {
    let bench = Bench::of("said", "fills");
    let ran = bench.run(&["--exact", "fills_case_and_component"], LIVE);
    let trial = bench.trial("fills_case_and_component");
    let words: Vec<_> = trial
        .measurements
        .iter()
        .map(|m| (m.title(), m.outcome.as_str()))
        .collect();
    let title = |title: &str| title.to_string();
    assert_eq!(
        words,
        [
            (title("sources"), "passed"),
            (title("retrieve › own_sources"), "passed"),
            (title("cost"), "passed"),
            (title("complete › cost"), "failed"),
            (title("complete › token_budget"), "passed"),
            // It has no expected output.
            (
                title("complete › exact_match (what was said to be the output)"),
                "errored"
            ),
        ],
        "{}",
        ran.text()
    );
    let passages = json!([
        {"text": "Within 30 days.", "source": "terms.md#0"},
        {"text": "Unworn shoes only.", "source": "terms.md#1"},
    ]);
    assert_eq!(trial.cases[0]["retrieved"], passages);
    let [retrieve, complete] = trial.spans.as_slice() else {
        panic!("{:?}", trial.spans)
    };
    assert_eq!(
        json!(retrieve.metadata),
        json!({"index": "terms", "query": 18})
    );
    assert_eq!(retrieve.output["status"], 200);
    assert_eq!(complete.model.as_deref(), Some("small-1"));
    assert_eq!(complete.cost, Some(0.002));
    assert_eq!(complete.output, "re: May I return them?");
}

#[test]
fn what_is_said_within_a_stage_comes_back_with_its_result() {
    let bench = Bench::of("said", "stage");
    let ran = bench.run(&["--exact", "a_stage"], RECORD);
    assert_eq!(ran.code, 0, "{}", ran.text());
    let live = bench.trial("a_stage");
    let recorded = &bench.recordings()["stages/answer.jsonl"];
    assert!(recorded.contains(r#""key":"[redacted]""#), "{recorded}");

    let ran = bench.run(&["--exact", "a_stage"], REPLAY);
    assert_eq!(ran.code, 0, "{}", ran.text());
    let replayed = bench.trial("a_stage");
    assert_eq!((live.spans.len(), replayed.spans.len()), (3, 1));
    let (before, now) = (&live.spans[0], &replayed.spans[0]);
    assert!(now.replayed && !before.replayed);
    assert_eq!(now.input, json!({"input": "may i return them?"}));
    assert_eq!(
        (&now.input, &now.output, &now.model, &now.retrieved),
        (
            &before.input,
            &before.output,
            &before.model,
            &before.retrieved
        )
    );
    // Those of the calls that are not made again as well: budgets do not change.
    let usage = Usage {
        prompt_tokens: 101,
        completion_tokens: 12,
        ..Usage::default()
    };
    assert_eq!((now.usage, now.cost), (Some(usage), Some(0.002)));
    assert_eq!(quantities(&replayed)[1], quantities(&live)[1]);
    assert_eq!(now.metadata["key"], "[redacted]");
}

#[test]
fn a_value_that_is_too_large_is_cut_with_a_note_and_its_recording_is_not() {
    let bench = Bench::of("said", "large");
    for vars in [RECORD, REPLAY] {
        let ran = bench.run(&["--exact", "too_large"], vars);
        assert_eq!(ran.code, 0, "{}", ran.text());
        let trial = bench.trial("too_large");
        for (span, component) in trial.spans.iter().zip(["copies", "recorded_copies"]) {
            assert_eq!(span.name, component);
            let text = span.input["text"].as_str().unwrap();
            assert!(
                (200_000..262_145).contains(&text.len()) && text.ends_with(" more characters)"),
                "{}",
                text.len()
            );
            assert_eq!(span.input["times"], 3);
            let items = span.output.as_array().unwrap();
            assert_eq!(items.len(), 3);
            let sizes = items.iter().map(|item| item.as_str().unwrap().len());
            assert!((200_000..262_145).contains(&sizes.sum::<usize>()));
            assert_eq!(span.notes.len(), 2, "{:?}", span.notes);
            let m = trial
                .measurements
                .iter()
                .find(|m| m.component.as_deref() == Some(component))
                .unwrap();
            assert_eq!(m.notes, span.notes);
            assert!(m.notes[0].starts_with("the argument `text` was cut to 26"));
            assert!(m.notes[1].starts_with("the result was cut to 26"));
            assert!(m.notes[1].ends_with(" of 921611 bytes"), "{}", m.notes[1]);
        }
        let recorded = &bench.recordings()["stages/recorded_copies.jsonl"];
        assert!(recorded.len() > 1_200_000, "{}", recorded.len());
        assert!(!recorded.contains("more characters"));
    }
}
