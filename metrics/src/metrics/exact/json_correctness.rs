//! `JsonCorrectness`.

use crate::json_schema::JsonSchema;
use crate::{Bar, EvalCx, Field, Metric, Result, Score};
use serde_json::Value;

/// Measures whether the output is JSON, and fits a schema where one is given: 1 or 0. Needs no judge.
///
/// The whole output must be JSON: prose or a code fence around it scores 0. Of JSON Schema it knows `type`,
/// `properties`, `required`, `additionalProperties`, `items`, `enum`, `const`, bounds of numbers, lengths and item
/// counts, `pattern`, `anyOf`, `oneOf`, `allOf` and `$ref` into the schema itself; `format` is taken as a comment, as the
/// standard does. The reason names the place that does not fit.
///
/// Needs `output`. Default bar: at least 1. As DeepEval 4.3.1, but without pydantic's coercions.
///
/// ```
/// use llmtest_metrics::{FakeJudge, JsonCorrectness, TestCase, measure_with};
/// use serde_json::json;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let order = JsonCorrectness::new().schema(json!({
///     "type": "object",
///     "properties": {"items": {"type": "array", "items": {"type": "string"}}},
///     "required": ["items"],
/// }));
/// let case = TestCase::new("My order?", r#"{"items": ["shoes", 2]}"#);
/// let score = measure_with(&case, &order, FakeJudge::new()).await.unwrap();
/// assert_eq!((score.value, score.reason.as_deref()), (0.0, Some("`$.items[1]` is 2, not string")));
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct JsonCorrectness {
    schema: Option<JsonSchema>,
}

impl JsonCorrectness {
    /// Expects any JSON.
    pub fn new() -> Self {
        Self::default()
    }

    /// Expects JSON that fits this JSON Schema. Panics on a schema that is wrong, or that constrains by a keyword which
    /// would not be checked.
    #[track_caller]
    pub fn schema(mut self, schema: Value) -> Self {
        match JsonSchema::new(schema) {
            Ok(schema) => self.schema = Some(schema),
            Err(problem) => panic!("`JsonCorrectness` cannot use this schema: {problem}"),
        }
        self
    }
}

impl Metric for JsonCorrectness {
    fn name(&self) -> &'static str {
        "json_correctness"
    }

    fn bar(&self) -> Bar {
        Bar::AtLeast(1.0)
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        let output = cx.need(self, Field::Output)?;
        Ok(score(&output, self.schema.as_ref()))
    }
}

fn score(output: &str, schema: Option<&JsonSchema>) -> Score {
    let problem = match serde_json::from_str::<Value>(output) {
        Err(_) if output.trim_start().starts_with("```") => {
            "the output is not JSON alone: it stands in a code fence".to_string()
        }
        Err(error) => format!("the output is not JSON: {error}"),
        Ok(value) => match schema.map(|schema| schema.check(&value)) {
            None => return Score::new(1.0).because("the output is JSON"),
            Some(Ok(())) => {
                return Score::new(1.0).because("the output is JSON and fits the schema");
            }
            Some(Err(problem)) => problem,
        },
    };
    Score::new(0.0).because(problem)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FakeJudge, MissingField, TestCase, measure_with};
    use serde_json::json;

    #[test]
    fn the_whole_output_must_be_json() {
        for (output, value) in [
            ("{\"a\": [1, null]}\n", 1.0),
            ("3", 1.0),
            ("{a: 1}", 0.0),
            ("Here: {}", 0.0),
            ("{\"f\": NaN}", 0.0),
            ("```json\n{}\n```", 0.0),
        ] {
            assert_eq!(score(output, None).value, value, "{output}");
        }
        assert!(
            score("```json\n{}\n```", None)
                .reason
                .unwrap()
                .contains("code fence")
        );
        assert!(
            score("{\"a\": ", None)
                .reason
                .unwrap()
                .contains("line 1 column 6")
        );
    }

    #[test]
    fn the_schema_counts_where_there_is_one() {
        let schema = JsonSchema::new(json!({"required": ["a"]})).unwrap();
        assert_eq!(score("{\"a\": 1}", Some(&schema)).value, 1.0);
        assert_eq!(score("{}", Some(&schema)).reason.unwrap(), "`$` has no `a`");
    }

    #[tokio::test]
    async fn no_output_is_a_missing_field() {
        let error = measure_with(
            &TestCase::new("q", ""),
            &JsonCorrectness::new(),
            FakeJudge::new(),
        )
        .await
        .unwrap_err();
        assert_eq!(
            error.downcast_ref::<MissingField>().unwrap().field,
            "output"
        );
    }

    #[test]
    #[should_panic(
        expected = "cannot use this schema: `#/unevaluatedItems` is a keyword that is not checked"
    )]
    fn a_keyword_that_would_be_ignored_is_found_when_the_test_is_built() {
        let _ = JsonCorrectness::new().schema(json!({"unevaluatedItems": true}));
    }
}
