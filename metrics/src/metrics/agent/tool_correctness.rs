//! `ToolCorrectness`.

use super::accept::{agree, argument_differences, arguments_share};
use super::assignment::{align, assign};
use super::comparisons::Comparisons;
use crate::options::{Options, knobs, options};
use crate::{
    Bar, EvalCx, Field, Metric, Result, Score, ToolCall, ToolSpec, grade, reason, trace_text,
};
use serde_json::Value;

/// How many problems a reason names.
const MOST_PROBLEMS: usize = 4;

/// Measures whether the tools that should be called were called. Asks a judge only with
/// [`available_tools`](Self::available_tools).
///
/// Calls belong together when name and kind are equal; every call counts, also one that is made twice. The score is the
/// sum of the weights of the pairs by the number of expected calls. A pair weighs 1;
/// [with arguments](Self::compare_arguments) the share of them that is as expected ([`Accept`](crate::Accept) allows more
/// than one value), and [with output](Self::compare_output) 0 where it differs. Which call belongs to which:
///
/// - by default the pairing of the greatest sum, in any order (the Hungarian method). Calls that nobody expected are told
///   and cost nothing.
/// - [`ordered`](Self::ordered): the greatest sum in which both sides keep their order (longest common subsequence).
/// - [`exact`](Self::exact): 1 if both lists agree place by place, else 0.
///
/// Nothing expected scores 1 if nothing was called, else 0. With `available_tools` a judge grades the choice of the tools,
/// and the lower of both is the score: a grade above 1 counts as 1, a negative one is asked again. Needs `tools` and
/// `expected_tools` (and `input` for the judge). Default bar: at least 0.5. Formulas as DeepEval 4.3.1, whose default pairing is greedy and counts equal calls once.
///
/// ```
/// use llmtest_metrics::{FakeJudge, TestCase, ToolCall, ToolCorrectness, measure_with};
/// use serde_json::json;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let search = |query: &str| ToolCall::new("search").arguments(json!({"query": query}));
/// let case = TestCase::new("Do you sell shoes?", "Yes.")
///     .tools([search("hats")])
///     .expected_tools([search("shoes"), ToolCall::new("stock")]);
/// let score = measure_with(&case, &ToolCorrectness::new(), FakeJudge::new()).await.unwrap();
/// assert_eq!(score.value, 0.5);
/// assert_eq!(score.reason.unwrap(), "1 of 2 expected calls was made: `stock` was not called");
/// let metric = ToolCorrectness::new().compare_arguments();
/// assert_eq!(measure_with(&case, &metric, FakeJudge::new()).await.unwrap().value, 0.0);
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ToolCorrectness {
    rules: Rules,
    own: Comparisons,
    available: Vec<ToolSpec>,
    options: Options,
}

/// What makes two calls a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rules {
    order: Order,
    arguments: bool,
    output: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Order {
    Any,
    Ordered,
    Exact,
}

impl ToolCorrectness {
    /// Compares names and kinds, in any order.
    pub fn new() -> Self {
        Self {
            rules: Rules {
                order: Order::Any,
                arguments: false,
                output: false,
            },
            own: Comparisons::default(),
            available: Vec::new(),
            options: options!("tool_correctness": "tool_selection"),
        }
    }

    /// Counts only calls that keep the expected order; others may stand between them.
    pub fn ordered(mut self) -> Self {
        self.rules.order = self.rules.order.max(Order::Ordered);
        self
    }

    /// Wants exactly the expected calls in the expected order. Wins over [`ordered`](Self::ordered).
    pub fn exact(mut self) -> Self {
        self.rules.order = Order::Exact;
        self
    }

    /// Compares arguments too. A call whose arguments are unknown counts as one without any.
    pub fn compare_arguments(mut self) -> Self {
        self.rules.arguments = true;
        self
    }

    /// Compares arguments too, and those of this tool by a function of the expected ones and those of the call: equal or not.
    pub fn comparing(
        mut self,
        tool: impl Into<String>,
        equal: impl Fn(&Value, &Value) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.rules.arguments = true;
        self.own.add(tool.into(), equal);
        self
    }

    /// Compares what the tools returned too.
    pub fn compare_output(mut self) -> Self {
        self.rules.output = true;
        self
    }

    /// Has a judge grade the choice among these tools too; the lower of both is the score.
    pub fn available_tools<T: Into<ToolSpec>>(
        mut self,
        tools: impl IntoIterator<Item = T>,
    ) -> Self {
        self.available = tools.into_iter().map(Into::into).collect();
        self
    }

