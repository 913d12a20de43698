//! A server on loopback that replies as an OpenAI-compatible one does.

use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::OnceLock;

/// The words of a reply, by the system prompt and what the user said.
pub type Words = fn(&str, &str) -> Vec<&'static str>;

/// Its address; the first call starts it.
pub fn url(words: Words) -> &'static str {
    static URL: OnceLock<String> = OnceLock::new();
    URL.get_or_init(|| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
        let address = listener.local_addr().expect("an address");
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                std::thread::spawn(move || serve(stream, words));
            }
        });
        format!("http://{address}/v1")
    })
}

/// One request a connection. A client that hangs up is no error of the server.
fn serve(stream: TcpStream, words: Words) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line == "\r\n" {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let request: Value = serde_json::from_slice(&body)?;
    let (kind, reply) = reply(&request, words);
    let stream = reader.get_mut();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{reply}",
        reply.len()
    )?;
    stream.flush()
}

fn reply(request: &Value, words: Words) -> (&'static str, String) {
    let text = |role: &str| {
        let messages = request["messages"].as_array().into_iter().flatten();
        let mut of_role = messages.filter(|message| message["role"] == role);
        let content = of_role.next().map(|message| &message["content"]);
        match content {
            Some(Value::String(text)) => text.clone(),
            // A list of parts.
            Some(parts) => parts[0]["text"].as_str().unwrap_or_default().to_string(),
            None => String::new(),
        }
    };
    let (system, user) = (text("system"), text("user"));
    let words = words(&system, &user);
    let prompt_tokens = (system.len() + user.len()) / 4;
    let usage = json!({
        "prompt_tokens": prompt_tokens,
        "completion_tokens": words.len(),
        "total_tokens": prompt_tokens + words.len()
    });
    let about = |object: &str| {
        json!({
            "id": "chatcmpl-7", "object": object, "created": 1_760_000_000, "model": request["model"],
        })
    };
    if request["stream"] != true {
        let mut response = about("chat.completion");
        response["choices"] = json!([{
            "index": 0,
            "message": {"role": "assistant", "content": words.concat()},
            "finish_reason": "stop",
        }]);
        response["usage"] = usage;
        return ("application/json", response.to_string());
    }
    let chunk = |choices: Value, usage: Value| {
        let mut chunk = about("chat.completion.chunk");
        chunk["choices"] = choices;
        chunk["usage"] = usage;
        format!("data: {chunk}\n\n")
    };
    let mut events: String = words
        .iter()
        .map(|word| {
            let delta = json!([{"index": 0, "delta": {"content": word}, "finish_reason": null}]);
            chunk(delta, Value::Null)
        })
        .collect();
    let end = json!([{"index": 0, "delta": {}, "finish_reason": "stop"}]);
    events += &chunk(end, Value::Null);
    events += &chunk(json!([]), usage);
    events += "data: [DONE]\n\n";
    ("text/event-stream", events)
}
