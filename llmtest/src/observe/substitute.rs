//! Results that a test puts in the place of a stage's own.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use serde_json::{Map, Value};

/// What stands for the result of a stage, as JSON. Of a function that returns a `Result`, values stand for the `Ok`.
#[derive(Clone)]
pub(crate) enum Substitute {
    /// For every call.
    Value(Value),
    /// Every call fails with it: the text of the error, or the error as data.
    Error(Value),
    /// For the calls of a case in their order; calls beyond the last run as they are.
    Calls(Vec<Value>),
    /// Made of the arguments; `None` lets the call run.
    With(Arc<Make>),
}

/// Makes a result of a call's arguments.
pub(crate) type Make = dyn Fn(&Map<String, Value>) -> Option<Value> + Send + Sync;

impl fmt::Debug for Substitute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(value) => write!(f, "Value({value})"),
            Self::Error(error) => write!(f, "Error({error})"),
            Self::Calls(values) => write!(f, "Calls({values:?})"),
            Self::With(_) => f.write_str("With(…)"),
        }
    }
}

/// The substitutes of one case, by the stage's name or the end of its path (`answer/retrieve`).
#[derive(Debug, Default)]
pub(super) struct Substitutes {
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    stage: String,
    substitute: Substitute,
    /// Where the test asked for it, which makes it wrong if nobody calls the stage. None if the runner did.
    asked: Option<&'static Location<'static>>,
    calls: usize,
    /// Whether a call was one of this stage, even if a longer one has answered it.
    reached: bool,
}

/// What stands for one call.
#[derive(Debug)]
pub(super) enum Outcome {
    Ok(Value),
    Error(Value),
}

/// What is to be made of one call, outside of the lock: making it may call observed functions.
pub(super) enum Next {
    Outcome(Outcome),
    Make(Arc<Make>),
}

/// A substitute of which the test expected more.
pub(super) struct Unused<'a> {
    pub(super) stage: &'a str,
    pub(super) asked: &'static Location<'static>,
    pub(super) used: usize,
    pub(super) values: usize,
}

impl Substitutes {
    pub(super) fn set(
        &mut self,
        stage: String,
        substitute: Substitute,
        asked: Option<&'static Location<'static>>,
    ) {
        self.entries.retain(|entry| entry.stage != stage);
        self.entries.push(Entry {
            stage,
            substitute,
            asked,
            calls: 0,
            reached: false,
        });
    }

    /// Counts a call of the span at the end of this path of names. The longest stage that names it counts.
    pub(super) fn next(
        &mut self,
        path: &str,
    ) -> Option<(Next, Option<&'static Location<'static>>)> {
        let names = |stage: &str| {
            path.strip_suffix(stage)
                .is_some_and(|before| before.is_empty() || before.ends_with('/'))
        };
        let mut named: Vec<_> = self
            .entries
            .iter_mut()
            .filter(|entry| names(&entry.stage))
            .collect();
        for entry in &mut named {
            entry.reached = true;
        }
        let entry = named.into_iter().max_by_key(|entry| entry.stage.len())?;
        entry.calls += 1;
        let next = match &entry.substitute {
            Substitute::Value(value) => Next::Outcome(Outcome::Ok(value.clone())),
            Substitute::Error(error) => Next::Outcome(Outcome::Error(error.clone())),
            Substitute::Calls(values) => {
                Next::Outcome(Outcome::Ok(values.get(entry.calls - 1)?.clone()))
            }
            Substitute::With(make) => Next::Make(make.clone()),
        };
        Some((next, entry.asked))
    }

    /// The first stage that a test substitutes and nobody called, or not as often as there are values.
    pub(super) fn unused(&self) -> Option<Unused<'_>> {
        self.entries.iter().find_map(|entry| {
            let values = match &entry.substitute {
                Substitute::Calls(values) => values.len(),
                _ => 1,
            };
            let shadowed = entry.reached && entry.calls == 0;
            let enough = shadowed || entry.calls >= values.max(1);
            Some(Unused {
                stage: &entry.stage,
                asked: entry.asked.filter(|_| !enough)?,
                used: entry.calls,
                values,
            })
        })
    }
}
