//! The engine of most judged metrics: verdicts over numbered items, and the share of them that passes.
//!
//! A metric says how its items come about ([`list`]), what is asked about them ([`Ballot::verdicts`]), which answers pass
//! ([`share`]), and when there is nothing to judge. Items are counted here: every number must come back once, what the
//! judge leaves out is asked again, and what is still missing is an error. A denominator never shrinks.

mod reply;

use crate::probability::{Decisions, Labels, rounded, told};
use crate::{
    BoxFuture, EvalCx, JudgeError, JudgeErrorKind, Result, Score, Template, join, json as reading,
    reason,
};
use reply::{Entry, NumberedReply};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::fmt;

/// How often items that the judge left out are asked again.
const RE_ASKS: usize = 2;

/// How many items are asked about in one call: more verdicts than a reply can be sure to hold.
const AT_ONCE: usize = 40;

/// How many verdicts a reason quotes.
const QUOTED: usize = 3;

/// A judge's answer about one item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Value", rename_all = "snake_case")]
pub(crate) enum Vote {
    Yes,
    No,
    Borderline,
}

impl Vote {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Borderline => "borderline",
        }
    }
}

impl fmt::Display for Vote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the judge said about one item.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Verdict {
    /// The item.
    pub(crate) statement: String,
    /// The answer.
    #[serde(rename = "verdict")]
    pub(crate) vote: Vote,
    /// Why, possibly empty.
    pub(crate) reason: String,
    /// The passage that the item is from, from one, where items belong to passages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) passage: Option<usize>,
    /// How likely each verdict was and how much of the probability was on any, where it was read from them.
    #[serde(flatten)]
    pub(crate) odds: Option<Odds>,
}

/// How likely a verdict was.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Odds {
    /// Of the verdict that was chosen.
    probability: f64,
    /// Of each.
    probabilities: Value,
    /// The share of the model's probability that was on verdicts at all.
    covered: f64,
}

/// The schema of an object that has just these keys.
fn object(properties: &Value) -> Value {
    let keys: Vec<&String> = properties
        .as_object()
        .into_iter()
        .flat_map(Map::keys)
        .collect();
    json!({"type": "object", "properties": properties, "required": keys, "additionalProperties": false})
}

