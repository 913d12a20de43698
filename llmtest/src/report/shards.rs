//! One append-only file a process, and their fold.
//!
//! A run is a folder. Every process of the run appends one JSON line a case to a shard of its own, so that processes need
//! no server and no lock (nextest runs each test in one), and a crash loses nothing that had ended. The fold reads all
//! shards of the run and writes one document.

use super::record::{GroupRecord, RunInfo, RunReport, TestRecord};
use crate::Result;
use crate::redact::Redactor;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// More shards than this are left to a later fold: each process folding all of them would be quadratic.
const FOLD_AT_MOST: usize = 1_000;

/// One line of a shard.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Test(TestRecord),
    Group(GroupRecord),
    Unattributed(BTreeMap<String, usize>),
}

/// The shard of this process.
pub(crate) struct Shards {
    root: PathBuf,
    run: PathBuf,
    id: String,
    file: Mutex<Option<BufWriter<File>>>,
    redactor: Arc<Redactor>,
}

impl Shards {
    /// A shard in `root/runs/<id>`; nothing is created before the first line.
    pub(crate) fn new(root: PathBuf, id: String, redactor: Arc<Redactor>) -> Self {
        let safe: String = id
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() || "-_.".contains(c) {
                    c
                } else {
                    '_'
                }
            })
            .collect();
        let safe = if safe.trim_matches('.').is_empty() {
            "run".to_string()
        } else {
            safe
        };
        Self {
            run: root.join("runs").join(safe),
            root,
            id,
            file: Mutex::default(),
            redactor,
        }
    }

    /// The folder of the run.
    pub(crate) fn folder(&self) -> &Path {
        &self.run
    }

    pub(crate) fn test(&self, record: TestRecord) -> Result<()> {
        self.line(&Line::Test(record))
    }

    pub(crate) fn group(&self, record: GroupRecord) -> Result<()> {
        self.line(&Line::Group(record))
    }

    pub(crate) fn unattributed(&self, spans: BTreeMap<String, usize>) -> Result<()> {
        if spans.is_empty() {
            Ok(())
        } else {
            self.line(&Line::Unattributed(spans))
        }
    }

    fn line(&self, line: &Line) -> Result<()> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let file = match &mut *file {
            Some(file) => file,
            none => none.insert(BufWriter::with_capacity(64 * 1024, self.create()?)),
        };
        let mut text = serde_json::to_string(line)?;
        if let Cow::Owned(_) = self.redactor.scrub(&text) {
            // Text by text, so that what is taken out never breaks the JSON around it.
            text = self
                .redactor
                .scrub_value(serde_json::from_str(&text)?)
                .to_string();
        }
        file.write_all(text.as_bytes())?;
        file.write_all(b"\n")?;
        // What has ended must survive a crash.
        file.flush()?;
        Ok(())
    }

    fn create(&self) -> Result<File> {
        let context = |error: std::io::Error| {
            format!(
                "the run folder {} cannot be written: {error}\nhint: set LLMTEST_DIR to a folder that can",
                self.run.display()
            )
        };
        fs::create_dir_all(&self.run).map_err(context)?;
        let pid = std::process::id();
        // A process id may come back within one run.
        for n in 0.. {
            match File::create_new(self.run.join(format!("{pid}-{n}.jsonl"))) {
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                other => return Ok(other.map_err(context)?),
            }
        }
        unreachable!("the loop ends by returning")
    }

    /// Folds all shards of the run into `report.json`, in the run's folder and as the latest. `None` when this process
    /// recorded nothing, or when there are too many shards to fold in every process.
    pub(crate) fn fold(&self) -> Result<Option<PathBuf>> {
        if self
            .file
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_none()
        {
            return Ok(None);
        }
        let shards = shards_in(&self.run)?;
        if shards.len() > FOLD_AT_MOST {
            return Ok(None);
        }
        let report = fold(&shards, &self.id)?;
        let latest = self.root.join("report.json");
        let text = serde_json::to_vec(&report)?;
        write_whole(&self.run.join("report.json"), &text)?;
        write_whole(&latest, &text)?;
        Ok(Some(latest))
    }
}

fn shards_in(run: &Path) -> Result<Vec<PathBuf>> {
    let mut shards: Vec<_> = fs::read_dir(run)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "jsonl"))
        .collect();
    shards.sort();
    Ok(shards)
}

/// Where a case stands in the report: binary, file, line, test, the row's place and id.
type CaseKey = (String, String, u32, String, usize, Option<String>);

