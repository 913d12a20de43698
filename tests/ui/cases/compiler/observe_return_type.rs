#[llmtest::observe]
async fn search(query: &str) -> usize {
    query.to_string()
}

fn main() {
    let _ = search("a");
}
