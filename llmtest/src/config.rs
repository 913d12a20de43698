//! Settings: `llmtest.toml`, then the environment over it. Only this module reads the environment.

mod aws;
mod env;
mod export;
mod file;
mod in_flight;
mod judge;
mod provider;
mod vars;

#[cfg(feature = "bedrock")]
pub(crate) use aws::Keys as AwsKeys;
pub(crate) use export::ExportConfig;
pub(crate) use in_flight::MaxInFlight;
pub(crate) use judge::{JudgeConfig, Role};
pub(crate) use provider::Api;
pub(crate) use provider::Provider;

pub(crate) use vars::HarnessVars;
#[cfg(feature = "cli")]
pub use vars::Place;

use crate::cost::{Budget, OwnPrice, Prices, Till};
use crate::gate::{OnInconclusive, Rule};
#[cfg(feature = "cli")]
use crate::gate::{Policy, Quarantine};
use crate::observe::Limits;
use crate::redact::Redactor;
use crate::results::GitState;
#[cfg(feature = "cli")]
use crate::trust::Certificate;
use llmtest_metrics::probability::Decisions;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The name of the configuration file.
const FILE: &str = "llmtest.toml";

/// Everything that is configured. `load` makes one from a folder and a list of variables.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(crate) struct Config {
    /// The folder of `llmtest.toml`, else the crate's: paths in the configuration are relative to it.
    pub(crate) root: PathBuf,
    pub(crate) judge: JudgeConfig,
    pub(crate) embedder: JudgeConfig,
    /// Every provider as it is reached without further settings, for `.judged_by("provider:model")`.
    pub(crate) providers: Vec<JudgeConfig>,
    #[cfg_attr(
        not(any(test, feature = "cli")),
        expect(dead_code, reason = "checked by every run, and used by the commands")
    )]
    pub(crate) gate: GateConfig,
    /// Where traces go.
    pub(crate) export: ExportConfig,
    pub(crate) blame: BlameConfig,
    pub(crate) cost: CostConfig,
    /// How verdicts of judges are obtained.
    pub(crate) decisions: Decisions,
    /// Cases in flight.
    pub(crate) concurrency: usize,
    /// The time limit of a body.
    pub(crate) timeout: Duration,
    /// How much is kept of what observed functions take and give.
    pub(crate) limits: Limits,
    pub(crate) mode: Mode,
    /// The folder of the recordings.
    pub(crate) recordings: PathBuf,
    /// Where lock files may stand; not in the folder of the recordings, which is committed.
    pub(crate) locks: PathBuf,
    /// Where runs leave their records, when it is not the target folder.
    pub(crate) dir: Option<PathBuf>,
    pub(crate) run_id: Option<String>,
    /// The run that is resumed, or `last`.
    pub(crate) resume: Option<String>,
    /// What CI says of the repository.
    pub(crate) git: GitState,
    /// The version of the package, where cargo says so.
    pub(crate) version: Option<String>,
    /// Run only tests with one of these tags; empty runs all.
    pub(crate) tags: Vec<String>,
    /// Run only what failed last.
    pub(crate) failed: bool,
    /// A gate decides afterwards: only what is Errored fails its test.
    pub(crate) gated: bool,
    /// How often each case runs, whatever its test says.
    pub(crate) trials: Option<u32>,
    /// By `binary::test`: how many trials the cases of these tests are to have, with those of the run that is resumed.
    pub(crate) more: BTreeMap<String, u32>,
    /// Show prompts, replies and reasons of what passed, too.
    pub(crate) show_all: bool,
    pub(crate) ci: bool,
    pub(crate) nextest: bool,
    pub(crate) nextest_run_id: Option<String>,
    /// Which attempt of nextest this is, from one.
    pub(crate) attempt: u32,
    /// What must not be written or shown.
    pub(crate) redactor: Arc<Redactor>,
}

/// `[gate]`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct GateConfig {
    pub(crate) baseline: PathBuf,
    pub(crate) margin: f64,
    pub(crate) alpha: f64,
    pub(crate) on_inconclusive: OnInconclusive,
    /// How many times as many trials an undecided test may get.
    pub(crate) max_trials: u32,
    /// The metadata that names what cases vary with.
    pub(crate) cluster: Option<String>,
    pub(crate) max_errors: u32,
    pub(crate) invariants: Vec<String>,
    pub(crate) max_cost: Option<f64>,
    /// Seconds.
    pub(crate) max_latency: Option<f64>,
    pub(crate) allow_judge_change: bool,
    pub(crate) quarantine: Option<PathBuf>,
    pub(crate) certificate: Option<PathBuf>,
    pub(crate) metrics: BTreeMap<String, Rule>,
    pub(crate) tags: BTreeMap<String, Rule>,
}

