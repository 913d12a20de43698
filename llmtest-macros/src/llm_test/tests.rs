use proc_macro2::TokenStream;
use quote::{ToTokens as _, quote};
use syn::parse_quote;

use super::attributes::Attributes;
use super::options::Options;
use super::{expand, validate};
use crate::function::Function;
use crate::problems::Problems;

fn errors(options: TokenStream, function: Function) -> Vec<String> {
    let mut problems = Problems::default();
    let options = Options::parse(options, &mut problems);
    validate::validate(&function, &options, &mut problems);
    Attributes::sort(&function.attrs, &mut problems);
    problems.messages()
}

/// The only error.
fn error(options: TokenStream, function: Function) -> String {
    let errors = errors(options, function);
    assert_eq!(errors.len(), 1, "{errors:?}");
    errors.into_iter().next().unwrap()
}

fn error_of_options(options: TokenStream) -> String {
    error(
        options,
        parse_quote!(
            async fn test() -> Check {}
        ),
    )
}

fn error_of_function(function: Function) -> String {
    error(TokenStream::new(), function)
}

fn expansion(options: TokenStream, function: TokenStream) -> String {
    let tokens = expand(options, function);
    syn::parse2::<syn::File>(tokens.clone()).unwrap();
    tokens.to_string()
}

#[test]
fn all_options_are_read() {
    let mut problems = Problems::default();
    let tokens = quote!(
        dataset = "data/x.jsonl",
        pass_rate = 0.9,
        trials = 5,
        passes = 4,
        timeout = "2m",
        tags("a", "b"),
        crate = a::b
    );
    let options = Options::parse(tokens, &mut problems);
    assert_eq!(problems.messages(), [""; 0]);
    assert_eq!(options.dataset.unwrap().value(), "data/x.jsonl");
    assert_eq!(
        (options.pass_rate, options.trials, options.passes),
        (Some(0.9), Some(5), Some(4))
    );
    assert_eq!(options.timeout.unwrap().as_secs(), 120);
    assert_eq!(options.tags.len(), 2);
    assert!(options.crate_path.is_some());
}

#[test]
fn a_dataset_function_may_stand_in_quotes() {
    for tokens in [
        quote!(dataset_fn = a::rows),
        quote!(dataset_fn = "a::rows",),
    ] {
        let mut problems = Problems::default();
        let options = Options::parse(tokens, &mut problems);
        assert_eq!(
            options.dataset_fn.to_token_stream().to_string(),
            "a :: rows"
        );
        assert_eq!(problems.messages(), [""; 0]);
    }
}

#[test]
fn a_bad_option_says_what_is_right() {
    for (options, expected) in [
        (
            quote!(datset),
            "unknown option `datset`, did you mean `dataset`?",
        ),
        (quote!(zebra(1, 2)), "known options: `dataset`"),
        (
            quote!(trials = 2, trials = 3),
            "the option `trials` is given twice",
        ),
        (quote!(trials = 0), "`trials` is a whole number from 1"),
        (quote!(trials = "5"), "`trials` is a whole number from 1"),
        (quote!(trials), "`trials` is a whole number from 1"),
        (quote!(passes = 2), "add `trials = …`"),
        (quote!(trials = 2, passes = 3), "3 of 2 trials cannot pass"),
        (quote!(timeout = 60), "`timeout = \"500ms\"`"),
        (quote!(timeout = "60"), "`timeout = \"500ms\"`"),
        (quote!(budget = "2"), "`budget = \"$0.10\"`"),
        (quote!(budget = "€2"), "`budget = \"$0.10\"`"),
        (quote!(budget = "-1"), "`budget = \"200k tokens\"`"),
        (quote!(budget = 2), "`budget = \"$0.10\"`"),
        (quote!(tags()), "`tags(\"must\", \"slow\")`"),
        (quote!(tags(must)), "`tags(\"must\", \"slow\")`"),
        (quote!(tags("a b")), "a tag is one word"),
        (quote!(pass_rate = 0.5), "add `dataset = \"…\"`"),
        (quote!(trials = 5 passes = 2), "expected a comma"),
    ] {
        let text = options.to_string();
        let error = error_of_options(options);
        assert!(error.contains(expected), "{text}: {error}");
    }
    let with_row = |options| {
        error(
            options,
            parse_quote!(
                async fn test(row: Golden) -> Check {}
            ),
        )
    };
    assert!(with_row(quote!(dataset = "x", pass_rate = 1.5)).contains("from 0 to 1"));
    assert!(with_row(quote!(dataset = "x", pass_rate = -0.5)).contains("from 0 to 1"));
    assert!(with_row(quote!(dataset = "x", dataset_fn = y)).contains("exclude each other"));
    assert!(with_row(quote!(dataset_fn = y())).contains("`dataset_fn = rows`"));
}

