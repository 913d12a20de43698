//! Metrics that compare the output with reference texts by their words and letters, each as its reference library.

mod bleu;
mod bleu_tokens;
mod chrf;
mod levenshtein;
mod meteor;
mod numeric_closeness;
mod porter;
mod rouge;
mod ter;
mod ter_shifts;
mod token_f1;
mod word_error_rate;

pub use bleu::{Bleu, Smoothing};
pub use bleu_tokens::BleuTokens;
pub use chrf::Chrf;
pub use levenshtein::{Edits, Levenshtein};
pub use meteor::Meteor;
pub use numeric_closeness::NumericCloseness;
pub use porter::porter_stem;
pub use rouge::{Rouge, RougeKind, RougeScore};
pub use ter::Ter;
pub use token_f1::TokenF1;
pub use word_error_rate::{ErrorRate, WordErrorRate};

use crate::{EvalCx, Field, Metric, Result};
use serde_json::Value;
use std::collections::HashMap;
use std::hash::Hash;

/// The largest product of two lengths whose whole table is made: about a second without optimisation.
pub(crate) const MOST_CELLS: usize = 25_000_000;

/// White space as Python sees it: the separators U+001C to U+001F belong to it.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// The words between white space.
fn words(text: &str) -> Vec<&str> {
    text.split(is_space)
        .filter(|word| !word.is_empty())
        .collect()
}

/// How often each n-gram occurs.
fn ngrams<T: Eq + Hash>(items: &[T], n: usize) -> HashMap<&[T], usize> {
    let mut counts = HashMap::new();
    for gram in items.windows(n) {
        *counts.entry(gram).or_default() += 1;
    }
    counts
}

/// The harmonic mean of precision and recall, 0 where both are.
fn f1(precision: f64, recall: f64) -> f64 {
    if precision + recall > 0.0 {
        2.0 * precision * recall / (precision + recall)
    } else {
        0.0
    }
}

/// The output and the texts that it is compared with: `expected`, then the texts of the metadata `references`.
fn texts(cx: &EvalCx<'_>, metric: &impl Metric) -> Result<(String, Vec<String>)> {
    let output = cx.need(metric, Field::Output)?;
    let mut references: Vec<String> = cx.case.expected.iter().cloned().collect();
    match cx.case.metadata.get("references") {
        None => {}
        Some(Value::Array(more)) if more.iter().all(Value::is_string) => {
            references.extend(more.iter().filter_map(Value::as_str).map(str::to_string));
        }
        Some(_) => {
            return Err(format!(
                "`{}` reads more reference texts from the metadata `references`, which is no list of texts\n\
                 hint: write it as `[\"one reference\", \"another\"]`",
                metric.name()
            )
            .into());
        }
    }
    if references.is_empty() {
        cx.need(metric, Field::Expected)?;
    }
    Ok((output, references))
}

/// The error of two texts whose comparison would take too long: the product of their lengths exceeds `most`.
fn comparable(
    metric: &impl Metric,
    (output, reference): (usize, usize),
    unit: &str,
    most: usize,
) -> Result<()> {
    if output.saturating_mul(reference) <= most {
        return Ok(());
    }
    Err(format!(
        "the texts are too long for `{}`: {output} and {reference} {unit}\n\
         hint: compare a part of them, or use `Bleu`, `Chrf` or `Rouge` with n-grams, whose time grows with the length alone",
        metric.name()
    )
    .into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FakeJudge, MissingField, TestCase, measure_with};

    #[test]
    fn the_separators_of_ascii_are_white_space_as_in_python() {
        assert_eq!(words(" a\u{1c}b\u{a0}c\n"), ["a", "b", "c"]);
    }

    #[tokio::test]
    async fn references_come_from_expected_and_from_the_metadata() {
        let case = TestCase::new("q", "a b c d").expected("x");
        let value =
            async |case: &TestCase| measure_with(case, &Bleu::new(), FakeJudge::new()).await;
        assert_eq!(value(&case).await.unwrap().value, 0.0);
        let case = case.metadata("references", vec!["y", "a b c d"]);
        assert_eq!(value(&case).await.unwrap().value, 1.0);
        let case = TestCase::new("q", "a b c d").metadata("references", vec!["a b c d"]);
        assert_eq!(value(&case).await.unwrap().value, 1.0);
        let error = value(&case.metadata("references", "a b c d"))
            .await
            .unwrap_err();
        assert!(
            error.to_string().contains("no list of texts\nhint: "),
            "{error}"
        );
    }

    #[tokio::test]
    async fn without_output_or_reference_it_is_an_error() {
        for (case, field) in [
            (TestCase::new("q", "a"), "expected"),
            (TestCase::new("q", "").expected("a"), "output"),
        ] {
            let error = measure_with(&case, &Bleu::new(), FakeJudge::new())
                .await
                .unwrap_err();
            assert_eq!(error.downcast_ref::<MissingField>().unwrap().field, field);
        }
    }
}
