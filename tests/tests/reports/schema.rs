//! The published schemas: real reports fit them, and every field that a report may have has an entry.

use super::{hostile, junit, report_in};
use llmtest::{FakeJudge, JsonCorrectness, TestCase, measure_with};
use llmtest_tests::bench::Bench;
use llmtest_tests::mock::{Answer, MockServer};
use serde_json::Value;
use std::fs;
use std::path::Path;

fn file(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn schema(name: &str) -> Value {
    serde_json::from_str(&file(&format!("llmtest/schemas/{name}.schema.json"))).expect("JSON")
}

/// Readers take what later versions add; here, nothing may be there that has no entry.
fn closed(mut schema: Value) -> Value {
    match &mut schema {
        Value::Object(fields) => {
            for value in fields.values_mut() {
                *value = closed(value.take());
            }
            let typed = fields.get("type").is_some_and(|kind| kind == "object");
            if typed && fields.contains_key("properties") {
                fields.entry("additionalProperties").or_insert(false.into());
            }
        }
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| *item = closed(item.take())),
        _ => {}
    }
    schema
}

fn fits(schema: &Value, document: &str) -> Result<(), String> {
    let metric = JsonCorrectness::new().schema(schema.clone());
    let case = TestCase::new("", document);
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.expect("a runtime");
    let score = runtime.block_on(measure_with(&case, &metric, FakeJudge::new()));
    let score = score.map_err(|error| error.to_string())?;
    match score.reason {
        Some(why) if score.value < 1.0 => Err(why),
        _ => Ok(()),
    }
}

#[test]
fn real_reports_fit_the_schema_and_every_format_shows_them() {
    let schema = closed(schema("report-1"));
    for target in ["judged", "runs", "rows", "blame"] {
        let bench = Bench::of(target, "schema");
        let server = MockServer::start(|_, _| Answer::grade(8));
        bench.live(&server, &[], &[]);
        let text = fs::read_to_string(bench.path().join("records/report.json")).expect("a report");
        assert_eq!(fits(&schema, &text), Ok(()), "{target}");
        let cases = bench.report().tests.len() + bench.report().groups.len();
        for format in ["terminal", "markdown", "annotations", "code-quality"] {
            let output = report_in(bench.path(), &["--format", format]);
            assert_eq!((output.code, &*output.err), (0, ""), "{target}");
        }
        let xml = report_in(bench.path(), &["--format", "junit"]).out;
        assert_eq!(junit::checked(&xml).cases(), cases, "{target}");
        let json = report_in(bench.path(), &["--format", "json"]).out;
        assert_eq!(json, text);
    }
}

#[test]
fn rows_of_a_file_say_where_they_stand() {
    let bench = Bench::of("runs", "places");
    bench.run(&[], &[]);
    let report = bench.report();
    let places = report.tests.iter().filter_map(|test| test.dataset.as_ref());
    let mut lines = 0;
    for place in places {
        let Some(line) = place.line else { continue };
        let text = file(&place.file);
        assert!(text.lines().count() >= line, "{place:?}");
        lines += 1;
    }
    assert!(lines > 0, "no row has a line");
}

#[test]
fn reports_that_do_not_fit_are_told_apart() {
    let report = closed(schema("report-1"));
    let run = hostile::run();
    assert_eq!(fits(&report, &run.to_string()), Ok(()));
    let mut wrong = run.clone();
    wrong["tests"][0]["trials"][0]["measurements"][0]["new_field"] = 1.into();
    assert!(
        fits(&report, &wrong.to_string())
            .unwrap_err()
            .contains("new_field")
    );
    let mut wrong = run.clone();
    wrong["tests"][0]["outcome"] = "perhaps".into();
    assert!(fits(&report, &wrong.to_string()).is_err());
    let mut wrong = run;
    wrong["format"] = 2.into();
    assert!(fits(&report, &wrong.to_string()).is_err());

    let gate = closed(schema("gate-1"));
    let said = hostile::gate();
    assert_eq!(fits(&gate, &said.to_string()), Ok(()));
    let mut wrong = said;
    wrong["checks"][0]["odd"] = 1.into();
    assert!(fits(&gate, &wrong.to_string()).unwrap_err().contains("odd"));
}

/// Reports of a test have few of the fields; the sources have all.
#[test]
fn every_field_of_the_sources_has_an_entry() {
    let sources = [
        ("llmtest/src/results/record.rs", "report-1", "RunReport"),
        ("llmtest/src/results/process.rs", "report-1", ""),
        ("llmtest/src/cost/report.rs", "report-1", ""),
        ("llmtest/src/cost/limits.rs", "report-1", ""),
        ("llmtest/src/cost/spending.rs", "report-1", ""),
        ("llmtest/src/blame/mod.rs", "report-1", ""),
        ("metrics/src/trace/mod.rs", "report-1", ""),
        ("metrics/src/score.rs", "report-1", ""),
        ("llmtest/src/stats/mod.rs", "report-1", ""),
        ("llmtest/src/gate/verdict.rs", "gate-1", "GateReport"),
        ("llmtest/src/results/record.rs", "gate-1", ""),
    ];
    let mut checked = 0;
    for (path, name, whole) in sources {
        let schema = schema(name);
        for part in file(path).split("pub struct ").skip(1) {
            let Some((named, body)) = part.split_once(" {\n") else {
                continue;
            };
            let entry = match &schema["$defs"][named] {
                _ if named == whole => &schema,
                Value::Null => continue,
                entry => entry,
            };
            let fields = body.split("\n}").next().unwrap_or_default().lines();
            let fields =
                fields.filter_map(|line| line.trim().strip_prefix("pub ")?.split_once(':'));
            let fields: Vec<_> = fields.map(|(field, _)| field).collect();
            let entries = entry["properties"].as_object().expect("properties");
            for field in &fields {
                assert!(
                    entries.contains_key(*field),
                    "schemas/{name}.schema.json: `{named}` has no `{field}`"
                );
            }
            assert_eq!(
                fields.len(),
                entries.len(),
                "schemas/{name}.schema.json: `{named}` has too much"
            );
            checked += 1;
        }
    }
    assert!(checked > 25, "{checked}");
}
