use llmtest::prelude::*;

#[llm_test(trails = 5)]
async fn test() -> Check {
    TestCase::new("a", "b").expect(Contains::new("b"))
}

fn main() {}
