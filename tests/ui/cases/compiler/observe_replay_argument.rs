struct Connection;

#[llmtest::observe(replay)]
fn search(connection: &Connection, query: &str) -> usize {
    let _ = connection;
    query.len()
}

fn main() {
    search(&Connection, "a");
}
