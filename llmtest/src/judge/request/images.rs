//! Images in the form of every provider, and what cannot be sent.

use crate::config::{Api, JudgeConfig};
use llmtest_metrics::{Image, Message, Prompt};
use serde_json::{Value, json};

/// What providers read.
const KINDS: [&str; 4] = ["image/png", "image/jpeg", "image/gif", "image/webp"];

/// All images of a prompt.
pub(crate) fn of(prompt: &Prompt) -> impl Iterator<Item = &Image> {
    prompt.messages.iter().flat_map(|message| &message.images)
}

/// Why the provider cannot be shown the prompt's images.
pub(crate) fn unfit(config: &JudgeConfig, prompt: &Prompt) -> Option<String> {
    let (name, api) = (config.provider.name, config.provider.api);
    of(prompt).find_map(|image| match image.media_type() {
        _ if name == "deepseek" => Some(format!(
            "`{name}` takes no images\nhint: use a model that does, or leave `Field::Images` out"
        )),
        Some(kind) if !KINDS.contains(&kind) => Some(format!(
            "`{kind}` is no kind of image that providers take\nhint: use one of {}",
            KINDS.map(|kind| format!("`{kind}`")).join(", ")
        )),
        None if matches!(api, Api::Ollama | Api::Converse) => Some(format!(
            "`{name}` fetches no images, and so cannot be given the address {image}\n\
             hint: read the image and give its bytes: `Image::from_bytes(\"image/png\", bytes)`"
        )),
        _ => None,
    })
}

/// A message of chat completions, and of Cohere.
pub(super) fn chat(message: &Message) -> Value {
    with(
        message,
        "text",
        |image| json!({ "type": "image_url", "image_url": { "url": image.to_url() } }),
    )
}

/// A message of responses.
pub(super) fn responses(message: &Message) -> Value {
    with(
        message,
        "input_text",
        |image| json!({ "type": "input_image", "image_url": image.to_url() }),
    )
}

fn with(message: &Message, kind: &str, part: impl Fn(&Image) -> Value) -> Value {
    if message.images.is_empty() {
        return json!({ "role": message.role, "content": message.content });
    }
    let text = json!({ "type": kind, "text": message.content });
    let parts: Vec<Value> = [text]
        .into_iter()
        .chain(message.images.iter().map(part))
        .collect();
    json!({ "role": message.role, "content": parts })
}

/// The content of one of Anthropic's messages.
pub(super) fn messages(message: &Message) -> Value {
    if message.images.is_empty() {
        return json!(message.content);
    }
    let images = message.images.iter().map(|image| {
        let source = match image.media_type() {
            Some(kind) => json!({ "type": "base64", "media_type": kind, "data": image.base64() }),
            None => json!({ "type": "url", "url": image.to_url() }),
        };
        json!({ "type": "image", "source": source })
    });
    let text = json!({ "type": "text", "text": message.content });
    images.chain([text]).collect()
}

/// The parts of one of Gemini's messages.
pub(super) fn gemini(message: &Message) -> Value {
    let images = message.images.iter().map(|image| match image.media_type() {
        Some(kind) => json!({ "inlineData": { "mimeType": kind, "data": image.base64() } }),
        None => json!({ "fileData": { "fileUri": image.to_url() } }),
    });
    images.chain([json!({ "text": message.content })]).collect()
}

/// A message of Ollama.
pub(super) fn ollama(message: &Message) -> Value {
    let mut own = json!({ "role": message.role, "content": message.content });
    if !message.images.is_empty() {
        own["images"] = message.images.iter().map(Image::base64).collect();
    }
    own
}

/// The content of one of converse's messages.
pub(super) fn converse(message: &Message) -> Value {
    let images = message.images.iter().map(|image| {
        let kind = image.media_type().unwrap_or_default();
        let format = kind.strip_prefix("image/").unwrap_or(kind);
        json!({ "image": { "format": format, "source": { "bytes": image.base64() } } })
    });
    images.chain([json!({ "text": message.content })]).collect()
}
