//! What the graded metrics share: criteria or steps, a rubric, a scale, and the judge's grade on it.

use crate::options::Options;
use crate::probability::{Labels, told};
use crate::{EvalCx, Image, Reply, Result, Score, Template, logprobs, reason};
use serde::Deserialize;
use serde_json::{Value, json};
use std::ops::RangeInclusive;

/// What the judge reads as criteria where only steps are given.
const BY_STEPS: &str = "what the steps below ask for.";

/// The grades where nothing else is said.
const SCALE: RangeInclusive<u32> = 0..=10;

/// By what something is graded.
#[derive(Debug, Clone)]
pub(super) struct Grading {
    /// The metric's type, for messages.
    kind: &'static str,
    name: String,
    criteria: Option<String>,
    steps: Vec<String>,
    rubric: Vec<(RangeInclusive<u32>, String)>,
    scale: Option<RangeInclusive<u32>>,
}

impl Grading {
    #[track_caller]
    pub(super) fn by_criteria(kind: &'static str, name: String, criteria: String) -> Self {
        let grading = Self::named(kind, name);
        assert!(
            !criteria.trim().is_empty(),
            "`{kind}` `{}` needs criteria: a sentence that says what is good",
            grading.name
        );
        Self {
            criteria: Some(criteria),
            ..grading
        }
    }

    #[track_caller]
    pub(super) fn by_steps<S: Into<String>>(
        kind: &'static str,
        name: String,
        steps: impl IntoIterator<Item = S>,
    ) -> Self {
        let mut grading = Self::named(kind, name);
        grading.set_steps(steps);
        grading
    }

