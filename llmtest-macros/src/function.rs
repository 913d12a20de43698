//! A function whose body stays unread, so that half-typed code still expands and an editor can complete in it.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::{ToTokens, TokenStreamExt as _, quote};
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Signature, Token, Visibility};

#[derive(Clone)]
pub(crate) struct Function {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
    pub(crate) body: Group,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        let sig: Signature = input.parse()?;
        if input.peek(Token![;]) {
            return Err(syn::Error::new_spanned(
                sig.fn_token,
                "this function has no body: put the attribute on its implementation",
            ));
        }
        match input.parse()? {
            TokenTree::Group(body) => Ok(Self {
                attrs,
                vis,
                sig,
                body: unwrapped(body),
            }),
            other => Err(syn::Error::new_spanned(
                other,
                "expected the body of a function",
            )),
        }
    }
}

/// The braces themselves, where a `macro_rules` macro passed the body on as a `block`.
fn unwrapped(body: Group) -> Group {
    let mut tokens = body.stream().into_iter();
    match (body.delimiter(), tokens.next(), tokens.next()) {
        (Delimiter::None, Some(TokenTree::Group(inner)), None) => unwrapped(inner),
        _ => body,
    }
}

impl ToTokens for Function {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.append_all(&self.attrs);
        self.vis.to_tokens(tokens);
        self.sig.to_tokens(tokens);
        self.body.to_tokens(tokens);
    }
}

/// The item as it was, with the reason why it cannot be expanded.
pub(crate) fn rejected(item: &TokenStream, error: &syn::Error) -> TokenStream {
    let error = error.to_compile_error();
    quote!(#error #item)
}

/// The last name of an attribute's or type's path.
pub(crate) fn last_segment(path: &syn::Path) -> String {
    path.segments
        .last()
        .map(|segment| segment.ident.to_string())
        .unwrap_or_default()
}
