//! What every provider is sent, and what is made of its answer.

use super::super::mock::{Answer, Mock, Received};
use super::super::tests::{Bench, block_on};
use super::*;
use llmtest_metrics::{AnyJudge, Schema};
use serde_json::{Value, json};

pub(super) const KEY: &str = "sk-very-secret-0123456789";

/// A provider, its key's variable, and bodies of its.
pub(super) struct Adapter {
    pub(super) model: &'static str,
    pub(super) key: &'static str,
    /// A reply `{"score": 7}`.
    pub(super) good: Value,
    pub(super) refusal: Option<Value>,
    pub(super) filter: Option<Value>,
    /// The limit of tokens, and no text.
    pub(super) cut: Value,
}

pub(super) const SCORE: &str = "{\"score\": 7}";

fn chat(content: &Value, finish: &str, refusal: &Value) -> Value {
    json!({
        "choices": [{ "index": 0, "message": { "role": "assistant", "content": content, "refusal": refusal }, "finish_reason": finish }],
        "usage": { "prompt_tokens": 12, "completion_tokens": 3 },
    })
}

pub(super) fn openai() -> Adapter {
    Adapter {
        model: "openai:gpt-4.1-mini",
        key: "OPENAI_API_KEY",
        good: chat(&json!(SCORE), "stop", &Value::Null),
        refusal: Some(chat(&Value::Null, "stop", &json!("I won't."))),
        filter: Some(chat(&json!(""), "content_filter", &Value::Null)),
        cut: chat(&json!(""), "length", &Value::Null),
    }
}

pub(super) fn azure() -> Adapter {
    Adapter {
        model: "azure:judge-1",
        key: "AZURE_OPENAI_API_KEY",
        filter: Some(
            json!({ "error": { "message": "The response was filtered", "code": "content_filter", "status": 400 } }),
        ),
        ..openai()
    }
}

pub(super) fn mistral() -> Adapter {
    Adapter {
        model: "mistral:mistral-small-latest",
        key: "MISTRAL_API_KEY",
        ..openai()
    }
}

pub(super) fn responses() -> Adapter {
    let body = |status: &str, reason: Value, content: Value| {
        json!({
            "status": status, "incomplete_details": { "reason": reason },
            "output": [{ "type": "reasoning", "summary": [] }, { "type": "message", "content": content }],
            "usage": { "input_tokens": 12, "output_tokens": 3 },
        })
    };
    Adapter {
        model: "openai-responses:gpt-4.1-mini",
        key: "OPENAI_API_KEY",
        good: body(
            "completed",
            Value::Null,
            json!([{ "type": "output_text", "text": SCORE }]),
        ),
        refusal: Some(body(
            "completed",
            Value::Null,
            json!([{ "type": "refusal", "refusal": "I won't." }]),
        )),
        filter: Some(body("incomplete", json!("content_filter"), json!([]))),
        cut: body("incomplete", json!("max_output_tokens"), json!([])),
    }
}

pub(super) fn anthropic() -> Adapter {
    let body = |stop: &str, content: Value| {
        json!({
            "type": "message", "model": "claude-x-20260101", "content": content, "stop_reason": stop,
            "stop_details": { "explanation": "I won't." },
            "usage": { "input_tokens": 2, "cache_read_input_tokens": 10, "output_tokens": 3 },
        })
    };
    Adapter {
        model: "anthropic:claude-x",
        key: "ANTHROPIC_API_KEY",
        good: body(
            "end_turn",
            json!([{ "type": "thinking", "thinking": "7?" }, { "type": "text", "text": SCORE }]),
        ),
        refusal: Some(body("refusal", json!([]))),
        filter: None,
        cut: body("max_tokens", json!([])),
    }
}

pub(super) fn gemini() -> Adapter {
    let body = |finish: &str, parts: Value| {
        json!({
            "candidates": [{ "content": { "parts": parts, "role": "model" }, "finishReason": finish }],
            "usageMetadata": { "promptTokenCount": 12, "candidatesTokenCount": 1, "thoughtsTokenCount": 2 },
        })
    };
    Adapter {
        model: "gemini:gemini-x",
        key: "GEMINI_API_KEY",
        good: body(
            "STOP",
            json!([{ "text": "Let me see.", "thought": true }, { "text": SCORE }]),
        ),
        refusal: Some(
            json!({ "promptFeedback": { "blockReason": "PROHIBITED_CONTENT", "blockReasonMessage": "I won't." } }),
        ),
        filter: Some(body("SAFETY", json!([]))),
        cut: body("MAX_TOKENS", json!([])),
    }
}

