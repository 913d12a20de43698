//! What a judge's server may do wrong, and what a test that asks it then says. `Bench::run` watches over the key.

use llmtest::Outcome;
use llmtest_tests::Ran;
use llmtest_tests::bench::{Bench, KEY, KEY_VARIABLE};
use llmtest_tests::mock::{Answer, MockServer};

/// One test that asks the judge, and one beside it that does not.
const ARGS: &[&str] = &["--exact", "judged", "needs_no_judge"];

/// The test is Errored and says all of this; its neighbour passes.
fn errored(bench: &Bench, ran: &Ran, test: &str, words: &[&str]) {
    let results = ran.results();
    assert_eq!(ran.code, 101, "{}", ran.text());
    assert_eq!(results[test], "FAILED", "{}", ran.text());
    assert_eq!(results["needs_no_judge"], "ok", "{}", ran.text());
    assert_eq!(bench.measurement(test).outcome, Outcome::Errored);
    assert_eq!(bench.measurement(test).score, None);
    let block = ran.block(test);
    for word in words {
        assert!(block.contains(word), "it does not say `{word}`:\n{block}");
    }
    assert!(bench.recordings().is_empty(), "{:?}", bench.recordings());
}

fn passed(bench: &Bench, ran: &Ran, score: f64) {
    assert_eq!(ran.code, 0, "{}", ran.text());
    let measured = bench.measurement("judged");
    assert_eq!(measured.outcome, Outcome::Passed, "{}", ran.text());
    let given = measured.score.expect("a score");
    assert!((given - score).abs() < 1e-6, "{given} is not {score}");
}

#[test]
fn what_a_judge_was_asked_and_answered_is_in_the_record_of_the_run() {
    let bench = Bench::new("transcript");
    let server = MockServer::script([Answer::grade(9)]);
    let ran = bench.against(&server, "record", ARGS, &[]);
    passed(&bench, &ran, 0.9);
    let live = bench.measurement("judged").transcript;
    let replayed = {
        let ran = bench.run(ARGS, &[("LLMTEST_MODE", "replay")]);
        passed(&bench, &ran, 0.9);
        // The terminal shows them on request only.
        assert!(!ran.text().contains("reply\n"), "{}", ran.text());
        bench.measurement("judged").transcript
    };
    for (transcript, from_recording) in [(&live, false), (&replayed, true)] {
        let [entry] = transcript.as_slice() else {
            panic!("{transcript:?}");
        };
        assert_eq!(entry.purpose, "g_eval/score");
        assert_eq!(entry.replayed, from_recording);
        assert!(entry.prompt.contains("<data "), "{}", entry.prompt);
        assert!(entry.reply.contains("It thanks."), "{}", entry.reply);
    }
    assert_eq!(live[0].prompt, replayed[0].prompt);
}

#[test]
fn a_server_that_is_not_there_is_named_with_the_ways_out() {
    let bench = Bench::new("nowhere");
    let vars = [
        ("LLMTEST_MODE", "live"),
        ("LLMTEST_BASE_URL", MockServer::NOWHERE),
        ("LLMTEST_RETRIES", "0"),
    ];
    let ran = bench.run(ARGS, &vars);
    let words = [
        "cannot reach the judge at http://127.0.0.1:1/v1",
        "hint: start the server",
        "LLMTEST_BASE_URL",
        "LLMTEST_MODE=replay cargo test",
    ];
    errored(&bench, &ran, "judged", &words);
}

#[test]
fn a_key_that_is_refused_is_not_shown_and_not_tried_again() {
    let bench = Bench::new("refused");
    let said = format!("Incorrect API key provided: {KEY}");
    let server = MockServer::script([Answer::error(401, &said)]);
    let ran = bench.live(&server, ARGS, &[]);
    let words = [
        "answered 401 Unauthorized: Incorrect API key provided: [redacted]",
        "hint: the key was taken from `HOUSE_TOKEN`: put a valid one there",
    ];
    errored(&bench, &ran, "judged", &words);
    let [request] = &server.received()[..] else {
        panic!("{:?}", server.received());
    };
    let sent = format!("Bearer {KEY}");
    assert_eq!(request.authorization(), Some(sent.as_str()));
}

#[test]
fn a_missing_key_is_told_from_a_refused_one() {
    let bench = Bench::new("keyless");
    let server = MockServer::script([Answer::error(401, "no key")]);
    let ran = bench.live(&server, ARGS, &[(KEY_VARIABLE, "")]);
    let words = ["no key was sent, for `HOUSE_TOKEN` is not set"];
    errored(&bench, &ran, "judged", &words);
    assert_eq!(server.received()[0].authorization(), None);
}

#[test]
fn a_busy_server_is_asked_again_when_it_says() {
    let bench = Bench::new("busy");
    let busy = Answer::error(429, "slow down").header("retry-after", "1");
    let server = MockServer::script([busy, Answer::grade(9)]);
    let ran = bench.live(&server, ARGS, &[]);
    passed(&bench, &ran, 0.9);
    assert_eq!(server.received().len(), 2);
}

