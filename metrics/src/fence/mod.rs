//! What stands between the markers of a fence: untrusted text without look-alikes of the markers.
//!
//! Three things are written as an escape such as `\u{3c}`, where everybody sees it, and nothing else is changed:
//!
//! 1. The first character of what looks like a marker (`<data …>`, `</data …>`: in any case, with white space, with brackets
//!    and letters of other scripts, as HTML entities, percent or JSON escapes) or like a control token of a chat template
//!    (`<|…|>`, `[INST]`, `<<SYS>>`, `<start_of_turn>`, `</s>` without a `<s>`, `<tool_call>`, `<think>`, …).
//! 2. The colon of `Human:` and `Assistant:` after a blank line.
//! 3. Characters that nobody sees, where a script does not need them: see [`hidden`].
//!
//! `Vec<Data>`, `<database>`, `<div>` and right-to-left text stay byte for byte.

mod fold;
mod hidden;

use fold::Unit;
use std::borrow::Cow;

/// Names between angle brackets that chat templates give a meaning.
const TAGS: &[&str] = &[
    "start_of_turn",
    "end_of_turn",
    "bos",
    "eos",
    "tool_call",
    "tool_calls",
    "tool_response",
    "think",
    "<sys>",
];

/// Names between square brackets that chat templates give a meaning.
const BRACKETED: &[&str] = &[
    "inst",
    "system_prompt",
    "available_tools",
    "tool_calls",
    "tool_results",
    "tool_content",
];

/// Who speaks, in the oldest of the templates.
const SPEAKERS: &[&str] = &["human:", "assistant:"];

/// The longest name of a token between `<|` and `|>`.
const LONGEST_TOKEN: usize = 48;

/// The text with look-alikes made harmless, and how many there were.
pub(crate) fn disarm(text: &str) -> (Cow<'_, str>, usize) {
    // What ordinary text has none of.
    let plain = |byte: u8| byte.is_ascii() && !matches!(byte, b'<' | b'[' | b'&' | b'\\' | b'%');
    if text.bytes().all(plain) && !text.contains("Human:") && !text.contains("Assistant:") {
        return (Cow::Borrowed(text), 0);
    }
    let units = fold::units(text);
    let mut marked = hidden::needless(text);
    let mut struck_through = false;
    for at in 0..units.len() {
        let rest = &units[at..];
        struck_through |= spells(rest, "<s>") || spells(rest, "<s ");
        if let Some(place) = look_alike(text, &units, at, struck_through) {
            marked.push(place);
        }
    }
    marked.sort_unstable();
    marked.dedup();
    if marked.is_empty() {
        return (Cow::Borrowed(text), 0);
    }
    let mut safe = String::with_capacity(text.len() + 8 * marked.len());
    let mut from = 0;
    for &at in &marked {
        safe.push_str(&text[from..at]);
        let mut rest = text[at..].chars();
        safe.extend(rest.next().into_iter().flat_map(char::escape_unicode));
        from = text.len() - rest.as_str().len();
    }
    safe.push_str(&text[from..]);
    (Cow::Owned(safe), marked.len())
}

/// A title on one line, without look-alikes: names come from outside too.
pub(crate) fn title(text: &str) -> (Cow<'_, str>, usize) {
    let (safe, count) = disarm(text);
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    let broken = safe.chars().filter(|c| breaks(*c)).count();
    if broken == 0 {
        return (safe, count);
    }
    let mut line = String::with_capacity(safe.len() + 8 * broken);
    for c in safe.chars() {
        if breaks(c) {
            line.extend(c.escape_unicode());
        } else {
            line.push(c);
        }
    }
    (Cow::Owned(line), count + broken)
}

/// Where to mark the look-alike that begins at this unit, if one does.
fn look_alike(text: &str, units: &[Unit], at: usize, struck_through: bool) -> Option<usize> {
    let rest = &units[at..];
    let found = match rest[0].folded {
        '<' => {
            is_marker(units, at)
                || is_token(rest)
                || TAGS.iter().any(|name| is_tag(rest, name, '>'))
                || (!struck_through && spells(rest, "</s>"))
        }
        '[' => BRACKETED.iter().any(|name| is_tag(rest, name, ']')),
        'h' | 'a' => return speaker(text, units, at),
        _ => false,
    };
    found.then_some(rest[0].at)
}

/// `<data …>` or `</data …>`, with what may stand in between.
fn is_marker(units: &[Unit], at: usize) -> bool {
    let mut rest = &units[at + 1..];
    let mut closing = false;
    while let Some((unit, after)) = rest.split_first() {
        match unit.folded {
            '/' | '\\' => closing = true,
            c if c.is_whitespace() => {}
            _ => break,
        }
        rest = after;
    }
    if !spells(rest, "data") {
        return false;
    }
    let rest = &rest[4..];
    let next = rest.first().map(|unit| unit.folded);
    let within_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | ':' | '.');
    if closing {
        return next.is_none_or(|c| !within_name(c));
    }
    // `Vec<Data>` and `Vec::<Data>` are types.
    let before = at.checked_sub(1).map(|before| units[before].folded);
    let glued = before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | ':' | '<'));
    match next {
        None | Some('/') => true,
        Some('>') => !glued,
        Some(c) if c.is_whitespace() => {
            // `a < data && b` compares.
            let word = rest.iter().find(|unit| !unit.folded.is_whitespace());
            word.is_none_or(|unit| match unit.folded {
                '>' | '/' => !glued,
                c => c.is_alphanumeric(),
            })
        }
        Some(_) => false,
    }
}

/// `<|name|>`, whatever the name.
fn is_token(rest: &[Unit]) -> bool {
    let name = rest.get(2..).unwrap_or_default();
    let part = |unit: &&Unit| {
        unit.folded.is_ascii_alphanumeric() || matches!(unit.folded, '_' | '-' | '/')
    };
    let length = name.iter().take(LONGEST_TOKEN).take_while(part).count();
    spells(rest, "<|") && length > 0 && spells(&name[length..], "|>")
}

/// The name after an opening bracket and perhaps a slash, up to the closing one.
fn is_tag(rest: &[Unit], name: &str, close: char) -> bool {
    let rest = &rest[1..];
    // `<</SYS>>` has its slash in the middle.
    let (name, rest) = match name.strip_prefix('<') {
        Some(name) if spells(rest, "<") => (name, &rest[1..]),
        Some(_) => return false,
        None => (name, rest),
    };
    let rest = if spells(rest, "/") { &rest[1..] } else { rest };
    let name = name.trim_end_matches('>');
    spells(rest, name)
        && rest
            .get(name.len())
            .is_some_and(|unit| unit.folded == close)
}

/// The colon of `Human:` or `Assistant:` after a blank line.
fn speaker(text: &str, units: &[Unit], at: usize) -> Option<usize> {
    let blank = at >= 2 && units[at - 2..at].iter().all(|unit| unit.folded == '\n');
    // `assistant:` in small letters is how transcripts are written.
    let first = text[units[at].at..].chars().next()?;
    if !blank || first.is_ascii_lowercase() {
        return None;
    }
    let name = SPEAKERS.iter().find(|name| spells(&units[at..], name))?;
    Some(units[at + name.len() - 1].at)
}

/// Whether the units begin with this text.
fn spells(units: &[Unit], text: &str) -> bool {
    let mut units = units.iter();
    text.chars()
        .all(|c| units.next().is_some_and(|unit| unit.folded == c))
}

#[cfg(test)]
mod tests;
