//! Embeddings, in the form of every provider.

use super::super::mock::{Answer, Mock};
use super::super::tests::{Bench, block_on};
use super::providers::*;
use serde_json::json;

#[test]
fn embeddings_are_asked_for_in_the_providers_form() {
    let texts = vec!["one".to_string(), "two".to_string()];
    let vectors = json!([[1.0, 0.0], [0.0, 3.0]]);
    let values = json!([{ "values": [1.0, 0.0] }, { "values": [0.0, 3.0] }]);
    for (adapter, path, answer) in [
        (
            gemini(),
            "/v1/models/gemini-embedding-001:batchEmbedContents",
            json!({ "embeddings": values }),
        ),
        (ollama(), "/api/embed", json!({ "embeddings": vectors })),
        (
            azure(),
            "/v1/openai/deployments/text-embedding-3-small/embeddings?api-version=2024-10-21",
            json!({ "data": [{ "index": 1, "embedding": [0.0, 3.0] }, { "index": 0, "embedding": [1.0, 0.0] }] }),
        ),
        (
            cohere(),
            "/v1/embed",
            json!({ "id": "1", "embeddings": { "float": vectors }, "meta": { "billed_units": { "input_tokens": 2 } } }),
        ),
    ] {
        let mock = Mock::start([ok(&answer)]);
        let bench = bench("embeds", &adapter, &mock.url(), &[("LLMTEST_MODE", "live")]);
        let found = block_on(bench.judges.embedder().embed(&texts)).unwrap();
        assert_eq!(found, [[1.0, 0.0], [0.0, 3.0]]);
        let head = mock.received().remove(0).head;
        assert!(head.starts_with(&format!("POST {path} ")), "{head}");
    }
    #[cfg(feature = "bedrock")]
    embeddings_of_bedrock(&texts);
    let vars = [
        ("LLMTEST_EMBEDDER_MODEL", "anthropic:x"),
        ("LLMTEST_MODE", "live"),
    ];
    let bench = Bench::new("no-embeddings", &vars);
    let error = block_on(bench.judges.embedder().embed(&texts))
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("`anthropic` has no embeddings"),
        "{error}"
    );
}

/// Titan takes one text a request, Cohere's models all of them.
#[cfg(feature = "bedrock")]
fn embeddings_of_bedrock(texts: &[String]) {
    let one =
        |vector: serde_json::Value| ok(&json!({ "embedding": vector, "inputTextTokenCount": 1 }));
    let busy = Answer::error(503, "busy");
    let mock = Mock::start([one(json!([1.0, 0.0])), busy, one(json!([0.0, 3.0]))]);
    let live = ("LLMTEST_MODE", "live");
    let titan = bench("embeds", &bedrock(), &mock.url(), &[live]);
    let found = block_on(titan.judges.embedder().embed(texts)).unwrap();
    assert_eq!(found, [[1.0, 0.0], [0.0, 3.0]]);
    let received = mock.received();
    assert!(
        received[0]
            .head
            .starts_with("POST /v1/model/amazon.titan-embed-text-v2%3A0/invoke "),
        "{}",
        received[0].head
    );
    assert_eq!(received[2].body, json!({ "inputText": "two" }));
    assert_eq!(received.len(), 3, "what was answered is not asked again");
    assert_eq!(titan.judges.answered(), 3, "each has a place of its own");
    let both = json!({ "embeddings": { "float": [[1.0, 0.0], [0.0, 3.0]] } });
    let mock = Mock::start([ok(&both)]);
    let model = (
        "LLMTEST_EMBEDDER_MODEL",
        "bedrock:cohere.embed-multilingual-v3",
    );
    let cohere = bench("embeds2", &bedrock(), &mock.url(), &[live, model]);
    let found = block_on(cohere.judges.embedder().embed(texts)).unwrap();
    assert_eq!(found, [[1.0, 0.0], [0.0, 3.0]]);
    let body = mock.received().remove(0).body;
    assert_eq!(body["texts"], json!(["one", "two"]));
    assert!(body["model"].is_null(), "{body}");
}
