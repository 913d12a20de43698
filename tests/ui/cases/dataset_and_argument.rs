use llmtest::prelude::*;

#[llm_test(dataset = "rows.jsonl")]
async fn no_argument() -> Check {
    TestCase::new("a", "b").expect(Contains::new("b"))
}

#[llm_test]
async fn no_dataset(golden: Golden) -> Check {
    golden.answered("b").expect(Contains::new("b"))
}

fn main() {}
