//! The model, behind any OpenAI-compatible server.

use crate::Error;
use serde_json::{Value, json};
use std::env;
use std::sync::LazyLock;
use std::time::Duration;

/// Lets the model answer a prompt.
///
/// `replay`: tests run on what the model said when it was recorded. Another prompt, another model or another body of this
/// function (the temperature, say) is not what was recorded, and a test says so.
#[llmtest::observe(llm, replay, key = model())]
pub(crate) async fn complete(prompt: &str) -> Result<String, Error> {
    let request = json!({
        "model": model(),
        "messages": [{"role": "user", "content": prompt}],
        "temperature": 0,
        "seed": 1,
        "max_tokens": 120,
    });
    let reply = post(&request).await?;
    let usage = |tokens: &str| reply["usage"][tokens].as_u64().unwrap_or_default();
    llmtest::note_usage(usage("prompt_tokens"), usage("completion_tokens"));
    let text = reply["choices"][0]["message"]["content"]
        .as_str()
        .ok_or("the model's server answered without a message")?;
    Ok(text.trim().to_string())
}

/// The model's name: `HANDBOOK_MODEL`.
fn model() -> String {
    env::var("HANDBOOK_MODEL").unwrap_or_else(|_| "qwen1.5b".to_string())
}

/// Asks the server at `HANDBOOK_BASE_URL`, with the key in `HANDBOOK_API_KEY` if there is one.
async fn post(request: &Value) -> Result<Value, Error> {
    static CLIENT: LazyLock<reqwest::Client> = LazyLock::new(|| {
        // Fails when a provider is installed already, which is just as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        reqwest::Client::new()
    });
    let base =
        env::var("HANDBOOK_BASE_URL").unwrap_or_else(|_| "http://127.0.0.1:8089/v1".to_string());
    let url = format!("{}/chat/completions", base.trim_end_matches('/'));
    let mut call = CLIENT
        .post(&url)
        .timeout(Duration::from_secs(300))
        .json(request);
    if let Ok(key) = env::var("HANDBOOK_API_KEY") {
        call = call.bearer_auth(key);
    }
    Ok(call.send().await?.error_for_status()?.json().await?)
}
