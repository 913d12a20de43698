//! Labels that stand for contestants, so that the judge sees no name.

use serde_json::Value;
use std::fmt::Write as _;

/// What a judge may answer besides the label of an answer.
pub(super) const TIE: &str = "tie";

/// `A`, `B`, … `Z`, `AA`, …
pub(super) fn label(index: usize) -> String {
    let letter = char::from(b'A' + u8::try_from(index % 26).unwrap_or_default());
    match index / 26 {
        0 => letter.to_string(),
        more => format!("{}{letter}", label(more - 1)),
    }
}

/// `one, two or three`.
pub(super) fn listed(items: &[String], last: &str) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., end] => format!("{} {last} {end}", first.join(", ")),
    }
}

/// The index of the answer that was chosen; `None` is a tie.
pub(super) fn read(value: &Value, labels: &[String]) -> Result<Option<usize>, String> {
    let winner = &value["winner"];
    let text = winner.as_str().unwrap_or_default();
    let text =
        text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '`' | '\'' | '.'));
    let bare = match text.split_at_checked("answer ".len()) {
        Some((word, label)) if word.eq_ignore_ascii_case("answer ") => label,
        _ => text,
    };
    if bare.eq_ignore_ascii_case(TIE) {
        return Ok(None);
    }
    let found = labels
        .iter()
        .position(|label| label.eq_ignore_ascii_case(bare));
    found.map(Some).ok_or_else(|| {
        let mut known: Vec<String> = labels.iter().map(|label| format!("\"{label}\"")).collect();
        known.push(format!("\"{TIE}\""));
        format!(
            "`winner` must be {}, but it is {winner}",
            listed(&known, "or")
        )
    })
}

/// The text with names in place of "answer A" and "answer B".
pub(super) fn unmasked(text: &str, labels: &[String], names: &[&str]) -> String {
    const WORD: &str = "answer ";
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let after = rest
            .split_at_checked(WORD.len())
            .filter(|(word, _)| word.eq_ignore_ascii_case(WORD))
            .map(|(_, after)| after);
        let known = after.and_then(|after| {
            let end = after
                .find(|c: char| !c.is_alphanumeric())
                .unwrap_or(after.len());
            let index = labels.iter().position(|label| *label == after[..end])?;
            Some((index, &after[end..]))
        });
        if let Some((index, after)) = known {
            let _ = write!(out, "`{}`", names[index]);
            rest = after;
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_go_on_after_the_alphabet() {
        let labels: Vec<String> = [0, 1, 25, 26, 27, 52].map(label).to_vec();
        assert_eq!(labels, ["A", "B", "Z", "AA", "AB", "BA"]);
    }

    #[test]
    fn only_labels_are_unmasked() {
        let labels = ["A".to_string(), "B".to_string()];
        let text = "Answer A has a date; the answer Ahead lacks it. Müssen answer B?";
        assert_eq!(
            unmasked(text, &labels, &["new", "old"]),
            "`new` has a date; the answer Ahead lacks it. Müssen `old`?"
        );
    }
}