#[test]
fn a_bad_signature_says_what_is_right() {
    let cases: [(Function, &str); 17] = [
        (
            parse_quote!(
                async fn test() {}
            ),
            "must return what to check",
        ),
        (
            parse_quote!(
                async fn test() -> () {}
            ),
            "must return what to check",
        ),
        (
            parse_quote!(
                const fn test() -> Check {}
            ),
            "cannot be `const`",
        ),
        (
            parse_quote!(
                unsafe fn test() -> Check {}
            ),
            "cannot be `unsafe`",
        ),
        (
            parse_quote!(
                extern "C" fn test() -> Check {}
            ),
            "cannot be `extern`",
        ),
        (
            parse_quote!(
                fn test<T>() -> Check {}
            ),
            "cannot be generic",
        ),
        (
            parse_quote!(
                fn test() -> Check
                where
                    u8: Copy,
                {
                }
            ),
            "cannot be generic",
        ),
        (
            parse_quote!(
                fn test(&self) -> Check {}
            ),
            "has no `self`",
        ),
        (
            parse_quote!(
                fn test(row: Golden) -> Check {}
            ),
            "add `dataset = \"…\"`",
        ),
        (
            parse_quote!(
                fn test(a: Golden, b: u32) -> Check {}
            ),
            "takes one argument",
        ),
        (
            parse_quote!(
                #[should_panic]
                fn test() -> Check {}
            ),
            "remove `#[should_panic]`",
        ),
        (
            parse_quote!(
                #[should_panic(expected = "x")]
                fn test() -> Check {}
            ),
            "remove `#[should_panic]`",
        ),
        (
            parse_quote!(
                #[test]
                fn test() -> Check {}
            ),
            "second test attribute",
        ),
        (
            parse_quote!(
                #[tokio::test(flavor = "x")]
                async fn test() -> Check {}
            ),
            "second test attribute",
        ),
        (
            parse_quote!(
                #[llmtest::llm_test]
                async fn test() -> Check {}
            ),
            "second test attribute",
        ),
        (
            parse_quote!(
                #[rstest]
                async fn test() -> Check {}
            ),
            "must come first",
        ),
        (
            parse_quote!(
                #[ignore]
                #[ignore]
                async fn test() -> Check {}
            ),
            "given twice",
        ),
    ];
    for (function, expected) in cases {
        let error = error_of_function(function);
        assert!(error.contains(expected), "{expected}: {error}");
    }
    assert!(
        error(
            quote!(dataset = "x"),
            parse_quote!(
                fn test() -> Check {}
            )
        )
        .contains("add `golden: Golden`")
    );
    assert!(
        error(
            quote!(dataset = "x"),
            parse_quote!(
                fn test(row: &Golden) -> Check {}
            )
        )
        .contains("by value")
    );
}

#[test]
fn all_errors_are_reported_at_once() {
    let options = quote!(trails = 5, passes = 0, timeout = "soon");
    let function = parse_quote! {
        #[should_panic]
        const fn test<T>(a: T, b: u32) {}
    };
    assert_eq!(errors(options, function).len(), 9);
}

