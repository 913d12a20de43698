//! What a run has recorded already, for the processes that resume it.
//!
//! The first process of a resumption reads the shards and writes down which cases need not run again, and where their
//! records are. The others of the same `cargo test` or nextest run read that: what they record themselves is not yet known
//! to it, so that a second attempt of nextest does run.

use super::Outcome;
use super::process::BinaryInfo;
use super::record::{GitState, TestRecord};
use super::shards::{AROUND, in_time, shards_in};
use super::whole::write_whole;
use crate::Result;
use llmtest_metrics::hash;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

/// A run that may be resumed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Latest {
    /// When something was last recorded in it.
    pub(crate) written: SystemTime,
    /// Its folder's name.
    pub(crate) name: String,
}

/// The runs in this folder that have recorded something, the latest first.
pub(crate) fn latest_runs(root: &Path) -> Vec<Latest> {
    let folders = fs::read_dir(root.join("runs")).into_iter().flatten();
    let mut runs: Vec<Latest> = folders
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            // One that is only being put together.
            if path.file_name()?.to_string_lossy().starts_with('.') {
                return None;
            }
            let shards = shards_in(&path).ok()?;
            let written = shards
                .iter()
                .filter_map(|shard| fs::metadata(shard).ok()?.modified().ok());
            Some(Latest {
                written: written.max()?,
                name: path.file_name()?.to_string_lossy().into_owned(),
            })
        })
        .collect();
    runs.sort_by(|a, b| b.cmp(a));
    runs
}

/// The cases that need not run again.
#[derive(Debug)]
pub(crate) struct Kept {
    folder: PathBuf,
    head: Head,
    /// By the hash of a case's name.
    places: HashMap<u64, Place>,
    /// The trials of these that were run again with references, by the hash of the case's name and the trial.
    causal: HashSet<u64>,
    /// The shard that was read last: cases come in its order.
    open: Mutex<Option<(usize, File)>>,
    /// Whether this process has begun the resumption.
    pub(crate) is_first: bool,
}

/// The first line of the list; a place, or a trial that was run again with references, a line follows.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Head {
    /// Names the `cargo test` or nextest run.
    session: String,
    /// The number of the resumption, from one.
    resumption: u32,
    shards: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    git: Option<GitState>,
}

/// Where a record is.
#[derive(Debug, Clone, Copy)]
struct Place {
    shard: usize,
    start: u64,
    length: u64,
}

/// What is read of a shard's line.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Process(BinaryInfo),
    Git(GitState),
    Test(CaseHead),
    Causal(CausalHead),
}

#[derive(Deserialize)]
struct CausalHead {
    binary: String,
    test: String,
    #[serde(default)]
    row: Option<String>,
    attempt: u32,
    trial: u32,
}

#[derive(Deserialize)]
struct CaseHead {
    binary: String,
    file: String,
    test: String,
    #[serde(default)]
    row: Option<String>,
    attempt: u32,
    outcome: Outcome,
}

impl CaseHead {
    fn name(&self) -> CaseName<'_> {
        CaseName {
            binary: &self.binary,
            file: &self.file,
            test: &self.test,
            row: self.row.as_deref(),
        }
    }
}

/// What a case is known by: its line and its place in the dataset may be others by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CaseName<'a> {
    pub(crate) binary: &'a str,
    pub(crate) file: &'a str,
    pub(crate) test: &'a str,
    pub(crate) row: Option<&'a str>,
}

impl CaseName<'_> {
    fn key(&self) -> u64 {
        key(&[self.binary, self.file, self.test], self.row)
    }

    /// Without the file, which the record of a rerun does not name.
    fn short(&self) -> u64 {
        key(&[self.binary, self.test], self.row)
    }
}

fn key(parts: &[&str], row: Option<&str>) -> u64 {
    let mut hash = hash::Hasher::new();
    for part in parts {
        hash.part(part.as_bytes());
    }
    hash.part(row.unwrap_or_default().as_bytes());
    hash.part(&[u8::from(row.is_some())]);
    u64::from_str_radix(&hash.hex64(), 16).unwrap_or_default()
}

/// A trial of the case with this short key.
fn trial_key(case: u64, trial: u32) -> u64 {
    key(&[&case.to_string(), &trial.to_string()], None)
}

/// Begins the line of a trial that was run again with references.
const CAUSAL: &str = "causal ";

/// A line of the list.
fn place_of(line: &str) -> Option<(u64, Place)> {
    let mut words = line.split(' ');
    let key = u64::from_str_radix(words.next()?, 16).ok()?;
    let mut number = || words.next()?.parse::<u64>().ok();
    let place = Place {
        shard: usize::try_from(number()?).ok()?,
        start: number()?,
        length: number()?,
    };
    Some((key, place))
}

impl Kept {
    /// What the run in this folder has recorded before this session, which is the name of a `cargo test` or nextest run.
    pub(crate) fn of(folder: &Path, session: &str) -> Result<Self> {
        let lock = File::create(folder.join("resume.lock"))?;
        let _held = lock.lock().ok();
        let mut last = 0;
        for n in 1.. {
            let Ok(file) = File::open(list(folder, n)) else {
                break;
            };
            last = n;
            if let Some(kept) = Self::read(folder, BufReader::new(file), session)? {
                return Ok(kept);
            }
        }
        let kept = Self::survey(folder, session, last + 1)?;
        write_whole(&list(folder, last + 1), |out| kept.write(out))?;
        Ok(kept)
    }

