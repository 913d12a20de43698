//! Whether reports say the same, but for ids, times and how many processes there were.

use serde_json::Value;
use std::path::Path;

/// What differs between two recordings of one run.
const OWN: [&str; 10] = [
    "id",
    "started",
    "duration",
    "processes",
    "binaries",
    "git",
    "start",
    "end",
    "latency",
    "thread",
];

/// A report without what is its own.
pub(crate) fn normal(path: &Path) -> Result<Value, String> {
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut report: Value =
        serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    strip(&mut report);
    Ok(report)
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !OWN.contains(&name.as_str()));
            fields.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

/// Where two values differ first.
pub(crate) fn difference(one: &Value, two: &Value, at: &str) -> Option<String> {
    match (one, two) {
        (Value::Object(a), Value::Object(b)) => {
            if let Some(name) = b.keys().find(|name| !a.contains_key(*name)) {
                return Some(format!("{at}.{name} is only in the second"));
            }
            a.iter().find_map(|(name, a)| match b.get(name) {
                Some(b) => difference(a, b, &format!("{at}.{name}")),
                None => Some(format!("{at}.{name} is only in the first")),
            })
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => (0..)
            .zip(a.iter().zip(b))
            .find_map(|(n, (a, b))| difference(a, b, &format!("{at}[{n}]"))),
        _ => (one != two).then(|| {
            let cut = |value: &Value| value.to_string().chars().take(200).collect::<String>();
            format!("{at}: {} is {}", cut(one), cut(two))
        }),
    }
}
