//! `#[llm_test]`: read the options, check the signature, emit one hidden function and one static.

mod attributes;
mod expand;
mod options;
mod validate;

#[cfg(test)]
mod tests;

use proc_macro2::TokenStream;

use crate::function::{self, Function};
use crate::problems::Problems;

pub(crate) fn expand(options: TokenStream, item: TokenStream) -> TokenStream {
    let mut problems = Problems::default();
    let options = options::Options::parse(options, &mut problems);
    let function: Function = match syn::parse2(item.clone()) {
        Ok(function) => function,
        Err(error) => return function::rejected(&item, &error),
    };
    validate::validate(&function, &options, &mut problems);
    let attributes = attributes::Attributes::sort(&function.attrs, &mut problems);
    match problems.into_compile_errors() {
        None => expand::expand(&options, attributes, &function),
        Some(errors) => expand::despite(errors, attributes, function),
    }
}
