use llmtest::prelude::*;

#[llm_test]
async fn test() -> String {
    "not a check".to_string()
}

fn main() {}
