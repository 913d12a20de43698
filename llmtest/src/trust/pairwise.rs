//! Which of two answers is better, asked in both orders.

use super::kappa::{Weights, cohen};
use super::{Figure, Mark};
use crate::stats::Moments;

/// Which answer is better, by the numbering of the data whatever the order in which they were shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The first, A.
    First,
    /// The second, B.
    Second,
    /// Neither.
    Tie,
}

impl Side {
    /// The other one.
    pub fn flipped(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
            Self::Tie => Self::Tie,
        }
    }

    fn sign(self) -> i32 {
        match self {
            Self::First => 1,
            Self::Second => -1,
            Self::Tie => 0,
        }
    }

    fn class(self) -> usize {
        match self {
            Self::Tie => 0,
            Self::First => 1,
            Self::Second => 2,
        }
    }
}

impl TryFrom<&Mark> for Side {
    type Error = ();

    fn try_from(mark: &Mark) -> Result<Self, ()> {
        match mark {
            Mark::First => Ok(Self::First),
            Mark::Second => Ok(Self::Second),
            Mark::Tie => Ok(Self::Tie),
            _ => Err(()),
        }
    }
}

/// What two orders that differ say together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PairRule {
    /// Whatever wins more often: A and a tie is A, A and B is a tie, A and nothing is A. `JudgeBench`'s rule.
    #[default]
    Net,
    /// Only what both say; all else is a tie.
    Strict,
}

/// Labels beside the verdicts of both orders, in the numbering of the data; none where there is no verdict.
///
/// ```
/// use llmtest::trust::{PairRule, Pairs, Side};
///
/// let judged = Pairs::new(vec![
///     (Side::First, [Some(Side::First), Some(Side::First)]),
///     (Side::Second, [Some(Side::First), Some(Side::Second)]), // the first shown, both times
/// ]);
/// assert_eq!(judged.both_orders().value, Some(0.75));
/// assert_eq!(judged.decided(PairRule::Net).value, Some(0.5));
/// assert_eq!(judged.consistency().value, Some(0.5));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pairs(Vec<(Side, [Option<Side>; 2])>);

impl Pairs {
    /// Of labels with the verdicts of both orders.
    pub fn new(rows: Vec<(Side, [Option<Side>; 2])>) -> Self {
        Self(rows)
    }

    /// How many pairs there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many lack a verdict of one order or of both.
    pub fn missing(&self) -> usize {
        self.0
            .iter()
            .filter(|(_, said)| said.contains(&None))
            .count()
    }

    /// The share of right verdicts in one order: 0 as given, 1 swapped. Missing verdicts do not count.
    pub fn in_order(&self, order: usize) -> Figure {
        let given = || {
            self.0
                .iter()
                .filter_map(move |(label, said)| Some((label, (*said.get(order)?)?)))
        };
        let right = given().filter(|(label, said)| *label == said).count();
        Figure::share(right as u64, given().count() as u64)
    }

    /// The mean over pairs of the share of their verdicts that are right. Missing verdicts do not count.
    pub fn both_orders(&self) -> Figure {
        self.mean(|given, right| (given > 0).then(|| f64::from(right) / f64::from(given)))
    }

    /// The same with a missing verdict as a wrong one: `LLMBar`'s accuracy.
    pub fn both_orders_of_all(&self) -> Figure {
        self.mean(|_, right| Some(f64::from(right) / 2.0))
    }

    fn mean(&self, of_pair: impl Fn(u8, u8) -> Option<f64>) -> Figure {
        let count = |label: &Side, said: &[Option<Side>; 2]| {
            let given: u8 = said.iter().map(|side| u8::from(side.is_some())).sum();
            let right: u8 = said
                .iter()
                .map(|side| u8::from(*side == Some(*label)))
                .sum();
            of_pair(given, right)
        };
        let moments: Moments = self
            .0
            .iter()
            .filter_map(|(label, said)| count(label, said))
            .collect();
        Figure {
            value: moments.mean(),
            interval: moments.interval(),
            n: moments.count(),
        }
    }

    /// The share of pairs, of those with both verdicts, whose verdicts are equal.
    pub fn consistency(&self) -> Figure {
        let both = || self.0.iter().filter(|(_, said)| !said.contains(&None));
        let equal = both().filter(|(_, [a, b])| a == b).count();
        Figure::share(equal as u64, both().count() as u64)
    }

    /// The same of all pairs, where nothing equals nothing: as benchmarks count.
    pub fn consistency_of_all(&self) -> Figure {
        let equal = self.0.iter().filter(|(_, [a, b])| a == b).count();
        Figure::share(equal as u64, self.0.len() as u64)
    }

