//! How many calls a server takes at once, learned from what it refuses. Pure: the time is passed in.
//!
//! The rule is the one that many clients share (grow until refused, cut by a fifth, grow again slowly), with four things
//! added, since by the plain rule a burst of 64 calls at a server that takes seven would be refused for ten rounds:
//!
//! 1. A *round* is the calls in flight when the first one is refused. While it lasts, a new call begins only where fewer are
//!    in flight than were left by the last refusal, so that refused calls are not replaced by others that are refused too.
//! 2. A round is one cut. At once it is to four fifths; at the round's end, to as many of its calls as were let in.
//! 3. A level is known to be *clean* when as many calls as it has places began with all places taken and were answered.
//!    Where one call above the clean level is refused, the limit goes back to that level and not below.
//! 4. Below the level that was refused last (the *wall*) the limit grows by one a clean round; the wall itself is tried again
//!    at most every ten seconds.
//!
//! A round of which nothing was let in is *barren*: nothing begins for a second, for two after the next, and so on; then one
//! call goes ahead alone, until the server takes calls again.

use crate::cost::{CHANGES, LimitChange as Change, LimitReason as Why};
use serde::{Deserialize, Serialize};

/// The longest that a server's wish for a pause holds back calls that it has not refused: a minute, in milliseconds.
pub(super) const LONGEST_HOLD: u64 = 60_000;
/// The longest pause after a barren round, in milliseconds.
const LONGEST_COOLDOWN: u64 = 20_000;
/// The time between two tries of the level that was refused, in milliseconds.
const PROBE: u64 = 10_000;
/// The longest that a round waits for its calls, in milliseconds: what is still running then was let in.
const LONGEST_ROUND: u64 = 10_000;

/// The bounds of one judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rule {
    /// As many calls as wait may begin at first, up to this number.
    pub(super) start: u32,
    /// From 1.
    pub(super) max: u32,
    /// Whether the limit stays at `max`, whatever the server says.
    pub(super) fixed: bool,
    /// The shortest pause after a refusal, in milliseconds.
    pub(super) cooldown: u64,
    /// After more barren rounds than this the server is given up: nobody waits for it any more.
    pub(super) retries: u32,
}

/// A call that has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ticket {
    /// Counts up.
    pub(super) number: u64,
    /// How many were in flight with it when it began.
    pub(super) level: u32,
}

/// How a call ended, as far as the limit is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::judge) enum Ended {
    /// Answered at the first attempt.
    Clean,
    /// Answered, but not at the first attempt, or not as it should be: no reason to grow.
    Answered,
    /// Too slow, broken off, a server in trouble: neither growth nor a cut.
    Failed,
    /// 429, with the time after which the server wants to be asked again, in milliseconds.
    Refused(Option<u64>),
}

/// The calls in flight when one of them was refused.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Round {
    /// Those that began before this one.
    before: u64,
    opened: u64,
    /// How many were in flight with the refused one.
    level: u32,
    /// The limit until then.
    limit: u32,
    /// Whether the limit was above what is known to be clean.
    trial: bool,
    /// The fewest that were left in flight by a refusal.
    ceiling: u32,
    let_in: u32,
}

/// The state of one server and model. It is kept in a file where several processes share it.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Controller {
    /// How many may be in flight; 0 before the first call.
    limit: u32,
    /// Whether calls were refused.
    cut: bool,
    /// The highest level that is known to be clean.
    clean: u32,
    /// The lowest level above that at which a single call was refused.
    wall: Option<u32>,
    /// Clean calls that began with all places taken, since the last change.
    full: u32,
    /// The first call after the last change.
    since: u64,
    /// Calls that have begun.
    calls: u64,
    round: Option<Round>,
    /// Nothing begins before.
    hold: u64,
    /// Nothing grows before.
    calm: u64,
    /// The wall is not tried before.
    probe: u64,
    /// Whether one call goes ahead, to see whether the server takes calls again.
    alone: bool,
    /// Barren rounds since the last answer.
    barren: u32,
    /// The most that were in flight.
    most: u32,
    refused: u64,
    ended: u64,
    changes: Vec<Change>,
}

