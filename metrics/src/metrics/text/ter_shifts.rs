//! The edits of [`Ter`](super::Ter): words inserted, deleted, replaced, and runs of words moved. The search is that of Tercom
//! (Snover et al. 2006) with the limits and the order of choices of sacrebleu 2.6.0, since the search is not exhaustive and
//! other choices give other numbers.

use std::collections::HashMap;

/// The longest run that is moved.
const LONGEST_RUN: usize = 10;
/// How far a run may stand from where it belongs.
const FARTHEST: usize = 50;
/// How far from the diagonal the edit distance is followed.
const BEAM: usize = 25;
/// After how many tried moves the search ends.
const MOST_TRIES: usize = 1_000;
/// The cost of a cell that the beam does not reach.
const UNREACHED: u32 = 1 << 30;

/// How two texts are laid side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Keep,
    Replace,
    /// A word that only the output has.
    Output,
    /// A word that only the reference has.
    Reference,
}

/// The number of edits that lead from the output to the reference.
pub(super) fn edits(output: &[&str], reference: &[&str]) -> usize {
    if reference.is_empty() {
        return output.len();
    }
    let mut ids = HashMap::new();
    let mut output: Vec<usize> = output.iter().map(|word| id(&mut ids, word)).collect();
    let reference: Vec<usize> = reference.iter().map(|word| id(&mut ids, word)).collect();
    let (mut moves, mut tries) = (0, 0);
    loop {
        let grid = Grid::new(output.len(), &reference);
        let rows = grid.rows(&output);
        let distance = rows[output.len()].cost(reference.len());
        match best_move(&grid, &rows, &output, &mut tries) {
            Some(best) if tries < MOST_TRIES && best.gain > 0 => {
                output = best.moved;
                moves += 1;
            }
            _ => return moves + distance as usize,
        }
    }
}

/// Numbers stand for words, since they are compared often.
fn id<'a>(ids: &mut HashMap<&'a str, usize>, word: &'a str) -> usize {
    let next = ids.len();
    *ids.entry(word).or_insert(next)
}

/// A run of words put elsewhere.
struct Move {
    gain: i64,
    moved: Vec<usize>,
}

/// The move that saves most; of several the longest, then the earliest, then the one that goes least far.
fn best_move(grid: &Grid<'_>, rows: &[Row], output: &[usize], tries: &mut usize) -> Option<Move> {
    let reference = grid.reference;
    let distance = rows[output.len()].cost(reference.len());
    let sides = Sides::new(&path(rows, output.len(), reference.len()));
    let mut best = None;
    for from in 0..output.len() {
        for to in from.saturating_sub(FARTHEST)..reference.len().min(from + FARTHEST + 1) {
            let run = output[from..]
                .iter()
                .zip(&reference[to..])
                .take(LONGEST_RUN)
                .take_while(|(a, b)| a == b)
                .count();
            for length in 1..=run {
                // Only what stands wrong is moved, and only to where something is missing.
                let wrong = sides.wrong_output[from..from + length].contains(&true)
                    && sides.wrong_reference[to..to + length].contains(&true);
                let place = sides.place[to];
                if !wrong || place.is_some_and(|place| (from..from + length).contains(&place)) {
                    continue;
                }
                for target in sides.targets(to, length) {
                    let moved = shifted(output, from, length, target);
                    let gain = i64::from(distance) - i64::from(grid.distance(rows, output, &moved));
                    *tries += 1;
                    let rank = (gain, length, std::cmp::Reverse((from, target)));
                    if best.as_ref().is_none_or(|(known, _)| rank > *known) {
                        best = Some((rank, moved));
                    }
                }
                if *tries >= MOST_TRIES {
                    return best.map(|((gain, ..), moved)| Move { gain, moved });
                }
            }
        }
    }
    best.map(|((gain, ..), moved)| Move { gain, moved })
}

