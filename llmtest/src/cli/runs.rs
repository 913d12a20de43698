//! The records of runs: which one was the last, whether it was whole, and what it used.

use crate::results::{BinaryEnd, BinaryInfo, UsedKeys};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// How many earlier runs are asked which binaries there are.
const ASKED: usize = 200;

/// One run: a folder of shards.
pub(super) struct Run {
    /// Its folder's name.
    pub(super) name: String,
    folder: PathBuf,
    /// When its last process began, in milliseconds since 1970.
    pub(super) started: u64,
    heads: Vec<Option<BinaryInfo>>,
}

/// What several runs used together.
#[derive(Default)]
pub(super) struct Used {
    pub(super) processes: Vec<BinaryInfo>,
    keys: HashMap<String, HashSet<String>>,
    /// Processes that do not say how they were started.
    unknown: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Process(Box<BinaryInfo>),
    Used(UsedKeys),
    Ended(BinaryEnd),
}

/// Every run in these folders, the latest first.
pub(super) fn runs(roots: &[PathBuf]) -> Vec<Run> {
    let folders = roots.iter().flat_map(|root| {
        let runs = fs::read_dir(root.join("runs")).into_iter().flatten();
        runs.flatten().map(|entry| entry.path())
    });
    let mut runs: Vec<Run> = folders.filter_map(Run::read).collect();
    runs.sort_by_key(|run| std::cmp::Reverse(run.started));
    runs
}

fn shards(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut shards: Vec<_> = files
        .map(|entry| entry.path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "jsonl")
        })
        .collect();
    shards.sort();
    shards
}

impl Run {
    /// Only how its processes began.
    fn read(folder: PathBuf) -> Option<Self> {
        let shards = shards(&folder);
        let heads: Vec<_> = shards.iter().map(|shard| head(shard)).collect();
        let written = |shard: &PathBuf| {
            let time = fs::metadata(shard).and_then(|meta| meta.modified()).ok()?;
            Some(milliseconds(time))
        };
        let of = |(shard, head): (&PathBuf, &Option<BinaryInfo>)| match head {
            Some(info) => Some(info.started),
            None => written(shard),
        };
        Some(Self {
            name: folder.file_name()?.to_string_lossy().into_owned(),
            started: shards.iter().zip(&heads).filter_map(of).max()?,
            folder,
            heads,
        })
    }
}

fn milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The first line of a shard, where it says how its process was started.
fn head(shard: &Path) -> Option<BinaryInfo> {
    let mut line = String::new();
    BufReader::new(File::open(shard).ok()?)
        .read_line(&mut line)
        .ok()?;
    match serde_json::from_str(&line) {
        Ok(Line::Process(info)) => Some(*info),
        _ => None,
    }
}

impl Used {
    /// What the processes of these runs that record into this folder used.
    pub(super) fn by(runs: &[&Run], recordings: &Path) -> Result<Self, String> {
        let mut used = Self::default();
        for shard in runs.iter().flat_map(|run| shards(&run.folder)) {
            used.add(&shard, recordings)
                .map_err(|error| format!("cannot read {}: {error}", shard.display()))?;
        }
        Ok(used)
    }

    fn add(&mut self, shard: &Path, recordings: &Path) -> std::io::Result<()> {
        let (mut process, mut keys) = (None::<BinaryInfo>, Vec::new());
        let mut file = BufReader::new(File::open(shard)?);
        let mut line = Vec::new();
        while file.read_until(b'\n', &mut line)? > 0 {
            // Cases are long, and say nothing of this.
            let ours = [&b"{\"process\":"[..], b"{\"used\":", b"{\"ended\":"];
            if ours.iter().any(|start| line.starts_with(start)) {
                match serde_json::from_slice(&line) {
                    Ok(Line::Process(info)) => process = Some(*info),
                    Ok(Line::Used(used)) => keys.push(used),
                    Ok(Line::Ended(end)) => {
                        if let Some(process) = &mut process {
                            process.ended = Some(end);
                        }
                    }
                    // Cut off when its process was killed: then its end is missing, too.
                    Err(_) => {}
                }
            }
            line.clear();
        }
        match process {
            Some(process) if is_same(&process.recordings, recordings) => {
                for (file, keys) in keys.into_iter().flatten() {
                    self.keys.entry(file).or_default().extend(keys);
                }
                self.processes.push(process);
            }
            Some(_) => {}
            None => self.unknown += 1,
        }
        Ok(())
    }

