//! Which entries a process has used, for the list of those that no test needs any more.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Keys by file.
#[derive(Default)]
pub(super) struct Used(Mutex<Keys>);

#[derive(Default)]
struct Keys {
    all: HashMap<String, HashSet<String>>,
    /// Those that are not yet in the run's record.
    fresh: BTreeMap<String, Vec<String>>,
}

impl Used {
    /// Says that the entry answered, or was written.
    pub(super) fn add(&self, file: &str, key: &str) {
        let mut keys = self.keys();
        if keys.all.get(file).is_some_and(|known| known.contains(key)) {
            return;
        }
        let all = keys.all.entry(file.to_string()).or_default();
        all.insert(key.to_string());
        let fresh = keys.fresh.entry(file.to_string()).or_default();
        fresh.push(key.to_string());
    }

    pub(super) fn has(&self, file: &str, key: &str) -> bool {
        let keys = self.keys();
        keys.all.get(file).is_some_and(|known| known.contains(key))
    }

    /// What was added since the last call.
    pub(super) fn take(&self) -> BTreeMap<String, Vec<String>> {
        std::mem::take(&mut self.keys().fresh)
    }

    fn keys(&self) -> MutexGuard<'_, Keys> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
