//! What a run has recorded so far. Its shards only grow: each is read from where the last look ended.

use crate::cost::{Money, RunCost, Spending, grouped};
use crate::results::stream::{self, Cases};
use crate::results::{BinaryInfo, Outcome, TestRecord, latest_runs, shards_in};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// How far a run is.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct SoFar {
    /// Cases that ended.
    pub(super) done: usize,
    pub(super) failed: usize,
    pub(super) errored: usize,
    /// Of judges and of the application.
    pub(super) spent: Spending,
    /// The process that was seen first.
    pub(super) began: Option<BinaryInfo>,
}

/// A run's folder, which need not be there yet.
#[derive(Debug)]
pub(super) struct Follow {
    folder: PathBuf,
    /// How much of each shard was read: whole lines.
    read: BTreeMap<PathBuf, u64>,
    so_far: SoFar,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Process(Box<BinaryInfo>),
    Test(Case),
}

#[derive(Deserialize)]
struct Case {
    outcome: Outcome,
    trials: Vec<Trial>,
}

#[derive(Deserialize)]
struct Trial {
    #[serde(default)]
    application: Spending,
    #[serde(default)]
    measurements: Vec<Measurement>,
}

#[derive(Deserialize)]
struct Measurement {
    #[serde(default)]
    spending: BTreeMap<String, Spending>,
}

impl Follow {
    /// The run of this id, in a folder of runs, from here on: what a run that is resumed has recorded does not count.
    pub(super) fn new(root: &Path, id: &str) -> Self {
        let folder = root.join("runs").join(id);
        let there = shards(&folder).collect();
        Self {
            folder,
            read: there,
            so_far: SoFar::default(),
        }
    }

    /// Reads what was added since the last look. What cannot be read now may be the next time.
    pub(super) fn look(&mut self) -> &SoFar {
        for (path, long) in shards(&self.folder) {
            let known = self.read.entry(path.clone()).or_default();
            if long > *known {
                let _ = add(&path, known, &mut self.so_far);
            }
        }
        &self.so_far
    }
}

/// The shards in a run's folder, and how long they are.
fn shards(folder: &Path) -> impl Iterator<Item = (PathBuf, u64)> {
    let shards = shards_in(folder).into_iter().flatten();
    shards.map(|path| {
        let long = path.metadata().map_or(u64::MAX, |meta| meta.len());
        (path, long)
    })
}

/// Adds the whole lines from `read` on, and moves it behind them.
fn add(path: &Path, read: &mut u64, so_far: &mut SoFar) -> io::Result<()> {
    let mut file = BufReader::new(File::open(path)?);
    file.seek(SeekFrom::Start(*read))?;
    let mut line = Vec::new();
    loop {
        line.clear();
        let length = file.read_until(b'\n', &mut line)?;
        // The rest is still being written.
        if line.last() != Some(&b'\n') {
            return Ok(());
        }
        *read += length as u64;
        match serde_json::from_slice(&line) {
            Ok(Line::Process(process)) => {
                so_far.began.get_or_insert(*process);
            }
            Ok(Line::Test(case)) => so_far.add(case),
            Err(_) => {}
        }
    }
}

impl SoFar {
    fn add(&mut self, case: Case) {
        self.done += 1;
        self.failed += usize::from(case.outcome == Outcome::Failed);
        self.errored += usize::from(case.outcome == Outcome::Errored);
        for trial in case.trials {
            self.spent += trial.application;
            let spent = trial.measurements.into_iter().map(|m| m.spending);
            spent
                .flat_map(BTreeMap::into_values)
                .for_each(|spent| self.spent += spent);
        }
    }
}

/// How many cases a run will have, where the last one before it was started in the same way: `began` is the process that
/// was seen first. Under nextest a process says nothing of the whole.
pub(super) fn expected(root: &Path, id: &str, began: &BinaryInfo) -> Option<usize> {
    if began.nextest || began.resumption > 0 || began.only_failed {
        return None;
    }
    let last = latest_runs(root).into_iter().find(|run| run.name != id)?;
    let last = root.join("runs").join(last.name).join("report.json");
    let mut cases = Counted(0);
    let last = stream::read(&last, &mut cases).ok()?;
    let alike = |process: &BinaryInfo| {
        !process.only_failed && process.ended.is_some() && asked(process) == asked(began)
    };
    let whole = last.run.binaries.iter().any(alike) && last.run.binaries.iter().all(has_ended);
    whole.then_some(cases.0)
}