pub(super) fn ollama() -> Adapter {
    let body = |text: &str, reason: &str| {
        json!({
            "message": { "role": "assistant", "content": text }, "done": true, "done_reason": reason,
            "prompt_eval_count": 12, "eval_count": 3,
        })
    };
    Adapter {
        model: "ollama:qwen2.5:7b",
        key: "OLLAMA_API_KEY",
        good: body(SCORE, "stop"),
        refusal: None,
        filter: None,
        cut: body("", "length"),
    }
}

pub(super) fn cohere() -> Adapter {
    let body = |text: &str, finish: &str| {
        json!({
            "id": "c14c80c3", "finish_reason": finish,
            "message": { "role": "assistant", "content": [{ "type": "thinking", "thinking": "Let me see." }, { "type": "text", "text": text }] },
            "usage": { "billed_units": { "input_tokens": 9 }, "tokens": { "input_tokens": 12, "output_tokens": 3 } },
        })
    };
    Adapter {
        model: "cohere:command-a-03-2025",
        key: "CO_API_KEY",
        good: body(SCORE, "COMPLETE"),
        refusal: None,
        filter: Some(body("", "ERROR_TOXIC")),
        cut: body("", "MAX_TOKENS"),
    }
}

#[cfg(feature = "bedrock")]
pub(super) fn bedrock() -> Adapter {
    let body = |stop: &str, content: Value| {
        json!({
            "output": { "message": { "role": "assistant", "content": content } }, "stopReason": stop,
            "usage": { "inputTokens": 2, "outputTokens": 3, "totalTokens": 15, "cacheReadInputTokens": 10 },
            "metrics": { "latencyMs": 551 },
        })
    };
    Adapter {
        model: "bedrock:anthropic.claude-3-5-haiku-20241022-v1:0",
        key: "AWS_BEARER_TOKEN_BEDROCK",
        good: body(
            "tool_use",
            json!([{ "toolUse": { "toolUseId": "t1", "name": "score", "input": { "score": 7 } } }]),
        ),
        refusal: None,
        filter: Some(body("content_filtered", json!([]))),
        cut: body("max_tokens", json!([])),
    }
}

pub(super) fn prompt() -> Prompt {
    let mut prompt = Prompt::new("g_eval/score", "How good?");
    let mut system = prompt.messages[0].clone();
    system.role = "system".to_string();
    system.content = "You judge.".to_string();
    prompt.messages.insert(0, system);
    prompt.schema = Some(Schema {
        name: "score".to_string(),
        schema: json!({
            "type": "object", "additionalProperties": false, "required": ["reason", "score"],
            "properties": { "score": { "type": ["integer", "null"] }, "reason": { "type": "string" } },
        }),
    });
    prompt.graded = Some("score".to_string());
    prompt
}

pub(super) fn bench(name: &str, adapter: &Adapter, url: &str, more: &[(&str, &str)]) -> Bench {
    let mut vars = vec![
        ("LLMTEST_MODEL", adapter.model),
        ("LLMTEST_BASE_URL", url),
        (adapter.key, KEY),
    ];
    vars.extend(more);
    let kind = adapter.model.split(':').next().unwrap_or_default();
    Bench::new(&format!("{kind}-{name}"), &vars)
}

pub(super) fn ask(judge: &AnyJudge) -> Result<Reply, JudgeError> {
    block_on(judge.complete(&prompt())).map_err(|error| *error.downcast::<JudgeError>().unwrap())
}

pub(super) fn ok(body: &Value) -> Answer {
    Answer::Status(200, "", body.to_string())
}

/// The reply of a provider, and what it was asked.
pub(super) fn asked(adapter: &Adapter, model: &str) -> (Reply, Received) {
    let mock = Mock::start([ok(&adapter.good)]);
    let bench = bench("asked", adapter, &mock.url(), &[]);
    let judge = bench.judges.standard().unwrap();
    assert_eq!(judge.model(), model);
    let reply = ask(&judge).unwrap();
    assert_eq!(reply.text.replace(' ', ""), "{\"score\":7}");
    assert_eq!(reply.usage.unwrap().total(), 15);
    let received = mock.received().remove(0);
    (reply, received)
}

