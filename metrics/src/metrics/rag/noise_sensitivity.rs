//! `NoiseSensitivity`.

use super::passages;
use crate::options::{Options, knobs, options};
use crate::verdicts::{self, Ballot, Verdict, Vote};
use crate::{Bar, BoxFuture, EvalCx, Field, Metric, NotApplicable, Result, Score, join};

const YES_NO: Ballot = Ballot(&[Vote::Yes, Vote::No]);

/// Measures how far what was retrieved leads the answer astray: the share of the output's statements that are wrong by the
/// expected output and yet stated by a passage. **Low is good**: 0 is best.
///
/// Counts what comes from relevant passages, those that state a part of the expected output: the noise in them was taken
/// for the answer. With [`irrelevant`](Self::irrelevant), what comes from the other passages alone. The judge lists the
/// statements, says which are right and, where one is not, which passages are relevant and which passages state it. An output that
/// states nothing, or one for which nothing was retrieved, is not applicable. Needs `input`, `output`, `expected` and
/// `retrieved`. Default bar: at most 0.5. Formula as ragas 0.4, mean over statements of "wrong and from such a passage".
///
/// ```
/// use llmtest_metrics::{FakeJudge, NoiseSensitivity, TestCase, measure_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let judge = FakeJudge::new()
///     .when("/statements", r#"{"statements": ["Returns take 30 days.", "Returns cost 5 euros."]}"#)
///     .when("/correct", r#"{"verdicts": {"1": {"reason": "It says so.", "verdict": "yes"}, "2": {"reason": "They are free.", "verdict": "no"}}}"#)
///     .when("/relevant", r#"{"verdicts": {"1": {"reason": "It has the limit.", "verdict": "yes"}}}"#)
///     .when("/supported", r#"{"verdicts": {"1": {"reason": "It names the price.", "verdict": "yes"}}}"#);
/// let case = TestCase::new("Refund?", "Within 30 days, for 5 euros.")
///     .expected("Within 30 days, for free.")
///     .retrieved(["Returns take 30 days. Until 2019 they were 5 euros."]);
/// assert_eq!(measure_with(&case, &NoiseSensitivity::new(), judge).await.unwrap().value, 0.5);
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct NoiseSensitivity {
    irrelevant: bool,
    options: Options,
}

impl NoiseSensitivity {
    /// For relevant passages.
    pub fn new() -> Self {
        Self {
            irrelevant: false,
            options: options!("noise_sensitivity": "statements", "correct", "relevant", "supported"),
        }
    }

    /// Counts what comes from irrelevant passages and from no relevant one.
    pub fn irrelevant(mut self) -> Self {
        self.irrelevant = true;
        self
    }

    async fn statements(&self, cx: &EvalCx<'_>, input: &str, output: &str) -> Result<Vec<String>> {
        let template = self
            .options
            .template("statements")
            .fenced("input", "input", input)
            .fenced("output", "output", output);
        verdicts::list(cx, template, "statements", output.len()).await
    }

    /// Which passages state which of these statements; for each passage that matters.
    async fn supported(
        &self,
        cx: &EvalCx<'_>,
        wrong: &[String],
        passages: &[String],
        relevant: &[bool],
    ) -> Result<Vec<Vec<bool>>> {
        // Irrelevant passages do not matter to the share of relevant ones.
        let matters = |at: usize| self.irrelevant || relevant[at];
        let calls = passages
            .iter()
            .enumerate()
            .map(|(at, passage)| -> BoxFuture<'_, _> {
                Box::pin(async move {
                    if !matters(at) {
                        return Ok(vec![false; wrong.len()]);
                    }
                    let ask = |lines| {
                        self.options
                            .template("supported")
                            .fenced("passage", "passage", passage)
                            .fenced("statements", "statements", lines)
                    };
                    Ok(yes(&YES_NO.verdicts(cx, wrong, ask).await?))
                })
            });
        join::all(calls.collect()).await
    }
}

knobs!(NoiseSensitivity, asking);

impl Default for NoiseSensitivity {
    fn default() -> Self {
        Self::new()
    }
}

