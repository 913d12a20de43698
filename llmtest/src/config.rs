//! Settings: `llmtest.toml`, then the environment over it. Only this module reads the environment.

mod aws;
mod env;
mod export;
mod file;
mod in_flight;
mod provider;
mod vars;

#[cfg(feature = "bedrock")]
pub(crate) use aws::Keys as AwsKeys;
pub(crate) use export::ExportConfig;
pub(crate) use in_flight::MaxInFlight;
pub(crate) use provider::Api;
pub(crate) use provider::Provider;

pub(crate) use vars::HarnessVars;

use crate::cost::{Budget, OwnPrice, Prices, Till};
use crate::observe::Limits;
use crate::redact::{Redactor, Secret};
use llmtest_metrics::probability::Decisions;
use std::collections::BTreeMap;
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
        not(test),
        expect(
            dead_code,
            reason = "read and checked from the first version on; the gate comes later"
        )
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
    /// Run only tests with one of these tags; empty runs all.
    pub(crate) tags: Vec<String>,
    /// Run only what failed last.
    pub(crate) failed: bool,
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

/// A server and how it is asked: `[judge]`, or `[embedder]`, which has the manners of `[judge]`.
#[derive(Debug, Clone)]
#[cfg_attr(
    not(feature = "http"),
    expect(dead_code, reason = "for the provider over HTTP")
)]
pub(crate) struct JudgeConfig {
    pub(crate) role: Role,
    pub(crate) provider: &'static Provider,
    /// Without a slash at the end; empty where it is not known.
    pub(crate) base_url: String,
    pub(crate) model: String,
    pub(crate) api_key_env: String,
    pub(crate) api_key: Option<Secret>,
    /// The version of Azure's API.
    pub(crate) api_version: String,
    /// The region and the keys of Amazon.
    pub(crate) aws: aws::Aws,
    pub(crate) seed: i64,
    /// Calls in flight.
    pub(crate) max_in_flight: MaxInFlight,
    pub(crate) requests_per_minute: Option<u32>,
    pub(crate) tokens_per_minute: Option<u32>,
    /// The time limit of one request.
    pub(crate) timeout: Duration,
    /// The time limit of one call with all its attempts.
    pub(crate) deadline: Duration,
    /// Attempts after the first.
    pub(crate) retries: u32,
    /// The registered judge to use instead of the server.
    pub(crate) named: Option<String>,
}

/// What a server is there for: its name in messages and configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Judge,
    Embedder,
}

#[cfg(feature = "http")]
impl Role {
    /// Its name, and that of its table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Judge => "judge",
            Self::Embedder => "embedder",
        }
    }

    /// What the names of its variables begin with.
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Self::Judge => "LLMTEST",
            Self::Embedder => "LLMTEST_EMBEDDER",
        }
    }
}

impl JudgeConfig {
    /// Whether the server runs on this machine.
    pub(crate) fn is_local(&self) -> bool {
        is_local(&self.base_url)
    }

    /// Whether a call cannot work since the provider wants a key and there is none.
    #[cfg(any(test, feature = "http"))]
    pub(crate) fn lacks_key(&self) -> bool {
        let at_provider = self.base_url == self.provider.url || self.provider.url.is_empty();
        if self.provider.api == Api::Converse && self.aws.keys.is_some() {
            return false;
        }
        self.api_key.is_none() && self.provider.wants_key() && at_provider && !self.is_local()
    }

    /// The keys of Amazon that sign a request, where no bearer key goes before.
    #[cfg(feature = "bedrock")]
    pub(crate) fn signs_with(&self) -> Option<&AwsKeys> {
        let keys = self.aws.keys.as_ref();
        keys.filter(|_| self.provider.api == Api::Converse && self.api_key.is_none())
    }

    /// The same server and manners with another model.
    pub(crate) fn of_model(&self, model: &str) -> Self {
        Self {
            model: model.to_string(),
            named: None,
            ..self.clone()
        }
    }

    /// The base URL as it may be shown: without user, password and query.
    #[cfg(any(test, feature = "http"))]
    pub(crate) fn shown_url(&self) -> String {
        shown_url(&self.base_url)
    }
}

/// Whether a URL is of this machine.
fn is_local(url: &str) -> bool {
    let host = host(url);
    host == "localhost" || host.ends_with(".localhost") || host == "::1" || host.starts_with("127.")
}

/// A URL as it may be shown: without user, password and query.
#[cfg(any(test, feature = "http"))]
fn shown_url(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let authority = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    format!(
        "{scheme}://{authority}{}",
        path.split(['?', '#']).next().unwrap_or_default()
    )
}

