//! Results of stages: `stages/<stage>.jsonl`, with the bodies that gave them.

use super::store::{BODY, Keep, file_name};
use super::{FORMAT, Mode, Recordings, canonical, diff};
use crate::observe::{StageAnswer, StageRequest, Stages, texts};
use llmtest_metrics::hash;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One line.
#[derive(Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) stage: String,
    /// What its type parameters stood for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    types: Vec<String>,
    #[serde(default, skip_serializing_if = "is_zero")]
    trial: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    call: u32,
    /// Of the function's body, in hex.
    pub(super) body: String,
    /// The value of `key = …`.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    depends_on: Value,
    arguments: Value,
    outcome: Value,
}

/// Another line: a body, once for all of its results. Without it, as in an older recording, a miss shows no difference.
#[derive(Serialize, Deserialize)]
pub(super) struct Body {
    pub(super) key: String,
    source: String,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Of a call that depends on this, as it may be written. A body is no part of it: an edited one replaces its entry.
fn key(request: &StageRequest, depends_on: &Value) -> String {
    let mut key = hash::Hasher::new();
    key.part(FORMAT);
    key.part(request.name.as_bytes());
    key.part(&request.digest.to_le_bytes());
    key.part(&request.trial.to_le_bytes());
    key.part(&request.call.to_le_bytes());
    if !depends_on.is_null() {
        key.part(depends_on.to_string().as_bytes());
    }
    key.hex64()
}

fn body(request: &StageRequest) -> String {
    format!("{:016x}", request.body_hash)
}

fn body_key(body: &str) -> String {
    format!("{BODY}{body}")
}

/// Why no recorded result counts.
enum Why {
    /// The file cannot be read; running the stage would not mend that.
    Broken(String),
    Nothing,
    /// The function was edited; the entry's place and body.
    Body(String, String),
    /// Its `key` is another now; the entry's place and value.
    Key(String, Value),
}

impl Recordings {
    fn outcome(&self, request: &StageRequest) -> Result<Value, Why> {
        let (file, key) = (file_name("stages", &request.name), self.key(request));
        let Some(line) = self.store.get(&file, &key).map_err(Why::Broken)? else {
            return Err(self.other_key(&file, request).unwrap_or(Why::Nothing));
        };
        let entry: Entry = serde_json::from_str(&line.text).map_err(|error| {
            Why::Broken(self.store.broken(&file, line.number, &line.text, &error))
        })?;
        let place = self.store.place(&file, line.number);
        if entry.body != body(request) {
            return Err(Why::Body(place, entry.body));
        }
        self.used.add(&file, &key);
        Ok(entry.outcome)
    }

    fn key(&self, request: &StageRequest) -> String {
        key(request, &self.depends_on(request.key.clone()))
    }

    /// The same call as it was with another `key`, if that is recorded: of this trial and turn if it can be.
    fn other_key(&self, file: &str, request: &StageRequest) -> Option<Why> {
        let arguments = self.arguments(request);
        let depends_on = self.depends_on(request.key.clone());
        self.entries(file)
            .into_iter()
            .filter(|(_, entry)| {
                (&entry.arguments, &entry.types) == (&arguments, &request.types)
                    && entry.depends_on != depends_on
            })
            .min_by_key(|(_, entry)| (entry.trial, entry.call) != (request.trial, request.call))
            .map(|(line, entry)| Why::Key(self.store.place(file, line), entry.depends_on))
    }

    /// As they are written.
    fn arguments(&self, request: &StageRequest) -> Value {
        self.redactor
            .scrub_value(canonical(request.arguments.clone()))
    }

    fn entries(&self, file: &str) -> Vec<(usize, Entry)> {
        let lines = self.store.all(file).into_iter();
        lines
            .filter_map(|line| Some((line.number, serde_json::from_str(&line.text).ok()?)))
            .collect()
    }

    fn miss(&self, request: &StageRequest, why: Why) -> String {
        let StageRequest {
            name, file, line, ..
        } = request;
        let stage = format!("`{name}` ({file}:{line})");
        let why = match why {
            Why::Broken(message) => return message,
            Why::Nothing => {
                let against = self.against(&file_name("stages", name), request);
                format!(
                    "nothing is recorded for this call of the stage {stage}{}\n{against}",
                    which(request)
                )
            }
            Why::Body(place, recorded) => {
                let changes = self
                    .changed_body(request, &recorded)
                    .map_or_else(|| "\n".to_string(), |changes| format!(":\n{changes}"));
                format!("the body of {stage} changed since it was recorded ({place}){changes}")
            }
            Why::Key(place, recorded) => {
                let now = self.depends_on(request.key.clone());
                let changes = diff::changes(&pretty(&recorded), &pretty(&now));
                format!(
                    "the `key` of the stage {stage} changed since it was recorded ({place}):\n{changes}"
                )
            }
        };
        why + &self.remedy("what the stage calls")
    }

    /// What changed in the body since that of this hash, if both are known.
    fn changed_body(&self, request: &StageRequest, recorded: &str) -> Option<String> {
        let file = file_name("stages", &request.name);
        let line = self.store.get(&file, &body_key(recorded)).ok()??;
        let old: Body = serde_json::from_str(&line.text).ok()?;
        let new = self.redactor.scrub(request.source);
        // Equal texts of unequal tokens come from a macro that was edited elsewhere.
        (!new.is_empty() && old.source != new).then(|| diff::changes(&old.source, &new))
    }

