//! Functions of every shape that other attributes take, observed.

#![expect(
    clippy::elidable_lifetime_names,
    clippy::needless_arbitrary_self_type,
    clippy::needless_borrowed_reference,
    clippy::question_mark,
    clippy::toplevel_ref_arg,
    reason = "the odd ways to write a function are what is tested"
)]

use std::fmt::{Debug, Display};
use std::rc::Rc;

use async_trait::async_trait;
use futures_core::Stream;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;

use super::*;

/// Each span as `name {input} = output`, or `! error`.
fn lines(spans: &[RawSpan]) -> Vec<String> {
    let line = |span: &RawSpan| {
        let input = json!(span.input);
        match &span.error {
            Some(error) => format!("{} {input} ! {error}", span.name),
            None => format!("{} {input} = {}", span.name, span.output),
        }
    };
    spans.iter().map(line).collect()
}

fn assert_send<T: Send>(value: T) -> T {
    value
}

// Receivers.

#[derive(Clone)]
struct Counter(u32);

impl Counter {
    #[observe(crate = crate)]
    fn by_value(self) -> u32 {
        self.0
    }

    #[observe(crate = crate)]
    fn by_mut_value(mut self, more: u32) -> Self {
        self.0 += more;
        self
    }

    #[observe(crate = crate)]
    fn by_typed_ref(self: &Self) -> &u32 {
        &self.0
    }

    #[observe(crate = crate)]
    fn by_mut(&mut self) -> &mut Self {
        self.0 += 1;
        self
    }

    #[observe(crate = crate)]
    fn by_box(self: Box<Self>) -> Box<Self> {
        self
    }

    #[observe(crate = crate)]
    fn by_rc(self: Rc<Self>) -> u32 {
        self.0
    }

    #[observe(crate = crate)]
    fn by_arc(self: Arc<Self>, n: u32) -> u32 {
        self.0 + n
    }

    #[observe(crate = crate)]
    fn by_ref_arc(self: &Arc<Self>) -> Arc<Self> {
        self.clone()
    }

    #[observe(crate = crate)]
    fn by_pin(mut self: Pin<&mut Self>) -> u32 {
        self.0 += 1;
        self.0
    }

    #[observe(crate = crate)]
    async fn by_value_later(mut self) -> u32 {
        self.0 += inner(1).await;
        self.0
    }

    #[observe(crate = crate)]
    async fn by_arc_later(self: Arc<Self>) -> u32 {
        inner(self.0).await
    }

    #[observe(crate = crate)]
    async fn by_pin_later(mut self: Pin<&mut Self>, n: u32) -> Pin<&mut Self> {
        self.0 += inner(n).await;
        self
    }

    #[observe(crate = crate)]
    fn by_arc_future(self: Arc<Self>) -> impl Future<Output = u32> + Send {
        async move { inner(self.0).await }
    }

    #[observe(crate = crate)]
    fn by_ref_stream(&self) -> impl Stream<Item = &u32> {
        futures_util::stream::iter([&self.0])
    }
}

#[test]
fn every_kind_of_self_is_taken_and_none_is_recorded() {
    let counter = Counter(1);
    let spans = spans_of_future(async {
        assert_eq!(counter.clone().by_mut_value(2).by_value(), 3);
        assert_eq!(counter.by_typed_ref(), &1);
        assert_eq!(counter.clone().by_mut().0, 2);
        assert_eq!(Box::new(counter.clone()).by_box().0, 1);
        assert_eq!(Rc::new(counter.clone()).by_rc(), 1);
        let shared = Arc::new(counter.clone());
        assert_eq!(shared.by_ref_arc().by_arc(4), 5);
        assert_eq!(Pin::new(&mut counter.clone()).by_pin(), 2);
        assert_eq!(assert_send(counter.clone().by_value_later()).await, 2);
        assert_eq!(assert_send(shared.clone().by_arc_later()).await, 1);
        let mut pinned = counter.clone();
        assert_eq!(Pin::new(&mut pinned).by_pin_later(5).await.0, 6);
        assert_eq!(assert_send(shared.by_arc_future()).await, 1);
        assert_eq!(counter.by_ref_stream().collect::<Vec<&u32>>().await, [&1]);
    });
    let own: Vec<_> = spans.iter().filter(|span| span.parent.is_none()).collect();
    assert_eq!(own.len(), 14);
    for span in own {
        assert!(!span.input.contains_key("self"), "{span:?}");
    }
    assert_eq!(spans.iter().filter(|span| span.name == "inner").count(), 4);
}

