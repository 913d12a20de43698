//! The code of a test: one hidden function, one static, its registration and a `#[test]`.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, format_ident, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{FnArg, ReturnType};

use super::attributes::{Attributes, Ignored};
use super::options::Options;
use super::validate::returns_nothing;
use crate::function::Function;
use crate::problems::private_path;

pub(crate) fn expand(
    options: &Options,
    attributes: Attributes,
    function: &Function,
) -> TokenStream {
    let p = private_path(options.crate_path.as_ref());
    let Attributes {
        cfgs,
        body: body_attrs,
        test: test_attrs,
        ignored,
        description,
    } = attributes;
    let Function { vis, sig, body, .. } = function;
    let name = &sig.ident;
    let body_name = format_ident!("__llmtest_body_{}", name);
    let entry = format_ident!("__LLMTEST_{}", name);
    // `r#match` stays raw: libtest lists it so.
    let listed_name = name.to_string();
    let line = quote_spanned!(name.span()=> ::core::line!());

    let mut body_sig = sig.clone();
    body_sig.ident = body_name.clone();
    let dataset = dataset(&p, options);
    let (is_ignored, ignore_reason) = ignore(ignored.as_ref());
    let pass_rate = option(options.pass_rate.map(|rate| quote!(#rate)));
    let trials = options.trials.unwrap_or(1);
    let passes = option(options.passes.map(|passes| quote!(#passes)));
    let timeout = option(options.timeout.map(|timeout| {
        let milliseconds = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        quote!(::core::time::Duration::from_millis(#milliseconds))
    }));
    let budget = option(options.budget.as_ref().map(|budget| quote!(#budget)));
    let tags = &options.tags;
    let call = call(&p, function, &body_name);

    quote! {
        #(#cfgs)*
        #[doc(hidden)]
        #[allow(unused_braces, clippy::unused_async, clippy::needless_pass_by_value, clippy::unnecessary_wraps, clippy::missing_const_for_fn)]
        #(#body_attrs)*
        #body_sig #body

        #(#cfgs)*
        #[doc(hidden)]
        #[allow(non_upper_case_globals)]
        static #entry: #p::TestEntry = #p::TestEntry {
            name: #listed_name,
            module: ::core::module_path!(),
            file: ::core::file!(),
            line: #line,
            manifest_dir: ::core::env!("CARGO_MANIFEST_DIR"),
            ignored: #is_ignored,
            ignore_reason: #ignore_reason,
            dataset: #dataset,
            pass_rate: #pass_rate,
            trials: #trials,
            passes: #passes,
            timeout: #timeout,
            budget: #budget,
            tags: &[#(#tags),*],
            description: #description,
            body: #call,
        };

        #(#cfgs)*
        #p::inventory::submit! { #p::Registered(&#entry) }

        #(#cfgs)*
        #(#test_attrs)*
        #[::core::prelude::v1::test]
        #vis fn #name() -> #p::Verdict {
            #p::run_as_libtest(&#entry)
        }
    }
}

/// How the runner calls the body. What may fail to compile carries the span of the user's code that is to blame.
fn call(p: &TokenStream, function: &Function, body_name: &syn::Ident) -> TokenStream {
    let sig = &function.sig;
    let row = format_ident!("row", span = proc_macro2::Span::mixed_site());
    let (binding, argument) = match sig.inputs.first() {
        Some(FnArg::Typed(argument)) => {
            let ty = &argument.ty;
            (
                quote!(#row),
                quote_spanned!(ty.span()=> #p::decode::<#ty>(#row)?),
            )
        }
        _ => (quote!(_), TokenStream::new()),
    };
    let result = match &sig.output {
        ReturnType::Type(_, ty) => ty.span(),
        ReturnType::Default => sig.ident.span(),
    };
    // An error about the result covers the return type and not the name.
    let mut body_name = body_name.clone();
    body_name.set_span(body_name.span().located_at(result));
    if sig.asyncness.is_some() {
        let produced = quote_spanned!(result=> #p::produced(#body_name(#argument).await));
        // The name, and not the whole attribute, is what an error about a future that is not `Send` points at.
        let pinned =
            quote_spanned!(sig.ident.span()=> ::std::boxed::Box::pin(async move { #produced }));
        quote!(#p::Body::Async(|#binding| #pinned))
    } else {
        let produced = quote_spanned!(result=> #p::produced(#body_name(#argument)));
        quote!(#p::Body::Sync(|#binding| #produced))
    }
}

fn dataset(p: &TokenStream, options: &Options) -> TokenStream {
    if let Some(file) = &options.dataset {
        quote!(#p::Dataset::File(#file))
    } else if let Some(path) = &options.dataset_fn {
        let rows = quote_spanned!(path.span()=> #p::rows(#path()));
        quote!(#p::Dataset::Rows(|| #rows))
    } else {
        quote!(#p::Dataset::None)
    }
}

fn ignore(ignored: Option<&Ignored>) -> (TokenStream, TokenStream) {
    let Some(ignored) = ignored else {
        return (quote!(false), option(None));
    };
    let reason = option(ignored.reason.as_ref().map(|reason| quote!(#reason)));
    match &ignored.when {
        None => (quote!(true), reason),
        Some(when) => (
            quote!(::core::cfg!(#when)),
            quote!(if ::core::cfg!(#when) { #reason } else { ::core::option::Option::None }),
        ),
    }
}

fn option(value: Option<TokenStream>) -> TokenStream {
    if let Some(value) = value {
        quote!(::core::option::Option::Some(#value))
    } else {
        quote!(::core::option::Option::None)
    }
}

/// The function as it was, next to the errors: an editor goes on working, and nothing else is reported.
pub(crate) fn despite(
    errors: TokenStream,
    attributes: Attributes,
    mut function: Function,
) -> TokenStream {
    if returns_nothing(&function.sig.output) {
        // A tail expression that is a `Check` would be a second error about the same thing.
        let body = &function.body;
        let wrapped = if function.sig.asyncness.is_some() {
            quote!({ let _ = async move #body; })
        } else {
            quote!({ let _ = || #body; })
        };
        function.sig.output = ReturnType::Default;
        function.body = syn::parse2(wrapped).unwrap_or(function.body);
    }
    let Function { vis, sig, body, .. } = &function;
    let Attributes {
        cfgs, body: attrs, ..
    } = attributes;
    let item = quote! {
        #(#cfgs)*
        #[allow(unused, clippy::all, clippy::pedantic)]
        #(#attrs)*
        #vis #sig #body
    };
    [errors, item.into_token_stream()].into_iter().collect()
}
