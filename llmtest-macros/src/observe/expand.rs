//! The code of an observed function: open a span if somebody listens, run the body once, record what it gave.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens as _, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::spanned::Spanned as _;
use syn::{AttrStyle, Attribute, ReturnType, Type};

use super::hash;
use super::options::Options;
use super::signature::{Shape, Signature, Treatment, mentions_impl, without_impl};
use super::source;
use crate::function::Function;
use crate::problems::private_path;

pub(crate) fn expand(options: &Options, signature: &Signature, function: &Function) -> TokenStream {
    let Function {
        attrs,
        vis,
        sig,
        body,
    } = function;
    let (inner_attrs, body) = split_inner_attributes(body);
    // Names of the definition site, which the body cannot see.
    let hidden = |name| Ident::new(name, Span::mixed_site());
    let code = Code {
        p: private_path(options.crate_path.as_ref()),
        options,
        signature,
        span: hidden("__llmtest_span"),
        output: hidden("__llmtest_output"),
        future: hidden("__llmtest_future"),
        teller: hidden("__llmtest_teller"),
    };
    let meta = code.meta(&sig.ident, function, &body);
    let begin = code.begin();
    let (substitute, replay) = if signature.stream.is_some() {
        (TokenStream::new(), TokenStream::new())
    } else {
        (code.substitute(), code.replay())
    };
    let run = match signature.shape {
        _ if signature.stream.is_some() => code.run_stream(&sig.output, &body),
        Shape::Sync => code.run_sync(&sig.output, &body),
        Shape::Async => code.run_async(&body),
        Shape::ImplFuture => code.run_impl_future(&body),
        Shape::Boxed => code.run_boxed(&sig.output, &body),
    };
    // With the user's braces, so that the lints on functions, as on dead code, still take it for the user's.
    let mut block = Group::new(
        Delimiter::Brace,
        quote!(#meta #begin #substitute #replay #run),
    );
    block.set_span(body.span());
    quote! {
        #(#attrs)*
        #(#inner_attrs)*
        #vis #sig #block
    }
}

pub(super) struct Code<'a> {
    pub(super) p: TokenStream,
    pub(super) options: &'a Options,
    pub(super) signature: &'a Signature,
    pub(super) span: Ident,
    pub(super) output: Ident,
    pub(super) future: Ident,
    pub(super) teller: Ident,
}

