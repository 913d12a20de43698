//! `Escalation`.

use super::parts::Part;
use crate::{Bar, EvalCx, JudgeChoice, Metric, NotApplicable, Result, Score};
use serde_json::json;

/// Measures one metric with a cheap judge first, and with the next one only where that leaves it open: where the score is
/// close to the bar, where the judge is unsure, or where it fails.
///
/// The score is that of the judge who decided; the last judge decides in any case. The record says what each judge that was
/// asked gave and why it did not decide. Which scores are close is said with [`within`](Self::within), 0.1 where nothing is
/// said. A metric whose scores are only 0 or 1 is never close to its bar in a way that tells: there, ask for
/// [`sure`](Self::sure), with a metric that gives a `confidence`, as those do that decide by probability.
///
/// A judge for whom the metric does not apply decides: the whole is Skipped. Calibrate the ladder as a whole against labels,
/// not its first judge: the cases that reach the second one are not a random sample.
///
/// Its name is the name of the metric and `_escalation`. Default bar: that of the metric.
///
/// ```
/// use llmtest_metrics::{Escalation, FakeJudge, GEval, TestCase, measure_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let gives = |score: u32| FakeJudge::new().reply(format!(r#"{{"reason": "so it is", "score": {score}}}"#));
/// let polite = Escalation::new(GEval::by_steps("polite", ["Look for rude words."]))
///     .judge(gives(5))
///     .judge(gives(9));
///
/// let score = measure_with(&TestCase::new("hi", "hello"), &polite, FakeJudge::new()).await.unwrap();
/// assert_eq!(score.value, 0.9);
/// # }
/// ```
#[derive(Clone)]
pub struct Escalation {
    name: String,
    metric: Part,
    /// `None` is the judge of the whole measurement.
    judges: Vec<Option<JudgeChoice>>,
    within: f64,
    sure: Option<f64>,
}

impl Escalation {
    /// A ladder for this metric; its judges come with [`judge`](Self::judge), the cheapest first.
    pub fn new(metric: impl Metric + 'static) -> Self {
        Self {
            name: format!("{}_escalation", metric.name()),
            metric: Part::new(metric),
            judges: Vec::new(),
            within: 0.1,
            sure: None,
        }
    }

    /// Adds the next judge: the name of a registered one, or a judge.
    pub fn judge(mut self, judge: impl Into<JudgeChoice>) -> Self {
        self.judges.push(Some(judge.into()));
        self
    }

    /// Adds the configured judge as the next.
    pub fn configured(mut self) -> Self {
        self.judges.push(None);
        self
    }

    /// Sets how far from the bar a score must be to decide, in `0.0..=1.0`. Panics outside of that.
    #[track_caller]
    pub fn within(mut self, margin: f64) -> Self {
        self.within = self.share("margin", margin);
        self
    }

    /// Has a judge decide only if it is at least so sure, in `0.0..=1.0`, by the `confidence` that the metric gives. A score
    /// without one is not sure. Panics outside of that.
    #[track_caller]
    pub fn sure(mut self, confidence: f64) -> Self {
        self.sure = Some(self.share("confidence", confidence));
        self
    }

    #[track_caller]
    fn share(&self, what: &str, value: f64) -> f64 {
        assert!(
            (0.0..=1.0).contains(&value),
            "the {what} of `{}` must lie in 0.0..=1.0, but it is {value}",
            self.name
        );
        value
    }

    /// Why a score leaves it open.
    fn open(&self, score: &Score) -> Option<String> {
        let bar = self.metric.bar();
        if let Some(least) = self.sure {
            let known = |(name, _): &&(String, _)| name == "confidence";
            let confidence = score.details.iter().find(known);
            match confidence.and_then(|(_, value)| value.as_f64()) {
                Some(confidence) if confidence >= least => {}
                Some(confidence) => return Some(format!("is only {confidence:.2} sure")),
                None => return Some("gives no confidence".to_string()),
            }
            // Whoever is sure of a yes or a no is not close to a bar in between.
            if matches!(bar, Bar::AtLeast(1.0)) {
                return None;
            }
        }
        // The last digit of a difference must not decide.
        let close = (score.value - bar.bound()).abs() <= self.within + 1e-9;
        close.then(|| format!("is close to the bar with {:.2}", score.value))
    }
}

impl Metric for Escalation {
    fn name(&self) -> &str {
        &self.name
    }