impl Metric for NoiseSensitivity {
    fn name(&self) -> &'static str {
        "noise_sensitivity"
    }

    fn bar(&self) -> Bar {
        Bar::AtMost(0.5)
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        let (input, output) = (cx.need(self, Field::Input)?, cx.need(self, Field::Output)?);
        let expected = cx.need(self, Field::Expected)?;
        cx.need(self, Field::Retrieved)?;
        let passages = passages::lines(&cx.case.retrieved);
        if passages.is_empty() {
            return Err(NotApplicable::because("nothing was retrieved").into());
        }
        let statements = self.statements(cx, &input, &output).await?;
        if statements.is_empty() {
            return Err(NotApplicable::because("the output states nothing").into());
        }
        let ask = |lines| {
            self.options
                .template("correct")
                .fenced("input", "input", &input)
                .fenced("expected", "expected answer", &expected)
                .fenced("statements", "statements", lines)
        };
        let verdicts = YES_NO.verdicts(cx, &statements, ask).await?;
        let wrong: Vec<String> = verdicts
            .iter()
            .filter(|verdict| verdict.vote == Vote::No)
            .map(|verdict| verdict.statement.clone())
            .collect();
        if wrong.is_empty() {
            return Ok(self.score(&[], statements.len()));
        }
        let ask = |lines| {
            self.options
                .template("relevant")
                .fenced("expected", "expected answer", &expected)
                .fenced("passages", "passages", lines)
        };
        let relevant = yes(&YES_NO.verdicts(cx, &passages, ask).await?);
        let supported = self.supported(cx, &wrong, &passages, &relevant).await?;
        let astray = astray(wrong.len(), &relevant, &supported, self.irrelevant);
        let noisy: Vec<&str> = wrong
            .iter()
            .zip(astray)
            .filter_map(|(statement, astray)| astray.then_some(statement.as_str()))
            .collect();
        let details = serde_json::to_value(&verdicts).unwrap_or_default();
        Ok(self
            .score(&noisy, statements.len())
            .detail("verdicts", details)
            .detail("relevant_passages", relevant)
            .detail("led_astray", noisy))
    }
}

impl NoiseSensitivity {
    fn score(&self, noisy: &[&str], all: usize) -> Score {
        let which = if self.irrelevant {
            "irrelevant"
        } else {
            "relevant"
        };
        let reason = match noisy.first() {
            None => format!("no statement of the output is wrong on account of {which} passages"),
            Some(first) => format!(
                "what is wrong and comes from {which} passages is {} of {all} statements, such as \"{}\"",
                noisy.len(),
                crate::reason::cut(first, 100).replace('"', "'")
            ),
        };
        Score::ratio(noisy.len(), all).because(reason)
    }
}

fn yes(verdicts: &[Verdict]) -> Vec<bool> {
    verdicts.iter().map(|v| v.vote == Vote::Yes).collect()
}

