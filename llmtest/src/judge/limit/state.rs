//! What all callers of one server and model share: the controller, the calls in flight, and who waits. Pure: the time is
//! passed in.

use super::bucket::Bucket;
use super::controller::{Controller, Ended, LONGEST_HOLD, Rule, Ticket};
use serde::{Deserialize, Serialize};

/// A process that has not asked for so long, in milliseconds, does not wait any more.
const GONE: u64 = 250;
/// The longest that a process lets another go first which waits longer, in milliseconds.
const TURN: u64 = 500;

/// The shared state. Times are milliseconds since 1970.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct State {
    pub(super) controller: Controller,
    leases: Vec<Lease>,
    waiting: Vec<Waiting>,
    requests: Bucket,
    tokens: Bucket,
    /// The provider has said that nothing is left until then.
    spent_until: u64,
    /// Tokens of a usual reply; 0 before the first.
    usual_reply: f64,
}

/// A call in flight.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Lease {
    pub(super) owner: String,
    pub(super) ticket: Ticket,
    /// A process that was stopped does not keep its place for ever.
    until: u64,
    /// The tokens that were taken for it.
    tokens: f64,
}

/// A process that waits for a place.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Waiting {
    owner: String,
    since: u64,
    seen: u64,
}

/// What a call needs.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(in crate::judge) struct Need {
    /// Characters of the prompt; of an image as many as would be its tokens.
    pub(in crate::judge) characters: usize,
    /// The most tokens that the reply may have; 0 where there is none.
    pub(in crate::judge) reply: u32,
}

/// The bounds a minute.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Rates {
    pub(super) requests: Option<f64>,
    pub(super) tokens: Option<f64>,
}

/// Who asks, and under which rules.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asker<'a> {
    pub(super) owner: &'a str,
    pub(super) rule: &'a Rule,
    pub(super) rates: Rates,
    /// How long a call may take, in milliseconds.
    pub(super) lease: u64,
}

/// Why a call may not begin yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// Before so many milliseconds nothing changes.
    For(u64),
    /// A call must end.
    Place,
}

impl State {
    /// A place, or why there is none yet.
    pub(super) fn enter(&mut self, now: u64, asker: &Asker<'_>, need: Need) -> Result<Lease, Wait> {
        self.leases.retain(|lease| lease.until > now);
        self.spent_until = self.spent_until.min(now.saturating_add(LONGEST_HOLD));
        let since = self.wait(now, asker.owner);
        let tickets: Vec<Ticket> = self.leases.iter().map(|lease| lease.ticket).collect();
        self.controller
            .may_begin(now, &tickets, asker.rule)
            .map_err(|wait| wait.map_or(Wait::Place, Wait::For))?;
        if self.others_first(now, asker.owner, since) {
            return Err(Wait::Place);
        }
        let tokens = self.tokens_of(need);
        let spent = Some(self.spent_until.saturating_sub(now)).filter(|wait| *wait > 0);
        let Rates {
            requests,
            tokens: minute,
        } = asker.rates;
        let waits = [
            spent,
            requests.and_then(|minute| self.requests.wait(now, 1.0, minute)),
            minute.and_then(|minute| self.tokens.wait(now, tokens, minute)),
        ];
        if let Some(wait) = waits.into_iter().flatten().max() {
            return Err(Wait::For(wait));
        }
        if requests.is_some() {
            self.requests.take(1.0);
        }
        let tokens = if minute.is_some() { tokens } else { 0.0 };
        self.tokens.take(tokens);
        self.waiting.retain(|waiting| waiting.owner != asker.owner);
        let lease = Lease {
            owner: asker.owner.to_string(),
            ticket: self.controller.begin(tickets.len()),
            until: now.saturating_add(asker.lease),
            tokens,
        };
        self.leases.push(lease.clone());
        Ok(lease)
    }

    /// A call has ended, which used so many tokens, as far as that is known: in all, and for its reply.
    pub(super) fn leave(
        &mut self,
        now: u64,
        asker: &Asker<'_>,
        lease: &Lease,
        how: Ended,
        used: Option<(f64, f64)>,
    ) {
        self.leases.retain(|other| other.ticket != lease.ticket);
        let others: Vec<Ticket> = self.leases.iter().map(|lease| lease.ticket).collect();
        self.controller
            .end(now, lease.ticket, how, &others, asker.rule);
        if let Some((_, reply)) = used {
            self.usual_reply = if self.usual_reply > 0.0 {
                0.9 * self.usual_reply + 0.1 * reply
            } else {
                reply
            };
        }
        if lease.tokens > 0.0 {
            let refused = matches!(how, Ended::Refused(_));
            let used = match used {
                Some((all, _)) => all,
                None if refused => 0.0,
                None => lease.tokens,
            };
            self.tokens.take(used - lease.tokens);
        }
    }

    /// Nothing is left at the provider until then, but no longer than a minute is waited for it.
    pub(super) fn spent(&mut self, now: u64, until: u64) {
        self.spent_until = self.spent_until.max(until.min(now + LONGEST_HOLD));
    }

    /// The other processes that have calls in flight.
    pub(super) fn owners(&self, own: &str) -> Vec<String> {
        let others = self.leases.iter().map(|lease| &lease.owner);
        let mut others: Vec<_> = others.filter(|owner| *owner != own).cloned().collect();
        others.sort();
        others.dedup();
        others
    }

    /// A process is gone, and with it its calls.
    pub(super) fn forget(&mut self, owner: &str) {
        self.leases.retain(|lease| lease.owner != owner);
        self.waiting.retain(|waiting| waiting.owner != owner);
    }

    /// How many calls are in flight.
    pub(super) fn in_flight(&self) -> usize {
        self.leases.len()
    }

