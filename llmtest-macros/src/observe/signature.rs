//! What an observed function takes and gives.

use proc_macro2::{Ident, TokenTree};
use quote::ToTokens as _;
use syn::{
    FieldPat, FnArg, GenericArgument, Pat, PathArguments, PathSegment, ReturnType, Type,
    TypeParamBound, parse_quote,
};

use super::options::Options;
use super::stream::Streams;
use crate::problems::{Problems, did_you_mean};

pub(crate) struct Signature {
    pub(crate) arguments: Vec<Argument>,
    pub(crate) shape: Shape,
    /// What a call ends up with: for a function that returns a future, that future's output.
    pub(crate) output: Type,
    /// The last name of `output` is `Result`.
    pub(crate) fallible: bool,
    /// `output` is a stream, or a `Result` of one.
    pub(crate) stream: Option<Streams>,
    pub(crate) result: Treatment,
    /// Takes `self`.
    pub(crate) method: bool,
    pub(crate) generics: syn::Generics,
}

/// A name bound by the arguments.
pub(crate) struct Argument {
    pub(crate) ident: Ident,
    pub(crate) treatment: Treatment,
    /// The `#[cfg]`s that it stands under.
    pub(crate) cfgs: Vec<syn::Attribute>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Treatment {
    Record,
    Redact,
    Skip,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shape {
    Sync,
    Async,
    /// `-> impl Future<Output = T>`
    ImplFuture,
    /// `-> Pin<Box<dyn Future<Output = T>>>`, as `#[async_trait]` writes it, or `BoxFuture<'_, T>`
    Boxed,
}

impl Signature {
    pub(crate) fn read(sig: &syn::Signature, options: &Options, problems: &mut Problems) -> Self {
        if let Some(token) = &sig.constness {
            problems.on(
                token,
                "a `const fn` cannot be observed: remove `const`, or the attribute",
            );
        }
        if let Some(abi) = &sig.abi {
            problems.on(
                abi,
                "an `extern` function cannot be observed: observe a Rust function that calls it",
            );
        }
        let mut idents = Vec::new();
        let mut cfgs: Vec<Vec<syn::Attribute>> = Vec::new();
        let mut receiver = None;
        for input in &sig.inputs {
            match input {
                FnArg::Receiver(self_) => receiver = Some(self_),
                FnArg::Typed(argument) => {
                    bound_names(&argument.pat, &mut idents);
                    let is_cfg = |attr: &&syn::Attribute| attr.path().is_ident("cfg");
                    let found: Vec<_> = argument.attrs.iter().filter(is_cfg).cloned().collect();
                    cfgs.resize(idents.len(), found);
                }
            }
        }
        check_names(&idents, options, problems);

        let declared: Type = match &sig.output {
            ReturnType::Default => parse_quote!(()),
            ReturnType::Type(_, ty) => (**ty).clone(),
        };
        if let Type::Never(never) = &declared {
            problems.on(
                never,
                "a function that never returns has no result to observe: remove the attribute",
            );
        }
        let (shape, output) = shape(sig.asyncness.is_some(), declared);
        let fallible = last_path_segment(&output).is_some_and(|segment| segment.ident == "Result");
        let stream = Streams::of(&output, fallible, options.stream);
        if options.stream && stream.is_none() {
            problems.on(
                &sig.output,
                "`stream` finds no stream here: return one, or a `Result` that names it, or remove `stream`",
            );
        } else if let (Some(join), None) = (&options.join, &stream) {
            problems.on(
                join,
                "`join` makes one text of the items of a stream: add `stream`, or remove `join`",
            );
        }
        if options.replay {
            if shape == Shape::ImplFuture {
                problems.on(&sig.output, "`replay` cannot return another future: write an `async fn`, or remove `replay`");
            } else if stream
                .as_ref()
                .map_or_else(|| mentions_impl(&output), |stream| !stream.names_item())
            {
                problems.on(&output, "`replay` must name the type it rebuilds from a recording: name it, or remove `replay`");
            }
            if options.key.is_none() {
                if let Some(receiver) = receiver {
                    problems.on(
                        receiver.self_token,
                        "`replay` does not see what the result depends on in `self`: add `key = &self.model`, \
                         or `key = ()` if it depends on nothing there",
                    );
                }
                for skipped in options.skip.iter().filter(|name| *name != "result") {
                    problems.on(
                        skipped,
                        format!("with `replay`, another `{skipped}` would get the same result: add a `key`, or use `redact({skipped})`"),
                    );
                }
            }
            for (names, option) in [(&options.skip, "skip"), (&options.redact, "redact")] {
                if let Some(name) = names.iter().find(|name| *name == "result") {
                    problems.on(
                        name,
                        format!(
                            "`replay` records the result: remove `{option}(result)` or `replay`"
                        ),
                    );
                }
            }
        }

        let treatment = |ident: &Ident| {
            if options.skip.contains(ident) {
                Treatment::Skip
            } else if options.redact.contains(ident) {
                Treatment::Redact
            } else {
                Treatment::Record
            }
        };
        let result = treatment(&Ident::new("result", proc_macro2::Span::call_site()));
        let arguments = idents
            .into_iter()
            .zip(cfgs)
            .map(|(ident, cfgs)| Argument {
                treatment: treatment(&ident),
                ident,
                cfgs,
            })
            .collect();
        Self {
            arguments,
            shape,
            output,
            fallible,
            stream,
            result,
            method: receiver.is_some(),
            generics: sig.generics.clone(),
        }
    }
}

fn check_names(idents: &[Ident], options: &Options, problems: &mut Problems) {
    let mut known: Vec<String> = idents.iter().map(ToString::to_string).collect();
    known.push("result".to_string());
    for (names, option) in [(&options.skip, "skip"), (&options.redact, "redact")] {
        for name in names {
            let text = name.to_string();
            if text == "self" {
                problems.on(
                    name,
                    format!("`self` is never recorded: remove it from `{option}`"),
                );
            } else if !known.contains(&text) {
                let known: Vec<&str> = known.iter().map(String::as_str).collect();
                let hint = did_you_mean(&text, &known);
                let listed = known
                    .iter()
                    .map(|name| format!("`{name}`"))
                    .collect::<Vec<_>>()
                    .join(", ");
                problems.on(name, format!("`{option}` names no argument of this function: `{text}`{hint}\nit knows: {listed}"));
            }
        }
    }
    for name in options
        .skip
        .iter()
        .filter(|name| options.redact.contains(name))
    {
        problems.on(
            name,
            format!("`{name}` is both skipped and redacted: keep one"),
        );
    }
}

/// The names that a pattern binds.
fn bound_names(pat: &Pat, names: &mut Vec<Ident>) {
    let mut all =
        |pats: &mut dyn Iterator<Item = &Pat>| pats.for_each(|pat| bound_names(pat, names));
    match pat {
        Pat::Ident(bound) => {
            if let Some((_, inner)) = &bound.subpat {
                bound_names(inner, names);
            }
            names.push(bound.ident.clone());
        }
        Pat::Tuple(tuple) => all(&mut tuple.elems.iter()),
        Pat::TupleStruct(tuple) => all(&mut tuple.elems.iter()),
        Pat::Slice(slice) => all(&mut slice.elems.iter()),
        Pat::Struct(fields) => all(&mut fields.fields.iter().map(|FieldPat { pat, .. }| &**pat)),
        Pat::Reference(reference) => bound_names(&reference.pat, names),
        Pat::Paren(inner) => bound_names(&inner.pat, names),
        Pat::Type(typed) => bound_names(&typed.pat, names),
        // Every alternative binds the same names.
        Pat::Or(or) => or
            .cases
            .iter()
            .take(1)
            .for_each(|pat| bound_names(pat, names)),
        _ => {}
    }
}

fn shape(is_async: bool, declared: Type) -> (Shape, Type) {
    if is_async {
        return (Shape::Async, declared);
    }
    if let Type::ImplTrait(ty) = &declared
        && let Some(output) = ty.bounds.iter().find_map(future_output)
    {
        return (Shape::ImplFuture, output.clone());
    }
    if let Some(output) = boxed_output(&declared) {
        let output = output.clone();
        return (Shape::Boxed, output);
    }
    (Shape::Sync, declared)
}

/// The `T` of `Pin<Box<dyn Future<Output = T>>>`, `BoxFuture<'_, T>` and `LocalBoxFuture<'_, T>`.
fn boxed_output(ty: &Type) -> Option<&Type> {
    boxed(ty, "Future", "Output")
}

/// The `T` of `Pin<Box<dyn Trait<Name = T>>>`, `BoxTrait<'_, T>` and `LocalBoxTrait<'_, T>`.
pub(crate) fn boxed<'a>(ty: &'a Type, of: &str, name: &str) -> Option<&'a Type> {
    let segment = last_path_segment(ty)?;
    if segment.ident == format!("Box{of}") || segment.ident == format!("LocalBox{of}") {
        return first_type_argument(segment);
    }
    let pinned = Some(segment)
        .filter(|segment| segment.ident == "Pin")
        .and_then(first_type_argument)?;
    let boxed = last_path_segment(pinned)
        .filter(|segment| segment.ident == "Box")
        .and_then(first_type_argument)?;
    match boxed {
        Type::TraitObject(object) => object
            .bounds
            .iter()
            .find_map(|bound| assigned(bound, of, name)),
        _ => None,
    }
}

