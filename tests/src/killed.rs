//! A run that is killed at a random moment, and what is looked at then: no record that had ended is lost, every file can be
//! read, and a resumption completes the run to what an undisturbed one says.

use crate::mock::{Answer, MockServer};
use crate::{Scratch, fixture};
use llmtest::{Outcome, RunReport, TestRecord};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Cases in flight at once.
const AT_ONCE: usize = 4;

/// How long a run may take, whatever the machine is busy with.
const BOUND: Duration = Duration::from_secs(120);

/// Of every measurement: its title, its outcome, its score and its digest.
type Measured = (String, Outcome, Option<f64>, String);

/// Of every case: how it ended, and of each trial its digest and what was measured.
pub type Said = BTreeMap<String, (Outcome, Vec<(String, Vec<Measured>)>)>;

/// Where runs are killed: a server, and the recordings and the results of an undisturbed run.
#[derive(Debug)]
pub struct Room {
    scratch: Scratch,
    server: MockServer,
    target: &'static str,
    rows: String,
    /// How long a run in mode `replay` takes when nothing disturbs it.
    pub took: Duration,
    said: Said,
}

/// What one killed run came to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Killed {
    /// Whether it was still running.
    pub in_time: bool,
    /// Cases that were recorded when it was killed.
    pub recorded: usize,
    /// Cases that had begun and were not recorded.
    pub in_flight: usize,
    /// Lines that were cut off in the middle.
    pub torn: usize,
    /// Cases that the resumption kept.
    pub kept: usize,
}

/// Numbers by chance, the same ones each time.
#[derive(Debug)]
pub struct Chance(u64);