/// The words with a run of them put before another place.
fn shifted<T: Clone>(words: &[T], from: usize, length: usize, target: usize) -> Vec<T> {
    let run = &words[from..from + length];
    let (before, after) = (&words[..from], &words[from + length..]);
    if target < from {
        [&before[..target], run, &before[target..], after].concat()
    } else {
        // A target inside the run counts from its start on, and one behind it from its end on.
        let skipped = if target > from + length {
            target - from - length
        } else {
            target - from
        };
        let skipped = skipped.min(after.len());
        [before, &after[..skipped], run, &after[skipped..]].concat()
    }
}

/// Both texts, laid side by side.
struct Sides {
    /// The words of the output that are replaced or deleted.
    wrong_output: Vec<bool>,
    /// The words of the reference that are replaced or inserted.
    wrong_reference: Vec<bool>,
    /// The word of the output that stands beside each of the reference or last before it.
    place: Vec<Option<usize>>,
}

impl Sides {
    fn new(steps: &[Step]) -> Self {
        let mut sides = Self {
            wrong_output: Vec::new(),
            wrong_reference: Vec::new(),
            place: Vec::new(),
        };
        for step in steps {
            if *step != Step::Reference {
                sides.wrong_output.push(*step != Step::Keep);
            }
            if *step != Step::Output {
                sides.wrong_reference.push(*step != Step::Keep);
                sides.place.push(sides.wrong_output.len().checked_sub(1));
            }
        }
        sides
    }

    /// Where a run may be put that belongs to these words of the reference: before the first of them and after each but
    /// the last, without the same place twice in a row.
    fn targets(&self, to: usize, length: usize) -> Vec<usize> {
        let mut targets: Vec<usize> = Vec::with_capacity(length + 1);
        for place in to..=to + length {
            let target = match place.checked_sub(1).map(|before| self.place.get(before)) {
                None => 0,
                Some(Some(place)) => place.map_or(0, |place| place + 1),
                Some(None) => break,
            };
            if targets.last() != Some(&target) {
                targets.push(target);
            }
        }
        targets
    }
}

/// The table of the edit distance without moves, near its diagonal.
struct Grid<'a> {
    length: usize,
    reference: &'a [usize],
    /// Words of the reference for each of the output.
    ratio: f64,
    beam: usize,
}

impl<'a> Grid<'a> {
    fn new(length: usize, reference: &'a [usize]) -> Self {
        let ratio = if length == 0 {
            1.0
        } else {
            reference.len() as f64 / length as f64
        };
        let beam = if (BEAM as f64) < ratio / 2.0 {
            whole(ratio / 2.0 + BEAM as f64) + 1
        } else {
            BEAM
        };
        Self {
            length,
            reference,
            ratio,
            beam,
        }
    }

    /// All rows, one for every beginning of the output.
    fn rows(&self, output: &[usize]) -> Vec<Row> {
        let first = (0..)
            .take(self.reference.len() + 1)
            .map(|cost| (cost, Step::Reference));
        let mut rows = vec![Row {
            start: 0,
            cells: first.collect(),
        }];
        for (i, word) in (1..).zip(output) {
            rows.push(self.row(&rows[i - 1], i, *word));
        }
        rows
    }

    /// The edit distance of an output whose words were moved. Up to the first that differs, the rows are known.
    fn distance(&self, rows: &[Row], output: &[usize], moved: &[usize]) -> u32 {
        let same = output.iter().zip(moved).take_while(|(a, b)| a == b).count();
        let mut last: Option<Row> = None;
        for (i, word) in (1..).zip(moved).skip(same) {
            last = Some(self.row(last.as_ref().unwrap_or(&rows[same]), i, *word));
        }
        last.as_ref()
            .unwrap_or(&rows[same])
            .cost(self.reference.len())
    }

