//! Passages as items of a numbered list.

use crate::Passage;
use crate::reason::one_line;

/// The passages in rank order, those of one source merged into one at the rank of its first, each on one line.
pub(crate) fn by_source(passages: &[Passage]) -> Vec<String> {
    let mut nodes: Vec<(Option<&str>, String)> = Vec::new();
    for passage in passages {
        // An empty source is none.
        let source = passage
            .source
            .as_deref()
            .filter(|source| !source.trim().is_empty());
        let text = one_line(passage);
        let known = nodes
            .iter_mut()
            .find(|(other, _)| source.is_some() && *other == source);
        match known {
            Some((_, merged)) => {
                merged.push_str(" […] ");
                merged.push_str(&text);
            }
            None => nodes.push((source, text)),
        }
    }
    let titled = |(source, text): (Option<&str>, String)| match source {
        Some(source) => format!("{}: {text}", one_line(source)),
        None => text,
    };
    nodes.into_iter().map(titled).collect()
}

/// Texts as items of a list: each on one line, so that none can look like the next item.
pub(crate) fn lines<T: AsRef<str>>(texts: &[T]) -> Vec<String> {
    texts.iter().map(|text| one_line(text.as_ref())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passages_of_one_source_are_one_node_at_its_first_rank() {
        let passages = [
            Passage::from_source("doc-a", "chunk\na1"),
            Passage::from("plain"),
            Passage::from_source("doc-a", "chunk a2"),
            Passage::from_source("doc-b", "chunk b1"),
            Passage::from("plain"),
        ];
        assert_eq!(
            by_source(&passages),
            [
                "doc-a: chunk a1 […] chunk a2",
                "plain",
                "doc-b: chunk b1",
                "plain"
            ]
        );
    }

    #[test]
    fn passages_with_an_empty_source_stay_apart() {
        let passages = [
            Passage::from_source("", "one"),
            Passage::from_source("", "two"),
        ];
        assert_eq!(by_source(&passages), ["one", "two"]);
    }

    #[test]
    fn no_item_can_look_like_the_next_one() {
        assert_eq!(lines(&["one\n2. two"]), ["one 2. two"]);
    }
}
