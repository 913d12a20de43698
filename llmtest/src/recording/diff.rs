//! What changed between a request and the nearest recorded one.

use similar::{ChangeTag, TextDiff};
use std::collections::HashMap;
use std::time::Duration;

/// The most changed lines that are shown.
const LINES: usize = 24;
/// The most of one line that is shown.
const WIDTH: usize = 160;
/// How many candidates are compared closely.
const CLOSE: usize = 4;
/// The most of one text that is compared.
const LENGTH: usize = 40_000;

/// The nearest of the candidates (line, preferred, text), with the changed lines. Preferred ones go first: the same step of the
/// same metric.
pub(super) fn nearest(
    wanted: &str,
    candidates: Vec<(usize, bool, String)>,
) -> Option<(usize, String)> {
    let wanted = prepared(wanted);
    let words = counted(&wanted);
    let mut ranked: Vec<_> = candidates
        .into_iter()
        .map(|(line, preferred, text)| {
            let text = prepared(&text);
            ((preferred, in_common(&words, &text)), line, text)
        })
        .collect();
    ranked.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    let first = ranked.first()?.0.0;
    let close = ranked
        .into_iter()
        .filter(|((preferred, _), ..)| *preferred == first)
        .take(CLOSE);
    let ratio = |text: &str| {
        TextDiff::configure()
            .timeout(Duration::from_millis(200))
            .diff_words(text, wanted.as_str())
            .ratio()
    };
    let (_, line, text) = close
        .map(|(_, line, text)| (ratio(&text), line, text))
        .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)))?;
    Some((line, changes(&text, &wanted)))
}

/// The changed lines, with one line around.
pub(super) fn changes(old: &str, new: &str) -> String {
    let (old, new) = (prepared(old), prepared(new));
    let diff = TextDiff::configure()
        .timeout(Duration::from_millis(500))
        .diff_lines(old.as_str(), new.as_str());
    let mut shown: Vec<String> = Vec::new();
    let mut left = 0;
    for (index, group) in diff.grouped_ops(1).iter().enumerate() {
        if index > 0 && shown.len() < LINES {
            shown.push("    …".to_string());
        }
        for op in group {
            let lines: Vec<_> = diff.iter_changes(op).collect();
            let side = |tag| {
                lines
                    .iter()
                    .filter(move |change| change.tag() == tag)
                    .map(|change| change.value().trim_end())
            };
            let (olds, news): (Vec<_>, Vec<_>) = (
                side(ChangeTag::Delete).collect(),
                side(ChangeTag::Insert).collect(),
            );
            for change in &lines {
                if shown.len() >= LINES {
                    left += usize::from(change.tag() != ChangeTag::Equal);
                    continue;
                }
                let (sign, others, own) = match change.tag() {
                    ChangeTag::Delete => ('-', &news, &olds),
                    ChangeTag::Insert => ('+', &olds, &news),
                    ChangeTag::Equal => (' ', &olds, &olds),
                };
                let text = change.value().trim_end();
                // A long line that changed in its middle is shown from where it changed.
                let place = own.iter().position(|line| *line == text);
                let other = place.and_then(|place| others.get(place)).copied();
                shown.push(
                    format!("  {sign} {}", window(text, other))
                        .trim_end()
                        .to_string(),
                );
            }
        }
    }
    if shown.is_empty() {
        return "    (the texts are equal: another version of llmtest recorded it)\n".to_string();
    }
    if left > 0 {
        shown.push(format!("    … and {left} more"));
    }
    shown.join("\n") + "\n"
}

/// The part of a line around the first difference.
fn window(text: &str, other: Option<&str>) -> String {
    if text.chars().count() <= WIDTH {
        return text.to_string();
    }
    let common = other.map_or(0, |other| {
        text.chars()
            .zip(other.chars())
            .take_while(|(a, b)| a == b)
            .count()
    });
    let start = common.saturating_sub(WIDTH / 4);
    let part: String = text.chars().skip(start).take(WIDTH).collect();
    let (before, after) = (
        if start > 0 { "…" } else { "" },
        if start + WIDTH < text.chars().count() {
            "…"
        } else {
            ""
        },
    );
    format!("{before}{part}{after}")
}

/// Bounded, and without the nonces around untrusted text, which change with everything else.
fn prepared(text: &str) -> String {
    let cut = text
        .char_indices()
        .nth(LENGTH)
        .map_or(text.len(), |(at, _)| at);
    let mut out = String::with_capacity(cut);
    let mut rest = &text[..cut];
    while let Some((before, after)) = rest.split_once("data ") {
        out.push_str(before);
        out.push_str("data ");
        let nonce = after
            .get(..16)
            .is_some_and(|nonce| nonce.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let fence = (before.ends_with('<') || before.ends_with("</"))
            && nonce
            && after[16..].starts_with('>');
        rest = if fence { &after[16..] } else { after };
        if fence {
            out.push('…');
        }
    }
    out.push_str(rest);
    out
}

fn counted(text: &str) -> HashMap<&str, usize> {
    let mut words = HashMap::new();
    for word in text.split_whitespace() {
        *words.entry(word).or_default() += 1;
    }
    words
}

/// Twice the words in common, in thousandths of all words.
fn in_common(words: &HashMap<&str, usize>, text: &str) -> usize {
    let others = counted(text);
    let common: usize = others
        .iter()
        .map(|(word, count)| words.get(word).copied().unwrap_or_default().min(*count))
        .sum();
    let all = words.values().sum::<usize>() + others.values().sum::<usize>();
    2000 * common / all.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_changed_lines_are_shown_and_nonces_are_no_change() {
        let old =
            "one\n<data 0123456789abcdef>\ntwo\n</data 0123456789abcdef>\nthree\nfour\nfive\n";
        let new =
            "one\n<data fedcba9876543210>\ntwo\n</data fedcba9876543210>\nthree\nFOUR\nfive\n";
        assert_eq!(
            changes(old, new),
            "    three\n  - four\n  + FOUR\n    five\n"
        );
    }

    #[test]
    fn the_nearest_is_of_the_same_step() {
        let candidates = vec![
            (1, false, "the sky is blue today\n".to_string()),
            (2, true, "grass\n".to_string()),
            (3, true, "the sky is red\n".to_string()),
        ];
        let (line, shown) = nearest("the sky is blue\n", candidates).unwrap();
        assert_eq!(
            (line, shown.as_str()),
            (3, "  - the sky is red\n  + the sky is blue\n")
        );
        assert!(nearest("x", Vec::new()).is_none());
    }

    #[test]
    fn long_texts_are_bounded() {
        let line = |end: &str| format!("{}{end}\n", "word ".repeat(200));
        let shown = changes(&line("old"), &line("new"));
        assert!(
            shown.contains("word old\n") && shown.contains("word new\n") && shown.len() < 500,
            "{shown}"
        );
        let numbered = |from: usize| {
            (from..from + 100)
                .flat_map(|n| [n.to_string(), "\n".to_string()])
                .collect::<String>()
        };
        let shown = changes(&numbered(0), &numbered(1000));
        assert!(
            shown.lines().count() <= LINES + 1 && shown.ends_with("… and 176 more\n"),
            "{shown}"
        );
    }
}