#[cfg(feature = "cli")]
impl GateConfig {
    /// What the gate asks, with the files that it names.
    pub(crate) fn policy(&self) -> crate::Result<Policy> {
        let mut policy = Policy {
            margin: self.margin,
            alpha: self.alpha,
            on_inconclusive: self.on_inconclusive,
            looks: match self.on_inconclusive {
                OnInconclusive::MoreTrials => crate::gate::looks(self.max_trials).len(),
                _ => 1,
            },
            cluster: self.cluster.clone(),
            max_errors: self.max_errors as usize,
            invariants: self.invariants.clone(),
            max_cost: self.max_cost,
            max_latency: self.max_latency,
            allow_judge_change: self.allow_judge_change,
            metrics: self.metrics.clone(),
            tags: self.tags.clone(),
            ..Policy::default()
        };
        if let Some(path) = &self.quarantine {
            policy.quarantined = Quarantine::read(path)?.names();
        }
        if let Some(path) = &self.certificate {
            let place = path.display();
            let text = std::fs::read_to_string(path).map_err(|error| {
                format!("cannot read {place}: {error}\nhint: `judge-trust certify` writes it")
            })?;
            let certificate =
                Certificate::from_json(&text).map_err(|error| format!("{place}: {error}"))?;
            policy.certificate = Some(certificate);
        }
        Ok(policy)
    }
}

fn rules(rules: BTreeMap<String, file::GateRule>) -> BTreeMap<String, Rule> {
    let rule = |rule: file::GateRule| Rule {
        at_least: rule.at_least.map(file::Share::get),
        at_most: rule.at_most.map(file::Share::get),
        margin: rule.margin.map(file::Margin::get),
        ignore: rule.ignore.unwrap_or(false),
    };
    rules
        .into_iter()
        .map(|(name, own)| (name, rule(own)))
        .collect()
}

/// `[blame]`: whether failed cases are run again with references in place of results, and how many at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BlameConfig {
    pub(crate) causal: bool,
    pub(crate) max: usize,
}

/// `[cost]` and `[prices]`.
#[derive(Debug, Clone, Default)]
pub(crate) struct CostConfig {
    /// What a run may spend.
    pub(crate) budget: Option<Budget>,
    /// Prices that go before the table.
    pub(crate) prices: BTreeMap<String, OwnPrice>,
    /// Say what the run would take, and run nothing.
    pub(crate) estimate: bool,
}

/// Whether requests are answered by recordings or by the real thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// A hit replays; a miss goes live and is written, but in CI it is an error.
    Auto,
    /// A miss is an error.
    Replay,
    /// Everything goes live and is written.
    Record,
    /// Recordings are neither read nor written.
    Live,
}

impl Config {
    /// Where live calls of the run with this folder pay.
    pub(crate) fn till(&self, folder: &Path) -> Till {
        let local = [&self.judge, &self.embedder].into_iter();
        let local = local.filter(|server| server.is_local());
        let local = local.map(|server| server.model.clone());
        let prices = Prices::new(self.cost.prices.clone(), local);
        Till::new(prices, self.cost.budget, folder)
    }

    /// Reads `llmtest.toml`, upwards from the crate's folder, and the real environment.
    pub(crate) fn from_env(manifest_dir: Option<&Path>) -> Result<Self, ConfigError> {
        let vars = environment();
        // The folder known at compile time, unless the sources have moved since.
        let compiled = manifest_dir
            .filter(|dir| dir.is_dir())
            .map(Path::to_path_buf);
        let at_run_time = || {
            vars.iter()
                .find(|(name, _)| name == "CARGO_MANIFEST_DIR")
                .map(|(_, dir)| dir.into())
        };
        let dir = compiled
            .or_else(at_run_time)
            .or_else(|| std::env::current_dir().ok())
            .unwrap_or_default();
        load(&dir, &vars, std::env::temp_dir())
    }
}