/// The report of these shards. Of several attempts at one case the last counts. A last line that was cut off, because its
/// process was killed or is still writing, is left out.
fn fold(shards: &[PathBuf], id: &str) -> Result<RunReport> {
    let mut tests: BTreeMap<CaseKey, TestRecord> = BTreeMap::new();
    let mut groups: BTreeMap<(String, String), GroupRecord> = BTreeMap::new();
    let mut unattributed: BTreeMap<String, usize> = BTreeMap::new();
    for shard in shards {
        for line in BufReader::new(File::open(shard)?).lines() {
            let Ok(line) = serde_json::from_str::<Line>(&line?) else {
                continue;
            };
            match line {
                Line::Test(record) => {
                    let place = (record.binary.clone(), record.file.clone(), record.line);
                    let key = (
                        place.0,
                        place.1,
                        place.2,
                        record.test.clone(),
                        record.position,
                        record.row.clone(),
                    );
                    match tests.get(&key) {
                        Some(known) if known.attempt > record.attempt => {}
                        _ => {
                            tests.insert(key, record);
                        }
                    }
                }
                Line::Group(record) => {
                    let key = (record.binary.clone(), record.test.clone());
                    if groups
                        .get(&key)
                        .is_none_or(|known| known.attempt <= record.attempt)
                    {
                        groups.insert(key, record);
                    }
                }
                Line::Unattributed(spans) => spans
                    .into_iter()
                    .for_each(|(name, count)| *unattributed.entry(name).or_default() += count),
            }
        }
    }
    let run = RunInfo {
        id: id.to_string(),
        llmtest: env!("CARGO_PKG_VERSION").to_string(),
        processes: shards.len(),
        unattributed_spans: unattributed,
    };
    Ok(RunReport {
        format: RunReport::FORMAT,
        run,
        tests: tests.into_values().collect(),
        groups: groups.into_values().collect(),
    })
}

/// Writes a file so that readers see the old or the new one, never half of it.
fn write_whole(path: &Path, text: &[u8]) -> Result<()> {
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    fs::write(&temporary, text)?;
    fs::rename(&temporary, path)?;
    Ok(())
}

/// The names of the cases that failed in the latest run of this binary; `None` when there is no report.
pub(crate) fn failed_last(root: &Path, binary: &str) -> Option<HashSet<String>> {
    use super::record::Outcome;
    let report = RunReport::from_json(&fs::read_to_string(root.join("report.json")).ok()?).ok()?;
    let bad = |outcome: Outcome| matches!(outcome, Outcome::Failed | Outcome::Errored);
    let tests = report
        .tests
        .iter()
        .filter(|test| test.binary == binary && bad(test.outcome))
        .map(TestRecord::name);
    let groups = report
        .groups
        .iter()
        .filter(|group| group.binary == binary && bad(group.outcome))
        .map(|group| group.test.clone());
    Some(tests.chain(groups).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Outcome, TrialRecord};

    fn record(name: &str, attempt: u32, outcome: Outcome) -> TestRecord {
        TestRecord {
            test: name.to_string(),
            row: None,
            position: 0,
            binary: "b".to_string(),
            file: "f.rs".to_string(),
            line: 1,
            description: String::new(),
            tags: Vec::new(),
            outcome,
            passes_needed: 1,
            attempt,
            duration: 0.1,
            trials: vec![TrialRecord {
                outcome,
                error: None,
                cases: Vec::new(),
                measurements: Vec::new(),
                spans: Vec::new(),
                stages: (0, 0),
                duration: 0.1,
            }],
        }
    }

    #[test]
    fn the_fold_joins_processes_and_keeps_the_last_attempt() {
        let root = std::env::temp_dir().join(format!("llmtest-shards-{}", std::process::id()));
        let (one, two) = (
            Shards::new(root.clone(), "a/b".to_string(), Arc::default()),
            Shards::new(root.clone(), "a/b".to_string(), Arc::default()),
        );
        one.test(record("x", 2, Outcome::Passed)).unwrap();
        one.test(record("y", 1, Outcome::Failed)).unwrap();
        two.test(record("x", 1, Outcome::Errored)).unwrap();
        let path = two.fold().unwrap().unwrap();
        // A process that was killed leaves half a line.
        fs::write(root.join("runs/a_b/0.jsonl"), "{\"test\": {\"test\": ").unwrap();
        two.fold().unwrap();
        let report = RunReport::from_json(&fs::read_to_string(path).unwrap()).unwrap();
        let ended: Vec<_> = report
            .tests
            .iter()
            .map(|test| (test.test.as_str(), test.outcome))
            .collect();
        assert_eq!(ended, [("x", Outcome::Passed), ("y", Outcome::Failed)]);
        assert_eq!(
            failed_last(&root, "b").unwrap(),
            HashSet::from(["y".to_string()])
        );
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn another_format_is_refused() {
        let error = RunReport::from_json(r#"{"format": 99, "run": {}, "tests": []}"#)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("format 99") && error.contains("hint:"),
            "{error}"
        );
    }
}
