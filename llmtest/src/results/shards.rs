//! One append-only file a process, and their fold.
//!
//! A run is a folder. Every process of the run appends one JSON line a case to a shard of its own, so that processes need
//! no server and no lock (nextest runs each test in one), and a crash loses nothing that had ended. The fold reads all
//! shards of the run and writes one document.

use super::Outcome;
use super::places::{CaseHead, Piece, Places};
use super::process::{BinaryEnd, BinaryInfo, UsedKeys, merged};
use super::record::{GitState, GroupRecord, RunInfo, RunReport, TestRecord};
use super::whole::{Appended, forget_drafts, write_whole};
use crate::Result;
use crate::blame::{BlameTally, CaseView, CausalRecord};
use crate::cost::{CostSums, CostView, ProcessCost};
use crate::redact::Redactor;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// More shards than this are left to a later fold: each process folding all of them would be quadratic.
const FOLD_AT_MOST: usize = 1_000;

/// One line of a shard.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Process(BinaryInfo),
    Git(GitState),
    Used(UsedKeys),
    Ended(BinaryEnd),
    Test(TestRecord),
    Group(GroupRecord),
    Unattributed(BTreeMap<String, usize>),
    Causal(CausalRecord),
    Cost(ProcessCost),
}

/// The shard of this process.
pub(crate) struct Shards {
    root: PathBuf,
    run: PathBuf,
    id: String,
    file: Mutex<Option<Appended>>,
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

    /// Whether no process of the run has asked this before.
    pub(crate) fn is_first(&self) -> bool {
        File::create_new(self.run.join("began")).is_ok()
    }

    /// How this process was started.
    pub(crate) fn process(&self, info: BinaryInfo) -> Result<()> {
        self.line(&Line::Process(info))
    }

    /// The repository that the run began in.
    pub(crate) fn git(&self, state: GitState) -> Result<()> {
        self.line(&Line::Git(state))
    }

    /// Which recorded entries this process used.
    pub(crate) fn used(&self, keys: UsedKeys) -> Result<()> {
        self.line(&Line::Used(keys))
    }

    /// That all tests of this process have ended.
    pub(crate) fn ended(&self, end: BinaryEnd) -> Result<()> {
        self.line(&Line::Ended(end))
    }

    pub(crate) fn test(&self, record: TestRecord) -> Result<()> {
        self.line(&Line::Test(record))
    }

    pub(crate) fn group(&self, record: GroupRecord) -> Result<()> {
        self.line(&Line::Group(record))
    }

    pub(crate) fn causal(&self, record: CausalRecord) -> Result<()> {
        self.line(&Line::Causal(record))
    }

    /// What this process knows of costs beyond its cases.
    pub(crate) fn cost(&self, cost: ProcessCost) -> Result<()> {
        self.line(&Line::Cost(cost))
    }

    /// Whether this process has recorded anything.
    pub(crate) fn has_lines(&self) -> bool {
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.is_some()
    }

    pub(crate) fn unattributed(&self, spans: BTreeMap<String, usize>) -> Result<()> {
        if spans.is_empty() {
            Ok(())
        } else {
            self.line(&Line::Unattributed(spans))
        }
    }

    fn line(&self, line: &Line) -> Result<()> {
        let mut text = serde_json::to_string(line)?;
        if let Cow::Owned(_) = self.redactor.scrub(&text) {
            // Text by text, so that what is taken out never breaks the JSON around it.
            text = self
                .redactor
                .scrub_value(serde_json::from_str(&text)?)
                .to_string();
        }
        text.push('\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let file = match &mut *file {
            Some(file) => file,
            none => none.insert(self.create().map_err(|error| self.unwritable(&error))?),
        };
        // What has ended must survive a crash: nothing waits in a buffer.
        Ok(file
            .append(text.as_bytes())
            .map_err(|error| self.unwritable(&error))?)
    }

    fn unwritable(&self, error: &std::io::Error) -> String {
        let folder = self.run.display();
        let full = [
            ErrorKind::StorageFull,
            ErrorKind::QuotaExceeded,
            ErrorKind::FileTooLarge,
        ];
        if full.contains(&error.kind()) {
            let name = self.run.file_name().unwrap_or_default().to_string_lossy();
            return format!(
                "the record of the run cannot be written to {folder}: {error}\nhint: make space, then `LLMTEST_RESUME={name}` runs what is missing"
            );
        }
        format!(
            "the run folder {folder} cannot be written: {error}\nhint: set LLMTEST_DIR to a folder that can"
        )
    }

