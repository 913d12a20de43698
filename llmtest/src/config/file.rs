//! The tables of `llmtest.toml`.

use super::{ConfigError, MaxInFlight, OnInconclusive, backticked, parse_duration};
use crate::cost::{Budget, OwnPrice};
use crate::text::nearest;
use llmtest_metrics::probability::Decisions;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct File {
    pub(super) judge: Judge,
    pub(super) embedder: Embedder,
    pub(super) run: Run,
    pub(super) observe: Observe,
    pub(super) recording: Recording,
    pub(super) redact: Redact,
    pub(super) gate: Gate,
    pub(super) export: Export,
    pub(super) blame: Blame,
    pub(super) cost: Cost,
    pub(super) prices: BTreeMap<String, OwnPrice>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Cost {
    pub(super) budget: Option<Budget>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(super) struct Export {
    pub(super) otlp_file: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(super) struct Judge {
    pub(super) base_url: Option<BaseUrl>,
    pub(super) model: Option<String>,
    pub(super) api_key_env: Option<VariableName>,
    pub(super) seed: Option<i64>,
    pub(super) max_in_flight: Option<MaxInFlight>,
    pub(super) requests_per_minute: Option<NonZeroU32>,
    pub(super) tokens_per_minute: Option<NonZeroU32>,
    pub(super) timeout: Option<Limit>,
    pub(super) deadline: Option<Limit>,
    pub(super) retries: Option<u32>,
    pub(super) decisions: Option<DecideBy>,
    #[serde(rename = "use")]
    pub(super) named: Option<String>,
}

/// How verdicts are obtained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum DecideBy {
    Text,
    Probabilities,
}

impl DecideBy {
    pub(super) fn decisions(self) -> Decisions {
        match self {
            Self::Text => Decisions::Text,
            Self::Probabilities => Decisions::by_probability(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(super) struct Embedder {
    pub(super) base_url: Option<BaseUrl>,
    pub(super) model: Option<String>,
    pub(super) api_key_env: Option<VariableName>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Run {
    pub(super) concurrency: Option<NonZeroUsize>,
    pub(super) timeout: Option<Limit>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(super) struct Observe {
    pub(super) max_value: Option<Size>,
    pub(super) max_case: Option<Size>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Recording {
    pub(super) dir: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Redact {
    pub(super) patterns: Vec<Pattern>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(super) struct Gate {
    pub(super) baseline: Option<PathBuf>,
    pub(super) margin: Option<Margin>,
    pub(super) alpha: Option<Alpha>,
    pub(super) on_inconclusive: Option<OnInconclusive>,
    pub(super) max_trials: Option<std::num::NonZeroU32>,
    pub(super) cluster: Option<String>,
    pub(super) max_errors: Option<u32>,
    pub(super) invariants: Option<Vec<String>>,
    pub(super) max_cost: Option<Positive>,
    pub(super) max_latency: Option<Limit>,
    pub(super) allow_judge_change: Option<bool>,
    pub(super) quarantine: Option<PathBuf>,
    pub(super) certificate: Option<PathBuf>,
    pub(super) metrics: BTreeMap<String, GateRule>,
    pub(super) tags: BTreeMap<String, GateRule>,
}

/// What is asked of a metric or a tag.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(super) struct GateRule {
    pub(super) at_least: Option<Share>,
    pub(super) at_most: Option<Share>,
    pub(super) margin: Option<Margin>,
    pub(super) ignore: Option<bool>,
}

/// A mean score, or a share of cases.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "f64")]
pub(super) struct Share(f64);

impl Share {
    pub(super) fn get(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Share {
    type Error = String;

    fn try_from(value: f64) -> Result<Self, String> {
        if (0.0..=1.0).contains(&value) {
            Ok(Self(value))
        } else {
            Err(format!("the bar is {value}, and must be from 0 to 1"))
        }
    }
}

/// US dollars.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "f64")]
pub(super) struct Positive(f64);

impl Positive {
    pub(super) fn get(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Positive {
    type Error = String;

    fn try_from(value: f64) -> Result<Self, String> {
        if value >= 0.0 && value.is_finite() {
            Ok(Self(value))
        } else {
            Err(format!(
                "the most that a run may cost is {value} dollars, and must be 0 or more"
            ))
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Blame {
    pub(super) causal: Option<bool>,
    pub(super) max: Option<NonZeroUsize>,
}

/// A time limit.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Limit(Duration);

impl Limit {
    pub(super) fn get(self) -> Duration {
        self.0
    }
}

impl TryFrom<String> for Limit {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        parse_duration(&text).map(Self)
    }
}

/// A number of bytes, of at least 1 KiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "NumberOrText")]
pub(super) struct Size(usize);

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "expected a size such as `\"256KiB\"`, or a number of bytes"
)]
enum NumberOrText {
    Number(u64),
    Text(String),
}

impl Size {
    pub(super) fn get(self) -> usize {
        self.0
    }
}

impl TryFrom<NumberOrText> for Size {
    type Error = String;

    fn try_from(size: NumberOrText) -> Result<Self, String> {
        let bytes = match &size {
            NumberOrText::Number(bytes) => Some(*bytes),
            NumberOrText::Text(text) => bytes(text),
        };
        let Some(bytes) = bytes.and_then(|bytes| usize::try_from(bytes).ok()) else {
            let text = match size {
                NumberOrText::Number(bytes) => bytes.to_string(),
                NumberOrText::Text(text) => text,
            };
            return Err(format!(
                "`{text}` is no size\nhint: write a number of bytes, or one with a unit: `\"256KiB\"`, `\"16MiB\"`"
            ));
        };
        if bytes < 1024 {
            return Err(format!(
                "the size is {bytes} bytes, and must be at least 1 KiB"
            ));
        }
        Ok(Self(bytes))
    }
}

/// `256KiB`, `16 MiB`, `300 kB`, `2MB`, `4096`.
fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let unit = match text[end..].trim() {
        "" | "B" => 1,
        "kB" | "KB" => 1000,
        "KiB" => 1024,
        "MB" => 1_000_000,
        "MiB" => 1024 * 1024,
        "GB" => 1_000_000_000,
        "GiB" => 1024 * 1024 * 1024,
        _ => return None,
    };
    text[..end].parse::<u64>().ok()?.checked_mul(unit)
}

/// A regular expression.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Pattern(regex::Regex);

impl Pattern {
    pub(super) fn into_inner(self) -> regex::Regex {
        self.0
    }
}

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match regex::Regex::new(&text) {
            Ok(regex) if regex.is_match("") => {
                Err(format!("the pattern `{text}` matches the empty text"))
            }
            Ok(regex) => Ok(Self(regex)),
            Err(error) => Err(format!(
                "`{text}` is not a regular expression: {}",
                last_line(&error.to_string())
            )),
        }
    }
}

/// The part of a parser's message that says what is wrong, without its drawing.
fn last_line(message: &str) -> &str {
    let line = message.trim_end().rsplit('\n').next().unwrap_or(message);
    line.strip_prefix("error: ").unwrap_or(line)
}

/// Where an OpenAI-compatible server is.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct BaseUrl(String);

impl BaseUrl {
    pub(super) fn into_inner(self) -> String {
        self.0
    }
}

impl TryFrom<String> for BaseUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        // People paste the address of the call as well.
        let url = text
            .trim()
            .trim_end_matches('/')
            .trim_end_matches("/chat/completions");
        let rest = url
            .strip_prefix("http://")
            .or_else(|| url.strip_prefix("https://"));
        if rest.is_none_or(|rest| {
            rest.is_empty() || rest.starts_with('/') || rest.contains(char::is_whitespace)
        }) {
            // Not quoted: whoever confuses two settings may have put the key here.
            return Err(
                "the base-url is not a web address\nhint: write it with its scheme, such as `http://127.0.0.1:8089/v1`".to_string()
            );
        }
        Ok(Self(url.to_string()))
    }
}

/// The name of an environment variable.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct VariableName(String);

impl VariableName {
    pub(super) fn into_inner(self) -> String {
        self.0
    }
}

impl TryFrom<String> for VariableName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let plain = !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
        if plain {
            return Ok(Self(name));
        }
        // Not quoted: it may be the key itself.
        Err("api-key-env takes the name of an environment variable, in capitals, and never the key itself\n\
             hint: `api-key-env = \"OPENAI_API_KEY\"`, and put the key into that variable"
            .to_string())
    }
}

/// How much worse may pass as not worse.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "f64")]
pub(super) struct Margin(f64);

impl Margin {
    pub(super) fn get(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Margin {
    type Error = String;

    fn try_from(value: f64) -> Result<Self, String> {
        if (0.0..=1.0).contains(&value) {
            Ok(Self(value))
        } else {
            Err(format!("the margin is {value}, and must be from 0 to 1"))
        }
    }
}

/// The probability of a false alarm.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "f64")]
pub(super) struct Alpha(f64);

impl Alpha {
    pub(super) fn get(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Alpha {
    type Error = String;

    fn try_from(value: f64) -> Result<Self, String> {
        if value > 0.0 && value < 0.5 {
            Ok(Self(value))
        } else {
            Err(format!("alpha is {value}, and must be between 0 and 0.5"))
        }
    }
}

/// Reads the file. An error names the file, the line and, for an unknown key, what was probably meant; it never shows
/// the line itself, which may hold a key in the wrong place.
pub(super) fn read(path: &Path) -> Result<File, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| ConfigError::new(format!("cannot read {}: {error}", path.display())))?;
    toml::from_str(&text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start));
        let line = before.unwrap_or_default().matches('\n').count() + 1;
        ConfigError::new(format!(
            "{}:{line}: {}",
            path.display(),
            explained(error.message())
        ))
    })
}

/// The parser's message, with the likely meaning of an unknown word.
fn explained(message: &str) -> String {
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let what = if message.starts_with("unknown field") {
        "key"
    } else if message.starts_with("unknown variant") {
        "value"
    } else {
        return message.trim_end().to_string();
    };
    let Some((unknown, known)) = quoted.split_first() else {
        return message.to_string();
    };
    let meant = nearest(unknown, known.iter().copied())
        .map(|known| format!("did you mean `{known}`? "))
        .unwrap_or_default();
    format!(
        "unknown {what} `{unknown}`\nhint: {meant}known here: {}",
        backticked(known.iter().copied())
    )
}
