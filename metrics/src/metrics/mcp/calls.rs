//! What the MCP metrics look at: calls of servers, and the exchanges that have them.

use crate::windows::exchanges;
use crate::{ToolCall, Turn};
use std::ops::Range;

/// The calls of tools, resources and prompts of MCP servers.
pub(super) fn mcp_calls(calls: &[ToolCall]) -> Vec<ToolCall> {
    let mcp = calls.iter().filter(|call| call.kind.is_mcp());
    mcp.cloned().collect()
}

/// The exchanges in which servers had a part, with their numbers among all exchanges, from one: those that call one, and
/// those of more than two turns, which is how DeepEval 4.3.1 tells them.
pub(super) fn tasks(turns: &[Turn]) -> Vec<(usize, Range<usize>)> {
    let calls = |turn: &Turn| turn.tools.iter().any(|call| call.kind.is_mcp());
    (1..)
        .zip(exchanges(turns))
        .filter(|(_, range)| range.len() > 2 || turns[range.clone()].iter().any(calls))
        .collect()
}

/// Why a conversation has no task.
pub(super) const NO_TASK: &str =
    "no exchange of the conversation calls an MCP server or is longer than two turns";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ToolKind;

    #[test]
    fn a_task_is_an_exchange_that_calls_a_server_or_has_more_than_two_turns() {
        let ask = || Turn::user("?");
        let say = || Turn::assistant("!");
        let read = ToolCall::new("read").kind(ToolKind::McpResource);
        let turns = [
            ask(),
            say(),
            ask(),
            say(),
            say(),
            ask(),
            say().tools([read.clone()]),
            ask(),
            say().tools([ToolCall::new("own")]),
        ];
        assert_eq!(tasks(&turns), [(2, 2..5), (3, 5..7)]);
        assert_eq!(mcp_calls(&[ToolCall::new("own"), read.clone()]), [read]);
    }
}
