use proc_macro2::TokenStream;
use quote::quote;
use syn::parse_quote;

use super::expand;
use super::options::Options;
use super::signature::{Shape, Signature};
use crate::function::Function;
use crate::problems::Problems;

fn read(options: TokenStream, function: &Function) -> (Signature, Vec<String>) {
    let mut problems = Problems::default();
    let options = Options::parse(options, &mut problems);
    let signature = Signature::read(&function.sig, &options, &mut problems);
    (signature, problems.messages())
}

fn signature(function: &Function) -> Signature {
    let (signature, errors) = read(TokenStream::new(), function);
    assert_eq!(errors, [""; 0]);
    signature
}

#[test]
fn the_shape_of_a_function_is_read_from_its_signature() {
    let cases: [(Function, Shape, syn::Type, bool); 10] = [
        (
            parse_quote!(
                fn f() {}
            ),
            Shape::Sync,
            parse_quote!(()),
            false,
        ),
        (
            parse_quote!(
                async fn f() -> u8 {}
            ),
            Shape::Async,
            parse_quote!(u8),
            false,
        ),
        (
            parse_quote!(
                fn f() -> anyhow::Result<u8> {}
            ),
            Shape::Sync,
            parse_quote!(anyhow::Result<u8>),
            true,
        ),
        (
            parse_quote!(
                fn f() -> impl Future<Output = u8> + Send {}
            ),
            Shape::ImplFuture,
            parse_quote!(u8),
            false,
        ),
        (
            parse_quote!(
                fn f() -> impl Iterator<Item = u8> {}
            ),
            Shape::Sync,
            parse_quote!(impl Iterator<Item = u8>),
            false,
        ),
        (
            parse_quote!(
                fn f() -> ::core::pin::Pin<
                    Box<dyn ::core::future::Future<Output = Result<u8, E>> + Send + 'x>,
                > {
                }
            ),
            Shape::Boxed,
            parse_quote!(Result<u8, E>),
            true,
        ),
        (
            parse_quote!(
                fn f() -> BoxFuture<'static, u8> {}
            ),
            Shape::Boxed,
            parse_quote!(u8),
            false,
        ),
        (
            parse_quote!(
                fn f() -> Pin<Box<u8>> {}
            ),
            Shape::Sync,
            parse_quote!(Pin<Box<u8>>),
            false,
        ),
        (
            parse_quote!(
                fn f() -> Box<dyn Error> {}
            ),
            Shape::Sync,
            parse_quote!(Box<dyn Error>),
            false,
        ),
        (
            parse_quote!(
                fn f() -> Option<Result<u8, E>> {}
            ),
            Shape::Sync,
            parse_quote!(Option<Result<u8, E>>),
            false,
        ),
    ];
    for (function, shape, output, fallible) in cases {
        let read = signature(&function);
        let text = quote!(#function).to_string();
        assert_eq!((read.shape, read.fallible), (shape, fallible), "{text}");
        assert_eq!(
            quote!(#output).to_string(),
            {
                let ty = read.output;
                quote!(#ty).to_string()
            },
            "{text}"
        );
    }
}

#[test]
fn a_stream_is_read_from_the_type_or_said_to_be_one() {
    let named: [Function; 8] = [
        parse_quote!(
            fn f() -> impl Stream<Item = u8> {}
        ),
        parse_quote!(
            async fn f<'a>() -> impl futures::Stream<Item = &'a u8> + Send + Unpin + 'a + use<'a> {}
        ),
        parse_quote!(
            async fn f() -> anyhow::Result<impl Stream<Item = u8>> {}
        ),
        parse_quote!(
            fn f() -> Pin<Box<dyn Stream<Item = Result<u8, E>> + Send + '_>> {}
        ),
        parse_quote!(
            fn f() -> Result<stream::BoxStream<'static, u8>, E> {}
        ),
        parse_quote!(
            fn f() -> LocalBoxStream<'static, u8> {}
        ),
        parse_quote!(
            fn f() -> BoxFuture<'_, Result<BoxStream<'_, u8>, E>> {}
        ),
        parse_quote!(
            fn f() -> impl Future<Output = Result<impl Stream<Item = u8>, E>> {}
        ),
    ];
    for function in named {
        let text = quote!(#function).to_string();
        assert!(signature(&function).stream.is_some(), "{text}");
    }
    let others: [Function; 5] = [
        parse_quote!(
            fn f() -> Tokens {}
        ),
        parse_quote!(
            fn f() -> Result<Tokens, E> {}
        ),
        // The other trait would be lost.
        parse_quote!(
            fn f() -> impl Stream<Item = u8> + Clone {}
        ),
        parse_quote!(
            fn f() -> impl Chunks {}
        ),
        parse_quote!(
            async fn f() -> Tokens {}
        ),
    ];
    for function in others {
        let text = quote!(#function).to_string();
        assert!(signature(&function).stream.is_none(), "{text}");
        let (signature, errors) = read(quote!(stream), &function);
        assert!(signature.stream.is_some() && errors.is_empty(), "{text}");
    }
}

#[test]
fn every_name_that_a_pattern_binds_is_an_argument() {
    let function = parse_quote! {
        fn f(&self, a: A, (b, ref c): B, P { d, e: [g, ..], .. }: P, S(&h, _): S, i @ (..): I) {}
    };
    let names: Vec<String> = signature(&function)
        .arguments
        .iter()
        .map(|argument| argument.ident.to_string())
        .collect();
    assert_eq!(names, ["a", "b", "c", "d", "g", "h", "i"]);
}

#[test]
fn errors_say_what_to_do() {
    let cases: [(TokenStream, Function, &str); 27] = [
        (
            quote!(),
            parse_quote!(
                const fn f() {}
            ),
            "remove `const`",
        ),
        (
            quote!(),
            parse_quote!(
                extern "C" fn f() {}
            ),
            "observe a Rust function that calls it",
        ),
        (
            quote!(),
            parse_quote!(
                fn f() -> ! {}
            ),
            "never returns",
        ),
        (
            quote!(llm, tool),
            parse_quote!(
                fn f() {}
            ),
            "the kind is already `llm`",
        ),
        (
            quote!(replya),
            parse_quote!(
                fn f() {}
            ),
            "unknown option `replya`, did you mean `replay`?",
        ),
        (
            quote!(llm, replya),
            parse_quote!(
                fn f() {}
            ),
            "the kind is already `llm`: keep one, did you mean `replay`?",
        ),
        (
            quote!(nme = "x"),
            parse_quote!(
                fn f() {}
            ),
            "did you mean `name`?",
        ),
        (
            quote!(name = 1),
            parse_quote!(
                fn f() {}
            ),
            "`name = \"search\"`",
        ),
        (
            quote!(name = "a", name = "b"),
            parse_quote!(
                fn f() {}
            ),
            "given twice",
        ),
        (
            quote!(skip = 1),
            parse_quote!(
                fn f() {}
            ),
            "`skip(a, b)`",
        ),
        (
            quote!(skip(querry)),
            parse_quote!(
                fn f(query: u8) {}
            ),
            "did you mean `query`?",
        ),
        (
            quote!(redact(b)),
            parse_quote!(
                fn f(a: u8) {}
            ),
            "it knows: `a`, `result`",
        ),
        (
            quote!(skip(self)),
            parse_quote!(
                fn f(&self) {}
            ),
            "`self` is never recorded",
        ),
        (
            quote!(skip(a), redact(a)),
            parse_quote!(
                fn f(a: u8) {}
            ),
            "both skipped and redacted",
        ),
        (
            quote!(key = 1),
            parse_quote!(
                fn f() {}
            ),
            "add `replay`",
        ),
        (
            quote!(replay),
            parse_quote!(
                fn f() -> impl Display {}
            ),
            "must name the type",
        ),
        (
            quote!(replay),
            parse_quote!(
                async fn f() -> Result<impl Display, E> {}
            ),
            "must name the type",
        ),
        (
            quote!(replay),
            parse_quote!(
                fn f() -> impl Future<Output = u8> {}
            ),
            "write an `async fn`",
        ),
        (
            quote!(replay),
            parse_quote!(
                fn f(&self) -> u8 {}
            ),
            "`key = ()`",
        ),
        (
            quote!(replay, skip(a)),
            parse_quote!(
                fn f(a: u8) -> u8 {}
            ),
            "`redact(a)`",
        ),
        (
            quote!(replay, skip(result)),
            parse_quote!(
                fn f() -> u8 {}
            ),
            "remove `skip(result)`",
        ),
        (
            quote!(replay, redact(result)),
            parse_quote!(
                fn f() -> u8 {}
            ),
            "remove `redact(result)`",
        ),
        (
            quote!(kind = "a", b),
            parse_quote!(
                fn f() {}
            ),
            "the kind is already `a`",
        ),
        (
            quote!(llm, join),
            parse_quote!(
                fn f() -> Vec<String> {}
            ),
            "add `stream`",
        ),
        (
            quote!(stream, join),
            parse_quote!(
                fn f() -> fmt::Result {}
            ),
            "finds no stream",
        ),
        (
            quote!(replay),
            parse_quote!(
                fn f() -> impl Stream<Item = impl Display> {}
            ),
            "must name the type",
        ),
        (
            quote!(stream, replay),
            parse_quote!(
                async fn f() -> Result<impl Chunks, E> {}
            ),
            "must name the type",
        ),
    ];
    for (options, function, expected) in cases {
        let text = options.to_string();
        let (_, errors) = read(options, &function);
        assert!(
            matches!(errors.as_slice(), [error] if error.contains(expected)),
            "{text}: {errors:?}"
        );
    }
}

#[test]
fn all_errors_are_reported_at_once() {
    let function = parse_quote!(
        const fn f(&self, a: u8) -> impl Display {}
    );
    assert_eq!(
        read(quote!(replay, skip(a, b), nme = 1, redact(c)), &function)
            .1
            .len(),
        8
    );
}

#[test]
fn the_body_is_emitted_once_in_every_shape() {
    for output in [
        quote!(),
        quote!(-> u8),
        quote!(-> Result<u8, E>),
        quote!(-> impl Display),
        quote!(-> impl Future<Output = u8>),
        quote!(-> Pin<Box<dyn Future<Output = u8>>>),
        quote!(-> impl Stream<Item = u8>),
        quote!(-> Result<BoxStream<'static, u8>, E>),
        quote!(-> BoxFuture<'static, BoxStream<'static, u8>>),
    ] {
        for asyncness in [quote!(), quote!(async)] {
            let options = if output.to_string().contains("Stream") {
                quote!(llm, replay)
            } else {
                quote!(llm)
            };
            let tokens = expand(
                options,
                quote!(pub #asyncness fn f(a: u8) #output { the_body() }),
            );
            syn::parse2::<syn::ItemFn>(tokens.clone()).unwrap();
            let text = tokens.to_string();
            // As tokens; its text, without the space, is in the meta.
            assert_eq!(text.matches("the_body ()").count(), 1, "{text}");
            assert!(text.starts_with("pub"), "{text}");
        }
    }
}

#[test]
fn only_the_private_module_is_named() {
    let function = quote!(
        async fn f(a: u8, b: u8) -> Result<u8, E> {
            a
        }
    );
    let text = expand(
        quote!(llm, replay, key = a, redact(b), crate = other::path),
        function,
    )
    .to_string();
    only_private(&text);
    let stream = quote!(
        async fn f(a: u8) -> Result<impl Stream<Item = Result<u8, F>>, E> {
            a
        }
    );
    only_private(&expand(quote!(replay, join, crate = other::path), stream).to_string());
}

fn only_private(text: &str) {
    assert!(!text.contains("llmtest ::"), "{text}");
    let named = text.matches("other :: path ::").count();
    assert!(named > 0, "{text}");
    assert_eq!(text.matches("other :: path :: __private").count(), named);
}

#[test]
fn inner_attributes_move_to_the_function() {
    let text = expand(
        quote!(),
        quote!(
            fn f() {
                #![allow(unused)]
                a
            }
        ),
    )
    .to_string();
    assert!(text.starts_with("# [allow (unused)] fn f ()"), "{text}");
}

#[test]
fn a_function_without_a_body_is_reported() {
    let text = expand(
        quote!(),
        quote!(
            fn f(&self);
        ),
    )
    .to_string();
    assert!(
        text.contains("put the attribute on its implementation")
            && text.ends_with("fn f (& self) ;"),
        "{text}"
    );
}
