use super::*;

fn case(row: &str, outcome: &str, output: &str, score: f64) -> TestRecord {
    serde_json::from_value(json!({
        "test": "refunds", "row": row, "binary": "evals", "file": "tests/evals.rs", "line": 3, "outcome": outcome,
        "passes_needed": 1, "attempt": 1, "duration": 0.2,
        "trials": [{"outcome": outcome, "duration": 0.2, "digest": output, "cases": [{"input": "May I?", "output": output}],
            "measurements": [{"metric": "tone", "nth": 1, "outcome": outcome, "score": score, "bar": {"at_least": 0.5},
                "reason": "it is polite", "duration": 0.0}]}]
    }))
    .unwrap()
}

fn around() -> RunReport {
    RunReport::from_json(r#"{"format": 1, "run": {"id": "r1"}, "tests": []}"#).unwrap()
}

fn page(cases: &[TestRecord], baseline: Option<&Snapshot>, most: Most) -> String {
    let mut out = Vec::new();
    let mut page = Html::new(None, baseline, Outputs::default(), &mut out).unwrap();
    page.most = most;
    for case in cases {
        page.add(case);
    }
    page.finish(&around()).unwrap();
    String::from_utf8(out).unwrap()
}

/// What stands in the script element of this id.
fn json_of(page: &str, id: &str) -> String {
    let begin = format!("<script type=\"application/json\" id=\"{id}\">");
    let (_, rest) = page.split_once(&begin).unwrap();
    rest.split_once("</script>").unwrap().0.to_string()
}

fn data(page: &str) -> Value {
    serde_json::from_str(&json_of(page, "data")).unwrap()
}

#[test]
fn what_a_model_wrote_is_in_the_page_and_is_no_markup() {
    let hostile = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\u{2028}<!--";
    let page = page(&[case("a", "passed", hostile, 1.0)], None, MOST);
    assert!(!page.contains("alert(1)</script>") && !page.contains("<img src=x"));
    let line: Value = serde_json::from_str(&json_of(&page, "k0")).unwrap();
    assert_eq!(line["c"]["trials"][0]["cases"][0]["output"], hostile);
    // Chunk, data, and our own.
    assert_eq!(page.matches("<script").count(), 3);
    assert_eq!(page.matches("</script").count(), 3);
}

#[test]
fn the_policy_allows_the_style_and_the_script_that_are_in_the_page_and_nothing_else() {
    let page = page(&[], None, MOST);
    let between = |from: &str, to: &str| {
        let (_, rest) = page.split_once(from).unwrap();
        rest.split_once(to).unwrap().0.to_string()
    };
    let policy = between("Content-Security-Policy\" content=\"", "\"");
    let (style, script) = (
        between("<style>", "</style>"),
        between("<script>", "</script>"),
    );
    assert_eq!(
        policy,
        format!(
            "default-src 'none'; style-src {}; script-src {}; img-src data:; base-uri 'none'; form-action 'none'; \
             require-trusted-types-for 'script'; trusted-types 'none'",
            source(&style),
            source(&script)
        )
    );
}

#[test]
fn the_assets_have_no_way_to_make_markup_or_code_of_text_and_load_nothing() {
    for banned in [
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "DOMParser",
        "createContextualFragment",
        "eval(",
        "Function(",
        "setTimeout(\"",
        "javascript:",
        "fetch(",
        "XMLHttpRequest",
        "import(",
    ] {
        assert!(!SCRIPT.contains(banned), "{banned}");
    }
    for asset in [SCRIPT, STYLE, BODY] {
        // The name of a namespace is loaded from nowhere.
        let asset = asset.replace("http://www.w3.org/2000/svg", "");
        assert!(!asset.contains("http:") && !asset.contains("https:") && !asset.contains("url("));
        assert!(!asset.contains("</script") && !asset.contains("</style"));
    }
    assert!(!BODY.contains("<script") && !BODY.contains(" style=") && !BODY.contains(" on"));
}

#[test]
fn cases_stand_beside_those_of_the_baseline() {
    let lines = [
        case("same", "passed", "yes", 0.9),
        case("worse", "passed", "yes", 0.8),
        case("gone", "passed", "yes", 0.7),
    ]
    .map(|case| serde_json::to_string(&case).unwrap())
    .join(",");
    let report = format!(r#"{{"format":1,"run":{{"id":"r0","judge":"small"}},"tests":[{lines}]}}"#);
    let baseline = Snapshot::from_json(&report).unwrap();
    let now = [
        case("same", "passed", "yes", 0.9),
        case("worse", "failed", "no", 0.2),
        case("new", "passed", "yes", 0.9),
    ];
    let page = page(&now, Some(&baseline), MOST);
    let data = data(&page);
    assert_eq!(data["removed"], json!(["evals::refunds::gone"]));
    let before: Vec<&Value> = data["cases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row[10])
        .collect();
    assert_eq!(before, [&json!(0), &json!(0), &Value::Null]);
    assert_eq!(data["cases"][0][11], 0);
    assert_eq!(data["cases"][1][11], 1);
    let difference = data["metrics"][0]["difference"]["value"].as_f64().unwrap();
    assert!((difference + 0.3).abs() < 1e-9, "{difference}");
    assert!(
        data["warnings"][0]
            .as_str()
            .unwrap()
            .contains("from small to none")
    );
    let first = json_of(&page, "k0");
    let first: Value = serde_json::from_str(first.lines().next().unwrap()).unwrap();
    assert_eq!(
        first["b"],
        json!({"outcome": "passed", "scores": {"tone": [0.9, "passed"]}})
    );
}

#[test]
fn what_a_whole_run_put_out_stands_beside_what_differs_from_it() {
    let then = [
        case("same", "passed", "yes", 0.9),
        case("other", "passed", "it was so", 0.9),
        case("long", "passed", &"x".repeat(100_001), 0.9),
    ];
    let lines = then.iter().map(|case| serde_json::to_string(case).unwrap());
    let lines: Vec<String> = lines.collect();
    let report = format!(
        r#"{{"format":1,"run":{{"id":"r0"}},"tests":[{}]}}"#,
        lines.join(",")
    );
    let baseline = Snapshot::from_json(&report).unwrap();
    let mut outputs = Outputs::default();
    for case in &then {
        outputs.add(case);
    }
    let mut out = Vec::new();
    let mut page = Html::new(None, Some(&baseline), outputs, &mut out).unwrap();
    for row in ["same", "other", "long", "new"] {
        page.add(&case(row, "passed", "yes", 0.9));
    }
    page.finish(&around()).unwrap();
    let page = String::from_utf8(out).unwrap();
    let lines = json_of(&page, "k0");
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let told: Vec<&Value> = lines.iter().map(|line| &line["b"]["outputs"]).collect();
    assert_eq!(
        told,
        [
            &Value::Null,
            &json!([["it was so"]]),
            &Value::Null,
            &Value::Null
        ]
    );
}

#[test]
fn of_a_long_run_the_texts_of_passed_cases_are_left_out_and_the_page_says_so() {
    let cases = [
        case("a", "passed", "first", 0.9),
        case("b", "passed", "second", 0.9),
        case("c", "failed", "third", 0.1),
    ];
    let most = Most {
        cases: 1,
        bytes: usize::MAX,
    };
    let page = page(&cases, None, most);
    let lines = json_of(&page, "k0");
    let shows = |output: &str| lines.contains(&format!("\"output\":\"{output}\""));
    assert!(shows("first") && !shows("second") && shows("third"));
    let warning = data(&page)["warnings"][0].to_string();
    assert!(warning.contains("texts of 1 cases"), "{warning}");
}

#[test]
fn every_case_is_found_at_the_line_that_the_index_names() {
    let long = "x".repeat(CHUNK / 3);
    let cases: Vec<TestRecord> = (0..10)
        .map(|n| case(&n.to_string(), "passed", &long, 1.0))
        .collect();
    let page = page(&cases, None, MOST);
    for (n, row) in data(&page)["cases"].as_array().unwrap().iter().enumerate() {
        let chunk = json_of(&page, &format!("k{}", row[6]));
        let line = usize::try_from(row[7].as_u64().unwrap()).unwrap();
        let found: Value = serde_json::from_str(chunk.lines().nth(line).unwrap()).unwrap();
        assert_eq!(found["c"]["row"], n.to_string());
    }
}

#[test]
fn a_disk_that_is_full_is_told() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            if bytes.starts_with(b"{") {
                return Err(std::io::Error::other("the disk is full"));
            }
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut out = Full;
    let mut page = Html::new(None, None, Outputs::default(), &mut out).unwrap();
    page.add(&case("a", "passed", "yes", 1.0));
    let error = page.finish(&around()).unwrap_err();
    assert!(error.to_string().contains("disk is full"));
}