    /// Keeps the body, after a result of it: what no entry is of is taken out when a process ends.
    fn store_body(&self, request: &StageRequest) -> Result<(), String> {
        let (file, key) = (file_name("stages", &request.name), body_key(&body(request)));
        if request.source.is_empty() || self.store.get(&file, &key)?.is_some() {
            return Ok(());
        }
        let entry = Body {
            key: key.clone(),
            source: self.redactor.scrub(request.source).into_owned(),
        };
        let text = serde_json::to_string(&entry).map_err(|error| error.to_string())?;
        self.store.add(&file, &key, text, Keep::Last).map(drop)
    }

    /// What changed against the nearest call that is recorded.
    fn against(&self, file: &str, request: &StageRequest) -> String {
        let entries = self.entries(file);
        let wanted = self.arguments(request);
        let same_turn = |entry: &Entry| (entry.trial, entry.call) == (request.trial, request.call);
        if let Some((line, entry)) = entries
            .iter()
            .find(|(_, entry)| entry.arguments == wanted && entry.types != request.types)
        {
            let place = self.store.place(file, *line);
            return format!(
                "{place}: the same arguments, for the types {:?} and not {:?}\n",
                entry.types, request.types
            );
        }
        if let Some((line, entry)) = entries
            .iter()
            .find(|(_, entry)| entry.arguments == wanted && !same_turn(entry))
        {
            let place = self.store.place(file, *line);
            return format!(
                "{place}: the same arguments, as trial {} call {}\n",
                entry.trial + 1,
                entry.call + 1
            );
        }
        let candidates = entries
            .iter()
            .map(|(line, entry)| (*line, same_turn(entry), pretty(&entry.arguments)))
            .collect();
        match diff::nearest(&pretty(&wanted), candidates) {
            Some((line, changes)) => {
                let place = self.store.place(file, line);
                format!(
                    "what changed against the arguments of the nearest recorded call ({place}):\n{changes}"
                )
            }
            None => format!(
                "{} holds no call to compare with\n",
                self.store.place(file, 0)
            ),
        }
    }
}

/// Texts of redacted arguments that are shorter are found by chance.
const SECRET: usize = 4;

/// Whether a redacted argument is in what a call gave.
fn holds_redacted(request: &StageRequest, outcome: &Value) -> bool {
    let secrets: Vec<_> = request
        .redacted
        .iter()
        .filter(|text| text.chars().count() >= SECRET)
        .collect();
    let mut given = Vec::new();
    if !secrets.is_empty() {
        texts(outcome, &mut given);
    }
    given
        .iter()
        .any(|text| secrets.iter().any(|secret| text.contains(&***secret)))
}

fn which(request: &StageRequest) -> String {
    match (request.trial, request.call) {
        (0, 0) => String::new(),
        (trial, 0) => format!(", trial {}", trial + 1),
        (trial, call) => format!(
            ", trial {}, call {} with these arguments",
            trial + 1,
            call + 1
        ),
    }
}

fn pretty(value: &Value) -> String {
    // Long texts are compared line by line.
    serde_json::to_string_pretty(value)
        .unwrap_or_default()
        .replace("\\n", "\n")
        + "\n"
}

impl Stages for Recordings {
    fn depends_on(&self, key: Value) -> Value {
        self.redactor.scrub_value(canonical(key))
    }

    fn look_up(&self, request: &StageRequest) -> StageAnswer {
        let known = match self.mode {
            Mode::Live => return StageAnswer::Run,
            Mode::Record
                if !self
                    .store
                    .is_own(&file_name("stages", &request.name), &self.key(request)) =>
            {
                return StageAnswer::RunAndRecord;
            }
            Mode::Auto | Mode::Replay | Mode::Record => self.outcome(request),
        };
        match known {
            Ok(outcome) => StageAnswer::Recorded(outcome),
            Err(Why::Broken(message)) => StageAnswer::Miss(message),
            Err(_) if self.may_go_live() => StageAnswer::RunAndRecord,
            Err(why) => StageAnswer::Miss(self.miss(request, why)),
        }
    }

    fn store(&self, request: &StageRequest, outcome: &Value) -> Result<(), String> {
        let mut outcome = outcome.clone();
        // What is said of a call is only shown: without secrets it is as good.
        if let Some(said) = outcome.get_mut("said") {
            *said = self.redactor.scrub_value(said.take());
        }
        let scrubbed = self.redactor.scrub_value(outcome.clone());
        if scrubbed != outcome {
            return Err(format!(
                "the result of stage `{}` holds a secret, or what `[redact]` names; replayed without it, it would be another result\n\
                 hint: leave it out of what the function returns, or remove `replay` from it",
                request.name
            ));
        }
        if holds_redacted(request, &scrubbed) {
            return Err(format!(
                "what stage `{}` gave holds the text of an argument that is redacted, so it is not recorded\n\
                 hint: leave it out of what the function returns, fails with and records, or remove `replay` from it",
                request.name
            ));
        }
        let key = self.key(request);
        let entry = Entry {
            key: key.clone(),
            stage: request.name.clone(),
            types: request.types.clone(),
            trial: request.trial,
            call: request.call,
            body: body(request),
            depends_on: self.depends_on(request.key.clone()),
            arguments: self.arguments(request),
            outcome: scrubbed,
        };
        let text = serde_json::to_string(&entry).map_err(|error| error.to_string())?;
        let file = file_name("stages", &request.name);
        // The caller goes on with what it has, so that is what is replayed.
        self.store.add(&file, &key, text, Keep::Last)?;
        self.used.add(&file, &key);
        self.store_body(request)
    }
}
