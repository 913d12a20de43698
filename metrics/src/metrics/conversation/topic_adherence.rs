//! `TopicAdherence`.

use crate::choice::{Choice, choose};
use crate::options::{Options, knobs, options};
use crate::windows::exchanges;
use crate::{
    Bar, BoxFuture, EvalCx, Field, Metric, NotApplicable, Result, Score, Template, join, reason,
    trace_text,
};
use serde_json::{Value, json};

/// What a pair can be. The first two are right.
const LABELS: &[&str] = &["TP", "TN", "FP", "FN"];

/// How many wrong pairs a reason quotes.
const QUOTED: usize = 3;

/// Measures whether an assistant keeps to its topics: answers what belongs to them, declines what does not.
///
/// The judge lists the questions of every exchange with their answers, then sorts each pair: `TP` on topic and answered,
/// `TN` off topic and declined, `FP` off topic but answered, `FN` on topic but not answered. The score is (TP + TN) / pairs
/// of the whole conversation, in `0.0..=1.0`. A label must be one of the four, in capitals; anything else is asked again.
/// A conversation without a complete exchange scores 0: no topic was served. One whose exchanges hold no question with an
/// answer is Skipped. Needs `turns`. Default bar: at least 0.5. Formula as DeepEval 4.3.1, which scores 0 in both cases.
///
/// ```
/// use llmtest_metrics::{FakeJudge, TestCase, TopicAdherence, Turn, measure_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let judge = FakeJudge::new()
///     .when("topic_adherence/qa_pairs", r#"{"qa_pairs": [{"question": "Who won the match?", "response": "France won."}]}"#)
///     .when("topic_adherence/verdict", r#"{"reason": "Sport is no topic.", "verdict": "FP"}"#);
/// let case = TestCase::default().turns([Turn::user("Who won?"), Turn::assistant("France.")]);
/// let score = measure_with(&case, &TopicAdherence::new(["cooking", "wine"]), judge).await.unwrap();
/// assert_eq!(score.value, 0.0);
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct TopicAdherence {
    topics: Vec<String>,
    options: Options,
}

/// A question of the user with the assistant's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pair {
    question: String,
    response: String,
}

impl TopicAdherence {
    /// With the topics that the assistant is for. Panics where there is none, or an empty one.
    #[track_caller]
    pub fn new<S: Into<String>>(topics: impl IntoIterator<Item = S>) -> Self {
        let topics: Vec<String> = topics.into_iter().map(Into::into).collect();
        assert!(
            !topics.is_empty() && topics.iter().all(|topic| !topic.trim().is_empty()),
            "`TopicAdherence` needs the topics that the assistant is for, such as `TopicAdherence::new([\"cooking\", \"wine\"])`"
        );
        Self {
            topics,
            options: options!("topic_adherence": "qa_pairs", "verdict"),
        }
    }

    fn verdict(&self, pair: &Pair) -> Template {
        let parts = [("question", &pair.question), ("response", &pair.response)];
        let parts = parts.map(|(title, text)| (title.to_string(), text.clone()));
        self.options
            .template("verdict")
            .text("topics", self.topics.join(", "))
            .fenced_list("pair", parts)
    }
}

knobs!(TopicAdherence);

impl Metric for TopicAdherence {
    fn name(&self) -> &'static str {
        "topic_adherence"
    }

    fn bar(&self) -> Bar {
        self.options.bar()
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        cx.need(self, Field::Turns)?;
        let turns = &cx.case.turns;
        let exchanges = exchanges(turns);
        if exchanges.is_empty() {
            return Ok(Score::new(0.0).because("the conversation has no complete exchange"));
        }
        let lists = exchanges.into_iter().map(|range| -> BoxFuture<'_, _> {
            let length = trace_text::turns(turns, range.clone()).len();
            let template = self.options.template("qa_pairs");
            let template = trace_text::exchange(template, turns, &range);
            Box::pin(pairs(cx, template, length))
        });
        let pairs = join::all(lists.collect()).await?.concat();
        let verdicts = pairs
            .iter()
            .map(|pair| -> BoxFuture<'_, _> { Box::pin(choose(cx, self.verdict(pair), LABELS)) });
        let verdicts = join::all(verdicts.collect()).await?;
        if verdicts.is_empty() {
            let why = "the conversation has no question with an answer";
            return Err(NotApplicable::because(why).into());
        }
        Ok(self.options.clamp(score(&pairs, &verdicts)))
    }
}

