use super::*;
use std::collections::BTreeMap;

const RULE: Rule = Rule {
    start: 64,
    max: 256,
    fixed: false,
    cooldown: 1000,
    retries: 5,
};

/// A server that takes so many calls at once, answers each in so many milliseconds and refuses the others in so many.
struct Server {
    takes: fn(u64) -> u32,
    answers_in: u64,
    refuses_in: u64,
    /// What it says of when to come back.
    wish: Option<u64>,
}

#[derive(Debug, Default)]
struct Outcome {
    answered: u64,
    /// The times of the refusals.
    refused: Vec<u64>,
    took: u64,
    most: u32,
    controller: Controller,
}

/// So many calls that all wait from the beginning; a refused one waits half a second before it is asked again.
fn simulate(server: &Server, rule: &Rule, calls: u64, until: u64) -> Outcome {
    let mut controller = Controller::default();
    let mut outcome = Outcome::default();
    let (mut waiting, mut later) = (calls, Vec::<u64>::new());
    // When a call ends, how, and until when it is in the server.
    let mut flying: BTreeMap<(u64, u64), (Ticket, bool)> = BTreeMap::new();
    let mut now = 0;
    while outcome.answered < calls && now < until {
        later.retain(|back| {
            let comes = *back <= now;
            waiting += u64::from(comes);
            !comes
        });
        while let Some(entry) = flying.first_entry().filter(|entry| entry.key().0 <= now) {
            let (call, taken) = entry.remove();
            let others: Vec<Ticket> = flying.values().map(|(call, _)| *call).collect();
            let how = if taken {
                outcome.answered += 1;
                Ended::Clean
            } else {
                outcome.refused.push(now);
                later.push(now + server.wish.unwrap_or(0).max(500));
                Ended::Refused(server.wish)
            };
            controller.end(now, call, how, &others, rule);
        }
        loop {
            let tickets: Vec<Ticket> = flying.values().map(|(call, _)| *call).collect();
            if waiting == 0 || controller.may_begin(now, &tickets, rule).is_err() {
                break;
            }
            let call = controller.begin(tickets.len());
            assert!(call.level <= rule.max, "never more than the maximum");
            outcome.most = outcome.most.max(call.level);
            waiting -= 1;
            let inside = flying.values().filter(|(_, taken)| *taken).count();
            let taken = inside < (server.takes)(now) as usize;
            let takes = if taken {
                // Not all take equally long.
                server.answers_in * (80 + call.number * 7 % 41) / 100
            } else {
                server.refuses_in
            };
            flying.insert((now + takes, call.number), (call, taken));
        }
        now += 1;
    }
    outcome.took = now;
    outcome.controller = controller;
    outcome
}

fn seven() -> Server {
    Server {
        takes: |_| 7,
        answers_in: 250,
        refuses_in: 2,
        wish: None,
    }
}

#[test]
fn five_hundred_calls_at_a_server_that_takes_seven_are_quick_and_few_are_refused() {
    for (refuses_in, wish) in [(2, None), (2, Some(1000)), (30, None), (250, None)] {
        let server = Server {
            refuses_in,
            wish,
            ..seven()
        };
        let outcome = simulate(&server, &RULE, 500, 120_000);
        assert_eq!(outcome.answered, 500);
        let ideal = 500.0 * 250.0 / 7.0;
        let share = ideal / outcome.took as f64;
        assert!(share > 0.8, "{refuses_in} {wish:?}: {share}");
        let late = outcome.refused.iter().filter(|at| **at > 10_000).count();
        assert!(late <= 2, "{refuses_in} {wish:?}: {late} late refusals");
        assert!(outcome.refused.len() < 90, "{}", outcome.refused.len());
    }
}

#[test]
fn a_burst_is_one_cut_to_what_was_let_in() {
    let outcome = simulate(&seven(), &RULE, 100, 300);
    assert_eq!(outcome.refused.len(), 57);
    assert_eq!(
        outcome.controller.changes(),
        [Change {
            at: outcome.controller.changes()[0].at,
            from: 64,
            to: 7,
            why: Why::RateLimit
        }]
    );
    assert_eq!(outcome.controller.most(), 64);
}

#[test]
fn the_level_that_was_refused_is_tried_at_most_every_ten_seconds_and_nothing_below_is_given_up() {
    let outcome = simulate(&seven(), &RULE, 2000, 60_000);
    let changes = outcome.controller.changes();
    let ups: Vec<_> = changes
        .iter()
        .filter(|change| change.why == Why::SteadyStateUp)
        .collect();
    assert!(ups.len() >= 5, "{changes:?}");
    assert!(ups.iter().all(|up| (up.from, up.to) == (7, 8)));
    assert!(ups.windows(2).all(|pair| pair[1].at - pair[0].at >= PROBE));
    let cuts = changes.iter().filter(|change| change.why == Why::RateLimit);
    assert!(
        cuts.clone().skip(1).all(|cut| (cut.from, cut.to) == (8, 7)),
        "{changes:?}"
    );
    assert_eq!(outcome.refused.len(), 57 + ups.len());
}

