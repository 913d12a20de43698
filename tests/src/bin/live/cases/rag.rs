//! Retrieval-augmented generation.

use super::{Live, live};
use llmtest::{AnswerRelevancy, Faithfulness, TestCase};

pub(super) fn cases() -> Vec<Live> {
    let asked = "How long may I return shoes?";
    let terms = "Shoes can be returned for 30 days.";
    vec![
        live(
            AnswerRelevancy::new,
            TestCase::new(asked, "You may return shoes for 30 days."),
            TestCase::new(asked, "Our founder was born in Lyon. Cats sleep a lot."),
        ),
        live(
            Faithfulness::new,
            TestCase::new(asked, "Shoes can be returned for 30 days.").retrieved([terms]),
            TestCase::new(asked, "Shoes can be returned for 90 days.").retrieved([terms]),
        ),
    ]
}
