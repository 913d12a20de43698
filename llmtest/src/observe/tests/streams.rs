//! Streams that observed functions return.

use std::collections::VecDeque;

use futures_core::Stream;
use futures_util::stream::{self, BoxStream, LocalBoxStream, StreamExt as _};

use super::*;

/// Waits before each item, calls an observed function for 7 and panics at 13.
fn numbers(items: &[u32]) -> impl Stream<Item = u32> + Send + use<> {
    let items: VecDeque<u32> = items.iter().copied().collect();
    stream::unfold(items, |mut items| async move {
        tokio::task::yield_now().await;
        let n = items.pop_front()?;
        if n == 7 {
            inner(7).await;
        }
        assert_ne!(n, 13, "on purpose");
        Some((n, items))
    })
}

#[observe(crate = crate, llm)]
fn counts(items: &[u32]) -> impl Stream<Item = u32> + Send + use<> {
    numbers(items)
}

#[observe(crate = crate)]
async fn counts_later(items: &[u32]) -> impl Stream<Item = u32> + use<> {
    inner(1).await;
    numbers(items)
}

#[observe(crate = crate)]
async fn counts_maybe(items: &[u32]) -> Result<impl Stream<Item = u32> + use<>, BoxError> {
    if items.is_empty() {
        return Err("nothing to count".into());
    }
    Ok(numbers(items))
}

#[observe(crate = crate)]
fn counts_boxed<'a>(items: &'a [u32]) -> Pin<Box<dyn Stream<Item = &'a u32> + Send + 'a>> {
    Box::pin(stream::iter(items))
}

#[observe(crate = crate)]
async fn counts_in_a_box(items: &[u32]) -> Result<BoxStream<'static, u32>, CodedError> {
    match items {
        [] => Err(CodedError(0)),
        items => Ok(numbers(items).boxed()),
    }
}

#[observe(crate = crate)]
fn counts_here(items: &[u32]) -> LocalBoxStream<'_, u32> {
    stream::iter(items.iter().copied()).boxed_local()
}

type Numbered = Pin<Box<dyn Stream<Item = Result<u32, CodedError>> + Send + Sync>>;

#[observe(crate = crate, stream)]
fn checked(items: &[u32]) -> Numbered {
    let checked = |n| if n == 0 { Err(CodedError(n)) } else { Ok(n) };
    Box::pin(stream::iter(items.to_vec()).map(checked))
}

#[observe(crate = crate)]
fn counts_after(items: &[u32]) -> impl Future<Output = Result<BoxStream<'static, u32>, BoxError>> {
    let items = items.to_vec();
    async move { Ok(numbers(&items).boxed()) }
}

#[observe(crate = crate)]
fn counts_as_traits_do<'a>(
    items: &'a [u32],
) -> Pin<Box<dyn Future<Output = Result<BoxStream<'a, u32>, BoxError>> + Send + 'a>> {
    Box::pin(async move {
        let _ = items.first().ok_or("nothing")?;
        Ok(numbers(items).boxed())
    })
}

#[observe(crate = crate)]
fn repeats<T: Clone + Serialize, const N: usize>(item: T) -> impl Stream<Item = T> {
    stream::iter(vec![item; N])
}

#[observe(crate = crate)]
fn opaques() -> impl Stream<Item = Opaque> {
    stream::iter([Opaque])
}

#[observe(crate = crate, llm, join)]
fn tokens(pieces: &[&'static str]) -> impl Stream<Item = Result<&'static str, String>> + use<> {
    stream::iter(pieces.to_vec()).map(|piece| match piece {
        "" => Err("cut off".to_string()),
        piece => Ok(piece),
    })
}

#[observe(crate = crate, stream, join)]
fn pieces() -> BoxStream<'static, Value> {
    stream::iter([json!("a"), json!(1)]).boxed()
}

#[observe(crate = crate, redact(result))]
fn secrets() -> impl Stream<Item = Result<&'static str, &'static str>> {
    stream::iter([Ok("swordfish"), Err("no swordfish")])
}

#[observe(crate = crate, skip(result))]
fn skipped() -> impl Stream<Item = &'static str> {
    stream::iter(["swordfish"])
}