    /// The judge's grade of the choice.
    async fn selection(&self, cx: &EvalCx<'_>) -> Result<grade::Grade> {
        let available = trace_text::tools(&self.available);
        let called = match &cx.case.tools[..] {
            [] => "(none)".to_string(),
            calls => trace_text::calls(calls).join("\n"),
        };
        let template = self
            .options
            .template("tool_selection")
            .fenced("input", "input", cx.need(self, Field::Input)?)
            .fenced("available", "tools at hand", available)
            .fenced("called", "tool calls made", called);
        grade::capped_grade(cx, template).await
    }
}

knobs!(ToolCorrectness, default);

impl Metric for ToolCorrectness {
    fn name(&self) -> &'static str {
        "tool_correctness"
    }

    fn bar(&self) -> Bar {
        self.options.bar()
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        cx.need(self, Field::Tools)?;
        cx.need(self, Field::ExpectedTools)?;
        let mut score = score(
            &cx.case.expected_tools,
            &cx.case.tools,
            self.rules,
            &self.own,
        );
        if !self.available.is_empty() {
            let selection = self.selection(cx).await?;
            let calling = score.reason.take().unwrap_or_default();
            score.reason = Some(format!(
                "{calling}; the choice of tools is graded {:.2} ({})",
                selection.score, selection.reason
            ));
            score = score
                .clone()
                .detail("tool_calling", score.value)
                .detail("tool_selection", selection.score);
            score.value = score.value.min(selection.score);
        }
        Ok(self.options.clamp(score))
    }
}

fn score(expected: &[ToolCall], called: &[ToolCall], rules: Rules, own: &Comparisons) -> Score {
    if expected.is_empty() {
        return if called.is_empty() {
            Score::new(1.0).because("no tool call was expected, and none was made")
        } else {
            let names: Vec<String> = called
                .iter()
                .map(|call| format!("`{}`", call.name))
                .collect();
            let names = reason::cut(&names.join(", "), reason::LONGEST);
            Score::new(0.0).because(format!("no tool call was expected, but {names} was called"))
        };
    }
    let pairing = Pairing::new(expected, called, rules, own);
    let value = pairing.value();
    let score = Score::new(value).because(pairing.reason());
    if value < 1.0 {
        score.exhibit(pairing.exhibit())
    } else {
        score
    }
}

/// Which call belongs to which expected one.
struct Pairing<'a> {
    expected: &'a [ToolCall],
    called: &'a [ToolCall],
    rules: Rules,
    own: &'a Comparisons,
    /// For each expected call the one that counts for it, and its weight.
    pairs: Vec<Option<(usize, f64)>>,
    /// The same, with those that are shown beside it although they weigh nothing.
    shown: Vec<Option<usize>>,
}

impl<'a> Pairing<'a> {
    fn new(
        expected: &'a [ToolCall],
        called: &'a [ToolCall],
        rules: Rules,
        own: &'a Comparisons,
    ) -> Self {
        let pairs: Vec<Option<(usize, f64)>> = if rules.order == Order::Exact {
            let places = 0..expected.len();
            let pair = |place: usize| {
                rules
                    .agree(&expected[place], called.get(place)?, own)
                    .then_some((place, 1.0))
            };
            places.map(pair).collect()
        } else {
            let row = |one: &ToolCall| {
                called
                    .iter()
                    .map(|other| rules.weight(one, other, own))
                    .collect()
            };
            let weights: Vec<Vec<f64>> = expected.iter().map(row).collect();
            let given = if rules.order == Order::Ordered {
                align(&weights)
            } else {
                assign(&weights)
            };
            let pairs = given.into_iter().zip(&weights);
            pairs
                .map(|(column, row)| column.map(|column| (column, row[column])))
                .collect()
        };
        let mut shown: Vec<Option<usize>> = pairs
            .iter()
            .map(|pair| pair.map(|(other, _)| other))
            .collect();
        for place in 0..expected.len() {
            if shown[place].is_none() {
                let candidate = |other: &usize| match rules.order {
                    Order::Exact => *other == place,
                    _ => {
                        same_tool(&expected[place], &called[*other])
                            && !shown.contains(&Some(*other))
                    }
                };
                shown[place] = (0..called.len()).find(candidate);
            }
        }
        Self {
            expected,
            called,
            rules,
            own,
            pairs,
            shown,
        }
    }

    fn value(&self) -> f64 {
        let sum: f64 = self.pairs.iter().flatten().map(|(_, weight)| weight).sum();
        if self.rules.order != Order::Exact {
            return sum / self.expected.len() as f64;
        }
        let whole =
            self.pairs.iter().all(Option::is_some) && self.called.len() == self.expected.len();
        f64::from(u8::from(whole))
    }

    /// The calls that stand beside no expected one.
    fn unexpected(&self) -> impl Iterator<Item = usize> {
        (0..self.called.len()).filter(|call| !self.shown.contains(&Some(*call)))
    }

