//! Judges: which one an expectation asks, and what stands between them; and the embedder.
//!
//! `Recorded(Limited(Budgeted(provider)))`: each is a judge that wraps a judge.

mod budgeted;
#[cfg(feature = "http")]
mod dialect;
mod embedder;
#[cfg(feature = "http")]
mod embeddings;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "http")]
mod http_date;
mod limit;
#[cfg(feature = "http")]
mod reading;
mod recorded;
#[cfg(feature = "http")]
mod remote;
#[cfg(feature = "http")]
mod request;
mod retry;
#[cfg(feature = "bedrock")]
mod sigv4;
#[cfg(feature = "http")]
mod trouble;

#[cfg(feature = "http")]
pub use reading::read_exchange;

use crate::config::{Config, JudgeConfig, Provider, backticked};
use crate::cost::{LimitReport, Till};
use crate::recording::Recordings;
use crate::redact::Redactor;
use crate::text::nearest;
use budgeted::Budgeted;
use embedder::Configured;
#[cfg(feature = "otlp")]
pub(crate) use http::{retry_after, tls};
use limit::{Gate, Gates};
use llmtest_metrics::{
    AnyEmbedder, AnyJudge, Judge, JudgeChoice, JudgeError, JudgeErrorKind, Prompt, Reply, Result,
};
use recorded::Recorded;
use retry::{Limited, Manners};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// A judge of the user's under a name; `llmtest::judge!` registers one.
#[doc(hidden)]
pub struct NamedJudge {
    /// What `.judged_by("…")` and `[judge] use` call it.
    pub name: &'static str,
    /// Makes it, once a process.
    pub make: fn() -> AnyJudge,
    /// Where it is registered.
    pub file: &'static str,
    /// Where it is registered.
    pub line: u32,
}

inventory::collect!(NamedJudge);

/// Registers a judge of your own under a name, for `use = "…"` under `[judge]` in llmtest.toml, for `LLMTEST_JUDGE`, and
/// for `.judged_by("…")`. It is recorded like any other.
///
/// ```
/// use llmtest::{Judge, Prompt, Reply};
///
/// struct InHouse;
///
/// impl Judge for InHouse {
///     fn model(&self) -> &str {
///         "in-house-3"
///     }
///     async fn complete(&self, prompt: &Prompt) -> llmtest::Result<Reply> {
///         Ok(Reply::new(ask_the_gateway(&prompt.text()).await?))
///     }
/// }
///
/// llmtest::judge!("house", || InHouse);
/// # async fn ask_the_gateway(_: &str) -> llmtest::Result<String> { Ok(String::new()) }
/// ```
#[macro_export]
macro_rules! judge {
    ($name:literal, $make:expr $(,)?) => {
        $crate::__private::inventory::submit! {
            $crate::__private::NamedJudge {
                name: $name,
                make: || {
                    let make = $make;
                    $crate::AnyJudge::from(make())
                },
                file: file!(),
                line: line!(),
            }
        }
    };
}

/// The judges of this process and the embedder. Each is made once, when it is first needed.
pub(crate) struct Judges {
    config: JudgeConfig,
    embedder_config: JudgeConfig,
    providers: Vec<JudgeConfig>,
    recordings: Arc<Recordings>,
    redactor: Arc<Redactor>,
    answered: Arc<AtomicU64>,
    gates: Gates,
    till: Arc<Till>,
    standard: OnceLock<AnyJudge>,
    embedder: OnceLock<AnyEmbedder>,
    named: Mutex<BTreeMap<String, AnyJudge>>,
}

impl Judges {
    pub(crate) fn new(config: &Config, recordings: Arc<Recordings>, till: Arc<Till>) -> Self {
        let answered = Arc::<AtomicU64>::default();
        Self {
            config: config.judge.clone(),
            embedder_config: config.embedder.clone(),
            providers: config.providers.clone(),
            recordings,
            redactor: config.redactor.clone(),
            gates: Gates::new(answered.clone()),
            answered,
            till,
            standard: OnceLock::new(),
            embedder: OnceLock::new(),
            named: Mutex::default(),
        }
    }

    /// Shares the limits of calls with all processes that name this folder.
    pub(crate) fn sharing(self, folder: PathBuf) -> Self {
        let gates = self.gates.sharing(folder);
        Self { gates, ..self }
    }

    /// How the limits of calls in flight changed, and what was refused.
    pub(crate) fn limits(&self) -> Vec<LimitReport> {
        self.gates.reports()
    }

    /// What is worth knowing at the end of a run: the servers that refused calls.
    pub(crate) fn refusals(&self) -> Vec<String> {
        self.gates.told()
    }

