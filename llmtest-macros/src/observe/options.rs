//! What may stand in `#[observe(…)]`.

use proc_macro2::{Ident, TokenStream, TokenTree};
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::punctuated::Punctuated;
use syn::{Expr, LitStr, Path, Token};

use crate::problems::{Problems, did_you_mean, each_option};

/// Options without a value.
const WORDS: [&str; 3] = ["replay", "stream", "join"];
const NAMED: [&str; 6] = ["name", "kind", "skip", "redact", "key", "crate"];

#[derive(Default)]
pub(crate) struct Options {
    pub(crate) kind: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) skip: Vec<Ident>,
    pub(crate) redact: Vec<Ident>,
    pub(crate) replay: bool,
    /// The result is a stream, whatever its type is called.
    pub(crate) stream: bool,
    /// The items are pieces of one text.
    pub(crate) join: Option<Ident>,
    pub(crate) key: Option<Expr>,
    pub(crate) crate_path: Option<Path>,
}

impl Options {
    pub(crate) fn parse(tokens: TokenStream, problems: &mut Problems) -> Self {
        let mut options = Self::default();
        let mut key_at = None;
        each_option(tokens, problems, |name, input, problems| {
            if name == "key" {
                key_at = Some(name.span());
            }
            options.read(&name, input, problems)
        });
        if let (Some(span), false) = (key_at, options.replay) {
            problems.at(
                span,
                "`key` is a part of what a recording is found by: add `replay`, or remove `key`",
            );
        }
        options
    }

    fn read(
        &mut self,
        name: &Ident,
        input: ParseStream<'_>,
        problems: &mut Problems,
    ) -> syn::Result<()> {
        match name.to_string().as_str() {
            "name" => {
                self.name = Some(text(
                    input,
                    "`name` is the span's name: `name = \"search\"`",
                )?);
            }
            "kind" => {
                let kind = text(input, "`kind` is a word: `kind = \"llm\"`")?;
                self.set_kind(kind, name, problems);
            }
            "skip" => self.skip = names(input, "`skip` names arguments or `result`: `skip(a, b)`")?,
            "redact" => {
                self.redact = names(input, "`redact` names arguments or `result`: `redact(a)`")?;
            }
            "replay" => self.replay = true,
            "stream" => self.stream = true,
            "join" => self.join = Some(name.clone()),
            "key" => {
                input.parse::<Token![=]>()?;
                self.key = Some(input.parse()?);
            }
            "crate" => {
                input.parse::<Token![=]>()?;
                self.crate_path = Some(input.call(Path::parse_mod_style)?);
            }
            // Any other word is a kind; but with a value it was meant as an option.
            unknown if !input.is_empty() && !input.peek(Token![,]) => {
                let hint = did_you_mean(unknown, &NAMED);
                let known = NAMED.map(|name| format!("`{name}`")).join(", ");
                problems.on(
                    name,
                    format!(
                        "unknown option `{unknown}`{hint}\nknown options: a kind, `replay`, `stream`, `join`, {known}"
                    ),
                );
                while !input.is_empty() && !input.peek(Token![,]) {
                    input.parse::<TokenTree>()?;
                }
            }
            kind => {
                // A kind of the user's own can be any word, but not one that is so close to an option.
                let hint = did_you_mean(kind, &WORDS[..2]);
                if self.kind.is_none() && !hint.is_empty() {
                    problems.on(name, format!("unknown option `{kind}`{hint}\nif it is a kind, write `kind = \"{kind}\"`"));
                }
                self.set_kind(kind.trim_start_matches("r#").to_string(), name, problems);
            }
        }
        Ok(())
    }

    fn set_kind(&mut self, kind: String, at: &Ident, problems: &mut Problems) {
        if let Some(first) = &self.kind {
            problems.on(
                at,
                format!(
                    "the kind is already `{first}`: keep one{} (options are `replay`, `stream`, `join` and {})",
                    // The second word may be an option that is misspelled.
                    did_you_mean(&kind, &WORDS),
                    NAMED.join(", ")
                ),
            );
        }
        self.kind = Some(kind);
    }
}

fn text(input: ParseStream<'_>, usage: &str) -> syn::Result<String> {
    let read = || -> syn::Result<LitStr> {
        input.parse::<Token![=]>()?;
        input.parse()
    };
    let literal = read().map_err(|error| syn::Error::new(error.span(), usage))?;
    if literal.value().is_empty() {
        Err(syn::Error::new(literal.span(), usage))
    } else {
        Ok(literal.value())
    }
}

fn names(input: ParseStream<'_>, usage: &str) -> syn::Result<Vec<Ident>> {
    let read = || -> syn::Result<Vec<Ident>> {
        let content;
        syn::parenthesized!(content in input);
        // By way of tokens: what is left unread in `content` would be an error of its own.
        let names = |input: ParseStream<'_>| {
            Punctuated::<Ident, Token![,]>::parse_terminated_with(input, Ident::parse_any)
        };
        Ok(names.parse2(content.parse()?)?.into_iter().collect())
    };
    read().map_err(|error| syn::Error::new(error.span(), usage))
}
