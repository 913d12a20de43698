//! Every fault at every provider: the right outcome, in bounded time, with nothing lost and no key shown.

use super::super::mock::{Answer, Mock};
use super::providers::*;
use super::*;
use llmtest_metrics::JudgeErrorKind;
use serde_json::json;
use std::time::{Duration, Instant};

/// How long one fault may take, whatever the machine is busy with.
const BOUND: Duration = Duration::from_secs(20);

fn status(status: u16, headers: &'static str) -> Answer {
    // The key comes back, as it does from some servers.
    let message = format!("the server says {status} to {KEY}");
    Answer::Status(
        status,
        headers,
        json!({ "error": { "message": message } }).to_string(),
    )
}

/// The error that a server with this one answer leads to; how often it was asked. Nothing is recorded.
fn failure(adapter: &Adapter, name: &str, answer: Answer, timeout: &str) -> (JudgeError, usize) {
    let mock = Mock::start([answer]);
    let vars = [("LLMTEST_RETRIES", "1"), ("LLMTEST_JUDGE_TIMEOUT", timeout)];
    let bench = bench(name, adapter, &mock.url(), &vars);
    let started = Instant::now();
    let error = ask(&bench.judges.standard().unwrap()).unwrap_err();
    assert!(started.elapsed() < BOUND, "{name}: {:?}", started.elapsed());
    for text in [error.to_string(), format!("{error:?}")] {
        assert!(!text.contains(KEY), "{name}: {text}");
    }
    assert!(error.to_string().contains("\nhint: "), "{name}: {error}");
    bench.recordings.finish().unwrap();
    assert_eq!(bench.recorded("judge/g_eval.jsonl"), "", "{name}");
    (error, mock.received().len())
}

/// A fault and then a good reply: the reply arrives, and is recorded without the key.
fn recovery(adapter: &Adapter, name: &str, answer: Answer) -> Duration {
    let mock = Mock::start([answer, ok(&adapter.good)]);
    let vars = [("LLMTEST_RETRIES", "1"), ("LLMTEST_JUDGE_TIMEOUT", "10s")];
    let bench = bench(name, adapter, &mock.url(), &vars);
    let started = Instant::now();
    let reply =
        ask(&bench.judges.standard().unwrap()).unwrap_or_else(|error| panic!("{name}: {error}"));
    let took = started.elapsed();
    assert_eq!(reply.text.replace(' ', ""), "{\"score\":7}", "{name}");
    assert_eq!(mock.received().len(), 2, "{name}");
    let recorded = bench.recorded("judge/g_eval.jsonl");
    assert!(
        recorded.contains("How good?") && !recorded.contains(KEY),
        "{name}: {recorded}"
    );
    assert!(took < BOUND, "{name}: {took:?}");
    took
}

