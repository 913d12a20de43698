use super::*;
use std::path::Path;

fn config(vars: &[(&str, &str)]) -> JudgeConfig {
    let vars: Vec<_> = vars
        .iter()
        .map(|(name, value)| ((*name).to_string(), (*value).to_string()))
        .collect();
    let nowhere = Path::new("/nonexistent/llmtest");
    crate::config::load(nowhere, &vars, nowhere.to_path_buf())
        .unwrap()
        .judge
}

fn url(vars: &[(&str, &str)]) -> String {
    of_prompt(&config(vars), &Prompt::new("a/b", "c"), Dialect::default()).url
}

#[test]
fn addresses_are_made_of_the_base_and_the_model() {
    for (model, base, expected) in [
        (
            "azure:my judge",
            "https://x.openai.azure.com/openai",
            "https://x.openai.azure.com/openai/deployments/my%20judge/chat/completions?api-version=2024-10-21",
        ),
        (
            "azure:j",
            "https://x.openai.azure.com/openai/v1",
            "https://x.openai.azure.com/openai/v1/chat/completions",
        ),
        (
            "gemini:tunedModels/a?b",
            "https://g/v1beta",
            "https://g/v1beta/tunedModels/a%3Fb:generateContent",
        ),
        ("ollama:m", "http://h:1/api", "http://h:1/api/chat"),
    ] {
        assert_eq!(
            url(&[("LLMTEST_MODEL", model), ("LLMTEST_BASE_URL", base)]),
            expected
        );
    }
    for (model, expected) in [
        ("groq:m", "https://api.groq.com/openai/v1/chat/completions"),
        ("xai:m", "https://api.x.ai/v1/chat/completions"),
        ("vllm:m", "http://127.0.0.1:8000/v1/chat/completions"),
        ("anthropic:m", "https://api.anthropic.com/v1/messages"),
        ("m", "https://api.openai.com/v1/chat/completions"),
    ] {
        assert_eq!(url(&[("LLMTEST_MODEL", model)]), expected);
    }
}

#[test]
fn a_prompt_of_the_system_alone_is_said_by_the_user() {
    let mut prompt = Prompt::new("a/b", "Judge this.");
    prompt.messages[0].role = "system".to_string();
    let body = of_prompt(
        &config(&[("LLMTEST_MODEL", "anthropic:m")]),
        &prompt,
        Dialect::default(),
    )
    .body;
    assert_eq!(
        body["messages"],
        json!([{ "role": "user", "content": "Judge this." }])
    );
    assert!(body["system"].is_null());
}
