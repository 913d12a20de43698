//! Replies of judges: `judge/<metric>.jsonl`.

use super::store::file_name;
use super::{FORMAT, Mode, Recordings, canonical, diff};
use crate::redact::Redactor;
use llmtest_metrics::{JudgeError, JudgeErrorKind, Prompt, Repeat, Reply, TokenLogprob, hash};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

/// One line.
#[derive(Serialize, Deserialize)]
struct Entry {
    key: String,
    purpose: String,
    model: String,
    #[serde(default, skip_serializing_if = "is_first")]
    repeat: Repeat,
    request: Value,
    reply: Reply,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_first(repeat: &Repeat) -> bool {
    *repeat == Repeat::default()
}

/// What there is for a request.
pub(crate) enum Found {
    Reply(Reply),
    /// Nothing that may answer; the judge may be asked.
    Nothing,
}

/// A request and where it is recorded.
pub(crate) struct Request<'a> {
    file: String,
    key: String,
    model: &'a str,
    prompt: &'a Prompt,
}

impl<'a> Request<'a> {
    pub(crate) fn new(model: &'a str, prompt: &'a Prompt) -> Self {
        let metric = prompt.purpose.split('/').next().unwrap_or_default();
        let mut key = hash::Hasher::new();
        key.part(FORMAT);
        key.part(model.as_bytes());
        key.part(canonical(prompt.request()).to_string().as_bytes());
        key.part(&prompt.repeat.trial.to_le_bytes());
        key.part(&prompt.repeat.sample.to_le_bytes());
        Self {
            file: file_name("judge", metric),
            key: key.hex64(),
            model,
            prompt,
        }
    }
}

impl Recordings {
    /// Whether requests of judges are looked up and kept at all.
    pub(crate) fn keeps(&self) -> bool {
        self.mode != Mode::Live
    }

    /// The lock under which this request is made, so that an equal one waits and then finds the reply.
    pub(crate) fn turn(&self, request: &Request<'_>) -> Arc<tokio::sync::Mutex<()>> {
        self.flight(&request.key)
    }

    /// The recorded reply, or that the judge may be asked, or the error that says what is missing.
    pub(crate) fn reply(&self, request: &Request<'_>) -> Result<Found, JudgeError> {
        let missing = |message| JudgeError::new(JudgeErrorKind::Miss, message);
        let Request {
            file, key, prompt, ..
        } = request;
        if let Some(line) = self.store.get(file, key).map_err(missing)?
            && self.may_answer(file, key)
        {
            let entry: Entry = serde_json::from_str(&line.text).map_err(|error| {
                missing(self.store.broken(file, line.number, &line.text, &error))
            })?;
            let mut reply = compact(entry.reply, prompt, &self.redactor);
            reply.replayed = true;
            return Ok(Found::Reply(reply));
        }
        if self.may_go_live() {
            Ok(Found::Nothing)
        } else {
            Err(missing(self.missing_reply(request)))
        }
    }

    /// Keeps a reply.
    pub(crate) fn keep_reply(&self, request: &Request<'_>, reply: &Reply) -> Result<(), String> {
        let entry = Entry {
            key: request.key.clone(),
            purpose: request.prompt.purpose.clone(),
            model: request.model.to_string(),
            repeat: request.prompt.repeat,
            request: self
                .redactor
                .scrub_value(canonical(request.prompt.request())),
            reply: reply.clone(),
        };
        let text = serde_json::to_string(&entry).map_err(|error| error.to_string())?;
        self.store.add(&request.file, &request.key, text)
    }

    /// The reply as a recording holds it. Live replies go through this too, so that both give equal scores.
    pub(crate) fn compact(&self, reply: Reply, prompt: &Prompt) -> Reply {
        compact(reply, prompt, &self.redactor)
    }