#[test]
fn a_wait_that_is_too_long_is_an_error_at_once() {
    let bench = Bench::new("patience");
    let busy = Answer::error(429, "come back tomorrow").header("retry-after", "86400");
    let server = MockServer::script([busy]);
    let ran = bench.live(&server, ARGS, &[]);
    let words = [
        "answered 429 Too Many Requests: come back tomorrow",
        "it asks to wait 86400 s, which is too long here",
        "hint: lower `max-in-flight`",
    ];
    errored(&bench, &ran, "judged", &words);
    assert_eq!(server.received().len(), 1);
}

#[test]
fn a_server_that_fails_thrice_is_given_up() {
    let bench = Bench::new("thrice");
    let broken = Answer::error(500, "out of order").header("retry-after-ms", "1");
    let server = MockServer::script([broken]);
    let ran = bench.live(&server, ARGS, &[("LLMTEST_RETRIES", "2")]);
    let words = [
        "answered 500 Internal Server Error: out of order",
        "(tried 3 times)",
        "hint: the server has a problem of its own",
    ];
    errored(&bench, &ran, "judged", &words);
    assert_eq!(server.received().len(), 3);
}

#[test]
fn a_server_that_fails_once_is_forgiven() {
    let bench = Bench::new("once");
    let server = MockServer::script([Answer::error(500, "a hiccup"), Answer::grade(8)]);
    let ran = bench.live(&server, ARGS, &[("LLMTEST_RETRIES", "1")]);
    passed(&bench, &ran, 0.8);
    assert_eq!(server.received().len(), 2);
    assert_eq!(bench.measurement("judged").judge_calls, 1);
}