    fn create(&self) -> std::io::Result<Appended> {
        fs::create_dir_all(&self.run)?;
        let pid = std::process::id();
        // A process id may come back within one run, and most of all in one that is resumed.
        for n in 0.. {
            match File::create_new(self.run.join(format!("{pid}-{n}.jsonl"))) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                other => return other.map(Appended::new),
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
        // Of processes that end together, the last to take the lock sees every shard.
        let lock = File::create(self.run.join("fold.lock"))?;
        let _held = lock.lock().ok();
        let shards = in_time(shards_in(&self.run)?);
        if shards.len() > FOLD_AT_MOST {
            return Ok(None);
        }
        forget_drafts(&self.run);
        let own = self.run.join("report.json");
        let unwritable = |path: &Path, error: &dyn std::fmt::Display| {
            format!(
                "the report {} cannot be written: {error}\nhint: make space, or set LLMTEST_DIR to another folder; the cases are kept in {}",
                path.display(),
                self.run.display()
            )
        };
        write_whole(&own, |out| fold(&shards, &self.id, out))
            .map_err(|error| unwritable(&own, &error))?;
        let latest = self.root.join("report.json");
        let mut copied = File::open(own)?;
        write_whole(&latest, |out| {
            Ok(std::io::copy(&mut copied, out).map(|_| ())?)
        })
        .map_err(|error| unwritable(&latest, &error))?;
        Ok(Some(latest))
    }
}

/// Folds the shards in a run's folder into its `report.json`, however many there are: those of a run that was killed, of
/// one with many processes, or of several machines.
#[cfg(feature = "cli")]
pub(crate) fn fold_folder(run: &Path) -> Result<PathBuf> {
    let lock = File::create(run.join("fold.lock"))?;
    let _held = lock.lock().ok();
    let shards = in_time(shards_in(run)?);
    if shards.is_empty() {
        return Err(format!("nothing was recorded in {}", run.display()).into());
    }
    let name = run.file_name().unwrap_or_default().to_string_lossy();
    let own = run.join("report.json");
    write_whole(&own, |out| fold(&shards, &name, out))?;
    Ok(own)
}

/// The number of the first line that this version cannot read; a last one that was cut off is none.
#[cfg(feature = "cli")]
pub(crate) fn unreadable(shard: &Path) -> std::io::Result<Option<usize>> {
    let mut file = BufReader::new(File::open(shard)?);
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        file.read_until(b'\n', &mut line)?;
        if line.last() != Some(&b'\n') {
            break;
        }
        if serde_json::from_slice::<Head<'_>>(line.trim_ascii_end()).is_err() {
            return Ok(Some(number));
        }
    }
    Ok(None)
}

/// The shards in a run's folder, by name.
pub(crate) fn shards_in(run: &Path) -> Result<Vec<PathBuf>> {
    let mut shards: Vec<_> = fs::read_dir(run)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "jsonl"))
        .collect();
    shards.sort();
    Ok(shards)
}

/// The shards in the order in which their processes began, so that of equal attempts the later counts: where a run's name is
/// given, `cargo test` may run twice in it.
pub(super) fn in_time(mut shards: Vec<PathBuf>) -> Vec<PathBuf> {
    let started = |path: &PathBuf| {
        let mut line = Vec::new();
        let file = File::open(path).ok()?;
        BufReader::with_capacity(1024, file)
            .read_until(b'\n', &mut line)
            .ok()?;
        match serde_json::from_slice(&line) {
            Ok(Head::Process(info)) => Some(info.started),
            _ => None,
        }
    };
    // By name where that is not known: what has no order is folded in the same one each time.
    shards.sort_by_cached_key(|path| (started(path), path.clone()));
    shards
}

/// What the fold reads of a line; the rest is copied as it stands.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Head<'a> {
    Process(BinaryInfo),
    Git(GitState),
    Used(IgnoredAny),
    Ended(BinaryEnd),
    #[serde(borrow)]
    Test(CaseHead<'a>),
    Group(GroupRecord),
    Unattributed(BTreeMap<String, usize>),
    Causal(CausalRecord),
    Cost(ProcessCost),
}

