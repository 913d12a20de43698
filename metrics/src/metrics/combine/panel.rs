//! `Panel`.

use super::parts::Part;
use crate::{Bar, BoxFuture, EvalCx, JudgeChoice, Metric, NotApplicable, Result, Score, join};
use serde_json::{Value, json};

/// Measures one metric with several judges, and makes one score of theirs by a stated rule.
///
/// Each judge measures the metric on its own; only what is made once for a run, such as the steps that a G-Eval has a judge
/// write, is shared between seats of the same model. The record keeps every judge's score and
/// reason, and their `spread`: the highest score less the lowest. A judge that fails makes the whole Errored, unless
/// [`quorum`](Self::quorum) says how many are enough. A judge for which the metric does not apply has answered and gives
/// no score; where that is so for all, the whole is Skipped.
///
/// Its name is the name of the metric and `_panel`. Default bar: that of the metric; at least 1 for
/// [`PanelRule::Majority`] and [`PanelRule::Unanimous`], which count the judges whose score meets the metric's bar.
///
/// Judges are named as in [`judged_by`](Metric::judged_by): by a registered name, or as a value, which is asked as it is;
/// [`configured`](Self::configured) adds the one that is asked where nothing is said. The same model may sit on the panel
/// more than once; each seat is asked anew, except for such steps.
///
/// ```
/// use llmtest_metrics::{FakeJudge, GEval, Panel, PanelRule, TestCase, measure_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let gives = |score: u32| FakeJudge::new().reply(format!(r#"{{"reason": "so it is", "score": {score}}}"#));
/// let polite = Panel::new(GEval::by_steps("polite", ["Look for rude words."]))
///     .judge(gives(8))
///     .judge(gives(9))
///     .judge(gives(1))
///     .rule(PanelRule::Median);
///
/// let score = measure_with(&TestCase::new("hi", "hello"), &polite, FakeJudge::new()).await.unwrap();
/// assert_eq!(score.value, 0.8);
/// assert_eq!(score.details[1], ("spread".to_string(), 0.8.into()));
/// # }
/// ```
#[derive(Clone)]
pub struct Panel {
    name: String,
    metric: Part,
    /// `None` is the judge of the whole measurement.
    judges: Vec<Option<JudgeChoice>>,
    rule: PanelRule,
    quorum: Option<usize>,
}

/// How a [`Panel`] makes one score of its judges' scores.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PanelRule {
    /// Their mean.
    #[default]
    Mean,
    /// The one in the middle; of two in the middle, their mean.
    Median,
    /// The one that is furthest from meeting the bar: the lowest under a bar of `at_least`, the highest under `at_most`.
    Worst,
    /// 1 if more than half of them meet the metric's bar, else 0.
    Majority,
    /// The share of them that meet the metric's bar, where the bar of the panel is that all do.
    Unanimous,
}

impl Panel {
    /// A panel for this metric; its judges come with [`judge`](Self::judge).
    pub fn new(metric: impl Metric + 'static) -> Self {
        Self {
            name: format!("{}_panel", metric.name()),
            metric: Part::new(metric),
            judges: Vec::new(),
            rule: PanelRule::default(),
            quorum: None,
        }
    }

    /// Adds a judge: the name of a registered one, or a judge.
    #[must_use]
    pub fn judge(mut self, judge: impl Into<JudgeChoice>) -> Self {
        self.judges.push(Some(judge.into()));
        self
    }

    /// Adds the configured judge; more than once, each seat is asked anew.
    #[must_use]
    pub fn configured(mut self) -> Self {
        self.judges.push(None);
        self
    }

    /// Sets the rule; [`PanelRule::Mean`] where nothing is said.
    pub fn rule(mut self, rule: PanelRule) -> Self {
        self.rule = rule;
        self
    }

    /// Lets judges fail as long as this many answer. Panics on 0.
    #[track_caller]
    pub fn quorum(mut self, judges: usize) -> Self {
        assert!(
            judges > 0,
            "the quorum of `{}` must be at least 1 judge",
            self.name
        );
        self.quorum = Some(judges);
        self
    }
}

impl Metric for Panel {
    fn name(&self) -> &str {
        &self.name
    }

