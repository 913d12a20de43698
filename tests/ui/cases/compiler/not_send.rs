use llmtest::prelude::*;

async fn step() {}

#[llm_test]
async fn test() -> Check {
    let text = std::rc::Rc::new("b".to_string());
    step().await;
    TestCase::new("a", text.to_string()).expect(Contains::new("b"))
}

fn main() {}