/// What stands around a record in its line.
pub(super) const AROUND: (&[u8], &[u8]) = (br#"{"test":"#, b"}");

/// What the shards hold: the places of their cases, and all of the little else.
#[derive(Default)]
struct Contents {
    /// By shard.
    processes: BTreeMap<usize, BinaryInfo>,
    cases: Places,
    /// With the resumption that each is of.
    groups: BTreeMap<(String, String, String), (u32, GroupRecord)>,
    unattributed: BTreeMap<String, usize>,
    causal: Vec<(u32, CausalRecord)>,
    /// By resumption.
    git: BTreeMap<u32, GitState>,
    cost: CostSums,
}

impl Contents {
    /// Reads a shard line by line. A last line that was cut off, because its process was killed or is still writing, is
    /// left out.
    fn read(&mut self, shard: usize, path: &Path) -> Result<()> {
        let mut file = BufReader::new(File::open(path)?);
        let (mut line, mut at) = (Vec::new(), 0);
        loop {
            line.clear();
            let length = file.read_until(b'\n', &mut line)? as u64;
            if length == 0 {
                return Ok(());
            }
            self.add(shard, at, line.trim_ascii_end());
            at += length;
        }
    }

    fn resumption(&self, shard: usize) -> u32 {
        self.processes
            .get(&shard)
            .map_or(0, |process| process.resumption)
    }

    fn add(&mut self, shard: usize, at: u64, line: &[u8]) {
        let resumption = self.resumption(shard);
        match serde_json::from_slice::<Head<'_>>(line) {
            Ok(Head::Test(head)) => {
                let record = line
                    .strip_prefix(AROUND.0)
                    .and_then(|rest| rest.strip_suffix(AROUND.1));
                if let Some(record) = record {
                    let piece = Piece {
                        shard,
                        start: at + AROUND.0.len() as u64,
                        length: record.len() as u64,
                    };
                    self.cases.add(&head, resumption, piece);
                }
            }
            Ok(Head::Group(record)) => {
                let key = (
                    record.binary.clone(),
                    record.file.clone(),
                    record.test.clone(),
                );
                let known = self.groups.get(&key);
                let known = known.map(|(resumption, known)| (*resumption, known.attempt));
                if known <= Some((resumption, record.attempt)) {
                    self.groups.insert(key, (resumption, record));
                }
            }
            Ok(Head::Unattributed(spans)) => {
                for (name, count) in spans {
                    *self.unattributed.entry(name).or_default() += count;
                }
            }
            // A second one is of the harness, after measurements outside of tests.
            Ok(Head::Process(info)) => {
                self.processes.insert(shard, info);
            }
            Ok(Head::Ended(end)) => {
                if let Some(info) = self.processes.get_mut(&shard) {
                    info.ended = Some(end);
                }
            }
            Ok(Head::Causal(record)) => self.causal.push((resumption, record)),
            Ok(Head::Git(state)) => {
                self.git.entry(resumption).or_insert(state);
            }
            Ok(Head::Cost(cost)) => self.cost.process(cost),
            Ok(Head::Used(_)) | Err(_) => {}
        }
    }
}

/// When the first process began.
fn began<'a>(processes: impl Iterator<Item = &'a BinaryInfo>) -> u64 {
    let known = processes.map(|process| process.started);
    known.min().unwrap_or_default()
}

/// The configured judge, of the process that began last: where it is another after a resumption, the measurements say so.
fn judge<'a>(processes: impl Iterator<Item = &'a BinaryInfo>) -> Option<String> {
    let known = processes.filter(|process| process.judge.is_some());
    known
        .max_by_key(|process| process.started)
        .and_then(|process| process.judge.clone())
}