    /// The configured judge. Neither key nor server is needed before the first request that is not recorded.
    pub(crate) fn standard(&self) -> Result<AnyJudge, JudgeError> {
        if let Some(name) = &self.config.named {
            return self.named(name);
        }
        let make = || self.lazy(self.config.clone());
        Ok(self.standard.get_or_init(make).clone())
    }

    /// The judge of this configuration, made at its first request that is not recorded.
    fn lazy(&self, config: JudgeConfig) -> AnyJudge {
        let redactor = self.redactor.clone();
        let gate = self.gates.of_server(&config);
        let provider = Lazy {
            model: config.model.clone(),
            make: Box::new(move || provider(&config, &redactor)),
            made: OnceLock::new(),
        };
        self.wrapped(provider.into(), gate)
    }

    /// The configured embedder. Neither key nor server is needed before the first text that is not recorded.
    pub(crate) fn embedder(&self) -> AnyEmbedder {
        let make = || {
            let (config, redactor) = (self.embedder_config.clone(), self.redactor.clone());
            let (gate, till) = (self.gates.of_server(&config), self.till.clone());
            Configured::new(config, redactor, self.recordings.clone(), gate, till).into()
        };
        self.embedder.get_or_init(make).clone()
    }

    /// The judge of an expectation. One that the test brings along is neither recorded nor asked again.
    pub(crate) fn choose(&self, choice: &JudgeChoice) -> Result<AnyJudge, JudgeError> {
        match choice {
            JudgeChoice::This(judge) => Ok(self.brought(judge)),
            JudgeChoice::Named(name) => self.named(name),
            _ => self.standard(),
        }
    }

    /// A judge that the test brings along, for an expectation or a part of one: it is neither recorded nor asked again, but
    /// it waits for its turn, and is paid for.
    pub(crate) fn brought(&self, judge: &AnyJudge) -> AnyJudge {
        let gate = self.gates.of_brought(judge.model(), &self.config);
        let paid = Budgeted::new(judge.clone(), self.till.clone()).into();
        Limited::new(paid, gate, Manners::of(&self.config).once()).into()
    }

    /// How many calls have ended so far, well or not: a sign of life.
    pub(crate) fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    fn named(&self, name: &str) -> Result<AnyJudge, JudgeError> {
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = named.get(name) {
            return Ok(known.clone());
        }
        let all = || inventory::iter::<NamedJudge>.into_iter();
        let judge = match self.of_provider(name) {
            Some(config) if all().all(|judge| judge.name != name) => self.lazy(config),
            _ => {
                let gate = self.gates.of_registered(name, &self.config);
                self.wrapped(registered(name, all())?, gate)
            }
        };
        named.insert(name.to_string(), judge.clone());
        Ok(judge)
    }

    /// The configuration of `provider:model`.
    fn of_provider(&self, name: &str) -> Option<JudgeConfig> {
        let (provider, model) = Provider::split(name)?;
        let config = self
            .providers
            .iter()
            .find(|config| config.provider == provider)?;
        Some(config.of_model(model))
    }

    fn wrapped(&self, provider: AnyJudge, gate: Arc<Gate>) -> AnyJudge {
        let paid = Budgeted::new(provider, self.till.clone());
        let limited = Limited::new(paid.into(), gate, Manners::of(&self.config));
        Recorded::new(limited.into(), self.recordings.clone()).into()
    }
}

/// Makes the one judge of this name.
fn registered<'a>(
    name: &str,
    all: impl Iterator<Item = &'a NamedJudge>,
) -> Result<AnyJudge, JudgeError> {
    let config = |message| JudgeError::new(JudgeErrorKind::Config, message);
    let mut all: Vec<_> = all.collect();
    all.sort_by_key(|judge| (judge.name, judge.file, judge.line));
    let mut found = all.iter().filter(|judge| judge.name == name);
    match (found.next(), found.next()) {
        (Some(judge), None) => catch_unwind(AssertUnwindSafe(judge.make)).map_err(|panic| {
            let text = panic
                .downcast_ref::<&str>()
                .copied()
                .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
            let NamedJudge { file, line, .. } = judge;
            config(format!(
                "the judge `{name}` ({file}:{line}) panicked when it was made: {}",
                text.unwrap_or("a value that is not text")
            ))
        }),
        (Some(one), Some(two)) => Err(config(format!(
            "two judges are named `{name}`: {}:{} and {}:{}\nhint: rename one of them",
            one.file, one.line, two.file, two.line
        ))),
        (None, _) => {
            let names = || all.iter().map(|judge| judge.name);
            let meant = nearest(name, names())
                .map(|meant| format!("did you mean `{meant}`? "))
                .unwrap_or_default();
            let known = if name.contains(':') {
                // Meant as `provider:model`.
                match Provider::chosen(name, false) {
                    Err(error) => return Err(config(error.to_string())),
                    Ok(_) => format!("{meant}known: {}", backticked(names())),
                }
            } else if all.is_empty() {
                format!("register it with `llmtest::judge!(\"{name}\", || …);` in this test target")
            } else {
                format!("{meant}known: {}", backticked(names()))
            };
            Err(config(format!("no judge is named `{name}`\nhint: {known}")))
        }
    }
}

