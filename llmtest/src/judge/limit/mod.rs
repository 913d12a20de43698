//! How much is asked of a server at once, and a minute: one gate for each server and model, shared by all that ask it, in
//! all processes of a run.
//!
//! Nothing that is recorded comes here.

mod bucket;
mod controller;
mod gate;
pub(super) mod quota;
mod shared;
mod state;

pub(super) use controller::Ended;
pub(super) use gate::{Gate, left, timed};
pub(super) use state::Need;

use crate::config::{JudgeConfig, MaxInFlight, Role};
use crate::cost::LimitReport;
use controller::Rule;
use gate::Settings;
use shared::Folder;
use state::Rates;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

/// Calls that may begin at once before anything is known of the server.
const START: u32 = 64;
/// The most calls in flight.
const MOST: u32 = 256;
/// The most at a server that does not refuse what is too much for it, but lets it wait.
const PATIENT: u32 = 16;
/// The shortest pause after a refusal, in milliseconds.
const COOLDOWN: u64 = if cfg!(test) { 1 } else { 1000 };

/// The gates of this process.
#[derive(Debug)]
pub(super) struct Gates {
    folder: Option<Arc<Folder>>,
    answered: Arc<AtomicU64>,
    made: Mutex<BTreeMap<String, Arc<Gate>>>,
    /// When this process began, in milliseconds since 1970.
    started: u64,
}

impl Gates {
    pub(super) fn new(answered: Arc<AtomicU64>) -> Self {
        Self {
            folder: None,
            answered,
            made: Mutex::default(),
            started: gate::millis_now(),
        }
    }

    /// Shares the limits with all processes that name this folder.
    pub(super) fn sharing(self, folder: PathBuf) -> Self {
        Self {
            folder: Some(Arc::new(Folder::new(folder))),
            ..self
        }
    }

    /// The gate of this server and model, however they were named.
    pub(super) fn of_server(&self, config: &JudgeConfig) -> Arc<Gate> {
        let most = if is_local(config) { PATIENT } else { MOST };
        let title = match config.role {
            Role::Judge => format!("the judge `{}`", config.model),
            Role::Embedder => format!("the embedder `{}`", config.model),
        };
        self.gate(key(config), title, config, rule(config, most), true)
    }

    /// The gate of a registered judge. It may be anything, so not more is asked of it than of a server on this machine.
    pub(super) fn of_registered(&self, name: &str, config: &JudgeConfig) -> Arc<Gate> {
        let title = format!("the judge `{name}`");
        let (key, rule) = (format!("registered {name}"), rule(config, PATIENT));
        self.gate(key, title, config, rule, true)
    }

    /// The gate of judges of this name that tests bring along. They are this process's own, and as a rule no servers: as
    /// many calls as cases run at once, unless the configuration says how many.
    pub(super) fn of_brought(&self, model: &str, config: &JudgeConfig) -> Arc<Gate> {
        let rule = match config.max_in_flight {
            MaxInFlight::Fixed(_) => rule(config, START),
            _ => Rule {
                max: START,
                fixed: true,
                ..rule(config, START)
            },
        };
        let (key, title) = (format!("brought {model}"), format!("the judge `{model}`"));
        self.gate(key, title, config, rule, false)
    }

    fn gate(
        &self,
        key: String,
        title: String,
        config: &JudgeConfig,
        rule: Rule,
        shared: bool,
    ) -> Arc<Gate> {
        let mut gates = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || {
            let settings = Settings {
                title,
                key: key.clone(),
                rule,
                rates: Rates {
                    requests: config.requests_per_minute.map(f64::from),
                    tokens: config.tokens_per_minute.map(f64::from),
                },
                lease: config.deadline,
            };
            let folder = self.folder.clone().filter(|_| shared);
            Arc::new(Gate::new(settings, folder, self.answered.clone()))
        };
        gates.entry(key.clone()).or_insert_with(make).clone()
    }

    /// What the servers took at once, of those whose limit changed or that refused calls.
    pub(super) fn reports(&self) -> Vec<LimitReport> {
        let gates = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let all = gates.values().filter_map(|gate| gate.report(self.started));
        all.collect()
    }

    /// What is worth knowing at the end of a run: the servers that refused calls, and why limits were not shared.
    pub(super) fn told(&self) -> Vec<String> {
        let mut told: Vec<String> = self
            .reports()
            .iter()
            .filter_map(LimitReport::text)
            .collect();
        let trouble = self.folder.as_ref().and_then(|folder| folder.trouble());
        told.extend(trouble.map(|why| {
            format!(
                "the limits of calls hold for this process alone, for they cannot be shared: {why}"
            )
        }));
        told
    }
}

/// The bounds of a server that gets so many calls at once at most where nothing else is configured.
fn rule(config: &JudgeConfig, usual: u32) -> Rule {
    let (max, fixed) = match config.max_in_flight {
        MaxInFlight::Fixed(count) => (u32::try_from(count.get()).unwrap_or(u32::MAX), true),
        MaxInFlight::Usual => (usual, false),
        MaxInFlight::Adaptive => (MOST, false),
    };
    Rule {
        start: START,
        max,
        fixed,
        cooldown: COOLDOWN,
        retries: config.retries,
    }
}

/// What names a server and a model; the key of a file name, so it is hashed before it is written.
pub(super) fn key(config: &JudgeConfig) -> String {
    let (provider, url) = (config.provider.name, &config.base_url);
    format!("{provider} {url} {}", config.model)
}

#[cfg(any(test, feature = "http"))]
fn is_local(config: &JudgeConfig) -> bool {
    config.is_local()
}

#[cfg(not(any(test, feature = "http")))]
fn is_local(_config: &JudgeConfig) -> bool {
    true
}
