//! A clerk.
