#![deny(unused, unreachable_code)]

#[must_use]
#[llmtest::observe]
fn price(item: &str) -> usize {
    let unread = item.len();
    item.len()
}

#[llmtest::observe]
async fn answer(question: &str) -> Result<String, std::io::Error> {
    if question.is_empty() {
        return Ok(String::new());
        drop(question);
    }
    Ok(question.to_string())
}

#[llmtest::observe]
fn counts() -> impl futures_core::Stream<Item = u32> {
    let mut never = 0;
    todo!() as futures_core::stream::BoxStream<'static, u32>
}

#[llmtest::observe]
fn forgotten() {}

fn main() {
    price("shoes");
    answer("why?");
    counts();
}
