//! How the verdicts of a measurement are obtained, and what is told of those that came from probabilities.

use super::labels::{Kind, Labels};
use super::reading::{DEPTH, Distribution, Unread, read, rounded};
use crate::{EvalCx, Result, Score, Template};
use serde_json::Value;
use std::sync::{Mutex, PoisonError};

const WORDS: &str = include_str!("../../prompts/decision/words.md");
const LETTERS: &str = include_str!("../../prompts/decision/letters.md");
const DIGITS: &str = include_str!("../../prompts/decision/digits.md");

/// How a judge's verdicts are obtained.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub enum Decisions {
    /// The judge writes a reason and a verdict.
    #[default]
    Text,
    /// The judge writes one token, and the verdict is read from its log-probabilities.
    #[non_exhaustive]
    Probabilities {
        /// The least probability of `yes` that is a yes; the likeliest label where there is none.
        threshold: Option<f64>,
    },
}

impl Decisions {
    /// By the likeliest label.
    pub fn by_probability() -> Self {
        Self::Probabilities { threshold: None }
    }

    /// With `yes` from this probability on. Panics outside of `0.0..=1.0`.
    #[track_caller]
    pub fn by_probability_at(threshold: f64) -> Self {
        assert!(
            (0.0..=1.0).contains(&threshold),
            "a threshold must lie in 0.0..=1.0, but {threshold} does not"
        );
        Self::Probabilities {
            threshold: Some(threshold),
        }
    }
}

/// What was decided in one measurement.
#[derive(Debug, Default)]
pub(crate) struct Tally(Mutex<Told>);

#[derive(Debug, Clone, Default)]
struct Told {
    decided: usize,
    confidence: f64,
    covered: f64,
    /// That of the only decision.
    only: Option<Value>,
}

impl Tally {
    fn add(&self, confidence: f64, read: &Distribution) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let least = |before: f64, now: f64| {
            if told.decided == 0 {
                now
            } else {
                before.min(now)
            }
        };
        let (confidence, covered) = (
            least(told.confidence, confidence),
            least(told.covered, read.covered),
        );
        told.only = (told.decided == 0).then(|| read.json());
        (told.confidence, told.covered) = (confidence, covered);
        told.decided += 1;
    }

    /// Adds to a score what was decided: the least confidence, the least covered share, how many decisions there were, and
    /// the probabilities where there was just one.
    pub(crate) fn onto(&self, score: Score) -> Score {
        let told = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if told.decided == 0 || score.details.iter().any(|(name, _)| name == "confidence") {
            return score;
        }
        let score = score
            .detail("confidence", rounded(told.confidence))
            .detail("covered", rounded(told.covered))
            .detail("decided", told.decided);
        match told.only {
            Some(only) => score.detail("probabilities", only),
            None => score,
        }
    }
}

/// A decision as the reason of a verdict: "yes with probability 0.93".
pub(crate) fn told(read: &Distribution, at: usize) -> String {
    let (label, p) = &read.probabilities[at];
    format!("{label} with probability {p:.2}")
}

impl EvalCx<'_> {
    /// Has the judge decide between labels and reads their probabilities, where this measurement decides so and the
    /// reply can be read; the index is that of the label chosen. `None` says that the judge is to be asked for text: a
    /// note then says why. The prompt's own words on the form of the reply are replaced.
    pub async fn decide(
        &self,
        template: Template,
        labels: &Labels,
    ) -> Result<Option<(usize, Distribution)>> {
        let Decisions::Probabilities { threshold } = self.decisions() else {
            return Ok(None);
        };
        let form = match labels.kind() {
            Kind::Words => WORDS,
            Kind::Letters => LETTERS,
            Kind::Digits => DIGITS,
        };
        let prompt = template
            .deciding(&form.replace("{{labels}}", &labels.listed()))
            .max_tokens(u32::try_from(DEPTH).unwrap_or(3))
            .prompt()?;
        let reply = self.ask_text(prompt).await?;
        match read(&reply, labels) {
            Ok(read) => {
                let chosen = read.chosen(threshold);
                self.tally().add(read.probabilities[chosen].1, &read);
                Ok(Some((chosen, read)))
            }
            Err(Unread::NoLogprobs) => {
                self.note(
                    "verdicts are the judge's text: it gives no log-probabilities of alternatives; `decisions = \"text\"` under `[judge]` saves the calls that ask for them",
                );
                Ok(None)
            }
            Err(Unread::Uncovered(_)) => {
                self.note("a verdict is the judge's text: less than half of its probability was on the labels");
                Ok(None)
            }
        }
    }
}
