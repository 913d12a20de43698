//! Holds the tests of what the macros say; see `tests/ui.rs`.
