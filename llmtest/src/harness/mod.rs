//! The two ways into the runner: our own `main`, and one `#[test]` a function under libtest.

mod args;
mod libtest;
mod main;
mod select;

pub use libtest::{Verdict, run_as_libtest};
pub use main::main;
