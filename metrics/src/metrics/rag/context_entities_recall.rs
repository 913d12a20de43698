//! `ContextEntitiesRecall`.

use super::passages;
use crate::options::{Options, knobs, options};
use crate::verdicts::{self, Ballot, Verdict, Vote, Wording};
use crate::{Bar, EvalCx, Field, Metric, NotApplicable, Result, Score};

/// Measures whether the retriever found what the answer is about: the share of the entities of the expected output (people,
/// places, dates, quantities …) that the passages mention.
///
/// The judge lists the entities. One that stands in a passage word for word, in any case, is found; about the others the
/// judge is asked, since a passage may write "the 1990s" for "1990 to 1999". An expected output without entities is not
/// applicable. Needs `expected` and `retrieved`. Default bar: at least 0.5. Formula as `ContextEntityRecall` of ragas 0.4,
/// `|entities of both| / |entities of the reference|`, which compares two lists of entities letter by letter.
///
/// ```
/// use llmtest_metrics::{ContextEntitiesRecall, FakeJudge, TestCase, measure_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let judge = FakeJudge::new()
///     .reply(r#"{"entities": ["Eiffel Tower", "Gustave Eiffel"]}"#)
///     .reply(r#"{"verdicts": {"1": {"reason": "Nobody is named.", "verdict": "no"}}}"#);
/// let case = TestCase::new("Who built it?", "")
///     .expected("Gustave Eiffel's company built the Eiffel Tower.")
///     .retrieved(["The Eiffel Tower opened in 1889."]);
/// assert_eq!(measure_with(&case, &ContextEntitiesRecall::new(), judge).await.unwrap().value, 0.5);
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ContextEntitiesRecall {
    options: Options,
}

impl ContextEntitiesRecall {
    /// With default options.
    pub fn new() -> Self {
        Self {
            options: options!("context_entities_recall": "entities", "verdicts"),
        }
    }
}

knobs!(ContextEntitiesRecall, default);

impl Metric for ContextEntitiesRecall {
    fn name(&self) -> &'static str {
        "context_entities_recall"
    }

    fn bar(&self) -> Bar {
        self.options.bar()
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        let expected = cx.need(self, Field::Expected)?;
        let passages = cx.need(self, Field::Retrieved)?;
        let template = self.options.template("entities");
        let template = template.fenced("expected", "text", &expected);
        let entities = each_once(verdicts::list(cx, template, "entities", expected.len()).await?);
        if entities.is_empty() {
            return Err(NotApplicable::because("the expected output names no entities").into());
        }
        let folded = passages::lines(&cx.case.retrieved).join("\n");
        let (found, open): (Vec<String>, Vec<String>) = entities
            .into_iter()
            .partition(|entity| stands_in(entity, &folded));
        let mut verdicts: Vec<Verdict> = found
            .into_iter()
            .map(|entity| settled(entity, Vote::Yes, "it stands there word for word"))
            .collect();
        if passages.is_empty() {
            let nothing = |entity| settled(entity, Vote::No, "the retriever found nothing");
            verdicts.extend(open.into_iter().map(nothing));
        } else {
            let ask = |lines| {
                self.options
                    .template("verdicts")
                    .fenced("passages", "passages", &passages)
                    .fenced("entities", "entities", lines)
            };
            let ballot = Ballot(&[Vote::Yes, Vote::No]);
            verdicts.extend(ballot.verdicts(cx, &open, ask).await?);
        }
        Ok(self.options.clamp(score(&verdicts)))
    }
}

/// Entities that differ by more than their case.
fn each_once(entities: Vec<String>) -> Vec<String> {
    let mut seen: Vec<String> = Vec::new();
    let mut fresh = |entity: &String| {
        let lower = entity.to_lowercase();
        let fresh = !seen.contains(&lower);
        seen.push(lower);
        fresh
    };
    entities
        .into_iter()
        .filter(|entity| fresh(entity))
        .collect()
}

/// Whether the entity stands in the text, in any case and as words and numbers of its own: "5%" is no part of "2.5%".
fn stands_in(entity: &str, text: &str) -> bool {
    let (entity, text) = (entity.to_lowercase(), text.to_lowercase());
    text.match_indices(&entity).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + entity.len()..].chars().next();
        let within_a_word = [before, after]
            .into_iter()
            .flatten()
            .any(char::is_alphanumeric);
        !within_a_word && !within_a_number(&text, at, at + entity.len())
    })
}

