//! `Classifier`.

use super::shown::shown;
use crate::choice::{Choice, choose};
use crate::options::{Options, knobs, options};
use crate::{Bar, EvalCx, Field, Metric, NotApplicable, Result, Score};
use serde_json::Value;

/// The label that stands for none of the others.
const NONE: &str = "none";

/// The metadata key with the labels that a row expects, by classifier.
const EXPECTED: &str = "expected_labels";

/// Measures which one of several labels fits the answer: 1 if it is the right one, else 0.
///
/// What is right: the label under the classifier's name in the row's metadata `expected_labels`; with
/// [`by_expected`](Self::by_expected) the case's `expected`; else those of [`passing`](Self::passing). A case for which none
/// of these is set is Skipped, and so is not judged. The label that was chosen is in the details and in the reason. The judge
/// sees the conversation, or else input and output, and the tool calls if there are some; [`given`](Self::given) chooses
/// other fields. Default bar: at least 1. After the classifiers of DeepEval 4.3.1, whose thirteen come with this type, such
/// as [`refusal`](Self::refusal) and [`prompt_injection`](Self::prompt_injection); DeepEval reports the label only.
///
/// ```
/// use llmtest_metrics::{Classifier, FakeJudge, TestCase, measure_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let judge = FakeJudge::new().reply(r#"{"reason": "It refuses to help.", "verdict": "rejects"}"#);
/// let mood = Classifier::new("help")
///     .label("helps", "the answer solves the user's problem")
///     .label("rejects", "the answer sends the user away")
///     .passing(["helps"]);
/// let case = TestCase::new("My shoes don't fit.", "That is not our business.");
/// let score = measure_with(&case, &mood, judge).await.unwrap();
/// assert_eq!(score.value, 0.0);
/// assert_eq!(score.reason.as_deref(), Some("the label is `rejects`, not `helps`: it refuses to help"));
/// # }
/// ```
///
/// In a dataset row: `{"input": "…", "expected_labels": {"help": "helps"}}`.
#[derive(Debug, Clone)]
pub struct Classifier {
    options: Options,
    name: String,
    about: Option<String>,
    labels: Vec<(String, String)>,
    passing: Vec<String>,
    by_expected: bool,
    given: Vec<Field>,
}

