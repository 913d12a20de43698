//! How alike two texts are by their longest common blocks: Python's `difflib.SequenceMatcher.ratio`.

use std::collections::HashMap;

/// From this length on, frequent characters of the second text are left out when blocks are looked for ("autojunk").
const LONG: usize = 200;

/// `2 × matched / (length + length)`, where the longest common block is matched first, then what is left and right of it
/// (Ratcliff and Obershelp 1988), by characters. As in Python's `difflib`: of equal blocks the first one counts, and
/// characters that make up more than a hundredth of a long second text start no block, only extend one. So the ratio
/// depends on which text is the second.
pub(crate) fn ratio(one: &str, other: &str) -> f64 {
    let one: Vec<char> = one.chars().collect();
    let other: Vec<char> = other.chars().collect();
    if one.is_empty() && other.is_empty() {
        return 1.0;
    }
    let places = places(&other);
    let mut matched = 0;
    let mut lengths = Lengths::new(other.len());
    let mut open = vec![(0..one.len(), 0..other.len())];
    while let Some((left, right)) = open.pop() {
        let block = longest(
            &one,
            &other,
            &places,
            &mut lengths,
            left.clone(),
            right.clone(),
        );
        if block.size == 0 {
            continue;
        }
        matched += block.size;
        open.push((left.start..block.left, right.start..block.right));
        open.push((
            block.left + block.size..left.end,
            block.right + block.size..right.end,
        ));
    }
    2.0 * matched as f64 / (one.len() + other.len()) as f64
}

/// Where each character stands, without those that are too frequent.
fn places(text: &[char]) -> HashMap<char, Vec<usize>> {
    let mut places: HashMap<char, Vec<usize>> = HashMap::new();
    for (at, character) in text.iter().enumerate() {
        places.entry(*character).or_default().push(at);
    }
    if text.len() >= LONG {
        let most = text.len() / 100 + 1;
        places.retain(|_, places| places.len() <= most);
    }
    places
}

struct Block {
    left: usize,
    right: usize,
    size: usize,
}

/// For each place of the second text, how long the common block is that ends there and at the current character of the
/// first text.
struct Lengths {
    ending: Vec<usize>,
    next: Vec<usize>,
    set: Vec<usize>,
    next_set: Vec<usize>,
}

impl Lengths {
    fn new(length: usize) -> Self {
        Self {
            ending: vec![0; length],
            next: vec![0; length],
            set: Vec::new(),
            next_set: Vec::new(),
        }
    }

    /// Goes on to the next character of the first text.
    fn advance(&mut self) {
        for at in self.set.drain(..) {
            self.ending[at] = 0;
        }
        std::mem::swap(&mut self.ending, &mut self.next);
        std::mem::swap(&mut self.set, &mut self.next_set);
    }
}

/// The longest common block of two ranges: the first one in the first text, then in the second.
fn longest(
    one: &[char],
    other: &[char],
    places: &HashMap<char, Vec<usize>>,
    lengths: &mut Lengths,
    left: std::ops::Range<usize>,
    right: std::ops::Range<usize>,
) -> Block {
    let mut best = Block {
        left: left.start,
        right: right.start,
        size: 0,
    };
    for at in left.clone() {
        for place in places.get(&one[at]).into_iter().flatten() {
            if *place < right.start {
                continue;
            }
            if *place >= right.end {
                break;
            }
            let before = if *place > right.start {
                lengths.ending[place - 1]
            } else {
                0
            };
            let size = before + 1;
            lengths.next[*place] = size;
            lengths.next_set.push(*place);
            if size > best.size {
                best = Block {
                    left: at + 1 - size,
                    right: place + 1 - size,
                    size,
                };
            }
        }
        lengths.advance();
    }
    lengths.advance();
    // Frequent characters start no block but belong to one.
    while best.left > left.start
        && best.right > right.start
        && one[best.left - 1] == other[best.right - 1]
    {
        best.left -= 1;
        best.right -= 1;
        best.size += 1;
    }
    while best.left + best.size < left.end
        && best.right + best.size < right.end
        && one[best.left + best.size] == other[best.right + best.size]
    {
        best.size += 1;
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proptesting;
    use proptest::prelude::*;

    /// Values of Python 3.11.
    #[test]
    fn the_ratio_is_that_of_difflib() {
        let long = "the quick brown fox jumps over the lazy dog ".repeat(5);
        let changed = format!("A{}", &long[1..]);
        let middle = format!("{}A{}", &long[..100], &long[101..]);
        let short = &long[..150];
        let signs: String = (0..250u32)
            .filter_map(|at| char::from_u32(0x4e00 + at * 7 % 250))
            .collect();
        let turned: String = signs.chars().cycle().skip(100).take(250).collect();
        for (one, other, expected) in [
            ("", "", 1.0),
            ("a", "", 0.0),
            ("abcd", "bcde", 0.75),
            (
                "private Thread currentThread;",
                "private volatile Thread currentThread;",
                0.865_671_641_791_044_7,
            ),
            ("tide", "diet", 0.25),
            ("diet", "tide", 0.5),
            ("qabxcd", "abycdf", 2.0 / 3.0),
            ("äöü ß", "öü ß!", 0.8),
            // All characters are frequent, so that only what stands at both beginnings is found.
            (&long, &changed, 0.0),
            (&changed, &long, 0.0),
            (&long, &middle, 0.454_545_454_545_454_53),
            (short, &long, 0.810_810_810_810_810_8),
            (&signs, &turned, 0.6),
            (short, &format!("A{}", &short[1..]), 0.993_333_333_333_333_3),
        ] {
            assert!(
                (ratio(one, other) - expected).abs() < 1e-12,
                "{one:?} {other:?}"
            );
        }
    }

    proptest! {
        #![proptest_config(proptesting::config())]

        #[test]
        fn a_ratio_is_in_range_and_1_only_for_equals(one in "[ab ]{0,40}", other in "[ab ]{0,40}") {
            let found = ratio(&one, &other);
            prop_assert!((0.0..=1.0).contains(&found));
            prop_assert_eq!(found == 1.0, one == other);
        }

        #[test]
        fn texts_without_a_common_character_have_none(one in "[ab]{1,20}", other in "[cd]{1,20}") {
            prop_assert_eq!(ratio(&one, &other), 0.0);
        }
    }
}
