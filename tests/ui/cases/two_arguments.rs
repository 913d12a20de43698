use llmtest::prelude::*;

#[llm_test(dataset = "rows.jsonl")]
async fn test(golden: Golden, second: u32) -> Check {
    golden.answered(second.to_string()).expect(Contains::new("b"))
}

fn main() {}
