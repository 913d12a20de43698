//! Bedrock: a forced tool, a bearer key or a signature, and what is missing.

use super::super::mock::{Answer, Mock};
use super::super::tests::Bench;
use super::providers::*;
use serde_json::json;

#[test]
fn bedrock_is_made_to_call_a_tool_and_takes_a_bearer_key() {
    let (reply, received) = asked(&bedrock(), "anthropic.claude-3-5-haiku-20241022-v1:0");
    let path = "/v1/model/anthropic.claude-3-5-haiku-20241022-v1%3A0/converse";
    assert!(
        received.head.starts_with(&format!("POST {path} ")),
        "{}",
        received.head
    );
    has_header(&received, &format!("authorization: Bearer {KEY}"));
    let body = received.body;
    assert_eq!(body["system"], json!([{ "text": "You judge." }]));
    assert_eq!(
        body["messages"],
        json!([{ "role": "user", "content": [{ "text": "How good?" }] }])
    );
    assert_eq!(
        body["inferenceConfig"],
        json!({ "temperature": 0, "maxTokens": 1024 })
    );
    let tool = &body["toolConfig"]["tools"][0]["toolSpec"];
    assert_eq!(tool["name"], "score");
    assert_eq!(tool["inputSchema"]["json"]["type"], "object");
    assert_eq!(
        body["toolConfig"]["toolChoice"],
        json!({ "tool": { "name": "score" } })
    );
    assert_eq!(reply.usage.unwrap().cached_tokens, 10);
    let notes = [
        "the model has no log-probabilities",
        "the model has no `seed`; the judge may answer differently each time",
    ];
    assert_eq!(reply.notes, notes);
}

#[test]
fn bedrock_signs_where_there_is_no_bearer_key() {
    let adapter = bedrock();
    let mock = Mock::start([ok(&adapter.good)]);
    let vars = [
        ("LLMTEST_MODEL", adapter.model),
        ("LLMTEST_BASE_URL", &mock.url()),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", KEY),
        ("AWS_SESSION_TOKEN", "session-token-0123456789"),
    ];
    let bench = Bench::new("bedrock-signs", &vars);
    ask(&bench.judges.standard().unwrap()).unwrap();
    let head = mock.received().remove(0).head;
    let line = |name: &str| {
        let line = head.lines().find(|line| line.starts_with(name));
        line.unwrap_or_else(|| panic!("no `{name}` in {head}"))
    };
    let authorization = line("authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/");
    assert!(
        authorization.contains("/eu-central-1/bedrock/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, Signature="),
        "{authorization}"
    );
    assert_eq!(
        authorization.rsplit('=').next().unwrap().len(),
        64,
        "{authorization}"
    );
    assert_eq!(
        line("x-amz-security-token: "),
        "x-amz-security-token: session-token-0123456789"
    );
    let date = line("x-amz-date: ");
    assert!(date.ends_with('Z') && date.len() == "x-amz-date: 20150830T123600Z".len());
    assert!(!head.contains(KEY), "{head}");
}

#[test]
fn bedrock_that_refuses_a_forced_tool_is_asked_for_text() {
    let adapter = bedrock();
    let text = json!({
        "output": { "message": { "content": [{ "text": SCORE }] } }, "stopReason": "end_turn",
    });
    let refusal = Answer::Status(
        400,
        "x-amzn-errortype: ValidationException:http://internal.amazon.com/coral/\r\n",
        json!({ "message": "This model doesn't support tool use." }).to_string(),
    );
    let mock = Mock::start([refusal, ok(&text)]);
    let bench = bench("text", &adapter, &mock.url(), &[]);
    let reply = ask(&bench.judges.standard().unwrap()).unwrap();
    assert_eq!(
        reply.notes[0],
        "the server refuses JSON schemas and JSON mode; the reply was read as text with JSON in it"
    );
    assert!(mock.received()[1].body["toolConfig"].is_null());
}

#[test]
fn bedrock_without_a_region_or_a_key_says_what_to_set() {
    let message = |vars: &[(&str, &str)]| {
        let mut all = vec![("LLMTEST_MODEL", "bedrock:m"), ("LLMTEST_MODE", "live")];
        all.extend(vars);
        let bench = Bench::new("bedrock-bare", &all);
        ask(&bench.judges.standard().unwrap())
            .unwrap_err()
            .to_string()
    };
    let error = message(&[]);
    assert!(error.contains("hint: set AWS_REGION or "), "{error}");
    let error = message(&[("AWS_REGION", "us-east-1")]);
    assert!(
        error.contains("`AWS_BEARER_TOKEN_BEDROCK` is not set")
            && error.contains("https://bedrock-runtime.us-east-1.amazonaws.com")
            && error.contains("hint: or set `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`"),
        "{error}"
    );
}
