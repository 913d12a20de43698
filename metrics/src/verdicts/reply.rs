//! What a judge may write, read with some patience.

use super::Vote;
use crate::Result;
use serde::de::{Deserialize, Deserializer, Error};
use serde_json::Value;

/// Verdicts by number. Asked for as an object with the numbers as keys; a list of objects with a `number` is read too.
#[derive(serde::Deserialize)]
pub(super) struct NumberedReply {
    #[serde(deserialize_with = "numbered")]
    pub(super) verdicts: Vec<(usize, Entry)>,
}

/// One verdict.
#[derive(serde::Deserialize)]
pub(super) struct Entry {
    #[serde(default)]
    pub(super) reason: Option<String>,
    pub(super) verdict: Vote,
}

fn numbered<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(usize, Entry)>, D::Error> {
    let entries: Vec<(Value, Value)> = match Value::deserialize(deserializer)? {
        Value::Object(entries) => entries
            .into_iter()
            .map(|(key, entry)| (key.into(), entry))
            .collect(),
        Value::Array(entries) => entries
            .into_iter()
            .map(|entry| (entry["number"].clone(), entry))
            .collect(),
        other => {
            return Err(D::Error::custom(format!(
                "`verdicts` must be an object with the numbers as keys, but it is {other}"
            )));
        }
    };
    let read = |(key, entry): (Value, Value)| {
        let number = number(&key)
            .ok_or_else(|| D::Error::custom(format!("{key} is not the number of an item")))?;
        let entry = serde_json::from_value(entry)
            .map_err(|error| D::Error::custom(format!("number {number}: {error}")))?;
        Ok((number, entry))
    };
    entries.into_iter().map(read).collect()
}

/// A number, also one in quotes.
fn number(value: &Value) -> Option<usize> {
    match value {
        Value::String(text) => text.trim().trim_end_matches('.').parse().ok(),
        other => usize::try_from(other.as_u64()?).ok(),
    }
}

/// Reads `"Yes."`, `true` and the older `idk` too.
impl TryFrom<Value> for Vote {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        let text = match &value {
            Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_string(),
            Value::String(text) => text
                .trim()
                .chars()
                .take_while(char::is_ascii_alphabetic)
                .collect::<String>()
                .to_lowercase(),
            _ => String::new(),
        };
        match text.as_str() {
            "yes" => Ok(Self::Yes),
            "no" => Ok(Self::No),
            "borderline" | "idk" => Ok(Self::Borderline),
            _ => Err(format!("{value} is not a verdict")),
        }
    }
}