/// Which of the wrong statements come from relevant passages, or from irrelevant ones alone. `supported` has a row for
/// every passage.
fn astray(wrong: usize, relevant: &[bool], supported: &[Vec<bool>], irrelevant: bool) -> Vec<bool> {
    let by = |which: bool, statement: usize| {
        let mut rows = relevant.iter().zip(supported);
        rows.any(|(relevant, row)| *relevant == which && row[statement])
    };
    (0..wrong)
        .map(|statement| {
            if irrelevant {
                by(false, statement) && !by(true, statement)
            } else {
                by(true, statement)
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FakeJudge, MissingField, TestCase, measure_with};
    use proptest::prelude::*;

    fn case() -> TestCase {
        TestCase::new("Refund?", "Within 30 days, for 5 euros, with a hat.")
            .expected("Within 30 days, for free.")
            .retrieved(["30 days. Once 5 euros.", "Hats come with all."])
    }

    fn judge() -> FakeJudge {
        FakeJudge::new()
            .when("/statements", r#"{"statements": ["30 days.", "5 euros.", "A hat."]}"#)
            .when("/correct", r#"{"verdicts": {"1": {"verdict": "yes"}, "2": {"verdict": "no"}, "3": {"verdict": "no"}}}"#)
            .when("/relevant", r#"{"verdicts": {"1": {"verdict": "yes"}, "2": {"verdict": "no"}}}"#)
            .when("Once 5 euros", r#"{"verdicts": {"1": {"verdict": "yes"}, "2": {"verdict": "no"}}}"#)
            .when("Hats come", r#"{"verdicts": {"1": {"verdict": "no"}, "2": {"verdict": "yes"}}}"#)
    }

    #[tokio::test]
    async fn a_wrong_statement_counts_for_the_kind_of_passage_that_it_comes_from() {
        let fake = judge();
        let score = measure_with(&case(), &NoiseSensitivity::new(), fake.clone())
            .await
            .unwrap();
        assert!((score.value - 1.0 / 3.0).abs() < 1e-12);
        assert_eq!(
            score.reason.as_deref(),
            Some(
                r#"what is wrong and comes from relevant passages is 1 of 3 statements, such as "5 euros.""#
            )
        );
        assert_eq!(
            fake.prompts().len(),
            4,
            "the irrelevant passage is not asked about"
        );
        let fake = judge();
        let irrelevant = NoiseSensitivity::new().irrelevant();
        let score = measure_with(&case(), &irrelevant, fake.clone())
            .await
            .unwrap();
        assert!((score.value - 1.0 / 3.0).abs() < 1e-12);
        assert!(score.reason.unwrap().ends_with(r#"such as "A hat.""#));
        assert_eq!(fake.prompts().len(), 5);
        assert!(irrelevant.bar().is_met_by(score.value));
    }

    #[tokio::test]
    async fn where_all_is_right_the_passages_are_not_looked_at() {
        let fake = FakeJudge::new()
            .reply(r#"{"statements": ["30 days."]}"#)
            .reply("right")
            .reply(r#"{"verdicts": {"1": {"verdict": "yes"}}}"#);
        let score = measure_with(&case(), &NoiseSensitivity::new(), fake.clone())
            .await
            .unwrap();
        assert_eq!((score.value, fake.prompts().len()), (0.0, 3));
    }

    #[tokio::test]
    async fn it_does_not_apply_where_nothing_is_stated_or_retrieved() {
        let silent = FakeJudge::new().reply(r#"{"statements": []}"#);
        for (case, judge, why) in [
            (case(), silent, "the output states nothing"),
            (case().retrieved([""; 0]), judge(), "nothing was retrieved"),
        ] {
            let error = measure_with(&case, &NoiseSensitivity::new(), judge)
                .await
                .unwrap_err();
            assert_eq!(error.downcast_ref::<NotApplicable>().unwrap().reason(), why);
        }
        let error = measure_with(
            &TestCase::new("q", "a").retrieved(["p"]),
            &NoiseSensitivity::new(),
            judge(),
        )
        .await
        .unwrap_err();
        assert_eq!(
            error.downcast_ref::<MissingField>().unwrap().field,
            "expected"
        );
    }

    proptest! {
        #![proptest_config(crate::proptesting::config())]

        #[test]
        fn both_kinds_exclude_each_other_and_cover_what_any_passage_states(
            (relevant, supported, wrong) in (0..5_usize, 0..6_usize).prop_flat_map(|(wrong, passages)| {
                let row = prop::collection::vec(any::<bool>(), wrong);
                (prop::collection::vec(any::<bool>(), passages), prop::collection::vec(row, passages), Just(wrong))
            })
        ) {
            let from_relevant = astray(wrong, &relevant, &supported, false);
            let from_irrelevant = astray(wrong, &relevant, &supported, true);
            for at in 0..wrong {
                prop_assert!(!(from_relevant[at] && from_irrelevant[at]));
                let any = supported.iter().any(|row| row[at]);
                prop_assert_eq!(from_relevant[at] || from_irrelevant[at], any);
            }
            // The order of the passages does not matter.
            let (mut relevant, mut supported) = (relevant, supported);
            relevant.reverse();
            supported.reverse();
            prop_assert_eq!(astray(wrong, &relevant, &supported, false), from_relevant);
        }
    }
}
