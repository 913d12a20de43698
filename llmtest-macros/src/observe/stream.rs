//! The code of an observed function that returns a stream.

use proc_macro2::{Group, Ident, Span, TokenStream};
use quote::{ToTokens as _, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{ReturnType, Type, TypeParamBound, parse_quote};

use super::expand::{Code, closure, with_return_type};
use super::signature::{
    Shape, Treatment, assigned, boxed, first_type_argument, last_path_segment, mentions_impl,
    replace_impl,
};

/// A stream that a function returns.
pub(crate) struct Streams {
    /// Without the `Result` around it.
    ty: Type,
    /// If the signature says what it is.
    item: Option<Type>,
    /// `impl Stream`, whose type may become another.
    opaque: bool,
    /// A `Result` is around it.
    fallible: bool,
}

impl Streams {
    /// Reads what a function ends up with. `said` is the option `stream`.
    pub(super) fn of(output: &Type, fallible: bool, said: bool) -> Option<Self> {
        let ty = if fallible {
            last_path_segment(output).and_then(first_type_argument)?
        } else {
            output
        };
        let (item, opaque) = match ty {
            Type::ImplTrait(ty) => {
                let item = ty
                    .bounds
                    .iter()
                    .find_map(|bound| assigned(bound, "Stream", "Item"));
                // Another trait would be lost.
                if !said && (item.is_none() || !ty.bounds.iter().all(is_kept)) {
                    return None;
                }
                (item.cloned(), true)
            }
            ty => match boxed(ty, "Stream", "Item") {
                Some(item) => (Some(item.clone()), false),
                None if said => (None, false),
                None => return None,
            },
        };
        Some(Self {
            ty: ty.clone(),
            item,
            opaque,
            fallible,
        })
    }

    /// Whether the body can name the type of the items.
    pub(super) fn names_item(&self) -> bool {
        match &self.item {
            Some(item) => !mentions_impl(item),
            None => !self.opaque,
        }
    }
}

/// What the stream that records is as well, if the one it records is.
fn is_kept(bound: &TypeParamBound) -> bool {
    let TypeParamBound::Trait(bound) = bound else {
        return true;
    };
    bound.path.segments.last().is_some_and(|segment| {
        ["Stream", "Send", "Sync", "Unpin"]
            .iter()
            .any(|name| segment.ident == name)
    })
}

impl Code<'_> {
    pub(super) fn run_stream(&self, declared: &ReturnType, body: &Group) -> TokenStream {
        let Some(stream) = &self.signature.stream else {
            return TokenStream::new();
        };
        let Self {
            p,
            span,
            output,
            future,
            teller,
            ..
        } = self;
        let tell = self.teller();
        match self.signature.shape {
            Shape::Sync => {
                let body = closure(declared, body);
                let called = quote!(#p::call_once(#span.as_ref(), || #teller.call(#body)));
                let recorded = self.recorded_stream(stream, &called);
                quote! {
                    #tell
                    #recorded
                }
            }
            Shape::Async => {
                let body = with_return_type(&self.signature.output, body);
                let recorded = self.recorded_stream(stream, &self.awaited());
                quote! {
                    let #future = ::core::pin::pin!(async move #body);
                    #tell
                    #recorded
                }
            }
            Shape::ImplFuture => {
                // The body, which makes the future, must not run when there is a substitute.
                let live = self.live(stream, &self.awaited());
                let made = self.made_stream(stream);
                let closed = self.close(stream);
                quote! {
                    let #future = match #p::substituted(&__LLMTEST_META, &mut #span) {
                        ::core::option::Option::None => {
                            ::core::result::Result::Ok(#p::call_once(#span.as_ref(), move || #body))
                        }
                        ::core::option::Option::Some(#output) => ::core::result::Result::Err(#output),
                    };
                    async move {
                        #tell
                        let #output = match #future {
                            ::core::result::Result::Err(#output) => #made,
                            ::core::result::Result::Ok(#future) => {
                                let #future = ::core::pin::pin!(#future);
                                #live
                            }
                        };
                        #closed
                    }
                }
            }
            Shape::Boxed => self.run_boxed_stream(stream, declared, body),
        }
    }

    /// A boxed future of a stream: as it is if nobody listens.
    fn run_boxed_stream(
        &self,
        stream: &Streams,
        declared: &ReturnType,
        body: &Group,
    ) -> TokenStream {
        let Self {
            p,
            span,
            output,
            future,
            ..
        } = self;
        let body = closure(declared, body);
        let tell = self.teller();
        let live = self.live(stream, &self.awaited());
        let closed = self.close(stream);
        let replay = self.replays().then(|| {
            let found = self.found(stream);
            quote! {
                if let ::core::option::Option::Some(#output) = #p::look_up(&mut #span) {
                    return ::std::boxed::Box::pin(async move {
                        #tell
                        let #output = #found;
                        #closed
                    });
                }
            }
        });
        let made = self.made_stream(stream);
        quote! {
            if let ::core::option::Option::Some(#output) =
                #p::substituted(&__LLMTEST_META, &mut #span)
            {
                return ::std::boxed::Box::pin(async move {
                    #tell
                    let #output = #made;
                    #closed
                });
            }
            #replay
            let #future = #p::call_once(#span.as_ref(), #body);
            if #span.is_none() && !#p::is_told() {
                return #future;
            }
            ::std::boxed::Box::pin(async move {
                #tell
                let #output = #live;
                #closed
            })
        }
    }

    /// What tells the application's telemetry of the call and then of the stream.
    fn teller(&self) -> TokenStream {
        let Self { p, teller, .. } = self;
        quote!(let mut #teller = #p::Teller::of(&__LLMTEST_META);)
    }

    /// The result of the future, polled inside of the span.
    fn awaited(&self) -> TokenStream {
        let Self {
            span,
            future,
            teller,
            ..
        } = self;
        quote! {
            match &#span {
                ::core::option::Option::None => #teller.within(#future).await,
                ::core::option::Option::Some(#span) => #span.within(#teller.within(#future)).await,
            }
        }
    }

    /// What the function returns, for what running its body gives.
    fn recorded_stream(&self, stream: &Streams, run: &TokenStream) -> TokenStream {
        let Self {
            p, span, output, ..
        } = self;
        let live = self.live(stream, run);
        let closed = self.close(stream);
        let made = self.made_stream(stream);
        let called = if self.replays() {
            let found = self.found(stream);
            quote! {
                match #p::look_up(&mut #span) {
                    ::core::option::Option::Some(#output) => #found,
                    ::core::option::Option::None => #live,
                }
            }
        } else {
            live
        };
        quote! {
            let #output = match #p::substituted(&__LLMTEST_META, &mut #span) {
                ::core::option::Option::Some(#output) => #made,
                ::core::option::Option::None => #called,
            };
            #closed
        }
    }

    /// The type of the items.
    fn item(&self, stream: &Streams) -> TokenStream {
        let p = &self.p;
        let ty = &stream.ty;
        stream.item.as_ref().map_or_else(
            || quote_spanned!(ty.span()=> <#ty as #p::BoxedStream>::Of),
            |item| quote!(#item),
        )
    }

    /// The stream, or the error, of the substitute in `output`.
    fn made_stream(&self, stream: &Streams) -> TokenStream {
        let Self { p, output, .. } = self;
        let ty = &stream.ty;
        if !stream.names_item() {
            let ty = ty.to_token_stream().to_string();
            return quote!(#output.unnamed(#ty));
        }
        let item = self.item(stream);
        let rebuild = quote! {
            |recorded: #p::RecordedItem| {
                #[allow(unused_imports)]
                use #p::{OkViaNothing as _, OkViaSerde as _, RebuiltViaResult as _, RebuiltViaValue as _};
                let of = #p::ItemOf::<#item>::NEW;
                let made = (&&(&&of).__llmtest_made()).__llmtest_ok(recorded.value());
                (&&of).__llmtest_join(#p::unless_unmade(made).map(::core::result::Result::Ok))
            }
        };
        if stream.fallible {
            // An alias of `Result` has the same error whatever it holds.
            let error = self.made_error(&replace_impl(&self.signature.output, &parse_quote!(())));
            quote!(#output.stream_result(#rebuild, |error, message| #error))
        } else {
            quote!(#output.stream(#rebuild))
        }
    }

    /// The stream that the body gave, or the error.
    fn live(&self, stream: &Streams, run: &TokenStream) -> TokenStream {
        let Self { p, output, .. } = self;
        let source = if stream.opaque {
            quote!(#p::Source::Live(::std::boxed::Box::pin(#output)))
        } else {
            quote!(#p::Source::Live(#output))
        };
        if stream.fallible {
            quote! {
                match #run {
                    ::core::result::Result::Ok(#output) => ::core::result::Result::Ok(#source),
                    ::core::result::Result::Err(#output) => ::core::result::Result::Err(#output),
                }
            }
        } else {
            quote!({
                let #output = #run;
                #source
            })
        }
    }

    /// The same from the recording in `output`.
    fn found(&self, stream: &Streams) -> TokenStream {
        let Self { p, output, .. } = self;
        let ty = &stream.ty;
        let item = self.item(stream);
        let at = stream
            .item
            .as_ref()
            .map_or_else(|| ty.span(), Spanned::span);
        // The call that asks for `Deserialize` is at the item's type.
        let read = quote_spanned!(at=> recorded.read(|error, message| {
            (&&&(&&of).__llmtest_error()).__llmtest_rebuild(error, message)
        }));
        let rebuild = quote! {
            |recorded| {
                #[allow(unused_imports)]
                use #p::{ErrorViaFrom as _, ErrorViaNothing as _, ErrorViaSerde as _, RebuiltViaResult as _, RebuiltViaValue as _};
                let recorded: #p::RecordedItem = recorded;
                let of = #p::ItemOf::<#item>::NEW;
                (&&of).__llmtest_join(#read)
            }
        };
        if stream.fallible {
            let error = self.stream_error(&quote!(__llmtest_rebuild(error, message)));
            quote!(#output.stream_result(#rebuild, |error, message| #error))
        } else {
            quote!(#output.stream(#rebuild))
        }
    }

    /// The stream with its span, for the source in `output`; or closes the span with the error.
    fn close(&self, stream: &Streams) -> TokenStream {
        let Self {
            p,
            span,
            output,
            teller,
            ..
        } = self;
        let keep = match self.signature.result {
            Treatment::Skip => quote!(Nothing),
            Treatment::Redact => quote!(Redacted),
            Treatment::Record if self.options.join.is_some() => quote!(Joined),
            Treatment::Record => quote!(Items),
        };
        let see = self.see();
        // At the type, which is what can be wrong.
        let at = stream.ty.span();
        let wrap = if stream.opaque {
            quote_spanned!(at=> #p::streamed)
        } else {
            let ty = &stream.ty;
            quote_spanned!(at=> #p::streamed_boxed::<#ty>)
        };
        let wrapped = quote!(#wrap(#span, #output, #p::Keep::#keep, #see, #teller));
        if !stream.fallible {
            return wrapped;
        }
        let error = Ident::new("__llmtest_error", Span::mixed_site());
        let failed = match self.signature.result {
            Treatment::Skip => quote!(#span.error("failed".into())),
            Treatment::Redact => quote!(#span.error("[redacted]".into())),
            Treatment::Record => {
                let message = self.message(&error);
                let message = quote!({
                    let #error = &#error;
                    #message
                });
                if self.replays() {
                    let recorded = self.stream_error(&quote!(__llmtest_record(&#error)));
                    quote!(#span.error_of_stage(#message, #recorded))
                } else {
                    quote!(#span.error(#message))
                }
            }
        };
        quote! {
            match #output {
                ::core::result::Result::Ok(#output) => ::core::result::Result::Ok(#wrapped),
                ::core::result::Result::Err(#error) => {
                    #teller.end(true);
                    if let ::core::option::Option::Some(#span) = #span {
                        #failed;
                    }
                    ::core::result::Result::Err(#error)
                }
            }
        }
    }

    /// A closure that says how an item is recorded.
    fn see(&self) -> TokenStream {
        let p = &self.p;
        let value = Ident::new("__llmtest_value", Span::mixed_site());
        let error = Ident::new("__llmtest_error", Span::mixed_site());
        let (seen, failed) = match self.signature.result {
            Treatment::Skip => (
                quote!(#p::Value::Null),
                quote!("failed".into(), ::core::option::Option::None),
            ),
            Treatment::Redact => (
                quote!(#p::Value::Null),
                quote!("[redacted]".into(), ::core::option::Option::None),
            ),
            Treatment::Record => {
                let message = self.message(&error);
                let recorded = if self.replays() {
                    quote!({
                        #[allow(unused_imports)]
                        use #p::{ErrorViaFrom as _, ErrorViaNothing as _, ErrorViaSerde as _};
                        (&&&#p::error_of(#error)).__llmtest_record(#error)
                    })
                } else {
                    quote!(::core::option::Option::None)
                };
                (self.capture(&quote!(#value)), quote!(#message, #recorded))
            }
        };
        let (bound, caught) = match self.signature.result {
            Treatment::Record => (quote!(#value), quote!(#error)),
            Treatment::Skip | Treatment::Redact => (quote!(_), quote!(_)),
        };
        quote! {
            |item| {
                #[allow(unused_imports)]
                use #p::{ItemViaResult as _, ItemViaValue as _};
                match (&&#p::ItemRef(item)).__llmtest_item() {
                    ::core::result::Result::Ok(#bound) => #p::Seen::Item(#seen),
                    ::core::result::Result::Err(#caught) => #p::Seen::Error(#failed),
                }
            }
        }
    }

    /// A call on the error type of the `Result` around the stream.
    fn stream_error(&self, call: &TokenStream) -> TokenStream {
        let p = &self.p;
        // An alias of `Result` has the same error whatever it holds.
        let ty = replace_impl(&self.signature.output, &parse_quote!(()));
        quote!({
            #[allow(unused_imports)]
            use #p::{ErrorViaFrom as _, ErrorViaNothing as _, ErrorViaSerde as _};
            (&&&#p::ErrorOf::<<#ty as #p::ResultParts>::Err>::NEW).#call
        })
    }
}
