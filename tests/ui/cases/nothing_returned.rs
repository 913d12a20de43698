use llmtest::prelude::*;

#[llm_test]
async fn no_type() {
    TestCase::new("a", "b").expect(Contains::new("b"))
}

#[llm_test]
fn unit() -> () {
    let _ = TestCase::new("a", "b").expect(Contains::new("b"));
}

fn main() {}
