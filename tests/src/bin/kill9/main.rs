//! Kills runs at random moments (SIGKILL), looks at what they left, and resumes them:
//! `cargo run -q --release -p llmtest-tests --bin kill9`.
//!
//! The moments are the same each time (`--seed N` takes others, `--kills N` more or fewer). Of each ten runs eight answer
//! from recordings and two ask a server and record; every fifth resumption is killed as well. Then runs meet a disk that is
//! really full, and a folder on a read-only file system, where this user may mount one. Exit 1 when a record of a case that
//! had ended is lost, a file cannot be read, or a completed run says anything else than one that nobody disturbed.

#![expect(clippy::print_stdout, reason = "a command that reports")]

mod disk;

use llmtest_tests::Tally;
use llmtest_tests::killed::{Chance, Room};
use std::process::ExitCode;

const USAGE: &str = "usage: kill9 [--kills N] [--seed N]";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let Some((kills, seed)) = asked(&args) else {
        println!("{USAGE}");
        return ExitCode::FAILURE;
    };
    let mut tally = Tally::default();
    match killed(kills, seed) {
        Ok(counted) => tally += counted,
        Err(why) => {
            println!("{why}");
            tally.failed += 1;
        }
    }
    tally += disk::full();
    println!("{tally}");
    tally.exit_code()
}

fn asked(args: &[String]) -> Option<(usize, u64)> {
    let (mut kills, mut seed) = (50, 9);
    for pair in args.chunks(2) {
        match pair {
            [name, value] if name == "--kills" => kills = value.parse().ok()?,
            [name, value] if name == "--seed" => seed = value.parse().ok()?,
            _ => return None,
        }
    }
    (kills > 0).then_some((kills, seed))
}

fn killed(kills: usize, seed: u64) -> Result<Tally, String> {
    let rooms = [Room::new("killed", 30)?, Room::new("killed_plain", 30)?];
    for (room, name) in rooms.iter().zip(["our harness", "libtest"]) {
        println!("an undisturbed run under {name}: {:.2?}", room.took);
    }
    let (mut tally, mut chance) = (Tally::default(), Chance::new(seed));
    let (mut in_time, mut most, mut torn, mut recorded, mut kept) = (0, 0, 0, 0, 0);
    for n in 0..kills {
        let mode = if n % 5 == 1 { "auto" } else { "replay" };
        let share = chance.next_share();
        let again = (n % 5 == 2).then(|| chance.next_share());
        match rooms[n % 2].kill(&format!("kill{n}"), mode, share, again) {
            Ok(killed) => {
                tally.passed += 1;
                in_time += usize::from(killed.in_time);
                most = most.max(killed.in_flight);
                torn += killed.torn;
                recorded += killed.recorded;
                kept += killed.kept;
            }
            Err(why) => {
                println!("kill {n}, in mode {mode} at {:.0}%: {why}", share * 100.0);
                tally.failed += 1;
            }
        }
    }
    println!(
        "{kills} kills, {in_time} while the run was on: {recorded} records at that moment, {kept} of them kept by the resumptions \
         (Errored ones run again); at most {most} cases in flight; {torn} last lines cut off"
    );
    Ok(tally)
}