async fn all<S: Stream>(stream: S) -> Vec<S::Item> {
    stream.collect().await
}

#[test]
fn items_are_recorded_as_they_are_consumed() {
    let spans = spans_of_future(async {
        let mut stream = Box::pin(counts(&[1, 7, 3]));
        assert_eq!(stream.next().await, Some(1));
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        assert_eq!(all(stream).await, [7, 3]);
    });
    assert_eq!(
        tree(&spans),
        [("counts", None, None), ("inner", Some(0), None)]
    );
    assert_eq!(spans[0].output, json!([1, 7, 3]));
    assert_eq!(spans[0].notes, [""; 0]);
    let length = spans[0].end.unwrap().saturating_sub(spans[0].start);
    let first = spans[0].first_item.unwrap();
    assert!(
        first < length && length >= std::time::Duration::from_millis(20),
        "{first:?} of {length:?}"
    );
}

#[test]
fn streams_come_in_every_shape() {
    let items = [1, 2];
    let spans = spans_of_future(async {
        assert_eq!(all(counts_later(&items).await).await, items);
        assert_eq!(all(counts_maybe(&items).await.unwrap()).await, items);
        assert_eq!(all(counts_boxed(&items)).await, [&1, &2]);
        assert_eq!(all(counts_in_a_box(&items).await.unwrap()).await, items);
        assert_eq!(all(counts_here(&items)).await, items);
        assert_eq!(all(checked(&items)).await, [Ok(1), Ok(2)]);
        assert_eq!(all(counts_after(&items).await.unwrap()).await, items);
        assert_eq!(all(counts_as_traits_do(&items).await.unwrap()).await, items);
        assert_eq!(all(repeats::<_, 2>(3)).await, [3, 3]);
        assert_eq!(all(opaques()).await.len(), 1);
    });
    let outputs: Vec<_> = spans
        .iter()
        .filter(|span| span.name != "inner")
        .map(|span| (&*span.name, span.output.to_string()))
        .collect();
    let expected = [
        ("counts_later", "[1,2]"),
        ("counts_maybe", "[1,2]"),
        ("counts_boxed", "[1,2]"),
        ("counts_in_a_box", "[1,2]"),
        ("counts_here", "[1,2]"),
        ("checked", "[1,2]"),
        ("counts_after", "[1,2]"),
        ("counts_as_traits_do", "[1,2]"),
        ("repeats", "[3,3]"),
        ("opaques", r#"["<llmtest::observe::tests::Opaque>"]"#),
    ]
    .map(|(name, output)| (name, output.to_string()));
    assert_eq!(outputs, expected);
    assert!(spans.iter().all(|span| span.error.is_none()), "{spans:?}");
}

#[test]
fn an_error_before_the_first_item_is_the_spans_error() {
    let spans = spans_of_future(async {
        assert!(counts_maybe(&[]).await.is_err());
        assert!(counts_in_a_box(&[]).await.is_err());
        assert!(counts_as_traits_do(&[]).await.is_err());
    });
    let errors = [
        ("counts_maybe", None, Some("nothing to count")),
        ("counts_in_a_box", None, Some("code 0")),
        ("counts_as_traits_do", None, Some("nothing")),
    ];
    assert_eq!(tree(&spans), errors);
}

#[test]
fn an_error_among_the_items_leaves_what_came_before_and_after() {
    let spans = spans_of_future(async { all(checked(&[1, 0, 2])).await });
    assert_eq!(tree(&spans), [("checked", None, Some("code 0"))]);
    assert_eq!(spans[0].output, json!([1, 2]));
}

#[test]
fn a_stream_that_is_dropped_early_ends_with_what_was_taken() {
    let spans = spans_of_future(async {
        let taken: Vec<_> = counts(&[1, 2, 3, 4]).take(3).collect().await;
        assert_eq!(taken, [1, 2, 3]);
        assert_eq!(Box::pin(counts(&[1, 2])).next().await, Some(1));
        drop(counts(&[1]));
    });
    let ends: Vec<_> = spans
        .iter()
        .map(|span| (span.output.clone(), span.error.clone(), span.notes.join("")))
        .collect();
    let expected = [
        (json!([1, 2, 3]), None, "dropped after 3 items".to_string()),
        (json!([1]), None, "dropped after 1 item".to_string()),
        (json!([]), None, "dropped after 0 items".to_string()),
    ];
    assert_eq!(ends, expected);
    assert_eq!(spans[2].first_item, None);
}

#[test]
fn a_panic_within_a_stream_keeps_what_came_before() {
    let case = case();
    let caught = catch_unwind(AssertUnwindSafe(|| {
        block_on(scope(case.clone(), async {
            all(counts(&[1, 13, 2])).await
        }))
    }));
    assert!(caught.is_err());
    let spans = case.finish();
    assert_eq!(tree(&spans), [("counts", None, Some("panicked"))]);
    assert_eq!(spans[0].output, json!([1]));
    assert_eq!(spans[0].notes, [""; 0]);
}

#[test]
fn a_stream_that_outlives_its_case_is_unfinished() {
    let case = case();
    let stream = block_on(scope(case.clone(), async { counts(&[1, 2]) }));
    assert_eq!(tree(&case.finish()), [("counts", None, Some("unfinished"))]);
    assert_eq!(block_on(all(stream)), [1, 2]);
}

#[test]
fn a_stream_takes_its_span_along_to_another_task() {
    let _other = case();
    let spans = spans_of_future(async {
        let stream = counts(&[7]);
        assert_eq!(tokio::spawn(all(stream)).await.unwrap(), [7]);
    });
    assert_eq!(
        tree(&spans),
        [("counts", None, None), ("inner", Some(0), None)]
    );
}

#[test]
fn pieces_of_text_are_joined_if_that_is_asked_for() {
    let spans = spans_of_future(async {
        all(tokens(&["Hel", "lo", " you"])).await;
        all(tokens(&["Hel", ""])).await;
        all(pieces()).await;
    });
    assert_eq!(spans[0].output, json!("Hello you"));
    assert_eq!(spans[1].output, json!("Hel"));
    assert_eq!(spans[1].error.as_deref(), Some("cut off"));
    assert_eq!(spans[2].output, json!(["a", 1]));
    assert_eq!(spans[2].notes, ["not joined: not every item is text"]);
}

#[test]
fn results_that_are_redacted_or_skipped_show_no_item() {
    let spans = spans_of_future(async {
        assert_eq!(all(secrets()).await.len(), 2);
        assert_eq!(all(skipped()).await.len(), 1);
    });
    assert!(!format!("{spans:?}").contains("swordfish"), "{spans:?}");
    assert_eq!(spans[0].output, json!("[redacted]"));
    assert_eq!(spans[0].error.as_deref(), Some("[redacted]"));
    assert_eq!(spans[1].output, Value::Null);
    assert!(spans.iter().all(|span| span.first_item.is_some()));
}

#[test]
fn a_span_keeps_so_many_items_and_says_how_many_there_were() {
    let spans = spans_of_future(async {
        let many: Vec<u32> = (0..10_002).collect();
        assert_eq!(all(checked(&many[1..])).await.len(), 10_001);
    });
    assert_eq!(spans[0].output.as_array().unwrap().len(), 10_000);
    assert_eq!(spans[0].notes, ["kept 10000 of 10001 items"]);
}

#[test]
fn a_stream_of_nobody_is_left_alone() {
    let stream = counts(&[1, 2]);
    let boxed = counts_boxed(&[3]);
    assert_eq!(boxed.size_hint(), (1, Some(1)));
    assert_eq!(block_on(all(stream)), [1, 2]);
    assert_eq!(block_on(all(boxed)), [&3]);
}

// Replay.

#[observe(crate = crate, replay, skip(live), key = ())]
fn stage(items: &[u32], live: bool) -> impl Stream<Item = Result<u32, CodedError>> + use<> {
    assert!(live, "replayed");
    stream::iter(items.to_vec()).map(|n| if n == 0 { Err(CodedError(4)) } else { Ok(n) })
}

#[observe(crate = crate, llm, join, replay, skip(live), key = ())]
async fn boxed_tokens(
    text: &str,
    live: bool,
) -> Result<BoxStream<'static, Result<String, BoxError>>, BoxError> {
    assert!(live, "replayed");
    if text.is_empty() {
        return Err("no text".into());
    }
    let words: Vec<_> = text.split_inclusive(' ').map(str::to_string).collect();
    Ok(stream::iter(words)
        .map(|word| match &*word {
            "!" => Err("stopped".into()),
            _ => Ok(word),
        })
        .boxed())
}

