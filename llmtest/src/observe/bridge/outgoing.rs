//! Observed calls as spans of `tracing`, for whatever telemetry the application has.
//!
//! A span is opened only if a subscriber wants it, so that with nobody listening a call costs one check more. Arguments
//! and results never go into it: telemetry leaves the machine, and the application has not said that they may.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::thread::panicking;

use tracing::field::Empty;
use tracing::{Level, Span, span};

use super::super::context::lock;
use super::super::open::Meta;
use super::{Outcome, TARGET};

/// A span of the application's telemetry.
pub(crate) struct Outgoing {
    span: Span,
    prompt_tokens: AtomicU64,
    completion_tokens: AtomicU64,
    /// In US dollars.
    cost: Mutex<f64>,
}

thread_local! {
    static CURRENT: RefCell<Option<Arc<Outgoing>>> = const { RefCell::new(None) };
}

/// Whether a subscriber wants our spans.
#[inline]
pub fn is_told() -> bool {
    tracing::enabled!(target: TARGET, Level::INFO)
}

/// Runs a body inside of a span.
#[inline]
pub fn told<R>(meta: &'static Meta, body: impl FnOnce() -> R, outcome: impl Outcome<R>) -> R {
    match Outgoing::open(meta) {
        None => body(),
        Some(outgoing) => {
            let output = outgoing.inside(body);
            outgoing.end(outcome.failed(&output));
            output
        }
    }
}

/// Polls a future inside of a span, which opens when it is first polled.
#[inline]
pub fn told_future<F, O>(meta: &'static Meta, future: F, outcome: O) -> Told<F, O>
where
    F: Future + Unpin,
    O: Outcome<F::Output>,
{
    Told {
        meta,
        future,
        outcome: Some(outcome),
        outgoing: None,
    }
}

/// A future in a span.
#[must_use = "futures do nothing unless polled"]
pub struct Told<F, O> {
    meta: &'static Meta,
    future: F,
    /// Until the future has been polled first, and then as long as there is a span and no result.
    outcome: Option<O>,
    outgoing: Option<Arc<Outgoing>>,
}

impl<F, O> Future for Told<F, O>
where
    F: Future + Unpin,
    O: Outcome<F::Output> + Unpin,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.get_mut();
        if this.outgoing.is_none() && this.outcome.is_some() {
            this.outgoing = Outgoing::open(this.meta);
            if this.outgoing.is_none() {
                this.outcome = None;
            }
        }
        let Some(outgoing) = &this.outgoing else {
            return Pin::new(&mut this.future).poll(cx);
        };
        let polled = outgoing.inside(|| Pin::new(&mut this.future).poll(cx));
        if let Poll::Ready(output) = &polled
            && let Some(outcome) = this.outcome.take()
        {
            outgoing.end(outcome.failed(output));
            this.outgoing = None;
        }
        polled
    }
}

impl<F, O> Drop for Told<F, O> {
    fn drop(&mut self) {
        if let Some(outgoing) = &self.outgoing {
            outgoing.drop_unfinished();
        }
    }
}

/// Tells of a call that returns a stream: of its body, and then of every poll until the stream ends.
pub struct Teller(Option<Arc<Outgoing>>);

impl Teller {
    /// Of this function, if somebody wants to know.
    #[inline]
    pub fn of(meta: &'static Meta) -> Self {
        Self(Outgoing::open(meta))
    }

    /// Whether there is nothing to tell.
    #[inline]
    pub(crate) fn is_idle(&self) -> bool {
        self.0.is_none()
    }

    /// Runs the body, or polls the stream, inside of the span.
    #[inline]
    pub fn call<R>(&self, body: impl FnOnce() -> R) -> R {
        match &self.0 {
            None => body(),
            Some(outgoing) => outgoing.inside(body),
        }
    }

    /// Polls the body inside of the span.
    #[inline]
    pub fn within<F: Future + Unpin>(
        &self,
        mut future: F,
    ) -> impl Future<Output = F::Output> + Unpin {
        poll_fn(move |cx| self.call(|| Pin::new(&mut future).poll(cx)))
    }

    /// The stream has ended, or there is none.
    #[inline]
    pub fn end(&mut self, failed: bool) {
        if let Some(outgoing) = self.0.take() {
            outgoing.end(failed);
        }
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        if let Some(outgoing) = &self.0 {
            outgoing.drop_unfinished();
        }
    }
}