    /// The row of the output's word `i`, counted from 1.
    fn row(&self, above: &Row, i: usize, word: usize) -> Row {
        let diagonal = whole(i as f64 * self.ratio);
        let width = self.reference.len() + 1;
        let end = if i == self.length {
            width
        } else {
            width.min(diagonal + self.beam)
        };
        let start = diagonal.saturating_sub(self.beam);
        let mut cells = Vec::with_capacity(end - start);
        let mut left = UNREACHED;
        for j in start..end {
            let cell = if j == 0 {
                (above.cost(j) + 1, Step::Output)
            } else {
                let (cost, step) = if word == self.reference[j - 1] {
                    (0, Step::Keep)
                } else {
                    (1, Step::Replace)
                };
                let mut best = (UNREACHED, Step::Keep);
                for choice in [
                    (above.cost(j - 1) + cost, step),
                    (above.cost(j) + 1, Step::Output),
                    (left + 1, Step::Reference),
                ] {
                    if choice.0 < best.0 {
                        best = choice;
                    }
                }
                best
            };
            left = cell.0;
            cells.push(cell);
        }
        Row { start, cells }
    }
}

/// The cells that the beam reaches of one row: cost, and the step that leads there.
struct Row {
    start: usize,
    cells: Vec<(u32, Step)>,
}

impl Row {
    fn cell(&self, j: usize) -> (u32, Step) {
        let cell = j.checked_sub(self.start).and_then(|at| self.cells.get(at));
        *cell.unwrap_or(&(UNREACHED, Step::Keep))
    }

    fn cost(&self, j: usize) -> u32 {
        self.cell(j).0
    }
}

fn path(rows: &[Row], mut i: usize, mut j: usize) -> Vec<Step> {
    let mut steps = Vec::with_capacity(i + j);
    while i > 0 || j > 0 {
        let step = match rows[i].cell(j).1 {
            _ if i == 0 => Step::Reference,
            _ if j == 0 => Step::Output,
            step => step,
        };
        i -= usize::from(step != Step::Reference);
        j -= usize::from(step != Step::Output);
        steps.push(step);
    }
    steps.reverse();
    steps
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rounds a small positive number down"
)]
fn whole(number: f64) -> usize {
    number as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proptesting;
    use proptest::prelude::*;

    fn words(text: &str) -> Vec<&str> {
        text.split_whitespace().collect()
    }

    #[test]
    fn a_run_that_moves_is_one_edit() {
        let edits = |output: &str, reference: &str| edits(&words(output), &words(reference));
        assert_eq!(
            edits("this week the saudis denied", "saudis denied this week"),
            2
        );
        assert_eq!(edits("d e f a b c", "a b c d e f"), 1);
        assert_eq!(edits("a b x", "a b c"), 1);
        assert_eq!((edits("", "a b"), edits("a b", "")), (2, 2));
    }

    #[test]
    fn a_run_is_put_before_inside_and_behind() {
        let moved = |from, length, target| {
            shifted(&["a", "b", "c", "d", "e"], from, length, target).concat()
        };
        assert_eq!(moved(3, 2, 1), "adebc");
        assert_eq!(moved(0, 2, 4), "cdabe");
        assert_eq!(moved(1, 2, 2), "adbce");
        assert_eq!(moved(1, 2, 3), "adebc");
    }

    #[test]
    fn very_different_lengths_are_compared() {
        let long = "w ".repeat(400);
        assert_eq!(edits(&words("w x"), &words(&long)), 399);
        assert_eq!(edits(&words(&long), &words("w x")), 399);
    }

    proptest! {
        #![proptest_config(proptesting::config())]

        #[test]
        fn moves_never_cost_more_than_the_edit_distance(a in prop::collection::vec("[abc]", 0..9), b in prop::collection::vec("[abc]", 0..9)) {
            let (a, b): (Vec<&str>, Vec<&str>) = (a.iter().map(String::as_str).collect(), b.iter().map(String::as_str).collect());
            let edits = edits(&a, &b);
            prop_assert!(edits <= strsim::generic_levenshtein(&a, &b));
            prop_assert!(edits >= a.len().abs_diff(b.len()));
            prop_assert_eq!(edits == 0, a == b);
        }

        #[test]
        fn a_move_keeps_every_word(words in prop::collection::vec("[a-f]", 1..9), from in 0_usize..9, length in 1_usize..9, target in 0_usize..12) {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            prop_assume!(from + length <= words.len());
            let mut moved = shifted(&words, from, length, target);
            moved.sort_unstable();
            let mut sorted = words.clone();
            sorted.sort_unstable();
            prop_assert_eq!(moved, sorted);
        }
    }
}
