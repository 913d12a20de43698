//! How much servers took at once, and what they refused.

use super::budget::grouped;
use serde::{Deserialize, Serialize};

/// What one server made of the calls of a run: how many it refused, and how the limit of calls in flight followed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct LimitReport {
    /// A hash of the server and the model.
    pub id: String,
    /// Who was asked, such as ``the judge `gpt-4.1-mini` ``.
    pub of: String,
    /// Calls that ended, each attempt by itself.
    pub calls: u64,
    /// Those of them that were refused (429).
    pub refused: u64,
    /// The limit at the end.
    pub limit: u32,
    /// The most calls that were in flight at once.
    pub most: u32,
    /// Whether the server took nothing at all in the end.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub barren: bool,
    /// Whether the limit held for all processes of the run together.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub shared: bool,
    /// Every change of the limit, in order; the first 200.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<LimitChange>,
}

/// A change of a limit of calls in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LimitChange {
    /// Milliseconds since 1970, UTC.
    pub at: u64,
    /// The limit before.
    pub from: u32,
    /// The limit after.
    pub to: u32,
    /// Why.
    pub why: LimitReason,
}

/// Why a limit changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LimitReason {
    /// Doubled after as many clean calls, before the first refusal.
    SlowStart,
    /// Raised after as many clean calls, or to try a level again.
    SteadyStateUp,
    /// Lowered: the server refused calls.
    RateLimit,
}

/// So many changes are kept.
pub(crate) const CHANGES: usize = 200;

impl LimitReport {
    /// What is worth knowing: that calls were refused, and how far the limit went down.
    pub(crate) fn text(&self) -> Option<String> {
        let (of, limit, most) = (&self.of, self.limit, self.most);
        let calls = match self.refused {
            0 => return None,
            1 => "1 call was refused".to_string(),
            n => format!("{} calls were refused", grouped(n)),
        };
        Some(if self.barren {
            format!("{of} takes no calls any more: {calls}")
        } else if limit < most {
            format!(
                "{of} takes about {limit} calls at once: the limit went from {most} to {limit}, and {calls} and repeated"
            )
        } else {
            format!("{of} was asked too much: {calls} and repeated")
        })
    }

    /// Takes over what another process saw of the same server: where they shared the limit, whoever saw more calls knows
    /// more, and each has the changes of its own time; else all adds up.
    pub(super) fn merge(&mut self, other: Self) {
        let mut changes = std::mem::take(&mut self.changes);
        changes.extend(other.changes.iter().copied());
        if self.shared && other.shared {
            if other.calls >= self.calls {
                *self = other;
            }
            changes.sort();
            changes.dedup();
        } else {
            self.calls += other.calls;
            self.refused += other.refused;
            self.most = self.most.max(other.most);
            self.limit = self.limit.min(other.limit);
            self.barren |= other.barren;
            self.shared &= other.shared;
            changes.sort();
        }
        changes.truncate(CHANGES);
        self.changes = changes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(calls: u64, refused: u64, shared: bool, at: &[u64]) -> LimitReport {
        let change = |at: &u64| LimitChange {
            at: *at,
            from: 64,
            to: 7,
            why: LimitReason::RateLimit,
        };
        LimitReport {
            of: "the judge `m`".to_string(),
            calls,
            refused,
            limit: 7,
            most: 64,
            shared,
            changes: at.iter().map(change).collect(),
            ..LimitReport::default()
        }
    }

    #[test]
    fn what_processes_share_is_counted_once_and_what_they_do_not_adds_up() {
        let mut shared = seen(10, 2, true, &[1, 5]);
        shared.merge(seen(30, 4, true, &[5, 9]));
        shared.merge(seen(20, 3, true, &[5]));
        assert_eq!(shared, seen(30, 4, true, &[1, 5, 9]));
        let mut own = seen(10, 2, false, &[5]);
        own.merge(seen(30, 4, false, &[1]));
        assert_eq!(own, seen(40, 6, false, &[1, 5]));
    }

    #[test]
    fn refusals_are_told_and_nothing_else() {
        assert_eq!(seen(10, 0, true, &[1]).text(), None);
        assert_eq!(
            seen(9000, 1200, true, &[]).text().unwrap(),
            "the judge `m` takes about 7 calls at once: the limit went from 64 to 7, and 1,200 calls were refused and repeated"
        );
    }
}
