//! Signature version 4, with which Amazon's services want a request signed.
//!
//! The steps and the test vectors are those of Amazon's documentation: a canonical request, a text to sign with its hash, a
//! key derived from the secret for the day, the region and the service, and the signature in the header.

use crate::calendar;
use crate::config::{AwsKeys, JudgeConfig};
use hmac_sha256::{HMAC, Hash};
use llmtest_metrics::{JudgeError, JudgeErrorKind};
use reqwest::Request;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

const SERVICE: &str = "bedrock";

/// Signs a request to Bedrock. A bearer key, where there is one, goes before.
pub(super) fn sign(
    request: &mut Request,
    config: &JudgeConfig,
    now: SystemTime,
) -> Result<(), JudgeError> {
    let Some(keys) = config.signs_with() else {
        return Ok(());
    };
    let broken = |what: &str| JudgeError::new(JudgeErrorKind::Config, what.to_string());
    let url = request.url();
    let host = url.host_str().unwrap_or_default();
    let region = config.aws.region.clone().or_else(|| region_of(host));
    let region = region.ok_or_else(|| {
        broken(
            "the region to sign requests for is not known\n\
             hint: set AWS_REGION, such as `AWS_REGION=us-east-1`",
        )
    })?;
    let host = match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_string(),
    };
    let stamp = stamp(now);
    let content_type = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let session = keys.session.as_ref().map(crate::redact::Secret::expose);
    let signed: Vec<(&str, &str)> = [
        ("content-type", content_type),
        ("host", Some(host.as_str())),
        ("x-amz-date", Some(stamp.as_str())),
        ("x-amz-security-token", session),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
    .collect();
    let body = request.body().and_then(reqwest::Body::as_bytes);
    let scope = Scope {
        region: &region,
        service: SERVICE,
        stamp: &stamp,
    };
    let authorization = scope.authorization(
        keys,
        request.method().as_str(),
        url.path(),
        &signed,
        body.unwrap_or_default(),
    );
    let session = session.map(|token| (HeaderName::from_static("x-amz-security-token"), token));
    let headers = [
        (HeaderName::from_static("x-amz-date"), stamp.as_str()),
        (AUTHORIZATION, authorization.as_str()),
    ];
    let headers: Vec<_> = headers.into_iter().chain(session).collect();
    for (name, value) in headers {
        let mut value = HeaderValue::from_str(value).map_err(|_| {
            broken(
                "a key of Amazon has characters that no header can hold\n\
                 hint: set AWS_ACCESS_KEY_ID and AWS_SESSION_TOKEN anew, without line breaks",
            )
        })?;
        value.set_sensitive(true);
        request.headers_mut().insert(name, value);
    }
    Ok(())
}

/// The region in `bedrock-runtime.us-east-1.amazonaws.com`.
fn region_of(host: &str) -> Option<String> {
    let rest = host
        .strip_prefix("bedrock-runtime.")
        .or_else(|| host.strip_prefix("bedrock-runtime-fips."))?;
    let region = rest.split('.').next()?;
    region.contains('-').then(|| region.to_string())
}

/// What a signature is good for.
struct Scope<'a> {
    region: &'a str,
    service: &'a str,
    /// `20150830T123600Z`
    stamp: &'a str,
}

impl Scope<'_> {
    fn day(&self) -> &str {
        &self.stamp[..8]
    }

    fn text(&self) -> String {
        let Self {
            region, service, ..
        } = self;
        format!("{}/{region}/{service}/aws4_request", self.day())
    }

    /// The header's value. `signed` are headers in the alphabet's order, their names in lowercase.
    fn authorization(
        &self,
        keys: &AwsKeys,
        method: &str,
        path: &str,
        signed: &[(&str, &str)],
        body: &[u8],
    ) -> String {
        let names: Vec<&str> = signed.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let mut canonical = format!("{method}\n{}\n\n", encoded(path));
        for (name, value) in signed {
            let _ = writeln!(canonical, "{name}:{}", value.trim());
        }
        let _ = write!(canonical, "\n{names}\n{}", hex(&Hash::hash(body)));
        let scope = self.text();
        let to_sign = format!(
            "AWS4-HMAC-SHA256\n{}\n{scope}\n{}",
            self.stamp,
            hex(&Hash::hash(canonical.as_bytes()))
        );
        let mut key = format!("AWS4{}", keys.secret.expose()).into_bytes();
        for part in [self.day(), self.region, self.service, "aws4_request"] {
            key = HMAC::mac(part, &key).to_vec();
        }
        format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={}",
            keys.id.expose(),
            hex(&HMAC::mac(to_sign, &key))
        )
    }
}

/// A path as it is sent, with everything but letters, digits, `-._~` and `/` encoded once more.
fn encoded(path: &str) -> String {
    path.split('/')
        .map(super::request::segment)
        .collect::<Vec<_>>()
        .join("/")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The time as `20150830T123600Z`.
fn stamp(now: SystemTime) -> String {
    let seconds = now
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    format!(
        "{}T{:02}{:02}{:02}Z",
        calendar::date(days).replace('-', ""),
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::Secret;
    use std::time::Duration;

    fn keys(session: Option<&str>) -> AwsKeys {
        AwsKeys {
            id: Secret::new("AKIDEXAMPLE"),
            secret: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
            session: session.map(Secret::new),
        }
    }

    fn signature(path: &str, more: &[(&str, &str)], body: &str) -> String {
        let scope = Scope {
            region: "us-east-1",
            service: "service",
            stamp: "20150830T123600Z",
        };
        let mut signed = vec![
            ("host", "example.amazonaws.com"),
            ("x-amz-date", "20150830T123600Z"),
        ];
        signed.extend(more);
        signed.sort_unstable();
        let header = scope.authorization(&keys(None), "POST", path, &signed, body.as_bytes());
        header.rsplit_once('=').unwrap().1.to_string()
    }

    #[test]
    fn signatures_are_those_of_the_published_vectors() {
        // `post-vanilla`, `post-x-www-form-urlencoded`, `post-sts-header-before` of Amazon's test suite for this version.
        assert_eq!(
            signature("/", &[], ""),
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"
        );
        let form = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("content-length", "13"),
            (
                "x-amz-content-sha256",
                "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e",
            ),
        ];
        assert_eq!(
            signature("/", &form, "Param1=value1"),
            "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b"
        );
        let session = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";
        assert_eq!(
            signature("/", &[("x-amz-security-token", session)], ""),
            "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"
        );
    }

    #[test]
    fn an_encoded_path_is_encoded_once_more() {
        // `double-encode-path` of the same suite.
        assert_eq!(
            encoded("/test/@connections/JBDvjfGEIAMCERw%3D"),
            "/test/%40connections/JBDvjfGEIAMCERw%253D"
        );
        assert_eq!(
            encoded("/model/a.b-v1%3A0/converse"),
            "/model/a.b-v1%253A0/converse"
        );
    }

    #[test]
    fn times_are_written_as_amazon_wants_them() {
        for (seconds, text) in [
            (0, "19700101T000000Z"),
            (1_440_938_160, "20150830T123600Z"),
            (1_709_208_000, "20240229T120000Z"),
            (4_102_444_799, "20991231T235959Z"),
        ] {
            assert_eq!(stamp(UNIX_EPOCH + Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn the_region_is_read_from_the_address_of_the_service_alone() {
        assert_eq!(
            region_of("bedrock-runtime.us-west-2.amazonaws.com").as_deref(),
            Some("us-west-2")
        );
        assert_eq!(region_of("gateway.example.com"), None);
    }
}
