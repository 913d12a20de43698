//! Recordings: replies of judges, results of stages and vectors of embedders, in a folder that is committed beside the tests.
//!
//! One file a metric (`judge/<metric>.jsonl`), stage (`stages/<stage>.jsonl`) or model (`embeddings/<model>.jsonl`), one entry a line, sorted by key. Entries
//! hold no key, no host and no time. An entry is appended as soon as it is known; [`Recordings::finish`] sorts.

mod diff;
mod replies;
mod stages;
mod store;
#[cfg(feature = "cli")]
mod survey;
mod used;
mod vectors;

use crate::config::{Config, Mode};
use crate::redact::Redactor;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use store::Store;
use used::Used;

pub(crate) use replies::{Found, Request};
#[cfg(feature = "cli")]
pub(crate) use survey::{Kind, Survey, SurveyLine};

/// Part of every key: another format is another key. Changed whenever equal requests must be recorded anew.
const FORMAT: &[u8] = b"llmtest 1";

/// The recordings of one folder.
pub(crate) struct Recordings {
    store: Store,
    mode: Mode,
    ci: bool,
    redactor: Arc<Redactor>,
    /// One lock a request, so that equal requests of different cases are made once.
    flights: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    used: Used,
}

impl Recordings {
    pub(crate) fn new(config: &Config) -> Self {
        let shown = config
            .recordings
            .strip_prefix(&config.root)
            .unwrap_or(&config.recordings);
        Self {
            store: Store::new(
                config.recordings.clone(),
                shown.display().to_string(),
                config.locks.clone(),
            ),
            mode: config.mode,
            ci: config.ci,
            redactor: config.redactor.clone(),
            flights: Mutex::default(),
            used: Used::default(),
        }
    }

    /// Sorts the files that this process added to, each entry once. Cheap when there is nothing to do.
    pub(crate) fn finish(&self) -> Result<(), String> {
        self.store.finish()
    }

    /// The keys that this process has used since it was last asked, by file: each once.
    pub(crate) fn newly_used(&self) -> BTreeMap<String, Vec<String>> {
        self.used.take()
    }

    /// Whether a request that is not recorded may be made.
    fn may_go_live(&self) -> bool {
        match self.mode {
            Mode::Auto => !self.ci,
            Mode::Replay => false,
            Mode::Record | Mode::Live => true,
        }
    }

    /// Whether an entry may answer: when recording, only one that this process has written.
    fn may_answer(&self, file: &str, key: &str) -> bool {
        match self.mode {
            Mode::Auto | Mode::Replay => true,
            Mode::Record => self.store.is_own(file, key),
            Mode::Live => false,
        }
    }

    /// The lock under which the request of this key is made.
    fn flight(&self, key: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        flights.entry(key.to_string()).or_default().clone()
    }

    /// How to record what is missing, given what it takes.
    fn remedy(&self, given: &str) -> String {
        let folder = self.store.shown();
        if self.ci {
            format!(
                "hint: this is CI (`CI` is set), where nothing goes live by itself: run `LLMTEST_MODE=auto cargo test` on your machine and commit `{folder}/`"
            )
        } else {
            format!(
                "hint: `LLMTEST_MODE=auto cargo test` records it, given {given}; then commit `{folder}/`"
            )
        }
    }
}

/// The value with the members of objects sorted and nulls left out of them, so that neither a key nor a line depends on
/// how some crate has configured `serde_json`.
fn canonical(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(canonical).collect(),
        Value::Object(members) => {
            let mut members: Vec<_> = members
                .into_iter()
                .filter(|(_, member)| !member.is_null())
                .collect();
            members.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(
                members
                    .into_iter()
                    .map(|(name, member)| (name, canonical(member)))
                    .collect::<Map<_, _>>(),
            )
        }
        scalar => scalar,
    }
}

#[cfg(test)]
mod tests;