#[observe(crate = crate, stream, replay, skip(live), key = ())]
fn aliased(items: &[u32], live: bool) -> Numbered {
    assert!(live, "replayed");
    checked(items)
}

#[observe(crate = crate, replay, skip(live), key = ())]
fn future_of_a_stream(
    n: u32,
    live: bool,
) -> Pin<Box<dyn Future<Output = Result<BoxStream<'static, u32>, CodedError>> + Send>> {
    assert!(live, "replayed");
    Box::pin(async move {
        if n == 0 {
            return Err(CodedError(1));
        }
        Ok(stream::iter(0..n).boxed())
    })
}

#[observe(crate = crate, replay, skip(live), key = ())]
async fn maybe_stage(n: u32, live: bool) -> llmtest_result::Result<impl Stream<Item = u32>> {
    assert!(live, "replayed");
    if n == 0 {
        return Err("none".into());
    }
    Ok(stream::iter(0..n))
}

mod llmtest_result {
    pub(super) type Result<T, E = super::BoxError> = std::result::Result<T, E>;
}

#[observe(crate = crate, replay, skip(live), key = ())]
fn unrecordable_items(live: bool) -> impl Stream<Item = Result<u32, Printable>> {
    assert!(live, "replayed");
    stream::iter([Ok(1), Err(Printable)])
}

