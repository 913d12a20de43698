//! Waiting for several futures at once, without a runtime.

use crate::{BoxFuture, Result};
use std::future::poll_fn;
use std::task::Poll;

/// The results of all, in the order given; the first error ends the rest.
pub(crate) async fn all<T>(futures: Vec<BoxFuture<'_, Result<T>>>) -> Result<Vec<T>> {
    let mut done: Vec<Option<T>> = futures.iter().map(|_| None).collect();
    let mut running: Vec<Option<BoxFuture<'_, Result<T>>>> =
        futures.into_iter().map(Some).collect();
    poll_fn(|task| {
        for (slot, result) in running.iter_mut().zip(&mut done) {
            let Some(future) = slot else { continue };
            if let Poll::Ready(ready) = future.as_mut().poll(task) {
                *slot = None;
                match ready {
                    Ok(value) => *result = Some(value),
                    Err(error) => return Poll::Ready(Err(error)),
                }
            }
        }
        if running.iter().any(Option::is_some) {
            Poll::Pending
        } else {
            Poll::Ready(Ok(()))
        }
    })
    .await?;
    Ok(done.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn after(yields: usize, value: Result<usize>) -> Result<usize> {
        for _ in 0..yields {
            tokio::task::yield_now().await;
        }
        value
    }

    #[tokio::test]
    async fn results_come_in_the_order_given() {
        let values = all(vec![
            Box::pin(after(3, Ok(1))) as BoxFuture<'_, _>,
            Box::pin(after(0, Ok(2))),
            Box::pin(after(1, Ok(3))),
        ])
        .await;
        assert_eq!(values.unwrap(), [1, 2, 3]);
        assert!(all::<usize>(Vec::new()).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn the_first_error_ends_the_rest() {
        let never: BoxFuture<'_, Result<usize>> = Box::pin(std::future::pending());
        let error = all(vec![never, Box::pin(after(1, Err("down".into())))])
            .await
            .unwrap_err();
        assert_eq!(error.to_string(), "down");
    }
}
