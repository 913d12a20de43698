//! The `LLMTEST_*` variables.

use super::file::{BaseUrl, DecideBy, VariableName};
use super::{ConfigError, MaxInFlight, Mode, backticked, parse_duration};
use crate::cost::Budget;
use crate::redact::Secret;
use crate::results::GitState;
use crate::text::nearest;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// Every variable of ours; another `LLMTEST_*` variable is an error.
pub(crate) const VARIABLES: &[(&str, &str)] = &[
    (
        "LLMTEST_MODE",
        "`auto`, `replay`, `record` or `live`: whether recordings answer",
    ),
    ("LLMTEST_RECORDINGS", "the folder of the recordings"),
    (
        "LLMTEST_BASE_URL",
        "the address of the judge's server, such as `http://127.0.0.1:8089/v1`",
    ),
    ("LLMTEST_MODEL", "the judge's model"),
    (
        "LLMTEST_API_KEY_ENV",
        "the name of the variable that holds the judge's key",
    ),
    (
        "LLMTEST_EMBEDDER_BASE_URL",
        "the address of the embedder's server, where it is not the judge's",
    ),
    ("LLMTEST_EMBEDDER_MODEL", "the embedder's model"),
    (
        "LLMTEST_EMBEDDER_API_KEY_ENV",
        "the name of the variable that holds the embedder's key",
    ),
    (
        "LLMTEST_JUDGE",
        "the name of a judge registered with `llmtest::judge!`",
    ),
    (
        "LLMTEST_MAX_IN_FLIGHT",
        "how many calls of the judge run at once, or `adaptive`",
    ),
    (
        "LLMTEST_REQUESTS_PER_MINUTE",
        "how many calls of the judge begin a minute",
    ),
    (
        "LLMTEST_TOKENS_PER_MINUTE",
        "how many tokens the judge's calls take a minute",
    ),
    (
        "LLMTEST_JUDGE_DEADLINE",
        "the time limit of a call of the judge with all its attempts, such as `10m`",
    ),
    (
        "LLMTEST_JUDGE_TIMEOUT",
        "the time limit of one call of the judge, such as `60s`",
    ),
    (
        "LLMTEST_RETRIES",
        "how often a failed call of the judge is tried again",
    ),
    (
        "LLMTEST_DECISIONS",
        "`text` or `probabilities`: how the verdicts of judges are obtained",
    ),
    ("LLMTEST_CONCURRENCY", "how many cases run at once"),
    (
        "LLMTEST_TIMEOUT",
        "the time limit of a test's body, such as `120s`",
    ),
    (
        "LLMTEST_TAGS",
        "run only tests with one of these tags, with commas between",
    ),
    ("LLMTEST_FAILED", "`1` runs only what failed last"),
    (
        "LLMTEST_TRIALS",
        "how often each case runs, whatever its test says: to look for flakiness",
    ),
    (
        "LLMTEST_SHOW",
        "`all` shows prompts, replies and reasons of what passed, too",
    ),
    (
        "LLMTEST_BLAME",
        "`causal` runs failed cases again with references in place of results; `table` does not",
    ),
    (
        "LLMTEST_BUDGET",
        "what a run may spend, such as `$2` or `200k tokens`",
    ),
    (
        "LLMTEST_ESTIMATE",
        "`1` says what the run would cost, by the last run, and runs nothing",
    ),
    (
        "LLMTEST_GATED",
        "`1`: a gate decides afterwards, so that only Errored cases fail their tests",
    ),
    (
        "LLMTEST_MORE",
        "with `LLMTEST_RESUME`: how many trials cases are to have in all, as `binary::test=5`, with commas between",
    ),
    ("LLMTEST_DIR", "the folder for the records of runs"),
    ("LLMTEST_RUN_ID", "the name of the run"),
    (
        "LLMTEST_RESUME",
        "the name of an earlier run, or `last`: runs only what is missing or Errored in it",
    ),
    (
        "LLMTEST_OTLP_FILE",
        "a file that gets the traces of every run, in OpenTelemetry's JSON",
    ),
    (
        "LLMTEST_OTLP_ENDPOINT",
        "the OpenTelemetry receiver that gets the traces, such as `http://127.0.0.1:4318`",
    ),
    (
        "LLMTEST_OTLP_HEADERS",
        "headers for that receiver: `name=value`, with commas between",
    ),
];

/// The environment, checked for names that we do not know.
pub(super) struct Env<'a>(HashMap<&'a str, &'a str>);

