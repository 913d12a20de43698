//! Everything that stands in the folder, line by line, and taking lines out of it.

use super::store::{BODY, replace};
use super::{Recordings, replies, stages, vectors};
use std::collections::{HashMap, HashSet};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::SystemTime;

/// The folder as it was read.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    pub(crate) files: Vec<FileSurvey>,
}

/// One file of recordings.
#[derive(Debug)]
pub(crate) struct FileSurvey {
    /// Its path in the folder, with `/` between.
    pub(crate) name: String,
    pub(crate) bytes: u64,
    /// When it was last written.
    pub(crate) changed: Option<SystemTime>,
    pub(crate) lines: Vec<SurveyLine>,
}

/// One line that is not empty.
#[derive(Debug)]
pub(crate) struct SurveyLine {
    /// From one.
    pub(crate) number: usize,
    /// With the line's end.
    pub(crate) bytes: usize,
    /// Of the line: two with the same hash say the same.
    pub(crate) hash: u64,
    pub(crate) kind: Kind,
}

/// What a line is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Entry {
        key: String,
        /// The purpose of a prompt, or the stage.
        what: String,
        /// Of a judge or an embedder.
        model: Option<String>,
        /// The hash of a stage's body.
        body: Option<String>,
        /// Whether the key is not what this version makes of the request; none where that cannot be told.
        old_format: Option<bool>,
        /// Whether a later line has the same key, and counts.
        replaced: bool,
    },
    /// The body of a stage.
    Body { hash: String, replaced: bool },
    /// Not a recording, and why.
    Broken(String),
}

/// The folders in the folder.
const FOLDERS: [&str; 3] = ["embeddings", "judge", "stages"];

impl Recordings {
    /// Reads the whole folder. One that is not there holds nothing.
    pub(crate) fn survey(&self) -> Result<Survey, String> {
        let mut survey = Survey::default();
        for folder in FOLDERS {
            let path = self.store.dir().join(folder);
            for name in
                names(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?
            {
                let path = path.join(&name);
                let failed = |error| format!("cannot read {}: {error}", path.display());
                let bytes = fs::read(&path).map_err(failed)?;
                survey.files.push(FileSurvey {
                    name: format!("{folder}/{name}"),
                    bytes: bytes.len() as u64,
                    changed: fs::metadata(&path).and_then(|meta| meta.modified()).ok(),
                    lines: lines(folder, &bytes),
                });
            }
        }
        Ok(survey)
    }

    /// Takes lines out of the folder, under its lock. `choose` is given the folder as it is under the lock, and names lines
    /// by file and number. All else stays as it is, byte for byte; a file without lines goes. Returns what `choose` chose.
    pub(crate) fn prune<T>(
        &self,
        choose: impl FnOnce(&Survey) -> Result<(Vec<(String, usize)>, T), String>,
    ) -> Result<T, String> {
        let folder = self.store.dir();
        let failed = |error: io::Error| format!("cannot change {}: {error}", folder.display());
        let _lock = self.store.lock().map_err(failed)?;
        let (chosen, told) = choose(&self.survey()?)?;
        let mut by_file: HashMap<&str, HashSet<usize>> = HashMap::new();
        for (file, number) in &chosen {
            by_file.entry(file).or_default().insert(*number);
        }
        for (file, numbers) in by_file {
            let path = folder.join(file);
            let text = fs::read(&path).map_err(failed)?;
            let kept: Vec<u8> = (1..)
                .zip(text.split_inclusive(|byte| *byte == b'\n'))
                .filter(|(number, _)| !numbers.contains(number))
                .flat_map(|(_, line)| line.iter().copied())
                .collect();
            if kept.trim_ascii().is_empty() {
                fs::remove_file(&path).map_err(failed)?;
            } else {
                replace(&path, &kept).map_err(failed)?;
            }
        }
        Ok(told)
    }

    /// The folder's name in messages.
    pub(crate) fn shown(&self) -> &str {
        self.store.shown()
    }
}

/// The recordings in a folder, in order; drafts of files that are being written left out.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        if name.ends_with(".jsonl") && !name.starts_with('.') {
            names.push(name.into_owned());
        }
    }
    names.sort();
    Ok(names)
}

fn lines(folder: &str, bytes: &[u8]) -> Vec<SurveyLine> {
    let mut found: Vec<SurveyLine> = Vec::new();
    for (number, line) in (1..).zip(bytes.split_inclusive(|byte| *byte == b'\n')) {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let kind = read(folder, line).unwrap_or_else(|why| Kind::Broken(why.to_string()));
        found.push(SurveyLine {
            number,
            bytes: line.len(),
            hash: hash(line),
            kind,
        });
    }
    // Of equal keys the last one counts.
    let mut later = HashSet::new();
    for line in found.iter_mut().rev() {
        match &mut line.kind {
            Kind::Entry { key, replaced, .. } => *replaced = !later.insert(key.clone()),
            Kind::Body { hash, replaced } => *replaced = !later.insert(format!("{BODY}{hash}")),
            Kind::Broken(_) => {}
        }
    }
    found
}

fn hash(line: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    line.trim_ascii().hash(&mut hasher);
    hasher.finish()
}

fn read(folder: &str, line: &[u8]) -> serde_json::Result<Kind> {
    // What was taken out of a text cannot be hashed again.
    let redacted = String::from_utf8_lossy(line).contains("[redacted]");
    let old_format = |now: String, key: &str| (!redacted).then_some(now != key);
    Ok(match folder {
        "judge" => {
            let entry: replies::Entry = serde_json::from_slice(line)?;
            let now = replies::key(&entry.model, &super::canonical(entry.request), entry.repeat);
            Kind::Entry {
                old_format: old_format(now, &entry.key),
                key: entry.key,
                what: entry.purpose,
                model: Some(entry.model),
                body: None,
                replaced: false,
            }
        }
        "embeddings" => {
            let entry: vectors::Entry = serde_json::from_slice(line)?;
            let now = vectors::key(&entry.model, &entry.text);
            Kind::Entry {
                old_format: old_format(now, &entry.key),
                key: entry.key,
                what: "embedding".to_string(),
                model: Some(entry.model),
                body: None,
                replaced: false,
            }
        }
        _ => match serde_json::from_slice::<stages::Entry>(line) {
            Ok(entry) => Kind::Entry {
                key: entry.key,
                what: entry.stage,
                model: None,
                body: Some(entry.body),
                old_format: None,
                replaced: false,
            },
            Err(error) => match serde_json::from_slice::<stages::Body>(line) {
                Ok(body) if body.key.starts_with(BODY) => Kind::Body {
                    hash: body.key[BODY.len()..].to_string(),
                    replaced: false,
                },
                _ => return Err(error),
            },
        },
    })
}
