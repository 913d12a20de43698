//! One request to a server over HTTP.

use super::http_date;
use super::limit::quota;
use super::trouble::Trouble;
use crate::config::{Api, JudgeConfig};
use crate::runtime;
use llmtest_metrics::{JudgeError, JudgeErrorKind, Result};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, redirect};
use rustls_platform_verifier::BuilderVerifierExt;
use serde_json::Value;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::task::JoinHandle;

/// Runs a call on our runtime, to which connections belong. It ends when nobody waits for it any more.
pub(super) async fn spawned<T: Send + 'static>(
    call: impl Future<Output = Result<T, JudgeError>> + Send + 'static,
) -> Result<T> {
    let mut call = Call(runtime::handle().spawn(call));
    Ok((&mut call.0).await??)
}

struct Call<T>(JoinHandle<Result<T, JudgeError>>);

impl<T> Drop for Call<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A client with the key of this server.
pub(super) fn client(config: &JudgeConfig) -> Result<Client, JudgeError> {
    let broken = |error: String| {
        JudgeError::new(
            JudgeErrorKind::Config,
            format!("cannot set up HTTP for the {}: {error}", config.role.name()),
        )
    };
    let mut headers = HeaderMap::new();
    if let Some(key) = &config.api_key {
        let (name, value) = match config.provider.api {
            Api::Azure => (HeaderName::from_static("api-key"), key.expose().to_string()),
            Api::Messages => (
                HeaderName::from_static("x-api-key"),
                key.expose().to_string(),
            ),
            Api::Gemini => (
                HeaderName::from_static("x-goog-api-key"),
                key.expose().to_string(),
            ),
            Api::Chat | Api::Responses | Api::Ollama | Api::Cohere | Api::Converse => {
                (AUTHORIZATION, format!("Bearer {}", key.expose()))
            }
        };
        let mut value = HeaderValue::from_str(&value)
            .map_err(|_| broken(format!("the key in `{}` has characters that no header can hold\nhint: set it anew, without line breaks", config.api_key_env)))?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    if config.provider.api == Api::Messages {
        headers.insert("anthropic-version", HeaderValue::from_static("2023-06-01"));
    }
    let mut builder = Client::builder()
        .default_headers(headers)
        .timeout(config.timeout)
        .connect_timeout(config.timeout.min(Duration::from_secs(10)))
        .redirect(redirect::Policy::none())
        .tls_backend_preconfigured(
            tls(&config.base_url).map_err(|error| broken(error.to_string()))?,
        );
    if config.is_local() {
        builder = builder.no_proxy();
    }
    builder
        .build()
        .map_err(|error| broken(error.without_url().to_string()))
}

/// The process's default provider is left to the application.
pub(crate) fn tls(url: &str) -> Result<rustls::ClientConfig, rustls::Error> {
    let builder = rustls::ClientConfig::builder_with_provider(Arc::new(
        rustls::crypto::ring::default_provider(),
    ))
    .with_safe_default_protocol_versions()?;
    // Reading the system's certificates takes a while and fails in bare containers.
    Ok(if url.starts_with("https:") {
        builder.with_platform_verifier()?.with_no_client_auth()
    } else {
        builder
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth()
    })
}

/// The longest answer that is read, in bytes: no reply and no vectors are nearly so long.
const LONGEST: usize = if cfg!(test) { 1 << 20 } else { 1 << 28 };

/// What a server answered.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) text: String,
    /// How long it asks to wait.
    pub(super) wait: Option<Duration>,
    /// Amazon's name of an error.
    pub(super) kind: Option<String>,
}

/// Posts JSON.
pub(super) async fn post(
    client: &Client,
    trouble: &Trouble,
    url: &str,
    body: &Value,
) -> Result<Answer, JudgeError> {
    let request = client.post(url).json(body).build();
    #[cfg_attr(
        not(feature = "bedrock"),
        expect(unused_mut, reason = "signed only there")
    )]
    let mut request = request.map_err(|error| trouble.transport(error))?;
    #[cfg(feature = "bedrock")]
    super::sigv4::sign(&mut request, &trouble.config, SystemTime::now())?;
    let sent = client.execute(request).await;
    let mut response = sent.map_err(|error| trouble.transport(error))?;
    let status = response.status().as_u16();
    let header = |name: &str| response.headers().get(name)?.to_str().ok();
    let now = SystemTime::now();
    let wait = retry_after(header, now);
    quota::hear(&trouble.config, header, now);
    let kind = header("x-amzn-errortype").map(str::to_string);
    let mut bytes = Vec::new();
    while let Some(more) = response
        .chunk()
        .await
        .map_err(|error| trouble.transport(error))?
    {
        if bytes.len() + more.len() > LONGEST {
            return Err(trouble.endless(LONGEST));
        }
        bytes.extend_from_slice(&more);
    }
    Ok(Answer {
        status,
        text: String::from_utf8_lossy(&bytes).into_owned(),
        wait,
        kind,
    })
}

/// `retry-after-ms`, or `retry-after` in seconds or as a date.
pub(crate) fn retry_after<'a>(
    header: impl Fn(&str) -> Option<&'a str>,
    now: SystemTime,
) -> Option<Duration> {
    let text = |name: &str| header(name).map(str::trim);
    let number = |text: &str, unit: f64| {
        text.parse::<f64>()
            .ok()
            .and_then(|number| Duration::try_from_secs_f64(number * unit).ok())
    };
    if let Some(wait) = text("retry-after-ms").and_then(|ms| number(ms, 0.001)) {
        return Some(wait);
    }
    let value = text("retry-after")?;
    number(value, 1.0).or_else(|| {
        let then = u64::try_from(http_date::unix_seconds(value)?).ok()?;
        let now = now.duration_since(UNIX_EPOCH).ok()?;
        Some(Duration::from_secs(then).saturating_sub(now))
    })
}