    fn missing_reply(&self, request: &Request<'_>) -> String {
        let Request {
            file,
            model,
            prompt,
            ..
        } = request;
        let Repeat { trial, sample } = prompt.repeat;
        let which = match (trial, sample) {
            (0, 0) => String::new(),
            (trial, 0) => format!(" (trial {})", trial + 1),
            (0, sample) => format!(" (answer {} to the same request)", sample + 1),
            (trial, sample) => format!(
                " (trial {}, answer {} to the same request)",
                trial + 1,
                sample + 1
            ),
        };
        let lines = self.store.all(file);
        let entries: Vec<(usize, Entry)> = lines
            .iter()
            .filter_map(|line| Some((line.number, serde_json::from_str(&line.text).ok()?)))
            .collect();
        let wanted = self.redactor.scrub_value(canonical(prompt.request()));
        let purpose = &prompt.purpose;
        let same = |entry: &Entry| entry.request == wanted && entry.purpose == *purpose;
        let near = if let Some((line, entry)) = entries
            .iter()
            .find(|(_, entry)| same(entry) && entry.model != *model)
        {
            format!(
                "{}: the same request to the judge `{other}`\n\
                 hint: set `model = \"{other}\"` under `[judge]` in llmtest.toml (or LLMTEST_MODEL) to replay it\n",
                self.store.place(file, *line),
                other = entry.model
            )
        } else if let Some((line, entry)) = entries.iter().rev().find(|(_, entry)| same(entry)) {
            let (place, Repeat { trial, sample }) = (self.store.place(file, *line), entry.repeat);
            format!(
                "{place}: the same request, as trial {} answer {}\n",
                trial + 1,
                sample + 1
            )
        } else {
            let candidates = entries
                .iter()
                .map(|(line, entry)| (*line, entry.purpose == *purpose, rendered(&entry.request)))
                .collect();
            match diff::nearest(&rendered(&wanted), candidates) {
                Some((line, changes)) => {
                    format!(
                        "what changed against the nearest recorded request ({}):\n{changes}",
                        self.store.place(file, line)
                    )
                }
                None => format!(
                    "{} holds no request to compare with\n",
                    self.store.place(file, 0)
                ),
            }
        };
        format!(
            "nothing is recorded for this request of `{purpose}`{which}, judge `{model}`\n{near}{}",
            self.remedy("a judge")
        )
    }
}

/// A request as text, for a diff.
fn rendered(request: &Value) -> String {
    let messages = request["messages"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|message| {
            let text = |name: &str| message[name].as_str().unwrap_or_default().trim_end();
            format!("[{}]\n{}\n", text("role"), text("content"))
        });
    let settings = ["alternatives", "graded", "max_tokens", "schema"]
        .into_iter()
        .filter(|name| !request[*name].is_null());
    let settings = settings.map(|name| format!("{name}: {:#}\n", request[name]));
    messages.chain(settings).collect()
}

/// Alternatives less likely than one in ten thousand are left out; no formula counts them.
const LEAST: f64 = -9.3;

/// Keeps what scores are computed from: the text, and the alternatives at the graded value, rounded so that they are
/// read back as they were written.
fn compact(reply: Reply, prompt: &Prompt, redactor: &Redactor) -> Reply {
    let mut reply = reply.keep_alternatives_for(prompt);
    let graded = prompt.graded.as_deref();
    reply.text = redactor.scrub(&reply.text).into_owned();
    if let Some(model) = &mut reply.model {
        *model = redactor.scrub(model).into_owned();
    }
    // A billionth of a dollar, and few enough digits to be read back as they were written.
    reply.cost = reply.cost.map(|cost| (cost * 1e9).round() / 1e9);
    for note in &mut reply.notes {
        *note = redactor.scrub(note).into_owned();
    }
    let Some(tokens) = &mut reply.logprobs else {
        return reply;
    };
    if let (Some(key), [first, _, ..]) = (graded, tokens.as_mut_slice())
        && first.top.is_empty()
        && let Some(at) = first.token.rfind(&format!("\"{key}\""))
    {
        first.token.drain(..at);
    }
    if let [.., _, last] = tokens.as_mut_slice()
        && graded.is_some()
        && last.top.is_empty()
        && !last.token.starts_with(|c: char| c.is_ascii_digit())
    {
        last.token = last.token.chars().take(1).collect();
    }
    for token in tokens {
        let TokenLogprob {
            token,
            logprob,
            top,
        } = token;
        *token = redactor.scrub(token).into_owned();
        *logprob = rounded(*logprob);
        top.retain(|(_, logprob)| *logprob >= LEAST);
        for (_, logprob) in top {
            *logprob = rounded(*logprob);
        }
    }
    reply
}

