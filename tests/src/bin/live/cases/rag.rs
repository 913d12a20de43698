//! Retrieval-augmented generation.

use super::{Live, live};
use llmtest::{
    AnswerCorrectness, AnswerRelevancy, CitationFaithfulness, ContextEntitiesRecall,
    ContextualPrecision, ContextualRecall, ContextualRelevancy, EmbeddingSimilarity, Faithfulness,
    Hallucination, NoiseSensitivity, TestCase,
};

pub(super) fn cases() -> Vec<Live> {
    let asked = "How long may I return shoes?";
    let terms = "Shoes can be returned for 30 days.";
    let hats = "Our hats are made of wool.";
    let answered = |output: &str| TestCase::new(asked, output);
    let found = |passages: &[&str]| {
        answered("")
            .expected(terms)
            .retrieved(passages.iter().copied())
    };
    let opening = TestCase::new("When did the Eiffel Tower open?", "")
        .expected("The Eiffel Tower in Paris opened in 1889.");
    let noisy = |output: &str| {
        answered(output)
            .expected(terms)
            .retrieved(["Shoes can be returned for 30 days. Coats can be returned for 90 days."])
    };
    let mut cases = vec![
        live(
            AnswerRelevancy::new,
            answered("You may return shoes for 30 days."),
            answered("Our founder was born in Lyon. Cats sleep a lot."),
        ),
        live(
            Faithfulness::new,
            answered("Shoes can be returned for 30 days.").retrieved([terms]),
            answered("Shoes can be returned for 90 days.").retrieved([terms]),
        ),
        live(
            ContextualPrecision::new,
            found(&[terms, hats]),
            found(&[hats, terms]),
        ),
        live(ContextualRecall::new, found(&[terms]), found(&[hats])),
        live(ContextualRelevancy::new, found(&[terms]), found(&[hats])),
        live(
            Hallucination::new,
            answered("You may return shoes for 30 days.").context([terms]),
            answered("You may return shoes for 90 days.").context([terms]),
        ),
        live(
            CitationFaithfulness::new,
            answered("You may return shoes for 30 days [1].").retrieved([terms, hats]),
            answered("You may return shoes for 30 days [2].").retrieved([terms, hats]),
        ),
        live(
            ContextEntitiesRecall::new,
            opening
                .clone()
                .retrieved(["The Eiffel Tower was opened in Paris in 1889."]),
            opening.retrieved(["Many towers are built of iron."]),
        ),
        live(
            AnswerCorrectness::new,
            answered("You may return shoes for 30 days.").expected(terms),
            answered("Shoes cannot be returned.").expected(terms),
        ),
        // Low is good: the first case is the one that is led astray.
        live(
            NoiseSensitivity::new,
            noisy("Shoes can be returned for 90 days."),
            noisy("Shoes can be returned for 30 days."),
        ),
    ];
    // The judge's server seldom embeds as well.
    if std::env::var_os("LLMTEST_EMBEDDER_BASE_URL").is_some() {
        cases.push(live(
            EmbeddingSimilarity::new,
            answered("You have a month to bring shoes back.").expected(terms),
            answered(hats).expected(terms),
        ));
        cases.push(live(
            || AnswerCorrectness::new().similarity(0.25),
            answered("You may return shoes for 30 days.").expected(terms),
            answered(hats).expected(terms),
        ));
    }
    cases
}