// Traits.

#[async_trait]
trait Service {
    #[observe(crate = crate)]
    async fn greet(&self, name: &str) -> String {
        format!("Hello {name} {}", inner(1).await)
    }

    async fn call(&mut self, request: u32, (a, b): (u32, u32)) -> Result<u32, BoxError>;

    async fn generic<T: Debug + Send>(self: Arc<Self>, value: T) -> T;

    async fn stream(&self, n: u32) -> Result<BoxStream<'_, u32>, BoxError>;
}

#[async_trait]
impl Service for Counter {
    #[observe(crate = crate, skip(request))]
    async fn call(&mut self, request: u32, (a, b): (u32, u32)) -> Result<u32, BoxError> {
        if request == 0 {
            return Err("nothing asked".into());
        }
        let parsed: u32 = "5".parse()?;
        self.0 += inner(parsed).await + a + b;
        Ok(self.0)
    }

    #[observe(crate = crate)]
    async fn generic<T: Debug + Send>(self: Arc<Self>, value: T) -> T {
        inner(self.0).await;
        value
    }

    #[observe(crate = crate)]
    async fn stream(&self, n: u32) -> Result<BoxStream<'_, u32>, BoxError> {
        let start = inner(self.0).await;
        if n == 0 {
            Err("an empty stream")?;
        }
        Ok(futures_util::stream::iter(start..start + n).boxed())
    }
}

#[test]
fn methods_of_async_traits_are_observed() {
    let spans = spans_of_future(async {
        let mut counter = Counter(1);
        assert_eq!(assert_send(counter.greet("Ann")).await, "Hello Ann 1");
        assert!(counter.call(0, (0, 0)).await.is_err());
        assert_eq!(assert_send(counter.call(1, (2, 3))).await.unwrap(), 11);
        assert_eq!(Arc::new(counter.clone()).generic('c').await, 'c');
        let items: Vec<_> = counter.stream(2).await.unwrap().collect().await;
        assert_eq!(items, [11, 12]);
        assert!(counter.stream(0).await.is_err());
    });
    let own: Vec<_> = spans
        .iter()
        .filter(|span| span.parent.is_none())
        .cloned()
        .collect();
    let expected = [
        r#"greet {"name":"Ann"} = "Hello Ann 1""#,
        r#"call {"__arg2":[0,0]} ! nothing asked"#,
        r#"call {"__arg2":[2,3]} = 11"#,
        r#"generic {"value":"'c'"} = "'c'""#,
        r#"stream {"n":2} = [11,12]"#,
        r#"stream {"n":0} ! an empty stream"#,
    ];
    assert_eq!(lines(&own), expected);
    assert_eq!(spans.len() - own.len(), 5);
}

/// What `#[async_trait]` wrote before its version 0.1.44: an inner function.
#[observe(crate = crate)]
fn old_expansion<'a>(
    counter: &'a mut Counter,
    n: u32,
) -> Pin<Box<dyn Future<Output = Result<u32, BoxError>> + Send + 'a>> {
    async fn old_expansion(counter: &mut Counter, n: u32) -> Result<u32, BoxError> {
        counter.0 += inner(n).await;
        if n == 0 {
            return Err("zero".into());
        }
        Ok(counter.0)
    }
    Box::pin(old_expansion(counter, n))
}

/// Code before the future, which runs at the call.
#[observe(crate = crate)]
fn code_before(n: u32) -> BoxFuture<'static, u32> {
    let more = generic(n) + 1;
    if n == 0 {
        return Box::pin(std::future::ready(0));
    }
    Box::pin(async move { inner(more).await })
}

/// A bare `async move` as the tail.
#[observe(crate = crate)]
fn bare_tail<'a>(text: &'a str) -> impl Future<Output = Result<&'a str, BoxError>> + use<'a> {
    async move {
        let n: u32 = text.parse()?;
        inner(n).await;
        Ok(text)
    }
}

