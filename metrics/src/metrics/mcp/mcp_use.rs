//! `McpUse`.

use super::calls::mcp_calls;
use crate::grade::{Grade, grade};
use crate::options::{Options, knobs, options};
use crate::{Bar, BoxFuture, EvalCx, Field, Metric, Result, Score, join, trace_text};
use serde_json::json;

/// Measures whether MCP servers were used well: the right tools, resources and prompts, with the right arguments.
///
/// The judge grades the choice, and the arguments; the score is the lower of the two, in `0.0..=1.0`. A grade outside of
/// it is asked again. Both are asked also where nothing was called. The calls are those of `tools` whose kind is one of
/// MCP. Needs `input`, `output` and `mcp_servers`. Default bar: at least 0.5. Formula as DeepEval 4.3.1.
///
/// ```
/// use llmtest_metrics::{FakeJudge, McpServer, McpUse, TestCase, ToolCall, ToolKind, measure_with};
/// use serde_json::json;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let judge = FakeJudge::new()
///     .when("mcp_use/primitives_score", r#"{"reason": "It had to read the file.", "score": 1.0}"#)
///     .when("mcp_use/args_score", r#"{"reason": "It is another file.", "score": 0.2}"#);
/// let read = ToolCall::new("read").kind(ToolKind::Mcp).arguments(json!({"path": "todo.md"}));
/// let case = TestCase::new("What does readme.md say?", "Hello.")
///     .mcp_servers([McpServer::new("files").tools(["read".into()])])
///     .tools([read]);
/// let score = measure_with(&case, &McpUse::new(), judge).await.unwrap();
/// assert_eq!(score.value, 0.2);
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct McpUse {
    options: Options,
}

impl McpUse {
    /// With default options.
    pub fn new() -> Self {
        Self {
            options: options!("mcp_use": "primitives_score", "args_score"),
        }
    }
}

knobs!(McpUse, default);

impl Metric for McpUse {
    fn name(&self) -> &'static str {
        "mcp_use"
    }

    fn bar(&self) -> Bar {
        self.options.bar()
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        let input = cx.need(self, Field::Input)?;
        let output = cx.need(self, Field::Output)?;
        cx.need(self, Field::McpServers)?;
        let servers = trace_text::servers(&cx.case.mcp_servers);
        let calls = mcp_calls(&cx.case.tools);
        let lines = if calls.is_empty() {
            "(none)".to_string()
        } else {
            trace_text::calls(&calls).join("\n")
        };
        let ask = |step| -> BoxFuture<'_, _> {
            let template = self.options.template(step);
            let template = template
                .fenced("servers", "servers", &servers)
                .fenced("input", "input", &input)
                .fenced("calls", "what was used", &lines)
                .fenced("output", "output", &output);
            Box::pin(grade(cx, template))
        };
        let asked = vec![ask("primitives_score"), ask("args_score")];
        let grades = join::all(asked).await?;
        Ok(self.options.clamp(score(&grades)))
    }
}

/// The lower of the grades for the choice and for the arguments.
fn score(grades: &[Grade]) -> Score {
    let names = ["choice", "arguments"];
    let scores = grades.iter().map(|grade| grade.score);
    let lowest = scores.reduce(f64::min).unwrap_or_default();
    let reasons: Vec<String> = names
        .iter()
        .zip(grades)
        .map(|(name, Grade { score, reason })| match reason.as_str() {
            "" => format!("{name} {score:.2}"),
            reason => format!("{name} {score:.2} ({reason})"),
        })
        .collect();
    let score = Score::new(lowest).because(reasons.join("; "));
    names
        .iter()
        .zip(grades)
        .fold(score, |score, (name, grade)| {
            score.detail(*name, json!({"score": grade.score, "reason": grade.reason}))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        FakeJudge, JudgeError, McpServer, MissingField, TestCase, ToolCall, ToolKind, measure_with,
    };
    use proptest::prelude::*;

    fn case() -> TestCase {
        TestCase::new("What does the file say?", "Hello.")
            .mcp_servers([McpServer::new("files").tools(["read".into()])])
    }

    fn judge() -> FakeJudge {
        FakeJudge::new()
            .when(
                "primitives_score",
                r#"{"reason": "It had to be read.", "score": 0.8}"#,
            )
            .when("args_score", r#"{"reason": "", "score": 0.3}"#)
    }

    #[tokio::test]
    async fn the_lower_grade_counts() {
        let own = ToolCall::new("log");
        let case = case().tools([ToolCall::new("read").kind(ToolKind::Mcp), own]);
        let fake = judge();
        let score = measure_with(&case, &McpUse::new(), fake.clone())
            .await
            .unwrap();
        assert_eq!(
            (score.value, score.reason.as_deref()),
            (0.3, Some("choice 0.80 (it had to be read); arguments 0.30"))
        );
        let prompts = fake.prompts();
        assert_eq!(prompts[0].purpose, "mcp_use/primitives_score");
        for prompt in &prompts {
            let text = prompt.text();
            assert!(
                text.contains("MCP tool read()\n</data ") && !text.contains("log()"),
                "{text}"
            );
            assert!(text.contains("server files\n  tool read\n"), "{text}");
        }
    }

    #[tokio::test]
    async fn both_are_graded_also_where_nothing_was_called() {
        let fake = judge();
        let score = measure_with(&case(), &McpUse::new(), fake.clone())
            .await
            .unwrap();
        assert_eq!((score.value, fake.prompts().len()), (0.3, 2));
        for prompt in fake.prompts() {
            assert!(prompt.text().contains("\n(none)\n"), "{}", prompt.text());
        }
        let score = measure_with(&case(), &McpUse::new().strict(), judge())
            .await
            .unwrap();
        assert_eq!(score.value, 0.0);
    }

    #[tokio::test]
    async fn servers_are_needed_and_grades_out_of_range_are_errors() {
        let error = measure_with(&TestCase::new("q", "a"), &McpUse::new(), judge())
            .await
            .unwrap_err();
        assert_eq!(
            error.downcast_ref::<MissingField>().unwrap().field,
            "mcp_servers"
        );
        let fake = FakeJudge::new().when("", r#"{"reason": "", "score": 1.5}"#);
        let error = measure_with(&case(), &McpUse::new(), fake)
            .await
            .unwrap_err();
        assert!(error.is::<JudgeError>(), "{error}");
    }

    proptest! {
        #![proptest_config(crate::proptesting::config())]

        #[test]
        fn the_score_is_the_lower_grade_in_either_order(choice in 0.0..=1.0, arguments in 0.0..=1.0) {
            let grade = |score: f64| Grade { score, reason: String::new() };
            let both = score(&[grade(choice), grade(arguments)]).value;
            prop_assert_eq!(both, choice.min(arguments));
            prop_assert_eq!(both, score(&[grade(arguments), grade(choice)]).value);
        }
    }
}
