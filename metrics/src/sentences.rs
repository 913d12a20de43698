//! Splitting a text into sentences, so that a judge can be asked about each by number.

use unicode_segmentation::UnicodeSegmentation;

/// Abbreviations after which a sentence goes on, without their period and in lower case.
const ABBREVIATIONS: &[&str] = &[
    "dr", "mr", "mrs", "ms", "prof", "st", "jr", "sr", "vs", "etc", "e.g", "i.e", "approx", "inc",
    "ltd", "co", "corp", "fig", "u.s", "u.k", "z.b", "bzw", "ca",
];

/// The sentences of a text, by the rules of Unicode (UAX #29) but for abbreviations and initials, white space folded. A line
/// ends a sentence only where a mark does, or where an item of a list, a heading or a blank line comes next: others are
/// wrapped. What has no letter and no digit, such as a lone "1." or "---", joins what follows.
pub(crate) fn sentences(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut pending = String::new();
    for block in blocks(text) {
        for piece in block.iter().flat_map(|run| run.split_sentence_bounds()) {
            let piece = piece.trim();
            if piece.is_empty() {
                continue;
            }
            if !pending.is_empty() && !is_label(&pending) && !goes_on(&pending, piece) {
                found.push(std::mem::take(&mut pending));
            }
            if !pending.is_empty() {
                pending.push(' ');
            }
            pending.push_str(piece);
        }
        if !is_label(&pending) {
            found.push(std::mem::take(&mut pending));
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

/// The text as blocks that no sentence crosses. A block has runs of wrapped lines, each on one line; it is by an
/// abbreviation only that a sentence crosses runs.
fn blocks(text: &str) -> Vec<Vec<String>> {
    let mut blocks: Vec<Vec<String>> = Vec::new();
    let mut apart = true;
    for line in text.lines() {
        let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
        if line.is_empty() {
            apart = true;
            continue;
        }
        let heading = is_heading(&line);
        match blocks.last_mut() {
            Some(block) if !apart && !heading && !is_item(&line) => match block.last_mut() {
                Some(run) if !is_ended(run) => {
                    run.push(' ');
                    run.push_str(&line);
                }
                _ => block.push(line),
            },
            _ => blocks.push(vec![line]),
        }
        apart = heading;
    }
    blocks
}

/// Whether a line ends with the end of a sentence, be it in quotes or brackets.
fn is_ended(line: &str) -> bool {
    line.trim_end_matches(['"', '\'', '”', '’', '»', ')', ']', '*', '_'])
        .ends_with(['.', '!', '?', '。', '！', '？', ':', '：', '…'])
}

/// Whether a line begins as an item of a list: "- a", "* a", "1. a", "2) a", "(b) a".
fn is_item(line: &str) -> bool {
    let mark = line.split(' ').next().unwrap_or_default();
    let inner = mark.trim_start_matches('(').trim_end_matches(['.', ')']);
    let number = inner.chars().count() <= 3 && inner.chars().all(char::is_numeric);
    let letter = mark.ends_with(')') && inner.chars().count() == 1;
    let numbered = inner.len() < mark.len() && !inner.is_empty() && (number || letter);
    let bullet = matches!(mark, "-" | "*" | "+" | "•" | "‣" | "–" | "·");
    bullet || numbered || mark.starts_with('•')
}

/// Whether a line stands for itself: a heading, a rule, a row of a table, or all in capitals.
fn is_heading(line: &str) -> bool {
    let marked = line.starts_with(['#', '|']) || (line.starts_with("**") && line.ends_with("**"));
    let mut letters = line.chars().filter(|c| c.is_alphabetic());
    let shouted = letters.clone().nth(3).is_some() && letters.all(char::is_uppercase);
    marked || shouted || !line.chars().any(char::is_alphanumeric)
}

/// Whether this is no sentence yet: without a letter or a digit, or the number of an item.
fn is_label(piece: &str) -> bool {
    let bare = !piece.chars().any(char::is_alphanumeric);
    bare || !piece.chars().any(char::is_alphabetic) && piece.ends_with(['.', ')', ':'])
}

/// Whether the period that a piece ends with is that of an abbreviation, and the next piece goes on.
fn goes_on(piece: &str, next: &str) -> bool {
    let word = piece.rsplit(' ').next().unwrap_or_default();
    let Some(word) = word.strip_suffix('.') else {
        return false;
    };
    let word = word.trim_start_matches(|c: char| !c.is_alphanumeric());
    let initials = !word.is_empty()
        && word.split('.').all(|part| {
            let mut letters = part.chars();
            letters.next().is_some_and(char::is_uppercase) && letters.next().is_none()
        });
    let lower = word.to_lowercase();
    // "No. 5", but not "No. It is free."
    let number = lower == "no" && next.starts_with(char::is_numeric);
    initials || number || ABBREVIATIONS.contains(&lower.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proptesting;
    use proptest::prelude::*;

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

    #[test]
    fn an_abbreviation_or_an_initial_does_not_end_a_sentence() {
        for (text, count) in [
            ("Dr. Smith founded it.", 1),
            ("J. K. Rowling wrote it.", 1),
            ("J.K. Rowling wrote it. She is rich.", 2),
            ("See No. 5 B. It is free.", 1),
            ("Is it free? No. It costs 5 euros.", 3),
            ("Cats vs. Dogs, e.g. Rex (approx. Five).", 1),
            ("The U.S. Senate met Apple Inc. Managers.", 1),
            ("It was founded by Dr.\nSmith. He left.", 2),
            ("It was Mr.\n\nSmith left.", 2),
        ] {
            assert_eq!(sentences(text).len(), count, "{:?}", sentences(text));
        }
    }

    #[test]
    fn a_wrapped_line_goes_on_and_items_and_headings_do_not() {
        assert_eq!(
            sentences("You may return\nshoes within\n30 days. Keep\nthem clean.\nwe pay"),
            [
                "You may return shoes within 30 days.",
                "Keep them clean.",
                "we pay"
            ]
        );
        assert_eq!(
            sentences(
                "# Returns\nThe rules\n- shoes\n- hats that\n  are new\n2) coats\nSHIPPING\nIt is free\n\nin May"
            ),
            [
                "# Returns",
                "The rules",
                "- shoes",
                "- hats that are new",
                "2) coats",
                "SHIPPING",
                "It is free",
                "in May"
            ]
        );
    }

    proptest! {
        #![proptest_config(proptesting::config())]

        #[test]
        fn nothing_of_a_text_is_lost_and_its_order_stays(
            text in "(a|B|Dr|1|2|。|é|[.]|[.] |[!]|[)]|:|-|- |# | |\n|\n\n|\r\n|\u{2028}|\t){0,24}|\\PC{0,16}"
        ) {
            let bare = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            let found = sentences(&text);
            if text.chars().any(char::is_alphanumeric) {
                prop_assert_eq!(bare(&found.concat()), bare(&text));
            } else {
                prop_assert!(found.is_empty());
            }
            for sentence in &found {
                prop_assert!(sentence.chars().any(char::is_alphanumeric));
                prop_assert_eq!(sentence.split_whitespace().collect::<Vec<_>>().join(" "), sentence.clone());
            }
        }
    }
}
