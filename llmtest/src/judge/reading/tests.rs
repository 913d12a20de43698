use super::*;

fn outcome(wire: Wire, body: &str) -> Outcome {
    read(wire, body).outcome(None)
}

#[test]
fn events_are_joined_whatever_their_line_ends_and_comments() {
    let piece = |text: &str| format!("{{\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}}}}]}}");
    let end = "{\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}";
    let body = format!(
        ": hello\r\n\r\ndata: {}\r\n\r\nid: 3\r\ndata:{}\r\n\r\ndata: {end}\r\n\r\ndata: [DONE]",
        piece("a"),
        piece("b")
    );
    let reading = read(Wire::Chat, &body);
    assert_eq!(
        (reading.text.as_str(), reading.events, reading.done_marker),
        ("ab", 4, true)
    );
    assert!(matches!(reading.outcome(None), Outcome::Reply(_)));
}

#[test]
fn a_stream_that_breaks_off_is_no_reply() {
    let whole = "data: {\"choices\":[{\"delta\":{\"content\":\"7\"}}]}\n\n";
    for body in [whole.to_string(), format!("{whole}data: {{\"choi")] {
        assert!(
            matches!(outcome(Wire::Chat, &body), Outcome::Unreadable(_)),
            "{body}"
        );
    }
    let line = "{\"message\":{\"content\":\"7\"},\"done\":false}\n";
    assert!(matches!(
        outcome(Wire::Ollama, line),
        Outcome::Unreadable(_)
    ));
    let started =
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"content\":[]}}\n\n";
    assert!(matches!(
        outcome(Wire::Messages, started),
        Outcome::Unreadable(_)
    ));
}

#[test]
fn an_error_inside_a_stream_wins_over_the_text_before_it() {
    let body = "data: {\"choices\":[{\"delta\":{\"content\":\"7\"}}]}\n\ndata: {\"error\":{\"message\":\"gone\",\"code\":502}}\n\ndata: [DONE]\n\n";
    assert_eq!(
        outcome(Wire::Chat, body),
        Outcome::Error(Some(502), "gone".to_string())
    );
}

#[test]
fn log_probabilities_are_those_of_the_text() {
    let token =
        |text: &str| format!("{{\"token\":\"{text}\",\"logprob\":-0.5,\"top_logprobs\":[]}}");
    let tokens: Vec<String> = ["<think>", "7?", "</think>", "{", "7", "}", "<eos>"]
        .map(token)
        .to_vec();
    let body = format!(
        "{{\"choices\":[{{\"message\":{{\"content\":\"{{7}}\",\"reasoning_content\":\"7?\"}},\"finish_reason\":\"stop\",\"logprobs\":{{\"content\":[{}]}}}}]}}",
        tokens.join(",")
    );
    let reading = read(Wire::Chat, &body);
    let own: Vec<String> = reading
        .logprobs
        .unwrap()
        .into_iter()
        .map(|token| token.token)
        .collect();
    assert_eq!((own.join("|").as_str(), reading.other_tokens), ("{|7|}", 4));
}

#[test]
fn half_characters_are_laid_out_by_their_bytes() {
    let body = r#"{"choices":[{"message":{"content":"é7"},"finish_reason":"stop","logprobs":{"content":[
        {"token":"\\xc3","bytes":[195],"logprob":-1.0},{"token":"\\xa9","bytes":[169],"logprob":-1.0},
        {"token":"7","bytes":[55],"logprob":-0.1}]}}]}"#;
    let reading = read(Wire::Chat, body);
    assert_eq!(
        (reading.logprobs.unwrap().len(), reading.other_tokens),
        (3, 0)
    );
}

#[test]
fn a_tool_is_a_reply_only_where_it_was_asked_for() {
    let body = r#"{"type":"message","content":[{"type":"tool_use","name":"score","input":{"score":7}}],"stop_reason":"tool_use"}"#;
    let Outcome::Reply(reply) = read(Wire::Messages, body).outcome(Some("score")) else {
        panic!("no reply");
    };
    assert_eq!(reply.text, "{\"score\":7}");
    let Outcome::Unreadable(why) = outcome(Wire::Messages, body) else {
        panic!("a reply");
    };
    assert_eq!(why, "it calls the tool `score` instead of answering");
}

#[test]
fn what_no_reader_expects_is_no_reply() {
    for body in [
        "",
        " \n",
        "[]",
        "{}",
        "null",
        "7",
        "\"text\"",
        "<html>",
        "{\"a\": [",
        "data: x\n\n",
        "data: [DONE]\n\n",
    ] {
        for wire in [
            Wire::Chat,
            Wire::Responses,
            Wire::Messages,
            Wire::Gemini,
            Wire::Ollama,
            Wire::Cohere,
            Wire::Converse,
        ] {
            let outcome = outcome(wire, body);
            assert!(
                matches!(outcome, Outcome::Unreadable(_)),
                "{wire:?} {body:?}: {outcome:?}"
            );
        }
    }
}

#[test]
fn errors_are_found_in_the_words_of_every_provider() {
    for (body, said) in [
        (r#"{"error":"model 'x' not found"}"#, "model 'x' not found"),
        (r#"{"detail":"Invalid API Key"}"#, "Invalid API Key"),
        (
            r#"[{"error":{"code":429,"message":"slow","status":"RESOURCE_EXHAUSTED"}}]"#,
            "slow [type: RESOURCE_EXHAUSTED]",
        ),
        (r#"{"message":"expired"}"#, "expired"),
        (
            r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
            "Overloaded [type: overloaded_error]",
        ),
        ("<html>bad gateway</html>", "<html>bad gateway</html>"),
        ("", "(nothing)"),
    ] {
        assert_eq!(error_text(body), said);
    }
}

#[test]
fn a_name_that_cannot_be_a_models_is_none() {
    let model = |name: &str| {
        let body = serde_json::json!({ "model": name, "choices": [] }).to_string();
        read(Wire::Chat, &body).model
    };
    assert_eq!(
        model("gpt-4.1-2025-04-14").as_deref(),
        Some("gpt-4.1-2025-04-14")
    );
    let long = "m".repeat(201);
    for name in ["", "a b", "\u{1b}[31mred", "über", long.as_str()] {
        assert_eq!(model(name), None, "{name:?}");
    }
}