#[observe(crate = crate)]
fn future_of_something(n: u32) -> impl Future<Output = impl Display> {
    async move { inner(n).await }
}

#[test]
fn hand_written_futures_are_observed() {
    let mut counter = Counter(1);
    let spans = spans_of_future(async {
        assert_eq!(old_expansion(&mut counter, 2).await.unwrap(), 3);
        assert!(old_expansion(&mut counter, 0).await.is_err());
        assert_eq!((code_before(0).await, code_before(1).await), (0, 2));
        assert_eq!(bare_tail("3").await.unwrap(), "3");
        assert!(bare_tail("x").await.is_err());
        assert_eq!(future_of_something(4).await.to_string(), "4");
    });
    let expected = [
        r#"old_expansion {"counter":"<&mut llmtest::observe::tests::shapes::Counter>","n":2} = 3"#,
        r#"inner {"n":2} = 2"#,
        r#"old_expansion {"counter":"<&mut llmtest::observe::tests::shapes::Counter>","n":0} ! zero"#,
        r#"inner {"n":0} = 0"#,
        r#"code_before {"n":0} = 0"#,
        r#"generic {"value":"<u32>"} = "<u32>""#,
        r#"code_before {"n":1} = 2"#,
        r#"generic {"value":"<u32>"} = "<u32>""#,
        r#"inner {"n":2} = 2"#,
        r#"bare_tail {"text":"3"} = "3""#,
        r#"inner {"n":3} = 3"#,
        r#"bare_tail {"text":"x"} ! invalid digit found in string"#,
        r#"future_of_something {"n":4} = 4"#,
        r#"inner {"n":4} = 4"#,
    ];
    assert_eq!(lines(&spans), expected);
    assert!(
        spans
            .iter()
            .filter(|span| span.name == "inner")
            .all(|span| span.parent.is_some())
    );
}

trait Answers {
    const PREFIX: &'static str;
    type Answer: Debug + Default;

    #[observe(crate = crate)]
    async fn by_default(&self, question: &str) -> String
    where
        Self: Sync,
    {
        inner(1).await;
        format!("{}{question}", Self::PREFIX)
    }

    #[observe(crate = crate)]
    fn sync_default(&self) -> Self::Answer {
        Self::Answer::default()
    }

    fn sends(&self, n: u32) -> impl Future<Output = Result<u32, BoxError>> + Send;

    fn items(&self) -> impl Stream<Item = u32> + Send;
}

impl Answers for Counter {
    const PREFIX: &'static str = "re: ";
    type Answer = u8;

    #[observe(crate = crate)]
    async fn sends(&self, n: u32) -> Result<u32, BoxError> {
        Ok(inner(n).await + self.0)
    }

    #[observe(crate = crate)]
    fn items(&self) -> impl Stream<Item = u32> + Send {
        async_stream::stream! {
            for n in 0..self.0 {
                yield inner(n).await;
            }
        }
    }
}

#[test]
fn methods_of_traits_are_observed_with_their_defaults() {
    let counter = Counter(2);
    let spans = spans_of_future(async {
        assert_eq!(counter.by_default("why?").await, "re: why?");
        assert_eq!(counter.sync_default(), 0);
        assert_eq!(assert_send(counter.sends(3)).await.unwrap(), 5);
        assert_eq!(
            assert_send(counter.items()).collect::<Vec<_>>().await,
            [0, 1]
        );
    });
    let expected = [
        r#"by_default {"question":"why?"} = "re: why?""#,
        r#"inner {"n":1} = 1"#,
        r#"sync_default {} = "0""#,
        r#"sends {"n":3} = 5"#,
        r#"inner {"n":3} = 3"#,
        r"items {} = [0,1]",
        r#"inner {"n":0} = 0"#,
        r#"inner {"n":1} = 1"#,
    ];
    assert_eq!(lines(&spans), expected);
}

// Generics, `impl Trait`, patterns.

