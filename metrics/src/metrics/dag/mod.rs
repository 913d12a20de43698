//! `Dag`.

use super::graded::{DEFAULT_FIELDS, fields_of};
use crate::options::{Options, options};
use crate::{EvalCx, Field, Metric, Result, Score, reason};
use serde::Deserialize;
use serde_json::{Value, json};

/// The answer that stands for all that a question does not name.
const OTHERWISE: &str = "otherwise";

/// Measures by a tree of questions: each answer of the judge leads to the next question or to a score.
///
/// One call of the judge a question, and only along the path that is taken. Needs the fields it is given: `input` and
/// `output` by default. Default bar: at least 0.5. After DeepEval 4.3.1's DAG, with scores in `0.0..=1.0`.
///
/// ```
/// use llmtest_metrics::{Dag, FakeJudge, TestCase, ask, measure_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let tone = Dag::new("tone", ask("Does the reply apologise?").no(0.0).yes(
///     ask("How is the apology phrased?").when("sincere", 1.0).when("formulaic", 0.5).otherwise(0.2),
/// ));
///
/// let judge = FakeJudge::new()
///     .reply(r#"{"reason": "It says sorry.", "verdict": "yes"}"#)
///     .reply(r#"{"reason": "It is a stock phrase.", "verdict": "formulaic"}"#);
/// let case = TestCase::new("My parcel is lost.", "We apologise for any inconvenience.");
/// assert_eq!(measure_with(&case, &tone, judge).await.unwrap().value, 0.5);
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Dag {
    name: String,
    root: Question,
    fields: Vec<Field>,
    options: Options,
}

impl Dag {
    /// A metric of this name that starts with this question. Panics on a question that lacks answers: a yes/no question
    /// needs `.yes(…)` and `.no(…)`, any other at least two outcomes.
    #[track_caller]
    pub fn new(name: impl Into<String>, root: Question) -> Self {
        let name = name.into();
        assert!(
            !name.trim().is_empty(),
            "a `Dag` needs a name, such as `tone`"
        );
        root.check(&name);
        Self {
            name,
            root,
            fields: DEFAULT_FIELDS.to_vec(),
            options: options!("dag": "question"),
        }
    }

    /// Sets what the judge sees of the case, for every question that sets nothing itself. Panics on an empty list.
    #[track_caller]
    pub fn given(mut self, fields: impl IntoIterator<Item = Field>) -> Self {
        self.fields = fields.into_iter().collect();
        assert!(
            !self.fields.is_empty(),
            "`Dag` `{}` must be given at least one field to judge",
            self.name
        );
        self
    }

    /// Replaces the prompt `question`. It must use the same placeholders.
    #[track_caller]
    pub fn prompt(mut self, step: &str, text: impl Into<String>) -> Self {
        self.options.replace(step, text.into());
        self
    }

    async fn answer<'a>(
        &self,
        cx: &EvalCx<'_>,
        question: &'a Question,
    ) -> Result<(&'a Outcome, String)> {
        let labels: Vec<&str> = question
            .outcomes
            .iter()
            .map(|outcome| outcome.label.as_str())
            .collect();
        let prompt = self
            .options
            .template("question")
            .fenced_list("case", fields_of(cx, self, question.fields.as_ref().unwrap_or(&self.fields))?)
            .text("question", &question.text)
            .text("answers", listed(&labels))
            .schema(json!({
                "type": "object",
                "properties": {"reason": {"type": "string"}, "verdict": {"type": "string", "enum": labels}},
                "required": ["reason", "verdict"],
                "additionalProperties": false,
            }))
            .prompt()?;
        let check = |verdict: &Verdict| match question.outcome(&verdict.verdict) {
            Some(_) => Ok(()),
            None => Err(format!(
                "`verdict` must be exactly one of {}, but it is {}",
                listed(&labels),
                verdict.verdict
            )),
        };
        let verdict = cx.ask_checked::<Verdict>(prompt, check).await?.value;
        let outcome = question
            .outcome(&verdict.verdict)
            .ok_or("the verdict is none of the answers")?;
        Ok((outcome, reason::clause(&verdict.reason, reason::LONGEST)))
    }
}

impl Metric for Dag {
    fn name(&self) -> &str {
        &self.name
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        let mut path = Vec::new();
        let mut question = &self.root;
        loop {
            let (outcome, reason) = self.answer(cx, question).await?;
            path.push(Step {
                question: &question.text,
                answer: &outcome.label,
                reason,
            });
            match &outcome.then.0 {
                Then::Ask(next) => question = next,
                Then::Score(value) => return Ok(score(*value, &path)),
            }
        }
    }
}

/// One question of the path that was taken.
struct Step<'a> {
    question: &'a str,
    answer: &'a str,
    reason: String,
}

