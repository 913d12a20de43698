//! What a test calls to put a result in place of a stage's own.

use std::collections::BTreeSet;
use std::panic::Location;
use std::sync::Arc;

use llmtest_metrics::{Component, Golden};
use serde::Serialize;
use serde_json::{Map, Value};

use super::context::{CaseContext, current_case};
use super::substitute::{Substitute, Unused};
use crate::text::nearest;

/// Puts `value` in place of what the observed function `stage` returns, for the rest of the running case.
///
/// What the pipeline does with it then shows whether a later stage works: with the right passages, is the answer right?
/// `stage` is the function's name, its `name = "…"`, or the end of its path (`answer/retrieve`: only where `answer` calls
/// it). The body does not run; [`Span::substituted`](crate::Span::substituted) says so in the trace. Each call of a stage
/// gets the same value, a later substitute of the same stage replaces an earlier one, and a substitute goes before a
/// recording. Only this run of this test sees it, whatever else runs at the same time.
///
/// `value` is what the function returns as JSON has it; of a `Result`, what is in `Ok`; of a stream, an array of its
/// items. The type of the result or of the items must be `serde::Deserialize`. A value that is none, a type that cannot be deserialized, and a stage that is never called make
/// the case Errored.
///
/// ```
/// use llmtest::prelude::*;
///
/// #[llmtest::observe(retriever)]
/// fn retrieve(question: &str) -> Vec<String> {
///     vec![format!("nothing about {question}")]
/// }
///
/// #[llmtest::observe(agent)]
/// fn answer(question: &str) -> String {
///     retrieve(question).join(" ")
/// }
///
/// #[llm_test]
/// fn the_right_passage_makes_the_right_answer() -> Check {
///     llmtest::substitute("retrieve", ["Shoes can be returned for 30 days."]);
///     TestCase::new("Can I return shoes?", answer("Can I return shoes?")).expect(Contains::new("30 days"))
/// }
/// # fn main() {}
/// ```
///
/// # Panics
///
/// Outside of a case, and when `value` cannot be serialized.
#[track_caller]
pub fn substitute(stage: impl Into<String>, value: impl Serialize) {
    set(stage.into(), Substitute::Value(json(&value)));
}

/// Puts these values in place of what the calls of `stage` return, in the order in which they begin; calls beyond the
/// last run as they are, and fewer calls than values make the case Errored. Otherwise as [`substitute`].
///
/// ```
/// use llmtest::prelude::*;
///
/// #[llmtest::observe(tool)]
/// fn roll() -> u8 {
///     4
/// }
///
/// #[llm_test]
/// fn two_sixes_win() -> Check {
///     llmtest::substitute_calls("roll", [6, 6]);
///     let won = roll() + roll() == 12;
///     TestCase::new("two rolls", if won { "won" } else { "lost" }).expect(Contains::new("won"))
/// }
/// # fn main() {}
/// ```
///
/// # Panics
///
/// Outside of a case, and when a value cannot be serialized.
#[track_caller]
pub fn substitute_calls<V: Serialize>(
    stage: impl Into<String>,
    values: impl IntoIterator<Item = V>,
) {
    let mut all = Vec::new();
    // Not in a closure, which would hide the caller.
    for value in values {
        all.push(json(&value));
    }
    set(stage.into(), Substitute::Calls(all));
}

/// Makes what the calls of `stage` return of their arguments, by name and as the trace has them: without what is
/// skipped, and `[redacted]` for what is redacted. `None` lets the call run. Otherwise as [`substitute`].
///
/// ```
/// use llmtest::prelude::*;
///
/// #[llmtest::observe(retriever)]
/// fn retrieve(question: &str, top: usize) -> Vec<String> {
///     vec![question.to_string(); top]
/// }
///
/// #[llm_test]
/// fn one_question_finds_nothing() -> Check {
///     llmtest::substitute_with("retrieve", |arguments| {
///         (arguments["question"] == "shoes").then(|| serde_json::json!([]))
///     });
///     let found = retrieve("shoes", 2).len() + retrieve("hats", 2).len();
///     TestCase::new("shoes and hats", found.to_string()).expected("2").expect(ExactMatch::new())
/// }
/// # fn main() {}
/// ```
///
/// # Panics
///
/// Outside of a case.
#[track_caller]
pub fn substitute_with<F>(stage: impl Into<String>, make: F)
where
    F: Fn(&Map<String, Value>) -> Option<Value> + Send + Sync + 'static,
{
    set(stage.into(), Substitute::With(Arc::new(make)));
}

