//! `TrajectoryMatch`.

use super::accept::{agree, arguments_agree, is_optional};
use super::assignment::assign;
use super::comparisons::Comparisons;
use crate::{
    Bar, EvalCx, Field, Metric, MissingField, Result, Score, TestCase, ToolCall, Turn, reason,
};
use serde_json::Value;
use std::collections::BTreeMap;

/// Measures whether the tool calls match those of a reference: 1 or 0. Needs no judge.
///
/// - [`strict`](Self::strict): the same calls in the same order. With a [reference of turns](Self::reference), the same
///   roles turn by turn, and in every turn the same calls, in any order.
/// - [`unordered`](Self::unordered): the same calls in any order, each as often.
/// - [`subset`](Self::subset): no call that the reference does not have.
/// - [`superset`](Self::superset): all calls of the reference, and perhaps more.
///
/// Calls are equal when name, kind and arguments are; how arguments are compared is said for all tools
/// ([`arguments`](Self::arguments)) or for one ([`arguments_of`](Self::arguments_of)), and [`Accept`](crate::Accept) allows
/// more than one value. Each call answers one call of the reference, in the pairing that leaves the fewest over.
///
/// The calls are `tools`, or those of all `turns` in order where the case is a conversation; the reference is
/// `expected_tools`, or the turns that are given here. Default bar: at least 1. Modes as in agentevals.
///
/// ```
/// use llmtest_metrics::{FakeJudge, TestCase, ToolCall, TrajectoryMatch, measure_with};
/// use serde_json::json;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let call = |name: &str| ToolCall::new(name).arguments(json!({"id": 7}));
/// let case = TestCase::new("Cancel order 7.", "Cancelled.")
///     .tools([call("look_up"), call("cancel"), call("refund")])
///     .expected_tools([call("look_up"), call("cancel")]);
/// let judge = FakeJudge::new();
/// assert_eq!(measure_with(&case, &TrajectoryMatch::superset(), judge.clone()).await.unwrap().value, 1.0);
/// let score = measure_with(&case, &TrajectoryMatch::unordered(), judge).await.unwrap();
/// assert_eq!(score.reason.unwrap(), r#"`refund {"id":7}` was called and is not in the reference"#);
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct TrajectoryMatch {
    mode: Mode,
    arguments: ArgumentMatch,
    by_tool: BTreeMap<String, ArgumentMatch>,
    own: Comparisons,
    reference: Option<Vec<Turn>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Strict,
    Unordered,
    Subset,
    Superset,
}

/// How [`TrajectoryMatch`] compares the arguments of a call with those of the reference.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ArgumentMatch {
    /// They are equal.
    #[default]
    Exact,
    /// They do not count.
    Ignore,
    /// The call has no argument that the reference does not have.
    Subset,
    /// The call has every argument of the reference, and perhaps more.
    Superset,
    /// These arguments are equal or missing on both sides; `a.b` is a field of an object. Others do not count.
    Only(Vec<String>),
}

impl TrajectoryMatch {
    /// Wants the same calls in the same order.
    pub fn strict() -> Self {
        Self::new(Mode::Strict)
    }

    /// Wants the same calls in any order.
    pub fn unordered() -> Self {
        Self::new(Mode::Unordered)
    }

    /// Wants no call that the reference does not have.
    pub fn subset() -> Self {
        Self::new(Mode::Subset)
    }

    /// Wants every call of the reference.
    pub fn superset() -> Self {
        Self::new(Mode::Superset)
    }

    fn new(mode: Mode) -> Self {
        Self {
            mode,
            arguments: ArgumentMatch::Exact,
            by_tool: BTreeMap::new(),
            own: Comparisons::default(),
            reference: None,
        }
    }

    /// Sets how arguments are compared; exactly unless told otherwise.
    pub fn arguments(mut self, how: ArgumentMatch) -> Self {
        self.arguments = how;
        self
    }

    /// Sets how the arguments of one tool are compared.
    pub fn arguments_of(mut self, tool: impl Into<String>, how: ArgumentMatch) -> Self {
        self.by_tool.insert(tool.into(), how);
        self
    }

