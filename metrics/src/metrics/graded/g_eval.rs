//! `GEval`.

use super::grading::{Grading, grading_knobs};
use crate::options::{Options, knobs, options};
use crate::{
    Bar, EvalCx, Field, Image, Metric, MissingField, Result, Score, trace_text, trace_tree,
};

/// What a judge is given when nothing else is said.
pub(crate) const DEFAULT_FIELDS: [Field; 2] = [Field::Input, Field::Output];

/// Measures whatever its criteria say, as the grade of a judge: `(grade - lowest) / (highest - lowest)`.
///
/// The judge first turns the criteria into steps, once for a whole run, unless [`steps`](Self::steps) gives them; with
/// [`by_steps`](Self::by_steps) there are steps alone. Grades go from 0 to 10, or over what the
/// [`rubric`](Self::rubric) covers. Where the judge gives log-probabilities, the grade is the mean of the score token's
/// alternatives, weighted by their probabilities; the record says which way it was obtained.
///
/// `.strict()` asks another question: whether the criteria are fully met, 1 or 0. Of a rubric it tells the judge what the
/// highest range means. There are no log-probabilities then.
///
/// Needs the fields it is given: `input` and `output` by default; or the trace. Default bar: at least 0.5. From Liu et
/// al. 2023 (G-Eval); weights, rubric and strictness as DeepEval 4.3.1, but a grade outside of the scale is asked again.
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
    grading: Grading,
    fields: Option<Vec<Field>>,
    trace: bool,
    options: Options,
}

impl GEval {
    /// A metric of this name: the key in reports and baselines. Panics on an empty name or empty criteria.
    #[track_caller]
    pub fn new(name: impl Into<String>, criteria: impl Into<String>) -> Self {
        Self::graded(Grading::by_criteria("GEval", name.into(), criteria.into()))
    }

    /// A metric of this name by steps alone, without criteria. Panics on an empty name, and without steps.
    ///
    /// ```
    /// use llmtest_metrics::{Field, GEval};
    ///
    /// let brief = GEval::by_steps("brief", ["Count the sentences.", "Grade low if there are more than three."])
    ///     .given([Field::Output]);
    /// # let _ = brief;
    /// ```
    #[track_caller]
    pub fn by_steps<S: Into<String>>(
        name: impl Into<String>,
        steps: impl IntoIterator<Item = S>,
    ) -> Self {
        Self::graded(Grading::by_steps("GEval", name.into(), steps))
    }

    fn graded(grading: Grading) -> Self {
        Self {
            grading,
            fields: None,
            trace: false,
            options: options!("g_eval": "steps", "score", "strict"),
        }
    }

    /// Sets what the judge sees of the case. Panics on an empty list.
    #[track_caller]
    pub fn given(mut self, fields: impl IntoIterator<Item = Field>) -> Self {
        let fields: Vec<Field> = fields.into_iter().collect();
        assert!(
            !fields.is_empty(),
            "`GEval` `{}` must be given at least one field to judge",
            self.grading.name()
        );
        self.fields = Some(fields);
        self
    }

    /// Has the judge see the trace: every observed call of the case, with what went in and came out. It sees nothing else
    /// then, unless [`given`](Self::given) names fields as well.
    pub fn given_trace(mut self) -> Self {
        self.trace = true;
        self
    }

    fn fields(&self) -> &[Field] {
        match &self.fields {
            Some(fields) => fields,
            None if self.trace => &[],
            None => &DEFAULT_FIELDS,
        }
    }
}

grading_knobs!(GEval);
knobs!(GEval);

impl Metric for GEval {
    fn name(&self) -> &str {
        self.grading.name()
    }

    fn bar(&self) -> Bar {
        self.options.bar()
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        let is_image = |field: &Field| *field == Field::Images;
        let (pictured, fields): (Vec<Field>, Vec<Field>) =
            self.fields().iter().copied().partition(is_image);
        let mut case = fields_of(cx, self, &fields)?;
        let images: &[Image] = if pictured.is_empty() {
            &[]
        } else {
            let listed = cx.case.field(Field::Images).ok_or_else(|| MissingField {
                metric: self.name().to_string(),
                field: Field::Images.name(),
            })?;
            case.push((Field::Images.title().to_string(), listed));
            &cx.case.images
        };
        if self.trace {
            case.push(("trace".to_string(), outline(cx, self)?));
        }
        let shown = titles(&case);
        if self.options.strict() {
            self.grading
                .decide(cx, &self.options, case, images, &shown)
                .await
        } else {
            self.grading
                .grade(cx, &self.options, case, images, &shown)
                .await
        }
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

/// What a judge is told that it will see.
pub(super) fn titles(shown: &[(String, String)]) -> String {
    let titles: Vec<&str> = shown.iter().map(|(title, _)| title.as_str()).collect();
    titles.join(", ")
}

/// The calls of the case, or of the component, as an outline.
fn outline(cx: &EvalCx<'_>, metric: &impl Metric) -> Result<String> {
    let outline = trace_text::outline(cx.trace, &trace_tree::spans(cx));
    if outline.is_empty() {
        return Err(trace_tree::missing(metric).into());
    }
    Ok(outline)
}

#[cfg(test)]
#[path = "g_eval_tests.rs"]
mod tests;