#[test]
fn without_refusals_the_limit_doubles_a_clean_round_up_to_the_maximum() {
    let server = Server {
        takes: |_| 1000,
        ..seven()
    };
    let outcome = simulate(&server, &RULE, 5000, 60_000);
    let levels: Vec<_> = outcome
        .controller
        .changes()
        .iter()
        .map(|change| (change.from, change.to, change.why))
        .collect();
    assert_eq!(
        levels,
        [(64, 128, Why::SlowStart), (128, 256, Why::SlowStart)]
    );
    assert_eq!((outcome.most, outcome.refused.len()), (256, 0));
}

#[test]
fn a_fixed_limit_is_never_passed_and_never_changes() {
    let rule = Rule {
        start: 5,
        max: 5,
        fixed: true,
        ..RULE
    };
    for takes in [(|_| 3) as fn(u64) -> u32, |_| 100] {
        let server = Server { takes, ..seven() };
        let outcome = simulate(&server, &rule, 200, 120_000);
        assert_eq!((outcome.answered, outcome.most), (200, 5));
        assert!(outcome.controller.changes().is_empty());
        assert_eq!(outcome.controller.limit(), 5);
    }
}

#[test]
fn after_an_outage_one_call_goes_ahead_and_the_rest_follows() {
    let server = Server {
        takes: |now| if (3_000..8_000).contains(&now) { 0 } else { 20 },
        ..seven()
    };
    let outcome = simulate(&server, &RULE, 2000, 120_000);
    assert_eq!(outcome.answered, 2000);
    let during = outcome
        .refused
        .iter()
        .filter(|at| (3_300..8_000).contains(*at));
    assert!(during.count() <= 5, "one at a time: {:?}", outcome.refused);
    let ideal = 2000 * 250 / 20 + 5_000;
    assert!(
        outcome.took < ideal * 14 / 10,
        "{} of {ideal}",
        outcome.took
    );
    assert!(
        outcome.controller.limit() >= 19,
        "{}",
        outcome.controller.limit()
    );
    assert!(!outcome.controller.is_given_up(&RULE));
}

#[test]
fn a_server_that_becomes_wider_is_used_and_one_that_becomes_narrower_is_spared() {
    let wider = Server {
        takes: |now| if now < 5_000 { 7 } else { 40 },
        ..seven()
    };
    let outcome = simulate(&wider, &RULE, 5000, 60_000);
    assert!(
        outcome.controller.limit() >= 36,
        "{}",
        outcome.controller.limit()
    );
    let narrower = Server {
        takes: |now| if now < 5_000 { 40 } else { 7 },
        ..seven()
    };
    let outcome = simulate(&narrower, &RULE, 1500, 60_000);
    assert_eq!(outcome.controller.limit(), 7);
    let late = outcome.refused.iter().filter(|at| **at > 8_000).count();
    assert!(late <= 6, "{late}");
}

#[test]
fn a_server_that_refuses_all_is_given_up_after_so_many_rounds() {
    let server = Server {
        takes: |_| 0,
        ..seven()
    };
    let outcome = simulate(&server, &RULE, 100, 40_000);
    assert!(outcome.controller.is_given_up(&RULE));
    // 1, 2, 4, 8 and 16 seconds.
    let early = outcome.refused.iter().filter(|at| **at < 31_000).count();
    assert!((64..64 + 6).contains(&early), "{early}");
}

#[test]
fn the_server_s_wish_holds_all_calls_back_but_for_no_more_than_a_minute() {
    let mut controller = Controller::default();
    assert!(controller.may_begin(0, &[], &RULE).is_ok());
    let call = controller.begin(0);
    controller.end(10, call, Ended::Refused(Some(30_000)), &[], &RULE);
    assert_eq!(controller.may_begin(20, &[], &RULE), Err(Some(29_990)));
    assert!(controller.may_begin(30_010, &[], &RULE).is_ok());
    let call = controller.begin(0);
    controller.end(30_020, call, Ended::Refused(Some(3_600_000)), &[], &RULE);
    assert_eq!(
        controller.may_begin(30_020, &[], &RULE),
        Err(Some(LONGEST_HOLD))
    );
}

#[test]
fn troubles_of_the_server_neither_raise_nor_lower_the_limit() {
    for how in [Ended::Failed, Ended::Answered] {
        let mut controller = Controller::default();
        for now in 0..2000 {
            let mut flying = Vec::new();
            while controller.may_begin(now, &flying, &RULE).is_ok() {
                flying.push(controller.begin(flying.len()));
            }
            assert_eq!(flying.len(), 64);
            while let Some(call) = flying.pop() {
                controller.end(now, call, how, &flying, &RULE);
            }
        }
        assert!(controller.changes().is_empty());
    }
}