impl Outgoing {
    #[inline]
    fn open(meta: &'static Meta) -> Option<Arc<Self>> {
        is_told().then(|| Self::new(meta))?
    }

    #[cold]
    fn new(meta: &'static Meta) -> Option<Arc<Self>> {
        let operation = match meta.kind {
            "llm" => Some("chat"),
            "embedding" => Some("embeddings"),
            "tool" => Some("execute_tool"),
            "agent" => Some("invoke_agent"),
            "retriever" => Some("retrieval"),
            _ => None,
        };
        let named = |kind| (meta.kind == kind).then_some(meta.name);
        let calls = matches!(meta.kind, "llm" | "embedding");
        let span = span!(
            target: TARGET,
            Level::INFO,
            "observe",
            otel.name = meta.name,
            otel.kind = if calls { "client" } else { "internal" },
            otel.status_code = Empty,
            error.type = Empty,
            code.namespace = meta.module,
            code.filepath = meta.file,
            code.lineno = meta.line,
            llmtest.kind = meta.kind,
            gen_ai.operation.name = operation,
            gen_ai.tool.name = named("tool"),
            gen_ai.agent.name = named("agent"),
            gen_ai.request.model = Empty,
            gen_ai.usage.input_tokens = Empty,
            gen_ai.usage.output_tokens = Empty,
            gen_ai.usage.cost = Empty,
        );
        (!span.is_disabled()).then(|| {
            Arc::new(Self {
                span,
                prompt_tokens: AtomicU64::new(0),
                completion_tokens: AtomicU64::new(0),
                cost: Mutex::new(0.0),
            })
        })
    }

    fn inside<R>(self: &Arc<Self>, f: impl FnOnce() -> R) -> R {
        let _left = Left {
            outgoing: self,
            before: CURRENT
                .try_with(|current| current.replace(Some(self.clone())))
                .ok()
                .flatten(),
            was_panicking: panicking(),
        };
        let _entered = self.span.enter();
        f()
    }

    fn end(&self, failed: bool) {
        if failed {
            // Not the error's text: it can hold what the call was about.
            self.fail("error");
        }
    }

    /// Nobody wants the result any more.
    fn drop_unfinished(&self) {
        if !panicking() {
            self.span.record("error.type", "cancelled");
        }
    }

    fn fail(&self, kind: &str) {
        self.span.record("otel.status_code", "ERROR");
        self.span.record("error.type", kind);
    }
}

/// Comes back out of a span.
struct Left<'a> {
    outgoing: &'a Outgoing,
    before: Option<Arc<Outgoing>>,
    was_panicking: bool,
}

impl Drop for Left<'_> {
    fn drop(&mut self) {
        // A thread that is being torn down has nothing left to restore.
        let _ = CURRENT.try_with(|current| current.replace(self.before.take()));
        if panicking() && !self.was_panicking {
            self.outgoing.fail("panic");
        }
    }
}

/// Adds tokens to the innermost span.
pub(crate) fn usage(prompt: u64, completion: u64) {
    here(|outgoing| {
        let add = |sum: &AtomicU64, tokens| {
            let before = sum.fetch_add(tokens, Ordering::Relaxed);
            before.saturating_add(tokens)
        };
        let prompt = add(&outgoing.prompt_tokens, prompt);
        let completion = add(&outgoing.completion_tokens, completion);
        outgoing.span.record("gen_ai.usage.input_tokens", prompt);
        outgoing
            .span
            .record("gen_ai.usage.output_tokens", completion);
    });
}

/// Whether this thread is in a call that somebody is told of.
pub(crate) fn is_telling() -> bool {
    CURRENT
        .try_with(|current| current.borrow().is_some())
        .unwrap_or(false)
}

/// Names the model of the innermost span.
pub(crate) fn model(name: &str) {
    here(|outgoing| {
        outgoing.span.record("gen_ai.request.model", name);
    });
}

/// Adds US dollars to the innermost span.
pub(crate) fn cost(usd: f64) {
    here(|outgoing| {
        let mut sum = lock(&outgoing.cost);
        *sum += usd;
        outgoing.span.record("gen_ai.usage.cost", *sum);
    });
}

fn here(tell: impl FnOnce(&Outgoing)) {
    if let Ok(Some(outgoing)) = CURRENT.try_with(|current| current.borrow().clone()) {
        tell(&outgoing);
    }
}

// The tests listen with the layer of the other direction beside the application's.
#[cfg(test)]
#[cfg(feature = "tracing-capture")]
#[path = "outgoing_tests.rs"]
mod tests;
