//! Runs the body of a test, and comes back whatever it does.

use super::run::payload_text;
use crate::entry::{Body, Produced, Row, TestEntry};
use crate::observe::{self, CaseContext};
use crate::runtime;
use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// Where async bodies run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// As tasks of the runtime.
    Runtime,
    /// On threads of their own, which inherit libtest's capture of what is printed.
    Thread,
}

/// Runs the body with a time limit. `Err` is why it did not return checks.
pub(super) async fn run_body(
    entry: &TestEntry,
    row: Row,
    context: &Arc<CaseContext>,
    limit: Duration,
    place: Place,
) -> Result<Produced, String> {
    let outcome = match (&entry.body, place) {
        (Body::Async(body), Place::Runtime) => {
            let task = runtime::bodies().spawn(observe::scope(context.clone(), call(*body, row)));
            let abort = task.abort_handle();
            let ended = tokio::time::timeout(limit, task).await;
            abort.abort();
            ended.map(|joined| {
                joined.map_err(|error| {
                    error
                        .try_into_panic()
                        .unwrap_or_else(|error| Box::new(error.to_string()))
                })
            })
        }
        (Body::Async(body), Place::Thread) => {
            let body = *body;
            on_thread(limit, context.clone(), move |context, cancelled| {
                runtime::bodies().block_on(async move {
                    tokio::select! {
                        produced = observe::scope(context, call(body, row)) => produced,
                        _ = cancelled => Err("the test was abandoned after its time limit".into()),
                    }
                })
            })
            .await
        }
        (Body::Sync(body), _) => {
            let body = *body;
            on_thread(limit, context.clone(), move |context, _| {
                let _entered = observe::enter(context);
                // Application code may use the runtime from plain functions.
                let _runtime = runtime::bodies().enter();
                body(row)
            })
            .await
        }
    };
    // A recording that is missing ends the body by unwinding; application code may have caught that.
    if let Some(failure) = context.failure() {
        return Err(failure);
    }
    match outcome {
        Err(_elapsed) => Err(format!(
            "the test did not end within {limit:?}\nhint: raise the limit with `#[llm_test(timeout = \"…\")]`, or `timeout` under `[run]` in llmtest.toml"
        )),
        Ok(Ok(Ok(checks))) => match context.unused_substitute() {
            Some(why) => Err(why),
            None => Ok(Ok(checks)),
        },
        Ok(Ok(failed)) => Ok(failed),
        Ok(Err(payload)) => Err(panic_text(&*payload, context)),
    }
}

/// The call itself is inside the future, so that a panic before the first await is caught as well.
async fn call(
    body: fn(Row) -> std::pin::Pin<Box<dyn Future<Output = Produced> + Send>>,
    row: Row,
) -> Produced {
    body(row).await
}

fn panic_text(payload: &(dyn Any + Send), context: &CaseContext) -> String {
    let text = context
        .take_panic()
        .unwrap_or_else(|| payload_text(payload).to_string());
    format!("the test panicked: {text}")
}

type Caught = Result<Produced, Box<dyn Any + Send>>;

/// Runs on a new thread. A thread that does not end in time is told so and left alone: threads cannot be stopped.
async fn on_thread(
    limit: Duration,
    context: Arc<CaseContext>,
    work: impl FnOnce(Arc<CaseContext>, oneshot::Receiver<()>) -> Produced + Send + 'static,
) -> Result<Caught, tokio::time::error::Elapsed> {
    let (done, ended) = oneshot::channel();
    let (cancel, cancelled) = oneshot::channel();
    let spawned = std::thread::Builder::new()
        .name("llmtest".to_string())
        .spawn(move || {
            let _ = done.send(catch_unwind(AssertUnwindSafe(|| work(context, cancelled))));
        });
    if let Err(error) = spawned {
        return Ok(Ok(Err(format!(
            "no thread for the test: {error}\nhint: lower LLMTEST_CONCURRENCY"
        )
        .into())));
    }
    let ended = tokio::time::timeout(limit, ended).await;
    drop(cancel);
    ended.map(|received| {
        received.unwrap_or_else(|_| Ok(Err("the thread of the test ended without a result".into())))
    })
}
