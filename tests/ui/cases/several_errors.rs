use llmtest::prelude::*;

#[llm_test(pass_rate = 0.9, trials = 0, timeout = "soon")]
#[should_panic]
const fn test<T>() {}

fn main() {}
