//! Against a server with a script; the whole stack, from any executor.

use super::super::http::retry_after;
use super::super::mock::{Answer, Mock};
use super::super::tests::{Bench, block_on};
use super::*;
use llmtest_metrics::JudgeErrorKind;
use llmtest_metrics::{AnyJudge, Asker, EvalCx, Schema, TestCase, Trace};
use serde_json::{Value, json};
use std::time::{Duration, UNIX_EPOCH};

const KEY: &str = "sk-very-secret-0123456789";

fn bench(name: &str, url: &str, more: &[(&str, &str)]) -> Bench {
    let mut vars = vec![
        ("LLMTEST_BASE_URL", url),
        ("LLMTEST_MODE", "live"),
        ("OPENAI_API_KEY", KEY),
    ];
    vars.extend(more);
    Bench::new(name, &vars)
}

fn prompt() -> Prompt {
    let mut prompt = Prompt::new("g_eval/score", "How good?");
    prompt.schema = Some(Schema {
        name: "score".to_string(),
        schema: json!({ "type": "object" }),
    });
    prompt.graded = Some("score".to_string());
    prompt
}

fn ask(judge: &AnyJudge, prompt: &Prompt) -> Result<Reply, JudgeError> {
    block_on(judge.complete(prompt)).map_err(|error| *error.downcast::<JudgeError>().unwrap())
}

/// The error that a server with these answers leads to, and how often it was asked.
fn trouble(name: &str, answers: Vec<Answer>, more: &[(&str, &str)]) -> (JudgeError, usize) {
    let mock = Mock::start(answers);
    let bench = bench(name, &mock.url(), more);
    let error = ask(&bench.judges.standard().unwrap(), &prompt()).unwrap_err();
    assert!(!error.to_string().contains("very-secret"), "{error}");
    assert!(error.to_string().contains("\nhint: "), "{error}");
    (error, mock.received().len())
}

/// The reply that a server with these answers leads to, and what it was asked.
fn success(name: &str, answers: Vec<Answer>) -> (Reply, Vec<Value>) {
    let mock = Mock::start(answers);
    let bench = bench(name, &mock.url(), &[]);
    let reply = ask(&bench.judges.standard().unwrap(), &prompt()).unwrap();
    (
        reply,
        mock.received()
            .into_iter()
            .map(|received| received.body)
            .collect(),
    )
}

fn graded() -> Answer {
    let top = json!([{ "token": "7", "logprob": -0.105_360_515_657 }, { "token": "8", "logprob": -2.312_585_092_994 }]);
    Answer::choice(json!({
        "message": { "content": "{\"score\": 7}", "refusal": null },
        "finish_reason": "stop",
        "logprobs": { "content": [
            { "token": "{\"score\": ", "logprob": -0.1, "bytes": [1], "top_logprobs": [] },
            { "token": "7", "logprob": -0.105_360_515_657, "top_logprobs": top },
            { "token": "}", "logprob": -0.1 },
        ] },
    }))
}

