//! Errors in the words of every provider.

use super::text_at;
use serde::Serialize;
use serde_json::Value;

/// An error as a server describes it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Fault {
    /// The HTTP status that it stands for, where it says so.
    pub(crate) status: Option<u16>,
    pub(crate) kind: Option<String>,
    /// A name or a number, as sent.
    pub(crate) code: Value,
    pub(crate) message: String,
    /// The parameter that it is about.
    pub(crate) param: Option<String>,
}

impl Fault {
    /// The error in a body or an event, where there is one.
    pub(super) fn of(value: &Value) -> Option<Self> {
        let inner = [&value["error"], &value["response"]["error"]]
            .into_iter()
            .find(|error| !error.is_null() && *error != &Value::Bool(false));
        if let Some(error) = inner {
            return Some(Self::from(error, value));
        }
        // Mistral, vLLM, and the stream of OpenAI's responses put it at the top.
        let is_error =
            value["type"] == "error" || value["object"] == "error" || value["__type"].is_string();
        is_error.then(|| Self::from(value, value))
    }

    /// The body of an error status, which may say nothing but a message.
    pub(super) fn bare(value: &Value) -> Option<Self> {
        if let Some(text) = value.as_str() {
            return Some(Self {
                message: text.to_string(),
                ..Self::default()
            });
        }
        let says = ["message", "Message", "detail", "errors"];
        says.iter()
            .any(|name| !value[*name].is_null())
            .then(|| Self::from(value, value))
    }

    fn from(error: &Value, around: &Value) -> Self {
        if let Some(text) = error.as_str() {
            return Self {
                message: text.to_string(),
                ..Self::default()
            };
        }
        let message = ["message", "Message", "detail", "errors"]
            .iter()
            .map(|name| &error[*name])
            .find(|value| !value.is_null());
        let message = match message {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => error.to_string(),
        };
        let kind = error["type"]
            .as_str()
            .filter(|kind| *kind != "error")
            .or_else(|| error["status"].as_str())
            .or_else(|| error["error_type"].as_str())
            // Amazon's, with a name space before it.
            .or_else(|| error["__type"].as_str()?.rsplit('#').next())
            .map(str::to_string);
        let mut fault = Self {
            kind,
            code: error["code"].clone(),
            message,
            param: text_at(error, "param"),
            status: None,
        };
        fault.status = fault.stands_for(&error["status"], &around["status_code"]);
        fault
    }

    fn stands_for(&self, status: &Value, other: &Value) -> Option<u16> {
        let number = |value: &Value| {
            let number = value.as_u64().or_else(|| value.as_str()?.parse().ok())?;
            let number = u16::try_from(number).ok()?;
            (400..600).contains(&number).then_some(number)
        };
        let kind = self.kind.as_deref();
        number(&self.code)
            .or_else(|| number(status))
            .or_else(|| number(other))
            .or_else(|| self.code.as_str().and_then(meant))
            .or_else(|| kind.and_then(meant))
    }

    /// Whether the provider's filter, not a fault, is behind it.
    pub(super) fn is_filter(&self) -> bool {
        let filters = [
            "content_filter",
            "content_policy_violation",
            "ResponsibleAIPolicyViolation",
        ];
        self.code
            .as_str()
            .is_some_and(|code| filters.contains(&code))
            || self
                .kind
                .as_deref()
                .is_some_and(|kind| filters.contains(&kind))
    }

    /// All that it says. The parameter that is refused may be named only beside the message.
    pub(crate) fn text(&self) -> String {
        let mut text = self.message.clone();
        let code = match &self.code {
            Value::String(code) => Some(code.clone()),
            _ => None,
        };
        let more = [
            ("param", &self.param),
            ("code", &code),
            ("type", &self.kind),
        ];
        for (name, more) in more {
            if let Some(more) = more.as_ref().filter(|more| !text.contains(more.as_str())) {
                text = format!("{text} [{name}: {more}]");
            }
        }
        text
    }
}

/// The status that the name of an error stands for.
pub(super) fn meant(word: &str) -> Option<u16> {
    Some(match word {
        "overloaded_error" => 529,
        "rate_limit_error"
        | "rate_limit_exceeded"
        | "insufficient_quota"
        | "RESOURCE_EXHAUSTED"
        | "too_many_requests"
        | "ThrottlingException"
        | "ModelNotReadyException" => 429,
        "UNAVAILABLE" | "service_unavailable" | "ServiceUnavailableException" => 503,
        "api_error"
        | "server_error"
        | "internal_error"
        | "internal_server_error"
        | "INTERNAL"
        | "InternalServerException" => 500,
        "timeout_error" | "DEADLINE_EXCEEDED" => 504,
        "ModelTimeoutException" => 408,
        "authentication_error" | "invalid_api_key" | "UNAUTHENTICATED" => 401,
        "permission_error" | "PERMISSION_DENIED" | "AccessDeniedException" => 403,
        "not_found_error" | "model_not_found" | "NOT_FOUND" | "ResourceNotFoundException" => 404,
        "invalid_request_error" | "INVALID_ARGUMENT" | "ValidationException" => 400,
        _ => return None,
    })
}