impl Chance {
    /// From this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next one in `0.0..1.0` (`SplitMix64`).
    pub fn next_share(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

impl Room {
    /// Records a run of this fixture with so many rows in each dataset, and runs it again from its recordings.
    ///
    /// # Errors
    ///
    /// When a run does not end as it must.
    pub fn new(target: &'static str, rows: usize) -> Result<Self, String> {
        let mut room = Self {
            scratch: Scratch::new("killed"),
            server: MockServer::script([Answer::grade(9)]),
            target,
            rows: rows.to_string(),
            took: Duration::ZERO,
            said: Said::new(),
        };
        fixture(target);
        room.finished("first", "auto", &[])?;
        let started = Instant::now();
        room.finished("second", "replay", &[])?;
        room.took = started.elapsed();
        room.said = said(&room.report("second")?);
        let expected = 2 * rows + 2;
        if room.said.len() == expected {
            Ok(room)
        } else {
            let found = room.said.len();
            Err(format!("{found} of {expected} cases in the report"))
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// The records of one run, which are a folder of their own.
    fn records(&self, name: &str) -> PathBuf {
        self.path(name).join("runs/the-run")
    }

    fn command(&self, name: &str, mode: &str, vars: &[(&str, &str)]) -> Command {
        let mut command = Command::new(fixture(self.target));
        for (variable, _) in std::env::vars_os() {
            let text = variable.to_string_lossy();
            if text.starts_with("LLMTEST_") || text.starts_with("NEXTEST") {
                command.env_remove(&variable);
            }
        }
        let recordings = match mode {
            "auto" => self.path(name).join("recordings"),
            _ => self.path("first/recordings"),
        };
        let places = AT_ONCE.to_string();
        command
            .current_dir(self.scratch.path())
            .env("CARGO_MANIFEST_DIR", env!("CARGO_MANIFEST_DIR"))
            .env("TMPDIR", self.scratch.path())
            .env("CI", "false")
            .env("NO_COLOR", "1")
            .env("ROWS", &self.rows)
            .env("BEGUN", self.path(&format!("{name}.begun")))
            .env("LLMTEST_MODE", mode)
            .env("LLMTEST_BASE_URL", self.server.url())
            .env("LLMTEST_MODEL", "judge")
            .env("LLMTEST_API_KEY_ENV", "NO_SUCH_KEY")
            .env("LLMTEST_RECORDINGS", recordings)
            .env("LLMTEST_DIR", self.path(name))
            .env("LLMTEST_CONCURRENCY", places)
            // The ledger is written, too.
            .env("LLMTEST_BUDGET", "1000000000 tokens")
            .envs(vars.iter().copied())
            .stdin(Stdio::null());
        command
    }

    /// Runs to the end, as a new run or as a resumption, and returns what is printed.
    fn finished(&self, name: &str, mode: &str, vars: &[(&str, &str)]) -> Result<String, String> {
        let mut all = vars.to_vec();
        if vars.is_empty() {
            all.push(("LLMTEST_RUN_ID", "the-run"));
        }
        let output = self.command(name, mode, &all).output();
        let output = output.map_err(|error| format!("the fixture does not start: {error}"))?;
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        // Some cases fail.
        match output.status.code() {
            Some(101) => Ok(text),
            code => Err(format!("ended with {code:?}: {text}")),
        }
    }

    fn report(&self, name: &str) -> Result<RunReport, String> {
        let path = self.records(name).join("report.json");
        let text = fs::read_to_string(&path);
        let text = text.map_err(|error| format!("{}: {error}", path.display()))?;
        RunReport::from_json(&text).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// Kills a run after this share of the time that it takes, in mode `replay` (with the recordings that are there) or
    /// `auto` (without any), and resumes it: first with another kill, where `again` says when.
    ///
    /// # Errors
    ///
    /// What was lost, what cannot be read, and what the completed run says that the undisturbed one does not.
    pub fn kill(
        &self,
        name: &str,
        mode: &str,
        share: f64,
        again: Option<f64>,
    ) -> Result<Killed, String> {
        let mut killed = self.killed(name, mode, share, ("LLMTEST_RUN_ID", "the-run"))?;
        if let Some(share) = again.filter(|_| self.has_begun(name)) {
            let second = self.killed(name, mode, share, ("LLMTEST_RESUME", "the-run"))?;
            if second.recorded < killed.recorded {
                return Err("the second kill lost records of the first".to_string());
            }
            killed.recorded = second.recorded;
        }
        // Of a run that was killed before it recorded anything, nothing is to be resumed.
        let vars: &[(&str, &str)] = if self.has_begun(name) {
            &[("LLMTEST_RESUME", "last")]
        } else {
            &[]
        };
        let text = self.finished(name, mode, vars)?;
        killed.kept = kept(&text).unwrap_or_default();
        self.readable(name)?;
        let now = said(&self.report(name)?);
        if now == self.said {
            return Ok(killed);
        }
        let other = |name: &&String| now.get(*name) != self.said.get(*name);
        let names: BTreeSet<&String> = now.keys().chain(self.said.keys()).filter(other).collect();
        let first = names
            .first()
            .map(|name| (now.get(*name), self.said.get(*name)));
        Err(format!(
            "differs after the resumption: {names:?}; {first:?}"
        ))
    }

    fn has_begun(&self, name: &str) -> bool {
        files(&self.records(name), "jsonl").next().is_some()
    }

    fn killed(
        &self,
        name: &str,
        mode: &str,
        share: f64,
        run: (&str, &str),
    ) -> Result<Killed, String> {
        let before = self.begun(name);
        let printed = self.path(&format!("{name}.out"));
        let out = fs::File::create(&printed).map_err(|error| error.to_string())?;
        let mut child = self
            .command(name, mode, &[run])
            .stdout(out)
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("the fixture does not start: {error}"))?;
        std::thread::sleep(self.took.mul_f64(share).min(BOUND));
        let in_time = matches!(child.try_wait(), Ok(None));
        // SIGKILL, on Unix.
        child.kill().map_err(|error| error.to_string())?;
        child.wait().map_err(|error| error.to_string())?;
        let torn = self.readable(name)?;
        let recorded = self.recorded(name)?;
        // A line of the harness is printed when the case has been recorded.
        let text = fs::read_to_string(printed).map_err(|error| error.to_string())?;
        let told = text.lines().filter_map(|line| {
            let (name, result) = line.strip_prefix("test ")?.split_once(" ... ")?;
            (result == "ok" || result.starts_with("FAILED")).then(|| name.trim().to_string())
        });
        let lost: Vec<String> = told
            .filter(|name| !recorded.contains(name) && !is_dataset(name))
            .collect();
        if !lost.is_empty() {
            return Err(format!("ended and not recorded: {lost:?}"));
        }
        let begun = self.begun(name);
        let in_flight = begun
            .difference(&before)
            .filter(|name| !recorded.contains(*name))
            .count();
        // Those that run, and those that have ended and are about to be recorded.
        if in_flight > 2 * AT_ONCE {
            return Err(format!("{in_flight} cases begun and not recorded"));
        }
        Ok(Killed {
            in_time,
            recorded: recorded.len(),
            in_flight,
            torn,
            kept: 0,
        })
    }

    fn begun(&self, name: &str) -> BTreeSet<String> {
        let text = fs::read_to_string(self.path(&format!("{name}.begun"))).unwrap_or_default();
        text.lines().map(str::to_string).collect()
    }

    /// The cases in the shards.
    fn recorded(&self, name: &str) -> Result<BTreeSet<String>, String> {
        let mut found = BTreeSet::new();
        for shard in files(&self.records(name), "jsonl") {
            let text = fs::read_to_string(&shard).map_err(|error| error.to_string())?;
            let lines = text.lines().filter_map(|line| {
                let mut line: Value = serde_json::from_str(line).ok()?;
                let record = line.get_mut("test")?.take();
                let record: TestRecord = serde_json::from_value(record).ok()?;
                Some(record.name())
            });
            found.extend(lines);
        }
        Ok(found)
    }

    /// Reads every file that the runs of this name left, and says how many last lines are cut off.
    fn readable(&self, name: &str) -> Result<usize, String> {
        let mut torn = 0;
        let mut folders = vec![self.path(name)];
        while let Some(folder) = folders.pop() {
            for path in files(&folder, "") {
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                torn += usize::from(is_torn(&path)?);
            }
        }
        Ok(torn)
    }
}

/// Whether the last line of a file of lines is cut off; an error where anything else cannot be read.
fn is_torn(path: &Path) -> Result<bool, String> {
    let wrong = |why: String| format!("{}: {why}", path.display());
    let bytes = fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    match &*extension {
        "json" => {
            // A state of limits that nobody has written yet.
            let limits = path
                .parent()
                .is_some_and(|folder| folder.ends_with("limits"));
            if !(limits && bytes.is_empty()) {
                serde_json::from_slice::<Value>(&bytes)
                    .map_err(|error| wrong(error.to_string()))?;
            }
            Ok(false)
        }
        "jsonl" | "ledger" => {
            let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
            let last = lines.pop().unwrap_or_default();
            for (n, line) in lines
                .iter()
                .enumerate()
                .filter(|(_, line)| !line.is_empty())
            {
                serde_json::from_slice::<Value>(line)
                    .map_err(|error| wrong(format!("line {}: {error}", n + 1)))?;
            }
            Ok(!last.is_empty())
        }
        // Locks, drafts and lists of what is kept, which take part in every resumption.
        _ => Ok(false),
    }
}

/// The files of a folder with this extension, or all that is in it.
fn files(folder: &Path, extension: &str) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    paths.filter(move |path| {
        extension.is_empty() || path.extension().is_some_and(|own| own == extension)
    })
}

/// Under libtest a dataset has a line of its own, and no record as a case.
fn is_dataset(name: &str) -> bool {
    matches!(name, "spread" | "one_test")
}

/// `12 cases kept from the run`.
fn kept(text: &str) -> Option<usize> {
    let line = text
        .lines()
        .find(|line| line.contains(" kept from the run "))?;
    line.split(' ').next()?.parse().ok()
}

fn said(report: &RunReport) -> Said {
    let trial = |trial: &llmtest::TrialRecord| {
        let measured = trial.measurements.iter().map(|m| {
            let digest = m.digest.clone();
            (m.title(), m.outcome, m.score, digest)
        });
        (trial.digest.clone(), measured.collect())
    };
    let case = |test: &TestRecord| {
        let trials = test.trials.iter().map(trial).collect();
        (test.name(), (test.outcome, trials))
    };
    report.tests.iter().map(case).collect()
}
