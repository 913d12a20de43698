//! `TokenBudget`.

use super::{score, usage};
use crate::{Bar, EvalCx, Metric, Result, Score, Usage};

/// Measures whether the application kept within a number of tokens: 1 within, else 0. Needs no judge.
///
/// Sums what the application noted with `llmtest::note_usage` in all observed calls; of a component, in its call and those
/// that it made. The metadata `prompt_tokens` and `completion_tokens` state it for outputs that were recorded elsewhere.
/// The quantity holds the tokens. A case of which nobody noted tokens is an error. Default bar: at least 1.
///
/// ```
/// use llmtest_metrics::{FakeJudge, TestCase, TokenBudget, measure_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let case = TestCase::new("2 + 2", "4").metadata("prompt_tokens", 900).metadata("completion_tokens", 300);
/// let score = measure_with(&case, &TokenBudget::within(1_000), FakeJudge::new()).await.unwrap();
/// assert_eq!((score.value, score.quantity.unwrap().value), (0.0, 1200.0));
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct TokenBudget {
    limit: u64,
    which: Which,
    scaled: bool,
}

#[derive(Debug, Clone, Copy)]
enum Which {
    All,
    Read,
    Written,
}

impl TokenBudget {
    /// Allows this many tokens. Panics on 0.
    #[track_caller]
    pub fn within(tokens: u64) -> Self {
        assert!(
            tokens > 0,
            "`TokenBudget` needs a limit above zero, such as `TokenBudget::within(1_000)`"
        );
        Self {
            limit: tokens,
            which: Which::All,
            scaled: false,
        }
    }

    /// Counts only the tokens that models read: the prompts.
    pub fn read(mut self) -> Self {
        self.which = Which::Read;
        self
    }

    /// Counts only the tokens that models wrote: the completions.
    pub fn written(mut self) -> Self {
        self.which = Which::Written;
        self
    }

    /// Scores `limit / tokens` in place of 0 where there were more.
    pub fn scaled(mut self) -> Self {
        self.scaled = true;
        self
    }
}

impl Metric for TokenBudget {
    fn name(&self) -> &'static str {
        "token_budget"
    }

    fn bar(&self) -> Bar {
        Bar::AtLeast(1.0)
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        let usage: Usage = usage(cx, self)?.ok_or(
            "`token_budget` needs the tokens of model calls, and nobody noted any\n\
             hint: call `llmtest::note_usage(prompt, completion)` in the observed function that calls the model, or state them \
             in the metadata `prompt_tokens` and `completion_tokens`",
        )?;
        let (tokens, kind) = match self.which {
            Which::All => (usage.total(), "tokens"),
            Which::Read => (usage.prompt_tokens, "prompt tokens"),
            Which::Written => (usage.completion_tokens, "completion tokens"),
        };
        Ok(score(tokens as f64, self.limit as f64, self.scaled)
            .because(format!("it took {tokens} {kind} of {}", self.limit))
            .quantity(tokens as f64, "tokens"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{measure, trace};
    use super::*;
    use crate::{TestCase, Trace};

    #[tokio::test]
    async fn the_tokens_of_a_case_or_of_a_component_are_summed() {
        let case = TestCase::new("q", "a");
        let rows = [
            (TokenBudget::within(330), None, 330.0, 1.0),
            (TokenBudget::within(300), None, 330.0, 0.0),
            (TokenBudget::within(300), Some(2), 220.0, 1.0),
            (TokenBudget::within(300), Some(1), 110.0, 1.0),
            (TokenBudget::within(30).written(), None, 30.0, 1.0),
            (TokenBudget::within(150).read().scaled(), None, 300.0, 0.5),
        ];
        for (metric, span, tokens, value) in rows {
            let score = measure(&metric, &trace(), span, &case).await.unwrap();
            assert_eq!(
                (score.quantity.unwrap().value, score.value),
                (tokens, value),
                "{metric:?}"
            );
        }
    }

    #[tokio::test]
    async fn without_tokens_it_says_how_to_note_them() {
        let case = TestCase::new("q", "a");
        let error = measure(&TokenBudget::within(1), &Trace::default(), None, &case)
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
    fn no_token_at_all_is_refused() {
        let _ = TokenBudget::within(0);
    }
}