#[test]
fn a_body_that_breaks_off_is_no_answer() {
    let whole_headers = Answer::grade(9).cut_in_half();
    let half_json = Answer::raw(200, r#"{"choices": [{"message": {"content": "{"#);
    for (name, answer, words) in [
        ("cut", whole_headers, ["broke off", "the server's log"]),
        (
            "half",
            half_json,
            ["its JSON breaks off", "OpenAI-compatible"],
        ),
    ] {
        let bench = Bench::new(name);
        let server = MockServer::script([answer]);
        let ran = bench.live(&server, ARGS, &[("LLMTEST_RETRIES", "0")]);
        errored(&bench, &ran, "judged", &words);
        assert!(ran.block("judged").contains("hint: "), "{}", ran.text());
        assert_eq!(server.received().len(), 1);
    }
}

#[test]
fn what_was_not_asked_is_asked_again_twice_and_then_shown() {
    let bench = Bench::new("unasked");
    let server = MockServer::script([Answer::text(r#"{"verdict": "lovely"}"#)]);
    let ran = bench.live(&server, ARGS, &[]);
    let words = [
        "did not answer `g_eval/score` as asked, also when asked again 2 times",
        "missing field `score`",
        r#"it wrote: {"verdict": "lovely"}"#,
        "hint: a stronger model",
    ];
    errored(&bench, &ran, "judged", &words);
    assert_eq!(server.received().len(), 3);
}

#[test]
fn asking_again_says_what_was_wrong() {
    for (name, wrong, problem) in [
        ("prose", "Very polite!", "That reply cannot be used:"),
        (
            "range",
            r#"{"reason": "r", "score": 11}"#,
            "`score` must be a whole number from 0 to 10, but it is 11",
        ),
    ] {
        let bench = Bench::new(name);
        let server = MockServer::script([Answer::text(wrong), Answer::grade(7)]);
        let ran = bench.live(&server, ARGS, &[]);
        passed(&bench, &ran, 0.7);
        let requests = server.received();
        assert_eq!(requests.len(), 2);
        let messages = requests[1].body["messages"].as_array().unwrap();
        let [.., reply, again] = &messages[..] else {
            panic!("{messages:?}");
        };
        assert_eq!(
            (&reply["role"], &reply["content"]),
            (&"assistant".into(), &wrong.into())
        );
        assert!(
            again["content"].as_str().unwrap().contains(problem),
            "{again}"
        );
        assert_eq!(bench.measurement("judged").judge_calls, 2);
    }
}

#[test]
fn log_probabilities_make_the_score_a_weighted_mean() {
    let bench = Bench::new("weighted");
    let server = MockServer::script([Answer::weighted_grade(&[(8, 0.5), (9, 0.3), (6, 0.2)])]);
    let ran = bench.live(&server, ARGS, &[]);
    passed(&bench, &ran, 0.79);
    let measured = bench.measurement("judged");
    assert_eq!(measured.details["method"], "weighted");
    assert_eq!(measured.notes, Vec::<String>::new());
    let body = &server.received()[0].body;
    assert_eq!(
        (&body["logprobs"], &body["top_logprobs"]),
        (&true.into(), &20.into())
    );
    assert_eq!(
        (&body["temperature"], &body["response_format"]["type"]),
        (&0.into(), &"json_schema".into())
    );
    assert_eq!(body["response_format"]["json_schema"]["strict"], true);
}

#[test]
fn without_log_probabilities_the_record_says_so() {
    let bench = Bench::new("integer");
    let server = MockServer::script([Answer::grade(9)]);
    let ran = bench.live(&server, ARGS, &[]);
    passed(&bench, &ran, 0.9);
    let measured = bench.measurement("judged");
    assert_eq!(measured.details["method"], "integer");
    let notes = measured.notes.join("\n");
    assert!(notes.contains("log-probabilities"), "{notes}");
}

#[test]
fn a_server_without_schemas_is_asked_more_simply_and_the_report_notes_it() {
    let bench = Bench::new("schemas");
    let server =
        MockServer::start(
            |_, request| match request.body["response_format"]["type"].as_str() {
                Some("json_schema") => {
                    Answer::error(400, "response_format json_schema is not supported")
                }
                _ => Answer::grade(9),
            },
        );
    let ran = bench.live(&server, ARGS, &[("LLMTEST_SHOW", "all")]);
    passed(&bench, &ran, 0.9);
    let note = "the server refuses JSON schemas; the reply was read as plain JSON";
    let notes = bench.measurement("judged").notes;
    assert!(notes.iter().any(|known| known == note), "{notes:?}");
    assert!(ran.text().contains(note), "{}", ran.text());
    let asked: Vec<_> = server
        .received()
        .iter()
        .map(|request| request.body["response_format"]["type"].clone())
        .collect();
    assert_eq!(asked, ["json_schema", "json_object"]);
}

#[test]
fn an_unknown_judge_lists_the_known() {
    let bench = Bench::new("unknown");
    let server = MockServer::script([Answer::grade(9)]);
    let args = [
        "--exact",
        "judged_by_nobody",
        "judged_by_name",
        "needs_no_judge",
    ];
    let ran = bench.live(&server, &args, &[]);
    let words = [
        "no judge is named `hose`",
        "did you mean `house`?",
        "known: `house`",
    ];
    errored(&bench, &ran, "judged_by_nobody", &words);
    assert_eq!(ran.results()["judged_by_name"], "ok", "{}", ran.text());
    assert_eq!(
        bench.measurement("judged_by_name").judge.as_deref(),
        Some("house-model")
    );
    assert_eq!(server.received().len(), 0);
}

#[test]
fn no_judge_at_all_names_three_ways_out() {
    for (mode, ci) in [("live", "true"), ("auto", "")] {
        let bench = Bench::new("none");
        let vars = [
            (KEY_VARIABLE, ""),
            ("LLMTEST_API_KEY_ENV", ""),
            ("LLMTEST_MODE", mode),
            ("CI", ci),
        ];
        let ran = bench.run(ARGS, &vars);
        let words = [
            "no judge is configured: `OPENAI_API_KEY` is not set",
            "hint: set `OPENAI_API_KEY` to a key",
            "LLMTEST_BASE_URL=http",
            "LLMTEST_MODE=replay cargo test",
        ];
        errored(&bench, &ran, "judged", &words);
    }
}

#[test]
fn steps_are_written_once_for_all_rows() {
    let bench = Bench::new("steps");
    let server = MockServer::start(|_, request| {
        if request.text().contains("Write 3 or 4 short steps") {
            Answer::text(r#"{"steps": ["Read the question.", "Read the answer."]}"#)
        } else {
            Answer::grade(6)
        }
    });
    let ran = bench.live(&server, &["steps_once"], &[]);
    assert_eq!(ran.counts().unwrap()[..2], [5, 0], "{}", ran.text());
    let requests = server.received();
    let (steps, grades): (Vec<_>, Vec<_>) = requests
        .iter()
        .partition(|request| request.text().contains("Write 3 or 4 short steps"));
    assert_eq!((steps.len(), grades.len()), (1, 5));
    for grade in grades {
        assert!(
            grade.text().contains("2. Read the answer."),
            "{}",
            grade.text()
        );
    }
    for test in &bench.report().tests {
        let details = &test.trials[0].measurements[0].details;
        assert_eq!(details["steps"][1], "Read the answer.", "{}", test.name());
    }
}

#[test]
fn a_judge_that_quotes_the_key_does_not_give_it_away() {
    let bench = Bench::new("quotes");
    let reply = format!(r#"{{"reason": "It says {KEY}.", "score": 2}}"#);
    let server = MockServer::script([Answer::text(&reply)]);
    let ran = bench.against(&server, "record", ARGS, &[("LLMTEST_SHOW", "all")]);
    assert_eq!(bench.measurement("judged").outcome, Outcome::Failed);
    assert!(
        ran.block("judged").contains("says [redacted]"),
        "{}",
        ran.text()
    );
    let recorded = &bench.recordings()["judge/g_eval.jsonl"];
    assert!(recorded.contains("says [redacted]"), "{recorded}");
}
