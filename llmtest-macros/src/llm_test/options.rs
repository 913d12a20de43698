//! What may stand in `#[llm_test(…)]`.

use std::time::Duration;

use proc_macro2::{Ident, Span, TokenStream};
use syn::parse::{ParseStream, Parser as _};
use syn::punctuated::Punctuated;
use syn::{Lit, LitStr, Path, Token};

use crate::problems::{Problems, did_you_mean, each_option};

const KNOWN: [&str; 9] = [
    "dataset",
    "dataset_fn",
    "pass_rate",
    "trials",
    "passes",
    "timeout",
    "budget",
    "tags",
    "crate",
];

#[derive(Default)]
pub(crate) struct Options {
    pub(crate) dataset: Option<LitStr>,
    pub(crate) dataset_fn: Option<Path>,
    pub(crate) pass_rate: Option<f64>,
    pub(crate) trials: Option<u32>,
    pub(crate) passes: Option<u32>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) budget: Option<LitStr>,
    pub(crate) tags: Vec<LitStr>,
    pub(crate) crate_path: Option<Path>,
    /// A dataset is given, be it one that could not be read.
    pub(crate) has_dataset: bool,
}

impl Options {
    pub(crate) fn parse(tokens: TokenStream, problems: &mut Problems) -> Self {
        let mut options = Self::default();
        // Where each option stands, for the errors about what does not go together.
        let mut spans: Vec<(String, Span)> = Vec::new();
        each_option(tokens, problems, |name, input, problems| {
            spans.push((name.to_string(), name.span()));
            options.read(&name, input, problems)
        });
        let span = |name: &str| {
            spans
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, span)| *span)
        };

        options.has_dataset = span("dataset").is_some() || span("dataset_fn").is_some();
        if let (Some(_), Some(second)) = (span("dataset"), span("dataset_fn")) {
            problems.at(
                second,
                "`dataset` and `dataset_fn` exclude each other: keep the one the rows come from",
            );
        }
        if let (Some(span), false) = (span("pass_rate"), options.has_dataset) {
            problems.at(span, "`pass_rate` is a share of a dataset's rows: add `dataset = \"…\"`, or use `trials` and `passes`");
        }
        if let (Some(span), None) = (span("passes"), span("trials")) {
            problems.at(span, "`passes` counts trials: add `trials = …`");
        }
        if let (Some(span), Some(passes), Some(trials)) =
            (span("passes"), options.passes, options.trials)
            && passes > trials
        {
            problems.at(
                span,
                format!("`passes` is at most `trials`: {passes} of {trials} trials cannot pass"),
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
            "dataset" => {
                self.dataset = Some(text(
                    input,
                    "`dataset` is a file: `dataset = \"data/rows.jsonl\"`",
                )?);
            }
            "dataset_fn" => self.dataset_fn = Some(path(input)?),
            "pass_rate" => self.pass_rate = Some(share(input)?),
            "trials" => self.trials = Some(count(input, "trials")?),
            "passes" => self.passes = Some(count(input, "passes")?),
            "timeout" => self.timeout = Some(duration(input)?),
            "budget" => self.budget = Some(budget(input)?),
            "tags" => self.tags = tags(input)?,
            "crate" => {
                input.parse::<Token![=]>()?;
                self.crate_path = Some(input.call(Path::parse_mod_style)?);
            }
            unknown => {
                let hint = did_you_mean(unknown, &KNOWN);
                let known = KNOWN.map(|name| format!("`{name}`")).join(", ");
                problems.on(
                    name,
                    format!("unknown option `{unknown}`{hint}\nknown options: {known}"),
                );
                while !input.is_empty() && !input.peek(Token![,]) {
                    input.parse::<proc_macro2::TokenTree>()?;
                }
            }
        }
        Ok(())
    }
}

fn literal(input: ParseStream<'_>, usage: &str) -> syn::Result<Lit> {
    input
        .parse::<Token![=]>()
        .map_err(|error| syn::Error::new(error.span(), usage))?;
    input
        .parse::<Lit>()
        .map_err(|error| syn::Error::new(error.span(), usage))
}

fn text(input: ParseStream<'_>, usage: &str) -> syn::Result<LitStr> {
    match literal(input, usage)? {
        Lit::Str(text) if !text.value().is_empty() => Ok(text),
        other => Err(syn::Error::new(other.span(), usage)),
    }
}

/// A path, bare or in quotes.
fn path(input: ParseStream<'_>) -> syn::Result<Path> {
    input.parse::<Token![=]>()?;
    if input.peek(LitStr) {
        let quoted: LitStr = input.parse()?;
        return quoted.parse_with(Path::parse_mod_style);
    }
    let usage = "`dataset_fn` names a function that returns the rows: `dataset_fn = rows`";
    let path = input
        .call(Path::parse_mod_style)
        .map_err(|error| syn::Error::new(error.span(), usage))?;
    if input.is_empty() || input.peek(Token![,]) {
        Ok(path)
    } else {
        Err(input.error(usage))
    }
}

