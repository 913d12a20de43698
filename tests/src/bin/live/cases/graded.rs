//! Grades by criteria, the arena, and metrics made of metrics.

use super::{Live, live};
use llmtest::{
    AllOf, AnyOf, ArenaGEval, Contains, ConversationalGEval, Field, GEval, Metric, Not, Panel,
    TestCase, Turn, WeightedMean,
};

pub(super) fn cases() -> Vec<Live> {
    let mut cases = graded();
    cases.extend(combined());
    cases
}

fn polite(name: &str) -> GEval {
    GEval::new(name, "The reply is polite and friendly.")
        .given([Field::Output])
        .steps([
            "Look for rude words.",
            "A rude reply gets the lowest score, a friendly one the highest.",
        ])
}

fn graded() -> Vec<Live> {
    let asked = "How long may I return shoes?";
    let kind = || {
        TestCase::new(
            asked,
            "Thank you for asking! You may return them for 30 days.",
        )
    };
    let rude = || TestCase::new(asked, "Shut up, you idiot. Find out for yourself.");
    let same = "You may return shoes for 30 days.";
    let talk = |reply: &str| TestCase::default().turns([Turn::user(asked), Turn::assistant(reply)]);
    vec![
        live(|| polite("g_eval"), kind(), rude()),
        live(
            || {
                GEval::by_steps("g_eval_strict", ["Compare the number of days."])
                    .given([Field::Output, Field::Expected])
                    .strict()
            },
            TestCase::new(asked, same).expected(same),
            TestCase::new(asked, "Shoes can never be returned.").expected(same),
        ),
        live(
            || {
                ConversationalGEval::new("conversational_g_eval", "The assistant is polite.")
                    .steps(["Look for rude words of the assistant."])
            },
            talk("Thank you for asking! For 30 days."),
            talk("Shut up, you idiot. Find out for yourself."),
        ),
        live(
            || {
                ArenaGEval::new("arena_g_eval", "The better answer says for how many days.")
                    .steps(["Look for a number of days."])
            },
            TestCase::new(asked, same).metadata("baseline", "Bananas are yellow."),
            TestCase::new(asked, "Bananas are yellow.").metadata("baseline", same),
        ),
    ]
}

fn combined() -> Vec<Live> {
    let asked = "How long may I return shoes?";
    let kind = || {
        TestCase::new(
            asked,
            "Thank you for asking! You may return them for 30 days.",
        )
    };
    let rude = || TestCase::new(asked, "Shut up, you idiot. Find out for yourself.");
    let part = || polite("polite");
    vec![
        live(
            || AllOf::new("all_of").and(part()).and(Contains::new("e")),
            kind(),
            rude(),
        ),
        live(
            || AnyOf::new("any_of").or(part()).or(Contains::new("30")),
            kind(),
            rude(),
        ),
        live(
            || {
                WeightedMean::new("weighted_mean")
                    .part(2.0, part())
                    .part(1.0, Contains::new("30"))
            },
            kind(),
            rude(),
        ),
        live(|| Not::new(part()).named("not"), rude(), kind()),
        live(
            || Panel::new(part()).configured().configured(),
            kind(),
            rude(),
        ),
    ]
}
