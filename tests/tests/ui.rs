//! What the macros say about code that is wrong, and where. `TRYBUILD=overwrite cargo test -p llmtest-tests --test ui`
//! writes the files anew; the compiler's own words belong to the pinned toolchain.

#[test]
fn macros_explain_what_is_wrong() {
    trybuild::TestCases::new().compile_fail("ui/*.rs");
}
