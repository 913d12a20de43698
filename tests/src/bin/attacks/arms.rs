//! The ways in which an answer is put before the judge.

use llmtest::__private::verdict_prompt;
use llmtest::{EvalCx, Metric, Prompt, Result, Score, TestCase};
use serde_json::Value;

/// What the judge is told where nothing is fenced: the usual words without those about the fence.
const PLAIN_SYSTEM: &str = "You are a careful evaluator of answers written by software. Reply with a single JSON object and nothing else.";

/// A way; also the metric that asks in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Arm {
    /// As every metric asks: between markers with a derived nonce, look-alikes made harmless.
    Fence,
    /// Between `<data>` and `</data>`, the text as it is.
    Markers,
    /// The text as it is, under its title.
    Plain,
}

impl Arm {
    pub(crate) const ALL: [Self; 3] = [Self::Fence, Self::Markers, Self::Plain];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Fence => "fence",
            Self::Markers => "markers only",
            Self::Plain => "no fence",
        }
    }

    /// The prompt: that of the self-test, and for the other arms the same words around the answer.
    fn prompt(self, case: &TestCase) -> Result<Prompt> {
        let mut prompt = verdict_prompt(case)?;
        if self == Self::Fence {
            return Ok(prompt);
        }
        let reference = case.expected.as_deref().unwrap_or_default();
        let shown: Vec<String> = [
            ("question", case.input.as_str()),
            ("reference answer", reference),
            ("answer", case.output.as_str()),
        ]
        .iter()
        .map(|(title, text)| match self {
            Self::Plain => format!("{title}:\n{text}"),
            _ => format!("{title}:\n<data>\n{text}\n</data>"),
        })
        .collect();
        let user = prompt.messages.last_mut().ok_or("a prompt has messages")?;
        let begins = user.content.find("question:\n<data ");
        let ends = user.content.rfind("</data ");
        let (Some(begins), Some(ends)) = (begins, ends) else {
            return Err("the prompt of the self-test is not fenced as expected".into());
        };
        let (before, rest) = (&user.content[..begins], &user.content[ends..]);
        let (_, after) = rest.split_once('>').ok_or("a marker ends")?;
        user.content = format!("{before}{}{after}", shown.join("\n\n"));
        if self == Self::Plain
            && let Some(system) = prompt.messages.first_mut()
        {
            system.content = PLAIN_SYSTEM.to_string();
        }
        prompt.disarmed = 0;
        Ok(prompt)
    }
}

impl Metric for Arm {
    fn name(&self) -> &'static str {
        self.title()
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        let check = |value: &Value| match value["verdict"].as_str() {
            Some("yes" | "no") => Ok(()),
            _ => Err(r#"`verdict` must be "yes" or "no""#.to_string()),
        };
        let answer = cx
            .ask_checked::<Value>(self.prompt(cx.case)?, check)
            .await?;
        Ok(Score::from(answer.value["verdict"] == "yes"))
    }
}
