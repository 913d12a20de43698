//! Results that a test puts in the place of a stage's own.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

/// What stands for the result of a stage, as JSON.
#[derive(Clone)]
pub(crate) enum Substitute {
    /// For every call.
    Value(Value),
    /// For the calls of a case in their order; calls beyond the last run as they are.
    Calls(Vec<Value>),
    /// Made of the arguments; `None` lets the call run.
    With(Arc<dyn Fn(&Map<String, Value>) -> Option<Value> + Send + Sync>),
}

impl fmt::Debug for Substitute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(value) => write!(f, "Value({value})"),
            Self::Calls(values) => write!(f, "Calls({values:?})"),
            Self::With(_) => f.write_str("With(…)"),
        }
    }
}

/// The substitutes of one case, by the stage's name or its path (`answer/retrieve`).
#[derive(Debug, Default)]
pub(super) struct Substitutes {
    by_stage: HashMap<String, (Substitute, usize)>,
}

impl Substitutes {
    pub(super) fn set(&mut self, stage: String, substitute: Substitute) {
        self.by_stage.insert(stage, (substitute, 0));
    }
}