impl<'a> Env<'a> {
    pub(super) fn new(vars: &'a [(String, String)]) -> Result<Self, ConfigError> {
        let known = || VARIABLES.iter().map(|(name, _)| *name);
        for (name, _) in vars {
            if name.starts_with("LLMTEST_") && !known().any(|known| known == name) {
                // The prefix would make everything look alike.
                let short = |name: &'static str| &name["LLMTEST_".len()..];
                let meant = nearest(&name["LLMTEST_".len()..], known().map(short))
                    .map(|known| format!("did you mean `LLMTEST_{known}`? "))
                    .unwrap_or_default();
                return Err(ConfigError::new(format!(
                    "unknown environment variable `{name}`\nhint: {meant}known: {}",
                    backticked(known())
                )));
            }
        }
        Ok(Self(
            vars.iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect(),
        ))
    }

    /// The value; an empty one counts as not set.
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        self.0
            .get(name)
            .copied()
            .filter(|value| !value.trim().is_empty())
    }

    /// Variables of other programs: set, and not to something that says no.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.text(name).is_some_and(|value| {
            !matches!(
                value.trim().to_lowercase().as_str(),
                "0" | "false" | "no" | "off"
            )
        })
    }

    pub(super) fn switch(&self, name: &str) -> Result<bool, ConfigError> {
        match self.text(name) {
            None | Some("0" | "false") => Ok(false),
            Some("1" | "true") => Ok(true),
            Some(value) => Err(wrong(name, value, "set it to `1`, or not at all")),
        }
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<u32>, ConfigError> {
        let parse = |value: &str| {
            value
                .trim()
                .parse()
                .map_err(|_| wrong(name, value, "set it to a whole number"))
        };
        self.text(name).map(parse).transpose()
    }

    pub(super) fn count(&self, name: &str) -> Result<Option<usize>, ConfigError> {
        let parse = |value: &str| match value.trim().parse() {
            Ok(0) | Err(_) => Err(wrong(name, value, "set it to a whole number from 1")),
            Ok(count) => Ok(count),
        };
        self.text(name).map(parse).transpose()
    }

    pub(super) fn trials(&self) -> Result<Option<u32>, ConfigError> {
        const NAME: &str = "LLMTEST_TRIALS";
        match self.number(NAME)? {
            Some(0) => Err(wrong(NAME, "0", "set it to a whole number from 1")),
            trials => Ok(trials),
        }
    }

    /// `binary::test=5`, with commas between.
    pub(super) fn more(&self) -> Result<BTreeMap<String, u32>, ConfigError> {
        const NAME: &str = "LLMTEST_MORE";
        let parse = |one: String| {
            let trials = one.rsplit_once('=').and_then(|(test, trials)| {
                let trials: u32 = trials.parse().ok().filter(|n| *n > 0)?;
                Some((test.to_string(), trials))
            });
            trials.ok_or_else(|| wrong(NAME, &one, "set it to a list such as `evals::refunds=5`"))
        };
        self.list(NAME).into_iter().map(parse).collect()
    }

    /// So many a minute.
    pub(super) fn a_minute(&self, name: &str) -> Result<Option<u32>, ConfigError> {
        let parse = |value: &str| match value.trim().parse() {
            Ok(0) | Err(_) => Err(wrong(name, value, "set it to a whole number from 1")),
            Ok(count) => Ok(count),
        };
        self.text(name).map(parse).transpose()
    }

    pub(super) fn max_in_flight(&self) -> Result<Option<MaxInFlight>, ConfigError> {
        const NAME: &str = "LLMTEST_MAX_IN_FLIGHT";
        let parse = |value: &str| {
            let hint = "set it to a whole number from 1, or to `adaptive`";
            MaxInFlight::parse(value).ok_or_else(|| wrong(NAME, value, hint))
        };
        self.text(NAME).map(parse).transpose()
    }

    pub(super) fn duration(&self, name: &str) -> Result<Option<Duration>, ConfigError> {
        let parse = |value| {
            parse_duration(value).map_err(|error| ConfigError::new(format!("`{name}`: {error}")))
        };
        self.text(name).map(parse).transpose()
    }

    pub(super) fn budget(&self, name: &str) -> Result<Option<Budget>, ConfigError> {
        let parse = |value: &str| {
            Budget::try_from(value.to_string())
                .map_err(|error| ConfigError::new(format!("`{name}`: {error}")))
        };
        self.text(name).map(parse).transpose()
    }

    pub(super) fn list(&self, name: &str) -> Vec<String> {
        let words = self
            .text(name)
            .unwrap_or_default()
            .split(',')
            .map(str::trim);
        words
            .filter(|word| !word.is_empty())
            .map(str::to_string)
            .collect()
    }

    pub(super) fn mode(&self) -> Result<Mode, ConfigError> {
        const MODES: [(&str, Mode); 4] = [
            ("auto", Mode::Auto),
            ("replay", Mode::Replay),
            ("record", Mode::Record),
            ("live", Mode::Live),
        ];
        let Some(word) = self.text("LLMTEST_MODE") else {
            return Ok(Mode::Auto);
        };
        if let Some((_, mode)) = MODES.iter().find(|(name, _)| *name == word.trim()) {
            return Ok(*mode);
        }
        let names = || MODES.iter().map(|(name, _)| *name);
        let meant = nearest(word, names())
            .map(|name| format!("did you mean `{name}`? "))
            .unwrap_or_default();
        Err(wrong(
            "LLMTEST_MODE",
            word,
            &format!("{meant}known: {}", backticked(names())),
        ))
    }

    pub(super) fn show_all(&self) -> Result<bool, ConfigError> {
        match self.text("LLMTEST_SHOW") {
            None => Ok(false),
            Some("all") => Ok(true),
            Some(value) => Err(wrong(
                "LLMTEST_SHOW",
                value,
                "set it to `all`, or not at all",
            )),
        }
    }

    pub(super) fn decisions(&self) -> Result<Option<DecideBy>, ConfigError> {
        match self.text("LLMTEST_DECISIONS").map(str::trim) {
            None => Ok(None),
            Some("text") => Ok(Some(DecideBy::Text)),
            Some("probabilities") => Ok(Some(DecideBy::Probabilities)),
            Some(value) => Err(wrong(
                "LLMTEST_DECISIONS",
                value,
                "set it to `text`, to `probabilities`, or not at all",
            )),
        }
    }

    pub(super) fn causal_blame(&self) -> Result<Option<bool>, ConfigError> {
        match self.text("LLMTEST_BLAME").map(str::trim) {
            None => Ok(None),
            Some("causal") => Ok(Some(true)),
            Some("table") => Ok(Some(false)),
            Some(value) => Err(wrong(
                "LLMTEST_BLAME",
                value,
                "set it to `causal`, to `table`, or not at all",
            )),
        }
    }

    /// The run's id, which is a folder's name as well.
    pub(super) fn run_id(&self) -> Result<Option<String>, ConfigError> {
        self.run_name("LLMTEST_RUN_ID")
    }

    /// The run to resume, or `last`.
    pub(super) fn resume(&self) -> Result<Option<String>, ConfigError> {
        self.run_name("LLMTEST_RESUME")
    }

    /// What CI systems say of the repository: they check a commit out by itself, and have no git in every container.
    pub(super) fn git(&self) -> GitState {
        let first = |names: &[&str]| names.iter().find_map(|name| self.text(name));
        // Of a pull request on GitHub, the second name of a branch is made up.
        let branch = first(&["GITHUB_HEAD_REF", "GITHUB_REF_NAME", "CI_COMMIT_REF_NAME"]);
        let commit = first(&["GITHUB_SHA", "CI_COMMIT_SHA"]);
        GitState {
            commit: commit.map(str::to_string),
            branch: branch.map(str::to_string),
            dirty: None,
        }
    }

    fn run_name(&self, variable: &str) -> Result<Option<String>, ConfigError> {
        let Some(id) = self.text(variable) else {
            return Ok(None);
        };
        let plain = id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        if plain && !id.starts_with('.') && id.len() <= 100 {
            return Ok(Some(id.to_string()));
        }
        Err(wrong(
            variable,
            id,
            "use at most 100 letters, digits, `-`, `_` and `.`; it names a folder",
        ))
    }

    pub(super) fn base_url(&self, variable: &str) -> Result<Option<String>, ConfigError> {
        let url = self
            .text(variable)
            .map(|url| BaseUrl::try_from(url.to_string()))
            .transpose();
        url.map(|url| url.map(BaseUrl::into_inner))
            .map_err(|error| ConfigError::new(format!("`{variable}`: {error}")))
    }

    pub(super) fn key_name(&self, variable: &str) -> Result<Option<String>, ConfigError> {
        let name = self
            .text(variable)
            .map(|name| VariableName::try_from(name.to_string()))
            .transpose();
        name.map(|name| name.map(VariableName::into_inner))
            .map_err(|error| ConfigError::new(format!("`{variable}`: {error}")))
    }

    /// Keys of other services, which the application may hold and an observed argument may show.
    pub(super) fn secrets(&self) -> impl Iterator<Item = Secret> + '_ {
        const OTHERS: [&str; 3] = [
            "AWS_BEARER_TOKEN_BEDROCK",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
        ];
        let keys = self.0.iter().filter(|(name, value)| {
            (name.ends_with("_API_KEY") || OTHERS.contains(name)) && value.trim().len() >= 16
        });
        keys.map(|(_, value)| Secret::new(value.trim()))
    }
}

fn wrong(name: &str, value: &str, hint: &str) -> ConfigError {
    ConfigError::new(format!("`{name}` is set to `{value}`\nhint: {hint}"))
}
