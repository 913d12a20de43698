//! Vectors of embedders: `embeddings/<model>.jsonl`, one text a line.

use super::store::{Keep, file_name};
use super::{FORMAT, Recordings};
use llmtest_metrics::{JudgeError, JudgeErrorKind, hash};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// One line.
#[derive(Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) model: String,
    pub(super) text: String,
    vector: Vec<f32>,
}

fn file(model: &str) -> String {
    file_name("embeddings", model)
}

pub(super) fn key(model: &str, text: &str) -> String {
    let mut key = hash::Hasher::new();
    key.part(FORMAT);
    key.part(b"embedding");
    key.part(model.as_bytes());
    key.part(text.as_bytes());
    key.hex64()
}

impl Recordings {
    /// The number as a recording holds it: five digits, which is more than a cosine needs, and exact when read again.
    pub(crate) fn rounded(number: f32) -> f32 {
        format!("{number:.4e}").parse().unwrap_or(number)
    }

    /// The lock under which this text is embedded.
    pub(crate) fn vector_turn(&self, model: &str, text: &str) -> Arc<tokio::sync::Mutex<()>> {
        self.flight(&key(model, text))
    }

    /// The recorded vector of a text, `None` where the embedder may be asked, or the error that says what is missing.
    pub(crate) fn vector(&self, model: &str, text: &str) -> Result<Option<Vec<f32>>, JudgeError> {
        let missing = |message| JudgeError::new(JudgeErrorKind::Miss, message);
        let (file, key) = (file(model), key(model, text));
        if let Some(line) = self.store.get(&file, &key).map_err(missing)?
            && self.may_answer(&file, &key)
        {
            let entry: Entry = serde_json::from_str(&line.text).map_err(|error| {
                missing(self.store.broken(&file, line.number, &line.text, &error))
            })?;
            self.used.add(&file, &key);
            return Ok(Some(entry.vector.into_iter().map(Self::rounded).collect()));
        }
        if self.may_go_live() {
            return Ok(None);
        }
        let shown = self.redactor.scrub(text);
        let shown: String = shown.chars().take(100).collect();
        let place = self.store.place(&file, 0);
        let of_model = match self.store.all(&file).len() {
            0 => format!(
                "{place} holds nothing: was it recorded with another model?\n\
                 hint: set `model` under `[embedder]` in llmtest.toml (or LLMTEST_EMBEDDER_MODEL) to the one that it was recorded with"
            ),
            held => format!("{place} holds {held} other texts"),
        };
        Err(missing(format!(
            "nothing is recorded for the embedding of {shown:?} by `{model}`\n{of_model}\n{}",
            self.remedy("an embedder")
        )))
    }

    /// Keeps the vector of a text.
    pub(crate) fn keep_vector(
        &self,
        model: &str,
        text: &str,
        vector: Vec<f32>,
    ) -> Result<(), String> {
        let key = key(model, text);
        let entry = Entry {
            key: key.clone(),
            model: model.to_string(),
            text: self.redactor.scrub(text).into_owned(),
            vector,
        };
        let line = serde_json::to_string(&entry).map_err(|error| error.to_string())?;
        // The caller reads it from here, whoever has written it.
        self.store
            .add(&file(model), &key, line, Keep::First)
            .map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rounded_number_is_near_short_and_read_back_as_it_was() {
        for number in [
            0.0,
            1.0,
            -0.012_345_678,
            123_456.79,
            1.234_567_8e-9,
            f32::MIN_POSITIVE,
        ] {
            let rounded = Recordings::rounded(number);
            assert!(
                (rounded - number).abs() <= number.abs() * 5.1e-5,
                "{number}"
            );
            let written = serde_json::to_string(&rounded).unwrap();
            assert!(written.len() <= 15, "{written}");
            let read: f32 = serde_json::from_str(&written).unwrap();
            assert_eq!(Recordings::rounded(read).to_bits(), rounded.to_bits());
        }
    }

    #[test]
    fn a_text_has_a_key_for_every_model() {
        assert_ne!(key("a", "text"), key("b", "text"));
        assert_ne!(key("a", "text"), key("a", "texts"));
        assert_ne!(key("ab", "c"), key("a", "bc"));
    }
}