/// Runs twice: what is recorded the first time is replayed the second.
fn twice<R, F: Future<Output = R>>(run: impl Fn(bool) -> F) -> (R, R, Vec<RawSpan>) {
    let memory = Arc::new(Memory::default());
    let (live, case) = with(&memory, || block_on(run(true)));
    assert_eq!(case.failure(), None);
    let recorded = case.finish();
    let (replayed, case) = with(&memory.frozen(), || block_on(run(false)));
    assert_eq!(case.failure(), None);
    let (count, marked) = case.stages();
    assert_eq!(count, marked);
    let spans = case.finish();
    for (span, live) in spans
        .iter()
        .zip(recorded.iter().filter(|span| span.parent.is_none()))
    {
        assert!(span.replayed);
        assert_eq!((&span.name, &span.output), (&live.name, &live.output));
        assert_eq!((&span.error, &span.notes), (&live.error, &live.notes));
        assert_eq!(span.first_item.is_some(), live.first_item.is_some());
    }
    (live, replayed, spans)
}

#[test]
fn a_recorded_stream_gives_its_items_and_errors_at_their_places() {
    let (live, replayed, spans) =
        twice(|live| async move { all(stage(&[1, 0, 0, 2], live)).await });
    assert_eq!(live, [Ok(1), Err(CodedError(4)), Err(CodedError(4)), Ok(2)]);
    assert_eq!(replayed, live);
    assert_eq!(spans[0].error.as_deref(), Some("code 4"));
    assert_eq!(spans[0].output, json!([1, 2]));
}

