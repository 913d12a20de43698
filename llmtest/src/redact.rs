//! What must not be written or shown: the keys of this process, and what `[redact]` names.

use regex::{Captures, Regex};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;
use std::sync::LazyLock;

/// What stands in the place of a secret.
const MARK: &str = "[redacted]";

/// Secrets shorter than this are ordinary words (`none`, `ollama`) that local servers take as a key.
const LEAST: usize = 8;

/// A key. Its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The key itself, for the request's header alone.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MARK)
    }
}

/// Takes secrets out of texts.
#[derive(Debug, Default)]
pub(crate) struct Redactor {
    secrets: Vec<Secret>,
    patterns: Vec<Regex>,
}

impl Redactor {
    pub(crate) fn new(
        secrets: impl Iterator<Item = Secret>,
        patterns: impl Iterator<Item = Regex>,
    ) -> Self {
        let mut secrets: Vec<_> = secrets.filter(|secret| secret.0.len() >= 4).collect();
        // The longest first: one secret may be the beginning of another.
        secrets.sort_by(|a, b| b.0.len().cmp(&a.0.len()).then_with(|| a.0.cmp(&b.0)));
        secrets.dedup();
        Self {
            secrets,
            patterns: patterns.collect(),
        }
    }

    /// The text without secrets. For everything that is recorded or reported.
    pub(crate) fn scrub<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.without(text, LEAST)
    }

    /// The text without secrets, short ones too. For what a server says, which may repeat the key it was sent.
    #[cfg(any(test, feature = "http"))]
    pub(crate) fn scrub_error<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.without(text, 0)
    }

    /// The value with every text and every name scrubbed.
    pub(crate) fn scrub_value(&self, value: Value) -> Value {
        match value {
            Value::String(text) => match self.scrub(&text) {
                Cow::Borrowed(_) => Value::String(text),
                Cow::Owned(scrubbed) => Value::String(scrubbed),
            },
            Value::Array(items) => items
                .into_iter()
                .map(|item| self.scrub_value(item))
                .collect(),
            Value::Object(members) => members
                .into_iter()
                .map(|(name, member)| (self.scrub(&name).into_owned(), self.scrub_value(member)))
                .collect(),
            scalar => scalar,
        }
    }

    fn without<'a>(&self, text: &'a str, least: usize) -> Cow<'a, str> {
        let mut text = Cow::Borrowed(text);
        for secret in self.secrets.iter().filter(|secret| secret.0.len() >= least) {
            if text.contains(&secret.0) {
                text = text.replace(&secret.0, MARK).into();
            }
        }
        // Most texts hold no header, and this is asked of every line that is recorded.
        let lower = text.to_ascii_lowercase();
        let may_hold_header = lower.contains("authorization") || lower.contains("bearer");
        if may_hold_header && AUTHORIZATION.is_match(&text) {
            text = AUTHORIZATION.replace_all(&text, header).into_owned().into();
        }
        for pattern in &self.patterns {
            if pattern.is_match(&text) {
                text = pattern.replace_all(&text, MARK).into_owned().into();
            }
        }
        text
    }
}

/// The credentials of an HTTP header, in whatever text quotes one.
static AUTHORIZATION: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r#"(?i)(\bauthorization["']?\s*[:=]\s*["']?(?:bearer\s+|basic\s+)?|\bbearer\s+)([a-z0-9._~+/=-]{16,})"#;
    Regex::new(pattern).expect("the pattern is tested")
});

/// Words after "bearer" are no credentials; those have digits.
fn header(found: &Captures<'_>) -> String {
    let credentials = &found[2];
    let mark = if credentials.bytes().any(|byte| byte.is_ascii_digit()) {
        MARK
    } else {
        credentials
    };
    format!("{}{mark}", &found[1])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn redactor(secrets: &[&str], patterns: &[&str]) -> Redactor {
        let secrets = secrets.iter().map(|secret| Secret::new(*secret));
        Redactor::new(
            secrets,
            patterns.iter().map(|pattern| Regex::new(pattern).unwrap()),
        )
    }

    #[test]
    fn secrets_are_taken_out_the_longest_first() {
        let redactor = redactor(&["sk-12345", "sk-12345-long"], &[]);
        assert_eq!(
            redactor.scrub("a sk-12345-long b sk-12345 c"),
            "a [redacted] b [redacted] c"
        );
        assert!(matches!(redactor.scrub("nothing here"), Cow::Borrowed(_)));
    }

    #[test]
    fn short_keys_are_words_except_in_errors() {
        let redactor = redactor(&["ollama"], &[]);
        assert_eq!(redactor.scrub("ask ollama"), "ask ollama");
        assert_eq!(redactor.scrub_error("bad key ollama"), "bad key [redacted]");
    }

    #[test]
    fn quoted_headers_lose_their_credentials() {
        let redactor = redactor(&[], &[]);
        assert_eq!(
            redactor.scrub("Authorization: Bearer abcdef0123456789xyz!"),
            "Authorization: Bearer [redacted]!"
        );
        assert_eq!(
            redactor.scrub(r#"{"authorization":"abcdef0123456789"}"#),
            r#"{"authorization":"[redacted]"}"#
        );
        assert_eq!(
            redactor.scrub("bearer authentication-tokens"),
            "bearer authentication-tokens"
        );
    }

    #[test]
    fn patterns_reach_into_values() {
        let redactor = redactor(&[], &[r"\b\d{3}-\d{4}\b"]);
        let value = redactor.scrub_value(json!({"call": ["555-1234", 5], "555-1234": null}));
        assert_eq!(
            value,
            json!({"call": ["[redacted]", 5], "[redacted]": null})
        );
    }
}
