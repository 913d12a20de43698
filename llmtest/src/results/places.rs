//! Where the records of cases are, and in which order they are told: 40 bytes a case, so that the fold of a million rows
//! needs no more than that many.

use crate::blame::CausalRecord;
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// What the fold reads of a case.
#[derive(Deserialize)]
pub(super) struct CaseHead<'a> {
    #[serde(borrow)]
    binary: Cow<'a, str>,
    #[serde(borrow)]
    file: Cow<'a, str>,
    line: u32,
    #[serde(borrow)]
    test: Cow<'a, str>,
    #[serde(default)]
    position: usize,
    #[serde(borrow, default)]
    row: Option<Cow<'a, str>>,
    attempt: u32,
}

/// The text of a record in a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Piece {
    pub(super) shard: usize,
    pub(super) start: u64,
    pub(super) length: u64,
}

/// A function of tests, in the order of the report.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Site {
    binary: String,
    file: String,
    line: u32,
    test: String,
}

/// A case in the order of the report: the fields are compared from the first to the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    site: u32,
    position: u32,
    /// A hash: rows at one position are rare, and any order of them will do, as long as it is the same each time.
    row: u64,
    /// Of its process: what a resumption ran stands in the place of what was before.
    resumption: u32,
    attempt: u32,
    /// Of equal attempts the one that was recorded last stays last.
    shard: u32,
    start: u64,
    length: u32,
}

/// The places of a run's cases.
#[derive(Default)]
pub(super) struct Places {
    /// By number: in the order in which they were met.
    sites: Vec<Site>,
    numbers: HashMap<Site, u32>,
    /// The site of the case before, which mostly is that of the next, too.
    last: u32,
    all: Vec<Place>,
    resumed: bool,
}

fn narrow(number: impl TryInto<u32>) -> u32 {
    number.try_into().unwrap_or(u32::MAX)
}

fn hash(row: Option<&str>) -> u64 {
    let mut hasher = DefaultHasher::new();
    row.hash(&mut hasher);
    hasher.finish()
}

impl Places {
    /// Adds a record.
    pub(super) fn add(&mut self, head: &CaseHead<'_>, resumption: u32, piece: Piece) {
        self.resumed |= resumption > 0;
        let site = self.site(head);
        self.all.push(Place {
            site,
            position: narrow(head.position),
            row: hash(head.row.as_deref()),
            resumption,
            attempt: head.attempt,
            shard: narrow(piece.shard),
            length: narrow(piece.length),
            start: piece.start,
        });
    }

    fn site(&mut self, head: &CaseHead<'_>) -> u32 {
        let is = |site: &Site| {
            (site.line, &*site.test) == (head.line, &*head.test)
                && (&*site.binary, &*site.file) == (&*head.binary, &*head.file)
        };
        if !self.sites.get(self.last as usize).is_some_and(is) {
            let site = Site {
                binary: head.binary.to_string(),
                file: head.file.to_string(),
                line: head.line,
                test: head.test.to_string(),
            };
            let next = narrow(self.sites.len());
            self.last = *self.numbers.entry(site.clone()).or_insert(next);
            if self.last == next {
                self.sites.push(site);
            }
        }
        self.last
    }

    /// The sites, and the cases that are told, in order: of several attempts at one the last, and nothing that a resumption
    /// ran again, wherever in the sources and in its dataset it stands now.
    pub(super) fn in_order(self) -> (Vec<Site>, Vec<Place>) {
        let Self {
            mut sites,
            numbers,
            all: mut places,
            resumed,
            ..
        } = self;
        drop(numbers);
        if resumed {
            leave_out_resumed(&sites, &mut places);
        }
        let mut order: Vec<u32> = (0..narrow(sites.len())).collect();
        order.sort_by(|a, b| sites[*a as usize].cmp(&sites[*b as usize]));
        let mut ranks = vec![0; order.len()];
        for (rank, site) in order.iter().enumerate() {
            ranks[*site as usize] = narrow(rank);
        }
        for place in &mut places {
            place.site = ranks[place.site as usize];
        }
        sites.sort();
        // In place: a stable sort takes half as much again. No two are equal, since their starts differ.
        places.sort_unstable();
        // The last of each case: the first of it from behind.
        places.reverse();
        places.dedup_by_key(|place| (place.site, place.position, place.row));
        places.reverse();
        (sites, places)
    }
}

fn leave_out_resumed(sites: &[Site], places: &mut Vec<Place>) {
    let name = |place: &Place| {
        let site = &sites[place.site as usize];
        (&*site.binary, &*site.file, &*site.test, place.row)
    };
    let mut last = HashMap::new();
    for place in places.iter() {
        let known = last.entry(name(place)).or_insert(0);
        *known = place.resumption.max(*known);
    }
    places.retain(|place| last.get(&name(place)) == Some(&place.resumption));
}

impl Place {
    pub(super) fn piece(&self) -> Piece {
        Piece {
            shard: self.shard as usize,
            start: self.start,
            length: u64::from(self.length),
        }
    }

    /// Whether a rerun of this resumption is of this record: a later one makes up for what an earlier one had not run again.
    pub(super) fn is_of(&self, sites: &[Site], resumption: u32, rerun: &CausalRecord) -> bool {
        let site = &sites[self.site as usize];
        let numbers = (narrow(rerun.position), rerun.attempt);
        (self.position, self.attempt) == numbers
            && self.resumption <= resumption
            && (&site.binary, &site.test) == (&rerun.binary, &rerun.test)
            && self.row == hash(rerun.row.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(
        test: &'static str,
        row: &'static str,
        position: usize,
        attempt: u32,
    ) -> CaseHead<'static> {
        CaseHead {
            binary: "b".into(),
            file: "f.rs".into(),
            line: 1,
            test: test.into(),
            position,
            row: Some(row.into()),
            attempt,
        }
    }

    fn starts(cases: &[(CaseHead<'static>, u32)]) -> Vec<u64> {
        let mut places = Places::default();
        for (start, (head, resumption)) in (0..).zip(cases) {
            let piece = Piece {
                shard: 0,
                start,
                length: 1,
            };
            places.add(head, *resumption, piece);
        }
        let (_, places) = places.in_order();
        places.iter().map(|place| place.start).collect()
    }

    #[test]
    fn cases_are_told_by_test_and_position_each_with_its_last_attempt() {
        let cases = [
            (head("y", "one", 0, 1), 0),
            (head("x", "two", 1, 2), 0),
            (head("x", "one", 0, 1), 0),
            (head("x", "two", 1, 1), 0),
            (head("x", "one", 0, 1), 0),
        ];
        assert_eq!(starts(&cases), [4, 1, 0]);
    }

    #[test]
    fn what_a_resumption_ran_again_is_not_told_as_it_was_before_even_at_another_place() {
        let cases = [
            (head("x", "one", 0, 2), 0),
            (head("x", "two", 1, 1), 0),
            (head("x", "one", 5, 1), 1),
        ];
        assert_eq!(starts(&cases), [1, 2]);
    }

    #[test]
    fn a_case_takes_forty_bytes() {
        assert_eq!(size_of::<Place>(), 40);
    }
}
