//! Taking the case along to another task or thread.

use std::future::Future;

use super::context::{Place, at, listening};

fn here() -> Option<Place> {
    if listening() { Place::current() } else { None }
}

/// Takes the running case and the open span along into a future that another task will poll.
///
/// ```
/// # fn spawn<F: Future>(_: F) {}
/// #[llmtest::observe(retriever)]
/// async fn retrieve(question: String) -> Vec<String> {
///     vec![question]
/// }
///
/// // `spawn` stands for the one of your runtime.
/// spawn(llmtest::carry(retrieve("Do you ship abroad?".to_string())));
/// ```
pub fn carry<F: Future>(future: F) -> impl Future<Output = F::Output> {
    carry_to(here(), future)
}

fn carry_to<F: Future>(place: Option<Place>, future: F) -> impl Future<Output = F::Output> {
    // Boxed either way: the future is about to be moved to a task, and stays one pointer here.
    let future = Box::pin(future);
    async move {
        match place {
            Some(place) => at(place, future).await,
            None => future.await,
        }
    }
}

/// Takes the running case and the open span along into a closure that another thread will call.
///
/// ```
/// #[llmtest::observe(tool)]
/// fn price(item: &str) -> usize {
///     item.len()
/// }
///
/// let thread = std::thread::spawn(llmtest::carry_fn(|| price("shoes")));
/// assert_eq!(thread.join().unwrap(), 5);
/// ```
pub fn carry_fn<R>(f: impl FnOnce() -> R) -> impl FnOnce() -> R {
    let place = here();
    move || {
        let _guard = place.map(Place::enter);
        f()
    }
}

/// The running case and the open span, to be entered any number of times from any thread: for pools that share one closure,
/// as rayon's do. A thread that waits for the pool inside of [`run`](Handle::run) may take over work of others meanwhile, so
/// each closure that calls observed functions enters its own handle.
///
/// ```
/// #[llmtest::observe(tool)]
/// fn price(item: &str) -> usize {
///     item.len()
/// }
///
/// let case = llmtest::observe::handle();
/// // `pool.map` stands for `items.par_iter().map`.
/// # struct Pool; impl Pool { fn map(&self, f: impl Fn(&str) -> usize + Send + Sync) -> usize { f("shoes") + f("hat") } } let pool = Pool;
/// let total = pool.map(|item| case.run(|| price(item)));
/// assert_eq!(total, 8);
/// ```
pub fn handle() -> Handle {
    Handle { place: here() }
}

/// Where in which case [`handle`] was called; outside of all, it does nothing.
#[derive(Clone)]
pub struct Handle {
    place: Option<Place>,
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let span = self.place.as_ref().map(|place| place.span);
        f.debug_struct("Handle").field("span", &span).finish()
    }
}

impl Handle {
    /// Calls the closure in the case, on this thread.
    pub fn run<R>(&self, f: impl FnOnce() -> R) -> R {
        let _guard = self.place.clone().map(Place::enter);
        f()
    }

    /// Takes the case along into a future, as [`carry`] does from where the handle was made.
    pub fn carry<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        carry_to(self.place.clone(), future)
    }
}
