//! `AnswerRelevancy`.

use crate::options::{Options, knobs, options};
use crate::verdicts::{self, Ballot, Verdict, Vote, Wording};
use crate::{Bar, EvalCx, Field, Metric, Result, Score};

/// Measures how much of the output is about the input: the share of its statements that are relevant or at least
/// support the answer.
///
/// The judge splits the output into statements, then gives each a verdict: yes, no or borderline. An output that states
/// nothing scores 1. Needs `input` and `output`. Default bar: at least 0.5. Formula as DeepEval 4.3.1.
///
/// ```
/// use llmtest_metrics::{AnswerRelevancy, FakeJudge, TestCase, measure_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let judge = FakeJudge::new()
///     .reply(r#"{"statements": ["You have 30 days.", "We sell hats."]}"#)
///     .reply(r#"{"verdicts": {
///         "1": {"reason": "It answers the question.", "verdict": "yes"},
///         "2": {"reason": "Hats were not asked about.", "verdict": "no"}}}"#);
/// let case = TestCase::new("How long may I return shoes?", "You have 30 days. We sell hats.");
/// let score = measure_with(&case, &AnswerRelevancy::new(), judge).await.unwrap();
/// assert_eq!(score.value, 0.5);
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct AnswerRelevancy {
    options: Options,
}

impl AnswerRelevancy {
    /// With default options.
    pub fn new() -> Self {
        Self {
            options: options!("answer_relevancy": "statements", "verdicts"),
        }
    }
}

knobs!(AnswerRelevancy, default);

impl Metric for AnswerRelevancy {
    fn name(&self) -> &'static str {
        "answer_relevancy"
    }

    fn bar(&self) -> Bar {
        self.options.bar()
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        let (input, output) = (cx.need(self, Field::Input)?, cx.need(self, Field::Output)?);
        let length = output.len();
        let statements = verdicts::list(
            cx,
            self.options
                .template("statements")
                .fenced("output", "output", output),
            "statements",
            length,
        )
        .await?;
        if statements.is_empty() {
            return Ok(score(&[]));
        }
        let ask = |lines| {
            self.options
                .template("verdicts")
                .fenced("input", "input", &input)
                .fenced("statements", "statements", lines)
        };
        let verdicts = Ballot(&[Vote::Yes, Vote::No, Vote::Borderline])
            .verdicts(cx, &statements, ask)
            .await?;
        Ok(self.options.clamp(score(&verdicts)))
    }
}

fn score(verdicts: &[Verdict]) -> Score {
    let wording = Wording {
        noun: "statement",
        passes: "relevant to the input",
        fails: "not relevant to the input",
        empty: (1.0, "the output states nothing that could be off topic"),
    };
    verdicts::share(verdicts, &[Vote::Yes, Vote::Borderline], &wording)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FakeJudge, TestCase, measure_with};

    const STATEMENTS: &str =
        r#"{"statements": ["You have 30 days.", " ", "Keep the\nreceipt.", "We sell hats."]}"#;

    fn case() -> TestCase {
        TestCase::new(
            "How long may I return shoes?",
            "You have 30 days. Keep the receipt. We sell hats.",
        )
    }

    fn judge(verdicts: [&str; 3]) -> FakeJudge {
        let [one, two, three] = verdicts;
        FakeJudge::new().reply(STATEMENTS).reply(format!(
            r#"{{"verdicts": {{"1": {{"reason": "", "verdict": "{one}"}}, "2": {{"reason": "", "verdict": "{two}"}},
                "3": {{"reason": "Hats were not asked about.", "verdict": "{three}"}}}}}}"#
        ))
    }

    #[tokio::test]
    async fn yes_and_borderline_pass() {
        let fake = judge(["yes", "borderline", "no"]);
        let score = measure_with(&case(), &AnswerRelevancy::new(), fake.clone())
            .await
            .unwrap();
        assert!((score.value - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!(
            score.reason.as_deref(),
            Some(
                r#"1 of 3 statements is not relevant to the input: "We sell hats." (Hats were not asked about)"#
            )
        );
        let prompts = fake.prompts();
        assert!(prompts[0].text().contains("output:\n<data "));
        assert!(
            prompts[1]
                .text()
                .contains("2. Keep the receipt.\n3. We sell hats."),
            "{}",
            prompts[1].text()
        );
        assert!(prompts.iter().all(|prompt| prompt.text().len() < 1500));
    }

    #[tokio::test]
    async fn all_relevant_is_one_also_when_strict() {
        let strict = AnswerRelevancy::new().strict();
        assert_eq!(strict.bar(), Bar::AtLeast(1.0));
        assert_eq!(
            measure_with(&case(), &strict, judge(["yes"; 3]))
                .await
                .unwrap()
                .value,
            1.0
        );
        assert_eq!(
            measure_with(&case(), &strict, judge(["yes", "yes", "no"]))
                .await
                .unwrap()
                .value,
            0.0
        );
    }

    #[tokio::test]
    async fn an_output_that_states_nothing_is_not_judged() {
        let fake = FakeJudge::new().reply(r#"{"statements": []}"#);
        let score = measure_with(&case(), &AnswerRelevancy::new(), fake)
            .await
            .unwrap();
        assert_eq!(score.value, 1.0);
        assert!(score.reason.unwrap().contains("states nothing"));
    }

    #[tokio::test]
    async fn a_malformed_reply_is_asked_again() {
        let fake = FakeJudge::new()
            .reply("You have 30 days")
            .reply(r#"{"statements": "one"}"#)
            .reply(r#"{"statements": []}"#);
        let _ = measure_with(&case(), &AnswerRelevancy::new(), fake.clone()).await;
        let last = fake.prompts()[2].text();
        assert!(
            last.contains("holds no JSON object")
                && last.contains("`statements` must be a list of texts"),
            "{last}"
        );
    }
}
