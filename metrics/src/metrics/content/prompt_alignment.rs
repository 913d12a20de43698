//! `PromptAlignment`.

use crate::options::{Options, knobs, options};
use crate::verdicts::{self, Ballot, Verdict, Vote, Wording};
use crate::{Bar, EvalCx, Field, Metric, Result, Score};

/// Measures how well the output follows the instructions of its prompt: the share of them that it follows.
///
/// The judge gives each instruction a verdict, yes or no; one that does not apply to the input counts as followed. Needs
/// `input` and `output`. Default bar: at least 0.5. Formula as DeepEval 4.3.1. For requirements that differ from row to row,
/// see [`Requirements`](crate::Requirements).
///
/// ```
/// use llmtest_metrics::{FakeJudge, PromptAlignment, TestCase, measure_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let judge = FakeJudge::new().reply(r#"{"verdicts": {
///     "1": {"reason": "It is English.", "verdict": "yes"},
///     "2": {"reason": "It names no page.", "verdict": "no"}}}"#);
/// let case = TestCase::new("How long may I return shoes?", "For 30 days.");
/// let aligned = PromptAlignment::new(["Reply in English.", "Name the page of the handbook."]);
/// assert_eq!(measure_with(&case, &aligned, judge).await.unwrap().value, 0.5);
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct PromptAlignment {
    options: Options,
    instructions: Vec<String>,
}

impl PromptAlignment {
    /// With these instructions, as the prompt of the system under test has them. Panics when there is none or one is blank.
    #[track_caller]
    pub fn new<S: Into<String>>(instructions: impl IntoIterator<Item = S>) -> Self {
        let one_line = |text: S| crate::reason::one_line(&text.into());
        let instructions: Vec<String> = instructions.into_iter().map(one_line).collect();
        assert!(
            !instructions.is_empty() && instructions.iter().all(|text| !text.is_empty()),
            "`prompt_alignment` needs the instructions to follow, such as `PromptAlignment::new([\"Reply in English.\"])`"
        );
        Self {
            options: options!("prompt_alignment": "verdicts"),
            instructions,
        }
    }
}

knobs!(PromptAlignment);

impl Metric for PromptAlignment {
    fn name(&self) -> &'static str {
        "prompt_alignment"
    }

    fn bar(&self) -> Bar {
        self.options.bar()
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        let (input, output) = (cx.need(self, Field::Input)?, cx.need(self, Field::Output)?);
        // The instructions are fenced and asked as questions: they tell another model what to do, not the judge.
        let ask = |lines| {
            self.options
                .template("verdicts")
                .fenced("input", "input", &input)
                .fenced("output", "output", &output)
                .fenced("instructions", "instructions", lines)
        };
        let question = |text: &String| format!("Does the output follow this? \"{text}\"");
        let questions: Vec<String> = self.instructions.iter().map(question).collect();
        let mut verdicts = Ballot(&[Vote::Yes, Vote::No])
            .verdicts(cx, &questions, ask)
            .await?;
        for (verdict, text) in verdicts.iter_mut().zip(&self.instructions) {
            verdict.statement.clone_from(text);
        }
        Ok(self.options.clamp(score(&verdicts)))
    }
}

fn score(verdicts: &[Verdict]) -> Score {
    let wording = Wording {
        noun: "instruction",
        passes: "followed",
        fails: "not followed",
        empty: (1.0, "there was no instruction to follow"),
    };
    verdicts::share(verdicts, &[Vote::Yes], &wording)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::content::violations::tests::verdict;
    use crate::proptesting;
    use crate::{FakeJudge, MissingField, TestCase, measure_with};
    use proptest::prelude::*;

    fn metric() -> PromptAlignment {
        PromptAlignment::new(["Be brief.", "Name\n the page."])
    }

    fn case() -> TestCase {
        TestCase::new("How long?", "30 days.")
    }

    fn judge(second: &str) -> FakeJudge {
        FakeJudge::new().reply(format!(
            r#"{{"verdicts": {{"1": {{"reason": "Two words.", "verdict": "yes"}}, "2": {{"reason": "It names none.", "verdict": "{second}"}}}}}}"#
        ))
    }

    #[tokio::test]
    async fn an_instruction_that_is_not_followed_lowers_the_score() {
        let fake = judge("no");
        let score = measure_with(&case(), &metric(), fake.clone())
            .await
            .unwrap();
        assert_eq!(score.value, 0.5);
        assert_eq!(
            score.reason.as_deref(),
            Some(r#"1 of 2 instructions is not followed: "Name the page." (it names none)"#)
        );
        let text = fake.prompts()[0].text();
        assert!(
            text.contains("\n1. Does the output follow this? \"Be brief.\"\n2. Does"),
            "{text}"
        );
        assert!(text.len() < 1500);
    }

    #[tokio::test]
    async fn strict_wants_all_of_them() {
        let strict = metric().strict();
        let measured = measure_with(&case(), &strict, judge("no")).await.unwrap();
        assert_eq!(measured.value, 0.0);
        let measured = measure_with(&case(), &strict, judge("yes")).await.unwrap();
        assert_eq!(measured.value, 1.0);
    }

    #[tokio::test]
    async fn no_instruction_is_left_out() {
        let judge = FakeJudge::new().when(
            "verdicts",
            r#"{"verdicts": {"1": {"reason": "", "verdict": "yes"}}}"#,
        );
        let error = measure_with(&case(), &metric(), judge).await.unwrap_err();
        assert!(
            error.to_string().contains("prompt_alignment/verdicts"),
            "{error}"
        );
        let silent = TestCase::new("How long?", "");
        let error = measure_with(&silent, &metric(), FakeJudge::new())
            .await
            .unwrap_err();
        assert_eq!(
            error.downcast_ref::<MissingField>().unwrap().field,
            "output"
        );
    }

    #[test]
    #[should_panic(expected = "such as `PromptAlignment::new([\"Reply in English.\"])`")]
    fn no_instructions_are_refused() {
        PromptAlignment::new([""; 0]);
    }

    proptest! {
        #![proptest_config(proptesting::config())]

        #[test]
        fn one_more_followed_instruction_never_lowers_the_score(followed in prop::collection::vec(any::<bool>(), 1..20)) {
            let value = |followed: &[bool]| {
                let vote = |yes: &bool| verdict(if *yes { Vote::Yes } else { Vote::No });
                score(&followed.iter().map(vote).collect::<Vec<_>>()).value
            };
            let before = value(&followed);
            prop_assert!((0.0..=1.0).contains(&before));
            let mut more = followed.clone();
            more.push(true);
            prop_assert!(value(&more) >= before);
            let mut sorted = followed.clone();
            sorted.sort_unstable();
            prop_assert_eq!(value(&sorted), before);
        }
    }
}