pub(crate) fn first_type_argument(segment: &PathSegment) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else {
        return None;
    };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

/// The `T` of `Future<Output = T>`.
fn future_output(bound: &TypeParamBound) -> Option<&Type> {
    assigned(bound, "Future", "Output")
}

/// The `T` of `Trait<Name = T>`.
pub(crate) fn assigned<'a>(bound: &'a TypeParamBound, of: &str, name: &str) -> Option<&'a Type> {
    let TypeParamBound::Trait(bound) = bound else {
        return None;
    };
    let segment = bound
        .path
        .segments
        .last()
        .filter(|segment| segment.ident == of)?;
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else {
        return None;
    };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::AssocType(assigned) if assigned.ident == name => Some(&assigned.ty),
        _ => None,
    })
}

pub(crate) fn last_path_segment(ty: &Type) -> Option<&PathSegment> {
    match ty {
        Type::Path(path) => path.path.segments.last(),
        Type::Paren(inner) => last_path_segment(&inner.elem),
        Type::Group(inner) => last_path_segment(&inner.elem),
        _ => None,
    }
}

/// Whether the type cannot be written in a body: `impl Trait`, at any depth.
pub(crate) fn mentions_impl(ty: &Type) -> bool {
    fn in_stream(tokens: proc_macro2::TokenStream) -> bool {
        tokens.into_iter().any(|token| match token {
            TokenTree::Ident(ident) => ident == "impl",
            TokenTree::Group(group) => in_stream(group.stream()),
            _ => false,
        })
    }
    in_stream(ty.to_token_stream())
}

