//! A place to run a fixture in, which watches over the key of the judge.

use crate::mock::MockServer;
use crate::{Ran, Scratch, fixture, run_in};
use llmtest::{MeasurementRecord, RunReport, TrialRecord};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The judge's key in every run. Nobody may ever see it.
pub const KEY: &str = "sk-fake-0451-nobody-may-see-this";

/// The variable that holds the key.
pub const KEY_VARIABLE: &str = "HOUSE_TOKEN";

/// A working directory with a folder of recordings and one of records.
#[derive(Debug)]
pub struct Bench {
    scratch: Scratch,
    target: &'static str,
}

impl Bench {
    /// An empty one for the fixture `judged`.
    pub fn new(name: &str) -> Self {
        Self::of("judged", name)
    }

    /// An empty one for this fixture.
    pub fn of(target: &'static str, name: &str) -> Self {
        Self {
            scratch: Scratch::new(name),
            target,
        }
    }

    /// Goes on with this fixture in the same place, as after an edit of the program.
    #[must_use]
    pub fn then(self, target: &'static str) -> Self {
        Self { target, ..self }
    }

    /// The working directory of the runs.
    pub fn path(&self) -> &Path {
        self.scratch.path()
    }

    /// The file of the recordings.
    pub fn recording(&self, file: &str) -> PathBuf {
        self.path().join("recordings").join(file)
    }

    /// Runs the fixture with these arguments and variables, and looks for the key in all that it prints and writes.
    ///
    /// # Panics
    ///
    /// When the key is anywhere.
    pub fn run(&self, args: &[&str], vars: &[(&str, &str)]) -> Ran {
        let folder = |name: &str| self.path().join(name).to_string_lossy().into_owned();
        let (records, recordings) = (folder("records"), folder("recordings"));
        let here = self.path().to_string_lossy();
        let mut all = vec![
            // Where the lock of the recordings stands, so that it goes with the rest.
            ("TMPDIR", &*here),
            ("LLMTEST_DIR", records.as_str()),
            ("LLMTEST_RECORDINGS", recordings.as_str()),
            ("LLMTEST_API_KEY_ENV", KEY_VARIABLE),
            (KEY_VARIABLE, KEY),
        ];
        all.extend_from_slice(vars);
        let ran = run_in(self.path(), &fixture(self.target), args, &all);
        assert!(!ran.text().contains(KEY), "the key:\n{}", ran.text());
        for (file, text) in files(self.path()) {
            assert!(!text.contains(KEY), "the key in {file}:\n{text}");
        }
        ran
    }

    /// Runs without recordings against this server.
    pub fn live(&self, server: &MockServer, args: &[&str], vars: &[(&str, &str)]) -> Ran {
        self.against(server, "live", args, vars)
    }

    /// Runs in this mode against this server.
    pub fn against(
        &self,
        server: &MockServer,
        mode: &str,
        args: &[&str],
        vars: &[(&str, &str)],
    ) -> Ran {
        let url = server.url();
        let mut all = vec![("LLMTEST_MODE", mode), ("LLMTEST_BASE_URL", url.as_str())];
        all.extend_from_slice(vars);
        self.run(args, &all)
    }

    /// Every recording, by its name in the folder.
    pub fn recordings(&self) -> BTreeMap<String, String> {
        files(&self.path().join("recordings"))
    }

    /// The report of the last run.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub fn report(&self) -> RunReport {
        let path = self.path().join("records/report.json");
        let text = fs::read_to_string(path).expect("a report");
        RunReport::from_json(&text).expect("a report of this format")
    }

    /// The first trial of this test in the last run.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub fn trial(&self, test: &str) -> TrialRecord {
        let report = self.report();
        let found = report.tests.iter().find(|record| record.name() == test);
        let trial = found.and_then(|record| record.trials.first());
        trial.expect("a trial of the test").clone()
    }

    /// The first measurement of this test in the last run.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub fn measurement(&self, test: &str) -> MeasurementRecord {
        let trial = self.trial(test);
        trial.measurements.first().expect("a measurement").clone()
    }
}

/// Every file in the folder, by its path in it, with `/` between.
///
/// # Panics
///
/// When one cannot be read.
pub fn files(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = fs::read(&path).expect("a file that can be read");
            let name = path.strip_prefix(folder).unwrap_or(&path);
            found.insert(
                name.to_string_lossy().replace('\\', "/"),
                String::from_utf8_lossy(&bytes).into_owned(),
            );
        }
    }
    found
}
