//! `#[observe]`: read the options, understand the signature, wrap the body.

mod expand;
mod hash;
mod options;
mod signature;
mod source;
mod stream;

#[cfg(test)]
mod tests;

use proc_macro2::TokenStream;
use quote::ToTokens as _;

use crate::function::{self, Function};
use crate::problems::Problems;

pub(crate) fn expand(options: TokenStream, item: TokenStream) -> TokenStream {
    let mut problems = Problems::default();
    let options = options::Options::parse(options, &mut problems);
    let function: Function = match syn::parse2(item.clone()) {
        Ok(function) => function,
        Err(error) => return function::rejected(&item, &error),
    };
    let signature = signature::Signature::read(&function.sig, &options, &mut problems);
    match problems.into_compile_errors() {
        None => expand::expand(&options, &signature, &function),
        Some(errors) => [errors, function.into_token_stream()].into_iter().collect(),
    }
}
