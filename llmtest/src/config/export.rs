//! Where the traces of a run go.

use super::{env, file};
use crate::redact::Secret;
use std::fmt;
use std::path::{Path, PathBuf};

/// `[export]` and the variables of OpenTelemetry.
#[derive(Clone, Default)]
pub(crate) struct ExportConfig {
    /// A file of requests, one a line.
    pub(crate) file: Option<PathBuf>,
    /// The whole address of the receiver.
    pub(crate) endpoint: Option<String>,
    /// Headers of every request.
    pub(crate) headers: Vec<(String, Secret)>,
    /// Whether the receiver was asked for in our own name.
    #[cfg_attr(
        feature = "otlp",
        expect(
            dead_code,
            reason = "without the feature, a receiver that is asked for is told"
        )
    )]
    pub(crate) asked_for_endpoint: bool,
}

impl fmt::Debug for ExportConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?}", self.file, self.endpoint)
    }
}

#[cfg(feature = "otlp")]
impl ExportConfig {
    /// The receiver's address without user, password and query.
    pub(crate) fn shown_endpoint(&self) -> String {
        super::judge::shown_url(self.endpoint.as_deref().unwrap_or_default())
    }

    /// Whether the receiver runs on this machine.
    pub(crate) fn endpoint_is_local(&self) -> bool {
        super::judge::is_local(self.endpoint.as_deref().unwrap_or_default())
    }
}

/// Our own variables go before OpenTelemetry's. OpenTelemetry's headers are for its own endpoint.
pub(super) fn export(table: &file::Export, env: &env::Env<'_>, root: &Path) -> ExportConfig {
    let path = env.text("LLMTEST_OTLP_FILE").map(PathBuf::from);
    let own = env.text("LLMTEST_OTLP_ENDPOINT").map(with_path);
    let asked_for_endpoint = own.is_some();
    let general = || {
        let of_traces = env
            .text("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
            .map(str::to_string);
        of_traces.or_else(|| env.text("OTEL_EXPORTER_OTLP_ENDPOINT").map(with_path))
    };
    let standard = || {
        env.text("OTEL_EXPORTER_OTLP_TRACES_HEADERS")
            .or_else(|| env.text("OTEL_EXPORTER_OTLP_HEADERS"))
    };
    let given = env.text("LLMTEST_OTLP_HEADERS");
    let given = if asked_for_endpoint {
        given
    } else {
        given.or_else(standard)
    };
    ExportConfig {
        file: path
            .or_else(|| table.otlp_file.clone())
            .map(|path| root.join(path)),
        endpoint: own.or_else(general).filter(|_| cfg!(feature = "otlp")),
        headers: given.map(headers).unwrap_or_default(),
        asked_for_endpoint,
    }
}

/// A base address with the path of traces.
fn with_path(base: &str) -> String {
    let base = base.trim().trim_end_matches('/');
    if base.ends_with("/v1/traces") {
        base.to_string()
    } else {
        format!("{base}/v1/traces")
    }
}

/// `name=value,name=value`, with values percent-encoded where they have to be.
fn headers(text: &str) -> Vec<(String, Secret)> {
    let pairs = text.split(',').filter(|pair| !pair.trim().is_empty());
    let pairs = pairs.map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (
            name.trim().to_lowercase(),
            Secret::new(decoded(value.trim())),
        )
    });
    pairs.collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let code = (*byte == b'%').then(|| after.get(..2)).flatten();
        let code =
            code.and_then(|code| u8::from_str_radix(std::str::from_utf8(code).ok()?, 16).ok());
        bytes.push(code.unwrap_or(*byte));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What of the headers must not be shown: every value, and the part after `Basic` or `Bearer`.
pub(super) fn secrets(config: &ExportConfig) -> Vec<Secret> {
    let values = config.headers.iter().flat_map(|(_, value)| {
        let tail = value
            .expose()
            .split_once(' ')
            .map(|(_, tail)| Secret::new(tail.trim()));
        [Some(value.clone()), tail]
    });
    // Short values, such as the number of a version, would make everything unreadable.
    values
        .flatten()
        .filter(|secret| secret.expose().len() >= 8)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_get_the_path_of_traces_once() {
        assert_eq!(with_path("http://h:4318/"), "http://h:4318/v1/traces");
        assert_eq!(
            with_path("https://h/api/public/otel/v1/traces"),
            "https://h/api/public/otel/v1/traces"
        );
    }

    #[test]
    fn headers_are_pairs_and_their_values_secrets() {
        let read = headers("Authorization=Basic%20cGs6c2s=, x-project = a%2Cb,,");
        assert_eq!(read[0].0, "authorization");
        assert_eq!(read[0].1.expose(), "Basic cGs6c2s=");
        assert_eq!(read[1].1.expose(), "a,b");
        let config = ExportConfig {
            headers: read,
            ..ExportConfig::default()
        };
        let hidden: Vec<_> = secrets(&config)
            .iter()
            .map(|secret| secret.expose().to_string())
            .collect();
        assert_eq!(hidden, ["Basic cGs6c2s=", "cGs6c2s="]);
        assert!(!format!("{config:?}").contains("cGs6"));
        assert_eq!(decoded("100%"), "100%");
    }
}
