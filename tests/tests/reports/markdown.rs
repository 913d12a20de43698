//! Markdown: what is said, and that no text is taken for more than text.

use super::{as_in_file, hostile, report_in, shown};
use llmtest_tests::Scratch;
use serde_json::json;
use std::fs;

const MARKDOWN: &[&str] = &["--format", "markdown"];

/// What is left of a document when code, entities, and the tags and marks that we write are taken out.
fn bare(markdown: &str) -> String {
    let mut text = markdown.to_string();
    for (open, close) in [("<pre>", "</pre>"), ("<code>", "</code>")] {
        while let Some(start) = text.find(open) {
            let end = start + text[start..].find(close).expect("code is closed") + close.len();
            let inner = text[start + open.len()..end - close.len()].to_string();
            for part in [
                "<", ">", "@", "`", "\n\n", "\u{1b}", "\u{202e}", "\0", "www.",
            ] {
                assert!(!inner.contains(part), "`{part}` in {inner}");
            }
            text.replace_range(start..end, "");
        }
    }
    // What an entity stands for is text.
    let entities: Vec<String> = text
        .split("&#")
        .enumerate()
        .map(|(n, part)| match part.split_once(';') {
            Some((_, rest)) if n > 0 => format!("·{rest}"),
            _ => part.to_string(),
        })
        .collect();
    text = entities.concat();
    for own in [
        "<!-- llmtest:report -->",
        "<details>",
        "</details>",
        "<summary>",
        "</summary>",
        "<sub>",
        "</sub>",
    ] {
        text = text.replace(own, "");
    }
    text
}

fn harmless(markdown: &str) {
    let bare = bare(markdown);
    for part in [
        "<", "@", "`", "http:", "https:", "www.", "](", "#1", "GH-3", "\u{1b}", "\u{202e}", "\0",
        "--> ",
    ] {
        assert!(!bare.contains(part), "`{part}` in:\n{bare}");
    }
    // Ours and no other.
    assert_eq!(markdown.matches("<!--").count(), 1);
    assert!(markdown.starts_with("<!-- llmtest:report -->\n"));
    for tag in ["details", "summary", "pre", "code"] {
        let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
        assert_eq!(
            markdown.matches(&open).count(),
            markdown.matches(&close).count(),
            "{tag}"
        );
    }
}

#[test]
fn a_summary_says_what_counts_first_and_shows_texts_as_texts() {
    let text = shown(&hostile::run(), None, MARKDOWN);
    harmless(&text);
    as_in_file("hostile.md", &text);
}

#[test]
fn the_verdict_of_a_gate_comes_before_its_warnings_and_these_before_numbers() {
    let text = shown(&hostile::run(), Some(&hostile::gate()), MARKDOWN);
    harmless(&text);
    let at = |words: &str| {
        text.find(words)
            .unwrap_or_else(|| panic!("no `{words}` in\n{text}"))
    };
    assert!(at("the gate fails") < at("the judge changed"));
    assert!(at("the judge changed") < at("| check |"));
    assert!(text.contains("-0.100 [-0.160, -0.040]"), "{text}");
    assert!(text.contains("180 cases would settle it"), "{text}");
    as_in_file("gate.md", &text);
    // A table has the same number of cells in every row.
    let rows = text.lines().filter(|line| line.starts_with('|'));
    let cells: Vec<_> = rows.map(|row| row.matches('|').count()).collect();
    assert!(
        cells.len() > 6 && cells[..6].iter().all(|n| *n == 8),
        "{cells:?}\n{text}"
    );
}

#[test]
fn a_long_summary_is_shortened_and_says_so() {
    let mut run = hostile::run();
    let failed = run["tests"][0].clone();
    let rows = (0..400).map(|n| {
        let mut row = failed.clone();
        row["row"] = format!("row {n} {}", "@|".repeat(90)).into();
        row["trials"][0]["cases"][0]["output"] = hostile::HARM.repeat(20).into();
        for m in 0..30 {
            let mut more = row["trials"][0]["measurements"][0].clone();
            more["metric"] = format!("metric {m} {}", "*_".repeat(60)).into();
            row["trials"][0]["measurements"]
                .as_array_mut()
                .expect("a list")
                .push(more);
        }
        row
    });
    run["tests"] = rows.collect();
    let mut gate = hostile::gate();
    let check = gate["checks"][1].clone();
    gate["checks"] = std::iter::repeat_n(check, 300).collect();
    gate["cases"]["worse"] = (0..5_000)
        .map(|n| json!(format!("evals::{n} {}", "<#>".repeat(40))))
        .collect();
    for gate in [None, Some(&gate)] {
        let comment = shown(&run, gate, MARKDOWN);
        assert!(comment.len() <= 65_000, "{} bytes", comment.len());
        assert!(comment.contains("Shortened: the report of the run has all of it."));
        harmless(&comment);
        let full = shown(&run, gate, &["--format", "markdown", "--full"]);
        assert!(
            full.len() > comment.len() && full.len() < 1 << 20,
            "{} bytes",
            full.len()
        );
        harmless(&full);
    }
}

#[test]
fn without_a_gate_the_outcomes_stand_beside_those_of_a_baseline() {
    let scratch = Scratch::new("beside");
    let write = |name: &str, value: &serde_json::Value| {
        fs::write(scratch.path().join(name), value.to_string()).expect("a file of the test");
    };
    let run = hostile::run();
    let mut before = run.clone();
    before["tests"][0]["outcome"] = "passed".into();
    before["tests"][1]["test"] = "gone".into();
    before["tests"][3]["outcome"] = "failed".into();
    write("run.json", &run);
    write("before.json", &before);
    let args = [
        "run.json",
        "--baseline",
        "before.json",
        "--format",
        "markdown",
    ];
    let gated = report_in(scratch.path(), &args).out;
    assert!(gated.contains("llmtest: the gate fails"), "{gated}");
    harmless(&gated);
    let output = report_in(scratch.path(), &[&args[..], &["--no-gate"]].concat());
    assert_eq!(output.code, 0, "{}", output.err);
    let line = "Beside the baseline: 4 cases in both, 1 worse, 1 better, 1 new, 1 removed.";
    assert!(output.out.contains(line), "{}", output.out);
    assert!(
        output.out.contains("| metric | mean | baseline |"),
        "{}",
        output.out
    );
    harmless(&output.out);
}
