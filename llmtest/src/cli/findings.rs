//! What is stale in a folder of recordings, and why.

use super::runs::Used;
use crate::recording::{Kind, Survey, SurveyLine};
use serde::Serialize;
use std::collections::{HashMap, HashSet};

/// A line that may go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) file: String,
    pub(super) line: usize,
    pub(super) bytes: usize,
    /// The purpose of a prompt, or the stage.
    pub(super) what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) model: Option<String>,
    pub(super) why: Why,
    /// What is wrong with a line that is no recording.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) problem: Option<String>,
}

/// Why it may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Why {
    /// It is no recording.
    Broken,
    /// A later line has its key.
    Replaced,
    /// No test used it.
    Unused,
    /// No test used it, and its key is of another version of llmtest.
    OldFormat,
    /// No test used it, and those that were used are of another body of the stage.
    OldBody,
    /// The body of a stage of which no result is left.
    Body,
    /// No test used it, and neither the configuration nor an entry that was used names its model.
    OtherModel,
}

impl Why {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Broken => "not a recording",
            Self::Replaced => "a later line has its key",
            Self::Unused => "not used",
            Self::OldFormat => "not used, of an old format",
            Self::OldBody => "not used, of an earlier body",
            Self::Body => "the body of what is not used",
            Self::OtherModel => "not used, of another model",
        }
    }

    /// Whether a run is needed to see it.
    pub(super) fn is_of_the_line(self) -> bool {
        matches!(self, Self::Broken | Self::Replaced)
    }
}

/// What the folder holds that these runs did not use; without runs, only what is wrong with the lines themselves.
/// `models` are those of the configuration.
pub(super) fn findings(survey: &Survey, used: Option<&Used>, models: &[&str]) -> Vec<Finding> {
    let mut models: HashSet<&str> = models.iter().copied().collect();
    // By file: the bodies of what was used.
    let mut bodies: HashMap<&str, HashSet<&str>> = HashMap::new();
    for file in &survey.files {
        for line in &file.lines {
            let Kind::Entry {
                key, model, body, ..
            } = &line.kind
            else {
                continue;
            };
            if used.is_some_and(|used| used.has(&file.name, key)) {
                models.extend(model.as_deref());
                bodies
                    .entry(&file.name)
                    .or_default()
                    .extend(body.as_deref());
            }
        }
    }
    let mut found = Vec::new();
    for file in &survey.files {
        let bodies = bodies.get(file.name.as_str());
        for line in &file.lines {
            let why = match &line.kind {
                Kind::Broken(_) => Some(Why::Broken),
                Kind::Entry { replaced: true, .. } | Kind::Body { replaced: true, .. } => {
                    Some(Why::Replaced)
                }
                Kind::Body { hash, .. } => {
                    let is_used = bodies.is_some_and(|bodies| bodies.contains(hash.as_str()));
                    (used.is_some() && !is_used).then_some(Why::Body)
                }
                Kind::Entry { key, .. } if used.is_none_or(|used| used.has(&file.name, key)) => {
                    None
                }
                Kind::Entry { body: Some(_), .. } => Some(why_unused(line, bodies)),
                Kind::Entry {
                    model: Some(model), ..
                } if !models.contains(model.as_str()) => Some(Why::OtherModel),
                Kind::Entry { .. } => Some(why_unused(line, bodies)),
            };
            if let Some(why) = why {
                found.push(finding(&file.name, line, why));
            }
        }
    }
    found
}

fn why_unused(line: &SurveyLine, bodies: Option<&HashSet<&str>>) -> Why {
    match &line.kind {
        Kind::Entry {
            body: Some(body), ..
        } if bodies.is_some_and(|bodies| !bodies.contains(body.as_str())) => Why::OldBody,
        Kind::Entry {
            old_format: Some(true),
            ..
        } => Why::OldFormat,
        _ => Why::Unused,
    }
}

fn finding(file: &str, line: &SurveyLine, why: Why) -> Finding {
    let (what, model, problem) = match &line.kind {
        Kind::Entry { what, model, .. } => (what.clone(), model.clone(), None),
        Kind::Body { .. } => ("a stage's body".to_string(), None, None),
        Kind::Broken(why) => (String::new(), None, Some(why.clone())),
    };
    Finding {
        file: file.to_string(),
        line: line.number,
        bytes: line.bytes,
        what,
        model,
        why,
        problem,
    }
}
