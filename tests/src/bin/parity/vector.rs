//! The file format: one vector a line.

use serde::Deserialize;
use serde_json::{Map, Value};
use std::fmt;
use std::path::Path;

/// A test case, a metric's options, a judge's answers, and what DeepEval returned.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Vector {
    pub(crate) id: String,
    pub(crate) metric: String,
    #[serde(default)]
    pub(crate) options: Map<String, Value>,
    pub(crate) test_case: Value,
    #[serde(default)]
    pub(crate) judge: Vec<Answer>,
    pub(crate) expected: Expected,
    #[serde(default)]
    pub(crate) suspect: Option<String>,
    #[serde(default)]
    pub(crate) note: Option<String>,
}

/// One answer of the judge.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Answer {
    pub(crate) step: String,
    #[serde(default)]
    pub(crate) node: Option<String>,
    #[serde(default)]
    pub(crate) output: Value,
    #[serde(default)]
    pub(crate) raw: Option<String>,
}

/// What DeepEval returned.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Expected {
    #[serde(default)]
    pub(crate) score: Option<f64>,
    #[serde(default)]
    pub(crate) success: Option<bool>,
    #[serde(default)]
    pub(crate) error: Option<Raised>,
    #[serde(default)]
    pub(crate) winner: Option<String>,
}

/// An exception.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Raised {
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) message: String,
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.error, &self.winner, self.score) {
            (Some(error), ..) => {
                let line = error.message.lines().next().unwrap_or_default();
                write!(f, "{}: {line}", error.kind)
            }
            (None, Some(winner), _) => write!(f, "winner {winner}"),
            (None, None, Some(score)) => write!(f, "{score} {}", success(self.success)),
            (None, None, None) => f.write_str("no score"),
        }
    }
}

pub(crate) fn success(success: Option<bool>) -> &'static str {
    match success {
        Some(true) => "(success)",
        Some(false) => "(no success)",
        None => "(no verdict)",
    }
}

impl Vector {
    /// The vectors of all `*.jsonl` files of a folder, by file name.
    pub(crate) fn read_folder(dir: &Path) -> Result<Vec<Self>, String> {
        let at = |path: &Path, error: &dyn fmt::Display| format!("{}: {error}", path.display());
        let mut files = Vec::new();
        for entry in std::fs::read_dir(dir).map_err(|error| at(dir, &error))? {
            let path = entry.map_err(|error| at(dir, &error))?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "jsonl")
            {
                files.push(path);
            }
        }
        files.sort();
        let mut vectors = Vec::new();
        for path in files {
            let text = std::fs::read_to_string(&path).map_err(|error| at(&path, &error))?;
            for (line, number) in text
                .lines()
                .zip(1..)
                .filter(|(line, _)| !line.trim().is_empty())
            {
                let vector = serde_json::from_str(line)
                    .map_err(|error| format!("{}:{number}: {error}", path.display()))?;
                vectors.push(vector);
            }
        }
        Ok(vectors)
    }

    /// An option, unless it is missing or null.
    pub(crate) fn option(&self, name: &str) -> Option<&Value> {
        self.options.get(name).filter(|value| !value.is_null())
    }

    /// Whether an option is set to true.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.option(name).and_then(Value::as_bool) == Some(true)
    }

    /// A list of texts.
    pub(crate) fn texts(&self, name: &str) -> Vec<String> {
        let items = self.option(name).and_then(Value::as_array);
        let text = |item: &Value| item.as_str().map(str::to_string);
        items.into_iter().flatten().filter_map(text).collect()
    }

    /// A text; empty when missing.
    pub(crate) fn text(&self, name: &str) -> String {
        let text = self.option(name).and_then(Value::as_str);
        text.unwrap_or_default().to_string()
    }
}