/// Lets every call of `stage` fail with this error, to see what the pipeline makes of it. Otherwise as [`substitute`].
///
/// Usually the error is a text: an error type that is [`From<ReplayedError>`](crate::ReplayedError) is made of it, as a
/// boxed error or one of `anyhow` is. Another type must be `serde::Deserialize`, and `error` is what JSON has for it.
///
/// ```
/// use llmtest::prelude::*;
///
/// #[llmtest::observe(tool)]
/// fn price(item: &str) -> Result<usize, Box<dyn std::error::Error>> {
///     Ok(item.len())
/// }
///
/// #[llm_test]
/// fn says_so_when_there_is_no_price() -> Check {
///     llmtest::substitute_error("price", "the shop does not answer");
///     let answer = price("shoes").map_or_else(|_| "I cannot tell.".to_string(), |price| format!("It costs {price}."));
///     TestCase::new("What do shoes cost?", answer).expect(Contains::new("cannot tell"))
/// }
/// # fn main() {}
/// ```
///
/// # Panics
///
/// Outside of a case, and when the error cannot be serialized.
#[track_caller]
pub fn substitute_error(stage: impl Into<String>, error: impl Serialize) {
    set(stage.into(), Substitute::Error(json(&error)));
}

/// Puts the reference that the golden has for `stage` in place of its results: of `components`, by the same name, the
/// `outputs` (one a call), else `output`, else `expected` as a text. Otherwise as [`substitute`].
///
/// ```
/// use llmtest::prelude::*;
///
/// #[llmtest::observe(retriever)]
/// fn retrieve(question: &str) -> Vec<String> {
///     vec![format!("nothing about {question}")]
/// }
///
/// // {"input": "Can I return shoes?", "components": {"retrieve": {"output": ["Shoes can be returned for 30 days."]}}}
/// # const _: &str = stringify!(
/// #[llm_test(dataset = "goldens.jsonl")]
/// # );
/// fn answers_from_the_right_passages(golden: Golden) -> Check {
///     llmtest::substitute_reference("retrieve", &golden);
///     let answer = retrieve(&golden.input).join(" ");
///     golden.answered(answer).expect(Contains::new("30 days"))
/// }
/// # fn main() {}
/// ```
///
/// # Panics
///
/// Outside of a case, and when the golden has no reference for `stage`.
#[track_caller]
pub fn substitute_reference(stage: &str, golden: &Golden) {
    let Some(substitute) = golden.components.get(stage).and_then(Substitute::reference) else {
        let known = golden.components.keys().map(|name| format!("`{name}`"));
        let known = known.collect::<Vec<_>>().join(", ");
        panic!(
            "the golden has no reference for `{stage}`: its components are [{known}]\n\
             hint: write `\"components\": {{\"{stage}\": {{\"output\": …}}}}` in its row"
        )
    };
    set(stage.to_string(), substitute);
}

impl Substitute {
    /// The reference results of a component: `outputs`, else `output`, else `expected` as a text.
    pub(crate) fn reference(component: &Component) -> Option<Self> {
        if !component.outputs.is_empty() {
            return Some(Self::Calls(component.outputs.clone()));
        }
        let text = || component.expected.clone().map(Value::String);
        component.output.clone().or_else(text).map(Self::Value)
    }
}

impl CaseContext {
    /// Says which stage that a test substitutes was never called, and what was; or not as often as there are values.
    pub(crate) fn unused_substitute(&self) -> Option<String> {
        if !self.substitutes_any() {
            return None;
        }
        let observed: BTreeSet<String> =
            self.with_spans(|spans| spans.iter().map(|span| span.name.to_string()).collect());
        self.with_substitutes(|substitutes| {
            let Unused {
                stage,
                asked,
                used,
                values,
            } = substitutes.unused()?;
            if used > 0 {
                return Some(format!(
                    "`{stage}` was substituted ({asked}), and {used} of {values} values were used: it was called less often\n\
                     hint: give as many values as there are calls"
                ));
            }
            let names: Vec<_> = observed.iter().map(|name| format!("`{name}`")).collect();
            let seen = if names.is_empty() {
                "nothing was observed in this case".to_string()
            } else {
                format!("observed were {}", names.join(", "))
            };
            let name = stage.rsplit('/').next().unwrap_or(stage);
            let meant = nearest(name, observed.iter().map(String::as_str))
                .filter(|meant| *meant != name)
                .map(|meant| format!("did you mean `{meant}`? "))
                .unwrap_or_default();
            Some(format!(
                "`{stage}` was substituted ({asked}) and never called: {seen}\n\
                 hint: {meant}name an observed function, or the end of its path, as in `answer/retrieve`; substitute before \
                 the pipeline runs, and take the case along to spawned tasks with `llmtest::carry`"
            ))
        })
    }
}

#[track_caller]
fn json(value: &impl Serialize) -> Value {
    match serde_json::to_value(value) {
        Ok(value) => value,
        Err(error) => panic!("what is to be substituted is no JSON: {error}"),
    }
}

#[track_caller]
fn set(stage: String, substitute: Substitute) {
    let Some(case) = current_case() else {
        panic!(
            "`{stage}` cannot be substituted outside of a case\n\
             hint: do it in the body of an `#[llm_test]`, before the pipeline runs; take the case along with `llmtest::carry`"
        )
    };
    case.add_substitute(stage, substitute, Some(Location::caller()));
}