impl Controller {
    /// Whether another call may begin beside these; else for how many milliseconds at most nothing changes by itself, which
    /// is `None` where it takes the end of a call.
    pub(super) fn may_begin(
        &mut self,
        now: u64,
        in_flight: &[Ticket],
        rule: &Rule,
    ) -> Result<(), Option<u64>> {
        self.adopt(rule);
        self.settle(now, in_flight, rule);
        // A clock that was set back must not stop everything until it is where it was.
        let latest = now.saturating_add(LONGEST_HOLD);
        for moment in [&mut self.hold, &mut self.calm, &mut self.probe] {
            *moment = latest.min(*moment);
        }
        let given_up = self.is_given_up(rule);
        if now < self.hold && !given_up {
            return Err(Some(self.hold - now));
        }
        let count = count(in_flight.len());
        if self.alone && !given_up {
            return if count == 0 { Ok(()) } else { Err(None) };
        }
        let places = match &self.round {
            Some(round) => self.limit.min(round.ceiling),
            None => self.limit,
        };
        if count < places {
            return Ok(());
        }
        if self.round.is_none() && count == self.limit && self.grow(now, rule) {
            return Ok(());
        }
        Err(None)
    }

    /// A call begins beside so many others.
    pub(super) fn begin(&mut self, in_flight: usize) -> Ticket {
        let number = self.calls;
        self.calls += 1;
        let level = count(in_flight).saturating_add(1);
        self.most = self.most.max(level);
        Ticket { number, level }
    }

    /// A call has ended; `others` are in flight.
    pub(super) fn end(
        &mut self,
        now: u64,
        call: Ticket,
        how: Ended,
        others: &[Ticket],
        rule: &Rule,
    ) {
        self.adopt(rule);
        self.ended += 1;
        if let Some(round) = &mut self.round
            && call.number < round.before
            && !matches!(how, Ended::Refused(_))
        {
            round.let_in += 1;
        }
        match how {
            Ended::Failed => {}
            Ended::Answered => (self.alone, self.barren) = (false, 0),
            Ended::Clean => {
                (self.alone, self.barren) = (false, 0);
                if call.number >= self.since && call.level >= self.limit && self.round.is_none() {
                    self.full += 1;
                }
                if self.full >= self.limit {
                    self.clean = self.clean.max(self.limit);
                    self.wall = self.wall.filter(|wall| *wall > self.limit);
                }
            }
            Ended::Refused(wish) => self.refuse(now, count(others.len()), wish, rule),
        }
        self.settle(now, others, rule);
    }

    fn refuse(&mut self, now: u64, others: u32, wish: Option<u64>, rule: &Rule) {
        self.refused += 1;
        let trial = if let Some(round) = &mut self.round {
            round.ceiling = round.ceiling.min(others);
            round.trial
        } else {
            let trial = self.clean > 0 && self.limit > self.clean;
            self.round = Some(Round {
                before: self.calls,
                opened: now,
                level: others + 1,
                limit: self.limit,
                trial,
                ceiling: others,
                let_in: 0,
            });
            let calm = wish.unwrap_or(0).max(rule.cooldown).min(LONGEST_HOLD);
            self.calm = self.calm.max(now + calm);
            if !rule.fixed {
                self.cut = true;
                self.limit = if trial {
                    self.clean
                } else {
                    (self.limit * 4 / 5).max(1)
                };
            }
            trial
        };
        // One call too many says nothing about the others; more say that the server wants a pause.
        if let Some(wish) = wish.filter(|_| !trial) {
            self.hold = self.hold.max(now + wish.min(LONGEST_HOLD));
        }
    }

