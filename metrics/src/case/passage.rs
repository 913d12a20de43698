//! What a retriever found.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use std::fmt;
use std::ops::Deref;

/// The keys under which retrievers put the text and the origin of a passage.
const TEXT_KEYS: [&str; 6] = [
    "text",
    "context",
    "content",
    "page_content",
    "passage",
    "body",
];
const SOURCE_KEYS: [&str; 5] = ["source", "id", "doc_id", "document_id", "url"];

/// A retrieved text, with the document it is from where that is known.
///
/// Made from a text, or with [`from_source`](Self::from_source). JSON is a text, or an object with a text (`text`,
/// `context`, `content`, …) and perhaps a `source` (also `id`, `doc_id`, `url`). Reads like a `str`.
///
/// ```
/// use llmtest_metrics::Passage;
///
/// let passage = Passage::from_source("terms.md", "Shoes can be returned for 30 days.");
/// assert!(passage.contains("30 days"));
/// assert_eq!(passage.source.as_deref(), Some("terms.md"));
/// assert_eq!(Passage::from("Hats too."), "Hats too.");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Passage {
    /// The text.
    pub text: String,
    /// The document or the passage's own id.
    pub source: Option<String>,
}

impl Passage {
    /// A passage of a named document.
    pub fn from_source(source: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            source: Some(source.into()),
        }
    }

    /// Reads whatever a retriever returned for one passage: a text, an object with a text and perhaps a source, or any
    /// other JSON as its own text.
    pub fn from_json(value: &Value) -> Self {
        let fields = match value {
            Value::String(text) => return Self::from(text.as_str()),
            Value::Object(fields) => fields,
            other => return Self::from(other.to_string()),
        };
        let text = TEXT_KEYS.iter().find_map(|key| fields.get(*key)?.as_str());
        let source = SOURCE_KEYS.iter().find_map(|key| match fields.get(*key)? {
            Value::String(source) => Some(source.clone()),
            Value::Number(id) => Some(id.to_string()),
            _ => None,
        });
        Self {
            text: text.map_or_else(|| crate::json::text(value), str::to_string),
            source,
        }
    }
}

impl Deref for Passage {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Passage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<&str> for Passage {
    fn from(text: &str) -> Self {
        text.to_string().into()
    }
}

impl From<&String> for Passage {
    fn from(text: &String) -> Self {
        text.clone().into()
    }
}

impl From<String> for Passage {
    fn from(text: String) -> Self {
        Self { text, source: None }
    }
}

impl AsRef<str> for Passage {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

impl PartialEq<str> for Passage {
    fn eq(&self, other: &str) -> bool {
        self.text == other
    }
}

impl PartialEq<&str> for Passage {
    fn eq(&self, other: &&str) -> bool {
        self.text == *other
    }
}

impl Serialize for Passage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.source {
            None => serializer.serialize_str(&self.text),
            Some(source) => {
                serde_json::json!({"text": self.text, "source": source}).serialize(serializer)
            }
        }
    }
}

impl<'de> Deserialize<'de> for Passage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let has_text = match &value {
            Value::String(_) => true,
            Value::Object(fields) => TEXT_KEYS
                .iter()
                .any(|key| fields.get(*key).is_some_and(Value::is_string)),
            _ => false,
        };
        if has_text {
            Ok(Self::from_json(&value))
        } else {
            Err(serde::de::Error::custom(format!(
                "a passage must be a text or an object with `text` and perhaps `source`, but it is {value}"
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_passage_is_a_text_or_an_object_and_reads_what_it_writes() {
        let passages: Vec<Passage> =
            serde_json::from_value(json!(["a", {"context": "b", "source": "s"}, {"text": "c"}]))
                .unwrap();
        assert_eq!(passages, ["a", "b", "c"]);
        assert_eq!(passages[1].source.as_deref(), Some("s"));
        let written = serde_json::to_value(&passages).unwrap();
        assert_eq!(written, json!(["a", {"text": "b", "source": "s"}, "c"]));
        assert_eq!(
            serde_json::from_value::<Vec<Passage>>(written).unwrap(),
            passages
        );
        let error = serde_json::from_value::<Passage>(json!({"title": "t"})).unwrap_err();
        assert!(error.to_string().contains("object with `text`"), "{error}");
    }
}