pub(super) fn has_header(received: &Received, header: &str) {
    assert!(
        received.head.contains(header),
        "{header}: {}",
        received.head
    );
    assert_eq!(received.head.matches(KEY).count(), 1, "{}", received.head);
}

#[test]
fn anthropic_has_a_schema_and_neither_seed_nor_alternatives() {
    let (reply, received) = asked(&anthropic(), "claude-x");
    assert!(
        received.head.starts_with("POST /v1/messages "),
        "{}",
        received.head
    );
    has_header(&received, &format!("x-api-key: {KEY}"));
    has_header(&received, "anthropic-version: 2023-06-01");
    let body = received.body;
    assert_eq!(body["system"], "You judge.");
    assert_eq!(
        body["messages"],
        json!([{ "role": "user", "content": "How good?" }])
    );
    let format = &body["output_config"]["format"];
    assert_eq!(format["type"], "json_schema");
    assert_eq!(format["schema"]["required"], json!(["reason", "score"]));
    assert!(body["tools"].is_null());
    assert_eq!(
        (&body["max_tokens"], &body["temperature"]),
        (&json!(1024), &json!(0))
    );
    assert!(body["seed"].is_null() && body["logprobs"].is_null());
    let note = "the model has no `seed`; the judge may answer differently each time";
    assert_eq!(reply.notes, ["the model has no log-probabilities", note]);
    assert_eq!(reply.model.as_deref(), Some("claude-x-20260101"));
}

#[test]
fn a_model_of_anthropic_without_structured_outputs_is_made_to_call_a_tool() {
    let adapter = anthropic();
    let refusal = "output_config.format: this model does not support structured outputs";
    let mut tool = adapter.good.clone();
    tool["content"] =
        json!([{ "type": "tool_use", "name": "score", "input": { "reason": "r", "score": 7 } }]);
    tool["stop_reason"] = json!("tool_use");
    let mock = Mock::start([Answer::error(400, refusal), ok(&tool)]);
    let bench = bench("tool", &adapter, &mock.url(), &[]);
    let judge = bench.judges.standard().unwrap();
    let reply = ask(&judge).unwrap();
    assert_eq!(
        reply.text.replace(' ', ""),
        "{\"reason\":\"r\",\"score\":7}"
    );
    assert_eq!(
        reply.notes[0],
        "the server refuses JSON schemas; the reply was taken from a forced tool"
    );
    let body = mock.received().remove(1).body;
    assert_eq!(
        body["tool_choice"],
        json!({ "type": "tool", "name": "score" })
    );
    assert_eq!(body["tools"][0]["input_schema"]["type"], "object");
    assert!(body["output_config"].is_null());
}

/// The model that answered is in every reply, in whatever member the provider names it, and in the recording.
#[test]
fn replies_name_the_model_that_answered() {
    for (adapter, member) in [
        (openai(), "model"),
        (responses(), "model"),
        (gemini(), "modelVersion"),
        (ollama(), "model"),
    ] {
        let mut good = adapter.good.clone();
        good[member] = json!("judge-x-2026-01-01");
        let mock = Mock::start([ok(&good)]);
        let bench = bench("model", &adapter, &mock.url(), &[]);
        let reply = ask(&bench.judges.standard().unwrap()).unwrap();
        assert_eq!(reply.model.as_deref(), Some("judge-x-2026-01-01"));
        assert_eq!(reply.cost, None);
        bench.recordings.finish().unwrap();
        let recorded = bench.recorded("judge/g_eval.jsonl");
        assert!(
            recorded.contains("\"model\":\"judge-x-2026-01-01\""),
            "{recorded}"
        );
    }
}