    /// Ends the round when nothing of it is in flight any more.
    fn settle(&mut self, now: u64, in_flight: &[Ticket], rule: &Rule) {
        let Some(round) = &self.round else { return };
        let open = in_flight
            .iter()
            .filter(|call| call.number < round.before)
            .count();
        if open > 0 && now < round.opened.saturating_add(LONGEST_ROUND) {
            return;
        }
        let let_in = round.let_in + count(open);
        let (level, before, trial) = (round.level, round.limit, round.trial);
        self.round = None;
        if let_in == 0 {
            self.barren = self.barren.saturating_add(1);
            self.alone = !rule.fixed;
            let cooldown = rule.cooldown << (self.barren - 1).min(16);
            let until = now + cooldown.min(LONGEST_COOLDOWN.max(rule.cooldown));
            self.hold = self.hold.max(until);
            self.calm = self.calm.max(until);
        } else if !rule.fixed {
            let seen = let_in.clamp(1, (level - 1).max(1));
            self.limit = if trial { self.clean.max(seen) } else { seen };
            self.clean = self.limit;
            if trial && level == self.limit + 1 {
                self.wall = Some(level);
                self.probe = now + PROBE;
            } else {
                self.wall = self.wall.filter(|wall| *wall > self.limit + 1);
            }
        }
        if !rule.fixed {
            // What was never used was no limit.
            let used = before.min(level);
            let from = if self.limit < used { used } else { before };
            self.changed(now, from, Why::RateLimit);
        }
    }

    fn grow(&mut self, now: u64, rule: &Rule) -> bool {
        if rule.fixed || self.limit >= rule.max || self.full < self.limit || now < self.calm {
            return false;
        }
        let before = self.limit;
        let (to, why) = match self.wall {
            _ if !self.cut => (before.saturating_mul(2), Why::SlowStart),
            Some(wall) if before + 1 >= wall && now < self.probe => return false,
            Some(_) => (before + 1, Why::SteadyStateUp),
            None => (before + (before / 4).max(1), Why::SteadyStateUp),
        };
        self.limit = to.min(rule.max);
        self.changed(now, before, why);
        true
    }

    fn changed(&mut self, at: u64, from: u32, why: Why) {
        (self.full, self.since) = (0, self.calls);
        let to = self.limit;
        if from != to && self.changes.len() < CHANGES {
            self.changes.push(Change { at, from, to, why });
        }
    }

    /// Takes over the bounds of whoever asks; processes with other settings may share the state.
    fn adopt(&mut self, rule: &Rule) {
        if rule.fixed {
            self.limit = rule.max;
        } else if self.limit == 0 {
            self.limit = rule.start.min(rule.max).max(1);
        } else {
            self.limit = self.limit.min(rule.max);
        }
    }

    /// Whether the server took nothing for so long that nobody waits for it.
    pub(super) fn is_given_up(&self, rule: &Rule) -> bool {
        self.barren > rule.retries
    }

    /// Whether the server took nothing at all in the last round.
    pub(super) fn is_barren(&self) -> bool {
        self.barren > 0
    }

    /// How many may be in flight, one that is only tried left out.
    pub(super) fn limit(&self) -> u32 {
        if self.clean > 0 && self.cut {
            self.limit.min(self.clean)
        } else {
            self.limit
        }
    }

    /// The most that were in flight at once.
    pub(super) fn most(&self) -> u32 {
        self.most
    }

    /// The calls that were refused.
    pub(super) fn refused(&self) -> u64 {
        self.refused
    }

    /// The calls that have ended.
    pub(super) fn ended(&self) -> u64 {
        self.ended
    }

    /// Every change of the limit, the first 200 of them.
    pub(super) fn changes(&self) -> &[Change] {
        &self.changes
    }
}

fn count(calls: usize) -> u32 {
    u32::try_from(calls).unwrap_or(u32::MAX)
}

#[cfg(test)]
#[path = "controller_tests.rs"]
mod tests;
