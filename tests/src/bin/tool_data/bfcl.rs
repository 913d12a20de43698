//! Function-calling questions: what is accepted scores 1, and what is changed scores as the formulas say.

use crate::{Report, mean, orders};
use llmtest::{Accept, TestCase, ToolCall, ToolCorrectness};
use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Deserialize)]
pub(crate) struct Item {
    id: String,
    /// `{function: {argument: [accepted values]}}`.
    expected_calls: Vec<Map<String, Value>>,
}

/// A call with the accepted values of its arguments.
struct Accepted {
    name: String,
    arguments: Vec<(String, Vec<Value>)>,
}

impl Item {
    fn accepted(&self) -> Vec<Accepted> {
        let calls = self.expected_calls.iter().flatten();
        calls
            .map(|(name, arguments)| Accepted {
                name: name.clone(),
                arguments: arguments
                    .as_object()
                    .into_iter()
                    .flatten()
                    .map(|(name, values)| {
                        (name.clone(), values.as_array().cloned().unwrap_or_default())
                    })
                    .collect(),
            })
            .collect()
    }
}

impl Accepted {
    /// The expected call, with all that is accepted.
    fn expected(&self) -> ToolCall {
        let arguments = self.arguments.iter();
        let arguments = arguments.map(|(name, values)| (name.clone(), accept(values)));
        ToolCall::new(&self.name).arguments(Value::Object(arguments.collect()))
    }

    /// A call that is accepted: for each argument a value of it, or none.
    fn call(&self, pick: impl Fn(usize, &[Value]) -> Option<Value>) -> ToolCall {
        let arguments = self.arguments.iter().enumerate();
        let arguments =
            arguments.filter_map(|(at, (name, values))| Some((name.clone(), pick(at, values)?)));
        ToolCall::new(&self.name).arguments(Value::Object(arguments.collect()))
    }
}

/// An empty text among the accepted values says that the argument may be missing; no value at all says nothing of it.
fn is_optional(values: &[Value]) -> bool {
    values.is_empty() || values.contains(&Value::from(""))
}

/// The accepted values as ours. Members of objects have lists of accepted values of their own.
fn accept(values: &[Value]) -> Value {
    let given: Vec<Value> = values.iter().map(accept_one).collect();
    let value = match given.as_slice() {
        [] => Accept::anything(),
        [one] => one.clone(),
        _ => Accept::one_of(given),
    };
    if is_optional(values) {
        Accept::optional(value)
    } else {
        value
    }
}

fn accept_one(value: &Value) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(name, values)| {
                (
                    name.clone(),
                    values
                        .as_array()
                        .map_or_else(|| values.clone(), |values| accept(values)),
                )
            })
            .collect(),
        Value::Array(items) => items.iter().map(accept_one).collect(),
        other => other.clone(),
    }
}

/// The first accepted value that is not the empty text.
fn first(values: &[Value]) -> Option<Value> {
    values
        .iter()
        .find(|value| value.as_str() != Some(""))
        .map(concrete)
}

/// A value that an application would send: of every member the first accepted value.
fn concrete(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let given = members
                .iter()
                .filter_map(|(name, values)| match values.as_array() {
                    Some(values) => Some((name.clone(), first(values)?)),
                    None => Some((name.clone(), values.clone())),
                });
            Value::Object(given.collect())
        }
        Value::Array(items) => items.iter().map(concrete).collect(),
        other => other.clone(),
    }
}