/// The reply as a prompt shows it, for these numbers; `{{reply}}` in the prompt.
fn reply_shape(keys: &[String]) -> String {
    let entry = |key: &String| format!(r#""{key}": {{"reason": "...", "verdict": "..."}}"#);
    let shown = match keys {
        [first, second, _, .., last] => {
            [entry(first), entry(second), "...".to_string(), entry(last)].join(", ")
        }
        _ => keys.iter().map(entry).collect::<Vec<_>>().join(", "),
    };
    format!(r#"{{"verdicts": {{{shown}}}}}"#)
}

/// The most tokens of a reply that is about as long as a text: some four characters a token, and as much again to be sure.
pub(crate) fn tokens_for(length: usize) -> u32 {
    u32::try_from((512 + length / 2).min(8192)).unwrap_or(8192)
}

/// Has the judge list texts, such as the claims of an output, under `key` of its reply. `length` is that of the text which
/// is taken apart. Blank texts are dropped, line breaks folded.
pub(crate) async fn list(
    cx: &EvalCx<'_>,
    template: Template,
    key: &str,
    length: usize,
) -> Result<Vec<String>> {
    let tokens = tokens_for(length);
    let schema = object(&json!({key: {"type": "array", "items": {"type": "string"}}}));
    let prompt = template.schema(schema).max_tokens(tokens).prompt()?;
    let answer = cx
        .ask_checked::<Value>(prompt, |value| texts(value, key).map(|_| ()))
        .await?;
    Ok(texts(&answer.value, key)?)
}

fn texts(value: &Value, key: &str) -> Result<Vec<String>, String> {
    let wrong = || format!("`{key}` must be a list of texts");
    let items = value.get(key).and_then(Value::as_array).ok_or_else(wrong)?;
    let mut texts = Vec::with_capacity(items.len());
    for item in items {
        let text = item
            .as_str()
            .ok_or_else(wrong)?
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        if !text.is_empty() {
            texts.push(text);
        }
    }
    Ok(texts)
}

/// Whether an entry answers at all.
fn has_verdict(entry: &Value) -> Result<(), String> {
    match entry.get("verdict") {
        Some(_) => Ok(()),
        None => Err(format!("{entry} has no `verdict`")),
    }
}

/// What may be answered about an item.
pub(crate) struct Ballot(pub(crate) &'static [Vote]);

impl Ballot {
    /// Asks for a verdict on every item, in calls of at most 40, all at once. `ask` makes the prompt from the items as numbered
    /// lines; their numbers go on from call to call.
    pub(crate) async fn verdicts(
        &self,
        cx: &EvalCx<'_>,
        items: &[String],
        ask: impl Fn(String) -> Template + Send + Sync,
    ) -> Result<Vec<Verdict>> {
        if cx.as_given() {
            return self.as_given(cx, ask(numbered(items))).await;
        }
        let ask = &ask;
        let mut found: Vec<Option<Verdict>> = items.iter().map(|_| None).collect();
        if cx.decisions() != Decisions::Text {
            let calls = items.iter().map(|item| -> BoxFuture<'_, _> {
                let shape = reply_shape(&["1".to_string()]);
                let template = ask(format!("1. {item}")).text("reply", shape);
                Box::pin(self.decided(cx, template, item))
            });
            found = join::all(calls.collect()).await?;
        }
        let open: Vec<usize> = (1..=items.len())
            .filter(|number| found[number - 1].is_none())
            .collect();
        let calls = open.chunks(AT_ONCE).map(|numbers| -> BoxFuture<'_, _> {
            Box::pin(self.some_verdicts(cx, items, numbers, ask))
        });
        let written = join::all(calls.collect()).await?.into_iter().flatten();
        for (number, verdict) in open.iter().zip(written) {
            found[number - 1] = Some(verdict);
        }
        Ok(found.into_iter().flatten().collect())
    }

    /// A verdict by the probabilities of the possible ones.
    async fn decided(
        &self,
        cx: &EvalCx<'_>,
        template: Template,
        statement: &str,
    ) -> Result<Option<Verdict>> {
        let labels = Labels::words(self.0.iter().map(|vote| vote.as_str()));
        let decided = cx.decide(template, &labels).await?;
        Ok(decided.map(|(at, read)| Verdict {
            statement: statement.to_string(),
            vote: self.0[at],
            reason: told(&read, at),
            passage: None,
            odds: Some(Odds {
                probability: rounded(read.probabilities[at].1),
                probabilities: read.json(),
                covered: rounded(read.covered),
            }),
        }))
    }

    /// Asks for a verdict on the items of these numbers, in one call unless some are left out.
    async fn some_verdicts(
        &self,
        cx: &EvalCx<'_>,
        items: &[String],
        asked: &[usize],
        ask: &(impl Fn(String) -> Template + Send + Sync),
    ) -> Result<Vec<Verdict>> {
        let mut found: Vec<Option<Verdict>> = items.iter().map(|_| None).collect();
        for round in 0.. {
            let open: Vec<usize> = asked
                .iter()
                .copied()
                .filter(|number| found[number - 1].is_none())
                .collect();
            if open.is_empty() {
                break;
            }
            // Keys of one width, so that they sort as they count wherever a schema sorts its keys.
            let width = items.len().to_string().len();
            let keys: Vec<String> = open.iter().map(|n| format!("{n:0width$}")).collect();
            let lines: Vec<String> = keys
                .iter()
                .zip(&open)
                .map(|(key, number)| format!("{key}. {}", items[number - 1]))
                .collect();
            let tokens = u32::try_from((256 + 96 * open.len()).min(8192)).unwrap_or(8192);
            let prompt = ask(lines.join("\n"))
                .text("reply", reply_shape(&keys))
                .schema(self.numbered_schema(&keys))
                .max_tokens(tokens)
                .prompt()?;
            if round > RE_ASKS {
                return Err(left_out(cx, &prompt.purpose, &open, items.len()).into());
            }
            if round > 0 {
                cx.re_asked();
            }
            let answer = cx.ask_read(prompt, |text| self.read(text, &open)).await?;
            for (number, verdict) in answer.value.verdicts {
                found[number - 1] = Some(Verdict {
                    statement: items[number - 1].clone(),
                    vote: verdict.verdict,
                    reason: verdict.reason.unwrap_or_default(),
                    passage: None,
                    odds: None,
                });
            }
        }
        Ok(found.into_iter().flatten().collect())
    }

    /// Asks for one verdict on a whole: `{"reason": "...", "verdict": "..."}`. `None` only where verdicts are scored as
    /// given and this one is none.
    pub(crate) async fn one(
        &self,
        cx: &EvalCx<'_>,
        template: Template,
        statement: &str,
    ) -> Result<Option<Verdict>> {
        if let Some(verdict) = self.decided(cx, template.clone(), statement).await? {
            return Ok(Some(verdict));
        }
        let prompt = template.schema(self.entry()).prompt()?;
        if cx.as_given() {
            let reply = cx.ask_checked::<Value>(prompt, has_verdict).await?.value;
            return Ok(self.read_as_given(&reply));
        }
        let check = |entry: &Entry| self.check_vote(entry.verdict, "here");
        let entry = cx.ask_checked::<Entry>(prompt, check).await?.value;
        Ok(Some(Verdict {
            statement: statement.to_string(),
            vote: entry.verdict,
            reason: entry.reason.unwrap_or_default(),
            passage: None,
            odds: None,
        }))
    }

    /// Whatever verdicts the judge gives, in their order. A word that is no verdict is dropped; an entry without any is an
    /// error.
    async fn as_given(&self, cx: &EvalCx<'_>, template: Template) -> Result<Vec<Verdict>> {
        let prompt = template.text("reply", "").prompt()?;
        let check = |reply: &Value| {
            let given = reply["verdicts"].as_array();
            given.into_iter().flatten().try_for_each(has_verdict)
        };
        let reply = cx.ask_checked::<Value>(prompt, check).await?.value;
        let given = reply["verdicts"].as_array();
        Ok(given
            .into_iter()
            .flatten()
            .filter_map(|entry| self.read_as_given(entry))
            .collect())
    }

    fn read_as_given(&self, entry: &Value) -> Option<Verdict> {
        let vote = Vote::try_from(entry["verdict"].clone()).ok()?;
        let text = |key: &str| entry[key].as_str().unwrap_or_default().to_string();
        self.0.contains(&vote).then(|| Verdict {
            statement: text("statement"),
            vote,
            reason: text("reason"),
            passage: None,
            odds: None,
        })
    }

    /// An object with a key for every number: a server that enforces it cannot leave one out.
    fn numbered_schema(&self, keys: &[String]) -> Value {
        let properties: Map<String, Value> =
            keys.iter().map(|key| (key.clone(), self.entry())).collect();
        object(&json!({"verdicts": object(&Value::Object(properties))}))
    }

    /// One verdict. In the order of the alphabet, which some servers keep, the reason comes before the verdict.
    fn entry(&self) -> Value {
        let votes: Vec<&str> = self.0.iter().map(|vote| vote.as_str()).collect();
        object(&json!({"reason": {"type": "string"}, "verdict": {"type": "string", "enum": votes}}))
    }

    /// The verdicts of a reply; of one that was cut off, those that it did hold.
    fn read(&self, text: &str, open: &[usize]) -> Result<NumberedReply, String> {
        let checked = |value| {
            let reply = serde_json::from_value::<NumberedReply>(value)
                .map_err(|error| format!("the JSON is not what was asked: {error}"))?;
            self.check(&reply, open).map(|()| reply)
        };
        reading::read(text).and_then(checked).or_else(|problem| {
            reading::read_cut(text)
                .and_then(|value| checked(value).ok())
                .filter(|reply| !reply.verdicts.is_empty())
                .ok_or(problem)
        })
    }

    /// Numbers that were not asked about or came twice; numbers left out are asked for afterwards.
    fn check(&self, reply: &NumberedReply, open: &[usize]) -> Result<(), String> {
        let mut seen = Vec::with_capacity(reply.verdicts.len());
        for (number, verdict) in &reply.verdicts {
            if !open.contains(number) {
                return Err(format!(
                    "number {number} is not on the list; the numbers are {}",
                    numbers(open)
                ));
            }
            if seen.contains(number) {
                return Err(format!(
                    "number {number} came twice; give exactly one verdict for each of {}",
                    numbers(open)
                ));
            }
            self.check_vote(verdict.verdict, &format!("of number {number}"))?;
            seen.push(*number);
        }
        Ok(())
    }

    fn check_vote(&self, vote: Vote, of: &str) -> Result<(), String> {
        if self.0.contains(&vote) {
            return Ok(());
        }
        let votes = self
            .0
            .iter()
            .map(|vote| format!("\"{vote}\""))
            .collect::<Vec<_>>()
            .join(", ");
        Err(format!(
            "the verdict {of} must be one of {votes}, but it is \"{vote}\""
        ))
    }
}

fn left_out(cx: &EvalCx<'_>, purpose: &str, open: &[usize], all: usize) -> JudgeError {
    let model = cx.judge_model().unwrap_or_default();
    let open = numbers(open);
    JudgeError::new(
        JudgeErrorKind::BadReply,
        format!(
            "the judge `{model}` gave no verdict on number {open} of {all} in `{purpose}`, also when asked for them again {RE_ASKS} times\n\
             hint: a stronger model answers this; set `model` under `[judge]` in llmtest.toml"
        ),
    )
}

fn numbers(numbers: &[usize]) -> String {
    numbers
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

/// Items as numbered lines.
pub(crate) fn numbered<T: fmt::Display>(items: &[T]) -> String {
    items
        .iter()
        .zip(1..)
        .map(|(item, number)| format!("{number}. {item}"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// How a reason names what was judged: "2 of 3 `noun`s are `fails`".
pub(crate) struct Wording {
    pub(crate) noun: &'static str,
    pub(crate) passes: &'static str,
    pub(crate) fails: &'static str,
    /// The score where there is no verdict, and the reason for it.
    pub(crate) empty: (f64, &'static str),
}

/// The average precision of a ranking: the mean, over the relevant ranks `k`, of the share of relevant items among the
/// first `k`; 0 where nothing is relevant. In `0.0..=1.0`.
pub(crate) fn average_precision(relevant: &[bool]) -> f64 {
    let mut hits = 0.0;
    let mut sum = 0.0;
    for (at, _) in relevant.iter().enumerate().filter(|(_, hit)| **hit) {
        hits += 1.0;
        sum += hits / (at + 1) as f64;
    }
    if hits > 0.0 { sum / hits } else { 0.0 }
}

/// The share of verdicts whose answer is in `passing`, with a reason made of those that are not; the wording says what
/// no verdict at all is worth.
pub(crate) fn share(verdicts: &[Verdict], passing: &[Vote], wording: &Wording) -> Score {
    if verdicts.is_empty() {
        let (value, why) = wording.empty;
        return Score::new(value).because(why);
    }
    let failing: Vec<&Verdict> = verdicts
        .iter()
        .filter(|verdict| !passing.contains(&verdict.vote))
        .collect();
    let Wording {
        noun,
        passes,
        fails,
        ..
    } = wording;
    let all = verdicts.len();
    let plural = if all == 1 { "" } else { "s" };
    let reason = if failing.is_empty() {
        let are = if all == 1 { "the only" } else { "all" };
        let count = if all == 1 {
            String::new()
        } else {
            format!("{all} ")
        };
        format!(
            "{are} {count}{noun}{plural} {} {passes}",
            if all == 1 { "is" } else { "are" }
        )
    } else {
        let mut quoted: Vec<String> = failing
            .iter()
            .take(QUOTED)
            .map(|verdict| quote(verdict))
            .collect();
        if failing.len() > QUOTED {
            quoted.push(format!("and {} more", failing.len() - QUOTED));
        }
        let quoted = quoted.join("; ");
        let are = if failing.len() == 1 { "is" } else { "are" };
        format!(
            "{} of {all} {noun}{plural} {are} {fails}: {quoted}",
            failing.len()
        )
    };
    let details = serde_json::to_value(verdicts).unwrap_or_default();
    Score::ratio(all - failing.len(), all)
        .because(reason)
        .detail("verdicts", details)
}

/// An item with the reason for its verdict, for reasons.
pub(crate) fn quote(verdict: &Verdict) -> String {
    quote_text(&verdict.statement, &verdict.reason)
}

/// A text in quotes, with a reason where there is one.
pub(crate) fn quote_text(text: &str, why: &str) -> String {
    let text = reason::cut(text, 100).replace('"', "'");
    let why = reason::clause(why, 160);
    if why.is_empty() {
        format!("\"{text}\"")
    } else {
        format!("\"{text}\" ({why})")
    }
}

#[cfg(test)]
mod tests;
