//! How a conversation is cut: exchanges, and windows over them.

use crate::{Role, Turn};
use std::ops::Range;

/// The exchanges of a conversation, as ranges of turns: an exchange ends where the user speaks after the assistant, and
/// the last one counts only if the assistant had the last word. An exchange holds a turn of the user; what comes before
/// the first one belongs to it ("unit interactions" of DeepEval 4.3.1).
pub(crate) fn exchanges(turns: &[Turn]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start = 0;
    let mut user_spoke = false;
    for (at, turn) in turns.iter().enumerate() {
        let after_assistant = at > start && turns[at - 1].role == Role::Assistant;
        if turn.role == Role::User && after_assistant && user_spoke {
            found.push(start..at);
            start = at;
            user_spoke = false;
        }
        user_spoke |= turn.role == Role::User;
    }
    let answered = turns
        .last()
        .is_some_and(|turn| turn.role == Role::Assistant);
    if user_spoke && answered {
        found.push(start..turns.len());
    }
    found
}

/// For each exchange, the turns of it and of the `size - 1` exchanges before it.
pub(crate) fn windows(turns: &[Turn], size: usize) -> Vec<Range<usize>> {
    let exchanges = exchanges(turns);
    exchanges
        .iter()
        .enumerate()
        .map(|(at, exchange)| exchanges[(at + 1).saturating_sub(size)].start..exchange.end)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn turns(roles: &str) -> Vec<Turn> {
        let turn = |role| match role {
            'u' => Turn::user("?"),
            _ => Turn::assistant("!"),
        };
        roles.chars().map(turn).collect()
    }

    #[test]
    fn an_exchange_ends_where_the_user_speaks_after_the_assistant() {
        for (roles, expected) in [
            ("", &[][..]),
            ("u", &[]),
            ("a", &[]),
            ("ua", &[(0, 2)]),
            ("uaua", &[(0, 2), (2, 4)]),
            ("uauau", &[(0, 2), (2, 4)]),
            ("uuaa", &[(0, 4)]),
            ("auaua", &[(0, 3), (3, 5)]),
            ("aua", &[(0, 3)]),
        ] {
            let found: Vec<(usize, usize)> = exchanges(&turns(roles))
                .into_iter()
                .map(|exchange| (exchange.start, exchange.end))
                .collect();
            assert_eq!(found, expected, "{roles}");
        }
    }

    #[test]
    fn a_window_reaches_back() {
        let turns = turns("uauauaua");
        assert_eq!(windows(&turns, 2), [0..2, 0..4, 2..6, 4..8]);
        assert_eq!(windows(&turns, 1), [0..2, 2..4, 4..6, 6..8]);
    }

    proptest! {
        #![proptest_config(crate::proptesting::config())]

        #[test]
        fn every_exchange_ends_just_one_window_and_no_turn_between_is_left_out(
            roles in "[ua]{0,14}",
            size in 1..6_usize,
        ) {
            let turns = turns(&roles);
            let exchanges = exchanges(&turns);
            let windows = windows(&turns, size);
            prop_assert_eq!(windows.len(), exchanges.len());
            let mut next = 0;
            for (at, (window, exchange)) in windows.iter().zip(&exchanges).enumerate() {
                prop_assert_eq!(exchange.start, next);
                next = exchange.end;
                prop_assert_eq!(window.end, exchange.end);
                let within = |one: &&Range<usize>| one.start >= window.start && one.end <= window.end;
                prop_assert_eq!(exchanges.iter().filter(within).count(), size.min(at + 1));
                let said = &turns[exchange.clone()];
                prop_assert!(said.iter().any(|turn| turn.role == Role::User));
                prop_assert_eq!(said[said.len() - 1].role, Role::Assistant);
            }
            // What is left over is no exchange: the user has the last word, or never spoke.
            let rest = &roles[next..];
            prop_assert!(!rest.contains('u') || rest.ends_with('u'), "{}", rest);
        }

        #[test]
        fn a_larger_window_only_reaches_further_back(roles in "[ua]{0,14}", size in 1..6_usize) {
            let turns = turns(&roles);
            for (small, large) in windows(&turns, size).iter().zip(windows(&turns, size + 1)) {
                prop_assert!(large.start <= small.start && large.end == small.end);
            }
        }
    }
}