fn matrix(adapter: &Adapter) {
    const LONG: &str = "10s";
    for code in [400, 401, 403, 404] {
        let (error, asked) = failure(adapter, &format!("s{code}"), status(code, ""), LONG);
        assert_eq!(
            (error.kind.clone(), asked),
            (JudgeErrorKind::Status(code), 1),
            "{error}"
        );
        assert!(
            error
                .to_string()
                .contains(&format!("the server says {code} to [redacted]")),
            "{error}"
        );
    }
    for code in [408, 429, 500, 503, 529] {
        let (error, asked) = failure(adapter, &format!("s{code}"), status(code, ""), LONG);
        assert_eq!(
            (error.kind.clone(), asked),
            (JudgeErrorKind::Status(code), 2),
            "{error}"
        );
        recovery(adapter, &format!("r{code}"), status(code, ""));
    }
    let took = recovery(adapter, "wait", status(429, "retry-after: 1\r\n"));
    assert!(took >= Duration::from_secs(1), "{took:?}");
    let past = "retry-after: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
    recovery(adapter, "past", status(429, past));
    for (name, header) in [
        ("seconds", "retry-after: 86400\r\n"),
        ("date", "retry-after: Fri, 06 Nov 2099 08:49:37 GMT\r\n"),
    ] {
        let (error, asked) = failure(adapter, name, status(429, header), LONG);
        assert_eq!(asked, 1, "{error}");
        assert!(
            error.retry_after().unwrap() > Duration::from_secs(3600),
            "{error}"
        );
    }
    let cut = adapter.good.to_string();
    for (name, answer) in [
        (
            "html",
            Answer::Status(200, "", "<html>welcome</html>".to_string()),
        ),
        (
            "truncated",
            Answer::Status(200, "", cut[..cut.len() - 5].to_string()),
        ),
        ("empty", Answer::Status(200, "", String::new())),
        (
            "other",
            Answer::Status(200, "", "{\"hello\": 1}".to_string()),
        ),
        ("half", Answer::Half),
        (
            "endless",
            Answer::Status(200, "", " ".repeat(2 << 20) + &cut),
        ),
    ] {
        recovery(adapter, &format!("r-{name}"), answer.clone());
        let (error, asked) = failure(adapter, name, answer, LONG);
        assert_eq!(
            (error.kind.clone(), asked),
            (JudgeErrorKind::BadResponse, 2),
            "{error}"
        );
    }
    for (name, answer) in [("drip", Answer::Drip), ("hang", Answer::Hang)] {
        let (error, asked) = failure(adapter, name, answer, "150ms");
        assert_eq!(
            (error.kind.clone(), asked),
            (JudgeErrorKind::Timeout, 2),
            "{error}"
        );
    }
    let refusals = [
        ("refusal", &adapter.refusal, "I won't."),
        ("filter", &adapter.filter, "filter"),
    ];
    for (name, body, says) in refusals {
        if let Some(body) = body {
            let (error, asked) = failure(adapter, name, ok(body), LONG);
            assert_eq!(
                (error.kind.clone(), asked),
                (JudgeErrorKind::BadReply, 1),
                "{error}"
            );
            assert!(
                error
                    .to_string()
                    .contains("refuses to answer `g_eval/score`"),
                "{error}"
            );
            assert!(error.to_string().contains(says), "{error}");
        }
    }
    let (error, asked) = failure(adapter, "length", ok(&adapter.cut), LONG);
    assert_eq!(
        (error.kind.clone(), asked),
        (JudgeErrorKind::BadReply, 1),
        "{error}"
    );
    assert!(
        error.to_string().contains("was cut off after 1024 tokens"),
        "{error}"
    );
}

#[test]
fn faults_of_chat_completions() {
    matrix(&openai());
}

#[test]
fn faults_of_a_preset() {
    matrix(&mistral());
}

#[test]
fn faults_of_responses() {
    matrix(&responses());
}

#[test]
fn faults_of_azure() {
    matrix(&azure());
}

#[test]
fn faults_of_anthropic() {
    matrix(&anthropic());
}

#[test]
fn faults_of_gemini() {
    matrix(&gemini());
}

#[test]
fn faults_of_ollama() {
    matrix(&ollama());
}

#[test]
fn faults_of_cohere() {
    matrix(&cohere());
}

#[cfg(feature = "bedrock")]
#[test]
fn faults_of_bedrock() {
    matrix(&bedrock());
}

/// What Amazon answers, with the type of the error in a header.
#[cfg(feature = "bedrock")]
#[test]
fn errors_of_bedrock_are_told_by_their_type() {
    let answer = |status: u16, header: &'static str, message: &str| {
        Answer::Status(status, header, json!({ "message": message }).to_string())
    };
    for (name, given, kind, asked, says) in [
        (
            "throttled",
            answer(
                429,
                "x-amzn-errortype: ThrottlingException:http://internal.amazon.com/coral/\r\n",
                "Too many requests, please wait before trying again.",
            ),
            JudgeErrorKind::Status(429),
            2,
            "Too many requests, please wait before trying again. [type: ThrottlingException]",
        ),
        (
            "throttled400",
            answer(400, "x-amzn-errortype: ThrottlingException\r\n", "slow"),
            JudgeErrorKind::Status(429),
            2,
            "answered 429 Too Many Requests: slow [type: ThrottlingException]",
        ),
        (
            "invalid",
            answer(
                400,
                "x-amzn-errortype: ValidationException\r\n",
                "The provided model identifier is invalid.",
            ),
            JudgeErrorKind::Status(400),
            1,
            "model identifier is invalid. [type: ValidationException]",
        ),
        (
            "denied",
            answer(
                403,
                "x-amzn-errortype: AccessDeniedException\r\n",
                "You don't have access to the model with the specified model ID.",
            ),
            JudgeErrorKind::Status(403),
            1,
            "hint: the account may not use this model: ask for access to it",
        ),
        (
            "loading",
            answer(429, "x-amzn-errortype: ModelNotReadyException\r\n", "loading"),
            JudgeErrorKind::Status(429),
            2,
            "[type: ModelNotReadyException]",
        ),
        (
            "unavailable",
            answer(503, "x-amzn-errortype: ServiceUnavailableException\r\n", "later"),
            JudgeErrorKind::Status(503),
            2,
            "later [type: ServiceUnavailableException]",
        ),
        (
            "inside",
            answer(200, "", "").with_body(
                &json!({ "__type": "com.amazon.coral.service#ThrottlingException", "message": "slow" }),
            ),
            JudgeErrorKind::Status(429),
            2,
            "answered 429 Too Many Requests: slow",
        ),
        (
            "malformed",
            answer(200, "", "").with_body(&json!({
                "output": { "message": { "content": [{ "text": "{\"score\": 7" }] } },
                "stopReason": "malformed_model_output",
            })),
            JudgeErrorKind::BadResponse,
            2,
            "it ended with an error (malformed_model_output)",
        ),
    ] {
        let (error, times) = failure(&bedrock(), name, given, "10s");
        assert_eq!((&error.kind, times), (&kind, asked), "{name}: {error}");
        assert!(error.to_string().contains(says), "{name}: {error}");
    }
}

