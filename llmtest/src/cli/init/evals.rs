//! Evaluation tests: `cargo test --test evals`.

use llmtest::prelude::*;

/// Asks nobody: no key, no network.
#[llm_test]
fn greets() -> Check {
    let input = "Hello";
    // Call your application here.
    let output = "Hello! What can I do for you?";

    TestCase::new(input, output)
        .expect(Contains::new("Hello"))
        .expect(metric("brief", |case: &TestCase| case.output.len() < 300))
}

/// Asks a judge. What it says is kept in `recordings/`, to be committed: from then on nobody is asked.
#[llm_test]
#[ignore = "asks a judge: set one in llmtest.toml, then `cargo test --test evals -- --ignored`"]
fn answers_the_question() -> Check {
    let input = "When are you open?";
    let output = "On weekdays from nine to five.";

    TestCase::new(input, output).expect(AnswerRelevancy::new())
}

fn main() -> std::process::ExitCode {
    llmtest::main()
}