    /// What both orders say together; none without any verdict.
    pub fn verdict(said: [Option<Side>; 2], rule: PairRule) -> Option<Side> {
        let given: Vec<Side> = said.into_iter().flatten().collect();
        let first = *given.first()?;
        Some(match rule {
            PairRule::Strict if given.len() == 2 && given[1] == first => first,
            PairRule::Strict => Side::Tie,
            PairRule::Net => match given.iter().map(|side| side.sign()).sum::<i32>() {
                1.. => Side::First,
                0 => Side::Tie,
                ..0 => Side::Second,
            },
        })
    }

    /// The share of pairs whose joint verdict is right, of those that have one.
    pub fn decided(&self, rule: PairRule) -> Figure {
        let (right, given) = self.counts(rule);
        Figure::share(right, given)
    }

    /// The same of all pairs, one without verdict being wrong: `JudgeBench`'s accuracy.
    pub fn decided_of_all(&self, rule: PairRule) -> Figure {
        Figure::share(self.counts(rule).0, self.0.len() as u64)
    }

    fn counts(&self, rule: PairRule) -> (u64, u64) {
        let verdicts = self
            .0
            .iter()
            .filter_map(|(label, said)| Some(Self::verdict(*said, rule)? == *label));
        verdicts.fold((0, 0), |(right, given), is| {
            (right + u64::from(is), given + 1)
        })
    }

    /// Cohen's kappa of labels and joint verdicts, over A, B and tie.
    pub fn kappa(&self, rule: PairRule) -> Figure {
        let pairs: Vec<(usize, usize)> = self
            .0
            .iter()
            .filter_map(|(label, said)| Some((label.class(), Self::verdict(*said, rule)?.class())))
            .collect();
        cohen(&pairs, 3, Weights::None)
    }

    /// The share of verdicts other than ties that are for the answer shown first: one half of a judge without a bias for
    /// places. Its interval is of pairs.
    pub fn first_shown(&self) -> Figure {
        let moments: Moments = self
            .0
            .iter()
            .filter_map(|(_, [given, swapped])| {
                let shown = [*given, swapped.map(Side::flipped)];
                let chosen: Vec<f64> = shown
                    .into_iter()
                    .flatten()
                    .filter(|side| *side != Side::Tie)
                    .map(|side| f64::from(u8::from(side == Side::First)))
                    .collect();
                (!chosen.is_empty()).then(|| chosen.iter().sum::<f64>() / chosen.len() as f64)
            })
            .collect();
        Figure {
            value: moments.mean(),
            interval: moments.interval(),
            n: moments.count(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Side::{First, Second, Tie};
    use super::*;

    #[test]
    fn orders_that_differ_are_decided_by_the_rule() {
        let net = |said| Pairs::verdict(said, PairRule::Net);
        let strict = |said| Pairs::verdict(said, PairRule::Strict);
        assert_eq!(net([Some(First), Some(Second)]), Some(Tie));
        assert_eq!(net([Some(Tie), Some(Second)]), Some(Second));
        assert_eq!(net([None, Some(First)]), Some(First));
        assert_eq!(strict([Some(Tie), Some(Second)]), Some(Tie));
        assert_eq!(strict([Some(First), Some(First)]), Some(First));
        assert_eq!(strict([None, Some(First)]), Some(Tie));
        assert_eq!((net([None, None]), strict([None, None])), (None, None));
    }

    #[test]
    fn a_missing_verdict_is_wrong_only_where_benchmarks_count_it() {
        let judged = Pairs::new(vec![
            (First, [Some(First), None]),
            (Second, [Some(Second), Some(Second)]),
            (First, [None, None]),
        ]);
        assert_eq!(judged.missing(), 2);
        assert_eq!(judged.both_orders().value, Some(1.0));
        assert_eq!(judged.both_orders_of_all().value, Some(0.5));
        assert_eq!((judged.in_order(0).n, judged.in_order(1).n), (2, 1));
        assert_eq!(
            (
                judged.decided(PairRule::Net).n,
                judged.decided_of_all(PairRule::Net).n
            ),
            (2, 3)
        );
        assert_eq!(judged.consistency().value, Some(1.0));
        assert_eq!(judged.consistency_of_all().value, Some(2.0 / 3.0));
    }

    #[test]
    fn a_judge_that_takes_what_is_shown_first_shows() {
        let judged = Pairs::new(vec![(First, [Some(First), Some(Second)]); 5]);
        assert_eq!(judged.first_shown().value, Some(1.0));
        assert_eq!(judged.consistency().value, Some(0.0));
        assert_eq!(judged.both_orders().value, Some(0.5));
    }
}
