//! The rows that people have labelled, and what is asked about them.

use llmtest::Result;
use serde_json::Value;
use std::fmt::Write as _;
use std::path::Path;

/// The labelled sets, by the name of their folder.
pub(crate) const SETS: [&str; 2] = ["qags_unieval", "agent_judges_bc038"];

/// One row.
pub(crate) struct Case {
    pub(crate) id: String,
    /// What the judge reads, in order: a title and a text.
    pub(crate) shown: Vec<(String, String)>,
    /// What people say.
    pub(crate) label: bool,
}

/// The question of a set; yes is the good answer.
pub(crate) fn question(set: &str) -> &'static str {
    if set == "qags_unieval" {
        "Is every statement of the summary supported by the article?"
    } else {
        "Did the assistant do what was asked, with an answer in which nothing is wrong, missing or made up, given what its tools returned?"
    }
}

/// The first rows of a set: of QAGS, as many from CNN/DM as from XSUM, in the order of the file.
pub(crate) fn read(data: &Path, set: &str, limit: usize) -> Result<Vec<Case>> {
    let file = if set == "qags_unieval" {
        "items.jsonl"
    } else {
        "cases.jsonl"
    };
    let path = data.join(set).join(file);
    let text = std::fs::read_to_string(&path)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let rows = text
        .lines()
        .map(serde_json::from_str)
        .collect::<std::result::Result<Vec<Value>, _>>()?;
    if set != "qags_unieval" {
        return Ok(rows.iter().take(limit).map(agent).collect());
    }
    let of = |dataset: &'static str, count| {
        let rows = rows.iter().filter(move |row| row["dataset"] == dataset);
        rows.take(count)
    };
    let (first, second) = (limit.div_ceil(2), limit / 2);
    Ok(of("cnndm", first)
        .chain(of("xsum", second))
        .map(summary)
        .collect())
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_string)
}

/// A summary is consistent where all of its sentences were voted so.
fn summary(row: &Value) -> Case {
    Case {
        id: text(&row["id"]),
        shown: vec![
            ("article".to_string(), text(&row["context"][0])),
            ("summary".to_string(), text(&row["output"])),
        ],
        label: row["human_consistency"].as_f64() == Some(1.0),
    }
}

fn agent(row: &Value) -> Case {
    let mut calls = String::new();
    for call in row["trajectory"].as_array().into_iter().flatten() {
        let _ = writeln!(
            calls,
            "{} {} → {}",
            text(&call["tool"]),
            call["arguments"],
            call["result"]
        );
    }
    Case {
        id: text(&row["id"]),
        shown: vec![
            ("task".to_string(), text(&row["input"])),
            (
                "form of the answer".to_string(),
                text(&row["output_contract"]),
            ),
            ("tool calls".to_string(), calls),
            ("answer".to_string(), text(&row["output"])),
        ],
        label: row["label"] == "correct",
    }
}