/// The type with `_` for every `impl Trait` in a usual place, as a body can write it.
pub(crate) fn without_impl(ty: &Type) -> Type {
    replace_impl(ty, &parse_quote!(_))
}

/// The type with another one for every `impl Trait` in a usual place.
pub(crate) fn replace_impl(ty: &Type, with: &Type) -> Type {
    let mut ty = ty.clone();
    replace(&mut ty, with);
    ty
}

fn replace(ty: &mut Type, with: &Type) {
    match ty {
        Type::ImplTrait(_) => *ty = with.clone(),
        Type::Paren(inner) => replace(&mut inner.elem, with),
        Type::Group(inner) => replace(&mut inner.elem, with),
        Type::Reference(inner) => replace(&mut inner.elem, with),
        Type::Array(inner) => replace(&mut inner.elem, with),
        Type::Tuple(tuple) => tuple.elems.iter_mut().for_each(|ty| replace(ty, with)),
        Type::Path(path) => {
            for segment in &mut path.path.segments {
                if let PathArguments::AngleBracketed(arguments) = &mut segment.arguments {
                    for argument in &mut arguments.args {
                        if let GenericArgument::Type(ty) = argument {
                            replace(ty, with);
                        }
                    }
                }
            }
        }
        _ => {}
    }
}