/// The host of a URL, without port, user and brackets.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    match host.strip_prefix('[') {
        Some(bracketed) => bracketed.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    }
}

/// `[gate]`: read and validated; the gate itself decides later.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct GateConfig {
    pub(crate) baseline: PathBuf,
    pub(crate) margin: f64,
    pub(crate) alpha: f64,
    pub(crate) on_inconclusive: OnInconclusive,
    pub(crate) max_errors: u32,
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

/// What an inconclusive comparison means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum OnInconclusive {
    Warn,
    Fail,
    MoreTrials,
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
        let vars: Vec<_> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
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

    let judge = judge(&file.judge, &env)?;
    let embedder = embedder(&file.embedder, &judge, &env)?;
    let providers = providers(&judge, &env)?;
    let export = export::export(&file.export, &env, &root);
    let servers = [&judge, &embedder].into_iter().chain(&providers);
    let secrets = env
        .secrets()
        .chain(export::secrets(&export))
        .chain(export.endpoint.as_deref().and_then(url_password))
        .chain(judge.aws.secrets())
        .chain(servers.flat_map(|server| {
            let password = url_password(&server.base_url);
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
            max_errors: file.gate.max_errors.unwrap_or(0),
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
        tags: env.list("LLMTEST_TAGS"),
        failed: env.switch("LLMTEST_FAILED")?,
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

/// The version of Azure's API where none is set: the latest that is settled.
const AZURE_VERSION: &str = "2024-10-21";

fn judge(table: &file::Judge, env: &env::Env<'_>) -> Result<JudgeConfig, ConfigError> {
    let text = |name: &str, own: &Option<String>| {
        env.text(name).map(str::to_string).or_else(|| own.clone())
    };
    let env_url = env.base_url("LLMTEST_BASE_URL")?;
    let file_url = table.base_url.clone().map(file::BaseUrl::into_inner);
    let env_key = env.key_name("LLMTEST_API_KEY_ENV")?;
    let file_key = table
        .api_key_env
        .clone()
        .map(file::VariableName::into_inner);
    let has_url = env_url.is_some() || file_url.is_some();
    let (own, model) = match text("LLMTEST_MODEL", &table.model) {
        Some(model) => Provider::chosen(&model, has_url)?,
        None => (None, "gpt-4.1-mini".to_string()),
    };
    // A variable that names a provider does not mean the server and the key in the file, which are of another.
    let elsewhere = own.is_some() && env.text("LLMTEST_MODEL").is_some();
    let of_file = |value: Option<String>| value.filter(|_| !elsewhere);
    let provider = own.unwrap_or_else(Provider::standard);
    let api_key_env = env_key
        .or_else(|| of_file(file_key))
        .unwrap_or_else(|| usual_key(provider, env));
    let aws = aws::Aws::of(env);
    Ok(JudgeConfig {
        role: Role::Judge,
        base_url: match env_url.or_else(|| of_file(file_url)) {
            Some(url) => url,
            None => usual_url(provider, env, &aws)?,
        },
        provider,
        model,
        aws,
        api_key: env.text(&api_key_env).map(|key| Secret::new(key.trim())),
        api_key_env,
        api_version: ["AZURE_OPENAI_API_VERSION", "OPENAI_API_VERSION"]
            .into_iter()
            .find_map(|name| env.text(name))
            .unwrap_or(AZURE_VERSION)
            .trim()
            .to_string(),
        seed: table.seed.unwrap_or(7),
        max_in_flight: env
            .max_in_flight()?
            .or(table.max_in_flight)
            .unwrap_or_default(),
        requests_per_minute: env
            .a_minute("LLMTEST_REQUESTS_PER_MINUTE")?
            .or(table.requests_per_minute.map(Into::into)),
        tokens_per_minute: env
            .a_minute("LLMTEST_TOKENS_PER_MINUTE")?
            .or(table.tokens_per_minute.map(Into::into)),
        deadline: env
            .duration("LLMTEST_JUDGE_DEADLINE")?
            .or(table.deadline.map(file::Limit::get))
            .unwrap_or(Duration::from_secs(600)),
        timeout: env
            .duration("LLMTEST_JUDGE_TIMEOUT")?
            .or(table.timeout.map(file::Limit::get))
            .unwrap_or(Duration::from_secs(60)),
        retries: env
            .number("LLMTEST_RETRIES")?
            .or(table.retries)
            .unwrap_or(5),
        named: text("LLMTEST_JUDGE", &table.named),
    })
}

/// The variable in which the provider's key is: the usual one, unless only another is set.
fn usual_key(provider: &Provider, env: &env::Env<'_>) -> String {
    let set = provider.keys().find(|name| env.text(name).is_some());
    set.unwrap_or(provider.key).to_string()
}

/// Where a provider is. Customers of Azure have an address each, usually in a variable; Bedrock has one a region.
fn usual_url(
    provider: &Provider,
    env: &env::Env<'_>,
    aws: &aws::Aws,
) -> Result<String, ConfigError> {
    if !provider.url.is_empty() {
        return Ok(provider.url.to_string());
    }
    if provider.api == Api::Converse {
        return Ok(aws.url().unwrap_or_default());
    }
    let url = env.base_url("AZURE_OPENAI_ENDPOINT")?;
    Ok(url.unwrap_or_default())
}

/// Every provider, with its usual address and key and the judge's manners.
fn providers(judge: &JudgeConfig, env: &env::Env<'_>) -> Result<Vec<JudgeConfig>, ConfigError> {
    let of = |provider: &'static Provider| {
        if *provider == *judge.provider {
            return Ok(judge.clone());
        }
        Ok(JudgeConfig {
            provider,
            base_url: usual_url(provider, env, &judge.aws)?,
            api_key: env
                .text(&usual_key(provider, env))
                .map(|key| Secret::new(key.trim())),
            api_key_env: usual_key(provider, env),
            named: None,
            ..judge.clone()
        })
    };
    provider::PROVIDERS.iter().map(of).collect()
}

/// The embedder: another model of the judge's server, unless it has a server of its own.
fn embedder(
    table: &file::Embedder,
    judge: &JudgeConfig,
    env: &env::Env<'_>,
) -> Result<JudgeConfig, ConfigError> {
    let own_url = env
        .base_url("LLMTEST_EMBEDDER_BASE_URL")?
        .or_else(|| table.base_url.clone().map(file::BaseUrl::into_inner));
    let own_key = env.key_name("LLMTEST_EMBEDDER_API_KEY_ENV")?.or_else(|| {
        table
            .api_key_env
            .clone()
            .map(file::VariableName::into_inner)
    });
    let own_model = env
        .text("LLMTEST_EMBEDDER_MODEL")
        .map(str::to_string)
        .or_else(|| table.model.clone());
    let has_url = own_url.is_some() || judge.base_url != judge.provider.url;
    let (named, model) = match own_model {
        Some(model) => {
            let (named, model) = Provider::chosen(&model, has_url)?;
            (named, Some(model))
        }
        None => (None, None),
    };
    // A server of one's own speaks as OpenAI's does; the judge's may have no embeddings.
    let provider = named.unwrap_or_else(|| match &own_url {
        Some(url) if *url != judge.base_url => Provider::standard(),
        _ if judge.provider.embedder.is_some() => judge.provider,
        _ => Provider::standard(),
    });
    let at_judge = *provider == *judge.provider;
    let own_server = own_url.as_ref().is_some_and(|url| *url != judge.base_url);
    // The judge's key is for the judge's server.
    let api_key_env = own_key.unwrap_or_else(|| {
        if at_judge && !own_server {
            judge.api_key_env.clone()
        } else {
            usual_key(provider, env)
        }
    });
    Ok(JudgeConfig {
        role: Role::Embedder,
        base_url: match own_url {
            Some(url) => url,
            None if at_judge => judge.base_url.clone(),
            None => usual_url(provider, env, &judge.aws)?,
        },
        model: model.unwrap_or_else(|| provider.embedder.unwrap_or_default().to_string()),
        provider,
        api_key: env.text(&api_key_env).map(|key| Secret::new(key.trim())),
        api_key_env,
        named: None,
        ..judge.clone()
    })
}

/// The password in `https://user:password@host`.
fn url_password(url: &str) -> Option<Secret> {
    let authority = url.split_once("://")?.1.split('/').next()?;
    let (user, _) = authority.rsplit_once('@')?;
    Some(Secret::new(
        user.split_once(':').map_or(user, |(_, password)| password),
    ))
}

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
        .and_then(|number| Duration::try_from_secs_f64(number * seconds).ok());
    match parsed {
        Some(duration) if !duration.is_zero() => Ok(duration),
        _ => Err(format!(
            "`{text}` is not a time limit\nhint: write a number and a unit, such as `500ms`, `60s` or `2m`"
        )),
    }
}

/// The known word that was probably meant.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let far = (word.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|candidate| {
            (
                strsim::osa_distance(&word, &candidate.to_lowercase()),
                candidate,
            )
        })
        .filter(|(distance, candidate)| {
            *distance <= far || (far > 1 && candidate.to_lowercase().starts_with(&word))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
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
