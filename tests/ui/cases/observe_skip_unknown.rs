#[llmtest::observe(skip(querry), redact(resutl))]
fn search(query: &str) -> usize {
    query.len()
}

fn main() {
    search("a");
}
