//! Text of models and applications in Markdown: shown, and never taken for Markdown, HTML, a mention or a reference.
//!
//! Every character that means something to Markdown or HTML is written as a numeric entity, which no parser of Markdown takes
//! for syntax. Mentions and references are looked for later, in the text of the page, but not within `<code>` and `<pre>`: so
//! names and texts stand in these. In running text a blank of no width stands behind `@`, `#` and `GH-`; behind `@` in names as
//! well, as addresses become links after entities are read.

use crate::text::clean;
use std::fmt::Write;

/// A name, or a text on one line, as code.
pub(super) fn code(text: &str) -> String {
    let text = line(text, false).replace("&#64;", "&#64;&#8203;");
    format!("<code>{text}</code>")
}

/// A text with its lines, as code.
pub(super) fn block(text: &str) -> String {
    let mut out = String::from("<pre>");
    // An empty line would end the block in some parsers.
    let text = clean(text).replace('\t', "    ");
    for (at, one) in text.trim_end().lines().enumerate() {
        if at > 0 {
            out.push('\n');
        }
        if one.trim().is_empty() {
            out.push_str("&#8203;");
        } else {
            entities(&mut out, one, false);
        }
    }
    out.push_str("</pre>");
    out
}

/// A sentence on one line.
pub(super) fn prose(text: &str) -> String {
    line(text, true)
}

fn line(text: &str, prose: bool) -> String {
    let text = clean(text);
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut out = String::with_capacity(text.len());
    entities(&mut out, &words.join(" "), prose);
    out
}

fn entities(out: &mut String, text: &str, prose: bool) {
    let mut before = [' '; 3];
    for c in text.chars() {
        let of_www = c == '.' && before.iter().all(|c| c.eq_ignore_ascii_case(&'w'));
        if of_www || "&<>\"'`|*_[]()#@:!\\~${}^+=".contains(c) {
            let _ = write!(out, "&#{};", u32::from(c));
        } else {
            out.push(c);
        }
        let of_gh = c == '-'
            && before[1..]
                .iter()
                .collect::<String>()
                .eq_ignore_ascii_case("gh");
        if prose && (c == '@' || c == '#' || of_gh) {
            out.push_str("&#8203;");
        }
        before = [before[1], before[2], c];
    }
}

/// So many characters of a text, and how many there were.
pub(super) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_string(),
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_text_is_syntax() {
        let hostile =
            "<b>*x*</b> | `y` [a](http://b) ![c](d) @all #1 www.e.org GH-7\n\n# h\u{202e}\u{1b}[1m";
        for safe in [code(hostile), prose(hostile)] {
            let inner = safe
                .trim_start_matches("<code>")
                .trim_end_matches("</code>");
            let plain: String = inner
                .split('&')
                .map(|part| match part.split_once(';') {
                    Some((entity, rest)) if entity.starts_with('#') => rest,
                    _ => part,
                })
                .collect();
            assert!(
                !plain.contains([
                    '<', '>', '*', '|', '`', '[', ']', '!', '@', '#', ':', '\n', '\u{1b}',
                    '\u{202e}'
                ]),
                "{plain}"
            );
            assert!(!plain.contains("www."), "{plain}");
        }
        assert!(
            prose("ask @all in #12 and gh-3")
                .contains("&#64;&#8203;all in &#35;&#8203;12 and gh-&#8203;3")
        );
        assert_eq!(code("a@b.c"), "<code>a&#64;&#8203;b.c</code>");
        assert_eq!(block("a\n\n\tb\n"), "<pre>a\n&#8203;\n    b</pre>");
        assert_eq!(cut("äöü", 2), "äö… (6 bytes)");
    }
}