#[test]
fn recorded_streams_replay_in_every_shape() {
    let (live, replayed, spans) = twice(|live| async move {
        let mut seen = Vec::new();
        for text in ["Hello to you", "Hello !", ""] {
            match boxed_tokens(text, live).await {
                Ok(stream) => seen.extend(
                    all(stream)
                        .await
                        .into_iter()
                        .map(|item| item.unwrap_or_else(|error| format!("! {error}"))),
                ),
                Err(error) => seen.push(format!("!! {error}")),
            }
        }
        seen.push(format!("{:?}", all(aliased(&[1, 0], live)).await));
        for n in [0, 2] {
            match future_of_a_stream(n, live).await {
                Ok(stream) => seen.push(format!("{:?}", all(stream).await)),
                Err(error) => seen.push(error.to_string()),
            }
            match maybe_stage(n, live).await {
                Ok(stream) => seen.push(format!("{:?}", all(stream).await)),
                Err(error) => seen.push(error.to_string()),
            }
        }
        seen
    });
    let expected = [
        "Hello ",
        "to ",
        "you",
        "Hello ",
        "! stopped",
        "!! no text",
        "[Ok(1), Err(CodedError(0))]",
        "code 1",
        "none",
        "[0, 1]",
        "[0, 1]",
    ];
    assert_eq!(live, expected);
    assert_eq!(replayed, live);
    assert_eq!(spans[0].output, json!("Hello to you"));
}

#[test]
fn a_stream_that_was_dropped_early_replays_what_was_taken_and_no_more() {
    let memory = Arc::new(Memory::default());
    let take = |live, n| move || block_on(all(stage(&[1, 2, 3, 4], live).take(n)));
    let (live, _) = with(&memory, take(true, 2));
    let frozen = memory.frozen();
    let (replayed, case) = with(&frozen, take(false, 2));
    assert_eq!((replayed, case.failure()), (live, None));
    assert_eq!(case.finish()[0].notes, ["dropped after 2 items"]);

    let (caught, case) = with(&frozen, || catch_unwind(take(false, 3)));
    assert!(caught.is_err());
    let failure = case.failure().unwrap();
    assert!(
        failure.contains("stage `stage` (") && failure.contains("dropped after 2 items"),
        "{failure}"
    );
    let spans = case.finish();
    assert_eq!(tree(&spans), [("stage", None, Some("no recording"))]);
    assert_eq!(spans[0].output, json!([1, 2]));
}

#[test]
fn a_stream_is_not_recorded_if_it_panics_or_an_error_cannot_be_rebuilt() {
    let memory = Arc::new(Memory::default());
    let (items, _) = with(&memory, || block_on(all(unrecordable_items(true))));
    assert_eq!(items.len(), 2);
    let (caught, _) = with(&memory, || {
        catch_unwind(|| {
            block_on(async {
                let mut stream = Box::pin(stage(&[1, 2], true));
                stream.next().await;
                panic!("on purpose");
            })
        })
    });
    assert!(caught.is_err());
    assert_eq!(memory.outcomes.lock().unwrap().len(), 0);
}

#[test]
fn an_item_of_another_type_is_a_miss() {
    let memory = Arc::new(Memory::default());
    let run = |live| move || block_on(all(aliased(&[1], live)));
    let _ = with(&memory, run(true));
    for outcome in memory.outcomes.lock().unwrap().values_mut() {
        *outcome = json!({"ok": ["text"]});
    }
    let (caught, case) = with(&memory.frozen(), || catch_unwind(run(false)));
    assert!(caught.is_err());
    let failure = case.failure().unwrap();
    assert!(
        failure.contains("stage `aliased`") && failure.contains("invalid type: string"),
        "{failure}"
    );
}

#[test]
fn all_items_are_recorded_whatever_the_span_keeps() {
    let many: Vec<u32> = (1..=10_005).collect();
    let (live, replayed, spans) = twice(|live| all(stage(&many, live)));
    assert_eq!(live.len(), 10_005);
    assert_eq!(replayed, live);
    assert_eq!(spans[0].notes, ["kept 10000 of 10005 items"]);
}