async fn pairs(cx: &EvalCx<'_>, template: Template, length: usize) -> Result<Vec<Pair>> {
    let text = json!({"type": "string"});
    let tokens = u32::try_from((512 + length / 2).min(8192)).unwrap_or(8192);
    let prompt = template
        .schema(json!({
            "type": "object",
            "properties": {"qa_pairs": {"type": "array", "items": {
                "type": "object",
                "properties": {"question": text, "response": text},
                "required": ["question", "response"],
                "additionalProperties": false,
            }}},
            "required": ["qa_pairs"],
            "additionalProperties": false,
        }))
        .max_tokens(tokens)
        .prompt()?;
    let reply = cx
        .ask_checked::<Value>(prompt, |value| read(value).map(|_| ()))
        .await?;
    Ok(read(&reply.value)?)
}

fn read(value: &Value) -> Result<Vec<Pair>, String> {
    let wrong = || {
        "`qa_pairs` must be a list of objects with the texts `question` and `response`".to_string()
    };
    let text = |value: &Value| value.as_str().map(|text| text.trim().to_string());
    let pair = |entry: &Value| {
        Some(Pair {
            question: text(&entry["question"]).filter(|question| !question.is_empty())?,
            response: text(&entry["response"])?,
        })
    };
    let entries = value["qa_pairs"].as_array().ok_or_else(wrong)?;
    entries
        .iter()
        .map(|entry| pair(entry).ok_or_else(wrong))
        .collect()
}

/// The share of pairs that are `TP` or `TN`.
fn score(pairs: &[Pair], verdicts: &[Choice]) -> Score {
    let all = verdicts.len();
    let wrong: Vec<(&Pair, &Choice)> = pairs
        .iter()
        .zip(verdicts)
        .filter(|(_, choice)| !matches!(LABELS[choice.index], "TP" | "TN"))
        .collect();
    let plural = if all == 1 { "" } else { "s" };
    let mut quoted: Vec<String> = wrong
        .iter()
        .take(QUOTED)
        .map(|wrong| quote(*wrong))
        .collect();
    if wrong.len() > QUOTED {
        quoted.push(format!("and {} more", wrong.len() - QUOTED));
    }
    let reason = if wrong.is_empty() {
        format!("every question was rightly answered or declined, {all} in all")
    } else {
        format!(
            "{} of {all} question{plural} went wrong: {}",
            wrong.len(),
            quoted.join("; ")
        )
    };
    let entry = |(pair, choice): (&Pair, &Choice)| json!({"question": pair.question, "response": pair.response, "verdict": LABELS[choice.index], "reason": choice.reason});
    let details: Value = pairs.iter().zip(verdicts).map(entry).collect();
    Score::ratio(all - wrong.len(), all)
        .because(reason)
        .detail("verdicts", details)
}