#[observe(crate = crate)]
fn bounded<'a, 'b: 'a, T, F, const N: usize>(items: &'a [T; N], _other: &'b str, f: F) -> Vec<&'a T>
where
    T: Debug + PartialEq,
    F: for<'x> Fn(&'x T) -> bool + Copy,
    [T; N]: Sized,
{
    items.iter().filter(|item| f(item)).collect()
}

#[observe(crate = crate)]
fn takes_impls(
    mut items: impl Iterator<Item = u32> + Clone,
    f: &dyn Fn(u32) -> u32,
    out: &mut impl Extend<u32>,
) -> Option<u32> {
    out.extend(items.clone().map(f));
    let first = items.next()?;
    Some(first + items.next()?)
}

#[observe(crate = crate)]
fn gives_a_closure(n: u32) -> impl Fn(u32) -> u32 + Clone {
    move |m| n + m
}

#[observe(crate = crate)]
fn gives_an_iterator<'a>(text: &'a str) -> impl Iterator<Item = &'a str> + 'a {
    text.split(' ')
}

#[observe(crate = crate)]
fn gives_several(n: u32) -> (impl Display, Option<impl Debug>) {
    if n == 0 {
        return (0, None);
    }
    (n, Some(n))
}

#[observe(crate = crate)]
async fn gives_impl_or_fails(n: i64) -> Result<impl Display, std::num::TryFromIntError> {
    let small = u8::try_from(n)?;
    Ok(small)
}

#[observe(crate = crate)]
fn destructures(
    (mut a, [b, ..]): (u32, [u32; 3]),
    Counter(c): Counter,
    &(ref d, _): &(String, u8),
    r#type: u8,
) -> u32 {
    a += b + c;
    a + u32::try_from(d.len()).unwrap() + u32::from(r#type)
}

#[observe(crate = crate)]
async fn destructures_later((mut a, b): (Vec<u32>, u32), ref c: u32) -> Vec<u32> {
    a.push(inner(b + c).await);
    a
}

#[observe(crate = crate)]
async fn borrows<'a>(list: &'a mut Vec<String>, item: &str) -> Option<&'a String> {
    list.push(item.to_string());
    inner(1).await;
    let Some(last) = list.last() else {
        return None;
    };
    Some(last)
}

macro_rules! functions {
    ($($name:ident($($arg:ident: $ty:ty),*) -> $out:ty $body:block)*) => {
        $(#[observe(crate = crate)]
        fn $name($($arg: $ty),*) -> $out $body)*
    };
}
functions! {
    made_by_a_macro(a: &str, b: Option<u32>) -> Result<u32, BoxError> {
        let a: u32 = a.parse()?;
        Ok(a + b.ok_or("none")?)
    }
    made_to_be_boxed(n: u32) -> BoxFuture<'static, u32> { Box::pin(inner(n)) }
}