fn share(input: ParseStream<'_>) -> syn::Result<f64> {
    let usage = "`pass_rate` is a number from 0 to 1: `pass_rate = 0.9`";
    let literal = literal(input, usage)?;
    let value: Option<f64> = match &literal {
        Lit::Float(float) => float.base10_parse().ok(),
        Lit::Int(int) => int.base10_parse().ok(),
        _ => None,
    };
    value
        .filter(|value| (0.0..=1.0).contains(value))
        .ok_or_else(|| syn::Error::new(literal.span(), usage))
}

fn count(input: ParseStream<'_>, name: &str) -> syn::Result<u32> {
    let usage = format!("`{name}` is a whole number from 1: `{name} = 5`");
    let literal = literal(input, &usage)?;
    let value: Option<u32> = if let Lit::Int(int) = &literal {
        int.base10_parse().ok()
    } else {
        None
    };
    value
        .filter(|value| *value >= 1)
        .ok_or_else(|| syn::Error::new(literal.span(), usage))
}

fn duration(input: ParseStream<'_>) -> syn::Result<Duration> {
    let usage =
        "`timeout` is a whole number and a unit: `timeout = \"500ms\"`, `\"60s\"` or `\"2m\"`";
    let text = text(input, usage)?;
    parse_duration(&text.value()).ok_or_else(|| syn::Error::new(text.span(), usage))
}

fn parse_duration(text: &str) -> Option<Duration> {
    let unit = text.find(|c: char| !c.is_ascii_digit())?;
    let number: u64 = text[..unit].parse().ok()?;
    let milliseconds = match &text[unit..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        _ => return None,
    };
    number
        .checked_mul(milliseconds)
        .filter(|total| *total > 0)
        .map(Duration::from_millis)
}

fn budget(input: ParseStream<'_>) -> syn::Result<LitStr> {
    let usage =
        "`budget` is US dollars or tokens: `budget = \"$0.10\"` or `budget = \"200k tokens\"`";
    let text = text(input, usage)?;
    if is_budget(&text.value()) {
        Ok(text)
    } else {
        Err(syn::Error::new(text.span(), usage))
    }
}

/// As the runner reads it: above zero, and below what no run spends.
fn is_budget(text: &str) -> bool {
    let within = |number: &str, unit: f64, least: f64, most: f64| {
        let plain = number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let number: Option<f64> = number.parse().ok().filter(|_| plain);
        number.is_some_and(|number| (least..most).contains(&(number * unit)))
    };
    let text = text.trim();
    if let Some(dollars) = text.strip_prefix('$') {
        return within(dollars, 1.0, 1e-12, 1e7);
    }
    let Some(tokens) = text.strip_suffix("tokens") else {
        return false;
    };
    let tokens = tokens.trim_end();
    let (tokens, unit) = match (tokens.strip_suffix('k'), tokens.strip_suffix('M')) {
        (Some(short), _) => (short, 1e3),
        (_, Some(short)) => (short, 1e6),
        _ => (tokens, 1.0),
    };
    within(tokens, unit, 1.0, 1e15)
}

/// `tags("a", "b")` or `tags = "a"`.
fn tags(input: ParseStream<'_>) -> syn::Result<Vec<LitStr>> {
    let usage = "`tags` are words in quotes: `tags(\"must\", \"slow\")`";
    if input.peek(Token![=]) {
        return Ok(vec![text(input, usage)?]);
    }
    let at = input.span();
    let inner = || -> syn::Result<Vec<LitStr>> {
        let content;
        syn::parenthesized!(content in input);
        // By way of tokens: what is left unread in `content` would be an error of its own.
        let tags = Punctuated::<LitStr, Token![,]>::parse_terminated.parse2(content.parse()?)?;
        Ok(tags.into_iter().collect())
    };
    let tags = inner().map_err(|error| syn::Error::new(error.span(), usage))?;
    let bad = |tag: &LitStr| tag.value().is_empty() || tag.value().contains([',', ' ']);
    match tags.iter().find(|tag| bad(tag)) {
        _ if tags.is_empty() => Err(syn::Error::new(at, usage)),
        Some(tag) => Err(syn::Error::new(
            tag.span(),
            "a tag is one word, without spaces and commas",
        )),
        None => Ok(tags),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_have_a_unit() {
        for text in ["$2", "$0.10", "200k tokens", "1.5M tokens", "77 tokens"] {
            assert!(is_budget(text), "{text}");
        }
        for text in [
            "",
            "2",
            "€2",
            "-1",
            "$-1",
            "$0",
            "$",
            "$1e3",
            "2$",
            "0 tokens",
            "200k",
            "$2 tokens",
        ] {
            assert!(!is_budget(text), "{text}");
        }
    }

    #[test]
    fn durations_have_a_unit() {
        for (text, milliseconds) in [("500ms", 500), ("60s", 60_000), ("2m", 120_000)] {
            assert_eq!(
                parse_duration(text),
                Some(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
        for text in [
            "",
            "60",
            "s",
            "0s",
            "1.5s",
            "1h",
            "-1s",
            "1 s",
            "99999999999999999999s",
        ] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }
}
