//! Text for people: what a model wrote, made safe for a terminal, and the word that was probably meant.

/// Characters that could move the cursor, change colours, reorder or hide text.
pub(crate) fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{fff9}'..='\u{fffb}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// The text with every unsafe character but line breaks and tabs written as an escape.
pub(crate) fn clean(text: &str) -> String {
    if !text.chars().any(|c| is_unsafe(c) && c != '\n' && c != '\t') {
        return text.to_string();
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_unsafe(c) && c != '\n' && c != '\t' {
            safe.extend(c.escape_unicode());
        } else {
            safe.push(c);
        }
    }
    safe
}

/// A name on one line: what is unsafe, line breaks and tabs too, is written as an escape.
pub(crate) fn clean_name(text: &str) -> String {
    clean(text).replace('\n', "\\n").replace('\t', "\\t")
}

/// The text in quotes on one line, at most `most` characters of it.
pub(crate) fn quoted(text: &str, most: usize) -> String {
    let count = text.chars().count();
    let shown: String = text.chars().take(most).collect();
    let one_line = clean(&shown).replace('\n', "\\n").replace('\t', "\\t");
    if count > most {
        format!("\"{one_line}…\" ({count} characters)")
    } else {
        format!("\"{one_line}\"")
    }
}

/// `1 case`, `2 cases`.
pub(crate) fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// Puts `indent` before every line but the first.
pub(crate) fn indented(text: &str, indent: &str) -> String {
    text.trim_end().replace('\n', &format!("\n{indent}"))
}

/// The known word that was probably meant.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let far = (word.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|candidate| {
            (
                strsim::osa_distance(&word, &candidate.to_lowercase()),
                candidate,
            )
        })
        .filter(|(distance, candidate)| {
            *distance <= far || (far > 1 && candidate.to_lowercase().starts_with(&word))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_one() {
        assert_eq!(count(1, "entry", "entries"), "1 entry");
        assert_eq!(count(0, "entry", "entries"), "0 entries");
    }

    #[test]
    fn escape_codes_are_shown_and_not_obeyed() {
        assert_eq!(clean("a\u{1b}[2Jb\r\u{9b}c"), "a\\u{1b}[2Jb\\u{d}\\u{9b}c");
        assert_eq!(clean("right\u{202e}left"), "right\\u{202e}left");
        assert_eq!(clean("\u{61c}\u{fff9}"), "\\u{61c}\\u{fff9}");
        assert_eq!(clean_name("try\nit\t\u{1b}"), "try\\nit\\t\\u{1b}");
        assert_eq!(clean("two\nlines\tünïcode 🦀"), "two\nlines\tünïcode 🦀");
    }

    #[test]
    fn long_text_is_cut_and_says_so() {
        assert_eq!(quoted("a\nb", 10), r#""a\nb""#);
        assert_eq!(quoted("abcdef", 3), "\"abc…\" (6 characters)");
    }
}