    /// Characters by four, and a usual reply.
    fn tokens_of(&self, need: Need) -> f64 {
        let reply = if self.usual_reply > 0.0 {
            self.usual_reply
        } else {
            256.0
        };
        (need.characters as f64 / 4.0).ceil() + reply.min(f64::from(need.reply))
    }

    /// Since when this process waits.
    fn wait(&mut self, now: u64, owner: &str) -> u64 {
        self.waiting
            .retain(|waiting| waiting.seen.abs_diff(now) < GONE || waiting.owner == owner);
        let own = self.waiting.iter_mut().find(|own| own.owner == owner);
        if let Some(own) = own {
            own.seen = now;
            return own.since;
        }
        self.waiting.push(Waiting {
            owner: owner.to_string(),
            since: now,
            seen: now,
        });
        now
    }

    /// Whether another process that waits has fewer calls in flight, or as many and waits for much longer: whoever has
    /// just had an answer would always be quicker.
    fn others_first(&self, now: u64, own: &str, since: u64) -> bool {
        let calls = |owner: &str| {
            self.leases
                .iter()
                .filter(|lease| lease.owner == owner)
                .count()
        };
        let mine = calls(own);
        self.waiting
            .iter()
            .filter(|other| other.owner != own)
            .any(|other| {
                let theirs = calls(&other.owner);
                let longer = other.since < since && other.since + TURN < now;
                theirs < mine || (theirs == mine && longer)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Rule = Rule {
        start: 4,
        max: 4,
        fixed: true,
        cooldown: 1000,
        retries: 5,
    };

    fn asker(owner: &str) -> Asker<'_> {
        Asker {
            owner,
            rule: &RULE,
            rates: Rates::default(),
            lease: 60_000,
        }
    }

    #[test]
    fn places_are_for_all_processes_together_and_those_of_the_dead_come_back() {
        let mut state = State::default();
        for _ in 0..4 {
            state.enter(0, &asker("a"), Need::default()).unwrap();
        }
        let enter = |state: &mut State, now| state.enter(now, &asker("b"), Need::default());
        assert_eq!(enter(&mut state, 1).unwrap_err(), Wait::Place);
        assert_eq!(state.owners("b"), ["a"]);
        let mut expired = state.clone();
        assert!(enter(&mut expired, 60_000).is_ok());
        state.forget("a");
        assert_eq!(state.in_flight(), 0);
        assert!(enter(&mut state, 2).is_ok());
    }

    #[test]
    fn a_process_with_fewer_calls_goes_first_while_it_asks() {
        let mut state = State::default();
        let mut leases = Vec::new();
        for _ in 0..4 {
            leases.push(state.enter(0, &asker("a"), Need::default()).unwrap());
        }
        assert!(state.enter(10, &asker("b"), Need::default()).is_err());
        state.leave(20, &asker("a"), &leases[0], Ended::Clean, None);
        assert_eq!(
            state.enter(20, &asker("a"), Need::default()).unwrap_err(),
            Wait::Place
        );
        assert!(state.enter(40, &asker("b"), Need::default()).is_ok());
        state.leave(50, &asker("a"), &leases[1], Ended::Clean, None);
        assert!(
            state.enter(50, &asker("a"), Need::default()).is_ok(),
            "nobody else waits"
        );
    }

    #[test]
    fn a_process_that_waited_by_a_clock_that_was_set_back_does_not_wait_for_ever() {
        let mut state = State::default();
        for _ in 0..4 {
            state
                .enter(3_600_000, &asker("a"), Need::default())
                .unwrap();
        }
        // It is never seen again.
        assert!(
            state
                .enter(3_600_000, &asker("dead"), Need::default())
                .is_err()
        );
        state.leases.pop();
        assert!(state.enter(1_000, &asker("a"), Need::default()).is_ok());
    }

    #[test]
    fn tokens_are_estimated_before_a_call_and_settled_after_it() {
        let mut state = State::default();
        let asker = Asker {
            rates: Rates {
                requests: None,
                tokens: Some(10_000.0),
            },
            ..asker("a")
        };
        let need = Need {
            characters: 2400,
            reply: 1024,
        };
        let lease = state.enter(0, &asker, need).unwrap();
        assert!((lease.tokens - 856.0).abs() < 1e-9, "{}", lease.tokens);
        let Err(Wait::For(wait)) = state.enter(0, &asker, need) else {
            panic!("a tenth of a minute's is 1,000");
        };
        assert!(wait > 1000, "{wait}");
        state.leave(0, &asker, &lease, Ended::Clean, Some((150.0, 50.0)));
        let lease = state.enter(0, &asker, need).unwrap();
        assert!((lease.tokens - 650.0).abs() < 1e-9, "a usual reply has 50");
        state.leave(0, &asker, &lease, Ended::Refused(None), None);
        assert!(
            !matches!(state.enter(2000, &asker, need), Err(Wait::For(wait)) if wait > 2000),
            "what was refused cost nothing"
        );
    }

    #[test]
    fn where_the_provider_has_nothing_left_nothing_begins_until_its_time_but_no_longer_than_a_minute()
     {
        let mut state = State::default();
        state.spent(0, 5_000);
        let wait =
            |state: &mut State, now| state.enter(now, &asker("a"), Need::default()).unwrap_err();
        assert_eq!(wait(&mut state, 1_000), Wait::For(4_000));
        state.spent(2_000, 9_000_000);
        let mut set_back = state.clone();
        assert_eq!(wait(&mut set_back, 1_000), Wait::For(60_000));
        assert_eq!(wait(&mut state, 2_000), Wait::For(60_000));
    }
}
