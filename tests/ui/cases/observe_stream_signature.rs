#[llmtest::observe(llm, join)]
fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_string).collect()
}

#[llmtest::observe(stream)]
fn shown() -> std::fmt::Result {
    Ok(())
}

#[llmtest::observe(replay)]
fn counts(items: Items) -> impl futures_core::Stream<Item = impl std::fmt::Display> {
    items
}

type Items = futures_core::stream::BoxStream<'static, u32>;

fn main() {
    let _ = (words("a"), shown());
}
