//! The trait that every metric implements, and what an expectation adds to a metric.

use crate::probability::{Calibration, Decisions, Tally};
use crate::{AnyJudge, Bar, EvalCx, IntoScore, Result, Score, TestCase};
use std::future::Future;
use std::pin::Pin;

/// Measures one thing about a test case.
///
/// Where a closure is enough, [`metric`](fn@metric) is one line. The trait takes eight:
///
/// ```
/// use llmtest_metrics::{EvalCx, FakeJudge, Metric, Result, Score, TestCase, measure_with};
///
/// struct Brevity;
/// impl Metric for Brevity {
///     fn name(&self) -> &str {
///         "brevity"
///     }
///     async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
///         Ok(Score::from(cx.case.output.split_whitespace().count() <= 5))
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let long = TestCase::new("Refund?", "Within 30 days, if you still have the receipt.");
/// assert_eq!(measure_with(&long, &Brevity, FakeJudge::new()).await.unwrap().value, 0.0);
/// # }
/// ```
///
/// One that asks a judge makes a prompt from a [`Template`](crate::Template) and reads the reply with [`EvalCx::ask`]:
///
/// ```
/// use llmtest_metrics::{EvalCx, FakeJudge, Metric, Result, Score, Template, TestCase, measure_with};
///
/// struct Polite;
/// impl Metric for Polite {
///     fn name(&self) -> &str {
///         "polite"
///     }
///     async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
///         let ask = Template::new("polite/verdict", "Is this reply polite?\n{{reply}}\nReply with JSON: {\"polite\": true}");
///         let answer = cx.ask::<serde_json::Value>(ask.fenced("reply", "reply", &cx.case.output).prompt()?).await?;
///         Ok(Score::from(answer.value["polite"] == true))
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let judge = FakeJudge::new().reply(r#"{"polite": false}"#);
/// assert_eq!(measure_with(&TestCase::new("hi", "go away"), &Polite, judge).await.unwrap().value, 0.0);
/// # }
/// ```
///
/// A metric takes `&self` and keeps no result: one value serves all cases at once.
pub trait Metric: Send + Sync {
    /// A stable `snake_case` name: the key in reports and baselines.
    fn name(&self) -> &str;

    /// The bar when the expectation sets none.
    fn bar(&self) -> Bar {
        Bar::AtLeast(0.5)
    }

    /// Measures. `Err` means that it could not be measured, which is not a bad score.
    fn measure(&self, cx: &EvalCx<'_>) -> impl Future<Output = Result<Score>> + Send;

    /// Expects a score of at least `min`, in `0.0..=1.0`.
    #[track_caller]
    fn at_least(self, min: f64) -> Adjusted<Self>
    where
        Self: Sized,
    {
        Adjusted::new(self).at_least(min)
    }

    /// Expects a score of at most `max`, in `0.0..=1.0`.
    #[track_caller]
    fn at_most(self, max: f64) -> Adjusted<Self>
    where
        Self: Sized,
    {
        Adjusted::new(self).at_most(max)
    }

    /// Measured, shown and recorded, but never fails the test, not even when it is Errored.
    fn report_only(self) -> Adjusted<Self>
    where
        Self: Sized,
    {
        Adjusted::new(self).report_only()
    }

    /// Asks another judge than the configured one: the name of a registered judge, or a judge. A judge that is passed as
    /// a value is asked as it is: not recorded, not limited, not retried.
    fn judged_by(self, judge: impl Into<JudgeChoice>) -> Adjusted<Self>
    where
        Self: Sized,
    {
        Adjusted::new(self).judged_by(judge)
    }

    /// Reads the verdicts of the judge from the log-probabilities of one token, in place of a written reason and verdict;
    /// the likeliest label is the verdict. Metrics without verdicts of a judge stay as they are.
    fn by_probability(self) -> Adjusted<Self>
    where
        Self: Sized,
    {
        Adjusted::new(self).deciding(Decisions::by_probability())
    }

    /// As [`by_probability`](Self::by_probability), with `yes` as the verdict from this probability on, in `0.0..=1.0`: the
    /// yes of the question that the judge is asked, which for `Bias` is that there is bias.
    #[track_caller]
    fn by_probability_at(self, threshold: f64) -> Adjusted<Self>
    where
        Self: Sized,
    {
        Adjusted::new(self).deciding(Decisions::by_probability_at(threshold))
    }

    /// As [`by_probability_at`](Self::by_probability_at), with the threshold of a calibration.
    #[track_caller]
    fn calibrated(self, calibration: &Calibration) -> Adjusted<Self>
    where
        Self: Sized,
    {
        self.by_probability_at(calibration.threshold)
    }

    /// Sets the label that tells two expectations of one metric apart.
    fn named(self, label: impl Into<String>) -> Adjusted<Self>
    where
        Self: Sized,
    {
        Adjusted::new(self).named(label)
    }

    /// What the expectation adds; set by the methods above.
    #[doc(hidden)]
    fn adjustments(&self) -> Adjustments {
        Adjustments::default()
    }
}

/// Which judge an expectation asks.
#[derive(Clone)]
#[non_exhaustive]
pub enum JudgeChoice {
    /// A judge registered with `llmtest::judge!`.
    Named(String),
    /// This judge.
    This(AnyJudge),
}

impl From<&str> for JudgeChoice {
    fn from(name: &str) -> Self {
        Self::Named(name.to_string())
    }
}

impl<J: Into<AnyJudge>> From<J> for JudgeChoice {
    fn from(judge: J) -> Self {
        Self::This(judge.into())
    }
}

/// What an expectation adds to a metric.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Adjustments {
    /// The bar, where the expectation sets one.
    pub bar: Option<Bar>,
    /// Measured and shown, but never fails the test.
    pub report_only: bool,
    /// The judge, where it is not the configured one.
    pub judge: Option<JudgeChoice>,
    /// The label.
    pub label: Option<String>,
    /// How verdicts are obtained, where the expectation says so.
    pub decisions: Option<Decisions>,
}

/// A metric with what the expectation adds: bar, judge, label.
#[derive(Clone)]
pub struct Adjusted<M> {
    metric: M,
    adjustments: Adjustments,
}

impl<M: Metric> Adjusted<M> {
    fn new(metric: M) -> Self {
        let adjustments = metric.adjustments();
        Self {
            metric,
            adjustments,
        }
    }

    /// Expects a score of at least `min`, in `0.0..=1.0`.
    #[track_caller]
    pub fn at_least(mut self, min: f64) -> Self {
        self.adjustments.bar = Some(Bar::AtLeast(min).checked());
        self
    }

    /// Expects a score of at most `max`, in `0.0..=1.0`.
    #[track_caller]
    pub fn at_most(mut self, max: f64) -> Self {
        self.adjustments.bar = Some(Bar::AtMost(max).checked());
        self
    }

    /// Measured, shown and recorded, but never fails the test, not even when it is Errored.
    pub fn report_only(mut self) -> Self {
        self.adjustments.report_only = true;
        self
    }

    /// Asks another judge than the configured one.
    pub fn judged_by(mut self, judge: impl Into<JudgeChoice>) -> Self {
        self.adjustments.judge = Some(judge.into());
        self
    }

    fn deciding(mut self, decisions: Decisions) -> Self {
        self.adjustments.decisions = Some(decisions);
        self
    }

    /// Sets the label that tells two expectations of one metric apart.
    pub fn named(mut self, label: impl Into<String>) -> Self {
        self.adjustments.label = Some(label.into());
        self
    }
}

impl<M: Metric> Metric for Adjusted<M> {
    fn name(&self) -> &str {
        self.metric.name()
    }

    fn bar(&self) -> Bar {
        self.adjustments.bar.unwrap_or_else(|| self.metric.bar())
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        let Some(decisions) = self.adjustments.decisions else {
            return self.metric.measure(cx).await;
        };
        let tally = Tally::default();
        let score = self.metric.measure(&cx.deciding(decisions, &tally)).await?;
        Ok(tally.onto(score))
    }

    fn adjustments(&self) -> Adjustments {
        self.adjustments.clone()
    }
}

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// [`Metric`] with its types erased, for lists of expectations.
pub(crate) trait DynMetric: Send + Sync {
    fn name(&self) -> &str;
    fn bar(&self) -> Bar;
    fn measure<'a>(&'a self, cx: &'a EvalCx<'_>) -> BoxFuture<'a, Result<Score>>;
    fn adjustments(&self) -> Adjustments;
}

