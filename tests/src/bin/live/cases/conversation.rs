//! Conversations.

use super::{Live, live};
use llmtest::{
    ConversationCompleteness, KnowledgeRetention, RoleAdherence, TestCase, Turn,
    TurnContextualPrecision, TurnContextualRecall, TurnContextualRelevancy, TurnFaithfulness,
    TurnRelevancy,
};

const ASKED: &str = "How long may I return shoes?";
const TERMS: &str = "Shoes can be returned for 30 days.";
const HATS: &str = "Our hats are made of wool.";

fn talk(user: &str, assistant: &str) -> TestCase {
    TestCase::default().turns([Turn::user(user), Turn::assistant(assistant)])
}

fn found(assistant: &str, passages: &[&str]) -> TestCase {
    TestCase::default()
        .expected("The user knows that shoes can be returned for 30 days.")
        .turns([
            Turn::user(ASKED),
            Turn::assistant(assistant).retrieved(passages.iter().copied()),
        ])
}

pub(super) fn cases() -> Vec<Live> {
    vec![
        live(
            TurnRelevancy::new,
            talk(ASKED, "You may return shoes for 30 days."),
            talk(ASKED, "The moon is far away and made of rock."),
        ),
        live(
            RoleAdherence::new,
            talk("Hello", "Good day! How may I help you find a book?")
                .chatbot_role("a polite librarian"),
            talk("Hello", "Shut up and leave me alone, idiot.").chatbot_role("a polite librarian"),
        ),
        live(
            KnowledgeRetention::new,
            talk("My name is Maria.", "Nice to meet you, Maria."),
            talk("My name is Maria.", "Hello Peter. What is your name?"),
        ),
        live(
            ConversationCompleteness::new,
            talk(
                "Please book a table for two at 7.",
                "Done: a table for two at 7 is booked.",
            ),
            talk(
                "Please book a table for two at 7.",
                "No, I will not do that.",
            ),
        ),
        live(
            TurnFaithfulness::new,
            found("Shoes can be returned for 30 days.", &[TERMS]),
            found("Shoes can be returned for 90 days.", &[TERMS]),
        ),
        live(
            TurnContextualPrecision::new,
            found("For 30 days.", &[TERMS, HATS]),
            found("For 30 days.", &[HATS, "Hats have brims."]),
        ),
        live(
            TurnContextualRecall::new,
            found("For 30 days.", &[TERMS]),
            found("For 30 days.", &[HATS]),
        ),
        live(
            TurnContextualRelevancy::new,
            found("For 30 days.", &[TERMS]),
            found("For 30 days.", &[HATS]),
        ),
    ]
}