#[test]
fn openrouter_states_what_a_call_cost_and_absurd_numbers_are_none() {
    let adapter = Adapter {
        model: "openrouter:anthropic/claude-x",
        key: "OPENROUTER_API_KEY",
        ..openai()
    };
    let cost = |adapter: &Adapter, usage: Value| {
        let mut good = adapter.good.clone();
        let tokens = good["usage"].as_object_mut().unwrap();
        tokens.extend(usage.as_object().unwrap().clone());
        let mock = Mock::start([ok(&good)]);
        let bench = bench("cost", adapter, &mock.url(), &[]);
        let judge = bench.judges.standard().unwrap();
        let live = ask(&judge).unwrap().cost;
        let replayed = ask(&judge).unwrap();
        assert!(replayed.replayed);
        assert_eq!(replayed.cost, live);
        let asked = mock.received().remove(0).body;
        (live, asked["usage"]["include"] == true)
    };
    for (usage, expected) in [
        (json!({ "cost": 0.000_130_45 }), Some(0.000_130_45)),
        (json!({ "cost": 0 }), Some(0.0)),
        (
            json!({ "cost": 0.001, "is_byok": true, "cost_details": { "upstream_inference_cost": 0.02 } }),
            Some(0.021),
        ),
        (json!({ "cost": 0.001, "is_byok": true }), None),
        (json!({ "cost": -1.0 }), None),
        (json!({ "cost": 1e300 }), None),
        (json!({ "cost": "free" }), None),
        (json!({}), None),
    ] {
        assert_eq!(cost(&adapter, usage.clone()), (expected, true), "{usage}");
    }
    assert_eq!(cost(&openai(), json!({ "cost": 0.5 })), (None, false));
}

#[test]
fn gemini_gets_a_schema_of_its_own_form() {
    let (reply, received) = asked(&gemini(), "gemini-x");
    assert!(
        received
            .head
            .starts_with("POST /v1/models/gemini-x:generateContent "),
        "{}",
        received.head
    );
    has_header(&received, &format!("x-goog-api-key: {KEY}"));
    let config = &received.body["generationConfig"];
    assert_eq!(
        config["responseSchema"],
        json!({
            "type": "object", "required": ["reason", "score"], "propertyOrdering": ["reason", "score"],
            "properties": { "score": { "type": "integer", "nullable": true }, "reason": { "type": "string" } },
        })
    );
    assert_eq!(config["responseMimeType"], "application/json");
    assert_eq!(
        (&config["responseLogprobs"], &config["logprobs"]),
        (&json!(true), &json!(20))
    );
    assert_eq!(
        (&config["seed"], &config["maxOutputTokens"]),
        (&json!(7), &json!(1024))
    );
    assert_eq!(
        received.body["systemInstruction"]["parts"][0]["text"],
        "You judge."
    );
    assert_eq!(reply.notes, ["the server gives no log-probabilities"]);
}

#[test]
fn ollama_gets_the_schema_as_its_format_and_must_not_shorten_the_prompt() {
    let (_, received) = asked(&ollama(), "qwen2.5:7b");
    assert!(
        received.head.starts_with("POST /api/chat "),
        "{}",
        received.head
    );
    let body = received.body;
    assert_eq!(
        (&body["stream"], &body["truncate"]),
        (&json!(false), &json!(false))
    );
    assert_eq!(body["format"]["type"], "object");
    assert_eq!(
        body["options"],
        json!({ "temperature": 0, "seed": 7, "num_predict": 1024 })
    );
    assert_eq!(body["messages"].as_array().unwrap().len(), 2);
}

#[test]
fn azure_is_asked_at_the_deployment() {
    let (_, received) = asked(&azure(), "judge-1");
    let path = "POST /v1/openai/deployments/judge-1/chat/completions?api-version=2024-10-21 ";
    assert!(received.head.starts_with(path), "{}", received.head);
    has_header(&received, &format!("api-key: {KEY}"));
}

#[test]
fn responses_are_asked_for_without_a_seed_and_not_kept() {
    let (reply, received) = asked(&responses(), "gpt-4.1-mini");
    assert!(
        received.head.starts_with("POST /v1/responses "),
        "{}",
        received.head
    );
    let body = received.body;
    assert_eq!(
        (&body["store"], &body["max_output_tokens"]),
        (&json!(false), &json!(1024))
    );
    assert_eq!(body["text"]["format"]["name"], "score");
    assert_eq!(body["include"], json!(["message.output_text.logprobs"]));
    assert!(body["seed"].is_null());
    assert!(
        reply.notes[0].starts_with("the model has no `seed`"),
        "{:?}",
        reply.notes
    );
}

#[test]
fn mistral_calls_the_seed_by_another_name() {
    let (_, received) = asked(&mistral(), "mistral-small-latest");
    assert_eq!(
        (&received.body["random_seed"], &received.body["seed"]),
        (&json!(7), &Value::Null)
    );
    has_header(&received, &format!("authorization: Bearer {KEY}"));
}

