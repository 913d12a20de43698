//! Answers questions about the guide of cargo-generate: finds passages with BM25, then lets a model answer from them.
//!
//! The three stages are ordinary functions. `#[llmtest::observe]` on each is all that tests need in order to score them
//! one by one, and to run without a model on what it said when it was recorded.

mod model;
mod pages;
mod search;

pub use pages::{PAGES, Passage};

/// Whatever went wrong.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// How many passages the model is shown.
const TOP: usize = 3;

/// Answers a question from the pages.
#[llmtest::observe(agent)]
pub async fn answer(question: &str) -> Result<String, Error> {
    let passages = retrieve(question);
    if passages.is_empty() {
        return Ok("The handbook does not say.".to_string());
    }
    model::complete(&compose(question, &passages)).await
}

/// The passages that fit the question best, best first, each with the page that it is from.
///
/// `replay`: as another application would with an index on a server. What is found depends on the pages and on code that
/// this function only calls, which its recordings cannot see; so the `key` names them.
#[llmtest::observe(retriever, replay, key = (TOP, search::version()))]
pub fn retrieve(question: &str) -> Vec<String> {
    search::search(question, TOP)
        .into_iter()
        .map(Passage::to_string)
        .collect()
}

/// The prompt: what the model is told, the passages, and the question.
pub fn compose(question: &str, passages: &[String]) -> String {
    let passages = passages.join("\n\n");
    format!(
        "Answer the question about cargo-generate in one or two sentences, using only these passages from its handbook. \
         Name the exact flag, file, key or value. If the passages do not answer it, say that the handbook does not say.\n\n\
         {passages}\n\nQuestion: {question}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// Where the page stands among the passages that were found, from 1.
    fn rank(question: &str, page: &str) -> Option<usize> {
        retrieve(question)
            .iter()
            .position(|passage| passage.starts_with(&format!("[{page}]")))
            .map(|at| at + 1)
    }

    #[test]
    fn the_right_page_is_found_for_every_golden() {
        let rows = include_str!("../data/questions.jsonl")
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        for row in rows {
            let question = row["input"].as_str().unwrap();
            let page = row["components"]["retrieve"]["metadata"]["page"]
                .as_str()
                .unwrap();
            assert!(
                rank(question, page).is_some(),
                "{page} was not found for {question:?}: {:#?}",
                retrieve(question)
            );
        }
    }

    #[test]
    fn another_form_of_a_word_finds_it_too() {
        assert_eq!(
            rank(
                "Is a tarball for manually installing available?",
                "installation.md"
            ),
            Some(1)
        );
    }

    #[test]
    fn words_that_no_page_uses_find_nothing() {
        assert!(retrieve("Wo ist der Bahnhof?").is_empty());
    }

    #[test]
    fn the_prompt_holds_the_question_and_every_passage() {
        let prompt = compose(
            "Why?",
            &["[a.md] one".to_string(), "[b.md] two".to_string()],
        );
        assert!(
            prompt.contains("[a.md] one\n\n[b.md] two\n\nQuestion: Why?"),
            "{prompt}"
        );
    }
}