    fn bar(&self) -> Bar {
        self.metric.bar()
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        let Some(last) = self.judges.len().checked_sub(1) else {
            return Err(format!(
                "`{}` has no judges\nhint: add them with `.judge(\"name\")`, `.judge(judge)` or `.configured()`, the cheapest first",
                self.name
            )
            .into());
        };
        let (mut rungs, mut told) = (Vec::new(), Vec::new());
        for (at, judge) in self.judges.iter().enumerate() {
            let model = cx.model_of(judge.as_ref());
            let nth = u32::try_from(at)?;
            let why = match self.metric.measure_with(cx, judge.as_ref(), nth).await {
                Ok(mut score) => {
                    rungs.push(
                        json!({"judge": model, "score": score.value, "reason": score.reason}),
                    );
                    let open = self.open(&score).filter(|_| at < last);
                    let Some(why) = open else {
                        let reason = score.reason.take().unwrap_or_default();
                        let before = match told.as_slice() {
                            [] => String::new(),
                            told => format!(", since {}", told.join(" and ")),
                        };
                        let colon = if reason.is_empty() { "" } else { ": " };
                        return Ok(score
                            .because(format!("`{model}` decides{before}{colon}{reason}"))
                            .detail("judges", rungs)
                            .detail("decided_by", model));
                    };
                    why
                }
                Err(error) if error.is::<NotApplicable>() || at == last => return Err(error),
                Err(error) => {
                    cx.note(format!("the judge `{model}` failed"));
                    rungs.push(json!({"judge": model, "error": error.to_string()}));
                    "failed".to_string()
                }
            };
            told.push(format!("`{model}` {why}"));
        }
        unreachable!("the last judge decides")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FakeJudge, GEval, JudgeError, JudgeErrorKind, TestCase, measure_with, metric};

    fn giving(score: u32) -> FakeJudge {
        FakeJudge::new().reply(format!(r#"{{"reason": "so {score}", "score": {score}}}"#))
    }

    fn polite() -> GEval {
        GEval::by_steps("polite", ["Look."])
    }

    async fn measured(metric: &Escalation) -> Result<Score> {
        measure_with(&TestCase::new("q", "a"), metric, FakeJudge::new()).await
    }

    #[tokio::test]
    async fn only_what_is_close_to_the_bar_goes_up() {
        for (cheap, margin, decided, calls) in [
            (9, 0.1, 0.9, 0),
            (6, 0.1, 0.1, 1),
            (4, 0.1, 0.1, 1),
            (6, 0.05, 0.6, 0),
        ] {
            let strong = giving(1);
            let ladder = Escalation::new(polite())
                .judge(giving(cheap))
                .judge(strong.clone())
                .within(margin);
            let score = measured(&ladder).await.unwrap();
            assert_eq!(
                (score.value, strong.prompts().len()),
                (decided, calls),
                "{cheap} {margin}"
            );
        }
    }

    #[tokio::test]
    async fn the_record_says_who_decided_and_why_the_others_did_not() {
        let failing = FakeJudge::new().fail(JudgeError::new(JudgeErrorKind::Timeout, "too slow"));
        let ladder = Escalation::new(polite())
            .judge(failing)
            .judge(giving(5))
            .judge(giving(5));
        let score = measured(&ladder).await.unwrap();
        assert_eq!(
            score.reason.as_deref(),
            Some(
                "`fake` decides, since `fake` failed and `fake` is close to the bar with 0.50: so 5"
            )
        );
        let (name, judges) = &score.details[score.details.len() - 2];
        assert_eq!(
            (name.as_str(), judges.as_array().unwrap().len()),
            ("judges", 3)
        );
    }

    #[tokio::test]
    async fn a_judge_that_is_unsure_does_not_decide() {
        let unsure = |confidence: Option<f64>| {
            metric("sure", move |_: &TestCase| {
                let score = Score::from(true);
                match confidence {
                    Some(confidence) => score.detail("confidence", confidence),
                    None => score,
                }
            })
            .at_least(1.0)
        };
        for (confidence, rungs) in [(Some(0.95), 1), (Some(0.6), 2), (None, 2)] {
            let ladder = Escalation::new(unsure(confidence))
                .judge(giving(1))
                .judge(giving(1))
                .sure(0.8);
            let score = measured(&ladder).await.unwrap();
            let judges = score.details.iter().find(|(name, _)| name == "judges");
            assert_eq!(judges.unwrap().1.as_array().unwrap().len(), rungs);
        }
    }

    #[tokio::test]
    async fn the_last_error_and_what_does_not_apply_end_it() {
        let failing =
            || FakeJudge::new().fail(JudgeError::new(JudgeErrorKind::Timeout, "too slow"));
        let ladder = Escalation::new(polite()).judge(failing()).judge(failing());
        let error = measured(&ladder).await.unwrap_err().to_string();
        assert!(error.contains("too slow"), "{error}");
        let error = measured(&Escalation::new(polite())).await.unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("`polite_escalation` has no judges\nhint: ")
        );
    }
}
