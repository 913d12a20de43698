//! What a test puts in place of a stream.

use futures_core::Stream;
use futures_util::stream::{self, BoxStream, StreamExt as _};

use super::*;

#[observe(crate = crate, llm, join)]
fn tokens(n: u32) -> impl Stream<Item = String> {
    assert_ne!(n, 0, "the body runs");
    stream::iter([n.to_string()])
}

#[observe(crate = crate)]
async fn checked(n: u32) -> Result<BoxStream<'static, Result<u32, Coded>>, BoxError> {
    assert_ne!(n, 0, "the body runs");
    Ok(stream::iter([Ok(n)]).boxed())
}

type Numbered = BoxStream<'static, Result<u32, Coded>>;

#[observe(crate = crate, stream)]
fn aliased(n: u32) -> Numbered {
    assert_ne!(n, 0, "the body runs");
    stream::iter([Ok(n)]).boxed()
}

#[observe(crate = crate)]
fn after(n: u32) -> impl Future<Output = Result<BoxStream<'static, u32>, BoxError>> {
    assert_ne!(n, 0, "the body runs");
    async move { Ok(stream::iter([n]).boxed()) }
}

#[observe(crate = crate)]
fn in_a_box(n: u32) -> Pin<Box<dyn Future<Output = BoxStream<'static, u32>> + Send>> {
    assert_ne!(n, 0, "the body runs");
    Box::pin(async move { stream::iter([n]).boxed() })
}

#[observe(crate = crate)]
fn opaques() -> impl Stream<Item = Opaque> {
    stream::iter([Opaque])
}

#[test]
fn a_stream_gives_the_items_of_the_substitute() {
    let (got, case) = within(|| {
        substitute("tokens", ["a", "b"]);
        for stage in ["checked", "aliased", "after", "in_a_box"] {
            substitute(stage, [1, 2]);
        }
        block_on(async {
            let text: String = tokens(0).collect().await;
            let checked: Vec<_> = checked(0).await.unwrap().collect().await;
            let aliased: Vec<_> = aliased(0).collect().await;
            assert_eq!(checked, aliased);
            let after: Vec<_> = after(0).await.unwrap().collect().await;
            let in_a_box: Vec<_> = in_a_box(0).await.collect().await;
            assert_eq!(after, in_a_box);
            substitute_error("checked", "no network");
            let error = self::checked(0).await.map(drop).unwrap_err();
            (text, checked, after, error.to_string())
        })
    });
    let wanted = (
        "ab".into(),
        vec![Ok(1), Ok(2)],
        vec![1, 2],
        "no network".into(),
    );
    assert_eq!(got, wanted);
    let spans = case.finish();
    let outputs: Vec<_> = spans.iter().map(|span| span.output.clone()).collect();
    let two = json!([1, 2]);
    assert_eq!(
        outputs,
        [
            json!("ab"),
            two.clone(),
            two.clone(),
            two.clone(),
            two,
            Value::Null
        ]
    );
    assert!(spans.iter().all(|span| span.substituted && !span.replayed));
    assert_eq!(spans[5].error.as_deref(), Some("no network"));
}

#[test]
fn an_item_that_does_not_fit_says_so() {
    let message = failure(|| {
        substitute("in_a_box", json!([1, "two"]));
        block_on(async { in_a_box(0).await.collect::<Vec<_>>().await })
    });
    for word in [
        "`in_a_box` (",
        " as asked for at ",
        "an item",
        "invalid type: string \"two\"",
    ] {
        assert!(
            message.contains(word),
            "it does not say `{word}`: {message}"
        );
    }
    let message = failure(|| {
        substitute("opaques", [1]);
        block_on(opaques().collect::<Vec<_>>())
    });
    for word in [
        "Opaque` cannot be made from JSON",
        "hint: derive `serde::Deserialize`",
    ] {
        assert!(
            message.contains(word),
            "it does not say `{word}`: {message}"
        );
    }
    let message = failure(|| {
        substitute_error("tokens", "no");
        block_on(tokens(1).collect::<String>())
    });
    assert!(message.contains("returns no `Result`"), "{message}");
}
