//! What a test returns: cases and what is expected of them.

use crate::metric::DynMetric;
use crate::{Adjustments, Bar, BoxError, EvalCx, Metric, Result, Score, Spans, TestCase};
use std::sync::Arc;

/// A test case and what is expected of it. The runner measures after the body has ended, when the trace is complete.
///
/// ```
/// use llmtest_metrics::{Contains, TestCase};
///
/// let check = TestCase::new("2 + 2", "The answer is 4.").expect(Contains::new("4"));
/// assert_eq!(check.expectations().len(), 1);
/// ```
#[must_use = "return the check from the test: the runner measures it"]
#[derive(Clone)]
pub struct Check {
    case: TestCase,
    expectations: Vec<Expectation>,
}

impl Check {
    pub(crate) fn new(case: TestCase) -> Self {
        Self {
            case,
            expectations: Vec::new(),
        }
    }

    /// Expects a metric of the whole case.
    pub fn expect(mut self, metric: impl Metric + 'static) -> Self {
        self.expectations.push(Expectation {
            spans: None,
            metric: Arc::new(metric),
        });
        self
    }

    /// Expects a metric of a component: of every observed call of this name or path, or of [`Spans`], which also say
    /// what several calls decide together.
    ///
    /// The component's case has the call's arguments as input (one argument bare, several as a JSON object), its result as
    /// output, and the rest from the golden's `components`, by name or path.
    ///
    /// ```
    /// use llmtest_metrics::{Contains, Spans, TestCase};
    ///
    /// let check = TestCase::new("Where are my shoes?", "On their way.")
    ///     .expect_in("answer/retrieve", Contains::new("shoes"))
    ///     .expect_in(Spans::named("search").any().optional(), Contains::new("shoes"));
    /// assert_eq!(check.expectations()[1].spans().unwrap().component(None), "search (any)");
    /// ```
    pub fn expect_in(mut self, spans: impl Into<Spans>, metric: impl Metric + 'static) -> Self {
        self.expectations.push(Expectation {
            spans: Some(spans.into()),
            metric: Arc::new(metric),
        });
        self
    }

    /// The case.
    pub fn case(&self) -> &TestCase {
        &self.case
    }

    /// What is expected, in the order of the source.
    pub fn expectations(&self) -> &[Expectation] {
        &self.expectations
    }

    /// Takes the check apart.
    pub fn into_parts(self) -> (TestCase, Vec<Expectation>) {
        (self.case, self.expectations)
    }
}

impl std::fmt::Debug for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Check")
            .field("case", &self.case)
            .field("expectations", &self.expectations)
            .finish()
    }
}

/// One metric that is expected of a case or of a component.
#[derive(Clone)]
pub struct Expectation {
    spans: Option<Spans>,
    metric: Arc<dyn DynMetric>,
}

impl Expectation {
    /// The component, where the expectation is about one.
    pub fn spans(&self) -> Option<&Spans> {
        self.spans.as_ref()
    }

    /// The metric's name.
    pub fn name(&self) -> &str {
        self.metric.name()
    }

    /// The bar.
    pub fn bar(&self) -> Bar {
        self.metric.bar()
    }

    /// What the expectation adds to the metric.
    pub fn adjustments(&self) -> Adjustments {
        self.metric.adjustments()
    }

    /// Measures, and refuses a score outside `0.0..=1.0`.
    pub async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        let score = self.metric.measure(cx).await?;
        cx.tally().onto(score).checked()
    }
}

impl std::fmt::Debug for Expectation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.name(), self.bar())
    }
}

/// What an `#[llm_test]` function may return: a [`Check`], several (`Vec`, array, tuple), or a `Result` of these.
#[diagnostic::on_unimplemented(
    message = "an `#[llm_test]` function must return what to check: a `Check`, several of them, or a `Result` of these",
    label = "`{Self}` is not a check",
    note = "end the function with `TestCase::new(input, output).expect(Contains::new(\"…\"))`, without a semicolon"
)]
pub trait IntoChecks {
    /// The checks, or the error that ends the case as Errored.
    fn into_checks(self) -> Result<Vec<Check>>;
}

impl IntoChecks for Check {
    fn into_checks(self) -> Result<Vec<Check>> {
        Ok(vec![self])
    }
}

impl<C: IntoChecks> IntoChecks for Vec<C> {
    fn into_checks(self) -> Result<Vec<Check>> {
        let mut checks = Vec::with_capacity(self.len());
        for check in self {
            checks.extend(check.into_checks()?);
        }
        Ok(checks)
    }
}

impl<C: IntoChecks, const N: usize> IntoChecks for [C; N] {
    fn into_checks(self) -> Result<Vec<Check>> {
        Vec::from(self).into_checks()
    }
}

impl<A: IntoChecks, B: IntoChecks> IntoChecks for (A, B) {
    fn into_checks(self) -> Result<Vec<Check>> {
        let mut checks = self.0.into_checks()?;
        checks.extend(self.1.into_checks()?);
        Ok(checks)
    }
}

impl<A: IntoChecks, B: IntoChecks, C: IntoChecks> IntoChecks for (A, B, C) {
    fn into_checks(self) -> Result<Vec<Check>> {
        (self.0, (self.1, self.2)).into_checks()
    }
}

impl<C: IntoChecks, E: Into<BoxError>> IntoChecks for std::result::Result<C, E> {
    fn into_checks(self) -> Result<Vec<Check>> {
        self.map_err(Into::into)?.into_checks()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Contains;

    fn check() -> Check {
        TestCase::new("a", "b").expect(Contains::new("b"))
    }

    #[test]
    fn several_checks_and_results_of_them_are_checks() {
        assert_eq!(vec![check(), check()].into_checks().unwrap().len(), 2);
        assert_eq!(
            (check(), [check(), check()]).into_checks().unwrap().len(),
            3
        );
        let failed: std::result::Result<Check, std::num::ParseIntError> =
            "x".parse::<u8>().map(|_| check());
        assert!(
            failed
                .into_checks()
                .unwrap_err()
                .to_string()
                .contains("invalid digit")
        );
    }
}
