//! A run whose texts mean harm, and what a gate says of it.

use serde_json::{Value, json};

/// HTML, XML, Markdown, mentions, escape codes, reordering, and what no document can hold.
pub(crate) const HARM: &str = "<script>alert(1)</script> ]]> --> </pre></details> <img src=x onerror=alert(1)>\n\
    ```\n# heading\n| cell | cell |\n\n@everyone #1 org/repo#2 GH-3 www.evil.example https://evil.example me@evil.example\n\
    ![x](http://evil.example/x.png) [link](javascript:alert(1)) $x^2$ <!-- llmtest:report -->\n\
    \u{1b}[31mred\u{1b}[0m \u{202e}reversed\u{202c} \u{0}nul \u{7}bell \u{fffe} %0A::error::injected";

fn measurement(metric: &str, outcome: &str, score: Option<f64>, reason: &str) -> Value {
    let mut value = json!({"metric": metric, "nth": 1, "outcome": outcome, "bar": {"at_least": 0.7}, "duration": 0.25});
    if let Some(score) = score {
        value["score"] = score.into();
    }
    if !reason.is_empty() {
        value["reason"] = reason.into();
    }
    value
}

fn case(test: &str, row: Option<&str>, outcome: &str, trials: Vec<Value>) -> Value {
    let mut value = json!({
        "test": test, "binary": "evals", "file": "tests/evals.rs", "line": 12, "outcome": outcome,
        "passes_needed": trials.len(), "attempt": 1, "duration": 1.5, "trials": trials,
    });
    if let Some(row) = row {
        value["row"] = row.into();
    }
    value
}

pub(crate) fn run() -> Value {
    let megabyte = format!("{HARM}{}", "x".repeat(1 << 20));
    let trial = |outcome: &str, measurements: Vec<Value>| {
        json!({"outcome": outcome, "duration": 0.5, "measurements": measurements,
            "cases": [{"input": HARM, "output": megabyte, "expected": "yes"}]})
    };
    let mut failed = case(
        "refunds",
        Some("late <b>@all</b> |`#5`"),
        "failed",
        vec![trial(
            "failed",
            vec![
                measurement("faithfulness", "failed", Some(0.2), HARM),
                measurement("exact_match", "passed", Some(1.0), ""),
            ],
        )],
    );
    failed["dataset"] = json!({"file": "data/rows.jsonl", "line": 7});
    failed["tags"] = json!(["must", "a,b:c"]);
    let mut errored = case(
        "broken",
        None,
        "errored",
        vec![json!({"outcome": "errored", "error": HARM, "duration": 0.0})],
    );
    errored["file"] = "tests/a,b:c%.rs".into();
    let mixed = case(
        "steady",
        None,
        "passed",
        vec![
            trial(
                "passed",
                vec![measurement("faithfulness", "passed", Some(0.9), "")],
            ),
            trial(
                "failed",
                vec![measurement(
                    "faithfulness",
                    "failed",
                    Some(0.5),
                    "it strays",
                )],
            ),
        ],
    );
    json!({
        "format": 1,
        "run": {"id": "r-1", "llmtest": "0.1.0", "judge": "judge-@x", "git": {"commit": "0123456789abcdef0123456789abcdef01234567", "branch": "main", "dirty": true}},
        "tests": [
            failed,
            errored,
            mixed,
            case("quick", None, "passed", vec![trial("passed", vec![measurement("exact_match", "passed", Some(1.0), "")])]),
            case("absent", None, "skipped", vec![json!({"outcome": "skipped", "duration": 0.0})]),
        ],
        "cost": {
            "prices_as_of": "2026-01-01",
            "judges": {HARM: {"calls": 3, "replayed": 1, "cost": 0.0123, "usage": {"prompt_tokens": 900, "completion_tokens": 30}}},
            "application": {"calls": 0, "cost": 0.0}, "over_budget": 0,
        },
        "blame": {
            "cases": 4, "failed": 1,
            "stages": [{"stage": HARM, "measured": 4, "pass_rate": 0.75,
                "lift": {"value": 0.5, "interval": {"low": 0.1, "high": 0.8}, "ok": 3, "failed": 1, "few": true},
                "first_failure": {"value": 1.0, "interval": {"low": 0.2, "high": 1.0}, "cases": 1}}],
            "blind": {"value": 0.0, "interval": {"low": 0.0, "high": 0.8}, "cases": 1},
        },
    })
}

pub(crate) fn gate() -> Value {
    let check = |name: &str, kind: &str, verdict: &str, more: Value| {
        let mut value =
            json!({"name": name, "kind": kind, "verdict": verdict, "reason": HARM, "n": 40});
        let fields = value.as_object_mut().expect("an object");
        fields.extend(more.as_object().expect("an object").clone());
        value
    };
    json!({
        "format": 1, "verdict": "fail", "exit_code": 100,
        "reason": "`faithfulness` dropped by 0.10, and at most 0.03 is allowed @everyone",
        "run": {"id": "r-1"}, "baseline": {"id": "r-0"},
        "warnings": ["the judge changed from `a` to `judge-@x`: its scores cannot be compared <script>"],
        "checks": [
            check("faithfulness", "non_inferiority", "fail", json!({"value": 0.8, "baseline": 0.9, "bound": 0.03,
                "interval": {"low": -0.16, "high": -0.04}, "unchanged": 10, "worst": ["evals::refunds::late <b>@all</b> |`#5`"]})),
            check(HARM, "non_inferiority", "inconclusive", json!({"value": 0.81, "baseline": 0.82, "settled_by": 180,
                "interval": {"low": -0.06, "high": 0.04}})),
            check("exact_match", "non_inferiority", "pass", json!({"value": 1.0, "baseline": 1.0, "detectable": 0.05,
                "interval": {"low": 0.0, "high": 0.0}})),
            check("cost", "cost", "pass", json!({"value": 0.0123, "bound": 1.0})),
        ],
        "cases": {"paired": 4, "unchanged": 2, "new": ["evals::new <i>"], "removed": ["evals::old"],
            "worse": ["evals::refunds::late <b>@all</b> |`#5`"], "better": ["evals::quick"]},
    })
}
