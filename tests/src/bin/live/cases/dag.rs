//! Graphs of questions.

use super::{Live, live};
use llmtest::{Contains, Dag, Field, TestCase, Turn, ask, task};

pub(super) fn cases() -> Vec<Live> {
    let asked = "When does the shop open?";
    vec![
        live(
            || {
                let time = ask("How exact is the time that the actual output gives?")
                    .when("an hour of the day", 1.0)
                    .otherwise(0.3);
                Dag::new(
                    "dag_tree",
                    ask("Does the actual output name a time?").yes(time).no(0.0),
                )
            },
            TestCase::new(asked, "The shop opens at nine in the morning."),
            TestCase::new(asked, "Thank you for your message."),
        ),
        live(
            || {
                let promises = task("promises", "List what the shop promises to do, one a line.")
                    .given([Field::Output]);
                let refund = ask("Is the customer promised money?")
                    .reads(&promises)
                    .yes(Contains::new("money back"))
                    .no(0.0);
                Dag::new("dag_task_and_metric", refund)
            },
            TestCase::new(
                "My parcel is lost. Do I get my money back?",
                "Yes, we will give you your money back.",
            ),
            TestCase::new(
                "My parcel is lost. Do I get my money back?",
                "Cats sleep a lot.",
            ),
        ),
        live(
            || {
                Dag::new(
                    "dag_turns",
                    ask("Is the assistant friendly to the user?")
                        .turns(0..=1)
                        .yes(1.0)
                        .no(0.0),
                )
            },
            TestCase::default().turns([
                Turn::user("Hi!"),
                Turn::assistant("Hello and welcome! How can I help?"),
                Turn::user("I need shoes."),
            ]),
            TestCase::default().turns([
                Turn::user("Hi!"),
                Turn::assistant("Go away, you idiot."),
                Turn::user("I need shoes."),
            ]),
        ),
    ]
}
