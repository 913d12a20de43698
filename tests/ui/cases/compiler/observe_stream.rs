use futures_core::stream::BoxStream;

struct Hit(usize);

#[llmtest::observe(stream)]
fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_string).collect()
}

#[llmtest::observe(replay)]
fn hits(query: &str) -> BoxStream<'static, Hit> {
    todo!("{query} {}", Hit(0).0)
}

fn main() {
    let _ = (words("a"), hits("a"));
}
