//! What the macros say about code that is wrong, and where. `TRYBUILD=overwrite cargo test -p llmtest-ui` writes the files
//! anew.

use std::process::Command;

/// The compiler whose own words stand in `cases/compiler`.
const PINNED: &str = "rustc 1.95.";

#[test]
fn macros_explain_what_is_wrong() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("cases/*.rs");
    let rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .arg("--version")
        .output()
        .unwrap();
    let version = String::from_utf8_lossy(&rustc.stdout).into_owned();
    // Other versions word the compiler's part differently; our own messages above are the same everywhere.
    if version.starts_with(PINNED) {
        cases.compile_fail("cases/compiler/*.rs");
    } else {
        eprintln!(
            "not checked, since the words are those of {PINNED}x: cases/compiler ({version})"
        );
    }
}
