//! The other attributes of a test: which of the emitted items each belongs to.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, quote};
use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, ExprLit, Lit, LitStr, Meta, Token};

use crate::function::last_segment;
use crate::problems::Problems;

#[derive(Default)]
pub(crate) struct Attributes {
    /// `#[cfg]`: on every item.
    pub(crate) cfgs: Vec<Attribute>,
    /// Of the function that holds the body.
    pub(crate) body: Vec<TokenStream>,
    /// Of the `#[test]` function.
    pub(crate) test: Vec<TokenStream>,
    pub(crate) ignored: Option<Ignored>,
    /// The lines of the doc comment.
    pub(crate) description: String,
}

pub(crate) struct Ignored {
    pub(crate) reason: Option<LitStr>,
    /// The predicate of `#[cfg_attr(predicate, ignore)]`.
    pub(crate) when: Option<TokenStream>,
}

impl Attributes {
    pub(crate) fn sort(attrs: &[Attribute], problems: &mut Problems) -> Self {
        let mut sorted = Self::default();
        for attr in attrs {
            let name = last_segment(attr.path());
            match name.as_str() {
                "cfg" => sorted.cfgs.push(attr.clone()),
                "cfg_attr" => sorted.conditional(attr, problems),
                "ignore" => sorted.ignore(&attr.meta, None, problems),
                "doc" => {
                    sorted.describe(&attr.meta);
                    sorted.body.push(attr.to_token_stream());
                    sorted.test.push(attr.to_token_stream());
                }
                "should_panic" => {
                    problems.on(attr, "an `#[llm_test]` function returns what to check, and a panic is an error: remove `#[should_panic]`");
                }
                "test" | "llm_test" => {
                    problems.on(
                        attr,
                        "`#[llm_test]` already makes this a test: remove the second test attribute",
                    );
                }
                "rstest" | "test_case" => {
                    problems.on(attr, format!("`#[{name}]` must come first: move it above, and write `#[llmtest::test]` below it"));
                }
                _ => sorted.body.push(attr.to_token_stream()),
            }
        }
        sorted
    }

    fn describe(&mut self, meta: &Meta) {
        if let Meta::NameValue(pair) = meta
            && let Some(line) = string(&pair.value)
        {
            if !self.description.is_empty() {
                self.description.push('\n');
            }
            self.description.push_str(line.value().trim());
        }
    }

    fn ignore(&mut self, meta: &Meta, when: Option<&TokenStream>, problems: &mut Problems) {
        let reason = match meta {
            Meta::NameValue(pair) => string(&pair.value).cloned(),
            Meta::Path(_) | Meta::List(_) => None,
        };
        if self.ignored.is_some() {
            problems.on(meta, "`#[ignore]` is given twice: remove one");
        }
        self.test.push(if let Some(when) = when {
            quote!(#[cfg_attr(#when, #meta)])
        } else {
            quote!(#[#meta])
        });
        self.ignored = Some(Ignored {
            reason,
            when: when.cloned(),
        });
    }

    /// `#[cfg_attr(predicate, ignore, …)]`: the `ignore` goes to the test, everything else stays with the body.
    fn conditional(&mut self, attr: &Attribute, problems: &mut Problems) {
        let Ok(parts) = attr.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)
        else {
            self.body.push(attr.to_token_stream());
            return;
        };
        let mut parts = parts.into_iter();
        let when = parts.next().to_token_stream();
        let mut rest = Vec::new();
        for meta in parts {
            if meta.path().is_ident("ignore") {
                self.ignore(&meta, Some(&when), problems);
            } else {
                rest.push(meta);
            }
        }
        if !rest.is_empty() {
            self.body.push(quote!(#[cfg_attr(#when, #(#rest),*)]));
        }
    }
}

fn string(value: &Expr) -> Option<&LitStr> {
    match value {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) => Some(text),
        _ => None,
    }
}
