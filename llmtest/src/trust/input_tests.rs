use super::*;

fn fields(label: &str, verdict: &str) -> Fields {
    Fields {
        label: label.into(),
        verdict: verdict.into(),
        ..Fields::default()
    }
}

#[test]
fn places_are_names_paths_and_pointers() {
    let row = r#"{"id": 7, "human.v1": "yes", "human": {"v2": "no"}, "judges": {"a/b": [{"pass": true}, {"pass": null}]}}"#;
    let of = |label| {
        read("f.jsonl", row, &fields(label, "/judges/a~1b/*/pass"))
            .unwrap()
            .remove(0)
    };
    assert_eq!(of("human.v1").labels, [Some(Mark::Yes)]);
    assert_eq!(of("human.v2").labels, [Some(Mark::No)]);
    assert_eq!(of("/human/v2").verdicts, [Some(Mark::Yes), None]);
    assert_eq!(of("/human/v2").id, "7");
}

#[test]
fn words_of_a_data_set_get_their_meaning() {
    let words = vec![
        ("0".to_string(), Mark::Tie),
        ("1".to_string(), Mark::First),
        ("2".to_string(), Mark::Second),
    ];
    let fields = Fields {
        words,
        ..fields("human", "said")
    };
    let items = read(
        "f.jsonl",
        r#"{"human": [0, 1, 2], "said": "garbage"}"#,
        &fields,
    )
    .unwrap();
    assert_eq!(
        items[0].labels,
        [Some(Mark::Tie), Some(Mark::First), Some(Mark::Second)]
    );
    assert_eq!(items[0].verdicts, [Some(Mark::Word("garbage".into()))]);
}

#[test]
fn errors_name_the_file_and_the_line() {
    let of = |text: &str| read("labels.jsonl", text, &Fields::default()).unwrap_err();
    assert!(of("{\"label\": 1}\n\n{\"label\": 1").starts_with("labels.jsonl:3: is not JSON"));
    assert!(of("[1]").starts_with("labels.jsonl:1: is no JSON object"));
    let absent = of("{\"label\": 1}\n{\"human\": 1, \"id\": \"b\"}");
    assert!(
        absent.starts_with("labels.jsonl:2: has no label `label`") && absent.contains("`human`"),
        "{absent}"
    );
    assert!(
        of("{\"id\": 1, \"label\": 1}\n{\"id\": 1, \"label\": 1}")
            .contains(":2: the id `1` is already used on line 1")
    );
    assert!(of("").starts_with("labels.jsonl: has no rows"));
}

#[cfg(feature = "csv")]
#[test]
fn csv_is_read_too() {
    let text = "id,label,verdict,score\na,yes,no,0.25\nb,no,,\n";
    let fields = Fields {
        score: Some("score".into()),
        ..Fields::default()
    };
    let items = read("labels.csv", text, &fields).unwrap();
    assert_eq!(items[0].scores, [0.25]);
    assert_eq!(
        (items[1].verdicts.as_slice(), items[1].scores.len()),
        (&[None][..], 0)
    );
}

#[cfg(not(feature = "csv"))]
#[test]
fn csv_without_its_feature_says_so() {
    assert!(
        read("labels.csv", "id\n", &Fields::default())
            .unwrap_err()
            .contains("feature `csv`")
    );
}