    #[track_caller]
    fn named(kind: &'static str, name: String) -> Self {
        assert!(
            !name.trim().is_empty(),
            "a `{kind}` needs a name, such as `correctness`"
        );
        Self {
            kind,
            name,
            criteria: None,
            steps: Vec::new(),
            rubric: Vec::new(),
            scale: None,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    #[track_caller]
    pub(super) fn set_steps<S: Into<String>>(&mut self, steps: impl IntoIterator<Item = S>) {
        self.steps = steps.into_iter().map(Into::into).collect();
        assert!(
            filled(&self.steps),
            "`{}` `{}` needs at least one step, and none that is empty",
            self.kind,
            self.name
        );
    }

    #[track_caller]
    pub(super) fn set_rubric<S: Into<String>>(
        &mut self,
        rubric: impl IntoIterator<Item = (RangeInclusive<u32>, S)>,
    ) {
        self.rubric = rubric
            .into_iter()
            .map(|(range, text)| (range, text.into()))
            .collect();
        self.rubric.sort_by_key(|(range, _)| *range.start());
        self.check();
    }

    #[track_caller]
    pub(super) fn set_scale(&mut self, scale: RangeInclusive<u32>) {
        let fits = scale.start() < scale.end() && *scale.end() <= 100;
        assert!(
            fits,
            "the scale of `{}` `{}` must go up and end at 100 at most, but it is {scale:?}",
            self.kind, self.name
        );
        self.scale = Some(scale);
        self.check();
    }

    #[track_caller]
    fn check(&self) {
        let (kind, name) = (self.kind, &self.name);
        let scale = self.scale.as_ref().unwrap_or(&SCALE);
        for (range, _) in &self.rubric {
            assert!(
                !range.is_empty(),
                "the rubric of `{kind}` `{name}` has an empty range, {range:?}"
            );
            let inside = scale.contains(range.start()) && scale.contains(range.end());
            assert!(
                inside,
                "the rubric of `{kind}` `{name}` has {range:?}, outside of the scale {scale:?}; set `.scale(…)` before `.rubric(…)`"
            );
        }
        for pair in self.rubric.windows(2) {
            let (one, two) = (&pair[0].0, &pair[1].0);
            assert!(
                one.end() < two.start(),
                "the rubric of `{kind}` `{name}` has ranges that overlap: {one:?} and {two:?}"
            );
        }
        let own = self.scale();
        assert!(
            own.start() < own.end(),
            "the rubric of `{kind}` `{name}` has no grade but {}; add what other grades mean, or set `.scale(0..=10)` before",
            own.start()
        );
    }

    /// The lowest and the highest grade: those that were set, or those of the rubric.
    pub(super) fn scale(&self) -> RangeInclusive<u32> {
        match (&self.scale, self.rubric.first(), self.rubric.last()) {
            (Some(scale), ..) => scale.clone(),
            (None, Some((first, _)), Some((last, _))) => *first.start()..=*last.end(),
            _ => SCALE,
        }
    }

    /// The steps: those given, or those that the judge writes, once for a run. `shown` names what the grader will see.
    pub(super) async fn steps_for(
        &self,
        cx: &EvalCx<'_>,
        options: &Options,
        shown: &str,
    ) -> Result<Vec<String>> {
        if !self.steps.is_empty() {
            return Ok(self.steps.clone());
        }
        let key = json!([
            self.kind,
            self.name,
            self.criteria,
            shown,
            options.text("steps")
        ])
        .to_string();
        let make = async {
            let prompt = options
                .template("steps")
                .text("criteria", self.criteria.as_deref().unwrap_or_default())
                .text("fields", shown)
                .schema(json!({
                    "type": "object",
                    "properties": {"steps": {"type": "array", "items": {"type": "string"}}},
                    "required": ["steps"],
                    "additionalProperties": false,
                }))
                .prompt()?;
            let answer = cx.ask_checked::<Steps>(prompt, Steps::check).await?;
            Ok(Value::from(answer.value.steps))
        };
        Ok(serde_json::from_value(cx.once(&key, make).await?)?)
    }

    /// A prompt under construction with criteria and steps.
    pub(super) fn template(&self, options: &Options, step: &str, steps: &[String]) -> Template {
        options
            .template(step)
            .text("criteria", self.criteria.as_deref().unwrap_or(BY_STEPS))
            .text("steps", numbered(steps))
    }

    /// What the judge thinks of the case, on the scale.
    pub(super) async fn grade(
        &self,
        cx: &EvalCx<'_>,
        options: &Options,
        case: Vec<(String, String)>,
        images: &[Image],
        shown: &str,
    ) -> Result<Score> {
        let steps = self.steps_for(cx, options, shown).await?;
        let scale = self.scale();
        if !options.strict()
            && let Some(score) = self.decided(cx, options, &case, images, &steps).await?
        {
            return Ok(score);
        }
        let template = self
            .template(options, "score", &steps)
            .text("rubric", rubric_text(&self.rubric))
            .fenced_list("case", case)
            .images(images.iter().cloned())
            .text("lowest", scale.start().to_string())
            .text("highest", scale.end().to_string())
            .graded("score");
        let (grade, reply) = ask(cx, template, &scale).await?;
        let weighted = if options.strict() {
            None
        } else {
            let mean = logprobs::weighted(&reply, "score", &scale);
            if mean.is_none() {
                cx.note(match reply.logprobs {
                    None => "score is the judge's integer: the provider gave no log-probabilities",
                    Some(_) => "score is the judge's integer: no grade was found among the log-probabilities",
                });
            }
            mean
        };
        let value = place(weighted.unwrap_or(grade.score), &scale);
        let method = if weighted.is_some() {
            "weighted"
        } else {
            "integer"
        };
        Ok(options.clamp(grade.into_score(value, method, &scale, steps)))
    }

    /// The grade by the probabilities of digits; `None` where it is to be written. A scale beyond 9 is graded from 0 to 9,
    /// its rubric with it, so that every grade is one token.
    async fn decided(
        &self,
        cx: &EvalCx<'_>,
        options: &Options,
        case: &[(String, String)],
        images: &[Image],
        steps: &[String],
    ) -> Result<Option<Score>> {
        let own = self.scale();
        let (scale, rubric) = if *own.end() <= 9 {
            (own.clone(), self.rubric.clone())
        } else {
            (0..=9, as_digits(&self.rubric, &own))
        };
        let template = self
            .template(options, "score", steps)
            .text("rubric", rubric_text(&rubric))
            .fenced_list("case", case.to_vec())
            .images(images.iter().cloned())
            .text("lowest", scale.start().to_string())
            .text("highest", scale.end().to_string());
        let labels = Labels::digits(scale.clone());
        Ok(cx.decide(template, &labels).await?.map(|(at, read)| {
            let (digit, p) = &read.probabilities[at];
            let (low, high) = (scale.start(), scale.end());
            Score::new(place(read.mean(), &scale))
                .because(format!(
                    "the likeliest grade is {digit} of {high} with probability {p:.2}"
                ))
                .detail("method", "probability")
                .detail("grade", read.mean())
                .detail("scale", format!("{low} to {high}"))
                .detail("steps", steps.to_vec())
        }))
    }

    /// Whether the case meets the criteria in full: 1 or 0, and nothing between.
    pub(super) async fn decide(
        &self,
        cx: &EvalCx<'_>,
        options: &Options,
        case: Vec<(String, String)>,
        images: &[Image],
        shown: &str,
    ) -> Result<Score> {
        let steps = self.steps_for(cx, options, shown).await?;
        let best = self.rubric.last();
        let best = best.map(|(_, text)| format!("To fully meet them means: {text}\n\n"));
        let template = self
            .template(options, "strict", &steps)
            .text("rubric", best.unwrap_or_default())
            .fenced_list("case", case)
            .images(images.iter().cloned());
        let scale = 0..=1;
        let decided = cx
            .decide(template.clone(), &Labels::words(["yes", "no"]))
            .await?;
        if let Some((at, read)) = decided {
            let grade = Grade {
                reason: format!("it meets the criteria: {}", told(&read, at)),
                score: if at == 0 { 1.0 } else { 0.0 },
            };
            let value = place(grade.score, &scale);
            return Ok(options.clamp(grade.into_score(value, "probability", &scale, steps)));
        }
        let (grade, _) = ask(cx, template, &scale).await?;
        let value = place(grade.score, &scale);
        Ok(options.clamp(grade.into_score(value, "integer", &scale, steps)))
    }
}

/// A rubric on another scale, as one of digits. Ranges that meet stay so; one that is too narrow for a digit of its own has
/// the nearest.
fn as_digits(
    rubric: &[(RangeInclusive<u32>, String)],
    scale: &RangeInclusive<u32>,
) -> Vec<(RangeInclusive<u32>, String)> {
    // The first digit whose grade is not below half a grade under this one.
    let first = |grade: u32| {
        let (steps, span) = (grade - scale.start(), scale.end() - scale.start());
        (9 * (2 * steps))
            .saturating_sub(9)
            .div_ceil(2 * span)
            .min(9)
    };
    let digits = |(range, text): &(RangeInclusive<u32>, String)| {
        let from = first(*range.start());
        let to = if range.end() == scale.end() {
            9
        } else {
            first(range.end() + 1).saturating_sub(1)
        };
        (from..=to.max(from), text.clone())
    };
    rubric.iter().map(digits).collect()
}

async fn ask(
    cx: &EvalCx<'_>,
    template: Template,
    scale: &RangeInclusive<u32>,
) -> Result<(Grade, Reply)> {
    let prompt = template
        .schema(json!({
            "type": "object",
            "properties": {"reason": {"type": "string"}, "score": {"type": "integer"}},
            "required": ["reason", "score"],
            "additionalProperties": false,
        }))
        .prompt()?;
    let answer = cx
        .ask_checked::<Grade>(prompt, |grade| grade.check(scale))
        .await?;
    Ok((answer.value, answer.reply))
}

/// The grade's place on the scale, in `0.0..=1.0`.
fn place(grade: f64, scale: &RangeInclusive<u32>) -> f64 {
    let (lowest, highest) = (f64::from(*scale.start()), f64::from(*scale.end()));
    (grade.clamp(lowest, highest) - lowest) / (highest - lowest)
}

fn filled(steps: &[String]) -> bool {
    !steps.is_empty() && steps.iter().all(|step| !step.trim().is_empty())
}

fn numbered(steps: &[String]) -> String {
    steps
        .iter()
        .enumerate()
        .map(|(i, step)| format!("{}. {}", i + 1, step.trim()))
        .collect::<Vec<_>>()
        .join("\n")
}

fn rubric_text(rubric: &[(RangeInclusive<u32>, String)]) -> String {
    if rubric.is_empty() {
        return String::new();
    }
    let line = |(range, text): &(RangeInclusive<u32>, String)| {
        let (from, to) = (range.start(), range.end());
        if from == to {
            format!("{from}: {text}\n")
        } else {
            format!("{from}-{to}: {text}\n")
        }
    };
    format!(
        "What the scores mean:\n{}\n",
        rubric.iter().map(line).collect::<String>()
    )
}

#[derive(Deserialize)]
struct Steps {
    steps: Vec<String>,
}

impl Steps {
    fn check(&self) -> Result<(), String> {
        if filled(&self.steps) {
            Ok(())
        } else {
            Err("`steps` must hold at least one step, and none that is empty".to_string())
        }
    }
}

#[derive(Deserialize)]
struct Grade {
    #[serde(default)]
    reason: String,
    #[serde(deserialize_with = "number")]
    score: f64,
}

impl Grade {
    fn check(&self, scale: &RangeInclusive<u32>) -> Result<(), String> {
        let (lowest, highest) = (*scale.start(), *scale.end());
        if (f64::from(lowest)..=f64::from(highest)).contains(&self.score) {
            return Ok(());
        }
        Err(format!(
            "`score` must be a whole number from {lowest} to {highest}, but it is {}",
            self.score
        ))
    }

    fn into_score(
        self,
        value: f64,
        method: &str,
        scale: &RangeInclusive<u32>,
        steps: Vec<String>,
    ) -> Score {
        let (lowest, highest) = (scale.start(), scale.end());
        Score::new(value)
            .because(reason::clause(&self.reason, reason::LONGEST))
            .detail("method", method)
            .detail("grade", self.score)
            .detail("scale", format!("{lowest} to {highest}"))
            .detail("steps", steps)
    }
}

/// A number, also one that the judge put in quotes.
fn number<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let value = Value::deserialize(deserializer)?;
    crate::grade::number(&value).ok_or_else(|| {
        serde::de::Error::custom(format!("`score` must be a number, but it is {value}"))
    })
}

/// The builder methods of a metric with a field `grading`.
macro_rules! grading_knobs {
    ($metric:ident) => {
        impl $metric {
            /// Sets the steps by which the judge grades, instead of having it write them.
            #[track_caller]
            pub fn steps<S: Into<String>>(mut self, steps: impl IntoIterator<Item = S>) -> Self {
                self.grading.set_steps(steps);
                self
            }

            /// Says what a range of grades means, such as `(0..=3, "wrong policy")`. Its lowest and its highest grade are
            /// then the scale (as DeepEval 4.3.1), unless [`scale`](Self::scale) sets one. Panics on ranges that are
            /// empty, overlap or leave the scale, and on a rubric of a single grade; gaps are allowed. Another scale
            /// than one within `0..=10` must be set before.
            #[track_caller]
            pub fn rubric<S: Into<String>>(
                mut self,
                rubric: impl IntoIterator<Item = (std::ops::RangeInclusive<u32>, S)>,
            ) -> Self {
                self.grading.set_rubric(rubric);
                self
            }

            /// Sets the lowest and the highest grade: `0..=10`, or those of the rubric, where nothing is said. Panics
            /// when there are fewer than two grades, or more than 101, which no judge tells apart.
            #[track_caller]
            pub fn scale(mut self, scale: std::ops::RangeInclusive<u32>) -> Self {
                self.grading.set_scale(scale);
                self
            }
        }
    };
}
pub(super) use grading_knobs;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proptesting;
    use proptest::prelude::*;

