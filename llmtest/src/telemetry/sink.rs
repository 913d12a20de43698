//! Where the traces of a run go as its cases end: a file, a receiver, both or neither.

use super::export;
use crate::config::ExportConfig;
use crate::redact::Redactor;
use crate::results::TestRecord;
use serde_json::Value;
use std::fs::OpenOptions;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// Gathers the spans of cases that ended and hands them on in batches. Nothing here can fail a case: what goes wrong is
/// told at the end.
pub(crate) struct Sink {
    config: ExportConfig,
    run: String,
    redactor: Arc<Redactor>,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    spans: Vec<Value>,
    /// How long they are as text.
    bytes: usize,
    /// The first thing that went wrong with the file.
    trouble: Option<String>,
    #[cfg(feature = "otlp")]
    sender: Option<super::send::Sender>,
}

impl Sink {
    pub(crate) fn new(config: ExportConfig, run: String, redactor: Arc<Redactor>) -> Self {
        Self {
            config,
            run,
            redactor,
            held: Mutex::default(),
        }
    }

    /// Takes the traces of a case.
    pub(crate) fn case(&self, record: &TestRecord) {
        if self.config.file.is_none() && self.config.endpoint.is_none() {
            return;
        }
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        for span in export::case_spans(&self.run, record) {
            held.bytes += span.to_string().len();
            held.spans.push(span);
            if held.spans.len() >= export::BATCH || held.bytes >= export::BYTES {
                let batch = std::mem::take(&mut held.spans);
                held.bytes = 0;
                self.hand_on(&mut held, batch);
            }
        }
    }

    fn hand_on(&self, held: &mut Held, batch: Vec<Value>) {
        let request = export::request(&self.run, env!("CARGO_PKG_VERSION"), batch);
        let request = self.redactor.scrub_value(request);
        if let Some(path) = &self.config.file
            && let Err(error) = append(path, &request)
        {
            let why = format!("{} cannot be written: {error}", path.display());
            held.trouble.get_or_insert(why);
        }
        #[cfg(feature = "otlp")]
        if self.config.endpoint.is_some() {
            let sender = held
                .sender
                .get_or_insert_with(|| super::send::Sender::start(&self.config));
            sender.send(request);
        }
    }

    /// Hands on what is left, waits for the receiver, and says what went wrong.
    pub(crate) fn finish(&self) -> Vec<String> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let rest = std::mem::take(&mut held.spans);
        if !rest.is_empty() {
            self.hand_on(&mut held, rest);
        }
        let mut told: Vec<String> = held.trouble.take().into_iter().collect();
        #[cfg(feature = "otlp")]
        told.extend(held.sender.take().and_then(super::send::Sender::finish));
        #[cfg(not(feature = "otlp"))]
        if self.config.asked_for_endpoint {
            told.push("LLMTEST_OTLP_ENDPOINT is set, and this llmtest cannot send\nhint: switch on the feature `otlp` of `llmtest`".to_string());
        }
        told
    }
}

/// One line in one write, so that processes that append at the same time do not mix. A last line that was cut off, as by a
/// full disk, is ended first.
fn append(path: &Path, request: &Value) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut file = OpenOptions::new()
        .create(true)
        .read(true)
        .append(true)
        .open(path)?;
    let mut last = [b'\n'];
    if file.metadata()?.len() > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    let start = if last == *b"\n" { "" } else { "\n" };
    file.write_all(format!("{start}{request}\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_line_that_was_cut_off_takes_no_other_with_it() {
        let name = format!("llmtest-sink-{}.jsonl", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, "{\"cut\": ").unwrap();
        append(&path, &json!({"n": 1})).unwrap();
        append(&path, &json!({"n": 2})).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(text, "{\"cut\": \n{\"n\":1}\n{\"n\":2}\n");
    }

    #[test]
    fn long_spans_are_handed_on_before_there_are_many() {
        let path = std::env::temp_dir().join(format!("llmtest-batch-{}.jsonl", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let config = ExportConfig {
            file: Some(path.clone()),
            ..ExportConfig::default()
        };
        let sink = Sink::new(config, "r".to_string(), Arc::default());
        let long = "x".repeat(export::BYTES / 4);
        let spans: Vec<Value> = (0..9)
            .map(|n| {
                json!({"name": format!("s{n}"), "kind": "tool", "input": null, "output": long, "start": 0.0, "duration": 0.1})
            })
            .collect();
        let record: TestRecord = serde_json::from_value(json!({
            "test": "t", "binary": "b", "file": "f.rs", "line": 1, "outcome": "passed", "duration": 1.0, "passes_needed": 1, "attempt": 1,
            "trials": [{"outcome": "passed", "spans": spans, "measurements": [], "duration": 1.0}],
        }))
        .unwrap();
        sink.case(&record);
        assert!(sink.finish().is_empty());
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(text.lines().count() > 1, "{}", text.lines().count());
        assert!(text.lines().all(|line| line.len() < 2 * export::BYTES));
    }
}
