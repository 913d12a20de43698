//! Embeddings of any provider that has them.

use super::budgeted::is_free_kind;
use super::http::{Answer, client, post, spawned};
use super::reading::{self, Reading, Wire};
use super::request::{self, Request};
use super::trouble::Trouble;

use crate::config::JudgeConfig;
use crate::cost::{Till, about_tokens};
use crate::observe;
use crate::redact::Redactor;
use llmtest_metrics::{Embedder, JudgeError, Result, Usage};
use reqwest::Client;
use std::sync::Arc;

/// An embeddings endpoint.
pub(super) struct Embeddings {
    server: Arc<Server>,
}

struct Server {
    client: Client,
    till: Arc<Till>,
    trouble: Trouble,
}

impl Embeddings {
    pub(super) fn new(
        config: &JudgeConfig,
        redactor: Arc<Redactor>,
        till: Arc<Till>,
    ) -> Result<Self, JudgeError> {
        let client = client(config)?;
        let trouble = Trouble {
            config: config.clone(),
            redactor,
        };
        Ok(Self {
            server: Arc::new(Server {
                client,
                till,
                trouble,
            }),
        })
    }
}

impl Embedder for Embeddings {
    fn model(&self) -> &str {
        &self.server.trouble.config.model
    }

    async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>> {
        let (server, texts) = (self.server.clone(), texts.to_vec());
        // Whose call it is: the till asks.
        let case = observe::current_case();
        spawned(async move {
            match case {
                Some(case) => observe::scope(case, server.ask(&texts)).await,
                None => server.ask(&texts).await,
            }
        })
        .await
    }
}

