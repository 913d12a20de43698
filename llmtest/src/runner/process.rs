//! What this process says of itself in the run's record: how it was started, what it used, and that it ended.

use super::git;
use super::place::{binary_name, cargo_targets};
use super::run::Run;
use crate::dataset::manifest_dir;
use crate::entry;
use crate::results::{BinaryEnd, BinaryInfo};
use std::path::PathBuf;
use std::sync::PoisonError;
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

/// What the record has of this process so far.
#[derive(Debug, Default)]
pub(super) struct Told {
    outside: bool,
    started: bool,
    end: BinaryEnd,
    /// Asks git.
    asking: Option<JoinHandle<()>>,
}

impl Run {
    /// Says how the process was started, before its first test. `filters` is what the command line says on which tests to
    /// run.
    pub(crate) fn begin(&'static self, filters: impl FnOnce() -> Vec<String>) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut told.started, true) {
            return;
        }
        self.tell_process(filters(), false);
        if self.is_first() {
            // Beside the first tests: it takes as long as starting a process does, or longer in a large repository.
            told.asking = Some(std::thread::spawn(|| self.tell_git()));
        }
    }

    /// Whether no process of the run, or of its resumption, began before.
    fn is_first(&self) -> bool {
        match &self.resumed {
            Some(resumed) => resumed.kept.is_first,
            None => self.shards.is_first(),
        }
    }

    fn tell_git(&self) {
        let config = self.config.as_ref().ok();
        let folder = config.map_or_else(PathBuf::new, |config| config.root.clone());
        let ci = config.map(|config| config.git.clone());
        let Some(state) = git::state(&folder, ci.unwrap_or_default()) else {
            return;
        };
        if let Some(resumed) = &self.resumed {
            Self::tell(&resumed.warning(&state));
        }
        if let Err(error) = self.shards.git(state) {
            self.note_trouble(&error.to_string());
        }
    }

    /// Waits until git has answered, which takes a bounded time.
    pub(super) fn git_is_told(&self) {
        let asking = {
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            told.asking.take()
        };
        // That it was not asked fails no run.
        let _ = asking.map(JoinHandle::join);
    }

    fn tell_process(&self, filters: Vec<String>, outside: bool) {
        let config = self.config.as_ref().ok();
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let info = BinaryInfo {
            binary: binary_name(),
            source: source(),
            started: now.map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX)),
            filters,
            targets: cargo_targets(),
            tags: config.map(|config| config.tags.clone()).unwrap_or_default(),
            only_failed: config.is_some_and(|config| config.failed),
            nextest: self.under_nextest(),
            outside,
            mode: config.map_or_else(String::new, |config| {
                format!("{:?}", config.mode).to_lowercase()
            }),
            recordings: config
                .map(|config| config.recordings.clone())
                .unwrap_or_default(),
            judge: config.map(|config| config.judge.model.clone()),
            seed: config.map(|config| config.judge.seed),
            version: config.and_then(|config| config.version.clone()),
            resumption: self
                .resumed
                .as_ref()
                .map_or(0, |resumed| resumed.kept.resumption()),
            ended: None,
        };
        if let Err(error) = self.shards.process(info) {
            self.note_trouble(&error.to_string());
        }
    }

    /// Adds what was used of the recordings since the last call.
    pub(super) fn tell_used(&self) {
        let used = self
            .recordings
            .as_ref()
            .map(|recordings| recordings.newly_used())
            .unwrap_or_default();
        if used.is_empty() {
            return;
        }
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if !told.started && !std::mem::replace(&mut told.outside, true) {
            self.tell_process(Vec::new(), true);
        }
        if let Err(error) = self.shards.used(used) {
            self.note_trouble(&error.to_string());
        }
    }

    /// Counts tests that do not run, since the command line or the environment leaves them out, or since they are ignored.
    pub(crate) fn not_running(&self, left_out: usize, ignored: usize) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.end.left_out += left_out;
        told.end.ignored += ignored;
    }

    /// Says that all tests have ended.
    pub(super) fn tell_end(&self, errored: usize) {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let end = BinaryEnd {
            errored,
            ..told.end
        };
        if told.started
            && let Err(error) = self.shards.ended(end)
        {
            self.note_trouble(&error.to_string());
        }
    }
}

/// The file of the first test: the compiler names it relative to the package or to a folder above.
fn source() -> Option<PathBuf> {
    let entry = entry::all().first()?;
    let package = manifest_dir(entry, None);
    package
        .ancestors()
        .map(|folder| folder.join(entry.file))
        .find(|path| path.is_file())
}