/// The real environment.
fn environment() -> Vec<(String, String)> {
    let text = |(name, value): (OsString, OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(text).collect()
}

/// The configuration of the crate in this folder, under these environment variables.
pub(crate) fn load(
    manifest_dir: &Path,
    vars: &[(String, String)],
    locks: PathBuf,
) -> Result<Config, ConfigError> {
    let env = env::Env::new(vars)?;
    let path = manifest_dir
        .ancestors()
        .map(|dir| dir.join(FILE))
        .find(|path| path.is_file());
    let file = path
        .as_deref()
        .map(file::read)
        .transpose()?
        .unwrap_or_default();
    let root = path
        .as_deref()
        .and_then(Path::parent)
        .unwrap_or(manifest_dir)
        .to_path_buf();

    let judge = judge::judge(&file.judge, &env)?;
    let embedder = judge::embedder(&file.embedder, &judge, &env)?;
    let providers = judge::providers(&judge, &env)?;
    let export = export::export(&file.export, &env, &root);
    let servers = [&judge, &embedder].into_iter().chain(&providers);
    let secrets = env
        .secrets()
        .chain(export::secrets(&export))
        .chain(export.endpoint.as_deref().and_then(judge::url_password))
        .chain(judge.aws.secrets())
        .chain(servers.flat_map(|server| {
            let password = judge::url_password(&server.base_url);
            server.api_key.clone().into_iter().chain(password)
        }));
    let redactor = Arc::new(Redactor::new(
        secrets,
        file.redact
            .patterns
            .into_iter()
            .map(file::Pattern::into_inner),
    ));
    let recordings = env
        .text("LLMTEST_RECORDINGS")
        .map(PathBuf::from)
        .or(file.recording.dir);
    Ok(Config {
        judge,
        embedder,
        export,
        providers,
        redactor,
        locks,
        gate: GateConfig {
            baseline: root.join(
                file.gate
                    .baseline
                    .unwrap_or_else(|| "llmtest.baseline.json".into()),
            ),
            margin: file.gate.margin.map_or(0.05, file::Margin::get),
            alpha: file.gate.alpha.map_or(0.05, file::Alpha::get),
            on_inconclusive: file.gate.on_inconclusive.unwrap_or(OnInconclusive::Warn),
            max_trials: file.gate.max_trials.map_or(5, std::num::NonZeroU32::get),
            cluster: file.gate.cluster,
            max_errors: file.gate.max_errors.unwrap_or(0),
            invariants: file.gate.invariants.unwrap_or_default(),
            max_cost: file.gate.max_cost.map(file::Positive::get),
            max_latency: file.gate.max_latency.map(|limit| limit.get().as_secs_f64()),
            allow_judge_change: file.gate.allow_judge_change.unwrap_or(false),
            quarantine: file.gate.quarantine.map(|path| root.join(path)),
            certificate: file.gate.certificate.map(|path| root.join(path)),
            metrics: rules(file.gate.metrics),
            tags: rules(file.gate.tags),
        },
        blame: BlameConfig {
            causal: env
                .causal_blame()?
                .or(file.blame.causal)
                .unwrap_or_default(),
            max: file.blame.max.map_or(100, Into::into),
        },
        cost: CostConfig {
            budget: env.budget("LLMTEST_BUDGET")?.or(file.cost.budget),
            prices: file.prices,
            estimate: env.switch("LLMTEST_ESTIMATE")?,
        },
        decisions: env
            .decisions()?
            .or(file.judge.decisions)
            .map_or(Decisions::Text, file::DecideBy::decisions),
        concurrency: env
            .count("LLMTEST_CONCURRENCY")?
            .or(file.run.concurrency.map(Into::into))
            .unwrap_or(64),
        timeout: env
            .duration("LLMTEST_TIMEOUT")?
            .or(file.run.timeout.map(file::Limit::get))
            .unwrap_or(Duration::from_secs(120)),
        limits: Limits {
            value: file
                .observe
                .max_value
                .map_or(Limits::default().value, file::Size::get),
            case: file
                .observe
                .max_case
                .map_or(Limits::default().case, file::Size::get),
        },
        mode: env.mode()?,
        recordings: root.join(recordings.unwrap_or_else(|| "recordings".into())),
        dir: env.text("LLMTEST_DIR").map(PathBuf::from),
        run_id: env.run_id()?,
        resume: env.resume()?,
        git: env.git(),
        version: env.text("CARGO_PKG_VERSION").map(str::to_string),
        tags: env.list("LLMTEST_TAGS"),
        failed: env.switch("LLMTEST_FAILED")?,
        gated: env.switch("LLMTEST_GATED")?,
        trials: env.trials()?,
        more: env.more()?,
        show_all: env.show_all()?,
        ci: env.flag("CI"),
        nextest: env.flag("NEXTEST"),
        nextest_run_id: env.text("NEXTEST_RUN_ID").map(str::to_string),
        attempt: env
            .text("NEXTEST_ATTEMPT")
            .and_then(|attempt| attempt.parse().ok())
            .unwrap_or(1),
        root,
    })
}

/// The longest time limit: a year. A moment that lies further ahead may be none that a clock can show.
const LONGEST: Duration = Duration::from_secs(365 * 86_400);

/// A time limit: `500ms`, `60s`, `2m`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let split = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let seconds = match unit.trim() {
        "ms" => 0.001,
        "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => f64::NAN,
    };
    let parsed = number
        .parse::<f64>()
        .ok()
        .and_then(|number| Duration::try_from_secs_f64(number * seconds).ok())
        .filter(|limit| *limit <= LONGEST);
    match parsed {
        Some(duration) if !duration.is_zero() => Ok(duration),
        _ => Err(format!(
            "`{text}` is not a time limit\nhint: write a number and a unit, such as `500ms`, `60s` or `2m`"
        )),
    }
}

/// Names in backticks, with commas.
pub(crate) fn backticked<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names
        .into_iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// A configuration that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConfigError(String);

impl ConfigError {
    fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests;
