//! Images, in the form of every provider.

use super::super::mock::{Answer, Mock};
use super::super::tests::block_on;
use super::providers::*;
use llmtest_metrics::Image;
use serde_json::json;

/// What each provider is shown of an image at hand; a recording holds its hash.
#[test]
fn images_are_shown_in_the_form_of_every_provider() {
    let cases = [
        (
            openai(),
            "/messages/1/content/1",
            json!({ "type": "image_url", "image_url": { "url": "data:image/png;base64,iVBORw==" } }),
        ),
        (
            cohere(),
            "/messages/1/content/1/image_url/url",
            json!("data:image/png;base64,iVBORw=="),
        ),
        (
            responses(),
            "/input/1/content/1",
            json!({ "type": "input_image", "image_url": "data:image/png;base64,iVBORw==" }),
        ),
        (
            anthropic(),
            "/messages/0/content/0",
            json!({ "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": "iVBORw==" } }),
        ),
        (
            gemini(),
            "/contents/0/parts/0",
            json!({ "inlineData": { "mimeType": "image/png", "data": "iVBORw==" } }),
        ),
        (ollama(), "/messages/1/images", json!(["iVBORw=="])),
        #[cfg(feature = "bedrock")]
        (
            bedrock(),
            "/messages/0/content/0",
            json!({ "image": { "format": "png", "source": { "bytes": "iVBORw==" } } }),
        ),
    ];
    for (adapter, place, expected) in cases {
        let mock = Mock::start([ok(&adapter.good)]);
        let bench = bench("image", &adapter, &mock.url(), &[]);
        let mut prompt = prompt();
        prompt.messages[1].images = vec![Image::from_bytes("image/png", *b"\x89PNG")];
        let judge = bench.judges.standard().unwrap();
        block_on(judge.complete(&prompt)).unwrap();
        let body = mock.received().remove(0).body;
        assert_eq!(body.pointer(place), Some(&expected), "{body}");
        bench.recordings.finish().unwrap();
        let recorded = bench.recorded("judge/g_eval.jsonl");
        assert!(
            recorded.contains("\"images\":[\"image/png ") && !recorded.contains("iVBORw"),
            "{recorded}"
        );
        // Another image is another request.
        prompt.messages[1].images = vec![Image::from_bytes("image/png", *b"\x89PNH")];
        assert!(!block_on(judge.complete(&prompt)).unwrap().replayed);
        assert_eq!(mock.received().len(), 2);
    }
}

#[test]
fn an_image_that_cannot_be_shown_is_an_error() {
    let deepseek = Adapter {
        model: "deepseek:deepseek-chat",
        key: "DEEPSEEK_API_KEY",
        ..openai()
    };
    let at_hand = Image::from_bytes("image/png", *b"\x89PNG");
    let error = |adapter: &Adapter, image: &Image, answer: Answer| {
        let mock = Mock::start([answer]);
        let bench = bench("unfit", adapter, &mock.url(), &[("LLMTEST_RETRIES", "0")]);
        let mut prompt = prompt();
        prompt.messages[1].images = vec![image.clone()];
        let judge = bench.judges.standard().unwrap();
        let error = block_on(judge.complete(&prompt)).unwrap_err().to_string();
        (error, mock.received().len())
    };
    let good = || ok(&openai().good);
    let (said, asked) = error(&deepseek, &at_hand, good());
    assert!(
        said.starts_with("`deepseek` takes no images\nhint: ") && asked == 0,
        "{said}"
    );
    let (said, asked) = error(&ollama(), &Image::url("https://example.com/a.png"), good());
    assert!(
        said.contains("`ollama` fetches no images") && asked == 0,
        "{said}"
    );
    let odd = Image::from_bytes("image/tiff", *b"II*");
    let (said, asked) = error(&openai(), &odd, good());
    assert!(
        said.contains("`image/tiff` is no kind") && asked == 0,
        "{said}"
    );
    let refusal = Answer::error(400, "Invalid content type. image_url is not supported");
    let (said, asked) = error(&openai(), &at_hand, refusal);
    assert!(
        said.contains("its prompt shows images (1), which not every model takes") && asked == 1,
        "{said}"
    );
}
