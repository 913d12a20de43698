struct Client;

impl Client {
    #[llmtest::observe(llm, replay)]
    fn complete(&self, prompt: &str) -> String {
        prompt.to_string()
    }

    #[llmtest::observe]
    const fn length(&self) -> usize {
        0
    }
}

fn main() {
    Client.complete("a");
    Client.length();
}
