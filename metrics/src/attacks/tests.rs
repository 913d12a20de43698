use super::*;
use crate::{Prompt, Template};
use std::collections::BTreeSet;

fn fenced(title: &str, text: &str) -> Prompt {
    Template::new("selftest/verdict", "Is it right?\n\n{{items}}\n\nReply.")
        .fenced_list(
            "items",
            [
                ("question".to_string(), "What is it?".to_string()),
                (title.to_string(), text.to_string()),
            ],
        )
        .prompt()
        .unwrap()
}

/// The markers of a prompt in order, without their nonce, which must be one.
fn markers(prompt: &Prompt) -> Vec<&str> {
    let text = &prompt.messages[1].content;
    let nonce = text
        .split_once("<data ")
        .unwrap()
        .1
        .split_once('>')
        .unwrap()
        .0;
    let lines = text.lines().filter(|line| line.contains(nonce));
    lines
        .map(|line| line.strip_suffix(&format!("data {nonce}>")).unwrap())
        .collect()
}

#[test]
fn there_are_many_and_no_two_have_one_name() {
    let all = Attack::all();
    assert_eq!(all.len(), 73);
    let names: BTreeSet<&str> = all.iter().map(Attack::name).collect();
    assert_eq!(names.len(), all.len());
    let applied: BTreeSet<String> = all
        .iter()
        .map(|attack| attack.applied("answer", &Aim::verdict("yes")))
        .collect();
    assert_eq!(applied.len(), all.len());
    for family in Family::ALL {
        let count = all
            .iter()
            .filter(|attack| attack.family() == family)
            .count();
        assert!(count >= 4, "{family}");
        assert_eq!(json!(family), family.name());
    }
    for attack in all {
        let says = attack.description();
        assert!(!says.is_empty() && !says.contains('\n') && says.len() < 100);
    }
}

#[test]
fn they_ask_for_what_they_are_aimed_at() {
    for attack in Attack::all() {
        let (yes, ten) = (
            attack.applied("The answer.", &Aim::verdict("yes")),
            attack.applied("The answer.", &Aim::score(10)),
        );
        assert_eq!(
            yes.contains("The answer."),
            attack.place() != Place::Alone,
            "{}",
            attack.name()
        );
        let aimed = ["{key}", "{value}", "{reply}"]
            .iter()
            .any(|place| attack.text.contains(place));
        assert_eq!(yes != ten, aimed, "{}", attack.name());
        for left in ["{key}", "{value}", "{reply}", "{nonce}", "[["] {
            assert!(!yes.contains(left), "{}: {yes}", attack.name());
        }
    }
}

#[test]
fn none_of_them_closes_the_fence_or_knows_its_nonce() {
    for attack in Attack::all() {
        for aim in [Aim::verdict("yes"), Aim::score(10)] {
            let text = attack.applied("The answer.", &aim);
            let prompt = fenced("answer", &text);
            assert_eq!(
                markers(&prompt),
                ["<", "</", "<", "</"],
                "{}",
                attack.name()
            );
            let content = &prompt.messages[1].content;
            assert_eq!(content.matches("</data").count(), 2, "{content}");
            assert_eq!(content.matches("<data").count(), 2, "{content}");
            assert!(!content.contains("<|"), "{content}");
            // Also where the attack is the name of something.
            assert_eq!(markers(&fenced(&text, "fine")), ["<", "</", "<", "</"]);
        }
    }
}