#[test]
fn the_body_is_emitted_once() {
    let text = expansion(
        TokenStream::new(),
        quote!(
            async fn works() -> Check {
                the_body()
            }
        ),
    );
    assert_eq!(text.matches("the_body").count(), 1);
    assert!(
        text.contains("async fn __llmtest_body_works () -> Check { the_body () }"),
        "{text}"
    );
    assert!(
        text.contains("static __LLMTEST_works : :: llmtest :: __private :: TestEntry"),
        "{text}"
    );
    assert!(
        text.contains(":: llmtest :: __private :: inventory :: submit ! {"),
        "{text}"
    );
    assert!(
        text.contains(
            "# [:: core :: prelude :: v1 :: test] fn works () -> :: llmtest :: __private :: Verdict"
        ),
        "{text}"
    );
}

#[test]
fn options_reach_the_entry() {
    let text = expansion(
        quote!(
            dataset = "x.jsonl",
            pass_rate = 0.9,
            trials = 5,
            passes = 4,
            timeout = "60s",
            tags("must"),
            crate = other
        ),
        quote! {
            /// One line.
            #[ignore = "why"]
            #[cfg(unix)]
            pub fn r#match(golden: Golden) -> Check { x }
        },
    );
    for expected in [
        "name : \"r#match\"",
        "ignored : true",
        "ignore_reason : :: core :: option :: Option :: Some (\"why\")",
        "Dataset :: File (\"x.jsonl\")",
        "pass_rate : :: core :: option :: Option :: Some (0.9f64)",
        "trials : 5u32",
        "passes : :: core :: option :: Option :: Some (4u32)",
        "from_millis (60000u64)",
        "tags : & [\"must\"]",
        "description : \"One line.\"",
        "Body :: Sync (| row | other :: __private :: produced (__llmtest_body_match (other :: __private :: decode :: < Golden > (row) ?)))",
        "# [ignore = \"why\"] # [:: core :: prelude :: v1 :: test] pub fn r#match",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
    assert_eq!(text.matches("cfg (unix)").count(), 4);
    assert_eq!(text.matches("# [ignore").count(), 1);
    assert!(!text.contains(":: llmtest ::"));
}

#[test]
fn a_conditional_ignore_is_ignored_under_the_same_condition() {
    let text = expansion(
        TokenStream::new(),
        quote!(
            #[cfg_attr(windows, ignore = "why", allow(x))]
            async fn works() -> Check {}
        ),
    );
    assert!(
        text.contains("ignored : :: core :: cfg ! (windows)"),
        "{text}"
    );
    assert!(
        text.contains("# [cfg_attr (windows , ignore = \"why\")]"),
        "{text}"
    );
    assert!(
        text.contains("# [cfg_attr (windows , allow (x))]"),
        "{text}"
    );
}

#[test]
fn a_rejected_test_is_still_a_function_of_that_name() {
    let text = expansion(
        quote!(trails = 5),
        quote!(
            #[tokio::test]
            async fn works() {
                tail()
            }
        ),
    );
    assert!(text.contains("compile_error"));
    assert!(
        text.contains("async fn works () { let _ = async move { tail () } ; }"),
        "{text}"
    );
    assert!(!text.contains("tokio") && !text.contains("static"));
}

#[test]
fn half_typed_bodies_expand() {
    let text = expand(
        TokenStream::new(),
        quote!(async fn works() -> Check { value. }),
    )
    .to_string();
    assert!(text.contains("value ."), "{text}");
    assert!(!text.contains("compile_error"), "{text}");
}

#[test]
fn anything_but_a_function_is_kept_and_reported() {
    let text = expand(
        TokenStream::new(),
        quote!(
            struct Works;
        ),
    )
    .to_string();
    assert!(
        text.contains("compile_error") && text.contains("struct Works ;"),
        "{text}"
    );
}
