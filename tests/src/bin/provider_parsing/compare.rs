//! What is read, beside what is expected.

use crate::Exchange;
use llmtest::__private::read_exchange;
use serde_json::{Value, json};

/// How far two log-probabilities may be apart.
const TOLERANCE: f64 = 1e-9;

/// Every member in which the reading differs: `member: what is expected and what is read`.
pub(crate) fn differences(exchange: &Exchange) -> Vec<String> {
    let headers: Vec<(&str, &str)> = exchange
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let Some(read) = read_exchange(&exchange.api, exchange.status, &headers, &exchange.body) else {
        return vec![format!("api: nothing reads `{}`", exchange.api)];
    };
    let mut differences = Vec::new();
    for (member, expected) in &exchange.expect {
        if let Some((expected, read)) = compare(member, expected, &read) {
            differences.push(format!(
                "{member}: expected {}, read {}",
                short(&expected),
                short(&read)
            ));
        }
    }
    let outcome = read["outcome"].as_str().unwrap_or_default();
    if outcome == "reply" && !holds_an_answer(exchange) {
        differences.push("outcome: a reply, though there is no answer".to_string());
    }
    if outcome != "reply" && read["says"].as_str().is_none_or(str::is_empty) {
        differences.push(format!("says: nothing about why it is `{outcome}`"));
    }
    let wait = wait(exchange);
    if wait.is_some() && read["wait_ms"].as_u64() != wait {
        differences.push(format!(
            "wait_ms: expected {wait:?}, read {}",
            read["wait_ms"]
        ));
    }
    differences
}

/// Expected and read, where they differ.
fn compare(member: &str, expected: &Value, read: &Value) -> Option<(Value, Value)> {
    let differ = |expected: &Value, read: &Value| {
        (expected != read).then(|| (expected.clone(), read.clone()))
    };
    let plain = |name: &str| differ(expected, &read[name]);
    match member {
        "text" | "texts" | "refusal" | "reasoning" | "choices" | "events" | "done_marker" => {
            plain(member)
        }
        "finish_reason" | "stop_reason" | "done_reason" | "status" => plain("finish"),
        "incomplete_reason" => plain("detail"),
        "candidates" => plain("choices"),
        "lines" => plain("events"),
        "block_types" | "output_types" => plain("kinds"),
        "text_from_deltas" => plain("joined"),
        "block_reason" => plain("blocked"),
        "error_type" => differ(expected, &read["error"]["kind"]),
        "error_code" => differ(expected, &read["error"]["code"]),
        "error_message" => differ(expected, &read["error"]["message"]),
        "error_body_is_json" => differ(expected, &json!(read["unreadable"].is_null())),
        "body_error" | "stream_error" => {
            let error = if expected["error"].is_object() {
                &expected["error"]
            } else {
                expected
            };
            // The collector repeats what the event says, which may be a part of it.
            let names = [
                ("type", "kind"),
                ("code", "code"),
                ("message", "message"),
                ("param", "param"),
            ];
            names
                .into_iter()
                .find_map(|(name, ours)| differ(error.get(name)?, &read["error"][ours]))
        }
        "vectors" => differ(expected, &json!(read["vectors"].as_array().map(Vec::len))),
        "flagged" => differ(expected, &json!(!read["flagged"].is_null())),
        "categories" => {
            let none = json!([]);
            differ(
                expected,
                if read["flagged"].is_null() {
                    &none
                } else {
                    &read["flagged"]
                },
            )
        }
        "usage" => {
            let members = expected.as_object()?;
            let found: Value = members
                .keys()
                .map(|name| (name.clone(), read["usage"][name].clone()))
                .collect();
            differ(expected, &found)
        }
        "tool_calls" => differ(&calls(expected), &calls(&read["tool_calls"])),
        "logprobs_tokens" => differ(expected, &json!(read["logprobs"].as_array().map(Vec::len))),
        "avg_logprobs" => {
            let found = &read["average_logprob"];
            (!near(expected, found)).then(|| (expected.clone(), found.clone()))
        }
        "logprobs" => logprobs(expected, read),
        _ => Some((expected.clone(), json!("nothing compares this member"))),
    }
}

/// Calls with arguments as JSON where they are JSON: the order of members and spaces are the collector's.
fn calls(calls: &Value) -> Value {
    let calls = calls.as_array().into_iter().flatten();
    calls
        .map(|call| {
            let text = call["arguments"].as_str().unwrap_or_default();
            // No JSON at all stands for an empty object.
            let arguments = if text.is_empty() { "{}" } else { text };
            let arguments = serde_json::from_str(arguments).unwrap_or_else(|_| json!(text));
            json!({ "name": call["name"], "arguments": arguments })
        })
        .collect()
}

fn logprobs(expected: &Value, read: &Value) -> Option<(Value, Value)> {
    let tokens = read["logprobs"].as_array();
    let found = tokens.map_or(Value::Null, |tokens| {
        json!({
            "tokens": tokens.len(),
            "first": tokens.first().map(|first| json!({
                "token": first["token"],
                "logprob": first["logprob"],
                "top": first["top"].as_array().into_iter().flatten().collect::<Vec<_>>(),
            })),
        })
    });
    let (a, b) = (&expected["first"], &found["first"]);
    let tops = |value: &Value| value["top"].as_array().cloned().unwrap_or_default();
    let same_top = tops(a).len() == tops(b).len()
        && tops(a)
            .iter()
            .zip(tops(b))
            .all(|(a, b)| a[0] == b[0] && near(&a[1], &b[1]));
    let same = expected["tokens"] == found["tokens"]
        && a["token"] == b["token"]
        && near(&a["logprob"], &b["logprob"])
        && same_top;
    (!same).then(|| (expected.clone(), found))
}

fn near(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => (a - b).abs() < TOLERANCE,
        _ => a == b,
    }
}

/// Whether anybody may take this exchange for an answer: its own text and no other says so.
fn holds_an_answer(exchange: &Exchange) -> bool {
    let expect = &exchange.expect;
    let has = |name: &str| expect.get(name).is_some_and(|value| !value.is_null());
    let is = |name: &str, word: &str| expect.get(name).is_some_and(|value| value == word);
    let failed = has("refusal")
        || has("block_reason")
        || has("body_error")
        || has("stream_error")
        || is("finish_reason", "content_filter")
        || is("finish_reason", "SAFETY")
        || is("stop_reason", "refusal")
        || is("status", "failed");
    let text = expect.get("text").and_then(Value::as_str);
    let says = text.is_some_and(|text| !text.trim().is_empty());
    let calls = expect.get("tool_calls").and_then(Value::as_array);
    let calls =
        calls.is_some_and(|calls| !calls.is_empty()) || is("finish_reason", "function_call");
    let cut = is("finish_reason", "length")
        || is("finish_reason", "MAX_TOKENS")
        || is("stop_reason", "max_tokens")
        || is("done_reason", "length")
        || is("incomplete_reason", "max_output_tokens");
    // A text that is JSON is complete, whatever stopped it.
    let whole = text.is_some_and(|text| serde_json::from_str::<Value>(text).is_ok());
    exchange.status < 300 && !failed && (!cut || whole) && (says || calls)
}

/// The wait that the headers ask for, in milliseconds.
fn wait(exchange: &Exchange) -> Option<u64> {
    let number = |name: &str| exchange.headers.get(name)?.parse::<u64>().ok();
    number("retry-after-ms").or_else(|| number("retry-after").map(|seconds| seconds * 1000))
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(300) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}