pub(crate) fn run(items: &[Item], report: &mut Report) {
    Report::heading(&format!("BFCL: {} questions", items.len()));
    let compared = || orders().map(|(order, metric)| (order, metric.compare_arguments()));
    let rows: Vec<(&str, Vec<Accepted>)> = items
        .iter()
        .map(|item| (item.id.as_str(), item.accepted()))
        .collect();
    let calling = || rows.iter().filter(|(_, calls)| !calls.is_empty());
    let case = |accepted: &[Accepted], called: Vec<ToolCall>| {
        let expected = accepted.iter().map(Accepted::expected);
        TestCase::new("q", "a")
            .expected_tools(expected)
            .tools(called)
    };
    let full = |calls: &[Accepted]| -> Vec<ToolCall> {
        calls
            .iter()
            .map(|call| call.call(|_, values| first(values)))
            .collect()
    };

    let mut count = 0;
    for (id, calls) in calling() {
        let least: Vec<ToolCall> = calls
            .iter()
            .map(|call| call.call(|_, values| first(values).filter(|_| !is_optional(values))))
            .collect();
        for called in [full(calls), least] {
            count += 1;
            let case = case(calls, called);
            for (order, metric) in compared().into_iter().chain(orders()) {
                report.equal(report.value(&case, &metric), 1.0, || {
                    format!("{id} as accepted, {order}")
                });
            }
        }
    }
    report.line(
        "accepted calls, all arguments and only required ones: 1 in every order",
        &format!("{count} lists"),
    );

    let mut count = 0;
    for (id, calls) in calling() {
        for (place, call) in calls.iter().enumerate() {
            for (at, (name, values)) in call.arguments.iter().enumerate() {
                for value in values {
                    count += 1;
                    let mut called = full(calls);
                    called[place] = call.call(|other, values| {
                        if other == at {
                            Some(concrete(value))
                        } else {
                            first(values)
                        }
                    });
                    let found = report.value(
                        &case(calls, called),
                        &ToolCorrectness::new().compare_arguments().exact(),
                    );
                    report.equal(found, 1.0, || format!("{id} with `{name}` = {value}"));
                }
            }
        }
    }
    report.line(
        "every accepted value of every argument: 1",
        &format!("{count} values"),
    );

    let mut scores = Vec::new();
    for (id, calls) in calling() {
        let mut called = full(calls);
        called.pop();
        let case = case(calls, called);
        let share = (calls.len() - 1) as f64 / calls.len() as f64;
        for ((order, metric), expected) in compared().iter().zip([share, share, 0.0]) {
            let found = report.value(&case, metric);
            report.equal(found, expected, || {
                format!("{id} without the last call, {order}")
            });
        }
        scores.push(share);
    }
    report.line(
        "the last call dropped: (n - 1) / n, exact 0",
        &format!("mean {:.3}", mean(&scores)),
    );

    let mut scores = Vec::new();
    for (id, calls) in calling() {
        let mut called = full(calls);
        let Some(Value::Object(arguments)) = called.first_mut().map(|call| &mut call.arguments)
        else {
            continue;
        };
        let given = arguments.len();
        let said = calls[0]
            .arguments
            .iter()
            .find(|(name, values)| !values.is_empty() && arguments.contains_key(name));
        // Where no argument can be wrong, one too many is.
        let (name, all) = said.map_or(("unheard_of", given + 1), |(name, _)| {
            (name.as_str(), given)
        });
        arguments.insert(name.to_string(), "\u{1}".into());
        let right = if said.is_some() { given - 1 } else { given };
        let share = right as f64 / all as f64;
        let expected = ((calls.len() - 1) as f64 + share) / calls.len() as f64;
        let case = case(calls, called);
        let found: Vec<f64> = compared()
            .iter()
            .map(|(_, metric)| report.value(&case, metric))
            .collect();
        report.equal(found[2], 0.0, || {
            format!("{id} with a wrong argument, exact")
        });
        for found in &found[..2] {
            // Several calls of one tool may be paired better than place by place, but never to 1.
            let held = if calls.len() == 1 {
                (found - expected).abs() < 1e-9
            } else {
                *found >= expected - 1e-9 && *found < 1.0
            };
            report.check(held, || {
                format!("{id} with a wrong argument: {found}, not {expected}")
            });
        }
        report.equal(report.value(&case, &ToolCorrectness::new()), 1.0, || {
            format!("{id} with a wrong argument, names")
        });
        scores.push(found[0]);
    }
    report.line(
        "one argument wrong: its share of the arguments, exact 0, names 1",
        &format!("mean {:.3}", mean(&scores)),
    );

    let mut scores = Vec::new();
    for (id, calls) in calling().filter(|(_, calls)| calls.len() > 1) {
        let mut called = full(calls);
        called.reverse();
        let names: Vec<&str> = calls.iter().map(|call| call.name.as_str()).collect();
        let backwards: Vec<&str> = names.iter().rev().copied().collect();
        let common = longest_common(&names, &backwards) as f64 / names.len() as f64;
        let same = f64::from(u8::from(names == backwards));
        let case = case(calls, called);
        for ((order, metric), expected) in orders().iter().zip([1.0, common, same]) {
            report.equal(report.value(&case, metric), expected, || {
                format!("{id} backwards, {order}")
            });
        }
        report.equal(report.value(&case, &compared()[0].1), 1.0, || {
            format!("{id} backwards, with arguments")
        });
        scores.push(report.value(&case, &compared()[1].1));
    }
    report.line(
        "backwards: any order 1, ordered by the common subsequence of names",
        &format!("mean of ordered with arguments {:.3}", mean(&scores)),
    );

    for (id, calls) in calling() {
        for place in [0, calls.len()] {
            let mut called = full(calls);
            called.insert(place, ToolCall::new("a_tool_that_nobody_expects"));
            let case = case(calls, called);
            for ((order, metric), expected) in compared().iter().zip([1.0, 1.0, 0.0]) {
                report.equal(report.value(&case, metric), expected, || {
                    format!("{id} and one more, {order}")
                });
            }
        }
    }
    report.line("one call more, first or last: 1, exact 0", "");

    let mut count = 0;
    for (id, calls) in rows.iter().filter(|(_, calls)| calls.is_empty()) {
        count += 1;
        for (order, metric) in orders() {
            report.equal(report.value(&case(calls, vec![]), &metric), 1.0, || {
                format!("{id} without a call, {order}")
            });
            let called = vec![ToolCall::new("any")];
            report.equal(report.value(&case(calls, called), &metric), 0.0, || {
                format!("{id} with a call, {order}")
            });
        }
    }
    report.line(
        "nothing expected: 1 without a call, 0 with one",
        &format!("{count} questions"),
    );
}

fn longest_common(one: &[&str], other: &[&str]) -> usize {
    let mut best = vec![0; other.len() + 1];
    for name in one {
        let mut diagonal = 0;
        for (at, candidate) in other.iter().enumerate() {
            let above = best[at + 1];
            best[at + 1] = if name == candidate {
                diagonal + 1
            } else {
                above.max(best[at])
            };
            diagonal = above;
        }
    }
    best[other.len()]
}