    /// Compares the arguments of one tool by a function of those of the reference and those of the call, whatever else is
    /// set for it.
    ///
    /// ```
    /// use llmtest_metrics::{FakeJudge, TestCase, ToolCall, TrajectoryMatch, measure_with};
    /// use serde_json::json;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let metric = TrajectoryMatch::unordered().comparing("search", |wanted, called| {
    ///     let query = |arguments: &serde_json::Value| arguments["query"].as_str().map(str::to_lowercase);
    ///     query(wanted) == query(called)
    /// });
    /// let search = |query: &str| ToolCall::new("search").arguments(json!({"query": query}));
    /// let case = TestCase::new("q", "a").tools([search("Shoes")]).expected_tools([search("shoes")]);
    /// assert_eq!(measure_with(&case, &metric, FakeJudge::new()).await.unwrap().value, 1.0);
    /// # }
    /// ```
    pub fn comparing(
        mut self,
        tool: impl Into<String>,
        equal: impl Fn(&Value, &Value) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.own.add(tool.into(), equal);
        self
    }

    /// Compares with the tool calls of these turns instead of the case's `expected_tools`.
    pub fn reference(mut self, turns: impl IntoIterator<Item = Turn>) -> Self {
        self.reference = Some(turns.into_iter().collect());
        self
    }

    /// Whether a call answers one of the reference.
    fn fits(&self, reference: &ToolCall, called: &ToolCall) -> bool {
        let how = self.by_tool.get(&reference.name).unwrap_or(&self.arguments);
        reference.name == called.name
            && reference.kind == called.kind
            && match self.own.equal(reference, called) {
                Some(equal) => equal,
                None => how.fits(&reference.arguments, &called.arguments),
            }
    }

    /// For each call of the reference the one that answers it.
    fn pairs(&self, reference: &[ToolCall], called: &[ToolCall]) -> Vec<Option<usize>> {
        let row = |one: &ToolCall| {
            let fits = called.iter().map(|other| self.fits(one, other));
            fits.map(|fits| f64::from(u8::from(fits))).collect()
        };
        assign(&reference.iter().map(row).collect::<Vec<Vec<f64>>>())
    }

    fn score(&self, reference: &[ToolCall], called: &[ToolCall]) -> Score {
        let pairs: Vec<Option<usize>> = match self.mode {
            Mode::Strict => (0..reference.len())
                .map(|place| {
                    called
                        .get(place)
                        .filter(|call| self.fits(&reference[place], call))
                        .map(|_| place)
                })
                .collect(),
            _ => self.pairs(reference, called),
        };
        let mut problems = Vec::new();
        let mut exhibit = Vec::new();
        for (place, pair) in pairs.iter().enumerate() {
            let wanted = self.line(&reference[place]);
            match (pair, called.get(place)) {
                (Some(_), _) => exhibit.push(format!("  {wanted}")),
                (None, Some(call)) if self.mode == Mode::Strict => {
                    let call = self.line(call);
                    exhibit.push(format!("- {wanted}\n+ {call}"));
                    problems.push(format!("call {} is `{call}`, not `{wanted}`", place + 1));
                }
                _ => {
                    exhibit.push(format!("- {wanted}"));
                    if self.mode != Mode::Subset {
                        problems.push(format!("`{wanted}` was not called"));
                    }
                }
            }
        }
        let compared = if self.mode == Mode::Strict {
            reference.len()
        } else {
            0
        };
        for (_, call) in called
            .iter()
            .enumerate()
            .filter(|(at, _)| *at >= compared && !pairs.contains(&Some(*at)))
        {
            let call = self.line(call);
            exhibit.push(format!("+ {call}"));
            if self.mode != Mode::Superset {
                problems.push(format!("`{call}` was called and is not in the reference"));
            }
        }
        self.verdict(problems).exhibit(exhibit.join("\n"))
    }

    /// Strict, by turns.
    fn score_turns(&self, reference: &[Turn], turns: &[Turn]) -> Score {
        let mut problems = Vec::new();
        if turns.len() != reference.len() {
            let (made, wanted) = (turns.len(), reference.len());
            problems.push(format!(
                "the conversation has {made} turns and the reference {wanted}"
            ));
        }
        for (number, (wanted, turn)) in (1..).zip(reference.iter().zip(turns)) {
            if wanted.role != turn.role {
                let (role, wanted) = (turn.role.as_str(), wanted.role.as_str());
                problems.push(format!(
                    "turn {number} is of the {role}, not of the {wanted}"
                ));
                continue;
            }
            let pairs = self.pairs(&wanted.tools, &turn.tools);
            let missing = wanted
                .tools
                .iter()
                .zip(&pairs)
                .filter(|(_, pair)| pair.is_none());
            problems.extend(
                missing.map(|(call, _)| {
                    format!("`{}` was not called in turn {number}", self.line(call))
                }),
            );
            let calls = turn.tools.iter().enumerate();
            let extra = calls.filter(|(at, _)| !pairs.contains(&Some(*at)));
            problems.extend(extra.map(|(_, call)| {
                format!(
                    "`{}` was called in turn {number} and is not in the reference",
                    self.line(call)
                )
            }));
        }
        self.verdict(problems)
    }

