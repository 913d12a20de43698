//! A server for tests: on loopback, with a script, for as long as it is held.
#![cfg(feature = "http")]

#[path = "../../../tests/src/loopback.rs"]
#[expect(unreachable_pub, reason = "a file of the tests from the outside")]
mod loopback;

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// What the server does with one request.
#[derive(Clone)]
pub(super) enum Answer {
    Status(u16, &'static str, String),
    /// Announces more than it sends.
    Half,
    /// Never answers.
    Hang,
    /// Sends a byte now and then, and never the last.
    Drip,
}

impl Answer {
    pub(super) fn text(text: &str) -> Self {
        Self::choice(
            json!({ "message": { "role": "assistant", "content": text }, "finish_reason": "stop" }),
        )
    }

    pub(super) fn choice(choice: Value) -> Self {
        let usage = json!({ "prompt_tokens": 12, "completion_tokens": 3 });
        Self::Status(
            200,
            "",
            json!({ "choices": [choice], "usage": usage }).to_string(),
        )
    }

    /// The same with this body.
    #[cfg(feature = "bedrock")]
    pub(super) fn with_body(self, body: &Value) -> Self {
        match self {
            Self::Status(status, headers, _) => Self::Status(status, headers, body.to_string()),
            other => other,
        }
    }

    pub(super) fn error(status: u16, message: &str) -> Self {
        Self::Status(
            status,
            "",
            json!({ "error": { "message": message, "type": "invalid_request_error" } }).to_string(),
        )
    }
}

/// One request as it arrived.
#[derive(Debug, Clone)]
pub(super) struct Received {
    pub(super) head: String,
    pub(super) body: Value,
}

pub(super) struct Mock {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Mock {
    /// Answers in this order; the last answer is given again and again.
    pub(super) fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        let answers: Vec<_> = answers.into_iter().collect();
        loopback::ensure();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (received, stop) = (
            Arc::<Mutex<Vec<Received>>>::default(),
            Arc::<AtomicBool>::default(),
        );
        let (log, stopped) = (received.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            let mut held = Vec::new();
            for stream in listener.incoming().map_while(Result::ok) {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let Some(request) = receive(&stream) else {
                    continue;
                };
                let index = {
                    let mut log = log.lock().unwrap();
                    log.push(request);
                    log.len() - 1
                };
                if let Some(stream) = answer(stream, &answers[index.min(answers.len() - 1)]) {
                    held.push(stream);
                }
            }
        });
        Self {
            address,
            received,
            stop,
            thread: Some(thread),
        }
    }

    /// The address of a server that is not there.
    pub(super) fn nowhere() -> String {
        loopback::ensure();
        let address = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        format!("http://{address}/v1")
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    pub(super) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the thread up.
        let _ = TcpStream::connect(self.address);
        let _ = self.thread.take().unwrap().join();
    }
}

fn receive(stream: &TcpStream) -> Option<Received> {
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        head += &line;
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Received {
        head,
        body: serde_json::from_slice(&body).ok()?,
    })
}

/// Returns the stream where it is to be kept open.
fn answer(mut stream: TcpStream, answer: &Answer) -> Option<TcpStream> {
    let (status, headers, body, length) = match answer {
        Answer::Hang => return Some(stream),
        Answer::Drip => {
            std::thread::spawn(move || drip(stream));
            return None;
        }
        Answer::Half => (200, "", r#"{"choices": [{"mess"#, 1000),
        Answer::Status(status, headers, body) => (*status, *headers, body.as_str(), body.len()),
    };
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n"
    );
    let _ = stream.write_all(format!("{head}{body}").as_bytes());
    None
}

/// Until the client hangs up, and not for ever.
fn drip(mut stream: TcpStream) {
    let head = "HTTP/1.1 200 X\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n";
    let mut alive = stream.write_all(head.as_bytes()).is_ok();
    for _ in 0..200 {
        if !alive {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
        alive = stream.write_all(b" ").is_ok();
    }
}
