//! `Latency`.

use super::{score, spans, stated};
use crate::{Bar, EvalCx, Metric, NotApplicable, Result, Score, Span, Spans, trace_tree};
use std::time::Duration;

/// Measures whether the application answered in time: 1 within the limit, else 0. Needs no judge.
///
/// The time is that from the beginning of the first observed call to the end of the last; of a component, that of its own
/// call. [`longest_of`](Self::longest_of) and [`sum_of`](Self::sum_of) look at some calls, and the metadata `latency`
/// (seconds) states it for outputs that were recorded elsewhere. The quantity holds the seconds. Does not apply when a
/// call came out of a recording, which takes no time. Default bar: at least 1.
///
/// ```
/// use llmtest_metrics::{FakeJudge, Latency, TestCase, measure_with};
/// use std::time::Duration;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let case = TestCase::new("2 + 2", "4").metadata("latency", 4.0);
/// let quick = Latency::within(Duration::from_secs(3));
/// assert_eq!(measure_with(&case, &quick, FakeJudge::new()).await.unwrap().value, 0.0);
/// assert_eq!(measure_with(&case, &quick.scaled(), FakeJudge::new()).await.unwrap().value, 0.75);
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Latency {
    limit: f64,
    scaled: bool,
    calls: Option<(Spans, bool)>,
}

impl Latency {
    /// Allows this long. Panics on no time at all.
    #[track_caller]
    pub fn within(limit: Duration) -> Self {
        assert!(
            !limit.is_zero(),
            "`Latency` needs a limit above zero, such as `Duration::from_secs(2)`"
        );
        Self {
            limit: limit.as_secs_f64(),
            scaled: false,
            calls: None,
        }
    }

    /// Looks at the longest of these calls: a name, or [`Spans`].
    pub fn longest_of(mut self, calls: impl Into<Spans>) -> Self {
        self.calls = Some((calls.into(), false));
        self
    }

    /// Looks at the sum of these calls, also where they ran at once: a name, or [`Spans`].
    pub fn sum_of(mut self, calls: impl Into<Spans>) -> Self {
        self.calls = Some((calls.into(), true));
        self
    }

    /// Scores `limit / time` in place of 0 where it took longer.
    pub fn scaled(mut self) -> Self {
        self.scaled = true;
        self
    }

    fn seconds(&self, cx: &EvalCx<'_>) -> Result<f64> {
        if let Some((calls, sum)) = &self.calls {
            let calls: Vec<&Span> = calls
                .select(cx.trace)?
                .into_iter()
                .map(|(_, span)| span)
                .collect();
            live(&calls)?;
            let durations = calls.iter().map(|span| span.duration);
            return Ok(if *sum {
                durations.sum()
            } else {
                durations.fold(0.0, f64::max)
            });
        }
        if let Some(seconds) = stated(cx, self, "latency")? {
            return Ok(seconds);
        }
        let spans = spans(cx);
        live(&spans)?;
        if let Some(own) = cx.span {
            return Ok(own.duration);
        }
        let start = spans.iter().map(|span| span.start).reduce(f64::min);
        let end = spans
            .iter()
            .map(|span| span.start + span.duration)
            .reduce(f64::max);
        match (start, end) {
            (Some(start), Some(end)) => Ok(end - start),
            _ => Err(trace_tree::missing(self).into()),
        }
    }
}

/// Calls out of a recording, or that a test answered, took no time that says anything.
fn live(spans: &[&Span]) -> Result<()> {
    match spans.iter().find(|span| span.replayed || span.substituted) {
        Some(span) => {
            let name = &span.name;
            let why = if span.replayed {
                format!("`{name}` came out of a recording")
            } else {
                format!("`{name}` was substituted")
            };
            Err(NotApplicable::because(why).into())
        }
        None => Ok(()),
    }
}

impl Metric for Latency {
    fn name(&self) -> &'static str {
        "latency"
    }

    fn bar(&self) -> Bar {
        Bar::AtLeast(1.0)
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        let seconds = self.seconds(cx)?;
        Ok(score(seconds, self.limit, self.scaled)
            .because(format!("it took {seconds:.3} s of {:.3} s", self.limit))
            .quantity(seconds, "s"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{measure, trace};
    use super::*;
    use crate::{MissingField, TestCase, Trace};

    fn within(seconds: u64) -> Latency {
        Latency::within(Duration::from_secs(seconds))
    }

    #[tokio::test]
    async fn the_case_the_component_and_chosen_calls_are_timed() {
        let case = TestCase::new("q", "a");
        let rows = [
            (within(10), None, 10.0, 1.0),
            (within(9), None, 10.0, 0.0),
            (within(9), Some(2), 5.0, 1.0),
            (within(4).longest_of("complete"), None, 3.0, 1.0),
            (within(4).sum_of("complete"), None, 5.0, 0.0),
            (within(4).sum_of("complete").scaled(), None, 5.0, 0.8),
        ];
        for (metric, span, seconds, value) in rows {
            let score = measure(&metric, &trace(), span, &case).await.unwrap();
            assert_eq!(
                (score.quantity.unwrap().value, score.value),
                (seconds, value),
                "{metric:?}"
            );
        }
    }

    #[tokio::test]
    async fn without_calls_or_out_of_a_recording_there_is_no_time() {
        let case = TestCase::new("q", "a");
        let error = measure(&within(1), &Trace::default(), None, &case)
            .await
            .unwrap_err();
        assert_eq!(error.downcast_ref::<MissingField>().unwrap().field, "trace");
        let error = measure(&within(1).sum_of("none"), &trace(), None, &case)
            .await
            .unwrap_err();
        assert!(error.to_string().contains("no span `none`"), "{error}");
        let mut replayed = trace();
        replayed.spans[3].replayed = true;
        let error = measure(&within(1), &replayed, Some(2), &case)
            .await
            .unwrap_err();
        assert!(error.is::<NotApplicable>(), "{error}");
        assert!(measure(&within(1), &replayed, Some(1), &case).await.is_ok());
        let error = measure(&within(1), &trace(), None, &case.metadata("latency", "1 s"))
            .await
            .unwrap_err();
        assert!(
            error.to_string().contains("no number of at least 0"),
            "{error}"
        );
    }

    #[test]
    #[should_panic(expected = "needs a limit above zero")]
    fn no_time_at_all_is_refused() {
        let _ = within(0);
    }
}
