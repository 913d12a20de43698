//! The same attribute without any setup: an ordinary test target.

use llmtest::prelude::*;

#[llm_test]
async fn names_the_flag() -> llmtest::Result<Check> {
    let question = "How do I generate a template straight into the current folder?";
    let answer = handbook::answer(question).await?;
    Ok(TestCase::new(question, answer)
        .expect(Contains::new("--init"))
        .expect_in("complete", Contains::new("--init")))
}
