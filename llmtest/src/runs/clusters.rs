//! Which cases vary together: rows of one document, of one conversation, of one template.

use super::snapshot::Snapshot;
use crate::Result;
use crate::results::TestRecord;
use crate::results::stream::{self, Cases};
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

impl Snapshot {
    /// Gives each case the cluster that its metadata names under `key`. `path` is the report that this was read of: a
    /// baseline has no metadata, and needs none, since its cases are paired with those of a run.
    ///
    /// # Errors
    ///
    /// Fails where the report cannot be read.
    pub fn read_clusters(&mut self, path: &Path, key: &str) -> Result<()> {
        let mut found = Found {
            key,
            names: HashSet::new(),
            cases: HashMap::new(),
        };
        stream::read(path, &mut found)?;
        for case in &mut self.cases {
            let name: Name = (
                case.key.binary.to_string(),
                case.key.test.to_string(),
                case.key.row.as_ref().map(ToString::to_string),
            );
            case.cluster = found.cases.get(&name).cloned();
        }
        Ok(())
    }
}

/// Binary, test and row.
type Name = (String, String, Option<String>);

struct Found<'a> {
    key: &'a str,
    names: HashSet<Arc<str>>,
    cases: HashMap<Name, Arc<str>>,
}

impl Cases for Found<'_> {
    fn add(&mut self, case: &TestRecord) {
        let mut told = case.trials.iter().flat_map(|trial| &trial.cases);
        let value = told.find_map(|said| said.get("metadata")?.get(self.key));
        let name: Arc<str> = match value {
            None | Some(Value::Null) => return,
            Some(Value::String(text)) => text.as_str().into(),
            Some(other) => other.to_string().into(),
        };
        let name = self.names.get(&name).cloned().unwrap_or_else(|| {
            self.names.insert(name.clone());
            name
        });
        let case = (case.binary.clone(), case.test.clone(), case.row.clone());
        self.cases.insert(case, name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_case_has_the_cluster_that_its_metadata_names() {
        let case = |row: usize, metadata: Value| {
            json!({"test": "t", "row": row.to_string(), "binary": "b", "file": "f.rs", "line": 1, "outcome": "passed",
                "passes_needed": 1, "attempt": 1, "duration": 0.1, "trials": [
                    {"outcome": "errored", "error": "no answer", "duration": 0.1},
                    {"outcome": "passed", "duration": 0.1, "cases": [{"input": "i", "metadata": metadata}]}]})
        };
        let cases = [
            case(0, json!({"doc": "a"})),
            case(1, json!({"doc": 7})),
            case(2, json!({"other": "a"})),
        ];
        let report = json!({"format": 1, "run": {"id": "r"}, "tests": cases}).to_string();
        let path =
            std::env::temp_dir().join(format!("llmtest-clusters-{}.json", std::process::id()));
        std::fs::write(&path, report).unwrap();
        let mut run = Snapshot::read(&path).unwrap();
        assert!(run.cases.iter().all(|case| case.cluster.is_none()));
        run.read_clusters(&path, "doc").unwrap();
        std::fs::remove_file(&path).unwrap();
        let found: Vec<_> = run
            .cases
            .iter()
            .map(|case| case.cluster.as_deref())
            .collect();
        assert_eq!(found, [Some("a"), Some("7"), None]);
    }
}