fn score(value: f64, path: &[Step<'_>]) -> Score {
    let taken = path
        .iter()
        .map(|step| format!("{} {}", step.question, step.answer))
        .collect::<Vec<_>>()
        .join(" → ");
    let reason = match path.last() {
        Some(last) if !last.reason.is_empty() => format!("{} ({taken})", last.reason),
        _ => format!("the answers were: {taken}"),
    };
    let steps: Vec<Value> = path
        .iter()
        .map(
            |step| json!({"question": step.question, "answer": step.answer, "reason": step.reason}),
        )
        .collect();
    Score::new(value).because(reason).detail("path", steps)
}

/// A question of a [`Dag`]; made by [`ask`].
#[derive(Debug, Clone)]
#[must_use = "a question is asked as part of a `Dag`"]
pub struct Question {
    text: String,
    fields: Option<Vec<Field>>,
    outcomes: Vec<Outcome>,
}

#[derive(Debug, Clone)]
struct Outcome {
    label: String,
    kind: Kind,
    then: Node,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    YesNo,
    Several,
}

/// Where an answer leads: a score in `0.0..=1.0` or another question. Made from either of them.
#[derive(Debug, Clone)]
pub struct Node(Then);

#[derive(Debug, Clone)]
enum Then {
    Score(f64),
    Ask(Box<Question>),
}

impl From<f64> for Node {
    fn from(score: f64) -> Self {
        Self(Then::Score(score))
    }
}

impl From<Question> for Node {
    fn from(question: Question) -> Self {
        Self(Then::Ask(Box::new(question)))
    }
}

/// A question for a [`Dag`]: either with `.yes(…)` and `.no(…)`, or with several answers by `.when(…)` and `.otherwise(…)`.
///
/// ```
/// use llmtest_metrics::{Dag, Field, ask};
///
/// let language = ask("In which language is the reply?").given([Field::Output]).when("English", 1.0).otherwise(0.0);
/// let _ = Dag::new("in_english", language);
/// ```
#[track_caller]
pub fn ask(question: impl Into<String>) -> Question {
    let text = question.into();
    assert!(!text.trim().is_empty(), "`ask` needs a question");
    Question {
        text,
        fields: None,
        outcomes: Vec::new(),
    }
}

impl Question {
    /// Where "yes" leads.
    #[track_caller]
    pub fn yes(self, then: impl Into<Node>) -> Self {
        self.add("yes".to_string(), Kind::YesNo, then.into())
    }

    /// Where "no" leads.
    #[track_caller]
    pub fn no(self, then: impl Into<Node>) -> Self {
        self.add("no".to_string(), Kind::YesNo, then.into())
    }

    /// Where this answer leads.
    #[track_caller]
    pub fn when(self, answer: impl Into<String>, then: impl Into<Node>) -> Self {
        let answer = answer.into().trim().to_string();
        assert!(
            !answer.is_empty(),
            "question `{}` has an answer without text",
            self.text
        );
        self.add(answer, Kind::Several, then.into())
    }

    /// Where it leads when no other answer fits.
    #[track_caller]
    pub fn otherwise(self, then: impl Into<Node>) -> Self {
        self.add(OTHERWISE.to_string(), Kind::Several, then.into())
    }

    /// Sets what the judge sees of the case for this question. Panics on an empty list.
    #[track_caller]
    pub fn given(mut self, fields: impl IntoIterator<Item = Field>) -> Self {
        let fields: Vec<Field> = fields.into_iter().collect();
        assert!(
            !fields.is_empty(),
            "question `{}` must be given at least one field to judge",
            self.text
        );
        self.fields = Some(fields);
        self
    }

    #[track_caller]
    fn add(mut self, label: String, kind: Kind, then: Node) -> Self {
        let text = &self.text;
        let mixed = self.outcomes.iter().any(|outcome| outcome.kind != kind);
        assert!(
            !mixed,
            "question `{text}` has both yes/no and named answers; use `.yes` and `.no`, or `.when` and `.otherwise`"
        );
        assert!(
            self.outcome(&label).is_none(),
            "question `{text}` has the answer `{label}` twice"
        );
        if let Then::Score(score) = then.0 {
            assert!(
                (0.0..=1.0).contains(&score),
                "question `{text}`, answer `{label}`: the score {score} is outside 0.0..=1.0"
            );
        }
        self.outcomes.push(Outcome { label, kind, then });
        self
    }

    /// The outcome of this answer; case, quotes and a period do not count.
    fn outcome(&self, answer: &str) -> Option<&Outcome> {
        let plain = |text: &str| {
            text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '`' | '\'' | '.'))
                .to_lowercase()
        };
        let answer = plain(answer);
        self.outcomes
            .iter()
            .find(|outcome| plain(&outcome.label) == answer)
    }

    #[track_caller]
    fn check(&self, dag: &str) {
        let text = &self.text;
        match self.outcomes.first().map(|outcome| outcome.kind) {
            Some(Kind::YesNo) => assert!(
                self.outcomes.len() == 2,
                "`Dag` `{dag}`: question `{text}` needs both `.yes(…)` and `.no(…)`"
            ),
            _ => assert!(
                self.outcomes.len() >= 2,
                "`Dag` `{dag}`: question `{text}` needs at least two outcomes; add `.when(…)` or `.otherwise(…)`"
            ),
        }
        for outcome in &self.outcomes {
            if let Then::Ask(next) = &outcome.then.0 {
                next.check(dag);
            }
        }
    }
}

/// The answers as the judge reads them, in the order of the source.
fn listed(labels: &[&str]) -> String {
    let entry = |label: &&str| {
        if *label == OTHERWISE {
            format!("\"{label}\" (if none of the others fits)")
        } else {
            format!("{label:?}")
        }
    };
    labels.iter().map(entry).collect::<Vec<_>>().join(", ")
}

#[derive(Deserialize)]
struct Verdict {
    #[serde(default)]
    reason: String,
    #[serde(deserialize_with = "answer_text")]
    verdict: String,
}

/// The answer as text; for yes and no a judge may write a JSON boolean.
fn answer_text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Bool(yes) => if yes { "yes" } else { "no" }.to_string(),
        Value::String(text) => text,
        other => other.to_string(),
    })
}

#[cfg(test)]
mod tests;
