#[llmtest::observe(llm, join)]
fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_string).collect()
}

#[llmtest::observe(stream)]
fn shown() -> std::fmt::Result {
    Ok(())
}

#[llmtest::observe(replay)]
fn counts(text: &str) -> impl futures_core::Stream<Item = impl std::fmt::Display> {
    text.len()
}

fn main() {
    let _ = (words("a"), shown());
}
