//! `Summarization`.

use crate::options::{Options, knobs, options};
use crate::verdicts::{self, Ballot, Verdict, Vote, Wording};
use crate::{
    Bar, BoxFuture, EvalCx, Field, JudgeError, JudgeErrorKind, Metric, NotApplicable, Result,
    Score, join,
};
use serde_json::json;

/// How many questions are asked about the source.
const QUESTIONS: usize = 5;

/// Measures how good a summary the output is of the input: the lower one of alignment and coverage.
///
/// *Alignment* is the share of the summary's claims that the facts of the text support; a claim that they do not decide
/// counts against it, and so does a summary without claims, which scores 0. *Coverage* asks questions that the text answers
/// with yes, and is the share of them that the summary answers with yes too; where the text answers none so, it is 0. The
/// questions are the [`assessment_questions`](Self::assessment_questions), or up to 5 that the judge writes for this text.
/// Does not apply (Skipped) where the judge finds nothing to ask. Needs `input`, the text, and `output`, its summary. The
/// details hold both parts. Default bar: at least 0.5; `.strict()` makes each part below 1 a 0. Steps and formula as DeepEval
/// 4.3.1.
///
/// ```
/// use llmtest_metrics::{FakeJudge, Summarization, TestCase, measure_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let judge = FakeJudge::new()
///     .when("summarization/truths", r#"{"truths": ["The shop opens at seven.", "It closes at noon."]}"#)
///     .when("summarization/claims", r#"{"claims": ["The shop opens at seven."]}"#)
///     .when("summarization/alignment_verdicts", r#"{"verdicts": {"1": {"reason": "", "verdict": "yes"}}}"#)
///     .when("summarization/original_answers",
///         r#"{"verdicts": {"1": {"reason": "", "verdict": "yes"}, "2": {"reason": "", "verdict": "yes"}}}"#)
///     .when("summarization/summary_answers",
///         r#"{"verdicts": {"1": {"reason": "", "verdict": "yes"}, "2": {"reason": "", "verdict": "no"}}}"#);
/// let case = TestCase::new("The shop opens at seven and closes at noon.", "The shop opens at seven.");
/// let summary = Summarization::new().assessment_questions(["Does it open at seven?", "Does it close at noon?"]);
/// let score = measure_with(&case, &summary, judge).await.unwrap();
/// assert_eq!(score.value, 0.5);
/// assert_eq!(score.details[0], ("alignment".to_string(), 1.0.into()));
/// assert_eq!(score.details[1], ("coverage".to_string(), 0.5.into()));
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Summarization {
    options: Options,
    questions: usize,
    assessment_questions: Vec<String>,
    truths_limit: Option<usize>,
}

impl Summarization {
    /// With default options.
    pub fn new() -> Self {
        Self {
            options: options!(
                "summarization": "truths", "claims", "alignment_verdicts", "questions", "original_answers", "summary_answers"
            ),
            questions: QUESTIONS,
            assessment_questions: Vec::new(),
            truths_limit: None,
        }
    }

    /// Sets how many questions the judge writes at most. Panics on 0.
    #[track_caller]
    pub fn questions(mut self, count: usize) -> Self {
        assert!(
            count > 0,
            "`summarization` needs at least one question, such as `.questions(5)`"
        );
        self.questions = count;
        self
    }

    /// Asks these questions instead of the judge's own. A good summary answers them with yes. Panics when there is none or
    /// one is blank.
    #[track_caller]
    pub fn assessment_questions<S: Into<String>>(
        mut self,
        questions: impl IntoIterator<Item = S>,
    ) -> Self {
        let one_line = |text: S| crate::reason::one_line(&text.into());
        let questions: Vec<String> = questions.into_iter().map(one_line).collect();
        assert!(
            !questions.is_empty() && questions.iter().all(|text| !text.is_empty()),
            "`summarization` needs questions, such as `.assessment_questions([\"Does it say when the shop opens?\"])`; \
             leave the call out and the judge writes them"
        );
        self.assessment_questions = questions;
        self
    }

    /// Compares the claims with this many facts of the text at most, the most important ones. Panics on 0.
    #[track_caller]
    pub fn truths_limit(mut self, limit: usize) -> Self {
        assert!(
            limit > 0,
            "`summarization` needs at least one fact to compare with, such as `.truths_limit(10)`"
        );
        self.truths_limit = Some(limit);
        self
    }

