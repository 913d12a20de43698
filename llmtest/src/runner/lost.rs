//! Calls of observed functions that no case could have: what to say of them.

use crate::observe::Lost;
use crate::text::clean_name;
use std::fmt::Write;

/// The one-liners, for the end of the run.
const HINT: &str = "hint: take the case along: `tokio::spawn(llmtest::carry(…))` for tasks (in tests also `llmtest::spawn(…)`, `llmtest::spawn_blocking(…)`), \
     `thread::spawn(llmtest::carry_fn(…))` for threads, `let case = llmtest::observe::handle();` and `case.run(|| …)` for pools such as rayon";

/// Each function with its place and how often it was called; empty when there is none.
pub(super) fn list(lost: &[(Lost, usize)]) -> String {
    let mut out = String::new();
    if lost.is_empty() {
        return out;
    }
    out.push_str("unattributed spans: calls of observed functions that no case could have\n");
    for (call, count) in lost {
        let _ = writeln!(out, "  {}", one(call, *count));
    }
    if lost.iter().any(|(call, _)| !call.late) {
        let _ = writeln!(out, "{HINT}");
    }
    if lost.iter().any(|(call, _)| call.late) {
        let _ = writeln!(
            out,
            "hint: await the tasks that the test starts; what they call later belongs to no case"
        );
    }
    out
}

/// What is known of the calls of this name.
pub(super) fn of_name(lost: &[(Lost, usize)], name: &str) -> Option<String> {
    let calls: Vec<_> = lost
        .iter()
        .filter(|(call, _)| call.name == name)
        .map(|(call, count)| one(call, *count))
        .collect();
    if calls.is_empty() {
        return None;
    }
    Some(format!(
        "outside of all cases this process called {}: it ran in a task or on a thread that did not take its case along, or after \
         its case had ended",
        calls.join(", ")
    ))
}

fn one(call: &Lost, count: usize) -> String {
    let mut text = format!("`{}`", clean_name(&call.name));
    if let Some((file, line)) = call.place {
        let _ = write!(text, " ({file}:{line})");
    }
    let _ = write!(text, " × {count}");
    if call.late {
        text.push_str(", after its case had ended");
    }
    text
}
