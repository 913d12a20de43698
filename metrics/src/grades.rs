//! Grades of the exchanges of a conversation, for one or two aspects, and what they come to.

use crate::grade::{Grade, grade};
use crate::{BoxFuture, EvalCx, Result, Score, Template, join};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// What is graded of every exchange, such as the choice of tools: its name in reasons and records, and for each exchange
/// that it applies to the number of it, from one, and the question.
pub(crate) struct Aspect {
    pub(crate) name: &'static str,
    pub(crate) questions: Vec<(usize, Template)>,
}

/// The grades of one aspect, by number of the exchange.
#[derive(Debug)]
pub(crate) struct Grades {
    name: &'static str,
    grades: Vec<(usize, Grade)>,
}

/// Asks for the grades of all aspects at once.
pub(crate) async fn grades<const N: usize>(
    cx: &EvalCx<'_>,
    aspects: [Aspect; N],
) -> Result<[Grades; N]> {
    let mut asked: Vec<BoxFuture<'_, _>> = Vec::new();
    let mut numbers: [(&'static str, Vec<usize>); N] = std::array::from_fn(|_| ("", Vec::new()));
    for (aspect, (name, numbers)) in aspects.into_iter().zip(&mut numbers) {
        *name = aspect.name;
        for (number, question) in aspect.questions {
            numbers.push(number);
            asked.push(Box::pin(grade(cx, question)));
        }
    }
    let mut answers = join::all(asked).await?.into_iter();
    Ok(numbers.map(|(name, numbers)| Grades {
        name,
        grades: numbers.into_iter().zip(answers.by_ref()).collect(),
    }))
}

impl Grades {
    /// The mean, summed in order; `None` where the aspect applied to no exchange.
    pub(crate) fn mean(&self) -> Option<f64> {
        let sum: f64 = self.grades.iter().map(|(_, grade)| grade.score).sum();
        (!self.grades.is_empty()).then(|| sum / self.grades.len() as f64)
    }

    /// "choice of tools 0.65 over 2 exchanges, lowest in exchange 2 (it guessed)"; of one exchange "choice of tools 0.40
    /// (it guessed)".
    fn reason(&self) -> Option<String> {
        let mut reason = format!("{} {:.2}", self.name, self.mean()?);
        let low = |least: &(usize, Grade), next: &(usize, Grade)| next.1.score < least.1.score;
        let (number, lowest) = self
            .grades
            .iter()
            .reduce(|least, next| if low(least, next) { next } else { least })?;
        if self.grades.len() > 1 {
            let _ = write!(reason, " over {} exchanges", self.grades.len());
            if lowest.score < 1.0 {
                let _ = write!(reason, ", lowest in exchange {number}");
            }
        }
        if !lowest.reason.is_empty() {
            let _ = write!(reason, " ({})", lowest.reason);
        }
        Some(reason)
    }

    /// Grades for tests of formulas.
    #[cfg(test)]
    pub(crate) fn of(name: &'static str, scores: &[f64]) -> Self {
        let grade = |(number, score): (usize, &f64)| {
            let reason = format!("reason {number}");
            let score = *score;
            (number, Grade { score, reason })
        };
        let grades = (1..).zip(scores).map(grade).collect();
        Self { name, grades }
    }

    fn detail(&self) -> Value {
        let entry = |(number, grade): &(usize, Grade)| json!({"exchange": number, "score": grade.score, "reason": grade.reason});
        self.grades.iter().map(entry).collect()
    }
}

/// A score made of these grades: its reason names every aspect, its details hold every grade.
pub(crate) fn score<const N: usize>(value: f64, grades: &[Grades; N]) -> Score {
    let reasons: Vec<String> = grades.iter().filter_map(Grades::reason).collect();
    let score = Score::new(value).because(reasons.join("; "));
    grades.iter().fold(score, |score, aspect| {
        score.detail(aspect.name, aspect.detail())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_reason_quotes_the_lowest_exchange() {
        let several = Grades::of("choice of tools", &[1.0, 0.2, 0.6, 0.2]);
        assert_eq!(
            several.reason().unwrap(),
            "choice of tools 0.50 over 4 exchanges, lowest in exchange 2 (reason 2)"
        );
        let one = Grades::of("arguments", &[0.4]);
        assert_eq!(one.reason().unwrap(), "arguments 0.40 (reason 1)");
        let perfect = Grades::of("arguments", &[1.0, 1.0]);
        assert_eq!(
            perfect.reason().unwrap(),
            "arguments 1.00 over 2 exchanges (reason 1)"
        );
        let none = Grades::of("arguments", &[]);
        assert_eq!((none.mean(), none.reason()), (None, None));
        let score = score(0.4, &[one, none]);
        assert_eq!(score.reason.as_deref(), Some("arguments 0.40 (reason 1)"));
        assert_eq!(score.details.len(), 2);
    }

    proptest! {
        #![proptest_config(crate::proptesting::config())]

        #[test]
        fn a_mean_lies_between_the_grades_rises_with_each_and_does_not_depend_on_their_order(
            scores in prop::collection::vec(0.0..=1.0, 1..12),
            at in any::<prop::sample::Index>(),
        ) {
            let mean = Grades::of("a", &scores).mean().unwrap();
            let low = scores.iter().copied().fold(1.0, f64::min);
            let high = scores.iter().copied().fold(0.0, f64::max);
            prop_assert!(low - 1e-12 <= mean && mean <= high + 1e-12);
            let mut reversed = scores.clone();
            reversed.reverse();
            prop_assert!((Grades::of("a", &reversed).mean().unwrap() - mean).abs() < 1e-12);
            let mut raised = scores.clone();
            raised[at.index(scores.len())] = 1.0;
            prop_assert!(Grades::of("a", &raised).mean().unwrap() >= mean - 1e-12);
        }
    }
}