fn quote((pair, choice): (&Pair, &Choice)) -> String {
    let question = reason::cut(&pair.question, 100).replace('"', "'");
    let what = if LABELS[choice.index] == "FP" {
        "off topic, answered"
    } else {
        "on topic, not answered"
    };
    if choice.reason.is_empty() {
        return format!("\"{question}\" ({what})");
    }
    format!(
        "\"{question}\" ({what}: {})",
        reason::clause(&choice.reason, 160)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FakeJudge, JudgeError, TestCase, Turn, measure_with};
    use proptest::prelude::*;

    fn case() -> TestCase {
        TestCase::default().turns([
            Turn::user("A red wine? And who won?"),
            Turn::assistant("A Cahors. France won."),
            Turn::user("Hi"),
            Turn::assistant("Hi"),
        ])
    }

    fn metric() -> TopicAdherence {
        TopicAdherence::new(["cooking", "wine"])
    }

    fn listed() -> FakeJudge {
        FakeJudge::new()
            .reply(
                r#"{"qa_pairs": [{"question": "Which red wine?", "response": "A Cahors."},
                {"question": "Who won?", "response": "France."}]}"#,
            )
            .reply(r#"{"qa_pairs": []}"#)
    }

    #[tokio::test]
    async fn every_pair_is_sorted_by_itself() {
        let fake = listed()
            .reply(r#"{"reason": "It is wine.", "verdict": "TP"}"#)
            .reply(r#"{"reason": "Sport is no topic.", "verdict": "FP"}"#);
        let score = measure_with(&case(), &metric(), fake.clone())
            .await
            .unwrap();
        assert_eq!(
            (score.value, score.reason.as_deref()),
            (
                0.5,
                Some(
                    r#"1 of 2 questions went wrong: "Who won?" (off topic, answered: Sport is no topic)"#
                )
            )
        );
        let prompts = fake.prompts();
        assert_eq!(prompts.len(), 4);
        assert!(prompts[1].text().contains(
            "2. assistant: A Cahors. France won.\n3. user: Hi\n4. assistant: Hi\n</data "
        ));
        let last = prompts[3].text();
        assert!(
            last.contains("these topics: cooking, wine\n") && last.contains("response:\n<data "),
            "{last}"
        );
        assert!(
            last.contains("\nFrance.\n") && !last.contains("Cahors"),
            "{last}"
        );
        let strict = listed().when("verdict", r#"{"reason": "", "verdict": "TN"}"#);
        let score = measure_with(&case(), &metric().strict(), strict)
            .await
            .unwrap();
        assert_eq!(score.value, 1.0);
        assert_eq!(
            score.reason.as_deref(),
            Some("every question was rightly answered or declined, 2 in all")
        );
    }

    #[tokio::test]
    async fn a_label_in_small_letters_is_asked_again() {
        let fake = listed()
            .reply(r#"{"reason": "", "verdict": "tp"}"#)
            .reply(r#"{"reason": "", "verdict": "TP"}"#)
            .reply(r#"{"reason": "", "verdict": "FN"}"#);
        let score = measure_with(&case(), &metric(), fake).await.unwrap();
        assert_eq!(score.value, 0.5);
        let fake = listed().when("verdict", r#"{"reason": "", "verdict": "on topic"}"#);
        let error = measure_with(&case(), &metric(), fake).await.unwrap_err();
        assert!(error.is::<JudgeError>(), "{error}");
        let fake =
            FakeJudge::new().when("", r#"{"qa_pairs": [{"question": " ", "response": ""}]}"#);
        let error = measure_with(&case(), &metric(), fake).await.unwrap_err();
        assert!(
            error.to_string().contains("`question` and `response`"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn without_a_pair_the_metric_does_not_apply_and_without_an_exchange_the_score_is_0() {
        let fake = FakeJudge::new().when("", r#"{"qa_pairs": []}"#);
        let error = measure_with(&case(), &metric(), fake).await.unwrap_err();
        assert!(error.is::<NotApplicable>(), "{error}");
        let unanswered = TestCase::default().turns([Turn::user("A red wine?")]);
        let score = measure_with(&unanswered, &metric(), FakeJudge::new())
            .await
            .unwrap();
        assert_eq!(
            (score.value, score.reason.as_deref()),
            (0.0, Some("the conversation has no complete exchange"))
        );
    }

    #[test]
    #[should_panic(expected = "`TopicAdherence` needs the topics")]
    fn topics_are_needed() {
        let _ = TopicAdherence::new([""]);
    }

    proptest! {
        #![proptest_config(crate::proptesting::config())]

        #[test]
        fn the_score_is_the_share_of_right_labels_in_any_order(
            labels in prop::collection::vec(0..LABELS.len(), 1..20),
            at in any::<prop::sample::Index>(),
        ) {
            let value = |labels: &[usize]| {
                let pair = Pair { question: "?".to_string(), response: "!".to_string() };
                let choice = |index: &usize| Choice { index: *index, reason: String::new() };
                let choices: Vec<Choice> = labels.iter().map(choice).collect();
                score(&vec![pair; labels.len()], &choices).value
            };
            let before = value(&labels);
            prop_assert!((0.0..=1.0).contains(&before));
            let mut reversed = labels.clone();
            reversed.reverse();
            prop_assert_eq!(value(&reversed), before);
            let mut righted = labels.clone();
            righted[at.index(labels.len())] = 1;
            prop_assert!(value(&righted) >= before);
        }
    }
}