impl Code<'_> {
    fn meta(&self, ident: &Ident, function: &Function, body: &Group) -> TokenStream {
        let p = &self.p;
        let name = self
            .options
            .name
            .clone()
            .unwrap_or_else(|| ident.unraw().to_string());
        let kind = self.options.kind.as_deref().unwrap_or("function");
        let hash = hash::of_tokens(&body.stream());
        let source = if self.replays() {
            let text = source::of_body(&function.body);
            quote!(#p::source(#text))
        } else {
            quote!("")
        };
        let generic = self.result_is_generic();
        let line = quote_spanned!(ident.span()=> ::core::line!());
        quote! {
            static __LLMTEST_META: #p::Meta = #p::Meta {
                name: #name,
                kind: #kind,
                module: ::core::module_path!(),
                file: ::core::file!(),
                line: #line,
                body_hash: #hash,
                generic: #generic,
                source: #source,
            };
        }
    }

    pub(super) fn replays(&self) -> bool {
        self.options.replay
    }

    /// Opens the span and captures the arguments, before the body may consume them.
    fn begin(&self) -> TokenStream {
        let Self { p, span, .. } = self;
        let recorded = self
            .signature
            .arguments
            .iter()
            .filter(|argument| argument.treatment != Treatment::Skip);
        let mut captures: Vec<TokenStream> = recorded
            .map(|argument| {
                let ident = &argument.ident;
                let name = ident.unraw().to_string();
                let redacted = argument.treatment == Treatment::Redact;
                let cfgs = &argument.cfgs;
                let capture = if self.replays() {
                    let value = quote_spanned!(ident.span()=> #p::exact(&#ident));
                    quote!(#span.exact(#name, #value, #redacted);)
                } else if redacted {
                    quote!(#span.redacted(#name);)
                } else {
                    let value = self.capture(&quote!(&#ident));
                    quote!(#span.argument(#name, #value);)
                };
                quote!(#(#cfgs)* #capture)
            })
            .collect();
        if let Some(key) = &self.options.key {
            let value = quote_spanned!(key.span()=> #p::exact(&(#key)));
            captures.push(quote!(#span.key(#value);));
        }
        if self.replays() {
            captures.extend(self.types());
        }
        let open = if self.replays() {
            quote!(open_stage)
        } else {
            quote!(open)
        };
        let mutable = (!captures.is_empty()).then(|| quote!(mut));
        quote! {
            #[allow(clippy::used_underscore_binding, unused_mut)]
            let mut #span = match #p::begin(&__LLMTEST_META) {
                ::core::option::Option::None => ::core::option::Option::None,
                ::core::option::Option::Some(#mutable #span) => {
                    #(#captures)*
                    ::core::option::Option::Some(#span.#open())
                }
            };
        }
    }

    fn result_is_generic(&self) -> bool {
        fn names(tokens: TokenStream, ident: &Ident) -> bool {
            tokens.into_iter().any(|token| match token {
                TokenTree::Ident(found) => found == *ident,
                TokenTree::Group(group) => names(group.stream(), ident),
                _ => false,
            })
        }
        let output = self.signature.output.to_token_stream();
        let mut types = self.signature.generics.type_params();
        types.any(|param| names(output.clone(), &param.ident))
    }

    /// What the type parameters stand for: of a generic stage, each instance has results of its own.
    fn types(&self) -> Vec<TokenStream> {
        let span = &self.span;
        let generics = &self.signature.generics;
        let types = generics
            .type_params()
            .map(|param| param.ident.to_token_stream());
        let types = self
            .signature
            .method
            .then(|| quote!(Self))
            .into_iter()
            .chain(types);
        let constants = generics.const_params().map(|param| &param.ident);
        types
            .map(|ty| quote!(#span.ty::<#ty>();))
            .chain(constants.map(|constant| quote!(#span.constant(&#constant);)))
            .collect()
    }

    /// Returns what a test has put in place of the result, if it has.
    fn substitute(&self) -> TokenStream {
        let Self {
            p, span, output, ..
        } = self;
        let made = self.made();
        let returned = match self.signature.shape {
            // The body, which makes the future, must not run, and only one type of a future may be returned.
            Shape::ImplFuture => return TokenStream::new(),
            Shape::Boxed => quote!(::std::boxed::Box::pin(async move { #made })),
            Shape::Sync | Shape::Async => made,
        };
        let returned = if mentions_impl(&self.signature.output) {
            quote!(#returned;)
        } else {
            quote!(return #returned;)
        };
        quote! {
            if let ::core::option::Option::Some(#output) =
                #p::substituted(&__LLMTEST_META, &mut #span)
            {
                #returned
            }
        }
    }

    /// The result of the call, made of the substitute that is in `output`.
    fn made(&self) -> TokenStream {
        let Self { p, output, .. } = self;
        let ty = &self.signature.output;
        if mentions_impl(ty) {
            let ty = ty.to_token_stream().to_string();
            return quote!(#output.unnamed(#ty));
        }
        let output = match self.signature.result {
            Treatment::Record => quote!(#output),
            Treatment::Skip => quote!(#output.hide(#p::Value::Null)),
            Treatment::Redact => quote!(#output.hide(#p::redacted())),
        };
        if !self.signature.fallible {
            let ok = self.made_ok(&quote!(#ty));
            return quote!(#output.value(|value| #ok));
        }
        let ok = self.made_ok(&quote!(<#ty as #p::ResultParts>::Ok));
        let error = self.made_error(ty);
        quote!(#output.result(|value| #ok, |error, message| #error))
    }

    /// A value of this type made of `value`.
    pub(super) fn made_ok(&self, ty: &TokenStream) -> TokenStream {
        let p = &self.p;
        quote!({
            #[allow(unused_imports)]
            use #p::{OkViaNothing as _, OkViaSerde as _};
            (&&#p::Made::<#ty>::NEW).__llmtest_ok(value)
        })
    }

    /// An error of this `Result` made of `error` and `message`.
    pub(super) fn made_error(&self, ty: &Type) -> TokenStream {
        let p = &self.p;
        quote!({
            #[allow(unused_imports)]
            use #p::{FailViaFrom as _, FailViaNothing as _, FailViaSerde as _};
            (&&&#p::Made::<<#ty as #p::ResultParts>::Err>::NEW).__llmtest_fail(error, message)
        })
    }

    /// With `replay`: returns the recorded result, if there is one.
    fn replay(&self) -> TokenStream {
        if !self.replays() {
            return TokenStream::new();
        }
        let Self {
            p, span, output, ..
        } = self;
        let ty = &self.signature.output;
        let at = ty.span();
        let rebuilt = if self.signature.fallible {
            let error = self.error_type(&quote!(__llmtest_rebuild(error, message)));
            let ok = quote_spanned!(at=> #output.result::<<#ty as #p::ResultParts>::Ok, _>);
            quote!(#ok(|error, message| #error))
        } else {
            quote_spanned!(at=> #output.value::<#ty>())
        };
        let found = match self.signature.shape {
            Shape::Boxed => quote!(::std::boxed::Box::pin(async move { #rebuilt })),
            Shape::Sync | Shape::Async | Shape::ImplFuture => rebuilt,
        };
        quote! {
            if let ::core::option::Option::Some(#output) = #p::look_up(&mut #span) {
                return #found;
            }
        }
    }

    fn run_sync(&self, declared: &ReturnType, body: &Group) -> TokenStream {
        let Self {
            p, span, output, ..
        } = self;
        let body = closure(declared, body);
        let failed = self.failed();
        let finish = self.finish();
        quote! {
            let #output = #p::call_once(#span.as_ref(), move || #p::told(&__LLMTEST_META, #body, #failed));
            if let ::core::option::Option::Some(#span) = #span {
                #finish
            }
            #output
        }
    }

    fn run_async(&self, body: &Group) -> TokenStream {
        let future = &self.future;
        let body = with_return_type(&self.signature.output, body);
        let tell = self.tell();
        let finished = self.finish_future();
        // Pinned in place: passing the future on by value would double its size at every level of nesting.
        quote! {
            let #future = ::core::pin::pin!(async move #body);
            #tell
            #finished
        }
    }

    fn run_impl_future(&self, body: &Group) -> TokenStream {
        let Self {
            p,
            span,
            output,
            future,
            ..
        } = self;
        let tell = self.tell();
        let finished = self.finish_future();
        let made = self.made();
        quote! {
            let #future = match #p::substituted(&__LLMTEST_META, &mut #span) {
                ::core::option::Option::None => {
                    ::core::result::Result::Ok(#p::call_once(#span.as_ref(), move || #body))
                }
                ::core::option::Option::Some(#output) => ::core::result::Result::Err(#output),
            };
            async move {
                match #future {
                    ::core::result::Result::Err(#output) => #made,
                    ::core::result::Result::Ok(#future) => {
                        let #future = ::core::pin::pin!(#future);
                        #tell
                        #finished
                    }
                }
            }
        }
    }

    fn run_boxed(&self, declared: &ReturnType, body: &Group) -> TokenStream {
        let Self {
            p,
            span,
            output,
            future,
            ..
        } = self;
        let body = closure(declared, body);
        let tell = self.tell();
        let finish = self.finish();
        quote! {
            let #future = #p::call_once(#span.as_ref(), #body);
            match #span {
                ::core::option::Option::None if !#p::is_told() => #future,
                ::core::option::Option::None => ::std::boxed::Box::pin({
                    #tell
                    #future
                }),
                ::core::option::Option::Some(#span) => ::std::boxed::Box::pin(async move {
                    #tell
                    let #output = #span.within(#future).await;
                    #finish
                    #output
                }),
            }
        }
    }

    /// Makes the future one that the application's telemetry is told of.
    fn tell(&self) -> TokenStream {
        let Self { p, future, .. } = self;
        let failed = self.failed();
        quote!(let #future = #p::told_future(&__LLMTEST_META, #future, #failed);)
    }

    /// How telemetry sees whether a result is an error.
    fn failed(&self) -> TokenStream {
        let p = &self.p;
        if self.signature.fallible {
            quote!(#p::Fallible)
        } else {
            quote!(#p::Infallible)
        }
    }

    fn finish_future(&self) -> TokenStream {
        let Self {
            span,
            output,
            future,
            ..
        } = self;
        let finish = self.finish();
        quote! {
            match #span {
                ::core::option::Option::None => #future.await,
                ::core::option::Option::Some(#span) => {
                    let #output = #span.within(#future).await;
                    #finish
                    #output
                }
            }
        }
    }

    /// Closes the span with what is in `output`.
    fn finish(&self) -> TokenStream {
        let Self {
            p, span, output, ..
        } = self;
        let value = Ident::new("__llmtest_value", Span::mixed_site());
        let error = Ident::new("__llmtest_error", Span::mixed_site());
        let record = |reference: TokenStream| match self.signature.result {
            Treatment::Skip => quote!(#span.output(#p::Value::Null)),
            Treatment::Redact => quote!(#span.output(#p::redacted())),
            // With `replay` this is `Serialize`, as the look-up has asked for.
            Treatment::Record => {
                let value = self.capture(&reference);
                quote!(#span.output(#value))
            }
        };
        if !self.signature.fallible {
            let record = record(quote!(&#output));
            return quote!(#record;);
        }
        let ok = record(quote!(#value));
        let message = self.message(&error);
        let failed = match self.signature.result {
            Treatment::Skip => quote!(#span.error("failed".into())),
            Treatment::Redact => quote!(#span.error("[redacted]".into())),
            Treatment::Record if self.replays() => {
                let recorded = self.error_type(&quote!(__llmtest_record(#error)));
                quote!(#span.error_of_stage(#message, #recorded))
            }
            Treatment::Record => quote!(#span.error(#message)),
        };
        let (value, error) = match self.signature.result {
            Treatment::Record => (quote!(#value), quote!(#error)),
            Treatment::Skip | Treatment::Redact => (quote!(_), quote!(_)),
        };
        quote! {
            match &#output {
                ::core::result::Result::Ok(#value) => #ok,
                ::core::result::Result::Err(#error) => #failed,
            }
        }
    }

    /// A value by the best trait it has: `Serialize`, else `Debug`, else the name of its type.
    pub(super) fn capture(&self, reference: &TokenStream) -> TokenStream {
        let p = &self.p;
        quote!({
            #[allow(unused_imports)]
            use #p::{ValueViaDebug as _, ValueViaName as _, ValueViaSerialize as _};
            (&&&#p::Captured(#reference)).__llmtest_value()
        })
    }

    /// What an error says, by the best trait it has.
    pub(super) fn message(&self, error: &Ident) -> TokenStream {
        let p = &self.p;
        quote!({
            #[allow(unused_imports)]
            use #p::{MessageViaDebug as _, MessageViaDisplay as _, MessageViaName as _};
            (&&&#p::Captured(#error)).__llmtest_message()
        })
    }

    /// A call on the error type of the result, by the best way there is to record and rebuild it.
    fn error_type(&self, call: &TokenStream) -> TokenStream {
        let p = &self.p;
        let ty = &self.signature.output;
        quote!({
            #[allow(unused_imports)]
            use #p::{ErrorViaFrom as _, ErrorViaNothing as _, ErrorViaSerde as _};
            (&&&#p::ErrorOf::<<#ty as #p::ResultParts>::Err>::NEW).#call
        })
    }
}

/// The body as a closure that returns what the function declares, so that a body with `Err(x.into())` infers.
pub(super) fn closure(declared: &ReturnType, body: &Group) -> TokenStream {
    match declared {
        ReturnType::Default => quote!(move || #body),
        ReturnType::Type(arrow, ty) => {
            let ty = without_impl(ty);
            if mentions_impl(&ty) {
                quote!(move || #body)
            } else {
                quote!(move || #arrow #ty #body)
            }
        }
    }
}

/// The body with its return type made known, which an `async` block has no syntax for.
pub(super) fn with_return_type(ty: &Type, body: &Group) -> Group {
    let ty = without_impl(ty);
    if matches!(ty, Type::Infer(_)) || mentions_impl(&ty) {
        return body.clone();
    }
    let result = Ident::new("__llmtest_result", Span::mixed_site());
    // In the macro's context, so that no lint of the user's applies; at the type, so that errors point there.
    let edge = quote_spanned! {Span::mixed_site().located_at(ty.span())=>
        #[allow(unknown_lints, unreachable_code, clippy::all, clippy::pedantic)]
        if false {
            let #result: #ty = loop {};
            return #result;
        }
    };
    // A block of its own, since items at the start of the body must not come after a statement.
    let mut inner = Group::new(Delimiter::Brace, body.stream());
    inner.set_span(Span::mixed_site().located_at(body.span()));
    let mut group = Group::new(Delimiter::Brace, quote!(#edge #inner));
    group.set_span(body.span());
    group
}

/// `#![…]` may stand in the body of a function only, so it moves to the function.
fn split_inner_attributes(body: &Group) -> (Vec<Attribute>, Group) {
    let split = |input: ParseStream<'_>| {
        Ok((
            input.call(Attribute::parse_inner)?,
            input.parse::<TokenStream>()?,
        ))
    };
    let Ok((mut attrs, rest)) = split.parse2(body.stream()) else {
        return (Vec::new(), body.clone());
    };
    for attr in &mut attrs {
        attr.style = AttrStyle::Outer;
    }
    let mut group = Group::new(Delimiter::Brace, rest);
    group.set_span(body.span());
    (attrs, group)
}
