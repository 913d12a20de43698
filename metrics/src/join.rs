//! Waiting for several futures at once, without a runtime.

use crate::error::BoxError;
use crate::{BoxFuture, NotApplicable, Result};
use std::future::poll_fn;
use std::task::Poll;

/// The results of all, in the order given; the first error ends the rest. That one of them does not apply is told only where
/// none of the others fails.
pub(crate) async fn all<T>(futures: Vec<BoxFuture<'_, Result<T>>>) -> Result<Vec<T>> {
    let mut done: Vec<Option<T>> = futures.iter().map(|_| None).collect();
    let mut skipped: Vec<Option<BoxError>> = futures.iter().map(|_| None).collect();
    let mut running: Vec<Option<BoxFuture<'_, Result<T>>>> =
        futures.into_iter().map(Some).collect();
    poll_fn(|task| {
        for ((slot, result), skipped) in running.iter_mut().zip(&mut done).zip(&mut skipped) {
            let Some(future) = slot else { continue };
            if let Poll::Ready(ready) = future.as_mut().poll(task) {
                *slot = None;
                match ready {
                    Ok(value) => *result = Some(value),
                    Err(error) if error.is::<NotApplicable>() => *skipped = Some(error),
                    Err(error) => return Poll::Ready(Err(error)),
                }
            }
        }
        if running.iter().any(Option::is_some) {
            Poll::Pending
        } else {
            Poll::Ready(
                skipped
                    .iter_mut()
                    .find_map(Option::take)
                    .map_or(Ok(()), Err),
            )
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

    #[tokio::test]
    async fn an_error_wins_over_what_does_not_apply_whichever_ends_first() {
        for (first, second) in [(0, 3), (3, 0)] {
            let skipped = || after(first, Err(NotApplicable::because("nothing to ask").into()));
            let failed = || after(second, Err("down".into()));
            for both in [
                vec![Box::pin(skipped()) as BoxFuture<'_, _>, Box::pin(failed())],
                vec![Box::pin(failed()) as BoxFuture<'_, _>, Box::pin(skipped())],
            ] {
                assert_eq!(all(both).await.unwrap_err().to_string(), "down");
            }
            let alone = vec![
                Box::pin(skipped()) as BoxFuture<'_, _>,
                Box::pin(after(second, Ok(1))),
            ];
            assert!(all(alone).await.unwrap_err().is::<NotApplicable>());
        }
    }
}