type Make = Box<dyn Fn() -> Result<AnyJudge, JudgeError> + Send + Sync>;

/// A judge that is made at its first request.
struct Lazy {
    model: String,
    make: Make,
    made: OnceLock<Result<AnyJudge, JudgeError>>,
}

impl Judge for Lazy {
    fn model(&self) -> &str {
        &self.model
    }

    async fn complete(&self, prompt: &Prompt) -> Result<Reply> {
        match self.made.get_or_init(&self.make) {
            Ok(judge) => judge.complete(prompt).await,
            Err(error) => Err(error.clone().into()),
        }
    }
}

/// The judge behind `base-url`.
#[cfg(feature = "http")]
fn provider(config: &JudgeConfig, redactor: &Arc<Redactor>) -> Result<AnyJudge, JudgeError> {
    if let Some(error) = no_address(config) {
        return Err(error);
    }
    if config.lacks_key() {
        return Err(no_judge(config));
    }
    remote::Remote::new(config, redactor.clone()).map(AnyJudge::from)
}

#[cfg(not(feature = "http"))]
fn provider(_config: &JudgeConfig, _redactor: &Arc<Redactor>) -> Result<AnyJudge, JudgeError> {
    Err(JudgeError::new(
        JudgeErrorKind::Config,
        "judges over HTTP are switched off in this build\n\
         hint: enable the feature `http` of `llmtest`, or register a judge with `llmtest::judge!` and set `use` under `[judge]`",
    ))
}

/// The error of a provider without an address that all share, where none is set.
#[cfg(feature = "http")]
fn no_address(config: &JudgeConfig) -> Option<JudgeError> {
    let (table, prefix) = (config.role.name(), config.role.prefix());
    let bedrock = config.provider.api == crate::config::Api::Converse;
    #[cfg(not(feature = "bedrock"))]
    if bedrock {
        return Some(JudgeError::new(
            JudgeErrorKind::Config,
            "`bedrock` is switched off in this build, and this request is not recorded\n\
             hint: enable the feature of that name: `cargo add llmtest --dev --features bedrock`",
        ));
    }
    let (variable, example) = if bedrock {
        (
            "AWS_REGION",
            "https://bedrock-runtime.us-east-1.amazonaws.com",
        )
    } else {
        ("AZURE_OPENAI_ENDPOINT", "https://NAME.openai.azure.com")
    };
    config.base_url.is_empty().then(|| {
        JudgeError::new(
            JudgeErrorKind::Config,
            format!(
                "it is not known where your `{}` is, and this request is not recorded\n\
                 hint: set {variable} or {prefix}_BASE_URL, or `base-url` under `[{table}]`, such as `{example}`",
                config.provider.name
            ),
        )
    })
}

/// Another way to give a key.
#[cfg(feature = "http")]
fn also_keys(config: &JudgeConfig) -> &'static str {
    if config.provider.api == crate::config::Api::Converse {
        "\nhint: or set `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`; \
         `aws configure export-credentials --format env` prints those of any profile"
    } else {
        ""
    }
}

/// The three ways to a judge.
#[cfg(feature = "http")]
fn no_judge(config: &JudgeConfig) -> JudgeError {
    let variable = &config.api_key_env;
    let also = also_keys(config);
    JudgeError::new(
        JudgeErrorKind::Config,
        format!(
            "no judge is configured: `{variable}` is not set, and this request is not recorded\n\
             hint: set `{variable}` to a key of {}{also}\n\
             hint: or use a server on your machine: `LLMTEST_BASE_URL=http://127.0.0.1:8089/v1 cargo test`\n\
             hint: or replay recordings that someone has committed: `LLMTEST_MODE=replay cargo test`",
            config.shown_url()
        ),
    )
}

/// A judge that pays here, for the tests of what it pays.
#[cfg(test)]
pub(crate) fn priced_for_tests(judge: AnyJudge, till: Arc<Till>) -> AnyJudge {
    Budgeted::new(judge, till).into()
}

#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;
