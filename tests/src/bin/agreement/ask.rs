//! One question in three ways: as prose, as JSON, and decided from the probabilities of one token.

use crate::cases::Case;
use llmtest::__private::measure_logged;
use llmtest::probability::Labels;
use llmtest::{Bar, EvalCx, Metric, Result, Score, Template, TestCase};
use serde_json::{Value, json};

/// The end of the first message of every prompt.
const JSON_ONLY: &str = "Reply with a single JSON object and nothing else.";

/// How a verdict is obtained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Text,
    Json,
    Probabilities,
}

impl Mode {
    pub(crate) const ALL: [Self; 3] = [Self::Text, Self::Json, Self::Probabilities];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Probabilities => "probabilities",
        }
    }
}

/// What the judge said.
pub(crate) struct Said {
    pub(crate) verdict: bool,
    /// The probability of yes, where it is known.
    pub(crate) yes: Option<f64>,
    /// The share of probability on yes and no.
    pub(crate) covered: Option<f64>,
}

struct Asked<'a> {
    mode: Mode,
    question: &'static str,
    shown: &'a [(String, String)],
}

impl Asked<'_> {
    fn template(&self, form: &str) -> Template {
        let purpose = format!("agreement/{}", self.mode.name());
        Template::new(
            purpose,
            format!("{{{{shown}}}}\n\n{}\n\n{form}", self.question),
        )
        .fenced_list("shown", self.shown.iter().cloned())
    }
}

impl Metric for Asked<'_> {
    fn name(&self) -> &'static str {
        "agreement"
    }

    fn bar(&self) -> Bar {
        Bar::AtLeast(1.0)
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        match self.mode {
            Mode::Text => {
                let form = "Answer `yes` or `no` in plain text, and say why in one sentence.";
                let mut prompt = self.template(form).max_tokens(300).prompt()?;
                // The usual first message asks for JSON.
                let first = &mut prompt.messages[0].content;
                let (before, _) = first
                    .split_once(JSON_ONLY)
                    .ok_or("the first message does not ask for JSON in the words that are known")?;
                *first = format!("{before}Reply in plain text.");
                let reply = cx.ask_text(prompt).await?;
                let verdict = first_word(&reply.text).ok_or_else(|| {
                    format!("neither yes nor no stands first in {:?}", reply.text)
                })?;
                Ok(Score::from(verdict))
            }
            Mode::Json => {
                let schema = json!({
                    "type": "object",
                    "properties": {"reason": {"type": "string"}, "verdict": {"type": "string", "enum": ["yes", "no"]}},
                    "required": ["reason", "verdict"],
                    "additionalProperties": false,
                });
                let form =
                    r#"Reply with JSON: {"reason": "<one sentence>", "verdict": "yes" or "no"}"#;
                let prompt = self
                    .template(form)
                    .schema(schema)
                    .max_tokens(300)
                    .prompt()?;
                let check = |value: &Value| match value["verdict"].as_str() {
                    Some("yes" | "no") => Ok(()),
                    _ => Err("`verdict` must be \"yes\" or \"no\"".to_string()),
                };
                let answer = cx.ask_checked::<Value>(prompt, check).await?;
                Ok(Score::from(answer.value["verdict"] == "yes"))
            }
            Mode::Probabilities => {
                let labels = Labels::yes_no();
                let decided = cx.decide(self.template(""), &labels).await?;
                let (at, read) = decided.ok_or("the judge gave no probabilities of yes and no")?;
                Ok(Score::from(at == 0)
                    .detail("yes", read.of("yes"))
                    .detail("covered", read.covered))
            }
        }
    }
}

/// The verdict that a reply begins with.
fn first_word(text: &str) -> Option<bool> {
    let text = text.to_lowercase();
    let mut words = text.split(|c: char| !c.is_alphanumeric());
    match words.find(|word| !word.is_empty())? {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

/// Asks about one case in one way; with the calls that it took and their tokens.
pub(crate) async fn ask(
    case: &Case,
    question: &'static str,
    mode: Mode,
) -> (Result<Said>, u32, u64) {
    let metric = Asked {
        mode,
        question,
        shown: &case.shown,
    };
    let nothing = TestCase::default();
    let (score, log) = match mode {
        Mode::Probabilities => measure_logged(&nothing, &metric.by_probability()).await,
        _ => measure_logged(&nothing, &metric).await,
    };
    (
        score.map(|score| said(&score)),
        log.calls,
        log.usage.total(),
    )
}

fn said(score: &Score) -> Said {
    let detail = |name: &str| {
        let found = score.details.iter().find(|(known, _)| known == name);
        found.and_then(|(_, value)| value.as_f64())
    };
    Said {
        verdict: score.value >= 1.0,
        yes: detail("yes"),
        covered: detail("covered"),
    }
}