/// Whether the text from one place to another begins or ends amid a number.
fn within_a_number(text: &str, start: usize, end: usize) -> bool {
    let is_digit = |c: Option<char>| c.is_some_and(char::is_numeric);
    let joins = |c: Option<char>| matches!(c, Some('.' | ',' | '\'' | '’' | '/' | ':'));
    let (mut before, mut after) = (text[..start].chars().rev(), text[end..].chars());
    let stands = &text[start..end];
    let (first, last) = (stands.chars().next(), stands.chars().next_back());
    let (next, beyond) = (after.next(), after.next());
    is_digit(first) && joins(before.next()) && is_digit(before.next())
        || is_digit(last) && (next == Some('%') || joins(next) && is_digit(beyond))
}

fn settled(statement: String, vote: Vote, reason: &str) -> Verdict {
    Verdict {
        statement,
        vote,
        reason: reason.to_string(),
        passage: None,
        odds: None,
    }
}

fn score(verdicts: &[Verdict]) -> Score {
    let wording = Wording {
        noun: "expected term",
        passes: "mentioned by the passages",
        fails: "not mentioned by the passages",
        empty: (0.0, "the expected output names no entities"),
    };
    verdicts::share(verdicts, &[Vote::Yes], &wording)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FakeJudge, TestCase, measure_with};
    use proptest::prelude::*;

    const ENTITIES: &str =
        r#"{"entities": ["Eiffel Tower", "the 1880s", "Paris", "eiffel tower", "US"]}"#;

    fn case() -> TestCase {
        TestCase::new("Who built it?", "")
            .expected("The Eiffel Tower of Paris is from the 1880s, not from the US.")
            .retrieved(["The EIFFEL\nTower opened in 1889.", "Take a bus to see it."])
    }

    #[tokio::test]
    async fn what_stands_there_is_found_and_the_judge_is_asked_about_the_rest() {
        let fake = FakeJudge::new().reply(ENTITIES).reply(
            r#"{"verdicts": {"1": {"reason": "1889 is one of them.", "verdict": "yes"},
                "2": {"reason": "The city is not named.", "verdict": "no"},
                "3": {"reason": "", "verdict": "no"}}}"#,
        );
        let score = measure_with(&case(), &ContextEntitiesRecall::new(), fake.clone())
            .await
            .unwrap();
        assert_eq!(score.value, 0.5);
        assert_eq!(
            score.reason.as_deref(),
            Some(
                r#"2 of 4 expected terms are not mentioned by the passages: "Paris" (the city is not named); "US""#
            )
        );
        let prompt = fake.prompts()[1].text();
        assert!(
            prompt.contains("1. the 1880s\n2. Paris\n3. US\n"),
            "{prompt}"
        );
    }

    #[tokio::test]
    async fn where_all_is_found_or_nothing_retrieved_one_question_is_enough() {
        let fake = FakeJudge::new().reply(r#"{"entities": ["Eiffel Tower"]}"#);
        let score = measure_with(&case(), &ContextEntitiesRecall::new().strict(), fake)
            .await
            .unwrap();
        assert_eq!(score.value, 1.0);
        let nothing = case().retrieved([""; 0]);
        let fake = FakeJudge::new().reply(ENTITIES);
        let score = measure_with(&nothing, &ContextEntitiesRecall::new(), fake)
            .await
            .unwrap();
        assert_eq!(score.value, 0.0);
    }

    #[tokio::test]
    async fn without_entities_it_does_not_apply_and_a_malformed_list_is_asked_again() {
        let fake = FakeJudge::new()
            .reply(r#"{"entities": "none"}"#)
            .reply(r#"{"entities": [" "]}"#);
        let error = measure_with(&case(), &ContextEntitiesRecall::new(), fake)
            .await
            .unwrap_err();
        assert_eq!(
            error.downcast_ref::<NotApplicable>().unwrap().reason(),
            "the expected output names no entities"
        );
    }

    #[test]
    fn a_number_stands_only_where_it_is_not_part_of_another() {
        for (entity, text, stands) in [
            ("5%", "a fee of 2.5% a year", false),
            ("5%", "2.5% before, 5% now", true),
            ("1,000", "1,000,000 people", false),
            ("1,000", "of 1,000, or more", true),
            ("30", "it takes 30. Then", true),
            ("30", "it takes 30.5 days", false),
            ("5", "a fee of 5%", false),
            ("v2", "v2.", true),
        ] {
            assert_eq!(stands_in(entity, text), stands, "{entity} in {text}");
        }
    }

    proptest! {
        #![proptest_config(crate::proptesting::config())]

        #[test]
        fn a_word_stands_where_it_was_put_and_not_within_another(
            word in "[A-Za-zäß0-9]{1,8}", before in "[a-z ,.]{0,9}", after in "[ ,.][a-z ]{0,9}"
        ) {
            let text = format!("{before} {}{after}", word.to_uppercase().to_lowercase());
            prop_assert!(stands_in(&word.to_uppercase(), &text));
            let within = format!("x{word}x");
            prop_assert!(!stands_in(&word, &within));
        }
    }
}
