//! Collecting every error before reporting any, and reading `name = value` lists that recover from a bad entry.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::{Path, Token};

/// The errors found so far. All of them are reported at once.
#[derive(Default)]
pub(crate) struct Problems(Option<syn::Error>);

impl Problems {
    pub(crate) fn push(&mut self, error: syn::Error) {
        match &mut self.0 {
            Some(all) => all.combine(error),
            none => *none = Some(error),
        }
    }

    /// An error that covers all of `tokens`.
    pub(crate) fn on(&mut self, tokens: impl ToTokens, message: impl std::fmt::Display) {
        self.push(syn::Error::new_spanned(tokens, message));
    }

    pub(crate) fn at(&mut self, span: Span, message: impl std::fmt::Display) {
        self.push(syn::Error::new(span, message));
    }

    /// The `compile_error!`s, or nothing.
    pub(crate) fn into_compile_errors(self) -> Option<TokenStream> {
        self.0.map(syn::Error::into_compile_error)
    }

    #[cfg(test)]
    pub(crate) fn messages(self) -> Vec<String> {
        self.0
            .into_iter()
            .flatten()
            .map(|error| error.to_string())
            .collect()
    }
}

/// Reads a comma-separated list. `one` gets each entry's name; an entry that fails is reported and left.
pub(crate) fn each_option(
    options: TokenStream,
    problems: &mut Problems,
    mut one: impl FnMut(Ident, ParseStream<'_>, &mut Problems) -> syn::Result<()>,
) {
    let mut seen: Vec<String> = Vec::new();
    let read = |input: ParseStream<'_>| {
        while !input.is_empty() {
            let entry = input.call(Ident::parse_any).and_then(|name| {
                let text = name.to_string();
                if seen.contains(&text) {
                    problems.on(
                        &name,
                        format!("the option `{text}` is given twice: remove one"),
                    );
                }
                seen.push(text);
                one(name, input, problems)
            });
            if let Err(error) = entry {
                problems.push(error);
                skip_entry(input)?;
            } else if !input.is_empty() && !input.peek(Token![,]) {
                problems.push(input.error("expected a comma"));
                skip_entry(input)?;
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(())
    };
    if let Err(error) = read.parse2(options) {
        problems.push(error);
    }
}

fn skip_entry(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<TokenTree>()?;
    }
    Ok(())
}

/// The value of `crate = path`, and with it the one module that an expansion may name.
pub(crate) fn private_path(crate_path: Option<&Path>) -> TokenStream {
    if let Some(path) = crate_path {
        quote!(#path::__private)
    } else {
        quote!(::llmtest::__private)
    }
}

/// `: did you mean …?`, when one of `known` is near.
pub(crate) fn did_you_mean(word: &str, known: &[&str]) -> String {
    known
        .iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .min()
        .filter(|(distance, candidate)| *distance <= candidate.len().div_ceil(3).min(3))
        .map_or_else(String::new, |(_, candidate)| {
            format!(", did you mean `{candidate}`?")
        })
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_edits() {
        for (a, b, edits) in [
            ("", "abc", 3),
            ("dataset", "datset", 1),
            ("trials", "trials", 0),
            ("trail", "trial", 2),
        ] {
            assert_eq!(distance(a, b), edits, "{a} {b}");
        }
    }

    #[test]
    fn only_near_names_are_suggested() {
        assert_eq!(
            did_you_mean("datset", &["dataset", "trials"]),
            ", did you mean `dataset`?"
        );
        assert_eq!(did_you_mean("zebra", &["dataset", "trials"]), "");
    }
}