#[test]
fn a_request_asks_for_schema_and_alternatives_and_the_reply_has_them() {
    let mock = Mock::start([graded()]);
    let bench = bench("request", &mock.url(), &[]);
    let reply = ask(&bench.judges.standard().unwrap(), &prompt()).unwrap();
    assert_eq!(reply.text, "{\"score\": 7}");
    assert_eq!(reply.usage.unwrap().total(), 15);
    assert!(reply.notes.is_empty() && !reply.replayed);
    assert_eq!(reply.logprobs.unwrap()[1].top.len(), 2);
    let received = mock.received().remove(0);
    assert!(
        received.head.starts_with("POST /v1/chat/completions "),
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
    let body = received.body;
    assert_eq!(
        (&body["temperature"], &body["seed"], &body["max_tokens"]),
        (&json!(0), &json!(7), &json!(1024))
    );
    assert_eq!(
        (&body["logprobs"], &body["top_logprobs"]),
        (&json!(true), &json!(20))
    );
    assert_eq!(
        body["response_format"]["json_schema"]["strict"],
        json!(true)
    );
}

#[test]
fn a_server_that_is_not_there() {
    let url = Mock::nowhere();
    let bench = bench("nowhere", &url, &[]);
    let error = ask(&bench.judges.standard().unwrap(), &prompt()).unwrap_err();
    let text = error.to_string();
    assert_eq!(error.kind, JudgeErrorKind::Unreachable);
    assert!(
        text.starts_with(&format!("cannot reach the judge at {url}: "))
            && text.contains("(tried 3 times)\nhint: start the server"),
        "{text}"
    );
    assert_eq!(bench.judges.answered(), 3);
}

#[test]
fn a_wrong_key_names_its_variable_and_is_not_shown() {
    let said = format!("Incorrect API key provided: {KEY}");
    let (error, asked) = trouble("401", vec![Answer::error(401, &said)], &[]);
    assert_eq!((error.status(), asked), (Some(401), 1));
    assert!(
        error
            .to_string()
            .contains("answered 401 Unauthorized: Incorrect API key provided: [redacted]"),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .contains("hint: the key was taken from `OPENAI_API_KEY`"),
        "{error}"
    );
    let (error, _) = trouble(
        "401b",
        vec![Answer::error(403, "no")],
        &[("LLMTEST_API_KEY_ENV", "OTHER_KEY")],
    );
    assert!(
        error
            .to_string()
            .contains("hint: no key was sent, for `OTHER_KEY` is not set"),
        "{error}"
    );
}

#[test]
fn a_busy_server_is_asked_again_when_it_says_so() {
    let busy = Answer::Status(
        429,
        "retry-after-ms: 30\r\nretry-after: 50\r\n",
        "{}".to_string(),
    );
    let started = std::time::Instant::now();
    let (reply, asked) = success("429", vec![busy, graded()]);
    assert!(
        started.elapsed() >= Duration::from_millis(30)
            && started.elapsed() < Duration::from_secs(20)
    );
    assert_eq!((reply.text.as_str(), asked.len()), ("{\"score\": 7}", 2));
    let full = Answer::Status(429, "retry-after: 3600\r\n", "{}".to_string());
    let (error, asked) = trouble("429b", vec![full], &[]);
    assert_eq!(
        (asked, error.retry_after()),
        (1, Some(Duration::from_secs(3600)))
    );
    assert!(
        error
            .to_string()
            .contains("it asks to wait 3600 s, which is too long here\nhint: "),
        "{error}"
    );
}

#[test]
fn retry_after_is_read_in_all_its_forms() {
    let now = UNIX_EPOCH + Duration::from_secs(784_111_770);
    let read = |name: &str, value: &str| retry_after(|asked| (asked == name).then_some(value), now);
    assert_eq!(read("retry-after", "2"), Some(Duration::from_secs(2)));
    assert_eq!(read("retry-after", "0.5"), Some(Duration::from_millis(500)));
    assert_eq!(
        read("retry-after-ms", "70"),
        Some(Duration::from_millis(70))
    );
    assert_eq!(
        read("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT"),
        Some(Duration::from_secs(7))
    );
    assert_eq!(
        read("retry-after", "Sat, 05 Nov 1994 08:49:37 GMT"),
        Some(Duration::ZERO)
    );
    assert_eq!(
        (read("retry-after", "soon"), read("retry-after", "-1")),
        (None, None)
    );
}

#[test]
fn a_failing_server_is_asked_again_and_in_the_end_reported() {
    let fail = || Answer::error(500, "out of memory");
    let (reply, asked) = success("500", vec![fail(), fail(), fail(), graded()]);
    assert_eq!((reply.text.as_str(), asked.len()), ("{\"score\": 7}", 4));
    let (error, asked) = trouble("500b", vec![fail()], &[("LLMTEST_RETRIES", "3")]);
    assert_eq!((error.status(), asked), (Some(500), 4));
    assert!(
        error
            .to_string()
            .contains("out of memory [type: invalid_request_error] (tried 4 times)\nhint: "),
        "{error}"
    );
}

#[test]
fn half_an_answer_is_asked_again() {
    let (_, asked) = success("half", vec![Answer::Half, graded()]);
    assert_eq!(asked.len(), 2);
    let (error, asked) = trouble("half2", vec![Answer::Half], &[("LLMTEST_RETRIES", "1")]);
    assert_eq!(
        (error.kind.clone(), asked),
        (JudgeErrorKind::BadResponse, 2)
    );
    assert!(error.to_string().contains("broke off"), "{error}");
    // Without a length, only the JSON tells.
    let cut = Answer::Status(200, "", "{\"choices\": [".to_string());
    let (error, _) = trouble("half3", vec![cut], &[("LLMTEST_RETRIES", "0")]);
    assert!(error.to_string().contains("its JSON breaks off"), "{error}");
}

#[test]
fn a_server_that_does_not_answer_is_given_up() {
    let (error, asked) = trouble(
        "hang",
        vec![Answer::Hang],
        &[("LLMTEST_JUDGE_TIMEOUT", "100ms")],
    );
    assert_eq!((error.kind.clone(), asked), (JudgeErrorKind::Timeout, 2));
    assert!(
        error
            .to_string()
            .contains("did not answer within 100ms (tried 2 times)\nhint: raise `timeout`"),
        "{error}"
    );
}

#[test]
fn a_reply_that_is_not_what_was_asked_is_asked_again() {
    let mock = Mock::start([
        Answer::text("Sure! Here it is."),
        Answer::text("```json\n{\"score\": 7}\n```"),
    ]);
    let bench = bench("reask", &mock.url(), &[]);
    let (case, trace) = (TestCase::new("a", "b"), Trace::default());
    let asker = Asker::standalone(Some(bench.judges.standard().unwrap()));
    let answer = block_on(EvalCx::new(&case, &trace, None, &asker).ask::<Value>(prompt())).unwrap();
    assert_eq!(answer.value, json!({ "score": 7 }));
    let again = mock.received()[1].body["messages"].to_string();
    assert!(
        again.contains("Sure! Here it is.") && again.contains("cannot be used"),
        "{again}"
    );
}

#[test]
fn a_refused_schema_is_left_out_and_not_tried_again() {
    let mock = Mock::start([
        Answer::error(
            400,
            "'response_format' of type 'json_schema' is not supported",
        ),
        Answer::error(400, "response_format is not supported"),
        graded(),
    ]);
    let bench = bench("schema", &mock.url(), &[]);
    let judge = bench.judges.standard().unwrap();
    let note =
        "the server refuses JSON schemas and JSON mode; the reply was read as text with JSON in it";
    assert_eq!(ask(&judge, &prompt()).unwrap().notes, [note]);
    assert_eq!(ask(&judge, &prompt()).unwrap().notes, [note]);
    let kinds: Vec<_> = mock
        .received()
        .iter()
        .map(|received| received.body["response_format"]["type"].clone())
        .collect();
    assert_eq!(
        kinds,
        [
            json!("json_schema"),
            json!("json_object"),
            Value::Null,
            Value::Null
        ]
    );
}

#[test]
fn a_schema_refused_for_itself_leaves_the_others_alone() {
    let mock = Mock::start([
        Answer::error(400, "Invalid schema for response_format 'score'"),
        graded(),
    ]);
    let bench = bench("schema1", &mock.url(), &[]);
    let judge = bench.judges.standard().unwrap();
    ask(&judge, &prompt()).unwrap();
    let mut other = prompt();
    other.schema.as_mut().unwrap().schema = json!({ "type": "array" });
    assert!(ask(&judge, &other).unwrap().notes.is_empty());
    assert_eq!(ask(&judge, &prompt()).unwrap().notes.len(), 1);
    let kinds: Vec<_> = mock
        .received()
        .iter()
        .map(|received| received.body["response_format"]["type"].clone())
        .collect();
    assert_eq!(
        kinds,
        ["json_schema", "json_object", "json_schema", "json_object"]
    );
}

#[test]
fn refused_parameters_are_left_out_one_by_one() {
    let (reply, asked) = success(
        "params",
        vec![
            Answer::error(400, "top_logprobs must be at most 5"),
            Answer::error(422, "logprobs are not available"),
            Answer::error(
                400,
                "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.",
            ),
            Answer::error(
                400,
                "Unsupported value: 'temperature' does not support 0 with this model.",
            ),
            Answer::error(400, "unknown field `seed`"),
            Answer::text("{}"),
        ],
    );
    assert_eq!(asked.len(), 6);
    assert_eq!(asked[1]["top_logprobs"], json!(5));
    let last = &asked[5];
    for gone in [
        "logprobs",
        "top_logprobs",
        "max_tokens",
        "temperature",
        "seed",
    ] {
        assert!(last[gone].is_null(), "{gone}: {last}");
    }
    assert_eq!(last["max_completion_tokens"], json!(1024));
    assert_eq!(reply.notes.len(), 3, "{:?}", reply.notes);
    assert_eq!(reply.notes[0], "the server refuses log-probabilities");
}

#[test]
fn alternatives_that_are_left_out_silently_are_noted() {
    let (reply, _) = success("silent", vec![Answer::text("{\"score\": 7}")]);
    assert_eq!(reply.notes, ["the server gives no log-probabilities"]);
}

#[test]
fn what_cannot_work_is_not_tried_again() {
    let long = "This model's maximum context length is 8192 tokens; lower max_tokens";
    for (name, answer, says) in [
        (
            "long",
            Answer::error(400, long),
            "hint: the text does not fit",
        ),
        (
            "model",
            Answer::error(404, "The model `x` does not exist"),
            "hint: set `model` (now `gpt-4.1-mini`)",
        ),
        (
            "moved",
            Answer::Status(301, "location: /there\r\n", String::new()),
            "hint: the server sends elsewhere",
        ),
        (
            "refusal",
            Answer::choice(json!({ "message": { "content": null, "refusal": "I won't." } })),
            "refuses to answer `g_eval/score`: I won't.",
        ),
        (
            "length",
            Answer::choice(
                json!({ "message": { "content": "{\"reason\": \"and so on" }, "finish_reason": "length" }),
            ),
            "was cut off after 1024 tokens (finish_reason `length`)\nit wrote: {\"reason\": \"and so on",
        ),
    ] {
        let (error, asked) = trouble(name, vec![answer], &[]);
        assert_eq!(asked, 1, "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[test]
fn a_success_that_is_none_says_what_came_instead() {
    for (name, body, says) in [
        (
            "error",
            r#"{"error": {"message": "model overloaded"}}"#,
            "answered 200 with an error: model overloaded",
        ),
        (
            "error429",
            r#"{"error": {"message": "slow down", "code": 429}}"#,
            "answered 429 Too Many Requests: slow down",
        ),
        (
            "html",
            "<html>welcome</html>",
            "it is not JSON: <html>welcome</html>",
        ),
        ("other", r#"{"object": "list"}"#, "it has no `choices`"),
        (
            "empty",
            r#"{"choices": [{}]}"#,
            "its choice has no `message`",
        ),
    ] {
        let (error, asked) = trouble(
            name,
            vec![Answer::Status(200, "", body.to_string())],
            &[("LLMTEST_RETRIES", "1")],
        );
        assert!(asked == 2 && error.to_string().contains(says), "{error}");
    }
}

#[test]
fn a_recorded_reply_needs_no_server_and_scores_the_same() {
    let mock = Mock::start([graded()]);
    let bench = bench("replay", &mock.url(), &[("LLMTEST_MODE", "auto")]);
    let live = ask(&bench.judges.standard().unwrap(), &prompt()).unwrap();
    bench.recordings.finish().unwrap();
    drop(mock);
    let vars = [("LLMTEST_MODE", "replay"), ("CI", "true")];
    let offline = Bench::new("replay", &vars);
    let mut replayed = ask(&offline.judges.standard().unwrap(), &prompt()).unwrap();
    assert!(replayed.replayed);
    replayed.replayed = false;
    assert_eq!(replayed, live);
}

#[test]
fn no_key_and_no_host_is_recorded() {
    let mock = Mock::start([Answer::text(&format!("{{\"reason\": \"it says {KEY}\"}}"))]);
    let bench = bench("nokey", &mock.url(), &[("LLMTEST_MODE", "auto")]);
    let mut prompt = prompt();
    prompt.messages[0].content = format!("Authorization: Bearer {KEY}");
    let judge = bench.judges.standard().unwrap();
    let live = ask(&judge, &prompt).unwrap();
    assert_eq!(live.text, "{\"reason\": \"it says [redacted]\"}");
    assert_eq!(ask(&judge, &prompt).unwrap().text, live.text);
    let recorded = bench.recorded("judge/g_eval.jsonl");
    assert!(
        recorded.contains("it says [redacted]") && recorded.contains("Bearer [redacted]"),
        "{recorded}"
    );
    assert!(
        !recorded.contains("very-secret") && !recorded.contains("127.0.0.1"),
        "{recorded}"
    );
}
