//! BM25 over the passages of all pages.

use crate::pages::{PAGES, Passage, passages};
use bm25::{SearchEngine, SearchEngineBuilder, Tokenizer};
use rust_stemmers::{Algorithm, Stemmer};
use std::sync::LazyLock;

/// Words that are in every question and say nothing about it.
const STOP_WORDS: &[&str] = &[
    "a", "an", "and", "are", "as", "at", "be", "but", "by", "can", "cargo", "do", "does", "for",
    "from", "generate", "had", "has", "have", "how", "i", "if", "in", "is", "it", "its", "me",
    "my", "not", "of", "on", "or", "so", "that", "the", "them", "then", "there", "this", "to",
    "was", "we", "what", "when", "where", "which", "who", "why", "will", "with", "would", "you",
    "your",
];

/// The passages that share words with the question, best first.
pub(crate) fn search(question: &str, top: usize) -> Vec<&'static Passage> {
    static INDEX: LazyLock<Index> = LazyLock::new(Index::new);
    INDEX.search(question, top)
}

/// Changes whenever the same question could find something else: with the code of the search, and with the pages.
pub(crate) fn version() -> String {
    let code = [include_str!("search.rs"), include_str!("pages.rs")];
    let texts = code.into_iter().chain(PAGES.iter().map(|(_, text)| *text));
    // FNV-1a: the same on every machine and with every compiler.
    let hash = texts
        .flat_map(str::bytes)
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    format!("{hash:016x}")
}

struct Index {
    passages: Vec<Passage>,
    engine: SearchEngine<u32, u32, Words>,
}

impl Index {
    fn new() -> Self {
        let passages: Vec<_> = PAGES
            .iter()
            .flat_map(|(page, markdown)| passages(page, markdown))
            .collect();
        let texts = passages
            .iter()
            .map(|passage| format!("{}\n{}", passage.heading, passage.text));
        let engine =
            SearchEngineBuilder::<u32, u32, Words>::with_tokenizer_and_corpus(Words::new(), texts)
                .build();
        Self { passages, engine }
    }

    fn search(&self, question: &str, top: usize) -> Vec<&Passage> {
        let mut found = self.engine.search(question, None);
        // Equal scores come in any order: the same question must give the same prompt.
        found.sort_by(|a, b| {
            b.score
                .total_cmp(&a.score)
                .then(a.document.id.cmp(&b.document.id))
        });
        found
            .into_iter()
            .take(top)
            .map(|result| &self.passages[result.document.id as usize])
            .collect()
    }
}

/// Words in lower case, without stop words, cut to their stems.
struct Words {
    stemmer: Stemmer,
}

impl Words {
    fn new() -> Self {
        Self {
            stemmer: Stemmer::create(Algorithm::English),
        }
    }
}

impl Tokenizer for Words {
    fn tokenize(&self, text: &str) -> Vec<String> {
        text.split(|c: char| !c.is_alphanumeric())
            .map(str::to_lowercase)
            .filter(|word| !word.is_empty() && !STOP_WORDS.contains(&word.as_str()))
            .map(|word| self.stemmer.stem(&word).into_owned())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_stems_without_stop_words() {
        assert_eq!(
            Words::new().tokenize("Which flags are *ignoring* the file?"),
            ["flag", "ignor", "file"]
        );
    }

    #[test]
    fn equal_questions_find_equal_passages_in_every_process() {
        let found = || {
            Index::new()
                .search("template file", 20)
                .into_iter()
                .cloned()
                .collect::<Vec<_>>()
        };
        assert_eq!(found(), found());
    }
}
