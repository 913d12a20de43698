//! A server on loopback, OpenAI-compatible unless told otherwise, that says what a test tells it to, for as long as it is held.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// What the server answers to one request.
#[derive(Debug, Clone)]
pub struct Answer {
    status: u16,
    headers: String,
    body: String,
    half: bool,
    drip: Option<Duration>,
}

impl Answer {
    /// A completion with this text.
    pub fn text(text: &str) -> Self {
        Self::choice(
            &json!({ "message": { "role": "assistant", "content": text }, "finish_reason": "stop" }),
        )
    }

    /// The reply that a `GEval` asks for.
    pub fn grade(score: u32) -> Self {
        Self::text(&json!({ "reason": "It thanks.", "score": score }).to_string())
    }

    /// The same, with the alternatives that the server had for the score and their probabilities.
    pub fn weighted_grade(alternatives: &[(u32, f64)]) -> Self {
        let token = |text: &str, logprob: f64, top: Value| json!({ "token": text, "logprob": logprob, "top_logprobs": top });
        let top: Vec<_> = alternatives
            .iter()
            .map(|(score, p)| json!({ "token": score.to_string(), "logprob": p.ln() }))
            .collect();
        let (score, p) = alternatives[0];
        let (before, score) = (r#"{"reason":"It thanks.","score":"#, score.to_string());
        let content = [
            token(before, -0.1, json!([])),
            token(&score, p.ln(), Value::Array(top)),
            token("}", -0.1, json!([])),
        ];
        Self::choice(&json!({
            "message": { "role": "assistant", "content": format!("{before}{score}}}") },
            "finish_reason": "stop",
            "logprobs": { "content": content },
        }))
    }

    /// These vectors, one for each text of a request to `/embeddings`.
    pub fn vectors(vectors: &[&[f32]]) -> Self {
        let data: Vec<Value> = vectors
            .iter()
            .enumerate()
            .map(|(index, vector)| json!({ "index": index, "embedding": vector }))
            .collect();
        Self::raw(200, json!({ "data": data }).to_string())
    }

    fn choice(choice: &Value) -> Self {
        let usage = json!({ "prompt_tokens": 12, "completion_tokens": 3 });
        Self::raw(
            200,
            json!({ "choices": [choice], "usage": usage }).to_string(),
        )
    }

    /// An error in the words of OpenAI.
    pub fn error(status: u16, message: &str) -> Self {
        let error = json!({ "message": message, "type": "some_error" });
        Self::raw(status, json!({ "error": error }).to_string())
    }

    /// Any body.
    pub fn raw(status: u16, body: impl Into<String>) -> Self {
        Self {
            status,
            headers: String::new(),
            body: body.into(),
            half: false,
            drip: None,
        }
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.extend([name, ": ", value, "\r\n"]);
        self
    }

    /// Hangs up in the middle of the body.
    pub fn cut_in_half(mut self) -> Self {
        self.half = true;
        self
    }

    /// Sends a byte of the body, then waits so long, and so on.
    pub fn slowly(mut self, wait: Duration) -> Self {
        self.drip = Some(wait);
        self
    }

    fn send(&self, mut stream: TcpStream) {
        let Self {
            status,
            headers,
            body,
            half,
            drip,
        } = self;
        let length = body.len();
        let sent = &body[..if *half { length / 2 } else { length }];
        let head = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n"
        );
        let Some(wait) = drip else {
            // A client that no longer listens is its own business.
            let _ = stream.write_all(format!("{head}{sent}").as_bytes());
            return;
        };
        let mut alive = stream.write_all(head.as_bytes()).is_ok();
        for byte in sent.bytes() {
            if !alive {
                return;
            }
            alive = stream.write_all(&[byte]).is_ok();
            std::thread::sleep(*wait);
        }
    }
}

/// One request as it arrived.
#[derive(Debug, Clone)]
pub struct Received {
    /// The first line and the headers.
    pub head: String,
    /// The body.
    pub body: Value,
}

impl Received {
    /// What all messages say.
    pub fn text(&self) -> String {
        let messages = self.body["messages"].as_array().into_iter().flatten();
        messages
            .filter_map(|message| message["content"].as_str())
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// The value of the header `authorization`.
    pub fn authorization(&self) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("authorization")
                .then(|| value.trim())
        })
    }
}

/// A server. It stops when it is dropped.
#[derive(Debug)]
pub struct MockServer {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl MockServer {
    /// Where nobody listens: an address that needs privileges, so that no other test's server gets it.
    pub const NOWHERE: &str = "http://127.0.0.1:1/v1";

    /// Gives these answers in order, and the last one again and again.
    ///
    /// # Panics
    ///
    /// When there are none, or the server cannot start.
    pub fn script(answers: impl IntoIterator<Item = Answer>) -> Self {
        let answers: Vec<_> = answers.into_iter().collect();
        assert!(!answers.is_empty(), "a script needs an answer");
        Self::start(move |nth, _| answers[nth.min(answers.len() - 1)].clone())
    }

    /// Answers by the number of the request, from zero, and by what it says. Requests are answered at the same time.
    ///
    /// # Panics
    ///
    /// When it cannot start.
    pub fn start(answer: impl Fn(usize, &Received) -> Answer + Send + Sync + 'static) -> Self {
        crate::loopback::ensure();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        let received = Arc::<Mutex<Vec<Received>>>::default();
        let stop = Arc::<AtomicBool>::default();
        let (log, stopped, answer) = (received.clone(), stop.clone(), Arc::new(answer));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let (log, answer) = (log.clone(), answer.clone());
                std::thread::spawn(move || {
                    let Some(request) = receive(&stream) else {
                        return;
                    };
                    let nth = {
                        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
                        log.push(request.clone());
                        log.len() - 1
                    };
                    answer(nth, &request).send(stream);
                });
            }
        });
        Self {
            address,
            received,
            stop,
            thread: Some(thread),
        }
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Every request so far.
    pub fn received(&self) -> Vec<Received> {
        let received = self.received.lock();
        received.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for MockServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the thread up.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn receive(stream: &TcpStream) -> Option<Received> {
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .ok()?;
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
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Received {
        head,
        body: serde_json::from_slice(&body).ok()?,
    })
}