impl Server {
    /// One request, for no more texts than one may hold.
    async fn ask(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, JudgeError> {
        let trouble = &self.trouble;
        let Request { url, body, .. } = request::of_texts(&trouble.config, texts);
        let (model, size) = (&trouble.config.model, texts.iter().map(String::len).sum());
        let hold = self.till.hold(model, about_tokens(size), 0).await?;
        let answered = post(&self.client, trouble, &url, &body).await;
        let text = match answered {
            Ok(answer) if (200..300).contains(&answer.status) => answer.text,
            // Broken off, or too slow: it may have been billed.
            Err(error) if !is_free_kind(&error.kind) => return Err(error),
            failed => {
                if let Some(hold) = hold {
                    hold.release().await;
                }
                let Answer {
                    status,
                    text,
                    wait,
                    kind,
                } = failed?;
                let (status, said) =
                    reading::typed(status, reading::error_text(&text), kind.as_deref());
                return Err(trouble.status(status, &said, wait));
            }
        };
        let (read, usage) = read(&text, texts.len());
        self.till.embedded(model, usage);
        if let Some(hold) = hold {
            hold.settle(usage, None).await;
        }
        read.map_err(|why| trouble.unreadable(&why))
    }
}

/// The vectors of so many texts, in their order, and the tokens that they took.
fn read(text: &str, texts: usize) -> (Result<Vec<Vec<f32>>, String>, Option<Usage>) {
    let reading = reading::read(Wire::Embeddings, text);
    let usage = reading.usage.filter(|count| count.input.is_some());
    let usage = usage.map(reading::Count::usage);
    (vectors(reading, texts), usage)
}

fn vectors(reading: Reading, texts: usize) -> Result<Vec<Vec<f32>>, String> {
    if let Some(error) = reading.error {
        return Err(error.text());
    }
    if let Some(why) = reading.unreadable {
        return Err(why);
    }
    let count = reading.vectors.len();
    if count == texts {
        Ok(reading.vectors)
    } else {
        Err(format!("it has {count} vectors for {texts} texts"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::mock::{Answer, Mock};
    use super::super::tests::{Bench, block_on};
    use super::*;
    use llmtest_metrics::JudgeErrorKind;
    use serde_json::json;

    const KEY: &str = "sk-very-secret-0123456789";

    fn bench(name: &str, url: &str, mode: &str) -> Bench {
        Bench::new(
            name,
            &[
                ("LLMTEST_EMBEDDER_BASE_URL", url),
                ("LLMTEST_EMBEDDER_MODEL", "minilm"),
                ("LLMTEST_EMBEDDER_API_KEY_ENV", "VECTOR_KEY"),
                ("LLMTEST_MODE", mode),
                ("VECTOR_KEY", KEY),
            ],
        )
    }

    fn embed(bench: &Bench, texts: &[&str]) -> Result<Vec<Vec<f32>>, JudgeError> {
        let texts: Vec<String> = texts.iter().map(ToString::to_string).collect();
        block_on(bench.judges.embedder().embed(&texts))
            .map_err(|error| *error.downcast::<JudgeError>().unwrap())
    }

    fn vectors(vectors: &[(usize, &[f32])]) -> Answer {
        let data: Vec<_> = vectors
            .iter()
            .map(|(index, vector)| json!({"object": "embedding", "index": index, "embedding": vector}))
            .collect();
        Answer::Status(200, "", json!({"object": "list", "data": data}).to_string())
    }

    #[test]
    fn texts_are_embedded_in_one_request_recorded_and_replayed() {
        let mock = Mock::start([
            vectors(&[(1, &[0.123_456_79, -1e-7]), (0, &[1.0, 0.0])]),
            vectors(&[(0, &[0.0, 3.0])]),
        ]);
        let bench = bench("embeddings", &mock.url(), "auto");
        let first = embed(&bench, &["one", "two", "one"]).unwrap();
        assert_eq!(first, [[1.0, 0.0], [0.123_46, -1e-7], [1.0, 0.0]]);
        let received = mock.received().remove(0);
        assert!(
            received.head.starts_with("POST /v1/embeddings "),
            "{}",
            received.head
        );
        assert!(
            received
                .head
                .contains(&format!("authorization: Bearer {KEY}")),
            "{}",
            received.head
        );
        assert_eq!(
            received.body,
            json!({"model": "minilm", "input": ["one", "two"]})
        );
        assert_eq!(embed(&bench, &["one", "two", "one"]).unwrap(), first);
        assert_eq!(mock.received().len(), 1, "all is recorded");
        assert_eq!(embed(&bench, &["three", "two"]).unwrap()[0], [0.0, 3.0]);
        assert_eq!(
            mock.received()[1].body["input"],
            json!(["three"]),
            "what is not recorded"
        );
        let file = bench.recorded("embeddings/minilm.jsonl");
        assert_eq!(file.lines().count(), 3);
        assert!(
            file.contains(r#""model":"minilm","text":"two","vector":[0.12346,-1e-7]}"#),
            "{file}"
        );
        assert!(!file.contains("very-secret") && !file.contains("127.0.0.1"));
        assert_eq!(bench.judges.answered(), 2);
    }

    #[test]
    fn an_answer_that_breaks_off_counts_as_paid_for() {
        let mock = Mock::start([Answer::Half]);
        let vars = [
            ("LLMTEST_EMBEDDER_BASE_URL", mock.url()),
            ("LLMTEST_EMBEDDER_MODEL", "minilm".to_string()),
            ("LLMTEST_MODE", "live".to_string()),
            ("LLMTEST_RETRIES", "0".to_string()),
            ("LLMTEST_BUDGET", "1000 tokens".to_string()),
        ];
        let vars = vars.each_ref().map(|(name, value)| (*name, value.as_str()));
        let bench = Bench::new("embeddings-half", &vars);
        embed(&bench, &["twelve bytes"]).unwrap_err();
        assert_eq!(bench.judges.till.budgets()[0].tokens, 3);
    }

    #[test]
    fn what_is_not_recorded_is_an_error_in_replay_and_needs_no_server_in_record_mode_twice() {
        let mock = Mock::start([vectors(&[(0, &[1.0])])]);
        let replay = bench("embeddings-replay", &mock.url(), "replay");
        let error = embed(&replay, &["a text"]).unwrap_err();
        assert_eq!(error.kind, JudgeErrorKind::Miss);
        let text = error.to_string();
        assert!(
            text.starts_with("nothing is recorded for the embedding of \"a text\" by `minilm`\n")
                && text.contains("hint: "),
            "{text}"
        );
        assert!(mock.received().is_empty());
        let record = bench("embeddings-record", &mock.url(), "record");
        for _ in 0..2 {
            assert_eq!(embed(&record, &["a text"]).unwrap(), [[1.0]]);
        }
        assert_eq!(mock.received().len(), 1);
        let live = bench("embeddings-live", &mock.url(), "live");
        for _ in 0..2 {
            assert_eq!(embed(&live, &["a text"]).unwrap(), [[1.0]]);
        }
        assert_eq!(mock.received().len(), 3);
        assert_eq!(live.recorded("embeddings/minilm.jsonl"), "");
    }

    #[test]
    fn a_busy_server_is_asked_again_and_a_wrong_key_is_not_shown() {
        let mock = Mock::start([Answer::error(429, "slow down"), vectors(&[(0, &[1.0])])]);
        let busy = bench("embeddings-busy", &mock.url(), "live");
        assert_eq!(embed(&busy, &["a"]).unwrap(), [[1.0]]);
        assert_eq!(mock.received().len(), 2);
        let mock = Mock::start([Answer::error(401, &format!("wrong key {KEY}"))]);
        let refused = bench("embeddings-401", &mock.url(), "live");
        let error = embed(&refused, &["a"]).unwrap_err().to_string();
        assert!(
            error.starts_with("the embedder at http://127.0.0.1:")
                && error.contains("answered 401 Unauthorized: wrong key [redacted]")
                && error.contains("`VECTOR_KEY`"),
            "{error}"
        );
    }

    #[test]
    fn a_server_that_is_no_embedder_is_told_by_its_table() {
        let mock = Mock::start([Answer::text("I am a chat model.")]);
        let bench_chat = bench("embeddings-chat", &mock.url(), "live");
        let error = embed(&bench_chat, &["a"]).unwrap_err();
        assert_eq!(error.kind, JudgeErrorKind::BadResponse);
        let text = error.to_string();
        assert!(
            text.contains("did not answer with embeddings: it has no `data`")
                && text.contains("`[embedder]`")
                && text.contains("LLMTEST_EMBEDDER_BASE_URL"),
            "{text}"
        );
        let nowhere = bench("embeddings-nowhere", &Mock::nowhere(), "live");
        let text = embed(&nowhere, &["a"]).unwrap_err().to_string();
        assert!(
            text.starts_with("cannot reach the embedder at ")
                && text.contains("`LLMTEST_EMBEDDER_BASE_URL`"),
            "{text}"
        );
    }

    #[test]
    fn without_a_key_for_the_default_server_the_error_shows_the_ways() {
        let bench = Bench::new("embeddings-no-key", &[("LLMTEST_MODE", "live")]);
        let error = embed(&bench, &["a"]).unwrap_err();
        assert_eq!(error.kind, JudgeErrorKind::Config);
        assert!(
            error
                .to_string()
                .starts_with("no embedder is configured: `OPENAI_API_KEY` is not set")
                && error.to_string().contains("LLMTEST_EMBEDDER_BASE_URL="),
            "{error}"
        );
    }

    #[test]
    fn a_list_must_have_every_text_once() {
        let item = |index: usize| json!({"index": index, "embedding": [1.0]});
        for (data, why) in [
            (json!([item(0)]), "it has 1 vectors for 2 texts"),
            (json!([item(0), item(0)]), "two vectors with the index 0"),
            (json!([item(0), item(2)]), "a vector 2 among 2"),
            (json!([{"embedding": "AAAA"}]), "a vector without numbers"),
        ] {
            let error = read(&json!({ "data": data }).to_string(), 2).0.unwrap_err();
            assert!(error.contains(why), "{error}");
        }
        let unnumbered = json!({"data": [{"embedding": [1.0]}, {"embedding": [2.0]}]});
        assert_eq!(read(&unnumbered.to_string(), 2).0.unwrap(), [[1.0], [2.0]]);
    }
}