/// What goes wrong with signed requests is said of the keys that signed them.
#[cfg(feature = "bedrock")]
#[test]
fn a_signature_that_is_refused_names_the_keys_and_shows_none() {
    let adapter = Adapter {
        key: "AWS_SECRET_ACCESS_KEY",
        ..bedrock()
    };
    let vars = [
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE0123"),
        ("AWS_SESSION_TOKEN", "session-token-0123456789"),
        ("AWS_REGION", "us-east-1"),
        ("LLMTEST_RETRIES", "0"),
    ];
    for (said, says) in [
        (
            "The security token included in the request is expired",
            "hint: the keys in `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`",
        ),
        (
            "Signature expired: 20150830T123600Z is now earlier than 20150830T133600Z",
            "and this machine's clock",
        ),
    ] {
        let said = format!("{said} (AKIDEXAMPLE0123 {KEY} session-token-0123456789)");
        let body = json!({ "message": said }).to_string();
        let mock = Mock::start([Answer::Status(
            403,
            "x-amzn-errortype: ExpiredTokenException\r\n",
            body,
        )]);
        let bench = bench("signature", &adapter, &mock.url(), &vars);
        let error = ask(&bench.judges.standard().unwrap())
            .unwrap_err()
            .to_string();
        assert!(error.contains(says), "{error}");
        for secret in ["AKIDEXAMPLE0123", KEY, "session-token-0123456789"] {
            assert!(!error.contains(secret), "{error}");
        }
    }
}

#[test]
fn cohere_that_ends_with_an_error_or_in_time_is_asked_again() {
    for finish in ["ERROR", "TIMEOUT"] {
        let mut body = cohere().good;
        body["finish_reason"] = json!(finish);
        let (error, asked) = failure(&cohere(), finish, ok(&body), "10s");
        assert_eq!(
            (error.kind.clone(), asked),
            (JudgeErrorKind::BadResponse, 2),
            "{error}"
        );
        let says = format!("it ended with an error ({finish})");
        assert!(error.to_string().contains(&says), "{error}");
    }
}

#[test]
fn an_account_without_credit_is_not_asked_again() {
    let body =
        json!({ "error": { "message": "You exceeded your quota", "code": "insufficient_quota" } });
    let answer = Answer::Status(429, "", body.to_string());
    let (error, asked) = failure(&openai(), "quota", answer, "10s");
    assert_eq!(asked, 1, "{error}");
    assert!(
        error
            .to_string()
            .contains("hint: the account has no credit left"),
        "{error}"
    );
}

#[test]
fn an_error_inside_a_stream_or_a_success_has_the_status_that_it_stands_for() {
    let event = "event: error\ndata: {\"type\": \"error\", \"error\": {\"type\": \"overloaded_error\", \"message\": \"Overloaded\"}}\n\n";
    let (error, asked) = failure(
        &anthropic(),
        "stream",
        Answer::Status(200, "", event.to_string()),
        "10s",
    );
    assert_eq!(
        (error.kind.clone(), asked),
        (JudgeErrorKind::Status(529), 2),
        "{error}"
    );
    assert!(error.to_string().contains("Overloaded"), "{error}");
}

#[test]
fn a_filter_that_answers_400_is_a_refusal() {
    let body =
        json!({ "error": { "message": "the prompt was filtered", "code": "content_filter" } });
    let (error, asked) = failure(
        &azure(),
        "filter400",
        Answer::Status(400, "", body.to_string()),
        "10s",
    );
    assert_eq!(
        (error.kind.clone(), asked),
        (JudgeErrorKind::BadReply, 1),
        "{error}"
    );
}