impl Classifier {
    /// A classifier of this name, the key in reports and baselines; give it at least two labels. Panics on an empty name.
    #[track_caller]
    pub fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        assert!(
            !name.trim().is_empty(),
            "a classifier needs a name, such as `Classifier::new(\"tone\")`"
        );
        Self {
            options: options!("classifier": "label"),
            name,
            about: None,
            labels: Vec::new(),
            passing: Vec::new(),
            by_expected: false,
            given: Vec::new(),
        }
    }

    /// Adds a label and what it means. Panics on an empty label or meaning, and on a label that it already has.
    #[track_caller]
    pub fn label(mut self, label: impl Into<String>, meaning: impl Into<String>) -> Self {
        let (label, meaning) = (label.into().trim().to_string(), meaning.into());
        assert!(
            !label.is_empty() && !meaning.trim().is_empty(),
            "`{}` needs labels with a meaning, such as `.label(\"calm\", \"the answer stays polite\")`",
            self.name
        );
        assert!(
            !self.knows(&label),
            "`{}` has the label `{label}` twice; leave one out",
            self.name
        );
        self.labels.push((label, meaning));
        self
    }

    /// Adds the label `none`, for answers that none of the others fits.
    #[track_caller]
    pub fn allow_none(self) -> Self {
        self.label(NONE, "none of the other labels fits")
    }

    /// Tells the judge what it must know to choose, such as the scope of the assistant.
    pub fn about(mut self, text: impl Into<String>) -> Self {
        self.about = Some(text.into());
        self
    }

    /// Sets the labels that score 1, where the case expects none of its own. Panics when there is none, and on a label that
    /// was not added before.
    #[track_caller]
    pub fn passing<S: Into<String>>(mut self, labels: impl IntoIterator<Item = S>) -> Self {
        self.passing = labels.into_iter().map(Into::into).collect();
        assert!(
            !self.passing.is_empty(),
            "`{}` needs a label that passes, such as `.passing([\"calm\"])`",
            self.name
        );
        for label in &self.passing {
            assert!(
                self.knows(label),
                "`{}` has no label `{label}`; its labels are {}; add labels before `.passing`",
                self.name,
                self.listed()
            );
        }
        self
    }

    /// Takes the case's `expected` for the right label, where the row's `expected_labels` say nothing.
    pub fn by_expected(mut self) -> Self {
        self.by_expected = true;
        self
    }

    /// Sets what the judge sees of the case. Panics on an empty list.
    #[track_caller]
    pub fn given(mut self, fields: impl IntoIterator<Item = Field>) -> Self {
        self.given = fields.into_iter().collect();
        assert!(
            !self.given.is_empty(),
            "`{}` must see something of the case, such as `.given([Field::Output])`",
            self.name
        );
        self
    }

    fn knows(&self, label: &str) -> bool {
        self.labels.iter().any(|(known, _)| known == label)
    }

    fn listed(&self) -> String {
        list(self.labels.iter().map(|(label, _)| label))
    }

    /// The labels that score 1 for this case.
    fn wanted(&self, cx: &EvalCx<'_>) -> Result<Vec<String>> {
        let row = cx.case.metadata.get(EXPECTED);
        let row = row.and_then(|labels| labels.get(&self.name));
        let expected = match row {
            Some(Value::String(label)) => Some(label.clone()),
            Some(Value::Null) | None if self.by_expected => cx.case.expected.clone(),
            Some(Value::Null) | None => None,
            Some(other) => {
                return Err(format!(
                    "`{EXPECTED}.{}` in the metadata must be a label, but it is {other}",
                    self.name
                )
                .into());
            }
        };
        let Some(label) = expected else {
            if self.passing.is_empty() {
                let why = format!("the case expects no label of `{}`", self.name);
                return Err(NotApplicable::because(why).into());
            }
            return Ok(self.passing.clone());
        };
        let label = label.trim().to_string();
        if self.knows(&label) {
            return Ok(vec![label]);
        }
        Err(format!(
            "the case expects the label `{label}`, which `{}` does not have\nhint: its labels are {}",
            self.name,
            self.listed()
        )
        .into())
    }
}

knobs!(Classifier);

impl Metric for Classifier {
    fn name(&self) -> &str {
        &self.name
    }

    fn bar(&self) -> Bar {
        Bar::AtLeast(1.0)
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        if self.labels.len() < 2 {
            let fix = "hint: add labels with `.label(\"calm\", \"the answer stays polite\")`";
            return Err(format!("`{}` needs at least two labels\n{fix}", self.name).into());
        }
        let wanted = self.wanted(cx)?;
        let seen = shown(cx, self, &self.given)?;
        let meanings: Vec<String> = self
            .labels
            .iter()
            .map(|(label, meaning)| format!("{label:?}: {meaning}."))
            .collect();
        let about = self.about.as_deref().map(|about| format!(" {about}"));
        let template = self
            .options
            .template("label")
            .text("about", about.unwrap_or_default())
            .text("labels", meanings.join("\n"))
            .fenced_list("case", seen);
        let labels: Vec<&str> = self
            .labels
            .iter()
            .map(|(label, _)| label.as_str())
            .collect();
        let choice = choose(cx, template, &labels).await?;
        Ok(score(&labels, &choice, &wanted))
    }
}

/// 1 if the chosen label is wanted, else 0.
fn score(labels: &[&str], choice: &Choice, wanted: &[String]) -> Score {
    let label = labels[choice.index];
    let right = wanted.iter().any(|wanted| wanted == label);
    let not = if right {
        String::new()
    } else {
        format!(", not {}", list(wanted))
    };
    let why = if choice.reason.is_empty() {
        String::new()
    } else {
        format!(": {}", choice.reason)
    };
    Score::from(right)
        .because(format!("the label is `{label}`{not}{why}"))
        .detail("label", label)
        .detail("wanted", wanted.to_vec())
}

fn list<T: std::fmt::Display>(labels: impl IntoIterator<Item = T>) -> String {
    let labels: Vec<String> = labels
        .into_iter()
        .map(|label| format!("`{label}`"))
        .collect();
    labels.join(" or ")
}

#[cfg(test)]
#[path = "classifier_tests.rs"]
mod tests;
