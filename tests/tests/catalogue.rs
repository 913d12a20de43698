//! The catalogue is complete wherever it is listed.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The texts of all Rust files below a folder.
fn sources(folder: &Path) -> Vec<String> {
    let mut texts = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder is part of the repository") {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            texts.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            texts.push(fs::read_to_string(&path).expect("sources are UTF-8"));
        }
    }
    texts
}

/// The public metrics, with the source of their file.
fn metrics() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for text in sources(&root().join("metrics/src/metrics")) {
        for line in text.lines() {
            let Some(name) = line.strip_prefix("impl Metric for ") else {
                continue;
            };
            let name = name.trim_end_matches(" {").to_string();
            if text.contains(&format!("pub struct {name} "))
                || text.contains(&format!("pub struct {name};"))
            {
                found.push((name, text.clone()));
            }
        }
    }
    found.sort();
    assert!(found.len() > 70, "only {} metrics were found", found.len());
    found
}

/// The names that a text says as whole words.
fn says(text: &str, name: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
        .any(|word| word == name)
}

#[test]
fn every_metric_is_in_the_list_of_metrics() {
    let list = fs::read_to_string(root().join("METRICS.md")).unwrap();
    for (name, _) in metrics() {
        assert!(
            list.contains(&format!("`{name}`")),
            "METRICS.md does not name `{name}`"
        );
    }
}

#[test]
fn every_metric_is_in_the_prelude_unless_its_name_is_too_common() {
    let facade = fs::read_to_string(root().join("llmtest/src/lib.rs")).unwrap();
    let (_, prelude) = facade.split_once("pub mod prelude").unwrap();
    let (prelude, _) = prelude.split_once("\n}").unwrap();
    for (name, _) in metrics() {
        let common =
            ["Cost", "Escalation", "Latency", "Not", "Panel", "Samples"].contains(&name.as_str());
        assert_eq!(says(prelude, &name), !common, "`{name}` in the prelude");
    }
}

#[test]
fn every_judged_metric_is_run_live() {
    let cases = sources(&root().join("tests/src/bin/live/cases")).concat();
    for (name, source) in metrics() {
        let judged = source.contains("options!(") || source.contains("windowed_knobs!(");
        assert!(!judged || says(&cases, &name), "no live case for `{name}`");
    }
}
