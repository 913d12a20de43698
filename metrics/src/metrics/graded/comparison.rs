//! What comes of comparing contestants.

use crate::TestCase;

/// One of several systems that answered the same input.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Contestant {
    /// Its name, which the judge never sees.
    pub name: String,
    /// What it was asked and what it answered.
    pub case: TestCase,
}

impl Contestant {
    /// A contestant of this name with its answer.
    pub fn new(name: impl Into<String>, case: TestCase) -> Self {
        Self {
            name: name.into(),
            case,
        }
    }
}

/// Who is better on one input.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Comparison {
    /// Who has the most points: one, or several in a tie.
    pub winners: Vec<String>,
    /// The points of each contestant, in the order given.
    pub standings: Vec<Standing>,
    /// Every pair that was judged.
    pub pairings: Vec<Pairing>,
}

/// The points of one contestant: 1 for each other that it beats, a half for each tie.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Standing {
    /// The contestant.
    pub name: String,
    /// Its points, from 0 to the number of others.
    pub points: f64,
}

/// What the judge thinks of two contestants, asked in both orders.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Pairing {
    /// The one that stood first in the first order.
    pub first: String,
    /// The other one.
    pub second: String,
    /// The one that was chosen in both orders; `None` is a tie.
    pub winner: Option<String>,
    /// Whether the choice changed with the order, which makes a tie.
    pub swayed: bool,
    /// Why, in the first order and in the other one.
    pub reasons: [String; 2],
}

impl Comparison {
    /// The one contestant that wins; `None` is a tie.
    pub fn winner(&self) -> Option<&str> {
        match self.winners.as_slice() {
            [winner] => Some(winner),
            _ => None,
        }
    }

    /// Counts the points.
    pub(super) fn of(names: &[&str], pairings: Vec<Pairing>) -> Self {
        let points = |name: &str| {
            let played = pairings
                .iter()
                .filter(|pairing| pairing.first == name || pairing.second == name);
            played.map(|pairing| pairing.points(name)).sum()
        };
        let standings: Vec<Standing> = names
            .iter()
            .map(|name| Standing {
                name: (*name).to_string(),
                points: points(name),
            })
            .collect();
        // Halves add up exactly.
        let most = standings
            .iter()
            .map(|standing| standing.points)
            .fold(0.0, f64::max);
        let winners = standings
            .iter()
            .filter(|standing| standing.points >= most)
            .map(|standing| standing.name.clone())
            .collect();
        Self {
            winners,
            standings,
            pairings,
        }
    }
}

impl Pairing {
    /// The points of one of the two: 1 for the winner, a half each in a tie.
    pub(super) fn points(&self, name: &str) -> f64 {
        match &self.winner {
            None => 0.5,
            Some(winner) => f64::from(u8::from(winner == name)),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::proptesting;
    use proptest::prelude::*;

    /// A comparison of these contestants with these winners.
    pub(in crate::metrics::graded) fn comparison(names: &[&str], winners: &[&str]) -> Comparison {
        let standing = |name: &&str| Standing {
            name: (*name).to_string(),
            points: 0.0,
        };
        Comparison {
            winners: winners.iter().map(|name| (*name).to_string()).collect(),
            standings: names.iter().map(standing).collect(),
            pairings: Vec::new(),
        }
    }

    fn pairing(first: &str, second: &str, winner: Option<&str>) -> Pairing {
        Pairing {
            first: first.to_string(),
            second: second.to_string(),
            winner: winner.map(str::to_string),
            swayed: false,
            reasons: [String::new(), String::new()],
        }
    }

    #[test]
    fn the_most_points_win() {
        let found = Comparison::of(
            &["a", "b", "c"],
            vec![
                pairing("a", "b", Some("b")),
                pairing("a", "c", None),
                pairing("b", "c", None),
            ],
        );
        let points: Vec<f64> = found.standings.iter().map(|s| s.points).collect();
        assert_eq!(points, [0.5, 1.5, 1.0]);
        assert_eq!(found.winner(), Some("b"));
        let circle = Comparison::of(
            &["a", "b", "c"],
            vec![
                pairing("a", "b", Some("a")),
                pairing("a", "c", Some("c")),
                pairing("b", "c", Some("b")),
            ],
        );
        assert_eq!((circle.winners.len(), circle.winner()), (3, None));
    }

    proptest! {
        #![proptest_config(proptesting::config())]

        #[test]
        fn every_pair_gives_one_point_whatever_the_order_of_the_pairs(results in prop::array::uniform6(0_usize..3)) {
            let names = ["a", "b", "c", "d"];
            let pairs = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)];
            let mut pairings: Vec<Pairing> = pairs.iter().zip(results).map(|((one, two), result)| {
                let winner = [None, Some(names[*one]), Some(names[*two])][result];
                pairing(names[*one], names[*two], winner)
            }).collect();
            let found = Comparison::of(&names, pairings.clone());
            prop_assert_eq!(found.standings.iter().map(|s| s.points).sum::<f64>(), 6.0);
            prop_assert!(found.standings.iter().all(|s| (0.0..=3.0).contains(&s.points)));
            prop_assert!(!found.winners.is_empty());
            pairings.reverse();
            prop_assert_eq!(Comparison::of(&names, pairings).winners, found.winners);
        }
    }
}