/// Six decimals: short in the file, and exact when read again. What is not a number has no probability.
fn rounded(logprob: f64) -> f64 {
    if logprob.is_finite() {
        (logprob * 1e6).round() / 1e6
    } else {
        -9999.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use llmtest_metrics::Alternatives;
    use llmtest_metrics::logprobs::weighted;
    use llmtest_metrics::probability::{Labels, read};

    fn token(text: &str, top: &[(&str, f64)]) -> TokenLogprob {
        let top = top
            .iter()
            .map(|(text, p)| ((*text).to_string(), p.ln()))
            .collect();
        TokenLogprob {
            token: text.to_string(),
            logprob: -0.123_456_789,
            top,
        }
    }

    #[test]
    fn a_compact_reply_is_small_and_reads_back_as_it_was() {
        let tokens = vec![
            token("{\"reason\": \"a \\\"score\\\": 3\", ", &[]),
            token("\"score\"", &[("\"score\"", 0.9)]),
            token(": ", &[]),
            token("7", &[("7", 0.7), ("8", 0.299_999), ("x", 0.000_001)]),
            token(", \"other\": 1}", &[]),
        ];
        let mean = |tokens: &[TokenLogprob]| {
            weighted(
                &Reply::new("").logprobs(tokens.to_vec()),
                "score",
                &(0..=10),
            )
        };
        let whole = mean(&tokens).unwrap();
        let mut prompt = Prompt::new("m/step", "text");
        prompt.graded = Some("score".to_string());
        let reply = compact(
            Reply::new("t").logprobs(tokens),
            &prompt,
            &Redactor::default(),
        );
        let kept = reply.logprobs.clone().unwrap();
        assert_eq!(
            kept.iter()
                .map(|token| token.token.as_str())
                .collect::<Vec<_>>(),
            ["\"score\": ", "7", ","]
        );
        assert_eq!(kept[1].top.len(), 2);
        let score = mean(&kept).unwrap();
        assert!((score - whole).abs() < 1e-5);
        let read: Reply = serde_json::from_str(&serde_json::to_string(&reply).unwrap()).unwrap();
        let again = compact(read, &prompt, &Redactor::default());
        assert_eq!(again, reply);
        assert_eq!(mean(&again.logprobs.unwrap()), Some(score));
    }

    #[test]
    fn a_decision_is_read_from_its_recording_as_it_was_live() {
        let mut prompt = Prompt::new("m/step_by_probability", "text");
        prompt.alternatives = Some(Alternatives::First);
        let tokens = vec![
            token("\n", &[("\n", 0.6), ("yes", 0.3), ("no", 0.1)]),
            token("no", &[("no", 0.8), ("yes", 0.2)]),
        ];
        let live = compact(
            Reply::new("no").logprobs(tokens),
            &prompt,
            &Redactor::default(),
        );
        let line = serde_json::to_string(&live).unwrap();
        let again = compact(
            serde_json::from_str(&line).unwrap(),
            &prompt,
            &Redactor::default(),
        );
        let of = |reply: &Reply| read(reply, &Labels::yes_no()).unwrap();
        assert_eq!(of(&again), of(&live));
        assert!((of(&live).of("yes") - 0.42).abs() < 1e-5);
    }
}
