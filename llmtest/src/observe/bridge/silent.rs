//! Without the feature `tracing` nobody is told of an observed call, and nothing is left of this in the binary.

use std::future::Future;

use super::super::open::Meta;
use super::Outcome;

/// Whether somebody is told.
#[inline]
pub const fn is_told() -> bool {
    false
}

/// Runs a body.
#[inline]
pub fn told<R>(_: &'static Meta, body: impl FnOnce() -> R, _: impl Outcome<R>) -> R {
    body()
}

/// The future as it is.
#[inline]
pub fn told_future<F: Future + Unpin>(
    _: &'static Meta,
    future: F,
    _: impl Outcome<F::Output>,
) -> F {
    future
}

/// Who would tell of a call that returns a stream.
pub struct Teller;

impl Teller {
    /// Of this function.
    #[inline]
    pub const fn of(_: &'static Meta) -> Self {
        Self
    }

    /// Whether there is nothing to tell.
    #[inline]
    #[expect(clippy::unused_self, reason = "as with the feature")]
    pub(crate) const fn is_idle(&self) -> bool {
        true
    }

    /// Runs the body, or polls the stream.
    #[inline]
    pub fn call<R>(&self, body: impl FnOnce() -> R) -> R {
        body()
    }

    /// The future as it is.
    #[inline]
    pub fn within<F: Future + Unpin>(&self, future: F) -> F {
        future
    }

    /// The stream has ended, or there is none.
    #[inline]
    pub const fn end(&mut self, _: bool) {}
}

#[inline]
pub(crate) const fn is_telling() -> bool {
    false
}

#[inline]
pub(crate) const fn usage(_: u64, _: u64) {}

#[inline]
pub(crate) const fn model(_: &str) {}

#[inline]
pub(crate) const fn cost(_: f64) {}
