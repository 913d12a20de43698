//! Servers of judges and of the embedder: `[judge]`, `[embedder]`, and every provider by its prefix.

use super::{Api, ConfigError, MaxInFlight, Provider, aws, env, file, provider};
use crate::redact::Secret;
use std::time::Duration;

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
    pub(crate) fn signs_with(&self) -> Option<&super::AwsKeys> {
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
pub(super) fn is_local(url: &str) -> bool {
    let host = host(url);
    host == "localhost" || host.ends_with(".localhost") || host == "::1" || host.starts_with("127.")
}

/// A URL as it may be shown: without user, password and query.
#[cfg(any(test, feature = "http"))]
pub(super) fn shown_url(url: &str) -> String {
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

/// The version of Azure's API where none is set: the latest that is settled.
const AZURE_VERSION: &str = "2024-10-21";

pub(super) fn judge(table: &file::Judge, env: &env::Env<'_>) -> Result<JudgeConfig, ConfigError> {
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
pub(super) fn providers(
    judge: &JudgeConfig,
    env: &env::Env<'_>,
) -> Result<Vec<JudgeConfig>, ConfigError> {
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
pub(super) fn embedder(
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
pub(super) fn url_password(url: &str) -> Option<Secret> {
    let authority = url.split_once("://")?.1.split('/').next()?;
    let (user, _) = authority.rsplit_once('@')?;
    Some(Secret::new(
        user.split_once(':').map_or(user, |(_, password)| password),
    ))
}
