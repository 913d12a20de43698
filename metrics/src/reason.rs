//! Making what a judge wrote fit for a report.

/// Words that begin a sentence and are no names, so that they lose their capital after "because".
const OPENERS: &[&str] = &[
    "a", "all", "although", "an", "any", "as", "at", "because", "both", "but", "each", "every",
    "for", "from", "here", "however", "if", "in", "it", "its", "neither", "no", "none", "not",
    "nothing", "on", "one", "only", "she", "he", "since", "some", "that", "the", "there", "these",
    "they", "this", "those", "to", "unlike", "when", "while", "with", "yes",
];

/// The longest reason that a report shows of one judge call.
pub(crate) const LONGEST: usize = 400;

/// Text that completes "because …": one line, no period at the end, no capital at the start unless it may be a name, at
/// most `longest` characters.
pub(crate) fn clause(text: &str, longest: usize) -> String {
    let line = cut(text, longest);
    let line = line.trim_end_matches(['.', ' ']);
    let first = line
        .split(|c: char| !c.is_alphanumeric())
        .next()
        .unwrap_or_default()
        .to_lowercase();
    let mut chars = line.chars();
    match chars.next() {
        Some(letter) if OPENERS.contains(&first.as_str()) => {
            letter.to_lowercase().chain(chars).collect()
        }
        _ => line.to_string(),
    }
}

/// One line, white space folded, so that no text can look like the next line of a list.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// One line of at most `longest` characters, white space folded.
pub(crate) fn cut(text: &str, longest: usize) -> String {
    let line = one_line(text);
    if line.chars().count() <= longest {
        return line;
    }
    let mut short: String = line.chars().take(longest.saturating_sub(1)).collect();
    short.truncate(short.trim_end().len());
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_becomes_a_clause() {
        assert_eq!(clause("The answer\n  is wrong.", 80), "the answer is wrong");
        assert_eq!(clause("Paris is right.", 80), "Paris is right");
        assert_eq!(clause("", 80), "");
        assert_eq!(clause("It is very long", 9), "it is ve…");
    }
}
