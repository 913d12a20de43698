//! Log-probabilities of the tokens of a text, and of nothing else.

use super::items;
use llmtest_metrics::TokenLogprob;
use serde_json::Value;

/// What stands for minus infinity, which JSON cannot hold.
const LEAST: f64 = -9999.0;

/// A token as a server lists it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Listed {
    token: TokenLogprob,
    /// Its bytes, which may be half a character.
    bytes: Vec<u8>,
}

/// Tokens in OpenAI's form, which Ollama has taken over.
pub(super) fn listed(tokens: &Value) -> Vec<Listed> {
    items(tokens)
        .map(|token| {
            let text = token["token"].as_str().unwrap_or_default();
            let top = items(&token["top_logprobs"])
                .filter_map(|other| {
                    Some((
                        other["token"].as_str()?.to_string(),
                        number(&other["logprob"]),
                    ))
                })
                .collect();
            Listed::new(text, &token["bytes"], number(&token["logprob"]), top)
        })
        .collect()
}

/// A log-probability; what is not a finite number is as unlikely as can be.
pub(super) fn number(value: &Value) -> f64 {
    value
        .as_f64()
        .filter(|number| number.is_finite())
        .unwrap_or(LEAST)
}

impl Listed {
    pub(super) fn new(text: &str, bytes: &Value, logprob: f64, top: Vec<(String, f64)>) -> Self {
        let sent: Option<Vec<u8>> =
            bytes
                .as_array()
                .filter(|bytes| !bytes.is_empty())
                .and_then(|bytes| {
                    bytes
                        .iter()
                        .map(|byte| u8::try_from(byte.as_u64()?).ok())
                        .collect()
                });
        Self {
            bytes: sent.unwrap_or_else(|| text.as_bytes().to_vec()),
            token: TokenLogprob {
                token: text.to_string(),
                logprob,
                top,
            },
        }
    }
}

/// Those of the tokens that make up the text, and how many do not. Some servers list the tokens of thoughts and end
/// marks as well; a weight read from those would be of something that is not in the reply.
pub(super) fn of_text(listed: Vec<Listed>, text: &str, thinks: bool) -> (Vec<TokenLogprob>, usize) {
    let all: Vec<u8> = listed
        .iter()
        .flat_map(|listed| listed.bytes.iter().copied())
        .collect();
    let said = text.trim().as_bytes();
    let count = listed.len();
    // The last occurrence: thoughts come first.
    let start = if said.is_empty() {
        None
    } else {
        all.windows(said.len()).rposition(|window| window == said)
    };
    let Some(start) = start else {
        // Tokens that cannot be laid out on the text are still the text's where there is nothing else.
        let own = if thinks || said.is_empty() {
            Vec::new()
        } else {
            listed
        };
        let others = count - own.len();
        return (own.into_iter().map(|listed| listed.token).collect(), others);
    };
    // White space around the text is the text's as well, as far as the reply has it.
    let lead = text.len() - text.trim_start().len();
    let trail = text.len() - text.trim_end().len();
    let (from, to) = (start.saturating_sub(lead), start + said.len() + trail);
    let mut at = 0;
    let mut own = Vec::new();
    for listed in listed {
        let (begins, ends) = (at, at + listed.bytes.len());
        at = ends;
        if begins < to && ends > from {
            own.push(listed.token);
        }
    }
    let others = count - own.len();
    (own, others)
}
