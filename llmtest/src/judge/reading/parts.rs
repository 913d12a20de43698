//! A body cut into its pieces: one JSON value, a list of them, lines of JSON, or server-sent events.

use super::shortened;
use serde_json::Value;

/// The pieces of one body.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Parts {
    pub(super) all: Vec<Value>,
    /// Whether more than one piece was to be expected.
    pub(super) streamed: bool,
    /// Whether `[DONE]` stands at the end.
    pub(super) done_marker: bool,
    /// Whether the last piece is not whole.
    pub(super) broken: bool,
}

impl Parts {
    /// Cuts a body; an error says why it is none.
    pub(super) fn of(body: &str) -> Result<Self, String> {
        let body = body.trim_start_matches('\u{feff}');
        let error = match serde_json::from_str(body) {
            // Gemini streams a list unless it is asked for events.
            Ok(Value::Array(all)) => {
                return Ok(Self {
                    streamed: true,
                    all,
                    ..Self::default()
                });
            }
            Ok(value @ Value::Object(_)) => {
                return Ok(Self {
                    all: vec![value],
                    ..Self::default()
                });
            }
            Ok(other) => {
                return Err(format!(
                    "it is no JSON object: {}",
                    shortened(&other.to_string(), 200)
                ));
            }
            Err(error) => error,
        };
        if body.trim().is_empty() {
            return Err("it is empty".to_string());
        }
        let is_event = |line: &str| {
            ["data:", "event:", "id:", "retry:", ":"]
                .iter()
                .any(|field| line.starts_with(field))
        };
        if body
            .lines()
            .find(|line| !line.trim().is_empty())
            .is_some_and(|line| is_event(line.trim_start()))
        {
            return Ok(Self::events(body));
        }
        let parts = Self::lines(body);
        if !parts.all.is_empty() {
            return Ok(parts);
        }
        Err(if error.is_eof() {
            "its JSON breaks off".to_string()
        } else {
            format!("it is not JSON: {}", shortened(body, 200))
        })
    }

    /// Server-sent events: comments and unknown fields are skipped, lines of data of one event belong together.
    fn events(body: &str) -> Self {
        let mut parts = Self {
            streamed: true,
            ..Self::default()
        };
        let mut data: Option<String> = None;
        // A lone carriage return may end a line, too.
        let body = body.replace("\r\n", "\n").replace('\r', "\n");
        for line in body.split('\n').chain([""]) {
            if line.is_empty() {
                if let Some(data) = data.take() {
                    parts.take(&data);
                }
            } else if let Some(more) = line.strip_prefix("data:") {
                let more = more.strip_prefix(' ').unwrap_or(more);
                match &mut data {
                    Some(data) => {
                        data.push('\n');
                        data.push_str(more);
                    }
                    None => data = Some(more.to_string()),
                }
            }
        }
        parts
    }

    /// One JSON value a line.
    fn lines(body: &str) -> Self {
        let mut parts = Self {
            streamed: true,
            ..Self::default()
        };
        for line in body.lines().filter(|line| !line.trim().is_empty()) {
            parts.take(line);
            if parts.broken && parts.all.is_empty() {
                break;
            }
        }
        parts
    }

    fn take(&mut self, text: &str) {
        if text.trim() == "[DONE]" {
            self.done_marker = true;
            return;
        }
        match serde_json::from_str(text) {
            Ok(value) => self.all.push(value),
            Err(_) => self.broken = true,
        }
    }
}