/// Writes the report of these shards. Of several attempts at one case the last counts. Cases are copied from file to file,
/// one at a time: however much a run recorded, the fold holds only where it stands.
fn fold(shards: &[PathBuf], id: &str, out: &mut dyn Write) -> Result<()> {
    let mut contents = Contents::default();
    for (shard, path) in shards.iter().enumerate() {
        contents.read(shard, path)?;
    }
    let Contents {
        processes,
        cases,
        groups,
        unattributed,
        mut causal,
        mut git,
        mut cost,
    } = contents;
    let (sites, cases) = cases.in_order();
    let run = RunInfo {
        id: id.to_string(),
        llmtest: env!("CARGO_PKG_VERSION").to_string(),
        processes: shards.len(),
        started: began(processes.values()),
        git: git.pop_last().map(|(_, state)| state),
        judge: judge(processes.values()),
        binaries: merged(processes.into_values()),
        unattributed_spans: unattributed,
        ..RunInfo::default()
    };
    write!(
        out,
        r#"{{"format":{},"run":{},"tests":["#,
        RunReport::FORMAT,
        serde_json::to_string(&run)?
    )?;
    let mut open: Option<(usize, File)> = None;
    let (mut first, mut blame, mut record) = (true, BlameTally::default(), Vec::new());
    for place in &cases {
        let piece = place.piece();
        let mut file = match open.take() {
            Some((shard, file)) if shard == piece.shard => file,
            _ => File::open(&shards[piece.shard])?,
        };
        out.write_all(if first { b"\n" } else { b",\n" })?;
        file.seek(SeekFrom::Start(piece.start))?;
        record.clear();
        (&file).take(piece.length).read_to_end(&mut record)?;
        out.write_all(&record)?;
        open = Some((piece.shard, file));
        first = false;
        if let Ok(case) = serde_json::from_slice::<CaseView<'_>>(&record) {
            blame.add(&case);
        }
        if let Ok(case) = serde_json::from_slice::<CostView>(&record) {
            cost.case(case);
        }
        // Of the same attempt only.
        let own = causal.extract_if(.., |(resumption, rerun)| {
            place.is_of(&sites, *resumption, rerun)
        });
        for (_, rerun) in own {
            blame.add_causal(rerun);
        }
    }
    let groups: Vec<_> = groups.into_values().map(|(_, group)| group).collect();
    write!(out, "\n],\"groups\":{}", serde_json::to_string(&groups)?)?;
    if let Some(cost) = cost.report() {
        write!(out, ",\"cost\":{}", serde_json::to_string(&cost)?)?;
    }
    if let Some(blame) = blame.blame() {
        write!(out, ",\"blame\":{}", serde_json::to_string(&blame)?)?;
    }
    writeln!(out, "}}")?;
    Ok(())
}

/// What did not pass in the latest run of a binary.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct FailedLast(HashSet<String>);

impl FailedLast {
    /// Whether the case or the dataset of this name did not pass.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains(name)
    }

    /// Whether the test, or a row of it, did not pass.
    pub(crate) fn has_test(&self, path: &str) -> bool {
        let of_test = |name: &String| {
            name.strip_prefix(path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        };
        self.0.iter().any(of_test)
    }
}

/// The reports of all runs but the present one, the latest first.
pub(crate) fn earlier_reports(
    root: &Path,
    present: &Path,
) -> impl Iterator<Item = BufReader<File>> {
    let runs = fs::read_dir(root.join("runs")).into_iter().flatten();
    let mut reports: Vec<_> = runs
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|run| run != present)
        .filter_map(|run| {
            let report = run.join("report.json");
            Some((fs::metadata(&report).ok()?.modified().ok()?, report))
        })
        .collect();
    reports.sort();
    let open = |(_, report)| File::open::<PathBuf>(report).ok().map(BufReader::new);
    reports.into_iter().rev().filter_map(open)
}

/// What did not pass in the latest run, other than the present one, that recorded this binary; `None` when there is none.
pub(crate) fn failed_last(root: &Path, present: &Path, binary: &str) -> Option<FailedLast> {
    earlier_reports(root, present).find_map(|file| {
        let report: Ended = serde_json::from_reader(file).ok()?;
        if report.format != RunReport::FORMAT {
            return None;
        }
        let all = report.tests.into_iter().chain(report.groups);
        let all: Vec<_> = all.filter(|ended| ended.binary == binary).collect();
        let bad = |ended: &&EndedCase| matches!(ended.outcome, Outcome::Failed | Outcome::Errored);
        let failed = all.iter().filter(bad).map(EndedCase::name);
        (!all.is_empty()).then(|| FailedLast(failed.collect()))
    })
}

/// What ended how: the little that is read of a report which may be large.
#[derive(Deserialize)]
struct Ended {
    format: u32,
    tests: Vec<EndedCase>,
    groups: Vec<EndedCase>,
}

#[derive(Deserialize)]
struct EndedCase {
    binary: String,
    test: String,
    #[serde(default)]
    row: Option<String>,
    outcome: Outcome,
}

impl EndedCase {
    fn name(&self) -> String {
        match &self.row {
            Some(row) => format!("{}::{row}", self.test),
            None => self.test.clone(),
        }
    }
}

#[cfg(test)]
#[path = "shards_tests.rs"]
mod tests;
