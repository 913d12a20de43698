//! `cargo run -- "My parcel is late."`, with the server's address in `DESK_BASE_URL`.

use genai_example::Desk;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let var = |name, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_string());
    let desk = Desk::new(
        &var("DESK_BASE_URL", "http://127.0.0.1:8089/v1"),
        &var("DESK_API_KEY", "none"),
        &var("DESK_MODEL", "qwen1.5b"),
    )?;
    let ticket = std::env::args().skip(1).collect::<Vec<_>>().join(" ");
    let reply = desk.answer(&ticket).await?;
    println!("{}: {}", reply.team, reply.text);
    Ok(())
}
