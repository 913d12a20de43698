struct Hits(usize);

#[llmtest::observe(replay)]
async fn search(query: &str) -> Result<Hits, std::io::Error> {
    Ok(Hits(query.len()))
}

#[llmtest::observe(replay)]
fn first(query: &str) -> Hits {
    Hits(query.len())
}

fn main() {
    let _ = search("a");
    let _ = first("a").0;
}