#[test]
fn generics_impls_and_patterns_are_observed() {
    let mut list = vec![];
    let spans = spans_of_future(async {
        assert_eq!(bounded(&[1, 2, 3], "", |n| n % 2 == 1), [&1, &3]);
        let mut out = vec![];
        assert_eq!(
            takes_impls([1, 2].into_iter(), &|n| n * 2, &mut out),
            Some(3)
        );
        assert_eq!(out, [2, 4]);
        assert_eq!(gives_a_closure(1)(2), 3);
        assert_eq!(gives_an_iterator("a b").count(), 2);
        assert_eq!(gives_several(0).0.to_string(), "0");
        assert!(gives_several(1).1.is_some());
        assert_eq!(gives_impl_or_fails(7).await.unwrap().to_string(), "7");
        assert!(gives_impl_or_fails(700).await.is_err());
        assert_eq!(
            destructures((1, [2, 0, 0]), Counter(3), &("four".to_string(), 0), 5),
            15
        );
        assert_eq!(destructures_later((vec![1], 2), 3).await, [1, 5]);
        assert_eq!(borrows(&mut list, "a").await.unwrap(), "a");
        assert_eq!(made_by_a_macro("1", Some(2)).unwrap(), 3);
        assert!(made_by_a_macro("1", None).is_err());
        assert_eq!(made_to_be_boxed(3).await, 3);
    });
    let own: Vec<_> = spans
        .iter()
        .filter(|span| span.parent.is_none())
        .cloned()
        .collect();
    let expected = [
        r#"takes_impls {"f":"<&dyn core::ops::function::Fn(u32) -> u32>","items":"<core::array::iter::IntoIter<u32, 2>>","out":"<&mut alloc::vec::Vec<u32>>"} = 3"#,
        r#"gives_several {"n":0} = [0,null]"#,
        r#"gives_several {"n":1} = [1,1]"#,
        r#"gives_impl_or_fails {"n":7} = 7"#,
        r#"gives_impl_or_fails {"n":700} ! out of range integral type conversion attempted"#,
        r#"destructures {"a":1,"b":2,"c":3,"d":"four","type":5} = 15"#,
        r#"destructures_later {"a":[1],"b":2,"c":3} = [1,5]"#,
        r#"borrows {"item":"a","list":[]} = "a""#,
        r#"made_by_a_macro {"a":"1","b":2} = 3"#,
        r#"made_by_a_macro {"a":"1","b":null} ! none"#,
        r#"made_to_be_boxed {"n":3} = 3"#,
    ];
    // The words for closures and iterators are the compiler's.
    let worded = |name: &str| ["bounded", "gives_a_closure", "gives_an_iterator"].contains(&name);
    let (theirs, ours): (Vec<_>, Vec<_>) = own.into_iter().partition(|span| worded(&span.name));
    assert_eq!(lines(&ours), expected);
    let [bounded, closure, iterator] = theirs.as_slice() else {
        panic!("{theirs:?}")
    };
    assert_eq!(bounded.output, json!("[1, 3]"));
    assert_eq!(bounded.input["items"], json!("[1, 2, 3]"));
    for (value, part) in [
        (&bounded.input["f"], "{closure"),
        (&closure.output, "{closure"),
        (&iterator.output, "Split("),
    ] {
        assert!(value.to_string().contains(part), "{value}");
    }
}

// Recursion, nesting, closures.

#[observe(crate = crate)]
async fn factorial(n: u32) -> u32 {
    if n == 0 {
        1
    } else {
        n * Box::pin(factorial(n - 1)).await
    }
}

#[observe(crate = crate)]
fn factorial_boxed(n: u32) -> Pin<Box<dyn Future<Output = u32> + Send>> {
    Box::pin(async move {
        if n == 0 {
            1
        } else {
            n * factorial_boxed(n - 1).await
        }
    })
}

#[observe(crate = crate)]
async fn nests(n: u32) -> Result<u32, BoxError> {
    #[observe(crate = crate)]
    fn half(n: u32) -> Result<u32, String> {
        if n.is_multiple_of(2) {
            Ok(n / 2)
        } else {
            Err(format!("{n} is odd"))
        }
    }
    let more = async |m: u32| inner(m + n).await;
    let fallible = async { Ok::<u32, BoxError>(half(n)? + more(1).await) };
    let sum: u32 = (0..2)
        .map(|m| -> u32 {
            if m == 0 {
                return 1;
            }
            m
        })
        .sum();
    Ok('found: {
        let got = fallible.await?;
        if got > 100 {
            break 'found 100;
        }
        got + sum
    })
}

#[test]
fn recursion_and_nested_code_are_observed() {
    let spans = spans_of_future(async {
        assert_eq!(assert_send(factorial(3)).await, 6);
        assert_eq!(factorial_boxed(2).await, 2);
    });
    let parents: Vec<_> = spans.iter().map(|span| span.parent).collect();
    assert_eq!(
        parents,
        [None, Some(0), Some(1), Some(2), None, Some(4), Some(5)]
    );
    let spans = spans_of_future(async {
        assert_eq!(assert_send(nests(4)).await.unwrap(), 9);
        assert!(nests(3).await.is_err());
    });
    let expected = [
        r#"nests {"n":4} = 9"#,
        r#"half {"n":4} = 2"#,
        r#"inner {"n":5} = 5"#,
        r#"nests {"n":3} ! 3 is odd"#,
        r#"half {"n":3} ! 3 is odd"#,
    ];
    assert_eq!(lines(&spans), expected);
    assert_eq!(spans[2].parent, Some(0));
}
