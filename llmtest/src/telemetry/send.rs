//! OTLP over HTTP, as JSON.

use crate::config::ExportConfig;
use crate::judge::{retry_after, tls};
use crate::runtime;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, redirect};
use serde_json::Value;
use std::sync::mpsc;
use std::time::{Duration, SystemTime};

/// Requests that wait; what comes on top of them is dropped and told, so that a slow receiver costs no memory.
const WAITING: usize = 64;
/// The time limit of one request.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The time limit of everything that is left when the run ends.
const AT_THE_END: Duration = Duration::from_secs(30);
/// Attempts of one request.
const ATTEMPTS: u32 = 4;

/// Sends requests one after the other, beside the run.
pub(super) struct Sender {
    queue: Option<tokio::sync::mpsc::Sender<Value>>,
    dropped: usize,
    done: mpsc::Receiver<Option<String>>,
    shown: String,
}

impl Sender {
    pub(super) fn start(config: &ExportConfig) -> Self {
        let (queue, mut waiting) = tokio::sync::mpsc::channel::<Value>(WAITING);
        let (end, done) = mpsc::channel();
        let url = config.endpoint.clone().unwrap_or_default();
        let shown = config.shown_endpoint();
        let client = client(&url, config);
        runtime::handle().spawn(async move {
            let mut lost = 0;
            let mut first = None;
            while let Some(request) = waiting.recv().await {
                let sent = match &client {
                    Ok(client) => post(client, &url, &request).await,
                    Err(error) => Err(error.clone()),
                };
                if let Err(error) = sent {
                    lost += 1;
                    first.get_or_insert(error);
                }
            }
            let _ = end.send(first.map(|error| format!("{lost} requests were lost: {error}")));
        });
        Self {
            queue: Some(queue),
            dropped: 0,
            done,
            shown,
        }
    }

    pub(super) fn send(&mut self, request: Value) {
        let queue = self.queue.as_ref();
        if queue.is_none_or(|queue| queue.try_send(request).is_err()) {
            self.dropped += 1;
        }
    }

    /// Waits until all is sent; what went wrong, where something did.
    pub(super) fn finish(mut self) -> Option<String> {
        drop(self.queue.take());
        let mut told = match self.done.recv_timeout(AT_THE_END) {
            Ok(told) => told,
            Err(_) => Some("the receiver is too slow".to_string()),
        };
        if self.dropped > 0 {
            let slow = format!(
                "{} requests were dropped, since the receiver is too slow",
                self.dropped
            );
            told = Some(told.map_or(slow.clone(), |told| format!("{told}; {slow}")));
        }
        told.map(|told| format!("{}: {told}", self.shown))
    }
}

fn client(url: &str, config: &ExportConfig) -> Result<Client, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in &config.headers {
        // The values are secrets, so no message says them.
        let broken = || {
            format!(
                "the header `{name}` cannot be sent\nhint: write headers as `name=value`, with commas between"
            )
        };
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| broken())?;
        let mut value = HeaderValue::from_str(value.expose()).map_err(|_| broken())?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    let tls = tls(url).map_err(|error| error.to_string())?;
    let mut builder = Client::builder()
        .default_headers(headers)
        .timeout(TIMEOUT)
        .redirect(redirect::Policy::none())
        .tls_backend_preconfigured(tls);
    if config.endpoint_is_local() {
        builder = builder.no_proxy();
    }
    builder
        .build()
        .map_err(|error| error.without_url().to_string())
}

/// Posts until the receiver takes it: again after 429, 502, 503, 504 and broken connections, as the protocol asks.
async fn post(client: &Client, url: &str, request: &Value) -> Result<(), String> {
    for attempt in 1.. {
        let (why, wait) = match client.post(url).json(request).send().await {
            Ok(response) if response.status().is_success() => {
                let answer: Value = response.json().await.unwrap_or_default();
                let partial = &answer["partialSuccess"];
                let rejected = &partial["rejectedSpans"];
                let none = rejected.is_null() || *rejected == 0 || *rejected == "0";
                return if none {
                    Ok(())
                } else {
                    Err(format!("the receiver rejected {rejected} spans"))
                };
            }
            Ok(response) => {
                let status = response.status();
                let why = format!("the receiver answered {status}");
                if !matches!(status.as_u16(), 429 | 502 | 503 | 504) {
                    return Err(why);
                }
                let header = |name: &str| response.headers().get(name)?.to_str().ok();
                (why, retry_after(header, SystemTime::now()))
            }
            Err(error) => (error_text(error), None),
        };
        if attempt >= ATTEMPTS {
            return Err(format!("{why}, {attempt} times"));
        }
        let backoff = Duration::from_millis(200 << attempt);
        tokio::time::sleep(wait.unwrap_or(backoff).min(TIMEOUT)).await;
    }
    unreachable!("the loop ends by returning")
}

/// The innermost cause: the address is said elsewhere.
fn error_text(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