    /// The list, where it is of this session.
    fn read(folder: &Path, mut file: impl BufRead, session: &str) -> Result<Option<Self>> {
        let mut line = String::new();
        file.read_line(&mut line)?;
        let head: Head = serde_json::from_str(&line)?;
        if head.session != session {
            return Ok(None);
        }
        let (mut places, mut causal) = (HashMap::new(), HashSet::new());
        for line in file.lines() {
            let line = line?;
            match line.strip_prefix(CAUSAL) {
                Some(key) => causal.extend(u64::from_str_radix(key, 16)),
                None => places.extend(place_of(&line)),
            }
        }
        Ok(Some(Self {
            folder: folder.to_path_buf(),
            head,
            places,
            causal,
            open: Mutex::default(),
            is_first: false,
        }))
    }

    fn write(&self, out: &mut dyn Write) -> Result<()> {
        writeln!(out, "{}", serde_json::to_string(&self.head)?)?;
        for (key, place) in &self.places {
            let Place {
                shard,
                start,
                length,
            } = place;
            writeln!(out, "{key:x} {shard} {start} {length}")?;
        }
        for key in &self.causal {
            writeln!(out, "{CAUSAL}{key:x}")?;
        }
        Ok(())
    }

    /// Reads all shards.
    fn survey(folder: &Path, session: &str, resumption: u32) -> Result<Self> {
        let mut head = Head {
            session: session.to_string(),
            resumption,
            ..Head::default()
        };
        // By case: of which resumption and attempt the last record is, how it ended, and where it is.
        let mut cases: HashMap<u64, ((u32, u32), Outcome, Place)> = HashMap::new();
        // By the short key, of which resumption and attempt the last record is; and what was run again.
        let mut last: HashMap<u64, (u32, u32)> = HashMap::new();
        let mut reran = Vec::new();
        let mut git = None::<(u32, GitState)>;
        for (shard, path) in in_time(shards_in(folder)?).into_iter().enumerate() {
            let name = path.file_name().unwrap_or_default();
            head.shards.push(name.to_string_lossy().into_owned());
            let mut file = BufReader::new(File::open(&path)?);
            let (mut line, mut at, mut number) = (Vec::new(), 0, 0);
            loop {
                line.clear();
                let length = file.read_until(b'\n', &mut line)? as u64;
                if length == 0 {
                    break;
                }
                let text = line.trim_ascii_end();
                match serde_json::from_slice(text) {
                    Ok(Line::Process(info)) => number = info.resumption,
                    Ok(Line::Git(state)) => {
                        if git.as_ref().is_none_or(|(known, _)| *known <= number) {
                            git = Some((number, state));
                        }
                    }
                    Ok(Line::Test(case)) => {
                        let record = text
                            .strip_prefix(AROUND.0)
                            .and_then(|rest| rest.strip_suffix(AROUND.1));
                        let place = record.map(|record| Place {
                            shard,
                            start: at + AROUND.0.len() as u64,
                            length: record.len() as u64,
                        });
                        let key = case.name().key();
                        let order = (number, case.attempt);
                        let older = cases.get(&key).is_none_or(|(known, ..)| *known <= order);
                        if let Some(place) = place.filter(|_| older) {
                            cases.insert(key, (order, case.outcome, place));
                            last.insert(case.name().short(), order);
                        }
                    }
                    Ok(Line::Causal(rerun)) => {
                        let short = key(&[&rerun.binary, &rerun.test], rerun.row.as_deref());
                        reran.push((short, rerun.attempt, rerun.trial, number));
                    }
                    // Of no interest, or cut off.
                    Err(_) => {}
                }
                at += length;
            }
        }
        head.git = git.map(|(_, state)| state);
        let ended = cases
            .into_iter()
            .filter(|(_, (_, outcome, _))| *outcome != Outcome::Errored);
        Ok(Self {
            folder: folder.to_path_buf(),
            head,
            places: ended.map(|(key, (.., place))| (key, place)).collect(),
            // Not of what ran anew since.
            causal: reran
                .into_iter()
                .filter(|(case, attempt, _, number)| {
                    last.get(case)
                        .is_some_and(|(of, known)| of <= number && known == attempt)
                })
                .map(|(case, _, trial, _)| trial_key(case, trial))
                .collect(),
            open: Mutex::default(),
            is_first: true,
        })
    }

    /// The number of the resumption, from one.
    pub(crate) fn resumption(&self) -> u32 {
        self.head.resumption
    }

    /// The repository that the run, or its last resumption, began in.
    pub(crate) fn git(&self) -> Option<&GitState> {
        self.head.git.as_ref()
    }

    /// Whether the case need not run again.
    pub(crate) fn has(&self, name: &CaseName<'_>) -> bool {
        self.places.contains_key(&name.key())
    }

    /// The record of a case that need not run again.
    pub(crate) fn record(&self, name: &CaseName<'_>) -> Option<TestRecord> {
        let place = self.places.get(&name.key())?;
        let record: TestRecord = serde_json::from_slice(&self.text(*place)?).ok()?;
        let recorded = CaseName {
            binary: &record.binary,
            file: &record.file,
            test: &record.test,
            row: record.row.as_deref(),
        };
        // Two names may have one hash.
        (recorded == *name).then_some(record)
    }

    /// Whether this trial of a case was run again with references.
    pub(crate) fn reran(&self, name: &CaseName<'_>, trial: u32) -> bool {
        self.causal.contains(&trial_key(name.short(), trial))
    }

    fn text(&self, place: Place) -> Option<Vec<u8>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let file = match open.take() {
            Some((shard, file)) if shard == place.shard => file,
            _ => File::open(self.folder.join(self.head.shards.get(place.shard)?)).ok()?,
        };
        let (_, file) = open.insert((place.shard, file));
        file.seek(SeekFrom::Start(place.start)).ok()?;
        let mut text = Vec::new();
        file.take(place.length).read_to_end(&mut text).ok()?;
        Some(text)
    }
}

fn list(folder: &Path, resumption: u32) -> PathBuf {
    folder.join(format!("resume-{resumption}.list"))
}
