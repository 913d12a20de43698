//! What the signature of a test may be.

use syn::{FnArg, ReturnType, Type};

use super::options::Options;
use crate::function::Function;
use crate::problems::Problems;

pub(crate) fn validate(function: &Function, options: &Options, problems: &mut Problems) {
    let sig = &function.sig;
    if let Some(token) = &sig.constness {
        problems.on(
            token,
            "an `#[llm_test]` function cannot be `const`: remove `const`",
        );
    }
    if let syn::Safety::Unsafe(token) = &sig.safety {
        problems.on(
            token,
            "an `#[llm_test]` function cannot be `unsafe`: use an `unsafe` block in its body",
        );
    }
    if let Some(abi) = &sig.abi {
        problems.on(
            abi,
            "an `#[llm_test]` function cannot be `extern`: remove the ABI",
        );
    }
    if !sig.generics.params.is_empty() {
        problems.on(&sig.generics, "an `#[llm_test]` function cannot be generic: name the types, or use `rstest` for several");
    } else if let Some(clause) = &sig.generics.where_clause {
        problems.on(
            clause,
            "an `#[llm_test]` function cannot be generic: remove the `where` clause",
        );
    }
    arguments(function, options, problems);
    if returns_nothing(&sig.output) {
        let message = "an `#[llm_test]` function must return what to check: \
             add `-> Check` and end it with `TestCase::new(input, output).expect(metric)`";
        match &sig.output {
            ReturnType::Default => problems.on(&sig.ident, message),
            ReturnType::Type(_, unit) => problems.on(unit, message),
        }
    }
}

fn arguments(function: &Function, options: &Options, problems: &mut Problems) {
    let sig = &function.sig;
    let mut typed = Vec::new();
    for input in &sig.inputs {
        match input {
            FnArg::Receiver(receiver) => {
                problems.on(
                    receiver.self_token,
                    "an `#[llm_test]` function has no `self`: move it out of the `impl`",
                );
            }
            FnArg::Typed(argument) => typed.push(argument),
        }
    }
    match typed.as_slice() {
        [] if options.has_dataset => {
            problems.on(&sig.ident, "a test with a dataset takes its row as argument: add `golden: Golden`");
        }
        [argument] if !options.has_dataset => problems.on(
            argument,
            "only a test with a dataset takes an argument: add `dataset = \"…\"`, or remove the argument \
             (with `rstest` or `test_case`, put their attribute above this one)",
        ),
        [argument] => {
            if let Type::Reference(reference) = &*argument.ty {
                problems.on(reference.and_token, "a test owns its row: take it by value");
            }
        }
        [_, second, ..] => {
            problems.on(second, "an `#[llm_test]` function takes one argument, the row: put more fields into the row's type");
        }
        [] => {}
    }
}

pub(crate) fn returns_nothing(output: &ReturnType) -> bool {
    match output {
        ReturnType::Default => true,
        ReturnType::Type(_, ty) => matches!(&**ty, Type::Tuple(tuple) if tuple.elems.is_empty()),
    }
}