    #[test]
    fn a_grade_is_its_place_on_the_scale() {
        assert_eq!(place(7.0, &(0..=10)), 0.7);
        assert_eq!(place(1.0, &(1..=5)), 0.0);
        assert_eq!(place(4.0, &(1..=5)), 0.75);
        assert_eq!(place(1.0, &(0..=1)), 1.0);
    }

    #[test]
    fn a_rubric_becomes_one_of_digits_without_gaps() {
        let rubric = [(0..=3, "bad"), (4..=6, "fair"), (7..=10, "good")];
        let rubric = rubric.map(|(range, text)| (range, text.to_string()));
        let ranges: Vec<_> = as_digits(&rubric, &(0..=10))
            .into_iter()
            .map(|(range, _)| range)
            .collect();
        assert_eq!(ranges, [0..=3, 4..=5, 6..=9]);
    }

    #[test]
    fn the_scale_is_what_is_set_else_what_the_rubric_covers() {
        let mut grading = Grading::by_steps("GEval", "polite".to_string(), ["Look."]);
        assert_eq!(grading.scale(), 0..=10);
        grading.set_rubric([(5..=8, "good"), (2..=4, "bad")]);
        assert_eq!(grading.scale(), 2..=8);
        grading.set_scale(0..=8);
        assert_eq!(grading.scale(), 0..=8);
    }

    proptest! {
        #![proptest_config(proptesting::config())]

        #[test]
        fn the_place_is_in_range_and_rises_with_the_grade(
            low in 0_u32..50, span in 1_u32..50, one in 0.0_f64..=1.0, two in 0.0_f64..=1.0,
        ) {
            let scale = low..=low + span;
            let grade = |share: f64| f64::from(low) + share * f64::from(span);
            let (one, two) = (one.min(two), one.max(two));
            let (less, more) = (place(grade(one), &scale), place(grade(two), &scale));
            prop_assert!((0.0..=1.0).contains(&less) && (0.0..=1.0).contains(&more));
            prop_assert!(less <= more);
            prop_assert_eq!(place(f64::from(low), &scale), 0.0);
            prop_assert_eq!(place(f64::from(low + span), &scale), 1.0);
        }
    }
}
