//! The two tokio runtimes of the process. They live until it ends: a runtime a test with a shared HTTP client loses
//! connections.

use std::sync::OnceLock;
use tokio::runtime::{Builder, Handle, Runtime};

/// A handle of the runtime for our own work: time limits, judges, the order of cases. Nothing of the user's runs here,
/// so a body that blocks its thread cannot stop the clock that ends it.
pub(crate) fn handle() -> &'static Handle {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| build("llmtest", 1)).handle()
}

/// A handle of the runtime for the user's code: bodies and metrics.
pub(crate) fn bodies() -> &'static Handle {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME
        .get_or_init(|| {
            // A few more than cores: what should be async sometimes blocks.
            let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
            build("llmtest-body", cores.max(4))
        })
        .handle()
}

fn build(name: &str, threads: usize) -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .thread_name(name)
        .build()
        .expect("the operating system gives threads for the runtime")
}
