//! Where the traces of a run go as its cases end: a file, a receiver, both or neither.

use super::export;
use crate::config::ExportConfig;
use crate::redact::Redactor;
use crate::report::TestRecord;
use serde_json::Value;
use std::fs::OpenOptions;
use std::io::Write;
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
        held.spans.extend(export::case_spans(&self.run, record));
        while held.spans.len() >= export::BATCH {
            let batch = held.spans.drain(..export::BATCH).collect();
            self.hand_on(&mut held, batch);
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

/// One line in one write, so that processes that append at the same time do not mix.
fn append(path: &Path, request: &Value) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    file.write_all(format!("{request}\n").as_bytes())
}