    fn verdict(&self, mut problems: Vec<String>) -> Score {
        if problems.is_empty() {
            return Score::new(1.0).because(match self.mode {
                Mode::Strict => "the calls are those of the reference, in its order",
                Mode::Unordered => "the calls are those of the reference",
                Mode::Subset => "every call is in the reference",
                Mode::Superset => "every call of the reference was made",
            });
        }
        let rest = problems.len().saturating_sub(3);
        problems.truncate(3);
        let more = if rest > 0 {
            format!("; and {rest} more")
        } else {
            String::new()
        };
        Score::new(0.0).because(format!("{}{more}", problems.join("; ")))
    }

    fn line(&self, call: &ToolCall) -> String {
        let how = self.by_tool.get(&call.name).unwrap_or(&self.arguments);
        if *how == ArgumentMatch::Ignore || call.arguments.is_null() {
            return call.name.clone();
        }
        reason::cut(
            &format!("{} {}", call.name, crate::json::text(&call.arguments)),
            160,
        )
    }

    fn missing(&self, field: Field) -> MissingField {
        MissingField {
            metric: self.name().to_string(),
            field: field.name(),
        }
    }
}

impl ArgumentMatch {
    fn fits(&self, reference: &Value, called: &Value) -> bool {
        let (Some(wanted), Some(given)) = (members(reference), members(called)) else {
            return *self == Self::Ignore || arguments_agree(reference, called);
        };
        match self {
            Self::Exact => arguments_agree(reference, called),
            Self::Ignore => true,
            Self::Subset => given
                .iter()
                .all(|(key, value)| wanted.get(*key).is_some_and(|wanted| agree(wanted, value))),
            Self::Superset => wanted.iter().all(|(key, wanted)| match given.get(*key) {
                Some(value) => agree(wanted, value),
                None => is_optional(wanted),
            }),
            Self::Only(paths) => {
                paths
                    .iter()
                    .all(|path| match (at(reference, path), at(called, path)) {
                        (Some(wanted), Some(value)) => agree(wanted, value),
                        (Some(wanted), None) => is_optional(wanted),
                        (None, value) => value.is_none(),
                    })
            }
        }
    }
}

/// The arguments by name; none where they are unknown.
fn members(arguments: &Value) -> Option<BTreeMap<&str, &Value>> {
    match arguments {
        Value::Null => Some(BTreeMap::new()),
        Value::Object(members) => Some(
            members
                .iter()
                .map(|(key, value)| (key.as_str(), value))
                .collect(),
        ),
        _ => None,
    }
}

fn at<'a>(arguments: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.')
        .try_fold(arguments, |value, key| value.get(key))
}

impl Metric for TrajectoryMatch {
    fn name(&self) -> &'static str {
        "trajectory_match"
    }

    fn bar(&self) -> Bar {
        Bar::AtLeast(1.0)
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        let case = cx.case;
        if self.mode == Mode::Strict
            && let Some(turns) = &self.reference
        {
            if case.turns.is_empty() {
                return Err(self.missing(Field::Turns).into());
            }
            return Ok(self.score_turns(turns, &case.turns));
        }
        let reference = match &self.reference {
            Some(turns) => calls_of(turns),
            None if case.states(Field::ExpectedTools) => case.expected_tools.clone(),
            None => return Err(self.missing(Field::ExpectedTools).into()),
        };
        let called = called(case).ok_or_else(|| self.missing(Field::Tools))?;
        let mut score = self.score(&reference, &called);
        if score.value >= 1.0 {
            score.exhibit = None;
        }
        Ok(score)
    }
}

/// The tool calls of a case: its own, or those of its turns.
fn called(case: &TestCase) -> Option<Vec<ToolCall>> {
    if case.states(Field::Tools) {
        Some(case.tools.clone())
    } else {
        (!case.turns.is_empty()).then(|| calls_of(&case.turns))
    }
}

fn calls_of(turns: &[Turn]) -> Vec<ToolCall> {
    turns
        .iter()
        .flat_map(|turn| turn.tools.iter().cloned())
        .collect()
}

#[cfg(test)]
#[path = "trajectory_match_tests.rs"]
mod tests;