#[test]
fn cohere_has_a_schema_of_its_own_form_a_seed_and_no_alternatives() {
    let (reply, received) = asked(&cohere(), "command-a-03-2025");
    assert!(
        received.head.starts_with("POST /v1/chat "),
        "{}",
        received.head
    );
    has_header(&received, &format!("authorization: Bearer {KEY}"));
    let body = received.body;
    assert_eq!(body["messages"][0]["role"], "system");
    assert_eq!(body["response_format"]["type"], "json_object");
    assert_eq!(
        body["response_format"]["json_schema"]["required"],
        json!(["reason", "score"])
    );
    assert_eq!(
        (&body["seed"], &body["temperature"]),
        (&json!(7), &json!(0))
    );
    assert_eq!(body["max_tokens"], json!(1024));
    assert!(body["logprobs"].is_null(), "{body}");
    assert_eq!(reply.notes, ["the model has no log-probabilities"]);
}

#[test]
fn cohere_takes_its_key_from_either_variable() {
    let adapter = Adapter {
        key: "COHERE_API_KEY",
        ..cohere()
    };
    let (_, received) = asked(&adapter, "command-a-03-2025");
    has_header(&received, &format!("authorization: Bearer {KEY}"));
}

#[test]
fn what_is_known_of_a_model_is_not_asked_for() {
    let adapter = Adapter {
        model: "openai:o3-mini",
        ..openai()
    };
    let (reply, received) = asked(&adapter, "o3-mini");
    let body = received.body;
    assert!(
        body["temperature"].is_null() && body["logprobs"].is_null() && body["max_tokens"].is_null()
    );
    assert_eq!(body["max_completion_tokens"], json!(1024));
    assert_eq!(reply.notes.len(), 2, "{:?}", reply.notes);
    assert_eq!(reply.notes[0], "the model has no log-probabilities");
}

#[test]
fn a_prefix_in_the_name_of_a_judge_asks_that_provider() {
    let bench = Bench::new("by-prefix", &[("LLMTEST_MODE", "live")]);
    let choice = llmtest_metrics::JudgeChoice::Named("anthropic:claude-x".to_string());
    let judge = bench.judges.choose(&choice).unwrap();
    assert_eq!(judge.model(), "claude-x");
    let error = ask(&judge).unwrap_err().to_string();
    assert!(error.contains("`ANTHROPIC_API_KEY` is not set"), "{error}");
    assert!(error.contains("https://api.anthropic.com/v1"), "{error}");
    let choice = llmtest_metrics::JudgeChoice::Named("antropic:claude-x".to_string());
    let error = bench.judges.choose(&choice).unwrap_err().to_string();
    assert!(
        error.contains("hint: did you mean `anthropic:claude-x`?"),
        "{error}"
    );
}

#[test]
fn azure_without_an_address_says_what_to_set() {
    let vars = [("LLMTEST_MODEL", "azure:judge-1"), ("LLMTEST_MODE", "live")];
    let bench = Bench::new("azure-nowhere", &vars);
    let error = ask(&bench.judges.standard().unwrap())
        .unwrap_err()
        .to_string();
    assert!(error.contains("hint: set AZURE_OPENAI_ENDPOINT"), "{error}");
}

#[test]
fn recordings_do_not_depend_on_the_prefix() {
    let adapter = openai();
    let mock = Mock::start([ok(&adapter.good)]);
    let first = bench("prefix", &adapter, &mock.url(), &[]);
    ask(&first.judges.standard().unwrap()).unwrap();
    first.recordings.finish().unwrap();
    let bare = [
        ("LLMTEST_MODEL", "gpt-4.1-mini"),
        ("LLMTEST_MODE", "replay"),
    ];
    let again = Bench::new("openai-prefix", &bare);
    assert!(ask(&again.judges.standard().unwrap()).unwrap().replayed);
}

#[cfg(not(feature = "bedrock"))]
#[test]
fn without_its_feature_bedrock_names_it() {
    let vars = [("LLMTEST_MODEL", "bedrock:m"), ("LLMTEST_MODE", "live")];
    let bench = Bench::new("bedrock-off", &vars);
    let error = ask(&bench.judges.standard().unwrap())
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("`bedrock` is switched off in this build")
            && error.contains("--features bedrock"),
        "{error}"
    );
}
