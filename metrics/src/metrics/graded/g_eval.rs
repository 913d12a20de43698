//! `GEval`.

use crate::options::{Options, knobs, options};
use crate::{Bar, EvalCx, Field, Metric, Result, Score, logprobs, reason};
use serde::Deserialize;
use serde_json::{Value, json};
use std::ops::RangeInclusive;

/// What a judge is given when nothing else is said.
pub(crate) const DEFAULT_FIELDS: [Field; 2] = [Field::Input, Field::Output];

/// Measures whatever its criteria say, as the grade of a judge: `(grade - lowest) / (highest - lowest)`.
///
/// The judge first turns the criteria into steps, once for a whole run, unless [`steps`](Self::steps) gives them. Where
/// the judge gives log-probabilities, the grade is the mean of the score token's alternatives, weighted by their
/// probabilities; the record says which way it was obtained.
///
/// Needs the fields it is given: `input` and `output` by default. Default bar: at least 0.5. From Liu et al. 2023
/// (G-Eval); weights as DeepEval 4.3.1.
///
/// ```
/// use llmtest_metrics::{FakeJudge, Field, GEval, TestCase, measure_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let correctness = GEval::new("correctness", "The answer states the same policy as the expected answer.")
///     .given([Field::Output, Field::Expected]);
///
/// let judge = FakeJudge::new()
///     .when("g_eval/steps", r#"{"steps": ["Compare the two policies."]}"#)
///     .when("g_eval/score", r#"{"reason": "The number of days differs.", "score": 2}"#);
/// let case = TestCase::new("Refund?", "Within 40 days.").expected("Within 30 days.");
/// let score = measure_with(&case, &correctness, judge).await.unwrap();
/// assert_eq!((score.value, score.reason.as_deref()), (0.2, Some("the number of days differs")));
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct GEval {
    name: String,
    criteria: String,
    fields: Vec<Field>,
    steps: Vec<String>,
    rubric: Vec<(RangeInclusive<u32>, String)>,
    scale: RangeInclusive<u32>,
    options: Options,
}

impl GEval {
    /// A metric of this name: the key in reports and baselines. Panics on an empty name or empty criteria.
    #[track_caller]
    pub fn new(name: impl Into<String>, criteria: impl Into<String>) -> Self {
        let (name, criteria) = (name.into(), criteria.into());
        assert!(
            !name.trim().is_empty(),
            "a `GEval` needs a name, such as `correctness`"
        );
        assert!(
            !criteria.trim().is_empty(),
            "`GEval` `{name}` needs criteria: a sentence that says what is good"
        );
        Self {
            name,
            criteria,
            fields: DEFAULT_FIELDS.to_vec(),
            steps: Vec::new(),
            rubric: Vec::new(),
            scale: 0..=10,
            options: options!("g_eval": "steps", "score"),
        }
    }

    /// Sets what the judge sees of the case. Panics on an empty list.
    #[track_caller]
    pub fn given(mut self, fields: impl IntoIterator<Item = Field>) -> Self {
        self.fields = fields.into_iter().collect();
        assert!(
            !self.fields.is_empty(),
            "`GEval` `{}` must be given at least one field to judge",
            self.name
        );
        self
    }

    /// Sets the steps by which the judge grades, instead of having it write them.
    #[track_caller]
    pub fn steps<S: Into<String>>(mut self, steps: impl IntoIterator<Item = S>) -> Self {
        self.steps = steps.into_iter().map(Into::into).collect();
        let filled =
            !self.steps.is_empty() && self.steps.iter().all(|step| !step.trim().is_empty());
        assert!(
            filled,
            "`GEval` `{}` needs at least one step, and none that is empty",
            self.name
        );
        self
    }

    /// Says what a range of grades means, such as `(0..=3, "wrong policy")`. Panics on ranges that are empty, overlap or
    /// leave the scale; gaps are allowed. Another scale than `0..=10` must be set before.
    #[track_caller]
    pub fn rubric<S: Into<String>>(
        mut self,
        rubric: impl IntoIterator<Item = (RangeInclusive<u32>, S)>,
    ) -> Self {
        self.rubric = rubric
            .into_iter()
            .map(|(range, text)| (range, text.into()))
            .collect();
        self.rubric.sort_by_key(|(range, _)| *range.start());
        self.check_rubric();
        self
    }

    /// Sets the lowest and the highest grade. Panics when there are fewer than two grades or more than 101, which no
    /// judge tells apart.
    #[track_caller]
    pub fn scale(mut self, scale: RangeInclusive<u32>) -> Self {
        let fits = scale.start() < scale.end() && *scale.end() <= 100;
        assert!(
            fits,
            "the scale of `GEval` `{}` must go up and end at 100 at most, but it is {scale:?}",
            self.name
        );
        self.scale = scale;
        self.check_rubric();
        self
    }