    fn reason(&self) -> String {
        let made = self
            .pairs
            .iter()
            .flatten()
            .filter(|(_, weight)| *weight >= 1.0)
            .count();
        let mut problems: Vec<String> = (0..self.expected.len())
            .filter_map(|place| self.problem(place))
            .collect();
        problems.extend(
            self.unexpected()
                .map(|call| format!("`{}` was called and not expected", self.called[call].name)),
        );
        let all = self.expected.len();
        let was = if made == 1 { "was" } else { "were" };
        let order = match self.rules.order {
            Order::Any => "",
            Order::Ordered => " in order",
            Order::Exact => " in place",
        };
        let mut text = format!("{made} of {all} expected calls {was} made{order}");
        if !problems.is_empty() {
            let rest = problems.len().saturating_sub(MOST_PROBLEMS);
            problems.truncate(MOST_PROBLEMS);
            text = format!("{text}: {}", problems.join("; "));
            if rest > 0 {
                text = format!("{text}; and {rest} more");
            }
        }
        text
    }

    /// What is wrong with what was made of an expected call.
    fn problem(&self, place: usize) -> Option<String> {
        let expected = &self.expected[place];
        let name = &expected.name;
        let Some(at) = self.shown[place] else {
            return Some(format!("`{name}` was not called"));
        };
        let called = &self.called[at];
        if !same_tool(expected, called) {
            let (other, number) = (&called.name, place + 1);
            return Some(if *name == *other {
                format!(
                    "call {number}, `{other}`, is of kind `{}`, not `{}`",
                    called.kind.as_str(),
                    expected.kind.as_str()
                )
            } else {
                format!("call {number} is `{other}`, not `{name}`")
            });
        }
        if self.rules.arguments && !self.own.agree(expected, called) {
            let differences =
                argument_differences(&expected.arguments, &called.arguments).join(", ");
            let differences = reason::cut(&differences, 200);
            let listed = if differences.is_empty() {
                String::new()
            } else {
                format!(" ({differences})")
            };
            return Some(format!("`{name}` was called with other arguments{listed}"));
        }
        if self.rules.output && !agree(&expected.output, &called.output) {
            let output = reason::cut(&crate::json::text(&called.output), 60);
            let wanted = reason::cut(&crate::json::text(&expected.output), 60);
            return Some(format!("`{name}` returned {output}, not {wanted}"));
        }
        let counts = self.pairs[place].is_some();
        (!counts).then(|| format!("`{name}` was called out of order"))
    }

    /// Both lists beside each other: `-` expected, `+` called, what agrees without a sign.
    fn exhibit(&self) -> String {
        let mut text: Vec<String> = Vec::new();
        for (place, expected) in self.expected.iter().enumerate() {
            let Some(at) = self.shown[place] else {
                text.push(format!("- {}", self.line(expected)));
                continue;
            };
            let called = self.line(&self.called[at]);
            if self.problem(place).is_none() {
                text.push(format!("  {called}"));
            } else {
                let moved = same_tool(expected, &self.called[at])
                    && self.rules.agree(expected, &self.called[at], self.own);
                let note = if moved { "  (out of order)" } else { "" };
                text.push(format!("- {}", self.line(expected)));
                text.push(format!("+ {called}{note}"));
            }
        }
        text.extend(
            self.unexpected()
                .map(|call| format!("+ {}", self.line(&self.called[call]))),
        );
        text.join("\n")
    }

    fn line(&self, call: &ToolCall) -> String {
        let mut text = call.name.clone();
        if call.kind.is_mcp() {
            text = format!("{text} ({})", call.kind.as_str());
        }
        if self.rules.arguments && !call.arguments.is_null() {
            text = format!("{text} {}", crate::json::text(&call.arguments));
        }
        if self.rules.output && !call.output.is_null() {
            text = format!("{text} -> {}", crate::json::text(&call.output));
        }
        reason::cut(&text, 240)
    }
}

impl Rules {
    fn agree(self, expected: &ToolCall, called: &ToolCall, own: &Comparisons) -> bool {
        same_tool(expected, called)
            && (!self.arguments || own.agree(expected, called))
            && (!self.output || agree(&expected.output, &called.output))
    }

    fn weight(self, expected: &ToolCall, called: &ToolCall, own: &Comparisons) -> f64 {
        if !same_tool(expected, called) || (self.output && !agree(&expected.output, &called.output))
        {
            0.0
        } else if self.arguments {
            match own.equal(expected, called) {
                Some(equal) => f64::from(u8::from(equal)),
                None => arguments_share(&expected.arguments, &called.arguments),
            }
        } else {
            1.0
        }
    }
}

fn same_tool(one: &ToolCall, other: &ToolCall) -> bool {
    one.name == other.name && one.kind == other.kind
}

#[cfg(test)]
#[path = "tool_correctness_tests.rs"]
mod tests;