    fn bar(&self) -> Bar {
        match self.rule {
            PanelRule::Majority | PanelRule::Unanimous => Bar::AtLeast(1.0),
            _ => self.metric.bar(),
        }
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        let name = &self.name;
        if self.judges.is_empty() {
            return Err(format!(
                "`{name}` has no judges\nhint: add them with `.judge(\"name\")`, `.judge(judge)` or `.configured()`"
            )
            .into());
        }
        let mut seats: Vec<(String, u32)> = Vec::new();
        for judge in &self.judges {
            let model = cx.model_of(judge.as_ref());
            let nth = seats.iter().filter(|(known, _)| *known == model).count();
            seats.push((model, u32::try_from(nth)?));
        }
        let mut asked: Vec<BoxFuture<'_, Result<Result<Score>>>> = Vec::new();
        for (judge, (_, nth)) in self.judges.iter().zip(&seats) {
            asked.push(Box::pin(async move {
                Ok(self.metric.measure_with(cx, judge.as_ref(), *nth).await)
            }));
        }
        let answers = join::all(asked).await?;
        let quorum = self.quorum.unwrap_or(self.judges.len());
        let (mut scores, mut details, mut answered) = (Vec::new(), Vec::new(), 0);
        let mut failure = None;
        for ((model, nth), answer) in seats.iter().zip(answers) {
            let seat = match nth {
                0 => model.clone(),
                nth => format!("{model} #{}", nth + 1),
            };
            match answer {
                Ok(score) => {
                    answered += 1;
                    details
                        .push(json!({"judge": seat, "score": score.value, "reason": score.reason}));
                    scores.push((seat, score));
                }
                Err(error) => {
                    if let Some(why) = error.downcast_ref::<NotApplicable>() {
                        answered += 1;
                        details.push(json!({"judge": seat, "skipped": why.reason()}));
                    } else {
                        cx.note(format!("the judge `{seat}` failed"));
                        details.push(json!({"judge": seat, "error": error.to_string()}));
                        failure.get_or_insert(error);
                    }
                }
            }
        }
        match failure {
            Some(error) if answered < quorum => return Err(error),
            _ if answered < quorum => {
                return Err(format!("`{name}` has {answered} judges, fewer than its quorum of {quorum}\nhint: add judges, or lower `.quorum(…)`").into());
            }
            _ => {}
        }
        if scores.is_empty() {
            let why = format!("none of the {answered} judges had anything to judge");
            return Err(NotApplicable::because(why).into());
        }
        Ok(verdict(self.rule, self.metric.bar(), &scores, details))
    }
}

fn verdict(rule: PanelRule, bar: Bar, scores: &[(String, Score)], details: Vec<Value>) -> Score {
    let values: Vec<f64> = scores.iter().map(|(_, score)| score.value).collect();
    let met = values.iter().filter(|value| bar.is_met_by(**value)).count();
    let all = values.len();
    let summary = match rule {
        PanelRule::Mean => format!("the mean of {all} judges counts"),
        PanelRule::Median => format!("the median of {all} judges counts"),
        PanelRule::Worst => format!("the worst of {all} judges counts"),
        PanelRule::Majority | PanelRule::Unanimous => {
            format!("{met} of {all} judges say {bar}")
        }
    };
    let told: Vec<String> = scores
        .iter()
        .map(|(judge, score)| match &score.reason {
            Some(reason) if !reason.is_empty() => {
                format!("`{judge}` gives {:.2} ({reason})", score.value)
            }
            _ => format!("`{judge}` gives {:.2}", score.value),
        })
        .collect();
    Score::new(of(rule, bar, &values))
        .because(format!("{summary}: {}", told.join("; ")))
        .detail("judges", details)
        .detail("spread", spread(&values))
}

/// One score of several; there is at least one.
pub(super) fn of(rule: PanelRule, bar: Bar, values: &[f64]) -> f64 {
    let met = values.iter().filter(|value| bar.is_met_by(**value)).count();
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (first, last) = (sorted[0], sorted[sorted.len() - 1]);
    match (rule, bar) {
        // The last digit of a sum must not leave the range of the scores.
        (PanelRule::Mean, _) => {
            (sorted.iter().sum::<f64>() / sorted.len() as f64).clamp(first, last)
        }
        (PanelRule::Median, _) => {
            let middle = sorted.len() / 2;
            if sorted.len() % 2 == 1 {
                sorted[middle]
            } else {
                f64::midpoint(sorted[middle - 1], sorted[middle])
            }
        }
        (PanelRule::Worst, Bar::AtLeast(_)) => first,
        (PanelRule::Worst, Bar::AtMost(_)) => last,
        (PanelRule::Majority, _) => f64::from(u8::from(2 * met > values.len())),
        (PanelRule::Unanimous, _) => met as f64 / values.len() as f64,
    }
}

/// The highest score less the lowest.
fn spread(values: &[f64]) -> f64 {
    let highest = values.iter().copied().fold(0.0, f64::max);
    let lowest = values.iter().copied().fold(1.0, f64::min);
    highest - lowest
}

#[cfg(test)]
#[path = "panel_tests.rs"]
mod tests;
