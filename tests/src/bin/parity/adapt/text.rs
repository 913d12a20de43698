//! Metrics without a judge.

use super::{Adapted, check};
use crate::vector::Vector;
use llmtest::{ExactMatch, JsonCorrectness, PatternMatch};

pub(super) fn adapt(vector: &Vector) -> Option<Adapted> {
    Some(match vector.metric.as_str() {
        "exact_match" => check(vector, ExactMatch::new()),
        "pattern_match" => {
            let metric = PatternMatch::new(vector.text("pattern").trim());
            let ignore_case = vector.flag("ignore_case");
            check(
                vector,
                if ignore_case {
                    metric.ignore_case()
                } else {
                    metric
                },
            )
        }
        "json_correctness" => {
            let schema = vector
                .option("expected_schema")
                .cloned()
                .unwrap_or_default();
            check(vector, JsonCorrectness::new().schema(schema))
        }
        _ => return None,
    })
}

/// Syntax of Python that the `regex` crate does not have: back references, conditionals, look-around, `\Z`, `(?a)`.
pub(super) fn python_syntax(pattern: &str) -> bool {
    ["\\1", "(?(", "\\Z", "(?a)", "(?=", "(?!", "(?<"]
        .iter()
        .any(|syntax| pattern.contains(syntax))
}

/// Whether pydantic takes what a JSON Schema does not, which the vector notes: it coerces, and it reads `NaN`.
pub(super) fn lax_pydantic(vector: &Vector) -> bool {
    let note = vector.note.as_deref().unwrap_or_default();
    note.contains("coerces") || note.contains("NaN")
}
