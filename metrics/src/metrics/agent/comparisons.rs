//! Comparisons of arguments that a test brings along, by the name of the tool.

use super::accept::arguments_agree;
use crate::ToolCall;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

type Compare = dyn Fn(&Value, &Value) -> bool + Send + Sync;

#[derive(Clone, Default)]
pub(super) struct Comparisons(BTreeMap<String, Arc<Compare>>);

impl Comparisons {
    pub(super) fn add(
        &mut self,
        tool: String,
        equal: impl Fn(&Value, &Value) -> bool + Send + Sync + 'static,
    ) {
        self.0.insert(tool, Arc::new(equal));
    }

    /// Whether the arguments are as expected, by the test's comparison or ours.
    pub(super) fn agree(&self, expected: &ToolCall, called: &ToolCall) -> bool {
        self.equal(expected, called)
            .unwrap_or_else(|| arguments_agree(&expected.arguments, &called.arguments))
    }

    /// Whether the arguments are equal, where the test says how to compare those of this tool.
    pub(super) fn equal(&self, expected: &ToolCall, called: &ToolCall) -> Option<bool> {
        let equal = self.0.get(&expected.name)?;
        Some(equal(&expected.arguments, &called.arguments))
    }
}

impl fmt::Debug for Comparisons {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