#[test]
fn verdicts_of_a_run_are_joined_by_id() {
    let measured = |metric: &str, outcome: &str, score: Option<f64>| {
        serde_json::json!({
            "metric": metric, "nth": 1, "outcome": outcome, "score": score, "bar": {"at_least": 0.5}, "duration": 0.0,
            "judge": "tiny", "prompts": {"faithfulness/claims": "ab12"},
        })
    };
    let test = |row: &str, measurements: Vec<Value>| {
        serde_json::json!({
            "test": "answers", "row": row, "binary": "evals", "file": "evals.rs", "line": 1, "outcome": "passed",
            "passes_needed": 1, "attempt": 1, "duration": 0.0,
            "trials": [{"outcome": "passed", "duration": 0.0, "measurements": measurements}],
        })
    };
    let report = serde_json::json!({"format": 1, "run": {}, "tests": [
        test("a", vec![measured("faithfulness", "passed", Some(0.9)), measured("bias", "failed", Some(0.1))]),
        test("b", vec![measured("faithfulness", "errored", None)]),
    ]});
    let report = RunReport::from_json(&report.to_string()).unwrap();
    let judged = read_run(&report, "faithfulness").unwrap();
    assert_eq!(judged.models, ["tiny"]);
    assert_eq!(judged.prompts["faithfulness/claims"], "ab12");
    let rows = "{\"id\": \"a\", \"label\": true}\n{\"id\": \"b\", \"label\": true}\n{\"id\": \"c\", \"label\": false}";
    let mut items = read("f.jsonl", rows, &Fields::default()).unwrap();
    assert_eq!(judged.join(&mut items), 2);
    assert_eq!(
        (items[0].verdicts.as_slice(), items[0].scores[0]),
        (&[Some(Mark::Yes)][..], 0.9)
    );
    assert_eq!(
        (items[1].verdicts.as_slice(), items[2].verdicts.len()),
        (&[None][..], 0)
    );
    assert!(
        read_run(&report, "toxicity")
            .unwrap_err()
            .contains("`bias`, `faithfulness`")
    );
}

#[test]
fn verdicts_of_two_tests_or_components_are_no_repeats_of_each_other() {
    let measured = |component: Option<&str>| {
        serde_json::json!({
            "metric": "faithfulness", "component": component, "nth": 1, "outcome": "passed", "score": 1.0,
            "bar": {"at_least": 0.5}, "duration": 0.0,
        })
    };
    let test = |test: &str, measurements: Vec<Value>| {
        serde_json::json!({
            "test": test, "row": "a\u{1b}[2J", "binary": "evals", "file": "evals.rs", "line": 1, "outcome": "passed",
            "passes_needed": 1, "attempt": 1, "duration": 0.0,
            "trials": [{"outcome": "passed", "duration": 0.0, "measurements": measurements}],
        })
    };
    let error = |tests: Vec<Value>| {
        let report = serde_json::json!({"format": 1, "run": {}, "tests": tests});
        read_run(
            &RunReport::from_json(&report.to_string()).unwrap(),
            "faithfulness",
        )
        .unwrap_err()
    };
    let two = error(vec![
        test("one", vec![measured(None)]),
        test("two", vec![measured(None)]),
    ]);
    assert!(two.contains("`evals::one` and `evals::two`"), "{two}");
    assert!(two.contains("hint: ") && !two.contains('\u{1b}'), "{two}");
    let parts = error(vec![test(
        "one",
        vec![measured(None), measured(Some("search"))],
    )]);
    assert!(
        parts.contains("of the whole, and of the component `search`"),
        "{parts}"
    );
}

#[test]
fn what_a_file_says_reaches_no_terminal_as_it_is() {
    let row = "{\"id\": \"a\\u001b[2J\", \"label\": true}\n";
    let error = read("f.jsonl", &row.repeat(2), &Fields::default()).unwrap_err();
    assert!(
        error.contains("is already used on line 1") && !error.contains('\u{1b}'),
        "{error}"
    );
}

#[test]
fn a_second_verdict_as_shown_is_put_in_the_numbering_of_the_data() {
    let of = |said: &str| {
        let row = format!("{{\"label\": \"A\", \"verdict\": {said}}}");
        read("f.jsonl", &row, &Fields::default())
            .unwrap()
            .remove(0)
            .unswapped()
            .verdicts
    };
    assert_eq!(
        of("[\"A>B\", \"B>A\"]"),
        [Some(Mark::First), Some(Mark::First)]
    );
    assert_eq!(of("[\"A=B\", \"A=B\"]"), [Some(Mark::Tie), Some(Mark::Tie)]);
    assert_eq!(of("[null, null]"), [None, None]);
    assert_eq!(of("\"A\""), [Some(Mark::First)]);
}
