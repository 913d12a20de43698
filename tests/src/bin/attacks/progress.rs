//! Verdicts so far, a line of JSON for each call, so that a run can be taken up again.

use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// One verdict.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Line {
    /// What was asked: the model, the arm, the attack or `clean`, the question, and a hash of the answer that was judged.
    pub(crate) key: String,
    /// Whether the answer passed; `None` where the verdict could not be read.
    pub(crate) passes: Option<bool>,
    /// How long it took.
    pub(crate) seconds: f64,
}

/// All verdicts, and where they are kept.
pub(crate) struct Progress {
    known: HashMap<String, Line>,
    file: Option<File>,
    pub(crate) replayed: usize,
    pub(crate) asked: usize,
    pub(crate) seconds: f64,
}

impl Progress {
    /// Reads what is there. A line that was cut off is asked for again.
    pub(crate) fn open(path: Option<&Path>) -> io::Result<Self> {
        let (mut known, mut file) = (HashMap::new(), None);
        if let Some(path) = path {
            let text = match std::fs::read_to_string(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
                text => text?,
            };
            for line in text.lines() {
                if let Ok(line) = serde_json::from_str::<Line>(line) {
                    known.insert(line.key.clone(), line);
                }
            }
            let mut open = OpenOptions::new().create(true).append(true).open(path)?;
            if !text.is_empty() && !text.ends_with('\n') {
                open.write_all(b"\n")?;
            }
            file = Some(open);
        }
        Ok(Self {
            known,
            file,
            replayed: 0,
            asked: 0,
            seconds: 0.0,
        })
    }

    /// The verdict of an earlier run.
    pub(crate) fn known(&mut self, key: &str) -> Option<Line> {
        let line = self.known.get(key)?;
        self.replayed += 1;
        self.seconds += line.seconds;
        Some(line.clone())
    }

    /// Keeps a verdict.
    pub(crate) fn keep(&mut self, line: Line) -> io::Result<()> {
        self.asked += 1;
        self.seconds += line.seconds;
        if let Some(file) = &mut self.file {
            let text = serde_json::to_string(&line)?;
            file.write_all(format!("{text}\n").as_bytes())?;
        }
        self.known.insert(line.key.clone(), line);
        Ok(())
    }
}
