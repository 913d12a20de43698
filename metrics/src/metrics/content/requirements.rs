//! `Requirements`.

use super::shown::shown;
use crate::options::{Options, knobs, options};
use crate::reason::one_line;
use crate::verdicts::{Ballot, Verdict, Vote, quote_text};
use crate::{Bar, EvalCx, Field, Metric, NotApplicable, Result, Score};
use serde_json::{Value, json};

/// How many broken requirements a reason quotes.
const QUOTED: usize = 3;

/// Measures whether the answer does what it must and nothing that it must not: 1 if every requirement is kept, else 0.
///
/// Requirements are those of the metric, then those in the row's metadata, as lists of texts under `must` and `must_not`.
/// The judge is asked of each text whether the answer does it, and is not told whether it should: a `must` is kept by a
/// yes, a `must_not` by a no. Each has an id, its own or `must[1]`, `must_not[1]` and so on, and a status in the
/// details: `pass`, `fail` or `unable_to_evaluate`. One that the judge is unable to evaluate is an error: the answer was not
/// measured. A case without requirements is Skipped. The judge sees the conversation, or else input and output, and the tool
/// calls if there are some; [`given`](Self::given) chooses other fields. Default bar: 1. With [`partial`](Self::partial) the
/// score is the share that is kept. Statuses and formula as the expectations of DeepEval 4.3.1.
///
/// ```
/// use llmtest_metrics::{FakeJudge, Requirements, TestCase, measure_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let judge = FakeJudge::new().reply(r#"{"verdicts": {
///     "1": {"reason": "It says 30 days.", "verdict": "yes"},
///     "2": {"reason": "It offers a voucher.", "verdict": "yes"}}}"#);
/// let case = TestCase::new("How long may I return shoes?", "For 30 days. Take a voucher!");
/// let kept = Requirements::new().must("name the time limit").must_not("promise money or vouchers");
/// let score = measure_with(&case, &kept, judge).await.unwrap();
/// assert_eq!(score.value, 0.0);
/// assert_eq!(score.reason.as_deref(),
///     Some(r#"1 of 2 requirements is broken: must_not[1] "promise money or vouchers" (it offers a voucher)"#));
/// # }
/// ```
///
/// In a dataset row: `{"input": "…", "must": ["name the time limit"], "must_not": ["promise vouchers"]}`.
#[derive(Debug, Clone)]
pub struct Requirements {
    options: Options,
    rules: Vec<Rule>,
    partial: bool,
    given: Vec<Field>,
}

/// What the answer must or must not do: a text, or a pair of an id and a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    id: Option<String>,
    text: String,
}

impl From<&str> for Requirement {
    fn from(text: &str) -> Self {
        text.to_string().into()
    }
}

impl From<String> for Requirement {
    fn from(text: String) -> Self {
        Self { id: None, text }
    }
}

impl<I: Into<String>, T: Into<String>> From<(I, T)> for Requirement {
    fn from((id, text): (I, T)) -> Self {
        Self {
            id: Some(id.into()),
            text: text.into(),
        }
    }
}

/// A requirement with its direction.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    id: Option<String>,
    text: String,
    /// Whether the answer must do it, or must not.
    must: bool,
}

impl Requirements {
    /// Without requirements but those of the row.
    pub fn new() -> Self {
        Self {
            options: options!("requirements": "verdicts"),
            rules: Vec::new(),
            partial: false,
            given: Vec::new(),
        }
    }

    /// Adds what the answer must do, such as `"name the time limit"`, or an id with it: `("limit", "name the time limit")`.
    /// Panics when it is blank or the id is taken.
    #[track_caller]
    pub fn must(self, requirement: impl Into<Requirement>) -> Self {
        self.rule(requirement.into(), true)
    }

    /// Adds what the answer must not do; say it without "not", such as `"promise a voucher"`. Panics when it is blank or the
    /// id is taken.
    #[track_caller]
    pub fn must_not(self, requirement: impl Into<Requirement>) -> Self {
        self.rule(requirement.into(), false)
    }

    #[track_caller]
    fn rule(mut self, requirement: Requirement, must: bool) -> Self {
        let text = one_line(&requirement.text);
        assert!(
            !text.is_empty(),
            "`requirements` needs texts, such as `.must(\"name the time limit\")`"
        );
        if let Some(id) = &requirement.id {
            let taken = self.rules.iter().any(|rule| rule.id.as_ref() == Some(id));
            assert!(
                !id.trim().is_empty() && !taken,
                "the id `{id}` of a requirement is empty or taken; give each its own"
            );
        }
        let id = requirement.id;
        self.rules.push(Rule { id, text, must });
        self
    }

    /// Scores the share of requirements that are kept, with a bar of 0.5.
    pub fn partial(mut self) -> Self {
        self.partial = true;
        self
    }

    /// Sets what the judge sees of the case. Panics on an empty list.
    #[track_caller]
    pub fn given(mut self, fields: impl IntoIterator<Item = Field>) -> Self {
        self.given = fields.into_iter().collect();
        assert!(
            !self.given.is_empty(),
            "`requirements` must see something of the case, such as `.given([Field::Output])`"
        );
        self
    }