    pub(super) fn has(&self, file: &str, key: &str) -> bool {
        self.keys.get(file).is_some_and(|keys| keys.contains(key))
    }

    /// Why these runs do not tell what is used: each reason a line. Empty when they do.
    pub(super) fn gaps(
        &self,
        all: &[Run],
        recordings: &Path,
        without_ignored: bool,
    ) -> Vec<String> {
        let mut gaps = BTreeSet::new();
        if self.unknown > 0 {
            gaps.insert("it was recorded by an earlier version of llmtest".to_string());
        }
        let mut by_binary: BTreeMap<&str, Vec<&BinaryInfo>> = BTreeMap::new();
        for process in &self.processes {
            by_binary.entry(&process.binary).or_default().push(process);
        }
        for (binary, processes) in &by_binary {
            let running = |process: &&&BinaryInfo| process.ended.is_none() && !process.outside;
            if processes.iter().any(|process| running(&process)) {
                gaps.insert(format!("`{binary}` was killed, or is still running"));
            }
            // One whole process of a binary is enough.
            let each: Vec<_> = processes
                .iter()
                .map(|process| why_not_whole(process, without_ignored))
                .collect();
            if each.iter().all(|gaps| !gaps.is_empty()) {
                gaps.extend(each.into_iter().flatten());
            }
        }
        for known in all
            .iter()
            .take(ASKED)
            .flat_map(|run| run.heads.iter().flatten())
        {
            let there = known.source.as_ref().is_some_and(|source| source.is_file());
            if there
                && is_same(&known.recordings, recordings)
                && !by_binary.contains_key(known.binary.as_str())
            {
                gaps.insert(format!(
                    "`{}`, which records into the same folder, did not run",
                    known.binary
                ));
            }
        }
        gaps.into_iter().collect()
    }

    /// Binaries of which nothing says whether all of their tests ran.
    pub(super) fn outside(&self) -> BTreeSet<&str> {
        let outside = self.processes.iter().filter(|process| process.outside);
        outside.map(|process| process.binary.as_str()).collect()
    }
}

fn why_not_whole(process: &BinaryInfo, without_ignored: bool) -> Vec<String> {
    let binary = &process.binary;
    let mut gaps = Vec::new();
    let mut gap = |why: String| gaps.push(format!("`{binary}` {why}"));
    if process.nextest {
        gap("ran under nextest, where nobody says which tests were left out".to_string());
        return gaps;
    }
    if process.mode == "live" {
        gap("ran with LLMTEST_MODE=live, which uses no recordings".to_string());
    }
    if !process.filters.is_empty() {
        gap(format!(
            "ran only what `{}` chooses",
            process.filters.join(" ")
        ));
    }
    if !process.targets.is_empty() {
        gap(format!(
            "ran with `{}`, which leaves other binaries out",
            process.targets.join(" ")
        ));
    }
    if !process.tags.is_empty() {
        gap(format!("ran only LLMTEST_TAGS={}", process.tags.join(",")));
    }
    if process.only_failed {
        gap("ran only what failed before (LLMTEST_FAILED)".to_string());
    }
    if process.resumption > 0 {
        gap("went on with a run, and did not run what that had recorded".to_string());
    }
    let end = process.ended.unwrap_or_default();
    if end.left_out > 0 && gaps.is_empty() {
        gaps.push(format!("`{binary}` left out {} tests", end.left_out));
    }
    if end.ignored > 0 && !without_ignored {
        gaps.push(format!(
            "`{binary}` did not run {} ignored tests (`--without-ignored` counts them as gone)",
            end.ignored
        ));
    }
    if end.errored > 0 {
        gaps.push(format!(
            "{} cases of `{binary}` are Errored, and may not have asked all they ask",
            end.errored
        ));
    }
    gaps
}

/// Whether two paths are of one folder, which may be gone.
fn is_same(one: &Path, two: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    one == two || real(one) == real(two)
}
