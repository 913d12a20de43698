//! Bars on what a case took: time, tokens, money.

mod cost;
mod latency;
mod token_budget;

pub use cost::Cost;
pub use latency::Latency;
pub use token_budget::TokenBudget;

use crate::{EvalCx, Metric, Result, Score, Span, Usage, trace_tree};

/// The score of an amount against its limit: 1 within, else 0, or with `scaled` the share of the amount that was allowed.
fn score(amount: f64, limit: f64, scaled: bool) -> Score {
    Score::new(if amount <= limit {
        1.0
    } else if scaled {
        limit / amount
    } else {
        0.0
    })
}

/// The spans that a measurement is about: all of the case, or the component and all that it called.
fn spans<'a>(cx: &EvalCx<'a>) -> Vec<&'a Span> {
    let order = trace_tree::spans(cx);
    order.into_iter().map(|at| &cx.trace.spans[at]).collect()
}

/// The tokens that were noted, or stated in the metadata `prompt_tokens` and `completion_tokens`; `None` where nobody told.
fn usage(cx: &EvalCx<'_>, metric: &impl Metric) -> Result<Option<Usage>> {
    if let Some(usage) = stated_usage(cx, metric)? {
        return Ok(Some(usage));
    }
    let mut sum = None;
    for usage in spans(cx).into_iter().filter_map(|span| span.usage) {
        *sum.get_or_insert_default() += usage;
    }
    Ok(sum)
}

/// The tokens that the metadata states.
fn stated_usage(cx: &EvalCx<'_>, metric: &impl Metric) -> Result<Option<Usage>> {
    let prompt = stated(cx, metric, "prompt_tokens")?;
    let completion = stated(cx, metric, "completion_tokens")?;
    Ok((prompt.is_some() || completion.is_some()).then(|| Usage {
        prompt_tokens: tokens(prompt.unwrap_or_default()),
        completion_tokens: tokens(completion.unwrap_or_default()),
        ..Usage::default()
    }))
}

/// A number of the metadata, of at least 0.
fn stated(cx: &EvalCx<'_>, metric: &impl Metric, key: &str) -> Result<Option<f64>> {
    let Some(value) = cx.case.metadata.get(key) else {
        return Ok(None);
    };
    match value.as_f64().filter(|number| *number >= 0.0) {
        Some(number) => Ok(Some(number)),
        None => Err(format!(
            "`{}` reads the metadata `{key}`, which is {value} and no number of at least 0\n\
             hint: write a number, or leave it out",
            metric.name()
        )
        .into()),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a number of at least 0; the cast saturates"
)]
fn tokens(number: f64) -> u64 {
    number.round() as u64
}

/// How a test measures a trace.
#[cfg(test)]
async fn measure(
    metric: &impl Metric,
    trace: &crate::Trace,
    span: Option<usize>,
    case: &crate::TestCase,
) -> Result<Score> {
    let asker = crate::Asker::standalone(None);
    let cx = EvalCx::new(case, trace, span.map(|span| &trace.spans[span]), &asker);
    metric.measure(&cx).await?.checked()
}

/// A run of 10 seconds that calls a model twice, the second time within a tool.
#[cfg(test)]
fn trace() -> crate::Trace {
    let rows = [
        ("answer", "agent", None, 0.0, 10.0, None),
        ("complete", "llm", Some(0), 1.0, 2.0, Some((100, 10))),
        ("search", "tool", Some(0), 4.0, 5.0, None),
        ("complete", "llm", Some(2), 5.0, 3.0, Some((200, 20))),
    ];
    let spans = rows.map(|(name, kind, parent, start, duration, usage)| {
        let mut span = Span::new(name, kind);
        (span.parent, span.start, span.duration) = (parent, start, duration);
        span.usage = usage.map(|(prompt_tokens, completion_tokens)| Usage {
            prompt_tokens,
            completion_tokens,
            ..Usage::default()
        });
        span
    });
    crate::Trace {
        spans: spans.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proptesting;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(proptesting::config())]

        #[test]
        fn scores_are_in_range_and_never_rise_with_the_amount(amount in 0.0..9e9, more in 0.0..9e9, limit in 1e-9..9e9) {
            for scaled in [false, true] {
                let value = score(amount, limit, scaled).value;
                prop_assert!((0.0..=1.0).contains(&value));
                prop_assert!(score(amount + more, limit, scaled).value <= value);
                prop_assert_eq!(value == 1.0, amount <= limit);
            }
        }
    }
}
