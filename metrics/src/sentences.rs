//! Splitting a text into sentences, so that a judge can be asked about each by number.

use unicode_segmentation::UnicodeSegmentation;

/// The sentences of a text, by line and by the rules of Unicode (UAX #29), white space folded. What has no letter and no
/// digit, such as a lone "1." or "---", joins what follows.
pub(crate) fn sentences(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut pending = String::new();
    for line in text.lines() {
        for sentence in line.split_sentence_bounds() {
            let folded = crate::reason::one_line(sentence);
            if folded.is_empty() {
                continue;
            }
            if !pending.is_empty() {
                pending.push(' ');
            }
            pending.push_str(&folded);
            let bare = !pending.chars().any(char::is_alphanumeric);
            let numeral =
                !pending.chars().any(char::is_alphabetic) && pending.ends_with(['.', ')', ':']);
            if !bare && !numeral {
                found.push(std::mem::take(&mut pending));
            }
        }
    }
    match found.last_mut() {
        Some(last) if !pending.is_empty() => {
            last.push(' ');
            last.push_str(&pending);
        }
        None if pending.chars().any(char::is_alphanumeric) => found.push(pending),
        _ => {}
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_split_by_sentence_and_line() {
        assert_eq!(
            sentences(
                "You have 30 days. Keep the\treceipt! Why? \n\n1. Pack it.\n- Send it 2.5 kg"
            ),
            [
                "You have 30 days.",
                "Keep the receipt!",
                "Why?",
                "1. Pack it.",
                "- Send it 2.5 kg"
            ]
        );
        assert_eq!(sentences("42."), ["42."]);
        assert_eq!(sentences(" \n --- "), [] as [&str; 0]);
        assert_eq!(sentences("Ja.\n---"), ["Ja. ---"]);
        assert_eq!(sentences("これは本です。あれはペンです。").len(), 2);
    }
}