    /// The metric's requirements and the row's, each with its id.
    fn all(&self, cx: &EvalCx<'_>) -> Result<Vec<(String, Rule)>> {
        let mut rules = self.rules.clone();
        // DeepEval's rows hold both lists under `expectations`.
        let metadata = &cx.case.metadata;
        let under = metadata.get("expectations").and_then(Value::as_object);
        for (key, must) in [("must", true), ("must_not", false)] {
            let lists = [metadata.get(key), under.and_then(|under| under.get(key))];
            for list in lists {
                for text in texts(key, list)? {
                    let id = None;
                    rules.push(Rule { id, text, must });
                }
            }
        }
        Ok(numbered(rules))
    }
}

knobs!(Requirements, default);

impl Metric for Requirements {
    fn name(&self) -> &'static str {
        "requirements"
    }

    fn bar(&self) -> Bar {
        if self.partial {
            self.options.bar()
        } else {
            Bar::AtLeast(1.0)
        }
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        let rules = self.all(cx)?;
        if rules.is_empty() {
            let why = "there are no requirements, neither of the test nor of the case";
            return Err(NotApplicable::because(why).into());
        }
        let seen = shown(cx, self, &self.given)?;
        // As questions: a small model takes a bare "insult the user" for a rule and says yes where the rule is kept.
        let question =
            |(_, rule): &(String, Rule)| format!("Does the assistant do this? \"{}\"", rule.text);
        let questions: Vec<String> = rules.iter().map(question).collect();
        let ask = |lines| {
            self.options
                .template("verdicts")
                .fenced_list("case", seen.clone())
                .fenced("questions", "questions", lines)
        };
        let verdicts = Ballot(&[Vote::Yes, Vote::No, Vote::Borderline])
            .verdicts(cx, &questions, ask)
            .await?;
        Ok(self.options.clamp(score(&rules, &verdicts, self.partial)?))
    }
}

/// The requirements with their ids. Those without one are counted from 1, `must` and `must_not` apart.
fn numbered(rules: Vec<Rule>) -> Vec<(String, Rule)> {
    let (mut musts, mut must_nots) = (0, 0);
    let mut id = |rule: &Rule| {
        let (kind, count) = if rule.must {
            ("must", &mut musts)
        } else {
            ("must_not", &mut must_nots)
        };
        *count += 1;
        rule.id
            .clone()
            .unwrap_or_else(|| format!("{kind}[{count}]"))
    };
    rules.into_iter().map(|rule| (id(&rule), rule)).collect()
}

/// A list of texts in the metadata, or one text.
fn texts(key: &str, value: Option<&Value>) -> Result<Vec<String>> {
    let wrong = || {
        format!(
            "`{key}` in the metadata must be a list of texts\nhint: write `\"{key}\": [\"name the time limit\"]`"
        )
    };
    let items = match value {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(items)) => items.as_slice(),
        Some(one) => std::slice::from_ref(one),
    };
    let read = |item: &Value| {
        let text = one_line(item.as_str().ok_or_else(wrong)?);
        if text.is_empty() {
            Err(wrong().into())
        } else {
            Ok(text)
        }
    };
    items.iter().map(read).collect()
}

/// 1 if every requirement is kept, else 0, or the share that is kept. An error where one could not be judged.
fn score(rules: &[(String, Rule)], verdicts: &[Verdict], partial: bool) -> Result<Score> {
    let status = |rule: &Rule, verdict: &Verdict| match verdict.vote {
        Vote::Borderline => "unable_to_evaluate",
        vote if (vote == Vote::Yes) == rule.must => "pass",
        _ => "fail",
    };
    let judged: Vec<_> = rules
        .iter()
        .zip(verdicts)
        .map(|((id, rule), verdict)| (id, rule, verdict, status(rule, verdict)))
        .collect();
    let quoted = |wanted: &str| {
        let found = judged.iter().filter(|(.., status)| *status == wanted);
        let quotes = found.map(|(id, rule, verdict, _)| {
            format!("{id} {}", quote_text(&rule.text, &verdict.reason))
        });
        quotes.collect::<Vec<String>>()
    };
    let unable = quoted("unable_to_evaluate");
    if !unable.is_empty() {
        let hint = "hint: say more precisely what is to be seen in the answer, or show the judge more of the case with `.given([…])`";
        let unable = unable.join("; ");
        return Err(format!("the judge is unable to evaluate {unable}\n{hint}").into());
    }
    let mut failing = quoted("fail");
    let (broken, all) = (failing.len(), judged.len());
    let plural = if all == 1 { "" } else { "s" };
    let reason = match broken {
        0 if all == 1 => "the only requirement is kept".to_string(),
        0 => format!("all {all} requirements are kept"),
        _ => {
            failing.truncate(QUOTED);
            if broken > QUOTED {
                failing.push(format!("and {} more", broken - QUOTED));
            }
            let are = if broken == 1 { "is" } else { "are" };
            let failing = failing.join("; ");
            format!("{broken} of {all} requirement{plural} {are} broken: {failing}")
        }
    };
    let score = if partial {
        Score::ratio(all - broken, all)
    } else {
        Score::from(broken == 0)
    };
    let details: Vec<Value> = judged
        .iter()
        .map(|(id, rule, verdict, status)| {
            json!({"id": id, "requirement": rule.text, "status": status, "reason": verdict.reason})
        })
        .collect();
    Ok(score.because(reason).detail("requirements", details))
}

#[cfg(test)]
#[path = "requirements_tests.rs"]
mod tests;