    /// A verdict on every claim of the summary.
    async fn align(&self, cx: &EvalCx<'_>, text: &str, summary: &str) -> Result<Part> {
        let limit = self
            .truths_limit
            .map(|limit| format!(" At most {limit}, the most important ones."));
        let truths = self
            .options
            .template("truths")
            .text("limit", limit.unwrap_or_default())
            .fenced("text", "text", text);
        let claims = self
            .options
            .template("claims")
            .fenced("summary", "summary", summary);
        let lists: Vec<BoxFuture<'_, _>> = vec![
            Box::pin(verdicts::list(cx, truths, "truths", text.len())),
            Box::pin(verdicts::list(cx, claims, "claims", summary.len())),
        ];
        let [mut truths, claims]: [Vec<String>; 2] = join::all(lists)
            .await?
            .try_into()
            .map_err(|_| "two lists were asked for")?;
        if claims.is_empty() {
            return Ok(Part::Alignment(Vec::new()));
        }
        truths.truncate(self.truths_limit.unwrap_or(truths.len()));
        let facts = if truths.is_empty() {
            "(none)".to_string()
        } else {
            truths.join("\n")
        };
        let ask = |lines| {
            self.options
                .template("alignment_verdicts")
                .fenced("truths", "facts", &facts)
                .fenced("claims", "claims", lines)
        };
        let verdicts = Ballot(&[Vote::Yes, Vote::No, Vote::Borderline])
            .verdicts(cx, &claims, ask)
            .await?;
        Ok(Part::Alignment(verdicts))
    }

    /// The answers of the text and of the summary to every question.
    async fn cover(&self, cx: &EvalCx<'_>, text: &str, summary: &str) -> Result<Part> {
        let questions = self.ask_for_questions(cx, text).await?;
        if questions.is_empty() {
            return Err(
                NotApplicable::because("the judge found nothing to ask about the text").into(),
            );
        }
        let answers = |step: &'static str, title: &'static str, from: &str| {
            let ask = {
                let from = from.to_string();
                move |lines| {
                    self.options
                        .template(step)
                        .fenced(title, title, &from)
                        .fenced("questions", "questions", lines)
                }
            };
            let questions = &questions;
            async move {
                Ballot(&[Vote::Yes, Vote::No])
                    .verdicts(cx, questions, ask)
                    .await
            }
        };
        let asked: Vec<BoxFuture<'_, _>> = vec![
            Box::pin(answers("original_answers", "text", text)),
            Box::pin(answers("summary_answers", "summary", summary)),
        ];
        let [original, summarized]: [Vec<Verdict>; 2] = join::all(asked)
            .await?
            .try_into()
            .map_err(|_| "two lists of answers were asked for")?;
        Ok(Part::Coverage(original, summarized))
    }

    /// The given questions, or those that the judge writes for this text; the metric does not keep them.
    async fn ask_for_questions(&self, cx: &EvalCx<'_>, text: &str) -> Result<Vec<String>> {
        if !self.assessment_questions.is_empty() {
            return Ok(self.assessment_questions.clone());
        }
        let template = self
            .options
            .template("questions")
            .text("count", self.questions.to_string())
            .fenced("text", "text", text);
        let mut questions = verdicts::list(cx, template, "questions", text.len()).await?;
        questions.truncate(self.questions);
        Ok(questions)
    }

    fn score(
        &self,
        claims: &[Verdict],
        original: &[Verdict],
        summary: &[Verdict],
    ) -> Result<Score> {
        let alignment = self.options.clamp(alignment(claims));
        let coverage = self.options.clamp(coverage(original, summary)?);
        let (lower, name) = if alignment.value <= coverage.value {
            (&alignment, "alignment")
        } else {
            (&coverage, "coverage")
        };
        let why = lower.reason.as_deref().unwrap_or_default();
        let answers = |verdicts: &[Verdict]| serde_json::to_value(verdicts).unwrap_or_default();
        Ok(Score::new(lower.value)
            .because(format!("the {name} is {:.2}: {why}", lower.value))
            .detail("alignment", alignment.value)
            .detail("coverage", coverage.value)
            .detail("verdicts", answers(claims))
            .detail(
                "answers",
                json!({"original": answers(original), "summary": answers(summary)}),
            ))
    }
}

knobs!(Summarization, default);

/// One of the two parts, which are asked for at once.
enum Part {
    Alignment(Vec<Verdict>),
    Coverage(Vec<Verdict>, Vec<Verdict>),
}

impl Metric for Summarization {
    fn name(&self) -> &'static str {
        "summarization"
    }

    fn bar(&self) -> Bar {
        self.options.bar()
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        let (text, summary) = (cx.need(self, Field::Input)?, cx.need(self, Field::Output)?);
        let parts: Vec<BoxFuture<'_, _>> = vec![
            Box::pin(self.align(cx, &text, &summary)),
            Box::pin(self.cover(cx, &text, &summary)),
        ];
        let (mut claims, mut original, mut summarized) = (Vec::new(), Vec::new(), Vec::new());
        for part in join::all(parts).await? {
            match part {
                Part::Alignment(verdicts) => claims = verdicts,
                Part::Coverage(of_text, of_summary) => {
                    (original, summarized) = (of_text, of_summary);
                }
            }
        }
        self.score(&claims, &original, &summarized)
    }
}

fn alignment(claims: &[Verdict]) -> Score {
    let wording = Wording {
        noun: "claim",
        passes: "supported by the text",
        fails: "not supported by the text",
        empty: (0.0, "the summary claims nothing"),
    };
    verdicts::share(claims, &[Vote::Yes], &wording)
}

/// Of the questions that the text answers with yes, the share that the summary answers so.
fn coverage(original: &[Verdict], summary: &[Verdict]) -> Result<Score> {
    if original.len() != summary.len() {
        let message = format!(
            "the judge answered {} questions from the text, but {} from the summary",
            original.len(),
            summary.len()
        );
        return Err(JudgeError::new(JudgeErrorKind::BadReply, message).into());
    }
    let relevant = original.iter().zip(summary);
    let relevant: Vec<Verdict> = relevant
        .filter(|(answer, _)| answer.vote == Vote::Yes)
        .map(|(_, answer)| answer.clone())
        .collect();
    let wording = Wording {
        noun: "question",
        passes: "answered by the summary",
        fails: "not answered by the summary",
        empty: (0.0, "the text answers none of the questions with yes"),
    };
    Ok(verdicts::share(&relevant, &[Vote::Yes], &wording))
}

#[cfg(test)]
#[path = "summarization_tests.rs"]
mod tests;
