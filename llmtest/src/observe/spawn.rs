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
    let place = here();
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
