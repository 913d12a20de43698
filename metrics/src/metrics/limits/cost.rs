//! `Cost`.

use super::{score, spans, stated, stated_usage};
use crate::{Bar, EvalCx, Metric, Result, Score};

/// Measures whether a case kept within an amount of money: 1 within, else 0. Needs no judge.
///
/// The cost is the sum over the observed calls of the case, or of a component and what it called: the dollars that a call
/// said (`llmtest::observe::record(|span| span.cost(usd))`), else the tokens that it noted times the
/// [`prices`](Self::prices). The metadata `cost` (USD) of the case goes before both. The quantity holds the dollars. A case
/// without any, or with tokens that have no price, is an error: unknown is not free. Default bar: at least 1.
///
/// ```
/// use llmtest_metrics::{Cost, FakeJudge, TestCase, measure_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let case = TestCase::new("2 + 2", "4").metadata("prompt_tokens", 2_000).metadata("completion_tokens", 500);
/// let cheap = Cost::within(0.01).prices(2.0, 8.0);
/// let score = measure_with(&case, &cheap, FakeJudge::new()).await.unwrap();
/// assert_eq!((score.value, score.quantity.unwrap().value), (1.0, 0.008));
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Cost {
    limit: f64,
    prices: Option<(f64, f64)>,
    scaled: bool,
}

impl Cost {
    /// Allows this many US dollars. Panics unless it is a positive number.
    #[track_caller]
    pub fn within(usd: f64) -> Self {
        assert!(
            usd.is_finite() && usd > 0.0,
            "`Cost` needs a limit above zero, such as `Cost::within(0.01)`, not {usd}"
        );
        Self {
            limit: usd,
            prices: None,
            scaled: false,
        }
    }

    /// What a million tokens cost in US dollars, of prompts and of completions. Panics on a price that is negative or not
    /// finite.
    #[track_caller]
    pub fn prices(mut self, prompt: f64, completion: f64) -> Self {
        assert!(
            [prompt, completion]
                .iter()
                .all(|price| price.is_finite() && *price >= 0.0),
            "the prices of `Cost` are dollars a million tokens, not {prompt} and {completion}"
        );
        self.prices = Some((prompt, completion));
        self
    }

    /// Scores `limit / cost` in place of 0 where it cost more.
    pub fn scaled(mut self) -> Self {
        self.scaled = true;
        self
    }

    fn dollars(&self, cx: &EvalCx<'_>) -> Result<f64> {
        if let Some(dollars) = stated(cx, self, "cost")? {
            return Ok(dollars);
        }
        // Tokens in the metadata stand for those of all calls.
        let stated = stated_usage(cx, self)?;
        let calls = if stated.is_some() {
            Vec::new()
        } else {
            spans(cx)
        };
        let (mut dollars, mut priced) = (None, stated);
        for span in calls {
            if let Some(own) = span.cost {
                *dollars.get_or_insert(0.0) += own;
            } else if let Some(usage) = span.usage {
                *priced.get_or_insert_default() += usage;
            }
        }
        match (priced, self.prices) {
            (Some(usage), Some((prompt, completion))) => {
                let of_tokens = usage.prompt_tokens as f64 * prompt + usage.completion_tokens as f64 * completion;
                Ok(dollars.unwrap_or_default() + of_tokens / 1e6)
            }
            (Some(_), None) => Err("`cost` has tokens but no prices\n\
                 hint: add `.prices(prompt, completion)` in dollars a million tokens"
                .into()),
            (None, _) => dollars.ok_or_else(|| {
                "`cost` needs the tokens of model calls, and nobody noted any\n\
                 hint: call `llmtest::note_usage(prompt, completion)` in the observed function that calls the model, or state \
                 dollars with `llmtest::observe::record(|span| span.cost(usd))` there or in the metadata `cost`"
                    .into()
            }),
        }
    }
}

impl Metric for Cost {
    fn name(&self) -> &'static str {
        "cost"
    }

    fn bar(&self) -> Bar {
        Bar::AtLeast(1.0)
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        let dollars = self.dollars(cx)?;
        Ok(score(dollars, self.limit, self.scaled)
            .because(format!("it cost {dollars:.6} USD of {}", self.limit))
            .quantity(dollars, "USD"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{measure, trace};
    use super::*;
    use crate::{TestCase, Trace};

    #[tokio::test]
    async fn tokens_times_prices_or_what_the_case_states() {
        let case = TestCase::new("q", "a");
        let cost = Cost::within(0.001).prices(2.0, 10.0);
        let score = measure(&cost, &trace(), None, &case).await.unwrap();
        assert_eq!((score.value, score.quantity.unwrap().value), (1.0, 0.0009));
        let cost = Cost::within(0.0003).prices(2.0, 10.0).scaled();
        let score = measure(&cost, &trace(), Some(2), &case).await.unwrap();
        assert_eq!((score.value, score.quantity.unwrap().value), (0.5, 0.0006));
        let stated = case.metadata("cost", 0.002);
        let score = measure(&Cost::within(0.001), &trace(), None, &stated)
            .await
            .unwrap();
        assert_eq!(score.reason.unwrap(), "it cost 0.002000 USD of 0.001");
    }

    #[tokio::test]
    async fn dollars_that_a_call_said_go_before_its_tokens() {
        let case = TestCase::new("q", "a");
        let mut trace = trace();
        trace.spans[1].cost = Some(0.5);
        let cost = Cost::within(1.0);
        // Another call has tokens still.
        let error = measure(&cost, &trace, None, &case).await.unwrap_err();
        assert!(error.to_string().contains("no prices"), "{error}");
        let priced = cost.clone().prices(1e6, 1e6);
        let mixed = measure(&priced, &trace, None, &case);
        assert_eq!(mixed.await.unwrap().quantity.unwrap().value, 220.5);
        let own = measure(&cost, &trace, Some(1), &case);
        assert_eq!(own.await.unwrap().quantity.unwrap().value, 0.5);
        trace.spans[2].cost = Some(0.0);
        trace.spans[3].cost = Some(0.25);
        let all = measure(&cost, &trace, None, &case);
        assert_eq!(all.await.unwrap().quantity.unwrap().value, 0.75);
    }

    #[tokio::test]
    async fn what_is_unknown_is_an_error_and_not_free() {
        let case = TestCase::new("q", "a");
        let error = measure(&Cost::within(1.0), &trace(), None, &case)
            .await
            .unwrap_err();
        assert!(error.to_string().contains("hint: add `.prices("), "{error}");
        let error = measure(
            &Cost::within(1.0).prices(1.0, 1.0),
            &Trace::default(),
            None,
            &case,
        )
        .await
        .unwrap_err();
        assert!(
            error
                .to_string()
                .contains("hint: call `llmtest::note_usage("),
            "{error}"
        );
    }

    #[test]
    #[should_panic(expected = "needs a limit above zero")]
    fn no_money_at_all_is_refused() {
        let _ = Cost::within(0.0);
    }
}