    #[track_caller]
    fn check_rubric(&self) {
        let (name, scale) = (&self.name, &self.scale);
        for (range, _) in &self.rubric {
            assert!(
                !range.is_empty(),
                "the rubric of `GEval` `{name}` has an empty range, {range:?}"
            );
            let inside = scale.contains(range.start()) && scale.contains(range.end());
            assert!(
                inside,
                "the rubric of `GEval` `{name}` has {range:?}, outside of the scale {scale:?}; set `.scale(…)` before `.rubric(…)`"
            );
        }
        for pair in self.rubric.windows(2) {
            let (one, two) = (&pair[0].0, &pair[1].0);
            assert!(
                one.end() < two.start(),
                "the rubric of `GEval` `{name}` has ranges that overlap: {one:?} and {two:?}"
            );
        }
    }

    /// The steps: those given, or those that the judge writes, once for a run.
    async fn steps_for(&self, cx: &EvalCx<'_>) -> Result<Vec<String>> {
        if !self.steps.is_empty() {
            return Ok(self.steps.clone());
        }
        let key = json!([
            "g_eval/steps",
            self.name,
            self.criteria,
            self.fields,
            self.options.text("steps")
        ])
        .to_string();
        let titles = self
            .fields
            .iter()
            .map(|field| field.title())
            .collect::<Vec<_>>()
            .join(", ");
        let make = async {
            let prompt = self
                .options
                .template("steps")
                .text("criteria", &self.criteria)
                .text("fields", titles)
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
}

knobs!(GEval);

impl Metric for GEval {
    fn name(&self) -> &str {
        &self.name
    }

    fn bar(&self) -> Bar {
        self.options.bar()
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        let case = fields_of(cx, self, &self.fields)?;
        let steps = self.steps_for(cx).await?;
        let (lowest, highest) = (*self.scale.start(), *self.scale.end());
        let prompt = self
            .options
            .template("score")
            .text("criteria", &self.criteria)
            .text("steps", numbered(&steps))
            .text("rubric", rubric_text(&self.rubric))
            .fenced_list("case", case)
            .text("lowest", lowest.to_string())
            .text("highest", highest.to_string())
            .schema(json!({
                "type": "object",
                "properties": {"reason": {"type": "string"}, "score": {"type": "integer"}},
                "required": ["reason", "score"],
                "additionalProperties": false,
            }))
            .graded("score")
            .prompt()?;
        let answer = cx
            .ask_checked::<Grade>(prompt, |grade| grade.check(&self.scale))
            .await?;
        let weighted = match &answer.reply.logprobs {
            _ if self.options.strict() => None,
            None => {
                cx.note("score is the judge's integer: the provider gave no log-probabilities");
                None
            }
            Some(tokens) => {
                let mean = logprobs::weighted(tokens, "score", *self.scale.end());
                if mean.is_none() {
                    cx.note("score is the judge's integer: no grade was found among the log-probabilities");
                }
                mean
            }
        };
        let grade = answer.value;
        Ok(Score::new(score(
            weighted.unwrap_or(grade.score),
            &self.scale,
            self.options.strict(),
        ))
        .because(reason::clause(&grade.reason, reason::LONGEST))
        .detail(
            "method",
            if weighted.is_some() {
                "weighted"
            } else {
                "integer"
            },
        )
        .detail("grade", grade.score)
        .detail("scale", format!("{lowest} to {highest}"))
        .detail("steps", steps))
    }
}

/// The fields of the case with their titles, for a fence.
pub(crate) fn fields_of(
    cx: &EvalCx<'_>,
    metric: &impl Metric,
    fields: &[Field],
) -> Result<Vec<(String, String)>> {
    fields
        .iter()
        .map(|field| Ok((field.title().to_string(), cx.need(metric, *field)?)))
        .collect()
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

/// The grade's place on the scale; a weighted mean may leave the scale by an alternative outside of it.
fn score(grade: f64, scale: &RangeInclusive<u32>, strict: bool) -> f64 {
    let (lowest, highest) = (f64::from(*scale.start()), f64::from(*scale.end()));
    let value = (grade.clamp(lowest, highest) - lowest) / (highest - lowest);
    if strict && value < 1.0 { 0.0 } else { value }
}

#[derive(Deserialize)]
struct Steps {
    steps: Vec<String>,
}

impl Steps {
    fn check(&self) -> Result<(), String> {
        let filled =
            !self.steps.is_empty() && self.steps.iter().all(|step| !step.trim().is_empty());
        if filled {
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
}

/// A number, also one that the judge put in quotes.
fn number<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let number = value
        .as_f64()
        .or_else(|| value.as_str()?.trim().parse().ok());
    number.ok_or_else(|| {
        serde::de::Error::custom(format!("`score` must be a number, but it is {value}"))
    })
}

#[cfg(test)]
#[path = "g_eval_tests.rs"]
mod tests;