/// The binary, and which of its tests.
fn asked(process: &BinaryInfo) -> (&str, [&[String]; 3]) {
    let words = [&*process.targets, &process.filters, &process.tags];
    (&process.binary, words)
}

struct Counted(usize);

impl Cases for Counted {
    fn add(&mut self, _: &TestRecord) {
        self.0 += 1;
    }
}

fn has_ended(process: &BinaryInfo) -> bool {
    process.outside || process.ended.is_some()
}

/// All that a run spent.
pub(super) fn spent(cost: &RunCost) -> Spending {
    let mut sum = cost.application.clone();
    let models = cost.judges.values().chain(cost.embedders.values());
    models.for_each(|spent| sum += spent.clone());
    sum
}

/// What the live calls cost, where there were some.
pub(super) fn cost_text(spent: &Spending) -> String {
    if spent.calls <= spent.replayed {
        return String::new();
    }
    let money = Money::dollars(spent.cost).unwrap_or_default();
    match spent.unpriced {
        0 => money.to_string(),
        _ if spent.cost == 0.0 => "unknown".to_string(),
        _ => format!("at least {money}"),
    }
}

/// `27 calls live, 20 replayed, 31,204 tokens, $0.0123`; of live calls the tokens and the money. Empty without calls.
pub(super) fn spent_text(spent: &Spending) -> String {
    let live = spent.calls.saturating_sub(spent.replayed);
    let mut parts = Vec::new();
    if live > 0 {
        let plural = if live == 1 { "call" } else { "calls" };
        parts.push(format!("{} {plural} live", grouped(live)));
    }
    if spent.replayed > 0 {
        parts.push(format!("{} replayed", grouped(spent.replayed)));
    }
    if live > 0 {
        parts.push(format!("{} tokens", grouped(spent.usage.total())));
        parts.push(match &*cost_text(spent) {
            "unknown" => "cost unknown".to_string(),
            cost => cost.to_string(),
        });
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const CASE: &str = r#"{"test":{"outcome":"failed","trials":[{"application":{"calls":1,"cost":0.25,"usage":{"prompt_tokens":10,"completion_tokens":5}},"measurements":[{"spending":{"m":{"calls":2,"replayed":1,"cost":0.0,"unpriced":1}}}]}]}}"#;

    #[test]
    fn a_line_counts_once_and_only_when_it_is_whole() {
        let dir = std::env::temp_dir().join(format!("llmtest-follow-{}", std::process::id()));
        let mut follow = Follow::new(&dir, "one");
        assert_eq!(follow.look().done, 0, "a run that has not begun");
        std::fs::create_dir_all(dir.join("runs/one")).unwrap();
        let mut shard = File::create(dir.join("runs/one/7-0.jsonl")).unwrap();
        let (half, rest) = CASE.split_at(40);
        write!(shard, "{{\"process\":{{\"binary\":\"evals\"}}}}\n{half}").unwrap();
        assert_eq!(follow.look().done, 0);
        assert_eq!(
            follow.look().began.as_ref().unwrap().binary,
            "evals",
            "what is whole is read before the rest is there"
        );
        writeln!(shard, "{rest}").unwrap();
        assert_eq!((follow.look().done, follow.look().failed), (1, 1));
        let mut other = File::create(dir.join("runs/one/8-0.jsonl")).unwrap();
        writeln!(other, "{CASE}\nbroken\n{CASE}").unwrap();
        let so_far = follow.look().clone();
        let resumed = Follow::new(&dir, "one").look().done;
        assert_eq!(resumed, 0, "what was there before");
        std::fs::remove_dir_all(&dir).unwrap();
        assert_eq!((so_far.done, so_far.errored), (3, 0));
        assert_eq!(
            spent_text(&so_far.spent),
            "6 calls live, 3 replayed, 45 tokens, at least $0.7500"
        );
    }

    #[test]
    fn what_was_spent_says_what_is_known() {
        let mut spent = Spending::default();
        assert_eq!(spent_text(&spent), "");
        (spent.calls, spent.replayed) = (3, 3);
        assert_eq!(spent_text(&spent), "3 replayed");
        (spent.calls, spent.unpriced) = (4, 1);
        assert_eq!(
            spent_text(&spent),
            "1 call live, 3 replayed, 0 tokens, cost unknown"
        );
    }
}
