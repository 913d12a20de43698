//! `cargo llmtest record`: a run that asks everything anew, and what came of the recordings.

use super::project::Project;
use super::recordings::{self, Recordings};
use super::run::{RunArgs, run};
use super::{Failure, Output, Place};
use crate::recording::{self, Kind};
use crate::text::count;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Of every entry, by file and key: its hash.
type Held = BTreeMap<(String, String), u64>;

pub(super) fn record(mut args: RunArgs, place: &Place) -> Result<Output, Failure> {
    if args.live || args.replay {
        return Err("`record` has a mode of its own\nhint: leave --live and --replay out".into());
    }
    args.record = true;
    if args.estimate {
        return run(&args, place);
    }
    let before = held(place)?;
    let mut output = run(&args, place)?;
    let after = held(place)?;
    output.out.push_str(&came_of(&before, &after));
    match recordings::run(Recordings::stale(), place) {
        Ok(stale) => output.out.push_str(&stale),
        // After a part of the tests nobody knows, and that is no failure of the recording.
        Err((_, why)) => {
            let why = why.lines().take_while(|line| !line.starts_with("hint:"));
            let why: Vec<_> = why.collect();
            let _ = writeln!(output.err, "note: {}", why.join("\n"));
        }
    }
    Ok(output)
}

fn held(place: &Place) -> Result<Held, Failure> {
    let project = Project::find(place)?;
    let survey = recording::Recordings::new(&project.config).survey()?;
    let mut held = Held::new();
    for file in survey.files {
        for line in file.lines {
            if let Kind::Entry { key, .. } = line.kind {
                held.insert((file.name.clone(), key), line.hash);
            }
        }
    }
    Ok(held)
}

fn came_of(before: &Held, after: &Held) -> String {
    let new = after.keys().filter(|key| !before.contains_key(*key));
    let new = new.count();
    let replaced = after
        .iter()
        .filter(|(key, hash)| before.get(*key).is_some_and(|known| known != *hash))
        .count();
    let kept = after.len() - new - replaced;
    format!(
        "recorded: {} new, {replaced} replaced; {kept} as before\n",
        count(new, "entry", "entries")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_of_the_recordings_is_told_by_key() {
        let held = |entries: &[(&str, u64)]| -> Held {
            let of = |(key, hash): &(&str, u64)| (("f".to_string(), (*key).to_string()), *hash);
            entries.iter().map(of).collect()
        };
        let before = held(&[("a", 1), ("b", 2), ("gone", 3)]);
        let after = held(&[("a", 1), ("b", 9), ("c", 4)]);
        assert_eq!(
            came_of(&before, &after),
            "recorded: 1 entry new, 1 replaced; 1 as before\n"
        );
    }
}