impl<M: Metric> DynMetric for M {
    fn name(&self) -> &str {
        Metric::name(self)
    }

    fn bar(&self) -> Bar {
        Metric::bar(self)
    }

    fn measure<'a>(&'a self, cx: &'a EvalCx<'_>) -> BoxFuture<'a, Result<Score>> {
        Box::pin(Metric::measure(self, cx))
    }

    fn adjustments(&self) -> Adjustments {
        Metric::adjustments(self)
    }
}

/// A metric in one line: a name and a closure over the case.
///
/// ```
/// use llmtest_metrics::{TestCase, metric};
///
/// let short = metric("short", |case: &TestCase| case.output.len() < 200);
/// # let _ = short;
/// ```
pub fn metric<S, F>(name: &'static str, measure: F) -> impl Metric
where
    S: IntoScore,
    F: Fn(&TestCase) -> S + Send + Sync,
{
    metric_cx(name, move |cx: &EvalCx<'_>| measure(cx.case))
}

/// As [`metric`], with a closure that sees the trace too: [`Calls`](crate::Calls) answer questions about it.
///
/// ```
/// use llmtest_metrics::{EvalCx, metric_cx};
///
/// let one_search = metric_cx("one_search", |cx: &EvalCx<'_>| cx.trace.named("search").exactly(1));
/// # let _ = one_search;
/// ```
pub fn metric_cx<S, F>(name: &'static str, measure: F) -> impl Metric
where
    S: IntoScore,
    F: Fn(&EvalCx<'_>) -> S + Send + Sync,
{
    ByClosure {
        name,
        bar: S::BAR,
        measure: move |cx: &EvalCx<'_>| measure(cx).into_score(),
    }
}

struct ByClosure<F> {
    name: &'static str,
    bar: Bar,
    measure: F,
}

impl<F: Fn(&EvalCx<'_>) -> Result<Score> + Send + Sync> Metric for ByClosure<F> {
    fn name(&self) -> &str {
        self.name
    }

    fn bar(&self) -> Bar {
        self.bar
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        (self.measure)(cx)
    }
}
